//! Alarms on the collector itself. They are of no site, so that those see them who see all sites.
//!
//! What is damaged of the history stands as a file beside it until a person deletes that file: the alarm stands as
//! long.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kouan_protocol::{Clock, Severity, Timestamp};
use rusqlite::{OptionalExtension as _, Transaction, params};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::life::{self, Clear, Raise, Source, subject_of_collector};
use crate::store::{During as _, StoreError, Writer};
use crate::telemetry::set_aside;

/// What the collector is called where a device's name would stand.
const LABEL: &str = "kouan-collector";
/// The alarm on the collector while damaged parts of the history lie beside it.
pub const HISTORY_DAMAGED: &str = "history-damaged";
/// How often the folder is looked at for a change.
const EVERY: Duration = Duration::from_secs(1);
/// The folder is read this often also without one: two changes may bear one time.
const ANYWAY: u32 = 60;
/// Names that the text tells; of further ones it tells the number.
const NAMES: usize = 3;

/// Watches what the collector has set aside.
pub struct OwnAlarms {
    /// The folder of the history.
    pub history: PathBuf,
    /// The one who writes alarms.
    pub writer: Writer,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl OwnAlarms {
    /// Raises and clears until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Nothing is known at first: an alarm may stand from the run before.
        let mut told: Option<Vec<String>> = None;
        let (mut changed, mut since) = (None, 0);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.cancelled() => return,
            }
            let folder = self.history.clone();
            let (known, is_due) = (changed, since >= ANYWAY);
            let looked = tokio::task::spawn_blocking(move || look(&folder, known, is_due)).await;
            since += 1;
            match looked {
                Ok(Ok(None)) => {}
                Ok(Ok(Some((at, files)))) => {
                    (changed, since) = (Some(at), 0);
                    if told.as_ref() == Some(&files) {
                        continue;
                    }
                    let (now, names) = (self.clock.wall(), files.clone());
                    match self.writer.transact(move |transaction| tell(transaction, &names, now)).await {
                        Ok(()) => told = Some(files),
                        Err(StoreError::Closed) => return,
                        Err(error) => {
                            changed = None;
                            warn!(%error, "The alarm about the history could not be written; it is tried again.");
                        }
                    }
                }
                Ok(Err(error)) => warn!(%error, "The folder of the history could not be looked at."),
                Err(_) => return,
            }
        }
    }
}

/// When the folder changed, and which files in it were set aside.
type Looked = (SystemTime, Vec<String>);

/// `None` if nothing changed since `known` and it need not be read anyway.
fn look(folder: &std::path::Path, known: Option<SystemTime>, is_due: bool) -> Result<Option<Looked>, StoreError> {
    let changed =
        std::fs::metadata(folder).and_then(|folder| folder.modified()).map_err(StoreError::io("look at", folder))?;
    if known == Some(changed) && !is_due {
        return Ok(None);
    }
    Ok(Some((changed, set_aside(folder)?)))
}

/// Raises the alarm with these names, or clears it when there are none.
fn tell(transaction: &Transaction<'_>, files: &[String], now: Timestamp) -> Result<(), StoreError> {
    let subject = subject_of_collector(HISTORY_DAMAGED);
    if files.is_empty() {
        let clear = Clear { source: Source::Collector, subject: &subject, text: "", time: now };
        if life::clear(transaction, &clear)? {
            write_down(transaction, "cleared", "", now)?;
        }
        return Ok(());
    }
    let (text_zh, text_en) = texts(files);
    let stood: bool = transaction
        .query_row("SELECT 1 FROM alarms WHERE subject = ?1 AND state = 'raised'", [&subject], |_| Ok(()))
        .optional()
        .during("look for an alarm that stands")?
        .is_some();
    let raise = Raise {
        source: Source::Collector,
        subject: &subject,
        site: "",
        area: "",
        agent: "",
        device: "",
        label: LABEL,
        class: "",
        rule: None,
        condition: HISTORY_DAMAGED,
        point: "",
        severity: Severity::Major,
        text_zh: &text_zh,
        text_en: &text_en,
        value: None,
        unit: "",
        time: now,
        flapping: false,
    };
    life::raise(transaction, &raise, now)?;
    if !stood {
        write_down(transaction, "raised", &text_en, now)?;
    }
    Ok(())
}

fn texts(files: &[String]) -> (String, String) {
    let shown = &files[..files.len().min(NAMES)];
    let more = files.len() - shown.len();
    let (more_zh, more_en) = match more {
        0 => (String::new(), String::new()),
        _ => (format!("等 {} 个", files.len()), format!(" and {more} more")),
    };
    let zh = format!(
        "部分历史数据已损坏，移至 history 目录下的 {}{more_zh}。查询结果会注明哪些时段可能缺数据。请用备份恢复；不再需要这些文件时\
         将其删除，告警即消除。",
        shown.join("、")
    );
    let en = format!(
        "A part of the history is damaged and was moved to {}{more_en} in the folder history. Answers say of which times \
         something may be missing. Put back a backup; delete the files when nobody needs them any longer, and this alarm \
         clears.",
        shown.join(", ")
    );
    (zh, en)
}

fn write_down(transaction: &Transaction<'_>, state: &str, text: &str, now: Timestamp) -> Result<(), StoreError> {
    transaction
        .execute(
            "INSERT INTO alarm_log (site, agent, device, condition, state, severity, text, point, time_ms, late)
             VALUES ('', '', '', ?1, ?2, 'major', ?3, '', ?4, 0)",
            params![HISTORY_DAMAGED, state, text, now.0],
        )
        .during("write down an alarm")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_some_files_and_counts_the_others() {
        let names: Vec<String> = (1..=5).map(|at| format!("{at}.db.damaged")).collect();
        let (zh, en) = texts(&names);
        assert!(zh.contains("1.db.damaged、2.db.damaged、3.db.damaged等 5 个。"), "{zh}");
        assert!(en.contains("moved to 1.db.damaged, 2.db.damaged, 3.db.damaged and 2 more in the folder"), "{en}");
        assert!(!texts(&names[..1]).1.contains("more in"));
    }
}
