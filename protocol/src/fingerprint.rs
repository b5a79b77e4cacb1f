//! The name of a TLS certificate by its bytes.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// SHA-256 of a certificate's DER bytes, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// Why a fingerprint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is \"sha256:\" and 64 hexadecimal digits, as `kouan-collector fingerprint` prints it")]
pub struct FingerprintError;

impl FingerprintError {
    /// Why the fingerprint was refused, in Chinese.
    #[must_use]
    pub fn chinese(&self) -> String {
        "指纹应写成 \"sha256:\" 加 64 位十六进制数，如 `kouan-collector fingerprint` 所打印".to_owned()
    }
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Takes also what `openssl x509 -fingerprint -sha256` prints after its `=`, with colons between the bytes.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let text = text.trim();
        let digits = match text.split_once(':') {
            Some((name, digits)) if name.eq_ignore_ascii_case("sha256") => digits,
            _ => text,
        };
        let nibbles: Vec<u8> = digits
            .chars()
            .filter(|&character| character != ':')
            .take(65)
            .map(|character| character.to_digit(16).map(|digit| digit as u8))
            .collect::<Option<_>>()
            .ok_or(FingerprintError)?;
        let bytes: Vec<u8> = nibbles.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]).collect();
        if nibbles.len() == 64 {
            bytes.try_into().map(Self).map_err(|_| FingerprintError)
        } else {
            Err(FingerprintError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_written_and_as_openssl_writes_it() {
        let fingerprint = Fingerprint::of(b"certificate");
        let text = fingerprint.to_string();
        assert_eq!(text.parse(), Ok(fingerprint));
        let bytes: Vec<String> = text.as_bytes()["sha256:".len()..]
            .chunks(2)
            .map(|pair| String::from_utf8_lossy(pair).to_uppercase())
            .collect();
        assert_eq!(bytes.join(":").parse(), Ok(fingerprint));
        for wrong in ["", "sha256:", "sha256:12", "sha1:00", &format!("{text}0"), &text[..text.len() - 1], "sha256:zz"]
        {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(FingerprintError), "{wrong}");
        }
    }
}
