//! Configurations of agents.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// An agent's configuration file.
#[derive(Debug, Clone)]
pub struct AgentConfiguration {
    /// The folder in which file, data folder and token stand.
    pub folder: PathBuf,
    /// The name of the agent's process and files in it.
    pub name: String,
    /// The collector's address and the agent's token.
    pub collector: Option<(String, String)>,
    /// The links, as TOML.
    pub links: String,
}

impl AgentConfiguration {
    /// The configuration file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.toml", self.name))
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Writes the file, and the token beside it.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self) -> anyhow::Result<()> {
        let mut text = format!("data = \"{}\"\n", self.data().display());
        if let Some((url, token)) = &self.collector {
            let file = self.folder.join(format!("{}.token", self.name));
            std::fs::write(&file, token).with_context(|| format!("writing {} failed", file.display()))?;
            write!(text, "\n[collector]\nurl = \"{url}\"\ntoken_file = \"{}\"\n", file.display())?;
            text.push_str("request_timeout = \"5s\"\n");
        }
        // A tenth of the default, so that people and tests need not wait.
        text.push_str("\n[buffer]\ncommit_every = \"100ms\"\n\n");
        text.push_str(&self.links);
        let file = self.file();
        std::fs::write(&file, text).with_context(|| format!("writing {} failed", file.display()))
    }
}

/// The links of the simulated checkpoint; serial lines are symbolic links in `folder`.
#[must_use]
pub fn checkpoint_links(folder: &Path, ups: SocketAddr, broker: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        r#"[[link]]
name = "this-machine"
kind = "host"

[[link.device]]
name = "edge-host"
label = "边缘主机"
area = "设备间"
processes = ["mosquitto"]
every = "2s"

[[link]]
name = "ups-net"
kind = "modbus"
tcp = "{ups}"

[[link.device]]
name = "ups-1"
label = "通道不间断电源"
profile = "apc-smart-ups"
unit = 1
area = "设备间"
every = "1s"

[[link]]
name = "cabinet-line"
kind = "modbus"
serial = "{folder}/cabinet-line"
baud = 9600

[[link.device]]
name = "cabinet-climate"
label = "机柜温湿度"
profile = "xy-md02"
unit = 1
area = "设备间"
every = "1s"

[[link.device]]
name = "relay-1"
label = "通道灯光继电器"
profile = "waveshare-relay-8ch"
unit = 2
area = "一号通道"
every = "500ms"

[[link.device]]
name = "lane-power"
label = "通道电能表"
profile = "pzem-016"
unit = 3
area = "一号通道"
every = "1s"

[[link]]
name = "gate-line"
kind = "serial-line"
serial = "{folder}/gate-line"

[[link.device]]
name = "gate-1"
label = "旅客智能闸机一"
profile = "ds205a-gate"
unit = 1
area = "一号通道"

[[link]]
name = "broker"
kind = "mqtt"
broker = "{broker}"
client_id = "checkpoint-1"

[[link.device]]
name = "kiosk-1"
label = "自助填报机一"
profile = "kiosk-mqtt"
topic = "checkpoint/kiosk-1"
area = "候检大厅"
"#
    )
}
