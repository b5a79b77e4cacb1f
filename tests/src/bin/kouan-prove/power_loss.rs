//! Power cuts.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use kouan_tests::power_loss::{Honesty, PowerLoss};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// How many moments the power is cut at
    #[arg(long, default_value_t = 1000)]
    cuts: usize,
    /// Draws the moments, and what the disk keeps of what was not synced
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long the programs run before
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    length: Duration,
    /// A disk that reports syncs that it has not done: shows what the comparison finds
    #[arg(long)]
    lying: bool,
}

pub(super) async fn run(options: Options) -> Result<ExitCode> {
    let mut out = std::io::stdout();
    let honesty = if options.lying { Honesty::Lying } else { Honesty::Honest };
    let Options { cuts, seed, length, .. } = options;
    let report = PowerLoss { seed, cuts, length, honesty }.play().await?;
    writeln!(out, "{report}")?;
    for problem in &report.problems {
        writeln!(out, "  ! {problem}")?;
    }
    Ok(if report.broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
