//! What a device says is what the API shows.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kouan_tests::{Agent, AgentConfiguration, Collector, ModbusPeer, SHORT, wait_until};
use serde_json::json;

use super::folder;
use super::small::SmallSite;

/// Registers of an APC Smart-UPS, and what they mean: point, value, unit.
#[tokio::test]
async fn values_and_units_are_those_an_independent_server_was_told_to_serve() -> anyhow::Result<()> {
    let folder = folder()?;
    let table = json!({ "1": { "holding": {
        "0": [0, 0x0004, 13], "18": 0, "20": [0, 0, 4, 4],
        "128": [0, 3723], "130": 44_032, "131": 875, "135": [3_232, 10_752],
        "140": 45, "142": 14_720, "144": [6_404, 1, 0x86A0], "151": 14_816,
        "516": [0x5550, 0x5320, 0x3039, 0x2E38, 0x2020, 0x2020, 0x2020, 0x2020],
        "532": [0x536D, 0x6172, 0x742D, 0x5550, 0x5320, 0x5265, 0x616C, 0x2020,
                0x2020, 0x2020, 0x2020, 0x2020, 0x2020, 0x2020, 0x2020, 0x2020],
        "564": [0x4153, 0x3132, 0x3334, 0x3536, 0x3738, 0x2020, 0x2020, 0x2020], "595": 9_461,
    } } });
    let expected = [
        ("power.source", json!("battery"), ""),
        ("battery.replace", json!("yes"), ""),
        ("battery.test", json!("passed"), ""),
        ("battery.runtime", json!(3723.0), "s"),
        ("battery.charge", json!(86.0), "%"),
        ("battery.voltage", json!(27.3), "V"),
        ("battery.temperature", json!(25.3), "°C"),
        ("load.percent", json!(42.0), "%"),
        ("output.current", json!(1.41), "A"),
        ("output.voltage", json!(230.0), "V"),
        ("output.frequency", json!(50.03), "Hz"),
        ("output.energy", json!(100_000.0), "Wh"),
        ("input.voltage", json!(231.5), "V"),
        ("identity.firmware", json!("UPS 09.8"), ""),
        ("identity.model", json!("Smart-UPS Real"), ""),
        ("identity.serial", json!("AS12345678"), ""),
        ("identity.battery-date", json!("2025-11-26"), ""),
    ];
    let (collector, peer) =
        tokio::try_join!(Collector::start(folder.path()), ModbusPeer::start(folder.path(), &table))?;
    let token = collector.enrol("ups-agent", "hall").await?;
    let links = format!(
        "[[link]]\nname = \"ups\"\nkind = \"modbus\"\ntcp = \"{}\"\n\n\
         [[link.device]]\nname = \"ups-1\"\nlabel = \"不间断电源\"\nprofile = \"apc-smart-ups\"\nunit = 1\n",
        peer.address()
    );
    let mut agent = Agent::new(AgentConfiguration {
        folder: folder.path().to_owned(),
        name: "ups-agent".to_owned(),
        collector: Some((format!("http://{}", collector.address()), token)),
        links,
    })?;
    agent.start()?;
    let api = collector.api()?;
    let look = async || Ok(api.device("ups-1").await?["health"]["level"].clone());
    wait_until("the UPS working", SHORT, look, |level| level == "working").await?;
    for (point, value, unit) in expected {
        let look = async || api.point("ups-1", point).await;
        let seen = wait_until(point, SHORT, look, |seen| !seen["value"].is_null()).await?;
        let same = match (seen["value"].as_f64(), value.as_f64()) {
            (Some(seen), Some(value)) => (seen - value).abs() < 1e-9,
            _ => seen["value"] == value,
        };
        ensure!(same, "{point} is {} and not {value}", seen["value"]);
        ensure!(seen["unit"] == unit, "{point} has the unit {} and not \"{unit}\"", seen["unit"]);
        ensure!(seen["quality"] == "good", "{point}: {seen}");
    }
    let device = api.device("ups-1").await?;
    ensure!(device["label"] == "不间断电源" && device["site"] == "hall", "{device}");
    let id = device["id"].as_str().context("no id")?;
    let look = async || Ok(api.get(&format!("/devices/{id}/readings?point=battery.charge")).await?["items"].clone());
    let history = wait_until("the history", SHORT, look, |rows| rows[0].is_object()).await?;
    ensure!(history[0]["value"] == json!(86.0), "{history}");
    Ok(())
}

#[tokio::test]
async fn a_passage_becomes_an_event_at_the_api_within_a_second() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    let mut took = Vec::new();
    for expected in 1..=5 {
        let began = Instant::now();
        site.gate.control("pass in").await?;
        let look = async || site.api.events("passage").await;
        let events = wait_until("the passage at the API", SHORT, look, |events| events.len() == expected).await?;
        took.push(began.elapsed());
        ensure!(events[0]["fields"]["direction"] == "in" && events[0]["key"] == "gate-1", "{}", events[0]);
        ensure!(events[0]["late"] == false, "{}", events[0]);
    }
    took.sort();
    ensure!(took[2] < Duration::from_secs(1), "it took {took:?}");
    Ok(())
}

#[tokio::test]
async fn devices_that_restart_are_found_again_under_their_names() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.gate.control("pass in 3").await?;
    let count = async |site: &SmallSite| Ok(site.api.point("gate-1", "passage.count.in").await?["value"].clone());
    wait_until("three passages", SHORT, async || count(&site).await, |seen| *seen == 3).await?;
    site.gate.control("restart").await?;
    site.cabinet.control("restart").await?;
    wait_until("the counter at zero", SHORT, async || count(&site).await, |seen| *seen == 0).await?;
    site.gate.control("pass in 2").await?;
    wait_until("two more", SHORT, async || count(&site).await, |seen| *seen == 2).await?;
    wait_until("five events", SHORT, async || site.api.events("passage").await, |seen| seen.len() == 5).await?;
    for device in ["gate-1", "climate-1", "relay-1"] {
        site.wait_health(device, "working").await?;
    }
    let command = site.api.command("relay-1", "relay.set", json!({ "channel": 8, "on": true }), SHORT).await?;
    let outcome = site.api.outcome(&command, SHORT).await?;
    ensure!(outcome["state"] == "succeeded", "{outcome}");
    Ok(())
}

/// The same readings as CSV and, read by DuckDB, as Parquet.
async fn formats_agree(site: &SmallSite, device: &str, points: &str, enough: usize) -> anyhow::Result<()> {
    let id = site.api.device_id(device).await?;
    let path = format!("/devices/{id}/series?points={points}&resolution=raw");
    let times = wait_until(
        &format!("{enough} readings of {points}"),
        SHORT,
        async || Ok(site.api.get(&path).await?["series"][0]["times"].clone()),
        |times| times.as_array().is_some_and(|times| times.len() > enough),
    )
    .await?;
    let range = format!("points={points}&from={}&to={}", times[0], times[enough]);
    let file = async |format: &str| {
        let path = format!("/api/v1/devices/{id}/export.{format}?{range}");
        let response = site.api.request(reqwest::Method::GET, &path).send().await?.error_for_status()?;
        anyhow::Ok(response.bytes().await?)
    };
    let csv = String::from_utf8(file("csv").await?.to_vec())?;
    let home = super::folder()?;
    let parquet = home.path().join("export.parquet");
    std::fs::write(&parquet, file("parquet").await?)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/parquet_reader.py");
    let arguments = [script.as_ref(), "rows".as_ref(), parquet.as_os_str()];
    let options = kouan_tests::ProcessOptions::new("duckdb", kouan_tests::python()?, home.path(), arguments);
    let (status, out, problems) = kouan_tests::run_to_end(&options, SHORT).await?;
    ensure!(status.success(), "{problems}");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&out)?;
    ensure!(rows.len() >= enough, "{} rows", rows.len());
    let mut told = String::from("time,point,value,quality,reason\n");
    for row in &rows {
        let time = kouan_collector::http::rfc3339(row[0].as_i64().context("no time")?);
        let word = |at: usize| row[at].as_str().context("no word");
        let value = match (&row[2], row[3].as_str()) {
            (_, Some(text)) => text.to_owned(),
            (serde_json::Value::Null, None) => String::new(),
            (number, None) => number.as_f64().context("no number")?.to_string(),
        };
        told.push_str(&format!("{time},{},{value},{},{}\n", word(1)?, word(4)?, word(5)?));
    }
    ensure!(told == csv, "Parquet says\n{told}and CSV\n{csv}");
    Ok(())
}

#[tokio::test]
async fn an_export_says_the_same_in_each_format() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.gate.control("rhythm 100ms").await?;
    for on in [true, false, true] {
        let command = site.api.command("relay-1", "relay.set", json!({ "channel": 1, "on": on }), SHORT).await?;
        site.api.outcome(&command, SHORT).await?;
    }
    formats_agree(&site, "gate-1", "passage.count.in,passage.count.out,supply.voltage.raw", 20).await?;
    formats_agree(&site, "relay-1", "relay.1,input.2", 1).await
}
