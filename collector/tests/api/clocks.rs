//! Wall clocks that jump, on either side: nothing is lost, nothing is taken for older than it is, both times are kept.

use kouan_protocol::{AlarmState, BootId, BootTime, HealthLevel, Lane, ManualClock, Timestamp};
use serde_json::{Value, json};

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::{ScriptedAgent, alarm, health, passage};

const YEAR: i64 = 365 * 24 * 3600 * 1000;

async fn tell(agent: &mut ScriptedAgent, state: AlarmState, level: HealthLevel, voltage: f64) {
    let urgent = agent.batch(Lane::Urgent, vec![alarm(state), health(level)]);
    let rows = agent.rows(&[(0, voltage)]);
    let event = agent.batch(Lane::Events, vec![passage("in")]);
    agent.upload(vec![urgent, rows, event]).await;
}

/// Waits until the device shows what was told last.
async fn shows(collector: &Running, alarms: usize, level: &str, voltage: f64) {
    collector.items_when("/api/v1/alarms?state=raised", alarms).await;
    let device = collector.device("ups-1").await;
    collector.value_becomes(&device, "voltage", json!(voltage)).await;
    let detail = collector.get(&format!("/api/v1/devices/{device}")).await;
    assert_eq!(detail["health"]["level"], level, "{detail}");
}

#[tokio::test]
async fn the_agents_wall_clock_jumps_by_a_year_either_way() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    let clock = agent.give_clock(ManualClock::at(NOW));
    agent.hello().await;
    let steps = [
        (0, AlarmState::Raised, HealthLevel::Working),
        (YEAR, AlarmState::Cleared, HealthLevel::Unreachable),
        (-2 * YEAR, AlarmState::Raised, HealthLevel::Working),
        (YEAR, AlarmState::Cleared, HealthLevel::Answering),
    ];
    for (step, (jump, state, level)) in steps.into_iter().enumerate() {
        clock.change(|anchor| anchor.wall = anchor.wall.plus_ms(jump));
        tell(&mut agent, state, level, 220.0 + step as f64).await;
        shows(&collector, usize::from(state == AlarmState::Raised), level.as_str(), 220.0 + step as f64).await;
        clock.advance_ms(5_000);
        collector.clock.advance_ms(5_000);
    }
    let mut events = collector.items_when("/api/v1/events", 4).await;
    events.reverse();
    let seqs: Vec<i64> = events.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, [1, 2, 3, 4], "in the order in which they happened");
    for (event, (offset, status)) in
        events.iter().zip([(0, "trusted"), (YEAR, "corrected"), (-YEAR, "corrected"), (0, "trusted")])
    {
        let (time, agents) = (event["time_ms"].as_i64().unwrap(), event["agent_time_ms"].as_i64().unwrap());
        assert_eq!(
            (agents - time, event["time_status"].as_str(), event["late"].as_bool()),
            (offset, Some(status), Some(false))
        );
    }
    let device = collector.device("ups-1").await;
    let readings = collector.items_when(&format!("/api/v1/devices/{device}/readings?point=voltage"), 4).await;
    let values: Vec<f64> = readings.iter().map(|reading| reading["value"].as_f64().unwrap()).collect();
    assert_eq!(values, [220.0, 221.0, 222.0, 223.0]);
    assert_eq!(readings[1]["agent_time_ms"].as_i64().unwrap() - readings[1]["time_ms"].as_i64().unwrap(), YEAR);
    let log = collector.items("/api/v1/alarms/log").await;
    assert_eq!(log[2]["agent_time_ms"].as_i64().unwrap() - log[2]["time_ms"].as_i64().unwrap(), YEAR, "{}", log[2]);
    collector.is_sound().await;
}

#[tokio::test]
async fn what_a_wrong_clock_stamped_is_right_when_it_is_sent_after_the_clock_was_set() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    let clock = agent.give_clock(ManualClock::at(NOW + YEAR));
    agent.hello().await;
    let waiting = agent.batch(Lane::Events, vec![passage("in")]);
    for clock in [&clock, &collector.clock] {
        clock.advance_ms(30_000);
    }
    clock.change(|anchor| anchor.wall = Timestamp(NOW + 30_000));
    agent.upload(vec![waiting]).await;
    let event = collector.items_when("/api/v1/events", 1).await.remove(0);
    assert_eq!((event["time_ms"].as_i64(), event["time_status"].as_str()), (Some(NOW), Some("corrected")));
    assert_eq!(event["agent_time_ms"].as_i64(), Some(NOW + YEAR));
}

#[tokio::test]
async fn the_collectors_wall_clock_jumps_by_a_year_either_way() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.give_clock(ManualClock::at(NOW));
    agent.hello().await;
    tell(&mut agent, AlarmState::Raised, HealthLevel::Working, 220.0).await;
    shows(&collector, 1, "working", 220.0).await;
    let clock = agent.give_clock(ManualClock::at(NOW + 5_000));
    clock.change(|anchor| anchor.boot_time = anchor.boot_time.plus_ms(5_000));
    collector.clock.change(|anchor| anchor.wall = anchor.wall.plus_ms(-YEAR));
    tell(&mut agent, AlarmState::Cleared, HealthLevel::Unreachable, 221.0).await;
    shows(&collector, 0, "unreachable", 221.0).await;
    clock.advance_ms(5_000);
    collector.clock.change(|anchor| anchor.wall = anchor.wall.plus_ms(2 * YEAR));
    tell(&mut agent, AlarmState::Raised, HealthLevel::Answering, 222.0).await;
    shows(&collector, 1, "answering", 222.0).await;
    // The agent's machine starts again while this clock is wrong, the other way.
    collector.clock.change(|anchor| anchor.wall = anchor.wall.plus_ms(-2 * YEAR));
    clock.change(|anchor| {
        anchor.boot = BootId(2);
        anchor.boot_time = BootTime(9_000);
    });
    agent.hello().await;
    tell(&mut agent, AlarmState::Cleared, HealthLevel::Working, 223.0).await;
    shows(&collector, 0, "working", 223.0).await;
    collector.clock.change(|anchor| anchor.wall = anchor.wall.plus_ms(YEAR));
    let collector = collector.restart().await;
    shows(&collector, 0, "working", 223.0).await;
    let report = collector.is_sound().await;
    let events = report.lanes.iter().find(|lane| lane.lane == "events").unwrap();
    assert_eq!((events.stored_numbers, events.history_rows), (4, Some(4)));
}

#[tokio::test]
async fn a_clock_that_is_set_after_a_reboot_loses_and_reorders_nothing() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    let clock = agent.give_clock(ManualClock::at(NOW));
    // Never set: it counts from 1970.
    clock.change(|anchor| (anchor.wall, anchor.trusted) = (Timestamp(60_000), false));
    let before: Vec<_> = (0..2).map(|_| agent.batch(Lane::Events, vec![passage("in")])).collect();
    clock.change(|anchor| (anchor.boot, anchor.boot_time) = (BootId(2), BootTime(8_000)));
    let after = agent.batch(Lane::Events, vec![passage("out")]);
    clock.advance_ms(1_000);
    clock.change(|anchor| (anchor.wall, anchor.trusted) = (Timestamp(NOW), true));
    let set = agent.batch(Lane::Events, vec![passage("out")]);
    agent.hello().await;
    agent.upload(before).await;
    agent.upload(vec![after, set]).await;
    let events = collector.items_when("/api/v1/events", 4).await;
    let mut by_number: Vec<(i64, &str)> =
        events.iter().map(|event| (event["seq"].as_i64().unwrap(), event["time_status"].as_str().unwrap())).collect();
    by_number.sort_unstable();
    assert_eq!(by_number, [(1, "uncertain"), (2, "uncertain"), (3, "corrected"), (4, "trusted")]);
    assert_eq!(events.iter().filter(|event| event["agent_time_ms"].as_i64() == Some(60_000)).count(), 3);
    collector.is_sound().await;
}

#[tokio::test]
async fn what_a_clock_that_was_never_set_recorded_before_a_reboot_does_not_act() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    let clock = agent.give_clock(ManualClock::at(60_000));
    clock.change(|anchor| anchor.trusted = false);
    let old = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Raised)]);
    // A minute later it has started again, and its clock counts from 1970 again.
    clock
        .change(|anchor| (anchor.boot, anchor.boot_time, anchor.wall) = (BootId(2), BootTime(9_000), Timestamp(9_000)));
    agent.hello().await;
    agent.upload(vec![old]).await;
    let log = collector.items_when("/api/v1/alarms/log", 1).await;
    assert_eq!(
        (log[0]["late"].as_bool(), log[0]["time_status"].as_str()),
        (Some(true), Some("uncertain")),
        "{}",
        log[0]
    );
    assert!(collector.items("/api/v1/alarms?state=raised").await.is_empty());
    let fresh = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Raised)]);
    agent.upload(vec![fresh]).await;
    collector.items_when("/api/v1/alarms?state=raised", 1).await;
}

#[tokio::test]
async fn alarms_of_this_side_and_the_log_outlive_a_clock_that_goes_back() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    agent.incarnation = kouan_protocol::Incarnation::random();
    agent.hello().await;
    let raised: Vec<Value> = collector.items_when("/api/v1/alarms?state=raised", 1).await;
    assert_eq!(raised[0]["condition"], "duplicate-identity");
    collector.clock.change(|anchor| anchor.wall = anchor.wall.plus_ms(-YEAR));
    eventually("it does not stand for a year", async || {
        collector.items("/api/v1/alarms?state=raised").await.is_empty().then_some(())
    })
    .await;
}
