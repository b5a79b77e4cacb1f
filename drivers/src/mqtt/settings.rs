//! `kind = "mqtt"` in an agent's configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kouan_settings::{Section, both};

use super::device::MqttDevice;
use super::dialect::MqttDialect;
use super::driver::MqttDriver;
use crate::configure::{ConfiguredLink, DeviceEntry};
use crate::profile::{Description, Profile, ProfileStore};
use crate::registry::DriverKind;

/// The kind `mqtt`.
#[derive(Debug)]
pub struct MqttKind;

/// A broker and who to be there.
#[derive(Debug, Clone)]
pub(super) struct BrokerSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) client_id: String,
    pub(super) username: Option<String>,
    /// Read at every connect, so that a new password needs no restart.
    pub(super) password_file: Option<PathBuf>,
    pub(super) keep_alive: Duration,
    pub(super) keep_session: bool,
}

impl DriverKind for MqttKind {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn read_profile(&self, name: &str, profile: &mut Section<'_>) -> Option<Description> {
        Some(Profile::read_section(&MqttDialect, name, profile)?.description(&MqttDialect))
    }

    fn configure(
        &self,
        link: &mut Section<'_>,
        devices: Vec<DeviceEntry<'_>>,
        profiles: &ProfileStore,
    ) -> Option<ConfiguredLink> {
        let broker = BrokerSettings::read(link);
        let mut known: Vec<(usize, String)> = Vec::new();
        let mut configured = Vec::new();
        let mut spoken = Vec::new();
        for mut entry in devices {
            let profile = Profile::of_device(&MqttDialect, &mut entry, profiles);
            let topic = read_prefix(&mut entry.section);
            if let Some(topic) = &topic {
                if let Some((line, _)) = known.iter().find(|(_, other)| other == topic) {
                    entry.section.wrong(
                        "topic",
                        both!("the device on line {line} has this topic already", "第 {line} 行的设备已用了这个主题"),
                    );
                }
                known.push((entry.section.line(), topic.clone()));
            }
            let (Some(profile), Some(topic)) = (profile, topic) else { continue };
            configured.push(profile.configured(&entry));
            spoken.push(Arc::new(MqttDevice { key: entry.key.clone(), topic, profile }));
        }
        let broker = broker?;
        let devices: Arc<[_]> = spoken.into();
        let build = move || -> Box<dyn crate::driver::Driver> {
            Box::new(MqttDriver { broker: broker.clone(), devices: Arc::clone(&devices) })
        };
        // The caller knows the link's name.
        Some(ConfiguredLink { name: "".into(), devices: configured, build: Box::new(build) })
    }
}

fn read_prefix(section: &mut Section<'_>) -> Option<String> {
    let hint = (
        "what the device's topics begin with, such as topic = \"hall/kiosk-1\"",
        "设备主题的开头，如 topic = \"hall/kiosk-1\"",
    );
    let topic = section.string_required("topic", hint)?;
    if topic.is_empty() || topic.contains(['+', '#', '\0']) || topic.ends_with('/') {
        section.wrong(
            "topic",
            both!(
                "\"{topic}\" must not be empty, end with a slash or contain + or #",
                "\"{topic}\" 不能为空，不能以斜杠结尾，不能含 + 或 #"
            ),
        );
        return None;
    }
    Some(topic)
}

impl BrokerSettings {
    fn read(link: &mut Section<'_>) -> Option<Self> {
        let hint = ("the broker, such as broker = \"127.0.0.1:1883\"", "消息服务器，如 broker = \"127.0.0.1:1883\"");
        let broker = link.string_required("broker", hint);
        let address = broker.as_ref().and_then(|broker| {
            let (host, port) = broker.rsplit_once(':')?;
            let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
            (!host.is_empty()).then(|| (host.trim_matches(['[', ']']).to_owned(), port))
        });
        if let (Some(broker), None) = (&broker, &address) {
            link.wrong(
                "broker",
                both!(
                    "\"{broker}\" must be host:port, such as \"127.0.0.1:1883\"",
                    "\"{broker}\" 应当是 主机:端口，如 \"127.0.0.1:1883\""
                ),
            );
        }
        let hint = (
            "a name that no other client of this broker has, such as client_id = \"kouan-hall-1\"",
            "同一消息服务器上独一无二的名称，如 client_id = \"kouan-hall-1\"",
        );
        let client_id = link.string_required("client_id", hint);
        if client_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 64) {
            link.wrong("client_id", ("this must have 1 to 64 bytes", "应为 1 至 64 个字节"));
        }
        let username = link.string("username");
        let password_file = link.string("password_file").map(PathBuf::from);
        if password_file.is_some() && username.is_none() {
            link.wrong("password_file", ("a password needs a username", "有密码就要有用户名"));
        }
        if link.has("password") {
            link.wrong(
                "password",
                (
                    "a password does not belong into this file; put it into a file of its own, readable by the agent \
                     only, and write password_file = \"…\"",
                    "密码不应写在这个文件里；请放进单独的、只有代理能读的文件，并写 password_file = \"…\"",
                ),
            );
            link.string("password");
        }
        if link.bool_or("tls", false) {
            link.wrong(
                "tls",
                (
                    "this version speaks to brokers without TLS only; use a broker on this machine that bridges to yours",
                    "此版本只支持不带 TLS 的消息服务器；请在本机装一个，由它桥接到您的服务器",
                ),
            );
        }
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let keep_alive = link.duration_within("keep_alive", second..=hour, Duration::from_secs(15));
        let keep_session = link.bool_or("keep_session", true);
        let ((host, port), client_id) = (address?, client_id?);
        Some(Self { host, port, client_id, username, password_file, keep_alive, keep_session })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kouan_settings::{Document, Problems};

    const HEAD: &str = "kind = \"mqtt\"\nclass = \"x\"\nevidence = \"solid\"\nsource = \"x\"\n";
    const GROUP: &str = "[[group]]\nname = \"g\"\ntopic = \"g\"\nevery = \"0s\"\n\
                         [[group.point]]\nname = \"p\"\nunit = \"1\"\npointer = \"/p\"\n";

    fn problems_of(text: &str) -> String {
        let problems = Problems::new("profile.toml", text);
        let document = Document::parse("profile.toml", text).unwrap();
        MqttKind.read_profile("test", &mut document.root(&problems));
        problems.to_string()
    }

    #[test]
    fn a_small_profile_is_fine() {
        assert_eq!(problems_of(&format!("{HEAD}{GROUP}")), "");
    }

    #[test]
    fn what_is_wrong_with_a_profile_is_explained() {
        let reply = "[reply]\ntopic = \"r\"\nid = \"/id\"\nok = \"/ok\"\n";
        let action = "[[action]]\nname = \"a\"\ntopic = \"c\"\npayload = ";
        for (text, expected) in [
            (GROUP.replace("\"g\"\nevery", "\"g/#\"\nevery"), "must be one topic, without +, #"),
            (GROUP.replace("\"/p\"", "\"p\""), "must begin with a slash, such as \"/p\""),
            (GROUP.replace("0s", "5s"), "such a device speaks by itself; write every = \"0s\""),
            (format!("{GROUP}{action}'{{'"), "this is not JSON"),
            (format!("{GROUP}{action}'{{ \"x\": \"{{what}}\" }}'"), "\"{what}\" is neither an argument"),
            (format!("{reply}{GROUP}{action}'{{}}'"), "cannot be told apart without \"{id}\""),
        ] {
            let said = problems_of(&format!("{HEAD}{text}"));
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
