//! What the collector's settings say about notifications.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kouan_settings::Section;

use super::secrets::{SecretSource, is_secret_name};

/// How many days notifications stay on record if nobody says otherwise.
const KEEP_DAYS: i64 = 400;

/// Settings of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifySettings {
    /// Where the secrets of channels are, by name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Who else signs certificates of receivers, beside the system's list.
    pub ca: Option<PathBuf>,
    /// Whether channels may lead to link-local addresses and to those at which clouds tell machines their secrets.
    pub allow_link_local: bool,
    /// How many days notifications stay on record.
    pub keep_days: i64,
}

impl Default for NotifySettings {
    fn default() -> Self {
        Self { secrets: BTreeMap::new(), ca: None, allow_link_local: false, keep_days: KEEP_DAYS }
    }
}

impl NotifySettings {
    pub(crate) fn read(section: &mut Section<'_>) -> Self {
        let ca = section.string("ca").map(PathBuf::from);
        let allow_link_local = section.bool_or("allow_link_local", false);
        let keep_days = section.integer("keep_notifications_days", 1..=36_600).unwrap_or(KEEP_DAYS);
        let mut secrets = BTreeMap::new();
        if let Some(mut named) = section.section("secrets") {
            for name in named.remaining_keys() {
                if !is_secret_name(&name) {
                    named.problem(&name, "a secret's name has 1 to 64 letters, digits, '.', '_' and '-'");
                }
                let Some(mut source) = named.section(&name) else { continue };
                let source = match (source.string("file"), source.string("env")) {
                    (Some(path), None) => SecretSource::File(path.into()),
                    (None, Some(variable)) => SecretSource::Environment(variable),
                    _ => {
                        source.problem("file", "say where it is: { file = \"/path\" } or { env = \"VARIABLE\" }");
                        continue;
                    }
                };
                secrets.insert(name, source);
            }
        }
        Self { secrets, ca, allow_link_local, keep_days }
    }
}

/// Reads the address at which people reach the console.
pub(crate) fn read_public_url(root: &mut Section<'_>) -> Option<String> {
    let url = root.string("public_url")?;
    let is_http = reqwest::Url::parse(&url).is_ok_and(|url| {
        ["http", "https"].contains(&url.scheme()) && url.has_host() && url.query().is_none() && url.fragment().is_none()
    });
    if !is_http {
        root.problem("public_url", "this must be an address such as https://kouan.example");
        return None;
    }
    Some(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn secrets_are_in_files_or_the_environment() {
        let text = "public_url = \"https://kouan.example/\"\n[notify.secrets]\nsmtp = { file = \"/etc/s\" }\n\
                    robot = { env = \"ROBOT\" }\n";
        let config = Config::parse("c.toml", text).unwrap();
        assert_eq!(config.public_url.as_deref(), Some("https://kouan.example"));
        let secrets = config.notify.secrets;
        assert_eq!(secrets["smtp"], SecretSource::File("/etc/s".into()));
        assert_eq!(secrets["robot"], SecretSource::Environment("ROBOT".into()));
        for (wrong, said) in [
            ("[notify.secrets]\nsmtp = \"hunter2\"\n", "smtp"),
            ("[notify.secrets]\nsmtp = { file = \"a\", env = \"b\" }\n", "say where"),
            ("public_url = \"kouan\"\n", "https://kouan.example"),
            ("[notify]\nallow_everything = true\n", "allow_everything"),
        ] {
            let problems = Config::parse("c.toml", wrong).unwrap_err().to_string();
            assert!(problems.contains(said) && !problems.contains("hunter2"), "{said} in {problems}");
        }
    }
}
