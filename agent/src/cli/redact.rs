//! Taking secrets out of texts: by the names of keys, and by the secrets themselves wherever they stand.

use std::path::Path;

use secrecy::ExposeSecret as _;

use crate::config::{Config, TokenSource};

/// What stands in place of a secret.
pub(super) const HIDDEN: &str = "(hidden)";
/// Shorter texts would be found everywhere.
const SHORTEST: usize = 6;
/// Words that make a key's value secret.
const SECRET_WORDS: [&str; 8] = ["token", "password", "secret", "community", "passphrase", "pin_code", "scbk", "psk"];

/// The secrets of a configuration.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Of the configuration's text, and of the files that it names.
    pub(super) fn of(text: &str, config: Option<&Config>) -> Self {
        let mut secrets = Vec::new();
        let table: toml::Table = toml::from_str(text).unwrap_or_default();
        collect(&toml::Value::Table(table), "", &mut secrets);
        match config.and_then(|config| config.collector.as_ref()).map(|collector| &collector.token) {
            Some(TokenSource::Inline(token)) => secrets.push(token.expose_secret().to_owned()),
            Some(TokenSource::File(path)) => secrets.extend(first_line(path)),
            None => {}
        }
        secrets.retain(|secret| secret.len() >= SHORTEST);
        // The longest first, so that none is hidden only in part.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self(secrets)
    }

    /// The text without them.
    pub(super) fn hide(&self, text: &str) -> String {
        let text = text.lines().map(hide_assignment).collect::<Vec<_>>().join("\n");
        self.0.iter().fold(text, |text, secret| text.replace(secret, HIDDEN)) + "\n"
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    !key.ends_with("_file")
        && (key == "key" || key.ends_with("_key") || SECRET_WORDS.iter().any(|word| key.contains(word)))
}

fn collect(value: &toml::Value, key: &str, secrets: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| collect(value, key, secrets)),
        toml::Value::Array(items) => items.iter().for_each(|item| collect(item, key, secrets)),
        toml::Value::String(text) if is_secret(key) => secrets.push(text.clone()),
        // A file whose name says that it holds a secret.
        toml::Value::String(text) if key.strip_suffix("_file").is_some_and(is_secret) => {
            secrets.extend(first_line(Path::new(text)));
        }
        _ => {}
    }
}

fn first_line(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// `token = "…"` also where the file is no right TOML.
fn hide_assignment(line: &str) -> String {
    let Some((key, _)) = line.split_once('=') else { return line.to_owned() };
    let name = key.trim().trim_start_matches('#').trim();
    let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if plain && is_secret(name) { format!("{key}= \"{HIDDEN}\"") } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_by_name_and_wherever_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mqtt-password");
        std::fs::write(&file, "hunter-number-two\n").unwrap();
        let text = format!(
            "# token = \"ka_old-secret\"\n[collector]\ntoken = \"ka_topsecret\"\ntoken_file = \"/x\"\n[[link]]\n\
             password_file = \"{}\"\nkeypad = \"yes\"\n",
            file.display()
        );
        let secrets = Secrets::of(&text, None);
        let hidden =
            secrets.hide(&format!("{text}log: login with hunter-number-two as ka_topsecret failed\nbroken [toml"));
        for secret in ["topsecret", "hunter", "old-secret"] {
            assert!(!hidden.contains(secret), "{hidden}");
        }
        assert!(hidden.contains("keypad = \"yes\"") && hidden.contains("token_file = \"/x\""), "{hidden}");
    }
}
