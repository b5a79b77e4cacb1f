//! Settings: from TOML, checked as a whole, with a default for everything.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use kouan_protocol::limits;
use kouan_settings::{Document, Problems, Section};

use crate::alarms::AlarmSettings;
use crate::auth::SignInLife;
use crate::evidence::Limits as EvidenceLimits;
use crate::notify::{NotifySettings, read_public_url};
use crate::oidc::OidcSettings;
use crate::telemetry::{HistorySettings, KeepClass, Retention};

/// The commented default configuration, which `print-config` prints.
pub const TEMPLATE: &str = include_str!("../../configs/collector.toml");

/// Checked settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Plain HTTP also where other machines reach it: something in front of the collector speaks TLS.
    pub plain_http: bool,
    /// Which certificate is shown, where the settings say it; see [`Config::tls`].
    pub tls: Option<Tls>,
    /// Where people reach the console, without a '/' at the end; for links in messages and on labels.
    pub public_url: Option<String>,
    /// How people and programs are told of alarms.
    pub notify: NotifySettings,
    /// `/metrics` needs no key.
    pub metrics_open: bool,
    /// Most series of device points in one answer of `/metrics/points`.
    pub points_series: usize,
    /// Where readings are written for monitoring, if anywhere.
    pub remote_write: Option<RemoteWrite>,
    /// How long people stay signed in.
    pub sign_in: SignInLife,
    /// Where people sign in who have no password here.
    pub oidc: Option<OidcSettings>,
    /// How long uploads stay in the ingest log after every reader has passed them.
    pub log_retention: Duration,
    /// Sites that keep personal values of events.
    pub keep_personal_values_at: Vec<String>,
    /// Most devices that one agent may name in its life.
    pub devices_per_agent: usize,
    /// Whether the rules of alarms that are shipped are judged; own ones always are.
    pub shipped_alarm_rules: bool,
    /// What is said about alarms besides.
    pub alarms: AlarmSettings,
    /// Memory for the newest readings, which are not in the history's files yet, in bytes.
    pub history_memory: u64,
    /// How long readings stay in memory before they are written to the history's files.
    pub history_seal_every: Duration,
    /// How long the history is kept.
    pub history_retention: Retention,
    /// How many pictures are kept as evidence, and for how long.
    pub evidence: EvidenceLimits,
    /// How many files of readings are made at the same time.
    pub exports: Exports,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("kouan-data"),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8470),
            plain_http: false,
            tls: None,
            public_url: None,
            notify: NotifySettings::default(),
            metrics_open: false,
            points_series: 50_000,
            remote_write: None,
            sign_in: SignInLife::default(),
            oidc: None,
            log_retention: Duration::from_secs(24 * 3600),
            keep_personal_values_at: Vec::new(),
            devices_per_agent: 2 * limits::CATALOGUE_DEVICES,
            shipped_alarm_rules: true,
            alarms: AlarmSettings::default(),
            history_memory: 256 << 20,
            history_seal_every: Duration::from_secs(3600),
            history_retention: Retention::default(),
            evidence: EvidenceLimits::default(),
            exports: Exports::default(),
        }
    }
}

/// The settings cannot work together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Two answers to one question.
    #[error("the settings ask for plain_http = true and for a certificate in [tls]; keep one of them")]
    PlainAndTls,
}

/// Which certificate is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// The one in these files (PEM).
    Files {
        /// The certificate, followed by those that signed it.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// One that is made once and kept in the data folder; agents pin it.
    SelfSigned {
        /// Names and addresses in it; with none, those of this machine.
        names: Vec<String>,
    },
}

fn read_tls(section: &mut Section<'_>) -> Option<Tls> {
    let names = section.strings("names");
    let (certificate, key) = (section.string("certificate"), section.string("key"));
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Tls::Files { certificate: certificate.into(), key: key.into() }),
        (None, None) => Some(Tls::SelfSigned { names }),
        _ => {
            section.problem("key", "certificate and key go together: give both, or none for a self-signed one");
            None
        }
    }
}

/// A receiver of remote write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteWrite {
    /// Its address.
    pub url: String,
    /// The file with the token that it wants, if it wants one.
    pub token_file: Option<PathBuf>,
    /// How long the log keeps what it has not taken.
    pub keep: Duration,
}

fn read_remote_write(section: &mut Section<'_>) -> Option<RemoteWrite> {
    let hour = Duration::from_secs(3600);
    let keep = section.duration_within("keep", hour..=hour * 24 * 31, hour * 24);
    let token_file = section.string("token_file").map(PathBuf::from);
    let url = section.string_required("url", "the receiver's address, http://127.0.0.1:9090/api/v1/write")?;
    let is_http =
        reqwest::Url::parse(&url).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    if !is_http {
        section.problem("url", "it must be an address such as http://127.0.0.1:9090/api/v1/write");
        return None;
    }
    Some(RemoteWrite { url, token_file, keep })
}

/// Limits of files of readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exports {
    /// So many are made at the same time.
    pub at_once: usize,
    /// One of which nothing was taken for so long is broken off.
    pub patience: Duration,
}

impl Default for Exports {
    fn default() -> Self {
        Self { at_once: 8, patience: Duration::from_secs(60) }
    }
}

impl Exports {
    fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let at_once = section.integer("at_once", 1..=256).and_then(|most| usize::try_from(most).ok());
        let second = Duration::from_secs(1);
        let patience = section.duration_within("patience", second..=second * 3_600, default.patience);
        Self { at_once: at_once.unwrap_or(default.at_once), patience }
    }
}

fn read_retention(history: &mut Section<'_>) -> Retention {
    let days = |section: &mut Section<'_>, key: &str| section.integer(key, 1..=36_600);
    let mut classes = BTreeMap::new();
    for mut section in history.sections("class") {
        let Some(name) = section.string_required("name", "the class of devices, as the API shows it") else { continue };
        let keep = KeepClass {
            days: days(&mut section, "keep_days"),
            minutes: days(&mut section, "keep_minutes_days"),
            hours: days(&mut section, "keep_hours_days"),
        };
        if keep == KeepClass::default() {
            section.problem("name", "say how long it is kept: keep_days, keep_minutes_days or keep_hours_days");
        }
        if classes.insert(name, keep).is_some() {
            section.problem("name", "the class has a section already");
        }
    }
    Retention {
        days: days(history, "keep_days"),
        events: days(history, "keep_events_days"),
        minutes: days(history, "keep_minutes_days"),
        hours: days(history, "keep_hours_days"),
        health: days(history, "keep_health_days"),
        classes,
    }
}

fn read_evidence(section: &mut Section<'_>) -> EvidenceLimits {
    let default = EvidenceLimits::default();
    let of_device = section.integer("per_device_and_day", 1..=1_000_000);
    EvidenceLimits {
        total_bytes: section.bytes_or("total", default.total_bytes),
        per_device_and_day: of_device.and_then(|most| u64::try_from(most).ok()).unwrap_or(default.per_device_and_day),
        days: section.integer("keep_evidence_days", 1..=36_600),
    }
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
        let plain_http = root.bool_or("plain_http", default.plain_http);
        let tls = root.section("tls").and_then(|mut section| read_tls(&mut section));
        let public_url = read_public_url(&mut root);
        let notify = NotifySettings::read(&mut root.section_or_empty("notify"));
        let metrics_open = root.bool_or("metrics_open", default.metrics_open);
        let points_series = root.integer("points_series", 1..=10_000_000);
        let points_series = points_series.and_then(|most| usize::try_from(most).ok()).unwrap_or(default.points_series);
        let remote_write = root.section("remote_write").and_then(|mut section| read_remote_write(&mut section));
        let hour = Duration::from_secs(3600);
        let log_retention = root.duration_within("log_retention", hour..=hour * 24 * 31, default.log_retention);
        let keep_personal_values_at = root.strings("keep_personal_values_at");
        for site in &keep_personal_values_at {
            if let Err(problem) = crate::auth::check_site(site) {
                root.problem("keep_personal_values_at", problem.to_string());
            }
        }
        let shipped_alarm_rules = root.bool_or("shipped_alarm_rules", true);
        let alarms = AlarmSettings::read(&mut root.section_or_empty("alarms"));
        let devices_per_agent = root.integer("devices_per_agent", 1..=1_000_000);
        let devices_per_agent = devices_per_agent.and_then(|most| usize::try_from(most).ok());
        let mut sign_in = root.section_or_empty("sign_in");
        let minute = Duration::from_secs(60);
        let idle = sign_in.duration_within("idle", minute..=hour * 24 * 30, default.sign_in.idle);
        let longest = sign_in.duration_within("longest", minute..=hour * 24 * 90, default.sign_in.longest);
        let oidc = sign_in.section("oidc").and_then(|mut section| OidcSettings::read(&mut section));
        drop(sign_in);
        let mut history = root.section_or_empty("history");
        let history_memory = history.bytes_or("memory", default.history_memory);
        let history_seal_every = history.duration_within("seal_every", minute..=hour * 24, default.history_seal_every);
        let history_retention = read_retention(&mut history);
        drop(history);
        let evidence = read_evidence(&mut root.section_or_empty("evidence"));
        let exports = Exports::read(&mut root.section_or_empty("exports"));
        drop(root);
        problems.into_result(Self {
            data,
            listen,
            plain_http,
            tls,
            public_url,
            notify,
            metrics_open,
            points_series,
            remote_write,
            sign_in: SignInLife { idle, longest },
            oidc,
            log_retention,
            keep_personal_values_at,
            devices_per_agent: devices_per_agent.unwrap_or(default.devices_per_agent),
            shipped_alarm_rules,
            alarms,
            history_memory,
            history_seal_every,
            history_retention,
            evidence,
            exports,
        })
    }

    /// The certificate to show; `None` for plain HTTP, which is for this machine only unless the settings say more.
    #[must_use]
    pub fn tls(&self) -> Option<Tls> {
        match &self.tls {
            Some(tls) => Some(tls.clone()),
            None if self.plain_http || self.listen.ip().is_loopback() => None,
            None => Some(Tls::SelfSigned { names: Vec::new() }),
        }
    }

    /// How the history is kept.
    #[must_use]
    pub fn history(&self) -> HistorySettings {
        HistorySettings {
            keep_personal_values_at: self.keep_personal_values_at.clone(),
            memory_bytes: usize::try_from(self.history_memory).unwrap_or(usize::MAX),
            retention: self.history_retention.clone(),
            seal_every_ms: u64::try_from(self.history_seal_every.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Checks what no single setting can tell.
    ///
    /// # Errors
    /// When the settings contradict each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.plain_http && self.tls.is_some() { Err(ConfigError::PlainAndTls) } else { Ok(()) }
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
    fn how_long_is_said_for_all_and_for_classes() {
        let text = "[history]\nkeep_days = 400\nkeep_events_days = 1100\n\n[[history.class]]\nname = \"camera\"\n\
                    keep_days = 30\n";
        let keep = Config::parse("collector.toml", text).unwrap().history_retention;
        let camera = KeepClass { days: Some(30), ..KeepClass::default() };
        assert_eq!((keep.days, keep.events, keep.minutes), (Some(400), Some(1100), None));
        assert_eq!(keep.classes, [("camera".to_owned(), camera)].into());
        for (wrong, said) in [
            ("[[history.class]]\nname = \"camera\"\n", "say how long"),
            ("[[history.class]]\nkeep_days = 3\n", "name"),
            ("[history]\nkeep_days = 0\n", "keep_days"),
        ] {
            let problems = Config::parse("collector.toml", wrong).unwrap_err().to_string();
            assert!(problems.contains(said), "{said} in {problems}");
        }
        let twice = format!("{text}[[history.class]]\nname = \"camera\"\nkeep_hours_days = 9\n");
        assert!(Config::parse("collector.toml", &twice).unwrap_err().to_string().contains("already"));
    }

    #[test]
    fn plain_http_stays_at_home() {
        let open = Config { listen: "0.0.0.0:8470".parse().unwrap(), ..Config::default() };
        assert_eq!(open.tls(), Some(Tls::SelfSigned { names: Vec::new() }));
        assert_eq!(Config { plain_http: true, ..open.clone() }.tls(), None);
        assert_eq!(Config { listen: "[::1]:0".parse().unwrap(), ..Config::default() }.tls(), None);
        let both = Config { plain_http: true, tls: open.tls(), ..open };
        assert!(both.check().unwrap_err().to_string().contains("plain_http"));
    }

    #[test]
    fn a_certificate_comes_with_its_key() {
        let parse = |text: &str| Config::parse("collector.toml", text);
        let tls = |text: &str| parse(text).unwrap().tls();
        assert_eq!(
            tls("[tls]\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\n"),
            Some(Tls::Files { certificate: "/c.pem".into(), key: "/k.pem".into() })
        );
        assert_eq!(tls("[tls]\nnames = [\"a.example\"]\n"), Some(Tls::SelfSigned { names: vec!["a.example".into()] }));
        for half in ["[tls]\ncertificate = \"/c.pem\"\n", "[tls]\nkey = \"/k.pem\"\n"] {
            assert!(parse(half).unwrap_err().to_string().contains("key"), "{half}");
        }
    }
}
