//! What passes say about the tags before a reader. Pure.

use std::collections::BTreeMap;

use crate::driver::{Stock, Tag};

/// Most tags of one reader. What is beyond is not taken, and the pass says so.
pub const MOST_TAGS: usize = 4096;

/// One tag, as a round saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its EPC.
    pub epc: Vec<u8>,
    /// The antenna, where the reader says so.
    pub antenna: Option<u16>,
    /// How strong it was, in the reader's own measure; more is stronger.
    pub strength: Option<i16>,
    /// Whether that measure is dBm.
    pub is_dbm: bool,
}

/// A pass that is under way.
#[derive(Debug, Default)]
pub struct Pass {
    seen: BTreeMap<Vec<u8>, Sighting>,
    overflow: bool,
}

impl Pass {
    /// A tag answered. True if it had not in this pass.
    pub fn see(&mut self, sighting: Sighting) -> bool {
        match self.seen.get_mut(&sighting.epc) {
            Some(known) => {
                if sighting.strength > known.strength {
                    *known = sighting;
                }
                false
            }
            None => {
                let room = self.seen.len() < MOST_TAGS;
                if room {
                    self.seen.insert(sighting.epc.clone(), sighting);
                }
                self.overflow |= !room;
                room
            }
        }
    }

    /// How many tags answered.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seen.len()
    }

    /// Whether there were more than [`MOST_TAGS`].
    #[must_use]
    pub fn is_overflowing(&self) -> bool {
        self.overflow
    }
}

/// What is known of the tags before one reader.
#[derive(Debug)]
pub struct StockTaking {
    missing_after: u32,
    tags: BTreeMap<Vec<u8>, Known>,
    /// Whole passes since the beginning; it stops at `missing_after`.
    passes: u32,
}

#[derive(Debug)]
struct Known {
    sighting: Sighting,
    /// Whole passes in a row that did not see it.
    missed: u32,
}

impl StockTaking {
    /// Nothing is known. A tag is missing once `missing_after` whole passes in a row did not see it.
    #[must_use]
    pub fn new(missing_after: u32) -> Self {
        Self { missing_after: missing_after.max(1), tags: BTreeMap::new(), passes: 0 }
    }

    /// A pass has ended. One that broke off (`whole` is false) shows what is there and says nothing of what is not.
    pub fn end(&mut self, pass: Pass, whole: bool) -> Stock {
        // With more tags than can be taken, one that was not taken is not missing.
        let whole = whole && !pass.overflow;
        if whole {
            self.passes = (self.passes + 1).min(self.missing_after);
            for (epc, known) in &mut self.tags {
                known.missed = if pass.seen.contains_key(epc) { 0 } else { known.missed + 1 };
            }
            self.tags.retain(|_, known| known.missed < self.missing_after);
        }
        for (epc, sighting) in pass.seen {
            if self.tags.contains_key(&epc) || self.tags.len() < MOST_TAGS {
                self.tags.insert(epc, Known { sighting, missed: 0 });
            }
        }
        let complete = whole && self.passes >= self.missing_after;
        Stock { present: self.tags.values().map(|known| known.sighting.tag()).collect(), complete }
    }
}

impl Sighting {
    fn tag(&self) -> Tag {
        let rssi_dbm = self.strength.filter(|_| self.is_dbm);
        Tag { epc: hexadecimal(&self.epc), antenna: self.antenna, rssi_dbm }
    }
}

/// Lower-case digits without blanks.
fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xF)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sighting(epc: u8, antenna: u16, strength: i16) -> Sighting {
        Sighting { epc: vec![0xE2, epc], antenna: Some(antenna), strength: Some(strength), is_dbm: true }
    }

    fn pass(epcs: &[u8]) -> Pass {
        let mut pass = Pass::default();
        for epc in epcs {
            pass.see(sighting(*epc, 1, -60));
        }
        pass
    }

    fn epcs(stock: &Stock) -> Vec<&str> {
        stock.present.iter().map(|tag| tag.epc.as_str()).collect()
    }

    #[test]
    fn a_tag_is_missing_only_after_several_whole_passes() {
        let mut taking = StockTaking::new(3);
        assert!(!taking.end(pass(&[1, 2]), true).complete);
        assert_eq!(epcs(&taking.end(pass(&[2]), true)), ["e201", "e202"]);
        let stock = taking.end(pass(&[2]), true);
        assert_eq!((epcs(&stock), stock.complete), (vec!["e201", "e202"], true));
        // A pass that broke off counts for what it saw, not for what it did not see.
        let stock = taking.end(pass(&[3]), false);
        assert_eq!((epcs(&stock), stock.complete), (vec!["e201", "e202", "e203"], false));
        assert_eq!(epcs(&taking.end(pass(&[2]), true)), ["e202", "e203"]);
        // Seen again, the passes before count no more.
        assert_eq!(epcs(&taking.end(pass(&[3]), true)), ["e202", "e203"]);
        assert_eq!(epcs(&taking.end(pass(&[2]), true)), ["e202", "e203"]);
        assert_eq!(epcs(&taking.end(pass(&[2]), true)), ["e202", "e203"]);
        assert_eq!(epcs(&taking.end(pass(&[2]), true)), ["e202"]);
    }

    #[test]
    fn the_antenna_that_saw_a_tag_best_counts() {
        let mut pass = Pass::default();
        assert!(pass.see(sighting(1, 1, -70)));
        assert!(!pass.see(sighting(1, 2, -50)));
        assert!(!pass.see(sighting(1, 3, -60)));
        let stock = StockTaking::new(1).end(pass, true);
        assert_eq!(stock.present, [Tag { epc: "e201".to_owned(), antenna: Some(2), rssi_dbm: Some(-50) }]);
    }

    #[test]
    fn more_tags_than_can_be_taken_make_none_missing() {
        let mut taking = StockTaking::new(1);
        let mut pass = Pass::default();
        for number in 0..=MOST_TAGS as u32 {
            let epc = number.to_be_bytes().to_vec();
            pass.see(Sighting { epc, antenna: None, strength: None, is_dbm: false });
        }
        assert!(pass.is_overflowing());
        let stock = taking.end(pass, true);
        assert_eq!((stock.present.len(), stock.complete), (MOST_TAGS, false));
    }

    proptest! {
        /// Whatever the passes see, nothing that was seen within the last passes is missing, and nothing else is there.
        #[test]
        fn present_is_what_the_last_passes_saw(passes in proptest::collection::vec(proptest::collection::vec(0_u8..8, 0..8), 1..12), missing_after in 1_u32..4) {
            let mut taking = StockTaking::new(missing_after);
            let mut stock = Stock::default();
            for seen in &passes {
                stock = taking.end(pass(seen), true);
            }
            let last = passes.iter().rev().take(missing_after as usize).flatten().map(|epc| format!("e2{epc:02x}"));
            let expected: std::collections::BTreeSet<_> = last.collect();
            prop_assert_eq!(stock.present.iter().map(|tag| tag.epc.clone()).collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(stock.complete, passes.len() >= missing_after as usize);
        }
    }
}
