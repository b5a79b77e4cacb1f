//! Bad input gets a clear error, and nothing else is lost.

use anyhow::{Context as _, ensure};
use kouan_protocol::session::{Hello, MEDIA_TYPE, PROTOCOL, Upload, Welcome};
use kouan_protocol::{Clock as _, Incarnation, SessionId, SystemClock, frame, limits};
use kouan_tests::{Agent, AgentConfiguration, Answer, SHORT, wait_until};
use reqwest::Method;
use serde_json::json;

use super::folder;
use super::small::SmallSite;

fn agent_with(folder: &tempfile::TempDir, links: &str) -> anyhow::Result<Agent> {
    Agent::new(AgentConfiguration {
        folder: folder.path().to_owned(),
        name: "agent".to_owned(),
        collector: None,
        links: links.to_owned(),
    })
}

#[tokio::test]
async fn an_unknown_key_in_a_configuration_is_named_with_its_line() -> anyhow::Result<()> {
    let folder = folder()?;
    let links = "[[link]]\nname = \"this-machine\"\nkind = \"host\"\ncolour = \"red\"\n\n\
                 [[link.device]]\nname = \"host-1\"\nlable = \"本机\"\n";
    let agent = agent_with(&folder, links)?;
    let text = std::fs::read_to_string(agent.configuration().file())?;
    let line = |key: &str| text.lines().position(|line| line.starts_with(key)).map_or(0, |at| at + 1);
    for subcommand in ["check", "run", "devices"] {
        let refused = agent.tool(&[subcommand]).await?;
        ensure!(refused.status.code() == Some(2), "{subcommand} ended with {}", refused.status);
        for expected in [
            format!("agent.toml:{}: link[0].colour", line("colour")),
            format!("agent.toml:{}:", line("lable")),
            "did you mean \"label\"?".to_owned(),
        ] {
            ensure!(refused.problems.contains(&expected), "not said: {expected}\nsaid: {}", refused.problems);
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_key_in_the_collectors_configuration_is_named_with_its_line() -> anyhow::Result<()> {
    let site = folder()?;
    let file = site.path().join("collector.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:0\"\nmetrics_opne = true\n")?;
    let program = kouan_tests::binary("kouan-collector")?;
    let arguments = ["check-config".as_ref(), "--config".as_ref(), file.as_os_str()];
    let options = kouan_tests::ProcessOptions::new("collector", program, site.path(), arguments);
    let (status, _, problems) = kouan_tests::run_to_end(&options, SHORT).await?;
    ensure!(status.code() == Some(2), "it ended with {status}: {problems}");
    ensure!(problems.contains("collector.toml:2: metrics_opne"), "{problems}");
    ensure!(problems.contains("metrics_open"), "{problems}");
    Ok(())
}

#[tokio::test]
async fn a_profile_with_overlapping_registers_is_refused() -> anyhow::Result<()> {
    let folder = folder()?;
    let profiles = folder.path().join("profiles");
    std::fs::create_dir(&profiles)?;
    let profile = r#"kind = "modbus"
class = "meter"
evidence = "solid"
source = "a test"

[[group]]
name = "values"
every = "5s"
function = 3

[[group.point]]
name = "energy"
register = 10
type = "u32"
unit = "Wh"

[[group.point]]
name = "power"
register = 11
type = "u16"
unit = "W"
"#;
    std::fs::write(profiles.join("meter.toml"), profile)?;
    let links = "[[link]]\nname = \"meters\"\nkind = \"modbus\"\ntcp = \"127.0.0.1:1502\"\n\n\
                 [[link.device]]\nname = \"meter-1\"\nprofile = \"meter\"\nunit = 1\n";
    let agent = agent_with(&folder, links)?;
    let text = std::fs::read_to_string(agent.configuration().file())?;
    std::fs::write(agent.configuration().file(), format!("profiles = \"{}\"\n{text}", profiles.display()))?;
    let refused = agent.tool(&["check"]).await?;
    ensure!(refused.status.code() == Some(2), "it ended with {}: {}", refused.status, refused.problems);
    ensure!(refused.problems.contains("meter.toml:"), "{}", refused.problems);
    ensure!(refused.problems.contains("overlap") && refused.problems.contains("energy"), "{}", refused.problems);
    Ok(())
}

/// Posts to the agents' side of the collector.
async fn post(site: &SmallSite, token: &str, path: &str, body: Vec<u8>, compressed: bool) -> anyhow::Result<Answer> {
    let client = kouan_tests::Api::new(site.api.base(), token)?;
    let request = client.request(Method::POST, path).header("content-type", MEDIA_TYPE).body(body);
    client.send(if compressed { request.header("content-encoding", "zstd") } else { request }).await
}

fn is_problem(answer: &Answer, status: u16, word: &str) -> anyhow::Result<()> {
    let named = answer.body["type"] == format!("urn:kouan:problem:{word}");
    let right = answer.status.as_u16() == status && answer.content_type == "application/problem+json" && named;
    ensure!(right, "not a {status} {word}: {answer:?}");
    ensure!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer:?}");
    Ok(())
}

fn hello() -> anyhow::Result<Hello> {
    Ok(Hello {
        protocol: PROTOCOL,
        software: "test".to_owned(),
        incarnation: Incarnation::random(),
        journal: Incarnation::random(),
        now: SystemClock::new()?.anchor(),
        lanes: Vec::new(),
        kinds: Vec::new(),
        catalogues: Vec::new(),
        config_hash: String::new(),
    })
}

#[tokio::test]
async fn uploads_that_are_broken_too_large_or_of_another_agent_are_refused() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.gate.control("pass in 3").await?;
    let now = SystemClock::new()?.anchor();
    let stranger = site.collector.enrol("stranger", "elsewhere").await?;

    let client = kouan_tests::Api::new(site.api.base(), &stranger)?;
    let request = client.request(Method::POST, "/agent/v1/hello").header("content-type", MEDIA_TYPE);
    let welcome = request.body(hello()?.encode()).send().await?.bytes().await?;
    let welcome = Welcome::decode(&welcome)?;
    ensure!(welcome.agent.as_str() == "stranger" && welcome.site == "elsewhere", "{welcome:?}");
    let upload = |session: SessionId| {
        let upload = Upload { session, now, catalogues: Vec::new(), batches: Vec::new(), snapshots: Vec::new() };
        frame::compress(&upload.encode())
    };

    let whole = upload(welcome.session)?;
    let good = post(&site, &stranger, "/agent/v1/upload", whole.clone(), true).await?;
    ensure!(good.status.is_success(), "{good:?}");
    let cut = whole[..whole.len() - 3].to_vec();
    is_problem(&post(&site, &stranger, "/agent/v1/upload", cut, true).await?, 400, "malformed")?;
    let junk = vec![0xA5; 1000];
    is_problem(&post(&site, &stranger, "/agent/v1/upload", junk, true).await?, 400, "malformed")?;
    let large = vec![0; limits::BODY_BYTES + 1];
    is_problem(&post(&site, &stranger, "/agent/v1/upload", large, true).await?, 413, "too-large")?;
    let bomb = frame::compress(&vec![0; limits::PLAIN_BYTES + 1])?;
    is_problem(&post(&site, &stranger, "/agent/v1/upload", bomb, true).await?, 413, "too-large")?;
    // The session is the stranger's, the token is not, and the other way round.
    let theirs = upload(welcome.session)?;
    let mixed = post(&site, &site.token, "/agent/v1/upload", theirs, true).await?;
    is_problem(&mixed, 409, "hello-required")?;
    let unknown = post(&site, &stranger, "/agent/v1/upload", upload(SessionId(7))?, true).await?;
    is_problem(&unknown, 409, "hello-required")?;
    let nobody = post(&site, "ka_nobody", "/agent/v1/upload", upload(welcome.session)?, true).await?;
    is_problem(&nobody, 401, "unauthorized")?;

    site.gate.control("pass in 4").await?;
    site.nothing_lost_nothing_doubled().await
}

#[tokio::test]
async fn commands_that_cannot_be_are_refused_with_every_reason() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    let device = site.api.device_id("relay-1").await?;
    let unknown = site.api.post("/devices/d-aaaaaaaaaaaa/commands", &json!({ "action": "relay.set" })).await?;
    is_problem(&unknown, 404, "not-found")?;
    let path = format!("/devices/{device}/commands");
    for (body, said) in [
        (json!({ "action": "relay.fly" }), vec!["relay.fly"]),
        (json!({ "action": "relay.set", "arguments": { "channel": 99 } }), vec!["channel", "on"]),
        (json!({ "action": "relay.set", "arguments": { "channel": "one", "on": true, "x": 1 } }), vec!["channel", "x"]),
        (json!({ "action": "relay.set", "arguments": { "channel": 1, "on": [] } }), vec!["on"]),
        (json!({ "action": "relay.set", "arguments": { "channel": 1, "on": true }, "life_ms": 0 }), vec!["life_ms"]),
    ] {
        let refused = site.api.post(&path, &body).await?;
        is_problem(&refused, 422, "invalid")?;
        for word in said {
            let problems = refused.body["problems"].to_string();
            ensure!(problems.contains(word), "{body}: {word} is not in {problems}");
        }
    }
    is_problem(&site.api.post(&path, &json!({ "action": "relay.set", "colour": 1 })).await?, 400, "malformed")?;
    ensure!(site.api.list("/commands").await?.is_empty(), "a refused command was kept");
    ensure!((site.moved(0).await?, site.moved(98).await?) == (0, 0), "a refused command was carried out");
    Ok(())
}

#[tokio::test]
async fn bad_frames_on_a_line_are_told_and_cost_nothing_else() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.gate.control("pass in 2").await?;
    site.gate.control("bad-checksum on").await?;
    site.cabinet.control("bad-checksum 1 on").await?;
    for device in ["gate-1", "climate-1"] {
        let look = async || Ok(site.api.device(device).await?["health"].clone());
        let health = wait_until(&format!("{device} told"), SHORT, look, |health| health["level"] != "working").await?;
        ensure!(health["reason"] == "bad-checksum", "{device}: {health}");
    }
    // The neighbour on the same line, and the way to the collector, are not touched.
    let command = site.api.command("relay-1", "relay.set", json!({ "channel": 1, "on": true }), SHORT).await?;
    let outcome = site.api.outcome(&command, SHORT).await?;
    ensure!(outcome["state"] == "succeeded", "{outcome}");
    site.gate.control("pass in 5").await?;
    site.gate.control("bad-checksum off").await?;
    site.cabinet.control("bad-checksum 1 off").await?;
    site.wait_health("gate-1", "working").await?;
    site.wait_health("climate-1", "working").await?;
    site.nothing_lost_nothing_doubled().await?;
    let climate = site.api.device("climate-1").await?;
    let quality = climate["points"][0]["quality"].as_str().context("no quality")?.to_owned();
    ensure!(quality == "good", "{climate}");
    Ok(())
}
