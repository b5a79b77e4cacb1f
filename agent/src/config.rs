//! The agent's configuration: raw TOML becomes checked settings, with every problem at once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kouan_drivers::configure::{ConfiguredLink, read_links};
use kouan_drivers::profile::ProfileStore;
use kouan_protocol::{Digest, Fingerprint, FingerprintError};
use kouan_settings::{Bilingual, Document, Problems, Section, both};
use secrecy::SecretString;

use crate::buffer::{BufferConfig, LaneLimit, Room};
use crate::config_facts::{ConfigFacts, Revision, places};
use crate::own::{SourceSlot, own_link};
use crate::uplink::Trust;

/// The commented file that `print-config --template` shows.
pub const TEMPLATE: &str = include_str!("../../configs/agent.toml");

/// Where the agent looks when no file is named.
pub const DEFAULT_FILE: &str = "/etc/kouan-agent/agent.toml";

/// Checked settings.
#[derive(Debug)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// The local socket.
    pub socket: PathBuf,
    /// The collector; without one the agent keeps everything and serves its local face.
    pub collector: Option<CollectorConfig>,
    /// Limits and intervals of the buffer.
    pub buffer: BufferConfig,
    /// Links with their devices; the last one is the agent itself.
    pub links: Vec<ConfiguredLink>,
    /// Where the agent's own points will come from.
    pub own: SourceSlot,
    /// Digest and revision of the file, and where its links end.
    pub facts: ConfigFacts,
    /// A folder of the site's own profiles.
    pub profiles: Option<PathBuf>,
}

/// How the collector is reached.
#[derive(Debug, Clone)]
pub struct CollectorConfig {
    /// Its address: `https://collector.example:8470`.
    pub url: String,
    /// Where the token comes from.
    pub token: TokenSource,
    /// Which certificate the collector must show; with plain http there is none. The built-in roots are not used.
    pub trust: Option<Trust>,
    /// Share of the line that a backlog of readings may take, 0 to 1.
    pub backlog_share: f64,
    /// How long a request may take, the command poll apart.
    pub request_timeout: Duration,
}

/// Where the agent's token is kept.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// In a file that only the agent's user can read.
    File(PathBuf),
    /// In the configuration itself.
    Inline(SecretString),
}

/// The configuration could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("reading {path} failed: {cause}")]
    Read {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The text has problems.
    #[error("{0}")]
    Problems(Problems),
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, or everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Checks `text`, which came from `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let document = Document::parse(file, text).map_err(ConfigError::Problems)?;
        let problems = Problems::new(file, text);
        let mut root = document.root(&problems);
        let facts = ConfigFacts { hash: Digest::of(text.as_bytes()).to_string(), revision: None, places: places(text) };
        let config = read_root(&mut root, facts);
        drop(root);
        let config = problems.into_result(()).map_err(ConfigError::Problems).and(config)?;
        Ok(config)
    }
}

fn read_root(root: &mut Section<'_>, mut facts: ConfigFacts) -> Result<Config, ConfigError> {
    facts.revision = root.section("revision").and_then(|mut section| Revision::read(&mut section));
    let data = PathBuf::from(root.string("data").unwrap_or_else(|| "/var/lib/kouan-agent".to_owned()));
    let socket = root.string("socket").map_or_else(|| data.join("agent.sock"), PathBuf::from);
    let collector = root.section("collector").and_then(|mut section| read_collector(&mut section, &data));
    let buffer = read_buffer(&mut root.section_or_empty("buffer"), &data);
    let mut store = ProfileStore::built_in();
    let profiles = root.string("profiles").map(PathBuf::from);
    if let Some(folder) = &profiles
        && let Err(cause) = store.add_folder(folder)
    {
        let place = Bilingual::verbatim(folder.display());
        root.wrong(
            "profiles",
            both!("reading the folder {place} failed: {cause}", "读取文件夹 {place} 失败：{cause}"; place, cause),
        );
    }
    let mut links = read_links(root, &store);
    let (link, own) = own_link();
    links.push(link);
    Ok(Config { data, socket, collector, buffer, links, own, facts, profiles })
}

fn read_collector(section: &mut Section<'_>, data: &Path) -> Option<CollectorConfig> {
    let url = section.string_required(
        "url",
        (
            "the collector's address, such as url = \"https://collector.example:8470\"",
            "采集中心的地址，如 url = \"https://collector.example:8470\"",
        ),
    );
    check_url(section, url.as_deref());
    let inline = section.secret("token");
    let file = section.string("token_file").map(PathBuf::from);
    if inline.is_some() && file.is_some() {
        section.wrong("token", ("give either token or token_file, not both", "token 和 token_file 只写一个"));
    }
    let token = match inline {
        Some(token) => TokenSource::Inline(token),
        None => TokenSource::File(file.unwrap_or_else(|| data.join("token"))),
    };
    let https = url.as_deref().is_some_and(|url| url.starts_with("https:"));
    let trust = read_trust(section, https);
    let backlog_share = section.number("backlog_share").unwrap_or(0.5);
    if !(0.05..=1.0).contains(&backlog_share) {
        section.wrong(
            "backlog_share",
            both!("{backlog_share} is not a share; use 0.05 to 1.0", "{backlog_share} 不是份额；应为 0.05 至 1.0"),
        );
    }
    let seconds = Duration::from_secs;
    let request_timeout = section.duration_within("request_timeout", seconds(1)..=seconds(300), seconds(20));
    let url = url?.trim_end_matches('/').to_owned();
    Some(CollectorConfig { url, token, trust, backlog_share, request_timeout })
}

fn read_trust(section: &mut Section<'_>, https: bool) -> Option<Trust> {
    let ca_file = section.string("ca_file").map(PathBuf::from);
    let pinned = section.has("pin");
    let pin = section.parse_with::<Fingerprint>("pin", FingerprintError::chinese);
    match (ca_file, pin) {
        (Some(_), _) if pinned => {
            section.wrong("pin", ("give either pin or ca_file, not both", "pin 和 ca_file 只写一个"));
            None
        }
        (Some(file), _) => Some(Trust::Authorities(file)),
        (None, Some(pin)) => Some(Trust::Pin(pin)),
        (None, None) => {
            if https && !pinned {
                let hint = (
                    "https needs pin = \"sha256:…\", as `kouan-collector fingerprint` prints it, or ca_file = the \
                     certificate, or its authority, that the collector must show (PEM)",
                    "https 需要 pin = \"sha256:…\"（由 `kouan-collector fingerprint` 打印），或 ca_file = 采集中心应出示的证书\
                     或其签发机构的证书（PEM）",
                );
                section.wrong("pin", hint);
            }
            None
        }
    }
}

/// Plain HTTP is for this machine only, unless somebody says that the way is safe: the token travels in clear.
fn check_url(section: &mut Section<'_>, url: Option<&str>) {
    let plain_http = section.bool_or("plain_http", false);
    let Some(url) = url else { return };
    let parsed = match reqwest::Url::parse(url) {
        Ok(parsed) => parsed,
        Err(error) => {
            return section.wrong("url", both!("\"{url}\" is not an address: {error}", "\"{url}\" 不是地址：{error}"));
        }
    };
    let host = parsed.host_str().unwrap_or_default();
    let loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match parsed.scheme() {
        "https" => {}
        "http" if loopback || plain_http => {}
        "http" => section.wrong(
            "url",
            (
                "plain http is accepted for this machine only; use https, or plain_http = true where nobody else can \
                 read on the way",
                "明文 http 只用于本机；请用 https，或在途中无人能窃读时写 plain_http = true",
            ),
        ),
        other => section.wrong("url", both!("\"{other}\" is not spoken; use https", "不支持 \"{other}\"；请用 https")),
    }
}

/// A WAL smaller than this would be copied into its file at nearly every commit.
const LEAST_WAL: u64 = 256 << 10;

fn read_buffer(section: &mut Section<'_>, data: &Path) -> BufferConfig {
    let day = Duration::from_secs(86_400);
    let mut limit = |lane: &str, bytes: u64, days: u32| LaneLimit {
        bytes: section.bytes_or(&format!("{lane}_bytes"), bytes),
        age: section.duration_within(&format!("{lane}_age"), Duration::from_secs(60)..=day * 3650, day * days),
    };
    let (urgent, events, readings) =
        (limit("urgent", 64 << 20, 365), limit("events", 512 << 20, 365), limit("readings", 2 << 30, 90));
    let millisecond = Duration::from_millis(1);
    let commit_every =
        section.duration_within("commit_every", millisecond * 10..=millisecond * 60_000, millisecond * 1000);
    let urgent_room = Room {
        reserve_bytes: section.bytes_or("urgent_reserve", 8 << 20),
        wal_bytes: section.bytes_or("urgent_wal", 8 << 20).max(LEAST_WAL),
    };
    let readings_room = Room { reserve_bytes: 0, wal_bytes: section.bytes_or("readings_wal", 8 << 20).max(LEAST_WAL) };
    BufferConfig { folder: data.to_owned(), urgent, events, readings, commit_every, urgent_room, readings_room }
}

pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })
}

/// The file's settings with defaults filled in and every secret replaced, as TOML.
///
/// # Errors
/// When the file cannot be read or has problems.
pub fn effective(path: &Path) -> Result<String, ConfigError> {
    let config = Config::load(path)?;
    let text = read(path)?;
    let mut table: toml::Table = toml::from_str(&text).unwrap_or_default();
    hide_secrets(&mut table);
    let mut set = |key: &str, value: String| table.insert(key.to_owned(), toml::Value::String(value));
    set("data", config.data.display().to_string());
    set("socket", config.socket.display().to_string());
    let duration = |value: Duration| humantime::format_duration(value).to_string();
    let mut buffer = toml::Table::new();
    for (lane, limit) in
        [("urgent", config.buffer.urgent), ("events", config.buffer.events), ("readings", config.buffer.readings)]
    {
        buffer.insert(format!("{lane}_bytes"), i64::try_from(limit.bytes).unwrap_or(i64::MAX).into());
        buffer.insert(format!("{lane}_age"), duration(limit.age).into());
    }
    buffer.insert("commit_every".to_owned(), duration(config.buffer.commit_every).into());
    let (urgent, readings) = (config.buffer.urgent_room, config.buffer.readings_room);
    for (key, bytes) in [
        ("urgent_reserve", urgent.reserve_bytes),
        ("urgent_wal", urgent.wal_bytes),
        ("readings_wal", readings.wal_bytes),
    ] {
        buffer.insert(key.to_owned(), i64::try_from(bytes).unwrap_or(i64::MAX).into());
    }
    table.insert("buffer".to_owned(), buffer.into());
    if let (Some(collector), Some(toml::Value::Table(section))) = (&config.collector, table.get_mut("collector")) {
        section.insert("request_timeout".to_owned(), duration(collector.request_timeout).into());
        section.insert("backlog_share".to_owned(), collector.backlog_share.into());
        if let TokenSource::File(file) = &collector.token {
            section.insert("token_file".to_owned(), file.display().to_string().into());
        }
    }
    Ok(toml::to_string_pretty(&table).unwrap_or_default())
}

/// Keys whose values are secret, wherever they stand.
const SECRET_KEYS: [&str; 6] = ["token", "password", "secret", "community", "key", "passphrase"];

fn hide_secrets(table: &mut toml::Table) {
    for (key, value) in table.iter_mut() {
        hide_in_value(key, value);
    }
}

fn hide_in_value(key: &str, value: &mut toml::Value) {
    match value {
        toml::Value::Table(table) => hide_secrets(table),
        toml::Value::Array(items) => items.iter_mut().for_each(|item| hide_in_value(key, item)),
        other if SECRET_KEYS.contains(&key) => *other = toml::Value::String("(hidden)".to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        Config::parse("agent.toml", text).expect_err("the text has problems").to_string()
    }

    #[test]
    fn the_template_is_valid() {
        let config = Config::parse("configs/agent.toml", TEMPLATE).unwrap_or_else(|error| panic!("{error}"));
        assert!(!config.links.is_empty());
    }

    /// Whatever is wrong with a configuration is said in Chinese too, for every kind of link.
    #[test]
    fn every_problem_is_said_in_chinese_too() {
        let mut texts = vec![
            "dta = 1\n[collector]\nurl = \"http://10.0.0.1\"\nbacklog_share = 7\npin = \"x\"\n".to_owned(),
            "[collector]\nurl = \"ftp://10.0.0.1\"\ntoken = \"x\"\ntoken_file = \"y\"\n".to_owned(),
            "[collector]\nurl = \"nowhere\"\nca_file = \"x\"\npin = 5\n[revision]\n".to_owned(),
            "profiles = \"/not/there\"\n[[link]]\n[buffer]\ncommit_every = \"1h\"\nurgent_bytes = \"x\"\n".to_owned(),
            "this is no TOML".to_owned(),
        ];
        for kind in kouan_drivers::registry::KINDS {
            let kind = kind.name();
            let link = format!("[[link]]\nname = \"agent\"\nkind = \"{kind}\"\n");
            texts.push(format!("{link}{link}parity = \"mark\"\n"));
            let device = "[[link.device]]\nname = \"Not a Name\"\n[[link.device]]\nname = \"agent\"\nunit = \"x\"\n\
                          profile = \"none\"\nreader_within = \"5s\"\n[[link.device.alarm]]\n";
            texts.push(format!("{link}serial = \"COM1\"\nbroker = \"x\"\npassword = \"x\"\ntls = true\n{device}"));
            texts.push(format!("{link}tcp = \"nowhere\"\n{device}alarms_off = [\"x\"]\n"));
        }
        for text in texts {
            let Err(ConfigError::Problems(problems)) = Config::parse("agent.toml", &text) else { panic!("{text}") };
            for problem in problems.list() {
                let chinese = problem.message_zh.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
                assert!(chinese, "{text}: {problem:?}");
            }
            assert_eq!(problems.chinese().lines().count(), problems.to_string().lines().count());
        }
    }

    #[test]
    fn every_problem_is_reported_with_its_line() {
        let said = problems("dta = \"/x\"\n[collector]\nurl = \"http://10.0.0.1\"\n[buffer]\ncommit_every = 5\n");
        assert_eq!(
            said,
            "agent.toml:1: dta: this key is not known here; did you mean \"data\"?\n\
             agent.toml:3: collector.url: plain http is accepted for this machine only; use https, or plain_http = true \
             where nobody else can read on the way\n\
             agent.toml:5: buffer.commit_every: this must be a length of time in quotes, such as \"5s\" or \"250ms\", \
             not this integer"
        );
    }

    #[test]
    fn the_collector_must_be_known_by_its_certificate() {
        let pin = Fingerprint::of(b"certificate");
        let trust = |text: &str| {
            let text = format!("[collector]\nurl = \"https://collector.example\"\n{text}");
            Config::parse("agent.toml", &text).map(|config| config.collector.and_then(|collector| collector.trust))
        };
        assert_eq!(trust(&format!("pin = \"{pin}\"\n")).unwrap(), Some(Trust::Pin(pin)));
        assert_eq!(trust("ca_file = \"/ca.pem\"\n").unwrap(), Some(Trust::Authorities("/ca.pem".into())));
        let cases = [
            ("", "https needs pin"),
            ("pin = \"sha256:12\"\n", "64 hexadecimal digits"),
            (&format!("pin = \"{pin}\"\nca_file = \"/ca.pem\"\n"), "not both"),
            (&format!("pin = \"{pin}\"\nbacklog_share = 0\n"), "is not a share"),
        ];
        for (text, said) in cases {
            let problems = trust(text).unwrap_err().to_string();
            assert!(problems.contains(said) && problems.lines().count() == 1, "{text}: {problems}");
        }
    }

    #[test]
    fn plain_http_to_other_machines_must_be_asked_for() {
        let parse =
            |text: &str| Config::parse("agent.toml", &format!("[collector]\nurl = \"http://10.0.0.1:8470\"\n{text}"));
        assert!(parse("").unwrap_err().to_string().contains("plain_http = true"));
        assert!(parse("plain_http = true\n").is_ok());
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, "[collector]\nurl = \"http://localhost:1\"\ntoken = \"ka_topsecret\"\n").unwrap();
        let shown = effective(&path).unwrap();
        assert!(!shown.contains("topsecret"), "{shown}");
        assert!(shown.contains("commit_every = \"1s\""), "{shown}");
    }
}
