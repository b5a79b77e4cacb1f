//! In which order devices are listed, and where a page of them ends.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use kouan_protocol::HealthLevel;

use super::Problem;
use crate::state::{Device, DeviceId};

/// An order of devices; those that are alike in it follow each other by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeviceOrder {
    by: By,
    descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Id,
    Label,
    Health,
    Area,
    Class,
    Site,
    Agent,
    Alarms,
    Since,
}

/// A page of devices.
pub(super) struct DevicesPage<'a> {
    /// The devices.
    pub(super) rows: Vec<&'a Device>,
    /// Where the next page begins; `None` on the last one.
    pub(super) next: Option<String>,
    /// How many there are on all pages.
    pub(super) total: usize,
}

impl DeviceOrder {
    /// The order of that name; with `-` in front of it the other way round. By id without one.
    pub(super) fn named(name: Option<&str>) -> Result<Self, Problem> {
        let name = name.unwrap_or("id");
        let (descending, plain) = name.strip_prefix('-').map_or((false, name), |plain| (true, plain));
        let by = match plain {
            "id" => By::Id,
            "label" => By::Label,
            "health" => By::Health,
            "area" => By::Area,
            "class" => By::Class,
            "site" => By::Site,
            "agent" => By::Agent,
            "alarms" => By::Alarms,
            "since" => By::Since,
            _ => {
                let detail = "sort must be id, label, health (the worst first), area, class, site, agent, alarms (the \
                              most first) or since (the latest change first), or one of them with - in front";
                return Err(Problem::invalid(vec![detail.to_owned()]));
            }
        };
        Ok(Self { by, descending })
    }

    /// The page of `devices` behind `cursor`.
    pub(super) fn page<'a>(
        self,
        devices: impl Iterator<Item = &'a Device>,
        alarms: &HashMap<String, u64>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<DevicesPage<'a>, Problem> {
        let mut rows: Vec<(Cow<'_, str>, &Device)> = devices.map(|device| (self.key(device, alarms), device)).collect();
        let total = rows.len();
        rows.sort_unstable_by(|a, b| self.compare((&a.0, &a.1.id), (&b.0, &b.1.id)));
        let begin = match cursor {
            None => 0,
            Some(cursor) => {
                let (id, after) = cursor
                    .split_once('~')
                    .ok_or_else(|| Problem::invalid(vec!["cursor is not one that this list gave out".to_owned()]))?;
                let id = DeviceId::new(id);
                rows.partition_point(|row| self.compare((&row.0, &row.1.id), (after, &id)) != Ordering::Greater)
            }
        };
        let end = total.min(begin.saturating_add(limit));
        let next = rows.get(begin..end).and_then(<[_]>::last).filter(|_| end < total);
        let next = next.map(|(key, last)| format!("{}~{key}", last.id));
        let rows = rows.drain(begin..end).map(|(_, device)| device).collect();
        Ok(DevicesPage { rows, next, total })
    }

    fn key<'a>(self, device: &'a Device, alarms: &HashMap<String, u64>) -> Cow<'a, str> {
        // What has the most comes first, so its key is the smallest.
        let falling = |number: u64| Cow::Owned(format!("{:020}", u64::MAX - number));
        match self.by {
            By::Id => Cow::Borrowed(""),
            By::Label => Cow::Borrowed(device.label()),
            By::Health => Cow::Borrowed(rank(device)),
            By::Area => Cow::Borrowed(device.area()),
            By::Class => Cow::Borrowed(&device.spec.class),
            By::Site => Cow::Borrowed(&device.site),
            By::Agent => Cow::Borrowed(device.agent.as_str()),
            By::Alarms => falling(alarms.get(device.id.as_str()).copied().unwrap_or(0)),
            By::Since => falling(device.health.as_ref().map_or(0, |health| health.time.0.max(0).unsigned_abs())),
        }
    }

    fn compare(self, a: (&str, &DeviceId), b: (&str, &DeviceId)) -> Ordering {
        let by_key = if self.descending { b.0.cmp(a.0) } else { a.0.cmp(b.0) };
        by_key.then_with(|| a.1.cmp(b.1))
    }
}

/// The worse, the smaller.
fn rank(device: &Device) -> &'static str {
    match device.health.as_ref().map(|health| health.level) {
        Some(HealthLevel::Unreachable) => "0",
        Some(HealthLevel::Reachable) => "1",
        Some(HealthLevel::Answering) => "2",
        None => "3",
        Some(HealthLevel::Maintenance) => "4",
        Some(HealthLevel::Disabled) => "5",
        Some(HealthLevel::Working) => "6",
    }
}
