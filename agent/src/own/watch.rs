//! Turns what is wrong with the files into the agent's own alarms.

use kouan_protocol::Severity;
use kouan_settings::{Bilingual, both};
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
        (true, true) => Some(both!(
            "urgent records, events and the command journal are in memory only",
            "紧急记录、事件和命令日志只在内存中"
        )),
        (true, false) => Some(both!("urgent records and events are in memory only", "紧急记录和事件只在内存中")),
        (false, true) => Some(both!("the command journal is in memory only", "命令日志只在内存中")),
        (false, false) => None,
    };
    match volatile {
        Some(what) => {
            let why = Bilingual::new(&buffer.problem, &buffer.problem_zh);
            let text = both!(
                "the disk refuses: {what}, and nothing that moves is carried out; {why}",
                "磁盘拒绝写入：{what}，会动作的命令一律不执行；{why}"; what, why
            );
            alarms.raise(VOLATILE, Severity::Critical, text);
        }
        None => alarms.clear(VOLATILE),
    }
    match buffer.paused {
        Some(reason) => {
            let text = both!(
                "readings are not kept ({reason}); a gap will say which",
                "读数没有保存（{reason}）；缺口记录会说明是哪些"
            );
            alarms.raise(PAUSED, Severity::Major, text);
        }
        None => alarms.clear(PAUSED),
    }
    let moved_aside = buffer.moved_aside + journal.moved_aside;
    if moved_aside > 0 {
        let why = Bilingual::new(&buffer.problem, &buffer.problem_zh);
        let text = both!(
            "{moved_aside} malformed files were moved aside in the data folder; {why}",
            "数据文件夹中有 {moved_aside} 个损坏的文件已移开；{why}"; why
        );
        alarms.raise(DAMAGED, Severity::Major, text);
    }
}
