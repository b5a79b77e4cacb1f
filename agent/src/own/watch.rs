//! Turns what is wrong with the files into the agent's own alarms.

use kouan_protocol::Severity;
use tokio_util::sync::CancellationToken;

use super::link::OwnSources;
use crate::alarms::AgentAlarms;
use crate::buffer::FileState;

/// Urgent records and events, or the command journal, are in memory only.
const VOLATILE: &str = "buffer.volatile";
/// Readings are not being kept.
const PAUSED: &str = "buffer.paused";
/// A malformed file was moved aside. Holds until the agent is started again, so that somebody looks.
const DAMAGED: &str = "buffer.damaged";

/// Raises and clears the alarms until `shutdown` is cancelled.
pub async fn watch_files(sources: OwnSources, alarms: AgentAlarms, shutdown: CancellationToken) {
    let (mut buffer, mut journal) = (sources.buffer.condition(), sources.journal.clone());
    loop {
        judge(&buffer.borrow_and_update(), *journal.borrow_and_update(), &alarms);
        let changed = tokio::select! {
            () = shutdown.cancelled() => return,
            changed = buffer.changed() => changed,
            changed = journal.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

fn judge(buffer: &crate::buffer::BufferCondition, journal: crate::commands::JournalCondition, alarms: &AgentAlarms) {
    let volatile = match (buffer.is_volatile(), journal.state == FileState::Volatile) {
        (true, true) => Some("urgent records, events and the command journal are in memory only"),
        (true, false) => Some("urgent records and events are in memory only"),
        (false, true) => Some("the command journal is in memory only"),
        (false, false) => None,
    };
    match volatile {
        Some(what) => {
            let text = format!("the disk refuses: {what}, and nothing that moves is carried out; {}", buffer.problem);
            alarms.raise(VOLATILE, Severity::Critical, &text);
        }
        None => alarms.clear(VOLATILE),
    }
    match buffer.paused {
        Some(reason) => {
            let text = format!("readings are not kept ({reason}); a gap will say which");
            alarms.raise(PAUSED, Severity::Major, &text);
        }
        None => alarms.clear(PAUSED),
    }
    let moved_aside = buffer.moved_aside + journal.moved_aside;
    if moved_aside > 0 {
        let text = format!("{moved_aside} malformed files were moved aside in the data folder; {}", buffer.problem);
        alarms.raise(DAMAGED, Severity::Major, &text);
    }
}
