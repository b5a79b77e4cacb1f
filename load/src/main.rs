//! `kouan-load`: a fleet of devices that live as real ones do, played at a collector; a year of their data; and the
//! collector beside other stores under the same readings.
//!
//! It needs the built `kouan-collector` only. Compare ratios of one run: machines and hours differ.

#![expect(clippy::print_stdout, reason = "the program's purpose is to print figures")]

mod api;
mod collector;
mod dice;
mod fleet;
mod machine;
mod peers;
mod played_agent;
mod screens;
mod scroll;
mod show;
mod stop;
mod threads;
mod year;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Plays agents at a collector and measures it.
#[derive(Debug, Parser)]
#[command(name = "kouan-load", version)]
struct Cli {
    #[command(subcommand)]
    what: What,
    /// Print JSON only.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Plays the devices of five real projects, any number of times over.
    Fleet(fleet::FleetOptions),
    /// Plays them at a collector that runs, with faults that come and go, until it is stopped.
    Show(show::ShowOptions),
    /// Many people who look at the console at once.
    Screens(screens::ScreensOptions),
    /// A real browser that opens the console, and scrolls through more than ten thousand devices.
    Scroll(scroll::ScrollOptions),
    /// The same readings at this collector, VictoriaMetrics and PostgreSQL.
    Peers(peers::PeersOptions),
    /// Starts, exports, answers and a backup of a collector with a year of data. Ends with 1 where a limit is broken.
    Year(year::YearOptions),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let What::Show(options) = &cli.what {
        return show::show(options).await.map(|()| ExitCode::SUCCESS);
    }
    let (median, longest) = kouan_figures::process::sync_cost_ms(tempfile::tempdir()?.path(), 200)?;
    let mut figures = vec![
        kouan_figures::Figure::new("machine", "fdatasync of 4 KiB, p50", median, "ms"),
        kouan_figures::Figure::new("machine", "fdatasync of 4 KiB, p99", longest, "ms"),
    ];
    let machine = machine::Watch::begin()?;
    let (measured, broken) = match &cli.what {
        What::Fleet(options) => (fleet::measure(options).await?, vec![]),
        What::Peers(options) => (peers::measure(options).await?, vec![]),
        What::Screens(options) => (screens::measure(options).await?, vec![]),
        What::Scroll(options) => (scroll::measure(options).await?, vec![]),
        What::Year(options) => year::measure(options).await?,
        What::Show(_) => (vec![], vec![]),
    };
    let (of_machine, busy) = machine.end()?;
    figures.extend(of_machine);
    figures.extend(measured);
    if cli.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!("{}", kouan_figures::print(&figures));
    }
    for line in busy.iter().chain(&broken) {
        eprintln!("{line}");
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
