//! The engine with the whole estate of `fleet.csv` and a real `state.db`.

use std::sync::Arc;

use kouan_protocol::{DeviceSpec, HealthLevel, Value};

use super::world::{World, spec, with_rule};
use crate::alarms::{find, hidden_by};
use crate::auth::Scope;
use crate::state::Points;

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
    assert_eq!(alarm.text.en, "environment-sensor room: temperature high, 31");
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
