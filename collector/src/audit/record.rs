//! Writing a row.

use kouan_protocol::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::store::{During as _, StoreError};

/// The kinds of those who do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// A person who signed in, or tried to.
    User,
    /// A system with an API key.
    Key,
    /// Somebody with the program on the collector's own machine.
    Console,
}

impl ActorKind {
    /// The word in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Key => "key",
            Self::Console => "console",
        }
    }
}

/// Who did something, and from where.
#[derive(Debug, Clone)]
pub struct Actor {
    /// What the actor is.
    pub kind: ActorKind,
    /// The id of the user or key; empty if it is not known.
    pub id: String,
    /// The name.
    pub name: String,
    /// The address of the connection; empty at the console.
    pub address: String,
}

impl Actor {
    /// Somebody with the program on this machine.
    #[must_use]
    pub fn console() -> Self {
        let name = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_default();
        Self { kind: ActorKind::Console, id: String::new(), name, address: String::new() }
    }
}

/// What was done.
#[derive(Debug, Clone)]
pub struct Deed {
    /// A word such as `agent-enrolled`.
    pub action: &'static str,
    /// At which site; empty for what concerns no single one.
    pub site: String,
    /// The id of what it was done to.
    pub target: String,
    /// More about it: an object. Never a secret.
    pub detail: Value,
}

impl Deed {
    /// A deed without details and without a site.
    #[must_use]
    pub fn new(action: &'static str, target: impl Into<String>) -> Self {
        Self { action, site: String::new(), target: target.into(), detail: Value::Object(serde_json::Map::new()) }
    }

    /// The same, at a site.
    #[must_use]
    pub fn at(self, site: impl Into<String>) -> Self {
        Self { site: site.into(), ..self }
    }

    /// The same, with details.
    #[must_use]
    pub fn with(self, detail: Value) -> Self {
        Self { detail, ..self }
    }
}

/// What a row's hash is over.
pub(super) struct Hashed<'r> {
    pub(super) id: i64,
    pub(super) at_ms: i64,
    pub(super) texts: [&'r str; 8],
}

/// The hash of a row: over the hash of the row before, its number, its time, and its texts, each after its length.
pub(super) fn hash(before: &[u8], row: &Hashed<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(row.id.to_be_bytes());
    hash.update(row.at_ms.to_be_bytes());
    for text in row.texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// Writes down what `actor` did.
///
/// # Errors
/// When it cannot be written.
pub fn record(transaction: &Transaction<'_>, actor: &Actor, deed: &Deed, now: Timestamp) -> Result<(), StoreError> {
    let last: Option<(i64, Vec<u8>)> = transaction
        .prepare_cached("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1")
        .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .during("read the end of the audit log")?;
    let (last, before) = last.unwrap_or_default();
    let (id, detail) = (last + 1, deed.detail.to_string());
    let texts =
        [actor.kind.as_str(), &actor.id, &actor.name, &actor.address, deed.action, &deed.site, &deed.target, &detail];
    let hash = hash(&before, &Hashed { id, at_ms: now.0, texts });
    let [kind, actor, name, address, action, site, target, detail] = texts;
    transaction
        .prepare_cached(
            "INSERT INTO audit (id, at_ms, actor_kind, actor_id, actor_name, address, action, site, target, detail, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )
        .and_then(|mut statement| {
            statement.execute(params![id, now.0, kind, actor, name, address, action, site, target, detail, hash])
        })
        .during("write to the audit log")?;
    Ok(())
}
