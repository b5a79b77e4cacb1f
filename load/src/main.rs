//! `kouan-load`: a fleet of devices that live as real ones do, played at a collector; and the collector beside other
//! stores under the same readings.
//!
//! It needs the built `kouan-collector` only. Compare ratios of one run: machines and hours differ.

#![expect(clippy::print_stdout, reason = "the program's purpose is to print figures")]

mod api;
mod collector;
mod dice;
mod fleet;
mod peers;
mod played_agent;
mod screens;
mod scroll;
mod show;
mod stop;

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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (median, longest) = kouan_figures::process::sync_cost_ms(tempfile::tempdir()?.path(), 200)?;
    let mut figures = vec![
        kouan_figures::Figure::new("machine", "fdatasync of 4 KiB, p50", median, "ms"),
        kouan_figures::Figure::new("machine", "fdatasync of 4 KiB, p99", longest, "ms"),
    ];
    figures.extend(match &cli.what {
        What::Fleet(options) => fleet::measure(options).await?,
        What::Peers(options) => peers::measure(options).await?,
        What::Screens(options) => screens::measure(options).await?,
        What::Scroll(options) => scroll::measure(options).await?,
        What::Show(options) => return show::show(options).await,
    });
    if cli.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!("{}", kouan_figures::print(&figures));
    }
    Ok(())
}
