//! Passwords: how they are made, judged and checked.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq as _;

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

impl HashError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// What Argon2 works in, kept from one password to the next: taken anew each time, 19 MiB with their alignment leave
/// holes that the allocator does not fill again.
#[derive(Debug, Default)]
pub struct Memory(Vec<Block>);

impl Memory {
    /// Runs Argon2.
    fn run(&mut self, argon2: &Argon2<'_>, password: &[u8], salt: &[u8]) -> Result<Output, HashError> {
        let size = argon2.params().block_count();
        if self.0.len() < size {
            self.0.resize(size, Block::new());
        }
        let blocks = self.0.get_mut(..size).unwrap_or_default();
        let mut out = [0; Output::MAX_LENGTH];
        let length = argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let out = out.get_mut(..length).ok_or_else(|| HashError("the hash is too long".to_owned()))?;
        argon2.hash_password_into_with_memory(password, salt, out, blocks).map_err(HashError::of)?;
        Output::new(out).map_err(HashError::of)
    }
}

/// What is stored: Argon2id in PHC form, with the parameters that OWASP recommends. Takes some 20 ms and 19 MiB.
///
/// # Errors
/// When there is not enough memory.
pub fn hash(password: &str, memory: &mut Memory) -> Result<String, HashError> {
    let (argon2, salt) = (Argon2::default(), rand::random::<[u8; 16]>());
    let hash = PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: ParamsString::try_from(argon2.params()).map_err(HashError::of)?,
        salt: Some(Salt::new(&salt).map_err(HashError::of)?),
        hash: Some(memory.run(&argon2, password.as_bytes(), &salt)?),
    };
    Ok(hash.to_string())
}

/// Whether it is the password. Without a stored hash it takes as long and says no, so that nobody learns which
/// users there are.
#[must_use]
pub fn verify(password: &str, stored: Option<&str>, memory: &mut Memory) -> bool {
    match stored.and_then(|stored| PasswordHash::new(stored).ok()) {
        Some(stored) => is_hash_of(password, &stored, memory).unwrap_or(false),
        None => {
            let _ = hash(password, memory);
            false
        }
    }
}

/// Whether `stored` is the hash of the password; `None` if it is none of Argon2.
fn is_hash_of(password: &str, stored: &PasswordHash, memory: &mut Memory) -> Option<bool> {
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).ok()?;
    let version = stored.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(stored).ok()?);
    let (salt, expected) = (stored.salt.as_ref()?, stored.hash.as_ref()?);
    let found = memory.run(&argon2, password.as_bytes(), salt).ok()?;
    Some(found.as_bytes().ct_eq(expected.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_another_is_not() {
        let memory = &mut Memory::default();
        let stored = hash("correct horse battery", memory).unwrap();
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        assert!(verify("correct horse battery", Some(&stored), memory));
        assert!(!verify("correct horse batterz", Some(&stored), memory));
        assert!(!verify("correct horse battery", None, memory) && !verify("", Some("not a hash"), memory));
    }

    #[test]
    fn a_hash_of_another_implementation_is_understood() {
        // argon2-cffi 25.1: PasswordHasher().hash("correct horse battery"), 64 MiB, three passes, four lanes.
        let stored = include_str!("argon2-cffi.phc").trim();
        assert!(verify("correct horse battery", Some(stored), &mut Memory::default()));
    }

    #[test]
    fn ours_is_understood_by_the_library_itself() {
        use argon2::PasswordVerifier as _;
        let stored = hash("correct horse battery", &mut Memory::default()).unwrap();
        Argon2::default().verify_password(b"correct horse battery", stored.as_str()).unwrap();
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
