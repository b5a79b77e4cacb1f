//! What hangs on a dead thing by the list of assets is hidden behind it.

use kouan_protocol::session::Upload;
use kouan_protocol::{Catalogue, DeviceHealth, DeviceSpec, HealthLevel, Lane, RecordBody};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::assets::{ask, made};
use crate::running::{Running, eventually};
use crate::scripted_agent::{ScriptedAgent, catalogue};

const DEVICES: [(&str, &str); 4] =
    [("core", "switch"), ("floor", "switch"), ("camera-1", "camera"), ("camera-2", "camera")];

fn described() -> Catalogue {
    let device = |(key, class): (&str, &str)| DeviceSpec {
        key: key.parse().unwrap(),
        label: key.to_owned(),
        class: class.to_owned(),
        link: format!("link-{key}"),
        groups: Vec::new(),
        actions: Vec::new(),
        ..catalogue().devices[0].clone()
    };
    Catalogue { devices: DEVICES.into_iter().map(device).collect() }
}

async fn become_all(agent: &mut ScriptedAgent, keys: &[&str], level: HealthLevel) {
    let health = |key: &&str| {
        RecordBody::Health(DeviceHealth {
            device: key.parse().unwrap(),
            level,
            reason: String::new(),
            text: String::new(),
            text_zh: String::new(),
        })
    };
    let batch = agent.batch(Lane::Urgent, keys.iter().map(health).collect());
    let upload = Upload { catalogues: vec![described().encode()], ..agent.upload_of(vec![batch]) };
    agent.try_upload(upload).await.unwrap();
}

/// Lets time pass until these alarms are shown, each with how many it hides.
async fn shown(collector: &Running, agent: &ScriptedAgent, wanted: &[(&str, i64)]) -> Vec<Value> {
    eventually(&format!("{wanted:?} are shown"), async || {
        collector.clock.advance_ms(1_000);
        agent.poll(1).await.unwrap();
        let alarms = collector.items("/api/v1/alarms?state=raised&order=oldest").await;
        let mut seen: Vec<(&str, i64)> = alarms
            .iter()
            .map(|alarm| (alarm["device_label"].as_str().unwrap(), alarm["hides"].as_i64().unwrap()))
            .collect();
        seen.sort_unstable();
        (seen == wanted).then(|| alarms.clone())
    })
    .await
}

#[tokio::test]
async fn a_dead_switch_explains_what_hangs_on_it_by_the_list_of_assets() {
    let collector = Running::start_with_rules().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let all = DEVICES.map(|(key, _)| key);
    become_all(&mut agent, &all, HealthLevel::Working).await;
    let place = json!({ "name": { "zh": "一号厅", "en": "Hall one" } });
    assert_eq!(ask(&collector, Method::PUT, "/sites/hall", Some(place)).await.0, StatusCode::OK);

    // The cameras hang on the switch of the floor, that one in a rack that is no device, the rack on the core.
    let asset = async |name: &str, class: &str, parent: Option<&str>| {
        let body = json!({ "site": "hall", "name": name, "class": class, "parent": parent });
        made(&collector, "/assets", body).await["id"].as_str().unwrap().to_owned()
    };
    let core = asset("core", "switch", None).await;
    let rack = asset("rack", "rack", Some(&core)).await;
    let floor = asset("floor", "switch", Some(&rack)).await;
    let cameras = [asset("camera-1", "camera", Some(&floor)).await, asset("camera-2", "camera", Some(&floor)).await];
    for (key, asset) in all.iter().zip([&core, &floor, &cameras[0], &cameras[1]]) {
        let device = collector.device(key).await;
        let body = Some(json!({ "asset": asset }));
        let (status, answer) = ask(&collector, Method::POST, &format!("/devices/{device}/asset"), body).await;
        assert!(status.is_success(), "{answer}");
    }
    let path = format!("/assets/{core}");
    let body = Some(json!({ "parent": floor }));
    let (status, refused) = ask(&collector, Method::PATCH, &path, body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "a circle: {refused}");

    collector.clock.advance_ms(1_000);
    become_all(&mut agent, &["camera-2", "camera-1", "floor", "core"], HealthLevel::Unreachable).await;
    let alarm = shown(&collector, &agent, &[("core", 3)]).await.remove(0);
    let detail = collector.get(&format!("/api/v1/alarms/{}", alarm["id"].as_str().unwrap())).await;
    let mut hidden: Vec<&str> =
        detail["hidden"].as_array().unwrap().iter().map(|alarm| alarm["device_label"].as_str().unwrap()).collect();
    hidden.sort_unstable();
    assert_eq!(hidden, ["camera-1", "camera-2", "floor"], "the parent's alarm lists what it hides");

    // The core is back: the rack between is no device, and the switch of the floor explains the rest.
    become_all(&mut agent, &["core", "camera-1"], HealthLevel::Working).await;
    shown(&collector, &agent, &[("floor", 1)]).await;
    // Hung on nothing any more, the camera has an alarm of its own.
    let (status, gone) = ask(&collector, Method::DELETE, &format!("/assets/{floor}"), None).await;
    assert!(status.is_success(), "{gone}");
    become_all(&mut agent, &["floor"], HealthLevel::Working).await;
    shown(&collector, &agent, &[("camera-2", 0)]).await;
}
