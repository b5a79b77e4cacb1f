//! A real mosquitto on a port of its own.
#![allow(unreachable_pub, clippy::unwrap_used)]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A broker that dies with the test.
pub struct Broker {
    pub port: u16,
    settings: tempfile::NamedTempFile,
    child: Child,
}

impl Broker {
    pub fn start(allow_anonymous: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut settings = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous {allow_anonymous}\npersistence false\n\
             max_inflight_messages 0\n"
        );
        settings.write_all(text.as_bytes()).unwrap();
        let child = spawn(&settings);
        let broker = Self { port, settings, child };
        broker.wait_until_up();
        broker
    }

    /// As a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        self.child = spawn(&self.settings);
        self.wait_until_up();
    }

    /// Publishes with mosquitto's own client.
    pub fn publish(&self, topic: &str, payload: &str, more: &[&str]) {
        let port = self.port.to_string();
        let mut child = Command::new("mosquitto_pub")
            .args(["-p", &port, "-t", topic, "-s"])
            .args(more)
            .stdin(Stdio::piped())
            .spawn()
            .expect("mosquitto_pub is missing: run make test-setup");
        child.stdin.take().unwrap().write_all(payload.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn wait_until_up(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen on port {}", self.port);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn spawn(settings: &tempfile::NamedTempFile) -> Child {
    // Debian puts it where an ordinary user's path does not lead.
    let program =
        if std::path::Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
    Command::new(program)
        .arg("-c")
        .arg(settings.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto is missing: run make test-setup")
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
