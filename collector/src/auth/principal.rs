//! Who is asking, and what that allows.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kouan_protocol::{AgentId, BootTime, Clock};
use rusqlite::{Connection, OptionalExtension as _};

use super::sign_in::{SignIn, SignInLife, find_sign_in};
use super::{Right, Scope, TokenHash, User};
use crate::store::{During as _, Readers, StoreError};

/// How long a token that was found is not looked up again.
const CACHE_MS: u64 = 30_000;
/// Tokens that are remembered at most.
const CACHED: usize = 4096;

/// What a route asks of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: it tells no details.
    Open,
    /// An agent's token.
    Agent,
    /// A person or a key with that right.
    May(Right),
    /// A person who signed in, also one who must replace the password first.
    SignedIn,
    /// Somebody who may read everything, unless metrics are open to all.
    Metrics,
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
    /// A system.
    Key {
        /// The key's id.
        id: String,
        /// The key's name, which the history of commands shows.
        name: String,
        /// What it may do.
        rights: BTreeSet<Right>,
        /// Where.
        sites: Scope,
    },
    /// A person who signed in.
    User {
        /// Who.
        user: User,
        /// The sign-in.
        sign_in: TokenHash,
    },
}

impl Principal {
    /// Where somebody has a right; `None` if nowhere.
    #[must_use]
    pub fn sites_of(&self, right: Right) -> Option<Scope> {
        match self {
            Self::Agent { .. } => None,
            Self::Key { rights, sites, .. } => rights.contains(&right).then(|| sites.clone()),
            Self::User { user, .. } => {
                let roles = user.grants.iter().filter(|(role, _)| role.rights().contains(&right));
                roles.map(|(_, sites)| sites.clone()).reduce(Scope::join)
            }
        }
    }

    /// Whether somebody has all of these rights at all of these sites.
    #[must_use]
    pub fn has_all(&self, rights: &BTreeSet<Right>, sites: &Scope) -> bool {
        rights.iter().all(|right| self.sites_of(*right).is_some_and(|mine| mine.covers_all_of(sites)))
    }
}

/// Looks tokens up, so that a new one works at once, whoever wrote it into the file.
#[derive(Debug)]
pub struct Authenticator {
    state: Readers,
    clock: Arc<dyn Clock>,
    life: SignInLife,
    found: Mutex<HashMap<TokenHash, (BootTime, Principal)>>,
    /// Grows when something was taken back: what was read before must not be remembered after.
    taken_back: AtomicU64,
}

impl Authenticator {
    /// Looks tokens up in `state.db`.
    #[must_use]
    pub fn new(state: Readers, clock: Arc<dyn Clock>, life: SignInLife) -> Self {
        Self { state, clock, life, found: Mutex::default(), taken_back: AtomicU64::default() }
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
        let known = self.taken_back.load(Ordering::SeqCst);
        let found = self.state.read(move |conn| find(conn, hash)).await?;
        let mut cache = self.lock();
        cache.remove(&hash);
        if let Some(principal) = &found
            && self.taken_back.load(Ordering::SeqCst) == known
        {
            if cache.len() >= CACHED {
                cache.clear();
            }
            cache.insert(hash, (now, principal.clone()));
        }
        Ok(found)
    }

    /// Who signed in with that token; `None` if nobody did, or it was too long ago. Always asked of the store: whoever
    /// was signed out is out at once.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find_sign_in(&self, token: TokenHash) -> Result<Option<SignIn>, StoreError> {
        let (life, now) = (self.life, self.clock.wall());
        self.state.read(move |conn| find_sign_in(conn, token, life, now)).await
    }

    /// Whether an API key or an agent's token was not taken back; `false` also when that cannot be read.
    pub async fn still_knows(&self, principal: &Principal) -> bool {
        let (sql, id) = match principal {
            Principal::Key { id, .. } => {
                ("SELECT EXISTS (SELECT 1 FROM api_keys WHERE id = ?1 AND revoked_ms IS NULL)", id.clone())
            }
            Principal::Agent { id, .. } => {
                ("SELECT EXISTS (SELECT 1 FROM agents WHERE id = ?1 AND revoked_ms IS NULL)", id.to_string())
            }
            Principal::User { .. } => return false,
        };
        let read = move |conn: &Connection| conn.query_row(sql, [id], |row| row.get(0)).during("look up a key");
        self.state.read(read).await.unwrap_or(false)
    }

    /// Forgets what was looked up, so that a token that was taken back is refused at once.
    pub fn forget(&self) {
        let mut cache = self.lock();
        self.taken_back.fetch_add(1, Ordering::SeqCst);
        cache.clear();
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
    let rights = Right::with_implied(scopes.split(',').filter_map(Right::from_name).collect());
    let sites = Scope::from_sql(sites.as_deref())?;
    Ok(Some(Principal::Key { id, name, rights, sites }))
}
