//! Raising and clearing.

use kouan_protocol::{AgentId, AlarmChange, AlarmState, Severity, Timestamp};
use rusqlite::{OptionalExtension as _, Transaction, params};

use crate::state::Origin;
use crate::store::{During as _, StoreError};

/// The alarm on an agent whose identity two machines use.
pub const DUPLICATE_IDENTITY: &str = "duplicate-identity";

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Major => "major",
        Severity::Critical => "critical",
    }
}

fn state_name(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Raised => "raised",
        AlarmState::Cleared => "cleared",
    }
}

/// Takes a change of an edge alarm.
///
/// The record that is newest by corrected time decides. A late "raised" is only written down: if the alarm still
/// stands, the snapshot that came before the backlog has raised it. A snapshot is not written down, for its record
/// follows in the lane.
///
/// # Errors
/// When it cannot be written.
pub fn take(
    transaction: &Transaction<'_>,
    origin: &Origin,
    device: &str,
    alarm: &AlarmChange,
    time: Timestamp,
    late: bool,
) -> Result<(), StoreError> {
    let state = state_name(alarm.state);
    if !origin.snapshot {
        transaction
            .execute(
                "INSERT INTO alarm_log (site, agent, device, condition, state, severity, text, point, time_ms, late)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    origin.site,
                    origin.agent.as_str(),
                    device,
                    alarm.condition,
                    state,
                    severity_name(alarm.severity),
                    alarm.text,
                    alarm.point,
                    time.0,
                    late
                ],
            )
            .during("write down an alarm")?;
        if late && alarm.state == AlarmState::Raised {
            return Ok(());
        }
    }
    put(transaction, &origin.site, &origin.agent, device, alarm, time)
}

fn put(
    transaction: &Transaction<'_>,
    site: &str,
    agent: &AgentId,
    device: &str,
    alarm: &AlarmChange,
    time: Timestamp,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "INSERT INTO alarms (site, agent, device, condition, state, severity, text, point, raised_ms, changed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)
             ON CONFLICT (agent, device, condition) DO UPDATE SET
                 raised_ms = CASE WHEN excluded.state = 'raised' AND state <> 'raised' THEN excluded.changed_ms
                             ELSE raised_ms END,
                 state = excluded.state, severity = excluded.severity, text = excluded.text, point = excluded.point,
                 changed_ms = excluded.changed_ms
             WHERE excluded.changed_ms >= changed_ms",
            params![
                site,
                agent.as_str(),
                device,
                alarm.condition,
                state_name(alarm.state),
                severity_name(alarm.severity),
                alarm.text,
                alarm.point,
                time.0
            ],
        )
        .during("change an alarm")?;
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
            "SELECT state FROM alarms WHERE agent = ?1 AND device = '' AND condition = ?2",
            params![agent.as_str(), condition],
            |row| row.get(0),
        )
        .optional()
        .during("look for an alarm")?;
    transaction
        .execute(
            "INSERT INTO alarms (site, agent, device, condition, state, severity, text, point, raised_ms, changed_ms)
             VALUES (?1, ?2, '', ?3, 'raised', 'major', ?4, '', ?5, ?5)
             ON CONFLICT (agent, device, condition) DO UPDATE SET text = excluded.text, changed_ms = excluded.changed_ms,
                 raised_ms = CASE WHEN state = 'raised' THEN raised_ms ELSE excluded.raised_ms END, state = 'raised'",
            params![site, agent.as_str(), condition, text, now.0],
        )
        .during("raise an alarm on an agent")?;
    if standing.as_deref() != Some("raised") {
        log_on_agent(transaction, site, agent.as_str(), condition, "raised", text, now)?;
    }
    Ok(())
}

/// Clears the alarms of that condition on agents that were not renewed since `before`.
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
            "UPDATE alarms SET state = 'cleared', changed_ms = ?3
             WHERE condition = ?1 AND device = '' AND state = 'raised' AND changed_ms < ?2 RETURNING site, agent",
        )
        .during("clear alarms of agents")?;
    let cleared: Vec<(String, String)> = statement
        .query_map(params![condition, before.0, now.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .during("clear alarms of agents")?;
    for (site, agent) in cleared {
        log_on_agent(transaction, &site, &agent, condition, "cleared", "", now)?;
    }
    Ok(())
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
