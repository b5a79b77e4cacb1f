//! A serial line at its real pace: thirty units of twenty registers at 9600 baud.
//!
//! `kouan-bench --only line` measures the same for longer, also with a dead unit (whose cost is bounded in
//! `line_noise.rs` and in the schedule's own tests). Here the median is judged, so that a busy machine does not decide.
#![allow(clippy::unwrap_used)]

mod running;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use kouan_drivers::driver::Observation;
use kouan_drivers::modbus::simulator::{Model, Simulator};
use kouan_drivers::profile::{ProfileSource, ProfileStore};
use kouan_drivers::simulator::{Pace, PseudoTerminal, paced};
use running::Running;

const UNITS: u8 = 30;
const REGISTERS: u8 = 20;
const BAUD: u32 = 9600;
/// How many polls are watched.
const POLLS: usize = 36;

const PROFILE: &str = "kind = \"modbus\"\nclass = \"meter\"\nevidence = \"uncertain\"\nsource = \"made up\"\n\
    [[group]]\nname = \"all\"\nevery = \"100ms\"\nfunction = 3\n\
    [[group.point]]\nname = \"measurement.{n}\"\nunit = \"V\"\nregister = 0\nrepeat = { from = 0, count = 20 }\n";

/// Waits for so many whole rows, and tells the time between them that half of them kept.
async fn median(running: &mut Running) -> Duration {
    let mut times = Vec::new();
    while times.len() <= POLLS {
        let is_row = |seen: &Observation| match seen {
            Observation::Row(row) => row.cells.iter().all(|(_, cell)| cell.is_ok()).then_some(()),
            _ => None,
        };
        running.first("a row", is_row).await;
        times.push(Instant::now());
    }
    let mut between: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    between.sort_unstable();
    between[between.len() / 2]
}

#[tokio::test]
async fn thirty_units_use_what_the_line_allows() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("line");
    let simulator = Simulator::new((1..=UNITS).map(|unit| (unit, Model::Plain)));
    let pace = Pace::new(BAUD);
    let line = paced(PseudoTerminal::open(&name).unwrap(), pace);
    let served = simulator.clone();
    let serving = tokio::spawn(async move { served.serve_rtu(line).await });
    let mut store = ProfileStore::built_in();
    store.insert("plain", ProfileSource { file: "plain.toml".to_owned(), text: PROFILE.to_owned() });
    let mut text =
        format!("[[link]]\nname = \"line\"\nkind = \"modbus\"\nserial = \"{}\"\nbaud = {BAUD}\n", name.display());
    for unit in 1..=UNITS {
        writeln!(text, "[[link.device]]\nname = \"u{unit}\"\nprofile = \"plain\"\nunit = {unit}").unwrap();
    }
    let mut running = Running::start_with(&text, &store);
    // A request of eight bytes, the silence that ends it, the answer, the silence before the next request.
    let characters = 8.0 + 5.0 + 2.0 * f64::from(REGISTERS);
    let least = pace.characters(characters) + pace.frame_end() * 2;

    let usual = median(&mut running).await;
    let share = least.as_secs_f64() / usual.as_secs_f64();
    assert!(share >= 0.7, "a poll takes {usual:?}, the line needs {least:?}: {:.0} %", share * 100.0);
    // Nobody is faster than the wire; else the pace would be none.
    assert!(share <= 1.1, "a poll takes {usual:?}, the line needs {least:?}");

    running.stop().await;
    serving.abort();
}
