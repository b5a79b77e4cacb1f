//! What agents send is stored once, and what cannot be stored is said.

use kouan_protocol::session::{Envelope, Upload};
use kouan_protocol::{Digest, Epoch, Lane, RecordBody, RecordKind, frame, limits};
use reqwest::StatusCode;

use crate::running::Running;
use crate::scripted_agent::{ScriptedAgent, passage};

async fn agent(collector: &Running) -> ScriptedAgent {
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    agent
}

#[tokio::test]
async fn the_same_upload_twice_is_stored_once() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    let batch = agent.batch(Lane::Events, vec![passage("in"), passage("out")]);
    for _ in 0..2 {
        let receipt = agent.upload(vec![batch.clone()]).await;
        assert_eq!(ScriptedAgent::position(&receipt, Lane::Events), 2);
    }
    collector.items_when("/api/v1/events", 2).await;
    agent.upload(vec![batch.clone()]).await;
    assert_eq!(collector.items("/api/v1/events").await.len(), 2);
}

#[tokio::test]
async fn an_overlapping_batch_adds_only_what_is_new() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    let first = agent.batch(Lane::Events, vec![passage("in"), passage("out")]);
    agent.upload(vec![first]).await;
    agent.next.insert(Lane::Events, 2);
    let overlapping = agent.batch(Lane::Events, vec![passage("out"), passage("in")]);
    let receipt = agent.upload(vec![overlapping]).await;
    assert_eq!(ScriptedAgent::position(&receipt, Lane::Events), 3);
    collector.items_when("/api/v1/events", 3).await;

    let rows = agent.rows(&[(30, 1.0), (20, 2.0)]);
    agent.upload(vec![rows]).await;
    agent.next.insert(Lane::Readings, 1);
    let more = agent.rows(&[(30, 1.0), (20, 2.0), (10, 3.0)]);
    agent.upload(vec![more]).await;
    let device = collector.device("ups-1").await;
    let readings = collector.items_when(&format!("/api/v1/devices/{device}/readings?point=voltage"), 3).await;
    assert_eq!(readings.iter().map(|row| row["value"].as_f64().unwrap()).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
}

#[tokio::test]
async fn a_hole_sends_the_agent_back_to_its_hello() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    let _lost = agent.batch(Lane::Events, vec![passage("in")]);
    let batch = agent.batch(Lane::Events, vec![passage("out")]);
    let refusal = agent.try_upload(agent.upload_of(vec![batch.clone()])).await.unwrap_err();
    assert_eq!(refusal.status, StatusCode::CONFLICT);
    assert_eq!(refusal.problem["type"], "urn:kouan:problem:hello-required");
    let welcome = agent.hello_keeping(2).await;
    let verdict = welcome.lanes.iter().find(|verdict| verdict.lane == Lane::Events).unwrap();
    assert_eq!((verdict.stored_seq, verdict.new_epoch), (1, false));
    agent.upload(vec![batch]).await;
    let gaps = collector.items_when("/api/v1/gaps", 1).await;
    assert_eq!((gaps[0]["reason"].as_str(), gaps[0]["lost"].as_i64()), (Some("collector-lost"), Some(1)));
}

#[tokio::test]
async fn bad_bodies_are_refused_and_nothing_else_is_lost() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    let batch = agent.batch(Lane::Events, vec![passage("in")]);
    let body = frame::compress(&agent.upload_of(vec![batch.clone()]).encode()).unwrap();

    let truncated = agent.send("/agent/v1/upload", body[..body.len() / 2].to_vec(), true).await.unwrap_err();
    assert_eq!(
        (truncated.status, truncated.problem["type"].as_str()),
        (StatusCode::BAD_REQUEST, Some("urn:kouan:problem:malformed"))
    );
    let oversize = agent.send("/agent/v1/upload", vec![7; limits::BODY_BYTES + 1], true).await.unwrap_err();
    assert_eq!(oversize.status, StatusCode::PAYLOAD_TOO_LARGE);
    let bomb = frame::compress(&vec![0; limits::PLAIN_BYTES + 1]).unwrap();
    let bomb = agent.send("/agent/v1/upload", bomb, true).await.unwrap_err();
    assert_eq!(bomb.status, StatusCode::PAYLOAD_TOO_LARGE);
    let wrong_digest = Envelope { digest: Digest(1), ..batch.clone() };
    let wrong_digest = agent.try_upload(agent.upload_of(vec![wrong_digest])).await.unwrap_err();
    assert_eq!(wrong_digest.status, StatusCode::BAD_REQUEST);
    let endless = Envelope { first_seq: 1, last_seq: u64::MAX, ..batch.clone() };
    let endless = agent.try_upload(agent.upload_of(vec![endless])).await.unwrap_err();
    assert_eq!(endless.status, StatusCode::BAD_REQUEST);

    let receipt = agent.upload(vec![batch]).await;
    assert_eq!(ScriptedAgent::position(&receipt, Lane::Events), 1);
    collector.items_when("/api/v1/events", 1).await;
}

#[tokio::test]
async fn a_session_belongs_to_its_agent_and_ends_with_the_next_hello() {
    let collector = Running::start().await;
    let mut one = agent(&collector).await;
    let mut other = collector.enrol("hall-2", "hall").await;
    let batch = one.batch(Lane::Events, vec![passage("in")]);
    let foreign = Upload { session: one.session, ..other.upload_of(vec![batch.clone()]) };
    let refusal = other.try_upload(foreign).await.unwrap_err();
    assert_eq!(refusal.problem["type"], "urn:kouan:problem:hello-required");
    other.hello().await;
    let foreign = Upload { session: one.session, ..other.upload_of(vec![batch.clone()]) };
    assert_eq!(other.try_upload(foreign).await.unwrap_err().status, StatusCode::CONFLICT);

    let old = one.upload_of(vec![batch]);
    one.hello().await;
    assert_eq!(one.try_upload(old).await.unwrap_err().status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn what_cannot_be_read_goes_into_quarantine_and_stalls_nothing() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    let unknown = RecordBody::Opaque { kind: RecordKind(99), body: vec![1, 2, 3], problem: String::new() };
    let opaque = agent.batch(Lane::Events, vec![passage("in"), unknown, passage("out")]);
    let mut garbage = agent.batch(Lane::Events, vec![passage("in")]);
    garbage.body = b"this is not a batch".to_vec();
    garbage.digest = Digest::of(&garbage.body);
    let after = agent.batch(Lane::Events, vec![passage("in")]);
    let later_lane = Envelope { lane: 77, epoch: Epoch(5), first_seq: 10, last_seq: 12, ..garbage.clone() };
    let receipt = agent.upload(vec![opaque, garbage, after, later_lane]).await;
    assert_eq!(receipt.quarantined, 2);
    assert_eq!(ScriptedAgent::position(&receipt, Lane::Events), 5);
    let rows = collector.items_when("/api/v1/quarantine", 3).await;
    assert!(rows.iter().any(|row| row["kind"] == 99));
    assert!(rows.iter().any(|row| row["lane"] == "77" && row["reason"].as_str().unwrap().contains("not known")));
    collector.items_when("/api/v1/events", 3).await;
}

#[tokio::test]
async fn a_batch_waits_for_its_catalogue() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    assert_eq!(agent.hello().await.wanted_catalogues.len(), 1);
    let rows = agent.rows(&[(10, 230.0)]);
    let events = agent.batch(Lane::Events, vec![passage("in")]);
    let receipt = agent.try_upload(agent.upload_of(vec![rows.clone(), events])).await.unwrap();
    assert_eq!(receipt.wanted_catalogues.len(), 1);
    assert_eq!(ScriptedAgent::position(&receipt, Lane::Readings), 0);
    assert_eq!(ScriptedAgent::position(&receipt, Lane::Events), 1);
    let receipt = agent.upload(vec![rows]).await;
    assert_eq!(ScriptedAgent::position(&receipt, Lane::Readings), 1);
    assert!(agent.hello().await.wanted_catalogues.is_empty());
}

#[tokio::test]
async fn lanes_are_reconciled_at_the_hello() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    let batch = agent.batch(Lane::Events, vec![passage("in"), passage("out")]);
    agent.upload(vec![batch]).await;
    let verdict = |welcome: kouan_protocol::session::Welcome| {
        let verdict = welcome.lanes.into_iter().find(|verdict| verdict.lane == Lane::Events).unwrap();
        (verdict.stored_seq, verdict.new_epoch)
    };
    assert_eq!(verdict(agent.hello().await), (2, false), "both agree");
    agent.next.insert(Lane::Events, 2);
    assert_eq!(verdict(agent.hello().await), (2, true), "the agent was restored from an older copy");
    agent.next.insert(Lane::Events, 3);
    agent.digests.get_mut(&Lane::Events).unwrap()[0].digest = Digest(42);
    assert_eq!(verdict(agent.hello().await), (0, true), "the same numbers stand for something else");
    agent.digests.clear();
    agent.epochs.insert(Lane::Events, Epoch::random());
    assert_eq!(verdict(agent.hello_keeping(3).await), (2, false), "a new epoch whose first two are gone");
    let gaps = collector.items_when("/api/v1/gaps", 2).await;
    assert_eq!((gaps[0]["reason"].as_str(), gaps[0]["lost"].as_i64()), (Some("collector-lost"), Some(2)));
    assert_eq!((gaps[1]["reason"].as_str(), gaps[1]["lost"].as_i64()), (Some("buffer-replaced"), Some(0)));
}

#[tokio::test]
async fn two_machines_with_one_identity_raise_an_alarm() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    agent.incarnation = kouan_protocol::Incarnation::random();
    agent.hello().await;
    let alarms = collector.items_when("/api/v1/alarms?state=raised", 1).await;
    assert_eq!(
        (alarms[0]["condition"].as_str(), alarms[0]["agent"].as_str()),
        (Some("duplicate-identity"), Some("hall-1"))
    );
    collector.clock.advance_ms(11 * 60_000);
    collector.items_when("/api/v1/alarms?state=raised", 0).await;
}
