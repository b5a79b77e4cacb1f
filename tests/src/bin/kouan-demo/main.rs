//! The product on its embedded default, with a small simulated checkpoint: one collector, one agent, seven devices.

mod prerequisites;
mod self_check;
mod table;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use kouan_tests::{Api, Checkpoint};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

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
            // Nothing can be done when standard error is closed.
            let _ = writeln!(std::io::stderr(), "kouan-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    prerequisites::install_broker().await?;
    let started = Instant::now();
    let mut stop = StopSignals::listen()?;
    let mut site = tokio::select! {
        site = Checkpoint::prepare() => site.context("the demo did not come up")?,
        () = stop.received() => return Ok(()),
    };
    let worked = tokio::select! {
        worked = show(&mut site, &arguments, started) => worked,
        () = stop.received() => Ok(()),
    };
    if std::io::stdout().is_terminal() {
        // Whoever closed the terminal need not be told.
        let _ = say("\nStopping.");
    }
    let stopped = site.stop().await.context("the demo did not stop in order");
    worked.and(stopped)
}

/// Ctrl-C, the service manager, or a terminal that is closed.
struct StopSignals([Signal; 3]);

impl StopSignals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals failed");
        Ok(Self([listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?]))
    }

    async fn received(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
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
    say(&head)?;
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
        say(&format!("{clear}{head}\n\n{table}\n{}", if on_terminal { "Ctrl-C stops everything." } else { "" }))?;
    }
}

/// Writes a line to standard output.
fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("writing to standard output failed")
}

async fn scene(api: &Api, rounds: u64) -> anyhow::Result<String> {
    if rounds % 10 == 5 {
        let light = json!({ "channel": 1, "on": rounds % 20 == 5 });
        api.command("relay-1", "relay.set", light, LIGHT_LIFE).await?;
    }
    table::draw(api).await
}
