//! Which reads fetch a group's points: the fewest that keep the limits, whatever types the points have.

use super::codec::{ReadFunction, Request};

/// Where a point lives: one table, `width` addresses from `address`. It is never split over two reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The table.
    pub function: ReadFunction,
    /// First address, from 0.
    pub address: u16,
    /// Registers or bits.
    pub width: u16,
}

impl Span {
    fn end(&self) -> u32 {
        u32::from(self.address) + u32::from(self.width)
    }
}

/// What one device allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most registers in one read, at most 125.
    pub registers: u16,
    /// Most bits in one read, at most 2000.
    pub bits: u16,
    /// Addresses that nobody needs are read along when that saves a request and they are no more than this.
    pub hole: u16,
}

impl Limits {
    /// The limits of the protocol, and holes of 8.
    pub const USUAL: Self = Self { registers: 125, bits: 2000, hole: 8 };

    fn most(&self, function: ReadFunction) -> u32 {
        u32::from(if function.is_bits() { self.bits } else { self.registers }.min(function.limit()).max(1))
    }
}

/// One read, with the points it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The table.
    pub function: ReadFunction,
    /// First address, from 0.
    pub address: u16,
    /// How many.
    pub count: u16,
    /// The points inside, by index into the spans that were planned, in order of address.
    pub points: Vec<usize>,
    /// The device said that this address does not exist. Only reads of a single span are ever given up.
    pub refused: bool,
}

impl Read {
    /// The request.
    #[must_use]
    pub fn request(&self) -> Request {
        Request::Read { function: self.function, address: self.address, count: self.count }
    }
}

/// The reads of a group. It learns which addresses a device does not have.
#[derive(Debug, Clone)]
pub struct Plan {
    spans: Vec<Span>,
    reads: Vec<Read>,
}

impl Plan {
    /// Plans the fewest reads for `spans`.
    #[must_use]
    pub fn new(spans: Vec<Span>, limits: Limits) -> Self {
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_by_key(|point| spans[*point]);
        let mut reads: Vec<Read> = Vec::new();
        for point in order {
            let span = spans[point];
            match reads.last_mut().filter(|read| joins(read, span, limits)) {
                Some(read) => {
                    let end = span.end().max(u32::from(read.address) + u32::from(read.count));
                    read.count = (end - u32::from(read.address)) as u16;
                    read.points.push(point);
                }
                None => reads.push(Read {
                    function: span.function,
                    address: span.address,
                    count: span.width,
                    points: vec![point],
                    refused: false,
                }),
            }
        }
        Self { spans, reads }
    }

    /// The reads, in order.
    #[must_use]
    pub fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// Where a point lives.
    #[must_use]
    pub fn span(&self, point: usize) -> Span {
        self.spans[point]
    }

    /// The device refused a read because of its addresses. The read is cut in two, at its largest hole if it has one,
    /// and the plan remembers. False if it cannot be cut any further: then the address itself does not exist.
    pub fn split(&mut self, read: usize) -> bool {
        let spans = &self.spans;
        let points = &self.reads[read].points;
        // Points that share an address stay together. A cut is possible before a span that begins after all others end.
        let mut best: Option<(u32, usize, usize)> = None;
        let mut end = spans[points[0]].end();
        for (at, point) in points.iter().enumerate().skip(1) {
            let start = u32::from(spans[*point].address);
            if start >= end {
                let hole = start - end;
                let off_centre = at.abs_diff(points.len() - at);
                if best.is_none_or(|(width, distance, _)| {
                    (hole, std::cmp::Reverse(off_centre)) > (width, std::cmp::Reverse(distance))
                }) {
                    best = Some((hole, off_centre, at));
                }
            }
            end = end.max(spans[*point].end());
        }
        let Some((_, _, at)) = best else {
            self.reads[read].refused = true;
            return false;
        };
        let function = self.reads[read].function;
        let (left, right) = points.split_at(at);
        let tight = |points: &[usize]| {
            let address = points.iter().map(|point| spans[*point].address).min().unwrap_or(0);
            let end = points.iter().map(|point| spans[*point].end()).max().unwrap_or(0);
            let count = (end - u32::from(address)) as u16;
            Read { function, address, count, points: points.to_vec(), refused: false }
        };
        let halves = [tight(left), tight(right)];
        self.reads.splice(read..=read, halves);
        true
    }

    /// Gives addresses that were refused another chance.
    pub fn forgive(&mut self) {
        for read in &mut self.reads {
            read.refused = false;
        }
    }
}

fn joins(read: &Read, span: Span, limits: Limits) -> bool {
    let end = u32::from(read.address) + u32::from(read.count);
    let joined = span.end().max(end) - u32::from(read.address);
    read.function == span.function
        && u32::from(span.address) <= end + u32::from(limits.hole)
        && joined <= limits.most(span.function)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ReadFunction::{Coils, HoldingRegisters, InputRegisters};
    use proptest::prelude::*;

    fn span(function: ReadFunction, address: u16, width: u16) -> Span {
        Span { function, address, width }
    }

    fn ranges(plan: &Plan) -> Vec<(u8, u16, u16)> {
        plan.reads().iter().map(|read| (read.function.code(), read.address, read.count)).collect()
    }

    #[test]
    fn small_holes_are_read_along_and_large_ones_are_not() {
        let spans = vec![
            span(HoldingRegisters, 130, 1),
            span(HoldingRegisters, 0, 2),
            span(HoldingRegisters, 128, 2),
            span(HoldingRegisters, 22, 1),
            span(HoldingRegisters, 10, 1),
            span(InputRegisters, 11, 1),
            span(Coils, 0, 1),
        ];
        let plan = Plan::new(spans, Limits::USUAL);
        assert_eq!(ranges(&plan), [(1, 0, 1), (3, 0, 11), (3, 22, 1), (3, 128, 3), (4, 11, 1)]);
    }

    #[test]
    fn a_point_is_never_split_and_limits_hold() {
        let spans: Vec<_> = (0..100).map(|at| span(HoldingRegisters, at * 2, 2)).collect();
        let plan = Plan::new(spans, Limits { registers: 25, ..Limits::USUAL });
        assert!(plan.reads().iter().all(|read| read.count == 24 || read.count == 8));
        assert_eq!(plan.reads().len(), 9);
    }

    #[test]
    fn a_refused_range_is_cut_at_its_hole_and_the_refusal_remembered() {
        let spans = vec![span(HoldingRegisters, 0, 1), span(HoldingRegisters, 1, 1), span(HoldingRegisters, 5, 1)];
        let mut plan = Plan::new(spans, Limits::USUAL);
        assert_eq!(ranges(&plan), [(3, 0, 6)]);
        assert!(plan.split(0));
        assert_eq!(ranges(&plan), [(3, 0, 2), (3, 5, 1)]);
        assert!(!plan.split(1));
        assert!(plan.reads()[1].refused && !plan.reads()[0].refused);
        plan.forgive();
        assert!(!plan.reads()[1].refused);
    }

    #[test]
    fn points_that_share_a_register_stay_together() {
        let spans = vec![span(HoldingRegisters, 0, 2), span(HoldingRegisters, 0, 2), span(HoldingRegisters, 1, 1)];
        let mut plan = Plan::new(spans, Limits::USUAL);
        assert_eq!(ranges(&plan), [(3, 0, 2)]);
        assert!(!plan.split(0));
    }

    prop_compose! {
        fn any_span()(code in 1_u8..=4, address in 0_u16..400, width in 1_u16..5) -> Span {
            let function = ReadFunction::from_code(code).unwrap();
            span(function, address, if function.is_bits() { 1 } else { width })
        }
    }

    fn check(plan: &Plan, spans: &[Span], limits: Limits) -> Result<(), TestCaseError> {
        let mut served = vec![0; spans.len()];
        for read in plan.reads() {
            prop_assert!(u32::from(read.count) <= limits.most(read.function));
            for point in &read.points {
                served[*point] += 1;
                let span = spans[*point];
                prop_assert_eq!(span.function, read.function);
                prop_assert!(span.address >= read.address);
                prop_assert!(span.end() <= u32::from(read.address) + u32::from(read.count));
            }
            // Both ends of a read are wanted by somebody.
            prop_assert!(read.points.iter().any(|point| spans[*point].address == read.address));
            let end = u32::from(read.address) + u32::from(read.count);
            prop_assert!(read.points.iter().any(|point| spans[*point].end() == end));
        }
        prop_assert!(served.iter().all(|count| *count == 1), "{:?}", served);
        Ok(())
    }

    proptest! {
        #[test]
        fn every_point_is_read_exactly_once_within_the_limits(
            spans in proptest::collection::vec(any_span(), 1..80), registers in 4_u16..=125, hole in 0_u16..20,
            splits in proptest::collection::vec(any::<usize>(), 0..20),
        ) {
            let limits = Limits { registers, bits: 64, hole };
            let mut plan = Plan::new(spans.clone(), limits);
            check(&plan, &spans, limits)?;
            for split in splits {
                let before = plan.reads().len();
                let read = split % before;
                let cut = plan.split(read);
                prop_assert_eq!(plan.reads().len(), before + usize::from(cut));
                check(&plan, &spans, limits)?;
            }
        }

        #[test]
        fn without_limits_there_is_one_read_for_each_run(addresses in proptest::collection::btree_set(0_u16..300, 1..60)) {
            let spans: Vec<_> = addresses.iter().map(|address| span(Coils, *address, 1)).collect();
            let plan = Plan::new(spans, Limits::USUAL);
            let list: Vec<u16> = addresses.into_iter().collect();
            let runs = 1 + list.windows(2).filter(|pair| pair[1] - pair[0] > 9).count();
            prop_assert_eq!(plan.reads().len(), runs);
        }
    }
}
