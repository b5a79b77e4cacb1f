//! What an asset must be before it is written.

use kouan_protocol::DeviceKey;

use super::address::Address;
use super::topology::STEPS;
use super::{Asset, AssetId, Topology, Trouble};
use crate::auth;
use crate::state::DeviceId;

/// Longest of all short texts, in characters.
const TEXT: usize = 200;
/// Longest note, in characters.
const NOTE: usize = 4000;
/// Longest address of a document, in characters.
const URL: usize = 1000;
/// Most entries of each list of an asset.
const ENTRIES: usize = 64;
/// Longest text of all documents together, in bytes: it must fit into a cell.
const DOCUMENTS_BYTES: usize = 16_000;
/// Years of dates.
const YEARS: std::ops::RangeInclusive<i16> = 1950..=2200;
/// Highest unit of a rack.
const RACK_UNITS: u16 = 60;

/// Everything that is wrong with an asset by itself.
pub(super) fn by_itself(asset: &Asset) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let mut text = |column: &'static str, text: &str, most: usize| {
        if text.chars().count() > most {
            let zh = format!("超过 {most} 个字符");
            troubles.push(Trouble::new(column, zh, format!("it has more than {most} characters")));
        } else if text.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t') {
            troubles.push(Trouble::new(column, "含有控制字符", "it has control characters"));
        }
    };
    for (column, value) in [
        ("name", &asset.name),
        ("maker", &asset.maker),
        ("model", &asset.model),
        ("serial", &asset.serial),
        ("profile", &asset.profile),
        ("rack", &asset.rack),
        ("owner", &asset.owner),
    ] {
        text(column, value, TEXT);
    }
    text("address", &asset.address, URL);
    text("note", &asset.note, NOTE);
    asset.licences.iter().for_each(|licence| text("licences", &licence.name, TEXT));
    asset.tags.iter().for_each(|tag| text("tags", tag, TEXT));
    asset.interfaces.iter().for_each(|interface| text("interfaces", interface, TEXT));
    for document in &asset.documents {
        text("documents", &document.name, TEXT);
        text("documents", &document.url, URL);
    }
    for neighbour in &asset.neighbours {
        text("neighbours", &neighbour.port, TEXT);
        text("neighbours", &neighbour.their_port, TEXT);
    }
    if asset.name.trim().is_empty() {
        troubles.push(Trouble::new("name", "缺少名称", "a name is needed"));
    }
    if asset.class.parse::<DeviceKey>().is_err() {
        let en = format!("\"{}\" is no class: a word such as passenger-gate is needed", shown(&asset.class));
        troubles.push(Trouble::new("class", format!("“{}”不是设备类别", shown(&asset.class)), en));
    }
    if let Err(problem) = auth::check_site(&asset.site) {
        troubles.push(Trouble::new("site", format!("“{}”不是有效的站点标识", shown(&asset.site)), problem.to_string()));
    }
    if let Some(key) = asset.key.as_ref().filter(|key| key.parse::<DeviceKey>().is_err()) {
        let zh = format!("“{}”不能作为设备标识：只用 a-z、0-9、“.”、“_”、“-”", shown(key));
        let en = format!("\"{}\" cannot be an agent's name for a device: use a-z, 0-9, '.', '_' and '-'", shown(key));
        troubles.push(Trouble::new("key", zh, en));
    }
    if let Err(why) = Address::parse(&asset.address) {
        troubles.push(Trouble { column: "address", text: why });
    }
    units(asset, &mut troubles);
    dates(asset, &mut troubles);
    lists(asset, &mut troubles);
    troubles
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

fn units(asset: &Asset, troubles: &mut Vec<Trouble>) {
    let top = asset.rack_unit.unwrap_or(1).saturating_add(asset.height_units.unwrap_or(1)).saturating_sub(1);
    let zero = asset.rack_unit == Some(0) || asset.height_units == Some(0);
    if zero || top > RACK_UNITS {
        let en = format!("the units of a rack are 1 to {RACK_UNITS}");
        troubles.push(Trouble::new("rack_unit", format!("机柜的 U 位为 1 至 {RACK_UNITS}"), en));
    }
}

fn dates(asset: &Asset, troubles: &mut Vec<Trouble>) {
    let licences = asset.licences.iter().map(|licence| ("licences", licence.until.as_deref()));
    let own = [("installed", asset.installed.as_deref()), ("warranty_until", asset.warranty_until.as_deref())];
    for (column, date) in own.into_iter().chain(licences) {
        let Some(text) = date else { continue };
        // Only the full form sorts as text.
        let date = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10);
        if date.is_some_and(|date| !YEARS.contains(&date.year())) {
            let (first, last) = (YEARS.start(), YEARS.end());
            let en = format!("{text} is not within the years {first} to {last}");
            troubles.push(Trouble::new(column, format!("{text} 不在 {first} 至 {last} 年之间"), en));
        } else if date.is_none() {
            let zh = format!("“{}”不是日期，请写成 2026-11-22", shown(text));
            troubles.push(Trouble::new(column, zh, format!("\"{}\" is no date such as 2026-11-22", shown(text))));
        }
    }
}

fn lists(asset: &Asset, troubles: &mut Vec<Trouble>) {
    let lengths = [
        ("licences", asset.licences.len()),
        ("documents", asset.documents.len()),
        ("neighbours", asset.neighbours.len()),
        ("tags", asset.tags.len()),
        ("interfaces", asset.interfaces.len()),
    ];
    for (column, length) in lengths {
        if length > ENTRIES {
            let en = format!("it has more than {ENTRIES} entries");
            troubles.push(Trouble::new(column, format!("超过 {ENTRIES} 项"), en));
        }
    }
    let joined: usize = asset.documents.iter().map(|document| document.name.len() + document.url.len() + 3).sum();
    if joined > DOCUMENTS_BYTES {
        let en = format!("all of them together have more than {DOCUMENTS_BYTES} bytes");
        troubles.push(Trouble::new("documents", format!("全部文档合计超过 {DOCUMENTS_BYTES} 字节"), en));
    }
    for document in &asset.documents {
        let is_address = reqwest::Url::parse(&document.url).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
        if !is_address {
            let en = format!("\"{}\" is no address that begins with http:// or https://", shown(&document.url));
            let zh = format!("“{}”不是以 http:// 或 https:// 开头的地址", shown(&document.url));
            troubles.push(Trouble::new("documents", zh, en));
        }
    }
    // What separates entries in a cell of a spreadsheet.
    let separators = [',', ';', '，', '；', '、', '|', '\n'];
    for (column, words) in [("tags", &asset.tags), ("interfaces", &asset.interfaces)] {
        if words.iter().any(|word| word.trim().is_empty() || word.contains(separators)) {
            let en = "an entry is empty or contains a separator (, ; |)";
            troubles.push(Trouble::new(column, "有空项，或含有分隔符（, ; |）", en));
        }
    }
    let licences = asset.licences.iter().map(|licence| ("licences", &licence.name));
    for (column, name) in licences.chain(asset.documents.iter().map(|document| ("documents", &document.name))) {
        if name.trim().is_empty() || name.contains(['=', ';', '；', '\n']) {
            let en = "a name is empty or contains = or ;";
            troubles.push(Trouble::new(column, "名称为空，或含有 = 或 ;", en));
        }
    }
    let mut ports = asset.neighbours.iter().flat_map(|neighbour| [&neighbour.port, &neighbour.their_port]);
    if ports.any(|port| port.contains(['|', ';', '；', '\n'])) {
        troubles.push(Trouble::new("neighbours", "端口含有 | 或 ;", "a port contains | or ;"));
    }
}

/// Everything that is wrong with an asset beside the others. `id` is its own.
/// `site_of` tells where a device is.
pub(super) fn beside_others(
    topology: &Topology,
    site_of: &dyn Fn(&DeviceId) -> Option<String>,
    id: &AssetId,
    asset: &Asset,
) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    if let Some(area) = &asset.area
        && topology.area(area).is_none_or(|area| area.site != asset.site)
    {
        troubles.push(Trouble::new("area", "该站点没有这个区域", format!("the site has no area {area}")));
    }
    if let Some(key) = &asset.key
        && topology.with_key(&asset.site, key).is_some_and(|other| other != id)
    {
        let en = format!("another asset of the site has the key \"{key}\"");
        troubles.push(Trouble::new("key", format!("该站点已有资产使用标识“{key}”"), en));
    }
    for neighbour in &asset.neighbours {
        let other = topology.asset(&neighbour.asset);
        if neighbour.asset == *id || other.is_none_or(|other| other.site != asset.site) {
            let en = format!("the site has no other asset {}", neighbour.asset);
            troubles.push(Trouble::new("neighbours", format!("该站点没有另一个资产 {}", neighbour.asset), en));
        }
    }
    if let Some(parent) = &asset.parent {
        troubles.extend(parent_trouble(topology, id, asset, parent));
    }
    if let Some(device) = &asset.device {
        let device_id = DeviceId::new(device);
        if site_of(&device_id).as_ref() != Some(&asset.site) {
            troubles.push(Trouble::new("device", "该站点没有这个设备", format!("the site has no device {device}")));
        } else if let Some(other) = topology.asset_of(&device_id).filter(|other| *other != id) {
            let en = format!("the device belongs to asset {other} already");
            troubles.push(Trouble::new("device", format!("该设备已属于资产 {other}"), en));
        }
    }
    troubles
}

fn parent_trouble(topology: &Topology, id: &AssetId, asset: &Asset, parent: &AssetId) -> Option<Trouble> {
    if parent != id && topology.asset(parent).is_none_or(|other| other.site != asset.site) {
        let zh = format!("该站点没有上级资产 {parent}");
        return Some(Trouble::new("parent", zh, format!("the site has no asset {parent}")));
    }
    let circle = topology.circle(id, parent)?;
    let name = |step: &AssetId| match topology.asset(step) {
        _ if step == id => format!("{} ({id})", asset.name),
        Some(step_asset) => format!("{} ({step})", step_asset.name),
        None => step.to_string(),
    };
    let path: Vec<String> = circle.iter().map(name).collect();
    let path = path.join(" → ");
    let zh = format!("上级关系成环或超过 {STEPS} 层：{path}");
    let en = format!("it depends on itself, or is more than {STEPS} deep: {path}");
    Some(Trouble::new("parent", zh, en))
}
