//! Raising and clearing.

use std::collections::HashSet;

use kouan_protocol::{AgentId, AlarmChange, AlarmState, BootId, BootTime, Severity, Timestamp};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::life::{self, Clear, EdgeWord, Raise, Source, subject_of_agent, subject_of_device};
use super::severity_name;
use crate::state::{Known, Moment, Origin};
use crate::store::log::TimeStatus;
use crate::store::{During as _, StoreError};

/// The alarm on an agent whose identity two machines use.
pub const DUPLICATE_IDENTITY: &str = "duplicate-identity";

/// The alarm on an agent that has named more devices than are kept.
pub const TOO_MANY_DEVICES: &str = "too-many-devices";

/// The alarm on an agent one of whose devices names ever new conditions.
pub const TOO_MANY_CONDITIONS: &str = "too-many-conditions";
/// All alarms on agents that somebody has to renew.
pub const ON_AGENTS: [&str; 4] = [DUPLICATE_IDENTITY, COLLECTOR_RESTORED, TOO_MANY_DEVICES, TOO_MANY_CONDITIONS];

/// Conditions of one device that are kept. Profiles have a dozen; a firmware that puts a number into each has no end.
const CONDITIONS: i64 = 200;

/// The alarm on an agent that was told that records are stored here which are not.
pub const COLLECTOR_RESTORED: &str = "collector-restored";
/// What the log says of an alarm that was cleared while the agent could not be heard.
const CLEARED_MEANWHILE: &str = "cleared while the agent could not be heard";

/// What the log says of an alarm that was cleared because its agent was taken back.
const AGENT_ENDED: &str = "the agent was taken back";

fn state_name(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Raised => "raised",
        AlarmState::Cleared => "cleared",
    }
}

/// The device that an agent speaks of.
#[derive(Debug, Clone, Default)]
pub struct Concerned {
    /// Its id.
    pub device: String,
    /// What people call it.
    pub label: String,
    /// What it is for.
    pub class: String,
    /// Where it stands.
    pub area: String,
}

/// Takes a change of an edge alarm. `current` is the boot that the agent is in.
///
/// The later word decides. A late "raised" is only written down: if the alarm still stands, the snapshot that came
/// before the backlog has raised it. A snapshot is not written down, for its record follows in the lane.
///
/// # Errors
/// When it cannot be written.
pub fn take(
    transaction: &Transaction<'_>,
    origin: &Origin,
    concerned: &Concerned,
    alarm: &AlarmChange,
    moment: &Moment,
    current: Option<BootId>,
) -> Result<(), StoreError> {
    let device = concerned.device.as_str();
    // Of an earlier boot nothing tells how old its words are, unless its clock was right.
    let late = moment.late || (moment.status == TimeStatus::Uncertain && current != Some(moment.boot));
    let moment = &Moment { late, ..*moment };
    if !origin.snapshot {
        let entry = LogEntry {
            device,
            condition: &alarm.condition,
            state: state_name(alarm.state),
            severity: severity_name(alarm.severity),
            text: &alarm.text,
            point: &alarm.point,
        };
        write_down(transaction, origin, &entry, moment)?;
        if moment.late && alarm.state == AlarmState::Raised {
            return Ok(());
        }
    }
    match find(transaction, origin, device, &alarm.condition)? {
        Some(standing) if !moment.follows(&standing, current) => return Ok(()),
        None if conditions(transaction, origin, device)? >= CONDITIONS => {
            return refuse_condition(transaction, origin, concerned, alarm.state);
        }
        _ => {}
    }
    put(transaction, origin, device, alarm, moment)?;
    let subject = subject_of_device(device, &alarm.condition);
    let word = EdgeWord {
        subject: &subject,
        device,
        condition: &alarm.condition,
        time: moment.time,
        received: origin.received,
    };
    match alarm.state {
        AlarmState::Raised => {
            let raise = Raise {
                source: Source::Edge,
                subject: &subject,
                site: &origin.site,
                area: &concerned.area,
                agent: origin.agent.as_str(),
                device,
                label: &concerned.label,
                class: &concerned.class,
                rule: None,
                condition: &alarm.condition,
                point: &alarm.point,
                severity: alarm.severity,
                text_zh: &alarm.text_zh,
                text_en: &alarm.text,
                value: None,
                unit: "",
                time: moment.time,
                flapping: false,
            };
            life::raise(transaction, &raise, origin.received)?;
            life::note_raise(transaction, &word)?;
        }
        AlarmState::Cleared => life::clear_or_hold(transaction, &word, "")?,
    }
    Ok(())
}

/// Clears the agent's alarms that it did not name when it named all that stand, unless they were raised later.
///
/// # Errors
/// When it cannot be written.
pub fn clear_unnamed(
    transaction: &Transaction<'_>,
    origin: &Origin,
    named: &HashSet<(String, String)>,
    moment: &Moment,
    current: Option<BootId>,
) -> Result<(), StoreError> {
    for standing in standing(transaction, &origin.agent)? {
        let key = (standing.device, standing.condition);
        if named.contains(&key) || !moment.follows(&standing.known, current) {
            continue;
        }
        let (device, condition) = key;
        transaction
            .execute(
                "UPDATE alarm_words SET state = 'cleared', changed_ms = ?4, boot = ?5, boot_ms = ?6
                 WHERE agent = ?1 AND device = ?2 AND condition = ?3",
                params![
                    origin.agent.as_str(),
                    device,
                    condition,
                    moment.time.0,
                    moment.boot.to_string(),
                    boot_ms(moment)
                ],
            )
            .during("clear an alarm")?;
        let entry = LogEntry {
            device: &device,
            condition: &condition,
            state: "cleared",
            severity: &standing.severity,
            text: CLEARED_MEANWHILE,
            point: &standing.point,
        };
        write_down(transaction, origin, &entry, moment)?;
        let subject = subject_of_device(&device, &condition);
        let word = EdgeWord {
            subject: &subject,
            device: &device,
            condition: &condition,
            time: moment.time,
            received: origin.received,
        };
        life::clear_or_hold(transaction, &word, CLEARED_MEANWHILE)?;
    }
    Ok(())
}

struct Standing {
    device: String,
    condition: String,
    severity: String,
    point: String,
    known: Known,
}

/// The alarms that the agent raised and that stand.
fn standing(transaction: &Transaction<'_>, agent: &AgentId) -> Result<Vec<Standing>, StoreError> {
    transaction
        .prepare_cached(
            "SELECT device, condition, severity, point, boot, boot_ms, changed_ms FROM alarm_words
             WHERE agent = ?1 AND device <> '' AND state = 'raised'",
        )
        .and_then(|mut statement| {
            let read = |row: &Row<'_>| {
                Ok(Standing {
                    device: row.get(0)?,
                    condition: row.get(1)?,
                    severity: row.get(2)?,
                    point: row.get(3)?,
                    known: known(row, 4)?,
                })
            };
            statement.query_map([agent.as_str()], read)?.collect()
        })
        .during("look for alarms that stand")
}

/// How many conditions of the device the agent has named.
fn conditions(transaction: &Transaction<'_>, origin: &Origin, device: &str) -> Result<i64, StoreError> {
    transaction
        .prepare_cached("SELECT count(*) FROM alarm_words WHERE agent = ?1 AND device = ?2")
        .and_then(|mut statement| statement.query_row(params![origin.agent.as_str(), device], |row| row.get(0)))
        .during("count conditions of a device")
}

/// A condition too many: it is in the log, and whoever looks after the agent is told.
fn refuse_condition(
    transaction: &Transaction<'_>,
    origin: &Origin,
    concerned: &Concerned,
    state: AlarmState,
) -> Result<(), StoreError> {
    if state == AlarmState::Cleared {
        return Ok(());
    }
    let Concerned { device, label, .. } = concerned;
    let text =
        format!("{label} ({device}) has named {CONDITIONS} conditions; further ones are in the log of alarms only");
    raise_on_agent(transaction, &origin.site, &origin.agent, TOO_MANY_CONDITIONS, &text, origin.received)
}

/// When the alarm changed last, if it is known at all.
fn find(
    transaction: &Transaction<'_>,
    origin: &Origin,
    device: &str,
    condition: &str,
) -> Result<Option<Known>, StoreError> {
    transaction
        .prepare_cached(
            "SELECT boot, boot_ms, changed_ms FROM alarm_words WHERE agent = ?1 AND device = ?2 AND condition = ?3",
        )
        .and_then(|mut statement| {
            statement.query_row(params![origin.agent.as_str(), device, condition], |row| known(row, 0)).optional()
        })
        .during("look for an alarm")
}

fn known(row: &Row<'_>, column: usize) -> rusqlite::Result<Known> {
    Ok(Known {
        boot: row.get::<_, String>(column)?.parse().ok(),
        boot_time: BootTime(row.get::<_, i64>(column + 1)?.unsigned_abs()),
        time: Timestamp(row.get(column + 2)?),
    })
}

fn boot_ms(moment: &Moment) -> i64 {
    i64::try_from(moment.boot_time.0).unwrap_or(i64::MAX)
}

fn put(
    transaction: &Transaction<'_>,
    origin: &Origin,
    device: &str,
    alarm: &AlarmChange,
    moment: &Moment,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "INSERT INTO alarm_words (site, agent, device, condition, state, severity, text, point, raised_ms, changed_ms, boot,
                 boot_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11)
             ON CONFLICT (agent, device, condition) DO UPDATE SET
                 raised_ms = CASE WHEN excluded.state = 'raised' AND state <> 'raised' THEN excluded.changed_ms
                             ELSE raised_ms END,
                 state = excluded.state, severity = excluded.severity, text = excluded.text, point = excluded.point,
                 changed_ms = excluded.changed_ms, boot = excluded.boot, boot_ms = excluded.boot_ms",
            params![
                origin.site,
                origin.agent.as_str(),
                device,
                alarm.condition,
                state_name(alarm.state),
                severity_name(alarm.severity),
                alarm.text,
                alarm.point,
                moment.time.0,
                moment.boot.to_string(),
                boot_ms(moment)
            ],
        )
        .during("change an alarm")?;
    Ok(())
}

struct LogEntry<'a> {
    device: &'a str,
    condition: &'a str,
    state: &'a str,
    severity: &'a str,
    text: &'a str,
    point: &'a str,
}

fn write_down(
    transaction: &Transaction<'_>,
    origin: &Origin,
    entry: &LogEntry<'_>,
    moment: &Moment,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "INSERT INTO alarm_log (site, agent, device, condition, state, severity, text, point, time_ms, late,
                 agent_time_ms, time_status)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                origin.site,
                origin.agent.as_str(),
                entry.device,
                entry.condition,
                entry.state,
                entry.severity,
                entry.text,
                entry.point,
                moment.time.0,
                moment.late,
                moment.agent_time.0,
                moment.status.as_str()
            ],
        )
        .during("write down an alarm")?;
    Ok(())
}

/// Raises, or renews, an alarm on the agent itself.
///
/// # Errors
/// When it cannot be written.
pub fn raise_on_agent(
    transaction: &Transaction<'_>,
    site: &str,
    agent: &AgentId,
    condition: &str,
    text: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let standing: Option<String> = transaction
        .query_row(
            "SELECT state FROM alarm_words WHERE agent = ?1 AND device = '' AND condition = ?2",
            params![agent.as_str(), condition],
            |row| row.get(0),
        )
        .optional()
        .during("look for an alarm")?;
    transaction
        .execute(
            "INSERT INTO alarm_words (site, agent, device, condition, state, severity, text, point, raised_ms, changed_ms)
             VALUES (?1, ?2, '', ?3, 'raised', 'major', ?4, '', ?5, ?5)
             ON CONFLICT (agent, device, condition) DO UPDATE SET text = excluded.text, changed_ms = excluded.changed_ms,
                 raised_ms = CASE WHEN state = 'raised' THEN raised_ms ELSE excluded.raised_ms END, state = 'raised'",
            params![site, agent.as_str(), condition, text, now.0],
        )
        .during("raise an alarm on an agent")?;
    let subject = subject_of_agent(agent.as_str(), condition);
    let raise = Raise {
        source: Source::Collector,
        subject: &subject,
        site,
        area: "",
        agent: agent.as_str(),
        device: "",
        label: "",
        class: "",
        rule: None,
        condition,
        point: "",
        severity: Severity::Major,
        text_zh: text_in_chinese(condition),
        text_en: text,
        value: None,
        unit: "",
        time: now,
        flapping: false,
    };
    life::raise(transaction, &raise, now)?;
    if standing.as_deref() != Some("raised") {
        log_on_agent(transaction, site, agent.as_str(), condition, "raised", text, now)?;
    }
    Ok(())
}

/// Clears the alarms of that condition on agents that were not renewed since `before`. One that was renewed in the
/// future was renewed before this machine's clock was set back: nobody knows when, so it clears as well.
///
/// # Errors
/// When it cannot be written.
pub fn clear_quiet(
    transaction: &Transaction<'_>,
    condition: &str,
    before: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut statement = transaction
        .prepare_cached(
            "UPDATE alarm_words SET state = 'cleared', changed_ms = ?3
             WHERE condition = ?1 AND device = '' AND state = 'raised' AND (changed_ms < ?2 OR changed_ms > ?3)
               AND NOT EXISTS (SELECT 1 FROM commands WHERE state IN ('queued', 'held') AND state = 'held'
                               AND commands.agent = alarm_words.agent AND alarm_words.condition = ?4)
             RETURNING site, agent",
        )
        .during("clear alarms of agents")?;
    let cleared: Vec<(String, String)> = statement
        .query_map(params![condition, before.0, now.0, COLLECTOR_RESTORED], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .during("clear alarms of agents")?;
    for (site, agent) in cleared {
        log_on_agent(transaction, &site, &agent, condition, "cleared", "", now)?;
        let subject = subject_of_agent(&agent, condition);
        life::clear(transaction, &Clear { source: Source::Collector, subject: &subject, text: "", time: now })?;
    }
    Ok(())
}

/// Clears everything that the agent said, and that was said of it: it is taken back, and nobody will say so later.
///
/// # Errors
/// When it cannot be written.
pub fn end_agent(transaction: &Transaction<'_>, agent: &AgentId, now: Timestamp) -> Result<(), StoreError> {
    transaction
        .execute(
            "INSERT INTO alarm_log (site, agent, device, condition, state, severity, text, point, time_ms, late)
             SELECT site, agent, device, condition, 'cleared', severity, ?3, point, ?2, 0 FROM alarm_words
             WHERE agent = ?1 AND state = 'raised'",
            params![agent.as_str(), now.0, AGENT_ENDED],
        )
        .during("write down an alarm")?;
    let mut statement = transaction
        .prepare_cached(
            "UPDATE alarm_words SET state = 'cleared', changed_ms = ?2 WHERE agent = ?1 AND state = 'raised'
             RETURNING device, condition",
        )
        .during("clear alarms of an agent")?;
    let cleared: Vec<(String, String)> = statement
        .query_map(params![agent.as_str(), now.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .during("clear alarms of an agent")?;
    for (device, condition) in cleared {
        let (source, subject) = if device.is_empty() {
            (Source::Collector, subject_of_agent(agent.as_str(), &condition))
        } else {
            (Source::Edge, subject_of_device(&device, &condition))
        };
        life::clear(transaction, &Clear { source, subject: &subject, text: AGENT_ENDED, time: now })?;
    }
    Ok(())
}

fn text_in_chinese(condition: &str) -> &'static str {
    match condition {
        DUPLICATE_IDENTITY => "两台机器在使用同一个采集代理身份",
        TOO_MANY_DEVICES => "采集代理上报的设备数量超过上限",
        TOO_MANY_CONDITIONS => "有设备上报的告警种类超过上限，多出的只记入告警日志",
        COLLECTOR_RESTORED => "采集代理已确认上传的部分记录在中心缺失",
        _ => "",
    }
}

fn log_on_agent(
    transaction: &Transaction<'_>,
    site: &str,
    agent: &str,
    condition: &str,
    state: &str,
    text: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "INSERT INTO alarm_log (site, agent, device, condition, state, severity, text, point, time_ms, late)
             VALUES (?1, ?2, '', ?3, ?4, 'major', ?5, '', ?6, 0)",
            params![site, agent, condition, state, text, now.0],
        )
        .during("write down an alarm")?;
    Ok(())
}
