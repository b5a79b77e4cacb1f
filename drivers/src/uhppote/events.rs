//! What a controller's events mean, and how far they were fetched.

use kouan_protocol::{Field, FieldValue, Privacy};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::codec::Event;
use crate::link::HeardEvent;

/// Kinds of events that such a controller reports.
pub(super) const KINDS: [&str; 10] = [
    "access-granted",
    "access-denied",
    "door-opened",
    "door-closed",
    "door-held",
    "door-forced",
    "button-pressed",
    "fire-reported",
    "access-event",
    "records-lost",
];

/// The event for the rest of the agent.
pub(super) fn heard(event: &Event, stored: oneshot::Sender<()>) -> HeardEvent {
    let kind = match (event.kind, event.reason) {
        (1, _) if event.granted => "access-granted",
        (1, _) => "access-denied",
        (_, 20) => "button-pressed",
        (_, 23) => "door-opened",
        (_, 24) => "door-closed",
        (_, 37) => "door-held",
        (_, 38) => "door-forced",
        (_, 39) => "fire-reported",
        _ => "access-event",
    };
    let number = |name: &str, value: i64| Field::new(name, FieldValue::Integer(value));
    let mut fields = vec![
        number("door", event.door.into()),
        number("number", event.index.into()),
        number("reason", event.reason.into()),
    ];
    match event.direction {
        1 => fields.push(Field::new("direction", FieldValue::Text("in".to_owned()))),
        2 => fields.push(Field::new("direction", FieldValue::Text("out".to_owned()))),
        _ => {}
    }
    if event.kind == 1 {
        let card = Field::new("card", FieldValue::Integer(event.card.into()));
        fields.push(Field { privacy: Privacy::Personal, ..card });
    }
    if let Some(time) = event.time {
        fields.push(Field::new("device-time", FieldValue::Text(time.to_string())));
    }
    HeardEvent { kind: kind.to_owned(), fields, stored: Some(stored) }
}

/// The controller has overwritten events that nobody had fetched.
pub(super) fn lost(count: u32) -> HeardEvent {
    let fields = vec![Field::new("count", FieldValue::Integer(count.into()))];
    HeardEvent { kind: "records-lost".to_owned(), fields, stored: None }
}

/// Events that were handed on, and whether they are on disk yet.
#[derive(Debug, Default)]
pub(super) struct Handed {
    waiting: std::collections::VecDeque<(u32, oneshot::Receiver<()>)>,
}

/// How the events that were handed on stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// All up to this number are on disk since the last look.
    pub(super) stored: Option<u32>,
    /// Some never will be: they must be fetched again.
    pub(super) refused: bool,
    /// Some may still be.
    pub(super) waiting: bool,
}

impl Handed {
    pub(super) fn add(&mut self, index: u32) -> oneshot::Sender<()> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.push_back((index, receiver));
        sender
    }

    /// Looks which of them are on disk, in order: one that is not holds back all after it.
    pub(super) fn look(&mut self) -> Standing {
        let mut stored = None;
        while let Some((index, receiver)) = self.waiting.front_mut() {
            match receiver.try_recv() {
                Ok(()) => stored = Some(*index),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Closed) => {
                    self.waiting.clear();
                    return Standing { stored, refused: true, waiting: false };
                }
            }
            self.waiting.pop_front();
        }
        Standing { stored, refused: false, waiting: !self.waiting.is_empty() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_on_disk_in_order_is_fetched_for_good() {
        let mut handed = Handed::default();
        let [first, second, third] = [1, 2, 3].map(|index| handed.add(index));
        second.send(()).unwrap();
        assert_eq!(handed.look(), Standing { stored: None, refused: false, waiting: true });
        first.send(()).unwrap();
        assert_eq!(handed.look(), Standing { stored: Some(2), refused: false, waiting: true });
        drop(third);
        assert_eq!(handed.look(), Standing { stored: None, refused: true, waiting: false });
        assert_eq!(handed.look(), Standing { stored: None, refused: false, waiting: false });
    }
}
