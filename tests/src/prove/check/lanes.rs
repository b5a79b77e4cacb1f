//! What the collector confirmed is on its disk, each number of a lane once and in order.

use crate::prove::line::Promises;
use crate::prove::stored::Stored;
use crate::prove::tally::Tally;

pub(super) fn compare(tally: &mut Tally, promises: &Promises, stored: &Stored) {
    for ((lane, epoch), runs) in &stored.runs {
        let mut next = runs.first().map_or(1, |(first, _)| *first);
        for (first, last) in runs {
            if *first < next {
                tally.lanes.doubled += next - first;
                tally.broken(format!("lane {lane}, epoch {epoch}: the numbers from {first} stand twice in the log"));
            }
            if *first > next {
                tally.lanes.lost += first - next;
                tally.broken(format!("lane {lane}, epoch {epoch}: the log has {first} where {next} is due"));
            }
            next = last + 1;
        }
    }
    for ((lane, epoch), promised) in promises.all() {
        let has = stored.runs.get(&(lane, epoch)).and_then(|runs| runs.last()).map_or(0, |(_, last)| *last);
        tally.lanes.made += has.max(promised);
        tally.lanes.stored += has;
        if has < promised {
            tally.lanes.lost += promised - has;
            tally.broken(format!("lane {lane}, epoch {epoch}: {promised} was confirmed, and {has} is stored"));
        }
    }
    tally.quarantined += stored.quarantined;
    if stored.quarantined > 0 {
        tally.broken(format!("{} batches are in quarantine", stored.quarantined));
    }
}
