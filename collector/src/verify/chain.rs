//! Runs of numbers that must follow each other.

/// Numbers from `first` to `last`.
pub(super) type Run = (u64, u64);

/// The numbers between runs in order, and those that two runs share.
pub(super) fn holes_and_overlaps(start: u64, runs: &[Run]) -> (Vec<Run>, Vec<Run>) {
    let (mut holes, mut overlaps) = (Vec::new(), Vec::new());
    let mut next = start;
    for (first, last) in runs {
        if *first > next {
            holes.push((next, first - 1));
        } else if *first < next {
            overlaps.push((*first, (next - 1).min(*last)));
        }
        next = next.max(last + 1);
    }
    (holes, overlaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_is_doubled_is_found() {
        assert_eq!(holes_and_overlaps(1, &[(1, 5), (6, 9)]), (vec![], vec![]));
        assert_eq!(holes_and_overlaps(1, &[(2, 5), (8, 9)]), (vec![(1, 1), (6, 7)], vec![]));
        assert_eq!(holes_and_overlaps(1, &[(1, 5), (4, 9)]), (vec![], vec![(4, 5)]));
        assert_eq!(holes_and_overlaps(1, &[]), (vec![], vec![]));
    }
}
