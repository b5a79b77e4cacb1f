//! By what means people and programs are told.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::language::Language;
use super::name;
use super::people::{is_address, is_phone};
use super::secrets::{is_secret_name, names_in};
use super::template::{Template, check_templates};

/// Longest text of a setting, in bytes.
const TEXT: usize = 4096;
/// Most recipients of a channel, and most headers of a request.
const ENTRIES: usize = 50;

/// The kinds of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// Mail over SMTP.
    Email,
    /// Any program that takes JSON over HTTP.
    Webhook,
    /// A robot of a WeCom group.
    Wecom,
    /// A robot of a DingTalk group.
    Dingtalk,
    /// A robot of a Feishu group.
    Feishu,
    /// Short messages through a gateway that is asked over HTTP.
    Sms,
    /// A Prometheus Alertmanager.
    Alertmanager,
}

impl ChannelKind {
    const ALL: [Self; 7] =
        [Self::Email, Self::Webhook, Self::Wecom, Self::Dingtalk, Self::Feishu, Self::Sms, Self::Alertmanager];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
            Self::Wecom => "wecom",
            Self::Dingtalk => "dingtalk",
            Self::Feishu => "feishu",
            Self::Sms => "sms",
            Self::Alertmanager => "alertmanager",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether it reaches single people.
    #[must_use]
    pub fn is_personal(self) -> bool {
        matches!(self, Self::Email | Self::Sms)
    }

    /// Whether a program reads what it brings, alarm by alarm.
    #[must_use]
    pub fn is_program(self) -> bool {
        matches!(self, Self::Webhook | Self::Alertmanager)
    }
}

/// How mail is protected on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// The connection becomes TLS before anything is said; without that nothing is sent. Port 587.
    #[default]
    Starttls,
    /// TLS from the first byte on. Port 465.
    Tls,
    /// No protection; not with a password. Port 25.
    None,
}

/// Settings of a channel for mail.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailSettings {
    /// The server.
    pub host: String,
    /// Its port; the usual one if it is left out.
    pub port: Option<u16>,
    /// How mail is protected.
    #[serde(default)]
    pub tls: MailTls,
    /// Who signs in there.
    pub username: Option<String>,
    /// The name of the secret with the password.
    pub password_secret: Option<String>,
    /// The sender's address.
    pub from: String,
    /// Who gets everything of this channel, beside people named by routes.
    #[serde(default)]
    pub to: Vec<String>,
}

/// Settings of a channel to a program.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// The address.
    pub url: String,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The name of the secret that signs.
    pub sign_secret: Option<String>,
}

/// Settings of a robot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotSettings {
    /// The address, with the key in it as `${secret:NAME}`.
    pub url: String,
    /// The name of the secret that signs.
    pub sign_secret: Option<String>,
}

/// What the body of a request to a gateway is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyKind {
    /// JSON.
    #[default]
    Json,
    /// Fields of a form.
    Form,
    /// Plain text.
    Text,
}

/// How a gateway says that it took a message, where its status 200 does not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Success {
    /// A JSON pointer (RFC 6901) into its answer.
    pub pointer: String,
    /// What stands there if it took it.
    pub equals: Value,
}

/// Settings of a gateway for short messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsSettings {
    /// The address; `{phone}`, `{text}` and `{id}` in it are replaced.
    pub url: String,
    /// `POST`, `PUT` or `GET`.
    #[serde(default = "post")]
    pub method: String,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What the body is.
    #[serde(default)]
    pub content: BodyKind,
    /// The body; `{phone}`, `{text}` and `{id}` in it are replaced.
    #[serde(default)]
    pub body: String,
    /// How it says that it took a message.
    pub success: Option<Success>,
    /// Who gets everything of this channel, beside people named by routes.
    #[serde(default)]
    pub to: Vec<String>,
}

fn post() -> String {
    "POST".to_owned()
}

/// Settings of an Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerSettings {
    /// Its address, without `/api/v2/alerts`.
    pub url: String,
    /// Who signs in there.
    pub username: Option<String>,
    /// The name of the secret with the password.
    pub password_secret: Option<String>,
    /// The name of the secret with a bearer token.
    pub token_secret: Option<String>,
    /// Further labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Settings by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    /// Mail.
    Email(EmailSettings),
    /// A program.
    Webhook(WebhookSettings),
    /// A robot; which one says the kind of the channel.
    Robot(RobotSettings),
    /// Short messages.
    Sms(SmsSettings),
    /// An Alertmanager.
    Alertmanager(AlertmanagerSettings),
}

impl Settings {
    /// Reads the settings of a kind.
    ///
    /// # Errors
    /// What does not fit.
    pub fn read(kind: ChannelKind, settings: &Value) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            ChannelKind::Email => Self::Email(EmailSettings::deserialize(settings)?),
            ChannelKind::Webhook => Self::Webhook(WebhookSettings::deserialize(settings)?),
            ChannelKind::Wecom | ChannelKind::Dingtalk | ChannelKind::Feishu => {
                Self::Robot(RobotSettings::deserialize(settings)?)
            }
            ChannelKind::Sms => Self::Sms(SmsSettings::deserialize(settings)?),
            ChannelKind::Alertmanager => Self::Alertmanager(AlertmanagerSettings::deserialize(settings)?),
        })
    }

    /// Who gets everything, of channels that reach single people.
    #[must_use]
    pub fn recipients(&self) -> &[String] {
        match self {
            Self::Email(settings) => &settings.to,
            Self::Sms(settings) => &settings.to,
            _ => &[],
        }
    }
}

/// What somebody wants of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelSettings {
    /// What people call it.
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
    /// Whether it is used.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The language of its messages; people who are told by it have their own.
    #[serde(default)]
    pub language: Language,
    /// An object that depends on the kind. Secrets stand in it by name, never themselves.
    pub settings: Value,
    /// Own words by kind of message: `raise`, `clear`, `escalate`, `group`, `digest` and `test`.
    #[serde(default)]
    pub templates: BTreeMap<String, Template>,
    /// Most messages to one recipient in an hour; what comes beyond that gathers into one. 60 by default.
    #[serde(default = "usual_rate")]
    pub rate_per_hour: u32,
}

fn yes() -> bool {
    true
}

fn usual_rate() -> u32 {
    60
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Names it for ever.
    pub id: String,
    /// What it does.
    pub wanted: ChannelSettings,
    /// Its settings, read.
    pub settings: Settings,
    /// Grows with each change.
    pub revision: i64,
}

impl ChannelSettings {
    /// What is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = name::problem(&self.name).into_iter().collect();
        if !(1..=3600).contains(&self.rate_per_hour) {
            problems.push("rate_per_hour is between 1 and 3600".to_owned());
        }
        check_templates(&self.templates, &mut problems);
        for name in self.secrets().iter().filter(|name| !is_secret_name(name)) {
            let name: String = name.chars().take(64).collect();
            problems.push(format!("\"{name}\" is no name of a secret: use letters, digits, '.', '_' and '-'"));
        }
        match Settings::read(self.kind, &self.settings) {
            Ok(settings) => check(self.kind, &settings, &mut problems),
            Err(error) => problems.push(format!("settings: {error}")),
        }
        problems
    }

    /// The names of all secrets that it uses.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let Some(settings) = self.settings.as_object() else { return names };
        for (key, value) in settings {
            match value {
                Value::String(name) if key.ends_with("_secret") => drop(names.insert(name.clone())),
                Value::String(text) => names.extend(names_in(text)),
                Value::Object(inner) => names.extend(inner.values().filter_map(Value::as_str).flat_map(names_in)),
                _ => {}
            }
        }
        names
    }
}

fn check(kind: ChannelKind, settings: &Settings, problems: &mut Vec<String>) {
    match settings {
        Settings::Email(email) => check_email(email, problems),
        Settings::Webhook(webhook) => {
            check_url(&webhook.url, problems);
            check_headers(&webhook.headers, problems);
        }
        Settings::Robot(robot) => {
            check_url(&robot.url, problems);
            if names_in(&robot.url).is_empty() {
                problems.push("settings.url: the key in it is a secret: put ${secret:NAME} in its place".to_owned());
            }
            if kind == ChannelKind::Wecom && robot.sign_secret.is_some() {
                problems.push("settings.sign_secret: robots of WeCom take no signature".to_owned());
            }
        }
        Settings::Sms(sms) => check_sms(sms, problems),
        Settings::Alertmanager(alertmanager) => {
            check_url(&alertmanager.url, problems);
            if alertmanager.username.is_some() != alertmanager.password_secret.is_some() {
                problems.push("settings: username and password_secret go together".to_owned());
            }
            let is_label = |name: &String| {
                !name.is_empty()
                    && !name.starts_with(|first: char| first.is_ascii_digit())
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            let labels = &alertmanager.labels;
            if labels.len() > ENTRIES
                || !labels.keys().all(is_label)
                || labels.values().any(|value| value.is_empty() || value.len() > TEXT)
            {
                problems.push("settings.labels: names have letters, digits and '_'; values are not empty".to_owned());
            }
        }
    }
}

fn check_email(email: &EmailSettings, problems: &mut Vec<String>) {
    let is_host = !email.host.is_empty()
        && email.host.len() <= 253
        && email.host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    if !is_host {
        problems.push("settings.host is the name or the address of a server".to_owned());
    }
    if email.port == Some(0) {
        problems.push("settings.port is between 1 and 65535".to_owned());
    }
    if email.username.is_some() != email.password_secret.is_some() {
        problems.push("settings: username and password_secret go together".to_owned());
    }
    if email.tls == MailTls::None && email.password_secret.is_some() {
        problems.push("settings.tls: a password is not sent without TLS".to_owned());
    }
    if !is_address(&email.from) {
        problems.push("settings.from is an address such as noc@example.com".to_owned());
    }
    if email.to.len() > ENTRIES || !email.to.iter().all(|to| is_address(to)) {
        problems.push(format!("settings.to has at most {ENTRIES} addresses such as noc@example.com"));
    }
}

fn check_sms(sms: &SmsSettings, problems: &mut Vec<String>) {
    check_url(&sms.url, problems);
    check_headers(&sms.headers, problems);
    if !["POST", "PUT", "GET"].contains(&sms.method.as_str()) {
        problems.push("settings.method is POST, PUT or GET".to_owned());
    }
    if sms.body.len() > TEXT {
        problems.push(format!("settings.body has at most {TEXT} bytes"));
    }
    for placeholder in ["{phone}", "{text}"] {
        if !sms.url.contains(placeholder) && !sms.body.contains(placeholder) {
            problems.push(format!("settings: {placeholder} must stand in url or body"));
        }
    }
    if sms.content == BodyKind::Json && !sms.body.is_empty() {
        let sample = super::deliver::sms::fill(&sms.body, BodyKind::Json, "+8613800001111", "a \"b\"\n", "n-1");
        if let Err(error) = serde_json::from_str::<Value>(&sample) {
            problems.push(format!("settings.body is no JSON once its placeholders are filled: {error}"));
        }
    }
    if sms.success.as_ref().is_some_and(|success| !success.pointer.starts_with('/')) {
        problems.push("settings.success.pointer begins with '/', such as /code".to_owned());
    }
    if sms.to.len() > ENTRIES || !sms.to.iter().all(|phone| is_phone(phone)) {
        problems.push(format!("settings.to has at most {ENTRIES} telephone numbers"));
    }
}

/// The address with something harmless for each placeholder.
fn sample_of(url: &str) -> String {
    let mut sample = url.replace("{phone}", "1").replace("{text}", "1").replace("{id}", "1");
    for name in names_in(url) {
        sample = sample.replace(&format!("${{secret:{name}}}"), "1");
    }
    sample
}

fn check_url(text: &str, problems: &mut Vec<String>) {
    let url = reqwest::Url::parse(&sample_of(text)).ok();
    let url = url.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host() && text.len() <= TEXT);
    let Some(url) = url else {
        problems.push("settings.url must be an address such as https://gateway.example/send".to_owned());
        return;
    };
    if !url.username().is_empty() || url.password().is_some() {
        problems.push("settings.url: no names and passwords in an address".to_owned());
    }
    // What stands before the path says where secrets go; it must be told, not hidden.
    let origin = text.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    if origin.contains(['{', '$']) {
        problems.push("settings.url: host and port are written out".to_owned());
    }
}

fn check_headers(headers: &BTreeMap<String, String>, problems: &mut Vec<String>) {
    if headers.len() > ENTRIES {
        problems.push(format!("settings.headers has at most {ENTRIES} entries"));
    }
    for (name, value) in headers {
        let shown: String = name.chars().take(64).collect();
        let is_name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_ok();
        let is_value = reqwest::header::HeaderValue::from_str(value).is_ok();
        if !is_name || !is_value || value.len() > TEXT {
            problems.push(format!("settings.headers: \"{shown}\" cannot be sent"));
        }
        let lower = name.to_ascii_lowercase();
        let reserved = ["host", "content-length", "transfer-encoding", "connection"];
        if reserved.contains(&lower.as_str()) {
            problems.push(format!("settings.headers: \"{shown}\" is set by the collector"));
        }
        let secret = ["authorization", "token", "key", "secret", "cookie", "password"];
        if secret.iter().any(|word| lower.contains(word)) && names_in(value).is_empty() {
            problems.push(format!("settings.headers: the value of \"{shown}\" is a secret: use ${{secret:NAME}}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(kind: ChannelKind, settings: Value) -> String {
        let wanted = ChannelSettings {
            name: "NOC".into(),
            kind,
            enabled: true,
            language: Language::Zh,
            settings,
            templates: BTreeMap::new(),
            rate_per_hour: 60,
        };
        wanted.problems().join("\n")
    }

    #[test]
    fn channels_as_the_vendors_describe_them_are_taken() {
        let robot = "https://oapi.dingtalk.com/robot/send?access_token=${secret:noc}";
        for (kind, settings) in [
            (
                ChannelKind::Email,
                json!({ "host": "smtp.example.com", "from": "noc@example.com", "username": "noc",
                "password_secret": "smtp", "to": ["duty@example.com"] }),
            ),
            (
                ChannelKind::Webhook,
                json!({ "url": "https://hook.example/a", "sign_secret": "hook",
                "headers": { "X-Api-Key": "${secret:hook}" } }),
            ),
            (
                ChannelKind::Wecom,
                json!({ "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=${secret:noc}" }),
            ),
            (ChannelKind::Dingtalk, json!({ "url": robot, "sign_secret": "noc-sign" })),
            (ChannelKind::Feishu, json!({ "url": "https://open.feishu.cn/open-apis/bot/v2/hook/${secret:noc}" })),
            (
                ChannelKind::Sms,
                json!({ "url": "https://sms.example/send", "to": ["13800001111"],
                "body": "{\"mobile\":\"{phone}\",\"content\":\"{text}\",\"key\":\"${secret:sms}\"}",
                "success": { "pointer": "/code", "equals": 0 } }),
            ),
            (ChannelKind::Alertmanager, json!({ "url": "http://127.0.0.1:9093", "labels": { "team": "noc" } })),
        ] {
            assert_eq!(problems(kind, settings), "", "{kind:?}");
        }
    }

    #[test]
    fn no_secret_stands_in_a_setting() {
        for (kind, settings, said) in [
            (ChannelKind::Wecom, json!({ "url": "https://qyapi.weixin.qq.com/x?key=693a91f6" }), "${secret:NAME}"),
            (ChannelKind::Webhook, json!({ "url": "https://u:p@hook.example/" }), "no names and passwords"),
            (
                ChannelKind::Webhook,
                json!({ "url": "https://h.example/", "headers": { "Authorization": "Bearer x" } }),
                "is a secret",
            ),
            (ChannelKind::Email, json!({ "host": "h", "from": "a@b.c", "password": "x" }), "unknown field"),
            (
                ChannelKind::Email,
                json!({ "host": "h", "from": "a@b.c", "tls": "none", "username": "u",
                "password_secret": "s" }),
                "without TLS",
            ),
            (ChannelKind::Webhook, json!({ "url": "https://${secret:host}/" }), "written out"),
        ] {
            let told = problems(kind, settings);
            assert!(told.contains(said), "{said} in {told}");
        }
    }

    #[test]
    fn a_body_that_would_be_no_json_is_told_beforehand() {
        let told =
            problems(ChannelKind::Sms, json!({ "url": "https://s.example/", "body": "{\"m\":{phone},\"t\":{text}}" }));
        assert!(told.contains("no JSON"), "{told}");
        let told = problems(ChannelKind::Sms, json!({ "url": "https://s.example/", "body": "{\"m\":\"{phone}\"}" }));
        assert!(told.contains("{text} must stand"), "{told}");
        let told = problems(ChannelKind::Sms, json!({ "url": "file:///etc/passwd?{phone}{text}" }));
        assert!(told.contains("settings.url"), "{told}");
    }
}
