//! The kind `uhppote`: published packets, somebody else's client against the simulated controller, and the driver
//! against it.
#![allow(clippy::unwrap_used)]

mod outsiders;
mod running;

use std::sync::Arc;

use jiff::civil::date;
use kouan_drivers::driver::{ActOutcome, RawEvent, RawValue};
use kouan_drivers::simulator::{Controlled as _, DoorController};
use kouan_drivers::uhppote::codec::Packet;
use kouan_protocol::{Field, FieldValue, HealthLevel, Privacy};
use outsiders::script::Script;
use running::{Running, configure};
use tokio::net::UdpSocket;

const NUMBER: u32 = 405_419_896;

struct Simulated {
    controller: Arc<DoorController>,
    address: String,
    task: tokio::task::JoinHandle<()>,
}

impl Simulated {
    async fn start() -> Self {
        let controller = DoorController::new(NUMBER);
        controller.set_clock(date(2026, 3, 1).at(8, 0, 5, 0));
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let served = Arc::clone(&controller);
        let task = tokio::spawn(async move { served.serve(socket).await.unwrap() });
        Self { controller, address, task }
    }

    fn settings(&self, more: &str) -> String {
        format!(
            "[[link]]\nname = \"doors\"\nkind = \"uhppote\"\n\
             [[link.device]]\nname = \"hall\"\nprofile = \"uhppote-4door\"\ncontroller = {NUMBER}\n\
             address = \"{}\"\nevery = \"20ms\"\ntime_zone = \"Asia/Shanghai\"\n{more}\n",
            self.address
        )
    }

    fn say(&self, line: &str) {
        self.controller.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
    }

    /// Waits until the controller was told that events up to this number were fetched.
    async fn fetched(&self, index: u32) {
        let wait = async {
            while self.controller.state().fetched != index {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), wait).await.unwrap();
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn number(event: &RawEvent) -> i64 {
    match event.fields.iter().find(|field| field.name == "number").unwrap().value {
        FieldValue::Integer(number) => number,
        ref other => panic!("{other:?}"),
    }
}

fn door(door: i64) -> Vec<Field> {
    vec![Field::new("door", FieldValue::Integer(door))]
}

#[test]
fn published_packets_are_read() {
    let vectors: toml::Table = include_str!("vectors/uhppote-4door.toml").parse().unwrap();
    for frame in vectors["frame"].as_array().unwrap() {
        let text = frame["bytes"].as_str().unwrap();
        let bytes: Vec<u8> = text.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        let packet = Packet::decode(&bytes).unwrap();
        let event = packet.event();
        let shown = |time: Option<jiff::civil::DateTime>| time.map_or("none".to_owned(), |time| time.to_string());
        let says = format!(
            "{:02X} of {}: event {}, kind {}, granted {}, door {}, card {}, at {}, reason {}; clock {}",
            packet.function(),
            packet.controller(),
            event.index,
            event.kind,
            event.granted,
            event.door,
            event.card,
            shown(event.time),
            event.reason,
            shown(packet.clock())
        );
        assert_eq!(says, frame["says"].as_str().unwrap());
    }
}

/// Somebody else's client finds in the simulated controller what it expects of a real one.
#[tokio::test]
async fn a_client_of_uhppoted_understands_the_simulated_controller() {
    let simulated = Simulated::start().await;
    simulated.say("swipe 3 8165537 denied");
    simulated.say("door 2 open");
    let number = NUMBER.to_string();
    let mut peer = Script::start("uhppote_peer.py", &["--address", &simulated.address, "--controller", &number]);
    let mut ask = async |line: &str| {
        peer.say(line);
        peer.line("ANSWER ").await
    };
    let status = ask("get_status").await;
    for expected in ["\"door_2_open\": true", "\"door_1_open\": false", "\"event_index\": 2", "2026-03-01", "08:00:05"]
    {
        assert!(status.contains(expected), "{expected}: {status}");
    }
    let event = ask("get_event 1").await;
    for expected in ["\"card\": 8165537", "\"door\": 3", "\"access_granted\": false", "\"reason\": 6"] {
        assert!(event.contains(expected), "{expected}: {event}");
    }
    assert!(ask("open_door 3").await.contains("\"opened\": true"));
    assert!(ask("set_door_control 4 2 7").await.contains("\"mode\": 2"));
    assert!(ask("get_door_control 4").await.contains("\"delay\": 7"));
    assert!(ask("open_door 4").await.contains("\"opened\": false"));
    assert!(ask("set_event_index 1").await.contains("true"));
    assert!(ask("get_event_index").await.contains("\"event_index\": 1"));
    let state = simulated.controller.state();
    assert_eq!((state.released, state.modes[3], state.fetched), ([0, 0, 1, 0], 2, 1));
}

#[tokio::test]
async fn doors_are_watched_and_opened_once() {
    let simulated = Simulated::start().await;
    let mut running = Running::start(&simulated.settings("proved = [\"door.*\", \"fire\"]"));
    running.health(HealthLevel::Working, "").await;
    let clock = running.point("clock.offset", |cell| Some(cell.clone())).await;
    assert!(matches!(clock, Ok(RawValue::Number(offset)) if offset.is_finite()), "{clock:?}");
    simulated.say("door 2 open");
    simulated.say("fire on");
    running.point("door.2", |cell| (*cell == Ok(RawValue::Integer(1))).then_some(())).await;
    running.point("fire", |cell| (*cell == Ok(RawValue::Integer(1))).then_some(())).await;
    let outcome = running.act("door.release", door(3)).await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    let forbid = [
        door(3),
        vec![
            Field::new("mode", FieldValue::Text("forbidden".to_owned())),
            Field::new("seconds", FieldValue::Integer(5)),
        ],
    ];
    let outcome = running.act("door.control", forbid.concat()).await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    running.point("passage.mode.3", |cell| (*cell == Ok(RawValue::Integer(2))).then_some(())).await;
    let outcome = running.act("door.release", door(3)).await;
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.english.contains("did not do it")), "{outcome:?}");
    assert_eq!(simulated.controller.state().released, [0, 0, 1, 0]);
    running.stop().await;
}

#[tokio::test]
async fn events_are_fetched_for_good_only_when_they_are_on_disk() {
    let simulated = Simulated::start().await;
    simulated.say("swipe 1 1001 granted");
    simulated.say("swipe 2 1002 denied");
    simulated.say("alarm 3 38");
    let mut running = Running::start(&simulated.settings(""));
    let (first, stored) = running.event().await;
    assert_eq!((first.kind.as_str(), number(&first)), ("access-granted", 1));
    let card = first.fields.iter().find(|field| field.name == "card").unwrap();
    assert_eq!((&card.value, card.privacy), (&FieldValue::Integer(1001), Privacy::Personal));
    let (second, stored_second) = running.event().await;
    assert_eq!((second.kind.as_str(), number(&second)), ("access-denied", 2));
    let (third, stored_third) = running.event().await;
    assert_eq!((third.kind.as_str(), number(&third)), ("door-forced", 3));
    // The agent dies here: the first was on disk, the others were not.
    stored.unwrap().send(()).unwrap();
    simulated.fetched(1).await;
    drop((stored_second, stored_third));
    running.stop().await;
    let mut running = Running::start(&simulated.settings(""));
    for expected in [2, 3] {
        let (event, stored) = running.event().await;
        assert_eq!(number(&event), expected);
        stored.unwrap().send(()).unwrap();
    }
    simulated.fetched(3).await;
    running.stop().await;
}

#[tokio::test]
async fn what_the_disk_refused_is_fetched_again_and_what_was_overwritten_is_told() {
    let simulated = Simulated::start().await;
    simulated.say("swipe 1 1001 granted");
    let mut running = Running::start(&simulated.settings(""));
    let (event, stored) = running.event().await;
    assert_eq!(number(&event), 1);
    drop(stored);
    let (event, stored) = running.event().await;
    assert_eq!(number(&event), 1, "it comes again");
    running.stop().await;
    drop(stored);
    for card in 0..30 {
        simulated.say(&format!("swipe 1 {card} granted"));
    }
    simulated.controller.overwrite(25);
    let mut running = Running::start(&simulated.settings(""));
    let (event, _) = running.event().await;
    assert_eq!(event.kind, "records-lost");
    assert_eq!(event.fields[0].value, FieldValue::Integer(25));
    let (event, _) = running.event().await;
    assert_eq!(number(&event), 26);
    running.stop().await;
}

#[tokio::test]
async fn where_another_system_takes_the_events_its_number_is_left_alone() {
    let simulated = Simulated::start().await;
    simulated.say("swipe 1 1001 granted");
    let mut running = Running::start(&simulated.settings("take_events = false"));
    running.health(HealthLevel::Working, "").await;
    simulated.say("swipe 1 1002 granted");
    let (event, stored) = running.event().await;
    assert_eq!(number(&event), 2);
    stored.unwrap().send(()).unwrap();
    simulated.say("swipe 1 1003 granted");
    assert_eq!(number(&running.event().await.0), 3);
    assert_eq!(simulated.controller.state().fetched, 0);
    running.stop().await;
}

#[tokio::test]
async fn an_answer_that_never_comes_leaves_the_door_unknown_and_is_asked_once() {
    let simulated = Simulated::start().await;
    let mut running = Running::start(&simulated.settings("answer_timeout = \"150ms\""));
    running.health(HealthLevel::Working, "").await;
    simulated.say("silent on");
    let outcome = running.act("door.release", door(1)).await;
    assert!(matches!(outcome, ActOutcome::Unknown(_)), "{outcome:?}");
    assert_eq!((simulated.controller.state().released[0], running.permits()), (1, 1));
    running.health(HealthLevel::Unreachable, "timeout").await;
    simulated.say("silent off");
    simulated.say("wrong-unit on");
    running.health(HealthLevel::Reachable, "wrong-unit").await;
    simulated.say("faults off");
    running.health(HealthLevel::Working, "").await;
    running.stop().await;
}

#[test]
fn wrong_settings_are_explained() {
    let (_, said) = configure(
        "[[link]]\nname = \"l\"\nkind = \"uhppote\"\n\
         [[link.device]]\nname = \"a\"\nprofile = \"uhppote-4door\"\naddress = \"h:0\"\ncontroller = 1\n\
         [[link.device]]\nname = \"b\"\nprofile = \"uhppote-4door\"\naddress = \"h\"\ntime_zone = \"Mars/Olympus\"\n",
    );
    for expected in
        ["must be host or host:port", "write a name such as \"Asia/Shanghai\"", "the number on the controller"]
    {
        assert!(said.contains(expected), "{expected}\n--\n{said}");
    }
}
