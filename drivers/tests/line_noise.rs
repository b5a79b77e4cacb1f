//! Noise, half frames, answers glued together, a device that babbles: no link hangs, and no answer is ever taken for
//! that to another question.
#![allow(clippy::unwrap_used)]

mod running;

use std::sync::Arc;
use std::time::Duration;

use kouan_drivers::driver::{Observation, RawValue};
use kouan_drivers::modbus::simulator::{Misbehaviour, Model, Simulator, Table};
use kouan_drivers::profile::{ProfileSource, ProfileStore};
use kouan_drivers::simulator::{Direction, Gate, PseudoTerminal};
use kouan_protocol::HealthLevel;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use running::Running;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::watch;
use tokio::time::Instant;

/// What happens to the bytes between device and agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Clean,
    /// Junk before, and now and then within, an answer.
    Noise,
    /// Answers lose their end.
    Half,
    /// Every answer comes twice, in one piece.
    Twice,
    /// Somebody sends junk without a pause.
    Babble,
}

/// A pseudo-terminal whose far end is the returned stream, with bad wire between.
fn wire(name: &std::path::Path) -> (DuplexStream, watch::Sender<Wire>) {
    let line = PseudoTerminal::open(name).unwrap();
    let (device, near) = tokio::io::duplex(4096);
    let (how, now) = watch::channel(Wire::Clean);
    tokio::spawn(async move {
        let (mut line_in, mut line_out) = tokio::io::split(line);
        let (mut near_in, mut near_out) = tokio::io::split(near);
        let mut chance = StdRng::seed_from_u64(7);
        let (mut request, mut answer) = ([0; 256], [0; 256]);
        loop {
            let babbling = *now.borrow() == Wire::Babble;
            tokio::select! {
                read = line_in.read(&mut request) => match read {
                    Ok(count @ 1..) => near_out.write_all(&request[..count]).await.unwrap(),
                    _ => return,
                },
                read = near_in.read(&mut answer) => {
                    let Ok(count @ 1..) = read else { return };
                    let spoiled = spoil(&answer[..count], *now.borrow(), &mut chance);
                    line_out.write_all(&spoiled).await.unwrap();
                }
                () = tokio::time::sleep(Duration::from_millis(3)), if babbling => {
                    line_out.write_all(&junk(&mut chance)).await.unwrap();
                }
            }
        }
    });
    (device, how)
}

fn junk(chance: &mut StdRng) -> Vec<u8> {
    let count = chance.random_range(1..12);
    (0..count).map(|_| chance.random()).collect()
}

fn spoil(answer: &[u8], how: Wire, chance: &mut StdRng) -> Vec<u8> {
    match how {
        Wire::Clean | Wire::Babble => answer.to_vec(),
        Wire::Half => answer[..chance.random_range(0..answer.len())].to_vec(),
        Wire::Twice => answer.repeat(2),
        Wire::Noise => {
            let mut noisy = junk(chance);
            noisy.extend_from_slice(answer);
            if chance.random_bool(0.5) {
                let at = chance.random_range(0..noisy.len());
                noisy[at] ^= chance.random_range(1..=255_u8);
            }
            noisy
        }
    }
}

const TROUBLES: [Wire; 4] = [Wire::Noise, Wire::Half, Wire::Twice, Wire::Babble];

/// Two groups whose answers look alike: register 0 holds odd numbers, register 50 even ones.
fn twins() -> ProfileStore {
    let group = |name: &str, register: u16| {
        format!(
            "[[group]]\nname = \"{name}\"\nevery = \"20ms\"\n\
             [[group.point]]\nname = \"{name}\"\nunit = \"1\"\nregister = {register}\n"
        )
    };
    let head = "kind = \"modbus\"\nclass = \"test\"\nevidence = \"solid\"\nsource = \"test\"\n";
    let mut store = ProfileStore::built_in();
    let text = format!("{head}{}{}", group("odd", 0), group("even", 50));
    store.insert("twins", ProfileSource { file: "twins.toml".to_owned(), text });
    store
}

#[tokio::test]
async fn whatever_the_line_does_no_modbus_answer_is_taken_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("line");
    let (device, how) = wire(&name);
    let simulator = Simulator::new([(1, Model::Plain), (2, Model::Plain)]);
    for unit in [1, 2] {
        simulator.set(unit, Table::Holding, 0, 1);
        simulator.set(unit, Table::Holding, 50, 2);
    }
    let serving = tokio::spawn({
        let simulator = simulator.clone();
        async move { simulator.serve_rtu(device).await }
    });
    let unit = |unit: u8| format!("[[link.device]]\nname = \"d{unit}\"\nprofile = \"twins\"\nunit = {unit}\n");
    let text = format!(
        "[[link]]\nname = \"l\"\nkind = \"modbus\"\nserial = \"{}\"\nanswer_timeout = \"60ms\"\n{}{}",
        name.display(),
        unit(1),
        unit(2)
    );
    let mut running = Running::start_with(&text, &twins());
    let both_work = async |running: &mut Running| {
        read(running).await;
        let mut seen = [false; 2];
        running
            .first("both devices read whole", |observation| {
                let Observation::Row(row) = observation else { return None };
                check(row);
                let at = usize::from(row.device.as_str() == "d2");
                seen[at] |= row.cells.iter().all(|(_, cell)| cell.is_ok());
                seen.iter().all(|seen| *seen).then_some(())
            })
            .await;
    };
    both_work(&mut running).await;
    for trouble in TROUBLES {
        how.send_replace(trouble);
        let before = simulator.requests(1) + simulator.requests(2);
        let began = Instant::now();
        while simulator.requests(1) + simulator.requests(2) < before + 10
            && began.elapsed() < Duration::from_millis(1200)
        {
            // Nobody waits for an answer here: what comes is judged, whatever it is.
            if let Ok(Some(Observation::Row(row))) =
                tokio::time::timeout(Duration::from_millis(50), running.observations.recv()).await
            {
                check(&row);
            }
        }
        how.send_replace(Wire::Clean);
        both_work(&mut running).await;
    }
    running.stop().await;
    serving.abort();
}

/// A read on demand, which waits for no back-off, until it succeeds.
async fn read(running: &Running) {
    let began = Instant::now();
    while running.read().await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(15), "the line never recovers");
    }
}

/// Odd is odd, even is even, or nothing was read.
fn check(row: &kouan_drivers::driver::RawRow) {
    for (_, cell) in &row.cells {
        if let Ok(value) = cell {
            assert_eq!(*value, RawValue::Integer(row.group as i64 + 1), "{row:?}");
        }
    }
}

#[tokio::test]
async fn whatever_the_line_does_a_gate_shows_only_what_it_counted() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("line");
    let (device, how) = wire(&name);
    let gate = Gate::new(1);
    gate.pass(Direction::In, 77);
    let serving = tokio::spawn({
        let gate = Arc::clone(&gate);
        async move { gate.serve(device).await }
    });
    let mut running = Running::start(&format!(
        "[[link]]\nname = \"l\"\nkind = \"serial-line\"\nserial = \"{}\"\nanswer_timeout = \"60ms\"\n\
         [[link.device]]\nname = \"d\"\nprofile = \"ds205a-gate\"\nunit = 1\nevery = \"20ms\"\n",
        name.display()
    ));
    running.health(HealthLevel::Working, "").await;
    for trouble in TROUBLES {
        how.send_replace(trouble);
        let before = gate.state().polls;
        let began = Instant::now();
        while gate.state().polls < before + 3 && began.elapsed() < Duration::from_millis(1200) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        how.send_replace(Wire::Clean);
        read(&running).await;
    }
    let column = running.link.devices[0].groups[0].points.iter();
    let column = column.clone().position(|point| point.spec.name.as_str() == "passage.count.in").unwrap();
    while let Ok(observation) = running.observations.try_recv() {
        let Observation::Row(row) = observation else { continue };
        let cell = row.cells.iter().find(|(at, _)| usize::from(*at) == column).map(|(_, cell)| cell.clone());
        assert!(!matches!(&cell, Some(Ok(value)) if *value != RawValue::Integer(77)), "{row:?}");
    }
    running.stop().await;
    serving.abort();
}

#[tokio::test]
async fn a_dead_unit_among_thirty_is_asked_no_more_often_than_its_back_off_says() {
    const DEAD: u8 = 7;
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("line");
    let simulator = Simulator::new((1..=30).map(|unit| (unit, Model::Plain)));
    let line = PseudoTerminal::open(&name).unwrap();
    let serving = tokio::spawn({
        let simulator = simulator.clone();
        async move { simulator.serve_rtu(line).await }
    });
    let mut text = format!(
        "[[link]]\nname = \"l\"\nkind = \"modbus\"\nserial = \"{}\"\nanswer_timeout = \"100ms\"\ngap = \"0ms\"\n",
        name.display()
    );
    for unit in 1..=30 {
        text += &format!("[[link.device]]\nname = \"d{unit}\"\nprofile = \"twins\"\nunit = {unit}\n");
    }
    let mut running = Running::start_with(&text, &twins());
    let mut working = 0;
    running
        .first("all work", |observation| {
            working += usize::from(matches!(observation, Observation::Health(h) if h.level == HealthLevel::Working));
            (working == 30).then_some(())
        })
        .await;
    simulator.misbehave(DEAD, Misbehaviour::Silent);
    let health = running.health(HealthLevel::Unreachable, "timeout").await;
    assert_eq!(health.device.as_str(), "d7");
    let (began, before) = (Instant::now(), simulator.requests(DEAD));
    let mut rows = [0_u32; 31];
    let done = |rows: &[u32; 31]| (1..31).all(|unit| unit == usize::from(DEAD) || rows[unit] >= 40);
    running
        .first("forty rows of every neighbour", |observation| {
            if let Observation::Row(row) = observation {
                let unit: usize = row.device.as_str()[1..].parse().unwrap();
                rows[unit] += u32::from(row.cells.iter().all(|(_, cell)| cell.is_ok()));
            }
            done(&rows).then_some(())
        })
        .await;
    let (asked, seconds) = (simulator.requests(DEAD) - before, began.elapsed().as_secs_f64());
    // The waits are at least 0.75, 1.5, 3 … seconds: after that many seconds it was asked at most so often.
    let most = (1.0 + seconds / 0.75).log2().ceil() as u64 + 1;
    assert!(asked <= most, "asked {asked} times in {seconds} s; the back-off allows {most}");
    running.stop().await;
    serving.abort();
}
