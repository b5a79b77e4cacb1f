//! The scenarios in which other gateways were measured.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use kouan_tests::prove::{Scenario, peers_table};

/// How often readings are committed by default.
const DEFAULT: Duration = Duration::from_secs(1);
/// How often readings are committed where few may be lost with a kill.
const OFTEN: Duration = Duration::from_millis(20);

#[derive(Debug, Args)]
pub(super) struct Options {
    /// How long the line is cut
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    outage: Duration,
}

pub(super) async fn run(options: Options) -> Result<ExitCode> {
    let mut out = std::io::stdout();
    let outage = options.outage;
    // One after another: what the agent uses is measured.
    let scenarios = [
        ("outage", Scenario { outage, kill: false, commit_every: DEFAULT }),
        ("outage and kill", Scenario { outage, kill: true, commit_every: DEFAULT }),
        ("the same, commit 20 ms", Scenario { outage, kill: true, commit_every: OFTEN }),
    ];
    let mut outcomes = Vec::new();
    for (name, scenario) in scenarios {
        outcomes.push((name, scenario.play().await?));
    }
    let columns: Vec<_> = outcomes.iter().map(|(name, outcome)| (*name, outcome)).collect();
    writeln!(out, "{}", peers_table(&columns))?;
    let mut all_right = true;
    for (name, outcome) in &outcomes {
        for what in &outcome.tally.broken {
            writeln!(out, "! {name}: {what}")?;
        }
        if let Some(folder) = &outcome.kept {
            writeln!(out, "  its folder is kept: {}", folder.display())?;
            all_right = false;
        }
    }
    Ok(if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
