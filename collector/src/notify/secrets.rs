//! Secrets of channels: named in the channel, kept in files or the environment of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What stands in a setting for a secret: `${secret:NAME}`.
const OPEN: &str = "${secret:";
/// Longest secret, in bytes.
const LONGEST: usize = 4096;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The content of a file, without the line's end.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
}

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Nobody has said where it is.
    #[error("there is no secret \"{0}\" in [notify.secrets] of the collector's settings")]
    Unknown(String),
    /// The file cannot be read.
    #[error("the secret \"{name}\" could not be read: {source}")]
    Unreadable {
        /// Its name.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is nothing in it, or too much.
    #[error("the secret \"{0}\" is empty, or longer than {LONGEST} bytes")]
    Size(String),
}

/// The secrets by name. Each is read when it is used, so that one that was replaced counts at once.
#[derive(Debug, Clone, Default)]
pub struct Secrets(BTreeMap<String, SecretSource>);

impl Secrets {
    /// The secrets of the settings.
    #[must_use]
    pub fn new(sources: BTreeMap<String, SecretSource>) -> Self {
        Self(sources)
    }

    /// Whether there is one of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A secret.
    ///
    /// # Errors
    /// When there is none of that name, or it cannot be read.
    pub fn reveal(&self, name: &str) -> Result<String, SecretError> {
        let source = self.0.get(name).ok_or_else(|| SecretError::Unknown(name.to_owned()))?;
        let text = match source {
            SecretSource::File(path) => std::fs::read_to_string(path),
            SecretSource::Environment(variable) => std::env::var(variable).map_err(std::io::Error::other),
        };
        let text = text.map_err(|source| SecretError::Unreadable { name: name.to_owned(), source })?;
        let secret = text.trim_end_matches(['\r', '\n']).to_owned();
        if secret.is_empty() || secret.len() > LONGEST { Err(SecretError::Size(name.to_owned())) } else { Ok(secret) }
    }

    /// Puts secrets where their names stand, each as `escape` writes it.
    ///
    /// # Errors
    /// When one of them cannot be had.
    pub fn fill(&self, text: &str, escape: impl Fn(&str) -> String) -> Result<String, SecretError> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, name, after)) = next(rest) {
            filled.push_str(before);
            filled.push_str(&escape(&self.reveal(name)?));
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// The same text with the values of all known secrets left out: what others say may repeat what they were sent.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let secrets = self.0.keys().filter_map(|name| self.reveal(name).ok());
        secrets.filter(|secret| secret.len() >= 4).fold(text.to_owned(), |text, secret| text.replace(&secret, "…"))
    }
}

fn next(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once(OPEN)?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// The names of the secrets in a setting.
#[must_use]
pub fn names_in(text: &str) -> BTreeSet<String> {
    let (mut names, mut rest) = (BTreeSet::new(), text);
    while let Some((_, name, after)) = next(rest) {
        names.insert(name.to_owned());
        rest = after;
    }
    names
}

/// Whether a name can be one of a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stand_by_name_and_are_read_when_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("robot");
        std::fs::write(&path, "k&y\n").unwrap();
        let secrets = Secrets::new([("robot".to_owned(), SecretSource::File(path.clone()))].into());
        let url = "https://robot.example/send?key=${secret:robot}&again=${secret:robot}";
        let escaped = secrets.fill(url, |secret| secret.replace('&', "%26")).unwrap();
        assert_eq!(escaped, "https://robot.example/send?key=k%26y&again=k%26y");
        assert_eq!(names_in(url), BTreeSet::from(["robot".to_owned()]));
        std::fs::write(&path, "other").unwrap();
        assert_eq!(secrets.reveal("robot").unwrap(), "other");
        assert_eq!(secrets.redact("wrong key: other"), "wrong key: …");
        assert!(secrets.fill("${secret:none}", str::to_owned).unwrap_err().to_string().contains("\"none\""));
        std::fs::write(&path, "").unwrap();
        assert!(secrets.reveal("robot").is_err());
    }
}
