//! Who is asking, and what that allows.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use kouan_protocol::{AgentId, BootTime, Clock};
use rusqlite::{Connection, OptionalExtension as _};

use super::{Scope, TokenHash};
use crate::store::{During as _, Readers, StoreError};

/// How long a token that was found is not looked up again.
const CACHE_MS: u64 = 30_000;
/// Tokens that are remembered at most.
const CACHED: usize = 4096;

/// What an API key is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyScope {
    /// See current points for monitoring, which whoever may read may see too.
    Metrics,
    /// See everything of its sites.
    Read,
    /// Ask devices to do something.
    Command,
    /// Enrol agents, make keys, move devices.
    Admin,
}

impl KeyScope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Metrics, Self::Read, Self::Command, Self::Admin];

    /// The scope of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    /// The scope's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Read => "read",
            Self::Command => "command",
            Self::Admin => "admin",
        }
    }
}

/// What a route asks of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: it tells no details.
    Open,
    /// An agent's token.
    Agent,
    /// A key with that scope.
    Key(KeyScope),
    /// A key that may read everything, unless metrics are open to all.
    Metrics,
    /// A key for monitoring or for reading, of any sites.
    Points,
}

/// Somebody with a valid token.
#[derive(Debug, Clone)]
pub enum Principal {
    /// An agent.
    Agent {
        /// Its name.
        id: AgentId,
        /// Its site.
        site: String,
    },
    /// A person or a system.
    Key {
        /// The key's id.
        id: String,
        /// The key's name, which the history of commands shows.
        name: String,
        /// What it may do.
        scopes: BTreeSet<KeyScope>,
        /// Where.
        sites: Scope,
    },
}

/// Looks tokens up, so that a new one works at once, whoever wrote it into the file.
#[derive(Debug)]
pub struct Authenticator {
    state: Readers,
    clock: Arc<dyn Clock>,
    found: Mutex<HashMap<TokenHash, (BootTime, Principal)>>,
}

impl Authenticator {
    /// Looks tokens up in `state.db`.
    #[must_use]
    pub fn new(state: Readers, clock: Arc<dyn Clock>) -> Self {
        Self { state, clock, found: Mutex::default() }
    }

    /// Who has that token; `None` if nobody has.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find(&self, token: &str) -> Result<Option<Principal>, StoreError> {
        let hash = TokenHash::of(token);
        let now = self.clock.boot_time();
        if let Some((at, principal)) = self.lock().get(&hash)
            && now.since_ms(*at) < CACHE_MS
        {
            return Ok(Some(principal.clone()));
        }
        let found = self.state.read(move |conn| find(conn, hash)).await?;
        let mut cache = self.lock();
        cache.remove(&hash);
        if let Some(principal) = &found {
            if cache.len() >= CACHED {
                cache.clear();
            }
            cache.insert(hash, (now, principal.clone()));
        }
        Ok(found)
    }

    /// Forgets what was looked up, so that a token that was taken back is refused at once.
    pub fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TokenHash, (BootTime, Principal)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(conn: &Connection, hash: TokenHash) -> Result<Option<Principal>, StoreError> {
    let agent: Option<(String, String)> = conn
        .prepare_cached("SELECT id, site FROM agents WHERE token_hash = ?1")
        .and_then(|mut statement| {
            statement.query_row([hash.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .during("look up an agent's token")?;
    if let Some((id, site)) = agent {
        let id = id.parse().map_err(StoreError::damaged("an agent's name"))?;
        return Ok(Some(Principal::Agent { id, site }));
    }
    let key: Option<(String, String, String, Option<String>)> = conn
        .prepare_cached("SELECT id, name, scopes, sites FROM api_keys WHERE token_hash = ?1")
        .and_then(|mut statement| {
            statement
                .query_row([hash.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
                .optional()
        })
        .during("look up an API key")?;
    let Some((id, name, scopes, sites)) = key else { return Ok(None) };
    let scopes = scopes.split(',').filter_map(KeyScope::from_name);
    let sites = Scope::from_sql(sites.as_deref())?;
    Ok(Some(Principal::Key { id, name, scopes: scopes.collect(), sites }))
}
