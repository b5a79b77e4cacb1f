//! Where a lane goes on after a hello.

use kouan_protocol::session::{BatchDigest, LaneClaim};

/// What this side knows of the epoch that the agent claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The highest number stored.
    pub position: u64,
}

/// What follows from comparing both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The position from which the lane goes on; with `new_epoch`, the last number that both sides mean the same by.
    pub position: u64,
    /// The numbers that this side had, or should have had, and that the agent no longer keeps.
    pub lost: Option<(u64, u64)>,
    /// The two sides disagree about what the numbers stand for.
    pub new_epoch: bool,
    /// Why, for the log.
    pub reason: String,
}

/// Compares the agent's claim with what is stored of that epoch (`None`: the epoch is new here).
///
/// `stored` are the batches of that epoch that are remembered, in any order.
pub fn reconcile(known: Option<Known>, claim: &LaneClaim, stored: &[BatchDigest]) -> Decision {
    let last_claimed = claim.next_seq.saturating_sub(1);
    let before_oldest = claim.oldest_seq.saturating_sub(1);
    let Some(Known { position }) = known else {
        return Decision {
            position: before_oldest,
            lost: (before_oldest > 0).then_some((1, before_oldest)),
            new_epoch: false,
            reason: match before_oldest {
                0 => "the epoch is new here".to_owned(),
                last => format!("the epoch is new here and the agent no longer keeps 1 to {last}"),
            },
        };
    };
    let identity = |batch: &BatchDigest| (batch.first_seq, batch.last_seq, batch.digest);
    let same = |batch: &&BatchDigest| stored.iter().any(|stored| identity(stored) == identity(batch));
    // Without a common batch everything the agent still keeps comes again: twice is better than never.
    let common = claim.digests.iter().filter(same).map(|batch| batch.last_seq).max().unwrap_or(0);
    let diverged = |reason| Decision { position: common, lost: None, new_epoch: true, reason };
    if last_claimed < position {
        return diverged(format!("numbers up to {position} are stored here, the agent gave out {last_claimed}"));
    }
    if let Some(reason) = claim.digests.iter().find_map(|batch| conflict(batch, stored)) {
        return diverged(reason);
    }
    if before_oldest > position {
        return Decision {
            position: before_oldest,
            lost: Some((position + 1, before_oldest)),
            new_epoch: false,
            reason: format!("the agent no longer keeps {} to {before_oldest}", position + 1),
        };
    }
    Decision { position, lost: None, new_epoch: false, reason: String::new() }
}

/// Why the claimed batch cannot stand for the same records as what is stored under its numbers, if it cannot.
///
/// Batches never change, with one exception: a gap at the agent takes the numbers of whole batches, which may be stored
/// here when the acknowledgement was lost. So a gap that covers stored batches completely proves nothing; everything
/// else that shares numbers with a stored batch is another batch.
fn conflict(batch: &BatchDigest, stored: &[BatchDigest]) -> Option<String> {
    let (first, last) = (batch.first_seq, batch.last_seq);
    let same_numbers = |stored: &&BatchDigest| (stored.first_seq, stored.last_seq) == (first, last);
    if let Some(twin) = stored.iter().find(same_numbers) {
        return (twin.digest != batch.digest && !batch.gap)
            .then(|| format!("batch {first} to {last} is stored here with another content"));
    }
    let other = stored.iter().find(|stored| {
        let shares_numbers = stored.first_seq <= last && first <= stored.last_seq;
        let is_covered = first <= stored.first_seq && stored.last_seq <= last;
        shares_numbers && !(batch.gap && is_covered)
    })?;
    let (other_first, other_last) = (other.first_seq, other.last_seq);
    Some(format!("batch {first} to {last} overlaps batch {other_first} to {other_last}, which is stored here"))
}

#[cfg(test)]
mod tests {
    use kouan_protocol::{Digest, Epoch, Lane};
    use rstest::rstest;

    use super::*;

    fn digest((first_seq, last_seq, digest): (u64, u64, u64)) -> BatchDigest {
        BatchDigest { first_seq, last_seq, digest: Digest(digest), gap: false }
    }

    fn gap(numbers: (u64, u64, u64)) -> BatchDigest {
        BatchDigest { gap: true, ..digest(numbers) }
    }

    fn claim(oldest_seq: u64, next_seq: u64, digests: &[(u64, u64, u64)]) -> LaneClaim {
        let digests = digests.iter().copied().map(digest).collect();
        LaneClaim { lane: Lane::Urgent, epoch: Epoch(7), oldest_seq, next_seq, digests, volatile: false }
    }

    #[rstest]
    #[case::fresh_lane(None, claim(1, 1, &[]), 0, None, false)]
    #[case::fresh_lane_with_backlog(None, claim(1, 500, &[]), 0, None, false)]
    #[case::lane_that_was_acknowledged_elsewhere(None, claim(41, 50, &[]), 40, Some((1, 40)), false)]
    #[case::both_agree(Some(10), claim(11, 11, &[]), 10, None, false)]
    #[case::backlog_overlaps(Some(10), claim(5, 30, &[]), 10, None, false)]
    #[case::collector_was_restored(Some(10), claim(31, 40, &[]), 30, Some((11, 30)), false)]
    #[case::agent_was_restored(Some(10), claim(5, 8, &[]), 0, None, true)]
    #[case::agent_was_restored_with_common_batches(Some(12), claim(9, 11, &[(7, 8, 0xC), (9, 10, 0xA)]), 10, None, true)]
    #[case::same_content(Some(10), claim(5, 30, &[(9, 10, 0xA)]), 10, None, false)]
    #[case::other_content(Some(10), claim(5, 30, &[(7, 8, 0xC), (9, 10, 0xB)]), 8, None, true)]
    #[case::begins_inside_a_stored_batch(Some(10), claim(5, 30, &[(5, 6, 0xD), (8, 10, 0xB)]), 6, None, true)]
    #[case::ends_inside_a_stored_batch(Some(10), claim(7, 30, &[(7, 8, 0xC), (9, 9, 0xB)]), 8, None, true)]
    #[case::lies_inside_a_stored_batch(Some(30), claim(5, 40, &[(22, 23, 0xB)]), 0, None, true)]
    #[case::overtook_with_other_borders(Some(10), claim(9, 90, &[(7, 8, 0xC), (9, 9, 0xB), (10, 90, 0xE)]), 8, None, true)]
    #[case::goes_on_beyond_a_stored_batch(Some(10), claim(5, 30, &[(10, 20, 0xB)]), 0, None, true)]
    #[case::from_before_what_is_remembered(Some(10), claim(1, 30, &[(1, 5, 0xB)]), 0, None, true)]
    #[case::covers_stored_batches(Some(10), claim(7, 30, &[(5, 6, 0xD), (7, 10, 0xB)]), 6, None, true)]
    #[case::covers_and_goes_on_beyond(Some(10), claim(9, 30, &[(9, 20, 0xB)]), 0, None, true)]
    #[case::older_than_what_is_remembered(Some(10), claim(5, 30, &[(1, 4, 0xB)]), 10, None, false)]
    #[case::newer_than_what_is_stored(Some(10), claim(5, 30, &[(11, 30, 0xB)]), 10, None, false)]
    fn the_table(
        #[case] known: Option<u64>,
        #[case] claim: LaneClaim,
        #[case] position: u64,
        #[case] lost: Option<(u64, u64)>,
        #[case] new_epoch: bool,
    ) {
        // Numbers 11 to 20 were lost here; the batch after them counts only where the position is that far.
        let stored = [(5, 6, 0xD), (7, 8, 0xC), (9, 10, 0xA), (21, 30, 0xF)].map(digest);
        let stored: Vec<_> = stored.into_iter().filter(|batch| Some(batch.last_seq) <= known).collect();
        let decision = reconcile(known.map(|position| Known { position }), &claim, &stored);
        assert_eq!((decision.position, decision.lost, decision.new_epoch), (position, lost, new_epoch));
    }
    #[rstest]
    #[case::spans_stored_batches(Some(10), 7, gap((7, 10, 0xB)), false)]
    #[case::goes_on_beyond(Some(10), 9, gap((9, 20, 0xB)), false)]
    #[case::begins_before_all_that_is_remembered(Some(10), 1, gap((1, 8, 0xB)), false)]
    #[case::ends_where_records_were_lost(Some(30), 7, gap((7, 15, 0xB)), false)]
    #[case::has_the_numbers_of_one_batch(Some(10), 9, gap((9, 10, 0xB)), false)]
    #[case::begins_inside_a_stored_batch(Some(10), 8, gap((8, 10, 0xB)), true)]
    fn a_gap_may_take_the_place_of_whole_batches_that_are_stored(
        #[case] known: Option<u64>,
        #[case] oldest_seq: u64,
        #[case] batch: BatchDigest,
        #[case] new_epoch: bool,
    ) {
        let stored = [(5, 6, 0xD), (7, 8, 0xC), (9, 10, 0xA), (21, 30, 0xF)].map(digest);
        let stored: Vec<_> = stored.into_iter().filter(|batch| Some(batch.last_seq) <= known).collect();
        let claim = LaneClaim { digests: vec![batch], ..claim(oldest_seq, 90, &[]) };
        let decision = reconcile(known.map(|position| Known { position }), &claim, &stored);
        assert_eq!(decision.new_epoch, new_epoch, "{}", decision.reason);
    }
}
