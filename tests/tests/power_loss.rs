//! What is left after a power cut, of a bare SQLite file and of the real programs.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use kouan_tests::DiskFaults;
use kouan_tests::power_loss::{Honesty, PowerLoss, PowerLossReport, Recording, now, recording_folder};
use rusqlite::Connection;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

/// Commits numbers one by one and says each when SQLite says that it is committed.
const COMMITS: &str = "
import sqlite3, sys
base = sqlite3.connect('base.db')
base.execute('PRAGMA journal_mode = WAL')
base.execute('PRAGMA synchronous = ' + sys.argv[1])
base.execute('PRAGMA wal_autocheckpoint = 20')
base.execute('CREATE TABLE t (n INTEGER PRIMARY KEY, filling)')
for n in range(1, 200):
    with base:
        base.execute('INSERT INTO t VALUES (?, hex(randomblob(200)))', (n,))
    print(n, flush=True)
";

/// What a power cut did to the bare file.
#[derive(Debug, Default)]
struct Harm {
    lost: u32,
    malformed: u32,
}

async fn cut_a_bare_file(synchronous: &str, honesty: Honesty) -> anyhow::Result<Harm> {
    let folder = recording_folder()?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data).context("making a folder failed")?;
    let disk = DiskFaults::new(&data)?;
    let record = folder.path().join("record");
    disk.record_to(&record)?;
    let mut command = Command::new("python3");
    command.args(["-c", COMMITS, synchronous]).current_dir(&data).envs(disk.environment()).kill_on_drop(true);
    let mut child = command.stdout(Stdio::piped()).spawn().context("starting python3 failed")?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut said = Vec::new();
    while let Some(line) = lines.next_line().await? {
        said.push((now()?, line.parse::<i64>().context("python3 said no number")?));
    }
    let status = tokio::time::timeout(Duration::from_secs(20), child.wait()).await;
    anyhow::ensure!(status.is_ok_and(|status| status.is_ok_and(|status| status.success())), "python3 failed");
    let recording = Recording::read(&record, &data)?;
    let mut harm = Harm::default();
    for cut in recording.cuts(&recording.moments(200, 7), honesty, 7) {
        let promised = said.iter().take_while(|(at, _)| *at <= cut.at).last().map_or(0, |(_, number)| *number);
        let files = cut.files()?;
        match committed(files.path(), promised) {
            Ok(found) => harm.lost += u32::from(found < promised),
            Err(_) => harm.malformed += 1,
        }
    }
    Ok(harm)
}

/// The highest number in the file, which must hold all numbers before it.
fn committed(folder: &Path, promised: i64) -> rusqlite::Result<i64> {
    let base = Connection::open(folder.join("base.db"))?;
    let whole: String = base.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    let tables: i64 = base.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(0);
    }
    let (count, last): (i64, i64) =
        base.query_row("SELECT COUNT(*), COALESCE(MAX(n), 0) FROM t", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if whole != "ok" || count != last {
        eprintln!("promised {promised}, {count} rows up to {last}, integrity: {whole}");
        return Err(rusqlite::Error::InvalidQuery);
    }
    Ok(last)
}

#[tokio::test]
async fn a_file_that_syncs_each_commit_keeps_each_commit() -> anyhow::Result<()> {
    let harm = cut_a_bare_file("FULL", Honesty::Honest).await?;
    anyhow::ensure!(harm.lost == 0 && harm.malformed == 0, "{harm:?}");
    Ok(())
}

/// The model finds what SQLite's documentation says of this setting: whole, and without the last commits.
#[tokio::test]
async fn a_file_that_syncs_only_checkpoints_loses_commits_and_stays_whole() -> anyhow::Result<()> {
    let harm = cut_a_bare_file("NORMAL", Honesty::Honest).await?;
    anyhow::ensure!(harm.lost > 20 && harm.malformed == 0, "{harm:?}");
    Ok(())
}

#[tokio::test]
async fn a_disk_that_lies_about_its_syncs_saves_nobody() -> anyhow::Result<()> {
    let harm = cut_a_bare_file("FULL", Honesty::Lying).await?;
    anyhow::ensure!(harm.lost + harm.malformed > 20, "{harm:?}");
    Ok(())
}

/// Cuts of the real programs. `KOUAN_POWER_CUTS` asks for another number of them.
async fn cut_the_programs(honesty: Honesty, cuts: usize) -> anyhow::Result<PowerLossReport> {
    let asked = std::env::var("KOUAN_POWER_CUTS").ok().and_then(|cuts| cuts.parse().ok());
    let cuts = if honesty == Honesty::Honest { asked.unwrap_or(cuts) } else { cuts };
    let report = PowerLoss { seed: 1, cuts, length: Duration::from_secs(5), honesty }.play().await?;
    eprintln!("{report}");
    anyhow::ensure!(report.sent > 100 && report.acts > 10, "too little happened: {report}");
    Ok(report)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_keep_what_they_promised_through_a_power_cut() -> anyhow::Result<()> {
    let report = cut_the_programs(Honesty::Honest, 200).await?;
    anyhow::ensure!(report.broken == 0, "{report}: {:#?}", report.problems);
    Ok(())
}

/// The checks see what is lost.
#[tokio::test(flavor = "multi_thread")]
async fn the_programs_lose_what_a_lying_disk_loses() -> anyhow::Result<()> {
    let report = cut_the_programs(Honesty::Lying, 20).await?;
    anyhow::ensure!(report.broken > 10, "{report}: {:#?}", report.problems);
    Ok(())
}
