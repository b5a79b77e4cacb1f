//! PostgreSQL under the readings: COPY into partitions by day, with an index by series and time.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use super::compare::{Costs, Spans, Times, median};
use super::readings::{DAY_MS, POINTS, Post};
use kouan_figures::process::{folder_bytes, tree_cpu_seconds, tree_memory_mib};

const START: Duration = Duration::from_secs(60);
/// Requests between two looks at the memory of all its processes.
const MEMORY_EVERY: usize = 100;
const PROGRAMS: &str = "/usr/lib/postgresql";
/// Series of the device about which ranges are asked come after those of all others.
const MONTH: usize = 1_000_000;

/// A running server with a cluster of its own. Dropping it kills it.
pub(crate) struct Postgres {
    process: Child,
    folder: PathBuf,
    port: u16,
}

/// As another user where this one is root: the server refuses to be root.
fn command(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn programs() -> anyhow::Result<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir(PROGRAMS)
        .context("PostgreSQL is not installed; `make bench-peers` installs it")?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    versions.sort();
    versions.pop().context("PostgreSQL has no initdb")
}

async fn run(command: &mut Command, what: &str) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().await.with_context(|| format!("{what} failed"))?;
    ensure!(output.status.success(), "{what} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Postgres {
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let (programs, folder) = (programs()?, folder.join("postgres"));
        std::fs::create_dir(&folder)?;
        if is_root() {
            run(Command::new("chown").arg("postgres:").arg(&folder), "handing the folder over").await?;
            run(Command::new("chmod").args(["a+rx"]).args(folder.parent()), "opening the folder").await?;
        }
        let data = folder.join("data");
        run(command(&programs.join("initdb")).args(["-A", "trust", "-U", "bench", "-D"]).arg(&data), "initdb").await?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = std::fs::File::create(folder.with_extension("log"))?;
        let process = command(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&folder)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting PostgreSQL failed")?;
        let postgres = Self { process, folder, port };
        let started = Instant::now();
        while postgres.sql("SELECT 1").await.is_err() {
            ensure!(started.elapsed() < START, "PostgreSQL did not come up");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(postgres)
    }

    /// Stops it in order.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let programs = programs()?;
        let data = self.folder.join("data");
        run(command(&programs.join("pg_ctl")).args(["stop", "-m", "fast", "-D"]).arg(&data), "stopping").await?;
        self.process.wait().await?;
        Ok(())
    }

    fn psql(&self) -> Command {
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "bench", "-d", "postgres", "-p"]);
        command.arg(self.port.to_string());
        command
    }

    async fn sql(&self, sql: &str) -> anyhow::Result<String> {
        run(self.psql().args(["-At", "-c", sql]), sql).await
    }

    fn pid(&self) -> anyhow::Result<u32> {
        // Where another user runs it, the program that changed the user stands in between.
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).context("it does not run")?;
        pid.lines().next().unwrap_or_default().parse().context("postmaster.pid has no number")
    }

    /// Makes the tables for the times between.
    pub(crate) async fn prepare(&self, from_ms: i64, to_ms: i64) -> anyhow::Result<()> {
        self.sql(
            "CREATE TABLE samples (series int NOT NULL, at timestamptz NOT NULL, value double precision NOT NULL)
             PARTITION BY RANGE (at)",
        )
        .await?;
        self.sql("CREATE INDEX ON samples (series, at)").await?;
        self.sql("CREATE TABLE series (id int PRIMARY KEY)").await?;
        for day in from_ms.div_euclid(DAY_MS)..=to_ms.div_euclid(DAY_MS) {
            let bound = |day: i64| format!("to_timestamp({})", day * DAY_MS / 1000);
            let (from, to) = (bound(day), bound(day + 1));
            self.sql(&format!("CREATE TABLE samples_{day} PARTITION OF samples FOR VALUES FROM ({from}) TO ({to})"))
                .await?;
        }
        Ok(())
    }

    /// Takes the posts over two connections, a COPY each.
    pub(crate) async fn fill(&self, posts: impl Iterator<Item = Post>, is_month: bool) -> anyhow::Result<Costs> {
        let pid = self.pid()?;
        let (cpu, started) = (tree_cpu_seconds(pid)?, Instant::now());
        let (mut kept, mut memory, mut devices) = (0, 0.0_f64, 0);
        let mut copies = Vec::new();
        for _ in 0..2 {
            let copy = "COPY samples FROM STDIN";
            let mut child = self.psql().args(["-c", copy]).stdin(Stdio::piped()).kill_on_drop(true).spawn()?;
            let input = child.stdin.take().context("psql has no input")?;
            copies.push((child, input));
        }
        for (at, post) in posts.enumerate() {
            use std::fmt::Write as _;
            let mut text = String::new();
            for poll in &post.polls {
                devices = devices.max(poll.device + 1);
                let time = iso(poll.time_ms);
                for (column, value) in poll.cells() {
                    let series = if is_month { MONTH } else { 0 } + poll.device * POINTS + column;
                    writeln!(text, "{series}\t{time}\t{value}")?;
                }
            }
            kept += post.kept();
            copies[post.part % 2].1.write_all(text.as_bytes()).await.context("psql does not take its input")?;
            if at % MEMORY_EVERY == 0 {
                memory = memory.max(tree_memory_mib(pid)?);
            }
        }
        for (mut child, input) in copies {
            drop(input);
            ensure!(child.wait().await?.success(), "COPY failed");
        }
        let wall = started.elapsed().as_secs_f64();
        if !is_month {
            self.sql(&format!("INSERT INTO series SELECT generate_series(0, {})", devices * POINTS - 1)).await?;
        }
        self.sql("CHECKPOINT").await?;
        self.sql("VACUUM ANALYZE samples").await?;
        let cpu = tree_cpu_seconds(pid)? - cpu;
        let bytes = folder_bytes(&self.folder.join("data/base"))?;
        let beside = folder_bytes(&self.folder.join("data/pg_wal"))?;
        Ok(Costs { kept, wall, cpu, bytes, beside, memory, start: Duration::ZERO })
    }

    /// Asks over one connection that stays open.
    pub(crate) async fn ask(&self, spans: &Spans, times: usize) -> anyhow::Result<Times> {
        let series = MONTH + 4;
        let between = |(from, to): (i64, i64)| format!("at >= '{}' AND at < '{}'", iso(from), iso(to));
        let latest = "SELECT id, at, value FROM series, LATERAL (SELECT at, value FROM samples WHERE series = id \
                      ORDER BY at DESC LIMIT 1) newest";
        let raw =
            |span: (i64, i64)| format!("SELECT at, value FROM samples WHERE series = {series} AND {}", between(span));
        let hourly = format!(
            "SELECT date_trunc('hour', at), count(*), min(value), max(value), sum(value) FROM samples \
             WHERE series = {series} AND {} GROUP BY 1",
            between(spans.month)
        );
        Ok(Times {
            latest: self.time(vec![latest.to_owned()], times.min(21)).await?,
            raw_day: self.time(vec![raw(spans.day)], times).await?,
            raw_days: self.time(spans.days().map(raw).collect(), times).await?,
            hourly: self.time(vec![hourly], times).await?,
        })
    }

    /// The median of what psql says that the statements took, their rows included.
    async fn time(&self, statements: Vec<String>, times: usize) -> anyhow::Result<f64> {
        let mut script = String::from("\\timing on\n");
        for at in 0..times {
            script.push_str(&statements[at % statements.len()]);
            script.push_str(";\n");
        }
        let mut child = self
            .psql()
            .args(["-At", "-o", "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut input = child.stdin.take().context("psql has no input")?;
        input.write_all(script.as_bytes()).await?;
        drop(input);
        let output = child.wait_with_output().await?;
        ensure!(output.status.success(), "psql failed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let taken = text.lines().filter_map(|line| line.strip_prefix("Time: ")?.split(' ').next()?.parse().ok());
        let taken: Vec<f64> = taken.collect();
        ensure!(taken.len() == times, "psql timed {} of {times} statements: {text}", taken.len());
        Ok(median(taken))
    }
}

/// A time as PostgreSQL reads it.
fn iso(time_ms: i64) -> String {
    let (days, in_day) = (time_ms.div_euclid(DAY_MS), time_ms.rem_euclid(DAY_MS));
    // Days since 1970 as a date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, ms) = (in_day / 1000 % 60, in_day % 1000);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{ms:03}+00")
}
