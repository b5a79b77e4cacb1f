//! What `collector.toml` says about alarms.

use std::time::Duration;

use kouan_settings::Section;
use rusqlite::{Connection, Transaction, params};

use super::rule::Flap;
use crate::store::{During as _, StoreError};

/// What the settings say about alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlarmSettings {
    /// After how long without a word an agent is silent, where a rule says no time of its own.
    pub agent_silent: Duration,
    /// How long an alarm that cleared and that somebody acknowledged stays open; `None`: until somebody closes it.
    pub close_after: Option<Duration>,
    /// When an agent's alarm that comes and goes is held.
    pub edge_flap: Flap,
}

impl Default for AlarmSettings {
    fn default() -> Self {
        Self {
            agent_silent: Duration::from_secs(90),
            close_after: Some(Duration::ZERO),
            edge_flap: Flap { raises: 5, within_ms: 600_000, quiet_ms: 600_000 },
        }
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl AlarmSettings {
    /// Reads `[alarms]`.
    pub(crate) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let (second, day) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
        let agent_silent = section.duration_within("agent_silent", second * 10..=day, default.agent_silent);
        let by_itself = section.bool_or("close_acknowledged", true);
        let after = section.duration_within("close_acknowledged_after", Duration::ZERO..=day * 31, Duration::ZERO);
        let mut flap = section.section_or_empty("edge_flap");
        let edge_flap = Flap {
            raises: usize::try_from(flap.integer_or("raises", 0..=1_000, 5)).unwrap_or(0),
            within_ms: ms(flap.duration_within("within", second..=day, second * 600)).unsigned_abs(),
            quiet_ms: ms(flap.duration_within("quiet", second..=day, second * 600)).unsigned_abs(),
        };
        Self { agent_silent, close_after: by_itself.then_some(after), edge_flap }
    }

    /// How long a question of an agent for commands may be held at most, so that one that is well is never taken for
    /// silent: a third of the time, and no longer than half a minute.
    #[must_use]
    pub fn longest_hold(&self) -> Duration {
        (self.agent_silent / 3).min(Duration::from_secs(30))
    }

    /// For how long after its last word what an agent said of its devices counts as known: two thirds of the time, and no
    /// longer than a minute.
    pub(crate) fn current_ms(&self) -> u64 {
        (self.silent_ms() * 2 / 3).min(60_000)
    }

    /// The time in milliseconds after which an agent is silent.
    pub(crate) fn silent_ms(&self) -> u64 {
        ms(self.agent_silent).unsigned_abs()
    }

    /// Writes down what transactions need of them, and when alarms that wait for it close.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let after = self.close_after.map(ms);
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let raises = i64::try_from(self.edge_flap.raises).unwrap_or(i64::MAX);
        let (within, quiet) = (number(self.edge_flap.within_ms), number(self.edge_flap.quiet_ms));
        let changed = transaction
            .execute(
                "UPDATE alarm_settings SET close_after_ms = ?1, flap_raises = ?2, flap_within_ms = ?3, flap_quiet_ms = ?4
                 WHERE close_after_ms IS NOT ?1 OR flap_raises <> ?2 OR flap_within_ms <> ?3 OR flap_quiet_ms <> ?4",
                params![after, raises, within, quiet],
            )
            .during("write the settings of alarms")?;
        if changed > 0 {
            transaction
                .execute(
                    "UPDATE alarms SET close_ms = max(cleared_ms, acknowledged_ms) + ?1
                     WHERE state = 'cleared' AND acknowledged_ms IS NOT NULL",
                    [after],
                )
                .during("write when alarms close")?;
        }
        Ok(())
    }
}

/// The settings as transactions find them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saved {
    /// How long an alarm stays open; `None`: until somebody closes it.
    pub(super) close_after_ms: Option<i64>,
    /// When an agent's alarm is held.
    pub(super) edge_flap: Flap,
}

/// Finds them.
pub(super) fn saved(conn: &Connection) -> Result<Saved, StoreError> {
    conn.prepare_cached("SELECT close_after_ms, flap_raises, flap_within_ms, flap_quiet_ms FROM alarm_settings")
        .and_then(|mut statement| {
            statement.query_row([], |row| {
                let number = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.unsigned_abs());
                let raises = usize::try_from(number(1)?).unwrap_or(0);
                let edge_flap = Flap { raises, within_ms: number(2)?, quiet_ms: number(3)? };
                Ok(Saved { close_after_ms: row.get(0)?, edge_flap })
            })
        })
        .during("read the settings of alarms")
}
