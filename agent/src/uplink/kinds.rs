//! Only kinds of records that the collector knows are sent. Another one becomes a gap of the same number.

use kouan_protocol::{Batch, Gap, GapReason, Record, RecordBody, RecordKind};

use crate::buffer::StoredBatch;

/// The batch with gaps in the place of records that are not of `known` kinds; `None` if it can go as it is.
pub(super) fn without_unknown(stored: &StoredBatch, known: &[RecordKind]) -> Option<Batch> {
    // What cannot be read goes as it is: the collector keeps it unopened and says so.
    let batch = Batch::decode(&stored.body).ok()?;
    let is_known = |record: &Record| {
        let kind = record.body.kind();
        kind == RecordKind::GAP || known.contains(&kind)
    };
    if batch.records.iter().all(is_known) {
        return None;
    }
    let anchor = batch.anchor;
    let replaced = |record: Record| {
        if is_known(&record) {
            return record;
        }
        let time = anchor.wall_at(record.boot_time);
        let gap = Gap {
            reason: GapReason::UnknownKind,
            lost: record.span,
            from: time,
            to: time,
            devices: Vec::new(),
            more_devices: true,
            earlier_epoch: None,
        };
        Record { body: RecordBody::Gap(gap), ..record }
    };
    let records = batch.records.into_iter().map(replaced).collect();
    Some(Batch { records, ..batch })
}

#[cfg(test)]
mod tests {
    use kouan_protocol::{Clock as _, DeviceHealth, Digest, Epoch, HealthLevel, ManualClock};

    use super::*;

    fn stored(kinds: &[u32]) -> StoredBatch {
        let clock = ManualClock::at(1_795_305_600_000);
        let body = |kind: u32| match RecordKind(kind) {
            RecordKind::HEALTH => RecordBody::Health(DeviceHealth {
                device: "gate-1".parse().unwrap(),
                level: HealthLevel::Working,
                reason: String::new(),
                text: String::new(),
                text_zh: String::new(),
            }),
            kind => RecordBody::Opaque { kind, body: vec![1, 2], problem: String::new() },
        };
        let records = kinds.iter().map(|kind| Record::new(clock.boot_time(), body(*kind))).collect();
        let batch = Batch::of_records(7, clock.anchor(), records);
        let body = batch.encode();
        StoredBatch {
            epoch: Epoch(1),
            first_seq: 7,
            last_seq: batch.last_seq(),
            digest: Digest::of(&body),
            catalogue: None,
            body,
        }
    }

    #[test]
    fn only_what_the_collector_does_not_know_is_replaced_and_the_numbers_stay() {
        assert_eq!(without_unknown(&stored(&[4, 99, 4]), &[RecordKind::HEALTH, RecordKind(99)]), None);
        let replaced = without_unknown(&stored(&[4, 99, 4]), &RecordKind::KNOWN).unwrap();
        assert_eq!((replaced.first_seq, replaced.last_seq()), (7, 9));
        let RecordBody::Gap(gap) = &replaced.records[1].body else { panic!("{replaced:?}") };
        assert_eq!((gap.reason, gap.lost), (GapReason::UnknownKind, 1));
        assert_eq!(replaced.records[0].body.kind(), RecordKind::HEALTH);
        // The same choice again: what was replaced is known to every collector.
        let body = replaced.encode();
        let again = StoredBatch { digest: Digest::of(&body), body, ..stored(&[4]) };
        assert_eq!(without_unknown(&again, &[]).map(|batch| batch.records[1].body.kind()), Some(RecordKind::GAP));
        assert_eq!(without_unknown(&again, &RecordKind::KNOWN), None);
    }
}
