//! `kouan-agent doctor`: everything that is known to go wrong at a site, each with what to do.

mod collector;
mod machine;
mod places;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::Serialize;

use super::entry::{DONE, FOUND_WRONG};
use super::show;
use super::words::Words;
use crate::config::{Config, ConfigError, TokenSource};
use crate::local::{Answer, DeviceReport, LocalClient, LocalError, Question, StatusReport};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// Nothing to do.
    Fine,
    /// It works, and could be better.
    Advice,
    /// It does not work.
    Wrong,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at: `configuration`, `service`, `device`, `port`, `network`, `clock`, `disk`, `collector`, `token`.
    pub(super) subject: &'static str,
    /// How it came out.
    pub(super) verdict: Verdict,
    /// What is so.
    pub(super) says: String,
    /// What to do.
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn fine(subject: &'static str, says: String) -> Self {
        Self { subject, verdict: Verdict::Fine, says, fix: None }
    }

    pub(super) fn advice(subject: &'static str, says: String, fix: String) -> Self {
        Self { subject, verdict: Verdict::Advice, says, fix: Some(fix) }
    }

    pub(super) fn wrong(subject: &'static str, says: String, fix: String) -> Self {
        Self { subject, verdict: Verdict::Wrong, says, fix: Some(fix) }
    }
}

/// What the running agent says of itself and its devices; `None` if none runs.
pub(super) struct Service {
    pub(super) status: StatusReport,
    pub(super) devices: Vec<DeviceReport>,
}

pub(super) async fn run(path: &Path, json: bool, words: Words) -> anyhow::Result<u8> {
    let findings = examine(path, words).await;
    let count = |verdict: Verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (wrong, advice) = (count(Verdict::Wrong), count(Verdict::Advice));
    if json {
        show::json(&findings)?;
    } else {
        for finding in &findings {
            let mark = match finding.verdict {
                Verdict::Fine => " ✓ ",
                Verdict::Advice => " ! ",
                Verdict::Wrong => " ✗ ",
            };
            show::text(&format!("{mark}{}\n", finding.says));
            if let Some(fix) = &finding.fix {
                show::text(&format!("     → {fix}\n"));
            }
        }
        let sum = if wrong + advice == 0 { words.doctor_fine(findings.len()) } else { words.doctor_sum(wrong, advice) };
        show::text(&format!("{sum}\n"));
    }
    Ok(if wrong > 0 { FOUND_WRONG } else { DONE })
}

/// Looks at everything. Nothing is changed, and no device is spoken to.
pub(super) async fn examine(path: &Path, words: Words) -> Vec<Finding> {
    let mut findings = Vec::new();
    let config = match Config::load(path) {
        Ok(config) => {
            let links = config.facts.places.len();
            let devices: usize = config.facts.places.iter().map(|place| place.devices.len()).sum();
            findings.push(Finding::fine("configuration", words.config_right(path.display(), links, devices)));
            Some(config)
        }
        Err(error) => {
            let missing =
                matches!(&error, ConfigError::Read { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound);
            let shown = path.display();
            let fix = if missing { words.config_missing_fix(shown) } else { words.config_fix(shown) };
            findings.push(Finding::wrong("configuration", words.config_wrong(error), fix));
            None
        }
    };
    let mut service = None;
    if let Some(config) = &config {
        let inline = config.collector.as_ref().is_some_and(|of| matches!(of.token, TokenSource::Inline(_)));
        let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
        if inline && mode & 0o004 != 0 {
            let says = words.config_open(path.display(), format!("{mode:04o}"));
            findings.push(Finding::wrong("configuration", says, words.config_open_fix(path.display())));
        }
        let (found, says) = ask_service(config, words).await;
        findings.extend(says);
        service = found;
        if let Some(service) = &service {
            findings.extend(of_service(config, service, words));
        }
    }
    let places = config.as_ref().map(|config| config.facts.places.as_slice()).unwrap_or_default();
    findings.extend(places::examine(places, service.as_ref(), words).await);
    findings.extend(machine::clock(words));
    if let Some(config) = &config {
        findings.extend(machine::disk(config, words));
        findings.extend(collector::examine(config, service.as_ref(), words).await);
    }
    findings
}

async fn ask_service(config: &Config, words: Words) -> (Option<Service>, Vec<Finding>) {
    let mut client = match LocalClient::connect(&config.socket).await {
        Ok(client) => client,
        Err(LocalError::Forbidden { path }) => {
            let says = words.service_forbidden(path.display());
            return (None, vec![Finding::wrong("service", says, words.service_forbidden_fix())]);
        }
        Err(_) => return (None, vec![Finding::advice("service", words.service_not(), words.service_not_fix())]),
    };
    let status = client.ask(&Question::Status).await;
    let devices = client.ask(&Question::Devices).await;
    match (status, devices) {
        (Ok(Answer::Status(status)), Ok(Answer::Devices { devices })) => {
            let says = words.service_runs(&status.software, show::age(status.up_ms));
            (Some(Service { status, devices }), vec![Finding::fine("service", says)])
        }
        _ => (None, vec![Finding::advice("service", words.other_version(), words.service_other_config_fix())]),
    }
}

fn of_service(config: &Config, service: &Service, words: Words) -> Vec<Finding> {
    let mut findings = Vec::new();
    if service.status.config.hash != config.facts.hash {
        let fix = words.service_other_config_fix();
        findings.push(Finding::advice("service", words.service_other_config(), fix));
    }
    for alarm in &service.status.alarms {
        let says = words.service_alarm(alarm.name(), words.either(&alarm.text, &alarm.text_zh));
        findings.push(Finding::wrong("service", says, words.service_alarm_fix()));
    }
    let mut working = 0;
    for device in &service.devices {
        if device.health == "working" {
            working += 1;
            continue;
        }
        let text = words.either(&device.text, &device.text_zh);
        let says = words.device_not_working(&device.device, words.term(&device.health), text);
        findings.push(Finding::wrong("device", says, words.device_fix(&device.device)));
    }
    if working == service.devices.len() {
        findings.push(Finding::fine("device", words.devices_work(working)));
    }
    findings
}
