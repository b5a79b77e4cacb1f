//! `kouan-agent bundle`: what support needs, in one file, without secrets.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use kouan_drivers::search::ports::ports;
use serde::Serialize;
use serde_json::json;

use super::commission::records;
use super::redact::Secrets;
use super::words::Words;
use super::{doctor, show};
use crate::config::{self, Config};
use crate::local::{LocalClient, Question};

/// How long one program of the system may take.
const PROGRAM: Duration = Duration::from_secs(10);
/// The newest so many bytes of each text are kept.
const MOST_BYTES: usize = 4 << 20;
/// Earlier revisions of the configuration that are packed.
const REVISIONS: usize = 20;

/// Programs whose output says how the machine stands.
const PROGRAMS: [(&str, &[&str]); 9] = [
    ("journal.txt", &["journalctl", "-u", "kouan-agent", "-n", "5000", "--no-pager", "-o", "short-iso-precise"]),
    ("kernel.txt", &["journalctl", "-k", "-n", "1000", "--no-pager"]),
    ("service.txt", &["systemctl", "status", "kouan-agent", "--no-pager"]),
    ("machine.txt", &["uname", "-a"]),
    ("disks.txt", &["df", "-h"]),
    ("mounts.txt", &["mount"]),
    ("memory.txt", &["free", "-m"]),
    ("addresses.txt", &["ip", "address"]),
    ("clock.txt", &["timedatectl"]),
];

/// Files of the archive, and what could not be had.
struct Contents {
    secrets: Secrets,
    files: Vec<(String, String)>,
    left_out: Vec<(String, String)>,
}

impl Contents {
    fn add(&mut self, name: &str, text: &str) {
        let start = text.len().saturating_sub(MOST_BYTES);
        let start = (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        self.files.push((name.to_owned(), self.secrets.hide(&text[start..])));
    }

    fn add_json<T: Serialize>(&mut self, name: &str, value: &T) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.add(name, &text),
            Err(error) => self.left_out(name, error),
        }
    }

    fn add_file(&mut self, name: &str, path: &Path) {
        match std::fs::read(path) {
            Ok(bytes) => self.add(name, &String::from_utf8_lossy(&bytes)),
            Err(error) => self.left_out(name, format!("{}: {error}", path.display())),
        }
    }

    fn left_out(&mut self, name: &str, why: impl ToString) {
        self.left_out.push((name.to_owned(), why.to_string()));
    }
}

pub(super) async fn run(path: &Path, output: Option<PathBuf>, json: bool, words: Words) -> anyhow::Result<()> {
    let name = format!("kouan-bundle-{}", show::now().replace([':', '-'], ""));
    let output = output.unwrap_or_else(|| PathBuf::from(format!("{name}.tar.gz")));
    if output.exists() {
        bail!(words.bundle_exists(output.display()));
    }
    let contents = collect(path, words).await;
    let archive = pack(&name, &contents)?;
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&output);
    let mut file = file.with_context(|| format!("writing {} failed", output.display()))?;
    std::io::Write::write_all(&mut file, &archive).with_context(|| format!("writing {} failed", output.display()))?;
    if json {
        let names: Vec<_> = contents.files.iter().map(|(name, _)| name).collect();
        return show::json(&json!({
            "file": output, "bytes": archive.len(), "files": names, "left_out": contents.left_out,
        }));
    }
    for (name, why) in &contents.left_out {
        eprintln!("{}", words.bundle_left_out(name, why));
    }
    let size = show::size(archive.len() as u64);
    show::text(&format!("{}\n", words.bundle_written(output.display(), contents.files.len(), size)));
    Ok(())
}

async fn collect(path: &Path, words: Words) -> Contents {
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let config = Config::load(path);
    let secrets = Secrets::of(&text, config.as_ref().ok());
    let mut contents = Contents { secrets, files: Vec::new(), left_out: Vec::new() };
    contents.add("version.txt", concat!("kouan-agent ", env!("CARGO_PKG_VERSION")));
    contents.add("agent.toml", &text);
    match (config::effective(path), &config) {
        (Ok(effective), _) => contents.add("agent-effective.toml", &effective),
        (_, Err(error)) => contents.add("agent-problems.txt", &error.to_string()),
        (Err(error), Ok(_)) => contents.left_out("agent-effective.toml", error),
    }
    contents.add_json("doctor.json", &doctor::examine(path, words).await);
    contents.add_json("ports.json", &ports());
    revisions(path, &mut contents);
    if records(path).exists() {
        contents.add_file("commissioning.jsonl", &records(path));
    }
    if let Ok(config) = &config {
        of_agent(config, &mut contents).await;
    }
    for (name, command) in PROGRAMS {
        match program(command).await {
            Ok(said) => contents.add(name, &said),
            Err(why) => contents.left_out(name, why),
        }
    }
    contents
}

/// What the running agent says, its files by size, and the site's own profiles.
async fn of_agent(config: &Config, contents: &mut Contents) {
    match LocalClient::connect(&config.socket).await {
        Ok(mut client) => {
            for (name, question) in [("status.json", Question::Status), ("devices.json", Question::Devices)] {
                match client.ask(&question).await {
                    Ok(answer) => contents.add_json(name, &answer),
                    Err(error) => contents.left_out(name, error),
                }
            }
        }
        Err(error) => contents.left_out("status.json", error),
    }
    let mut files = String::new();
    for file in std::fs::read_dir(&config.data).into_iter().flatten().flatten() {
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        files += &format!("{length:>14}  {}\n", file.file_name().to_string_lossy());
    }
    contents.add("data-files.txt", &files);
    let profiles = config.profiles.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    for file in profiles.filter(|file| file.path().extension().is_some_and(|extension| extension == "toml")) {
        contents.add_file(&format!("profiles/{}", file.file_name().to_string_lossy()), &file.path());
    }
}

/// Earlier texts of the configuration, the newest ones.
fn revisions(path: &Path, contents: &mut Contents) {
    let mut folder = path.as_os_str().to_owned();
    folder.push(".revisions");
    let mut kept: Vec<_> = std::fs::read_dir(PathBuf::from(folder)).into_iter().flatten().flatten().collect();
    kept.sort_by_key(|file| std::cmp::Reverse(file.file_name()));
    for file in kept.into_iter().take(REVISIONS) {
        contents.add_file(&format!("revisions/{}", file.file_name().to_string_lossy()), &file.path());
    }
}

async fn program(command: &[&str]) -> Result<String, String> {
    let [program, arguments @ ..] = command else { return Ok(String::new()) };
    let running = tokio::process::Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PROGRAM, running).await;
    let output =
        output.map_err(|_| format!("{program} did not end"))?.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if said.trim().is_empty() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(said)
}

fn pack(folder: &str, contents: &Contents) -> anyhow::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let left_out: String = contents.left_out.iter().map(|(name, why)| format!("{name}: {why}\n")).collect();
    let left_out = ("left-out.txt".to_owned(), contents.secrets.hide(&left_out));
    for (name, text) in contents.files.iter().chain([&left_out]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        archive
            .append_data(&mut header, format!("{folder}/{name}"), text.as_bytes())
            .with_context(|| format!("packing {name} failed"))?;
    }
    archive.into_inner().and_then(GzEncoder::finish).context("packing failed")
}
