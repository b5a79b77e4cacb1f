//! Commands that ask the running agent, or, where that is safe, do it themselves when none is running.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{anyhow, bail};
use kouan_drivers::configure::catalogue;
use kouan_protocol::{ArgumentKind, DeviceKey, DeviceSpec, Field, FieldValue};

use super::entry::WrongUsage;
use super::words::Words;
use super::{show, standalone};
use crate::commands::arguments_wrong;
use crate::config::Config;
use crate::local::{Answer, DeviceReport, LocalClient, LocalError, Question};

pub(super) struct Wanted {
    pub(super) device: String,
    pub(super) action: String,
    pub(super) arguments: Vec<String>,
    pub(super) within: Duration,
    pub(super) yes: bool,
}

pub(super) async fn devices(config: &Config, json: bool, words: Words) -> anyhow::Result<()> {
    let devices = match LocalClient::connect(&config.socket).await {
        Ok(mut client) => devices_of(client.ask(&Question::Devices).await?, words)?,
        Err(LocalError::NotRunning { .. }) => configured(config, words),
        Err(error) => return Err(error.into()),
    };
    if json {
        return show::json(&devices);
    }
    show::devices(&devices, words);
    Ok(())
}

pub(super) async fn read(config: Config, device: &str, json: bool, words: Words) -> anyhow::Result<()> {
    let devices = match LocalClient::connect(&config.socket).await {
        Ok(mut client) => {
            let question = Question::Read { device: device.to_owned() };
            devices_of(client.ask(&question).await?, words)?
        }
        Err(LocalError::NotRunning { .. }) => standalone::read(config, device, words).await?,
        Err(error) => return Err(error.into()),
    };
    if json {
        return show::json(&devices);
    }
    devices.iter().for_each(|device| show::points(device, words));
    Ok(())
}

pub(super) async fn status(config: &Config, json: bool, words: Words) -> anyhow::Result<()> {
    let mut client = LocalClient::connect(&config.socket).await?;
    match client.ask(&Question::Status).await? {
        Answer::Status(status) if json => show::json(&status),
        Answer::Status(status) => {
            show::status(&status, words);
            Ok(())
        }
        other => Err(unexpected(other, words)),
    }
}

pub(super) async fn command(config: &Config, wanted: Wanted, json: bool, words: Words) -> anyhow::Result<()> {
    let catalogue = catalogue(&config.links);
    let key: DeviceKey = super::entry::device_key(&wanted.device, words)?;
    let known = || catalogue.devices.iter().map(|device| device.key.as_str()).collect::<Vec<_>>().join(", ");
    let device = catalogue.device(&key).ok_or_else(|| WrongUsage(words.no_device(&key, known())))?;
    let arguments = typed_arguments(device, &wanted, words)?;
    let moves = device.action(&wanted.action).is_some_and(|action| action.moves);
    if moves && !wanted.yes && !confirmed(&wanted, words)? {
        bail!(words.nothing_done());
    }
    let mut client = LocalClient::connect(&config.socket).await?;
    let question = Question::Command {
        device: wanted.device,
        action: wanted.action,
        arguments,
        by: std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "local".to_owned()),
        life_ms: u64::try_from(wanted.within.as_millis()).unwrap_or(u64::MAX),
    };
    match client.ask(&question).await? {
        Answer::Command { id, state, reason, reason_zh, results } => {
            if json {
                show::json(&serde_json::json!({
                    "id": id, "state": state, "reason": reason, "reason_zh": reason_zh, "results": results,
                }))?;
            } else {
                let reason = words.either(&reason, &reason_zh);
                let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                show::text(&format!("{}{reason}\n", words.term(&state)));
                if state == "unknown" {
                    show::text(&format!("{}\n", words.nobody_knows()));
                }
            }
            if state == "succeeded" { Ok(()) } else { Err(anyhow!(words.command_ended(words.term(&state)))) }
        }
        other => Err(unexpected(other, words)),
    }
}

/// Gives each `name=value` the type that the action's argument has.
fn typed_arguments(device: &DeviceSpec, wanted: &Wanted, words: Words) -> Result<Vec<Field>, WrongUsage> {
    let action = device.action(&wanted.action).ok_or_else(|| {
        let known: Vec<_> = device.actions.iter().map(|action| action.name.as_str()).collect();
        WrongUsage(words.no_action(&device.key, &wanted.action, known.join(", ")))
    })?;
    let typed = |argument: &String| {
        let (name, value) = argument.split_once('=').ok_or_else(|| WrongUsage(words.no_argument(argument)))?;
        let kind = action.arguments.iter().find(|spec| spec.name == name).map(|spec| spec.kind);
        let value = match kind {
            Some(ArgumentKind::Flag) => value.parse().map(FieldValue::Flag).ok(),
            Some(ArgumentKind::Integer) => value.parse().map(FieldValue::Integer).ok(),
            Some(ArgumentKind::Number) => value.parse().map(FieldValue::Number).ok(),
            Some(ArgumentKind::Text) | None => Some(FieldValue::Text(value.to_owned())),
        };
        // A value that does not fit its type goes on as text, so that the check below says what would be right.
        let value = value.unwrap_or_else(|| FieldValue::Text(argument[name.len() + 1..].to_owned()));
        Ok(Field::new(name, value))
    };
    let arguments = wanted.arguments.iter().map(typed).collect::<Result<Vec<_>, WrongUsage>>()?;
    action.check(&arguments).map_err(|problems| WrongUsage(words.said(&arguments_wrong(&problems))))?;
    Ok(arguments)
}

fn confirmed(wanted: &Wanted, words: Words) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(WrongUsage(words.needs_yes()).into());
    }
    eprint!("{}", words.place_clear(&wanted.device));
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn devices_of(answer: Answer, words: Words) -> anyhow::Result<Vec<DeviceReport>> {
    match answer {
        Answer::Devices { devices } => Ok(devices),
        other => Err(unexpected(other, words)),
    }
}

pub(super) fn unexpected(answer: Answer, words: Words) -> anyhow::Error {
    match answer {
        Answer::Problem { text, text_zh } => anyhow!(words.either(&text, &text_zh).to_owned()),
        _ => anyhow!(words.other_version()),
    }
}

/// The devices as configured, for when no agent is running.
pub(super) fn configured(config: &Config, words: Words) -> Vec<DeviceReport> {
    let device = |device: &DeviceSpec| DeviceReport {
        device: device.key.to_string(),
        label: device.label.clone(),
        class: device.class.clone(),
        link: device.link.clone(),
        health: "unknown".to_owned(),
        reason: "agent-not-running".to_owned(),
        text: words.agent_not_running(),
        text_zh: String::new(),
        points: Vec::new(),
        actions: device.actions.iter().map(|action| action.name.clone()).collect(),
    };
    catalogue(&config.links).devices.iter().map(device).collect()
}
