//! The enqueue comparison again on disks whose syncs take longer: this program runs itself above a library that delays
//! them, so that the buffer and the bare loop meet the same disk.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kouan_tests::DiskFaults;
use serde::Deserialize;
use tokio::process::Command;

use kouan_figures::Figure;

/// What each sync takes longer: a good flash card, and a bad one or a disk that turns.
const DELAYS: [Duration; 2] = [Duration::from_millis(4), Duration::from_millis(50)];
/// So many syncs fit at least into a turn.
const SYNCS: u32 = 12;

/// A figure of the other process.
#[derive(Debug, Deserialize)]
struct Told {
    what: String,
    value: f64,
    unit: String,
}

pub(crate) async fn measure() -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for delay in DELAYS {
        let folder = tempfile::tempdir()?;
        let disk = DiskFaults::new(folder.path())?;
        disk.sync_delay(delay)?;
        let turn_ms = (delay * SYNCS).as_millis().max(300).to_string();
        let output = Command::new(std::env::current_exe()?)
            .args(["--only", "enqueue", "--json", "--turn-ms", &turn_ms])
            .envs(disk.environment())
            .env("TMPDIR", folder.path())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output()
            .await
            .context("starting this program again failed")?;
        ensure!(output.status.success(), "this program, started again, ended with {}", output.status);
        let told: Vec<Told> = serde_json::from_slice(&output.stdout).context("reading its figures failed")?;
        for Told { what, value, unit } in told {
            let unit = ["records/s", "ms", "×"].into_iter().find(|known| *known == unit).unwrap_or("");
            figures.push(Figure::new("slow-disk", format!("sync + {} ms: {what}", delay.as_millis()), value, unit));
        }
    }
    Ok(figures)
}
