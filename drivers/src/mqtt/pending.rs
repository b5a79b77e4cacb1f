//! Actions that were published and wait for the device's word.

use kouan_protocol::{Field, FieldValue};
use kouan_settings::{Bilingual, both};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::driver::ActOutcome;

/// Actions without an outcome. None is ever published again.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    device: usize,
    id: String,
    until: Instant,
    reply: oneshot::Sender<ActOutcome>,
}

const MOST: usize = 64;

impl Pending {
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
    }

    pub(super) fn add(&mut self, device: usize, id: String, until: Instant, reply: oneshot::Sender<ActOutcome>) {
        self.waiting.push(Waiting { device, id, until, reply });
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    /// The device answered. An answer to something else, or one that comes too late, changes nothing.
    pub(super) fn answered(&mut self, device: usize, id: &str, said: Option<Result<(), String>>) {
        let known = self.waiting.iter().position(|waiting| waiting.device == device && waiting.id == id);
        let Some(known) = known else { return };
        let outcome = match said {
            Some(Ok(())) => ActOutcome::Succeeded(vec![Field::new("reply", FieldValue::Text(id.to_owned()))]),
            Some(Err(why)) => ActOutcome::Failed(Bilingual::verbatim(why)),
            None => ActOutcome::Unknown(both!(
                "the device's reply does not say whether it was done",
                "设备的应答没有说明是否执行"
            )),
        };
        // An outcome that nobody waits for is in the journal as unknown.
        let _ = self.waiting.swap_remove(known).reply.send(outcome);
    }

    /// Gives up what is over its time.
    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        let (late, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|one| one.until <= now);
        self.waiting = waiting;
        send_unknown(late, ("the device did not confirm in time", "设备没有及时确认"));
    }

    /// Gives up everything.
    pub(super) fn give_up(&mut self, why: (&str, &str)) {
        send_unknown(std::mem::take(&mut self.waiting), why);
    }
}

fn send_unknown(waiting: Vec<Waiting>, why: (&str, &str)) {
    for one in waiting {
        // An outcome that nobody waits for is in the journal as unknown.
        let _ = one.reply.send(ActOutcome::Unknown(why.into()));
    }
}
