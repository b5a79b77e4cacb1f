//! The kind `mqtt` against a real mosquitto, with mosquitto's own client and the simulated kiosk as devices.
#![allow(clippy::unwrap_used)]

mod running;
#[path = "running/broker.rs"]
mod running_broker;
#[path = "running/cable.rs"]
mod running_cable;

use std::io::Write;
use std::sync::Arc;

use kouan_drivers::driver::{ActOutcome, RawEvent, RawValue};
use kouan_drivers::profile::ProfileStore;
use kouan_drivers::simulator::{Controlled, Kiosk, KioskSettings};
use kouan_protocol::{Field, FieldValue, HealthLevel, Privacy, QualityReason};
use kouan_settings::Bilingual;
use running::{Running, configure};
use running_broker::Broker;
use running_cable::Cable;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

fn settings(broker: &Broker, more: &str) -> String {
    settings_at(broker.port, more)
}

fn settings_at(port: u16, more: &str) -> String {
    format!(
        "[[link]]\nname = \"broker\"\nkind = \"mqtt\"\nbroker = \"127.0.0.1:{port}\"\nclient_id = \"kouan-test\"\n{more}\n\
         [[link.device]]\nname = \"kiosk-1\"\nprofile = \"kiosk-mqtt\"\ntopic = \"hall/kiosk-1\"\n"
    )
}

fn status(temperature: f64) -> String {
    format!(r#"{{"paper":"near","screen":true,"printer":{{"temperature":{temperature}}},"tickets":7}}"#)
}

/// An event that is on disk at once.
async fn next_event(running: &mut Running) -> RawEvent {
    let (event, stored) = running.event().await;
    stored.unwrap().send(()).unwrap();
    event
}

/// The next event must be the ticket with that number. Nobody stored it yet.
async fn ticket(running: &mut Running, number: &str) -> oneshot::Sender<()> {
    let (event, stored) = running.event().await;
    assert_eq!(event.fields[0].value, FieldValue::Text(number.to_owned()));
    stored.unwrap()
}

fn issue_ticket(broker: &Broker, number: &str) {
    broker.publish("hall/kiosk-1/events/ticket", &format!(r#"{{"number":"{number}"}}"#), &["-q", "1"]);
}

/// The driver is subscribed as soon as it hears of something that is published again and again.
async fn wait_until_subscribed(running: &mut Running, broker: &Broker) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        broker.publish("hall/kiosk-1/status", &status(1.5), &[]);
        let wait = std::time::Duration::from_millis(50);
        if let Ok(Some(_)) = tokio::time::timeout(wait, running.observations.recv()).await {
            running.health(HealthLevel::Working, "").await;
            return;
        }
        assert!(std::time::Instant::now() < deadline, "the driver never subscribed");
    }
}

struct RunningKiosk {
    kiosk: Arc<Kiosk>,
    stop: CancellationToken,
}

impl RunningKiosk {
    fn start(broker: &Broker) -> Self {
        let settings =
            KioskSettings { host: "127.0.0.1".to_owned(), port: broker.port, topic: "hall/kiosk-1".to_owned() };
        let (kiosk, stop) = (Kiosk::new(settings), CancellationToken::new());
        tokio::spawn(Arc::clone(&kiosk).run(|| {}, stop.clone()));
        Self { kiosk, stop }
    }

    fn say(&self, line: &str) {
        self.kiosk.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
    }

    fn executed(&self, action: &str) -> u64 {
        self.kiosk.show()["executed"][action].as_u64().unwrap_or(0)
    }
}

fn screen(on: bool) -> Vec<Field> {
    vec![Field::new("on", FieldValue::Flag(on))]
}

#[tokio::test]
async fn what_is_published_becomes_readings_and_events() {
    let broker = Broker::start(true);
    let mut running = Running::start(&settings(&broker, ""));
    wait_until_subscribed(&mut running, &broker).await;

    broker.publish("hall/kiosk-1/status", &status(31.5), &[]);
    let temperature =
        |wanted: f64| move |cell: &Result<RawValue, _>| (*cell == Ok(RawValue::Number(wanted))).then_some(());
    running.point("printer.temperature", temperature(31.5)).await;
    broker.publish("hall/kiosk-1/status", r#"{"paper":"near"}"#, &[]);
    running.point("printer.temperature", |cell| (*cell == Err(QualityReason::NotAvailable)).then_some(())).await;

    broker.publish("hall/kiosk-1/events/ticket", r#"{"number":"A7","phone":"1380"}"#, &["-q", "1"]);
    let event = next_event(&mut running).await;
    assert_eq!(event.kind, "ticket-issued");
    let fields: Vec<_> = event.fields.iter().map(|field| (field.name.as_str(), field.privacy)).collect();
    assert_eq!(fields, [("number", Privacy::None), ("phone", Privacy::Personal)]);
    running.stop().await;
}

#[tokio::test]
async fn a_message_that_makes_no_sense_costs_nothing_else() {
    let broker = Broker::start(true);
    let mut running = Running::start(&settings(&broker, ""));
    wait_until_subscribed(&mut running, &broker).await;

    broker.publish("hall/kiosk-1/status", "{\"paper\":", &[]);
    running.health(HealthLevel::Answering, "not-understood").await;
    broker.publish("hall/kiosk-1/events/ticket", r#"{"number":"A8"}"#, &["-q", "1"]);
    assert_eq!(next_event(&mut running).await.kind, "ticket-issued");
    let long = format!(r#"{{"paper":"{}"}}"#, "x".repeat(70_000));
    broker.publish("hall/kiosk-1/status", &long, &[]);
    broker.publish("hall/kiosk-1/status", &status(20.0), &[]);
    running.health(HealthLevel::Working, "").await;
    running.stop().await;
}

#[tokio::test]
async fn what_the_broker_kept_is_not_news() {
    let broker = Broker::start(true);
    broker.publish("hall/kiosk-1/status", &status(99.0), &["-r"]);
    broker.publish("hall/kiosk-1/events/ticket", r#"{"number":"OLD"}"#, &["-r", "-q", "1"]);
    let mut running = Running::start(&settings(&broker, ""));
    wait_until_subscribed(&mut running, &broker).await;
    broker.publish("hall/kiosk-1/events/ticket", r#"{"number":"NEW"}"#, &["-q", "1"]);
    let event = next_event(&mut running).await;
    assert_eq!(event.fields[0].value, FieldValue::Text("NEW".to_owned()));
    let rows = running.read().await.unwrap();
    assert!(rows[0].cells.contains(&(2, Ok(RawValue::Number(1.5)))), "{rows:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_command_succeeds_fails_or_stays_unknown_and_is_sent_once() {
    let broker = Broker::start(true);
    let kiosk = RunningKiosk::start(&broker);
    let mut running = Running::start(&settings(&broker, ""));
    running.health(HealthLevel::Working, "").await;

    let outcome = running.act("screen.set", screen(false)).await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    running.point("screen.on", |cell| (*cell == Ok(RawValue::Integer(0))).then_some(())).await;
    let outcome = running.act("screen.set", Vec::new()).await;
    assert_eq!(outcome, ActOutcome::Failed(Bilingual::verbatim("on must be true or false")));

    kiosk.say("late 6s");
    let outcome = running.act("screen.set", screen(true)).await;
    assert_eq!(outcome, ActOutcome::Unknown(("the device did not confirm in time", "设备没有及时确认").into()));
    kiosk.say("late off");
    assert_eq!((kiosk.executed("screen"), running.permits()), (3, 3));
    // The late reply to the last command is not taken for one to this.
    let text = vec![Field::new("text", FieldValue::Text("hello".to_owned()))];
    let outcome = running.act("message.show", text).await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    assert_eq!((kiosk.executed("screen"), kiosk.executed("message")), (3, 1));
    running.stop().await;
}

#[tokio::test]
async fn a_device_that_goes_away_is_missed_and_gets_no_commands() {
    let broker = Broker::start(true);
    let kiosk = RunningKiosk::start(&broker);
    let mut running = Running::start(&settings(&broker, ""));
    running.health(HealthLevel::Working, "").await;
    kiosk.stop.cancel();
    running.health(HealthLevel::Unreachable, "offline").await;
    let outcome = running.act("screen.set", screen(true)).await;
    assert_eq!(outcome, ActOutcome::Failed(("nothing was sent: the device is offline", "没有发出：设备不在线").into()));
    assert_eq!(running.permits(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_device_that_falls_silent_is_missed_and_comes_back() {
    let broker = Broker::start(true);
    let mut profiles = ProfileStore::built_in();
    let mut source = profiles.get("kiosk-mqtt").unwrap().clone();
    source.text = source.text.replace("silent_after = \"10s\"", "silent_after = \"1500ms\"");
    profiles.insert("kiosk-mqtt", source);
    let mut running = Running::start_with(&settings(&broker, ""), &profiles);
    running.health(HealthLevel::Unreachable, "silent").await;
    let kiosk = RunningKiosk::start(&broker);
    running.health(HealthLevel::Working, "").await;
    kiosk.say("silent on");
    running.health(HealthLevel::Unreachable, "silent").await;
    kiosk.say("silent off");
    running.health(HealthLevel::Working, "").await;
    running.stop().await;
}

#[tokio::test]
async fn a_lost_broker_is_found_again_and_nothing_is_sent_twice() {
    let mut broker = Broker::start(true);
    let kiosk = RunningKiosk::start(&broker);
    let mut running = Running::start(&settings(&broker, "keep_alive = \"1s\""));
    running.health(HealthLevel::Working, "").await;
    kiosk.say("silent on");
    let (outcome, ()) = tokio::join!(running.act("screen.set", screen(false)), async {
        while kiosk.executed("screen") == 0 {
            tokio::task::yield_now().await;
        }
        broker.kill();
    });
    let lost = "the connection to the broker was lost before the device confirmed";
    assert_eq!(outcome, ActOutcome::Unknown((lost, "设备确认之前，与消息服务器的连接就断了").into()));
    running.health(HealthLevel::Unreachable, "link-closed").await;
    let refused = running.act("screen.set", screen(false)).await;
    assert!(matches!(&refused, ActOutcome::Failed(why) if why.english.starts_with("nothing was sent")), "{refused:?}");

    kiosk.say("silent off");
    broker.start_again();
    running.health(HealthLevel::Working, "").await;
    assert_eq!((kiosk.executed("screen"), running.permits()), (1, 1));
    running.stop().await;
}

#[tokio::test]
async fn events_wait_in_the_broker_while_nobody_listens() {
    let broker = Broker::start(true);
    let mut running = Running::start(&settings(&broker, ""));
    wait_until_subscribed(&mut running, &broker).await;
    running.stop().await;
    for number in ["A1", "A2", "A3"] {
        let ticket = format!(r#"{{"number":"{number}"}}"#);
        broker.publish("hall/kiosk-1/events/ticket", &ticket, &["-q", "1"]);
        broker.publish("hall/kiosk-1/status", &status(77.0), &["-q", "1"]);
    }
    let mut running = Running::start(&settings(&broker, ""));
    for number in ["A1", "A2", "A3"] {
        let event = next_event(&mut running).await;
        assert_eq!(event.fields[0].value, FieldValue::Text(number.to_owned()));
    }
    // A state that waited is not the present one.
    assert!(running.read().await.is_err());
    running.stop().await;
}

#[tokio::test]
async fn an_event_that_was_not_stored_is_delivered_again_after_a_restart_and_a_stored_one_is_not() {
    let broker = Broker::start(true);
    let mut running = Running::start(&settings(&broker, ""));
    wait_until_subscribed(&mut running, &broker).await;
    ["A1", "A2", "A3"].iter().for_each(|number| issue_ticket(&broker, number));
    ticket(&mut running, "A1").await.send(()).unwrap();
    let _withheld = (ticket(&mut running, "A2").await, ticket(&mut running, "A3").await);
    running.stop().await;

    let mut running = Running::start(&settings(&broker, ""));
    for number in ["A2", "A3"] {
        ticket(&mut running, number).await.send(()).unwrap();
    }
    running.stop().await;
    let mut running = Running::start(&settings(&broker, ""));
    wait_until_subscribed(&mut running, &broker).await;
    issue_ticket(&broker, "A4");
    ticket(&mut running, "A4").await.send(()).unwrap();
    running.stop().await;
}

#[tokio::test]
async fn after_a_lost_connection_only_events_that_got_lost_are_told_again() {
    let broker = Broker::start(true);
    let cable = Cable::to(broker.port).await;
    let mut running = Running::start(&settings_at(cable.port, ""));
    wait_until_subscribed(&mut running, &broker).await;
    ["A1", "A2"].iter().for_each(|number| issue_ticket(&broker, number));
    let on_its_way = ticket(&mut running, "A1").await;
    drop(ticket(&mut running, "A2").await);
    cable.pull();
    // The broker delivers both again; the first may still reach the disk.
    let second = ticket(&mut running, "A2").await;
    on_its_way.send(()).unwrap();
    second.send(()).unwrap();
    issue_ticket(&broker, "A3");
    ticket(&mut running, "A3").await.send(()).unwrap();
    // Whether the acknowledgements get through or not, nothing comes a second time.
    cable.pull();
    running.health(HealthLevel::Unreachable, "link-closed").await;
    issue_ticket(&broker, "A4");
    ticket(&mut running, "A4").await.send(()).unwrap();
    running.stop().await;
}

#[tokio::test]
async fn an_event_that_got_lost_is_not_acknowledged_and_states_go_on() {
    let broker = Broker::start(true);
    let cable = Cable::to(broker.port).await;
    let mut running = Running::start(&settings_at(cable.port, ""));
    wait_until_subscribed(&mut running, &broker).await;
    ["A1", "A2"].iter().for_each(|number| issue_ticket(&broker, number));
    drop(ticket(&mut running, "A1").await);
    ticket(&mut running, "A2").await.send(()).unwrap();
    broker.publish("hall/kiosk-1/status", &status(31.5), &[]);
    running.point("printer.temperature", |cell| (*cell == Ok(RawValue::Number(31.5))).then_some(())).await;
    cable.pull();
    ticket(&mut running, "A1").await.send(()).unwrap();
    issue_ticket(&broker, "A3");
    ticket(&mut running, "A3").await.send(()).unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_slow_disk_stops_the_reception_and_no_command() {
    let broker = Broker::start(true);
    let mut running = Running::start(&settings(&broker, ""));
    wait_until_subscribed(&mut running, &broker).await;
    let numbers: Vec<_> = (0..150).map(|number| number.to_string()).collect();
    numbers.iter().for_each(|number| issue_ticket(&broker, number));
    let mut waiting = Vec::new();
    for number in &numbers[..64] {
        waiting.push(ticket(&mut running, number).await);
    }
    running.read().await.unwrap();
    let outcome = running.act("screen.set", screen(true)).await;
    assert_eq!(outcome, ActOutcome::Unknown(("the device did not confirm in time", "设备没有及时确认").into()));
    assert!(running.observations.try_recv().is_err(), "more than may wait");
    for stored in waiting {
        stored.send(()).unwrap();
    }
    for number in &numbers[64..] {
        ticket(&mut running, number).await.send(()).unwrap();
    }
    running.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let broker = Broker::start(false);
    let mut password = tempfile::NamedTempFile::new().unwrap();
    password.write_all(b"wrong\n").unwrap();
    let login = format!("username = \"kouan\"\npassword_file = \"{}\"", password.path().display());
    let mut running = Running::start(&settings(&broker, &login));
    let health = running.health(HealthLevel::Unreachable, "login-refused").await;
    assert!(!health.text.english.contains("wrong"), "{}", health.text);
    running.stop().await;
}

#[test]
fn wrong_settings_are_explained() {
    let (_, said) = configure(
        "[[link]]\nname = \"b\"\nkind = \"mqtt\"\nbroker = \"hub\"\npassword = \"x\"\ntls = true\n\
         [[link.device]]\nname = \"a\"\nprofile = \"kiosk-mqtt\"\ntopic = \"t/#\"\n\
         [[link.device]]\nname = \"b\"\nprofile = \"kiosk\"\ntopic = \"u\"\n",
    );
    for expected in [
        "agent.toml:4: link[0].broker: \"hub\" must be host:port",
        "link[0].client_id: this is missing",
        "agent.toml:5: link[0].password: a password does not belong into this file",
        "agent.toml:6: link[0].tls: this version speaks to brokers without TLS only",
        "agent.toml:10: link[0].device[0].topic: \"t/#\" must not be empty",
        "there is no profile \"kiosk\"",
    ] {
        assert!(said.contains(expected), "{expected}\n--\n{said}");
    }
}
