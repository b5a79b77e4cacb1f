//! What must be there at the collector after a power cut.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kouan_collector::store::log::{IngestLog as _, SqliteLog};
use kouan_collector::store::{DataFolder, File, open_writable};
use kouan_collector::verify::{Report, verify};
use kouan_collector::{App, Config};
use kouan_protocol::session::{Hello, LaneClaim, PROTOCOL};
use kouan_protocol::{Clock, RecordKind, SystemClock};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::agent::AgentFound;
use super::site::{AGENT, Run, SITE, collector_data};
use super::witness::{Promise, until};

/// How long the readers of the log may take to follow it to its end.
const FOLLOW: Duration = Duration::from_secs(20);

/// Opens the files that were found under `root` as the collector does, and compares them with what was known at `at`.
/// With `runs` it also runs, until its readers have caught up.
pub(super) async fn check_collector(
    root: &Path,
    run: &Run,
    at: u64,
    runs: bool,
    problems: &mut Vec<String>,
) -> anyhow::Result<()> {
    let data = collector_data(root);
    // With no memory the history seals at once, so that its files are seen to hold everything.
    let config = Config {
        data: data.clone(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        history_memory: 0,
        ..Config::default()
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new().context("reading the clocks failed")?);
    let app = App::build(config, clock).await.context("the collector cannot be built")?;
    let folder = DataFolder::new(&data);
    note("at once", verify(&folder).context("verify cannot read a file")?, problems);
    check_promises(&folder, run, at, problems)?;
    let shutdown = CancellationToken::new();
    if runs {
        let running = tokio::spawn(app.run(shutdown.clone()));
        let look = async || Ok(verify(&folder)?);
        let followed = |report: &Report| report.log.state_cursor.min(report.log.history_cursor) >= report.log.last_id;
        let report = crate::wait_until("the readers of the log", FOLLOW, look, followed).await;
        shutdown.cancel();
        running.await.context("the collector panicked")?.context("the collector failed")?;
        note("after it ran", report?, problems);
    } else {
        shutdown.cancel();
        app.run(shutdown).await.context("the collector failed")?;
    }
    Ok(())
}

fn note(when: &str, report: Report, problems: &mut Vec<String>) {
    problems.extend(report.problems.into_iter().map(|problem| format!("verify {when}: {problem}")));
}

fn check_promises(folder: &DataFolder, run: &Run, at: u64, problems: &mut Vec<String>) -> anyhow::Result<()> {
    let log = Connection::open(folder.ingest()).context("opening the log failed")?;
    let mut positions = HashMap::new();
    let mut statement = log.prepare("SELECT lane, epoch, stored_seq FROM lanes")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (lane, epoch, stored): (u32, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        positions.insert((lane, epoch), stored.unsigned_abs());
    }
    let mut stored = HashSet::new();
    let mut statement = log.prepare("SELECT lane, epoch, first_seq, last_seq, digest FROM log WHERE kind = 'batch'")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (lane, epoch, first, last): (u32, String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        stored.insert((lane, epoch, first.unsigned_abs(), last.unsigned_abs(), row.get::<_, String>(4)?));
    }
    let promised: Vec<&Promise> = until(&run.testimony.promised, at).collect();
    let mut highest = HashMap::new();
    for promise in promised {
        let place = highest.entry((promise.lane, promise.epoch)).or_insert(0);
        *place = promise.stored_seq.max(*place);
    }
    for ((lane, epoch), promise) in &highest {
        let position = positions.get(&(*lane, epoch.to_string())).copied();
        if position.unwrap_or(0) < *promise {
            problems.push(format!("lane {lane}: {promise} was confirmed, the position is {position:?}"));
        }
    }
    for sent in until(&run.testimony.sent, at) {
        let is_confirmed = highest.get(&(sent.lane, sent.epoch)).is_some_and(|promise| sent.last_seq <= *promise);
        let key = (sent.lane, sent.epoch.to_string(), sent.first_seq, sent.last_seq, sent.digest.to_string());
        if is_confirmed && !stored.contains(&key) {
            let (lane, first, last) = (sent.lane, sent.first_seq, sent.last_seq);
            problems.push(format!("lane {lane}: {first} to {last} were confirmed and are not in the log"));
        }
    }
    let state = Connection::open(folder.state()).context("opening the state failed")?;
    let mut known = state.prepare("SELECT 1 FROM commands WHERE id = ?1")?;
    for command in run.accepted.values().filter(|command| command.at <= at) {
        if !known.exists([&command.what])? {
            problems.push(format!("command {} was accepted and is not there", command.what));
        }
    }
    let incarnation: String =
        log.query_row("SELECT value FROM meta WHERE name = 'incarnation'", [], |row| row.get(0))?;
    if until(&run.testimony.collector, at).any(|known| known.to_string() != incarnation) {
        problems.push("the agent knew another life of the folder".to_owned());
    }
    Ok(())
}

/// Both sides lost their power at the same moment and meet again: the lanes go on without a gap or a new epoch.
pub(super) fn check_meeting(root: &Path, agent: &AgentFound, problems: &mut Vec<String>) -> anyhow::Result<()> {
    let clock = SystemClock::new().context("reading the clocks failed")?;
    let folder = DataFolder::new(&collector_data(root));
    let mut log = SqliteLog::new(open_writable(&folder.ingest(), File::Ingest)?)?;
    // An epoch of which nothing was heard is new to the collector, and its first numbers are all there.
    let hello = Hello {
        protocol: PROTOCOL,
        software: "power loss".to_owned(),
        incarnation: agent.incarnation,
        journal: agent.journal,
        now: clock.anchor(),
        lanes: agent.claims.clone(),
        kinds: RecordKind::KNOWN.to_vec(),
        catalogues: Vec::new(),
        config_hash: String::new(),
    };
    let settled = log.reconcile(&AGENT.parse()?, SITE, &hello, clock.wall()).context("the hello is refused")?;
    for (claim, verdict) in agent.claims.iter().zip(&settled.lanes) {
        let LaneClaim { lane, oldest_seq, next_seq, .. } = claim;
        if verdict.new_epoch || verdict.stored_seq + 1 < *oldest_seq || verdict.stored_seq >= *next_seq {
            let (stored, reason) = (verdict.stored_seq, &verdict.reason);
            problems.push(format!(
                "lane {lane}: the agent keeps {oldest_seq} to before {next_seq}, the collector goes on after {stored}, \
                 new epoch {}: {reason}",
                verdict.new_epoch
            ));
        }
    }
    ensure!(settled.lanes.len() == agent.claims.len(), "the collector forgot a lane");
    let report = verify(&folder).context("verify cannot read a file")?;
    let lost: u64 = report.lanes.iter().map(|lane| lane.lost_numbers).sum();
    if lost > 0 {
        problems.push(format!("{lost} numbers count as lost"));
    }
    Ok(())
}
