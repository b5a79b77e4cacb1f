//! The field engineer's tool at a cabinet: with and without a running agent, never beside it on a line.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kouan_drivers::search::ports::holders;
use kouan_tests::{
    Agent, AgentConfiguration, Process, ProcessOptions, SHORT, Simulator, binary, run_to_end, wait_until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::folder;

const PATIENCE: Duration = Duration::from_secs(20);

/// A climate sensor and a relay board on one line, and an agent that is not running.
async fn cabinet(folder: &TempDir) -> anyhow::Result<(Simulator, Agent, String)> {
    let line = folder.path().join("line").display().to_string();
    let arguments = ["modbus-rtu", "--pty", &line, "--unit", "3=xy-md02", "--unit", "5=waveshare-relay-8ch"];
    let devices = Simulator::start("devices", folder.path(), arguments).await?;
    let links = format!(
        "[[link]]\nname = \"cabinet\"\nkind = \"modbus\"\nserial = \"{line}\"\n\n\
         [[link.device]]\nname = \"climate\"\nprofile = \"xy-md02\"\nunit = 3\n"
    );
    let agent = Agent::new(AgentConfiguration {
        folder: folder.path().to_owned(),
        name: "agent".to_owned(),
        collector: None,
        links,
    })?;
    Ok((devices, agent, line))
}

fn point(report: &Value, name: &str) -> Value {
    let points = report["points"].as_array().into_iter().flatten();
    points.filter(|point| point["point"] == name).map(|point| point["value"].clone()).next().unwrap_or_default()
}

/// The meanings of all bytes of one direction: `unit=3`.
fn meanings(pieces: &Value, direction: &str) -> Vec<String> {
    let pieces = pieces.as_array().into_iter().flatten().filter(|piece| piece["direction"] == direction);
    let fields = pieces.flat_map(|piece| piece["fields"].as_array().cloned().unwrap_or_default());
    fields.map(|field| format!("{}={}", field["field"], field["says"]).replace('"', "")).collect()
}

#[tokio::test]
async fn the_tool_works_through_the_running_agent_and_never_beside_it() -> anyhow::Result<()> {
    let folder = folder()?;
    let (mut devices, mut agent, line) = cabinet(&folder).await?;

    // Nobody runs: the tool talks by itself, and shows every byte.
    let alone = agent.tool(&["probe", "climate"]).await?.json()?;
    ensure!(point(&alone["device"], "temperature.room").is_number(), "{alone}");
    ensure!(meanings(&alone["pieces"], "sent").contains(&"checksum=right".to_owned()), "{alone}");
    let received = meanings(&alone["pieces"], "received");
    ensure!(received.iter().any(|field| field.starts_with("temperature.room=raw ")), "{received:?}");
    let found =
        agent.tool(&["scan", "--serial", &line, "--baud", "9600", "--units", "3", "--no-guess"]).await?.json()?;
    ensure!(found["found"][0]["unit"] == 3, "{found}");

    // Something else than an agent has the port.
    let mut holder = Process::start(&ProcessOptions::new(
        "holder",
        "/usr/bin/python3".into(),
        folder.path(),
        [
            "-c",
            "import fcntl,sys; p=open(sys.argv[1]); fcntl.flock(p,fcntl.LOCK_EX); print('held',flush=True); input()",
            line.as_str(),
        ],
    ))?;
    holder.line_with(PATIENCE, |said| (said == "held").then_some(())).await?;
    let refused = agent.tool(&["scan", "--serial", &line]).await?;
    ensure!(refused.status.code() == Some(4) && refused.problems.contains("python3"), "{refused:?}");
    holder.kill().await?;

    agent.start()?;
    agent.wait_running().await?;
    let works = async || Ok(agent.tool(&["devices"]).await?.json()?[0]["health"].clone());
    wait_until("the sensor", SHORT, works, |health| health == "working").await?;
    // Somebody with another configuration is refused by the port itself.
    let stranger = Agent::new(AgentConfiguration {
        folder: folder.path().to_owned(),
        name: "stranger".to_owned(),
        collector: None,
        links: agent.configuration().links.clone(),
    })?;
    let refused = stranger.tool(&["scan", "--serial", &line]).await?;
    ensure!(refused.status.code() == Some(4) && refused.problems.contains("kouan-agent"), "{refused:?}");
    let refused = stranger.tool(&["read", "climate"]).await?;
    ensure!(refused.status.code() == Some(1), "{refused:?}");
    // While the tool is used in every way, nobody but the agent ever has the line open.
    let own = agent.process()?.id().context("the agent has no process")?;
    let port = line.clone();
    let watched = tokio::spawn(async move {
        let mut seen = Vec::new();
        loop {
            let found = tokio::task::spawn_blocking({
                let port = port.clone();
                move || holders(Path::new(&port))
            });
            seen.extend(found.await.unwrap_or_default().into_iter().filter(|holder| holder.pid != own));
            if !seen.is_empty() {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    });
    let through = agent.tool(&["probe", "climate"]).await?.json()?;
    ensure!(meanings(&through["pieces"], "received").contains(&"checksum=right".to_owned()), "{through}");
    // Lines of other kinds are not searched while they are in use.
    let refused = agent.tool(&["scan", "--serial", &line, "--protocol", "serial-line"]).await?;
    ensure!(refused.status.code() == Some(4) && refused.problems.contains("link \"cabinet\""), "{refused:?}");
    // Another name of the same port is the same port: the agent searches it itself, between its polls.
    let target = std::fs::read_link(&line)?.display().to_string();
    let searched = agent.tool(&["scan", "--serial", &target, "--units", "2-6", "--wait", "100ms"]).await?;
    let found = searched.json()?;
    ensure!(found["found"].as_array().is_some_and(|found| found.len() == 1), "{found}");
    ensure!(found["found"][0]["unit"] == 5 && found["configured"] == serde_json::json!([3]), "{found}");
    ensure!(agent.tool(&["devices"]).await?.json()?[0]["health"] == "working", "the polls went on");
    for arguments in [&["read", "climate"][..], &["watch", "climate", "--for", "1s"]] {
        let outcome = agent.tool(arguments).await?;
        ensure!(outcome.status.success(), "{arguments:?}: {outcome:?}");
    }
    watched.abort();
    if let Ok(beside) = watched.await {
        anyhow::bail!("somebody else opened the line: {beside:?}");
    }

    // A device that is silent is shown as it is, and the code says so.
    devices.control("silent 3 on").await?;
    let silent = agent.tool(&["probe", "climate"]).await?;
    let report: Value = serde_json::from_str(&silent.out)?;
    ensure!(silent.status.code() == Some(3) && report["problem"].is_string(), "{silent:?}");
    ensure!(report["problem_zh"].as_str().is_some_and(|text| text.contains("没有应答")), "{report}");
    ensure!(!meanings(&report["pieces"], "sent").is_empty(), "{report}");
    Ok(())
}

#[tokio::test]
async fn while_the_tool_searches_no_agent_begins() -> anyhow::Result<()> {
    let folder = folder()?;
    let (_devices, mut agent, line) = cabinet(&folder).await?;
    let file = agent.configuration().file().display().to_string();
    let arguments = ["--config", &file, "scan", "--serial", &line, "--baud", "9600", "--thorough"];
    let options = ProcessOptions::new("searcher", binary("kouan-agent")?, folder.path(), arguments);
    let searcher = Process::start(&options)?;
    let id = searcher.id().context("the tool has no process")?;
    let holds = async || Ok(holders(Path::new(&line)).iter().any(|holder| holder.pid == id));
    wait_until("the search", SHORT, holds, |holds| *holds).await?;
    let refused = agent.tool(&["run"]).await?;
    ensure!(refused.status.code() == Some(1) && refused.problems.contains("in use"), "{refused:?}");
    searcher.kill().await?;
    agent.start()?;
    agent.wait_running().await?;
    Ok(())
}

#[tokio::test]
async fn a_device_is_added_checked_and_commissioned_by_revisions() -> anyhow::Result<()> {
    let folder = folder()?;
    let (mut devices, agent, line) = cabinet(&folder).await?;
    let file = agent.configuration().file();
    let before = std::fs::read_to_string(&file)?;
    for (arguments, said) in [
        (&["add", "board", "--profile", "no-such", "--unit", "5", "--link", "cabinet"][..], "no profile \"no-such\""),
        (
            &["add", "board", "--profile", "barrier-waveshare", "--unit", "3", "--link", "cabinet"],
            "already \"climate\"",
        ),
        (&["add", "gate", "--profile", "ds205a-gate", "--unit", "1", "--serial", &line], "speaks modbus"),
        (
            &["add", "board", "--profile", "barrier-waveshare", "--unit", "5", "--serial", &line, "--baud", "4800"],
            "4800",
        ),
        (&["add", "board", "--profile", "barrier-waveshare", "--unit", "5"], "--link NAME"),
    ] {
        let refused = agent.tool(arguments).await?;
        ensure!(refused.status.code() == Some(2), "{arguments:?} ended with {}: {}", refused.status, refused.problems);
        ensure!(refused.problems.contains(said), "{arguments:?}: {}", refused.problems);
        ensure!(std::fs::read_to_string(&file)? == before, "{arguments:?} changed the file");
    }
    let added =
        agent.tool(&["add", "board", "--profile", "barrier-waveshare", "--unit", "5", "--serial", &line]).await?;
    let added = added.json()?;
    ensure!(added["link"] == "cabinet" && added["revision"]["number"] == 1, "{added}");
    let checked = agent.tool(&["check"]).await?.json()?;
    ensure!(checked["devices"] == 2, "{checked}");

    // Somebody proves the inputs: the first is wired the other way round, the second as it should be, the rest waits.
    let config = file.display().to_string();
    let options = ProcessOptions::new(
        "commission",
        binary("kouan-agent")?,
        folder.path(),
        ["--config", &config, "--lang", "en", "commission", "board"],
    );
    let mut engineer = Process::start(&options)?;
    let profile = agent.tool(&["profile", "show", "barrier-waveshare"]).await?.json()?;
    let prove: Vec<_> = profile["points"].as_array().into_iter().flatten().filter(|p| p["prove"].is_string()).collect();
    engineer.tell("y").await?;
    for _ in profile["doubts"].as_array().into_iter().flatten() {
        engineer.tell("y").await?;
    }
    for (at, raws) in [(0, [1, 0]), (1, [0, 1])] {
        for raw in raws {
            devices.control(&format!("set 5 inputs {at} {raw}")).await?;
            engineer.tell("").await?;
            let reads = format!("It reads {raw}.");
            engineer.line_with(PATIENCE, |said| (said == reads).then_some(())).await?;
        }
    }
    for _ in &prove[2..] {
        engineer.tell("s").await?;
    }
    engineer.line_with(PATIENCE, |said| said.starts_with("Written: revision 2").then_some(())).await?;
    let record = std::fs::read_to_string(folder.path().join(format!("{config}.commissioning.jsonl")))?;
    let record: Value = serde_json::from_str(record.trim())?;
    let result = |name: &Value| {
        let checks = record["checks"].as_array().into_iter().flatten();
        checks.filter(|check| check["subject"] == *name).map(|check| check["result"].clone()).next()
    };
    let names: Vec<Value> = prove.iter().map(|point| point["name"].clone()).collect();
    ensure!(result(&names[0]) == Some(json!("inverted")) && result(&names[1]) == Some(json!("as-profile")), "{record}");
    ensure!(result(&names[2]) == Some(json!("skipped")), "{record}");
    let text = std::fs::read_to_string(&file)?;
    ensure!(text.contains(&format!("inverted = [{}]", names[0])), "{text}");
    let read = agent.tool(&["read", "board"]).await?.json()?;
    let name = |at: usize| names[at].as_str().unwrap_or_default().to_owned();
    ensure!(point(&read[0], &name(0)).as_str().is_some_and(|word| word.parse::<i64>().is_err()), "{read}");
    ensure!(point(&read[0], &name(2)).as_str().is_some_and(|raw| raw.parse::<i64>().is_ok()), "{read}");
    Ok(())
}

#[tokio::test]
async fn the_bundle_opens_elsewhere_and_holds_no_secret() -> anyhow::Result<()> {
    let folder = folder()?;
    let (_devices, agent, _) = cabinet(&folder).await?;
    let file = agent.configuration().file();
    let secret = "ka_0123456789secret";
    let password = folder.path().join("mqtt-password");
    std::fs::write(&password, "hunter-two-hunter-two\n")?;
    let collector = format!("[collector]\nurl = \"http://127.0.0.1:9\"\ntoken = \"{secret}\"\n");
    let broker = format!(
        "\n[[link]]\nname = \"broker\"\nkind = \"mqtt\"\nbroker = \"127.0.0.1:9\"\nclient_id = \"test\"\nusername = \
         \"kouan\"\npassword_file = \"{}\"\n[[link.device]]\nname = \"kiosk\"\nprofile = \"kiosk-mqtt\"\ntopic = \"k\"\n",
        password.display()
    );
    let text = std::fs::read_to_string(&file)?;
    let (data, links) = text.split_once("[[link]]").context("there is no link")?;
    std::fs::write(&file, format!("{data}{collector}\n[[link]]{links}{broker}# was: {secret}\n"))?;
    agent
        .tool(&["add", "board", "--profile", "waveshare-relay-8ch", "--unit", "5", "--link", "cabinet"])
        .await?
        .json()?;
    let packed = agent.tool(&["bundle", "--output", "bundle.tar.gz"]).await?.json()?;
    ensure!(packed["files"].as_array().is_some_and(|files| files.len() > 8), "{packed}");

    // Another program unpacks it.
    let out = folder.path().join("out");
    std::fs::create_dir(&out)?;
    let options = ProcessOptions::new("tar", "/bin/tar".into(), &out, ["-xzf", "../bundle.tar.gz"]);
    let (status, _, problems) = run_to_end(&options, PATIENCE).await?;
    ensure!(status.success(), "{problems}");
    let options =
        ProcessOptions::new("grep", "/bin/grep".into(), &out, ["-rlE", "0123456789secret|hunter-two|hidden", "."]);
    let (_, said, _) = run_to_end(&options, PATIENCE).await?;
    let hidden: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    ensure!(hidden.len() >= 2, "nothing was hidden: {said}");
    for file in hidden {
        let text = std::fs::read_to_string(out.join(file))?;
        ensure!(!text.contains("0123456789secret") && !text.contains("hunter-two"), "{file}: {text}");
    }
    let again = agent.tool(&["bundle", "--output", "bundle.tar.gz"]).await?;
    ensure!(again.status.code() == Some(1), "{again:?}");
    Ok(())
}

#[tokio::test]
async fn the_doctor_names_what_is_wrong_with_its_cure_in_both_languages() -> anyhow::Result<()> {
    let folder = folder()?;
    let (devices, mut agent, _) = cabinet(&folder).await?;
    let findings = |outcome: &kouan_tests::Outcome, subject: &str, verdict: &str| -> anyhow::Result<Vec<String>> {
        let found: Value = serde_json::from_str(&outcome.out)?;
        let found = found.as_array().into_iter().flatten();
        let found = found.filter(|finding| finding["subject"] == subject && finding["verdict"] == verdict);
        Ok(found.map(|finding| format!("{} {}", finding["says"], finding["fix"])).collect())
    };
    let well = agent.tool(&["doctor"]).await?;
    ensure!(well.status.success() && findings(&well, "port", "fine")?.len() == 1, "{well:?}");
    ensure!(findings(&well, "service", "advice")?.len() == 1, "{well:?}");

    // The adapter is unplugged, and the collector is not there.
    devices.stop().await?;
    agent.change(|configuration| {
        configuration.collector = Some(("http://127.0.0.1:9".to_owned(), "no-such-token-file".to_owned()));
    })?;
    let ill = agent.tool(&["doctor"]).await?;
    ensure!(ill.status.code() == Some(3), "{ill:?}");
    ensure!(findings(&ill, "port", "wrong")?.iter().any(|says| says.contains("is not there")), "{ill:?}");
    ensure!(findings(&ill, "collector", "wrong")?.iter().any(|says| says.contains("does not answer")), "{ill:?}");
    let chinese = agent.tool(&["doctor", "--lang", "zh"]).await?;
    ensure!(findings(&chinese, "port", "wrong")?.iter().any(|says| says.contains("请插上转换器")), "{chinese:?}");

    // A configuration that is wrong is a finding like any other.
    std::fs::write(agent.configuration().file(), "dta = 1\n")?;
    let wrong = agent.tool(&["doctor"]).await?;
    let said = findings(&wrong, "configuration", "wrong")?;
    ensure!(wrong.status.code() == Some(3) && said[0].contains("did you mean"), "{wrong:?}");
    Ok(())
}

#[tokio::test]
async fn help_and_completion_are_there_in_both_languages() -> anyhow::Result<()> {
    let folder = folder()?;
    let (_devices, agent, _) = cabinet(&folder).await?;
    let run = async |arguments: &[&str]| {
        let options = ProcessOptions::new("help", binary("kouan-agent")?, folder.path(), arguments.iter().copied());
        run_to_end(&options, PATIENCE).await
    };
    let (status, said, _) = run(&["--lang", "zh", "--help"]).await?;
    ensure!(status.success() && said.contains("列出串口") && said.contains("退出码"), "{said}");
    let (status, said, _) = run(&["completion", "bash"]).await?;
    ensure!(status.success() && said.contains("commission"), "{said}");
    // The shell itself understands it.
    let script = folder.path().join("completion");
    std::fs::write(&script, &said)?;
    let check = format!("source {}; complete -p kouan-agent", script.display());
    let options = ProcessOptions::new("bash", "/bin/bash".into(), folder.path(), ["-c", check.as_str()]);
    let (status, said, problems) = run_to_end(&options, PATIENCE).await?;
    ensure!(status.success() && said.contains("kouan-agent"), "{said}{problems}");
    drop(agent);
    Ok(())
}
