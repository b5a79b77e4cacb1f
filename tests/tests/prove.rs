//! The short form of the proof: a few rounds of `kouan-prove`. `make prove` runs more of them.

use std::time::Duration;

use anyhow::ensure;
use kouan_tests::prove::{Round, Schedule, table};

/// How long a round is full of faults.
const LENGTH: Duration = Duration::from_secs(5);

async fn round(seed: u64) -> anyhow::Result<()> {
    let round = Round::run(seed, LENGTH).await?;
    let steps: Vec<_> = Schedule::draw(seed, LENGTH).steps().iter().map(ToString::to_string).collect();
    ensure!(
        round.tally.broken.is_empty(),
        "{}\n\n{}\n\n{}\nkept: {:?}\nagain: kouan-prove rounds --rounds 1 --length 5s --seed {seed}",
        round.tally.broken.join("\n"),
        steps.join("\n"),
        table(&round.tally),
        round.kept,
    );
    ensure!(round.tally.readings.stored > 0 && round.tally.events.stored > 0, "nothing was compared");
    Ok(())
}

/// Programs are killed and stopped while the line misbehaves.
#[tokio::test]
async fn kills_and_a_bad_line() -> anyhow::Result<()> {
    round(3).await
}

/// Wall clocks jump too.
#[tokio::test]
async fn kills_and_clocks_that_jump() -> anyhow::Result<()> {
    round(5).await
}

/// The agent's disk is full, read-only, slow, or fails its syncs.
#[tokio::test]
async fn kills_and_a_broken_disk() -> anyhow::Result<()> {
    round(6).await
}

/// Sectors of the agent's files are overwritten.
#[tokio::test]
async fn kills_and_damaged_files() -> anyhow::Result<()> {
    round(2).await
}
