//! Somebody says that a condition holds.

use kouan_protocol::{Severity, Timestamp};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Step, next_change, write_step};
use crate::alarms::severity_name;
use crate::availability;
use crate::store::{During as _, StoreError};

/// Who says that a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The agent.
    Edge,
    /// A rule of the collector.
    Rule,
    /// The collector, of its own work.
    Collector,
}

impl Source {
    pub(super) fn bit(self) -> i64 {
        match self {
            Self::Edge => 1,
            Self::Rule => 2,
            Self::Collector => 4,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Rule => "rule",
            Self::Collector => "collector",
        }
    }
}

/// What names the alarm of a device.
#[must_use]
pub(crate) fn subject_of_device(device: &str, condition: &str) -> String {
    format!("{device}|{condition}")
}

/// What names the alarm of an agent.
#[must_use]
pub(crate) fn subject_of_agent(agent: &str, condition: &str) -> String {
    format!("agent:{agent}|{condition}")
}

/// What names the alarm of a site.
#[must_use]
pub(crate) fn subject_of_site(site: &str, condition: &str) -> String {
    format!("site:{site}|{condition}")
}

/// What names the alarm of the collector itself.
#[must_use]
pub(crate) fn subject_of_collector(condition: &str) -> String {
    format!("collector|{condition}")
}

/// A condition that holds.
#[derive(Debug, Clone)]
pub(crate) struct Raise<'a> {
    /// Who says so.
    pub source: Source,
    /// What the condition is of, with it: see [`subject_of_device`].
    pub subject: &'a str,
    /// Where.
    pub site: &'a str,
    /// Where there.
    pub area: &'a str,
    /// The agent.
    pub agent: &'a str,
    /// The device's id; empty for none.
    pub device: &'a str,
    /// What people call it.
    pub label: &'a str,
    /// What it is for.
    pub class: &'a str,
    /// The rule that found it.
    pub rule: Option<&'a str>,
    /// The condition's name.
    pub condition: &'a str,
    /// The point that it is about; empty for none.
    pub point: &'a str,
    /// How much it matters.
    pub severity: Severity,
    /// For people, in Chinese; may be empty.
    pub text_zh: &'a str,
    /// For people.
    pub text_en: &'a str,
    /// The value that raised it.
    pub value: Option<&'a serde_json::Value>,
    /// Its unit.
    pub unit: &'a str,
    /// Since when.
    pub time: Timestamp,
    /// It comes and goes, and is held.
    pub flapping: bool,
}

/// Raises the alarm: opens a life, or goes on with the open one. Returns the alarm's id.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn raise(transaction: &Transaction<'_>, raise: &Raise<'_>, now: Timestamp) -> Result<String, StoreError> {
    let open = transaction
        .prepare_cached(
            "SELECT id, state, sources, severity, text_en FROM alarms WHERE subject = ?1 AND state <> 'closed'",
        )
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
            statement.query_row([raise.subject], read).optional()
        })
        .during("look for an open alarm")?;
    let open: Option<(String, String, i64, String, String)> = open;
    match open {
        None => begin(transaction, raise, now),
        Some((id, state, sources, severity, text)) if state == "raised" => {
            let says_so_already = sources & raise.source.bit() != 0;
            let same = severity == severity_name(raise.severity) && text == raise.text_en;
            if !says_so_already || !same {
                // An agent changes its own word; of two rules the more serious one counts, as of two sources.
                let is_own_word = says_so_already && raise.source != Source::Rule;
                go_on(transaction, &id, raise, is_own_word)?;
            }
            Ok(id)
        }
        Some((id, ..)) => {
            again(transaction, &id, raise, now)?;
            let step = Step { alarm: &id, site: raise.site, what: "renewed", by: "", text: raise.text_en };
            write_step(transaction, &step, raise.time)?;
            Ok(id)
        }
    }
}

fn is_worked_on(transaction: &Transaction<'_>, raise: &Raise<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let place = availability::Place { site: raise.site, device: raise.device, class: raise.class, area: raise.area };
    availability::is_worked_on(transaction, &place, now)
}

fn begin(transaction: &Transaction<'_>, raise: &Raise<'_>, now: Timestamp) -> Result<String, StoreError> {
    let id = crate::alarms::random_id();
    let maintenance = is_worked_on(transaction, raise, now)?;
    let change = next_change(transaction)?;
    transaction
        .prepare_cached(
            "INSERT INTO alarms (id, change, subject, sources, site, area, agent, device, device_label, class, origin, rule,
                 condition, point, severity, rank, state, text_zh, text_en, value, unit, raised_ms, last_raised_ms,
                 flapping, maintenance, asked_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, 'raised', ?17, ?18, ?19, ?20,
                 ?21, ?21, ?22, ?23, CASE WHEN ?23 THEN NULL ELSE ?21 END)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                id,
                change,
                raise.subject,
                raise.source.bit(),
                raise.site,
                raise.area,
                raise.agent,
                raise.device,
                raise.label,
                raise.class,
                raise.source.as_str(),
                raise.rule,
                raise.condition,
                raise.point,
                severity_name(raise.severity),
                raise.severity.number(),
                raise.text_zh,
                raise.text_en,
                raise.value.map(ToString::to_string),
                raise.unit,
                raise.time.0,
                raise.flapping,
                maintenance
            ])
        })
        .during("raise an alarm")?;
    let step = Step { alarm: &id, site: raise.site, what: "raised", by: "", text: raise.text_en };
    write_step(transaction, &step, raise.time)?;
    Ok(id)
}

/// It stands already; another one says so too, or something about it is otherwise now.
fn go_on(transaction: &Transaction<'_>, id: &str, raise: &Raise<'_>, is_the_same: bool) -> Result<(), StoreError> {
    let change = next_change(transaction)?;
    let sql = if is_the_same {
        "UPDATE alarms SET change = ?2, sources = sources | ?3, severity = ?4, rank = ?5, text_zh = ?6, text_en = ?7,
             rule = coalesce(rule, ?8)
         WHERE id = ?1"
    } else {
        // Two say so: the more serious word counts.
        "UPDATE alarms SET change = ?2, sources = sources | ?3, severity = CASE WHEN ?5 > rank THEN ?4 ELSE severity END,
             rank = max(rank, ?5), text_zh = CASE WHEN text_zh = '' THEN ?6 ELSE text_zh END,
             text_en = CASE WHEN text_en = '' THEN ?7 ELSE text_en END, rule = coalesce(rule, ?8)
         WHERE id = ?1"
    };
    let values = params![
        id,
        change,
        raise.source.bit(),
        severity_name(raise.severity),
        raise.severity.number(),
        raise.text_zh,
        raise.text_en,
        raise.rule
    ];
    transaction.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).during("change an alarm")?;
    Ok(())
}

/// It had cleared and was not closed.
fn again(transaction: &Transaction<'_>, id: &str, raise: &Raise<'_>, now: Timestamp) -> Result<(), StoreError> {
    let maintenance = is_worked_on(transaction, raise, now)?;
    let change = next_change(transaction)?;
    transaction
        .prepare_cached(
            "UPDATE alarms SET change = ?2, state = 'raised', sources = ?3, count = count + 1, last_raised_ms = ?4,
                 cleared_ms = NULL, close_ms = NULL, repair_ms = NULL, acknowledged_by = NULL, acknowledged_ms = NULL, severity = ?5,
                 rank = ?6, text_zh = ?7, text_en = ?8, value = ?9, unit = ?10, flapping = ?11, hidden_by = NULL,
                 rule = coalesce(?12, rule), maintenance = ?13,
                 -- Nobody answered the last time: they have been asked since then.
                 asked_ms = CASE WHEN acknowledged_by IS NULL AND asked_ms IS NOT NULL THEN asked_ms
                     WHEN ?13 THEN NULL ELSE ?4 END
             WHERE id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                id,
                change,
                raise.source.bit(),
                raise.time.0,
                severity_name(raise.severity),
                raise.severity.number(),
                raise.text_zh,
                raise.text_en,
                raise.value.map(ToString::to_string),
                raise.unit,
                raise.flapping,
                raise.rule,
                maintenance
            ])
        })
        .during("raise an alarm again")?;
    Ok(())
}
