//! Settings: from TOML, checked as a whole, with a default for everything.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use kouan_settings::{Document, Problems};

/// The commented default configuration, which `print-config` prints.
pub const TEMPLATE: &str = include_str!("../../configs/collector.toml");

/// Checked settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Something in front of the collector speaks TLS.
    pub behind_tls_proxy: bool,
    /// `/metrics` needs no key.
    pub metrics_open: bool,
    /// How long uploads stay in the ingest log after every reader has passed them.
    pub log_retention: Duration,
    /// Sites that keep personal values of events.
    pub keep_personal_values_at: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("kouan-data"),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8470),
            behind_tls_proxy: false,
            metrics_open: false,
            log_retention: Duration::from_secs(24 * 3600),
            keep_personal_values_at: Vec::new(),
        }
    }
}

/// The settings cannot work together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Plain HTTP on an address that others reach.
    #[error(
        "{0} can be reached from other machines, and the collector speaks plain HTTP there: tokens could be read on the \
         way. Put a TLS proxy in front and set behind_tls_proxy = true, or listen on 127.0.0.1"
    )]
    PlainHttp(SocketAddr),
}

impl Config {
    /// Reads settings from TOML.
    ///
    /// # Errors
    /// Everything that is wrong with them, with file and line.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let document = Document::parse(file, text)?;
        let problems = Problems::new(file, text);
        let default = Self::default();
        let mut root = document.root(&problems);
        let data = root.string("data").map_or(default.data, PathBuf::from);
        let listen = root.parse_or("listen", default.listen);
        let behind_tls_proxy = root.bool_or("behind_tls_proxy", default.behind_tls_proxy);
        let metrics_open = root.bool_or("metrics_open", default.metrics_open);
        let hour = Duration::from_secs(3600);
        let log_retention = root.duration_within("log_retention", hour..=hour * 24 * 31, default.log_retention);
        let keep_personal_values_at = root.strings("keep_personal_values_at");
        for site in &keep_personal_values_at {
            if let Err(problem) = crate::auth::check_site(site) {
                root.problem("keep_personal_values_at", problem.to_string());
            }
        }
        drop(root);
        problems.into_result(Self {
            data,
            listen,
            behind_tls_proxy,
            metrics_open,
            log_retention,
            keep_personal_values_at,
        })
    }

    /// Checks what no single setting can tell.
    ///
    /// # Errors
    /// When tokens would travel in clear.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.listen.ip().is_loopback() || self.behind_tls_proxy {
            Ok(())
        } else {
            Err(ConfigError::PlainHttp(self.listen))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_says_what_the_defaults_are() {
        assert_eq!(Config::parse("collector.toml", TEMPLATE).unwrap(), Config::default());
        let uncommented: String = TEMPLATE
            .lines()
            .map(|line| {
                if line.starts_with("#") && line.contains(" = ") && !line.starts_with("# ") { &line[1..] } else { line }
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        assert!(Config::parse("collector.toml", &uncommented).is_ok(), "{uncommented}");
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let text = "listen = \"nowhere\"\nlisten_on = 1\nlog_retention = \"1s\"\n";
        let problems = Config::parse("collector.toml", text).unwrap_err().to_string();
        for part in ["collector.toml:1", "collector.toml:2", "collector.toml:3", "listen_on"] {
            assert!(problems.contains(part), "{part} in {problems}");
        }
    }

    #[test]
    fn plain_http_stays_at_home() {
        let open = Config { listen: "0.0.0.0:8470".parse().unwrap(), ..Config::default() };
        assert!(open.check().unwrap_err().to_string().contains("behind_tls_proxy = true"));
        assert!(Config { behind_tls_proxy: true, ..open }.check().is_ok());
        assert!(Config { listen: "[::1]:0".parse().unwrap(), ..Config::default() }.check().is_ok());
    }
}
