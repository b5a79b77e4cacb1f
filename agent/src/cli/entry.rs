//! From the command line to what does it, and the exit code.

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _};
use kouan_drivers::search::modbus::SearchError;
use kouan_protocol::{DeviceKey, NameError};
use kouan_settings::{Bilingual, Translate};
use serde_json::json;

use super::arguments::{Cli, CliCommand};
use super::words::{Language, Words, translated};
use super::{add, ask, bundle, commission, doctor, probe, profile, scan, show, start, watch};
use crate::app::AppError;
use crate::config::{self, Config, ConfigError};
use crate::config_edit::EditError;
use crate::data_folder::DataFolderError;
use crate::local::LocalError;
use crate::uplink::{Client, UplinkError};

pub(super) const DONE: u8 = 0;
const EXIT_FAILED: u8 = 1;
const EXIT_WRONG: u8 = 2;
pub(super) const FOUND_WRONG: u8 = 3;
const EXIT_IN_USE: u8 = 4;

/// The command line asks for something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WrongUsage(pub(super) String);

/// The port belongs to somebody else now.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct InUse(pub(super) String);

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let words = Words::new(early_language());
    let matches = translated(Cli::command(), words).try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        // Help and version are no failures; clap prints them and everything else, and knows the codes 0 and 2.
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_WRONG } else { DONE });
        }
    };
    let words = cli.lang.map_or(words, Words::new);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("kouan-agent: {}", words.starting_failed(error));
            return ExitCode::from(EXIT_FAILED);
        }
    };
    let done = runtime.block_on(dispatch(cli, words));
    // A thread that waits for a disk must not keep the program from ending.
    runtime.shutdown_timeout(Duration::from_millis(200));
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("kouan-agent: {}", said(&error, words));
            ExitCode::from(code_of(&error))
        }
    }
}

/// An error for the person at the terminal.
fn said(error: &anyhow::Error, words: Words) -> String {
    // What was added on the way is in the tool's own words; the innermost error that has both languages ends the chain.
    let mut parts = Vec::new();
    for cause in error.chain() {
        if let Some(both) = in_both(cause) {
            parts.push(words.said(&both));
            break;
        }
        parts.push(cause.to_string());
    }
    parts.join(if words.is_chinese() { "：" } else { ": " })
}

/// The error in both languages, if it has them.
fn in_both(error: &(dyn std::error::Error + 'static)) -> Option<Bilingual> {
    fn of<T: Translate + std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> Option<Bilingual> {
        error.downcast_ref::<T>().map(Translate::translate)
    }
    of::<Bilingual>(error)
        .or_else(|| of::<ConfigError>(error))
        .or_else(|| of::<EditError>(error))
        .or_else(|| of::<AppError>(error))
        .or_else(|| of::<LocalError>(error))
        .or_else(|| of::<UplinkError>(error))
        .or_else(|| of::<DataFolderError>(error))
        .or_else(|| of::<SearchError>(error))
        .or_else(|| of::<std::io::Error>(error))
}

/// The name of a device as the command line has it.
pub(super) fn device_key(name: &str, words: Words) -> Result<DeviceKey, WrongUsage> {
    name.parse().map_err(|error: NameError| WrongUsage(words.either(&error.to_string(), &error.chinese()).to_owned()))
}

fn code_of(error: &anyhow::Error) -> u8 {
    let wrong_edit = matches!(
        error.downcast_ref::<EditError>(),
        Some(EditError::Config(_) | EditError::Toml { .. } | EditError::Missing { .. })
    );
    if error.is::<ConfigError>() || error.is::<WrongUsage>() || wrong_edit {
        EXIT_WRONG
    } else if error.is::<InUse>() {
        EXIT_IN_USE
    } else {
        EXIT_FAILED
    }
}

/// The language must be known before the command line is read, because its help is in it.
fn early_language() -> Language {
    let mut arguments =
        std::env::args().skip_while(|argument| argument != "--lang" && !argument.starts_with("--lang="));
    let said = arguments.next().and_then(|argument| match argument.strip_prefix("--lang=") {
        Some(value) => Some(value.to_owned()),
        None => arguments.next(),
    });
    let said = said.and_then(|value| <Language as clap::ValueEnum>::from_str(&value, true).ok());
    said.unwrap_or_else(|| Language::of_environment(|name| std::env::var(name).ok()))
}

async fn dispatch(cli: Cli, words: Words) -> anyhow::Result<u8> {
    let Cli { config: path, json, command, .. } = cli;
    let load = || Config::load(&path);
    match command {
        CliCommand::Run { log } => start::run(&path, &log).await.map(|()| DONE),
        CliCommand::Check { online } => check(&path, online, json, words).await.map(|()| DONE),
        CliCommand::Doctor => doctor::run(&path, json, words).await,
        CliCommand::Scan(arguments) => scan::run(&path, arguments, json, words).await,
        CliCommand::Add(arguments) => add::run(&path, arguments, json, words).map(|()| DONE),
        CliCommand::Commission { device } => commission::run(&path, &device, json, words).await,
        CliCommand::Devices => ask::devices(&load()?, json, words).await.map(|()| DONE),
        CliCommand::Read { device } => ask::read(load()?, &device, json, words).await.map(|()| DONE),
        CliCommand::Watch { device, every, length } => {
            watch::run(load()?, &device, every, length, json, words).await.map(|()| DONE)
        }
        CliCommand::Probe { device } => probe::run(load()?, &device, json, words).await,
        CliCommand::Command { device, action, arguments, within, yes } => {
            let wanted = ask::Wanted { device, action, arguments, within, yes };
            ask::command(&load()?, wanted, json, words).await.map(|()| DONE)
        }
        CliCommand::Status => ask::status(&load()?, json, words).await.map(|()| DONE),
        CliCommand::Bundle { output } => bundle::run(&path, output, json, words).await.map(|()| DONE),
        CliCommand::Profile { command } => profile::run(&path, command, json, words).map(|()| DONE),
        CliCommand::PrintConfig { template } => {
            let text = if template { config::TEMPLATE.to_owned() } else { config::effective(&path)? };
            if json {
                let table: toml::Table = toml::from_str(&text)?;
                show::json(&table)?;
            } else {
                show::text(&text);
            }
            Ok(DONE)
        }
        CliCommand::Completion { shell } => {
            let mut command = translated(Cli::command(), words);
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "kouan-agent", &mut script);
            show::text(&String::from_utf8_lossy(&script));
            Ok(DONE)
        }
    }
}

async fn check(path: &std::path::Path, online: bool, json: bool, words: Words) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    // The agent itself is a device of every configuration.
    let links = || config.links.iter().filter(|link| &*link.name != "agent");
    let (links, devices) = (links().count(), links().map(|link| link.devices.len()).sum::<usize>());
    let mut lines = vec![words.check_right(path.display(), links, devices)];
    if let Some(revision) = &config.facts.revision {
        lines.push(words.check_revision(revision.number, &revision.origin, &revision.at));
    }
    let (mut answers, mut certificate) = (None, None);
    if online {
        let collector = config.collector.ok_or_else(|| WrongUsage(words.check_no_collector()))?;
        Client::new(&collector)?.greet().await?;
        certificate = collector.trust.as_ref().map(|_| "right");
        lines.push(match collector.trust {
            Some(_) => words.check_collector_certificate(&collector.url),
            None => words.check_collector(&collector.url),
        });
        answers = Some(collector.url);
    }
    if json {
        return show::json(&json!({
            "right": true, "links": links, "devices": devices, "hash": config.facts.hash,
            "revision": config.facts.revision, "collector_answers": answers, "certificate": certificate,
        }));
    }
    for line in lines {
        show::text(&format!("{line}\n"));
    }
    Ok(())
}

/// An error of the data folder in words, and with the exit code, of the tool.
pub(super) fn folder_error(error: DataFolderError, words: Words) -> anyhow::Error {
    match error {
        DataFolderError::InUse { .. } => InUse(words.scan_folder_in_use()).into(),
        other => other.into(),
    }
}
