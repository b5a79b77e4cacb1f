//! Batches that were opened once for all who follow the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use kouan_protocol::{Batch, CellSink, DecodeError, GroupRows, Quality, QualityReason, RawValue};

use super::OpenCatalogue;

/// How many readers follow each entry beside what is exported: the history, outages, and the latest values or the state.
const FOLLOWERS: u8 = 3;
/// Memory of batches that some of them have not taken yet. Whoever is further behind opens them from the log.
const KEPT_BYTES: usize = 16 << 20;

/// A batch, and whether it fits its catalogue.
#[derive(Debug)]
pub struct Opened {
    /// The batch.
    pub batch: Batch,
    checked: OnceLock<Result<(), Arc<str>>>,
}

impl From<Batch> for Opened {
    fn from(batch: Batch) -> Self {
        Self { batch, checked: OnceLock::new() }
    }
}

impl Opened {
    /// Opens an encoded batch.
    ///
    /// # Errors
    /// When it does not open.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Batch::decode(bytes).map(Self::from)
    }

    /// Looks through all rows, the first time. `catalogue` is the one that the batch names.
    ///
    /// # Errors
    /// When a row does not fit its group; why.
    pub fn check(&self, catalogue: &OpenCatalogue) -> Result<(), Arc<str>> {
        let check = || check(&self.batch, catalogue).map_err(|error| error.to_string().into());
        self.checked.get_or_init(check).clone()
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.batch.groups.len() * size_of::<GroupRows>() + self.batch.records.len() * 256
    }
}

fn check(batch: &Batch, catalogue: &OpenCatalogue) -> Result<(), DecodeError> {
    for rows in &batch.groups {
        let (_, spec) = catalogue.at(rows.group()).ok_or_else(|| DecodeError::Inconsistent {
            what: "batch",
            problem: format!("group {} is not in the catalogue", rows.group().0),
        })?;
        rows.visit(spec, &mut NoCells)?;
    }
    Ok(())
}

struct NoCells;

impl CellSink for NoCells {
    fn cell(&mut self, _: usize, _: usize, _: Option<RawValue<'_>>, _: Quality, _: QualityReason) {}
}

/// Batches on their way from the thread that appends them to those who follow the log, by entry. It is a short cut and
/// no more: what is not here is in the log.
#[derive(Debug, Clone, Default)]
pub struct Recent(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    batches: BTreeMap<i64, Waiting>,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    opened: Arc<Opened>,
    bytes: usize,
    followers: u8,
}

impl Recent {
    /// Hands over the batch of an entry that is on disk; its body has so many bytes.
    pub(super) fn put(&self, entry: i64, opened: Arc<Opened>, body: usize) {
        let bytes = body + opened.memory();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += bytes;
        kept.batches.insert(entry, Waiting { opened, bytes, followers: FOLLOWERS });
        while kept.bytes > KEPT_BYTES
            && let Some((_, oldest)) = kept.batches.pop_first()
        {
            kept.bytes -= oldest.bytes;
        }
    }

    /// The batch of an entry, if it is still here. Each follower asks once.
    pub(super) fn take(&self, entry: i64) -> Option<Arc<Opened>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = kept.batches.get_mut(&entry)?;
        waiting.followers -= 1;
        if waiting.followers > 0 {
            return Some(Arc::clone(&waiting.opened));
        }
        let last = kept.batches.remove(&entry)?;
        kept.bytes -= last.bytes;
        Some(last.opened)
    }
}

#[cfg(test)]
mod tests {
    use kouan_protocol::{Anchor, BootId, BootTime, Timestamp};

    use super::*;

    #[test]
    fn each_follower_has_a_batch_once_and_the_oldest_go_when_nobody_comes() {
        let anchor = Anchor { boot: BootId(1), boot_time: BootTime(5), wall: Timestamp(5), trusted: true };
        let opened = || Arc::new(Opened::from(Batch::of_records(1, anchor, Vec::new())));
        let recent = Recent::default();
        recent.put(7, opened(), 100);
        for _ in 0..FOLLOWERS {
            assert_eq!(recent.take(7).unwrap().batch.first_seq, 1);
        }
        assert!(recent.take(7).is_none());
        assert_eq!(recent.0.lock().unwrap().bytes, 0);
        for entry in 8..28 {
            recent.put(entry, opened(), 1 << 20);
        }
        assert!(recent.take(8).is_none() && recent.take(27).is_some());
        assert!(recent.0.lock().unwrap().bytes <= KEPT_BYTES);
    }
}
