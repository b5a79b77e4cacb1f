//! `kouan-bench`: figures and ratios of what exists, as a table and as JSON.
//!
//! Compare ratios of one run: machines and hours differ. Figures never decide a test.

#![expect(clippy::print_stdout, reason = "the program's purpose is to print figures")]

mod agent_load;
mod enqueue;
mod figure;
mod ingest;
mod latency;
mod site;
mod wire;

use clap::Parser;

use crate::figure::{Figure, print};

/// Measures agent, buffer, collector and wire on this machine.
#[derive(Debug, Parser)]
struct Cli {
    /// Only these parts: wire, enqueue, ingest, agent, latency.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How long the agent is watched under load, in seconds.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let wanted = |part: &str| cli.only.is_empty() || cli.only.iter().any(|only| only == part);
    let mut figures: Vec<Figure> = Vec::new();
    if wanted("wire") {
        figures.extend(wire::measure()?);
    }
    if wanted("enqueue") {
        figures.extend(enqueue::measure().await?);
    }
    if wanted("ingest") {
        figures.extend(ingest::measure().await?);
    }
    if wanted("agent") {
        figures.extend(agent_load::measure(cli.seconds).await?);
    }
    if wanted("latency") {
        figures.extend(latency::measure().await?);
    }
    if cli.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!("{}", print(&figures));
        println!("{}", serde_json::to_string(&figures)?);
    }
    Ok(())
}
