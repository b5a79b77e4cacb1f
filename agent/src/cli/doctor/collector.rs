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
    findings.push(of_greeting(collector, greeted, words));
    if let Some(uplink) = service.map(|service| &service.status.uplink) {
        let agent = uplink.agent.as_deref().unwrap_or("?");
        let [problem, problem_zh] =
            [&uplink.problem, &uplink.problem_zh].map(|text| text.as_deref().unwrap_or_default());
        let problem = if problem.is_empty() { "–" } else { words.either(problem, problem_zh) };
        findings.push(match uplink.state {
            UplinkState::Connected => Finding::fine("collector", words.session_connected(agent)),
            UplinkState::Connecting | UplinkState::Off => {
                Finding::wrong("collector", words.session_not(problem), words.collector_silent_fix())
            }
        });
    }
    findings
}

fn of_greeting(collector: &CollectorConfig, greeted: Result<(), UplinkError>, words: Words) -> Finding {
    match greeted {
        Ok(()) => {
            let mut says = words.collector_answers(&collector.url);
            if collector.trust.is_some() {
                says = format!("{says}; {}", words.collector_certificate_right());
            }
            Finding::fine("collector", says)
        }
        Err(error @ UplinkError::Certificate { .. }) => {
            let says = words.collector_certificate_wrong(words.said(&error));
            Finding::wrong("collector", says, words.collector_certificate_fix())
        }
        Err(error) => {
            let says = words.collector_silent(&collector.url, words.said(&error));
            Finding::wrong("collector", says, words.collector_silent_fix())
        }
    }
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

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::cli::words::Language;
    use crate::uplink::WrongCertificate;

    fn english() -> Words {
        Words::new(Language::English)
    }

    fn config(token: &std::path::Path, url: &str) -> Config {
        let token = token.display();
        let text = format!("data = \"/nowhere\"\n[collector]\nurl = \"{url}\"\ntoken_file = \"{token}\"\n");
        Config::parse("agent.toml", &text).unwrap()
    }

    #[test]
    fn a_token_is_there_and_nobody_elses_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let config = config(&path, "http://127.0.0.1:1");
        let found = || token(config.collector.as_ref().unwrap(), english()).remove(0);
        let missing = found();
        assert_eq!((missing.subject, missing.verdict), ("token", Verdict::Wrong));
        std::fs::write(&path, "secret").unwrap();
        for (mode, verdict) in [(0o644, Verdict::Wrong), (0o440, Verdict::Wrong), (0o400, Verdict::Fine)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let found = found();
            assert_eq!(found.verdict, verdict, "{mode:o}");
            assert!(!found.says.contains("secret"), "{found:?}");
        }
    }

    #[tokio::test]
    async fn a_collector_that_is_silent_and_one_with_another_certificate_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let config = config(&folder.path().join("token"), &url);
        let found = examine(&config, None, english()).await;
        let silent = found.iter().find(|finding| finding.subject == "collector").unwrap();
        assert_eq!(silent.verdict, Verdict::Wrong);
        assert!(silent.says.contains(&url), "{silent:?}");

        let presented = kouan_protocol::Fingerprint::of(b"another");
        let (expected, why) = ("sha256:00".to_owned(), "it is not the one".to_owned());
        let problem = WrongCertificate { expected, presented, why };
        let wrong = Err(UplinkError::Certificate { request: "greeting", problem });
        let found = of_greeting(config.collector.as_ref().unwrap(), wrong, english());
        assert_eq!(found.verdict, Verdict::Wrong);
        assert!(found.says.contains("certificate") && found.fix.unwrap().contains("fingerprint"));
        let well = of_greeting(config.collector.as_ref().unwrap(), Ok(()), english());
        assert_eq!(well.verdict, Verdict::Fine);
    }
}
