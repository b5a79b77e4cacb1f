//! Displays: what a card shows is read, and it does what it is told once.
#![allow(clippy::unwrap_used)]

mod running;

use std::sync::Arc;

use kouan_drivers::driver::{ActOutcome, RawValue};
use kouan_drivers::profile::ProfileStore;
use kouan_drivers::simulator::{Controlled, LedCard, LedModel};
use kouan_protocol::{Field, FieldValue, HealthLevel, SystemClock};
use running::{Running, changed};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn card(model: LedModel) -> Arc<LedCard> {
    LedCard::new(model, 1, Arc::new(SystemClock::new().unwrap()))
}

async fn on_tcp(model: LedModel) -> (Arc<LedCard>, String) {
    let card = card(model);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = format!("tcp = \"{}\"", listener.local_addr().unwrap());
    let served = Arc::clone(&card);
    tokio::spawn(async move { served.serve_tcp(listener).await });
    (card, place)
}

fn running(place: &str, profile: &str) -> Running {
    running_with(place, profile, &ProfileStore::built_in())
}

fn running_with(place: &str, profile: &str, profiles: &ProfileStore) -> Running {
    let text = format!(
        "[[link]]\nname = \"l\"\nkind = \"led-card\"\n{place}\n\
         [[link.device]]\nname = \"display\"\nprofile = \"{profile}\"\ntime_zone = \"UTC\"\nevery = \"100ms\"\n\
         answer_timeout = \"500ms\"\n"
    );
    Running::start_with(&text, profiles)
}

fn say(card: &LedCard, line: &str) {
    card.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
}

fn field(name: &str, value: FieldValue) -> Vec<Field> {
    vec![Field::new(name, value)]
}

async fn shows(running: &mut Running, point: &str, wanted: impl Fn(&RawValue) -> bool) {
    running.point(point, |cell| cell.as_ref().ok().filter(|value| wanted(value)).map(|_| ())).await;
}

fn done(outcome: ActOutcome) {
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
}

/// What both makes can do.
async fn read_and_tell(card: &LedCard, running: &mut Running) {
    running.health(HealthLevel::Working, "").await;
    shows(running, "screen.on", |value| *value == RawValue::Integer(1)).await;
    say(card, "clock 90");
    let near = |value: &RawValue| matches!(value, RawValue::Number(ahead) if (88.0..=91.0).contains(ahead));
    shows(running, "clock.offset", near).await;
    done(running.act("screen.set", field("on", FieldValue::Flag(false))).await);
    assert!(!card.state().on);
    shows(running, "screen.on", |value| *value == RawValue::Integer(0)).await;
    done(running.act("text.show", field("text", FieldValue::Text("一号窗 A001".to_owned()))).await);
    assert_eq!((card.state().text.as_str(), card.state().orders), ("一号窗 A001", 2));
}

#[tokio::test]
async fn a_cpower_card_on_the_network_is_read_and_told() {
    let (card, place) = on_tcp(LedModel::Cpower).await;
    let mut running = running(&place, "cpower-led");
    read_and_tell(&card, &mut running).await;
    done(running.act("screen.brightness", field("percent", FieldValue::Integer(50))).await);
    assert_eq!(card.state().brightness, [16; 24]);
    shows(&mut running, "screen.brightness", |value| *value == RawValue::Number(52.0)).await;
    done(running.act("clock.set", vec![]).await);
    assert!(card.state().ahead_s.abs() <= 1, "{:?}", card.state());
    let outcome = running.act("text.show", field("text", FieldValue::Text("\u{1F600}".to_owned()))).await;
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.english.contains("cannot show")), "{outcome:?}");
    // The sensor decides: how bright it is now is not known.
    say(&card, "brightness 255");
    running.point("screen.brightness", |cell| cell.is_err().then_some(())).await;
    running.stop().await;
}

#[tokio::test]
async fn a_huidu_card_is_read_and_told_and_one_that_is_occupied_is_named() {
    let (card, place) = on_tcp(LedModel::Huidu).await;
    let mut running = running(&place, "huidu-led");
    read_and_tell(&card, &mut running).await;
    say(&card, "brightness 80");
    shows(&mut running, "screen.brightness", |value| *value == RawValue::Number(80.0)).await;
    let firmware = running.point("identity.firmware", |cell| cell.clone().ok()).await;
    assert_eq!(firmware, RawValue::Text("7.4.1".to_owned()));
    say(&card, "occupied on");
    running.health(HealthLevel::Reachable, "occupied").await;
    let outcome = running.act("screen.set", field("on", FieldValue::Flag(true))).await;
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.english.contains("another client")), "{outcome:?}");
    assert_eq!(card.state().orders, 2);
    running.stop().await;
}

#[tokio::test]
async fn a_card_on_a_serial_line_that_does_not_answer_leaves_the_outcome_unknown() {
    let (card, stop) = (card(LedModel::Cpower), CancellationToken::new());
    let folder = tempfile::tempdir().unwrap();
    let line = folder.path().join("line");
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    tokio::spawn({
        let (card, line, stop) = (Arc::clone(&card), line.clone(), stop.clone());
        async move { card.run(&line, || ready.send(()).unwrap(), stop).await.unwrap() }
    });
    is_ready.await.unwrap();
    let profiles = changed("cpower-led", "late_window = \"2s\"", "late_window = \"200ms\"");
    let place = format!("serial = \"{}\"\nbaud = 115200", line.display());
    let mut running = running_with(&place, "cpower-led", &profiles);
    read_and_tell(&card, &mut running).await;
    say(&card, "bad-checksum on");
    running.health(HealthLevel::Reachable, "bad-checksum").await;
    say(&card, "faults off");
    running.health(HealthLevel::Working, "").await;
    say(&card, "silent on");
    let outcome = running.act("screen.set", field("on", FieldValue::Flag(true))).await;
    assert!(matches!(outcome, ActOutcome::Unknown(_)), "{outcome:?}");
    assert_eq!((card.state().orders, card.state().on, running.permits()), (3, true, 3));
    running.stop().await;
    stop.cancel();
}
