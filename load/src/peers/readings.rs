//! The readings, made up once and the same for all stores.

use crate::dice::Dice;

/// Points of a device, read together.
pub(crate) const POINTS: usize = 10;
/// Between two polls.
pub(crate) const STEP_MS: i64 = 10_000;
/// Devices whose readings travel in one request: 5,000 values if all are kept.
pub(crate) const DEVICES_OF_A_POST: usize = 500;
/// Length of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;
/// Days of the one device about which ranges are asked.
pub(crate) const DAYS: i64 = 31;
/// Polls of that device in one request.
const POLLS_OF_A_POST: usize = 60;

/// One poll of a device.
#[derive(Debug, Clone)]
pub(crate) struct Poll {
    pub(crate) device: usize,
    pub(crate) time_ms: i64,
    /// In tenths.
    pub(crate) values: [i64; POINTS],
    /// Which of them passed the dead-band, one bit each.
    pub(crate) kept: u16,
}

impl Poll {
    /// The columns that were kept, with their values.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let kept = self.values.iter().enumerate().filter(|(column, _)| self.kept >> column & 1 == 1);
        kept.map(|(column, value)| (column, *value as f64 / 10.0))
    }
}

/// What travels in one request.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// The part of the devices that it is about; each part has an agent of its own.
    pub(crate) part: usize,
    /// When it leaves.
    pub(crate) time_ms: i64,
    pub(crate) polls: Vec<Poll>,
}

impl Post {
    /// How many values were kept.
    pub(crate) fn kept(&self) -> u64 {
        self.polls.iter().map(|poll| u64::from(poll.kept.count_ones())).sum()
    }
}

/// What is read, and how much of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Every value of every poll.
    FullRows,
    /// One value in ten passes its dead-band.
    DeadBands,
}

/// Every value walks by at most 0.2 between two polls.
struct Walk {
    values: [i64; POINTS],
    dice: Dice,
    shape: Shape,
}

impl Walk {
    fn new(device: usize, shape: Shape) -> Self {
        let mut dice = Dice::new(device as u64 + 1);
        let values = std::array::from_fn(|_| 1_000 + (dice.next() % 2_000) as i64);
        Self { values, dice, shape }
    }

    fn poll(&mut self, device: usize, time_ms: i64) -> Poll {
        let mut kept = 0;
        for (column, value) in self.values.iter_mut().enumerate() {
            *value += (self.dice.next() % 5) as i64 - 2;
            let passes = self.shape == Shape::FullRows || self.dice.chance(10);
            kept |= u16::from(passes) << column;
        }
        // Devices are asked one after the other, with a little jitter.
        let offset = device as i64 * 19 % STEP_MS;
        Poll { device, time_ms: time_ms + offset + (self.dice.next() % 12) as i64, values: self.values, kept }
    }
}

/// Many devices, a poll of each in turn, until `samples` values were read. The last poll ends at `end_ms`.
pub(crate) fn site(devices: usize, samples: usize, end_ms: i64, shape: Shape) -> impl Iterator<Item = Post> {
    let polls = samples / (devices * POINTS);
    let mut walks: Vec<Walk> = (0..devices).map(|device| Walk::new(device, shape)).collect();
    let parts = devices.div_ceil(DEVICES_OF_A_POST);
    (0..polls * parts).map(move |at| {
        let (poll, part) = (at / parts, at % parts);
        let time_ms = end_ms - (polls - poll) as i64 * STEP_MS;
        let first = part * DEVICES_OF_A_POST;
        let walks = walks[first..devices.min(first + DEVICES_OF_A_POST)].iter_mut().zip(first..);
        let polls = walks.map(|(walk, device)| walk.poll(device, time_ms)).filter(|poll| poll.kept != 0).collect();
        Post { part, time_ms: time_ms + STEP_MS, polls }
    })
}

/// One device, [`DAYS`] days of it until `end_ms`, every value kept.
pub(crate) fn month(end_ms: i64) -> impl Iterator<Item = Post> {
    let polls = usize::try_from(DAYS * DAY_MS / STEP_MS).unwrap_or(0);
    let mut walk = Walk::new(0, Shape::FullRows);
    let start_ms = end_ms - DAYS * DAY_MS;
    (0..polls / POLLS_OF_A_POST).map(move |at| {
        let first = at * POLLS_OF_A_POST;
        let time = |poll: usize| start_ms + poll as i64 * STEP_MS;
        let polls = (first..first + POLLS_OF_A_POST).map(|poll| walk.poll(0, time(poll))).collect();
        Post { part: 0, time_ms: time(first + POLLS_OF_A_POST), polls }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readings_are_the_same_each_time_and_as_many_as_asked() {
        let posts: Vec<Post> = site(2_000, 100_000, 1_795_305_600_000, Shape::FullRows).collect();
        assert_eq!(posts.iter().map(Post::kept).sum::<u64>(), 100_000);
        assert_eq!(posts.len(), 20);
        let again: Vec<Post> = site(2_000, 100_000, 1_795_305_600_000, Shape::FullRows).collect();
        assert_eq!(posts[7].polls[3].values, again[7].polls[3].values);
        let banded: u64 = site(2_000, 100_000, 0, Shape::DeadBands).map(|post| post.kept()).sum();
        assert!((8_000..12_000).contains(&banded), "{banded}");
        assert!(posts.iter().flat_map(|post| &post.polls).all(|poll| poll.time_ms < 1_795_305_600_012));
    }
}
