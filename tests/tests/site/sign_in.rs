//! People who sign in: with a first password from the tool, and at an identity provider that is not ours.

use std::path::Path;

use anyhow::{Context as _, ensure};
use kouan_tests::{Collector, Process, ProcessOptions, SHORT, python};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::{Value, json};

use super::folder;

/// A browser that goes nowhere by itself.
fn browser() -> anyhow::Result<Client> {
    // The process-wide TLS implementation; a second call in one process is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?)
}

fn cookie(answer: &Response, name: &str) -> anyhow::Result<String> {
    let lines = answer.headers().get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.filter_map(|line| line.split(';').next());
    pairs.find(|pair| pair.starts_with(name)).map(str::to_owned).with_context(|| format!("no cookie {name}"))
}

fn location(answer: &Response) -> anyhow::Result<String> {
    let place = answer.headers().get(LOCATION).context("the answer leads nowhere")?;
    Ok(place.to_str()?.to_owned())
}

async fn identity_provider(folder: &Path) -> anyhow::Result<(Process, u16)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/identity_provider.py");
    let users = json!([
        { "sub": "alice", "preferred_username": "wang.fang", "name": "王芳", "groups": ["operators", "choir"] },
        { "sub": "bob", "preferred_username": "bob", "groups": ["cooks"] },
    ]);
    let arguments = [script, &users.to_string()];
    let mut process = Process::start(&ProcessOptions::new("identity-provider", python()?, folder, arguments))?;
    let port = process.line_with(SHORT, |line| line.strip_prefix("LISTENING ")?.trim().parse().ok());
    let port = port.await.context("the identity provider did not come up; run `make test-setup`")?;
    Ok((process, port))
}

/// Signs in at the provider and comes back to the collector; what the collector answers then.
async fn come_back(browser: &Client, base: &str, subject: &str) -> anyhow::Result<Response> {
    let start = browser.get(format!("{base}/api/v1/session/oidc")).send().await?;
    ensure!(start.status() == StatusCode::SEE_OTHER, "{}", start.text().await?);
    let state = cookie(&start, "kouan-oidc")?;
    let signed_in = browser.post(location(&start)?).form(&[("sub", subject)]).send().await?;
    let back = Url::parse(&location(&signed_in)?)?;
    let query = back.query().context("the provider sends nothing along")?;
    let path = format!("{base}{}?{query}", back.path());
    let stranger = browser.get(&path).send().await?;
    ensure!(stranger.status() == StatusCode::FORBIDDEN, "another browser must not be signed in by the address alone");
    Ok(browser.get(path).header(COOKIE, state).send().await?)
}

#[tokio::test]
async fn people_come_from_an_identity_provider_with_the_roles_of_their_groups() -> anyhow::Result<()> {
    let folder = folder()?;
    let (provider, port) = identity_provider(folder.path()).await?;
    let secret = folder.path().join("client-secret");
    std::fs::write(&secret, "a secret\n")?;
    let settings = format!(
        "[sign_in.oidc]\nissuer = \"http://127.0.0.1:{port}\"\nclient_id = \"kouan\"\n\
         client_secret_file = \"{}\"\n\
         redirect = \"http://127.0.0.1:1/api/v1/session/oidc/callback\"\nscopes = [\"profile\", \"groups\"]\n\
         [[sign_in.oidc.groups]]\ngroup = \"operators\"\nroles = [\"operator\"]\nsites = [\"hall\"]\n",
        secret.display()
    );
    std::fs::write(folder.path().join("collector.toml"), settings)?;
    let mut collector = Collector::start(folder.path()).await?;
    let (browser, base) = (browser()?, format!("http://{}", collector.address()));

    let answer = come_back(&browser, &base, "alice").await?;
    ensure!(answer.status() == StatusCode::SEE_OTHER, "{}", answer.text().await?);
    let cookie = cookie(&answer, "kouan=")?;
    let who = browser.get(format!("{base}/api/v1/session")).header(COOKIE, &cookie).send().await?;
    let who: Value = who.json().await?;
    assert_eq!((&who["name"], &who["display_name"]), (&json!("wang.fang"), &json!("王芳")));
    assert_eq!(who["grants"], json!([{ "role": "operator", "sites": ["hall"] }]));
    let own = browser.post(format!("{base}/api/v1/session")).json(&json!({ "name": "wang.fang", "password": "" }));
    assert_eq!(own.send().await?.status(), StatusCode::UNAUTHORIZED, "there is no password here");

    let refused = come_back(&browser, &base, "bob").await?;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(refused.text().await?.contains("none of your groups has a role here"));

    provider.kill().await?;
    let down = browser.get(format!("{base}/api/v1/session/oidc")).send().await?;
    assert_eq!(down.status(), StatusCode::BAD_GATEWAY);
    let still = browser.get(format!("{base}/api/v1/session")).header(COOKIE, &cookie).send().await?;
    assert_eq!(still.status(), StatusCode::OK, "whoever is signed in stays so");
    collector.kill().await
}

#[tokio::test]
async fn the_tool_makes_a_first_user_and_checks_the_audit_log() -> anyhow::Result<()> {
    let folder = folder()?;
    let mut collector = Collector::start(folder.path()).await?;
    let (status, out, problems) = collector.tool(&["user", "add", "王芳", "--roles", "administrator"]).await?;
    ensure!(status.success(), "{problems}");
    let body = json!({ "name": "王芳", "password": out.trim() });
    let base = format!("http://{}", collector.address());
    let answer = browser()?.post(format!("{base}/api/v1/session")).json(&body).send().await?;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.json::<Value>().await?["must_change_password"], true);
    let (status, out, _) = collector.tool(&["user", "disable", "王芳"]).await?;
    ensure!(!status.success(), "the last administrator must stay: {out}");
    let (status, out, problems) = collector.tool(&["audit", "check"]).await?;
    ensure!(status.success() && out.contains("as it was written"), "{out}{problems}");
    let noted = out.lines().find_map(|line| line.strip_prefix("Newest row, to note: ")).context("no row to note")?;
    let (status, out, problems) = collector.tool(&["audit", "check", "--noted", noted]).await?;
    ensure!(status.success(), "{out}{problems}");
    collector.kill().await
}
