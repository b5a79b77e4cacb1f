//! Users, and their sessions.

use anyhow::{Context as _, ensure};
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};

use crate::api::Api;

const PASSWORD: &str = "two hundred quiet screens";

/// A user who may look at everything, with the password that the user chose.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    name: String,
}

impl Person {
    /// Makes a user and replaces the first password.
    pub(crate) async fn make(api: &Api, http: &reqwest::Client, url: &str, name: String) -> anyhow::Result<Self> {
        let made = api.post("/api/v1/users", &json!({ "name": name, "grants": [{ "role": "viewer" }] })).await?;
        let first = made["password"].as_str().context("the new user has no password")?;
        let (cookie, session) = sign_in(http, url, &name, first).await?;
        let token = session["page_token"].as_str().context("the session has no token")?;
        let request = http.put(format!("{url}/api/v1/session/password")).header(COOKIE, cookie);
        let change = json!({ "current": first, "new": PASSWORD });
        let answer = request.header("x-kouan-page-token", token).json(&change).send().await?;
        ensure!(answer.status().is_success(), "the new password was refused: {}", answer.text().await?);
        Ok(Self { name })
    }

    /// Signs in once more; the cookie of the session.
    pub(super) async fn session(&self, http: &reqwest::Client, url: &str) -> anyhow::Result<String> {
        Ok(sign_in(http, url, &self.name, PASSWORD).await?.0)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn password(&self) -> &'static str {
        PASSWORD
    }
}

async fn sign_in(http: &reqwest::Client, url: &str, name: &str, password: &str) -> anyhow::Result<(String, Value)> {
    let request = http.post(format!("{url}/api/v1/session")).json(&json!({ "name": name, "password": password }));
    let answer = request.send().await.context("signing in failed")?;
    ensure!(answer.status().is_success(), "signing in was refused: {}", answer.status());
    let mut lines = answer.headers().get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    let cookie = lines.find_map(|line| line.split(';').next().filter(|pair| pair.starts_with("kouan=")));
    let cookie = cookie.context("signing in gave no cookie")?.to_owned();
    Ok((cookie, answer.json().await?))
}
