//! People who sign in, what their roles allow, and the log of what they did.

use std::collections::BTreeMap;

use kouan_collector::auth::{Permission, Right, Role};
use kouan_collector::http;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::access::of;
use crate::running::Running;

/// A browser that is signed in.
struct Browser<'r> {
    collector: &'r Running,
    cookie: String,
    page_token: String,
}

impl<'r> Browser<'r> {
    async fn sign_in(collector: &'r Running, name: &str, password: &str) -> Result<(Self, Value), (StatusCode, Value)> {
        let body = json!({ "name": name, "password": password });
        let request = collector.http.post(format!("{}/api/v1/session", collector.base)).json(&body);
        let response = request.send().await.unwrap();
        let status = response.status();
        let cookie = response.headers().get("set-cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
        let body: Value = response.json().await.unwrap();
        if status != StatusCode::OK {
            assert!(cookie.is_none());
            return Err((status, body));
        }
        let cookie = cookie.unwrap();
        for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let page_token = body["page_token"].as_str().unwrap().to_owned();
        Ok((Self { collector, cookie, page_token }, body))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = self.collector.http.request(method, format!("{}{path}", self.collector.base));
        request = request.header("cookie", &self.cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        if response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            return (status, Value::Null);
        }
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, &[], None).await
    }

    async fn change(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(method, path, &[("x-kouan-page-token", &self.page_token)], Some(body)).await
    }
}

async fn make_user(collector: &Running, name: &str, role: &str, sites: Option<&[&str]>) -> (String, String) {
    let body = json!({ "name": name, "grants": [{ "role": role, "sites": sites }] });
    let (status, made) = collector.post("/api/v1/users", body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    (made["user"]["id"].as_str().unwrap().to_owned(), made["password"].as_str().unwrap().to_owned())
}

/// A user who has replaced the first password.
async fn settled<'r>(collector: &'r Running, name: &str, role: &str, sites: Option<&[&str]>) -> Browser<'r> {
    let (_, first) = make_user(collector, name, role, sites).await;
    let (browser, _) = Browser::sign_in(collector, name, &first).await.unwrap();
    let body = json!({ "current": first, "new": "a long enough secret" });
    let (status, body) = browser.change(Method::PUT, "/api/v1/session/password", body).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    browser
}

#[tokio::test]
async fn the_first_password_must_be_replaced_before_anything_else() {
    let collector = Running::start().await;
    let (_, first) = make_user(&collector, "Li.Lei", "operator", None).await;
    let (browser, who) = Browser::sign_in(&collector, "li.lei", &first).await.unwrap();
    assert_eq!((&who["must_change_password"], &who["name"]), (&json!(true), &json!("Li.Lei")));
    let (status, body) = browser.get("/api/v1/devices").await;
    assert_eq!((status, &body["type"]), (StatusCode::FORBIDDEN, &json!("urn:kouan:problem:password-change")));
    let change = async |current: &str, new: &str| {
        browser.change(Method::PUT, "/api/v1/session/password", json!({ "current": current, "new": new })).await.0
    };
    assert_eq!(change(&first, "short").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(change(&first, "li.lei-2026-11").await, StatusCode::UNPROCESSABLE_ENTITY, "the name is in it");
    assert_eq!(change("wrong", "a long enough secret").await, StatusCode::UNAUTHORIZED);
    assert_eq!(change(&first, "a long enough secret").await, StatusCode::NO_CONTENT);
    assert_eq!(browser.get("/api/v1/devices").await.0, StatusCode::OK);
    let (status, who) = browser.get("/api/v1/session").await;
    assert_eq!(
        (status, &who["rights"]),
        (StatusCode::OK, &json!(["metrics", "read", "operate", "evidence", "command"]))
    );
    assert!(Browser::sign_in(&collector, "li.lei", &first).await.is_err(), "the first password is no more");
    assert!(Browser::sign_in(&collector, "LI.LEI", "a long enough secret").await.is_ok());
}

#[tokio::test]
async fn each_role_may_what_it_is_for_and_nothing_else() {
    let collector = Running::start().await;
    let mut browsers = BTreeMap::new();
    for role in Role::ALL {
        browsers.insert(role, settled(&collector, &format!("a-{}", role.as_str()), role.as_str(), None).await);
    }
    for route in http::table() {
        let (method, path) = of(&route);
        for role in Role::ALL {
            // Signing out and new passwords are another test's.
            if path.starts_with("/api/v1/session") && method != Method::GET {
                continue;
            }
            let status = browsers[&role].change(method.clone(), &path, json!({ "nothing": true })).await.0;
            let may = match route.permission {
                Permission::May(right) => role.rights().contains(&right),
                Permission::Metrics => role.rights().contains(&Right::Read),
                Permission::Open | Permission::SignedIn => true,
                Permission::Agent => false,
            };
            let is_refused = status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED;
            assert_eq!(is_refused, !may, "{method} {path} as {}: {status}", role.as_str());
        }
    }
}

#[tokio::test]
async fn a_person_sees_and_does_at_some_sites_what_others_do_at_all() {
    let collector = Running::start().await;
    collector.enrol("hall-1", "hall").await;
    collector.enrol("pier-1", "pier").await;
    let chief = settled(&collector, "hall.chief", "administrator", Some(&["hall"])).await;
    let (_, agents) = chief.get("/api/v1/agents").await;
    let names: Vec<_> = agents["items"].as_array().unwrap().iter().map(|agent| &agent["id"]).collect();
    assert_eq!(names, ["hall-1"]);
    let enrol = async |agent: &str, site: &str| {
        chief.change(Method::POST, "/api/v1/agents", json!({ "agent": agent, "site": site })).await.0
    };
    assert_eq!(enrol("hall-2", "hall").await, StatusCode::CREATED);
    assert_eq!(enrol("pier-2", "pier").await, StatusCode::FORBIDDEN);
    let make = async |name: &str, sites: Value| {
        let grants = json!([{ "role": "viewer", "sites": sites }]);
        chief.change(Method::POST, "/api/v1/users", json!({ "name": name, "grants": grants })).await.0
    };
    assert_eq!(make("guard", json!(["hall"])).await, StatusCode::CREATED);
    assert_eq!(make("spy", json!(["pier"])).await, StatusCode::FORBIDDEN);
    assert_eq!(make("everywhere", json!(null)).await, StatusCode::FORBIDDEN);
    let (pier_guard, _) = make_user(&collector, "pier.guard", "viewer", Some(&["pier"])).await;
    let path = format!("/api/v1/users/{pier_guard}");
    assert_eq!(chief.get(&path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(chief.change(Method::PATCH, &path, json!({ "disabled": true })).await.0, StatusCode::NOT_FOUND);
    assert_eq!(chief.change(Method::POST, &format!("{path}/password"), json!({})).await.0, StatusCode::NOT_FOUND);
    let key = json!({ "name": "k", "scopes": ["read"] });
    assert_eq!(chief.change(Method::POST, "/api/v1/keys", key).await.0, StatusCode::CREATED, "for the hall");
    let all = json!({ "name": "l", "scopes": ["read"], "sites": ["hall", "pier"] });
    assert_eq!(chief.change(Method::POST, "/api/v1/keys", all).await.0, StatusCode::FORBIDDEN);
    // Rows of the log that concern no single site are not the hall's.
    let (_, log) = chief.get("/api/v1/audit").await;
    assert!(log["items"].as_array().unwrap().iter().all(|row| row["site"] == "hall"), "{log}");
    assert_eq!(chief.get("/api/v1/audit/check").await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn another_page_cannot_act_for_somebody_who_is_signed_in() {
    let collector = Running::start().await;
    let browser = settled(&collector, "wang", "engineer", None).await;
    let body = json!({ "agent": "hall-1", "site": "hall" });
    let post = async |headers: &[(&str, &str)]| {
        browser.send(Method::POST, "/api/v1/agents", headers, Some(body.clone())).await.0
    };
    assert_eq!(post(&[]).await, StatusCode::FORBIDDEN);
    assert_eq!(post(&[("x-kouan-page-token", "00")]).await, StatusCode::FORBIDDEN);
    let foreign = [("x-kouan-page-token", browser.page_token.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(post(&foreign).await, StatusCode::FORBIDDEN);
    assert_eq!(post(&[("x-kouan-page-token", browser.page_token.as_str())]).await, StatusCode::CREATED);
    let sign_in = json!({ "name": "wang", "password": "a long enough secret" });
    let request = collector.http.post(format!("{}/api/v1/session", collector.base)).json(&sign_in);
    let response = request.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_written_down() {
    let collector = Running::start().await;
    let (_, first) = make_user(&collector, "wang", "viewer", None).await;
    for name in ["wang", "nobody", "wang", "wang", "wang", "wang"] {
        let (status, body) = Browser::sign_in(&collector, name, "wrong").await.err().unwrap();
        assert_eq!((status, &body["type"]), (StatusCode::UNAUTHORIZED, &json!("urn:kouan:problem:wrong-password")));
    }
    let (status, _) = Browser::sign_in(&collector, "wang", &first).await.err().unwrap();
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "not even with the right password");
    collector.clock.advance_ms(2_000);
    assert!(Browser::sign_in(&collector, "wang", &first).await.is_ok());
    let refused = collector.items("/api/v1/audit?action=sign-in-refused").await;
    let names: Vec<_> = refused.iter().map(|row| row["actor_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["wang", "wang", "wang", "wang", "nobody", "wang"], "newest first");
    assert!(refused.iter().all(|row| row["address"] == "127.0.0.1"));
}

#[tokio::test]
async fn a_sign_in_ends_when_it_should() {
    let collector = Running::start().await;
    const HOUR: u64 = 3_600_000;
    let browser = settled(&collector, "wang", "viewer", None).await;
    // Whoever does something stays signed in, for a week.
    for _ in 0..16 {
        collector.clock.advance_ms(10 * HOUR);
        assert_eq!(browser.get("/api/v1/session").await.0, StatusCode::OK);
    }
    collector.clock.advance_ms(10 * HOUR);
    assert_eq!(browser.get("/api/v1/session").await.0, StatusCode::UNAUTHORIZED, "a week is over");
    let again = async || Browser::sign_in(&collector, "wang", "a long enough secret").await.unwrap().0;
    let browser = again().await;
    collector.clock.advance_ms(13 * HOUR);
    assert_eq!(browser.get("/api/v1/session").await.0, StatusCode::UNAUTHORIZED, "too long without a request");
    let (browser, other) = (again().await, again().await);
    assert_eq!(browser.change(Method::DELETE, "/api/v1/session", json!({})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(browser.get("/api/v1/session").await.0, StatusCode::UNAUTHORIZED, "signed out");
    assert_eq!(other.get("/api/v1/session").await.0, StatusCode::OK, "elsewhere still signed in");
    let (id, third) = (other.get("/api/v1/session").await.1["id"].as_str().unwrap().to_owned(), again().await);
    let body = json!({ "current": "a long enough secret", "new": "another good secret" });
    assert_eq!(other.change(Method::PUT, "/api/v1/session/password", body).await.0, StatusCode::NO_CONTENT);
    assert_eq!(third.get("/api/v1/session").await.0, StatusCode::UNAUTHORIZED, "the password is another");
    assert_eq!(other.get("/api/v1/session").await.0, StatusCode::OK);
    let disable = json!({ "disabled": true });
    let (status, body) =
        collector.request(Method::PATCH, &format!("/api/v1/users/{id}"), Some(&collector.key), Some(disable)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(other.get("/api/v1/session").await.0, StatusCode::UNAUTHORIZED, "disabled");
    assert!(Browser::sign_in(&collector, "wang", "another good secret").await.is_err());
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let collector = Running::start().await;
    let (chief, _) = make_user(&collector, "chief", "administrator", None).await;
    let patch = async |id: &str, body: Value| {
        collector.request(Method::PATCH, &format!("/api/v1/users/{id}"), Some(&collector.key), Some(body)).await.0
    };
    assert_eq!(patch(&chief, json!({ "disabled": true })).await, StatusCode::CONFLICT);
    assert_eq!(patch(&chief, json!({ "grants": [{ "role": "viewer" }] })).await, StatusCode::CONFLICT);
    assert_eq!(patch(&chief, json!({ "display_name": "老板" })).await, StatusCode::OK);
    make_user(&collector, "second", "administrator", None).await;
    assert_eq!(patch(&chief, json!({ "disabled": true })).await, StatusCode::OK);
}

#[tokio::test]
async fn what_was_done_is_in_the_log_and_the_log_is_whole() {
    let collector = Running::start().await;
    let browser = settled(&collector, "wang", "engineer", None).await;
    let enrolled = browser.change(Method::POST, "/api/v1/agents", json!({ "agent": "hall-1", "site": "hall" })).await;
    assert_eq!(enrolled.0, StatusCode::CREATED);
    let taken = browser.change(Method::DELETE, "/api/v1/agents/hall-1/token", json!({}));
    assert_eq!(taken.await.0, StatusCode::NO_CONTENT);
    let rows = collector.items("/api/v1/audit?target=hall-1").await;
    let deeds: Vec<_> = rows.iter().map(|row| (&row["action"], &row["actor_name"], &row["site"])).collect();
    let (wang, hall) = (json!("wang"), json!("hall"));
    assert_eq!(deeds, [(&json!("agent-revoked"), &wang, &hall), (&json!("agent-enrolled"), &wang, &hall)]);
    let first = collector.get("/api/v1/audit?limit=2").await;
    let next = format!("/api/v1/audit?limit=2&cursor={}", first["next"].as_str().unwrap());
    assert_eq!(first["items"][1]["id"].as_i64().unwrap() - 1, collector.get(&next).await["items"][0]["id"]);
    let report = collector.get("/api/v1/audit/check").await;
    assert_eq!(report["problems"], json!([]));
    let noted =
        format!("/api/v1/audit/check?id={}&hash={}", report["head"]["id"], report["head"]["hash"].as_str().unwrap());
    collector.key("later", &["read"], None).await;
    assert_eq!(collector.get(&noted).await["problems"], json!([]));
    let wrong = format!("/api/v1/audit/check?id=1&hash={}", "0".repeat(64));
    assert!(collector.get(&wrong).await["problems"][0].as_str().unwrap().contains("is not in it any more"));
    let lines = collector.get("/api/v1/audit/export.jsonl").await;
    let lines = lines.as_str().unwrap().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(lines.count() as u64, report["rows"].as_u64().unwrap() + 1);
    let all = collector.get("/api/v1/audit?limit=1000").await.to_string();
    assert!(!all.contains("a long enough secret") && !all.contains("ka_") && !all.contains("kc_"), "no secret");
}
