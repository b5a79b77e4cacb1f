//! `kouan-agent add`: a device more in the configuration, checked.

use std::path::Path;

use kouan_drivers::profile::{Description, ProfileStore, check};
use kouan_drivers::search::ports::same_port;
use serde_json::json;
use toml_edit::Value;

use super::arguments::AddArguments;
use super::entry::WrongUsage;
use super::show;
use super::words::Words;
use crate::config::Config;
use crate::config_edit::ConfigEdit;
use crate::config_facts::{LinkPlace, places};

/// The beginning of a configuration that is made by adding the first device.
const BEGINNING: &str = "# Kouan agent. `kouan-agent print-config --template` explains every key.\n\
                         data = \"/var/lib/kouan-agent\"\n";

pub(super) fn run(path: &Path, wanted: AddArguments, json: bool, words: Words) -> anyhow::Result<()> {
    let exists = path.exists();
    if exists {
        // What is wrong already is said before anything else.
        Config::load(path)?;
    }
    let mut edit = ConfigEdit::open(path, BEGINNING)?;
    let before = edit.preview();
    let profile = profile_of(&before, &wanted.profile, words)?;
    let links = places(&before);
    let link = match the_link(&wanted, &links, profile.about.kind, &before, words)? {
        Some(link) => link.link.clone(),
        None => {
            let name = wanted.link.clone().unwrap_or_else(|| free_name(&links));
            edit.add_link(link_keys(&wanted, &name, profile.about.kind, words)?);
            name
        }
    };
    edit.add_device(&link, device_keys(&wanted, words)?)?;
    if wanted.dry_run {
        let text = edit.preview();
        Config::parse(&path.display().to_string(), &text)?;
        if json {
            return show::json(&json!({ "link": link, "text": text }));
        }
        show::text(&format!("{}\n\n{text}", words.add_dry()));
        return Ok(());
    }
    let origin = format!("local: add {}, by {}", wanted.device, whoever());
    let revision = edit.commit(&origin, &show::now())?;
    let to_prove =
        profile.points.iter().filter(|point| point.notes.prove.is_some()).count() + profile.about.doubts.len();
    if json {
        return show::json(&json!({
            "device": wanted.device, "link": link, "revision": revision, "to_prove": to_prove,
        }));
    }
    let mut lines = vec![
        words.add_done(&wanted.device, &link, path.display(), revision.number),
        words.add_next_read(&wanted.device),
    ];
    if to_prove > 0 {
        lines.push(words.add_next_commission(&wanted.device, to_prove));
    }
    lines.push(words.add_next_restart());
    show::text(&(lines.join("\n") + "\n"));
    Ok(())
}

/// Who uses the tool, as far as the environment says.
pub(super) fn whoever() -> String {
    std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "local".to_owned())
}

/// The profile, from the configuration's own folder or built in.
pub(super) fn profile_of(config: &str, name: &str, words: Words) -> anyhow::Result<Description> {
    let store = store_of(config);
    let Some(source) = store.get(name) else {
        let known = store.names().collect::<Vec<_>>().join(", ");
        return Err(WrongUsage(words.add_profile_unknown(name, known)).into());
    };
    check(name, source).map_err(|problems| WrongUsage(problems.to_string()).into())
}

/// The profiles that a configuration can use.
pub(super) fn store_of(config: &str) -> ProfileStore {
    let mut store = ProfileStore::built_in();
    let table: toml::Table = toml::from_str(config).unwrap_or_default();
    if let Some(folder) = table.get("profiles").and_then(toml::Value::as_str) {
        // A folder that cannot be read is a problem of the configuration, and said there.
        let _ = store.add_folder(Path::new(folder));
    }
    store
}

/// The link that is meant, if it exists. A place that a link ends at already is never given to a second one.
fn the_link<'l>(
    wanted: &AddArguments,
    links: &'l [LinkPlace],
    kind: &str,
    config: &str,
    words: Words,
) -> Result<Option<&'l LinkPlace>, WrongUsage> {
    let named = wanted.link.as_ref().and_then(|name| links.iter().find(|link| link.link == *name));
    let placed = links.iter().find(|link| match (&wanted.serial, &wanted.tcp) {
        (Some(port), _) => link.serial.as_deref().is_some_and(|serial| same_port(serial, port)),
        (None, Some(address)) => link.uses_address(address),
        (None, None) => false,
    });
    let Some(link) = named.or(placed) else {
        if wanted.serial.is_some() || wanted.tcp.is_some() {
            return Ok(None);
        }
        return Err(WrongUsage(match &wanted.link {
            Some(name) => words.add_no_place(name),
            None => words.add_needs_link(links.iter().map(|link| link.link.as_str()).collect::<Vec<_>>().join(", ")),
        }));
    };
    if link.kind != kind {
        return Err(WrongUsage(words.add_other_kind(&link.link, &link.kind, &wanted.profile, kind)));
    }
    if let (Some(baud), Some(has)) = (wanted.baud, baud_of(config, &link.link))
        && i64::from(baud) != has
    {
        return Err(WrongUsage(words.add_other_baud(&link.link, has, baud)));
    }
    Ok(Some(link))
}

fn baud_of(config: &str, link: &str) -> Option<i64> {
    let table: toml::Table = toml::from_str(config).ok()?;
    let links = table.get("link")?.as_array()?;
    let link = links.iter().find(|table| table.get("name").and_then(toml::Value::as_str) == Some(link))?;
    link.get("serial")?;
    Some(link.get("baud").and_then(toml::Value::as_integer).unwrap_or(9600))
}

fn free_name(links: &[LinkPlace]) -> String {
    let taken = |name: &String| links.iter().any(|link| link.link == *name);
    (1..).map(|number| format!("line-{number}")).find(|name| !taken(name)).unwrap_or_default()
}

fn link_keys(wanted: &AddArguments, name: &str, kind: &str, words: Words) -> Result<Vec<(String, Value)>, WrongUsage> {
    let mut keys: Vec<(String, Value)> = vec![("name".to_owned(), name.into()), ("kind".to_owned(), kind.into())];
    let mut push = |key: &str, value: Value| keys.push((key.to_owned(), value));
    match (&wanted.serial, &wanted.tcp) {
        (Some(port), _) => {
            push("serial", port.display().to_string().into());
            push("baud", i64::from(wanted.baud.unwrap_or(9600)).into());
            if let Some(parity) = wanted.parity {
                push("parity", parity.as_str().into());
            }
        }
        (None, Some(address)) => {
            push("tcp", address.as_str().into());
            if wanted.rtu {
                push("framing", "rtu".into());
            }
        }
        (None, None) => return Err(WrongUsage(words.add_no_place(name))),
    }
    Ok(keys)
}

fn device_keys(wanted: &AddArguments, words: Words) -> Result<Vec<(String, Value)>, WrongUsage> {
    let mut keys: Vec<(String, Value)> = vec![("name".to_owned(), wanted.device.as_str().into())];
    let mut push = |key: &str, value: Value| keys.push((key.to_owned(), value));
    if let Some(label) = &wanted.label {
        push("label", label.as_str().into());
    }
    push("profile", wanted.profile.as_str().into());
    if let Some(unit) = wanted.unit {
        push("unit", i64::from(unit).into());
    }
    if let Some(area) = &wanted.area {
        push("area", area.as_str().into());
    }
    for text in &wanted.set {
        let (key, value) = text.split_once('=').ok_or_else(|| WrongUsage(words.add_set_wrong(text)))?;
        // A number, a flag, a list; anything else is a text.
        let value = value.trim().parse::<Value>().unwrap_or_else(|_| value.trim().into());
        push(key.trim(), value);
    }
    Ok(keys)
}
