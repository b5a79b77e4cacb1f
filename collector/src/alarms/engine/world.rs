//! An estate with a real `state.db`, and the engine that watches it, for tests.

use std::sync::Arc;

use kouan_protocol::{
    Anchor, BootId, BootTime, DeviceSpec, HealthLevel, Incarnation, PointName, Quality, QualityReason, SessionId,
    Timestamp, Value,
};
use rusqlite::Connection;

use super::round::State;
use super::standing;
use super::surroundings::{KnownAgent, Surroundings};
use super::write::write;
use crate::alarms::rule::{self, RuleSet, Stored};
use crate::alarms::{AlarmFilter, AlarmSettings, AlarmView, Order, list};
use crate::assets::Topology;
use crate::auth::Scope;
use crate::ingest::{Session, Sessions};
use crate::state::{Device, DeviceId, Fleet, Health, Known, PointState, Points};
use crate::store::log::TimeStatus;
use crate::store::{DataFolder, File, open_writable};

pub(super) const NOW: i64 = 1_795_341_600_000;

/// An estate, and the engine that watches it.
pub(super) struct World {
    _folder: tempfile::TempDir,
    pub(super) conn: Connection,
    pub(super) fleet: Fleet,
    pub(super) topology: Topology,
    pub(super) sessions: Sessions,
    pub(super) rules: RuleSet,
    pub(super) state: State,
    pub(super) now: Anchor,
    /// Nothing is heard of any agent.
    pub(super) silent: bool,
    /// Nothing is heard of these.
    pub(super) mute: Vec<&'static str>,
}

pub(super) fn spec(key: &str, class: &str, link: &str, parent: Option<&str>) -> DeviceSpec {
    DeviceSpec {
        key: key.parse().unwrap(),
        label: format!("{class} {key}"),
        class: class.to_owned(),
        profile: "test".to_owned(),
        area: "hall".to_owned(),
        link: link.to_owned(),
        parent: parent.map(|parent| parent.parse().unwrap()),
        groups: Vec::new(),
        actions: Vec::new(),
    }
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path());
        data.create().unwrap();
        let conn = open_writable(&data.state(), File::State).unwrap();
        // Nothing here outlives the process.
        conn.pragma_update(None, "synchronous", "OFF").unwrap();
        let rules = rule::load(&conn, true).unwrap();
        let boot_time = BootTime(1_000_000);
        let now = Anchor { boot: BootId(7), boot_time, wall: Timestamp(NOW), trusted: true };
        let state = State::new(&rules, Vec::new(), boot_time, &AlarmSettings::default());
        let (fleet, sessions, topology) = (Fleet::default(), Sessions::default(), Topology::default());
        Self { _folder: folder, conn, fleet, topology, sessions, rules, state, now, silent: false, mute: Vec::new() }
    }

    pub(super) fn agent(&mut self, agent: &str, site: &str) {
        let known = KnownAgent { agent: agent.parse().unwrap(), site: site.to_owned() };
        self.state.surroundings.agents.push(known);
        self.hear(agent);
    }

    pub(super) fn hear(&mut self, agent: &str) {
        let session = Session {
            id: SessionId::random(),
            incarnation: Incarnation::random(),
            journal: Incarnation::random(),
            boot: BootId(1),
            seen: self.now.boot_time,
        };
        self.sessions.begin(&agent.parse().unwrap(), session);
    }

    pub(super) fn device(&mut self, id: &str, agent: &str, site: &str, spec: DeviceSpec) {
        self.fleet.put(Device {
            id: DeviceId::new(id),
            site: site.to_owned(),
            agent: agent.parse().unwrap(),
            key: spec.key.clone(),
            binding: Some(1),
            spec: Arc::new(spec),
            configured: true,
            own_label: None,
            own_area: None,
            health: None,
            points: Points::default(),
            events: Vec::new(),
            dirty: false,
            change: 0,
            outline_change: 0,
        });
        self.becomes(id, HealthLevel::Working);
    }

    pub(super) fn change(&mut self, id: &str, change: impl FnOnce(&mut Device)) {
        let mut device = self.fleet.get(&DeviceId::new(id)).unwrap().clone();
        change(&mut device);
        self.fleet.put(device);
    }

    pub(super) fn becomes(&mut self, id: &str, level: HealthLevel) {
        let time = self.now.wall;
        let since = Known { boot: Some(self.now.boot), boot_time: self.now.boot_time, time };
        let health = Health { level, reason: String::new(), text: String::new(), text_zh: String::new(), time, since };
        self.change(id, |device| device.health = Some(health));
    }

    pub(super) fn reads(&mut self, id: &str, point: &str, value: Value) {
        self.tells(id, point, Some(value), Quality::Good);
    }

    pub(super) fn reads_nothing(&mut self, id: &str, point: &str) {
        self.tells(id, point, None, Quality::Bad);
    }

    pub(super) fn tells(&mut self, id: &str, point: &str, value: Option<Value>, quality: Quality) {
        let (boot, boot_time, time) = (self.now.boot, self.now.boot_time, self.now.wall);
        let name: PointName = point.parse().unwrap();
        let state = PointState {
            value,
            quality,
            reason: QualityReason::None,
            time,
            time_status: TimeStatus::Trusted,
            received: time,
            boot,
            boot_time,
        };
        self.change(id, |device| device.points.insert(name, state));
    }

    pub(super) fn round(&mut self) {
        self.fleet.tell_changes();
        let outcomes = self.state.round(&self.fleet, &self.topology, &self.sessions, &self.now);
        let transaction = self.conn.transaction().unwrap();
        write(&transaction, &outcomes, self.now.wall).unwrap();
        transaction.commit().unwrap();
    }

    /// Lets time pass, a round each half second.
    pub(super) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.tick();
            self.round();
        }
    }

    /// Half a second passes.
    pub(super) fn tick(&mut self) {
        self.now.boot_time.0 += 500;
        self.now.wall.0 += 500;
        if !self.silent {
            let known = self.state.surroundings.agents.iter().map(|known| known.agent.to_string());
            let heard: Vec<String> = known.filter(|agent| !self.mute.contains(&agent.as_str())).collect();
            heard.iter().for_each(|agent| self.hear(agent));
        }
        self.state.look_for_strays = true;
    }

    /// As after a kill: everything but the store is gone.
    pub(super) fn killed(&mut self) {
        let found = standing::load(&self.conn, &self.rules).unwrap();
        let agents = std::mem::take(&mut self.state.surroundings).agents;
        self.state = State::new(&self.rules, found, self.now.boot_time, &AlarmSettings::default());
        self.state.surroundings = Surroundings { agents, ..Surroundings::default() };
    }

    /// As after a start of the collector: no agent was heard of yet either.
    pub(super) fn restarted(&mut self) {
        self.sessions = Sessions::default();
        self.killed();
    }

    pub(super) fn alarms(&self, states: &'static [&'static str], hidden: bool) -> Vec<AlarmView> {
        let filter = AlarmFilter { states, hidden: Some(hidden), ..AlarmFilter::default() };
        list(&self.conn, &Scope::All, &filter, Order::Oldest, None, 100_000).unwrap()
    }

    pub(super) fn visible(&self) -> Vec<String> {
        let mut found: Vec<String> = self.alarms(&["raised"], false).into_iter().map(|alarm| alarm.condition).collect();
        found.sort();
        found
    }

    pub(super) fn steps(&self) -> i64 {
        self.conn.query_row("SELECT count(*) FROM alarm_steps", [], |row| row.get(0)).unwrap()
    }
}

/// Adds a rule, or gives it another text, as a start with it would.
pub(super) fn with_rule(world: &mut World, toml: &str) {
    put_rule(world, toml);
    world.killed();
}

/// The same while the engine runs.
pub(super) fn edit_rule(world: &mut World, toml: &str) {
    put_rule(world, toml);
    let found = standing::load(&world.conn, &world.rules).unwrap();
    let state = State::new(&world.rules, found, world.now.boot_time, &AlarmSettings::default());
    let before = std::mem::replace(&mut world.state, state);
    world.state.go_on_from(before);
}

fn put_rule(world: &mut World, toml: &str) {
    let rule = Arc::new(rule::read(toml).unwrap());
    let stored = Stored { rule, toml: toml.to_owned(), revision: 1, is_shipped: false, has_shipped: false };
    world.rules.rules.insert(stored.rule.id.clone(), stored);
}
