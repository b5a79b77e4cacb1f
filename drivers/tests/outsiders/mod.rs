//! Programs that the project did not write: pymodbus, mbpoll, socat.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod script;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("KOUAN_TEST_PYTHON") {
        return python.into();
    }
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    assert!(python.exists(), "there is no {}: run `make test-setup`, or set KOUAN_TEST_PYTHON", python.display());
    python
}

/// A pymodbus server that serves a table.
pub struct ModbusServer {
    child: Child,
    _stdin: ChildStdin,
    lines: mpsc::Receiver<String>,
    /// Port or path.
    pub place: String,
}

impl ModbusServer {
    pub fn tcp(table: &serde_json::Value, more: &[&str]) -> Self {
        Self::start(&[&["--tcp", "127.0.0.1:0"], more].concat(), table)
    }

    pub fn serial(path: &Path, table: &serde_json::Value) -> Self {
        Self::start(&["--serial", path.to_str().unwrap()], table)
    }

    fn start(arguments: &[&str], table: &serde_json::Value) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/modbus_server.py");
        let mut child = Command::new(python())
            .arg(script)
            .args(arguments)
            .args(["--table", &table.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = Self { child, _stdin: stdin, lines, place: String::new() };
        server.place = server.line("LISTENING ");
        server
    }

    /// Waits for a line that begins like this and returns the rest of it.
    pub fn line(&self, begins: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("pymodbus never said \"{begins}\"; run `make test-setup`"));
            if let Some(rest) = line.strip_prefix(begins) {
                return rest.to_owned();
            }
        }
    }

    /// Lines that begin like this and have come until now.
    pub fn said(&self, begins: &str) -> Vec<String> {
        self.lines.try_iter().filter(|line| line.starts_with(begins)).collect()
    }
}

impl Drop for ModbusServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two serial ports with a wire between them, by socat.
pub struct Wire {
    child: Child,
    folder: tempfile::TempDir,
}

impl Wire {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let end = |name: &str| format!("pty,raw,echo=0,link={}", folder.path().join(name).display());
        let child = Command::new("socat")
            .args([end("near"), end("far")])
            .stderr(Stdio::null())
            .spawn()
            .expect("socat is missing: run `make test-setup`");
        let wire = Self { child, folder };
        let deadline = Instant::now() + PATIENCE;
        while !(wire.near().exists() && wire.far().exists()) {
            assert!(Instant::now() < deadline, "socat makes no ports");
            std::thread::sleep(Duration::from_millis(5));
        }
        wire
    }

    pub fn near(&self) -> PathBuf {
        self.folder.path().join("near")
    }

    pub fn far(&self) -> PathBuf {
        self.folder.path().join("far")
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs mbpoll once and returns the values it shows by address, or what it complains about.
pub async fn mbpoll(arguments: &[&str]) -> Result<Vec<(u32, i64)>, String> {
    let output = tokio::process::Command::new("mbpoll")
        .args(["-1", "-0"])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("mbpoll is missing: run `make test-setup`");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || said.contains("failed") {
        return Err(said);
    }
    let values = said.lines().filter_map(|line| {
        let (address, value) = line.strip_prefix('[')?.split_once("]:")?;
        // A value above 32767 is followed by its signed reading in parentheses.
        Some((address.parse().ok()?, value.split_whitespace().next()?.parse().ok()?))
    });
    Ok(values.collect())
}
