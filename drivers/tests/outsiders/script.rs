//! A program in Python around a library that somebody else wrote, spoken to in lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{PATIENCE, python};

/// A program of `tests/peers/` that dies with the test.
pub struct Script {
    name: String,
    child: Child,
    stdin: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Script {
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(python())
            .arg(format!("{}/../tests/peers/{name}", env!("CARGO_MANIFEST_DIR")))
            .args(arguments)
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
        Self { name: name.to_owned(), child, stdin, lines }
    }

    /// Says a line to it.
    pub fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    /// Waits for a line that begins like this and returns the rest of it. The test's own tasks go on meanwhile.
    pub async fn line(&self, begins: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.try_recv() {
                Ok(line) => {
                    if let Some(rest) = line.strip_prefix(begins) {
                        return rest.to_owned();
                    }
                }
                Err(mpsc::TryRecvError::Empty) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(_) => panic!("{} never said \"{begins}\"; run `make test-setup`", self.name),
            }
        }
    }

    /// Lines that begin like this and have come until now.
    pub fn said(&self, begins: &str) -> Vec<String> {
        self.lines.try_iter().filter(|line| line.starts_with(begins)).collect()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
