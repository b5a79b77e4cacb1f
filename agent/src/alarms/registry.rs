//! Which conditions hold now.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kouan_protocol::{AlarmChange, AlarmState, BootTime, Clock, DeviceKey, RecordBody, Severity};
use kouan_settings::Bilingual;
use tokio::sync::Notify;

use super::kept;
use super::recorder::AlarmRecorder;
use crate::buffer::NewRecord;

/// Changes that may wait for the recorder; beyond that an alarm's older changes give way to its newest.
const WAITING: usize = 256;

/// The device that stands for the agent itself.
#[must_use]
pub fn agent_device() -> DeviceKey {
    "agent".parse().expect("a plain word is a device key")
}

/// An alarm that holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveAlarm {
    /// What was said when it was raised, with the newest text.
    pub change: AlarmChange,
    /// When it was raised.
    pub since: BootTime,
}

/// The alarms of the agent itself and of its devices. Clones share one registry; raising and clearing never wait.
#[derive(Debug, Clone)]
pub struct AgentAlarms {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    active: BTreeMap<(DeviceKey, String), ActiveAlarm>,
    waiting: VecDeque<(BootTime, AlarmChange)>,
}

impl AgentAlarms {
    /// An empty registry, and the task that records its changes.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> (Self, AlarmRecorder) {
        let shared = Arc::new(Shared { clock, state: Mutex::default(), changed: Notify::new() });
        (Self { shared: Arc::clone(&shared) }, AlarmRecorder::new(shared, None))
    }

    /// A registry that begins with what an earlier run of the agent left in `file`, so that a restart ends no alarm of
    /// a device, and the task that records its changes there too.
    #[must_use]
    pub fn kept(clock: Arc<dyn Clock>, file: PathBuf) -> (Self, AlarmRecorder) {
        let active = kept::read(&file, &*clock).into_iter();
        let active = active.map(|alarm| ((alarm.change.device.clone(), alarm.change.condition.clone()), alarm));
        let state = Mutex::new(State { active: active.collect(), waiting: VecDeque::new() });
        let shared = Arc::new(Shared { clock, state, changed: Notify::new() });
        (Self { shared: Arc::clone(&shared) }, AlarmRecorder::new(shared, Some(file)))
    }

    /// Clears every alarm of a device for which `is_possible` has no place.
    pub fn keep_only(&self, is_possible: impl Fn(&AlarmChange) -> bool) {
        let gone = self.active().into_iter().map(|alarm| alarm.change);
        let gone = gone.filter(|change| change.device != agent_device() && !is_possible(change));
        gone.for_each(|change| self.clear_of(&change.device, &change.condition));
    }

    /// The condition of the agent itself holds. Recorded once, until it is cleared; a new text only shows in what is
    /// active.
    pub fn raise(&self, condition: &str, severity: Severity, text: impl Into<Bilingual>) {
        let Bilingual { english, chinese } = text.into();
        self.raise_of(AlarmChange {
            device: agent_device(),
            condition: condition.to_owned(),
            state: AlarmState::Raised,
            severity,
            text: english,
            point: String::new(),
            text_zh: chinese,
        });
    }

    /// The condition of any device holds, as [`Self::raise`].
    pub fn raise_of(&self, change: AlarmChange) {
        let now = self.shared.clock.boot_time();
        let change = AlarmChange { state: AlarmState::Raised, ..change };
        let key = (change.device.clone(), change.condition.clone());
        let mut state = self.shared.lock();
        if let Some(known) = state.active.get_mut(&key)
            && known.change.severity == change.severity
        {
            (known.change.text, known.change.text_zh) = (change.text, change.text_zh);
            return;
        }
        let since = state.active.get(&key).map_or(now, |known| known.since);
        state.active.insert(key, ActiveAlarm { change: change.clone(), since });
        state.enqueue(now, change);
        self.shared.changed.notify_one();
    }

    /// The condition of the agent itself holds no longer. Nothing happens if it did not.
    pub fn clear(&self, condition: &str) {
        self.clear_of(&agent_device(), condition);
    }

    /// The condition of a device holds no longer.
    pub fn clear_of(&self, device: &DeviceKey, condition: &str) {
        let now = self.shared.clock.boot_time();
        let mut state = self.shared.lock();
        if let Some(known) = state.active.remove(&(device.clone(), condition.to_owned())) {
            state.enqueue(now, AlarmChange { state: AlarmState::Cleared, ..known.change });
            self.shared.changed.notify_one();
        }
    }

    /// Every alarm that holds now, for the snapshot and for people.
    #[must_use]
    pub fn active(&self) -> Vec<ActiveAlarm> {
        self.shared.lock().active.values().cloned().collect()
    }
}

impl Shared {
    pub(super) fn take_waiting(&self) -> Vec<NewRecord> {
        let record = |(boot_time, change)| NewRecord { boot_time, body: RecordBody::Alarm(change) };
        self.lock().waiting.drain(..).map(record).collect()
    }

    /// What holds now of devices, as an earlier run's file has it.
    pub(super) fn kept(&self) -> Vec<kept::Kept> {
        let (now, wall) = (self.clock.boot_time(), self.clock.wall());
        let alarms = self.lock().active.values().cloned().collect::<Vec<_>>();
        kept::of(&alarms, now, wall)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enqueue(&mut self, at: BootTime, change: AlarmChange) {
        if self.waiting.len() >= WAITING {
            let name = (&change.device, &change.condition);
            self.waiting.retain(|(_, earlier)| (&earlier.device, &earlier.condition) != name);
        }
        self.waiting.push_back((at, change));
    }
}

#[cfg(test)]
mod tests {
    use kouan_protocol::ManualClock;

    use super::*;

    fn said(records: Vec<NewRecord>) -> Vec<(String, AlarmState)> {
        let change = |record: NewRecord| match record.body {
            RecordBody::Alarm(change) => (change.condition, change.state),
            other => panic!("{other:?}"),
        };
        records.into_iter().map(change).collect()
    }

    #[test]
    fn a_condition_is_told_once_when_it_begins_and_once_when_it_ends() {
        let (alarms, _recorder) = AgentAlarms::new(Arc::new(ManualClock::at(0)));
        alarms.raise("buffer.volatile", Severity::Critical, ("the disk refuses", "磁盘拒绝写入"));
        alarms.raise("buffer.volatile", Severity::Critical, ("the disk still refuses", "磁盘仍然拒绝写入"));
        alarms.raise("collector.certificate", Severity::Major, ("another certificate", "证书不同"));
        assert_eq!(alarms.active().len(), 2);
        assert_eq!(alarms.active()[0].change.text, "the disk still refuses");
        alarms.clear("buffer.volatile");
        alarms.clear("buffer.volatile");
        let told = said(alarms.shared.take_waiting());
        let expected = [
            ("buffer.volatile", AlarmState::Raised),
            ("collector.certificate", AlarmState::Raised),
            ("buffer.volatile", AlarmState::Cleared),
        ];
        assert_eq!(told, expected.map(|(condition, state)| (condition.to_owned(), state)));
        assert_eq!(alarms.active().len(), 1);
    }

    #[test]
    fn a_flapping_condition_keeps_its_queue_bounded() {
        let (alarms, _recorder) = AgentAlarms::new(Arc::new(ManualClock::at(0)));
        for _ in 0..10_000 {
            alarms.raise("a", Severity::Info, ("", ""));
            alarms.clear("a");
        }
        let told = said(alarms.shared.take_waiting());
        assert!(told.len() <= WAITING, "{}", told.len());
        assert_eq!(told.last().unwrap().1, AlarmState::Cleared, "the newest word is kept");
    }
}
