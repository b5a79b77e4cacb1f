//! The kind `listener`: every shipped profile against its bytes, and lines that behave badly.
#![allow(clippy::unwrap_used)]

mod running;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kouan_drivers::driver::{ActOutcome, Observation, RawRow, RawValue, Request};
use kouan_drivers::link::trace::Trace;
use kouan_drivers::profile::{ProfileSource, ProfileStore};
use kouan_drivers::simulator::{Controlled, Speaker};
use kouan_protocol::{FieldValue, HealthLevel, PointKind, Privacy, QualityReason};
use running::{Running, configure_with};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    hear: Vec<Hear>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hear {
    /// `published`, or `table` where the bytes follow from the published table.
    origin: String,
    source: String,
    bytes: String,
    event: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    expect: BTreeMap<String, toml::Value>,
}

fn bytes_of(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect(text)).collect()
}

fn names() -> Vec<String> {
    let store = ProfileStore::built_in();
    let listens = |name: &&str| store.get(name).unwrap().text.contains("kind = \"listener\"");
    store.names().filter(listens).map(str::to_owned).collect()
}

async fn on_tcp(profile: &str) -> (Arc<Speaker>, String) {
    let speaker = Speaker::new(profile).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Arc::clone(&speaker).listen(listener));
    let text = format!(
        "[[link]]\nname = \"l\"\nkind = \"listener\"\ntcp = \"{address}\"\n\
         [[link.device]]\nname = \"d\"\nprofile = \"{profile}\"\n"
    );
    (speaker, text)
}

/// A running driver that listens and has heard the end of a line, so that it knows where the next begins.
async fn listening(text: &str, speaker: &Speaker) -> Running {
    listening_with(text, speaker, &ProfileStore::built_in()).await
}

async fn listening_with(text: &str, speaker: &Speaker, profiles: &ProfileStore) -> Running {
    let running = Running::start_with(text, profiles);
    wait_until(|| speaker.listeners() > 0).await;
    speaker.send(b"\r\n".to_vec());
    running
}

async fn wait_until(mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(15), "it never happened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn every_profile_understands_the_bytes_that_were_published() {
    for name in names() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/heard/{name}.toml"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let vectors: Vectors = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (speaker, settings) = on_tcp(&name).await;
        let mut running = listening(&settings, &speaker).await;
        for hear in &vectors.hear {
            assert!(["published", "table"].contains(&hear.origin.as_str()) && !hear.source.is_empty(), "{name}");
            speaker.send(bytes_of(&hear.bytes));
            let expected: BTreeMap<String, String> =
                hear.expect.iter().map(|(point, value)| (point.clone(), written(value))).collect();
            if let Some(kind) = &hear.event {
                let (event, _) = running.event().await;
                let fields =
                    event.fields.iter().map(|field| (field.name.clone(), field.value.as_str().unwrap().to_owned()));
                assert_eq!((&event.kind, fields.collect::<BTreeMap<_, _>>()), (kind, hear.fields.clone()), "{name}");
                assert!(event.fields.iter().all(|field| field.privacy == Privacy::Personal), "{name}");
            }
            if !expected.is_empty() {
                let row = next_row(&mut running).await;
                let points = &running.link.devices[0].groups[row.group].points;
                let named = row.cells.iter().map(|(column, raw)| {
                    let point = &points[usize::from(*column)];
                    (point.spec.name.to_string(), value(point, raw))
                });
                assert_eq!(named.collect::<BTreeMap<_, _>>(), expected, "{name}");
            }
        }
        running.stop().await;
    }
}

async fn next_row(running: &mut Running) -> RawRow {
    let row =
        |observation: &Observation| if let Observation::Row(row) = observation { Some(row.clone()) } else { None };
    running.first("a row", row).await
}

fn written(value: &toml::Value) -> String {
    match value {
        toml::Value::Integer(integer) => toml::Value::Float(*integer as f64).to_string(),
        other => other.to_string(),
    }
}

fn value(point: &kouan_drivers::profile::PointProfile, raw: &Result<RawValue, QualityReason>) -> String {
    let number = |number: f64| toml::Value::Float((number * 1e6).round() / 1e6).to_string();
    match raw {
        Ok(RawValue::Integer(raw)) if point.not_available.contains(raw) => "\"NotAvailable\"".to_owned(),
        Ok(RawValue::Integer(raw)) if point.spec.kind == PointKind::State => {
            let word = point.words.iter().find(|(known, _)| known == raw).map(|(_, word)| word.clone());
            format!("\"{}\"", word.unwrap_or_else(|| raw.to_string()))
        }
        Ok(RawValue::Integer(raw)) => number(*raw as f64),
        Ok(RawValue::Number(raw)) => number(*raw),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_probe_waits_for_a_word_and_explains_its_bytes() {
    let (speaker, settings) = on_tcp("yaohua-xk3190-a12e").await;
    let running = Running::start_with(&settings, &ProfileStore::built_in());
    wait_until(|| speaker.listeners() > 0).await;
    let trace = Trace::new();
    let (reply, mut rows) = oneshot::channel();
    let request = Request::Read { device: "d".parse().unwrap(), trace: Some(trace.clone()), reply };
    assert!(running.requests.send(request).await.is_ok());
    let mut said = 0;
    let rows = loop {
        // The scale speaks by itself, again and again.
        speaker.send(b"WG004.139kg3D\r\n".to_vec());
        said += 1;
        assert!(said < 300, "it never ended");
        if let Ok(rows) = tokio::time::timeout(Duration::from_millis(50), &mut rows).await {
            break rows.unwrap().unwrap();
        }
    };
    assert_eq!(rows[0].cells[0].1, Ok(RawValue::Number(4.139)));
    let pieces = trace.pieces();
    let fields: Vec<_> = pieces.iter().flat_map(|piece| &piece.fields).collect();
    let says = |name: &str| fields.iter().find(|field| field.field == name).map(|field| field.says.as_str());
    assert_eq!((says("weight"), says("checksum")), (Some("4.139 kg"), Some("right")), "{pieces:?}");
    running.stop().await;
}

/// A scanner on a pseudo-terminal.
struct Scanner {
    speaker: Arc<Speaker>,
    folder: tempfile::TempDir,
    stop: CancellationToken,
}

impl Scanner {
    async fn start() -> Self {
        let (speaker, stop) = (Speaker::new("code-scanner-line").unwrap(), CancellationToken::new());
        let folder = tempfile::tempdir().unwrap();
        let (ready_tx, ready) = oneshot::channel();
        let (running, name, stopped) = (Arc::clone(&speaker), folder.path().join("line"), stop.clone());
        tokio::spawn(async move {
            let ready = move || ready_tx.send(()).unwrap();
            running.run(&name, ready, stopped).await.unwrap();
        });
        ready.await.unwrap();
        Self { speaker, folder, stop }
    }

    fn settings(&self) -> String {
        format!(
            "[[link]]\nname = \"l\"\nkind = \"listener\"\nserial = \"{}\"\n\
             [[link.device]]\nname = \"d\"\nprofile = \"code-scanner-line\"\n",
            self.folder.path().join("line").display()
        )
    }

    fn say(&self, line: &str) {
        self.speaker.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn next_code(running: &mut Running) -> String {
    let (event, _) = running.event().await;
    assert_eq!(event.kind, "code-read");
    match &event.fields[0].value {
        FieldValue::Text(code) => code.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_scanner_is_heard_through_half_lines_noise_and_glued_codes() {
    let scanner = Scanner::start().await;
    let mut running = Running::start(&scanner.settings());
    // The port is open before anything is said: the first line counts once the line has paused.
    running.health(HealthLevel::Reachable, "nothing-heard").await;
    scanner.speaker.send(b"\r".to_vec());
    scanner.say("say A-1");
    assert_eq!(next_code(&mut running).await, "A-1");
    running.health(HealthLevel::Working, "").await;
    // Two codes in one piece, the second one in two pieces.
    scanner.say("raw 42 31 0D 42");
    assert_eq!(next_code(&mut running).await, "B1");
    scanner.say("raw 32 0D");
    assert_eq!(next_code(&mut running).await, "B2");
    // The same code again at once is the same code.
    scanner.say("say B2");
    scanner.say("say C3");
    assert_eq!(next_code(&mut running).await, "C3");
    assert!(matches!(running.act("anything", Vec::new()).await, ActOutcome::Failed(_)));
    assert_eq!(running.permits(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_scanner_that_is_replugged_is_heard_again_by_itself() {
    let scanner = Scanner::start().await;
    let mut running = Running::start(&scanner.settings());
    running.health(HealthLevel::Reachable, "nothing-heard").await;
    scanner.speaker.send(b"\r".to_vec());
    scanner.say("say A1");
    assert_eq!(next_code(&mut running).await, "A1");
    for round in 0..2 {
        scanner.say("restart");
        running.health(HealthLevel::Unreachable, "link-closed").await;
        running.health(HealthLevel::Reachable, "nothing-heard").await;
        scanner.speaker.send(b"\r".to_vec());
        scanner.say(&format!("say B{round}"));
        assert_eq!(next_code(&mut running).await, format!("B{round}"));
    }
    running.stop().await;
}

#[tokio::test]
async fn a_scanner_that_babbles_is_cut_off_and_said_to() {
    let scanner = Scanner::start().await;
    let mut running = Running::start(&scanner.settings());
    running.health(HealthLevel::Reachable, "nothing-heard").await;
    scanner.speaker.send(b"\r".to_vec());
    for number in 0..200 {
        scanner.say(&format!("say {number}"));
    }
    let mut codes = 0;
    running
        .first("too many events", |observation| match observation {
            Observation::Event { .. } => {
                codes += 1;
                None
            }
            Observation::Health(health) if health.reason == "too-many-events" => Some(()),
            _ => None,
        })
        .await;
    assert!(codes <= 40, "{codes} events were kept");
    running.health(HealthLevel::Working, "").await;
    scanner.say("say after");
    assert_eq!(next_code(&mut running).await, "after");
    running.stop().await;
}

#[tokio::test]
async fn a_scale_that_falls_silent_or_speaks_nonsense_is_told() {
    let (speaker, settings) = on_tcp("yaohua-xk3190").await;
    let mut store = ProfileStore::built_in();
    let text = store.get("yaohua-xk3190").unwrap().text.replace("silent_after = \"5s\"", "silent_after = \"400ms\"");
    store.insert("yaohua-xk3190", ProfileSource { file: "scale.toml".to_owned(), text });
    let mut running = listening_with(&settings, &speaker, &store).await;
    let say = |line: &str| speaker.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
    say("rhythm 50ms +0012342");
    running.point("weight", |cell| (*cell == Ok(RawValue::Number(12.34))).then_some(())).await;
    running.health(HealthLevel::Working, "").await;
    assert!(running.read().await.is_ok());
    say("rhythm off");
    running.point("weight", |cell| (*cell == Err(QualityReason::ReadFailed)).then_some(())).await;
    running.health(HealthLevel::Unreachable, "silent").await;
    // The link is opened anew, in case that this helps.
    wait_until(|| speaker.listeners() > 0).await;
    say("rhythm 50ms -0000010");
    running.point("weight", |cell| (*cell == Ok(RawValue::Number(-1.0))).then_some(())).await;
    running.health(HealthLevel::Working, "").await;
    say("bad-checksum on");
    say("rhythm 20ms +0000010");
    running.health(HealthLevel::Answering, "bad-checksum").await;
    running.stop().await;
}

#[tokio::test]
async fn two_readers_on_one_line_are_told_apart_by_their_number() {
    let profile = "kind = \"listener\"\nclass = \"card-reader\"\nevidence = \"solid\"\nsource = \"test\"\n\
        [frame]\nstart = \"A5\"\nlength_field = { at = 1, add = 3 }\nlongest = 32\nchecksum = \"crc8\"\n\
        unit_at = 2\nunit_mask = 0x0F\n\
        [[event]]\nkind = \"card-read\"\nwhen = [{ at = 3, equals = 1 }]\n\
        [[event.field]]\nname = \"card\"\nread = \"text\"\nat = 4\n\
        [[group]]\nname = \"state\"\nevery = \"0s\"\nwhen = [{ at = 3, equals = 2 }]\n\
        [[group.bits]]\nat = 4\nnames = { 0 = \"alarm.tamper\" }\n";
    let mut store = ProfileStore::built_in();
    store.insert("reader", ProfileSource { file: "reader.toml".to_owned(), text: profile.to_owned() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let device =
        |name: &str, unit: u8| format!("[[link.device]]\nname = \"{name}\"\nprofile = \"reader\"\nunit = {unit}\n");
    let text = format!(
        "[[link]]\nname = \"l\"\nkind = \"listener\"\ntcp = \"{}\"\n{}{}",
        listener.local_addr().unwrap(),
        device("one", 1),
        device("two", 2)
    );
    let mut running = Running::start_with(&text, &store);
    let (mut line, _) = listener.accept().await.unwrap();
    let frame = |unit: u8, body: &[u8]| {
        let mut frame = vec![0xA5, body.len() as u8 + 1, unit];
        frame.extend_from_slice(body);
        let crc = frame.iter().fold(0_u8, |crc, byte| {
            (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 7 })
        });
        frame.push(crc);
        frame
    };
    let mut bytes = vec![0xA5, 0xFF, 0x00];
    bytes.extend(frame(2, b"\x0177"));
    bytes.extend(frame(9, b"\x0199"));
    bytes.extend(frame(0x11, b"\x0111"));
    bytes.extend(frame(1, b"\x02\x01"));
    tokio::io::AsyncWriteExt::write_all(&mut line, &bytes).await.unwrap();
    for (device, card) in [("two", "77"), ("one", "11")] {
        let (event, _) = running.event().await;
        assert_eq!((event.device.as_str(), event.fields[0].value.as_str()), (device, Some(card)));
    }
    let row = next_row(&mut running).await;
    assert_eq!((row.device.as_str(), row.cells), ("one", vec![(0, Ok(RawValue::Integer(1)))]));
    running.stop().await;
}

#[test]
fn what_is_wrong_is_explained() {
    let head = "kind = \"listener\"\nclass = \"x\"\nevidence = \"solid\"\nsource = \"x\"\n";
    let frame = "[frame]\ndelimiter = \"0D\"\nchecksum = \"none\"\n";
    let event = "[[event]]\nkind = \"code-read\"\n[[event.field]]\nname = \"code\"\n";
    for (text, expected) in [
        (event.to_owned(), "frame: this is missing"),
        (frame.to_owned(), "group: a profile needs at least one [[group]]"),
        (format!("{frame}{event}column = 1\n"), "columns need what separates them"),
        (format!("{frame}separator = \",\"\n{event}column = 1\nat = 2\n"), "at an offset or in a column"),
        (format!("{frame}{event}read = \"hex\"\ndecimals_at = 2\n"), "only a number has decimals"),
        (format!("{frame}length = 4\n{event}"), "give one of them"),
        ("[frame]\nlength = 4\nchecksum = \"none\"\n".to_owned() + event, "nobody can tell where an answer begins"),
        (format!("{frame}{event}[[action]]\nname = \"a\"\n"), "it can be told nothing"),
        (
            format!("{frame}[[group]]\nname = \"g\"\n[[group.point]]\nname = \"p\"\nunit = \"1\"\nread = \"number\"\n"),
            "write every = \"0s\"",
        ),
    ] {
        let mut store = ProfileStore::built_in();
        store.insert("test", ProfileSource { file: "test.toml".to_owned(), text: format!("{head}{text}") });
        let said = kouan_drivers::profile::check("test", store.get("test").unwrap()).err().unwrap().to_string();
        assert!(said.contains(expected), "{text}\n--\n{said}");
    }
    let device = "[[link.device]]\nname = \"a\"\nprofile = \"rdm6300\"\n";
    let link = "[[link]]\nname = \"l\"\nkind = \"listener\"\ntcp = \"127.0.0.1:1\"\n";
    let store = ProfileStore::built_in();
    let (_, said) = configure_with(&format!("{link}{device}unit = 3\n"), &store);
    assert!(said.contains("frames of this model do not say whose they are"), "{said}");
    let other = device.replace("\"a\"", "\"b\"");
    let (_, said) = configure_with(&format!("{link}{device}{other}"), &store);
    assert!(said.contains("nothing tells this device from \"a\""), "{said}");
    let other = other.replace("rdm6300", "code-scanner-line");
    let (_, said) = configure_with(&format!("{link}{device}{other}"), &store);
    assert!(said.contains("look otherwise than those of \"a\""), "{said}");
}
