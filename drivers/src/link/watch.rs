//! Waiting, beside the polls, until points show that an action was done.

use std::time::Duration;

use kouan_protocol::{Field, FieldValue};
use kouan_settings::{Bilingual, both};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::driver::{ActOutcome, RawRow, RawValue};

/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What an action that was sent leaves to be seen.
#[derive(Debug, Default)]
pub struct Acted {
    /// What the device said.
    pub fields: Vec<Field>,
    /// What must be seen, one after the other. Nothing: the action is done.
    pub steps: Vec<WatchStep>,
}

impl Acted {
    /// The action is done.
    #[must_use]
    pub fn done(fields: Vec<Field>) -> Self {
        Self { fields, steps: Vec::new() }
    }
}

/// A point that must show a raw value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchStep {
    /// The group that it is read with.
    pub group: usize,
    /// Its column there.
    pub column: u16,
    /// The raw value.
    pub expected: i64,
    /// Its name and the word that stands for the value, for people.
    pub text: String,
    /// How long it may take, counted from the step before.
    pub within: Duration,
    /// Which part of the action it shows: `opened`. The outcome then names every part, seen or not.
    pub part: Option<String>,
}

/// An action whose outcome is being watched.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) device: usize,
    pub(super) action: String,
    fields: Vec<Field>,
    steps: std::vec::IntoIter<WatchStep>,
    step: WatchStep,
    deadline: Instant,
    next_look: Instant,
    last_seen: Option<String>,
    reply: oneshot::Sender<ActOutcome>,
}

impl Watch {
    /// `None` if there is nothing to watch: the action is done, and that was said.
    pub(super) fn begin(
        device: usize,
        action: &str,
        acted: Acted,
        reply: oneshot::Sender<ActOutcome>,
        now: Instant,
    ) -> Option<Self> {
        let mut steps = acted.steps.into_iter();
        let Some(step) = steps.next() else {
            // Whoever asked may have gone.
            drop(reply.send(ActOutcome::Succeeded(acted.fields)));
            return None;
        };
        let deadline = now + step.within;
        let action = action.to_owned();
        Some(Self {
            device,
            action,
            fields: acted.fields,
            steps,
            step,
            deadline,
            next_look: now,
            last_seen: None,
            reply,
        })
    }

    /// The group to look at, and when.
    pub(super) fn next_look(&self) -> (Instant, usize) {
        (self.next_look.min(self.deadline), self.step.group)
    }

    /// When it is over.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// A poll of the device's group was tried.
    pub(super) fn looked(&mut self, group: usize, now: Instant) {
        if group == self.step.group {
            self.next_look = now + LOOK_AGAIN;
        }
    }

    /// Takes what a poll read; the outcome once it is known.
    pub(super) fn see(mut self, row: Option<&RawRow>, now: Instant) -> Result<Self, Finished> {
        while let Some(cell) = row
            .filter(|row| row.group == self.step.group)
            .and_then(|row| row.cells.iter().find(|(column, _)| *column == self.step.column).map(|(_, cell)| cell))
        {
            match cell {
                Ok(RawValue::Integer(raw)) if *raw == self.step.expected => {
                    let name = self.step.part.as_ref().unwrap_or(&self.step.text);
                    self.fields.push(Field::new(name, FieldValue::Flag(true)));
                    let Some(step) = self.steps.next() else {
                        return Err(Finished { outcome: ActOutcome::Succeeded(self.fields), reply: self.reply });
                    };
                    self.deadline = now + step.within;
                    self.next_look = now;
                    self.last_seen = None;
                    self.step = step;
                }
                seen => {
                    self.last_seen = Some(match seen {
                        Ok(RawValue::Integer(raw)) => raw.to_string(),
                        other => format!("{other:?}"),
                    });
                    break;
                }
            }
        }
        if now < self.deadline {
            return Ok(self);
        }
        // What the action set in motion may still arrive.
        let seen = match self.last_seen.as_deref() {
            None => both!("nothing was read", "什么也没有读到"),
            Some(seen) => both!("it shows {seen}", "显示为 {seen}"),
        };
        let (text, within) = (&self.step.text, self.step.within);
        let text = both!(
            "the device accepted it, but {text} was not seen within {within:?}: {seen}",
            "设备已接受，但 {within:?} 内没有看到 {text}：{seen}"; seen
        );
        Err(self.not_seen(text))
    }

    /// The driver stops.
    pub(super) fn abandon(self) -> Finished {
        self.not_seen(both!(
            "the agent was stopped before it was seen that the action was done",
            "还没有看到操作完成，代理就停止了"
        ))
    }

    /// Nobody knows, and what was seen of it is told where it has parts.
    fn not_seen(mut self, reason: Bilingual) -> Finished {
        let unseen = std::iter::once(self.step).chain(self.steps).filter_map(|step| step.part);
        let unseen: Vec<_> = unseen.map(|part| Field::new(&part, FieldValue::Text("unknown".to_owned()))).collect();
        let outcome = if unseen.is_empty() {
            ActOutcome::Unknown(reason)
        } else {
            self.fields.extend(unseen);
            ActOutcome::Partly { seen: self.fields, reason }
        };
        Finished { outcome, reply: self.reply }
    }
}

/// An outcome and who waits for it.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) outcome: ActOutcome,
    pub(super) reply: oneshot::Sender<ActOutcome>,
}
