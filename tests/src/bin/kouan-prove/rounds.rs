//! Rounds of faults.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use kouan_tests::prove::{Round, Schedule, Tally, table};
use tokio::task::JoinSet;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// How many rounds; each has the seed of the one before plus one
    #[arg(long, default_value_t = 12)]
    rounds: u64,
    /// The seed of the first round
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long each round is full of faults
    #[arg(long, default_value = "8s", value_parser = humantime::parse_duration)]
    length: Duration,
    /// How many rounds run at the same time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Print the schedules of rounds in which everything is right too
    #[arg(long)]
    schedules: bool,
}

pub(super) async fn run(options: Options) -> Result<ExitCode> {
    let mut out = std::io::stdout();
    let mut seeds = options.seed..options.seed + options.rounds;
    let mut running = JoinSet::new();
    let (mut total, mut failed) = (Tally::default(), Vec::new());
    loop {
        while running.len() < options.jobs.max(1)
            && let Some(seed) = seeds.next()
        {
            running.spawn_local(Round::run(seed, options.length));
        }
        let Some(round) = running.join_next().await else { break };
        let round = round.context("a round panicked")??;
        show(&mut out, &round, &options)?;
        if round.kept.is_some() {
            failed.push(round.seed);
        }
        total.add(round.tally);
    }
    writeln!(out, "\n{}", table(&total))?;
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let length = humantime::format_duration(options.length);
    for seed in failed {
        writeln!(out, "again: kouan-prove rounds --rounds 1 --seed {seed} --length {length}")?;
    }
    Ok(ExitCode::FAILURE)
}

fn show(out: &mut impl std::io::Write, round: &Round, options: &Options) -> Result<()> {
    writeln!(out, "seed {}: {}", round.seed, if round.kept.is_none() { "right" } else { "BROKEN" })?;
    if options.schedules || round.kept.is_some() {
        for step in Schedule::draw(round.seed, options.length).steps() {
            writeln!(out, "  {step}")?;
        }
    }
    if let Some(folder) = &round.kept {
        for what in &round.tally.broken {
            writeln!(out, "  ! {what}")?;
        }
        writeln!(out, "  its folder is kept: {}", folder.display())?;
    }
    Ok(())
}
