//! Requests as bytes with placeholders: `7E 00 {unit} 80 {persons} 00 00`.

use kouan_protocol::{ActionSpec, ArgumentKind, Field, FieldValue};
use kouan_settings::Section;

/// A request without its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Byte(u8),
    Unit,
    Argument { name: String, width: usize },
}

/// What an argument becomes where it is not simply a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Codes {
    /// The code of each word of an argument.
    pub(crate) words: Vec<(String, Vec<(String, u32)>)>,
    /// The code of an argument that was not given.
    pub(crate) defaults: Vec<(String, u32)>,
}

/// Longest request.
const LONGEST: usize = 256;

impl Template {
    /// Reads hexadecimal bytes and placeholders, apart by blanks. `{name}` is one byte, `{name:2}` two bytes with the
    /// high byte first.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let parts: Result<Vec<Part>, String> = text.split_whitespace().map(read_part).collect();
        let parts = parts?;
        if parts.is_empty() || parts.len() > LONGEST {
            return Err(format!("a request has 1 to {LONGEST} bytes"));
        }
        Ok(Self { parts })
    }

    /// The arguments with their widths in bytes.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = (&str, usize)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Argument { name, width } => Some((name.as_str(), *width)),
            Part::Byte(_) | Part::Unit => None,
        })
    }

    /// The bytes.
    pub(crate) fn write(&self, unit: u8, arguments: &[Field], codes: &Codes) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::with_capacity(self.parts.len() + 2);
        for part in &self.parts {
            match part {
                Part::Byte(byte) => bytes.push(*byte),
                Part::Unit => bytes.push(unit),
                Part::Argument { name, width } => {
                    let code = codes.code(name, arguments)?;
                    let all = code.to_be_bytes();
                    let (unused, used) = all.split_at(all.len() - width);
                    if unused.iter().any(|byte| *byte != 0) {
                        return Err(format!("argument \"{name}\" is {code}, which does not fit into {width} byte(s)"));
                    }
                    bytes.extend_from_slice(used);
                }
            }
        }
        Ok(bytes)
    }
}

fn read_part(word: &str) -> Result<Part, String> {
    let Some(name) = word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) else {
        let byte = if word.len() == 2 { u8::from_str_radix(word, 16).ok() } else { None };
        return byte.map(Part::Byte).ok_or_else(|| format!("\"{word}\" is neither a byte such as 7E nor {{name}}"));
    };
    let (name, width) = name.split_once(':').unwrap_or((name, "1"));
    match (name, width.parse()) {
        ("unit", Ok(1)) => Ok(Part::Unit),
        (name, Ok(width @ 1..=4)) if !name.is_empty() && name != "unit" => {
            Ok(Part::Argument { name: name.to_owned(), width })
        }
        _ => Err(format!("\"{word}\" must be {{name}} or {{name:2}}, of 1 to 4 bytes")),
    }
}

impl Codes {
    fn code(&self, name: &str, arguments: &[Field]) -> Result<u32, String> {
        let known =
            |list: &[(String, u32)], word: &str| list.iter().find(|(known, _)| known == word).map(|(_, code)| *code);
        let Some(field) = arguments.iter().find(|field| field.name == name) else {
            return known(&self.defaults, name).ok_or_else(|| format!("argument \"{name}\" is missing"));
        };
        let code = match &field.value {
            FieldValue::Integer(integer) => u32::try_from(*integer).ok(),
            FieldValue::Flag(flag) => Some(u32::from(*flag)),
            FieldValue::Text(word) => {
                let words = self.words.iter().find(|(argument, _)| argument == name);
                words.and_then(|(_, words)| known(words, word))
            }
            FieldValue::Number(_) => None,
        };
        code.ok_or_else(|| format!("argument \"{name}\" has no code for this value"))
    }
}

/// `codes = { direction = { in = 0x80 } }` and `defaults = { persons = 1 }`.
pub(crate) fn read_codes(section: &mut Section<'_>) -> Codes {
    let numbers = |table: &mut Section<'_>| {
        let mut list = Vec::new();
        for key in table.remaining_keys() {
            list.extend(table.integer(&key, 0..=i64::from(u32::MAX)).map(|code| (key, code as u32)));
        }
        list
    };
    let mut words = Vec::new();
    if let Some(mut table) = section.section("codes") {
        for argument in table.remaining_keys() {
            if let Some(mut codes) = table.section(&argument) {
                words.push((argument, numbers(&mut codes)));
            }
        }
    }
    let defaults = section.section("defaults").map(|mut table| numbers(&mut table)).unwrap_or_default();
    Codes { words, defaults }
}

/// Reports every argument that cannot become bytes.
pub(crate) fn check_arguments(template: &Template, codes: &Codes, action: &ActionSpec, add: impl Fn(String)) {
    for (name, width) in template.arguments() {
        let Some(spec) = action.arguments.iter().find(|spec| spec.name == name) else {
            add(format!("{{{name}}} is neither an argument of this action nor {{unit}}"));
            continue;
        };
        let words = codes.words.iter().find(|(argument, _)| argument == name);
        let most = 256_f64.powi(width as i32) - 1.0;
        match spec.kind {
            ArgumentKind::Flag => {}
            ArgumentKind::Integer
                if spec.min.is_some_and(|min| min >= 0.0) && spec.max.is_some_and(|max| max <= most) => {}
            ArgumentKind::Integer => add(format!("argument \"{name}\" needs min and max within 0 and {most}")),
            ArgumentKind::Number => add(format!("argument \"{name}\" must be an integer to become bytes")),
            ArgumentKind::Text => {
                let coded =
                    |choice: &String| words.is_some_and(|(_, words)| words.iter().any(|(word, _)| word == choice));
                if spec.choices.is_empty() || !spec.choices.iter().all(coded) {
                    add(format!("argument \"{name}\" needs choices, each with a code in codes.{name}"));
                }
            }
        }
        if !spec.required && !codes.defaults.iter().any(|(argument, _)| argument == name) {
            add(format!("argument \"{name}\" may be left out; say what then, in defaults"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_bytes() {
        let template = Template::read("7E 00 {unit} {way} {persons} {time:2}").unwrap();
        let codes = Codes {
            words: vec![("way".to_owned(), vec![("in".to_owned(), 0x80)])],
            defaults: vec![("persons".to_owned(), 1)],
        };
        let mut arguments =
            vec![Field::new("way", FieldValue::Text("in".to_owned())), Field::new("time", FieldValue::Integer(513))];
        assert_eq!(template.write(9, &arguments, &codes), Ok(vec![0x7E, 0, 9, 0x80, 1, 2, 1]));
        arguments.push(Field::new("persons", FieldValue::Integer(256)));
        assert!(template.write(9, &arguments, &codes).unwrap_err().contains("does not fit into 1 byte"));
        arguments[0].value = FieldValue::Text("up".to_owned());
        assert!(template.write(9, &arguments, &codes).unwrap_err().contains("has no code"));
        assert!(template.write(9, &[], &codes).unwrap_err().contains("\"way\" is missing"));
    }

    #[test]
    fn what_is_no_template_is_explained() {
        for text in ["", "7", "7EE", "{}", "{a:9}", "{a:x}", "{unit:2}", "ZZ", "{a"] {
            assert!(Template::read(text).is_err(), "{text}");
        }
    }
}
