//! A look back over recorded history says what the engine did live with the same data.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kouan_protocol::{
    DeviceSpec, GroupSpec, HealthLevel, PointKind, PointName, PointSpec, Quality, QualityReason, Timestamp, Value,
};
use proptest::prelude::*;

use super::world::{NOW, World, spec, with_rule};
use crate::alarms::rule::{Rule, When};
use crate::alarms::{Past, Replayed, replay};
use crate::auth::Scope;
use crate::availability::zone;
use crate::state::DeviceId;
use crate::store::StoreError;
use crate::store::log::TimeStatus;
use crate::telemetry::{
    EventFilter, EventId, EventRow, EventSlice, History, ReadingRow, SeriesColumns, SeriesQuery, Slice, WindowsAnswer,
    WindowsQuery,
};

/// What was read, by point.
#[derive(Default)]
struct Recorded(BTreeMap<String, Vec<(i64, Option<Value>, Quality)>>);

impl History for Recorded {
    fn series(&self, query: &SeriesQuery) -> Result<Slice<ReadingRow>, StoreError> {
        let rows = self.0.get(query.point.as_str()).into_iter().flatten();
        let within = rows.filter(|(time, ..)| *time >= query.from.0 && *time < query.to.0);
        let row = |(time_ms, value, quality): &(i64, Option<Value>, Quality)| ReadingRow {
            time: String::new(),
            time_ms: *time_ms,
            value: value.clone(),
            quality: *quality,
            reason: QualityReason::None,
            time_status: TimeStatus::Trusted,
            agent_time_ms: *time_ms,
            late: false,
        };
        Ok(Slice { rows: within.map(row).collect(), next: None, incomplete: Vec::new() })
    }

    fn columns(&self, _: &SeriesQuery) -> Result<SeriesColumns, StoreError> {
        unreachable!("a look back asks for readings")
    }

    fn windows(&self, _: &WindowsQuery) -> Result<WindowsAnswer, StoreError> {
        unreachable!("a look back asks for readings")
    }

    fn events(&self, _: &Scope, _: &EventFilter, _: usize) -> Result<EventSlice, StoreError> {
        unreachable!("a look back asks for readings")
    }

    fn event(&self, _: &Scope, _: &EventId) -> Result<Option<EventRow>, StoreError> {
        unreachable!("a look back asks for readings")
    }
}

/// What happens at one instant; the next one is a second later.
#[derive(Debug, Clone)]
struct Instance {
    heat: Option<(Option<f64>, Quality)>,
    mode: Option<&'static str>,
    health: Option<HealthLevel>,
}

fn instance() -> impl Strategy<Value = Instance> {
    let number = prop::sample::select(vec![20.0, 24.0, 26.0, 29.0, 31.0, 33.0]);
    let heat = prop_oneof![
        6 => number.clone().prop_map(|heat| (Some(heat), Quality::Good)),
        1 => number.prop_map(|heat| (Some(heat), Quality::Uncertain)),
        1 => Just((None, Quality::Bad)),
    ];
    let mode = prop::sample::select(vec!["ok", "fault"]);
    let levels = vec![HealthLevel::Working, HealthLevel::Answering, HealthLevel::Unreachable, HealthLevel::Maintenance];
    let health = prop::sample::select(levels);
    (prop::option::weighted(0.3, heat), prop::option::weighted(0.15, mode), prop::option::weighted(0.05, health))
        .prop_map(|(heat, mode, health)| Instance { heat, mode, health })
}

fn conditions() -> Vec<&'static str> {
    vec![
        "point = \"heat.*\"\nabove = 30\nclear = 25",
        "point = \"mode\"\none_of = [\"fault\"]",
        "point = \"heat.a\"\nrises_by = 5\nwithin = \"16s\"",
        "point = \"heat.a\"\nfalls_by = 5\nwithin = \"16s\"",
        "point = \"heat.a\"\nrises_less_than = 3\nwithin = \"16s\"",
        "no_reading = \"7s\"",
        "point = \"heat.a\"\nno_reading = \"9s\"",
        "health = \"reachable\"",
        "all = [{ point = \"heat.a\", above = 25 }, { point = \"mode\", one_of = [\"fault\"] }]",
        "any = [{ point = \"heat.a\", above = 30 }, { not = { point = \"mode\", one_of = [\"ok\"] } }]",
        "all = [{ no_reading = \"5s\" }, { not = { health = \"reachable\" } }]",
    ]
}

fn rule() -> impl Strategy<Value = String> {
    let flap = prop_oneof![Just(0), Just(3)];
    // The clock at the site shows 18:00 at the beginning.
    let during = prop::sample::select(vec!["", "[[during]]\nfrom = \"18:01\"\nto = \"18:02\"\n"]);
    (prop::sample::select(conditions()), 0_u64..6, 0_u64..6, flap, during).prop_map(
        |(when, raise, clear, flap, during)| {
            format!(
                "id = \"own\"\nseverity = \"major\"\nname = {{ zh = \"自\", en = \"Own\" }}\n\
             text = {{ zh = \"自\", en = \"Own\" }}\nraise_after = \"{raise}s\"\nclear_after = \"{clear}s\"\n\
             [flap]\nraises = {flap}\nwithin = \"1m\"\nquiet = \"1m\"\n[when]\n{when}\n{during}"
            )
        },
    )
}

fn sensor() -> DeviceSpec {
    let point = |name: &str, kind| PointSpec {
        name: name.parse().unwrap(),
        kind,
        unit: String::new(),
        decimals: 1,
        states: Vec::new(),
    };
    let points = vec![point("heat.a", PointKind::Measurement), point("mode", PointKind::State)];
    let group = GroupSpec { name: "all".to_owned(), every_ms: 1_000, heartbeat_ms: 60_000, points };
    DeviceSpec { groups: vec![group], ..spec("room", "environment-sensor", "l", None) }
}

/// Lives through it with the engine; what was recorded, and what became of alarms.
fn live(toml: &str, instances: &[Instance]) -> (Recorded, Vec<(i64, HealthLevel)>, i64, Replayed, Arc<Rule>) {
    let mut world = World::new();
    world.rules.rules.clear();
    with_rule(&mut world, toml);
    world.agent("a-1", "hall");
    world.device("d-1", "a-1", "hall", sensor());
    let (mut recorded, mut health) = (Recorded::default(), vec![(NOW, HealthLevel::Working)]);
    for instance in instances {
        let now = world.now.wall.0;
        let mut tell = |world: &mut World, point: &str, value: Option<Value>, quality| {
            recorded.0.entry(point.to_owned()).or_default().push((now, value.clone(), quality));
            world.tells("d-1", point, value, quality);
        };
        if let Some((heat, quality)) = instance.heat {
            tell(&mut world, "heat.a", heat.map(Value::Number), quality);
        }
        if let Some(mode) = instance.mode {
            tell(&mut world, "mode", Some(Value::Text(mode.into())), Quality::Good);
        }
        if let Some(level) = instance.health {
            health.push((now, level));
            world.becomes("d-1", level);
        }
        world.round();
        world.tick();
        world.round();
        world.tick();
    }
    world.round();
    let mut seen = Replayed::default();
    let mut since = None;
    let mut steps = world.conn.prepare("SELECT what, time_ms FROM alarm_steps ORDER BY id").unwrap();
    let steps = steps.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).unwrap();
    for (what, time) in steps.map(Result::unwrap) {
        match what.as_str() {
            "raised" | "renewed" => {
                seen.raised += 1;
                seen.first_ms.get_or_insert(time);
                since = Some(time);
            }
            "cleared" => seen.active_ms += time - since.take().expect("it was raised"),
            _ => {}
        }
    }
    let end = world.now.wall.0;
    seen.active_ms += since.map_or(0, |since| end - since);
    let rule = Arc::clone(&world.rules.rules["own"].rule);
    (recorded, health, end, seen, rule)
}

fn looked_back(
    recorded: &Recorded,
    health: Vec<(i64, HealthLevel)>,
    end: i64,
    rule: &Rule,
) -> Result<Replayed, StoreError> {
    let When::Device(test) = &rule.when else { panic!("it is about a device") };
    let name = |name: &str| (name.parse::<PointName>().unwrap(), String::new());
    let points = vec![name("heat.a"), name("mode")];
    let past = Past { id: DeviceId::new("d-1"), spans: Vec::new(), points, health, zone: zone("") };
    let until = Instant::now() + Duration::from_secs(60);
    replay(recorded, rule, test, &past, (Timestamp(NOW), Timestamp(end)), 100_000, until)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn a_look_back_says_what_was_raised_live(toml in rule(), instances in prop::collection::vec(instance(), 20..130)) {
        let (recorded, health, end, seen, rule) = live(&toml, &instances);
        let told = looked_back(&recorded, health, end, &rule).unwrap();
        prop_assert!(!told.is_cut);
        prop_assert_eq!(
            (told.raised, told.active_ms, told.first_ms),
            (seen.raised, seen.active_ms, seen.first_ms),
            "{}", toml
        );
    }
}
