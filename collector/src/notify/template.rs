//! Texts with places for what is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest subject and longest text, in characters.
const SUBJECT: usize = 200;
const TEXT: usize = 4000;

/// A subject and a text in which `{name}` stands for something; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The subject: one line.
    pub subject: String,
    /// The text. A line in which all names stand for nothing is left out.
    pub text: String,
}

/// What may stand in messages about one alarm.
pub(super) const OF_ONE: &[&str] = &[
    "severity",
    "site",
    "area",
    "device",
    "class",
    "what",
    "value",
    "since",
    "duration",
    "ended",
    "outcome",
    "acknowledged",
    "count",
    "hides",
    "agent",
    "link",
    "id",
];
/// What may stand in messages about several.
pub(super) const OF_MANY: &[&str] =
    &["severity", "changes", "severities", "sites", "list", "more", "outages", "count", "link", "id"];
/// What may stand in a test.
pub(super) const OF_TEST: &[&str] = &["channel", "by", "since", "link", "id"];

/// The kinds of messages that have a template, and what may stand in them.
pub(super) const KINDS: [(&str, &[&str]); 6] = [
    ("raise", OF_ONE),
    ("clear", OF_ONE),
    ("escalate", OF_ONE),
    ("group", OF_MANY),
    ("digest", OF_MANY),
    ("test", OF_TEST),
];

/// What stands for the names.
pub(super) type Values = BTreeMap<&'static str, String>;

#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Text(&'t str),
    Name(&'t str),
}

fn parts(template: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut rest) = (Vec::new(), template);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        parts.push(Part::Text(before));
        if from.starts_with("{{") || from.starts_with("}}") {
            parts.push(Part::Text(&from[..1]));
            rest = &from[2..];
            continue;
        }
        let end = from.find('}').filter(|_| from.starts_with('{'));
        let Some(end) = end else { return Err("a brace stands alone; write {{ or }} for one".to_owned()) };
        parts.push(Part::Name(&from[1..end]));
        rest = &from[end + 1..];
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// Puts `values` into a template. Lines in which every name stands for nothing are left out.
#[must_use]
pub(super) fn fill(template: &str, values: &Values) -> String {
    let mut lines = Vec::new();
    for line in template.lines() {
        // It was checked when it was made; should it not read, it is told as it is.
        let Ok(parts) = parts(line) else {
            lines.push(line.to_owned());
            continue;
        };
        let value = |name: &str| values.get(name).map_or("", String::as_str);
        let mut names = parts.iter().filter_map(|part| if let Part::Name(name) = part { Some(*name) } else { None });
        let has_names = parts.iter().any(|part| matches!(part, Part::Name(_)));
        if has_names && names.all(|name| value(name).is_empty()) {
            continue;
        }
        let filled = parts.iter().map(|part| match part {
            Part::Text(text) => *text,
            Part::Name(name) => value(name),
        });
        lines.push(filled.collect());
    }
    lines.join("\n")
}

/// Tells what is wrong with own templates.
pub(super) fn check_templates(templates: &BTreeMap<String, Template>, problems: &mut Vec<String>) {
    for (kind, template) in templates {
        let Some((_, names)) = KINDS.iter().find(|(known, _)| known == kind) else {
            let known = KINDS.map(|(kind, _)| kind).join(", ");
            let kind: String = kind.chars().take(64).collect();
            problems.push(format!("templates: \"{kind}\" is no kind of message; there are {known}"));
            continue;
        };
        let place = format!("templates.{kind}");
        if template.subject.trim().is_empty() || template.subject.chars().count() > SUBJECT {
            problems.push(format!("{place}.subject has 1 to {SUBJECT} characters"));
        }
        if template.subject.chars().any(char::is_control) {
            problems.push(format!("{place}.subject is one line"));
        }
        if template.text.trim().is_empty() || template.text.chars().count() > TEXT {
            problems.push(format!("{place}.text has 1 to {TEXT} characters"));
        }
        for (part, text) in [("subject", &template.subject), ("text", &template.text)] {
            match parts(text) {
                Err(problem) => problems.push(format!("{place}.{part}: {problem}")),
                Ok(parts) => {
                    for name in
                        parts.iter().filter_map(|part| if let Part::Name(name) = part { Some(name) } else { None })
                    {
                        if !names.contains(name) {
                            let name: String = name.chars().take(64).collect();
                            let known = names.join(", ");
                            problems.push(format!("{place}.{part}: {{{name}}} stands for nothing; there are {known}"));
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_about_nothing_are_left_out() {
        let values = Values::from([("what", "no answer".to_owned()), ("area", String::new())]);
        let text = "Alarm: {what}\nArea: {area}\nplain\n{what}{area}\n{{x}}";
        assert_eq!(fill(text, &values), "Alarm: no answer\nplain\nno answer\n{x}");
    }

    #[test]
    fn what_is_filled_in_is_not_read_again() {
        let values = Values::from([("what", "{device} \u{7b}".to_owned()), ("device", "gate".to_owned())]);
        assert_eq!(fill("{what}", &values), "{device} {");
    }

    #[test]
    fn templates_are_checked() {
        let told = |kind: &str, subject: &str, text: &str| {
            let template = Template { subject: subject.into(), text: text.into() };
            let mut problems = Vec::new();
            check_templates(&[(kind.to_owned(), template)].into(), &mut problems);
            problems.join("\n")
        };
        assert_eq!(told("raise", "{severity}: {what}", "{device}\n{link}"), "");
        assert!(told("raise", "{seriousness}", "x").contains("{seriousness} stands for nothing"));
        assert!(told("raise", "{list}", "x").contains("{list}"), "that is for groups");
        assert!(told("raise", "x", "{what").contains("brace stands alone"));
        assert!(told("shout", "x", "x").contains("no kind of message"));
        assert!(told("clear", "a\nb", " ").contains("one line"));
    }
}
