//! Searching a line whose devices, speed and addresses nobody knows.
#![allow(clippy::unwrap_used)]

mod outsiders;

use std::path::Path;
use std::time::Duration;

use kouan_drivers::link::{Endpoint, LinkSettings};
use kouan_drivers::modbus::session::Framing;
use kouan_drivers::modbus::simulator::{Misbehaviour, Model, Simulator};
use kouan_drivers::profile::ProfileStore;
use kouan_drivers::search::guess::guess;
use kouan_drivers::search::identity::identify;
use kouan_drivers::search::modbus::{Outcome, Parity, Progress, Search, search, serial_settings};
use kouan_drivers::simulator::PseudoTerminal;
use outsiders::{ModbusServer, Wire};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A line whose devices understand one speed only. A pseudo-terminal carries bytes at any speed, so what was sent at
/// another one is dropped here, as a device drops what it cannot read. So is what is meant for nobody: pymodbus answers
/// for units that it does not have.
async fn carry(name: &Path, far: &Path, speed: u32, units: &[u8]) {
    let mut near = PseudoTerminal::open(name).unwrap();
    let port = std::fs::File::open(std::fs::read_link(name).unwrap()).unwrap();
    let mut far = tokio::fs::OpenOptions::new().read(true).write(true).open(far).await.unwrap();
    let mut back = far.try_clone().await.unwrap();
    let (mut request, mut answer) = ([0; 512], [0; 512]);
    loop {
        tokio::select! {
            read = near.read(&mut request) => {
                let count = read.unwrap();
                let understood = rustix::termios::tcgetattr(&port).unwrap().output_speed() == speed;
                if understood && units.contains(&request[0]) {
                    far.write_all(&request[..count]).await.unwrap();
                    far.flush().await.unwrap();
                }
            }
            read = back.read(&mut answer) => {
                let count = read.unwrap();
                near.write_all(&answer[..count]).await.unwrap();
            }
        }
    }
}

fn plan(endpoints: Vec<Endpoint>, units: std::ops::RangeInclusive<u8>, wait_ms: u64) -> Search {
    Search { endpoints, framing: Framing::Rtu, units, wait: Duration::from_millis(wait_ms), thorough: false }
}

fn units(outcome: &Outcome) -> Vec<u8> {
    let mut units: Vec<u8> = outcome.found.iter().map(|found| found.unit).collect();
    units.sort_unstable();
    units
}

#[tokio::test]
async fn speed_addresses_and_model_of_another_maker_s_devices_are_found_and_nothing_is_written() {
    let wire = Wire::new();
    let climate = json!({"input": {"1": [231, 455]}, "holding": {"257": [6, 9600]}});
    let table = json!({"6": {"holding": {"0": [7, 7, 7, 7]}}, "9": climate});
    let server = ModbusServer::serial(&wire.far(), &table);
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("line");
    let (carried, far) = (name.clone(), wire.near());
    let line = tokio::spawn(async move { carry(&carried, &far, 19_200, &[6, 9]).await });
    while !name.exists() {
        tokio::task::yield_now().await;
    }

    let path = name.display().to_string();
    let endpoints = serial_settings(&path, &[9600, 19_200], &[Parity::None]);
    let mut settings = Vec::new();
    let wanted = plan(endpoints, 6..=9, 150);
    let outcome = search(&wanted, |progress| {
        if let Progress::Setting { endpoint, .. } = progress {
            settings.push(endpoint);
        }
    });
    let outcome = outcome.await.unwrap();
    assert_eq!(units(&outcome), [6, 9], "{outcome:?}");
    assert!(outcome.found.iter().all(|found| found.endpoint.in_full().ends_with("19200 8N1")), "{outcome:?}");
    assert!(!outcome.echo);
    let last = settings.last().unwrap();
    assert!(
        last.ends_with("19200 8N1") && settings.len() == 3,
        "the line was searched whole at its speed: {settings:?}"
    );

    let found = outcome.found.iter().find(|found| found.unit == 9).unwrap();
    let link = LinkSettings::new(found.endpoint.clone());
    let guesses = guess(&link, Framing::Rtu, 9, Duration::from_millis(500), &ProfileStore::built_in()).await;
    assert_eq!(guesses.first().map(|guess| guess.profile.as_str()), Some("xy-md02"), "{guesses:?}");
    assert_eq!(server.said("WROTE"), Vec::<String>::new());
    line.abort();
}

/// Simulated units on a pseudo-terminal.
fn simulated(name: &Path, simulator: &Simulator) -> tokio::task::JoinHandle<()> {
    let line = PseudoTerminal::open(name).unwrap();
    let simulator = simulator.clone();
    tokio::spawn(async move {
        simulator.serve_rtu(line).await.unwrap();
    })
}

#[tokio::test]
async fn a_slow_unit_is_found_by_its_late_answer_and_another_master_keeps_the_port() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("line");
    let simulator = Simulator::new([(2, Model::XyMd02), (5, Model::WaveshareRelay8ch)]);
    simulator.misbehave(2, Misbehaviour::Late(Duration::from_millis(220)));
    let line = simulated(&name, &simulator);
    let endpoints = serial_settings(&name.display().to_string(), &[9600], &[Parity::None]);
    let wanted = plan(endpoints, 1..=6, 100);
    let outcome = search(&wanted, |_| {}).await.unwrap();
    assert_eq!(units(&outcome), [2, 5], "{outcome:?}");
    let late: Vec<_> = outcome.found.iter().filter(|found| found.late).map(|found| found.unit).collect();
    assert_eq!(late, [2]);
    for unit in simulator.show().as_array().unwrap() {
        assert_eq!(unit["writes"], 0, "{unit}");
    }

    let holder = wanted.endpoints[0].open(Duration::from_secs(1)).await.unwrap();
    let refused = search(&wanted, |_| {}).await.unwrap_err().to_string();
    assert!(refused.contains("open serial port"), "{refused}");
    drop(holder);
    line.abort();
}

#[tokio::test]
async fn another_maker_s_device_says_what_it_is_in_both_envelopes() {
    let table = json!({"9": {"holding": {"0": 7}}});
    let wait = Duration::from_secs(5);
    // Two objects of 150 bytes do not fit into one answer of at most 253, so there are two answers.
    for blanks in [0, 136] {
        let long = |text: &str| format!("{text}{}", " ".repeat(blanks));
        let (maker, revision) = (long("Kangaroo Works"), long("V2.11"));
        let says = json!({"VendorName": maker, "ProductCode": "KW-8", "MajorMinorRevision": revision}).to_string();
        for (framing, name) in [(Framing::Tcp, "tcp"), (Framing::Rtu, "rtu")] {
            let server = ModbusServer::tcp(&table, &["--framing", name, "--identity", &says]);
            let endpoint = Endpoint::Tcp { address: format!("127.0.0.1:{}", server.place) };
            let identity = identify(&endpoint, framing, 9, wait).await.unwrap();
            assert_eq!((identity.maker.as_str(), identity.product.as_str()), ("Kangaroo Works", "KW-8"), "{name}");
            assert_eq!(identity.revision, "V2.11", "{name}");
            assert_eq!(server.said("WROTE"), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn a_unit_that_does_not_say_what_it_is_is_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("line");
    let simulator = Simulator::new([(2, Model::XyMd02), (5, Model::WaveshareRelay8ch)]);
    simulator.misbehave(5, Misbehaviour::Silent);
    let line = simulated(&name, &simulator);
    let endpoint = serial_settings(&name.display().to_string(), &[9600], &[Parity::None]).remove(0);
    for unit in [2, 5] {
        assert_eq!(identify(&endpoint, Framing::Rtu, unit, Duration::from_millis(300)).await, None);
    }
    for unit in simulator.show().as_array().unwrap() {
        assert_eq!((&unit["requests"], &unit["writes"]), (&json!(1), &json!(0)), "{unit}");
    }
    line.abort();
}
