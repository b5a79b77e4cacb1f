//! Reading alarms.

use std::collections::HashMap;

use kouan_protocol::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};
use serde::Serialize;
use utoipa::ToSchema;

use crate::assets::AREA_JOINT;
use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// A text in both languages; one of them may be empty.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TextView {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// An alarm: one life of one condition.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmView {
    /// Names it for ever.
    pub id: String,
    /// Grows with every change of any alarm.
    pub change: i64,
    /// Where.
    pub site: String,
    /// Where there; empty if that is not known.
    pub area: String,
    /// The device; `null` if it is about an agent, a link or a site.
    pub device: Option<String>,
    /// What people call the device.
    pub device_label: String,
    /// What the device is for.
    pub class: String,
    /// The agent; empty if it is about a site.
    pub agent: String,
    /// Who found it first: `edge`, `rule` or `collector`.
    pub origin: String,
    /// The rule that found it.
    pub rule: Option<String>,
    /// The condition: `battery-low`.
    pub condition: String,
    /// The point concerned, or the link; empty if none.
    pub point: String,
    /// `info`, `warning`, `major` or `critical`.
    pub severity: String,
    /// `raised`, `cleared` or `closed`.
    pub state: String,
    /// For people.
    pub text: TextView,
    /// The value that raised it.
    pub value: Option<serde_json::Value>,
    /// Its unit.
    pub unit: String,
    /// When it was raised first.
    pub raised_ms: i64,
    /// When it was raised last.
    pub last_raised_ms: i64,
    /// Since when the condition does not hold.
    pub cleared_ms: Option<i64>,
    /// How often it was raised.
    pub count: i64,
    /// It comes and goes, and is held until it is quiet.
    pub flapping: bool,
    /// Who has seen it.
    pub acknowledged_by: Option<String>,
    /// When.
    pub acknowledged_ms: Option<i64>,
    /// The id of the user who looks after it.
    pub assigned_to: Option<String>,
    /// The user's name.
    pub assigned_name: Option<String>,
    /// Until when nobody wants to hear of it.
    pub shelved_until_ms: Option<i64>,
    /// Who shelved it.
    pub shelved_by: Option<String>,
    /// Why.
    pub shelve_reason: Option<String>,
    /// The alarm that explains it.
    pub hidden_by: Option<String>,
    /// How many standing alarms it explains.
    pub hides: i64,
    /// Somebody works on the device.
    pub maintenance: bool,
    /// How many remarks there are.
    pub comments: i64,
    /// Who closed it; empty for the collector.
    pub closed_by: Option<String>,
    /// When.
    pub closed_ms: Option<i64>,
    /// From the raise to the first acknowledgement.
    pub response_ms: Option<i64>,
    /// From the raise to the clear.
    pub repair_ms: Option<i64>,
    /// Its place in the store, for cursors.
    #[serde(skip)]
    pub number: i64,
    #[serde(skip)]
    rank: i64,
}

const COLUMNS: &str = "id, change, site, area, device, device_label, class, agent, origin, rule, condition, point, severity,
    state, text_zh, text_en, value, unit, raised_ms, last_raised_ms, cleared_ms, count, flapping, acknowledged_by,
    acknowledged_ms, assigned_to, assigned_name, shelved_until_ms, shelved_by, shelve_reason, hidden_by, hides, maintenance,
    comments, closed_by, closed_ms, response_ms, repair_ms, number, rank";

fn read(row: &Row<'_>) -> rusqlite::Result<AlarmView> {
    let device: String = row.get(4)?;
    let value: Option<String> = row.get(16)?;
    Ok(AlarmView {
        id: row.get(0)?,
        change: row.get(1)?,
        site: row.get(2)?,
        area: row.get(3)?,
        device: (!device.is_empty()).then_some(device),
        device_label: row.get(5)?,
        class: row.get(6)?,
        agent: row.get(7)?,
        origin: row.get(8)?,
        rule: row.get(9)?,
        condition: row.get(10)?,
        point: row.get(11)?,
        severity: row.get(12)?,
        state: row.get(13)?,
        text: TextView { zh: row.get(14)?, en: row.get(15)? },
        value: value.and_then(|value| serde_json::from_str(&value).ok()),
        unit: row.get(17)?,
        raised_ms: row.get(18)?,
        last_raised_ms: row.get(19)?,
        cleared_ms: row.get(20)?,
        count: row.get(21)?,
        flapping: row.get(22)?,
        acknowledged_by: row.get(23)?,
        acknowledged_ms: row.get(24)?,
        assigned_to: row.get(25)?,
        assigned_name: row.get(26)?,
        shelved_until_ms: row.get(27)?,
        shelved_by: row.get(28)?,
        shelve_reason: row.get(29)?,
        hidden_by: row.get(30)?,
        hides: row.get(31)?,
        maintenance: row.get(32)?,
        comments: row.get(33)?,
        closed_by: row.get(34)?,
        closed_ms: row.get(35)?,
        response_ms: row.get(36)?,
        repair_ms: row.get(37)?,
        number: row.get(38)?,
        rank: row.get(39)?,
    })
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    Newest,
    /// The oldest first.
    Oldest,
    /// The worst first, of those the newest.
    Severity,
}

/// A place in a list: severity, time and number.
pub type Place = (i64, i64, i64);

impl AlarmView {
    /// Where it stands in a list.
    #[must_use]
    pub fn place(&self) -> Place {
        (self.rank, self.raised_ms, self.number)
    }
}

/// Whose they are.
#[derive(Debug, Clone)]
pub enum Assigned {
    /// Nobody's.
    Nobody,
    /// This user's.
    To(String),
}

/// Whether they are shelved.
#[derive(Debug, Clone, Copy)]
pub enum Shelved {
    /// Only those.
    Yes,
    /// Only others.
    No,
}

/// Which alarms. What is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct AlarmFilter {
    /// In one of these states; empty for any.
    pub states: &'static [&'static str],
    /// In this area, or within it.
    pub area: Option<String>,
    /// Of this device.
    pub device: Option<String>,
    /// Of this class.
    pub class: Option<String>,
    /// Of this agent.
    pub agent: Option<String>,
    /// Of this severity.
    pub severity: Option<String>,
    /// At least that serious, 1 to 4.
    pub least_rank: Option<i64>,
    /// Whether somebody has seen it.
    pub acknowledged: Option<bool>,
    /// Whose.
    pub assigned: Option<Assigned>,
    /// Whether shelved.
    pub shelved: Option<Shelved>,
    /// Whether another one explains it.
    pub hidden: Option<bool>,
    /// Whether somebody works there.
    pub maintenance: Option<bool>,
    /// With this condition.
    pub condition: Option<String>,
    /// Found by this rule.
    pub rule: Option<String>,
    /// With this in its texts, its label, area or condition.
    pub search: Option<String>,
    /// Raised from this time on.
    pub from: Option<Timestamp>,
    /// Raised before this time.
    pub to: Option<Timestamp>,
}

/// Alarms behind the place `after`.
///
/// # Errors
/// When they cannot be read.
pub fn list(
    conn: &Connection,
    scope: &Scope,
    filter: &AlarmFilter,
    order: Order,
    after: Option<Place>,
    limit: usize,
) -> Result<Vec<AlarmView>, StoreError> {
    let (conditions, mut values) = conditions(scope, filter);
    let mut sql = format!("SELECT {COLUMNS} FROM alarms WHERE {conditions}");
    if let Some((rank, time_ms, number)) = after {
        let (place, mut at) = match order {
            Order::Newest => ("(raised_ms, number) < (?, ?)", vec![time_ms, number]),
            Order::Oldest => ("(raised_ms, number) > (?, ?)", vec![time_ms, number]),
            Order::Severity => ("(rank, raised_ms, number) < (?, ?, ?)", vec![rank, time_ms, number]),
        };
        sql.push_str(" AND ");
        sql.push_str(place);
        values.extend(at.drain(..).map(Sql::from));
    }
    sql.push_str(match order {
        Order::Newest => " ORDER BY raised_ms DESC, number DESC",
        Order::Oldest => " ORDER BY raised_ms, number",
        Order::Severity => " ORDER BY rank DESC, raised_ms DESC, number DESC",
    });
    sql.push_str(" LIMIT ?");
    values.push(Sql::from(limit as i64));
    conn.prepare_cached(&sql)
        .and_then(|mut statement| statement.query_map(params_from_iter(values), read)?.collect())
        .during("read alarms")
}

fn conditions(scope: &Scope, filter: &AlarmFilter) -> (String, Vec<Sql>) {
    let (mut sql, mut values) = (String::from("1"), Vec::new());
    let mut add = |condition: &str, value: Option<Sql>| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.extend(value);
    };
    match filter.states {
        [] => {}
        // These words are those of the partial indexes.
        ["raised", "cleared"] => add("state <> 'closed'", None),
        states => add("state = ?", states.first().map(|state| Sql::from((*state).to_owned()))),
    }
    if let Some(sites) = scope.to_sql() {
        add("site IN (SELECT value FROM json_each(?))", Some(Sql::from(sites)));
    }
    let texts = [
        ("device = ?", &filter.device),
        ("class = ?", &filter.class),
        ("agent = ?", &filter.agent),
        ("severity = ?", &filter.severity),
        ("condition = ?", &filter.condition),
        ("rule = ?", &filter.rule),
    ];
    for (condition, text) in texts {
        if let Some(text) = text {
            add(condition, Some(Sql::from(text.clone())));
        }
    }
    if let Some(area) = &filter.area {
        // The area, and what lies within it.
        let condition = format!("instr(area || '{AREA_JOINT}', ?) = 1");
        add(&condition, Some(Sql::from(format!("{area}{AREA_JOINT}"))));
    }
    if let Some(rank) = filter.least_rank {
        add("rank >= ?", Some(Sql::from(rank)));
    }
    match filter.acknowledged {
        Some(true) => add("acknowledged_by IS NOT NULL", None),
        Some(false) => add("acknowledged_by IS NULL", None),
        None => {}
    }
    match &filter.assigned {
        Some(Assigned::Nobody) => add("assigned_to IS NULL", None),
        Some(Assigned::To(user)) => add("assigned_to = ?", Some(Sql::from(user.clone()))),
        None => {}
    }
    match filter.shelved {
        Some(Shelved::Yes) => add("shelved_until_ms IS NOT NULL", None),
        Some(Shelved::No) => add("shelved_until_ms IS NULL", None),
        None => {}
    }
    match filter.hidden {
        Some(true) => add("hidden_by IS NOT NULL", None),
        Some(false) => add("hidden_by IS NULL", None),
        None => {}
    }
    if let Some(maintenance) = filter.maintenance {
        add("maintenance = ?", Some(Sql::from(i64::from(maintenance))));
    }
    if let Some(search) = &filter.search {
        let escaped = search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let text =
            "device_label || char(10) || text_zh || char(10) || text_en || char(10) || area || char(10) || condition";
        add(&format!("{text} LIKE ? ESCAPE '\\'"), Some(Sql::from(format!("%{escaped}%"))));
    }
    if let Some(from) = filter.from {
        add("raised_ms >= ?", Some(Sql::from(from.0)));
    }
    if let Some(to) = filter.to {
        add("raised_ms < ?", Some(Sql::from(to.0)));
    }
    (sql, values)
}

/// The alarm of that id.
///
/// # Errors
/// When it cannot be read.
pub fn find(conn: &Connection, scope: &Scope, id: &str) -> Result<Option<AlarmView>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM alarms WHERE id = ?1");
    let found = conn
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row([id], read).optional())
        .during("read an alarm")?;
    Ok(found.filter(|alarm| scope.covers(&alarm.site)))
}

/// Standing alarms that this one explains, at most `limit`.
///
/// # Errors
/// When they cannot be read.
pub fn hidden_by(conn: &Connection, id: &str, limit: usize) -> Result<Vec<AlarmView>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM alarms WHERE hidden_by = ?1 AND state = 'raised' ORDER BY number LIMIT ?2");
    conn.prepare_cached(&sql)
        .and_then(|mut statement| statement.query_map(rusqlite::params![id, limit as i64], read)?.collect())
        .during("read hidden alarms")
}

/// Alarms that changed after the change `after`, in the order of their last changes.
///
/// # Errors
/// When they cannot be read.
pub fn changed_after(conn: &Connection, after: i64, limit: usize) -> Result<Vec<AlarmView>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM alarms WHERE change > ?1 ORDER BY change LIMIT ?2");
    conn.prepare_cached(&sql)
        .and_then(|mut statement| statement.query_map([after, limit as i64], read)?.collect())
        .during("read alarms that changed")
}

/// The number of the newest change of any alarm; 0 if there is none.
///
/// # Errors
/// When it cannot be read.
pub fn newest_change(conn: &Connection) -> Result<i64, StoreError> {
    conn.prepare_cached("SELECT coalesce(max(change), 0) FROM alarms")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .during("read the newest change of alarms")
}

/// Something that happened to an alarm.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StepView {
    /// When.
    pub time_ms: i64,
    /// `raised`, `renewed`, `cleared`, `acknowledged`, `assigned`, `comment`, `shelved`, `unshelved`, `hidden`, `shown`,
    /// `escalated` or `closed`.
    pub what: String,
    /// Who did it; empty for the collector.
    pub by: String,
    /// More about it; with `hidden` the alarm that explains it.
    pub text: String,
}

/// The last `limit` things that happened to an alarm, in order.
///
/// # Errors
/// When they cannot be read.
pub fn steps(conn: &Connection, id: &str, limit: usize) -> Result<Vec<StepView>, StoreError> {
    let read =
        |row: &Row<'_>| Ok(StepView { time_ms: row.get(0)?, what: row.get(1)?, by: row.get(2)?, text: row.get(3)? });
    let mut steps: Vec<StepView> = conn
        .prepare_cached("SELECT time_ms, what, by, text FROM alarm_steps WHERE alarm = ?1 ORDER BY id DESC LIMIT ?2")
        .and_then(|mut statement| statement.query_map(rusqlite::params![id, limit as i64], read)?.collect())
        .during("read what happened to an alarm")?;
    steps.reverse();
    Ok(steps)
}

/// How many alarms stand on each device that people are to see: neither hidden nor shelved.
///
/// # Errors
/// When they cannot be read.
pub fn count_by_device(conn: &Connection) -> Result<HashMap<String, u64>, StoreError> {
    conn.prepare_cached(
        "SELECT device, count(*) FROM alarms
         WHERE state <> 'closed' AND state = 'raised' AND hidden_by IS NULL AND shelved_until_ms IS NULL GROUP BY device",
    )
    .and_then(|mut statement| {
        statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?.collect()
    })
    .during("count alarms")
}
