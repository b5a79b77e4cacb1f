//! Whether an event is one of those that are asked for.

use std::collections::HashMap;

use kouan_protocol::Timestamp;
use rusqlite::Row;
use serde_json::Value;

use super::events::{EventFilter, EventPlace};
use super::{Span, lookup};
use crate::auth::Scope;

/// The columns of an event, in the order in which rows are read.
pub(super) const COLUMNS: &str =
    "id, time_ms, site, agent, key, kind, details, late, time_status, received_ms, epoch, seq";

/// Compares events with a question.
pub(super) struct Matcher<'q> {
    scope: &'q Scope,
    pub(super) filter: &'q EventFilter,
    devices: HashMap<(&'q str, &'q str), Vec<&'q Span>>,
}

impl<'q> Matcher<'q> {
    pub(super) fn new(scope: &'q Scope, filter: &'q EventFilter) -> Self {
        let mut devices: HashMap<_, Vec<&Span>> = HashMap::new();
        for span in &filter.spans {
            devices.entry((span.agent.as_str(), span.key.as_str())).or_default().push(span);
        }
        Self { scope, filter, devices }
    }

    /// Where the row stands.
    pub(super) fn place(row: &Row<'_>) -> rusqlite::Result<EventPlace> {
        Ok(EventPlace { time_ms: row.get(1)?, id: row.get(0)? })
    }

    /// Whether the row is wanted, and if so, its device.
    pub(super) fn device_of(&self, row: &Row<'_>) -> rusqlite::Result<Option<Option<String>>> {
        let text = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        let filter = self.filter;
        let (time, agent, key) = (Timestamp(row.get(1)?), text(3)?, text(4)?);
        let spans = self.devices.get(&(agent, key));
        let span = spans.and_then(|spans| spans.iter().find(|span| span.covers(time.0)));
        let is_wanted = time >= filter.from
            && time < filter.to
            && self.scope.covers(text(2)?)
            && (!filter.only_spans || span.is_some())
            && match &filter.kind {
                Some(kind) => text(5)? == kind,
                None => true,
            };
        if !is_wanted {
            return Ok(None);
        }
        if !filter.fields.is_empty() {
            let details: Value = serde_json::from_str(text(6)?).unwrap_or_default();
            let has = |(name, wanted): &(String, String)| {
                lookup::text_of(&details["fields"][name]).is_some_and(|text| text == *wanted)
            };
            if !filter.fields.iter().all(has) {
                return Ok(None);
            }
        }
        Ok(Some(span.map(|span| span.device.clone())))
    }
}
