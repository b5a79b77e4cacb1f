//! `kouan-agent scan` of a line that the running agent uses: its own driver asks, address by address, between the polls.

use std::ops::RangeInclusive;

use anyhow::Context as _;
use kouan_drivers::search::identity::Identity;
use serde_json::{Value, json};

use super::arguments::ScanArguments;
use super::entry::{DONE, FOUND_WRONG};
use super::scan::Said;
use super::words::Words;
use super::{ask, show};
use crate::config::Config;
use crate::config_facts::LinkPlace;
use crate::local::{Answer, LocalClient, Question};

pub(super) async fn through_agent(
    config: &Config,
    link: &LinkPlace,
    place: &str,
    arguments: &ScanArguments,
    units: RangeInclusive<u8>,
    json: bool,
    words: Words,
) -> anyhow::Result<u8> {
    let mut client = LocalClient::connect(&config.socket).await?;
    let mut said = Said::new(json);
    if !json {
        said.note(&words.scan_nothing_written());
    }
    said.note(&words.scan_through_agent(place, &link.link));
    let (mut found, mut configured) = (Vec::new(), Vec::new());
    let search = async {
        for unit in units.clone() {
            said.progress(&format!("{place}: {unit}/{}", units.end()));
            let wait_ms = u64::try_from(arguments.wait.as_millis()).unwrap_or(u64::MAX);
            let question = Question::Search { link: link.link.clone(), unit, wait_ms };
            match client.ask(&question).await? {
                Answer::Searched { heard: false, .. } => {}
                Answer::Searched { configured: true, .. } => configured.push(unit),
                Answer::Searched { identity, .. } => {
                    let command = format!("kouan-agent add NAME --profile PROFILE --unit {unit} --link {}", link.link);
                    if !json {
                        said.finding(&described(unit, place, identity.as_ref(), &command, words));
                    }
                    found.push(json!({ "unit": unit, "identity": identity, "add": command }));
                }
                other => return Err(ask::unexpected(other, words)),
            }
        }
        anyhow::Ok(())
    };
    tokio::select! {
        searched = search => searched?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("listening for Ctrl-C failed")?;
            said.note(&words.scan_interrupted());
        }
    }
    said.end();
    let code = if found.is_empty() { FOUND_WRONG } else { DONE };
    if json {
        let configured: Vec<Value> = configured.iter().map(|unit| json!(unit)).collect();
        show::json(&json!({
            "place": place, "link": link.link, "found": found, "configured": configured, "notes": said.notes,
        }))?;
    } else {
        let known: Vec<_> = configured.iter().map(ToString::to_string).collect();
        if !known.is_empty() {
            show::text(&format!("{}\n", words.scan_configured(known.join(", "))));
        }
        if found.is_empty() {
            show::text(&format!("{}\n", words.scan_no_stranger(place)));
        }
    }
    Ok(code)
}

fn described(unit: u8, place: &str, identity: Option<&Identity>, command: &str, words: Words) -> String {
    let mut lines = vec![words.scan_found(unit, place)];
    if let Some(Identity { maker, product, revision }) = identity {
        let says: Vec<_> = [maker, product, revision].into_iter().filter(|says| !says.is_empty()).cloned().collect();
        lines.push(words.scan_identity(says.join(" / ")));
    }
    lines.push(words.scan_add(command));
    format!("\n{}", lines.join("\n  "))
}
