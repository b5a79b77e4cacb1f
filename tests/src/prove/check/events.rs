//! Every passage that a device counted is an event, once.

use kouan_protocol::Lane;

use crate::prove::stored::Stored;
use crate::prove::tally::Tally;

pub(super) fn compare(tally: &mut Tally, key: &str, passed: u64, stored: &Stored) {
    let told = stored.passages.get(key).copied().unwrap_or(0);
    tally.events.made += passed;
    tally.events.stored += told;
    if told > passed {
        tally.events.doubled += told - passed;
        tally.broken(format!("{key}: {passed} passages became {told}"));
    }
    if told < passed {
        let lost = passed - told;
        if stored.gaps_of(Lane::Events).next().is_some() {
            tally.events.in_gaps += lost;
        } else {
            tally.events.lost += lost;
            tally.broken(format!("{key}: {lost} of {passed} passages are lost, and there is no gap"));
        }
    }
}
