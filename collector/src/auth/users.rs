//! People in `state.db`.

use std::collections::BTreeMap;

use kouan_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{AccountProblem, Role, Scope, check_site};
use crate::revision::{is_current, revision_of};
use crate::store::{During as _, StoreError};

/// Longest name at the sign-in, and longest name in full, in characters.
const NAME: usize = 64;

/// What a person is, and where.
pub type Grants = BTreeMap<Role, Scope>;

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Names the person for ever.
    pub id: String,
    /// What is typed at the sign-in.
    pub name: String,
    /// The name in full.
    pub display_name: String,
    /// What the person is, and where.
    pub grants: Grants,
    /// Whether the password was made by somebody else and must be replaced first.
    pub must_change: bool,
    /// Whether the person signs in at an identity provider, and has no password here.
    pub is_external: bool,
    /// When it was made.
    pub created_ms: i64,
    /// Since when the person may not sign in.
    pub disabled_ms: Option<i64>,
}

impl User {
    /// Differs after every change of the user.
    #[must_use]
    pub fn revision(&self) -> String {
        let grants: Vec<_> = self.grants.iter().map(|(role, sites)| (role.as_str(), sites.to_sql())).collect();
        revision_of(&(&self.display_name, grants, self.disabled_ms))
    }
}

/// Somebody to make.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// What is typed at the sign-in.
    pub name: String,
    /// The name in full.
    pub display_name: String,
    /// What the person is, and where.
    pub grants: Grants,
    /// The first password, hashed; it must be replaced at the first sign-in.
    pub password_hash: String,
}

/// What changes about a user; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// The name in full.
    pub display_name: Option<String>,
    /// What the person is, and where.
    pub grants: Option<Grants>,
    /// Whether the person may not sign in.
    pub disabled: Option<bool>,
    /// Only if the user still has this revision.
    pub revision: Option<String>,
}

fn check_name(name: &str) -> Result<(), AccountProblem> {
    let fits = |letter: char| letter.is_alphanumeric() || "._-@".contains(letter);
    let count = name.chars().count();
    if (1..=NAME).contains(&count) && name.chars().all(fits) { Ok(()) } else { Err(AccountProblem::UserName) }
}

fn check_display_name(name: &str) -> Result<(), AccountProblem> {
    let count = name.chars().count();
    let is_fine = (1..=NAME).contains(&count) && !name.chars().any(char::is_control);
    if is_fine { Ok(()) } else { Err(AccountProblem::UserName) }
}

fn check_grants(grants: &Grants) -> Result<(), AccountProblem> {
    let sites = grants.values().filter_map(|scope| match scope {
        Scope::All => None,
        Scope::Sites(sites) => Some(sites),
    });
    sites.flatten().try_for_each(|site| check_site(site))
}

/// Makes a user and returns its id.
///
/// # Errors
/// When it cannot be written; the inner error when the name is taken or something about it is wrong.
pub fn add_user(
    transaction: &Transaction<'_>,
    new: &NewUser,
    now: Timestamp,
) -> Result<Result<String, AccountProblem>, StoreError> {
    let checked =
        check_name(&new.name).and(check_display_name(&new.display_name)).and_then(|()| check_grants(&new.grants));
    if let Err(problem) = checked {
        return Ok(Err(problem));
    }
    if user_named(transaction, &new.name)?.is_some() {
        return Ok(Err(AccountProblem::UserExists(new.name.clone())));
    }
    let id = new_id();
    transaction
        .execute(
            "INSERT INTO users (id, name, display_name, password_hash, must_change, created_ms)
             VALUES (?1, ?2, ?3, ?4, 1, ?5)",
            params![id, new.name, new.display_name, new.password_hash, now.0],
        )
        .during("make a user")?;
    set_grants(transaction, &id, &new.grants)?;
    Ok(Ok(id))
}

/// Somebody whom an identity provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    /// Issuer and subject: names the person for ever.
    pub subject: String,
    /// What the provider calls the person.
    pub name: String,
    /// The name in full.
    pub display_name: String,
    /// What the person is here by what the provider says, and where.
    pub grants: Grants,
}

/// Makes or brings up to date a user who signs in at an identity provider, and returns the user.
///
/// # Errors
/// When it cannot be written; the inner error when another user has the name, or the user is disabled here.
pub fn take_external(
    transaction: &Transaction<'_>,
    external: &External,
    now: Timestamp,
) -> Result<Result<User, AccountProblem>, StoreError> {
    let checked = check_name(&external.name).and(check_display_name(&external.display_name));
    if let Err(problem) = checked {
        return Ok(Err(problem));
    }
    let known: Option<String> = transaction
        .query_row("SELECT id FROM users WHERE subject = ?1", [&external.subject], |row| row.get(0))
        .optional()
        .during("look for a user by the subject")?;
    let namesake = user_named(transaction, &external.name)?.map(|(id, _)| id);
    if namesake.is_some() && namesake != known {
        return Ok(Err(AccountProblem::UserExists(external.name.clone())));
    }
    let id = known.unwrap_or_else(new_id);
    transaction
        .execute(
            "INSERT INTO users (id, name, display_name, subject, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET name = ?2, display_name = ?3",
            params![id, external.name, external.display_name, external.subject, now.0],
        )
        .during("bring a user up to date")?;
    set_grants(transaction, &id, &external.grants)?;
    let found = user(transaction, &id)?.filter(|user| user.disabled_ms.is_none());
    Ok(found.ok_or(AccountProblem::NoUser))
}

fn new_id() -> String {
    format!("u-{:012x}", rand::random::<u64>() >> 16)
}

/// Changes a user. Somebody who is disabled or loses a role is signed out.
///
/// # Errors
/// When it cannot be written; the inner error when something about it is wrong, or nobody would be left who may make
/// users everywhere.
pub fn change_user(
    transaction: &Transaction<'_>,
    id: &str,
    change: &UserChange,
    now: Timestamp,
) -> Result<Result<User, AccountProblem>, StoreError> {
    let Some(before) = user(transaction, id)? else { return Ok(Err(AccountProblem::NoUser)) };
    if !is_current(change.revision.as_ref(), &before.revision()) {
        return Ok(Err(AccountProblem::Changed));
    }
    let checked = change.display_name.as_deref().map_or(Ok(()), check_display_name);
    let checked = checked.and_then(|()| change.grants.as_ref().map_or(Ok(()), check_grants));
    if let Err(problem) = checked {
        return Ok(Err(problem));
    }
    let was_chief = is_chief(&before);
    let has_other_grants = change.grants.as_ref().is_some_and(|grants| *grants != before.grants);
    let since = before.disabled_ms.unwrap_or(now.0);
    let after = User {
        display_name: change.display_name.clone().unwrap_or(before.display_name),
        grants: change.grants.clone().unwrap_or(before.grants),
        disabled_ms: change.disabled.map_or(before.disabled_ms, |disabled| disabled.then_some(since)),
        ..before
    };
    let is_other_chief = |other: &User| other.id != id && is_chief(other);
    if was_chief && !is_chief(&after) && !users(transaction)?.iter().any(is_other_chief) {
        return Ok(Err(AccountProblem::LastAdministrator));
    }
    transaction
        .execute(
            "UPDATE users SET display_name = ?2, disabled_ms = ?3 WHERE id = ?1",
            params![id, after.display_name, after.disabled_ms],
        )
        .during("change a user")?;
    if let Some(grants) = &change.grants {
        set_grants(transaction, id, grants)?;
    }
    if after.disabled_ms.is_some() || has_other_grants {
        super::end_sign_ins(transaction, id, None)?;
    }
    Ok(Ok(after))
}

/// Whether the user may make others everywhere.
fn is_chief(user: &User) -> bool {
    user.disabled_ms.is_none() && user.grants.get(&Role::Administrator) == Some(&Scope::All)
}

/// Gives a user another password and ends every sign-in but `keep`. `by_other`: it must be replaced at the next
/// sign-in.
///
/// # Errors
/// When it cannot be written; the inner error when there is no such user.
pub fn set_password(
    transaction: &Transaction<'_>,
    id: &str,
    hash: &str,
    by_other: bool,
    keep: Option<super::TokenHash>,
) -> Result<Result<(), AccountProblem>, StoreError> {
    if user(transaction, id)?.is_some_and(|user| user.is_external) {
        return Ok(Err(AccountProblem::External));
    }
    let changed = transaction
        .execute("UPDATE users SET password_hash = ?2, must_change = ?3 WHERE id = ?1", params![id, hash, by_other])
        .during("set a password")?;
    if changed == 0 {
        return Ok(Err(AccountProblem::NoUser));
    }
    super::end_sign_ins(transaction, id, keep)?;
    Ok(Ok(()))
}

fn set_grants(transaction: &Transaction<'_>, id: &str, grants: &Grants) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM grants WHERE user_id = ?1", [id]).during("replace what a user is")?;
    for (role, sites) in grants {
        transaction
            .execute(
                "INSERT INTO grants (user_id, role, sites) VALUES (?1, ?2, ?3)",
                params![id, role.as_str(), sites.to_sql()],
            )
            .during("replace what a user is")?;
    }
    Ok(())
}

/// The users, by name.
///
/// # Errors
/// When they cannot be read.
pub fn users(conn: &Connection) -> Result<Vec<User>, StoreError> {
    let ids: Vec<String> = conn
        .prepare_cached("SELECT id FROM users ORDER BY name")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .during("read users")?;
    let users = ids.iter().map(|id| user(conn, id)).collect::<Result<Vec<_>, _>>()?;
    Ok(users.into_iter().flatten().collect())
}

/// The user of that id.
///
/// # Errors
/// When it cannot be read.
pub fn user(conn: &Connection, id: &str) -> Result<Option<User>, StoreError> {
    let found = conn
        .prepare_cached(
            "SELECT id, name, display_name, must_change, created_ms, disabled_ms, subject IS NOT NULL
             FROM users WHERE id = ?1",
        )
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(User {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    display_name: row.get(2)?,
                    grants: Grants::new(),
                    must_change: row.get(3)?,
                    created_ms: row.get(4)?,
                    disabled_ms: row.get(5)?,
                    is_external: row.get(6)?,
                })
            };
            statement.query_row([id], read).optional()
        })
        .during("read a user")?;
    let Some(mut user) = found else { return Ok(None) };
    let grants: Vec<(String, Option<String>)> = conn
        .prepare_cached("SELECT role, sites FROM grants WHERE user_id = ?1")
        .and_then(|mut statement| statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .during("read what a user is")?;
    for (role, sites) in grants {
        // A role that this version does not know brings nothing.
        if let Some(role) = Role::from_name(&role) {
            user.grants.insert(role, Scope::from_sql(sites.as_deref())?);
        }
    }
    Ok(Some(user))
}

/// The id and the password hash of the user of that name.
///
/// # Errors
/// When it cannot be read.
pub fn user_named(conn: &Connection, name: &str) -> Result<Option<(String, Option<String>)>, StoreError> {
    conn.prepare_cached("SELECT id, password_hash FROM users WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .during("look for a user")
}
