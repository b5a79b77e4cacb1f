//! People, and how they are reached.

use kouan_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::language::Language;
use crate::auth::{self, Right, Role, User};
use crate::store::{During as _, StoreError};

/// How somebody is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// The e-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// The telephone number for short messages: digits, with a `+` before a country's code.
    #[serde(default)]
    pub phone: Option<String>,
    /// In which language: `zh` or `en`.
    #[serde(default)]
    pub language: Language,
}

impl Contact {
    /// What is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.email.as_deref().is_some_and(|email| !is_address(email)) {
            problems.push("email is an address such as wang.fang@example.com".to_owned());
        }
        if self.phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
            problems.push("phone has 5 to 20 digits, with or without a + at the beginning".to_owned());
        }
        problems
    }
}

/// Whether it can be an e-mail address.
#[must_use]
pub fn is_address(text: &str) -> bool {
    text.len() <= 254 && text.parse::<lettre::Address>().is_ok()
}

/// Whether it can be a telephone number.
#[must_use]
pub fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (5..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Somebody who may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub user: User,
    /// How.
    pub contact: Contact,
}

impl Person {
    /// Whether the person may see that site, and may sign in at all.
    #[must_use]
    pub fn sees(&self, site: &str) -> bool {
        let mut roles = self.user.grants.iter().filter(|(role, _)| role.rights().contains(&Right::Read));
        self.user.disabled_ms.is_none() && roles.any(|(_, sites)| sites.covers(site))
    }

    /// Whether the person has a role at that site.
    #[must_use]
    pub fn is(&self, role: Role, site: &str) -> bool {
        self.user.disabled_ms.is_none() && self.user.grants.get(&role).is_some_and(|sites| sites.covers(site))
    }
}

/// Everybody.
///
/// # Errors
/// When they cannot be read.
pub fn people(conn: &Connection) -> Result<Vec<Person>, StoreError> {
    let users = auth::users(conn)?;
    let with_contact =
        |user: User| contact(conn, &user.id).map(|contact| Person { user, contact: contact.unwrap_or_default() });
    users.into_iter().map(with_contact).collect()
}

/// The person of that id; `None` if there is none.
///
/// # Errors
/// When it cannot be read.
pub fn person(conn: &Connection, id: &str) -> Result<Option<Person>, StoreError> {
    let Some(user) = auth::user(conn, id)? else { return Ok(None) };
    Ok(Some(Person { contact: contact(conn, id)?.unwrap_or_default(), user }))
}

/// How a user is reached; `None` if nobody has said so.
///
/// # Errors
/// When it cannot be read.
pub fn contact(conn: &Connection, user: &str) -> Result<Option<Contact>, StoreError> {
    conn.prepare_cached("SELECT email, phone, language FROM contacts WHERE user_id = ?1")
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                let language: String = row.get(2)?;
                Ok(Contact {
                    email: row.get(0)?,
                    phone: row.get(1)?,
                    language: Language::from_name(&language).unwrap_or_default(),
                })
            };
            statement.query_row([user], read).optional()
        })
        .during("read a contact")
}

/// Says how a user is reached. Returns `false` if there is no such user.
///
/// # Errors
/// When it cannot be written.
pub fn set_contact(
    transaction: &Transaction<'_>,
    user: &str,
    contact: &Contact,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if auth::user(transaction, user)?.is_none() {
        return Ok(false);
    }
    transaction
        .execute(
            "INSERT OR REPLACE INTO contacts (user_id, email, phone, language, changed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![user, contact.email, contact.phone, contact.language.as_str(), now.0],
        )
        .during("write a contact")?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_numbers_are_checked() {
        for good in ["wang.fang@example.com", "noc@[192.0.2.1]"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "wang", "a@b\r\nBcc: c@d", "a b@example.com"] {
            assert!(!is_address(bad), "{bad}");
        }
        assert!(is_phone("+8613800001111") && is_phone("10086"));
        assert!(!is_phone("1380000x") && !is_phone("+") && !is_phone("123"));
    }
}
