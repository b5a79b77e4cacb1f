//! Commands that ask the running agent, or, where that is safe, do it themselves when none is running.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{anyhow, bail};
use kouan_drivers::configure::catalogue;
use kouan_protocol::{ArgumentKind, DeviceKey, DeviceSpec, Field, FieldValue};

use super::{WrongUsage, show, standalone};
use crate::config::Config;
use crate::local::{Answer, DeviceReport, LocalClient, LocalError, Question};

pub(super) struct Wanted {
    pub(super) device: String,
    pub(super) action: String,
    pub(super) arguments: Vec<String>,
    pub(super) within: Duration,
    pub(super) yes: bool,
}

pub(super) async fn devices(config: &Config, json: bool) -> anyhow::Result<()> {
    let devices = match LocalClient::connect(&config.socket).await {
        Ok(mut client) => devices_of(client.ask(&Question::Devices).await?)?,
        Err(LocalError::NotRunning { .. }) => configured(config),
        Err(error) => return Err(error.into()),
    };
    if json {
        return show::json(&devices);
    }
    show::devices(&devices);
    Ok(())
}

pub(super) async fn read(config: Config, device: String, json: bool) -> anyhow::Result<()> {
    let devices = match LocalClient::connect(&config.socket).await {
        Ok(mut client) => devices_of(client.ask(&Question::Read { device }).await?)?,
        Err(LocalError::NotRunning { .. }) => standalone::read(config, &device).await?,
        Err(error) => return Err(error.into()),
    };
    if json {
        return show::json(&devices);
    }
    devices.iter().for_each(show::points);
    Ok(())
}

pub(super) async fn status(config: &Config, json: bool) -> anyhow::Result<()> {
    let mut client = LocalClient::connect(&config.socket).await?;
    match client.ask(&Question::Status).await? {
        Answer::Status(status) if json => show::json(&status),
        Answer::Status(status) => {
            show::status(&status);
            Ok(())
        }
        other => Err(unexpected(other)),
    }
}

pub(super) async fn command(config: &Config, wanted: Wanted, json: bool) -> anyhow::Result<()> {
    let catalogue = catalogue(&config.links);
    let key: DeviceKey = wanted.device.parse().map_err(|error| WrongUsage(format!("{error}")))?;
    let device = catalogue.device(&key).ok_or_else(|| WrongUsage(format!("there is no device named {key}")))?;
    let arguments = typed_arguments(device, &wanted)?;
    let moves = device.action(&wanted.action).is_some_and(|action| action.moves);
    if moves && !wanted.yes && !confirmed(&wanted)? {
        bail!("nothing was done");
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
        Answer::Command { id, state, reason, results } => {
            if json {
                show::json(&serde_json::json!({ "id": id, "state": state, "reason": reason, "results": results }))?;
            } else {
                let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                show::text(&format!("{state}{reason}\n"));
            }
            if state == "succeeded" { Ok(()) } else { Err(anyhow!("the command ended as {state}")) }
        }
        other => Err(unexpected(other)),
    }
}

/// Gives each `name=value` the type that the action's argument has.
fn typed_arguments(device: &DeviceSpec, wanted: &Wanted) -> Result<Vec<Field>, WrongUsage> {
    let action = device.action(&wanted.action).ok_or_else(|| {
        let known: Vec<_> = device.actions.iter().map(|action| action.name.as_str()).collect();
        WrongUsage(format!("{} has no action \"{}\"; it has: {}", device.key, wanted.action, known.join(", ")))
    })?;
    let typed = |argument: &String| {
        let (name, value) = argument
            .split_once('=')
            .ok_or_else(|| WrongUsage(format!("\"{argument}\" is not an argument; write name=value")))?;
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
    action.check(&arguments).map_err(|problems| WrongUsage(problems.join("; ")))?;
    Ok(arguments)
}

fn confirmed(wanted: &Wanted) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(WrongUsage("this moves something; add --yes to say that the place is clear".to_owned()).into());
    }
    eprint!("This moves something at {}. Is the place clear? [y/N] ", wanted.device);
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn devices_of(answer: Answer) -> anyhow::Result<Vec<DeviceReport>> {
    match answer {
        Answer::Devices { devices } => Ok(devices),
        other => Err(unexpected(other)),
    }
}

fn unexpected(answer: Answer) -> anyhow::Error {
    match answer {
        Answer::Problem { text } => anyhow!(text),
        _ => anyhow!("the agent answered another question; it may be of another version"),
    }
}

/// The devices as configured, for when no agent is running.
pub(super) fn configured(config: &Config) -> Vec<DeviceReport> {
    let device = |device: &DeviceSpec| DeviceReport {
        device: device.key.to_string(),
        label: device.label.clone(),
        class: device.class.clone(),
        link: device.link.clone(),
        health: "unknown".to_owned(),
        reason: "agent-not-running".to_owned(),
        text: "no agent is running".to_owned(),
        points: Vec::new(),
        actions: device.actions.iter().map(|action| action.name.clone()).collect(),
    };
    catalogue(&config.links).devices.iter().map(device).collect()
}
