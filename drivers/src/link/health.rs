//! What polls say about a device's health, and which rows of "not read" must go out so that nothing stale looks fresh.

use kouan_protocol::{BootTime, DeviceKey, HealthLevel, QualityReason};
use kouan_settings::Bilingual;

use super::talker::TalkError;
use crate::driver::{RawHealth, RawRow};

/// The health of one device of a link.
#[derive(Debug)]
pub struct DeviceState {
    key: DeviceKey,
    groups: Vec<GroupState>,
    misses: u32,
    limit: u32,
    told: Option<(HealthLevel, &'static str)>,
}

#[derive(Debug)]
struct GroupState {
    columns: u16,
    misses: u32,
    trouble: Option<TalkError>,
    /// Its points were already said to be unread.
    blank: bool,
}

/// What a poll changed.
#[derive(Debug, Default, PartialEq)]
pub struct Findings {
    /// Rows of points that can no longer be read.
    pub rows: Vec<RawRow>,
    /// The health, if it changed.
    pub health: Option<RawHealth>,
}

impl DeviceState {
    /// A device of which nothing is known. `columns` holds the size of each group; after `limit` polls in a row
    /// without a valid answer it is declared bad.
    #[must_use]
    pub fn new(key: DeviceKey, columns: &[u16], limit: u32) -> Self {
        let group = |columns: &u16| GroupState { columns: *columns, misses: 0, trouble: None, blank: false };
        Self { key, groups: columns.iter().map(group).collect(), misses: 0, limit, told: None }
    }

    /// The device's name.
    #[must_use]
    pub fn key(&self) -> &DeviceKey {
        &self.key
    }

    /// Whether it was declared bad.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.misses >= self.limit
    }

    /// The group was read, apart from what the device refused (`trouble`).
    pub fn answered(&mut self, group: usize, trouble: Option<TalkError>, at: BootTime) -> Findings {
        self.misses = 0;
        let group = &mut self.groups[group];
        group.misses = 0;
        group.trouble = trouble;
        group.blank = false;
        // Groups that were given up together with the device get their turn now; they are not trouble.
        for group in &mut self.groups {
            if group.misses < self.limit && group.trouble.as_ref().is_some_and(|trouble| !trouble.answered()) {
                group.trouble = None;
            }
        }
        Findings { rows: Vec::new(), health: self.health(at) }
    }

    /// Some of the group was read before `trouble` ended the poll. True if what is missing counts as not readable.
    pub fn answered_partly(&mut self, group: usize, trouble: TalkError, at: BootTime) -> (bool, Findings) {
        self.misses = 0;
        let limit = self.limit;
        let group = &mut self.groups[group];
        group.misses = group.misses.saturating_add(1);
        group.trouble = Some(trouble);
        group.blank = false;
        let given_up = group.misses >= limit;
        (given_up, Findings { rows: Vec::new(), health: self.health(at) })
    }

    /// Whether nothing of it is ever read: its health is then known from commands alone.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.groups.is_empty()
    }

    /// The link was opened; of a device that is never read nothing else is known yet.
    pub fn opened(&mut self, at: BootTime) -> Findings {
        const TEXT: (&str, &str) = (
            "nothing is read from such a device: how it is, is known from the last command alone",
            "这种设备不能读取：它的状况只能从最近一次命令得知",
        );
        let is_new = self.told.is_none_or(|(_, reason)| reason == "link-closed");
        if !self.is_unread() || !is_new {
            return Findings::default();
        }
        self.misses = 0;
        Findings { rows: Vec::new(), health: self.tell(HealthLevel::Reachable, "not-polled", TEXT.into(), at) }
    }

    /// A command showed how a device is that is never read.
    pub fn acted(&mut self, trouble: Option<&TalkError>, at: BootTime) -> Findings {
        let health = match trouble {
            None => self.tell(HealthLevel::Working, "", Bilingual::default(), at),
            Some(trouble) => self.tell(trouble.level, trouble.reason, trouble.text.clone(), at),
        };
        Findings { rows: Vec::new(), health }
    }

    /// How many groups it has.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The columns of a group.
    #[must_use]
    pub fn columns(&self, group: usize) -> u16 {
        self.groups[group].columns
    }

    /// The group got no valid answer.
    pub fn missed(&mut self, group: usize, trouble: TalkError, at: BootTime) -> Findings {
        self.misses = self.misses.saturating_add(1);
        self.groups[group].misses = self.groups[group].misses.saturating_add(1);
        self.groups[group].trouble = Some(trouble.clone());
        if self.is_bad() {
            return self.lost(trouble, at);
        }
        if self.groups[group].misses < self.limit {
            return Findings::default();
        }
        let rows = self.blank(group, at).into_iter().collect();
        Findings { rows, health: self.health(at) }
    }

    /// The device cannot be talked to at all: it is bad, or the link is closed.
    pub fn lost(&mut self, trouble: TalkError, at: BootTime) -> Findings {
        self.misses = self.misses.max(self.limit);
        for group in &mut self.groups {
            group.trouble = Some(trouble.clone());
        }
        let rows = (0..self.groups.len()).filter_map(|group| self.blank(group, at)).collect();
        Findings { rows, health: self.tell(trouble.level, trouble.reason, trouble.text, at) }
    }

    fn blank(&mut self, index: usize, at: BootTime) -> Option<RawRow> {
        let group = &mut self.groups[index];
        if std::mem::replace(&mut group.blank, true) {
            return None;
        }
        let cells = (0..group.columns).map(|column| (column, Err(QualityReason::ReadFailed))).collect();
        Some(RawRow { device: self.key.clone(), group: index, boot_time: at, cells })
    }

    fn health(&mut self, at: BootTime) -> Option<RawHealth> {
        let trouble = self.groups.iter().find_map(|group| {
            let counts = |trouble: &&TalkError| trouble.answered() || group.misses >= self.limit;
            group.trouble.as_ref().filter(counts)
        });
        match trouble.cloned() {
            Some(trouble) => self.tell(HealthLevel::Answering, trouble.reason, trouble.text, at),
            None => self.tell(HealthLevel::Working, "", Bilingual::default(), at),
        }
    }

    fn tell(&mut self, level: HealthLevel, reason: &'static str, text: Bilingual, at: BootTime) -> Option<RawHealth> {
        if self.told == Some((level, reason)) {
            return None;
        }
        self.told = Some((level, reason));
        Some(RawHealth { device: self.key.clone(), boot_time: at, level, reason, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: BootTime = BootTime(1);

    fn device() -> DeviceState {
        DeviceState::new("ups-1".parse().unwrap(), &[2, 1], 2)
    }

    fn silence() -> TalkError {
        TalkError::device(HealthLevel::Unreachable, "timeout", ("no answer", "没有应答"))
    }

    fn level(findings: &Findings) -> Option<(HealthLevel, &'static str)> {
        findings.health.as_ref().map(|health| (health.level, health.reason))
    }

    #[test]
    fn one_miss_says_nothing_and_the_second_blanks_everything_once() {
        let mut device = device();
        assert_eq!(level(&device.answered(0, None, AT)), Some((HealthLevel::Working, "")));
        assert_eq!(device.answered(1, None, AT), Findings::default());
        assert_eq!(device.missed(0, silence(), AT), Findings::default());
        let lost = device.missed(0, silence(), AT);
        assert_eq!(level(&lost), Some((HealthLevel::Unreachable, "timeout")));
        let cells: Vec<_> = lost.rows.iter().map(|row| (row.group, row.cells.len())).collect();
        assert_eq!(cells, [(0, 2), (1, 1)]);
        assert_eq!(device.missed(0, silence(), AT), Findings::default());
        assert_eq!(level(&device.answered(0, None, AT)), Some((HealthLevel::Working, "")));
    }

    #[test]
    fn a_miss_between_answers_is_forgotten() {
        let mut device = device();
        device.answered(0, None, AT);
        for _ in 0..5 {
            assert_eq!(device.missed(0, silence(), AT), Findings::default());
            assert_eq!(device.answered(0, None, AT), Findings::default());
        }
    }

    #[test]
    fn one_group_that_is_never_read_leaves_the_device_answering() {
        let mut device = device();
        device.answered(0, None, AT);
        assert_eq!(device.missed(1, silence(), AT), Findings::default());
        device.answered(0, None, AT);
        let second = device.missed(1, silence(), AT);
        assert_eq!(level(&second), Some((HealthLevel::Answering, "timeout")));
        assert_eq!(second.rows.len(), 1);
        assert_eq!(device.answered(0, None, AT), Findings::default());
        assert_eq!(level(&device.answered(1, None, AT)), Some((HealthLevel::Working, "")));
    }

    #[test]
    fn a_refused_read_leaves_the_device_answering() {
        let mut device = device();
        let refused = device.answered(0, Some(TalkError::refused(("illegal address 7", "地址 7 不存在"))), AT);
        assert_eq!(level(&refused), Some((HealthLevel::Answering, "refused")));
        assert_eq!(device.answered(1, None, AT), Findings::default());
        assert_eq!(level(&device.answered(0, None, AT)), Some((HealthLevel::Working, "")));
    }

    #[test]
    fn a_device_that_is_never_read_is_known_from_commands_alone() {
        let mut device = DeviceState::new("gate-1".parse().unwrap(), &[], 2);
        assert_eq!(level(&device.opened(AT)), Some((HealthLevel::Reachable, "not-polled")));
        assert_eq!(level(&device.acted(None, AT)), Some((HealthLevel::Working, "")));
        assert_eq!(device.opened(AT), Findings::default(), "a link that was opened anew says nothing new");
        assert_eq!(level(&device.acted(Some(&silence()), AT)), Some((HealthLevel::Unreachable, "timeout")));
        assert_eq!(level(&device.lost(TalkError::closed(), AT)), Some((HealthLevel::Unreachable, "link-closed")));
        assert_eq!(level(&device.opened(AT)), Some((HealthLevel::Reachable, "not-polled")));
        let mut read = self::device();
        assert_eq!(read.opened(AT), Findings::default());
    }

    #[test]
    fn another_reason_is_told() {
        let mut device = device();
        assert_eq!(level(&device.lost(TalkError::closed(), AT)), Some((HealthLevel::Unreachable, "link-closed")));
        assert_eq!(device.lost(TalkError::closed(), AT), Findings::default());
        assert_eq!(level(&device.missed(0, silence(), AT)), Some((HealthLevel::Unreachable, "timeout")));
    }
}
