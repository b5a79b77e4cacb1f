//! Passwords: how they are made, judged and checked.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};

/// Shortest password, in characters (NIST SP 800-63B asks for eight).
const SHORTEST: usize = 10;
/// Longest password, in characters; more would only cost time.
const LONGEST: usize = 128;
/// Without letters and digits that look alike.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// The ones that are tried first, of those that are long enough.
const COMMON: [&str; 12] = [
    "1234567890",
    "12345678910",
    "0123456789",
    "qwertyuiop",
    "1qaz2wsx3edc",
    "1q2w3e4r5t",
    "password123",
    "password1234",
    "administrator",
    "admin123456",
    "iloveyou123",
    "qwerty123456",
];

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too short or too long.
    #[error("a password has {SHORTEST} to {LONGEST} characters")]
    Length,
    /// Somebody tries it first.
    #[error("this password is among the first that are tried; choose another")]
    Common,
    /// It is the user's name, or has it in it.
    #[error("a password must not contain the user's name")]
    Name,
}

/// Whether a person may use that password.
///
/// # Errors
/// Why not.
pub fn check(user: &str, password: &str) -> Result<(), WeakPassword> {
    let lower = password.to_lowercase();
    let characters = lower.chars().count();
    if !(SHORTEST..=LONGEST).contains(&characters) {
        return Err(WeakPassword::Length);
    }
    let first = lower.chars().next();
    if COMMON.contains(&lower.as_str()) || lower.chars().all(|letter| Some(letter) == first) {
        return Err(WeakPassword::Common);
    }
    let user = user.to_lowercase();
    if user.chars().count() >= 3 && lower.contains(&user) {
        return Err(WeakPassword::Name);
    }
    Ok(())
}

/// A password that is used once: three groups of five, some 74 bits.
#[must_use]
pub fn random() -> String {
    let letter = || char::from(LETTERS[rand::random_range(0..LETTERS.len())]);
    let group = || (0..5).map(|_| letter()).collect::<String>();
    [group(), group(), group()].join("-")
}

/// The password could not be hashed, for want of memory.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct HashError(String);

/// What is stored: Argon2id in PHC form, with the parameters that OWASP recommends. Takes some 20 ms and 19 MiB.
///
/// # Errors
/// When there is not enough memory.
pub fn hash(password: &str) -> Result<String, HashError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| HashError(error.to_string()))
}

/// Whether it is the password. Without a stored hash it takes as long and says no, so that nobody learns which
/// users there are.
#[must_use]
pub fn verify(password: &str, stored: Option<&str>) -> bool {
    let parsed = stored.and_then(|stored| PasswordHash::new(stored).ok());
    match parsed {
        Some(stored) => Argon2::default().verify_password(password.as_bytes(), &stored).is_ok(),
        None => {
            let _ = hash(password);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_another_is_not() {
        let stored = hash("correct horse battery").unwrap();
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        assert!(verify("correct horse battery", Some(&stored)));
        assert!(!verify("correct horse batterz", Some(&stored)));
        assert!(!verify("correct horse battery", None) && !verify("", Some("not a hash")));
    }

    #[test]
    fn a_hash_of_another_implementation_is_understood() {
        // argon2-cffi 25.1: PasswordHasher().hash("correct horse battery"), 64 MiB, three passes, four lanes.
        let stored = include_str!("argon2-cffi.phc").trim();
        assert!(verify("correct horse battery", Some(stored)));
    }

    #[test]
    fn weak_passwords_are_told_why() {
        assert_eq!(check("li", "short"), Err(WeakPassword::Length));
        assert_eq!(check("li", &"x".repeat(129)), Err(WeakPassword::Length));
        assert_eq!(check("li", "Password123"), Err(WeakPassword::Common));
        assert_eq!(check("li", "aaaaaaaaaaaa"), Err(WeakPassword::Common));
        assert_eq!(check("zhang.wei", "Zhang.Wei-2026"), Err(WeakPassword::Name));
        assert_eq!(check("li", "风和日丽的口岸早晨好啊"), Ok(()));
        assert_eq!(check("li", &random()), Ok(()));
    }

    #[test]
    fn no_two_first_passwords_are_the_same() {
        assert_ne!(random(), random());
    }
}
