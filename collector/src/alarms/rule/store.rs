//! Rules in `state.db`: own ones, and what was decided about shipped ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use kouan_protocol::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::{Rule, read, shipped};
use crate::store::{During as _, StoreError};

/// A rule as it stands in the list.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The rule; its `enabled` is what counts.
    pub rule: Arc<Rule>,
    /// Its text.
    pub toml: String,
    /// Grows with each change; 0 for a shipped one that nobody changed.
    pub revision: i64,
    /// Whether its text is that of the program.
    pub is_shipped: bool,
    /// Whether the program has a rule of that id.
    pub has_shipped: bool,
}

/// All rules, by id.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    /// By id.
    pub rules: BTreeMap<String, Stored>,
}

/// Reads all rules; with `with_shipped` also those of the program.
///
/// # Errors
/// When they cannot be read.
pub fn load(conn: &Connection, with_shipped: bool) -> Result<RuleSet, StoreError> {
    let mut rules = BTreeMap::new();
    for (id, text) in shipped().iter().filter(|_| with_shipped) {
        // A test reads each of them.
        if let Ok(rule) = read(text) {
            let stored = Stored {
                rule: Arc::new(rule),
                toml: (*text).to_owned(),
                revision: 0,
                is_shipped: true,
                has_shipped: true,
            };
            rules.insert((*id).to_owned(), stored);
        }
    }
    let mut statement =
        conn.prepare_cached("SELECT id, revision, enabled, toml FROM alarm_rules").during("read rules of alarms")?;
    let rows: Vec<(String, i64, Option<bool>, Option<String>)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .and_then(Iterator::collect)
        .during("read rules of alarms")?;
    for (id, revision, enabled, toml) in rows {
        let has_shipped = shipped().iter().any(|(known, _)| *known == id);
        let known = rules.get(&id).map(|stored: &Stored| stored.toml.clone());
        let is_shipped = toml.is_none();
        let Some(toml) = toml.or(known) else { continue };
        let Ok(mut rule) = read(&toml) else {
            // It was checked when it was written; a later version of the program may see it otherwise.
            tracing::error!(rule = id, "A rule of alarms does not read and is not judged.");
            continue;
        };
        rule.enabled = enabled.unwrap_or(rule.enabled);
        rules.insert(id, Stored { rule: Arc::new(rule), toml, revision, is_shipped, has_shipped });
    }
    Ok(RuleSet { rules })
}

/// Writes an own rule, or an own text for a shipped one. One that was switched off stays so.
///
/// # Errors
/// When it cannot be written.
pub fn save(transaction: &Transaction<'_>, id: &str, toml: &str, by: &str, now: Timestamp) -> Result<(), StoreError> {
    transaction
        .execute(
            "INSERT INTO alarm_rules (id, revision, enabled, toml, changed_by, changed_ms) VALUES (?1, 1, NULL, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET revision = revision + 1, toml = excluded.toml,
                 changed_by = excluded.changed_by, changed_ms = excluded.changed_ms",
            params![id, toml, by, now.0],
        )
        .during("write a rule of alarms")?;
    Ok(())
}

/// Switches a rule on or off.
///
/// # Errors
/// When it cannot be written.
pub fn set_enabled(
    transaction: &Transaction<'_>,
    id: &str,
    enabled: bool,
    by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "INSERT INTO alarm_rules (id, revision, enabled, toml, changed_by, changed_ms) VALUES (?1, 1, ?2, NULL, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET revision = revision + 1, enabled = excluded.enabled,
                 changed_by = excluded.changed_by, changed_ms = excluded.changed_ms",
            params![id, enabled, by, now.0],
        )
        .during("switch a rule of alarms")?;
    Ok(())
}

/// Forgets an own rule, or what was decided about a shipped one.
///
/// # Errors
/// When it cannot be written.
pub fn remove(transaction: &Transaction<'_>, id: &str) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM alarm_rules WHERE id = ?1", [id]).during("remove a rule of alarms")?;
    Ok(())
}
