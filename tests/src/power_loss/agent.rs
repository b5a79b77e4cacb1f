//! What must be there at the agent after a power cut.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use kouan_agent::buffer::{Buffer, StoredBatch};
use kouan_agent::commands::Journal;
use kouan_agent::config::Config;
use kouan_agent::data_folder::DataFolder;
use kouan_protocol::session::LaneClaim;
use kouan_protocol::{
    Batch, Catalogue, Clock, CommandId, CommandState, Gap, GapReason, Incarnation, RecordBody, SystemClock,
};

use super::site::{Run, agent_data};
use super::witness::until;

/// What the agent would say in its next hello.
#[derive(Debug)]
pub(super) struct AgentFound {
    /// The life of its folder.
    pub(super) incarnation: Incarnation,
    /// The life of its journal.
    pub(super) journal: Incarnation,
    /// Where its lanes stand.
    pub(super) claims: Vec<LaneClaim>,
}

/// Opens the files that were found under `root` as the agent does, and compares them with what was known at `at`.
pub(super) async fn check_agent(
    root: &Path,
    run: &Run,
    at: u64,
    problems: &mut Vec<String>,
) -> anyhow::Result<AgentFound> {
    let folder = agent_data(root);
    let data = DataFolder::open(&folder).context("the data folder cannot be opened")?;
    let settings = format!("data = \"{}\"\n[buffer]\ncommit_every = \"1s\"\n", folder.display());
    let config = Config::parse("agent.toml", &settings).context("the settings are refused")?.buffer;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new().context("reading the clocks failed")?);
    let catalogue = Catalogue { devices: Vec::new() };
    let (buffer, threads) = Buffer::open(&config, &catalogue, &clock).context("the buffer cannot be opened")?;
    let claims = buffer.claims().await.context("the lanes cannot be read")?;
    let mut kept = HashMap::new();
    for claim in &claims {
        let batches = buffer.read(claim.lane, claim.oldest_seq - 1, usize::MAX, usize::MAX >> 1).await;
        kept.insert(claim.lane.number(), batches.context("a lane cannot be read")?);
    }
    let mark = buffer.journal_mark().await.context("what the buffer knows of the journal cannot be read")?;
    drop(buffer);
    tokio::task::spawn_blocking(|| threads.join()).await.context("closing the buffer failed")?;
    let journal = Journal::open(&folder.join("journal.db"), &clock).context("the journal cannot be opened")?;

    if mark.is_some_and(|mark| journal.is_behind(mark)) {
        problems.push("the journal would be taken for an older copy".to_owned());
    }
    for (folder, life) in until(&run.testimony.agent, at) {
        if (*folder, *life) != (data.incarnation(), journal.incarnation()) {
            problems.push("the collector knew another life of the folder or its journal".to_owned());
        }
    }
    for claim in &claims {
        let batches = kept.get(&claim.lane.number()).map(Vec::as_slice).unwrap_or_default();
        // Files that were not complete when the power failed, and of which nobody had heard, may begin anew with a gap.
        let is_known = until(&run.testimony.agent, at).next().is_some();
        check_chain(claim, batches, is_known, problems);
        check_sent(claim, batches, run, at, problems);
    }
    for (number, _) in run.acts.iter().filter(|(_, did)| **did <= at) {
        // An answer of the API that was lost leaves a command without an id here.
        let Some(known) = run.accepted.get(number) else { continue };
        let id: CommandId = known.what.parse().context("a command's id cannot be read")?;
        let entry = journal.entry(&id).context("the journal cannot be read")?;
        let state = entry.as_ref().map(|entry| entry.state);
        if state.is_none_or(|state| state == CommandState::Delivered) {
            problems.push(format!("the device had obeyed command {id}, and the journal says {state:?}"));
        }
    }
    Ok(AgentFound { incarnation: data.incarnation(), journal: journal.incarnation(), claims })
}

/// Everything between the oldest and the next number is there, and nothing that somebody knows of became a gap.
fn check_chain(claim: &LaneClaim, batches: &[StoredBatch], is_known: bool, problems: &mut Vec<String>) {
    let mut next = claim.oldest_seq;
    for batch in batches {
        if batch.first_seq > next {
            problems.push(format!("lane {}: {next} to {} are missing", claim.lane, batch.first_seq - 1));
        }
        next = batch.last_seq + 1;
        let gap = match Batch::decode(&batch.body) {
            Ok(batch) => batch.records.into_iter().find_map(|record| match record.body {
                // Within the recording the agent is killed and stopped, and tells at its starts how long it was away.
                RecordBody::Gap(Gap { reason: GapReason::Interrupted | GapReason::NotRunning, .. }) => None,
                RecordBody::Gap(gap) => Some(format!("a gap ({})", gap.reason)),
                _ => None,
            }),
            Err(error) => Some(format!("unreadable ({error})")),
        };
        if let (true, Some(gap)) = (is_known, gap) {
            problems.push(format!("lane {}: {} to {} became {gap}", claim.lane, batch.first_seq, batch.last_seq));
        }
    }
    if next != claim.next_seq {
        problems.push(format!("lane {}: {next} to {} are missing", claim.lane, claim.next_seq - 1));
    }
}

/// What the collector had seen is still the same or confirmed, and nothing counts as confirmed that was not.
fn check_sent(claim: &LaneClaim, batches: &[StoredBatch], run: &Run, at: u64, problems: &mut Vec<String>) {
    let lane = claim.lane.number();
    let confirmed = claim.oldest_seq - 1;
    let kept: HashMap<_, _> = batches.iter().map(|batch| (batch.first_seq, batch)).collect();
    for sent in until(&run.testimony.sent, at).filter(|sent| sent.lane == lane) {
        let (first, last) = (sent.first_seq, sent.last_seq);
        if sent.epoch != claim.epoch {
            problems.push(format!("lane {}: {first} to {last} were sent in another epoch", claim.lane));
        } else if last >= claim.next_seq {
            problems.push(format!("lane {}: {first} to {last} were sent and would be given out again", claim.lane));
        } else if last > confirmed
            && kept.get(&first).is_none_or(|batch| (batch.last_seq, batch.digest) != (last, sent.digest))
        {
            problems.push(format!("lane {}: {first} to {last} were sent and are other records now", claim.lane));
        }
    }
    let promised =
        until(&run.testimony.promised, at).filter(|promise| (promise.lane, promise.epoch) == (lane, claim.epoch));
    let promised = promised.map(|promise| promise.stored_seq).max().unwrap_or(0);
    if confirmed > promised {
        problems.push(format!("lane {}: {confirmed} counts as confirmed, and {promised} was", claim.lane));
    }
}
