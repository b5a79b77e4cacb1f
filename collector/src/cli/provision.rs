//! Agents and keys, before the first run or beside a running collector.

use std::io::Write as _;
use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use comfy_table::{Table, presets};
use kouan_protocol::{AgentId, Clock as _, SystemClock, Timestamp};
use rusqlite::{Transaction, TransactionBehavior};
use serde_json::json;

use super::options::Place;
use crate::audit::{self, Actor, Deed};
use crate::auth::{self, AccountProblem, Scope};
use crate::config::Config;
use crate::http::rfc3339;
use crate::restore::{self, Restored};
use crate::store::log::SqliteLog;
use crate::store::{During as _, File, StoreError, open_read_only, open_writable};
use crate::telemetry::history_last_seen;
use crate::tls::Certificate;

pub(super) fn add_agent(place: &Place, name: &AgentId, site: &str) -> Result<ExitCode> {
    let deed = Deed::new("agent-enrolled", name.as_str()).at(site);
    let token = change(place, &deed, |transaction, now| auth::add_agent(transaction, name, site, now))?;
    // The token alone on standard output, so that it can be piped to where it belongs.
    writeln!(std::io::stdout(), "{}", token.reveal())?;
    writeln!(std::io::stderr(), "{}", snippet(&place.config()?, certificate(place)?.as_ref()))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what agents pin.
pub(super) fn fingerprint(place: &Place) -> Result<ExitCode> {
    let certificate = certificate(place)?.context(
        "this collector speaks plain HTTP and shows no certificate: it listens on this machine only, or plain_http is \
         set; [tls] in the settings changes that",
    )?;
    writeln!(std::io::stdout(), "{}", certificate.fingerprint())?;
    Ok(ExitCode::SUCCESS)
}

fn certificate(place: &Place) -> Result<Option<Certificate>> {
    let Some(tls) = place.config()?.tls() else { return Ok(None) };
    let folder = place.folder()?;
    folder.create()?;
    let setup = folder.lock_setup()?;
    let certificate = Certificate::open(&tls, &folder)?;
    drop(setup);
    Ok(Some(certificate))
}

/// What an agent's settings need to reach this collector.
fn snippet(config: &Config, certificate: Option<&Certificate>) -> String {
    let host = match config.listen.ip() {
        ip if ip.is_unspecified() => crate::tls::own_name().unwrap_or_else(|| "COLLECTOR".to_owned()),
        IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    };
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let mut text = format!(
        "\nThe line above is the token; it is shown this once. In the agent's settings:\n\n[collector]\n\
         url = \"{scheme}://{host}:{}\"\ntoken_file = \"/var/lib/kouan-agent/token\"\n",
        config.listen.port()
    );
    if let Some(certificate) = certificate {
        text.push_str(&format!("pin = \"{}\"\n", certificate.fingerprint()));
    }
    text
}

pub(super) fn add_key(place: &Place, name: &str, scopes: &[String], sites: Option<Vec<String>>) -> Result<ExitCode> {
    let rights = auth::parse_rights(scopes.iter().map(String::as_str))?;
    let deed = Deed::new("key-made", name).with(json!({ "scopes": scopes, "sites": sites }));
    let sites = sites.map_or(Scope::All, |sites| Scope::Sites(sites.into_iter().collect()));
    let key = change(place, &deed, |transaction, now| auth::add_key(transaction, name, &rights, &sites, now))?;
    writeln!(std::io::stdout(), "{}", key.reveal())?;
    Ok(ExitCode::SUCCESS)
}

/// Changes `state.db` and writes the deed down in the same transaction.
pub(super) fn change<T>(
    place: &Place,
    deed: &Deed,
    work: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<Result<T, AccountProblem>, StoreError>,
) -> Result<T> {
    let now = SystemClock::new()?.wall();
    let folder = place.folder()?;
    folder.create()?;
    let setup = folder.lock_setup()?;
    let mut conn = open_writable(&folder.state(), File::State)?;
    drop(setup);
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate).during("begin a transaction")?;
    let done = work(&transaction, now)??;
    audit::record(&transaction, &Actor::console(), deed, now)?;
    transaction.commit().during("commit")?;
    Ok(done)
}

pub(super) fn renew_agent(place: &Place, name: &AgentId) -> Result<ExitCode> {
    let deed = Deed::new("agent-token-renewed", name.as_str());
    let token = change(place, &deed, |transaction, _| auth::renew_agent_token(transaction, &Scope::All, name))?;
    writeln!(std::io::stdout(), "{}", token.reveal())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn revoke_agent(place: &Place, name: &AgentId) -> Result<ExitCode> {
    let deed = Deed::new("agent-revoked", name.as_str());
    change(place, &deed, |transaction, now| auth::revoke_agent(transaction, &Scope::All, name, now))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn revoke_key(place: &Place, name: &str) -> Result<ExitCode> {
    change(place, &Deed::new("key-revoked", name), |transaction, now| auth::revoke_key(transaction, name, now))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list_keys(place: &Place) -> Result<ExitCode> {
    let conn = open_read_only(&place.folder()?.state())?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["id", "name", "scopes", "sites", "made", "taken back"]);
    for key in auth::keys(&conn)? {
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        let sites = match key.sites {
            Scope::All => "all".to_owned(),
            Scope::Sites(sites) => sites.into_iter().collect::<Vec<_>>().join(","),
        };
        let revoked = key.revoked_ms.map_or_else(|| "-".to_owned(), rfc3339);
        table.add_row([key.id, key.name, scopes.join(","), sites, rfc3339(key.created_ms), revoked]);
    }
    writeln!(std::io::stdout(), "{table}")?;
    Ok(ExitCode::SUCCESS)
}

/// Run after a backup was put back, before the collector starts.
pub(super) fn restored(place: &Place) -> Result<ExitCode> {
    let now = SystemClock::new()?.wall();
    let folder = place.folder()?;
    // A folder that does not exist was not put back.
    std::fs::metadata(folder.ingest()).map_err(StoreError::io("open", &folder.ingest()))?;
    let _lock = folder.lock()?;
    let setup = folder.lock_setup()?;
    let mut log = SqliteLog::new(open_writable(&folder.ingest(), File::Ingest)?)?;
    let mut state = open_writable(&folder.state(), File::State)?;
    let history = history_last_seen(&folder.history())?;
    drop(setup);
    let restored = restore::begin_again(&mut log, &mut state, history, now)?;
    print_restored(&restored)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn print_restored(restored: &Restored) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "This folder begins another life, {}.", restored.incarnation)?;
    writeln!(out, "Commands held for a person: {}.", restored.held)?;
    Ok(())
}

pub(super) fn list_agents(place: &Place) -> Result<ExitCode> {
    let conn = open_read_only(&place.folder()?.state())?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["agent", "site", "software", "last hello"]);
    for agent in auth::agents(&conn, &Scope::All, "", usize::MAX >> 1)? {
        let hello = agent.hello_ms.map_or_else(|| "never".to_owned(), rfc3339);
        table.add_row([agent.id.to_string(), agent.site, agent.software, hello]);
    }
    writeln!(std::io::stdout(), "{table}")?;
    Ok(ExitCode::SUCCESS)
}
