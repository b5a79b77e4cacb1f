//! Which tags lie before a reader: what came and what went, each told once, also over a restart.
//!
//! The tags that were told as seen are kept on disk and move in the transaction that stores the events, as counters do.

use std::collections::BTreeMap;

use kouan_drivers::driver::{Stock, Tag};
use kouan_protocol::{BootTime, DeviceKey, Event, Field, FieldValue, PointName, Privacy, RecordBody};
use tracing::warn;

use crate::buffer::{Baseline, NewRecord};

/// What the name of a tag's baseline begins with.
const PREFIX: &str = "tag.";
/// The antenna of a tag of which the reader says none.
const NO_ANTENNA: i64 = -1;

/// The tags that were told as seen.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    tags: BTreeMap<String, Told>,
}

/// A tag that was told as seen.
#[derive(Debug, Clone, Copy)]
struct Told {
    antenna: i64,
    /// An earlier run has told it; this one has not seen it yet.
    is_carried: bool,
}

/// What a pass changed.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// What came and went.
    pub(super) events: Vec<NewRecord>,
    /// What went that only an earlier run had seen.
    pub(super) carried: Vec<NewRecord>,
    /// What moves with the events.
    pub(super) baselines: Vec<Baseline>,
}

impl Shelf {
    /// What an earlier run has left of a device.
    pub(super) fn carried<'b>(baselines: impl Iterator<Item = (&'b PointName, i64)>) -> Self {
        let tag = |(point, antenna): (&PointName, i64)| {
            let epc = point.as_str().strip_prefix(PREFIX)?;
            Some((epc.to_owned(), Told { antenna, is_carried: true }))
        };
        Self { tags: baselines.filter_map(tag).collect() }
    }

    /// What an earlier run has left is not true any more.
    pub(super) fn forget_carried(&mut self) {
        self.tags.retain(|_, told| !told.is_carried);
    }

    /// Compares with what the reader sees now.
    pub(super) fn take(&mut self, device: &DeviceKey, at: BootTime, stock: Stock) -> Changed {
        let mut changed = Changed::default();
        let mut gone = if stock.complete { self.tags.clone() } else { BTreeMap::new() };
        let kept = |point, value| Baseline { device: device.clone(), point, value };
        for Tag { epc, antenna, rssi_dbm } in stock.present {
            gone.remove(&epc);
            let Some(point) = name_of(&epc) else {
                warn!(%device, "A tag has a longer EPC than can be kept; it was ignored.");
                continue;
            };
            let antenna = antenna.map_or(NO_ANTENNA, i64::from);
            match self.tags.get_mut(&epc) {
                Some(told) if told.is_carried => {
                    told.is_carried = false;
                    changed.baselines.push(kept(point, Some(told.antenna)));
                }
                Some(_) => {}
                None => {
                    changed.events.push(event(device, at, "tag-seen", &epc, antenna, rssi_dbm));
                    changed.baselines.push(kept(point, Some(antenna)));
                    self.tags.insert(epc, Told { antenna, is_carried: false });
                }
            }
        }
        for (epc, Told { antenna, is_carried }) in gone {
            self.tags.remove(&epc);
            let missing = event(device, at, "tag-missing", &epc, antenna, None);
            if is_carried {
                changed.carried.push(missing)
            } else {
                changed.events.push(missing)
            }
            changed.baselines.extend(name_of(&epc).map(|point| kept(point, None)));
        }
        changed
    }
}

fn name_of(epc: &str) -> Option<PointName> {
    format!("{PREFIX}{epc}").parse().ok()
}

/// The EPC of a document leads to the person whose document it is.
fn event(device: &DeviceKey, at: BootTime, kind: &str, epc: &str, antenna: i64, rssi_dbm: Option<i16>) -> NewRecord {
    let epc = FieldValue::Text(epc.to_owned());
    let mut fields = vec![Field { privacy: Privacy::Personal, ..Field::new("epc", epc) }];
    if antenna != NO_ANTENNA {
        fields.push(Field::new("antenna", FieldValue::Integer(antenna)));
    }
    fields.extend(rssi_dbm.map(|rssi| Field::new("rssi_dbm", FieldValue::Integer(rssi.into()))));
    let event = Event { device: device.clone(), kind: kind.to_owned(), fields, blobs: Vec::new() };
    NewRecord { boot_time: at, body: RecordBody::Event(event) }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tales = Vec<(String, String)>;

    fn stock(epcs: &[&str], complete: bool) -> Stock {
        let tag = |epc: &&str| Tag { epc: (*epc).to_owned(), antenna: Some(2), rssi_dbm: Some(-60) };
        Stock { present: epcs.iter().map(tag).collect(), complete }
    }

    fn told(records: &[NewRecord]) -> Tales {
        let event = |record: &NewRecord| match &record.body {
            RecordBody::Event(event) => {
                assert_eq!(event.fields[0].privacy, Privacy::Personal);
                (event.kind.clone(), event.fields[0].value.as_str().unwrap().to_owned())
            }
            other => panic!("{other:?}"),
        };
        records.iter().map(event).collect()
    }

    fn tales(kind: &str, epcs: &[&str]) -> Tales {
        epcs.iter().map(|epc| (kind.to_owned(), (*epc).to_owned())).collect()
    }

    /// A shelf and what the disk would keep of it.
    #[derive(Default)]
    struct Bench {
        shelf: Shelf,
        disk: BTreeMap<PointName, i64>,
    }

    impl Bench {
        fn pass(&mut self, epcs: &[&str], complete: bool) -> (Tales, Tales) {
            let changed = self.shelf.take(&"reader-1".parse().unwrap(), BootTime(1), stock(epcs, complete));
            for Baseline { point, value, .. } in &changed.baselines {
                match value {
                    Some(value) => self.disk.insert(point.clone(), *value),
                    None => self.disk.remove(point),
                };
            }
            (told(&changed.events), told(&changed.carried))
        }

        fn restart(&mut self) {
            self.shelf = Shelf::carried(self.disk.iter().map(|(point, antenna)| (point, *antenna)));
        }
    }

    #[test]
    fn what_came_and_went_is_told_once_also_after_a_restart() {
        let mut bench = Bench::default();
        assert_eq!(bench.pass(&["e2aa", "e2bb"], false).0, tales("tag-seen", &["e2aa", "e2bb"]));
        assert_eq!(bench.pass(&["e2bb"], false), (vec![], vec![]), "one pass may miss a tag");
        assert_eq!(bench.pass(&["e2bb"], true).0, tales("tag-missing", &["e2aa"]));
        bench.restart();
        // Meanwhile one was exchanged for another.
        assert_eq!(bench.pass(&["e2cc"], false).0, tales("tag-seen", &["e2cc"]));
        assert_eq!(bench.pass(&["e2cc"], true), (vec![], tales("tag-missing", &["e2bb"])));
        assert_eq!(bench.disk.keys().map(PointName::as_str).collect::<Vec<_>>(), ["tag.e2cc"]);
    }

    #[test]
    fn what_an_earlier_run_told_may_have_to_be_told_again() {
        let mut bench = Bench::default();
        bench.pass(&["e2aa", "e2bb"], true);
        bench.restart();
        assert_eq!(bench.pass(&["e2aa"], false), (vec![], vec![]));
        bench.shelf.forget_carried();
        assert_eq!(bench.pass(&["e2aa", "e2bb"], true).0, tales("tag-seen", &["e2bb"]));
    }

    #[test]
    fn a_tag_that_cannot_be_kept_is_left_out() {
        let mut bench = Bench::default();
        assert_eq!(bench.pass(&["e2".repeat(40).as_str()], true), (vec![], vec![]));
        assert!(bench.disk.is_empty());
    }
}
