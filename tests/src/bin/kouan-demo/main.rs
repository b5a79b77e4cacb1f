//! The product on its embedded default, with a small simulated checkpoint: one collector, one agent, seven devices.
#![expect(clippy::print_stdout, reason = "this is where the program speaks to the person who called it")]

mod prerequisites;
mod self_check;
mod table;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use kouan_tests::{Api, Checkpoint};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// How often somebody passes the gate and takes a ticket while people watch.
const RHYTHM: &str = "4s";
/// How often the table is drawn on a terminal.
const DRAW_EVERY: Duration = Duration::from_secs(1);
/// How often it is written where nobody can see it change.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// How long the command that switches the light may wait.
const LIGHT_LIFE: Duration = Duration::from_secs(5);

/// Runs the product with a small simulated checkpoint until Ctrl-C, and shows its devices.
#[derive(Debug, Parser)]
#[command(name = "kouan-demo", version)]
struct Arguments {
    /// Run this long without a terminal, check everything, and fail with the reason if something is wrong.
    #[arg(long = "for", value_parser = humantime::parse_duration)]
    run_for: Option<Duration>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kouan-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    prerequisites::install_broker().await?;
    let started = Instant::now();
    let mut site = Checkpoint::prepare().await.context("the demo did not come up")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C failed")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM failed")?;
    let worked = tokio::select! {
        worked = show(&mut site, &arguments, started) => worked,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    if std::io::stdout().is_terminal() {
        println!("\nStopping.");
    }
    let stopped = site.stop().await.context("the demo did not stop in order");
    worked.and(stopped)
}

async fn show(site: &mut Checkpoint, arguments: &Arguments, started: Instant) -> anyhow::Result<()> {
    site.agent.start()?;
    site.gate.control(&format!("rhythm {RHYTHM}")).await?;
    site.wait_working().await?;
    let up = started.elapsed();
    let head = introduction(site, up);
    let Some(run_for) = arguments.run_for else {
        return watch(site, &head).await;
    };
    println!("{head}");
    self_check::run(site, run_for).await
}

fn introduction(site: &Checkpoint, up: Duration) -> String {
    format!(
        "Kouan demo: {} devices of one simulated checkpoint, up after {:.1} s. Everything listens on loopback only.\n\
         Address       http://{}/   (a page of live devices; it asks for the key)\n\
         Sign-in key   {}\n\
         Try           curl -H 'Authorization: Bearer {}' http://{}/api/v1/devices\n\
         Data, logs    {}   (removed at the end)",
        Checkpoint::DEVICES.len(),
        up.as_secs_f64(),
        site.collector.address(),
        site.collector.key(),
        site.collector.key(),
        site.collector.address(),
        site.folder().display(),
    )
}

/// Draws the table again and again, and lets people pass, take tickets and switch the light of the lane.
async fn watch(site: &mut Checkpoint, head: &str) -> anyhow::Result<()> {
    let on_terminal = std::io::stdout().is_terminal();
    let mut ticks = tokio::time::interval(if on_terminal { DRAW_EVERY } else { WRITE_EVERY });
    let api = site.api()?;
    let mut rounds = 0_u64;
    loop {
        ticks.tick().await;
        rounds += 1;
        if rounds % 7 == 3 {
            site.kiosk.control("ticket").await?;
        }
        let table = match scene(&api, rounds).await {
            Ok(table) => table,
            Err(error) => format!("The collector cannot be asked: {error:#}"),
        };
        site.check_running()?;
        // Clears the screen and goes to its first line.
        let clear = if on_terminal { "\x1b[2J\x1b[H" } else { "" };
        println!("{clear}{head}\n\n{table}\n{}", if on_terminal { "Ctrl-C stops everything." } else { "" });
    }
}

async fn scene(api: &Api, rounds: u64) -> anyhow::Result<String> {
    if rounds % 10 == 5 {
        let light = json!({ "channel": 1, "on": rounds % 20 == 5 });
        api.command("relay-1", "relay.set", light, LIGHT_LIFE).await?;
    }
    table::draw(api).await
}
