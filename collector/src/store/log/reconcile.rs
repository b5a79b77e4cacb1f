//! Where a lane goes on after a hello.

use kouan_protocol::Digest;
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
/// `stored_digest` gives the digest under which the batch with those first and last numbers was stored, if it is
/// among the recent ones.
pub fn reconcile(
    known: Option<Known>,
    claim: &LaneClaim,
    stored_digest: impl Fn(u64, u64) -> Option<Digest>,
) -> Decision {
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
    let same = |batch: &&BatchDigest| stored_digest(batch.first_seq, batch.last_seq) == Some(batch.digest);
    // Without a common batch everything the agent still keeps comes again: twice is better than never.
    let common = claim.digests.iter().filter(same).map(|batch| batch.last_seq).max().unwrap_or(0);
    let diverged = |reason| Decision { position: common, lost: None, new_epoch: true, reason };
    if last_claimed < position {
        return diverged(format!("numbers up to {position} are stored here, the agent gave out {last_claimed}"));
    }
    let conflict = claim
        .digests
        .iter()
        .find(|batch| stored_digest(batch.first_seq, batch.last_seq).is_some_and(|stored| stored != batch.digest));
    if let Some(batch) = conflict {
        let (first, last) = (batch.first_seq, batch.last_seq);
        return diverged(format!("batch {first} to {last} is stored here with another content"));
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

#[cfg(test)]
mod tests {
    use kouan_protocol::{Epoch, Lane};
    use rstest::rstest;

    use super::*;

    fn claim(oldest_seq: u64, next_seq: u64, digests: &[(u64, u64, u64)]) -> LaneClaim {
        let digest = |(first_seq, last_seq, digest): &(u64, u64, u64)| BatchDigest {
            first_seq: *first_seq,
            last_seq: *last_seq,
            digest: Digest(*digest),
        };
        let digests = digests.iter().map(digest).collect();
        LaneClaim { lane: Lane::Urgent, epoch: Epoch(7), oldest_seq, next_seq, digests }
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
    #[case::other_borders_prove_nothing(Some(10), claim(5, 30, &[(8, 10, 0xB)]), 10, None, false)]
    fn the_table(
        #[case] known: Option<u64>,
        #[case] claim: LaneClaim,
        #[case] position: u64,
        #[case] lost: Option<(u64, u64)>,
        #[case] new_epoch: bool,
    ) {
        let stored = |first, last| match (first, last) {
            (7, 8) => Some(Digest(0xC)),
            (9, 10) => Some(Digest(0xA)),
            _ => None,
        };
        let decision = reconcile(known.map(|position| Known { position }), &claim, stored);
        assert_eq!((decision.position, decision.lost, decision.new_epoch), (position, lost, new_epoch));
    }
}
