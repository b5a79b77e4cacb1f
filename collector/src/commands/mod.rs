//! The life of a command: requested → queued → delivered → started → succeeded, failed, expired, rejected or unknown.
//!
//! A command that was handed out changes its state only on the agent's evidence. This side ends a command by itself in
//! three cases: its life ended before it was ever handed out (`expired`), its device moved before that (`rejected`),
//! or the agent that has it will not tell any more (`unknown`).
//!
//! A collector that may have forgotten something, because it was put back from a backup, hands nothing out by itself:
//! what waited is `held` until a person releases or cancels it, the agent tells of it, or its life ends.

mod bell;
mod create;
mod decide;
mod gate;
mod hold;
mod list;
mod offer;
mod progress;
mod sweep;

pub use bell::{Bells, waiting_agents};
pub use create::{NewCommand, create};
pub use decide::{DecideProblem, cancel, release};
pub use gate::Offers;
pub use hold::{RECORDS_LOST, RESTORED, hold};
pub use list::{CommandFilter, CommandRow, HistoryRow, changed_after, find, history, list, newest_change};
pub use offer::{Offered, REOFFER_MS, offer};
pub use progress::take_progress;
pub use sweep::{agent_restored, journal_changed, reject_moved, sweep};

use kouan_protocol::Anchor;
use rusqlite::{Transaction, params};

use crate::store::{During as _, StoreError};

/// A command's life when nobody says otherwise.
pub const DEFAULT_LIFE_MS: u64 = 30_000;
/// The longest life of a command.
pub const MAX_LIFE_MS: u64 = 24 * 3600 * 1000;

/// When a command was made, by both clocks of this machine, and how long it may wait.
#[derive(Debug, Clone)]
struct Life {
    created_ms: i64,
    boot: String,
    boot_ms: i64,
    life_ms: i64,
}

impl Life {
    /// Milliseconds left; negative once it has ended. Wall clocks play a part only across a reboot of this machine.
    fn left_ms(&self, now: &Anchor) -> i64 {
        let elapsed = if self.boot == now.boot.to_string() {
            i64::try_from(now.boot_time.0).unwrap_or(i64::MAX).saturating_sub(self.boot_ms)
        } else {
            let elapsed = now.wall.0.saturating_sub(self.created_ms);
            // A wall clock that went back proves nothing, so the life counts as ended.
            if elapsed < 0 { i64::MAX } else { elapsed }
        };
        self.life_ms.saturating_sub(elapsed)
    }
}

/// Why a command is in a state: in English and in Chinese. What people wrote themselves stands in the first alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reason<'t> {
    /// In English, or in the words of whoever said it.
    pub text: &'t str,
    /// In Chinese, empty where there is none.
    pub text_zh: &'t str,
}

impl<'t> Reason<'t> {
    /// A reason in both languages.
    #[must_use]
    pub const fn new(text: &'t str, text_zh: &'t str) -> Self {
        Self { text, text_zh }
    }

    /// The words of a person.
    fn of_person(text: &'t str) -> Self {
        Self { text, text_zh: "" }
    }
}

/// Moves a command to `state` and writes that down.
fn change(
    transaction: &Transaction<'_>,
    number: i64,
    state: &str,
    time_ms: i64,
    actor: &str,
    reason: Reason<'_>,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "UPDATE commands SET state = ?2, changed_ms = ?3, reason = ?4, reason_zh = ?5 WHERE number = ?1",
            params![number, state, time_ms, reason.text, reason.text_zh],
        )
        .during("change a command's state")?;
    write_down(transaction, number, state, time_ms, actor, reason)
}

fn write_down(
    transaction: &Transaction<'_>,
    number: i64,
    state: &str,
    time_ms: i64,
    actor: &str,
    reason: Reason<'_>,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "INSERT INTO command_history (command, site, state, time_ms, actor, reason, reason_zh)
             SELECT number, site, ?2, ?3, ?4, ?5, ?6 FROM commands WHERE number = ?1",
            params![number, state, time_ms, actor, reason.text, reason.text_zh],
        )
        .during("write down a command's state")?;
    Ok(())
}
