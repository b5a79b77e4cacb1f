//! The way to the collector: address, certificate, token.

use std::os::unix::fs::PermissionsExt as _;

use super::super::words::Words;
use super::{Finding, Service};
use crate::config::{CollectorConfig, Config, TokenSource};
use crate::uplink::{Client, UplinkError, UplinkState};

pub(super) async fn examine(config: &Config, service: Option<&Service>, words: Words) -> Vec<Finding> {
    let Some(collector) = &config.collector else {
        return vec![Finding::fine("collector", words.collector_off())];
    };
    let mut findings = token(collector, words);
    if collector.url.starts_with("http:") && !is_loopback(&collector.url) {
        let says = words.collector_plain(&collector.url);
        findings.push(Finding::advice("collector", says, words.collector_plain_fix()));
    }
    // The greeting tells nobody the token, so that it needs none.
    let without_token = CollectorConfig { token: TokenSource::Inline("-".to_owned().into()), ..collector.clone() };
    let greeted = match Client::new(&without_token) {
        Ok(client) => client.greet().await,
        Err(error) => Err(error),
    };
    match greeted {
        Ok(()) => {
            let mut says = words.collector_answers(&collector.url);
            if collector.trust.is_some() {
                says = format!("{says}; {}", words.collector_certificate_right());
            }
            findings.push(Finding::fine("collector", says));
        }
        Err(error) => findings.push(match &error {
            UplinkError::Certificate { .. } => {
                let says = words.collector_certificate_wrong(&error);
                Finding::wrong("collector", says, words.collector_certificate_fix())
            }
            _ => {
                let says = words.collector_silent(&collector.url, &error);
                Finding::wrong("collector", says, words.collector_silent_fix())
            }
        }),
    }
    if let Some(uplink) = service.map(|service| &service.status.uplink) {
        let (agent, problem) = (uplink.agent.as_deref().unwrap_or("?"), uplink.problem.as_deref().unwrap_or("–"));
        findings.push(match uplink.state {
            UplinkState::Connected => Finding::fine("collector", words.session_connected(agent)),
            UplinkState::Connecting | UplinkState::Off => {
                Finding::wrong("collector", words.session_not(problem), words.collector_silent_fix())
            }
        });
    }
    findings
}

fn token(collector: &CollectorConfig, words: Words) -> Vec<Finding> {
    let TokenSource::File(path) = &collector.token else { return Vec::new() };
    let shown = path.display();
    if let Err(error) = std::fs::read(path) {
        return vec![Finding::wrong("token", words.token_missing(&shown, error), words.token_missing_fix(&shown))];
    }
    let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o044 != 0 {
        let says = words.token_open(&shown, format!("{mode:04o}"));
        return vec![Finding::wrong("token", says, words.token_open_fix(&shown))];
    }
    vec![Finding::fine("token", words.token_fine(&shown))]
}

fn is_loopback(url: &str) -> bool {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
