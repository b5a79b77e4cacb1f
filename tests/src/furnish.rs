//! What somebody who looks after the simulated checkpoint would have entered: its name and place, its asset list, and a
//! floor plan with the devices where they stand.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::Api;
use crate::checkpoint::Checkpoint;

const PLAN: &[u8] = include_bytes!("../data/checkpoint-plan.png");
/// Devices with what they hang on and where they stand on the plan.
const PLACES: [(&str, Option<&str>, f64, f64); 7] = [
    ("edge-host", None, 0.08, 0.17),
    ("ups-1", Some("edge-host"), 0.15, 0.17),
    ("cabinet-climate", Some("edge-host"), 0.22, 0.17),
    ("relay-1", Some("edge-host"), 0.43, 0.46),
    ("lane-power", Some("edge-host"), 0.57, 0.46),
    ("gate-1", Some("edge-host"), 0.47, 0.68),
    ("kiosk-1", Some("edge-host"), 0.84, 0.5),
];

/// Enters all of it. Every device must be known at the collector.
///
/// # Errors
/// When the collector refuses something.
pub async fn furnish(api: &Api) -> anyhow::Result<()> {
    let site = Checkpoint::SITE;
    let named = json!({
        "name": { "zh": "示范口岸通道", "en": "Demonstration Checkpoint" },
        "zone": "Asia/Shanghai", "lon": 113.551, "lat": 22.150,
    });
    change(api, Method::PUT, &format!("/sites/{site}"), &named).await?;
    let mut assets = HashMap::new();
    for (key, ..) in PLACES {
        let device = api.device_id(key).await?;
        let asset = change(api, Method::POST, &format!("/devices/{device}/asset"), &json!({})).await?;
        let id = asset["id"].as_str().with_context(|| format!("the asset of {key} has no id"))?.to_owned();
        assets.insert(key, id);
    }
    for (key, parent, ..) in PLACES {
        let Some(parent) = parent else { continue };
        let body = json!({ "parent": assets[parent] });
        change(api, Method::PATCH, &format!("/assets/{}", assets[key]), &body).await?;
    }
    let body = json!({ "site": site, "parent": null, "name": "整层平面", "order": 0 });
    let area = change(api, Method::POST, "/areas", &body).await?;
    let area = area["id"].as_str().context("the area has no id")?.to_owned();
    // The rooms that the agent names are parts of the floor; a plan shows what is in its area and in the parts of it.
    for room in api.list(&format!("/areas?site={site}")).await? {
        let id = room["id"].as_str().context("an area has no id")?;
        if id != area && room["parent"].is_null() {
            let body = json!({ "parent": area, "name": room["name"], "order": room["order"] });
            change(api, Method::PUT, &format!("/areas/{id}"), &body).await?;
        }
    }
    let plan = api.request(Method::PUT, &format!("/api/v1/areas/{area}/plan"));
    let answer = api.send(plan.header("content-type", "image/png").body(PLAN)).await?;
    ensure!(answer.status.is_success(), "the plan was refused: {} {}", answer.status, answer.body);
    let place = |(key, _, x, y): &(&str, Option<&str>, f64, f64)| json!({ "asset": assets[*key], "x": x, "y": y });
    let positions: Vec<Value> = PLACES.iter().map(place).collect();
    change(api, Method::PUT, &format!("/areas/{area}/positions"), &json!({ "positions": positions })).await?;
    Ok(())
}

async fn change(api: &Api, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
    let answer = api.send(api.request(method, &format!("/api/v1{path}")).json(body)).await?;
    ensure!(answer.status.is_success(), "{path} was refused: {} {}", answer.status, answer.body);
    Ok(answer.body)
}
