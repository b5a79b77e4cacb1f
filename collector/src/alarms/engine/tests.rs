//! The engine with the whole estate of `fleet.csv` and a real `state.db`.

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
use crate::alarms::{AlarmFilter, AlarmView, Order, find, hidden_by, list};
use crate::assets::Topology;
use crate::auth::Scope;
use crate::ingest::{Session, Sessions};
use crate::state::{Device, DeviceId, Fleet, Health, Known, PointState, Points};
use crate::store::log::TimeStatus;
use crate::store::{DataFolder, File, open_writable};

const NOW: i64 = 1_795_341_600_000;

/// An estate, and the engine that watches it.
struct World {
    _folder: tempfile::TempDir,
    conn: Connection,
    fleet: Fleet,
    topology: Topology,
    sessions: Sessions,
    rules: RuleSet,
    state: State,
    now: Anchor,
    /// Nothing is heard of any agent.
    silent: bool,
}

fn spec(key: &str, class: &str, link: &str, parent: Option<&str>) -> DeviceSpec {
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
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path());
        data.create().unwrap();
        let conn = open_writable(&data.state(), File::State).unwrap();
        let rules = rule::load(&conn, true).unwrap();
        let boot_time = BootTime(1_000_000);
        let now = Anchor { boot: BootId(7), boot_time, wall: Timestamp(NOW), trusted: true };
        let state = State::new(&rules, Vec::new(), boot_time);
        let (fleet, sessions, topology) = (Fleet::default(), Sessions::default(), Topology::default());
        Self { _folder: folder, conn, fleet, topology, sessions, rules, state, now, silent: false }
    }

    fn agent(&mut self, agent: &str, site: &str) {
        let known = KnownAgent { agent: agent.parse().unwrap(), site: site.to_owned() };
        self.state.surroundings.agents.push(known);
        self.hear(agent);
    }

    fn hear(&mut self, agent: &str) {
        let session = Session {
            id: SessionId::random(),
            incarnation: Incarnation::random(),
            journal: Incarnation::random(),
            boot: BootId(1),
            seen: self.now.boot_time,
        };
        self.sessions.begin(&agent.parse().unwrap(), session);
    }

    fn device(&mut self, id: &str, agent: &str, site: &str, spec: DeviceSpec) {
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

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Device)) {
        let mut device = self.fleet.get(&DeviceId::new(id)).unwrap().clone();
        change(&mut device);
        self.fleet.put(device);
    }

    fn becomes(&mut self, id: &str, level: HealthLevel) {
        let time = self.now.wall;
        let since = Known { boot: Some(self.now.boot), boot_time: self.now.boot_time, time };
        let health = Health { level, reason: String::new(), text: String::new(), text_zh: String::new(), time, since };
        self.change(id, |device| device.health = Some(health));
    }

    fn reads(&mut self, id: &str, point: &str, value: Value) {
        let (boot, boot_time, time) = (self.now.boot, self.now.boot_time, self.now.wall);
        let name: PointName = point.parse().unwrap();
        let state = PointState {
            value: Some(value),
            quality: Quality::Good,
            reason: QualityReason::None,
            time,
            time_status: TimeStatus::Trusted,
            received: time,
            boot,
            boot_time,
        };
        self.change(id, |device| device.points.insert(name, state));
    }

    fn round(&mut self) {
        self.fleet.tell_changes();
        let outcomes = self.state.round(&self.fleet, &self.topology, &self.sessions, &self.now);
        let transaction = self.conn.transaction().unwrap();
        write(&transaction, &outcomes, self.now.wall).unwrap();
        transaction.commit().unwrap();
    }

    /// Lets time pass, a round each half second.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.now.boot_time.0 += 500;
            self.now.wall.0 += 500;
            if !self.silent {
                let agents: Vec<String> =
                    self.state.surroundings.agents.iter().map(|known| known.agent.to_string()).collect();
                agents.iter().for_each(|agent| self.hear(agent));
            }
            self.state.look_for_strays = true;
            self.round();
        }
    }

    /// As after a kill: everything but the store is gone.
    fn killed(&mut self) {
        let found = standing::load(&self.conn, &self.rules).unwrap();
        let agents = std::mem::take(&mut self.state.surroundings).agents;
        self.state = State::new(&self.rules, found, self.now.boot_time);
        self.state.surroundings = Surroundings { agents, ..Surroundings::default() };
    }

    fn alarms(&self, states: &'static [&'static str], hidden: bool) -> Vec<AlarmView> {
        let filter = AlarmFilter { states, hidden: Some(hidden), ..AlarmFilter::default() };
        list(&self.conn, &Scope::All, &filter, Order::Oldest, None, 100_000).unwrap()
    }

    fn visible(&self) -> Vec<String> {
        let mut found: Vec<String> = self.alarms(&["raised"], false).into_iter().map(|alarm| alarm.condition).collect();
        found.sort();
        found
    }

    fn steps(&self) -> i64 {
        self.conn.query_row("SELECT count(*) FROM alarm_steps", [], |row| row.get(0)).unwrap()
    }
}

/// All devices of `fleet.csv`, `times` over: an agent for each site, ten devices on each link.
fn estate(world: &mut World, times: usize) -> Vec<String> {
    let text = include_str!("../../../../load/data/fleet.csv");
    let mut ids = Vec::new();
    for round in 0..times {
        for line in text.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let site = format!("{}-{round}", cells[0]);
            let (class, count): (&str, usize) = (cells[3], cells[5].parse().unwrap());
            let agent = format!("agent-{site}");
            if !world.state.surroundings.agents.iter().any(|known| known.agent.as_str() == agent) {
                world.agent(&agent, &site);
            }
            for _ in 0..count {
                let at = ids.len();
                let id = format!("d-{at}");
                world.device(&id, &agent, &site, spec(&format!("k-{at}"), class, &format!("line-{}", at / 10), None));
                ids.push(id);
            }
        }
    }
    ids
}

#[test]
fn a_whole_estate_that_is_lost_at_once_is_a_handful_of_alarms() {
    let mut world = World::new();
    let devices = estate(&mut world, 1);
    assert_eq!(devices.len(), 1_434);
    world.pass(2);
    assert!(world.visible().is_empty());
    // As agents find it out: not all in one instant.
    for part in devices.chunks(100) {
        part.iter().for_each(|id| world.becomes(id, HealthLevel::Unreachable));
        world.pass(1);
    }
    world.pass(120);
    let visible = world.visible();
    assert_eq!(
        visible.iter().filter(|condition| *condition == "lost-together").count(),
        3,
        "of sites with enough devices"
    );
    assert!(visible.len() <= 10, "{visible:?}");
    let hidden = world.alarms(&["raised"], true);
    assert!(hidden.len() > 1_400, "{}", hidden.len());
    let roots = world.alarms(&["raised"], false);
    assert_eq!(roots.iter().map(|root| root.hides).sum::<i64>(), i64::try_from(hidden.len()).unwrap());
    assert!(roots.iter().all(|root| hidden_by(&world.conn, &root.id, 10_000).unwrap().len() as i64 == root.hides));

    devices.iter().for_each(|id| world.becomes(id, HealthLevel::Working));
    world.pass(120);
    assert!(world.visible().is_empty() && world.alarms(&["raised"], true).is_empty());
    let waiting = world.alarms(&["raised", "cleared"], false);
    assert_eq!(waiting.len(), visible.len(), "only what people saw waits for them");
}

#[test]
fn what_hangs_on_a_dead_thing_is_hidden_behind_it_and_shown_when_it_is_back() {
    let mut world = World::new();
    world.agent("a-1", "hall");
    world.device("d-sw", "a-1", "hall", spec("sw", "switch", "net", None));
    for at in 1..=3 {
        world.device(
            &format!("d-{at}"),
            "a-1",
            "hall",
            spec(&format!("c-{at}"), "camera", &format!("l{at}"), Some("sw")),
        );
    }
    world.pass(1);
    // The children are found first: they wait until their parent was looked at.
    for at in 1..=3 {
        world.becomes(&format!("d-{at}"), HealthLevel::Unreachable);
    }
    world.pass(35);
    assert!(world.visible().is_empty(), "{:?}", world.visible());
    world.becomes("d-sw", HealthLevel::Unreachable);
    world.pass(60);
    assert_eq!(world.visible(), ["unreachable"]);
    let switch = world.alarms(&["raised"], false).remove(0);
    assert_eq!((switch.device.as_deref(), switch.hides), (Some("d-sw"), 3));
    world.becomes("d-sw", HealthLevel::Working);
    world.becomes("d-1", HealthLevel::Working);
    world.pass(30);
    let shown: Vec<_> = world.alarms(&["raised"], false).into_iter().filter_map(|alarm| alarm.device).collect();
    assert_eq!(shown, ["d-2", "d-3"], "what still stands is shown");
    assert!(find(&world.conn, &Scope::All, &switch.id).unwrap().unwrap().state == "cleared");
}

#[test]
fn a_dead_line_and_a_silent_agent_are_one_alarm_each() {
    let mut world = World::new();
    world.agent("a-1", "hall");
    for at in 0..12 {
        world.device(
            &format!("d-{at}"),
            "a-1",
            "hall",
            spec(&format!("k-{at}"), "camera", &format!("l{}", at / 6), None),
        );
    }
    world.pass(1);
    (0..6).for_each(|at| world.becomes(&format!("d-{at}"), HealthLevel::Unreachable));
    world.pass(60);
    assert_eq!(world.visible(), ["link-dead"]);
    // Nothing is heard of the agent: its line's alarm is explained by that, and nothing of it changes.
    world.silent = true;
    world.pass(100);
    assert_eq!(world.visible(), ["agent-silent"]);
    assert_eq!(world.alarms(&["raised"], true).len(), 7);
    world.silent = false;
    world.pass(20);
    assert_eq!(world.visible(), ["link-dead"]);
}

#[test]
fn a_value_is_judged_by_its_rule_and_a_kill_repeats_nothing() {
    let mut world = World::new();
    world.agent("a-1", "hall");
    world.device("d-1", "a-1", "hall", spec("room", "environment-sensor", "l", None));
    world.reads("d-1", "temperature.room", Value::Number(31.0));
    world.pass(60);
    world.killed();
    world.pass(100);
    assert!(world.visible().is_empty(), "the delay of two minutes began anew");
    world.pass(30);
    assert_eq!(world.visible(), ["temperature-high"]);
    let (before, alarm) = (world.steps(), world.alarms(&["raised"], false).remove(0));
    assert_eq!(alarm.text.en, "environment-sensor room: 31");
    for _ in 0..3 {
        world.killed();
        world.pass(20);
    }
    assert_eq!((world.steps(), world.visible().len()), (before, 1));
    world.reads("d-1", "temperature.room", Value::Number(29.0));
    world.pass(150);
    assert_eq!(world.visible().len(), 1, "it ends at 28");
    world.reads("d-1", "temperature.room", Value::Number(27.0));
    world.killed();
    world.pass(130);
    assert!(world.visible().is_empty());
    assert_eq!(find(&world.conn, &Scope::All, &alarm.id).unwrap().unwrap().state, "cleared");
}

#[test]
fn nothing_stands_of_an_agent_that_was_taken_back() {
    let mut world = World::new();
    world.agent("a-1", "hall");
    world.agent("a-2", "hall");
    world.device("d-1", "a-1", "hall", spec("room", "environment-sensor", "l", None));
    world.reads("d-1", "temperature.room", Value::Number(31.0));
    world.pass(130);
    assert_eq!(world.visible(), ["temperature-high"]);
    world.silent = true;
    world.pass(100);
    assert_eq!(world.visible(), ["agent-silent", "agent-silent", "temperature-high"]);
    world.state.surroundings.agents.retain(|known| known.agent.as_str() != "a-1");
    world.pass(1);
    assert_eq!(world.visible(), ["agent-silent"], "of the one that is still watched");

    // One that is taken back while it is heard of is not missed later either.
    let mut world = World::new();
    world.agent("a-1", "hall");
    world.device("d-1", "a-1", "hall", spec("room", "environment-sensor", "l", None));
    world.reads("d-1", "temperature.room", Value::Number(20.0));
    world.pass(1);
    world.state.surroundings.agents.clear();
    world.pass(7_200);
    assert!(world.visible().is_empty(), "{:?}", world.visible());
}

const PLACES: &str = r#"
id = "hot"
severity = "major"
name = { zh = "热", en = "Hot" }
text = { zh = "热", en = "Hot" }
raise_after = "1s"

[when]
point = "heat.*"
above = 30
"#;

fn with_rule(world: &mut World, toml: &str) {
    let rule = Arc::new(rule::read(toml).unwrap());
    let stored = Stored { rule, toml: toml.to_owned(), revision: 1, is_shipped: false, has_shipped: false };
    world.rules.rules.insert(stored.rule.id.clone(), stored);
    world.killed();
}

#[test]
fn an_alarm_ends_with_its_point_and_with_its_rule() {
    let mut world = World::new();
    with_rule(&mut world, PLACES);
    world.agent("a-1", "hall");
    world.device("d-1", "a-1", "hall", spec("room", "environment-sensor", "l", None));
    let hot = |world: &mut World| {
        world.reads("d-1", "heat.left", Value::Number(31.0));
        world.pass(5);
        assert_eq!(world.visible(), ["hot.left"]);
    };
    hot(&mut world);
    world.change("d-1", |device| {
        device.points = Points::default();
        device.spec = Arc::new(DeviceSpec { label: "otherwise".to_owned(), ..DeviceSpec::clone(&device.spec) });
    });
    world.pass(1);
    assert!(world.visible().is_empty(), "the point is gone");

    hot(&mut world);
    with_rule(&mut world, &PLACES.replace("severity", "condition = \"warm\"\nseverity"));
    world.pass(5);
    assert_eq!(world.visible(), ["warm.left"], "the rule raises another condition");
    with_rule(&mut world, &PLACES.replace("point = \"heat.*\"\nabove = 30", "agent_silent = \"90s\""));
    world.pass(5);
    assert!(world.visible().is_empty(), "the rule is about something else");
}

#[test]
fn a_device_that_a_rule_concerns_no_longer_is_not_counted() {
    let mut world = World::new();
    let count =
        PLACES.replace("point = \"heat.*\"\nabove = 30", "count = { devices = 2, point = \"heat\", above = 30 }");
    with_rule(&mut world, &count.replace("[when]", "[match]\nareas = [\"hall\"]\n[when]"));
    world.agent("a-1", "hall");
    for id in ["d-1", "d-2"] {
        world.device(id, "a-1", "hall", spec(id, "environment-sensor", id, None));
        world.reads(id, "heat", Value::Number(31.0));
    }
    world.pass(5);
    assert_eq!(world.visible(), ["hot"]);
    world.change("d-1", |device| device.own_area = Some("yard".to_owned()));
    world.pass(30);
    assert!(world.visible().is_empty(), "{:?}", world.visible());
}

/// Figures of one round; `KOUAN_MEASURE=100 cargo nextest run --release … --no-capture` measures a hundredfold estate.
#[test]
fn a_round_costs_what_changed() {
    let times = std::env::var("KOUAN_MEASURE").ok().and_then(|times| times.parse().ok()).unwrap_or(2);
    let mut world = World::new();
    let devices = estate(&mut world, times);
    let measure = |world: &mut World, what: &str| {
        world.fleet.tell_changes();
        let began = std::time::Instant::now();
        let outcomes = world.state.round(&world.fleet, &world.topology, &world.sessions, &world.now);
        println!("{} devices, {what}: {:?}, {} outcomes", devices.len(), began.elapsed(), outcomes.len());
        outcomes.len()
    };
    measure(&mut world, "the first round");
    world.now.boot_time.0 += 250;
    assert_eq!(measure(&mut world, "nothing changed"), 0);
    for id in devices.iter().take(devices.len() / 40) {
        world.reads(id, "temperature.room", Value::Number(20.0));
    }
    assert_eq!(measure(&mut world, "one in forty told a value"), 0);
    devices.iter().for_each(|id| world.becomes(id, HealthLevel::Unreachable));
    let links = measure(&mut world, "all were lost");
    assert!(links > 0);
    world.now.boot_time.0 += 61_000;
    world.now.wall.0 += 61_000;
    let agents: Vec<_> = world.state.surroundings.agents.iter().map(|known| known.agent.to_string()).collect();
    agents.iter().for_each(|agent| world.hear(agent));
    measure(&mut world, "their delays are over");
}
