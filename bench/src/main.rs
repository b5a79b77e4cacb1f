//! `kouan-bench`: figures and ratios of what exists, as a table and as JSON.
//!
//! Compare ratios of one run: machines and hours differ. Figures never decide a test.

#![expect(clippy::print_stdout, reason = "the program's purpose is to print figures")]

mod agent_load;
mod backlog;
mod born_meanwhile;
mod centre;
mod drain;
mod enqueue;
mod ingest;
mod latency;
mod local;
mod modbus_site;
mod serial_line;
mod site;
mod slow_disk;
mod wire;

use std::time::Duration;

use clap::Parser;

use kouan_figures::{Figure, print};

/// Measures agent, buffer, collector and wire on this machine.
#[derive(Debug, Parser)]
struct Cli {
    /// Only these parts: wire, enqueue, slow-disk, ingest, agent, scale, latency, drain, line.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How long the agent is watched under load, in seconds.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// How many readings wait at the agent when it reaches its collector again.
    #[arg(long, default_value_t = 10_000_000)]
    backlog: u64,
    /// How long each side of the enqueue comparison runs per turn, in milliseconds.
    #[arg(long, default_value_t = 300)]
    turn_ms: u64,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let wanted = |part: &str| cli.only.is_empty() || cli.only.iter().any(|only| only == part);
    let (median, longest) = kouan_figures::process::sync_cost_ms(tempfile::tempdir()?.path(), 200)?;
    let mut figures: Vec<Figure> = vec![
        Figure::new("machine", "fdatasync of 4 KiB, p50", median, "ms"),
        Figure::new("machine", "fdatasync of 4 KiB, p99", longest, "ms"),
    ];
    if wanted("wire") {
        figures.extend(wire::measure()?);
    }
    if wanted("enqueue") {
        figures.extend(enqueue::measure(Duration::from_millis(cli.turn_ms)).await?);
    }
    if wanted("slow-disk") {
        figures.extend(slow_disk::measure().await?);
    }
    if wanted("ingest") {
        figures.extend(ingest::measure().await?);
    }
    if wanted("agent") {
        figures.extend(agent_load::measure(agent_load::FIFTY, cli.seconds).await?);
    }
    if wanted("scale") {
        figures.extend(agent_load::measure(agent_load::TEN_THOUSAND, cli.seconds).await?);
        figures.extend(agent_load::measure(agent_load::HUNDRED_THOUSAND, cli.seconds).await?);
    }
    if wanted("latency") {
        figures.extend(latency::measure().await?);
    }
    if wanted("drain") {
        figures.extend(drain::measure(cli.backlog).await?);
    }
    if wanted("line") {
        figures.extend(serial_line::measure().await?);
    }
    if cli.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!("{}", print(&figures));
        println!("{}", serde_json::to_string(&figures)?);
    }
    Ok(())
}
