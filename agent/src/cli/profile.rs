//! `kouan-agent profile …`: device models as data, checked, shown and begun. Needs no configuration and no device.

use std::path::Path;

use clap::Subcommand;
use kouan_drivers::profile::{Description, ProfileSource, ProfileStore, check};
use kouan_protocol::Severity;
use kouan_settings::both;
use serde_json::{Value, json};

use super::add::store_of;
use super::entry::WrongUsage;
use super::show;
use super::words::Words;

#[derive(Debug, Subcommand)]
pub(super) enum ProfileCommand {
    /// Check profile files and say everything that is wrong with them.
    Check {
        /// The files.
        #[arg(required = true)]
        files: Vec<std::path::PathBuf>,
    },
    /// Show what a profile offers; without a name, list the built-in ones.
    Show {
        /// A built-in profile's name, or a file.
        profile: Option<String>,
        /// Print the profile's own text, to copy and change it.
        #[arg(long)]
        text: bool,
    },
    /// Print a small profile to begin a new one with.
    New {
        /// The protocol: modbus, serial-line, listener, ydt1363, osdp, uhppote, zkteco-c3, rfid, led-card or mqtt.
        kind: String,
    },
}

/// A profile of each kind, to begin another with.
const BEGINNINGS: [(&str, &str); 10] = [
    ("modbus", "xy-md02"),
    ("serial-line", "ds205a-gate"),
    ("listener", "scale-and-text"),
    ("ydt1363", "ydt-air-conditioner"),
    ("osdp", "osdp-reader"),
    ("uhppote", "uhppote-4door"),
    ("zkteco-c3", "zkteco-c3"),
    ("rfid", "m100-reader"),
    ("led-card", "cpower-led"),
    ("mqtt", "kiosk-mqtt"),
];

/// `config` is the agent's configuration, whose site may have profiles of its own.
pub(super) fn run(config: &Path, command: ProfileCommand, json: bool, words: Words) -> anyhow::Result<()> {
    // Models can be looked at without a configuration.
    let store = || store_of(&std::fs::read_to_string(config).unwrap_or_default());
    match command {
        ProfileCommand::Check { files } => check_files(&files, json, words),
        ProfileCommand::Show { profile: None, .. } => list(&store(), json, words),
        ProfileCommand::Show { profile: Some(profile), text } => {
            let (name, source) = find(&store(), &profile, words)?;
            if text {
                show::text(&source.text);
                return Ok(());
            }
            let described = check(&name, &source).map_err(|problems| WrongUsage(words.said(&problems)))?;
            if json { show::json(&as_json(&described)) } else { show_one(&described, words) }
        }
        ProfileCommand::New { kind } => new(&kind, words),
    }
}

fn check_files(files: &[std::path::PathBuf], json: bool, words: Words) -> anyhow::Result<()> {
    let (mut said, mut right) = (Vec::new(), Vec::new());
    for file in files {
        let (name, source) = read(file, words)?;
        match check(&name, &source) {
            Ok(profile) if json => right.push(head(&profile)),
            Ok(profile) => {
                let (points, actions) = (profile.points.len(), profile.actions.len());
                let evidence = profile.about.evidence.as_str();
                show::text(&words.profile_right(file.display(), points, actions, evidence));
            }
            Err(problems) => said.push(words.said(&problems)),
        }
    }
    if json {
        show::json(&right)?;
    }
    if said.is_empty() { Ok(()) } else { Err(WrongUsage(said.join("\n")).into()) }
}

fn read(file: &Path, words: Words) -> Result<(String, ProfileSource), WrongUsage> {
    let place = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        WrongUsage(words.said(&both!("reading {place} failed: {error}", "读取 {place} 失败：{error}"; error)))
    })?;
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or("profile").to_owned();
    Ok((name, ProfileSource { file: place.to_string(), text }))
}

/// A profile that the agent would take, the site's own before a built-in one; or the file of that name.
fn find(store: &ProfileStore, profile: &str, words: Words) -> Result<(String, ProfileSource), WrongUsage> {
    match store.get(profile) {
        Some(source) => Ok((profile.to_owned(), source.clone())),
        None if Path::new(profile).exists() => read(Path::new(profile), words),
        None => {
            let known: Vec<_> = store.names().collect();
            Err(WrongUsage(words.profile_unknown(profile, known.join(", "))))
        }
    }
}

fn list(store: &ProfileStore, json: bool, words: Words) -> anyhow::Result<()> {
    let mut profiles = Vec::new();
    for name in store.names() {
        // Every built-in profile is right; a test sees to it. What is wrong with the site's own, `check` says.
        profiles.extend(store.get(name).and_then(|source| check(name, source).ok()));
    }
    if json {
        let list: Vec<Value> = profiles.iter().map(head).collect();
        return show::json(&list);
    }
    let rows = profiles.iter().map(|profile| {
        let about = &profile.about;
        [profile.name.as_str(), about.kind, &about.class, about.evidence.as_str(), &about.model].map(str::to_owned)
    });
    if words.is_chinese() {
        show::rows(&["型号文件", "协议", "类别", "可靠程度", "型号"], rows);
    } else {
        show::rows(&["profile", "kind", "class", "evidence", "model"], rows);
    }
    Ok(())
}

fn head(profile: &Description) -> Value {
    let about = &profile.about;
    json!({
        "name": profile.name, "kind": about.kind, "class": about.class, "maker": about.maker, "model": about.model,
        "evidence": about.evidence.as_str(), "source": about.source, "doubts": about.doubts,
    })
}

fn as_json(profile: &Description) -> Value {
    let mut value = head(profile);
    let points = profile.points.iter().map(|point| {
        let spec = &point.common.spec;
        json!({
            "name": spec.name, "kind": spec.kind, "unit": spec.unit, "words": spec.states, "group": point.group,
            "prove": point.notes.prove, "latched_until": point.notes.latched_until,
        })
    });
    value["points"] = points.collect();
    value["actions"] = json!(profile.actions);
    value["events"] = json!(profile.events);
    value["alarms"] = alarms(profile).iter().map(ShownAlarm::as_json).collect();
    value
}

/// An alarm that a profile brings, for people.
struct ShownAlarm<'p> {
    condition: &'p str,
    /// The point that is judged; empty where the device's health is.
    point: &'p str,
    severity: Severity,
    text: &'p str,
    text_zh: &'p str,
}

impl ShownAlarm<'_> {
    fn as_json(&self) -> Value {
        let Self { condition, point, severity, text, text_zh } = self;
        json!({ "condition": condition, "point": point, "severity": severity, "text": text, "text_zh": text_zh })
    }
}

/// Alarms of states and limits; one for all points of a family that share its condition.
fn alarms(profile: &Description) -> Vec<ShownAlarm<'_>> {
    let mut alarms: Vec<ShownAlarm<'_>> = Vec::new();
    for point in &profile.points {
        let Some(alarm) = point.common.tells.as_ref().and_then(|tells| tells.alarm.as_ref()) else { continue };
        if alarms.iter().all(|known| known.condition != alarm.condition) {
            alarms.push(ShownAlarm {
                condition: &alarm.condition,
                point: point.common.spec.name.as_str(),
                severity: alarm.severity,
                text: &alarm.text,
                text_zh: &alarm.text_zh,
            });
        }
    }
    alarms.extend(profile.limits.iter().map(|limit| ShownAlarm {
        condition: &limit.condition,
        point: &limit.point,
        severity: limit.severity,
        text: &limit.text,
        text_zh: &limit.text_zh,
    }));
    alarms
}

fn show_one(profile: &Description, words: Words) -> anyhow::Result<()> {
    let about = &profile.about;
    let mut text = format!("{} ({}): {} {}\n", profile.name, about.kind, about.maker, about.model);
    text += &words.profile_about(&about.class, about.evidence.as_str(), &about.source);
    for doubt in &about.doubts {
        text += &words.profile_doubt(doubt);
    }
    show::text(&text);
    let rows = profile.points.iter().map(|point| {
        let spec = &point.common.spec;
        let says = if spec.states.is_empty() { spec.unit.clone() } else { spec.states.join(", ") };
        let kind = format!("{:?}", spec.kind).to_lowercase();
        [spec.name.to_string(), kind, says, point.group.clone(), point.notes.prove.clone().unwrap_or_default()]
    });
    if words.is_chinese() {
        show::rows(&["测点", "类型", "单位或词", "组", "如何验证"], rows);
    } else {
        show::rows(&["point", "kind", "unit or words", "group", "prove it by"], rows);
    }
    for action in &profile.actions {
        let arguments: Vec<_> = action.arguments.iter().map(|argument| argument.name.as_str()).collect();
        let arguments = arguments.join(", ");
        show::text(&match action.moves {
            true => words.profile_moving_action(&action.name, arguments),
            false => words.profile_action(&action.name, arguments),
        });
    }
    for ShownAlarm { condition, point, severity, text, text_zh } in alarms(profile) {
        let severity = format!("{severity:?}").to_lowercase();
        show::text(&words.profile_alarm(condition, words.term(&severity), point, words.either(text, text_zh)));
    }
    Ok(())
}

/// The text that a new profile of a kind begins with; none for a kind that has no profiles.
fn beginning(kind: &str) -> Option<String> {
    let (_, name) = BEGINNINGS.iter().find(|(known, _)| *known == kind)?;
    ProfileStore::built_in().get(name).map(|source| source.text.clone())
}

fn new(kind: &str, words: Words) -> anyhow::Result<()> {
    let Some(text) = beginning(kind) else {
        let known: Vec<_> = BEGINNINGS.iter().map(|(kind, _)| *kind).collect();
        return Err(WrongUsage(words.profile_no_kind(kind, known.join(", "))).into());
    };
    show::text(
        "# Begun from the profile of another model: change every line, then run: kouan-agent profile check FILE\n",
    );
    show::text("# Every key is explained in docs/profiles.md.\n");
    show::text(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::words::Language;

    fn english() -> Words {
        Words::new(Language::English)
    }

    /// Whatever of a profile is wrong is said in Chinese, for every kind.
    #[test]
    fn what_is_wrong_with_a_profile_is_said_in_chinese() {
        let rest = "class = \"x\"\nevidence = \"sure\"\nown = [\"a\"]\nstrange = 1\n[request]\n[answer]\n[frame]\n\
                    [[group]]\n[[group.point]]\nname = \"Not a Name\"\nis = \"state\"\nscale = \"x\"\n\
                    [[group.point]]\nname = \"temperature\"\nrange = [2, 1]\ncounts = {}\n\
                    [[action]]\n[[action.argument]]\n[[alarm]]\n";
        for kind in kouan_drivers::registry::KINDS {
            let text = format!("kind = \"{}\"\n{rest}", kind.name());
            let source = ProfileSource { file: "p.toml".to_owned(), text };
            let problems = check("p", &source).unwrap_err();
            assert!(!problems.list().is_empty(), "{problems}");
            for problem in problems.list() {
                let chinese = problem.message_zh.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
                assert!(chinese, "{}: {problem:?}", kind.name());
            }
        }
    }

    #[test]
    fn a_profile_is_found_by_name_or_file_and_what_is_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("meter.toml");
        std::fs::write(&file, "kind = \"modbus\"\n").unwrap();
        let said = check_files(std::slice::from_ref(&file), false, english()).unwrap_err().to_string();
        for expected in ["class: this is missing", "evidence: this is missing", "at least one [[group]]"] {
            assert!(said.contains(expected), "{expected}\n{said}");
        }
        let store = ProfileStore::built_in();
        let said = find(&store, "no-such-thing", english()).unwrap_err().to_string();
        assert!(said.contains("sdm630"), "{said}");
        assert_eq!(find(&store, file.to_str().unwrap(), english()).unwrap().0, "meter");
        assert_eq!(find(&store, "sdm630", english()).unwrap().0, "sdm630");
    }

    #[test]
    fn the_sites_own_profile_is_shown_before_the_built_in_one() {
        let folder = tempfile::tempdir().unwrap();
        let own = ProfileStore::built_in().get("xy-md02").unwrap().text.replace("above = 35", "above = 28");
        assert!(own.contains("above = 28"));
        std::fs::write(folder.path().join("xy-md02.toml"), &own).unwrap();
        let store = store_of(&format!("profiles = \"{}\"\n", folder.path().display()));
        assert_eq!(find(&store, "xy-md02", english()).unwrap().1.text, own);
    }

    #[test]
    fn alarms_of_states_and_of_limits_are_shown() {
        let shown = |name: &str| {
            let described = check(name, ProfileStore::built_in().get(name).unwrap()).unwrap();
            let value = as_json(&described);
            let alarms = value["alarms"].as_array().unwrap().clone();
            alarms.into_iter().map(|alarm| format!("{} {}", alarm["condition"], alarm["severity"])).collect::<Vec<_>>()
        };
        assert!(shown("xy-md02").contains(&"\"temperature-high\" \"major\"".to_owned()), "{:?}", shown("xy-md02"));
        assert_eq!(shown("osdp-reader")[0], "\"tamper\" \"major\"");
    }

    #[test]
    fn every_kind_that_has_profiles_has_a_right_one_to_begin_with() {
        for kind in kouan_drivers::registry::KINDS {
            // This machine itself needs none.
            if kind.name() == "host" {
                assert!(new("host", english()).is_err());
                continue;
            }
            let text = beginning(kind.name()).unwrap_or_else(|| panic!("{} has no beginning", kind.name()));
            let source = ProfileSource { file: "new.toml".to_owned(), text };
            let described = check("new", &source).unwrap_or_else(|problems| panic!("{}: {problems}", kind.name()));
            assert_eq!(described.about.kind, kind.name());
            new(kind.name(), english()).unwrap();
        }
        assert!(new("telepathy", english()).is_err());
    }
}
