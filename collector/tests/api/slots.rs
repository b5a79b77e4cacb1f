//! Many backlogs at once, and the alarm of one agent.

use kouan_protocol::{AlarmState, Lane};
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::running::Running;
use crate::scripted_agent::alarm;

/// Begins an upload of many bytes and sends none of them.
async fn begin_upload(base: &str, token: &str) -> TcpStream {
    let address = base.trim_start_matches("http://");
    let mut line = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /agent/v1/upload HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-encoding: zstd\r\ncontent-length: 1000000\r\n\r\n"
    );
    line.write_all(head.as_bytes()).await.unwrap();
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_does_not_wait_for_the_backlogs_of_others() {
    let running = Running::start().await;
    let mut agent = running.enrol("hall-1", "hall").await;
    agent.hello().await;
    // More and more backlogs on slow lines, until one is told to come again: all slots are taken.
    let mut lines = Vec::new();
    let refused = loop {
        let mut line = begin_upload(&running.base, &agent.token).await;
        let mut answer = [0; 64];
        let spoke = tokio::time::timeout(std::time::Duration::from_millis(200), line.read(&mut answer)).await;
        if let Ok(read) = spoke {
            break String::from_utf8_lossy(&answer[..read.unwrap()]).into_owned();
        }
        lines.push(line);
        assert!(lines.len() < 100, "there is a limit");
    };
    assert!(refused.contains(StatusCode::TOO_MANY_REQUESTS.as_str()), "{refused}");
    let batch = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Raised)]);
    let receipt = agent.upload(vec![batch]).await;
    assert_eq!(receipt.stored[0].stored_seq, 1);
}
