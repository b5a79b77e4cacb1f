//! What is not known after a start of the collector neither raises nor clears, what was known outlives the edit of a rule;
//! and how things explain each other.

use kouan_protocol::{DeviceSpec, GroupSpec, HealthLevel, PointKind, PointSpec, Value};

use super::world::{World, edit_rule, spec, with_rule};

/// A device that says that it has these numbers.
fn sensor(key: &str, points: &[&str]) -> DeviceSpec {
    let point = |name: &&str| PointSpec {
        name: name.parse().unwrap(),
        kind: PointKind::Measurement,
        unit: "°C".to_owned(),
        decimals: 1,
        states: Vec::new(),
    };
    let points = points.iter().map(point).collect();
    let group = GroupSpec { name: "all".to_owned(), every_ms: 1_000, heartbeat_ms: 60_000, points };
    DeviceSpec { groups: vec![group], ..spec(key, "environment-sensor", key, None) }
}

fn rule(when: &str) -> String {
    format!(
        "id = \"own\"\nseverity = \"major\"\nname = {{ zh = \"自\", en = \"Own\" }}\ntext = {{ zh = \"自\", en = \"Own\" }}\n\
         raise_after = \"0s\"\nclear_after = \"0s\"\n[when]\n{when}\n"
    )
}

/// A world in which only that rule is judged.
fn world(when: &str) -> World {
    let mut world = World::new();
    world.rules.rules.clear();
    with_rule(&mut world, &rule(when));
    world
}

/// Goes through a start of the collector: for a minute nothing is heard of the agents.
fn restart(world: &mut World) {
    let before = world.steps();
    world.restarted();
    world.silent = true;
    world.pass(60);
    assert_eq!(world.steps(), before, "nothing is known, so nothing becomes otherwise");
    world.silent = false;
}

#[test]
fn a_number_of_devices_is_not_told_before_all_that_matter_were_heard_of() {
    let mut world = world("count = { devices = 3, share = 0.3, health = \"reachable\" }");
    for (agent, ids) in [("a-1", ["g-1", "g-2", "g-3"]), ("a-2", ["g-4", "g-5", "g-6"])] {
        world.agent(agent, "hall");
        ids.iter().for_each(|id| world.device(id, agent, "hall", spec(id, "passenger-gate", id, None)));
    }
    ["g-1", "g-4"].iter().for_each(|id| world.becomes(id, HealthLevel::Unreachable));
    world.pass(2);
    restart(&mut world);
    world.pass(2);
    assert!(world.visible().is_empty(), "two are not three");
    world.becomes("g-5", HealthLevel::Unreachable);
    world.pass(2);
    assert_eq!(world.visible(), ["own"]);
    let before = world.steps();
    restart(&mut world);
    // One agent is back: one gate of three is down there, and of the others nothing is known.
    world.mute = vec!["a-2"];
    world.pass(60);
    assert_eq!((world.visible(), world.steps()), (vec!["own".to_owned()], before));
    world.mute.clear();
    world.pass(5);
    assert_eq!(world.steps(), before, "it is as it was");
    world.becomes("g-4", HealthLevel::Working);
    world.pass(2);
    assert!(world.visible().is_empty());
    // What is known is enough to say that they are too few.
    world.becomes("g-4", HealthLevel::Unreachable);
    world.pass(2);
    restart(&mut world);
    world.mute = vec!["a-2"];
    for id in ["g-1", "g-2", "g-3"] {
        world.becomes(id, HealthLevel::Unreachable);
    }
    let before = world.steps();
    world.pass(2);
    assert_eq!((world.visible(), world.steps()), (vec!["own".to_owned()], before), "and that they are enough");
}

#[test]
fn a_device_without_the_point_is_known_not_to_have_it() {
    let mut world = world("count = { devices = 1, point = \"heat\", above = 30 }");
    world.agent("a-1", "hall");
    world.device("d-1", "a-1", "hall", sensor("d-1", &["heat"]));
    world.device("d-2", "a-1", "hall", sensor("d-2", &[]));
    world.reads("d-1", "heat", Value::Number(31.0));
    world.pass(2);
    assert_eq!(world.visible(), ["own"]);
    restart(&mut world);
    world.pass(2);
    world.reads("d-1", "heat", Value::Number(29.0));
    world.pass(2);
    assert!(world.visible().is_empty(), "{:?}", world.visible());
}

#[test]
fn what_rose_is_not_over_because_nobody_remembers_it() {
    let mut world = world("point = \"heat\"\nrises_by = 5\nwithin = \"5m\"");
    world.agent("a-1", "hall");
    world.device("d-1", "a-1", "hall", sensor("d-1", &["heat"]));
    for heat in [20.0, 26.0] {
        world.reads("d-1", "heat", Value::Number(heat));
        world.pass(10);
    }
    assert_eq!(world.visible(), ["own"]);
    restart(&mut world);
    let before = world.steps();
    for _ in 0..29 {
        world.reads("d-1", "heat", Value::Number(26.0));
        world.pass(10);
    }
    assert_eq!((world.visible(), world.steps()), (vec!["own".to_owned()], before), "not yet watched for five minutes");
    world.pass(15);
    assert!(world.visible().is_empty(), "it did not rise for five minutes");
}

#[test]
fn absence_is_not_over_because_somebody_looked_away() {
    let mut world = world("no_event = \"passage\"\nwithin = \"5m\"");
    world.agent("a-1", "hall");
    world.device("d-1", "a-1", "hall", sensor("d-1", &[]));
    world.pass(301);
    assert_eq!(world.visible(), ["own"]);
    let before = world.steps();
    for _ in 0..2 {
        restart(&mut world);
        world.pass(200);
    }
    assert_eq!((world.visible(), world.steps()), (vec!["own".to_owned()], before));
    let time = world.now.wall;
    world.change("d-1", |device| device.events.push(("passage".into(), time)));
    world.reads("d-1", "heat", Value::Number(20.0));
    world.pass(1);
    assert!(world.visible().is_empty());
    // And it does not begin before somebody looked for so long.
    world.pass(200);
    restart(&mut world);
    world.pass(299);
    assert!(world.visible().is_empty());
    world.pass(2);
    assert_eq!(world.visible(), ["own"]);
}

#[test]
fn a_combination_of_what_is_known_and_what_is_not_waits() {
    let mut world = world(
        "all = [{ point = \"heat\", above = 24, clear = 23 }, { point = \"heat\", rises_by = 5, within = \"1m\" }]",
    );
    world.agent("a-1", "hall");
    world.device("d-1", "a-1", "hall", sensor("d-1", &["heat"]));
    for heat in [20.0, 26.0] {
        world.reads("d-1", "heat", Value::Number(heat));
        world.pass(10);
    }
    assert_eq!(world.visible(), ["own"]);
    restart(&mut world);
    let before = world.steps();
    world.reads("d-1", "heat", Value::Number(25.0));
    world.pass(30);
    assert_eq!((world.visible(), world.steps()), (vec!["own".to_owned()], before));
    // One part that is known decides.
    world.reads("d-1", "heat", Value::Number(20.0));
    world.pass(1);
    assert!(world.visible().is_empty());
}

#[test]
fn a_reading_without_a_value_does_not_make_the_one_before_it_unread() {
    let mut world = world("no_reading = \"1m\"");
    world.agent("a-1", "hall");
    world.device("d-1", "a-1", "hall", sensor("d-1", &["heat"]));
    world.pass(50);
    world.reads("d-1", "heat", Value::Number(20.0));
    world.pass(20);
    world.reads_nothing("d-1", "heat");
    world.pass(30);
    assert!(world.visible().is_empty(), "it was read less than a minute ago");
    world.pass(15);
    assert_eq!(world.visible(), ["own"]);
}

#[test]
fn what_was_lost_together_stands_over_a_start_while_half_of_it_is_lost() {
    let mut world = world("lost_together = { devices = 20, share = 0.3 }");
    world.agent("a-1", "hall");
    let ids: Vec<String> = (0..40).map(|at| format!("d-{at}")).collect();
    ids.iter().for_each(|id| world.device(id, "a-1", "hall", spec(id, "camera", id, None)));
    ids.iter().take(25).for_each(|id| world.becomes(id, HealthLevel::Unreachable));
    world.pass(2);
    ids.iter().take(10).for_each(|id| world.becomes(id, HealthLevel::Working));
    world.pass(2);
    assert_eq!(world.visible(), ["own"], "fifteen of forty");
    restart(&mut world);
    world.pass(2);
    assert_eq!(world.visible(), ["own"]);
    ids.iter().take(20).for_each(|id| world.becomes(id, HealthLevel::Working));
    world.pass(2);
    assert!(world.visible().is_empty());
}

#[test]
fn a_circle_of_parents_hides_all_but_one() {
    let mut world = World::new();
    world.agent("a-1", "hall");
    // Two that each say that they hang on the other, and a camera behind one of them.
    world.device("d-1", "a-1", "hall", spec("one", "switch", "l1", Some("two")));
    world.device("d-2", "a-1", "hall", spec("two", "switch", "l2", Some("one")));
    world.device("d-3", "a-1", "hall", spec("three", "camera", "l3", Some("two")));
    world.device("d-4", "a-1", "hall", spec("four", "camera", "l4", Some("four")));
    world.pass(1);
    ["d-1", "d-2", "d-3", "d-4"].iter().for_each(|id| world.becomes(id, HealthLevel::Unreachable));
    world.pass(100);
    let shown: Vec<_> = world.alarms(&["raised"], false).into_iter().collect();
    let shown: Vec<_> = shown.iter().map(|alarm| (alarm.device.as_deref().unwrap(), alarm.hides)).collect();
    assert_eq!(shown, [("d-1", 2), ("d-4", 0)], "the circle is cut at its first");
}

#[test]
fn two_levels_are_one_alarm_and_come_back_level_by_level() {
    let mut world = World::new();
    world.agent("a-1", "hall");
    world.device("d-core", "a-1", "hall", spec("core", "switch", "l0", None));
    for floor in ["1", "2"] {
        let key = format!("floor-{floor}");
        world.device(&format!("d-{floor}"), "a-1", "hall", spec(&key, "switch", &key, Some("core")));
        for camera in ["a", "b"] {
            let at = format!("{floor}{camera}");
            world.device(&format!("d-{at}"), "a-1", "hall", spec(&at, "camera", &at, Some(&key)));
        }
    }
    world.pass(1);
    let all = ["d-core", "d-1", "d-2", "d-1a", "d-1b", "d-2a", "d-2b"];
    all.iter().rev().for_each(|id| world.becomes(id, HealthLevel::Unreachable));
    world.pass(100);
    let shown = |world: &World| -> Vec<(String, i64)> {
        let shown = world.alarms(&["raised"], false).into_iter();
        shown.map(|alarm| (alarm.device.unwrap_or_default(), alarm.hides)).collect()
    };
    assert_eq!(shown(&world), [("d-core".to_owned(), 6)], "the farthest explains them all");
    ["d-core", "d-2", "d-2a", "d-2b"].iter().for_each(|id| world.becomes(id, HealthLevel::Working));
    world.pass(30);
    assert_eq!(shown(&world), [("d-1".to_owned(), 2)], "one floor is left");
}

#[test]
fn the_edit_of_a_rule_makes_the_others_forget_nothing() {
    let another = || rule("point = \"other\"\nabove = 1").replace("\"own\"", "\"another\"");
    // A delay that is half over, with what was told of the fire of another rule.
    let mut world = World::new();
    world.rules.rules.clear();
    let slow = rule("point = \"heat\"\nabove = 30").replace("raise_after = \"0s\"", "raise_after = \"1m\"");
    with_rule(&mut world, &slow);
    world.agent("a-1", "hall");
    world.device("d-1", "a-1", "hall", sensor("d-1", &["heat"]));
    world.reads("d-1", "heat", Value::Number(31.0));
    world.pass(40);
    edit_rule(&mut world, &another());
    world.pass(15);
    assert!(world.visible().is_empty());
    world.pass(10);
    assert_eq!(world.visible(), ["own"], "a minute after it became hot");
    let before = world.steps();
    edit_rule(&mut world, &another().replace("above = 1", "above = 2"));
    world.pass(30);
    assert_eq!((world.visible(), world.steps()), (vec!["own".to_owned()], before));

    // Absence that was watched for half of its time, and numbers that were read before.
    let conditions =
        ["no_event = \"passage\"\nwithin = \"5m\"", "point = \"heat\"\nrises_less_than = 1\nwithin = \"5m\""];
    for condition in conditions {
        let mut world = self::world(condition);
        world.agent("a-1", "hall");
        world.device("d-1", "a-1", "hall", sensor("d-1", &["heat"]));
        world.reads("d-1", "heat", Value::Number(20.0));
        world.pass(200);
        edit_rule(&mut world, &another());
        world.pass(95);
        assert!(world.visible().is_empty(), "{condition}");
        world.pass(10);
        assert_eq!(world.visible(), ["own"], "{condition}");
    }
}

#[test]
fn what_is_lost_later_is_not_explained_by_what_was_lost_together() {
    let mut world = World::new();
    world.agent("a-1", "hall");
    let ids: Vec<String> = (0..60).map(|at| format!("d-{at}")).collect();
    ids.iter().for_each(|id| world.device(id, "a-1", "hall", spec(id, "queue-display", id, None)));
    world.device("d-ups", "a-1", "hall", spec("ups", "ups", "ups", None));
    world.pass(1);
    // As each evening, most displays are switched off.
    for part in ids[..40].chunks(10) {
        part.iter().for_each(|id| world.becomes(id, HealthLevel::Unreachable));
        world.pass(20);
    }
    world.pass(60);
    assert_eq!(world.visible(), ["lost-together"]);
    assert_eq!(world.alarms(&["raised"], true).len(), 40);
    world.pass(3_600);
    world.becomes("d-ups", HealthLevel::Unreachable);
    world.pass(30);
    assert_eq!(world.visible(), ["lost-together", "unreachable"]);
    let shown = world.alarms(&["raised"], false);
    assert!(shown.iter().any(|alarm| alarm.device.as_deref() == Some("d-ups")), "an hour later is another matter");
    // Over a start of the collector that stays so.
    world.restarted();
    world.pass(60);
    assert_eq!((world.visible().len(), world.alarms(&["raised"], true).len()), (2, 40));
    // What goes one by one over hours is not lost together either.
    let mut world = World::new();
    world.agent("a-1", "hall");
    ids.iter().for_each(|id| world.device(id, "a-1", "hall", spec(id, "queue-display", id, None)));
    world.pass(1);
    for id in &ids[..25] {
        world.becomes(id, HealthLevel::Unreachable);
        world.pass(60);
    }
    assert!(!world.visible().contains(&"lost-together".to_owned()), "{:?}", world.visible());
}
