//! Where a batch goes, judged by its numbers alone.

/// What to do with a batch, given what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Everything in it is stored: acknowledge it again.
    Duplicate,
    /// Store it; numbers below `from` are stored already.
    Store {
        /// The first number that is new.
        from: u64,
    },
    /// Numbers before it are missing here.
    Hole,
}

/// Places the batch `first` to `last` after `position`.
#[must_use]
pub fn place(position: u64, first: u64, last: u64) -> Placement {
    if last <= position {
        Placement::Duplicate
    } else if first > position.saturating_add(1) {
        Placement::Hole
    } else {
        Placement::Store { from: first.max(position + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_grows_only_at_its_end() {
        assert_eq!(place(0, 1, 5), Placement::Store { from: 1 });
        assert_eq!(place(5, 1, 5), Placement::Duplicate);
        assert_eq!(place(5, 2, 4), Placement::Duplicate);
        assert_eq!(place(5, 4, 8), Placement::Store { from: 6 });
        assert_eq!(place(5, 6, 6), Placement::Store { from: 6 });
        assert_eq!(place(5, 7, 9), Placement::Hole);
    }
}
