//! Bearer tokens: 256 random bits, of which only the hash is stored.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A token in clear; it is shown once, when it is made.
pub struct Token(String);

/// SHA-256 of a token. A slow hash protects guessable secrets; these are not guessable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl Token {
    /// A new token with a prefix that tells people and secret scanners what it is.
    #[must_use]
    pub fn random(prefix: &str) -> Self {
        let bytes: [u8; 32] = rand::random();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{prefix}{hex}"))
    }

    /// The token in clear, to show it to the person who asked for it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl TokenHash {
    /// The hash of a token that somebody presents.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// The bytes for the store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_hides_itself_and_keeps_its_hash() {
        let token = Token::random("kc_");
        assert_eq!(token.reveal().len(), 3 + 64);
        assert_eq!(token.hash(), TokenHash::of(token.reveal()));
        assert!(!format!("{token:?}").contains(&token.reveal()[3..10]));
    }
}
