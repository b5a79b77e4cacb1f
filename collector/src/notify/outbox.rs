//! Notifications: written before they are sent, and kept.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params, params_from_iter};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::alarm::{Alarm, severity_name};
use super::bundle::Reason;
use super::channel::{Channel, ChannelKind};
use super::language::Language;
use super::plan::Parcel;
use super::world::{Destination, World};
use super::{reason, render};
use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// Alarms of one message for a program; further ones go with the next message.
const PROGRAM_ALARMS: usize = 500;

/// No message waits for so long: what seems to, was written before this machine's clock was set back.
const FAR_MS: i64 = 2 * 3_600_000;

/// Something to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its place in the outbox.
    pub number: i64,
    /// Goes with the message, the same at each attempt.
    pub id: String,
    /// When it was written.
    pub time_ms: i64,
    /// To whom.
    pub to: Destination,
    /// The kind of message.
    pub kind: String,
    /// In which language.
    pub language: String,
    /// The address, or what the channel is called.
    pub recipient: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The alarms as they were, for programs.
    pub alarms: Value,
    /// The sites of the alarms; none for a test.
    pub sites: Vec<String>,
    /// How often it was tried.
    pub attempts: i64,
}

/// A notification on record.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NotificationRow {
    /// Its place in the list.
    #[serde(skip)]
    pub number: i64,
    /// Names it for ever; it stands in the message.
    pub id: String,
    /// When it was written, in milliseconds since 1970.
    pub time_ms: i64,
    /// Of which alarms.
    pub alarms: Vec<String>,
    /// The channel's id.
    pub channel: String,
    /// What the channel is called; empty if it was removed.
    pub channel_name: String,
    /// The user who is told; `null` for the channel's own recipients.
    pub user: Option<String>,
    /// The route by which it comes; empty for a test.
    pub route: String,
    /// What the route is called; empty if it was removed.
    pub route_name: String,
    /// The route's step, from 0.
    pub step: i64,
    /// `raise`, `clear`, `escalate`, `digest` or `test`.
    pub kind: String,
    /// `zh` or `en`.
    pub language: String,
    /// The address, or what the channel is called.
    pub recipient: String,
    /// What was told: the subject.
    pub subject: String,
    /// What was told.
    pub text: String,
    /// `waiting`, `sent`, `failed` or `suppressed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next.
    pub next_ms: Option<i64>,
    /// When it was sent or given up.
    pub settled_ms: Option<i64>,
    /// What went wrong last.
    pub problem: Option<String>,
    /// The same in Chinese, where there are words for it.
    pub problem_zh: Option<String>,
}

/// An id that was never given out.
#[must_use]
pub fn new_id() -> String {
    format!("n-{:016x}", rand::random::<u64>())
}

/// What programs are told of an alarm.
#[must_use]
pub fn alarm_view(alarm: &Alarm, reason: &str, link: String) -> Value {
    json!({
        "id": alarm.id, "reason": reason, "site": alarm.site, "area": alarm.area, "device": alarm.device,
        "device_label": alarm.label, "class": alarm.class, "agent": alarm.agent, "condition": alarm.condition,
        "severity": severity_name(alarm.severity), "state": alarm.state, "value": alarm.value,
        "text": { "en": alarm.text, "zh": alarm.text_zh }, "raised_ms": alarm.raised_ms,
        "last_raised_ms": alarm.last_raised_ms, "cleared_ms": alarm.cleared_ms, "count": alarm.count,
        "acknowledged_by": alarm.acknowledged_by, "link": link,
    })
}

/// Writes what is to be told.
///
/// Returns how many messages will not be sent, for reasons that stand in their rows.
///
/// # Errors
/// When it cannot be written.
pub fn write(transaction: &Transaction<'_>, parcel: Parcel, world: &World, now: i64) -> Result<u64, StoreError> {
    let Some(channel) = world.channels.get(&parcel.to.channel) else { return Ok(0) };
    let (mut rest, mut suppressed) = (parcel, 0);
    // People get one message, which tells the numbers and names the worst.
    while channel.wanted.kind.is_program() && rest.items.len() > PROGRAM_ALARMS {
        let more = rest.items.split_off(PROGRAM_ALARMS);
        let outages = std::mem::take(&mut rest.outages);
        let part = Parcel { outages, ..rest.clone() };
        suppressed += write_one(transaction, &part, channel, world, now)?;
        rest.items = more;
    }
    Ok(suppressed + write_one(transaction, &rest, channel, world, now)?)
}

fn write_one(
    transaction: &Transaction<'_>,
    parcel: &Parcel,
    channel: &Channel,
    world: &World,
    now: i64,
) -> Result<u64, StoreError> {
    let known = world.recipient(&parcel.to);
    let is_reached = known.is_some();
    let (recipient, language) = known.unwrap_or_else(|| {
        let person = parcel.to.user.as_deref().and_then(|user| world.person(user));
        let name = person.map(|person| person.user.display_name.clone()).unwrap_or_default();
        (name, person.map_or(channel.wanted.language, |person| person.contact.language))
    });
    // A gateway is asked for each number.
    let recipients: Vec<&str> =
        if channel.wanted.kind == ChannelKind::Sms { recipient.split(", ").collect() } else { vec![&recipient] };
    let mut suppressed = 0;
    for recipient in recipients {
        let to = Addressed { channel, recipient, language, is_reached };
        suppressed += u64::from(!write_row(transaction, parcel, &to, world, now)?);
    }
    Ok(suppressed)
}

/// Whom a row is for.
struct Addressed<'a> {
    channel: &'a Channel,
    recipient: &'a str,
    language: Language,
    is_reached: bool,
}

/// Writes a row, and returns whether it will be sent.
fn write_row(
    transaction: &Transaction<'_>,
    parcel: &Parcel,
    to: &Addressed<'_>,
    world: &World,
    now: i64,
) -> Result<bool, StoreError> {
    let Addressed { channel, recipient, language, is_reached } = *to;
    let id = new_id();
    let problem = if !is_reached {
        Some(reason::NO_ADDRESS)
    } else if !channel.wanted.enabled {
        Some(reason::OFF)
    } else {
        None
    };
    let (subject, text) = render::message(parcel, &id, &channel.wanted, language, world, now);
    let views = parcel.items.iter().map(|item| {
        let reason = match item.reason {
            Reason::Raise => "raise",
            Reason::Clear => "clear",
            Reason::Escalate => "escalate",
        };
        alarm_view(&item.alarm, reason, world.link(Some(&item.alarm)))
    });
    let mut sites: Vec<&str> = parcel.items.iter().map(|item| item.alarm.site.as_str()).collect();
    sites.extend(parcel.outages.iter().map(|outage| outage.site.as_str()));
    sites.sort_unstable();
    sites.dedup();
    let (route, step) = parcel.items.first().map_or_else(
        || (parcel.outages.first().map(|outage| outage.route.clone()).unwrap_or_default(), 0),
        |item| (item.route.clone(), i64::try_from(item.step).unwrap_or(i64::MAX)),
    );
    transaction
        .prepare_cached(
            "INSERT INTO notifications (id, time_ms, channel, user_id, route, step, kind, language, recipient, subject,
                 text, alarms, sites, state, next_ms, settled_ms, problem)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                id,
                now,
                parcel.to.channel,
                parcel.to.user.as_deref().unwrap_or_default(),
                route,
                step,
                render::kind(parcel),
                language.as_str(),
                recipient,
                subject,
                text,
                Value::Array(views.collect()).to_string(),
                json!(sites).to_string(),
                if problem.is_some() { "suppressed" } else { "waiting" },
                problem.is_none().then_some(now),
                problem.is_some().then_some(now),
                problem,
            ])
        })
        .during("write a notification")?;
    let number = transaction.last_insert_rowid();
    let mut statement = transaction
        .prepare_cached("INSERT OR IGNORE INTO notification_alarms (alarm, notification) VALUES (?1, ?2)")
        .during("note the alarms of a notification")?;
    for item in &parcel.items {
        statement.execute(params![item.alarm.id, number]).during("note the alarms of a notification")?;
    }
    Ok(problem.is_none())
}

/// Writes a test message, which is under way.
///
/// # Errors
/// When it cannot be written.
pub fn write_test(
    transaction: &Transaction<'_>,
    channel: &Channel,
    recipient: &str,
    message: (&str, &str, &str),
    now: i64,
) -> Result<i64, StoreError> {
    let (id, subject, text) = message;
    transaction
        .execute(
            "INSERT INTO notifications (id, time_ms, channel, user_id, route, step, kind, language, recipient, subject,
                 text, alarms, sites, state, attempts)
             VALUES (?1, ?2, ?3, '', '', 0, 'test', ?4, ?5, ?6, ?7, '[]', '[]', 'failed', 1)",
            params![id, now, channel.id, channel.wanted.language.as_str(), recipient, subject, text],
        )
        .during("write a test notification")?;
    Ok(transaction.last_insert_rowid())
}

fn read_outgoing(row: &Row<'_>) -> rusqlite::Result<Outgoing> {
    let (user, alarms, sites): (String, String, String) = (row.get(4)?, row.get(10)?, row.get(12)?);
    Ok(Outgoing {
        number: row.get(0)?,
        id: row.get(1)?,
        time_ms: row.get(2)?,
        to: Destination { channel: row.get(3)?, user: Some(user).filter(|user| !user.is_empty()) },
        kind: row.get(5)?,
        language: row.get(6)?,
        recipient: row.get(7)?,
        subject: row.get(8)?,
        text: row.get(9)?,
        alarms: serde_json::from_str(&alarms).unwrap_or(Value::Null),
        sites: serde_json::from_str(&sites).unwrap_or_default(),
        attempts: row.get(11)?,
    })
}

const OUTGOING: &str =
    "number, id, time_ms, channel, user_id, kind, language, recipient, subject, text, alarms, attempts, sites";

/// The next message to a channel that is due. Messages to one recipient go in order; one that cannot be delivered
/// holds others up for `patience` milliseconds at most.
///
/// # Errors
/// When it cannot be read.
pub fn next(conn: &Connection, channel: &str, now: i64, patience: i64) -> Result<Option<Outgoing>, StoreError> {
    conn.prepare_cached(&format!(
        "SELECT {OUTGOING} FROM notifications AS n
         WHERE state = 'waiting' AND channel = ?1 AND (next_ms <= ?2 OR next_ms > ?2 + {FAR_MS})
           AND NOT EXISTS (SELECT 1 FROM notifications AS earlier
                           WHERE earlier.state = 'waiting' AND earlier.channel = n.channel
                             AND earlier.user_id = n.user_id AND earlier.recipient = n.recipient
                             AND earlier.number < n.number
                             AND earlier.time_ms > ?2 - ?3)
         ORDER BY number LIMIT 1"
    ))
    .and_then(|mut statement| statement.query_row(params![channel, now, patience], read_outgoing).optional())
    .during("look for what is to be sent")
}

/// Channels with something that waits.
///
/// # Errors
/// When they cannot be read.
pub fn waiting_channels(conn: &Connection) -> Result<Vec<String>, StoreError> {
    conn.prepare_cached("SELECT DISTINCT channel FROM notifications WHERE state = 'waiting'")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .during("look for what waits")
}

/// Notes that a message is about to leave. Until the outcome is noted it is tried again at `again`.
///
/// # Errors
/// When it cannot be noted.
pub fn note_attempt(transaction: &Transaction<'_>, number: i64, again: i64) -> Result<bool, StoreError> {
    let noted = transaction
        .prepare_cached(
            "UPDATE notifications SET attempts = attempts + 1, next_ms = ?2 WHERE number = ?1 AND state = 'waiting'",
        )
        .and_then(|mut statement| statement.execute(params![number, again]));
    Ok(noted.during("note an attempt")? > 0)
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Sent,
    /// It is tried again at that time.
    Again(i64, String),
    /// It is given up.
    Failed(String),
    /// It is not sent, because it should not be any more.
    Suppressed(String),
}

/// Notes what became of an attempt.
///
/// # Errors
/// When it cannot be noted.
pub fn note_outcome(transaction: &Transaction<'_>, number: i64, outcome: &Outcome, now: i64) -> Result<(), StoreError> {
    let (state, next, settled, problem) = match outcome {
        Outcome::Sent => ("sent", None, Some(now), None),
        Outcome::Again(at, problem) => ("waiting", Some(*at), None, Some(problem)),
        Outcome::Failed(problem) => ("failed", None, Some(now), Some(problem)),
        Outcome::Suppressed(problem) => ("suppressed", None, Some(now), Some(problem)),
    };
    transaction
        .prepare_cached(
            "UPDATE notifications SET state = ?2, next_ms = ?3, settled_ms = ?4, problem = ?5 WHERE number = ?1",
        )
        .and_then(|mut statement| statement.execute(params![number, state, next, settled, problem]))
        .during("note what became of a notification")?;
    Ok(())
}

/// What has not left yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How many notifications.
    pub count: u64,
    /// When the first of them was written.
    pub oldest_ms: Option<i64>,
}

/// What has not left yet.
///
/// # Errors
/// When it cannot be counted.
pub fn waiting(conn: &Connection) -> Result<Waiting, StoreError> {
    conn.prepare_cached("SELECT count(*), min(time_ms) FROM notifications WHERE state = 'waiting'")
        .and_then(|mut statement| {
            statement.query_row([], |row| {
                let count: i64 = row.get(0)?;
                Ok(Waiting { count: count.unsigned_abs(), oldest_ms: row.get(1)? })
            })
        })
        .during("count what waits")
}

/// Which notifications.
#[derive(Debug, Clone, Default)]
pub struct NotificationFilter {
    /// Of this alarm.
    pub alarm: Option<String>,
    /// By this channel.
    pub channel: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// From this time on.
    pub from: Option<i64>,
    /// Before this time.
    pub to: Option<i64>,
    /// Older than this place in the list.
    pub before: Option<i64>,
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<NotificationRow> {
    let (user, alarms): (String, String) = (row.get(4)?, row.get(18)?);
    let problem: Option<String> = row.get(15)?;
    Ok(NotificationRow {
        number: row.get(0)?,
        id: row.get(1)?,
        time_ms: row.get(2)?,
        alarms: serde_json::from_str(&alarms).unwrap_or_default(),
        channel: row.get(3)?,
        channel_name: row.get::<_, Option<String>>(16)?.unwrap_or_default(),
        user: Some(user).filter(|user| !user.is_empty()),
        route: row.get(5)?,
        route_name: row.get::<_, Option<String>>(17)?.unwrap_or_default(),
        step: row.get(6)?,
        kind: row.get(7)?,
        language: row.get(8)?,
        recipient: row.get(9)?,
        subject: row.get(10)?,
        text: row.get(11)?,
        state: row.get(12)?,
        attempts: row.get(13)?,
        next_ms: row.get(14)?,
        problem_zh: problem.as_deref().and_then(reason::in_chinese),
        problem,
        settled_ms: row.get(19)?,
    })
}

/// Notifications, newest first. Those about several sites are shown to whoever may see all of these; tests, to whoever
/// may see all sites.
///
/// # Errors
/// When they cannot be read.
pub fn list(
    conn: &Connection,
    scope: &Scope,
    filter: &NotificationFilter,
    limit: usize,
) -> Result<Vec<NotificationRow>, StoreError> {
    let mut terms = vec!["1".to_owned()];
    let mut bound: Vec<SqlValue> = Vec::new();
    let mut term = |sql: &str, value: SqlValue| {
        bound.push(value);
        terms.push(sql.replace('?', &format!("?{}", bound.len())));
    };
    if let Some(sites) = scope.to_sql() {
        term(
            "n.sites != '[]' AND NOT EXISTS (SELECT 1 FROM json_each(n.sites) WHERE value NOT IN
                 (SELECT value FROM json_each(?)))",
            sites.into(),
        );
    }
    let text = |value: &Option<String>| value.clone().map(SqlValue::from);
    let number = |value: Option<i64>| value.map(SqlValue::from);
    for (sql, value) in [
        ("n.number IN (SELECT notification FROM notification_alarms WHERE alarm = ?)", text(&filter.alarm)),
        ("n.channel = ?", text(&filter.channel)),
        ("n.state = ?", text(&filter.state)),
        ("n.kind = ?", text(&filter.kind)),
        ("n.time_ms >= ?", number(filter.from)),
        ("n.time_ms < ?", number(filter.to)),
        ("n.number < ?", number(filter.before)),
    ] {
        if let Some(value) = value {
            term(sql, value);
        }
    }
    bound.push(SqlValue::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    let sql = format!(
        "SELECT n.number, n.id, n.time_ms, n.channel, n.user_id, n.route, n.step, n.kind, n.language, n.recipient,
                n.subject, n.text, n.state, n.attempts, n.next_ms, n.problem, c.name, r.name,
                (SELECT json_group_array(json_extract(value, '$.id')) FROM json_each(n.alarms)), n.settled_ms
         FROM notifications AS n LEFT JOIN notification_channels AS c ON c.id = n.channel
              LEFT JOIN notification_routes AS r ON r.id = n.route
         WHERE {} ORDER BY n.number DESC LIMIT ?{}",
        terms.join(" AND "),
        bound.len()
    );
    conn.prepare(&sql)
        .and_then(|mut statement| statement.query_map(params_from_iter(bound), read_row)?.collect())
        .during("read notifications")
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
