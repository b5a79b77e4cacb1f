//! Channels and routes in `state.db`.

use kouan_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde_json::Value;

use super::channel::{Channel, ChannelKind, ChannelSettings, Settings};
use super::language::Language;
use super::route::{Route, RouteSettings};
use crate::store::{During as _, StoreError};

/// Most channels, and most routes.
const MOST: usize = 200;

/// Why a channel or a route was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyProblem {
    /// Nothing of that id at the caller's sites.
    #[error("there is none")]
    None,
    /// The name is taken.
    #[error("there is one named \"{0}\" already; choose another name")]
    Exists(String),
    /// Somebody else changed it in between.
    #[error("it was changed meanwhile: its revision is {0}; look at it again")]
    Changed(i64),
    /// Routes use the channel.
    #[error("routes use it: {0}; take it out of them first")]
    InUse(String),
    /// There are enough.
    #[error("there are {MOST} of them, which is the most")]
    TooMany,
    /// Something about it is wrong.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error)))
}

fn encode<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::damaged("a part of a notification's settings"))
}

const CHANNEL: &str = "id, name, kind, enabled, language, settings, templates, rate_per_hour, revision";

fn read_channel(row: &Row<'_>) -> rusqlite::Result<Channel> {
    let wrong = |at: usize, problem: String| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, problem.into())
    };
    let (kind, language): (String, String) = (row.get(2)?, row.get(4)?);
    let kind = ChannelKind::from_name(&kind).ok_or_else(|| wrong(2, format!("\"{kind}\" is no kind of channel")))?;
    let stored: Value = json(row, 5)?;
    let settings = Settings::read(kind, &stored).map_err(|error| wrong(5, error.to_string()))?;
    let wanted = ChannelSettings {
        name: row.get(1)?,
        kind,
        enabled: row.get(3)?,
        language: Language::from_name(&language).unwrap_or_default(),
        settings: stored,
        templates: json(row, 6)?,
        rate_per_hour: row.get(7)?,
    };
    Ok(Channel { id: row.get(0)?, wanted, settings, revision: row.get(8)? })
}

/// The channels, by name.
///
/// # Errors
/// When they cannot be read.
pub fn channels(conn: &Connection) -> Result<Vec<Channel>, StoreError> {
    conn.prepare_cached(&format!("SELECT {CHANNEL} FROM notification_channels ORDER BY name, id"))
        .and_then(|mut statement| statement.query_map([], read_channel)?.collect())
        .during("read channels")
}

/// The channel of that id.
///
/// # Errors
/// When it cannot be read.
pub fn channel(conn: &Connection, id: &str) -> Result<Option<Channel>, StoreError> {
    conn.prepare_cached(&format!("SELECT {CHANNEL} FROM notification_channels WHERE id = ?1"))
        .and_then(|mut statement| statement.query_row([id], read_channel).optional())
        .during("read a channel")
}

fn is_taken(conn: &Connection, table: &str, name: &str, id: &str) -> Result<bool, StoreError> {
    let taken = conn.query_row(&format!("SELECT 1 FROM {table} WHERE name = ?1 AND id != ?2"), [name, id], |_| Ok(()));
    Ok(taken.optional().during("look for a name")?.is_some())
}

fn new_id(prefix: &str) -> String {
    format!("{prefix}{:012x}", rand::random::<u64>() >> 16)
}

/// Writes a channel: a new one, or over the one of that id and revision.
///
/// # Errors
/// When it cannot be written; the inner error when something stands against it.
pub fn put_channel(
    transaction: &Transaction<'_>,
    known: Option<(&str, Option<i64>)>,
    wanted: &ChannelSettings,
    now: Timestamp,
) -> Result<Result<Channel, NotifyProblem>, StoreError> {
    let problems = wanted.problems();
    if !problems.is_empty() {
        return Ok(Err(NotifyProblem::Invalid(problems)));
    }
    let before = match known {
        None => None,
        Some((id, revision)) => match channel(transaction, id)? {
            None => return Ok(Err(NotifyProblem::None)),
            Some(before) if revision.is_some_and(|revision| revision != before.revision) => {
                return Ok(Err(NotifyProblem::Changed(before.revision)));
            }
            Some(before) if before.wanted.kind != wanted.kind => {
                return Ok(Err(NotifyProblem::Invalid(vec!["the kind of a channel stays; make another one".into()])));
            }
            Some(before) => Some(before),
        },
    };
    if before.is_none() && channels(transaction)?.len() >= MOST {
        return Ok(Err(NotifyProblem::TooMany));
    }
    let id = before.as_ref().map_or_else(|| new_id("nc-"), |before| before.id.clone());
    if is_taken(transaction, "notification_channels", &wanted.name, &id)? {
        return Ok(Err(NotifyProblem::Exists(wanted.name.clone())));
    }
    let revision = before.map_or(1, |before| before.revision + 1);
    transaction
        .execute(
            "INSERT INTO notification_channels
                 (id, name, kind, enabled, language, settings, templates, rate_per_hour, revision, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (id) DO UPDATE SET name = ?2, enabled = ?4, language = ?5, settings = ?6, templates = ?7,
                 rate_per_hour = ?8, revision = ?9",
            params![
                id,
                wanted.name,
                wanted.kind.as_str(),
                wanted.enabled,
                wanted.language.as_str(),
                wanted.settings.to_string(),
                encode(&wanted.templates)?,
                wanted.rate_per_hour,
                revision,
                now.0
            ],
        )
        .during("write a channel")?;
    Ok(channel(transaction, &id)?.ok_or(NotifyProblem::None))
}

/// Removes a channel. What was told by it stays on record; what waits for it is not sent.
///
/// # Errors
/// When it cannot be removed; the inner error when there is none, or routes use it.
pub fn remove_channel(
    transaction: &Transaction<'_>,
    id: &str,
    now: Timestamp,
) -> Result<Result<Channel, NotifyProblem>, StoreError> {
    let Some(channel) = channel(transaction, id)? else { return Ok(Err(NotifyProblem::None)) };
    let uses = |route: &Route| route.settings.steps.iter().any(|step| step.channels.iter().any(|used| used == id));
    let routes: Vec<String> = routes(transaction)?.into_iter().filter(uses).map(|route| route.settings.name).collect();
    if !routes.is_empty() {
        return Ok(Err(NotifyProblem::InUse(routes.join(", "))));
    }
    transaction.execute("DELETE FROM notification_channels WHERE id = ?1", [id]).during("remove a channel")?;
    transaction
        .execute(
            "UPDATE notifications SET state = 'suppressed', next_ms = NULL, settled_ms = ?2,
                 problem = 'the channel was removed'
             WHERE channel = ?1 AND state = 'waiting'",
            params![id, now.0],
        )
        .during("settle what waits for a channel")?;
    Ok(Ok(channel))
}

const ROUTE: &str = "id, name, enabled, match, steps, quiet, repeat_minutes, since_ms, revision";

fn read_route(row: &Row<'_>) -> rusqlite::Result<Route> {
    let quiet: Option<String> = row.get(5)?;
    let quiet = match quiet {
        Some(_) => Some(json(row, 5)?),
        None => None,
    };
    let settings = RouteSettings {
        name: row.get(1)?,
        enabled: row.get(2)?,
        matches: json(row, 3)?,
        steps: json(row, 4)?,
        quiet,
        repeat_minutes: row.get(6)?,
    };
    Ok(Route { id: row.get(0)?, settings, since_ms: row.get(7)?, revision: row.get(8)? })
}

/// The routes, by name.
///
/// # Errors
/// When they cannot be read.
pub fn routes(conn: &Connection) -> Result<Vec<Route>, StoreError> {
    conn.prepare_cached(&format!("SELECT {ROUTE} FROM notification_routes ORDER BY name, id"))
        .and_then(|mut statement| statement.query_map([], read_route)?.collect())
        .during("read routes")
}

/// The route of that id.
///
/// # Errors
/// When it cannot be read.
pub fn route(conn: &Connection, id: &str) -> Result<Option<Route>, StoreError> {
    conn.prepare_cached(&format!("SELECT {ROUTE} FROM notification_routes WHERE id = ?1"))
        .and_then(|mut statement| statement.query_row([id], read_route).optional())
        .during("read a route")
}

/// What a route names and does not exist, or does not fit together.
fn unknown_names(transaction: &Transaction<'_>, wanted: &RouteSettings) -> Result<Vec<String>, StoreError> {
    let mut problems = Vec::new();
    for (at, step) in wanted.steps.iter().enumerate() {
        let (at, mut reaches_people) = (at + 1, false);
        for id in &step.channels {
            match channel(transaction, id)? {
                None => problems.push(format!("step {at}: there is no channel \"{id}\"")),
                Some(channel) => reaches_people |= channel.wanted.kind.is_personal(),
            }
        }
        for id in &step.users {
            if crate::auth::user(transaction, id)?.is_none() {
                problems.push(format!("step {at}: there is no user \"{id}\""));
            }
        }
        let names_people = !step.roles.is_empty() || !step.users.is_empty();
        if names_people && !reaches_people {
            problems.push(format!("step {at}: people are reached by e-mail or short messages; name such a channel"));
        }
    }
    Ok(problems)
}

/// Writes a route: a new one, or over the one of that id and revision.
///
/// # Errors
/// When it cannot be written; the inner error when something stands against it.
pub fn put_route(
    transaction: &Transaction<'_>,
    known: Option<(&str, Option<i64>)>,
    wanted: &RouteSettings,
    now: Timestamp,
) -> Result<Result<Route, NotifyProblem>, StoreError> {
    let mut problems = wanted.problems();
    if problems.is_empty() {
        problems = unknown_names(transaction, wanted)?;
    }
    if !problems.is_empty() {
        return Ok(Err(NotifyProblem::Invalid(problems)));
    }
    let before = match known {
        None => None,
        Some((id, revision)) => match route(transaction, id)? {
            None => return Ok(Err(NotifyProblem::None)),
            Some(before) if revision.is_some_and(|revision| revision != before.revision) => {
                return Ok(Err(NotifyProblem::Changed(before.revision)));
            }
            Some(before) => Some(before),
        },
    };
    if before.is_none() && routes(transaction)?.len() >= MOST {
        return Ok(Err(NotifyProblem::TooMany));
    }
    let id = before.as_ref().map_or_else(|| new_id("nr-"), |before| before.id.clone());
    if is_taken(transaction, "notification_routes", &wanted.name, &id)? {
        return Ok(Err(NotifyProblem::Exists(wanted.name.clone())));
    }
    let was_on = before.as_ref().filter(|before| before.settings.enabled);
    let since = was_on.map_or(now.0, |before| before.since_ms);
    let quiet = wanted.quiet.as_ref().map(encode).transpose()?;
    transaction
        .execute(
            "INSERT INTO notification_routes
                 (id, name, enabled, match, steps, quiet, repeat_minutes, since_ms, revision, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (id) DO UPDATE SET name = ?2, enabled = ?3, match = ?4, steps = ?5, quiet = ?6,
                 repeat_minutes = ?7, since_ms = ?8, revision = ?9",
            params![
                id,
                wanted.name,
                wanted.enabled,
                encode(&wanted.matches)?,
                encode(&wanted.steps)?,
                quiet,
                wanted.repeat_minutes,
                since,
                before.as_ref().map_or(1, |before| before.revision + 1),
                now.0
            ],
        )
        .during("write a route")?;
    Ok(route(transaction, &id)?.ok_or(NotifyProblem::None))
}

/// Removes a route.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_route(transaction: &Transaction<'_>, id: &str) -> Result<bool, StoreError> {
    let removed = transaction.execute("DELETE FROM notification_routes WHERE id = ?1", [id]);
    Ok(removed.during("remove a route")? > 0)
}
