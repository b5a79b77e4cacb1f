//! What a hello settles about a lane, and what it says about losses on either side.

use kouan_protocol::session::{LaneClaim, LaneVerdict};
use kouan_protocol::{Anchor, Digest, Epoch, GapReason, Timestamp};
use rusqlite::params;

use super::lanes::{Lanes, NewEntry, to_sql};
use super::{Correction, Decision, EntryKind, Known, LOST_WITH_ITS_BUFFER, Reconciled, TimeStatus, reconcile};
use crate::store::{During as _, StoreError};

/// Another epoch of the lane that has not ended.
struct Other {
    epoch: Epoch,
    position: u64,
    volatile: bool,
}

impl Lanes<'_> {
    /// Settles where the lane goes on, and writes down what is lost.
    pub(super) fn settle(
        &self,
        claim: &LaneClaim,
        sent: &Anchor,
        now: Timestamp,
        reconciled: &mut Reconciled,
    ) -> Result<(), StoreError> {
        let (lane, epoch) = (claim.lane.number(), claim.epoch);
        let known = self.find(lane, epoch)?.map(|(position, _)| Known { position });
        let stored = self.digests(lane, epoch)?;
        let decision = reconcile(known, claim, &stored);
        if decision.new_epoch {
            reconciled.agent_restored = true;
        } else {
            if self.has_ended(lane, epoch)? {
                reconciled.returned.get_or_insert(epoch);
            }
            self.end_others(claim, known.is_none(), sent, now)?;
            self.make_current(lane, epoch, decision.position, claim.volatile, now)?;
            self.record_loss(claim, &decision, sent, now)?;
            reconciled.lost_here |= decision.lost.is_some();
        }
        reconciled.lanes.push(LaneVerdict {
            lane: claim.lane,
            epoch,
            stored_seq: decision.position,
            new_epoch: decision.new_epoch,
            reason: decision.reason,
            last: stored.iter().find(|batch| batch.last_seq == decision.position).map(|batch| batch.digest),
        });
        Ok(())
    }

    fn has_ended(&self, lane: u32, epoch: Epoch) -> Result<bool, StoreError> {
        self.transaction
            .prepare_cached("SELECT 1 FROM lanes WHERE agent = ?1 AND lane = ?2 AND epoch = ?3 AND ended")
            .and_then(|mut statement| statement.exists(params![self.agent, lane, epoch.to_string()]))
            .during("look whether an epoch has ended")
    }

    /// Ends the epochs whose place this one takes, and says that what was not sent of them is lost.
    ///
    /// An epoch in memory takes nobody's place: the one on the disk behind it goes on when the disk does. An agent that
    /// begins an epoch by itself says so with a gap in its first batch; one that was given another disk cannot.
    fn end_others(&self, claim: &LaneClaim, is_new: bool, sent: &Anchor, now: Timestamp) -> Result<(), StoreError> {
        let lane = claim.lane.number();
        let agent_says_so = is_new && claim.digests.iter().any(|batch| batch.first_seq == 1 && batch.gap);
        for other in self.others(lane, claim.epoch)? {
            if claim.volatile && !other.volatile {
                continue;
            }
            self.execute(
                "UPDATE lanes SET ended = 1 WHERE agent = ?1 AND lane = ?2 AND epoch = ?3",
                &[&self.agent, &lane, &other.epoch.to_string()],
                "end an epoch",
            )?;
            if other.volatile {
                self.record_unknown_tail(lane, &other, GapReason::Volatile.as_str(), sent, now)?;
            } else if !agent_says_so {
                self.record_unknown_tail(lane, &other, LOST_WITH_ITS_BUFFER, sent, now)?;
            }
        }
        Ok(())
    }

    fn others(&self, lane: u32, epoch: Epoch) -> Result<Vec<Other>, StoreError> {
        let rows: Vec<(String, i64, bool)> = self
            .transaction
            .prepare_cached(
                "SELECT epoch, stored_seq, volatile FROM lanes
                 WHERE agent = ?1 AND lane = ?2 AND epoch <> ?3 AND NOT ended",
            )
            .and_then(|mut statement| {
                let key = params![self.agent, lane, epoch.to_string()];
                statement.query_map(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
            })
            .during("look for epochs that end")?;
        let other = |(epoch, position, volatile): (String, i64, bool)| {
            let epoch = epoch.parse().map_err(StoreError::damaged("an epoch"))?;
            Ok(Other { epoch, position: position.unsigned_abs(), volatile })
        };
        rows.into_iter().map(other).collect()
    }

    /// Makes the epoch the lane's current one, at `position` at least.
    pub(super) fn make_current(
        &self,
        lane: u32,
        epoch: Epoch,
        position: u64,
        volatile: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let epoch = epoch.to_string();
        self.execute(
            "UPDATE lanes SET current = 0 WHERE agent = ?1 AND lane = ?2 AND epoch <> ?3 AND current",
            &[&self.agent, &lane, &epoch],
            "retire an epoch",
        )?;
        self.execute(
            "INSERT INTO lanes (agent, lane, epoch, site, stored_seq, current, registered_ms, volatile)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7)
             ON CONFLICT DO UPDATE SET current = 1, ended = 0, volatile = excluded.volatile,
                 stored_seq = max(stored_seq, excluded.stored_seq)",
            &[&self.agent, &lane, &epoch, &self.site, &to_sql(position), &now.0, &volatile],
            "register an epoch",
        )?;
        Ok(())
    }

    fn record_loss(
        &self,
        claim: &LaneClaim,
        decision: &Decision,
        sent: &Anchor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some((first, last)) = decision.lost else { return Ok(()) };
        self.extend(claim.lane.number(), claim.epoch, (first, last), "lost")?;
        let reason = GapReason::CollectorLost.as_str();
        self.log_loss(claim.lane.number(), claim.epoch, (first, last), reason, sent, now)
    }

    /// Nobody knows how much an ended epoch held after its last stored number: a loss that takes no numbers.
    fn record_unknown_tail(
        &self,
        lane: u32,
        other: &Other,
        reason: &str,
        sent: &Anchor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.log_loss(lane, other.epoch, (other.position + 1, other.position), reason, sent, now)
    }

    fn log_loss(
        &self,
        lane: u32,
        epoch: Epoch,
        (first, last): (u64, u64),
        reason: &str,
        sent: &Anchor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE lanes SET gaps = gaps + 1 WHERE agent = ?1 AND lane = ?2 AND epoch = ?3",
            &[&self.agent, &lane, &epoch.to_string()],
            "count a gap",
        )?;
        self.log(&NewEntry {
            kind: EntryKind::Lost,
            lane,
            epoch,
            numbers: (first, last, first),
            digest: Digest(0),
            sent,
            correction: Correction { received: now, shift_ms: 0, status: TimeStatus::Trusted },
            reason,
            body: &[],
        })?;
        Ok(())
    }
}
