//! Who may see and do what.

use std::sync::Arc;

use kouan_collector::auth::{Permission, Right};
use kouan_collector::http;
use kouan_protocol::{AlarmState, Gap, GapReason, Lane, RecordBody, RecordKind, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::running::Running;
use crate::scripted_agent::{alarm, passage};

/// Method and path of a route.
pub(crate) fn of(route: &http::Route) -> (Method, String) {
    let paths: Vec<_> = route.handler.1.paths.iter().collect();
    assert_eq!(paths.len(), 1, "a route has one path");
    let (path, item) = paths[0];
    let methods: Vec<Method> = [
        (&item.get, Method::GET),
        (&item.post, Method::POST),
        (&item.put, Method::PUT),
        (&item.patch, Method::PATCH),
        (&item.delete, Method::DELETE),
    ]
    .into_iter()
    .filter_map(|(operation, method)| operation.as_ref().map(|_| method))
    .collect();
    assert_eq!(methods.len(), 1, "{path} has one method in each line of the table");
    (methods[0].clone(), path.replace("{id}", "x"))
}

#[tokio::test]
async fn every_route_asks_for_its_permission() {
    let collector = Running::start().await;
    let agent_token = collector.enrol("hall-1", "hall").await.token;
    let reader = collector.key("reader", &["read"], None).await;
    let commander = collector.key("commander", &["command"], None).await;
    let mut open = Vec::new();
    for route in http::table() {
        let (method, path) = of(&route);
        let status = async |token: Option<&str>| collector.request(method.clone(), &path, token, None).await.0;
        if route.permission == Permission::Open {
            // The sign-in wants a body, and here is no identity provider.
            let expected = match path.as_str() {
                "/api/v1/session" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                path if path.starts_with("/api/v1/session/oidc") => StatusCode::NOT_FOUND,
                // It leads to a page of the console, which only browsers are given.
                "/q/x" => StatusCode::NOT_FOUND,
                _ => StatusCode::OK,
            };
            assert_eq!(status(None).await, expected, "{path}");
            open.push(path.clone());
            continue;
        }
        assert_eq!(status(None).await, StatusCode::UNAUTHORIZED, "{method} {path} without a token");
        assert_eq!(status(Some("kc_wrong")).await, StatusCode::UNAUTHORIZED, "{method} {path} with a wrong token");
        let wrong = match route.permission {
            Permission::Agent => vec![collector.key.as_str()],
            Permission::Metrics => vec![agent_token.as_str(), commander.as_str()],
            Permission::May(Right::Read | Right::Metrics) => vec![agent_token.as_str(), commander.as_str()],
            Permission::SignedIn => vec![agent_token.as_str(), collector.key.as_str()],
            _ => vec![agent_token.as_str(), reader.as_str()],
        };
        for token in wrong {
            assert_eq!(status(Some(token)).await, StatusCode::FORBIDDEN, "{method} {path}");
        }
    }
    let (session, service) = (["", "/oidc", "/oidc/callback"], ["/healthz", "/readyz", "/api/v1/openapi.json", "/q/x"]);
    let expected = session.map(|path| format!("/api/v1/session{path}")).into_iter().chain(service.map(str::to_owned));
    assert_eq!(open, expected.collect::<Vec<_>>(), "only these need no login");
}

#[tokio::test]
async fn errors_are_problem_documents() {
    let collector = Running::start().await;
    for (method, path, expected) in [
        (Method::GET, "/nowhere", 404),
        (Method::DELETE, "/healthz", 405),
        (Method::GET, "/api/v1/devices", 401),
        (Method::GET, "/api/v1/devices/none", 404),
        (Method::GET, "/api/v1/events?limit=5000", 422),
        (Method::GET, "/api/v1/events?limit=many", 400),
        (Method::GET, "/api/v1/events?from=yesterday", 422),
        (Method::GET, "/api/v1/gaps?cursor=abc", 422),
        (Method::POST, "/api/v1/keys", 415),
    ] {
        let mut request = collector.http.request(method.clone(), format!("{}{path}", collector.base));
        if expected != 401 {
            request = request.bearer_auth(&collector.key);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{method} {path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["status"], expected);
        assert!(["type", "title", "detail"].iter().all(|field| body[field].is_string()), "{body}");
    }
    let long = "x".repeat(20_000);
    let response = collector.http.get(format!("{}/healthz", collector.base)).header("x-long", long).send().await;
    assert_eq!(response.unwrap().status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let big = json!({ "name": "x".repeat(100_000), "scopes": ["read"] });
    assert_eq!(collector.post("/api/v1/keys", big).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_key_of_one_site_sees_nothing_of_another() {
    let collector = Running::start().await;
    for (agent, site) in [("hall-1", "hall"), ("port-1", "port")] {
        let mut agent = collector.enrol(agent, site).await;
        agent.hello().await;
        let gap = RecordBody::Gap(Gap {
            reason: GapReason::DiskFull,
            lost: 3,
            from: Timestamp(0),
            to: Timestamp(1),
            devices: Vec::new(),
            more_devices: false,
            earlier_epoch: None,
        });
        let opaque = RecordBody::Opaque { kind: RecordKind(50), body: Vec::new(), problem: String::new() };
        let events = agent.batch(Lane::Events, vec![passage("in")]);
        let rows = agent.rows(&[(5, 230.0)]);
        let urgent = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Raised), gap, opaque]);
        let late = agent.aged(Lane::Events, vec![(120_000, passage("out"))]);
        agent.upload(vec![events, rows, urgent, late]).await;
    }
    let relays = async || collector.items("/api/v1/devices?class=relay-board").await;
    crate::running::eventually("both relays", async || (relays().await.len() == 2).then_some(())).await;
    for relay in relays().await {
        let path = format!("/api/v1/devices/{}/commands", relay["id"].as_str().unwrap());
        let body = json!({ "action": "relay.set", "arguments": { "channel": 1, "on": true } });
        assert_eq!(collector.post(&path, body).await.0, StatusCode::CREATED);
        let path = format!("{}/api/v1/devices/{}/evidence", collector.base, relay["id"].as_str().unwrap());
        let picture = include_bytes!("../pictures/plain.png").to_vec();
        let given = collector.http.post(path).bearer_auth(&collector.key).body(picture).send().await.unwrap();
        assert_eq!(given.status(), StatusCode::CREATED);
    }
    for site in ["hall", "port"] {
        let window =
            json!({ "site": site, "from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z", "reason": "test" });
        assert_eq!(collector.post("/api/v1/maintenance", window).await.0, StatusCode::CREATED);
    }
    let key = collector.key("port", &["read", "command", "admin"], Some(&["port"])).await;
    let lists = [
        "sites",
        "agents",
        "devices",
        "latest",
        "latest/columns",
        "events",
        "alarms",
        "alarms/log",
        "gaps",
        "quarantine",
    ];
    for list in lists.into_iter().chain(["commands", "outages", "availability", "maintenance", "audit", "evidence"]) {
        let path = format!("/api/v1/{list}");
        // Both sites' rows are there, and this key sees its own.
        let sites = async || {
            let rows = collector.items(&path).await;
            ["hall", "port"].iter().all(|site| rows.iter().any(|row| row.get("site").unwrap_or(&row["id"]) == site))
        };
        crate::running::eventually(&path, async || sites().await.then_some(())).await;
        let (status, body) = collector.request(Method::GET, &path, Some(&key), None).await;
        assert_eq!(status, StatusCode::OK);
        let rows = body["items"].as_array().unwrap();
        assert!(!rows.is_empty(), "{path}");
        for row in rows {
            let site = row.get("site").unwrap_or(&row["id"]);
            assert_eq!(site, "port", "{path}: {row}");
        }
    }
    let mut covered: Vec<String> = lists.iter().map(|list| list.split('?').next().unwrap().to_owned()).collect();
    covered.extend(["commands", "outages", "availability", "maintenance", "audit", "evidence"].map(str::to_owned));
    for (_, path) in
        http::table().iter().map(of).filter(|(method, path)| *method == Method::GET && !path.contains("/x"))
    {
        // Keys and users are told by what they may do, not by their site; the tests of keys, of people and of
        // retention ask.
        let elsewhere = [
            "openapi.json",
            "keys",
            "users",
            "session",
            "session/oidc",
            "session/oidc/callback",
            "audit/export.jsonl",
            "audit/check",
            "history/sizes",
            // The tests of assets ask for these.
            "assets",
            "assets/export",
            "assets/labels",
            "assets/agent-config",
            "asset-suggestions",
            "areas",
            "topology",
            // Rules are the same for all sites; channels and routes are told only to who may change them everywhere, which
            // the tests of notifications ask.
            "alarm-rules",
            "notification-channels",
            "notification-routes",
            "notifications",
            // Figures, not rows: they are asked below.
            "alarms/summary",
            "alarms/assignees",
            "alarm-reports",
            "availability/summary",
            "overview",
            // The tests of screens ask.
            "stream",
        ];
        let Some(list) = path.strip_prefix("/api/v1/").filter(|list| !elsewhere.contains(list)) else {
            continue;
        };
        assert!(covered.iter().any(|covered| covered == list), "{path} is not covered by this test");
    }

    for figures in ["alarms/summary", "alarm-reports", "availability/summary", "overview", "notifications"] {
        let path = format!("/api/v1/{figures}");
        let (status, body) = collector.request(Method::GET, &path, Some(&key), None).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!body.to_string().contains("hall"), "{path}: {body}");
    }

    let foreign = collector.items("/api/v1/devices?site=hall").await[0]["id"].as_str().unwrap().to_owned();
    let command = collector.items("/api/v1/commands").await;
    let command = command.iter().find(|row| row["site"] == "hall").unwrap()["id"].as_str().unwrap();
    for path in [
        format!("/api/v1/devices/{foreign}"),
        format!("/api/v1/devices/{foreign}/readings?point=voltage"),
        format!("/api/v1/devices/{foreign}/series?points=voltage"),
        format!("/api/v1/devices/{foreign}/export.csv?points=voltage"),
        format!("/api/v1/devices/{foreign}/time-in-state?point=mode"),
        format!("/api/v1/commands/{command}"),
    ] {
        assert_eq!(collector.request(Method::GET, &path, Some(&key), None).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    // Every route about one thing is asked for something of the other site.
    let of_hall = async |list: &str| {
        let rows = collector.items(&format!("/api/v1/{list}")).await;
        let row = rows.iter().find(|row| row["site"] == "hall").unwrap_or_else(|| panic!("{list} of the hall"));
        let id = row.get("id").or(row.get("asset")).unwrap();
        id.as_str().map_or_else(|| id.to_string(), str::to_owned)
    };
    let make = async |path: &str, body: Value| {
        let (status, made) = collector.post(path, body).await;
        assert!(status.is_success(), "{path}: {made}");
        made["id"].as_str().unwrap().to_owned()
    };
    let area = make("/api/v1/areas", json!({ "site": "hall", "name": "A" })).await;
    let asset = make("/api/v1/assets", json!({ "site": "hall", "class": "camera", "name": "C" })).await;
    for (_, path) in http::table().iter().map(of).filter(|(method, path)| *method == Method::GET && path.contains("/x"))
    {
        let Some(path) = path.strip_prefix("/api/v1/") else { continue };
        let (kind, rest) = path.split_once("/x").unwrap();
        let id = match kind {
            "devices" => foreign.clone(),
            "areas" => area.clone(),
            "assets" => asset.clone(),
            "alarms" | "events" | "commands" | "evidence" | "quarantine" => of_hall(kind).await,
            // Rules are the same for all sites; channels, routes and users are told by what somebody may do at all of
            // them, which their own tests ask.
            "alarm-rules" | "notification-channels" | "notification-routes" | "users" => continue,
            other => panic!("/api/v1/{other}/{{id}}{rest} is not covered by this test"),
        };
        let query = match rest {
            "/readings" => "?point=voltage",
            "/series" | "/export.csv" | "/export.parquet" => "?points=voltage",
            "/time-in-state" => "?point=mode",
            _ => "",
        };
        let path = format!("/api/v1/{kind}/{id}{rest}{query}");
        let (status, body) = collector.request(Method::GET, &path, Some(&key), None).await;
        // A list about something is empty to whoever may not see it.
        let is_empty_list = status == StatusCode::OK && body["items"].as_array().is_some_and(Vec::is_empty);
        assert!(status == StatusCode::NOT_FOUND || is_empty_list, "{path}: {status} {body}");
        assert_ne!(
            collector.request(Method::GET, &path, Some(&collector.key), None).await.0,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    let path = format!("/api/v1/devices/{foreign}/commands");
    let body = json!({ "action": "relay.set" });
    assert_eq!(collector.request(Method::POST, &path, Some(&key), Some(body)).await.0, StatusCode::NOT_FOUND);
    let path = format!("/api/v1/devices/{foreign}/binding");
    let body = json!({ "agent": "port-1", "key": "a" });
    assert_eq!(collector.request(Method::POST, &path, Some(&key), Some(body)).await.0, StatusCode::NOT_FOUND);
    let wider = json!({ "name": "wider", "scopes": ["read"], "sites": ["hall"] });
    let (status, _) = collector.request(Method::POST, "/api/v1/keys", Some(&key), Some(wider)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let enrol = json!({ "agent": "hall-9", "site": "hall" });
    let (status, _) = collector.request(Method::POST, "/api/v1/agents", Some(&key), Some(enrol)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(collector.request(Method::GET, "/metrics", Some(&key), None).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_token_written_by_the_tool_works_at_once() {
    use kouan_collector::store::{File, open_writable};
    let collector = Running::start().await;
    let mut conn = open_writable(&collector.folder.path().join("state.db"), File::State).unwrap();
    let transaction = conn.transaction().unwrap();
    let name = "hall-7".parse().unwrap();
    let token = kouan_collector::auth::add_agent(&transaction, &name, "hall", Timestamp(0)).unwrap().unwrap();
    transaction.commit().unwrap();
    let clock = Arc::clone(&collector.clock);
    let http = collector.http.clone();
    let mut agent = crate::scripted_agent::ScriptedAgent::new(&collector.base, token.reveal(), clock, http);
    assert_eq!(agent.hello().await.agent.as_str(), "hall-7");
}

#[tokio::test]
async fn service_routes_tell_what_they_should() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let rows = agent.rows(&[(5, 230.0)]);
    agent.upload(vec![rows]).await;
    collector.device("ups-1").await;
    assert_eq!(collector.get("/readyz").await, json!({ "status": "ok" }));
    let metrics = collector.get("/metrics").await;
    let metrics = metrics.as_str().unwrap();
    for line in ["kouan_uploads_total 1", "kouan_agent_connected{site=\"hall\",agent=\"hall-1\"} 1"] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    let api = collector.get("/api/v1/openapi.json").await;
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(api["paths"]["/api/v1/devices/{id}/readings"]["get"]["security"][0]["api_key"].is_array());
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_refused_at_once() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let hall = collector.key("hall", &["read", "admin"], Some(&["hall"])).await;
    let port = collector.key("port", &["read", "admin"], Some(&["port"])).await;
    let ask = async |method, path: &str, key: &str| collector.request(method, path, Some(key), None).await;
    assert_eq!(ask(Method::DELETE, "/api/v1/agents/hall-1/token", &port).await.0, StatusCode::NOT_FOUND);
    let poll = agent.poll(50_000);
    let revoke = async {
        collector.get("/api/v1/agents").await;
        ask(Method::DELETE, "/api/v1/agents/hall-1/token", &hall).await.0
    };
    let (poll, revoked) = tokio::join!(poll, revoke);
    assert_eq!(revoked, StatusCode::NO_CONTENT);
    let status = poll.unwrap_err().status;
    assert!([StatusCode::CONFLICT, StatusCode::UNAUTHORIZED].contains(&status), "a poll that waits ends: {status}");
    let refused = agent.try_upload(agent.upload_of(vec![])).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let (status, body) = ask(Method::POST, "/api/v1/agents/hall-1/token", &hall).await;
    assert_eq!((status, body["site"].as_str()), (StatusCode::CREATED, Some("hall")), "{body}");
    agent.token = body["token"].as_str().unwrap().to_owned();
    agent.hello().await;

    let (_, body) = ask(Method::GET, "/api/v1/keys", &hall).await;
    let names: Vec<&str> = body["items"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["hall"], "a key sees those that may do no more than itself");
    let keys = collector.items("/api/v1/keys").await;
    let id = |name: &str| keys.iter().find(|key| key["name"] == name).unwrap()["id"].as_str().unwrap().to_owned();
    let path = |name: &str| format!("/api/v1/keys/{}", id(name));
    assert_eq!(ask(Method::DELETE, &path("first"), &hall).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(Method::GET, "/api/v1/devices", &port).await.0, StatusCode::OK);
    assert_eq!(ask(Method::DELETE, &path("port"), &collector.key).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ask(Method::GET, "/api/v1/devices", &port).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(Method::DELETE, &path("port"), &collector.key).await.0, StatusCode::NOT_FOUND);
}

#[test]
fn the_console_knows_the_api_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../console/openapi.json");
    let known: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let is: Value = serde_json::to_value(http::openapi()).unwrap();
    let differs = |part: &str| -> Vec<String> {
        let both = [&known, &is].map(|document| document.pointer(part).and_then(Value::as_object).cloned());
        let [Some(known), Some(is)] = both else { return vec![part.to_owned()] };
        let names: std::collections::BTreeSet<&String> = known.keys().chain(is.keys()).collect();
        names.into_iter().filter(|name| known.get(*name) != is.get(*name)).cloned().collect()
    };
    let renew =
        "target/debug/kouan-collector openapi > console/openapi.json && cd console && npm run types && npm run build";
    assert!(
        known == is,
        "console/openapi.json is not what the collector says. Renew it: {renew}\npaths: {:?}\nschemas: {:?}",
        differs("/paths"),
        differs("/components/schemas"),
    );
}
