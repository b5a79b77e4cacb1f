//! Sites, agents and keys in `state.db`.

use std::collections::BTreeSet;

use kouan_protocol::session::Hello;
use kouan_protocol::{AgentId, SessionId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{Right, Scope, Token};
use crate::store::{During as _, StoreError};

/// Why an agent or a key was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountProblem {
    /// The agent exists.
    #[error("there is an agent \"{0}\" already; choose another name")]
    AgentExists(AgentId),
    /// The key exists.
    #[error("there is a key named \"{0}\" already; choose another name")]
    KeyExists(String),
    /// No such agent at the caller's sites.
    #[error("there is no agent \"{0}\"")]
    NoAgent(AgentId),
    /// No such key, or it was taken back before.
    #[error("there is no key \"{0}\" that works")]
    NoKey(String),
    /// The site's name cannot be used.
    #[error("\"{0}\" is not a valid site name: use 1 to 64 characters of a-z, 0-9, '.', '_' and '-'")]
    Site(String),
    /// The key's name cannot be used.
    #[error("a key's name has 1 to 64 characters and no control characters")]
    KeyName,
    /// No such scope.
    #[error(
        "\"{0}\" is not a scope: use metrics, read, operate, evidence, command, maintain, configure, admin and audit"
    )]
    KeyScope(String),
    /// The user exists.
    #[error("there is a user \"{0}\" already; choose another name")]
    UserExists(String),
    /// No such user.
    #[error("there is no such user")]
    NoUser,
    /// The user's name cannot be used.
    #[error("a user's name has 1 to 64 letters, digits, '.', '_', '-' and '@'; the name in full 1 to 64 characters")]
    UserName,
    /// The user has no password here.
    #[error("this user signs in at an identity provider and has no password here")]
    External,
    /// Somebody was faster.
    #[error("somebody changed the user meanwhile; look again")]
    Changed,
    /// Nobody would be left who may make users.
    #[error("this is the last administrator of all sites; make another one first")]
    LastAdministrator,
    /// The password is not taken.
    #[error(transparent)]
    Password(#[from] super::password::WeakPassword),
}

/// Checks a site's name.
///
/// # Errors
/// When it cannot be used.
pub fn check_site(site: &str) -> Result<(), AccountProblem> {
    // Sites are named by the same rule as agents.
    site.parse::<AgentId>().map(drop).map_err(|_| AccountProblem::Site(site.chars().take(64).collect()))
}

/// Reads a list of scopes such as `read,command`.
///
/// # Errors
/// When one of them is not known, or there is none.
pub fn parse_rights<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<BTreeSet<Right>, AccountProblem> {
    let known = |name: &str| {
        Right::from_name(name.trim()).ok_or_else(|| AccountProblem::KeyScope(name.chars().take(64).collect()))
    };
    let scopes = names.into_iter().map(known).collect::<Result<BTreeSet<_>, _>>()?;
    if scopes.is_empty() { Err(AccountProblem::KeyScope(String::new())) } else { Ok(scopes) }
}

/// Enrols an agent and makes its token.
///
/// # Errors
/// When it cannot be written; the inner error when the name is taken or the site's name cannot be used.
pub fn add_agent(
    transaction: &Transaction<'_>,
    agent: &AgentId,
    site: &str,
    now: Timestamp,
) -> Result<Result<Token, AccountProblem>, StoreError> {
    if let Err(problem) = check_site(site) {
        return Ok(Err(problem));
    }
    let exists = "SELECT 1 FROM agents WHERE id = ?1";
    if transaction.query_row(exists, [agent.as_str()], |_| Ok(())).optional().during("look for an agent")?.is_some() {
        return Ok(Err(AccountProblem::AgentExists(agent.clone())));
    }
    transaction
        .execute("INSERT OR IGNORE INTO sites (id, created_ms) VALUES (?1, ?2)", params![site, now.0])
        .during("add a site")?;
    let token = Token::random("ka_");
    transaction
        .execute(
            "INSERT INTO agents (id, site, token_hash, created_ms) VALUES (?1, ?2, ?3, ?4)",
            params![agent.as_str(), site, token.hash().as_bytes(), now.0],
        )
        .during("enrol an agent")?;
    Ok(Ok(token))
}

/// Makes an API key.
///
/// # Errors
/// When it cannot be written; the inner error when the name is taken or cannot be used.
pub fn add_key(
    transaction: &Transaction<'_>,
    name: &str,
    scopes: &BTreeSet<Right>,
    sites: &Scope,
    now: Timestamp,
) -> Result<Result<Token, AccountProblem>, StoreError> {
    if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
        return Ok(Err(AccountProblem::KeyName));
    }
    if let Scope::Sites(sites) = sites
        && let Some(problem) = sites.iter().find_map(|site| check_site(site).err())
    {
        return Ok(Err(problem));
    }
    let exists = "SELECT 1 FROM api_keys WHERE name = ?1";
    if transaction.query_row(exists, [name], |_| Ok(())).optional().during("look for a key")?.is_some() {
        return Ok(Err(AccountProblem::KeyExists(name.to_owned())));
    }
    let token = Token::random("kc_");
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    transaction
        .execute(
            "INSERT INTO api_keys (id, name, token_hash, scopes, sites, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                format!("k-{:012x}", rand::random::<u64>() >> 16),
                name,
                token.hash().as_bytes(),
                scopes.join(","),
                sites.to_sql(),
                now.0
            ],
        )
        .during("make a key")?;
    Ok(Ok(token))
}

/// Gives an agent another token; the earlier one is known no more.
///
/// # Errors
/// When it cannot be written; the inner error when there is no such agent.
pub fn renew_agent_token(
    transaction: &Transaction<'_>,
    scope: &Scope,
    agent: &AgentId,
) -> Result<Result<Token, AccountProblem>, StoreError> {
    let token = Token::random("ka_");
    let renewed = replace_agent_token(transaction, scope, agent, &token, None)?;
    Ok(if renewed { Ok(token) } else { Err(AccountProblem::NoAgent(agent.clone())) })
}

/// Takes an agent's token back. What it stored stays, what it raised is cleared; it is refused until it gets another
/// token.
///
/// # Errors
/// When it cannot be written; the inner error when there is no such agent.
pub fn revoke_agent(
    transaction: &Transaction<'_>,
    scope: &Scope,
    agent: &AgentId,
    now: Timestamp,
) -> Result<Result<(), AccountProblem>, StoreError> {
    let revoked = replace_agent_token(transaction, scope, agent, &Token::random("ka_"), Some(now))?;
    if revoked {
        crate::alarms::end_agent(transaction, agent, now)?;
    }
    Ok(if revoked { Ok(()) } else { Err(AccountProblem::NoAgent(agent.clone())) })
}

fn replace_agent_token(
    transaction: &Transaction<'_>,
    scope: &Scope,
    agent: &AgentId,
    token: &Token,
    revoked: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let changed = transaction
        .execute(
            "UPDATE agents SET token_hash = ?3, revoked_ms = ?4
             WHERE id = ?1 AND (?2 IS NULL OR site IN (SELECT value FROM json_each(?2)))",
            params![agent.as_str(), scope.to_sql(), token.hash().as_bytes(), revoked.map(|time| time.0)],
        )
        .during("replace an agent's token")?;
    Ok(changed > 0)
}

/// An API key, without its secret.
#[derive(Debug, Clone)]
pub struct KeyRow {
    /// Names it for ever.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Right>,
    /// Where.
    pub sites: Scope,
    /// When it was made.
    pub created_ms: i64,
    /// When it was taken back.
    pub revoked_ms: Option<i64>,
}

/// The keys, oldest first.
///
/// # Errors
/// When they cannot be read.
pub fn keys(conn: &Connection) -> Result<Vec<KeyRow>, StoreError> {
    type Columns = (String, String, String, Option<String>, i64, Option<i64>);
    let rows: Vec<Columns> = conn
        .prepare_cached("SELECT id, name, scopes, sites, created_ms, revoked_ms FROM api_keys ORDER BY created_ms, id")
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            };
            statement.query_map([], read)?.collect()
        })
        .during("read keys")?;
    let key = |(id, name, scopes, sites, created_ms, revoked_ms): Columns| {
        let scopes = scopes.split(',').filter_map(Right::from_name).collect();
        Ok(KeyRow { id, name, scopes, sites: Scope::from_sql(sites.as_deref())?, created_ms, revoked_ms })
    };
    rows.into_iter().map(key).collect()
}

/// Takes an API key back: the one of that id or name. It is known no more; its name stays in histories.
///
/// # Errors
/// When it cannot be written; the inner error when there is no such key.
pub fn revoke_key(
    transaction: &Transaction<'_>,
    id_or_name: &str,
    now: Timestamp,
) -> Result<Result<(), AccountProblem>, StoreError> {
    let changed = transaction
        .execute(
            "UPDATE api_keys SET token_hash = ?2, revoked_ms = ?3
             WHERE revoked_ms IS NULL AND (id = ?1 OR name = ?1)",
            params![id_or_name, Token::random("kc_").hash().as_bytes(), now.0],
        )
        .during("take a key back")?;
    Ok(if changed > 0 { Ok(()) } else { Err(AccountProblem::NoKey(id_or_name.chars().take(64).collect())) })
}

/// How many keys there are.
///
/// # Errors
/// When they cannot be counted.
pub fn key_count(conn: &Connection) -> Result<i64, StoreError> {
    conn.query_row("SELECT count(*) FROM api_keys", [], |row| row.get(0)).during("count keys")
}

/// Notes what the agent said of itself.
///
/// # Errors
/// When it cannot be written.
pub fn note_hello(
    transaction: &Transaction<'_>,
    agent: &AgentId,
    hello: &Hello,
    session: SessionId,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "UPDATE agents SET software = ?2, incarnation = ?3, journal = ?4, boot = ?5, session = ?6, config_hash = ?7,
                 hello_ms = ?8, clock_offset_ms = ?9, clock_trusted = ?10
             WHERE id = ?1",
            params![
                agent.as_str(),
                hello.software,
                hello.incarnation.to_string(),
                hello.journal.to_string(),
                hello.now.boot.to_string(),
                session.to_string(),
                hello.config_hash,
                now.0,
                now.0.saturating_sub(hello.now.wall.0),
                hello.now.trusted
            ],
        )
        .during("note a hello")?;
    Ok(())
}

/// An agent as it last said hello.
#[derive(Debug, Clone)]
pub struct AgentRow {
    /// Its name.
    pub id: AgentId,
    /// Its site.
    pub site: String,
    /// Name and version of its program.
    pub software: String,
    /// The life of its data folder.
    pub incarnation: String,
    /// Hash of its configuration.
    pub config_hash: String,
    /// When it last said hello.
    pub hello_ms: Option<i64>,
    /// How far its clock was behind this one.
    pub clock_offset_ms: Option<i64>,
    /// Whether its clock was synchronised.
    pub clock_trusted: Option<bool>,
}

/// Agents by name, after the name `after`.
///
/// # Errors
/// When they cannot be read.
pub fn agents(conn: &Connection, scope: &Scope, after: &str, limit: usize) -> Result<Vec<AgentRow>, StoreError> {
    let mut statement = conn
        .prepare_cached(
            "SELECT id, site, software, incarnation, config_hash, hello_ms, clock_offset_ms, clock_trusted FROM agents
             WHERE id > ?1 AND (?2 IS NULL OR site IN (SELECT value FROM json_each(?2))) ORDER BY id LIMIT ?3",
        )
        .during("read agents")?;
    let rows = statement
        .query_map(params![after, scope.to_sql(), limit as i64], |row| {
            let id: String = row.get(0)?;
            let rest = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?);
            Ok((id, rest))
        })
        .during("read agents")?;
    let mut agents = Vec::new();
    for row in rows {
        let (id, (site, software, incarnation, config_hash, hello_ms, clock_offset_ms, clock_trusted)) =
            row.during("read agents")?;
        let id = id.parse().map_err(StoreError::damaged("an agent's name"))?;
        agents.push(AgentRow {
            id,
            site,
            software,
            incarnation,
            config_hash,
            hello_ms,
            clock_offset_ms,
            clock_trusted,
        });
    }
    Ok(agents)
}

/// The site of an agent; empty if there is no such agent.
///
/// # Errors
/// When it cannot be read.
pub fn site_of(conn: &Connection, agent: &AgentId) -> Result<String, StoreError> {
    let site = conn.query_row("SELECT site FROM agents WHERE id = ?1", [agent.as_str()], |row| row.get(0)).optional();
    Ok(site.during("read an agent's site")?.unwrap_or_default())
}

/// The sites, by name.
///
/// # Errors
/// When they cannot be read.
pub fn sites(conn: &Connection, scope: &Scope) -> Result<Vec<String>, StoreError> {
    conn.prepare_cached("SELECT id FROM sites WHERE ?1 IS NULL OR id IN (SELECT value FROM json_each(?1)) ORDER BY id")
        .and_then(|mut statement| statement.query_map([scope.to_sql()], |row| row.get(0))?.collect())
        .during("read sites")
}
