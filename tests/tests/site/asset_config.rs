//! An agent's configuration out of the list of assets, taken by the agent's own program.

use std::path::Path;

use anyhow::ensure;
use kouan_tests::{Collector, binary};
use serde_json::{Value, json};

use super::folder;

async fn check(file: &Path) -> anyhow::Result<(bool, String)> {
    let mut program = tokio::process::Command::new(binary("kouan-agent")?);
    let output = program.arg("check").arg("--config").arg(file).output().await?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[tokio::test]
async fn an_agent_takes_the_configuration_that_the_list_of_assets_makes() -> anyhow::Result<()> {
    let folder = folder()?;
    let mut collector = Collector::start(folder.path()).await?;
    let api = collector.api()?;
    let csv = "名称,类别,站点,区域,标识,驱动型号,接入地址,上级设备\n\
        接入交换机,交换机,hall,机房,,,,\n\
        \"温湿度 \"\"一\"\"\",动环,hall,机房,climate-1,xy-md02,modbus serial=/dev/serial/by-id/usb-1 baud=9600 # unit=3,relay-1\n\
        继电器,继电器,hall,机房,relay-1,waveshare-relay-8ch,modbus serial=/dev/serial/by-id/usb-1 baud=9600 # unit=5,\n\
        电表,电表,hall,配电间,,sdm630,modbus tcp=192.0.2.10:502 # unit=1,接入交换机\n\
        本机,主机,hall,机房,edge-host,,host,\n";
    let import = api.request(reqwest::Method::POST, "/api/v1/assets/import?format=csv").body(csv);
    let preview = api.send(import).await?;
    ensure!(preview.body["error_count"] == 0, "{}", preview.body);
    let token = preview.body["token"].as_str().unwrap_or_default().to_owned();
    let applied = api.post(&format!("/assets/import/{token}"), &json!({})).await?;
    ensure!(applied.body["applied"] == true, "{}", applied.body);

    let made: Value = api.get("/assets/agent-config?site=hall").await?;
    ensure!(made["devices"] == 4, "{made}");
    ensure!(made["missing"].as_array().is_some_and(|missing| missing.len() == 1), "{made}");
    let text = made["toml"].as_str().unwrap_or_default();
    ensure!(text.contains("接入交换机") && text.contains("parent = \"relay-1\""), "{text}");
    ensure!(text.matches("[[link]]").count() == 3, "assets on one line share it: {text}");
    let file = folder.path().join("agent.toml");
    std::fs::write(&file, text)?;
    let (accepted, said) = check(&file).await?;
    ensure!(accepted, "{said}\n{text}");
    // The checker is one: a word that it does not know is an error.
    std::fs::write(&file, text.replacen("baud = 9600", "baud = \"quick\"", 1))?;
    let (accepted, said) = check(&file).await?;
    ensure!(!accepted && said.contains("baud"), "{said}");
    collector.stop(kouan_tests::SHORT).await?;
    Ok(())
}
