//! How much of what an RS-485 line can carry is used, and what a dead unit costs its neighbours.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kouan_drivers::configure::read_links;
use kouan_drivers::driver::{DriverCx, Observation, Purpose};
use kouan_drivers::modbus::simulator::{Misbehaviour, Model, Simulator};
use kouan_drivers::profile::{ProfileSource, ProfileStore};
use kouan_drivers::simulator::{Pace, PseudoTerminal, paced};
use kouan_protocol::SystemClock;
use kouan_settings::{Document, Problems};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use kouan_figures::Figure;

const UNITS: u8 = 30;
const REGISTERS: u16 = 20;
const BAUD: u32 = 9600;
const DEAD: u8 = 7;

/// How long the whole line is watched, and then with a unit that does not answer.
const WATCHED: Duration = Duration::from_secs(20);
const WATCHED_WITH_DEAD: Duration = Duration::from_secs(60);

/// Thirty units of twenty registers at 9600 baud, polled without a pause.
pub(crate) async fn measure() -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let name = folder.path().join("line");
    let simulator = Simulator::new((1..=UNITS).map(|unit| (unit, Model::Plain)));
    let pace = Pace::new(BAUD);
    let line = paced(PseudoTerminal::open(&name)?, pace);
    let serving = tokio::spawn({
        let simulator = simulator.clone();
        async move { simulator.serve_rtu(line).await }
    });
    let stop = CancellationToken::new();
    let (observed, mut observations) = mpsc::channel(1024);
    let (_requests, asked) = mpsc::channel(1);
    let cx = DriverCx {
        link: Arc::from("line"),
        observations: observed,
        requests: asked,
        clock: Arc::new(SystemClock::new()?),
        purpose: Purpose::Serve,
        shutdown: stop.clone(),
    };
    let mut links = configure(&name.display().to_string())?;
    let link = links.pop().context("there is one link")?;
    let driver = tokio::spawn((link.build)().run(cx));

    // A first round, so that every unit is known.
    count(&mut observations, Duration::from_secs(3), None).await;
    let all = count(&mut observations, WATCHED, None).await;
    simulator.misbehave(DEAD, Misbehaviour::Silent);
    let before = simulator.requests(DEAD);
    let neighbours = count(&mut observations, WATCHED_WITH_DEAD, Some(DEAD)).await;
    let asked = simulator.requests(DEAD) - before;
    stop.cancel();
    driver.await??;
    serving.abort();

    let possible = 1.0 / poll_time(pace).as_secs_f64();
    let shares = f64::from(UNITS - 1) / f64::from(UNITS);
    // What the neighbours would have had of the line without the dead one.
    let lost = 1.0 - neighbours / (all * shares) * shares;
    let figure = |what: &str, value, unit| Figure::new("serial line", what.to_owned(), value, unit);
    Ok(vec![
        figure("30 units × 20 registers, 9600 baud: polls that the wire allows", possible, "1/s"),
        figure("polls that were made", all, "1/s"),
        figure("share of what the wire allows", all / possible * 100.0, "%"),
        figure("with one dead unit: polls of its neighbours", neighbours, "1/s"),
        figure("time that the dead unit took from them", lost * 100.0, "%"),
        figure("questions to the dead unit in 60 s", asked as f64, ""),
    ])
}

/// A request of eight bytes, the silence that ends it, the answer, and the silence before the next request.
fn poll_time(pace: Pace) -> Duration {
    pace.characters(8.0) + pace.frame_end() + pace.characters(f64::from(5 + 2 * REGISTERS)) + pace.frame_end()
}

/// Whole rows a second, without those of `but`.
async fn count(observations: &mut mpsc::Receiver<Observation>, during: Duration, but: Option<u8>) -> f64 {
    let but = but.map(|unit| format!("u{unit}"));
    let until = Instant::now() + during;
    let mut rows = 0_u32;
    while let Ok(Some(observation)) = tokio::time::timeout_at(until, observations.recv()).await {
        if let Observation::Row(row) = observation
            && but.as_deref() != Some(row.device.as_str())
            && row.cells.iter().all(|(_, cell)| cell.is_ok())
        {
            rows += 1;
        }
    }
    f64::from(rows) / during.as_secs_f64()
}

fn configure(line: &str) -> anyhow::Result<Vec<kouan_drivers::configure::ConfiguredLink>> {
    let mut profile =
        "kind = \"modbus\"\nclass = \"meter\"\nevidence = \"uncertain\"\nsource = \"made up for measuring\"\n\
         [[group]]\nname = \"all\"\nevery = \"100ms\"\nfunction = 3\n\
         [[group.point]]\nname = \"measurement.{n}\"\nunit = \"V\"\nregister = 0\n"
            .to_owned();
    writeln!(profile, "repeat = {{ from = 0, count = {REGISTERS} }}")?;
    let mut store = ProfileStore::built_in();
    store.insert("bench-unit", ProfileSource { file: "bench-unit.toml".to_owned(), text: profile });
    let mut text = format!("[[link]]\nname = \"line\"\nkind = \"modbus\"\nserial = \"{line}\"\nbaud = {BAUD}\n");
    for unit in 1..=UNITS {
        writeln!(text, "[[link.device]]\nname = \"u{unit}\"\nprofile = \"bench-unit\"\nunit = {unit}")?;
    }
    let problems = Problems::new("bench", &text);
    let document = Document::parse("bench", &text).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let mut root = document.root(&problems);
    let links = read_links(&mut root, &store);
    drop(root);
    problems.into_result(links).map_err(|problems| anyhow::anyhow!("{problems}"))
}
