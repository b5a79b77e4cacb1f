//! Carrying out the lines of standard input.

use anyhow::{Context as _, bail, ensure};
use kouan_tests::{Checkpoint, SHORT, Simulator, first_person};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Does what a line says; what it answers.
pub(crate) async fn obey(site: &mut Checkpoint, line: &str) -> anyhow::Result<Value> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["kill", "ups"] => site.ups.process().signal(Signal::KILL)?,
        ["start", "ups"] => {
            let address = site.ups.address().to_owned();
            let arguments = ["modbus-tcp", "--listen", &address, "--model", "apc-smart-ups"];
            site.ups = Simulator::start("ups", &site.folder(), arguments).await?;
        }
        ["agent", "stop"] => drop(site.agent.stop(SHORT).await?),
        ["agent", "start"] => {
            site.agent.start()?;
            site.agent.wait_running().await?;
        }
        ["collector", "kill"] => site.collector.kill().await?,
        ["collector", "start"] => site.collector.restart().await?,
        ["collector", "settings", ..] => {
            let text = line.trim_start().trim_start_matches("collector").trim_start().trim_start_matches("settings");
            let settings: String = serde_json::from_str(text).context("the settings are not a string of JSON")?;
            let file = site.folder().join("collector.toml");
            std::fs::write(&file, settings).with_context(|| format!("writing {} failed", file.display()))?;
            site.collector.stop(SHORT).await?;
            site.collector.restart().await?;
        }
        ["collector", "back-up"] => {
            let backup = site.folder().join("backup").display().to_string();
            tool(site, &["backup", &backup]).await?;
        }
        ["collector", "restore"] => {
            let (data, backup) = (site.collector.data(), site.folder().join("backup").display().to_string());
            site.collector.kill().await?;
            std::fs::remove_dir_all(&data).with_context(|| format!("removing {} failed", data.display()))?;
            tool(site, &["restore", &backup]).await?;
            site.collector.restart().await?;
        }
        ["first", name, role] => {
            let person = first_person(&site.api()?, name, name, role).await?;
            return Ok(json!({ "name": person.name, "password": person.password }));
        }
        [simulator @ ("ups" | "cabinet" | "gate" | "kiosk"), ..] => {
            let line = line.trim_start().strip_prefix(simulator).unwrap_or_default().trim();
            let simulator = match simulator {
                "ups" => &mut site.ups,
                "cabinet" => &mut site.cabinet,
                "gate" => &mut site.gate,
                _ => &mut site.kiosk,
            };
            return simulator.control(line).await;
        }
        _ => bail!("\"{line}\" is not known"),
    }
    Ok(Value::Null)
}

async fn tool(site: &Checkpoint, arguments: &[&str]) -> anyhow::Result<()> {
    let (status, out, problems) = site.collector.tool(arguments).await?;
    ensure!(status.success(), "kouan-collector {} ended with {status}: {problems}{out}", arguments.join(" "));
    Ok(())
}
