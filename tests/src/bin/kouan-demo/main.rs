//! The product on its embedded default, with a small simulated checkpoint: one collector, one agent, seven devices, and
//! people who may sign in. With `--fleet` 1,434 devices of 19 other sites beside it.

mod prerequisites;
mod self_check;
mod table;
mod troubles;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use kouan_tests::{Api, Checkpoint, Fleet, Person, furnish, person};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often somebody passes the gate and takes a ticket while people watch.
const RHYTHM: &str = "4s";
/// How often the table is drawn on a terminal.
const DRAW_EVERY: Duration = Duration::from_secs(1);
/// Every which time it is written where nobody can see it change.
const WRITE_EVERY: u64 = 10;

/// History that the fleet brings along.
const PAST: Duration = Duration::from_secs(10 * 60);
/// The people of the demo: name, name in full, role.
const PEOPLE: [(&str, &str, &str); 3] =
    [("admin", "管理员", "administrator"), ("operator", "值班员", "operator"), ("viewer", "访客", "viewer")];

/// How long the command that switches the light may wait.
const LIGHT_LIFE: Duration = Duration::from_secs(5);

/// Runs the product with a small simulated checkpoint until Ctrl-C, and shows its devices.
#[derive(Debug, Parser)]
#[command(name = "kouan-demo", version)]
struct Arguments {
    /// Run this long without a terminal, check everything, and fail with the reason if something is wrong.
    #[arg(long = "for", value_parser = humantime::parse_duration)]
    run_for: Option<Duration>,
    /// Plays 1,434 devices of five real projects beside the checkpoint.
    #[arg(long)]
    fleet: bool,
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
    let api = site.api()?;
    let (people, working) = tokio::join!(people(&api), site.wait_working());
    let (people, up) = (people?, started.elapsed());
    working?;
    furnish(&api).await.context("the asset list of the checkpoint could not be entered")?;
    let head = introduction(site, up, &people);
    let mut fleet = None;
    if arguments.fleet {
        say(&format!("{head}\nThe fleet joins and brings {} minutes of history along.", PAST.as_secs() / 60))?;
        fleet = Some(Fleet::start(&site.folder(), &site.collector, PAST, arguments.run_for.is_some()).await?);
    }
    let shown = match arguments.run_for {
        None => watch(site, fleet.as_mut(), &head).await,
        Some(run_for) => {
            say(&head)?;
            self_check::run(site, fleet.as_ref(), run_for).await
        }
    };
    match fleet {
        Some(fleet) => shown.and(fleet.stop().await),
        None => shown,
    }
}

/// Makes the people who may sign in, with passwords of this run.
async fn people(api: &Api) -> anyhow::Result<Vec<Person>> {
    let mut people = Vec::new();
    for (name, display_name, role) in PEOPLE {
        let password = format!("harbour-{:06x}", rand::random::<u32>() & 0xff_ffff);
        people.push(person(api, name, display_name, role, &password).await?);
    }
    Ok(people)
}

fn introduction(site: &Checkpoint, up: Duration, people: &[Person]) -> String {
    let person = |person: &Person| format!("{} / {}", person.name, person.password);
    let people: Vec<String> = people.iter().map(person).collect();
    format!(
        "Kouan demo: {} devices of one simulated checkpoint, up after {:.1} s. Everything listens on loopback only.\n\
         Address       http://{}/\n\
         Sign in       {}   (passwords of this run)\n\
         Key           {}\n\
         Try           curl -H 'Authorization: Bearer {}' http://{}/api/v1/devices\n\
         Data, logs    {}   (removed at the end)",
        Checkpoint::DEVICES.len(),
        up.as_secs_f64(),
        site.collector.address(),
        people.join("   "),
        site.collector.key(),
        site.collector.key(),
        site.collector.address(),
        site.folder().display(),
    )
}

/// Draws the table again and again, and lets people pass, take tickets and switch the light of the lane.
async fn watch(site: &mut Checkpoint, mut fleet: Option<&mut Fleet>, head: &str) -> anyhow::Result<()> {
    let on_terminal = std::io::stdout().is_terminal();
    let mut ticks = tokio::time::interval(DRAW_EVERY);
    let api = site.api()?;
    let mut rounds = 0_u64;
    loop {
        ticks.tick().await;
        rounds += 1;
        if rounds % 7 == 3 {
            site.kiosk.control("ticket").await?;
        }
        troubles::happen(site, rounds).await?;
        if let Some(fleet) = &mut fleet
            && !fleet.process().is_running()?
        {
            return Err(fleet.process().failure("has ended"));
        }
        if !on_terminal && rounds % WRITE_EVERY != 1 {
            continue;
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
