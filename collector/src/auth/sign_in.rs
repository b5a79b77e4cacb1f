//! Who is signed in.

use std::time::Duration;

use kouan_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{Token, TokenHash, User, users::user};
use crate::store::{During as _, StoreError};

/// How long a sign-in lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignInLife {
    /// Without a request.
    pub idle: Duration,
    /// In any case.
    pub longest: Duration,
}

impl Default for SignInLife {
    fn default() -> Self {
        Self { idle: Duration::from_secs(12 * 3600), longest: Duration::from_secs(7 * 24 * 3600) }
    }
}

/// How far the clock may be set back before those who are signed in have to sign in again.
const AHEAD_MS: i64 = 24 * 3_600_000;
/// How old the note of the last request may be; a note for every request would be a write for every request.
const NOTE_MS: i64 = 60_000;

/// A person's sign-in, as a request finds it.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Who.
    pub user: User,
    /// Whether the store should note this request.
    pub is_due: bool,
}

/// Signs a user in.
///
/// # Errors
/// When it cannot be written.
pub fn begin_sign_in(
    transaction: &Transaction<'_>,
    user: &str,
    address: &str,
    life: SignInLife,
    now: Timestamp,
) -> Result<Token, StoreError> {
    transaction
        .execute(
            "DELETE FROM sign_ins WHERE seen_ms < ?1 OR created_ms < ?2",
            params![now.0.saturating_sub(ms(life.idle)), now.0.saturating_sub(ms(life.longest))],
        )
        .during("forget old sign-ins")?;
    let token = Token::random("ks_");
    transaction
        .execute(
            "INSERT INTO sign_ins (token_hash, user_id, created_ms, seen_ms, address) VALUES (?1, ?2, ?3, ?3, ?4)",
            params![token.hash().as_bytes(), user, now.0, address],
        )
        .during("sign a user in")?;
    Ok(token)
}

/// Who signed in with that token; `None` if it is unknown or its life has ended.
///
/// # Errors
/// When it cannot be read.
pub fn find_sign_in(
    conn: &Connection,
    token: TokenHash,
    life: SignInLife,
    now: Timestamp,
) -> Result<Option<SignIn>, StoreError> {
    let found: Option<(String, i64, i64)> = conn
        .prepare_cached("SELECT user_id, created_ms, seen_ms FROM sign_ins WHERE token_hash = ?1")
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            statement.query_row([token.as_bytes()], read).optional()
        })
        .during("look up a sign-in")?;
    let Some((id, created_ms, seen_ms)) = found else { return Ok(None) };
    let (age, idle) = (now.0.saturating_sub(created_ms), now.0.saturating_sub(seen_ms));
    // A clock that was far ahead when it began would otherwise make it live until then.
    let is_from_the_future = age < -AHEAD_MS;
    if age >= ms(life.longest) || idle >= ms(life.idle) || is_from_the_future {
        return Ok(None);
    }
    let Some(user) = user(conn, &id)?.filter(|user| user.disabled_ms.is_none()) else { return Ok(None) };
    Ok(Some(SignIn { user, is_due: idle.abs() >= NOTE_MS }))
}

/// Notes that a request came.
///
/// # Errors
/// When it cannot be written.
pub fn note_sign_in(transaction: &Transaction<'_>, token: TokenHash, now: Timestamp) -> Result<(), StoreError> {
    transaction
        .execute("UPDATE sign_ins SET seen_ms = ?2 WHERE token_hash = ?1", params![token.as_bytes(), now.0])
        .during("note a request")?;
    Ok(())
}

/// Ends one sign-in.
///
/// # Errors
/// When it cannot be written.
pub fn end_sign_in(transaction: &Transaction<'_>, token: TokenHash) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM sign_ins WHERE token_hash = ?1", [token.as_bytes()]).during("end a sign-in")?;
    Ok(())
}

/// Ends every sign-in of a user but `keep`.
///
/// # Errors
/// When it cannot be written.
pub fn end_sign_ins(transaction: &Transaction<'_>, user: &str, keep: Option<TokenHash>) -> Result<(), StoreError> {
    let keep = keep.as_ref().map(TokenHash::as_bytes);
    transaction
        .execute("DELETE FROM sign_ins WHERE user_id = ?1 AND token_hash IS NOT ?2", params![user, keep])
        .during("end a user's sign-ins")?;
    Ok(())
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
