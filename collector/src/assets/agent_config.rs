//! The configuration of a site's agent, out of its assets.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use utoipa::ToSchema;

use super::address::Address;
use super::{AREA_JOINT, Asset, AssetId, Topology};

/// An asset that the configuration does not have, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Missing {
    /// Which.
    #[schema(value_type = String)]
    pub asset: AssetId,
    /// Its name.
    pub name: String,
    /// Its class.
    pub class: String,
    /// What is missing: `address`.
    pub what: Vec<&'static str>,
}

/// A configuration.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AgentConfig {
    /// The text of `agent.toml`.
    pub toml: String,
    /// How many devices it has.
    pub devices: usize,
    /// Assets that it does not have.
    pub missing: Vec<Missing>,
}

/// Classes of things that an agent never speaks to.
const SILENT: [&str; 2] = ["rack", "application"];

/// The kind of a link and its settings: what devices on the same link have in common.
type LinkSettings = (String, Vec<(String, String)>);

/// The configuration of an agent that speaks to these assets of a site.
#[must_use]
pub fn agent_config(topology: &Topology, site: &str, collector_url: Option<&str>) -> AgentConfig {
    let mut links: BTreeMap<LinkSettings, Vec<(&AssetId, &Asset, Address)>> = BTreeMap::new();
    let mut missing = Vec::new();
    for (id, asset) in topology.assets().filter(|(_, asset)| asset.site == site) {
        match Address::parse(&asset.address) {
            Ok(Some(address)) => {
                let link = (address.kind.clone(), address.link.clone());
                links.entry(link).or_default().push((id, asset, address));
            }
            _ if SILENT.contains(&asset.class.as_str()) => {}
            _ => {
                let (name, class) = (asset.name.clone(), asset.class.clone());
                let mut what = vec!["address"];
                if asset.profile.is_empty() {
                    what.push("profile");
                }
                missing.push(Missing { asset: id.clone(), name, class, what });
            }
        }
    }
    let mut text = format!(
        "# Agent of site {site}, made from the list of assets. Check it with `kouan-agent check --config FILE`.\n\n\
         data = \"/var/lib/kouan-agent\"\n\n[collector]\nurl = {}\ntoken_file = \"/var/lib/kouan-agent/token\"\n",
        quoted(collector_url.unwrap_or("http://127.0.0.1:8470"))
    );
    if collector_url.is_some_and(|url| url.starts_with("https:")) {
        text.push_str(
            "# With https: the pin that `kouan-collector fingerprint` prints, or ca_file.\n# pin = \"sha256:…\"\n",
        );
    }
    let mut devices = 0;
    for (number, ((kind, settings), members)) in links.iter().enumerate() {
        // Writing to a text does not fail.
        let _ =
            writeln!(text, "\n[[link]]\nname = {}\nkind = {}", quoted(&format!("{kind}-{}", number + 1)), quoted(kind));
        write_settings(&mut text, settings);
        for (id, asset, address) in members {
            devices += 1;
            write_device(&mut text, topology, (id, asset), &address.device);
        }
    }
    if !missing.is_empty() {
        text.push_str("\n# Not here, because the list of assets does not say how they are reached:\n");
    }
    for Missing { asset, name, class, what } in &missing {
        let _ = writeln!(text, "#   {asset}  {}  {class}  ({})", one_line(name), what.join(", "));
    }
    AgentConfig { toml: text, devices, missing }
}

/// The name of a device at the agent: the asset's key, or its id.
fn key(id: &AssetId, asset: &Asset) -> String {
    asset.key.clone().unwrap_or_else(|| id.to_string())
}

fn write_device(
    text: &mut String,
    topology: &Topology,
    (id, asset): (&AssetId, &Asset),
    settings: &[(String, String)],
) {
    let _ = writeln!(text, "\n[[link.device]]\nname = {}\nlabel = {}", quoted(&key(id, asset)), quoted(&asset.name));
    if !asset.profile.is_empty() {
        let _ = writeln!(text, "profile = {}", quoted(&asset.profile));
    }
    let _ = writeln!(text, "class = {}", quoted(&asset.class));
    if let Some(area) = &asset.area {
        let _ = writeln!(text, "area = {}", quoted(&topology.area_path(area).join(AREA_JOINT)));
    }
    let parent = asset.parent.as_ref().and_then(|parent| Some((parent, topology.asset(parent)?)));
    if let Some((parent_id, parent)) =
        parent.filter(|(_, parent)| matches!(Address::parse(&parent.address), Ok(Some(_))))
    {
        let _ = writeln!(text, "parent = {}", quoted(&key(parent_id, parent)));
    }
    write_settings(text, settings);
}

fn write_settings(text: &mut String, settings: &[(String, String)]) {
    for (key, value) in settings {
        let plain = value == "true" || value == "false" || (value.parse::<i64>().is_ok() && is_plain_number(value));
        let value = if plain { value.clone() } else { quoted(value) };
        let _ = writeln!(text, "{key} = {value}");
    }
}

/// TOML has no numbers such as `007` or `+7`.
fn is_plain_number(text: &str) -> bool {
    text == "0"
        || text.trim_start_matches('-').starts_with(|digit: char| ('1'..='9').contains(&digit))
            && !text.starts_with('+')
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
