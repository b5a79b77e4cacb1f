//! Whether what a command laid into a cabinet came, or what it took out went, as the cabinet's reader of tags sees it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kouan_drivers::configure::StockReader;
use kouan_drivers::driver::ActOutcome;
use kouan_protocol::{DeviceKey, Event, Field, FieldValue, Privacy};
use kouan_settings::{Bilingual, both};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::Instant;

use super::entry::Entry;
use crate::pipeline::Current;

/// How often it is looked whether the agent stops.
const LOOK: Duration = Duration::from_millis(500);

/// What commands wait to see at which readers. What one of them laid in must not confirm another.
#[derive(Debug, Default)]
pub(super) struct Awaited(Mutex<Vec<Awaits>>);

/// A reader, the event that is awaited there, and the antenna that must have seen it, where it is known.
type Awaits = (DeviceKey, &'static str, Option<i64>);

/// Given back when the command has ended.
#[derive(Debug)]
struct Claim {
    awaited: Arc<Awaited>,
    awaits: Awaits,
}

impl Awaited {
    /// `None` if what another command waits for could not be told from this.
    fn claim(self: &Arc<Self>, awaits: Awaits) -> Option<Claim> {
        let mut claimed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same_antenna = |one: Option<i64>, other: Option<i64>| one.is_none() || other.is_none() || one == other;
        let alike = |other: &Awaits| other.0 == awaits.0 && other.1 == awaits.1 && same_antenna(other.2, awaits.2);
        if claimed.iter().any(alike) {
            return None;
        }
        claimed.push(awaits.clone());
        Some(Claim { awaited: Arc::clone(self), awaits })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self.awaited.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = claimed.iter().position(|awaits| *awaits == self.awaits) {
            claimed.swap_remove(at);
        }
    }
}

/// The passes of a cabinet's reader, from before the slot was opened on.
#[derive(Debug)]
pub(super) struct Watching {
    reader: StockReader,
    _claim: Claim,
    changes: Receiver<Event>,
    /// The event that shows it, and how the outcome names it.
    kind: &'static str,
    part: &'static str,
    /// The slot's antenna, where it is known.
    antenna: Option<i64>,
}

impl Watching {
    /// `None`: the command lays nothing in and takes nothing out, or nobody sees what it does.
    ///
    /// # Errors
    /// When another command waits for the same at the reader: the slot must then not be opened.
    pub(super) fn begin(entry: &Entry, current: &Current, awaited: &Arc<Awaited>) -> Result<Option<Self>, Bilingual> {
        let Some(reader) = current.reader_of(&entry.device).cloned() else { return Ok(None) };
        let (kind, part) = match entry.action.as_str() {
            "slot.deposit" => ("tag-seen", "tag-came"),
            "slot.withdraw" => ("tag-missing", "tag-went"),
            _ => return Ok(None),
        };
        let slot = entry.arguments.iter().find(|field| field.name == "slot");
        let slot = match slot.map(|field| &field.value) {
            Some(FieldValue::Integer(slot)) => usize::try_from(slot - 1).ok(),
            _ => None,
        };
        let antenna = slot.and_then(|slot| reader.antennas.get(slot)).map(|antenna| i64::from(*antenna));
        let Some(claim) = awaited.claim((reader.device.clone(), kind, antenna)) else {
            let name = &reader.device;
            return Err(both!(
                "another command of this kind is being confirmed by {name}, which cannot tell the two apart; ask again \
                 when it has ended",
                "{name} 正在确认另一条同类命令，无法区分两者；请等它结束后再发"
            ));
        };
        Ok(Some(Self { reader, _claim: claim, changes: current.stock_changes(), kind, part, antenna }))
    }

    /// Adds what the reader saw to an outcome. Nothing is sent to anybody: it is only waited.
    pub(super) async fn complete(mut self, outcome: ActOutcome, is_stopping: impl Fn() -> bool) -> ActOutcome {
        let (mut seen, reason, within) = match outcome {
            ActOutcome::Succeeded(seen) => (seen, None, self.reader.within),
            // The slot was not seen to open or to be shut: what was read until now is told, and nothing is waited for.
            ActOutcome::Partly { seen, reason } => (seen, Some(reason), Duration::ZERO),
            other => return other,
        };
        let found = self.find(Instant::now() + within, is_stopping).await;
        match (found, reason) {
            (Some(fields), None) => {
                seen.extend(fields);
                ActOutcome::Succeeded(seen)
            }
            (Some(fields), Some(reason)) => {
                seen.extend(fields);
                ActOutcome::Partly { seen, reason }
            }
            (None, reason) => {
                seen.push(Field::new(self.part, FieldValue::Text("unknown".to_owned())));
                let reader = &self.reader.device;
                let reason = reason.unwrap_or_else(|| {
                    let kind = self.kind;
                    both!(
                        "the slot was opened and shut, but {reader} told no {kind} within {within:?}",
                        "格口已打开并关好，但 {reader} 在 {within:?} 内没有报告 {kind}"
                    )
                });
                ActOutcome::Partly { seen, reason }
            }
        }
    }

    async fn find(&mut self, deadline: Instant, is_stopping: impl Fn() -> bool) -> Option<Vec<Field>> {
        loop {
            let look = deadline.min(Instant::now() + LOOK);
            match tokio::time::timeout_at(look, self.changes.recv()).await {
                Ok(Ok(event)) => {
                    if let Some(fields) = self.shows(&event) {
                        return Some(fields);
                    }
                }
                // What was missed may have been it; the next passes say nothing new of it.
                Ok(Err(RecvError::Lagged(_))) => {}
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) if Instant::now() >= deadline || is_stopping() => return None,
                Err(_) => {}
            }
        }
    }

    fn shows(&self, event: &Event) -> Option<Vec<Field>> {
        if event.device != self.reader.device || event.kind != self.kind {
            return None;
        }
        let value = |name: &str| event.fields.iter().find(|field| field.name == name).map(|field| &field.value);
        if let (Some(wanted), Some(FieldValue::Integer(antenna))) = (self.antenna, value("antenna"))
            && wanted != *antenna
        {
            return None;
        }
        let epc = value("epc").map(|epc| Field { privacy: Privacy::Personal, ..Field::new("epc", epc.clone()) });
        Some([Field::new(self.part, FieldValue::Flag(true))].into_iter().chain(epc).collect())
    }
}

#[cfg(test)]
mod tests {
    use kouan_drivers::configure::{ConfiguredDevice, ConfiguredLink, DeviceIdentity};
    use kouan_protocol::{BootId, BootTime, Catalogue, CommandState};

    use super::*;

    fn current() -> Current {
        let identity = DeviceIdentity {
            key: "cabinet".parse().unwrap(),
            label: "cabinet".to_owned(),
            class: "cabinet".to_owned(),
            profile: "test".to_owned(),
            area: String::new(),
            parent: None,
        };
        let device = "shelf".parse().unwrap();
        let reader = StockReader { line: 1, device, within: Duration::from_secs(60), antennas: vec![7, 8] };
        let (groups, actions, limits) = (Vec::new(), Vec::new(), Vec::new());
        let device = ConfiguredDevice { identity, groups, actions, limits, reader: Some(reader) };
        let build = Box::new(|| panic!("nobody starts this driver"));
        let link = ConfiguredLink { name: Arc::from("line"), devices: vec![device], build };
        Current::new(Catalogue { devices: Vec::new() }).with_readers(&[link])
    }

    fn watching(current: &Current, action: &str) -> Option<Watching> {
        begin(current, action, 2, &Arc::default()).unwrap()
    }

    fn begin(
        current: &Current,
        action: &str,
        slot: i64,
        awaited: &Arc<Awaited>,
    ) -> Result<Option<Watching>, Bilingual> {
        let entry = Entry {
            id: "c-1".parse().unwrap(),
            device: "cabinet".parse().unwrap(),
            action: action.to_owned(),
            arguments: vec![Field::new("slot", FieldValue::Integer(slot))],
            by: None,
            boot: BootId(1),
            deadline: BootTime(0),
            state: CommandState::Started,
            reason: String::new(),
            reason_zh: String::new(),
            results: Vec::new(),
            reported: false,
        };
        Watching::begin(&entry, current, awaited)
    }

    fn tag(kind: &str, antenna: i64) -> Event {
        let fields = vec![
            Field::new("epc", FieldValue::Text("E200".to_owned())),
            Field::new("antenna", FieldValue::Integer(antenna)),
        ];
        Event { device: "shelf".parse().unwrap(), kind: kind.to_owned(), fields, blobs: Vec::new() }
    }

    fn flag(part: &str) -> Field {
        Field::new(part, FieldValue::Flag(true))
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_while_the_slot_stood_open_is_part_of_the_outcome() {
        let current = current();
        assert!(watching(&current, "slot.open").is_none());
        let watching = watching(&current, "slot.deposit").unwrap();
        current.tell_stock(&tag("tag-seen", 7));
        current.tell_stock(&tag("tag-missing", 8));
        current.tell_stock(&tag("tag-seen", 8));
        let outcome = ActOutcome::Succeeded(vec![flag("opened"), flag("closed")]);
        let ActOutcome::Succeeded(seen) = watching.complete(outcome, || false).await else { panic!("it was seen") };
        assert_eq!(seen[..3], [flag("opened"), flag("closed"), flag("tag-came")]);
        assert_eq!((seen[3].name.as_str(), seen[3].privacy), ("epc", Privacy::Personal));
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_command_laid_in_never_confirms_another() {
        let (current, awaited) = (current(), Arc::default());
        // Slots 1 and 2 have antennas of their own; of slot 3 nobody knows which one sees it.
        let first = begin(&current, "slot.deposit", 1, &awaited).unwrap().unwrap();
        let second = begin(&current, "slot.deposit", 2, &awaited).unwrap().unwrap();
        for slot in [1, 2, 3] {
            let refused = begin(&current, "slot.deposit", slot, &awaited).unwrap_err();
            assert!(refused.english.contains("shelf") && refused.chinese.contains("shelf"), "{refused:?}");
        }
        let withdrawal = begin(&current, "slot.withdraw", 3, &awaited).unwrap();
        assert!(withdrawal.is_some(), "what goes is told from what comes");
        current.tell_stock(&tag("tag-seen", 7));
        let outcome = first.complete(ActOutcome::Succeeded(Vec::new()), || false).await;
        assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
        let outcome = second.complete(ActOutcome::Succeeded(Vec::new()), || false).await;
        assert!(matches!(outcome, ActOutcome::Partly { .. }), "its own antenna saw nothing: {outcome:?}");
        assert!(begin(&current, "slot.deposit", 3, &awaited).unwrap().is_some(), "both have ended");
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_pass_has_missed_is_not_said_to_be_gone() {
        let current = current();
        let gone = watching(&current, "slot.withdraw").unwrap();
        let began = Instant::now();
        let outcome = gone.complete(ActOutcome::Succeeded(vec![flag("opened")]), || false).await;
        let ActOutcome::Partly { seen, reason } = outcome else { panic!("{outcome:?}") };
        assert_eq!(seen[1], Field::new("tag-went", FieldValue::Text("unknown".to_owned())));
        assert!(reason.english.contains("shelf told no tag-missing within 60s"), "{reason}");
        assert!(began.elapsed() >= Duration::from_secs(60));
        // A slot that nobody saw shut: what the reader said is told, and nobody waits.
        let left_open = watching(&current, "slot.withdraw").unwrap();
        current.tell_stock(&tag("tag-missing", 8));
        let outcome = ActOutcome::Partly { seen: vec![flag("opened")], reason: both!("not shut", "没有关好") };
        let outcome = left_open.complete(outcome, || false).await;
        assert!(matches!(&outcome, ActOutcome::Partly { seen, .. } if seen[1] == flag("tag-went")), "{outcome:?}");
        let stopped = watching(&current, "slot.deposit").unwrap();
        let began = Instant::now();
        let outcome = stopped.complete(ActOutcome::Succeeded(Vec::new()), || true).await;
        assert!(matches!(outcome, ActOutcome::Partly { .. }) && began.elapsed() < Duration::from_secs(2));
        let failed = watching(&current, "slot.deposit").unwrap();
        let outcome = failed.complete(ActOutcome::Failed(both!("jammed", "卡住")), || false).await;
        assert_eq!(outcome, ActOutcome::Failed(both!("jammed", "卡住")));
    }
}
