//! The alarms of rules that stand, as the engine knows them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kouan_protocol::AgentId;
use rusqlite::Connection;

use super::estate::Group;
use crate::alarms::rule::{RuleSet, When};
use crate::state::DeviceId;
use crate::store::{During as _, StoreError};

/// What a condition is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum What {
    /// A device, and the place of a point.
    Device(DeviceId, Box<str>),
    /// A link, an agent or a site.
    Group(Group),
}

/// A condition by its rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) rule: Arc<str>,
    pub(super) what: What,
}

/// An alarm that rules say stands.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// Who says so.
    pub(super) by: BTreeSet<Key>,
    /// The device, if it is about one.
    pub(super) device: Option<DeviceId>,
    /// The group, if it is about one.
    pub(super) group: Option<Group>,
    /// Whether it is about whether a device can be reached: another one may explain it, and it may explain others.
    pub(super) is_about_reach: bool,
    /// The subject of the alarm that explains it.
    pub(super) hidden_by: Option<String>,
}

/// An alarm of a rule as it stands in the store.
pub(super) struct Found {
    pub(super) subject: String,
    pub(super) key: Key,
    pub(super) flapping: bool,
    pub(super) hidden_by: Option<String>,
}

/// The alarms of rules that stand. One whose rule is gone is among them, under a key of the device alone.
pub(super) fn load(conn: &Connection, rules: &RuleSet) -> Result<Vec<Found>, StoreError> {
    let mut statement = conn
        .prepare_cached(
            "SELECT a.subject, a.rule, a.device, a.agent, a.site, a.point, a.condition, a.flapping,
                 (SELECT p.subject FROM alarms p WHERE p.id = a.hidden_by)
             FROM alarms a WHERE a.state = 'raised' AND a.sources & 2 AND a.rule IS NOT NULL",
        )
        .during("read alarms that stand")?;
    let text = |row: &rusqlite::Row<'_>, at: usize| row.get::<_, String>(at).during("read alarms that stand");
    let mut rows = statement.query([]).during("read alarms that stand")?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().during("read alarms that stand")? {
        let (subject, rule, device, site) = (text(row, 0)?, text(row, 1)?, text(row, 2)?, text(row, 4)?);
        let known = rules.rules.get(&rule).map(|stored| &stored.rule);
        let agent: Option<AgentId> = text(row, 3)?.parse().ok();
        let what = match (known.map(|rule| &rule.when), agent) {
            _ if !device.is_empty() => {
                let condition = text(row, 6)?;
                let place = known.and_then(|rule| condition.strip_prefix(&rule.condition)).unwrap_or_default();
                What::Device(DeviceId::new(&device), place.trim_start_matches('.').into())
            }
            (Some(When::LinkDead { .. }), Some(agent)) => What::Group(Group::Link(agent, text(row, 5)?)),
            (Some(When::AgentSilent { .. }), Some(agent)) => What::Group(Group::Agent(agent)),
            _ => What::Group(Group::Site(site)),
        };
        found.push(Found {
            subject,
            key: Key { rule: rule.into(), what },
            flapping: row.get(7).during("read alarms that stand")?,
            hidden_by: row.get(8).during("read alarms that stand")?,
        });
    }
    Ok(found)
}

/// Standing alarms by subject.
pub(super) type AllStanding = HashMap<String, Standing>;
