//! Stock-taking with UHF readers: against the simulated reader in every protocol, and against a reader of others.
#![allow(clippy::unwrap_used)]

mod outsiders;
mod running;
mod scripted;

use std::sync::Arc;

use bytes::BytesMut;
use kouan_drivers::driver::{Observation, RawValue, Stock, Tag};
use kouan_drivers::profile::{ProfileSource, ProfileStore};
use kouan_drivers::rfid::llrp;
use kouan_drivers::simulator::{Controlled, ReaderModel, TagReader};
use kouan_protocol::HealthLevel;
use outsiders::script::Script;
use running::Running;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const FIRST: &str = "e20000170110016210000001";
const SECOND: &str = "3075";
const THIRD: &str = "30751feb705c5904e3d50d70aabbccdd";

/// The shipped profile with shorter waiting.
fn profiles(name: &str) -> ProfileStore {
    let mut store = ProfileStore::built_in();
    let text = store.get(name).unwrap().text.clone();
    let text = text.replace("settled_after = \"1s\"", "settled_after = \"300ms\"");
    store.insert(name, ProfileSource { file: name.to_owned(), text });
    store
}

fn reader_on(place: &str, profile: &str) -> Running {
    let text = format!(
        "[[link]]\nname = \"l\"\nkind = \"rfid\"\n{place}\n\
         [[link.device]]\nname = \"reader\"\nprofile = \"{profile}\"\nevery = \"100ms\"\n"
    );
    Running::start_with(&text, &profiles(profile))
}

fn epcs(stock: &Stock) -> Vec<&str> {
    stock.present.iter().map(|tag| tag.epc.as_str()).collect()
}

/// Waits for a stock.
async fn stock(running: &mut Running, what: &str, mut wanted: impl FnMut(&Stock) -> bool) -> Stock {
    running
        .first(what, |observation| match observation {
            Observation::Stock(raw) if wanted(&raw.stock) => Some(raw.stock.clone()),
            _ => None,
        })
        .await
}

/// What every reader must show: tags come at once, and go only after several whole passes.
async fn take_stock(mut running: Running, say: impl Fn(&str), antennas: [Option<u16>; 2]) -> Running {
    running.health(HealthLevel::Working, "").await;
    let empty = stock(&mut running, "nothing", |stock| stock.complete).await;
    assert!(empty.present.is_empty());
    say(&format!("put {FIRST} 1"));
    say(&format!("put {SECOND} 2"));
    let both = stock(&mut running, "two tags", |stock| stock.present.len() == 2).await;
    assert_eq!(epcs(&both), [SECOND, FIRST]);
    assert_eq!([both.present[1].antenna, both.present[0].antenna], antennas);
    // It does not answer now and then: it is still there.
    say(&format!("shy {FIRST} on"));
    for _ in 0..2 {
        assert_eq!(stock(&mut running, "a pass", |_| true).await.present.len(), 2);
    }
    say(&format!("shy {FIRST} off"));
    say(&format!("take {SECOND}"));
    let mut passes = 0;
    let one = stock(&mut running, "one tag", |stock| {
        passes += 1;
        stock.present.len() == 1
    });
    let one = one.await;
    assert_eq!((epcs(&one), one.complete), (vec![FIRST], true));
    assert!(passes >= 3, "missing after {passes} passes");
    running
}

async fn simulated_on_tcp(model: ReaderModel) -> (Arc<TagReader>, String) {
    let reader = TagReader::new(model, 0);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = format!("tcp = \"{}\"", listener.local_addr().unwrap());
    let served = Arc::clone(&reader);
    tokio::spawn(async move { served.serve_tcp(listener).await });
    (reader, place)
}

fn say(reader: &TagReader, line: &str) {
    reader.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
}

#[tokio::test]
async fn stock_is_taken_by_every_make() {
    let by_make = async |model, profile: &str, antennas| {
        let (reader, place) = simulated_on_tcp(model).await;
        let running = take_stock(reader_on(&place, profile), |line| say(&reader, line), antennas).await;
        running.stop().await;
    };
    tokio::join!(
        by_make(ReaderModel::Llrp, "llrp-reader", [Some(1), Some(2)]),
        by_make(ReaderModel::M100, "m100-reader", [None, None]),
        by_make(ReaderModel::Chafon18, "chafon-18", [None, None]),
        by_make(ReaderModel::Chafon288m, "chafon-288m", [Some(1), Some(2)]),
    );
}

#[tokio::test]
async fn a_module_on_a_serial_line_is_read_and_its_trouble_is_named() {
    let (reader, stop) = (TagReader::new(ReaderModel::M100, 0), CancellationToken::new());
    let folder = tempfile::tempdir().unwrap();
    let line = folder.path().join("line");
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    tokio::spawn({
        let (reader, line, stop) = (Arc::clone(&reader), line.clone(), stop.clone());
        async move { reader.run(&line, || ready.send(()).unwrap(), stop).await.unwrap() }
    });
    is_ready.await.unwrap();
    say(&reader, &format!("put {THIRD}"));
    let mut running = reader_on(&format!("serial = \"{}\"\nbaud = 115200", line.display()), "m100-reader");
    let seen = stock(&mut running, "a tag", |stock| !stock.present.is_empty()).await;
    assert_eq!(seen.present, [Tag { epc: THIRD.to_owned(), antenna: None, rssi_dbm: Some(-55) }]);
    let firmware = running.point("identity.firmware", |cell| cell.clone().ok()).await;
    assert_eq!(firmware, RawValue::Text("V2.3.5".to_owned()));
    say(&reader, "bad-checksum on");
    running.health(HealthLevel::Reachable, "bad-checksum").await;
    say(&reader, "faults off");
    running.health(HealthLevel::Working, "").await;
    say(&reader, "silent on");
    running.health(HealthLevel::Unreachable, "timeout").await;
    // Whatever lay there lies there still: a reader that is silent takes nothing away.
    say(&reader, "silent off");
    running.health(HealthLevel::Working, "").await;
    assert_eq!(epcs(&stock(&mut running, "a pass", |_| true).await), [THIRD]);
    running.stop().await;
    stop.cancel();
}

#[tokio::test]
async fn an_antenna_that_is_not_connected_is_told() {
    for (model, profile) in [(ReaderModel::Llrp, "llrp-reader"), (ReaderModel::Chafon288m, "chafon-288m")] {
        let (reader, place) = simulated_on_tcp(model).await;
        say(&reader, "antenna 2 off");
        let mut running = reader_on(&place, profile);
        running.point("antenna.2", |cell| (*cell == Ok(RawValue::Integer(0))).then_some(())).await;
        say(&reader, "antenna 2 on");
        running.point("antenna.2", |cell| (*cell == Ok(RawValue::Integer(1))).then_some(())).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn a_reader_that_others_wrote_is_read() {
    let mut peer = Script::start("llrp_reader.py", &[]);
    let place = format!("tcp = \"127.0.0.1:{}\"", peer.line("LISTENING ").await);
    for (epc, antenna) in [(FIRST, 1), (THIRD, 3)] {
        peer.say(&format!("put {epc} {antenna}"));
        peer.line("OK").await;
    }
    let mut running = reader_on(&place, "llrp-reader");
    running.health(HealthLevel::Working, "").await;
    let both = stock(&mut running, "two tags", |stock| stock.present.len() == 2).await;
    assert_eq!(epcs(&both), [THIRD, FIRST]);
    assert_eq!([both.present[0].antenna, both.present[1].antenna], [Some(3), Some(1)]);
    assert!(both.present.iter().all(|tag| tag.rssi_dbm.is_some_and(|rssi| (-70..-40).contains(&rssi))), "{both:?}");
    let firmware = running.point("identity.firmware", |cell| cell.clone().ok()).await;
    assert_eq!(firmware, RawValue::Text("llrpkit-emu 0.1".to_owned()));
    peer.say("keepalive");
    peer.line("OK").await;
    // One client only: another one hears why.
    let mut second = reader_on(&place, "llrp-reader");
    second.health(HealthLevel::Reachable, "occupied").await;
    second.stop().await;
    peer.say("antenna 3 off");
    peer.line("OK").await;
    running.point("antenna.3", |cell| (*cell == Ok(RawValue::Integer(0))).then_some(())).await;
    let one = stock(&mut running, "one tag", |stock| stock.present.len() == 1).await;
    assert_eq!((epcs(&one), one.complete), (vec![FIRST], true));
    running.stop().await;
}

#[derive(serde::Deserialize)]
struct Frames {
    frame: Vec<Frame>,
}

#[derive(serde::Deserialize)]
struct Frame {
    bytes: String,
    says: String,
}

#[test]
fn frames_that_a_reader_of_others_sent_and_took_are_read() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/llrp-reader.toml")).unwrap();
    let frames: Frames = toml::from_str(&text).unwrap();
    for Frame { bytes, says } in frames.frame {
        let bytes = scripted::hex(&bytes);
        let mut buffer = BytesMut::from(&bytes[..]);
        let message = llrp::decode(&mut buffer).unwrap().unwrap();
        assert_eq!(message.encode(), bytes);
        let mut said = format!("message {} number {}", message.kind, message.id);
        if let Some(status) = llrp::report::status(&message.body) {
            said += &format!(", status {}", status.code);
        }
        for tag in llrp::report::tags(&message.body) {
            said += &format!(", tag of {} bytes at {:?} with {:?}", tag.epc.len(), tag.antenna, tag.strength);
        }
        assert_eq!(said, says);
    }
}
