//! What people meet is written in English and Chinese wherever it arises.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The text literal that begins at the start of `text`, and what follows.
fn literal(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start().strip_prefix('"')?;
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if !escaped => return Some((&text[..at], &text[at + 1..])),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

fn places(text: &str) -> BTreeSet<String> {
    let text = text.replace("{{", "").replace("}}", "");
    text.split('{').skip(1).filter_map(|rest| Some(rest.split('}').next()?.to_owned())).collect()
}

fn words(text: &str) -> String {
    let mut depth = 0;
    let outside = text.chars().filter(|letter| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    outside.collect()
}

#[test]
fn both_languages_say_the_same_and_nothing_is_said_in_one() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "../drivers/src"] {
        sources(&root.join(folder), &mut files);
    }
    let (mut wrong, mut pairs) = (Vec::new(), 0);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let place = file.display();
        for (at, line) in text.lines().enumerate() {
            // `Section::problem` and `Problems::add` take English alone; `wrong` takes both.
            if line.contains(".problem(\"") || line.contains("problems().add(") || line.contains("problems.add(") {
                wrong.push(format!("{place}:{}: {}", at + 1, line.trim()));
            }
        }
        for asked in ["require(", "_required("] {
            for rest in text.split(asked).skip(1) {
                let hint = rest.split_once(',').map_or("", |(_, hint)| hint.trim_start());
                if rest.starts_with('"') && hint.starts_with('"') {
                    wrong.push(format!("{place}: {asked}{}", rest.chars().take(60).collect::<String>()));
                }
            }
        }
        for rest in text.split("both!(").skip(1) {
            let Some((english, rest)) = literal(rest) else { continue };
            let Some((chinese, _)) = rest.trim_start().strip_prefix(',').and_then(literal) else { continue };
            pairs += 1;
            let names = |text: &str| {
                let name = |place: String| place.split(':').next().unwrap_or_default().to_owned();
                places(text).into_iter().map(name).collect::<BTreeSet<_>>()
            };
            let same = names(english) == names(chinese) || chinese.contains("{chinese}");
            let has_words = words(english).chars().any(|letter| letter.is_ascii_alphabetic());
            let in_chinese = chinese.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
            if !same || (has_words && !in_chinese) {
                wrong.push(format!("{place}: {english} / {chinese}"));
            }
        }
    }
    assert!(pairs > 200, "{pairs} texts were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
