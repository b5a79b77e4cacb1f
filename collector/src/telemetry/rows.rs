//! Rows of one read group in memory: times and origin by row, readings by column.

use kouan_protocol::{Anchor, BootTime, PointKind, PointName, PointSpec, Timestamp};
use serde::{Deserialize, Serialize};

use super::cells::Cells;
use crate::store::log::{Correction, TimeStatus};

/// Rows of one time that a row is compared with to find out whether it repeats one: a mad clock may give all one time.
const TWINS: usize = 8;

/// What a column of a group is called and holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) name: PointName,
    pub(super) kind: PointKind,
    pub(super) decimals: u8,
}

impl From<&PointSpec> for Column {
    fn from(point: &PointSpec) -> Self {
        Self { name: point.name.clone(), kind: point.kind, decimals: point.decimals }
    }
}

/// Where a row's time comes from and when the row arrived, so that both times of a reading survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// From the reading to its arrival, in whole seconds, rounded up, minus one: 60 and more is late.
    pub(super) delay_s: i64,
    /// What was added to what the agent's wall clock showed.
    pub(super) shift_ms: i64,
    /// How far the time may be believed: 0 trusted, 1 corrected, 2 uncertain.
    pub(super) status: i64,
}

impl Origin {
    /// The corrected time of a row in milliseconds, and where it comes from.
    pub(super) fn of(correction: &Correction, anchor: &Anchor, boot_time: BootTime) -> (i64, Self) {
        let (Timestamp(time_ms), status) = correction.believed(anchor, boot_time);
        let delay_ms = correction.received.0.saturating_sub(time_ms);
        let status = match status {
            TimeStatus::Trusted => 0,
            TimeStatus::Corrected => 1,
            TimeStatus::Uncertain => 2,
        };
        // A time that was kept inside belief is not the agent's plus the correction's shift.
        let shift_ms = time_ms.saturating_sub(anchor.wall_at(boot_time).0);
        (time_ms, Self { delay_s: delay_ms.saturating_sub(1).div_euclid(1000), shift_ms, status })
    }

    pub(super) fn status(&self) -> TimeStatus {
        match self.status {
            0 => TimeStatus::Trusted,
            1 => TimeStatus::Corrected,
            _ => TimeStatus::Uncertain,
        }
    }

    /// Whether the row arrived more than a minute after it was read.
    pub(super) fn is_late(&self) -> bool {
        is_late(self.delay_s)
    }
}

/// Whether a row with that delay arrived more than a minute after it was read.
pub(super) fn is_late(delay_s: i64) -> bool {
    delay_s >= crate::store::log::LATE_MS / 1000
}

/// Rows in the order of their arrival, or of their times.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rows {
    /// Corrected times in milliseconds.
    pub(super) times: Vec<i64>,
    pub(super) origins: Vec<Origin>,
    pub(super) columns: Vec<Cells>,
}

impl Rows {
    pub(super) fn new(layout: &[Column]) -> Self {
        let columns = layout.iter().map(|column| Cells::new(column.kind, column.decimals)).collect();
        Self { times: Vec::new(), origins: Vec::new(), columns }
    }

    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    pub(super) fn finish(&mut self) {
        for cells in &mut self.columns {
            cells.finish(self.times.len());
        }
    }

    /// Adds rows of `other` in that order; both have the same layout.
    pub(super) fn append(&mut self, other: &Self, order: &[u32]) {
        let base = self.len();
        self.times.extend(order.iter().map(|row| other.times[*row as usize]));
        self.origins.extend(order.iter().map(|row| other.origins[*row as usize]));
        for (own, more) in self.columns.iter_mut().zip(&other.columns) {
            own.append(base, more, order, other.len());
        }
        self.finish();
    }

    /// The rows by time; those of one time stay in order, and a row that repeats the one before it is left out.
    pub(super) fn into_sorted(self, layout: &[Column]) -> Self {
        if self.times.windows(2).all(|pair| pair[0] < pair[1]) {
            return self;
        }
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_by_key(|row| self.times[*row as usize]);
        let doubled: Vec<bool> = (0..order.len())
            .map(|at| {
                let twins = order[..at]
                    .iter()
                    .rev()
                    .take(TWINS)
                    .take_while(|row| self.times[**row as usize] == self.times[order[at] as usize]);
                at > 0 && twins.into_iter().any(|twin| self.is_same(*twin as usize, order[at] as usize))
            })
            .collect();
        let kept: Vec<u32> = order.iter().zip(doubled).filter(|(_, doubled)| !doubled).map(|(row, _)| *row).collect();
        let mut sorted = Self::new(layout);
        sorted.append(&self, &kept);
        sorted
    }

    /// Whether two rows say the same about every point.
    fn is_same(&self, a: usize, b: usize) -> bool {
        self.columns.iter().all(|cells| {
            let cell = |wanted: usize| {
                let at = match &cells.rows {
                    None => wanted,
                    Some(rows) => rows.binary_search(&(wanted as u32)).ok()?,
                };
                let before =
                    |flaws: &[(u32, u8)]| flaws.iter().filter(|(_, flaw)| !super::cells::has_value(*flaw)).count();
                let place = cells.flaws.partition_point(|(place, _)| (*place as usize) < at);
                let flaw =
                    cells.flaws.get(place).filter(|(place, _)| *place as usize == at).map_or(0, |(_, flaw)| *flaw);
                let value = super::cells::has_value(flaw)
                    .then(|| cells.values.get(at - before(&cells.flaws[..place])))
                    .flatten();
                Some((flaw, value))
            };
            cell(a) == cell(b)
        })
    }

    /// About how many bytes of memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.len() * (8 + size_of::<Origin>()) + self.columns.iter().map(Cells::bytes).sum::<usize>()
    }
}
