//! The life of a command.

use std::time::Duration;

use kouan_protocol::{CommandState, FieldValue, Incarnation};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::running::Running;
use crate::scripted_agent::ScriptedAgent;

/// Far less than a poll waits.
const SOON: Duration = Duration::from_secs(10);

async fn relay() -> (Running, ScriptedAgent, String) {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    agent.upload(vec![]).await;
    let relay = collector.device("relay-1").await;
    (collector, agent, relay)
}

async fn ask(collector: &Running, relay: &str) -> String {
    collector.ask(relay).await
}

async fn becomes(collector: &Running, command: &str, state: &str) -> Value {
    collector.command_becomes(command, state).await
}

#[tokio::test]
async fn a_command_goes_its_whole_way_on_the_agents_evidence() {
    let (collector, mut agent, relay) = relay().await;
    let command = ask(&collector, &relay).await;
    let delivery = agent.poll(1_000).await.unwrap();
    assert_eq!(delivery.commands.len(), 1);
    let handed = &delivery.commands[0];
    assert_eq!((handed.id.as_str(), handed.device.as_str()), (command.as_str(), "relay-1"));
    assert!(handed.arguments.iter().any(|field| field.name == "channel" && field.value == FieldValue::Integer(3)));
    assert_eq!(handed.life_left_ms, 30_000);
    let found = collector.get(&format!("/api/v1/commands/{command}")).await;
    assert_eq!((found["state"].as_str(), found["handed_out"].as_bool()), (Some("queued"), Some(true)));
    for state in [CommandState::Delivered, CommandState::Started, CommandState::Succeeded] {
        agent.progress(&command, state).await;
        becomes(&collector, &command, state.as_str()).await;
    }
    agent.progress(&command, CommandState::Failed).await;
    let found = becomes(&collector, &command, "succeeded").await;
    assert_eq!((found["final"].as_bool(), found["results"]["answer"].as_i64()), (Some(true), Some(1)));
    let history: Vec<&str> =
        found["history"].as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(history, ["requested", "queued", "offered", "delivered", "started", "succeeded"]);
    assert_eq!((found["reason"].as_str(), found["reason_zh"].as_str()), (Some("a reason"), Some("原因")));
    assert_eq!(found["history"][5]["reason_zh"].as_str(), Some("原因"));
    assert_eq!((found["requested_by"].as_str(), found["why"].as_str()), (Some("first"), Some("test")));
    assert!(agent.poll(0).await.unwrap().commands.is_empty());
}

#[tokio::test]
async fn a_poll_that_waits_is_woken_and_says_how_long_it_was_held() {
    let (collector, agent, relay) = relay().await;
    let waiting = async { agent.poll(30_000).await.unwrap() };
    let asking = async {
        collector.clock.advance_ms(400);
        ask(&collector, &relay).await
    };
    let (delivery, command) = tokio::join!(waiting, asking);
    assert_eq!(delivery.commands[0].id.as_str(), command);
    assert!(delivery.held_ms == 400 || delivery.held_ms == 0, "{}", delivery.held_ms);
}

/// Of two polls at the same time one gets the command. Perhaps nobody listens to that one any more.
#[tokio::test]
async fn a_poll_beside_the_one_that_got_a_command_gets_it_again_soon() {
    let (collector, agent, relay) = relay().await;
    let (first, second) = (agent.poll(30_000), agent.poll(30_000));
    tokio::pin!(first, second);
    let asked = ask(&collector, &relay);
    tokio::pin!(asked);
    let mut command = None;
    let (delivered, other) = loop {
        tokio::select! {
            known = &mut asked, if command.is_none() => command = Some(known),
            delivery = &mut first => break (delivery.unwrap(), second),
            delivery = &mut second => break (delivery.unwrap(), first),
        }
    };
    let command = match command {
        Some(command) => command,
        None => asked.await,
    };
    assert_eq!(delivered.commands[0].id.as_str(), command);
    collector.clock.advance_ms(5_000);
    let again = tokio::time::timeout(SOON, other).await.expect("the other poll waits for something else").unwrap();
    assert_eq!(again.commands[0].id.as_str(), command);
}

#[tokio::test]
async fn without_evidence_a_command_is_offered_again_with_what_is_left_of_its_life() {
    let (collector, mut agent, relay) = relay().await;
    let command = ask(&collector, &relay).await;
    assert_eq!(agent.poll(0).await.unwrap().commands.len(), 1);
    assert_eq!(agent.poll(0).await.unwrap().commands.len(), 0, "not at once");
    collector.clock.advance_ms(5_000);
    let again = agent.poll(0).await.unwrap().commands;
    assert_eq!((again[0].id.as_str(), again[0].life_left_ms), (command.as_str(), 25_000));
    agent.hello().await;
    assert_eq!(agent.poll(0).await.unwrap().commands.len(), 1, "a new session has perhaps not seen it");
    let collector = collector.restart().await;
    agent.moved_to(&collector.base);
    agent.hello().await;
    assert_eq!(agent.poll(0).await.unwrap().commands.len(), 1, "a restart forgets nothing");
    agent.progress(&command, CommandState::Delivered).await;
    becomes(&collector, &command, "delivered").await;
    collector.clock.advance_ms(5_000);
    assert!(agent.poll(0).await.unwrap().commands.is_empty());
}

#[tokio::test]
async fn a_command_that_nobody_fetched_expires() {
    let (collector, agent, relay) = relay().await;
    let command = ask(&collector, &relay).await;
    collector.clock.advance_ms(29_000);
    collector.clock.change(|anchor| anchor.wall.0 += 3_600_000);
    assert_eq!(
        collector.get(&format!("/api/v1/commands/{command}")).await["state"],
        "queued",
        "wall clocks play no part"
    );
    collector.clock.advance_ms(1_000);
    becomes(&collector, &command, "expired").await;
    assert!(agent.poll(0).await.unwrap().commands.is_empty());
}

#[tokio::test]
async fn a_command_that_was_handed_out_and_never_heard_of_becomes_unknown() {
    let (collector, mut agent, relay) = relay().await;
    let command = ask(&collector, &relay).await;
    assert_eq!(agent.poll(0).await.unwrap().commands.len(), 1);
    collector.clock.advance_ms(60_000);
    let asked_after = agent.poll(0).await.unwrap().commands;
    assert_eq!(asked_after[0].life_left_ms, 0, "its life has ended, and the agent is asked what became of it");
    assert_eq!(collector.get(&format!("/api/v1/commands/{command}")).await["state"], "queued");
    collector.clock.advance_ms(5 * 60_000);
    becomes(&collector, &command, "unknown").await;
    agent.progress(&command, CommandState::Expired).await;
    becomes(&collector, &command, "expired").await;
}

#[tokio::test]
async fn a_command_whose_answer_was_lost_and_whose_life_ended_is_settled_by_the_agents_word() {
    let (collector, mut agent, relay) = relay().await;
    let command = ask(&collector, &relay).await;
    assert_eq!(agent.poll(0).await.unwrap().commands.len(), 1);
    collector.clock.advance_ms(60_000);
    assert_eq!(agent.poll(0).await.unwrap().commands[0].id.as_str(), command);
    agent.progress(&command, CommandState::Expired).await;
    becomes(&collector, &command, "expired").await;
    collector.clock.advance_ms(5_000);
    assert!(agent.poll(0).await.unwrap().commands.is_empty());
}

#[tokio::test]
async fn another_journal_makes_what_the_old_one_had_unknown() {
    let (collector, mut agent, relay) = relay().await;
    let (handed, delivered) = (ask(&collector, &relay).await, ask(&collector, &relay).await);
    assert_eq!(agent.poll(0).await.unwrap().commands.len(), 2);
    agent.progress(&delivered, CommandState::Delivered).await;
    becomes(&collector, &delivered, "delivered").await;
    let waiting = ask(&collector, &relay).await;
    agent.journal = Incarnation::random();
    agent.hello().await;
    becomes(&collector, &handed, "unknown").await;
    becomes(&collector, &delivered, "unknown").await;
    let again = agent.poll(0).await.unwrap().commands;
    assert_eq!(again.iter().map(|command| command.id.as_str()).collect::<Vec<_>>(), [waiting.as_str()]);
}

#[tokio::test]
async fn late_words_of_a_lost_journal_count_only_when_they_tell_an_end() {
    let (collector, mut agent, relay) = relay().await;
    let (first, second) = (ask(&collector, &relay).await, ask(&collector, &relay).await);
    assert_eq!(agent.poll(0).await.unwrap().commands.len(), 2);
    let (lost, local) = (agent.journal, "c-local");
    agent.progress(local, CommandState::Started).await;
    becomes(&collector, local, "started").await;
    agent.journal = Incarnation::random();
    agent.hello().await;
    for command in [first.as_str(), second.as_str(), local] {
        becomes(&collector, command, "unknown").await;
    }
    // The lane keeps its order: once the last of these is seen, the ones before it were.
    agent.progress_of(lost, &first, CommandState::Started).await;
    agent.progress_of(lost, "c-never-heard-of", CommandState::Started).await;
    agent.progress_of(lost, &second, CommandState::Started).await;
    agent.progress_of(lost, &second, CommandState::Succeeded).await;
    becomes(&collector, &second, "succeeded").await;
    becomes(&collector, "c-never-heard-of", "unknown").await;
    becomes(&collector, &first, "unknown").await;
    agent.progress_of(lost, &first, CommandState::Failed).await;
    becomes(&collector, &first, "failed").await;
    agent.progress(local, CommandState::Succeeded).await;
    becomes(&collector, local, "succeeded").await;
}

#[tokio::test]
async fn wrong_requests_are_told_everything_that_is_wrong() {
    let (collector, _, relay) = relay().await;
    let path = format!("/api/v1/devices/{relay}/commands");
    let wrong = json!({ "action": "relay.set", "arguments": { "channel": 9, "colour": "red" }, "life_ms": 0 });
    let (status, body) = collector.post(&path, wrong).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["problems"].as_array().unwrap().len(), 4, "{body}");
    let (status, body) = collector.post(&path, json!({ "action": "explode" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(body["detail"].as_str().unwrap().contains("relay.set"), "{body}");
    let (status, _) = collector.post("/api/v1/devices/d-nothing/commands", json!({ "action": "x" })).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = collector.post(&path, json!({ "action": "relay.set", "when": "now" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(collector.items("/api/v1/commands").await.is_empty());
}

#[tokio::test]
async fn the_same_request_twice_is_the_same_command() {
    let (collector, _, relay) = relay().await;
    let body = json!({ "action": "relay.set", "arguments": { "channel": 1, "on": false } });
    let mut ids = Vec::new();
    for expected in [StatusCode::CREATED, StatusCode::OK] {
        let request = collector.http.post(format!("{}/api/v1/devices/{relay}/commands", collector.base));
        let request = request.bearer_auth(&collector.key).header("idempotency-key", "order-7").json(&body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), expected);
        ids.push(response.json::<Value>().await.unwrap()["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(collector.items("/api/v1/commands").await.len(), 1);
}

#[tokio::test]
async fn moving_a_device_rejects_what_was_not_handed_out() {
    let (collector, agent, relay) = relay().await;
    let command = ask(&collector, &relay).await;
    collector.enrol("hall-2", "hall").await;
    let (status, _) = collector
        .request(
            Method::POST,
            &format!("/api/v1/devices/{relay}/binding"),
            Some(&collector.key),
            Some(json!({ "agent": "hall-2", "key": "relay-1" })),
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    becomes(&collector, &command, "rejected").await;
    assert!(agent.poll(0).await.unwrap().commands.is_empty());
}

#[tokio::test]
async fn a_stop_ends_waiting_polls() {
    let (collector, agent, _) = relay().await;
    let started = std::time::Instant::now();
    let poll = tokio::spawn(async move { agent.poll(50_000).await.map(|delivery| delivery.commands.len()) });
    collector.get("/api/v1/agents").await;
    collector.stop().await;
    assert_eq!(poll.await.unwrap().unwrap_or(0), 0);
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}
