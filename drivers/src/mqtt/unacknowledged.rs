//! Messages that the broker keeps until they are acknowledged, which an event is once it is on disk.
//!
//! Acknowledged is in the order of arrival (MQTT 3.1.1, section 4.6). What is not acknowledged comes again in the next
//! connection with the same packet identifier and the broker's mark (section 4.4). Then three things are possible: the
//! event was stored and only the acknowledgement was lost; it is still on its way to the disk; or it was lost on that
//! way, and only then it is an event again.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tracing::warn;

use super::connection::Received;

/// Fires when an event is on disk; closed when it never will be.
pub(super) type Confirmation = oneshot::Receiver<()>;

/// Messages without an acknowledgement, of one broker session.
#[derive(Debug, Default)]
pub(super) struct Unacknowledged {
    /// Of this connection, oldest first.
    waiting: VecDeque<Waiting>,
    /// Events of earlier connections that are still on their way to the disk.
    earlier: Vec<(u64, Vec<Confirmation>)>,
    /// Stored events; the acknowledgement may not have reached the broker.
    stored: VecDeque<u64>,
    /// An event of this connection was lost on its way. Whatever came after it is not acknowledged either.
    lost: bool,
}

#[derive(Debug)]
struct Waiting {
    received: Received,
    is_event: bool,
    confirmations: Vec<Confirmation>,
}

/// Messages that wait for the disk. When there are so many the connection is not read.
const MOST: usize = 64;
/// Stored events of which a repetition is recognised.
const REMEMBERED: usize = 256;

impl Unacknowledged {
    /// Whether nothing more may be received.
    pub(super) fn is_full(&self) -> bool {
        // After a loss nothing here moves on in this connection, but states are still news.
        self.waiting.len() >= MOST && !self.lost
    }

    /// Whether an acknowledgement can still follow in this connection.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty() || self.lost
    }

    /// For an event that was handed on before and not lost since: what it waits for.
    pub(super) fn handed_on_before(&mut self, received: &Received) -> Option<Vec<Confirmation>> {
        if !received.again {
            return None;
        }
        self.settle_earlier();
        let fingerprint = received.fingerprint();
        if let Some(at) = self.earlier.iter().position(|(earlier, _)| *earlier == fingerprint) {
            return Some(self.earlier.swap_remove(at).1);
        }
        self.stored.contains(&fingerprint).then(Vec::new)
    }

    /// A message was received and handed on; nothing to wait for means that it is not an event or is stored already.
    pub(super) fn add(&mut self, received: Received, confirmations: Vec<Confirmation>) {
        if received.wants_acknowledgement() && self.waiting.len() < MOST {
            let is_event = !confirmations.is_empty();
            self.waiting.push_back(Waiting { received, is_event, confirmations });
        }
    }

    /// The next message that may be acknowledged. Cancel-safe.
    pub(super) async fn next_stored(&mut self) -> Received {
        loop {
            let Some(front) = self.waiting.front_mut().filter(|_| !self.lost) else {
                return std::future::pending().await;
            };
            let stored = front.stored().await;
            let Some(Waiting { received, is_event, .. }) = self.waiting.pop_front() else { continue };
            if stored {
                if is_event {
                    self.remember(received.fingerprint());
                }
                return received;
            }
            warn!(message = %received.message, "An event was not stored; the broker keeps it.");
            self.lost = true;
        }
    }

    /// The broker forgets which identifiers it used; what it marks as repeated from now on is of the new session.
    pub(super) fn session_lost(&mut self) {
        self.earlier.clear();
        self.stored.clear();
    }

    /// Nothing can be acknowledged any more; the broker delivers again.
    pub(super) fn connection_lost(&mut self) {
        let events = std::mem::take(&mut self.waiting).into_iter().filter(|waiting| waiting.is_event);
        self.earlier.extend(events.map(|waiting| (waiting.received.fingerprint(), waiting.confirmations)));
        self.lost = false;
        self.settle_earlier();
    }

    fn settle_earlier(&mut self) {
        for (fingerprint, mut confirmations) in std::mem::take(&mut self.earlier) {
            let mut lost = false;
            confirmations.retain_mut(|confirmation| match confirmation.try_recv() {
                Ok(()) => false,
                Err(oneshot::error::TryRecvError::Empty) => true,
                Err(oneshot::error::TryRecvError::Closed) => {
                    lost = true;
                    false
                }
            });
            match (lost, confirmations.is_empty()) {
                (true, _) => {}
                (false, true) => self.remember(fingerprint),
                (false, false) => self.earlier.push((fingerprint, confirmations)),
            }
        }
    }

    fn remember(&mut self, fingerprint: u64) {
        if !self.stored.contains(&fingerprint) {
            self.stored.push_back(fingerprint);
        }
        while self.stored.len() > REMEMBERED {
            self.stored.pop_front();
        }
    }
}

impl Waiting {
    /// Waits until everything is on disk. `false`: it never will be. Cancel-safe.
    async fn stored(&mut self) -> bool {
        while let Some(confirmation) = self.confirmations.last_mut() {
            let stored = confirmation.await.is_ok();
            self.confirmations.pop();
            if !stored {
                return false;
            }
        }
        true
    }
}
