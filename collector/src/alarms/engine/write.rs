//! Writing what a round found, in one transaction.

use std::collections::BTreeSet;

use kouan_protocol::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction};

use super::round::Outcome;
use crate::alarms::life::{self, Clear, Raise, Source};
use crate::availability::{Place, Windows};
use crate::store::{During as _, StoreError};

/// Writes them. A run that is cut off leaves nothing, and one that runs twice changes nothing the second time.
pub(super) fn write(transaction: &Transaction<'_>, outcomes: &[Outcome], now: Timestamp) -> Result<(), StoreError> {
    let mut parents: BTreeSet<String> = BTreeSet::new();
    // First what is explained: what clears while it is hidden closes by itself, and what clears with its cause is not
    // shown for an instant. So clears come before what is revealed by them, and raises before what hides behind them.
    for outcome in outcomes {
        if let Outcome::Raise(raised) = outcome {
            let raise = Raise {
                source: Source::Rule,
                subject: &raised.subject,
                site: &raised.site,
                area: &raised.area,
                agent: &raised.agent,
                device: &raised.device,
                label: &raised.label,
                class: &raised.class,
                rule: Some(&raised.rule),
                condition: &raised.condition,
                point: &raised.point,
                severity: raised.severity,
                text_zh: &raised.text.0,
                text_en: &raised.text.1,
                value: raised.value.as_ref(),
                unit: &raised.unit,
                time: now,
                flapping: raised.flapping,
            };
            life::raise(transaction, &raise, now)?;
        }
    }
    for outcome in outcomes {
        if let Outcome::Clear(subject, why) = outcome {
            parents.extend(hidden_by(transaction, subject)?);
            life::clear(transaction, &Clear { source: Source::Rule, subject, text: why, time: now })?;
        }
    }
    for outcome in outcomes {
        let Outcome::Explain(subject, by) = outcome else { continue };
        let Some(id) = open_id(transaction, subject)? else { continue };
        parents.extend(hidden_by(transaction, subject)?);
        match by {
            Some(by) => {
                let Some(by) = open_id(transaction, by)? else { continue };
                life::conceal(transaction, &id, &by, now)?;
                parents.insert(by);
            }
            None => drop(life::reveal(transaction, &id, now)?),
        }
    }
    for parent in parents {
        life::count_hidden(transaction, &parent)?;
    }
    Ok(())
}

fn open_id(transaction: &Transaction<'_>, subject: &str) -> Result<Option<String>, StoreError> {
    transaction
        .prepare_cached("SELECT id FROM alarms WHERE subject = ?1 AND state <> 'closed'")
        .and_then(|mut statement| statement.query_row([subject], |row| row.get(0)).optional())
        .during("look for an open alarm")
}

fn hidden_by(transaction: &Transaction<'_>, subject: &str) -> Result<Option<String>, StoreError> {
    let found: Option<Option<String>> = transaction
        .prepare_cached("SELECT hidden_by FROM alarms WHERE subject = ?1 AND state <> 'closed'")
        .and_then(|mut statement| statement.query_row([subject], |row| row.get(0)).optional())
        .during("look for an open alarm")?;
    Ok(found.flatten())
}

/// Marks the alarms that stand by the windows that hold now.
pub(super) fn mark_worked_on(transaction: &Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
    type Row = (String, String, String, String, String, bool);
    let windows = Windows::at(transaction, now.0)?;
    let standing: Vec<Row> = transaction
        .prepare_cached("SELECT id, site, device, class, area, maintenance FROM alarms WHERE state = 'raised'")
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            };
            statement.query_map([], read)?.collect()
        })
        .during("read alarms that stand")?;
    for (id, site, device, class, area, marked) in standing {
        let place = Place { site: &site, device: &device, class: &class, area: &area };
        let is_worked_on = windows.cover(&place, now.0);
        if is_worked_on != marked {
            life::mark_maintenance(transaction, &id, is_worked_on, now)?;
        }
    }
    Ok(())
}
