//! The kind `zkteco-c3`: published frames, somebody else's client against the simulated controller, and the driver
//! against it.
#![allow(clippy::unwrap_used)]

mod outsiders;
mod running;

use std::sync::Arc;

use bytes::BytesMut;
use kouan_drivers::driver::{ActOutcome, Purpose, RawValue};
use kouan_drivers::profile::ProfileStore;
use kouan_drivers::simulator::{C3, Controlled as _};
use kouan_drivers::zkteco::codec::{Frame, decode};
use kouan_drivers::zkteco::record::{Record, read_binary};
use kouan_protocol::{Field, FieldValue, HealthLevel, Privacy};
use outsiders::script::Script;
use running::{Running, configure};
use tokio::net::TcpListener;

struct Simulated {
    controller: Arc<C3>,
    address: String,
    task: tokio::task::JoinHandle<()>,
}

impl Simulated {
    async fn start(password: &str) -> Self {
        let controller = C3::new(password);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = Arc::clone(&controller);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that was given up ends with an error.
                let _ = served.serve(stream).await;
            }
        });
        Self { controller, address, task }
    }

    fn settings(&self, more: &str) -> String {
        format!(
            "[[link]]\nname = \"doors\"\nkind = \"zkteco-c3\"\ntcp = \"{}\"\n\
             [[link.device]]\nname = \"hall\"\nprofile = \"zkteco-c3\"\nevery = \"20ms\"\n\
             time_zone = \"Asia/Shanghai\"\n{more}\n",
            self.address
        )
    }

    fn say(&self, line: &str) {
        self.controller.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn numbers(list: &[(&str, i64)]) -> Vec<Field> {
    list.iter().map(|(name, number)| Field::new(name, FieldValue::Integer(*number))).collect()
}

fn is(wanted: i64) -> impl FnMut(&Result<RawValue, kouan_protocol::QualityReason>) -> Option<()> {
    move |cell| (*cell == Ok(RawValue::Integer(wanted))).then_some(())
}

#[test]
fn published_frames_are_read_and_made() {
    let vectors: toml::Table = include_str!("vectors/zkteco-c3.toml").parse().unwrap();
    let mut records = Vec::new();
    for frame in vectors["frame"].as_array().unwrap() {
        let text = frame["bytes"].as_str().unwrap();
        let bytes: Vec<u8> = text.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        let read = decode(&mut BytesMut::from(&bytes[..])).unwrap().unwrap();
        let data: String = read.data.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(format!("{:02X} {data}", read.command), frame["says"].as_str().unwrap());
        if read.data.len() == 20 {
            records.extend(read_binary(&read.data[4..]).unwrap());
        }
        assert_eq!(Frame { ..read }.encode(), bytes);
    }
    let [Record::Status(status), Record::Event(event)] = records[..] else { panic!("{records:?}") };
    assert_eq!((status.alarms, status.doors[0] & 0x0F), ([3, 0, 0, 0], 1));
    assert_eq!((event.code, event.door, event.direction, event.card), (221, 2, 2, 0));
    assert_eq!(event.time.map(|time| time.date().year()), Some(2023));
}

#[tokio::test]
async fn a_client_of_zkaccess_understands_the_simulated_controller() {
    for plain in ["off", "on"] {
        let simulated = Simulated::start("secret").await;
        simulated.say(&format!("plain {plain}"));
        simulated.say("door 2 open");
        simulated.say("alarm 3 on");
        simulated.say("event 27 1 8165537");
        let arguments = ["--address", &simulated.address, "--password", "secret"];
        let mut peer = Script::start("zkteco_peer.py", &arguments);
        assert_eq!(peer.line("CONNECTED ").await, "1 4");
        let mut ask = async |line: &str| {
            peer.say(line);
            peer.line("ANSWER ").await
        };
        assert_eq!(ask("log").await, "event 27 at 1 card 8165537 on 2026-03-01 08:00:05");
        assert_eq!(ask("log").await, "doors [1, 2, 1, 1] alarms 00000100 on 2026-03-01 08:00:05");
        assert_eq!(ask("output 2 1 5").await, "done");
        assert_eq!(ask("cancel").await, "done");
        let state = simulated.controller.state();
        assert_eq!((state.released, state.cancelled), ([0, 1, 0, 0], 1));
    }
}

#[tokio::test]
async fn doors_are_watched_events_come_once_and_doors_are_released_once() {
    for (plain, text) in [("off", "off"), ("on", "on")] {
        let simulated = Simulated::start("").await;
        simulated.say(&format!("plain {plain}"));
        simulated.say(&format!("text {text}"));
        let mut running = Running::start(&simulated.settings(""));
        running.health(HealthLevel::Working, "").await;
        simulated.say("door 2 open");
        simulated.say("alarm 3 on");
        running.point("door.2", is(2)).await;
        running.point("alarm.door.3", is(1)).await;
        simulated.say("event 0 1 1001");
        simulated.say("event 102 4 0");
        let (event, _) = running.event().await;
        let card = event.fields.iter().find(|field| field.name == "card").unwrap();
        assert_eq!((event.kind.as_str(), &card.value), ("access-granted", &FieldValue::Integer(1001)));
        assert_eq!(card.privacy, Privacy::Personal);
        assert_eq!(running.event().await.0.kind, "door-forced");
        let outcome = running.act("door.release", numbers(&[("door", 3), ("seconds", 5)])).await;
        assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
        let outcome = running.act("output.pulse", numbers(&[("output", 1), ("seconds", 5)])).await;
        assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
        let state = simulated.controller.state();
        assert_eq!((state.released, state.outputs), ([0, 0, 1, 0], [1, 0, 0, 0]));
        running.stop().await;
    }
}

#[tokio::test]
async fn who_only_looks_leaves_the_log_to_the_agent() {
    let simulated = Simulated::start("").await;
    simulated.say("event 0 1 1001");
    let mut looking = Running::start_for(Purpose::Look, &simulated.settings(""), &ProfileStore::built_in());
    let health = looking.health(HealthLevel::Answering, "left-for-agent").await;
    assert!(health.text.english.contains("only once"), "{}", health.text);
    assert!(looking.read().await.is_err());
    // A door can be released all the same.
    let outcome = looking.act("door.release", numbers(&[("door", 3), ("seconds", 5)])).await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    looking.stop().await;
    let mut serving = Running::start(&simulated.settings(""));
    assert_eq!(serving.event().await.0.kind, "access-granted");
    serving.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let simulated = Simulated::start("secret").await;
    let mut running = Running::start(&simulated.settings(""));
    running.health(HealthLevel::Answering, "wrong-password").await;
    let outcome = running.act("door.release", numbers(&[("door", 3), ("seconds", 5)])).await;
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.english.contains("password")), "{outcome:?}");
    assert_eq!((simulated.controller.state().released, running.permits()), ([0; 4], 0));
    running.stop().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secret\n").unwrap();
    let more = format!("password_file = \"{}\"", file.path().display());
    let mut running = Running::start(&simulated.settings(&more));
    running.health(HealthLevel::Working, "").await;
    running.stop().await;
}

#[tokio::test]
async fn an_answer_that_never_comes_leaves_the_door_unknown_and_is_asked_once() {
    let simulated = Simulated::start("").await;
    let mut running = Running::start(&simulated.settings("answer_timeout = \"200ms\""));
    running.health(HealthLevel::Working, "").await;
    let door = numbers(&[("door", 1), ("seconds", 5)]);
    simulated.say("silent on");
    let outcome = running.act("door.release", door.clone()).await;
    // A poll that found silence first closed the connection; then no session could begin, and nothing was sent.
    let sent = matches!(outcome, ActOutcome::Unknown(_));
    assert!(sent || matches!(outcome, ActOutcome::Failed(_)), "{outcome:?}");
    assert_eq!(simulated.controller.state().released[0], u64::from(sent));
    running.health(HealthLevel::Reachable, "timeout").await;
    simulated.say("silent off");
    running.health(HealthLevel::Working, "").await;
    assert_eq!(simulated.controller.state().released[0], u64::from(sent), "nothing is told again");
    simulated.say("bad-checksum on");
    running.health(HealthLevel::Reachable, "bad-checksum").await;
    running.stop().await;
}

#[test]
fn wrong_settings_are_explained() {
    let (_, said) = configure(
        "[[link]]\nname = \"l\"\nkind = \"zkteco-c3\"\ntcp = \"h:4370\"\n\
         [[link.device]]\nname = \"a\"\nprofile = \"zkteco-c3\"\npassword = \"tiger\"\n\
         [[link.device]]\nname = \"b\"\nprofile = \"zkteco-c3\"\n",
    );
    for expected in ["a password does not belong into this file", "give this one a link of its own"] {
        assert!(said.contains(expected), "{expected}\n--\n{said}");
    }
    assert!(!said.contains("tiger"), "{said}");
}
