//! Assets, areas, plans, sites: entered, changed, removed, hung on one another.

use kouan_protocol::{HealthLevel, Lane};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::running::Running;
use crate::scripted_agent::health;

/// Asks with the key of all rights.
pub(crate) async fn ask(collector: &Running, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    collector.request(method, &format!("/api/v1{path}"), Some(&collector.key), body).await
}

pub(crate) async fn made(collector: &Running, path: &str, body: Value) -> Value {
    let (status, answer) = ask(collector, Method::POST, path, Some(body)).await;
    assert_eq!(status, StatusCode::CREATED, "{path}: {answer}");
    answer
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

async fn site(collector: &Running, id: &str) {
    let body = json!({ "name": { "zh": "一号厅", "en": "Hall one" }, "lon": 113.5, "lat": 22.2 });
    let (status, body) = ask(collector, Method::PUT, &format!("/sites/{id}"), Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

async fn asset(collector: &Running, name: &str, class: &str, more: Value) -> String {
    let mut body = json!({ "site": "hall", "name": name, "class": class });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    id(&made(collector, "/assets", body).await)
}

/// A collector with an agent whose devices are known.
pub(crate) async fn with_devices() -> Running {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let rows = agent.rows(&[(5, 230.0)]);
    agent.upload(vec![rows]).await;
    for key in ["ups-1", "relay-1", "gate-1"] {
        collector.device(key).await;
    }
    collector
}

#[tokio::test]
async fn an_asset_is_entered_changed_and_removed_and_its_history_tells() {
    let collector = Running::start().await;
    site(&collector, "hall").await;
    let fields = json!({ "maker": "H3C", "rack": "A01", "rack_unit": 12, "height_units": 1, "installed": "2024-05-01",
        "warranty_until": "2027-04-30", "licences": [{ "name": "IPS", "until": "2027-01-31" }], "owner": "网络组",
        "documents": [{ "name": "手册", "url": "https://docs.example/1.pdf" }], "tags": ["核心"] });
    let switch = asset(&collector, "核心交换机", "switch", fields).await;
    let path = format!("/assets/{switch}");
    let shown = collector.get(&format!("/api/v1{path}")).await;
    assert_eq!(shown["licences"][0]["until"], "2027-01-31");
    assert_eq!((&shown["revision"], &shown["rack_unit"]), (&json!(1), &json!(12)));
    let changed = json!({ "revision": 1, "owner": "运维一组", "tags": ["核心", "夜班"] });
    let (status, shown) = ask(&collector, Method::PATCH, &path, Some(changed.clone())).await;
    assert_eq!((status, &shown["revision"], &shown["owner"]), (StatusCode::OK, &json!(2), &json!("运维一组")));
    let (status, problem) = ask(&collector, Method::PATCH, &path, Some(changed)).await;
    assert_eq!(status, StatusCode::CONFLICT, "an old revision: {problem}");
    for (wrong, what) in [
        (json!({ "name": " " }), "name"),
        (json!({ "class": "Switch!" }), "class"),
        (json!({ "installed": "2026-02-30" }), "installed"),
        (json!({ "installed": "1899-12-31" }), "installed"),
        (
            json!({ "documents": vec![json!({ "name": "x", "url": format!("http://x/{:900}", "").replace(' ', "x") }); 20] }),
            "documents",
        ),
        (json!({ "documents": [{ "name": "x", "url": "javascript:alert(1)" }] }), "documents"),
        (json!({ "rack_unit": 60, "height_units": 2 }), "rack_unit"),
        (json!({ "address": "modbus tcp" }), "address"),
        (json!({ "area": "r-none" }), "area"),
        (json!({ "device": "d-none" }), "device"),
        (json!({ "parent": "t-none" }), "parent"),
        (json!({ "key": "Ü" }), "key"),
        (json!({ "unknown": 1 }), "fields"),
        (json!({ "site": "port" }), "site"),
    ] {
        let (status, problem) = ask(&collector, Method::PATCH, &path, Some(wrong)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{what}: {problem}");
        assert!(problem["problems"][0].as_str().unwrap().starts_with(what), "{what}: {problem}");
    }
    let rows = collector.items(&format!("/api/v1{path}/changes")).await;
    let actions: Vec<_> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["asset-changed", "asset-added"]);
    let change = &rows[0]["detail"]["changes"][0];
    assert_eq!(
        (&change["field"], &change["from"], &change["to"]),
        (&json!("owner"), &json!("网络组"), &json!("运维一组"))
    );
    let soon = collector.items("/api/v1/assets?expiring_within=90d").await;
    assert_eq!(soon.len(), 1, "its licence ends within 90 days of 2026-11-22");
    assert_eq!(collector.items("/api/v1/assets?expiring_within=60d").await.len(), 0);
    assert_eq!(ask(&collector, Method::DELETE, &path, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ask(&collector, Method::GET, &path, None).await.0, StatusCode::NOT_FOUND);
    let rows = collector.items(&format!("/api/v1{path}/changes")).await;
    assert_eq!((rows.len(), &rows[0]["action"]), (3, &json!("asset-removed")));
}

#[tokio::test]
async fn nothing_depends_on_itself_and_the_refusal_names_the_path() {
    let collector = Running::start().await;
    site(&collector, "hall").await;
    let core = asset(&collector, "核心", "switch", json!({})).await;
    let edge = asset(&collector, "接入", "switch", json!({ "parent": core })).await;
    let camera = asset(&collector, "摄像机", "camera", json!({ "parent": edge })).await;
    for parent in [&camera, &core] {
        let (status, problem) =
            ask(&collector, Method::PATCH, &format!("/assets/{core}"), Some(json!({ "parent": parent }))).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("核心") && detail.contains('→'), "{detail}");
    }
    let (_, problem) =
        ask(&collector, Method::PATCH, &format!("/assets/{core}"), Some(json!({ "parent": camera }))).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("核心 ({core}) → 摄像机 ({camera}) → 接入 ({edge}) → 核心")), "{detail}");
    // What hung on it hangs on nothing once it is gone.
    assert_eq!(ask(&collector, Method::DELETE, &format!("/assets/{edge}"), None).await.0, StatusCode::NO_CONTENT);
    let left = collector.get(&format!("/api/v1/assets/{camera}")).await;
    assert_eq!(left["parent"], Value::Null);
}

#[tokio::test]
async fn a_device_becomes_an_asset_stands_in_its_area_and_hangs_on_its_parent() {
    let collector = with_devices().await;
    let ups = collector.device("ups-1").await;
    let gate = collector.device("gate-1").await;
    let (status, adopted) = ask(&collector, Method::POST, &format!("/devices/{ups}/asset"), Some(json!({}))).await;
    assert_eq!(status, StatusCode::OK, "{adopted}");
    assert_eq!((&adopted["class"], &adopted["key"], &adopted["device"]), (&json!("ups"), &json!("ups-1"), &json!(ups)));
    assert_eq!(adopted["area_path"], json!(["lane 1"]), "the area that its agent named was made");
    let again = ask(&collector, Method::POST, &format!("/devices/{ups}/asset"), Some(json!({}))).await;
    assert_eq!(again.0, StatusCode::CONFLICT);
    // An asset that was entered before its device came.
    let known = asset(&collector, "闸机 1", "passenger-gate", json!({ "key": "gate-1" })).await;
    let suggested = collector.items("/api/v1/asset-suggestions").await;
    assert_eq!(suggested.len(), 1, "{suggested:?}");
    assert_eq!(
        (&suggested[0]["asset"], &suggested[0]["device"], &suggested[0]["because"]),
        (&json!(known), &json!(gate), &json!("key"))
    );
    let linked =
        ask(&collector, Method::POST, &format!("/devices/{gate}/asset"), Some(json!({ "asset": known }))).await;
    assert_eq!(linked.0, StatusCode::OK, "{}", linked.1);
    assert!(collector.items("/api/v1/asset-suggestions").await.is_empty());

    let building = id(&made(&collector, "/areas", json!({ "site": "hall", "name": "A楼" })).await);
    let room = id(&made(&collector, "/areas", json!({ "site": "hall", "name": "大厅", "parent": building })).await);
    let set = json!({ "ids": [known, "t-none"], "set": { "area": room, "owner": "王芳" } });
    let (status, acted) = ask(&collector, Method::POST, "/assets/act", Some(set)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&acted["results"][0]["done"], &acted["results"][1]["done"]), (&json!(true), &json!(false)));
    let device = collector.get(&format!("/api/v1/devices/{gate}")).await;
    assert_eq!((&device["area"], &device["asset"]), (&json!("A楼 / 大厅"), &json!(known)));
    for area in [building.as_str(), room.as_str(), "A楼", "A楼 / 大厅"] {
        let found = collector.items(&format!("/api/v1/devices?area={area}")).await;
        assert_eq!((found.len(), &found[0]["id"]), (1, &json!(gate)), "{area}");
        let found = collector.items(&format!("/api/v1/assets?area={area}")).await;
        assert_eq!((found.len(), &found[0]["id"]), (1, &json!(known)), "{area}");
    }
    assert!(collector.items("/api/v1/devices?area=A").await.is_empty(), "half a name is none");
    // The area gets another name: the device follows at once.
    let (status, _) = ask(&collector, Method::PUT, &format!("/areas/{building}"), Some(json!({ "name": "B楼" }))).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(collector.get(&format!("/api/v1/devices/{gate}")).await["area"], "B楼 / 大厅");
    let moved = ask(&collector, Method::PUT, &format!("/devices/{gate}"), Some(json!({ "area": "else" }))).await;
    assert_eq!(moved.0, StatusCode::CONFLICT, "its asset says where it is");
    let itself = json!({ "name": "x", "parent": room });
    let circle = ask(&collector, Method::PUT, &format!("/areas/{building}"), Some(itself)).await;
    assert_eq!(circle.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(ask(&collector, Method::DELETE, &format!("/areas/{room}"), None).await.0, StatusCode::CONFLICT);

    let ups_asset = id(&adopted);
    let (status, _) =
        ask(&collector, Method::PATCH, &format!("/assets/{known}"), Some(json!({ "parent": ups_asset }))).await;
    assert_eq!(status, StatusCode::OK);
    let graph = collector.get("/api/v1/topology?site=hall").await;
    let edges = graph["edges"].as_array().unwrap();
    assert!(edges.iter().any(|edge| edge["from"] == json!(ups_asset) && edge["to"] == json!(known)), "{graph}");
    assert!(graph["nodes"].as_array().unwrap().iter().any(|node| node["id"] == "line:hall-1/tcp"), "{graph}");

    // It is all there after a new start.
    let collector = collector.restart().await;
    let device = collector.get(&format!("/api/v1/devices/{gate}")).await;
    assert_eq!((&device["area"], &device["asset"]), (&json!("B楼 / 大厅"), &json!(known)));
    assert_eq!(ask(&collector, Method::DELETE, &format!("/devices/{gate}/asset"), None).await.0, StatusCode::OK);
    let device = collector.get(&format!("/api/v1/devices/{gate}")).await;
    assert_eq!((&device["area"], &device["asset"]), (&json!("lane 1"), &Value::Null), "its agent's word counts again");
}

#[tokio::test]
async fn how_devices_of_a_silent_agent_were_is_not_how_they_are() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let working = agent.batch(Lane::Urgent, vec![health(HealthLevel::Working)]);
    agent.upload(vec![working]).await;
    let ups = collector.device("ups-1").await;
    let shown = async || {
        let graph = collector.get("/api/v1/topology?site=hall").await;
        let node = graph["nodes"].as_array().unwrap().iter().find(|node| node["id"] == json!(ups)).unwrap().clone();
        let sites = collector.items("/api/v1/sites").await;
        (node["current"].clone(), sites[0]["by_health"].clone(), sites[0]["worst"].clone())
    };
    let (current, by_health, _) = shown().await;
    assert_eq!((&current, &by_health["working"], &by_health["not_current"]), (&json!(true), &json!(1), &Value::Null));
    collector.clock.advance_ms(61_000);
    let (current, by_health, worst) = shown().await;
    assert_eq!((&current, &by_health["working"], &by_health["not_current"]), (&json!(false), &Value::Null, &json!(1)));
    assert_eq!(worst, "unknown");
}

#[tokio::test]
async fn a_plan_is_a_picture_and_a_backup_has_it() {
    let collector = Running::start().await;
    site(&collector, "hall").await;
    let area = id(&made(&collector, "/areas", json!({ "site": "hall", "name": "大厅" })).await);
    let camera = asset(&collector, "摄像机", "camera", json!({ "area": area })).await;
    let other = asset(&collector, "别处", "camera", json!({})).await;
    let put = async |bytes: Vec<u8>| {
        let path = format!("{}/api/v1/areas/{area}/plan", collector.base);
        collector.http.put(path).bearer_auth(&collector.key).body(bytes).send().await.unwrap().status()
    };
    assert_eq!(put(b"<svg onload=alert(1)>".to_vec()).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let mut large = b"\x89PNG\r\n\x1a\n".to_vec();
    large.resize((8 << 20) + 1, 0);
    assert_eq!(put(large).await, StatusCode::PAYLOAD_TOO_LARGE);
    let picture = include_bytes!("../pictures/plain.png").to_vec();
    assert_eq!(put(picture[..picture.len() - 4].to_vec()).await, StatusCode::UNSUPPORTED_MEDIA_TYPE, "cut off");
    assert_eq!(put(picture.clone()).await, StatusCode::NO_CONTENT);
    let position = |asset: &str, x: f64| json!({ "positions": [{ "asset": asset, "x": x, "y": 0.25 }] });
    let path = format!("/areas/{area}/positions");
    for wrong in [position(&other, 0.5), position(&camera, 1.5)] {
        assert_eq!(ask(&collector, Method::PUT, &path, Some(wrong)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(ask(&collector, Method::PUT, &path, Some(position(&camera, 0.5))).await.0, StatusCode::OK);
    assert_eq!(collector.items("/api/v1/areas").await[0]["plan"], true);

    // A copy of the folder that is put back has the plan and the place.
    let backup = tempfile::tempdir().unwrap();
    let target = backup.path().join("copy");
    let data = kouan_collector::store::DataFolder::new(collector.folder.path());
    kouan_collector::backup::make(&data, &target).unwrap();
    let key = collector.key.clone();
    collector.stop().await;
    let back = tempfile::tempdir().unwrap();
    for file in ["state.db", "ingest.db"] {
        std::fs::copy(target.join(file), back.path().join(file)).unwrap();
    }
    std::fs::create_dir(back.path().join("history")).unwrap();
    crate::running::put_back(back.path());
    let collector = Running::start_on(back).await.with_key(key);
    let path = format!("{}/api/v1/areas/{area}/plan", collector.base);
    let answer = collector.http.get(path).bearer_auth(&collector.key).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "image/png");
    assert_eq!(answer.bytes().await.unwrap().to_vec(), picture);
    let positions = collector.get(&format!("/api/v1/areas/{area}/positions")).await;
    assert_eq!(positions["positions"][0], json!({ "asset": camera, "x": 0.5, "y": 0.25 }));
    // What leaves the area stands on its plan no more.
    let (status, _) = ask(&collector, Method::PATCH, &format!("/assets/{camera}"), Some(json!({ "area": null }))).await;
    assert_eq!(status, StatusCode::OK);
    let positions = collector.get(&format!("/api/v1/areas/{area}/positions")).await;
    assert_eq!(positions["positions"], json!([]));
}

#[tokio::test]
async fn nobody_sees_or_changes_assets_of_other_sites() {
    let collector = Running::start().await;
    for name in ["hall", "port"] {
        site(&collector, name).await;
    }
    let foreign = asset(&collector, "机密", "server", json!({})).await;
    let area = id(&made(&collector, "/areas", json!({ "site": "hall", "name": "大厅" })).await);
    let own = made(&collector, "/assets", json!({ "site": "port", "name": "自己", "class": "server" })).await;
    let key = collector.key("port", &["read", "configure", "audit"], Some(&["port"])).await;
    let ask = async |method: Method, path: String, body: Option<Value>| {
        collector.request(method, &format!("/api/v1{path}"), Some(&key), body).await
    };
    for path in [
        format!("/assets/{foreign}"),
        format!("/areas/{area}"),
        format!("/areas/{area}/plan"),
        format!("/areas/{area}/positions"),
        "/assets/agent-config?site=hall".to_owned(),
    ] {
        assert_eq!(ask(Method::GET, path.clone(), None).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/assets", "/areas", "/asset-suggestions", "/sites"] {
        let (_, body) = ask(Method::GET, path.to_owned(), None).await;
        assert!(!body.to_string().contains("hall"), "{path}: {body}");
    }
    for path in ["/assets/export?format=csv", "/assets/labels", "/topology"] {
        let (status, body) = ask(Method::GET, path.to_owned(), None).await;
        assert!(status == StatusCode::OK && !body.to_string().contains("机密"), "{path}");
        assert!(body.to_string().contains("自己"), "{path}: {body}");
    }
    assert_eq!(ask(Method::GET, format!("/assets/{foreign}/changes"), None).await.1["items"], json!([]));
    let name = Some(json!({ "name": "x" }));
    assert_eq!(ask(Method::PATCH, format!("/assets/{foreign}"), name.clone()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(Method::DELETE, format!("/assets/{foreign}"), None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(Method::PUT, format!("/areas/{area}"), name).await.0, StatusCode::NOT_FOUND);
    let site = Some(json!({ "name": { "zh": "x" } }));
    assert_eq!(ask(Method::PUT, "/sites/hall".to_owned(), site).await.0, StatusCode::NOT_FOUND);
    let new = json!({ "site": "hall", "name": "x", "class": "server" });
    assert_eq!(ask(Method::POST, "/assets".to_owned(), Some(new)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let parent = Some(json!({ "parent": foreign }));
    let path = format!("/assets/{}", own["id"].as_str().unwrap());
    assert_eq!(ask(Method::PATCH, path, parent).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}
