//! What Prometheus scrapes.

use kouan_protocol::{HealthLevel, Lane};
use reqwest::{Method, StatusCode};

use crate::running::{Running, eventually};
use crate::scripted_agent::health;

async fn with_points() -> (Running, crate::scripted_agent::ScriptedAgent) {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    let mut port = collector.enrol("port-1", "port").await;
    agent.hello().await;
    port.hello().await;
    let batches = vec![agent.rows(&[(1_000, 230.5)]), agent.batch(Lane::Urgent, vec![health(HealthLevel::Working)])];
    agent.upload(batches).await;
    let batches = vec![port.rows(&[(1_000, 12.25)])];
    port.upload(batches).await;
    eventually("six series of points", async || {
        let text = collector.get("/metrics/points").await;
        text.as_str()?.lines().any(|line| line == "kouan_points_series 7").then_some(())
    })
    .await;
    (collector, agent)
}

#[tokio::test]
async fn prometheus_gets_what_is_current_within_the_keys_sites() {
    let (collector, _agent) = with_points().await;
    let device = collector.device_of("hall-1", "ups-1").await;
    let labels = format!("area=\"lane 1\",class=\"ups\",device=\"{device}\"");
    let text = collector.get("/metrics/points").await;
    let text = text.as_str().unwrap();
    for line in [
        format!("kouan_point{{{labels},point=\"voltage\",site=\"hall\"}} 230.5"),
        format!("kouan_point_state{{{labels},point=\"mode\",site=\"hall\",state=\"mains\"}} 1"),
        format!("kouan_point_state{{{labels},point=\"mode\",site=\"hall\",state=\"battery\"}} 0"),
        format!("kouan_device_working{{{labels},site=\"hall\"}} 1"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    let key = collector.key("prometheus", &["metrics"], Some(&["port"])).await;
    let ask = async |path: &str| collector.request(Method::GET, path, Some(&key), None).await;
    let (status, text) = ask("/metrics/points").await;
    assert_eq!(status, StatusCode::OK);
    let text = text.as_str().unwrap();
    assert!(text.contains("site=\"port\"") && !text.contains("site=\"hall\""), "{text}");
    assert_eq!(ask("/api/v1/devices").await.0, StatusCode::FORBIDDEN, "monitoring sees nothing else");
    assert_eq!(ask("/metrics").await.0, StatusCode::FORBIDDEN);
    let (_, other) = ask("/metrics/points?class=meter").await;
    assert!(other.as_str().unwrap().contains("kouan_points_series 0"));

    collector.clock.advance_ms(140_000);
    let stale = collector.get("/metrics/points").await;
    let stale = stale.as_str().unwrap();
    assert!(stale.contains("kouan_points_series 0\n") && stale.contains("kouan_points_stale 4\n"), "{stale}");
}

/// The parser of the Python client, which others wrote, reads the text and finds the same values.
#[tokio::test]
async fn the_python_clients_parser_reads_a_scrape() {
    let (collector, _agent) = with_points().await;
    let text = collector.get("/metrics/points").await;
    let python = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    let script = "import sys\nfrom prometheus_client.parser import text_string_to_metric_families as parse\n\
        for family in parse(sys.stdin.read()):\n    for s in family.samples:\n        \
        print(family.type, s.name, s.labels.get('site', ''), s.labels.get('point', ''), s.labels.get('state', ''), float(s.value))\n";
    let mut child = std::process::Command::new(python)
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_str().unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let mut promtool = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("tests/setup installs prometheus with its promtool");
    std::io::Write::write_all(&mut promtool.stdin.take().unwrap(), text.as_str().unwrap().as_bytes()).unwrap();
    assert!(promtool.wait().unwrap().success(), "{text}");
    let mut found: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    found.sort();
    let expected = [
        "gauge kouan_device_working hall   1.0",
        "gauge kouan_point hall voltage  230.5",
        "gauge kouan_point port voltage  12.25",
        "gauge kouan_point_state hall mode battery 0.0",
        "gauge kouan_point_state hall mode mains 1.0",
        "gauge kouan_point_state port mode battery 1.0",
        "gauge kouan_point_state port mode mains 0.0",
        "gauge kouan_points_series    7.0",
        "gauge kouan_points_series_left_out    0.0",
        "gauge kouan_points_stale    0.0",
    ];
    assert_eq!(found, expected);
}
