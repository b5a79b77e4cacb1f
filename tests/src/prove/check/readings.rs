//! Every number that a device said is stored once and in its place, or a gap in its place says why it is not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kouan_protocol::{GapReason, Lane};

use super::Evidence;
use crate::prove::stored::{Stored, StoredGap};
use crate::prove::tally::Tally;

/// What a commit may take on a busy machine beyond the time after which it is due.
const COMMIT_TAKES: Duration = Duration::from_millis(500);

pub(super) fn compare(tally: &mut Tally, key: &str, said: &[Instant], evidence: &Evidence<'_>) {
    let none = Vec::new();
    let stored = evidence.stored.numbers.get(key).unwrap_or(&none);
    tally.readings.made += said.len() as u64;
    tally.readings.stored += stored.len() as u64;
    for pair in stored.windows(2).filter(|pair| pair[1].number < pair[0].number) {
        tally.readings.out_of_order += 1;
        tally.broken(format!("{key}: number {} was stored after {}", pair[1].number, pair[0].number));
    }
    let mut places = BTreeMap::new();
    for number in stored {
        if places.insert(number.number, number.place).is_some() {
            tally.readings.doubled += 1;
            tally.broken(format!("{key}: number {} was stored twice", number.number));
        }
    }
    if let Some(unsaid) = places.keys().find(|number| **number == 0 || **number > said.len() as u64) {
        tally.broken(format!("{key}: number {unsaid} was stored and never said"));
    }
    let gaps: Vec<_> = evidence.stored.gaps_of(Lane::Readings).filter(|gap| gap.touches(key)).collect();
    let mut lost: Vec<(u64, u64)> = Vec::new();
    for (number, at) in (1..).zip(said) {
        if places.contains_key(&number) {
            continue;
        }
        let after = places.range(..number).next_back().map_or(0, |(_, place)| *place);
        let before = places.range(number..).next().map_or(usize::MAX, |(_, place)| *place);
        // What the agent only noticed at its next start may explain what a kill or a broken disk took, and no more.
        let mut in_place = gaps.iter().filter(|gap| after < gap.place && gap.place < before).peekable();
        let told = in_place.peek().is_some();
        if in_place.any(|gap| !is_of_a_start(gap)) || (told && evidence.disk_broke) {
            tally.readings.in_gaps += 1;
        } else if let (true, Some(age)) = (told, age_at_kill(*at, evidence)) {
            tally.readings.uncommitted += 1;
            tally.oldest_uncommitted = tally.oldest_uncommitted.max(age);
        } else {
            tally.readings.lost += 1;
            match lost.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => lost.push((number, number)),
            }
        }
    }
    for (first, last) in lost {
        let of = said.len();
        tally.broken(format!("{key}: the numbers {first} to {last} of {of} are lost, and no gap explains it"));
    }
}

/// Whether the agent wrote it at a start, about the time before.
fn is_of_a_start(gap: &StoredGap) -> bool {
    [GapReason::Interrupted, GapReason::NotRunning].iter().any(|reason| reason.as_str() == gap.reason)
}

/// How long before a kill of the agent it was said, if that is within the time in which readings may be uncommitted.
fn age_at_kill(said: Instant, evidence: &Evidence<'_>) -> Option<Duration> {
    let age = |killed: Instant| killed.saturating_duration_since(said);
    let mut near = evidence.outages.killed.iter().filter(|outage| {
        // What a device answers after the kill is an answer to the dead agent.
        said < outage.to && age(outage.from) <= evidence.site.shape.commit_every + COMMIT_TAKES + evidence.outages.slow
    });
    near.next().map(|outage| age(outage.from))
}

pub(super) fn compare_history(tally: &mut Tally, key: &str, history: &[u64], stored: &Stored) {
    let mut shown = history.to_vec();
    shown.sort_unstable();
    let mut kept: Vec<_> = stored.numbers.get(key).into_iter().flatten().map(|number| number.number).collect();
    kept.sort_unstable();
    if shown != kept {
        let missing = kept.iter().filter(|number| shown.binary_search(number).is_err()).count();
        let extra = shown.len() + missing - kept.len();
        tally.broken(format!("{key}: the history lacks {missing} readings of the log and has {extra} more"));
    }
}
