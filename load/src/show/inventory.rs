//! The asset list of the fleet, as somebody who looks after it would have written it, and what the sites are called.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::places::site_of;
use crate::api::Api;
use crate::dice::Dice;
use crate::fleet::estate::{Place, PlacedDevice};

/// Rows of a page of devices.
const PAGE: usize = 500;
const HEADER: &str = "站点,区域,名称,类别,设备标识,设备编号,厂家,型号,序列号,机柜,U位,占用U数,安装日期,质保到期,许可证,责任人,上级资产,相邻资产,标签\n";
/// What is played is nobody's product.
const MAKERS: [&str; 4] = ["模拟设备一厂", "模拟设备二厂", "模拟设备三厂", "模拟设备四厂"];
const OWNERS: [&str; 4] = ["信息科", "通关科", "保障科", "维保单位"];
/// Units of a rack that are filled from below.
const RACK_UNITS: u64 = 42;

/// Names the sites and imports the asset list. The devices must be known at the collector by then.
pub(crate) async fn bring(api: &Api, places: &[Place]) -> anyhow::Result<()> {
    for place in places {
        let site = site_of(place.system, place.title)?;
        let body = json!({
            "name": { "zh": site.chinese, "en": site.english },
            "zone": "Asia/Shanghai", "lon": site.longitude, "lat": site.latitude,
        });
        api.put(&format!("/api/v1/sites/{}", site.id), &body).await?;
    }
    let devices = device_ids(api).await?;
    let mut rows = HEADER.to_owned();
    for place in places {
        write_place(&mut rows, place, &devices)?;
    }
    let preview = api.post_text("/api/v1/assets/import?format=csv&dry_run=true", rows).await?;
    let errors = preview["errors"].as_array().map_or(0, Vec::len);
    ensure!(errors == 0, "the asset list has errors: {}", preview["errors"]);
    let token = preview["token"].as_str().context("the preview has no token")?;
    api.post(&format!("/api/v1/assets/import/{token}"), &Value::Null).await.map(drop)
}

/// Devices by agent and key.
pub(crate) async fn device_ids(api: &Api) -> anyhow::Result<HashMap<(String, String), String>> {
    let (mut ids, mut cursor) = (HashMap::new(), String::new());
    loop {
        let page = api.get(&format!("/api/v1/devices?limit={PAGE}{cursor}")).await?;
        for device in page["items"].as_array().context("the list of devices has no items")? {
            let text = |name: &str| device[name].as_str().unwrap_or_default().to_owned();
            ids.insert((text("agent"), text("key")), text("id"));
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(ids),
        }
    }
}

fn write_place(rows: &mut String, place: &Place, devices: &HashMap<(String, String), String>) -> anyhow::Result<()> {
    let site = site_of(place.system, place.title)?;
    let agent = format!("{}-1", site.id);
    let (mut dice, mut racked) = (Dice::new(place.devices.len() as u64), HashMap::<&str, u64>::new());
    for device in &place.devices {
        let id = devices.get(&(agent.clone(), device.key.clone()));
        let id = id.with_context(|| format!("{} of {agent} is not at the collector yet", device.key))?;
        let maker = MAKERS[(dice.next() % 4) as usize];
        let (year, month, day) = (2021 + dice.next() % 5, 1 + dice.next() % 12, 1 + dice.next() % 28);
        let warranty = year + 3 + dice.next() % 3;
        let (rack, unit, height) = match in_rack(device) {
            true => {
                let next = racked.entry(device.area.as_str()).or_default();
                *next = *next % (RACK_UNITS - 4) + 2;
                (device.area.as_str(), next.to_string(), "1")
            }
            false => ("", String::new(), ""),
        };
        let licence = match device.class {
            "firewall" | "security-appliance" => format!("特征库={}-{month:02}-{day:02}", 2026 + dice.next() % 2),
            _ => String::new(),
        };
        let parent = device.parent.as_deref().unwrap_or_default();
        // A switch knows at which port of the one above it hangs.
        let neighbour = match device.class {
            "switch" if !parent.is_empty() => format!("{parent}|GE0/0/24|GE0/0/{}", 1 + dice.next() % 20),
            _ => String::new(),
        };
        writeln!(
            rows,
            "{},{},{},{},{},{id},{maker},{}-100,{:08X},{rack},{unit},{height},{year}-{month:02}-{day:02},\
             {warranty}-{month:02}-{day:02},{licence},{},{parent},{neighbour},{}",
            site.id,
            device.area,
            device.label,
            device.class,
            device.key,
            device.class.to_uppercase(),
            dice.next() & 0xffff_ffff,
            OWNERS[(dice.next() % 4) as usize],
            place.system,
        )?;
    }
    Ok(())
}

fn in_rack(device: &PlacedDevice) -> bool {
    matches!(device.class, "server" | "storage" | "switch" | "firewall" | "security-appliance" | "network-gap")
        && device.area.contains("机柜")
}
