//! The program `kouan-sim`, as people and other tests use it.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(arguments: &[&str]) -> (Self, Value) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kouan-sim"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut program = Self { child, input, output };
        let ready = program.line();
        assert_eq!(ready["ready"], true);
        (program, ready)
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn say(&mut self, line: &str) -> Value {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        self.line()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Input registers 1 and 2 of unit 1, read by libmodbus.
fn mbpoll(line: &Path) -> (bool, String) {
    let output = Command::new("mbpoll")
        .args(["-q", "-m", "rtu", "-b", "9600", "-P", "none", "-a", "1", "-0", "-r", "1", "-c", "2", "-t", "3", "-1"])
        .arg(line)
        .output()
        .expect("mbpoll is missing: run make test-setup");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn another_maker_s_master_reads_the_simulated_line_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let line = folder.path().join("line");
    let (mut program, ready) = Program::start(&["modbus-rtu", "--pty", line.to_str().unwrap(), "--unit", "1=xy-md02"]);
    assert_eq!(ready["address"], line.to_str().unwrap());
    assert_eq!(program.say("set 1 input 1 321")["ok"], true);
    for _ in 0..2 {
        // Right after a restart the line is not there for a moment.
        let deadline = Instant::now() + Duration::from_secs(10);
        let said = loop {
            match mbpoll(&line) {
                (true, said) => break said,
                (false, said) => assert!(Instant::now() < deadline, "{said}"),
            }
        };
        assert!(said.contains("[1]: \t321"), "{said}");
        assert_eq!(program.say("restart")["ok"], true);
    }
    assert_eq!(program.say("silent on")["ok"], true);
    assert!(!mbpoll(&line).0);
    assert!(program.say("dance")["error"].is_string());
}

#[test]
fn it_ends_with_its_input_and_takes_its_line_away() {
    let folder = tempfile::tempdir().unwrap();
    let line = folder.path().join("line");
    let (mut program, _) = Program::start(&["gate", "--pty", line.to_str().unwrap()]);
    assert_eq!(program.say("pass in 3")["ok"], true);
    assert_eq!(program.say("show")["state"]["left"], 3);
    assert!(line.exists());
    program.input = None;
    assert!(program.child.wait().unwrap().success());
    assert!(std::fs::symlink_metadata(&line).is_err());
}
