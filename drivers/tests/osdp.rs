//! The kind `osdp`: published packets, libosdp as a reader, libosdp as a control panel against the simulated reader,
//! and the simulated reader misbehaving.
#![allow(clippy::unwrap_used)]

mod outsiders;
mod running;

use std::sync::Arc;

use bytes::BytesMut;
use kouan_drivers::driver::{ActOutcome, Purpose, RawValue};
use kouan_drivers::osdp::codec::decode;
use kouan_drivers::osdp::secure::Key;
use kouan_drivers::profile::ProfileStore;
use kouan_drivers::simulator::{CardReader, Controlled as _};
use kouan_protocol::{Field, FieldValue, HealthLevel, Privacy};
use outsiders::script::Script;
use running::{Running, configure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

fn settings(address: &str, profile: &str, more: &str) -> String {
    format!(
        "[[link]]\nname = \"bus\"\nkind = \"osdp\"\ntcp = \"{address}\"\n\
         [[link.device]]\nname = \"reader\"\nprofile = \"{profile}\"\nunit = 5\n{more}\n"
    )
}

fn key_file(key: &str) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{key}\n")).unwrap();
    let line = format!("key_file = \"{}\"", file.path().display());
    (file, line)
}

fn seconds(seconds: i64) -> Vec<Field> {
    vec![Field::new("seconds", FieldValue::Integer(seconds))]
}

fn is(wanted: i64) -> impl FnMut(&Result<RawValue, kouan_protocol::QualityReason>) -> Option<()> {
    move |cell| (*cell == Ok(RawValue::Integer(wanted))).then_some(())
}

struct Simulated {
    reader: Arc<CardReader>,
    address: String,
    task: tokio::task::JoinHandle<()>,
}

impl Simulated {
    async fn start(key: Option<&str>) -> Self {
        let reader = CardReader::new(5, key.map(|key| Key::read(key).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = Arc::clone(&reader);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that was given up ends with an error.
                let _ = served.serve(stream).await;
            }
        });
        Self { reader, address, task }
    }

    fn say(&self, line: &str) {
        self.reader.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[test]
fn published_packets_are_read_and_made() {
    for text in [include_str!("vectors/osdp-reader.toml"), include_str!("vectors/osdp-door.toml")] {
        let vectors: toml::Table = text.parse().unwrap();
        for frame in vectors["frame"].as_array().unwrap() {
            let text = frame["bytes"].as_str().unwrap();
            let bytes: Vec<u8> = text.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
            let packet = decode(&mut BytesMut::from(&bytes[..])).unwrap().unwrap();
            let way = if packet.reply { "reply" } else { "command" };
            let to = if packet.reply { "from" } else { "to" };
            let data: String = packet.data.iter().map(|byte| format!("{byte:02X}")).collect();
            let (code, address, sequence) = (packet.code, packet.address, packet.sequence);
            let says = format!("{way} {code:02X} {to} {address}, number {sequence}, data {data}");
            assert_eq!(says, frame["says"].as_str().unwrap());
            assert_eq!(packet.encode_plain(), bytes);
        }
    }
}

/// Our control side and somebody else's reader.
async fn against_libosdp(key: Option<&str>) {
    let arguments = [&["pd", "--address", "5"][..], &key.map_or(vec![], |key| vec!["--key", key])].concat();
    let mut peer = Script::start("osdp_peer.py", &arguments);
    let address = format!("127.0.0.1:{}", peer.line("LISTENING ").await);
    let file = key.map(key_file);
    let more = file.as_ref().map_or("", |(_, line)| line);
    let mut running = Running::start(&settings(&address, "osdp-reader", more));
    running.health(HealthLevel::Working, "").await;
    running.point("identity.serial", |cell| (*cell == Ok(RawValue::Text("3735928495".to_owned()))).then_some(())).await;
    running.point("alarm.tamper", is(0)).await;
    // The library tells a change by itself; asked, its Python face always says that all is well.
    peer.say("event {\"event\": 4, \"type\": 2, \"report\": {\"hex\": \"0100\"}}");
    running.point("alarm.tamper", is(1)).await;
    running.point("alarm.tamper", is(0)).await;

    peer.say(
        "event {\"event\": 1, \"reader_no\": 0, \"direction\": 0, \"format\": 1, \"length\": 26, \
         \"data\": {\"hex\": \"01020340\"}}",
    );
    let (event, _) = running.event().await;
    let card = event.fields.iter().find(|field| field.name == "card").unwrap();
    assert_eq!((event.kind.as_str(), card.value.as_str()), ("card-read", Some("01020340")));
    assert_eq!(card.privacy, Privacy::Personal);
    peer.say("event {\"event\": 2, \"reader_no\": 0, \"data\": {\"hex\": \"3132\"}}");
    let (event, _) = running.event().await;
    assert_eq!((event.kind.as_str(), event.fields.len()), ("keypad-used", 2));

    let outcome = running.act("door.release", seconds(3)).await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    let said: serde_json::Value = serde_json::from_str(&peer.line("LIBRARY ").await).unwrap();
    let asked = ["command", "output_no", "control_code", "timer_count"].map(|name| said[name].as_i64().unwrap());
    assert_eq!(asked, [1, 0, 5, 30]);
    let colour = vec![Field::new("colour", FieldValue::Text("green".to_owned())), seconds(2).remove(0)];
    let outcome = running.act("light.show", colour).await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    let said = peer.line("LIBRARY ").await;
    assert!(said.contains("\"on_color\": 2") && said.contains("\"timer_count\": 20"), "{said}");
    running.point("alarm.tamper", is(0)).await;
    assert_eq!(peer.said("LIBRARY "), Vec::<String>::new(), "nothing was told twice");
    running.stop().await;
}

#[tokio::test]
async fn a_reader_of_libosdp_is_read_and_commanded() {
    against_libosdp(None).await;
}

#[tokio::test]
async fn a_reader_of_libosdp_is_read_and_commanded_through_a_secure_channel() {
    against_libosdp(Some(KEY)).await;
}

/// Somebody else's control panel and our simulated reader.
#[tokio::test]
async fn a_control_panel_of_libosdp_finds_the_simulated_reader() {
    for key in [None, Some(KEY)] {
        let simulated = Simulated::start(key).await;
        let arguments = ["cp", "--address", "5", "--connect", &simulated.address];
        let arguments = [&arguments[..], &key.map_or(vec![], |key| vec!["--key", key])].concat();
        let mut peer = Script::start("osdp_peer.py", &arguments);
        assert_eq!(peer.line("ONLINE ").await, u8::from(key.is_some()).to_string());
        simulated.say("card 26 abcdef40");
        let said = peer.line("LIBRARY ").await;
        assert!(said.contains("abcdef40") && said.contains("\"length\": 26"), "{said}");
        peer.say("command {\"command\": 1, \"output_no\": 1, \"control_code\": 5, \"timer_count\": 10}");
        simulated.say("press 12");
        assert!(peer.line("LIBRARY ").await.contains("3132"));
        let state = simulated.reader.state();
        assert_eq!((state.switched, state.secure, state.refused), ([0, 1], key.is_some(), 0));
    }
}

#[tokio::test]
async fn a_wrong_key_is_named_and_nothing_is_said_in_clear() {
    let simulated = Simulated::start(Some(KEY)).await;
    let (_file, line) = key_file(&KEY.replace("0f", "0e"));
    let mut running = Running::start(&settings(&simulated.address, "osdp-reader", &line));
    let health = running.health(HealthLevel::Reachable, "insecure").await;
    assert!(health.text.english.contains("does not have this key"), "{}", health.text);
    let outcome = running.act("door.release", seconds(3)).await;
    assert!(matches!(outcome, ActOutcome::Failed(_)), "{outcome:?}");
    let state = simulated.reader.state();
    assert_eq!((state.switched, state.polls, running.permits()), ([0, 0], 0, 0));
    running.stop().await;
    // Without a key a reader that has one is not usable, and says why.
    let mut running = Running::start(&settings(&simulated.address, "osdp-reader", ""));
    let health = running.health(HealthLevel::Answering, "wants-key").await;
    assert!(health.text.english.contains("give it its key"), "{}", health.text);
    running.stop().await;
}

#[tokio::test]
async fn who_only_looks_leaves_the_card_to_the_agent() {
    for key in [None, Some(KEY)] {
        let simulated = Simulated::start(key).await;
        simulated.say("card 26 abcdef40");
        let file = key.map(key_file);
        let more = file.as_ref().map_or("", |(_, line)| line);
        let text = settings(&simulated.address, "osdp-reader", more);
        let mut looking = Running::start_for(Purpose::Look, &text, &ProfileStore::built_in());
        looking.health(HealthLevel::Working, "").await;
        looking.point("identity.serial", |cell| cell.is_ok().then_some(())).await;
        looking.read().await.unwrap();
        looking.stop().await;
        assert_eq!(simulated.reader.state().polls, 0);
        let mut serving = Running::start(&text);
        let (event, _) = serving.event().await;
        let card = event.fields.iter().find(|field| field.name == "card").unwrap();
        assert_eq!(card.value.as_str(), Some("abcdef40"));
        serving.stop().await;
    }
}

#[tokio::test]
async fn a_command_without_its_reply_is_unknown_and_runs_once() {
    let simulated = Simulated::start(None).await;
    let mut running = Running::start(&settings(&simulated.address, "osdp-reader", "answer_timeout = \"100ms\""));
    running.health(HealthLevel::Working, "").await;
    // The reader does it and its reply is lost.
    let reader = Arc::clone(&simulated.reader);
    let silent = tokio::spawn(async move {
        let before = reader.state().polls;
        while reader.state().polls == before {
            tokio::task::yield_now().await;
        }
    });
    silent.await.unwrap();
    simulated.say("late 400ms");
    let outcome = running.act("door.release", seconds(3)).await;
    // Greeting may already fail, and then nothing went out; once sent, nobody knows.
    let sent = matches!(outcome, ActOutcome::Unknown(_));
    assert!(sent || matches!(outcome, ActOutcome::Failed(_)), "{outcome:?}");
    simulated.say("late off");
    let well = async { while running.read().await.is_err() {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), well).await.unwrap();
    assert!(simulated.reader.state().switched[0] <= 1);
    assert_eq!(simulated.reader.state().switched[0] == 1, sent);
    running.stop().await;
}

#[tokio::test]
async fn a_reader_that_is_busy_or_starts_again_is_not_lost() {
    let simulated = Simulated::start(Some(KEY)).await;
    let (_file, line) = key_file(KEY);
    let mut running =
        Running::start(&settings(&simulated.address, "osdp-reader", &format!("{line}\nevery = \"200ms\"")));
    running.health(HealthLevel::Working, "").await;
    simulated.say("busy on");
    running.health(HealthLevel::Reachable, "busy").await;
    let outcome = running.act("door.release", seconds(1)).await;
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.english.contains("busy")), "{outcome:?}");
    simulated.say("busy off");
    running.health(HealthLevel::Working, "").await;
    simulated.say("restart");
    simulated.say("card 8 7f");
    let (event, _) = running.event().await;
    assert_eq!(event.kind, "card-read");
    let outcome = running.act("door.release", seconds(1)).await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    assert_eq!(simulated.reader.state().switched, [1, 0]);
    running.stop().await;
}

#[tokio::test]
async fn another_master_on_the_bus_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // A line on which one hears a control panel ask, and no reader answer.
    let panel = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let poll = [0xFF, 0x53, 0x05, 0x08, 0x00, 0x06, 0x60, 0xDE, 0xEF];
            let mut heard = [0; 64];
            while matches!(stream.read(&mut heard).await, Ok(1..)) && stream.write_all(&poll).await.is_ok() {}
        }
    });
    let mut running = Running::start(&settings(&address, "osdp-reader", "answer_timeout = \"100ms\""));
    running.health(HealthLevel::Reachable, "second-master").await;
    running.stop().await;
    panel.abort();
}

#[tokio::test]
async fn a_door_shows_its_contacts() {
    let simulated = Simulated::start(None).await;
    let more = "proved = [\"door\"]\ninverted = [\"button.exit\"]";
    let mut running = Running::start(&settings(&simulated.address, "osdp-door", more));
    running.point("door", is(0)).await;
    simulated.say("input 1 on");
    running.point("door", is(1)).await;
    let outcome = running.act("door.release", seconds(2)).await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    running.point("relay.1", is(1)).await;
    assert_eq!(simulated.reader.state().switched, [1, 0]);
    running.stop().await;
}

#[test]
fn wrong_settings_are_explained() {
    for (more, expected) in [
        ("key_file = \"/k\"\ndefault_key = true", "either its own key or the one that everybody knows"),
        ("key = \"30313233343536373839\"", "a key does not belong into this file"),
        ("check = \"md5\"", "it must be one of \"crc\", \"sum\""),
    ] {
        let (_, said) = configure(&settings("h:4000", "osdp-reader", more));
        assert!(said.contains(expected), "{more}: {said}");
        assert!(!said.contains("3031"), "{said}");
    }
}
