//! The plan on disk.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::bundle::Bundle;
use super::plan::{Plan, Watch};
use super::source;
use super::world::Destination;
use crate::store::{During as _, StoreError};

/// How far something was taken into account; 0 if it never was.
///
/// # Errors
/// When it cannot be read.
pub(super) fn progress(conn: &Connection, name: &str) -> Result<Option<i64>, StoreError> {
    conn.prepare_cached("SELECT value FROM notify_progress WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .during("read how far notifications are")
}

/// Writes how far something was taken into account.
///
/// # Errors
/// When it cannot be written.
pub(super) fn set_progress(transaction: &Transaction<'_>, name: &str, value: i64) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO notify_progress (name, value) VALUES (?1, ?2)")
        .and_then(|mut statement| statement.execute(params![name, value]))
        .during("write how far notifications are")?;
    Ok(())
}

/// Loads the plan as it was written last.
///
/// # Errors
/// When it cannot be read.
pub(super) fn load(conn: &Connection) -> Result<Plan, StoreError> {
    let mut plan = Plan::default();
    let rows: Vec<(String, String, String)> = conn
        .prepare_cached("SELECT alarm, route, watch FROM notify_watches")
        .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect())
        .during("read what is watched")?;
    for (alarm, route, watch) in rows {
        let watch: Watch = serde_json::from_str(&watch).map_err(StoreError::damaged("a watch of an alarm"))?;
        if !plan.alarms.contains_key(&alarm)
            && let Some(known) = source::alarm(conn, &alarm)?
        {
            plan.alarms.insert(alarm.clone(), known);
        }
        plan.watches.insert((alarm, route), watch);
    }
    let rows: Vec<(String, String, String)> = conn
        .prepare_cached("SELECT channel, user_id, bundle FROM notify_bundles")
        .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect())
        .during("read what gathers")?;
    for (channel, user, bundle) in rows {
        let mut bundle: Bundle = serde_json::from_str(&bundle).map_err(StoreError::damaged("a bundle of alarms"))?;
        bundle.restore(&mut |id| match plan.alarms.get(id) {
            Some(known) => Ok(Some(known.clone())),
            None => source::alarm(conn, id),
        })?;
        plan.bundles.insert(Destination { channel, user: Some(user).filter(|user| !user.is_empty()) }, bundle);
    }
    Ok(plan)
}

/// Writes what has changed since the last time.
///
/// # Errors
/// When it cannot be written.
pub(super) fn save(transaction: &Transaction<'_>, plan: &mut Plan) -> Result<(), StoreError> {
    let encode = StoreError::damaged::<serde_json::Error>;
    for key in std::mem::take(&mut plan.changed_watches) {
        match plan.watches.get(&key) {
            Some(watch) => {
                let watch = serde_json::to_string(watch).map_err(encode("a watch of an alarm"))?;
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO notify_watches (alarm, route, watch) VALUES (?1, ?2, ?3)")
                    .and_then(|mut statement| statement.execute(params![key.0, key.1, watch]))
            }
            None => transaction
                .prepare_cached("DELETE FROM notify_watches WHERE alarm = ?1 AND route = ?2")
                .and_then(|mut statement| statement.execute(params![key.0, key.1])),
        }
        .during("write what is watched")?;
    }
    for to in std::mem::take(&mut plan.changed_bundles) {
        let user = to.user.as_deref().unwrap_or_default();
        match plan.bundles.get(&to) {
            Some(bundle) => {
                let bundle = serde_json::to_string(bundle).map_err(encode("a bundle of alarms"))?;
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO notify_bundles (channel, user_id, bundle) VALUES (?1, ?2, ?3)",
                    )
                    .and_then(|mut statement| statement.execute(params![to.channel, user, bundle]))
            }
            None => transaction
                .prepare_cached("DELETE FROM notify_bundles WHERE channel = ?1 AND user_id = ?2")
                .and_then(|mut statement| statement.execute(params![to.channel, user])),
        }
        .during("write what gathers")?;
    }
    Ok(())
}
