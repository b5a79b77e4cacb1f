//! What the settings say about alarms: those of agents that come and go are held, and acknowledged ones close by
//! themselves, later or never.

use std::time::Duration;

use kouan_collector::alarms::AlarmSettings;
use kouan_protocol::{AlarmState, Lane};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::running::{Running, eventually};
use crate::scripted_agent::{ScriptedAgent, alarm};

const MINUTE: u64 = 60_000;

async fn started(settings: AlarmSettings) -> (Running, ScriptedAgent) {
    let collector = Running::start_with(|config| {
        config.shipped_alarm_rules = false;
        config.alarms = settings;
    })
    .await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    (collector, agent)
}

/// Tells a change, and waits until its line stands in the log of what agents told.
async fn tell(collector: &Running, agent: &mut ScriptedAgent, state: AlarmState) {
    let told = collector.items("/api/v1/alarms/log?limit=500").await.len();
    let batch = agent.batch(Lane::Urgent, vec![alarm(state)]);
    agent.upload(vec![batch]).await;
    collector.items_when("/api/v1/alarms/log?limit=500", told + 1).await;
}

async fn only_alarm(collector: &Running) -> Value {
    let alarms = collector.items("/api/v1/alarms?state=all&hidden=all").await;
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    collector.get(&format!("/api/v1/alarms/{}", alarms[0]["id"].as_str().unwrap())).await
}

fn steps(alarm: &Value) -> Vec<&str> {
    alarm["log"].as_array().unwrap().iter().map(|step| step["what"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_agents_alarm_that_comes_and_goes_is_held_until_it_is_quiet() {
    let (collector, mut agent) = started(AlarmSettings::default()).await;
    for _ in 0..4 {
        tell(&collector, &mut agent, AlarmState::Raised).await;
        collector.clock.advance_ms(20_000);
        tell(&collector, &mut agent, AlarmState::Cleared).await;
        collector.clock.advance_ms(20_000);
    }
    assert_eq!(only_alarm(&collector).await["flapping"], false, "four times are not five");
    tell(&collector, &mut agent, AlarmState::Raised).await;
    let held = only_alarm(&collector).await;
    assert_eq!((&held["flapping"], &held["count"], &held["state"]), (&json!(true), &json!(5), &json!("raised")));
    let before: Vec<String> = steps(&held).into_iter().map(str::to_owned).collect();

    // Whatever it does now, nothing becomes of it, and so nobody is told; a kill changes nothing either.
    for _ in 0..3 {
        collector.clock.advance_ms(8 * MINUTE);
        tell(&collector, &mut agent, AlarmState::Cleared).await;
        collector.clock.advance_ms(8 * MINUTE);
        tell(&collector, &mut agent, AlarmState::Raised).await;
    }
    let collector = collector.crash_and_start().await;
    agent.moved_to(&collector.base);
    agent.hello().await;
    tell(&collector, &mut agent, AlarmState::Cleared).await;
    collector.clock.advance_ms(9 * MINUTE);
    let held = only_alarm(&collector).await;
    assert_eq!(
        (steps(&held), &held["state"], &held["count"]),
        (before.iter().map(String::as_str).collect(), &json!("raised"), &json!(5))
    );

    collector.clock.advance_ms(MINUTE);
    let cleared = eventually("it was quiet for ten minutes", async || {
        let alarm = only_alarm(&collector).await;
        (alarm["state"] == "cleared").then_some(alarm)
    })
    .await;
    assert_eq!(cleared["flapping"], false, "{cleared}");
    // Once is not often.
    collector.clock.advance_ms(20 * MINUTE);
    tell(&collector, &mut agent, AlarmState::Raised).await;
    tell(&collector, &mut agent, AlarmState::Cleared).await;
    assert_eq!(only_alarm(&collector).await["state"], "cleared");
}

#[tokio::test]
async fn an_agent_that_starts_again_and_again_makes_no_flapping_of_what_stands() {
    let (collector, mut agent) = started(AlarmSettings::default()).await;
    for _ in 0..6 {
        tell(&collector, &mut agent, AlarmState::Raised).await;
        collector.clock.advance_ms(20_000);
    }
    assert_eq!(only_alarm(&collector).await["flapping"], false);
    tell(&collector, &mut agent, AlarmState::Cleared).await;
    assert_eq!(only_alarm(&collector).await["state"], "cleared");
}

#[tokio::test]
async fn an_acknowledged_alarm_closes_when_the_settings_say_so() {
    let never = AlarmSettings { close_after: None, ..AlarmSettings::default() };
    let (collector, mut agent) = started(never).await;
    let acknowledge = async |collector: &Running, alarm: &Value| {
        let body = json!({ "ids": [alarm["id"]], "do": "acknowledge" });
        let (status, answer) = collector.post("/api/v1/alarms/act", body).await;
        assert_eq!((status, &answer["results"][0]["done"]), (StatusCode::OK, &json!(true)), "{answer}");
    };
    tell(&collector, &mut agent, AlarmState::Raised).await;
    let alarm = only_alarm(&collector).await;
    acknowledge(&collector, &alarm).await;
    tell(&collector, &mut agent, AlarmState::Cleared).await;
    collector.clock.advance_ms(100 * MINUTE);
    assert_eq!(only_alarm(&collector).await["state"], "cleared", "it stays until somebody closes it");

    // The settings are others now: an hour, which has passed for this one.
    let hour = Some(Duration::from_secs(3_600));
    let collector = collector.restart_with(|config| config.alarms.close_after = hour).await;
    agent.moved_to(&collector.base);
    agent.hello().await;
    let closed = async |collector: &Running| {
        eventually("it closes", async || {
            let alarms = collector.items("/api/v1/alarms?state=all").await;
            alarms.iter().all(|alarm| alarm["state"] == "closed").then_some(())
        })
        .await;
    };
    closed(&collector).await;

    // One that nobody has seen waits; acknowledged later, the hour counts from then.
    tell(&collector, &mut agent, AlarmState::Raised).await;
    tell(&collector, &mut agent, AlarmState::Cleared).await;
    collector.clock.advance_ms(100 * MINUTE);
    let open = collector.items_when("/api/v1/alarms", 1).await.remove(0);
    assert_eq!(open["state"], "cleared");
    acknowledge(&collector, &open).await;
    collector.clock.advance_ms(59 * MINUTE);
    assert_eq!(collector.items("/api/v1/alarms").await.len(), 1, "not yet");
    // Raised again meanwhile, it does not close under people's hands.
    tell(&collector, &mut agent, AlarmState::Raised).await;
    collector.clock.advance_ms(5 * MINUTE);
    assert_eq!(collector.items("/api/v1/alarms").await[0]["state"], "raised");
    let open = collector.items("/api/v1/alarms").await.remove(0);
    acknowledge(&collector, &open).await;
    tell(&collector, &mut agent, AlarmState::Cleared).await;
    collector.clock.advance_ms(61 * MINUTE);
    closed(&collector).await;
}

#[tokio::test]
async fn while_it_is_shelved_an_alarm_stays_the_same_one() {
    let (collector, mut agent) = started(AlarmSettings::default()).await;
    let act = async |body: Value| {
        let (status, answer) = collector.post("/api/v1/alarms/act", body).await;
        assert_eq!((status, &answer["results"][0]["done"]), (StatusCode::OK, &json!(true)), "{answer}");
    };
    tell(&collector, &mut agent, AlarmState::Raised).await;
    let id = only_alarm(&collector).await["id"].clone();
    let until = only_alarm(&collector).await["raised_ms"].as_i64().unwrap() + 3_600_000;
    act(json!({ "ids": [id], "do": "acknowledge" })).await;
    act(json!({ "ids": [id], "do": "shelve", "until_ms": until, "reason": "spare part" })).await;
    tell(&collector, &mut agent, AlarmState::Cleared).await;
    collector.clock.advance_ms(10 * MINUTE);
    tell(&collector, &mut agent, AlarmState::Raised).await;
    let again = only_alarm(&collector).await;
    assert_eq!((&again["id"], &again["count"], &again["shelved_until_ms"]), (&id, &json!(2), &json!(until)), "{again}");

    // Cleared when the shelf ends, it closes then: somebody has seen it.
    act(json!({ "ids": [id], "do": "acknowledge" })).await;
    tell(&collector, &mut agent, AlarmState::Cleared).await;
    assert_eq!(only_alarm(&collector).await["state"], "cleared");
    collector.clock.advance_ms(51 * MINUTE);
    eventually("it closes with its shelf", async || (only_alarm(&collector).await["state"] == "closed").then_some(()))
        .await;

    // Taken from the shelf by hand, the same.
    tell(&collector, &mut agent, AlarmState::Raised).await;
    let open = collector.items_when("/api/v1/alarms", 1).await.remove(0);
    let until = until + 7_200_000;
    act(json!({ "ids": [open["id"]], "do": "shelve", "until_ms": until, "reason": "spare part" })).await;
    tell(&collector, &mut agent, AlarmState::Cleared).await;
    act(json!({ "ids": [open["id"]], "do": "acknowledge" })).await;
    assert_eq!(collector.items("/api/v1/alarms").await.len(), 1, "not while it is shelved");
    act(json!({ "ids": [open["id"]], "do": "unshelve" })).await;
    assert!(collector.items("/api/v1/alarms").await.is_empty());
}

#[tokio::test]
async fn alarms_of_an_area_are_those_of_what_lies_in_it_too() {
    let (collector, mut agent) = started(AlarmSettings::default()).await;
    tell(&collector, &mut agent, AlarmState::Raised).await;
    let count = async |area: &str| collector.items(&format!("/api/v1/alarms?area={area}")).await.len();
    assert_eq!([count("lane%201").await, count("lane").await, count("lane%25").await], [1, 0, 0]);
    tell(&collector, &mut agent, AlarmState::Cleared).await;
    let open = collector.items("/api/v1/alarms").await.remove(0);
    let (_, closed) = collector.post("/api/v1/alarms/act", json!({ "ids": [open["id"]], "do": "close" })).await;
    assert_eq!(closed["results"][0]["done"], true, "{closed}");
    let device = format!("/api/v1/devices/{}", open["device"].as_str().unwrap());
    let body = Some(json!({ "area": "Hall_A / Lane 1" }));
    let (status, answer) = collector.request(reqwest::Method::PUT, &device, Some(&collector.key), body).await;
    assert!(status.is_success(), "{answer}");
    tell(&collector, &mut agent, AlarmState::Raised).await;
    let found =
        [count("Hall_A").await, count("Hall_A%20/%20Lane%201").await, count("HallxA").await, count("Lane%201").await];
    assert_eq!(found, [1, 1, 0, 0]);
}
