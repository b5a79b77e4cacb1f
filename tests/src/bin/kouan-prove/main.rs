//! Proves the delivery with the real programs: rounds of faults drawn from a seed, then one table; the two
//! scenarios in which other gateways were measured; and power cuts.

mod peers;
mod power_loss;
mod rounds;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tokio::task::LocalSet;

/// Breaks programs, line and disk by a schedule drawn from a seed, and compares what devices, agent and collector have.
#[derive(Debug, Parser)]
#[command(name = "kouan-prove", version)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Rounds of faults
    Rounds(rounds::Options),
    /// 50 devices of 20 registers each second: an outage of the line, and a kill in the middle of it
    Peers(peers::Options),
    /// Power cuts: what is on the disks then, opened with the real code
    PowerLoss(power_loss::Options),
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let run = async {
        match options.what {
            What::Rounds(options) => rounds::run(options).await,
            What::Peers(options) => peers::run(options).await,
            What::PowerLoss(options) => power_loss::run(options).await,
        }
    };
    LocalSet::new().run_until(run).await
}
