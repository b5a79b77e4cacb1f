//! The collector's certificate, seen by its agent and by programs that are not ours.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use kouan_tests::{Agent, AgentConfiguration, Process, ProcessOptions, SHORT, binary, wait_for, wait_until};
use serde_json::Value;
use tempfile::TempDir;

use super::{count, folder};

/// A collector that speaks TLS with a certificate of its own.
struct Secure {
    process: Process,
    address: SocketAddr,
    fingerprint: String,
}

async fn secure(folder: &Path, listen: &str) -> anyhow::Result<Secure> {
    let settings = folder.join("collector.toml");
    let data = folder.join("collector");
    std::fs::write(&settings, format!("data = \"{}\"\nlisten = \"{listen}\"\n[tls]\n", data.display()))?;
    let arguments = ["run".as_ref(), "--config".as_ref(), settings.as_os_str()];
    let options = ProcessOptions::new("collector", binary("kouan-collector")?, folder, arguments);
    let mut process = Process::start(&options)?;
    let address = process.line_with(SHORT, |line| line.strip_prefix("Listening on https://")?.parse().ok()).await?;
    let fingerprint =
        process.line_with(SHORT, |line| line.strip_prefix("Certificate fingerprint: ").map(str::to_owned)).await?;
    Ok(Secure { process, address, fingerprint })
}

/// Standard output of a tool, and its standard error.
fn run(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<(bool, String, String)> {
    use std::io::Write as _;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {program} failed"))?;
    child.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.success(), text(&output.stdout), text(&output.stderr)))
}

fn collector_tool(folder: &Path, arguments: &[&str]) -> anyhow::Result<(bool, String, String)> {
    let (program, settings) = (binary("kouan-collector")?, folder.join("collector.toml"));
    let settings = settings.display().to_string();
    let arguments: Vec<_> = arguments.iter().copied().chain(["--config", &settings]).collect();
    run(&program.display().to_string(), &arguments, "")
}

#[tokio::test]
async fn curl_and_openssl_meet_the_certificate_that_the_collector_names() -> anyhow::Result<()> {
    let folder = folder()?;
    let collector = secure(folder.path(), "127.0.0.1:0").await?;
    let port = collector.address.port();
    let certificate = folder.path().join("collector/tls/certificate.pem").display().to_string();
    let url = format!("https://localhost:{port}/healthz");
    // Somebody who connects and says nothing, and somebody who speaks no TLS, are in nobody's way.
    let _silent = std::net::TcpStream::connect(collector.address)?;
    let (ok, out, _) = run("curl", &["--silent", "--max-time", "5", &url.replace("https:", "http:")], "")?;
    ensure!(!ok && out.is_empty(), "{out}");
    let (ok, out, problems) = run("curl", &["--silent", "--show-error", "--cacert", &certificate, &url], "")?;
    ensure!(ok && out.contains("\"ok\""), "curl: {out}{problems}");
    let (ok, out, _) = run("curl", &["--silent", &url], "")?;
    ensure!(!ok && out.is_empty(), "curl trusts a certificate that nobody vouched for: {out}");
    let to = format!("127.0.0.1:{port}");
    let (_, shown, _) = run("openssl", &["s_client", "-connect", &to, "-servername", "localhost"], "")?;
    ensure!(shown.contains("TLSv1.3"), "{shown}");
    let (ok, printed, problems) = run("openssl", &["x509", "-noout", "-fingerprint", "-sha256"], &shown)?;
    ensure!(ok, "{problems}");
    let digits = printed.trim().rsplit('=').next().unwrap_or_default().replace(':', "").to_lowercase();
    ensure!(collector.fingerprint == format!("sha256:{digits}"), "{printed} is not {}", collector.fingerprint);
    let (_, told, problems) = collector_tool(folder.path(), &["fingerprint"])?;
    ensure!(told.trim() == collector.fingerprint, "{told}{problems}");
    for version in ["-tls1", "-tls1_1"] {
        let (ok, out, _) = run("openssl", &["s_client", "-connect", &to, version], "")?;
        ensure!(!ok || out.contains("Cipher is (NONE)"), "{version} is accepted: {out}");
    }
    Ok(())
}

/// An agent that reads its own machine and pins a certificate.
fn agent(folder: &TempDir, url: &str, token: &str, pin: &str) -> anyhow::Result<Agent> {
    let agent = Agent::new(AgentConfiguration {
        folder: folder.path().to_owned(),
        name: "agent".to_owned(),
        collector: Some((url.to_owned(), token.to_owned())),
        links: "[[link]]\nname = \"this-machine\"\nkind = \"host\"\n\n[[link.device]]\nname = \"edge-host\"\nevery = \"500ms\"\n"
            .to_owned(),
    })?;
    let file = agent.configuration().file();
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, text.replace("[collector]\n", &format!("[collector]\npin = \"{pin}\"\n")))?;
    Ok(agent)
}

async fn status(agent: &Agent) -> anyhow::Result<Value> {
    agent.tool(&["status"]).await?.json()
}

async fn waiting(agent: &Agent) -> anyhow::Result<u64> {
    let status = status(agent).await?;
    let lane = status["lanes"].as_array().into_iter().flatten().find(|lane| lane["lane"] == "readings").cloned();
    count(&lane.context("no lane readings")?["waiting"])
}

#[tokio::test]
async fn a_wrong_certificate_is_told_nothing_and_the_right_one_gets_everything() -> anyhow::Result<()> {
    let folder = folder()?;
    let mut collector = secure(folder.path(), "127.0.0.1:0").await?;
    let (ok, token, snippet) = collector_tool(folder.path(), &["agent", "add", "hall-1", "--site", "hall"])?;
    ensure!(ok && snippet.contains(&format!("pin = \"{}\"", collector.fingerprint)), "{snippet}");
    let url = format!("https://{}", collector.address);
    let mut agent = agent(&folder, &url, token.trim(), &collector.fingerprint)?;
    let checked = agent.tool(&["check", "--online"]).await?;
    ensure!(checked.json()?["certificate"] == "right", "{checked:?}");
    agent.start()?;
    agent.wait_running().await?;
    let connected = async || Ok(status(&agent).await?["uplink"]["state"].clone());
    wait_until("a connection", SHORT, connected, |state| state == "connected").await?;

    // Somebody else answers at the collector's address.
    let listen = collector.address.to_string();
    collector.process.terminate(Duration::from_secs(10)).await?;
    let other = folder.path().join("other");
    std::fs::create_dir(&other)?;
    let (certificate, key) = (other.join("certificate.pem"), other.join("key.pem"));
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let curve = "ec_paramgen_curve:P-256";
    let make =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", curve, "-nodes", "-subj", "/CN=localhost", "-keyout", &key];
    let (ok, _, problems) = run("openssl", &[&make[..], &["-out", &certificate]].concat(), "")?;
    ensure!(ok, "{problems}");
    let arguments = ["s_server", "-accept", &listen, "-cert", &certificate, "-key", &key, "-www"];
    let options = ProcessOptions::new("openssl", "/usr/bin/openssl".into(), folder.path(), arguments);
    let impostor = Process::start(&options)?;
    let told = wait_for("the wrong certificate", SHORT, async || {
        let status = status(&agent).await?;
        let problem = status["uplink"]["problem"].as_str().unwrap_or_default().to_owned();
        Ok(if problem.contains("wrong certificate") { Ok(problem) } else { Err(problem) })
    })
    .await?;
    ensure!(told.contains(&collector.fingerprint) && told.contains("came sha256:"), "{told}");
    let alarms = status(&agent).await?["alarms"].clone();
    ensure!(alarms[0]["condition"] == "collector.certificate", "{alarms}");
    let checked = agent.tool(&["check", "--online"]).await?;
    ensure!(!checked.status.success() && checked.problems.contains("wrong certificate"), "{checked:?}");
    wait_until("readings that are kept", SHORT, async || waiting(&agent).await, |waiting| *waiting >= 2).await?;

    // The right one is back: everything arrives, and so does the alarm, with its end.
    impostor.kill().await?;
    collector = secure(folder.path(), &listen).await?;
    wait_until("an empty buffer", SHORT * 2, async || waiting(&agent).await, |waiting| *waiting == 0).await?;
    let (_, key, _) = collector_tool(folder.path(), &["key", "add", "test", "--scopes", "read"])?;
    let pem = folder.path().join("collector/tls/certificate.pem").display().to_string();
    let authorization = format!("Authorization: Bearer {}", key.trim());
    let alarms = format!("https://localhost:{}/api/v1/alarms?log=true", collector.address.port());
    let arguments = ["--silent", "--show-error", "--cacert", &pem, "--header", &authorization, &alarms];
    wait_for("the alarm and its end", SHORT, async || {
        let (ok, out, problems) = run("curl", &arguments, "")?;
        if !ok {
            bail!("curl: {problems}");
        }
        Ok(if out.contains("collector.certificate") && out.contains("cleared") { Ok(()) } else { Err(out) })
    })
    .await?;
    agent.kill().await?;
    collector.process.kill().await
}
