//! Alarms with the real programs: a device goes wrong, a rule finds it, people are told and do what they do, and all of it
//! ends as the device comes back.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kouan_tests::{
    Agent, AgentConfiguration, Api, Collector, Process, ProcessOptions, SHORT, Simulator, python, wait_for, wait_until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::folder;

/// Long enough for a shipped rule's delay of 20 s on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const RULE: &str = r#"
id = "cabinet-damp"
severity = "major"
name = { zh = "机柜潮湿", en = "Cabinet is damp" }
text = { zh = "{device} {point} {value} {unit}", en = "{device}: {point} {value} {unit}" }
raise_after = "1s"
clear_after = "1s"

[match]
devices = ["lane-1/climate-1"]

[when]
point = "humidity.room"
above = 85
clear = 75
"#;

struct Site {
    collector: Collector,
    agent: Agent,
    cabinet: Simulator,
    mail: Process,
    mail_port: u16,
    api: Api,
    _folder: TempDir,
}

/// A mail server that is not ours: the port it listens on.
async fn mail_server(folder: &Path) -> anyhow::Result<(Process, u16)> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).context("making a certificate failed")?;
    let (certificate, key) = (folder.join("mail.pem"), folder.join("mail-key.pem"));
    std::fs::write(&certificate, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/mail_server.py");
    let arguments = [&script, &certificate, &key].map(|path| path.clone().into_os_string());
    let arguments = arguments.into_iter().chain(["noc".into(), "m4il-password".into()]);
    let mut process = Process::start(&ProcessOptions::new("mail-server", python()?, folder, arguments))?;
    let port = process.line_with(SHORT, |line| line.strip_prefix("LISTENING ")?.trim().parse().ok());
    let port = port.await.context("the mail server did not come up; run `make test-setup`")?;
    Ok((process, port))
}

impl Site {
    async fn start() -> anyhow::Result<Self> {
        let folder = folder()?;
        let path = folder.path();
        let (mail, mail_port) = mail_server(path).await?;
        std::fs::write(path.join("mail-password"), "m4il-password\n")?;
        let at = path.display();
        let settings = format!(
            "[alarms]\nagent_silent = \"10s\"\n\n[notify]\nca = \"{at}/mail.pem\"\n\
             [notify.secrets]\nsmtp = {{ file = \"{at}/mail-password\" }}\n"
        );
        std::fs::write(path.join("collector.toml"), settings)?;
        let line = path.join("cabinet-line").display().to_string();
        let units = ["--unit", "1=xy-md02", "--unit", "2=waveshare-relay-8ch"];
        let cabinet = ["modbus-rtu", "--pty", &line].into_iter().chain(units);
        let (collector, cabinet) =
            tokio::try_join!(Collector::start(path), Simulator::start("cabinet", path, cabinet))?;
        let token = collector.enrol("lane-1", "hall").await?;
        let links = format!(
            "[[link]]\nname = \"cabinet-line\"\nkind = \"modbus\"\nserial = \"{line}\"\nanswer_timeout = \"300ms\"\n\n\
             [[link.device]]\nname = \"climate-1\"\nlabel = \"机柜温湿度\"\nprofile = \"xy-md02\"\nunit = 1\n\
             every = \"500ms\"\n\n\
             [[link.device]]\nname = \"relay-1\"\nlabel = \"灯光继电器\"\nprofile = \"waveshare-relay-8ch\"\nunit = 2\n\
             every = \"500ms\"\n"
        );
        let agent = Agent::new(AgentConfiguration {
            folder: path.to_owned(),
            name: "lane-1".to_owned(),
            collector: Some((format!("http://{}", collector.address()), token)),
            links,
        })?;
        let api = collector.api()?;
        let mut site = Self { collector, agent, cabinet, mail, mail_port, api, _folder: folder };
        site.agent.start()?;
        for device in ["climate-1", "relay-1"] {
            let look = async || Ok(site.api.device(device).await?["health"].clone());
            wait_until(&format!("{device} working"), SHORT, look, |health| health["level"] == "working").await?;
        }
        Ok(site)
    }

    /// Sets up who is told of what: a person of the cabinet's alarm, another one of agents.
    async fn tell_by_mail(&self) -> anyhow::Result<()> {
        for (to, condition) in [("cabinets@example.com", "cabinet-damp"), ("network@example.com", "agent-silent")] {
            let settings = json!({ "host": "localhost", "port": self.mail_port, "from": "noc@example.com",
                "username": "noc", "password_secret": "smtp", "to": [to] });
            let channel = json!({ "name": to, "kind": "email", "settings": settings });
            let made = self.api.post("/notification-channels", &channel).await?;
            ensure!(made.status == 201, "{made:?}");
            let steps = json!([{ "after_minutes": 0, "channels": [made.body["id"]] }]);
            let route = json!({ "name": to, "match": { "conditions": [condition] }, "steps": steps });
            let made = self.api.post("/notification-routes", &route).await?;
            ensure!(made.status == 201, "{made:?}");
        }
        Ok(())
    }

    /// The next mail to this person.
    async fn mail_to(&mut self, person: &str) -> anyhow::Result<Value> {
        let is_it = |line: &str| {
            let mail: Value = serde_json::from_str(line).ok()?;
            (mail["to"] == json!([person])).then_some(mail)
        };
        self.mail.line_with(PATIENCE, is_it).await.with_context(|| format!("no mail to {person}"))
    }

    /// Waits until an alarm with this condition is shown as raised.
    async fn raised(&self, condition: &str) -> anyhow::Result<Value> {
        let found =
            self.shown_when(condition, |alarms| alarms.iter().any(|alarm| alarm["condition"] == condition)).await?;
        found.into_iter().find(|alarm| alarm["condition"] == condition).context("it was there")
    }

    /// Waits until the alarms that are shown as raised are as they should be.
    async fn shown_when(&self, what: &str, right: impl Fn(&[Value]) -> bool) -> anyhow::Result<Vec<Value>> {
        wait_for(&format!("{what} raised"), PATIENCE, async || {
            let alarms = self.api.list("/alarms?state=raised").await?;
            Ok(if right(&alarms) { Ok(alarms) } else { Err(format!("{alarms:?}")) })
        })
        .await
    }

    async fn act(&self, alarm: &Value, what: &str, more: Value) -> anyhow::Result<()> {
        let mut body = json!({ "ids": [alarm["id"]], "do": what });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let answer = self.api.post("/alarms/act", &body).await?;
        ensure!(answer.body["results"][0]["done"] == true, "{what}: {}", answer.body);
        Ok(())
    }

    async fn alarm(&self, alarm: &Value) -> anyhow::Result<Value> {
        self.api.get(&format!("/alarms/{}", alarm["id"].as_str().unwrap_or_default())).await
    }
}

#[tokio::test]
async fn an_alarm_lives_from_the_device_to_the_mailbox_and_to_its_close() -> anyhow::Result<()> {
    let mut site = Site::start().await?;
    site.tell_by_mail().await?;
    let made = site.api.post("/alarm-rules", &json!({ "toml": RULE })).await?;
    ensure!(made.status == 201, "{made:?}");

    // A shipped rule will find a board that answers no more; that takes a while.
    site.cabinet.control("silent 2 on").await?;

    // An own rule: a value of the sensor on its line, and what people do.
    site.cabinet.control("set 1 input 2 912").await?;
    let damp = site.raised("cabinet-damp").await?;
    ensure!(damp["text"]["zh"] == "机柜温湿度 环境湿度 91.2 %" && damp["severity"] == "major", "{damp}");
    let mail = site.mail_to("cabinets@example.com").await?;
    ensure!(mail["subject"].as_str().is_some_and(|subject| subject.contains("环境湿度 91.2 %")), "{mail}");
    site.act(&damp, "acknowledge", json!({ "text": "on my way" })).await?;
    site.act(&damp, "comment", json!({ "text": "the fan stands still" })).await?;
    let until = damp["raised_ms"].as_i64().context("when it was raised")? + 3_600_000;
    site.act(&damp, "shelve", json!({ "until_ms": until, "reason": "spare part" })).await?;
    ensure!(site.api.get("/alarms/summary").await?["shelved"] == 1);
    site.act(&damp, "unshelve", json!({})).await?;
    let early = site.api.post("/alarms/act", &json!({ "ids": [damp["id"]], "do": "close" })).await?;
    ensure!(early.body["results"][0]["done"] == false, "it still holds: {}", early.body);
    site.cabinet.control("set 1 input 2 551").await?;
    let look = async || site.alarm(&damp).await;
    let closed = wait_until("the alarm closed", SHORT, look, |alarm| alarm["state"] == "closed").await?;
    let log = closed["log"].as_array().into_iter().flatten();
    let log: Vec<&str> = log.filter_map(|step| step["what"].as_str()).collect();
    let told = ["raised", "acknowledged", "comment", "shelved", "unshelved", "cleared", "closed"];
    ensure!(log == told, "{log:?}");
    let lost = site.raised("unreachable").await?;
    ensure!(lost["rule"] == "unreachable-critical" && lost["text"]["zh"] == "灯光继电器 失联", "{lost}");

    // The agent is gone: one alarm says so, and hides what was said of its devices.
    site.agent.kill().await?;
    let is_it = |alarms: &[Value]| alarms.len() == 1 && alarms[0]["condition"] == "agent-silent";
    let silent = site.shown_when("only the agent's silence", is_it).await?.remove(0);
    let look = async || site.alarm(&silent).await;
    let detail = wait_until("what it hides", SHORT, look, |alarm| alarm["hides"] == 1).await?;
    ensure!(detail["hidden"][0]["id"] == lost["id"], "{detail}");
    let mail = site.mail_to("network@example.com").await?;
    ensure!(mail["subject"].as_str().is_some_and(|subject| subject.contains("lane-1")), "{mail}");

    // It is back, the board is not: that is shown again.
    site.agent.start()?;
    let shown = site.raised("unreachable").await?;
    ensure!(shown["id"] == lost["id"] && shown["count"] == 1, "the same life: {shown}");
    site.cabinet.control("silent 2 off").await?;
    site.shown_when("nothing", <[Value]>::is_empty).await?;
    let ended = site.alarm(&lost).await?;
    ensure!(ended["state"] == "cleared", "nobody has seen it yet: {ended}");
    site.act(&lost, "close", json!({ "text": "plug" })).await?;
    ensure!(site.alarm(&lost).await?["state"] == "closed");
    site.agent.stop(SHORT).await?;
    site.collector.stop(SHORT).await?;
    Ok(())
}
