//! `kouan-agent commission`: what a profile leaves open is proved at the device, and written down.
//!
//! Nothing is moved or written to the device. A person brings each input into a state, and what is read then says which
//! way round it is wired.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use kouan_drivers::profile::{DescribedPoint, Description};
use kouan_protocol::{Quality, Value};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

use super::add::{profile_of, whoever};
use super::entry::{DONE, FOUND_WRONG, WrongUsage};
use super::standalone::Alone;
use super::words::Words;
use super::{ask, show};
use crate::config::Config;
use crate::config_edit::ConfigEdit;
use crate::local::{Answer, DeviceReport, LocalClient, LocalError, Question};

/// One check and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Checked {
    /// `identity`, `doubt` or `polarity`.
    check: &'static str,
    /// What was checked: the doubt, or the point.
    subject: String,
    /// `right`, `wrong`, `skipped`, `as-profile`, `inverted`, `unchanged`, `unreadable`.
    result: &'static str,
}

/// The record of one commissioning, one line in `FILE.commissioning.jsonl`.
#[derive(Debug, Serialize)]
struct Record<'r> {
    at: String,
    by: String,
    device: &'r str,
    profile: &'r str,
    config: String,
    values: BTreeMap<String, String>,
    checks: &'r [Checked],
    revision: Option<u32>,
}

/// Where values come from.
enum Source {
    Agent(LocalClient),
    Alone(Box<Alone>),
}

impl Source {
    async fn read(&mut self, device: &str, words: Words) -> Result<DeviceReport, String> {
        match self {
            Self::Alone(alone) => {
                alone.read(None).await.map_err(|why| words.said(&why))?;
                alone.report().ok_or_else(|| words.nothing_heard())
            }
            Self::Agent(client) => {
                let question = Question::Read { device: device.to_owned() };
                match client.ask(&question).await.map_err(|error| words.said(&error))? {
                    Answer::Devices { mut devices } => devices.pop().ok_or_else(|| words.nothing_heard()),
                    other => Err(ask::unexpected(other, words).to_string()),
                }
            }
        }
    }

    async fn stop(self) {
        if let Self::Alone(alone) = self {
            alone.stop().await;
        }
    }
}

/// Asks a person.
struct Person {
    lines: Lines<BufReader<Stdin>>,
    words: Words,
    /// Standard output belongs to the JSON.
    quiet: bool,
}

impl Person {
    fn tell(&self, text: &str) {
        if self.quiet {
            eprintln!("{text}");
        } else {
            show::text(&format!("{text}\n"));
        }
    }

    async fn answer(&mut self, question: &str) -> anyhow::Result<String> {
        eprint!("{question}");
        std::io::stderr().flush()?;
        let line = self.lines.next_line().await.context("reading the answer failed")?;
        let line = line.ok_or_else(|| anyhow!(self.words.commission_input_ended()))?;
        Ok(line.trim().to_lowercase())
    }

    /// Yes, no, or skipped.
    async fn decides(&mut self, question: &str) -> anyhow::Result<&'static str> {
        loop {
            match self.answer(question).await?.as_str() {
                "y" | "yes" | "是" => return Ok("right"),
                "n" | "no" | "否" => return Ok("wrong"),
                "s" | "skip" | "跳过" => return Ok("skipped"),
                _ => self.tell(&self.words.commission_question()),
            }
        }
    }
}

pub(super) async fn run(path: &Path, device: &str, json: bool, words: Words) -> anyhow::Result<u8> {
    let config = Config::load(path)?;
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {} failed", path.display()))?;
    let devices = || config.links.iter().flat_map(|link| &link.devices);
    let identity = devices().map(|device| &device.identity).find(|identity| identity.key.as_str() == device);
    let identity = identity.cloned().ok_or_else(|| {
        let known = devices().map(|device| device.identity.key.as_str()).collect::<Vec<_>>().join(", ");
        WrongUsage(words.no_device(device, known))
    })?;
    let profile = profile_of(&text, &identity.profile, words)?;
    let hash = config.facts.hash.clone();
    let mut source = match LocalClient::connect(&config.socket).await {
        Ok(client) => Source::Agent(client),
        Err(LocalError::NotRunning { .. }) => Source::Alone(Box::new(Alone::start(config, device, words)?)),
        Err(error) => return Err(error.into()),
    };
    let mut person = Person { lines: BufReader::new(tokio::io::stdin()).lines(), words, quiet: json };
    person.tell(&words.commission_begin(device, &identity.label, &identity.profile));
    let walked = walk(&mut source, &mut person, device, &profile, words).await;
    source.stop().await;
    let (values, checks) = walked?;
    let of = |result: &str| -> Vec<String> {
        checks.iter().filter(|check| check.result == result).map(|check| check.subject.clone()).collect()
    };
    let (proved, inverted) = (of("as-profile"), of("inverted"));
    let mut revision = None;
    if !proved.is_empty() || !inverted.is_empty() {
        let mut edit = ConfigEdit::open(path, "")?;
        for (key, points) in [("proved", &proved), ("inverted", &inverted)] {
            if !points.is_empty() {
                edit.extend_list(device, key, points)?;
            }
        }
        revision = Some(edit.commit(&format!("local: commission {device}, by {}", whoever()), &show::now())?.number);
    }
    let record = Record {
        at: show::now(),
        by: whoever(),
        device,
        profile: &identity.profile,
        config: hash,
        values,
        checks: &checks,
        revision,
    };
    let file = records(path);
    keep(&file, &record)?;
    let open = checks.iter().filter(|check| !["right", "as-profile", "inverted"].contains(&check.result)).count();
    if json {
        show::json(&record)?;
    } else {
        let written = revision.map_or_else(|| words.commission_unchanged(), |number| words.commission_written(number));
        let rest = if open > 0 { words.commission_open(open) } else { words.commission_done() };
        show::text(&format!("\n{written}\n{}\n{rest}\n", words.commission_record(file.display())));
    }
    Ok(if open > 0 { FOUND_WRONG } else { DONE })
}

/// Where the records of commissioning are kept, beside the configuration.
pub(super) fn records(path: &Path) -> PathBuf {
    let mut file = path.as_os_str().to_owned();
    file.push(".commissioning.jsonl");
    file.into()
}

fn keep(file: &Path, record: &Record<'_>) -> anyhow::Result<()> {
    let line = serde_json::to_string(record)? + "\n";
    let written = OpenOptions::new().create(true).append(true).open(file).and_then(|mut file| {
        file.write_all(line.as_bytes())?;
        file.sync_all()
    });
    written.with_context(|| format!("writing {} failed", file.display()))
}

/// Goes through everything; the values that were seen, and what came of each check.
async fn walk(
    source: &mut Source,
    person: &mut Person,
    device: &str,
    profile: &Description,
    words: Words,
) -> anyhow::Result<(BTreeMap<String, String>, Vec<Checked>)> {
    let mut checks = Vec::new();
    person.tell(&format!("\n{}", words.commission_identity()));
    let report = source.read(device, words).await.map_err(|problem| anyhow!(problem))?;
    person.tell(&words.commission_values());
    let values: BTreeMap<_, _> =
        report.points.iter().map(|point| (point.point.clone(), show::value_with_unit(point))).collect();
    for (point, value) in &values {
        person.tell(&format!("  {point:<28} {value}"));
    }
    let result = person.decides(&words.commission_same()).await?;
    checks.push(Checked { check: "identity", subject: device.to_owned(), result });

    person.tell(&format!("\n{}", words.commission_doubts()));
    if profile.about.doubts.is_empty() {
        person.tell(&words.commission_none());
    }
    for doubt in &profile.about.doubts {
        person.tell(&format!("- {doubt}"));
        let result = person.decides(&words.commission_settled()).await?;
        checks.push(Checked { check: "doubt", subject: doubt.clone(), result });
    }

    person.tell(&format!("\n{}", words.commission_polarity()));
    // What is proved already has its word and is good.
    let unproved = |point: &&DescribedPoint| {
        point.notes.prove.is_some()
            && report.points.iter().any(|seen| {
                *seen.point == *point.common.spec.name.as_str()
                    && (seen.quality != Quality::Good || raw_of(seen).is_some())
            })
    };
    let points: Vec<_> = profile.points.iter().filter(unproved).collect();
    if points.is_empty() {
        person.tell(&words.commission_none());
    }
    for point in points {
        let result = polarity(source, person, device, point, words).await?;
        checks.push(Checked { check: "polarity", subject: point.common.spec.name.to_string(), result });
    }
    Ok((values, checks))
}

/// The bare 0 or 1 of a point that is not proved.
fn raw_of(point: &crate::local::PointReport) -> Option<i64> {
    match &point.value {
        Some(Value::Text(text)) => text.parse().ok(),
        Some(Value::Integer(raw)) => Some(*raw),
        _ => None,
    }
    .filter(|raw| (0..=1).contains(raw))
}

async fn polarity(
    source: &mut Source,
    person: &mut Person,
    device: &str,
    point: &DescribedPoint,
    words: Words,
) -> anyhow::Result<&'static str> {
    let name = point.common.spec.name.as_str();
    let words_of = &point.common.words;
    let word = |raw: i64| words_of.iter().find(|(known, _)| *known == raw).map(|(_, word)| word.clone());
    let (Some(zero), Some(one)) = (word(0), word(1)) else { return Ok("skipped") };
    let how = point.notes.prove.as_deref().unwrap_or_default();
    person.tell(&format!("\n{name}: {how}"));
    let mut seen = Vec::new();
    for wanted in [&zero, &one] {
        let answer = person.answer(&words.commission_bring(wanted)).await?;
        if answer.starts_with('s') {
            return Ok("skipped");
        }
        let report = source.read(device, words).await;
        let raw = match &report {
            Ok(report) => report.points.iter().find(|seen| seen.point == name).and_then(raw_of),
            Err(problem) => {
                person.tell(&words.commission_unreadable(problem));
                return Ok("unreadable");
            }
        };
        let Some(raw) = raw else {
            person.tell(&words.commission_unreadable("–"));
            return Ok("unreadable");
        };
        person.tell(&words.commission_reads(raw));
        seen.push(raw);
    }
    Ok(match seen.as_slice() {
        [0, 1] => {
            person.tell(&words.commission_as_profile(name));
            "as-profile"
        }
        [1, 0] => {
            person.tell(&words.commission_inverted(name));
            "inverted"
        }
        _ => {
            person.tell(&words.commission_no_change(name));
            "unchanged"
        }
    })
}
