//! HTTP/2 over TLS, with curl as the client that others wrote; whoever speaks only HTTP/1.1 is served as before.

use std::path::Path;
use std::process::Stdio;

use kouan_collector::config::Tls;
use kouan_protocol::Lane;
use tokio::process::Command;

use crate::running::{Running, eventually};
use crate::scripted_agent::passage;

/// More tabs than a browser has connections over HTTP/1.1.
const TABS: usize = 12;

async fn start() -> Running {
    Running::start_with(|config| {
        config.shipped_alarm_rules = false;
        config.tls = Some(Tls::SelfSigned { names: Vec::new() });
    })
    .await
}

/// What curl is told in all tests: no settings of this machine's, the key, and what to say at the end.
fn curl(collector: &Running) -> Command {
    let mut curl = Command::new("curl");
    let say = "%{http_version} %{http_code} %{num_connects}\\n";
    curl.args(["-q", "-sS", "--insecure", "--noproxy", "*", "-w", say, "-H"])
        .arg(format!("Authorization: Bearer {}", collector.key))
        .kill_on_drop(true)
        .stdout(Stdio::piped());
    curl
}

async fn said(curl: &mut Command) -> String {
    let output = curl.output().await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn holds(file: &Path, text: &str) -> bool {
    std::fs::read_to_string(file).is_ok_and(|found| found.contains(text))
}

#[tokio::test]
async fn both_versions_are_spoken_and_the_client_chooses() {
    let collector = start().await;
    let ready = format!("{}/healthz", collector.base);
    assert_eq!(said(curl(&collector).args(["--http2", "-o", "/dev/null", &ready])).await, "2 200 1\n");
    assert_eq!(said(curl(&collector).args(["--http1.1", "-o", "/dev/null", &ready])).await, "1.1 200 1\n");
    let answer = collector.http.get(&ready).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_11);

    let long = format!("x-long: {}", "x".repeat(20_000));
    let refused = said(curl(&collector).args(["--http2", "-o", "/dev/null", "-H", &long, &ready])).await;
    // Answered with 431, or the whole connection ends: it depends on how much of it was sent by then.
    assert!(refused.starts_with("2 431") || refused.starts_with("0 000"), "{refused}");
    let keys = format!("{}/api/v1/keys", collector.base);
    let body = ["-d", "{\"name\":\"h2\",\"scopes\":[\"read\"]}", "-H", "Content-Type: application/json", &keys];
    assert_eq!(said(curl(&collector).args(["--http2", "-o", "/dev/null"]).args(body)).await, "2 201 1\n");
}

#[tokio::test]
async fn an_agent_over_tls_goes_on_with_the_version_that_it_knows() {
    let collector = start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let batch = agent.batch(Lane::Events, vec![passage("in")]);
    agent.upload(vec![batch]).await;
    collector.items_when("/api/v1/events", 1).await;
}

#[tokio::test]
async fn many_tabs_share_one_connection_and_every_one_is_live() {
    let collector = start().await;
    let folder = tempfile::tempdir().unwrap();
    let tabs: Vec<_> = (0..TABS).map(|tab| folder.path().join(tab.to_string())).collect();
    let mut command = curl(&collector);
    command.args(["--http2", "-N", "--parallel", "--parallel-max", "50"]);
    for tab in &tabs {
        command.arg("-o").arg(tab).arg(format!("{}/api/v1/stream", collector.base));
    }
    let devices = folder.path().join("devices");
    command.arg("-o").arg(&devices).arg(format!("{}/api/v1/devices", collector.base));
    let open = command.spawn().unwrap();
    eventually("every tab is greeted and the list is there", async || {
        (tabs.iter().all(|tab| holds(tab, "event: hello")) && holds(&devices, "\"items\"")).then_some(())
    })
    .await;
    // What happens now is told to each of them.
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let batch = agent.batch(Lane::Events, vec![passage("in")]);
    agent.upload(vec![batch]).await;
    eventually("every tab hears of the device", async || {
        tabs.iter().all(|tab| holds(tab, "event: devices")).then_some(())
    })
    .await;
    // The collector ends the streams when it stops, and so curl ends.
    collector.stop().await;
    let output = open.wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let transfers: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(transfers.len(), TABS + 1, "{text}");
    assert!(transfers.iter().all(|transfer| transfer[..2] == ["2", "200"]), "{text}");
    let connections: usize = transfers.iter().map(|transfer| transfer[2].parse::<usize>().unwrap()).sum();
    assert_eq!(connections, 1, "{text}");
}
