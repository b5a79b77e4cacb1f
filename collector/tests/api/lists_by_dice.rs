//! Lists under random conditions, page by page, against a list in memory: nothing is missed, doubled or out of order,
//! whatever arrives between two pages, and across a restart.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use kouan_protocol::{AlarmChange, AlarmState, Event, Field, FieldValue, Lane, RecordBody, Severity};
use serde_json::Value;

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::ScriptedAgent;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
const AGENTS: [(&str, &str); 2] = [("hall-1", "hall"), ("port-1", "port")];
/// Names of devices, and their classes.
const DEVICES: [(&str, &str); 3] = [("ups-1", "ups"), ("relay-1", "relay-board"), ("gate-1", "passenger-gate")];
const SEVERITIES: [(Severity, &str); 3] =
    [(Severity::Warning, "warning"), (Severity::Major, "major"), (Severity::Critical, "critical")];

struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % count
    }

    /// One time in so many.
    fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// A row as a test knows it.
#[derive(Debug, Clone)]
struct Known {
    number: i64,
    time_ms: i64,
    agent: usize,
    device: usize,
    /// The kind of an event, the severity of an alarm.
    sort: usize,
    /// The plate of an event; of an alarm, whether it was told late.
    plate: usize,
}

/// Whether a row meets a condition.
type Check = Box<dyn Fn(&Known) -> bool>;

struct Place {
    collector: Running,
    agents: Vec<ScriptedAgent>,
    devices: Vec<Vec<String>>,
}

impl Place {
    async fn new() -> Self {
        let collector = Running::start_sealing_at_once().await;
        collector.clock.change(|anchor| anchor.boot_time.0 += 60 * DAY);
        let (mut agents, mut devices) = (Vec::new(), Vec::new());
        for (name, site) in AGENTS {
            let mut agent = collector.enrol(name, site).await;
            agent.hello().await;
            let described = agent.rows(&[(1, 230.0)]);
            agent.upload(vec![described]).await;
            agents.push(agent);
            let mut of_agent = Vec::new();
            for (key, _) in DEVICES {
                of_agent.push(collector.device_of(name, key).await);
            }
            devices.push(of_agent);
        }
        Self { collector, agents, devices }
    }

    async fn restart(self) -> Self {
        let Self { collector, mut agents, devices } = self;
        let collector = collector.restart().await;
        for agent in &mut agents {
            agent.moved_to(&collector.base);
            say_hello(agent).await;
        }
        Self { collector, agents, devices }
    }

    async fn upload(&mut self, agent: usize, lane: Lane, records: Vec<(u64, RecordBody)>) {
        let batch = self.agents[agent].aged(lane, records);
        self.agents[agent].upload(vec![batch]).await;
    }

    /// Conditions that every list has, and whether a row meets them.
    fn conditions(&self, dice: &mut Dice, now: i64, ages: &[u64]) -> (String, Vec<Check>) {
        let (mut search, mut checks) = (String::new(), Vec::<Check>::new());
        if dice.once_in(3) {
            let agent = dice.below(AGENTS.len());
            search.push_str(&format!("&site={}", AGENTS[agent].1));
            checks.push(Box::new(move |known| known.agent == agent));
        }
        if dice.once_in(4) {
            let (agent, device) = (dice.below(AGENTS.len()), dice.below(DEVICES.len()));
            search.push_str(&format!("&device={}", self.devices[agent][device]));
            checks.push(Box::new(move |known| (known.agent, known.device) == (agent, device)));
        }
        if dice.once_in(3) {
            let device = dice.below(DEVICES.len());
            search.push_str(&format!("&class={}", DEVICES[device].1));
            checks.push(Box::new(move |known| known.device == device));
        }
        if dice.once_in(3) {
            let from = now - ages[dice.below(ages.len())].cast_signed();
            search.push_str(&format!("&from={from}"));
            checks.push(Box::new(move |known| known.time_ms >= from));
        }
        if dice.once_in(3) {
            let to = now - ages[dice.below(ages.len())].cast_signed();
            search.push_str(&format!("&to={to}"));
            checks.push(Box::new(move |known| known.time_ms < to));
        }
        (search, checks)
    }
}

/// An agent shows the last batches only.
async fn say_hello(agent: &mut ScriptedAgent) {
    for digests in agent.digests.values_mut() {
        let forgotten = digests.len().saturating_sub(20);
        digests.drain(..forgotten);
    }
    agent.hello().await;
}

/// What a search found against what it should have: `known` in the order of the list, rows from `before` on came while it
/// was paging.
fn is_exact(found: &[i64], known: &[&Known], before: i64, search: &str) {
    let seen: BTreeSet<i64> = found.iter().copied().collect();
    let expected: Vec<i64> =
        known.iter().map(|known| known.number).filter(|number| *number < before || seen.contains(number)).collect();
    assert_eq!(found, expected, "{search}");
}

/// One page; every page but the last is full.
async fn page(collector: &Running, path: &str, limit: usize, cursor: &str) -> (Vec<Value>, Option<String>) {
    let page = collector.get(&format!("{path}&limit={limit}{cursor}")).await;
    let items = page["items"].as_array().unwrap().clone();
    let next = page["next"].as_str().map(|next| format!("&cursor={next}"));
    assert!(next.is_none() || items.len() == limit, "a page before the last one holds {} of {limit}", items.len());
    (items, next)
}

const KINDS: [&str; 3] = ["passage", "plate", "slot"];
/// Ages of events: days of two months, and few times, so that many have the same.
const AGES: [u64; 9] = [0, 1, HOUR, DAY, DAY + HOUR, 2 * DAY, 9 * DAY, 30 * DAY, 31 * DAY];

/// Uploads a few events and waits until they can be found.
async fn more_events(place: &mut Place, dice: &mut Dice, known: &mut Vec<Known>) {
    let (agent, count) = (dice.below(AGENTS.len()), dice.below(5) + 1);
    let mut records = Vec::new();
    for _ in 0..count {
        let age = AGES[dice.below(AGES.len())];
        let event = Known {
            number: known.len() as i64,
            time_ms: NOW - age.cast_signed(),
            agent,
            device: dice.below(DEVICES.len()),
            sort: dice.below(KINDS.len()),
            plate: dice.below(4),
        };
        let fields = vec![
            Field::new("number", FieldValue::Integer(event.number)),
            Field::new("plate", FieldValue::Text(format!("A{}", event.plate))),
        ];
        let (device, kind) = (DEVICES[event.device].0.parse().unwrap(), KINDS[event.sort].to_owned());
        records.push((age, RecordBody::Event(Event { device, kind, fields, blobs: Vec::new() })));
        known.push(event);
    }
    place.upload(agent, Lane::Events, records).await;
    // Each of them: events of several days are written day by day, the oldest first.
    for number in known.len() - count..known.len() {
        place.collector.items_when(&format!("/api/v1/events?field=number:{number}"), 1).await;
    }
}

#[tokio::test]
async fn events_are_exact_under_any_conditions() {
    let (mut place, mut dice, mut known) = (Place::new().await, Dice(0x2545_F491_4F6C_DD1D), Vec::new());
    for round in 0..40 {
        more_events(&mut place, &mut dice, &mut known).await;
        let (mut search, mut checks) = place.conditions(&mut dice, NOW, &AGES);
        if dice.once_in(3) {
            let kind = dice.below(KINDS.len());
            search.push_str(&format!("&kind={}", KINDS[kind]));
            checks.push(Box::new(move |known| known.sort == kind));
        }
        if dice.once_in(3) {
            let plate = dice.below(4);
            search.push_str(&format!("&field=plate:A{plate}"));
            checks.push(Box::new(move |known| known.plate == plate));
        }
        if dice.once_in(8) {
            let number = dice.below(known.len()) as i64;
            search.push_str(&format!("&field=number:{number}"));
            checks.push(Box::new(move |known| known.number == number));
        }
        let newest_first = dice.once_in(2);
        let order = if newest_first { "newest" } else { "oldest" };
        let (path, limit) = (format!("/api/v1/events?order={order}{search}"), dice.below(6) + 1);
        let (before, mut found, mut cursor, mut pages) = (known.len() as i64, Vec::new(), String::new(), 0);
        loop {
            let (items, next) = page(&place.collector, &path, limit, &cursor).await;
            found.extend(items.iter().map(|row| row["fields"]["number"].as_i64().unwrap()));
            let Some(next) = next else { break };
            (cursor, pages) = (next, pages + 1);
            if pages < 3 && dice.once_in(2) {
                more_events(&mut place, &mut dice, &mut known).await;
            }
            if pages == 1 && round % 20 == 10 {
                place = place.restart().await;
            }
        }
        let mut wanted: Vec<&Known> = known.iter().filter(|known| checks.iter().all(|check| check(known))).collect();
        wanted.sort_by_key(|known| (known.time_ms, known.number));
        if newest_first {
            wanted.reverse();
        }
        is_exact(&found, &wanted, before, &path);
    }
}

/// Tells of a few alarms. What is late stands in the log only.
async fn more_alarms(place: &mut Place, dice: &mut Dice, known: &mut Vec<Known>) {
    place.collector.clock.advance_ms(dice.below(2) as u64 * 500);
    let (agent, count) = (dice.below(AGENTS.len()), dice.below(4) + 1);
    let (mut records, now) = (Vec::new(), place.agents[agent].now().wall.0);
    for _ in 0..count {
        let age = if dice.once_in(3) { [HOUR, 2 * HOUR, DAY][dice.below(3)] } else { 0 };
        let alarm = Known {
            number: known.len() as i64,
            time_ms: now - age.cast_signed(),
            agent,
            device: dice.below(DEVICES.len()),
            sort: dice.below(SEVERITIES.len()),
            plate: usize::from(age > 0),
        };
        let change = AlarmChange {
            device: DEVICES[alarm.device].0.parse().unwrap(),
            condition: format!("c-{}", alarm.number),
            state: AlarmState::Raised,
            severity: SEVERITIES[alarm.sort].0,
            text: alarm.number.to_string(),
            point: String::new(),
            text_zh: String::new(),
        };
        records.push((age, RecordBody::Alarm(change)));
        known.push(alarm);
    }
    place.upload(agent, Lane::Urgent, records).await;
    let last = known.last().unwrap();
    place.collector.items_when(&format!("/api/v1/alarms/log?condition=c-{}", last.number), 1).await;
    if last.plate == 0 {
        place.collector.items_when(&format!("/api/v1/alarms?condition=c-{}", last.number), 1).await;
    }
}

fn number_of(row: &Value) -> i64 {
    row["condition"].as_str().and_then(|condition| condition.strip_prefix("c-")).unwrap().parse().unwrap()
}

#[tokio::test]
async fn alarms_and_their_log_are_exact_under_any_conditions() {
    let (mut place, mut dice, mut known) = (Place::new().await, Dice(0x9E37_79B9_7F4A_7C15), Vec::new());
    for round in 0..40 {
        more_alarms(&mut place, &mut dice, &mut known).await;
        let now = place.agents[0].now().wall.0;
        let (mut search, mut checks) = place.conditions(&mut dice, now, &[0, 500, 1_000, 3_000, 2 * HOUR, DAY]);
        if dice.once_in(3) {
            let sort = dice.below(SEVERITIES.len());
            search.push_str(&format!("&severity={}", SEVERITIES[sort].1));
            checks.push(Box::new(move |known| known.sort == sort));
        }
        let is_log = dice.once_in(2);
        if !is_log {
            checks.push(Box::new(|known| known.plate == 0));
        }
        let order = ["newest", "oldest", "severity"][dice.below(if is_log { 2 } else { 3 })];
        let list = if is_log { "alarms/log" } else { "alarms" };
        let (path, limit) = (format!("/api/v1/{list}?order={order}{search}"), dice.below(6) + 1);
        let (before, mut found, mut cursor, mut pages) = (known.len() as i64, Vec::new(), String::new(), 0);
        loop {
            let (items, next) = page(&place.collector, &path, limit, &cursor).await;
            found.extend(items.iter().map(number_of));
            let Some(next) = next else { break };
            (cursor, pages) = (next, pages + 1);
            if pages < 3 && dice.once_in(2) {
                more_alarms(&mut place, &mut dice, &mut known).await;
            }
            if pages == 1 && round % 20 == 10 {
                place = place.restart().await;
            }
        }
        let mut wanted: Vec<&Known> = known.iter().filter(|known| checks.iter().all(|check| check(known))).collect();
        match order {
            "severity" => wanted.sort_by_key(|known| std::cmp::Reverse((known.sort, known.time_ms, known.number))),
            "newest" => wanted.sort_by_key(|known| std::cmp::Reverse((known.time_ms, known.number))),
            _ => wanted.sort_by_key(|known| (known.time_ms, known.number)),
        }
        is_exact(&found, &wanted, before, &path);
    }
}

/// A passage of that number, so long ago.
fn numbered(number: i64) -> RecordBody {
    let fields = vec![Field::new("number", FieldValue::Integer(number))];
    RecordBody::Event(Event {
        device: "gate-1".parse().unwrap(),
        kind: "passage".to_owned(),
        fields,
        blobs: Vec::new(),
    })
}

#[tokio::test]
async fn exact_lookups_find_their_event_from_the_first_instant_on() {
    const BEFORE: i64 = 600;
    const BATCHES: i64 = 30;
    let mut place = Place::new().await;
    for first in (0..BEFORE).step_by(100) {
        // Over forty days.
        let records = (first..first + 100).map(|number| (number.unsigned_abs() % 40 * DAY, numbered(number)));
        place.upload(0, Lane::Events, records.collect()).await;
    }
    eventually("all are found", async || {
        let items = place.collector.items("/api/v1/events?limit=1000").await;
        (items.len() as i64 == BEFORE).then_some(())
    })
    .await;
    for round in 0..2_i64 {
        // The index may be at any point of its work.
        let Place { collector, mut agents, devices } = place;
        let collector = collector.restart().await;
        for agent in &mut agents {
            agent.moved_to(&collector.base);
        }
        let first = BEFORE + round * BATCHES * 10;
        let (acked, mut seen) = (RefCell::new((0..first).collect::<Vec<_>>()), (0..first).collect::<BTreeSet<_>>());
        let (is_over, mut dice) = (Cell::new(false), Dice(77 + round.unsigned_abs()));
        let ask = async {
            let mut asked = 0;
            while !is_over.get() || asked < 200 {
                let number = {
                    let acked = acked.borrow();
                    // Old ones and the newest by turns.
                    if asked % 2 == 0 { acked[dice.below(acked.len())] } else { acked[acked.len() - 1] }
                };
                let page = collector.get(&format!("/api/v1/events?field=number:{number}")).await;
                let found = page["items"].as_array().unwrap().len();
                assert!(page["next"].is_null() && found <= 1, "{number}: {page}");
                assert!(found == 1 || !seen.contains(&number), "{number} was there and is missing");
                if found == 1 {
                    seen.insert(number);
                }
                asked += 1;
            }
        };
        let [agent, _] = &mut agents[..] else { panic!("there are two agents") };
        let tell = async {
            say_hello(agent).await;
            for number in (first..first + BATCHES * 10).step_by(10) {
                let aged = |number: i64| (number.unsigned_abs() % 40 * DAY + 1, numbered(number));
                let events = agent.aged(Lane::Events, (number..number + 10).map(aged).collect());
                let readings = agent.rows(&[(number.unsigned_abs(), 230.0)]);
                agent.upload(vec![events, readings]).await;
                acked.borrow_mut().extend(number..number + 10);
            }
            is_over.set(true);
        };
        tokio::join!(ask, tell);
        for number in acked.into_inner().split_off(first as usize) {
            collector.items_when(&format!("/api/v1/events?field=number:{number}"), 1).await;
        }
        place = Place { collector, agents, devices };
    }
}
