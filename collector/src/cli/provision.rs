//! Agents and keys, before the first run or beside a running collector.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{Table, presets};
use kouan_protocol::{AgentId, Clock as _, SystemClock};
use rusqlite::{Transaction, TransactionBehavior};

use super::options::Place;
use crate::auth::{self, AccountProblem, Scope, Token};
use crate::http::rfc3339;
use crate::store::{During as _, File, StoreError, open_read_only, open_writable};

pub(super) fn add_agent(place: &Place, name: &AgentId, site: &str) -> Result<ExitCode> {
    let now = SystemClock::new()?.wall();
    let token = change(place, |transaction| auth::add_agent(transaction, name, site, now))?;
    writeln!(std::io::stdout(), "{}", token.reveal())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn add_key(place: &Place, name: &str, scopes: &[String], sites: Option<Vec<String>>) -> Result<ExitCode> {
    let now = SystemClock::new()?.wall();
    let scopes = auth::parse_key_scopes(scopes.iter().map(String::as_str))?;
    let sites = sites.map_or(Scope::All, |sites| Scope::Sites(sites.into_iter().collect()));
    let key = change(place, |transaction| auth::add_key(transaction, name, &scopes, &sites, now))?;
    writeln!(std::io::stdout(), "{}", key.reveal())?;
    Ok(ExitCode::SUCCESS)
}

fn change(
    place: &Place,
    work: impl FnOnce(&Transaction<'_>) -> Result<Result<Token, AccountProblem>, StoreError>,
) -> Result<Token> {
    let folder = place.folder()?;
    folder.create()?;
    let setup = folder.lock_setup()?;
    let mut conn = open_writable(&folder.state(), File::State)?;
    drop(setup);
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate).during("begin a transaction")?;
    let token = work(&transaction)??;
    transaction.commit().during("commit")?;
    Ok(token)
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
