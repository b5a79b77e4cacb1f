//! `kouan-agent profile …`: device models as data, checked, shown and begun. Needs no configuration and no device.

use std::path::Path;

use clap::Subcommand;
use kouan_drivers::profile::{Description, ProfileSource, ProfileStore, check};
use kouan_settings::both;
use serde_json::{Value, json};

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
        /// The protocol: modbus, serial-line, ydt1363 or mqtt.
        kind: String,
    },
}

pub(super) fn run(command: ProfileCommand, json: bool, words: Words) -> anyhow::Result<()> {
    match command {
        ProfileCommand::Check { files } => check_files(&files, json, words),
        ProfileCommand::Show { profile: None, .. } => list(json, words),
        ProfileCommand::Show { profile: Some(profile), text } => {
            let (name, source) = find(&profile, words)?;
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

/// A built-in profile, or the file of that name.
fn find(profile: &str, words: Words) -> Result<(String, ProfileSource), WrongUsage> {
    let store = ProfileStore::built_in();
    match store.get(profile) {
        Some(source) => Ok((profile.to_owned(), source.clone())),
        None if Path::new(profile).exists() => read(Path::new(profile), words),
        None => {
            let known: Vec<_> = store.names().collect();
            Err(WrongUsage(words.profile_unknown(profile, known.join(", "))))
        }
    }
}

fn list(json: bool, words: Words) -> anyhow::Result<()> {
    let store = ProfileStore::built_in();
    let mut profiles = Vec::new();
    for name in store.names() {
        // Every built-in profile is right; a test sees to it.
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
    value
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
    Ok(())
}

fn new(kind: &str, words: Words) -> anyhow::Result<()> {
    let text = match kind {
        "modbus" => include_str!("../../../configs/profiles/xy-md02.toml"),
        "serial-line" => include_str!("../../../configs/profiles/ds205a-gate.toml"),
        "ydt1363" => include_str!("../../../configs/profiles/ydt-air-conditioner.toml"),
        "mqtt" => include_str!("../../../configs/profiles/kiosk-mqtt.toml"),
        other => {
            return Err(WrongUsage(words.profile_no_kind(other, "modbus, serial-line, ydt1363, mqtt")).into());
        }
    };
    show::text(
        "# Begun from the profile of another model: change every line, then run: kouan-agent profile check FILE\n",
    );
    show::text("# Every key is explained in docs/profiles.md.\n");
    show::text(text);
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
            assert!(problems.list().len() > 3, "{problems}");
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
        let said = find("no-such-thing", english()).unwrap_err().to_string();
        assert!(said.contains("sdm630"), "{said}");
        assert_eq!(find(file.to_str().unwrap(), english()).unwrap().0, "meter");
        assert_eq!(find("sdm630", english()).unwrap().0, "sdm630");
    }

    #[test]
    fn every_template_is_a_right_profile() {
        for kind in ["modbus", "serial-line", "ydt1363", "mqtt"] {
            new(kind, english()).unwrap();
        }
        assert!(new("telepathy", english()).is_err());
    }
}
