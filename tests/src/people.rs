//! People who sign in at a collector.

use anyhow::{Context as _, ensure};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::api::Api;

/// Somebody who can sign in.
#[derive(Debug, Clone)]
pub struct Person {
    /// What is typed at the sign-in.
    pub name: String,
    /// The password.
    pub password: String,
    /// What the person is.
    pub role: String,
}

/// Makes a user at all sites, whose first password must still be replaced.
///
/// # Errors
/// When the collector refuses.
pub async fn first_person(api: &Api, name: &str, display_name: &str, role: &str) -> anyhow::Result<Person> {
    let body = json!({ "name": name, "display_name": display_name, "grants": [{ "role": role }] });
    let answer = api.post("/users", &body).await?;
    ensure!(answer.status.is_success(), "making the user {name} was refused: {} {}", answer.status, answer.body);
    let password = answer.body["password"].as_str().context("the new user has no password")?.to_owned();
    Ok(Person { name: name.to_owned(), password, role: role.to_owned() })
}

/// Makes a user at all sites who has replaced the first password by `password`, as a person would.
///
/// # Errors
/// When the collector refuses.
pub async fn person(api: &Api, name: &str, display_name: &str, role: &str, password: &str) -> anyhow::Result<Person> {
    let first = first_person(api, name, display_name, role).await?;
    let browser = Client::builder().no_proxy().build().context("building an HTTP client failed")?;
    let address = format!("{}/api/v1/session", api.base());
    let body = json!({ "name": name, "password": first.password });
    let answer = browser.post(&address).json(&body).send().await.context("signing in failed")?;
    let cookie = cookie(&answer).context("signing in gave no cookie")?;
    let session: Value = answer.json().await.context("the session is no JSON")?;
    let token = session["page_token"].as_str().context("the session has no token")?;
    let change = json!({ "current": first.password, "new": password });
    let request = browser.request(Method::PUT, format!("{address}/password")).json(&change);
    let answer = request.header(COOKIE, cookie).header("x-kouan-page-token", token).send().await;
    let answer = answer.context("replacing the first password failed")?;
    ensure!(answer.status().is_success(), "the new password of {name} was refused: {}", answer.text().await?);
    Ok(Person { password: password.to_owned(), ..first })
}

fn cookie(answer: &Response) -> Option<String> {
    let lines = answer.headers().get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.filter_map(|line| line.split(';').next()).find(|pair| pair.starts_with("kouan=")).map(str::to_owned)
}
