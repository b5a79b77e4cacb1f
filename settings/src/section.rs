//! Tables that are read key by key.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use toml::de::{DeTable, DeValue};

use crate::bilingual::Bilingual;
use crate::both;
use crate::problems::Problems;
use crate::size::parse_bytes;

/// A parsed file.
#[derive(Debug)]
pub struct Document<'t> {
    table: DeTable<'t>,
}

impl<'t> Document<'t> {
    /// Parses `text`, which came from `file`.
    ///
    /// # Errors
    /// Every place where the text is not TOML.
    pub fn parse(file: &str, text: &'t str) -> Result<Self, Problems> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { table: table.into_inner() });
        }
        let problems = Problems::new(file, text);
        for error in errors {
            let line = error.span().map_or(1, |span| problems.line_of(span.start));
            let why = error.message();
            problems.wrong(line, "", both!("this is not valid TOML: {why}", "不是有效的 TOML：{why}"));
        }
        Err(problems)
    }

    /// The top of the document.
    #[must_use]
    pub fn root<'p>(&self, problems: &'p Problems) -> Section<'p>
    where
        't: 'p,
    {
        Section::new(problems, String::new(), 1, self.table.clone())
    }
}

/// What belongs where something is missing; a text alone is English.
#[derive(Debug, Clone)]
pub struct Hint(Bilingual);

impl From<&str> for Hint {
    fn from(english: &str) -> Self {
        Self(Bilingual::new(english, ""))
    }
}

impl From<(&str, &str)> for Hint {
    fn from(texts: (&str, &str)) -> Self {
        Self(texts.into())
    }
}

impl From<Bilingual> for Hint {
    fn from(text: Bilingual) -> Self {
        Self(text)
    }
}

/// A table. Each reader takes a key out; keys nobody took are reported when the section is dropped.
#[derive(Debug)]
pub struct Section<'p> {
    problems: &'p Problems,
    path: String,
    line: usize,
    entries: BTreeMap<String, Entry<'p>>,
    known: Vec<String>,
    lines: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Entry<'p> {
    key_span: Range<usize>,
    value: DeValue<'p>,
    span: Range<usize>,
}

impl<'p> Section<'p> {
    fn new(problems: &'p Problems, path: String, line: usize, table: DeTable<'p>) -> Self {
        let mut entries = BTreeMap::new();
        let mut lines = BTreeMap::new();
        for (key, value) in table {
            let key_span = key.span();
            let name = key.into_inner().into_owned();
            let span = value.span();
            lines.insert(name.clone(), problems.line_of(key_span.start));
            entries.insert(name, Entry { key_span, value: value.into_inner(), span });
        }
        Self { problems, path, line, entries, known: Vec::new(), lines }
    }

    /// The line on which the section begins.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The section's place in the document: `link[2]`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Adds a problem with `key` of this section, said in both languages.
    pub fn wrong(&self, key: &str, message: impl Into<Bilingual>) {
        let line = self.lines.get(key).copied().unwrap_or(self.line);
        self.problems.wrong(line, self.place(key), message);
    }

    /// Adds a problem with `key` of this section, said in English alone.
    pub fn problem(&self, key: &str, message: impl Into<String>) {
        let line = self.lines.get(key).copied().unwrap_or(self.line);
        self.problems.add(line, self.place(key), message);
    }

    /// The list that problems go to.
    #[must_use]
    pub fn problems(&self) -> &'p Problems {
        self.problems
    }

    /// Whether the key is present and not yet taken.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Keys that nobody took yet, by name. For tables whose keys are data.
    #[must_use]
    pub fn remaining_keys(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// A text.
    pub fn string(&mut self, key: &str) -> Option<String> {
        self.take(key, both!("a text in quotes", "加引号的文字"), |value| value.as_str().map(str::to_owned))
    }

    /// A text that must be present; `hint` says what belongs there.
    pub fn string_required(&mut self, key: &str, hint: impl Into<Hint>) -> Option<String> {
        self.require(key, hint);
        self.string(key)
    }

    /// A secret text. It never appears in a problem.
    pub fn secret(&mut self, key: &str) -> Option<SecretString> {
        self.string(key).map(SecretString::from)
    }

    /// True or false.
    pub fn bool(&mut self, key: &str) -> Option<bool> {
        self.take(key, both!("true or false", "true 或 false"), DeValue::as_bool)
    }

    /// True or false, or `default` when absent.
    pub fn bool_or(&mut self, key: &str, default: bool) -> bool {
        self.bool(key).unwrap_or(default)
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let (low, high) = (range.start(), range.end());
        let expected = both!("a whole number from {low} to {high}", "{low} 至 {high} 的整数");
        self.take(key, expected, |value| integer(value).filter(|number| range.contains(number)))
    }

    /// A whole number within `range`, or `default` when absent.
    pub fn integer_or(&mut self, key: &str, range: RangeInclusive<i64>, default: i64) -> i64 {
        self.integer(key, range).unwrap_or(default)
    }

    /// Whole numbers within `range`; absent means none.
    pub fn integers(&mut self, key: &str, range: RangeInclusive<i64>) -> Vec<i64> {
        let (low, high) = (range.start(), range.end());
        let expected = both!("a list of whole numbers from {low} to {high}", "由 {low} 至 {high} 的整数组成的列表");
        let read = |value: &DeValue<'p>| {
            let items = value.as_array()?.iter();
            items.map(|item| integer(item.get_ref()).filter(|number| range.contains(number))).collect()
        };
        self.take(key, expected, read).unwrap_or_default()
    }

    /// A finite number, whole or not.
    pub fn number(&mut self, key: &str) -> Option<f64> {
        self.take(key, both!("a number", "一个数"), number)
    }

    /// Exactly `N` finite numbers.
    pub fn numbers<const N: usize>(&mut self, key: &str) -> Option<[f64; N]> {
        let expected = both!("a list of {N} numbers", "由 {N} 个数组成的列表");
        let read = |value: &DeValue<'p>| {
            let list: Option<Vec<f64>> = value.as_array()?.iter().map(|item| number(item.get_ref())).collect();
            <[f64; N]>::try_from(list?).ok()
        };
        self.take(key, expected, read)
    }

    /// A list of texts; absent means none.
    pub fn strings(&mut self, key: &str) -> Vec<String> {
        let read = |value: &DeValue<'p>| {
            value.as_array()?.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        };
        self.take(key, both!("a list of texts in quotes", "由加引号的文字组成的列表"), read).unwrap_or_default()
    }

    /// A length of time such as `"5s"`, `"2m 30s"` or `"250ms"`.
    pub fn duration(&mut self, key: &str) -> Option<Duration> {
        let read = |value: &DeValue<'p>| humantime::parse_duration(value.as_str()?).ok();
        let expected = both!(
            "a length of time in quotes, such as \"5s\" or \"250ms\"",
            "加引号的时间长度，如 \"5s\" 或 \"250ms\""
        );
        self.take(key, expected, read)
    }

    /// A length of time, or `default` when absent.
    pub fn duration_or(&mut self, key: &str, default: Duration) -> Duration {
        self.duration(key).unwrap_or(default)
    }

    /// A length of time within `range`, or `default` when absent.
    pub fn duration_within(&mut self, key: &str, range: RangeInclusive<Duration>, default: Duration) -> Duration {
        let Some(duration) = self.duration(key) else { return default };
        if !range.contains(&duration) {
            let [low, high, got] =
                [*range.start(), *range.end(), duration].map(|value| humantime::format_duration(value).to_string());
            self.wrong(key, both!("{got} is outside {low} to {high}", "{got} 超出范围 {low} 至 {high}"));
        }
        duration
    }

    /// A size such as `"512MiB"`, or `default` when absent.
    pub fn bytes_or(&mut self, key: &str, default: u64) -> u64 {
        let read = |value: &DeValue<'p>| match value.as_str() {
            Some(text) => parse_bytes(text),
            None => integer(value).and_then(|number| u64::try_from(number).ok()),
        };
        let expected = both!("a size in quotes, such as \"512MiB\"", "加引号的容量，如 \"512MiB\"");
        self.take(key, expected, read).unwrap_or(default)
    }

    /// Anything that is written as text and knows how to be read.
    pub fn parse<T>(&mut self, key: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.string(key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let error: T::Err = error;
                self.problem(key, format!("\"{text}\" cannot be used: {error}"));
                None
            }
        }
    }

    /// Like [`Section::parse`]; `chinese` says in Chinese why a text cannot be used.
    pub fn parse_with<T>(&mut self, key: &str, chinese: impl FnOnce(&T::Err) -> String) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.string(key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let error: T::Err = error;
                let why = chinese(&error);
                self.wrong(key, both!("\"{text}\" cannot be used: {error}", "\"{text}\" 不能用：{why}"));
                None
            }
        }
    }

    /// Like [`Section::parse`], or `default` when absent.
    pub fn parse_or<T>(&mut self, key: &str, default: T) -> T
    where
        T: FromStr,
        T::Err: Display,
    {
        self.parse(key).unwrap_or(default)
    }

    /// Like [`Section::parse`], and the key must be present; `hint` says what belongs there.
    pub fn parse_required<T>(&mut self, key: &str, hint: impl Into<Hint>) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.require(key, hint);
        self.parse(key)
    }

    /// One of a few words, each with its meaning.
    pub fn choice<T: Clone>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.string(key)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, meaning)| meaning.clone());
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let known = words.join(", ");
            self.wrong(
                key,
                both!("\"{text}\" is not known here; it must be one of {known}", "这里没有 \"{text}\"；只能是 {known}"),
            );
        }
        found
    }

    /// A sub-table.
    pub fn section(&mut self, key: &str) -> Option<Section<'p>> {
        let (place, line) = (self.place(key), self.line_of_key(key));
        let expected = both!("a table, written as [{place}]", "一个表，写成 [{place}]");
        let table = self.take(key, expected, |value| value.as_table().cloned())?;
        Some(Section::new(self.problems, place, line, table))
    }

    /// A sub-table, empty when absent.
    pub fn section_or_empty(&mut self, key: &str) -> Section<'p> {
        let (place, line) = (self.place(key), self.line_of_key(key));
        self.section(key).unwrap_or_else(|| Section::new(self.problems, place, line, DeTable::new()))
    }

    /// A list of tables, in the order of the file; absent means none.
    pub fn sections(&mut self, key: &str) -> Vec<Section<'p>> {
        let place = self.place(key);
        let read = |value: &DeValue<'p>| {
            let items = value.as_array()?.iter();
            items.map(|item| Some((item.get_ref().as_table()?.clone(), item.span()))).collect()
        };
        let tables: Option<Vec<(DeTable<'p>, Range<usize>)>> = self.take(
            key,
            both!("a list of tables, each written as [[{place}]]", "若干个表，每个写成 [[{place}]]"),
            read,
        );
        let tables = tables.unwrap_or_default().into_iter().enumerate();
        tables
            .map(|(at, (table, span))| {
                let line = self.problems.line_of(span.start);
                Section::new(self.problems, format!("{place}[{at}]"), line, table)
            })
            .collect()
    }

    /// Reports `key` as missing unless it is there.
    pub fn require(&mut self, key: &str, hint: impl Into<Hint>) {
        if !self.has(key) {
            self.known.push(key.to_owned());
            let Hint(Bilingual { english, chinese }) = hint.into();
            let message = if chinese.is_empty() { String::new() } else { format!("缺少这一项：{chinese}") };
            let message = Bilingual::new(format!("this is missing: {english}"), message);
            self.problems.wrong(self.line, self.place(key), message);
        }
    }

    /// Takes everything left without a word, for a reader that could not go on.
    pub fn ignore_rest(&mut self) {
        self.entries.clear();
    }

    fn place(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn line_of_key(&self, key: &str) -> usize {
        self.lines.get(key).copied().unwrap_or(self.line)
    }

    fn take<T>(&mut self, key: &str, expected: Bilingual, read: impl FnOnce(&DeValue<'p>) -> Option<T>) -> Option<T> {
        self.known.push(key.to_owned());
        let entry = self.entries.remove(key)?;
        let value = read(&entry.value);
        if value.is_none() {
            let line = self.problems.line_of(entry.span.start);
            let got = entry.value.type_str();
            let got_zh = type_in_chinese(got);
            let Bilingual { english, chinese } = expected;
            let message = format!("this must be {english}, not this {got}");
            self.problems.wrong(
                line,
                self.place(key),
                Bilingual::new(message, format!("应当是{chinese}，而不是{got_zh}")),
            );
        }
        value
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        for (name, entry) in &self.entries {
            let line = self.problems.line_of(entry.key_span.start);
            let message = match nearest(name, &self.known) {
                Some(known) => both!(
                    "this key is not known here; did you mean \"{known}\"?",
                    "这里没有这个键，是不是 \"{known}\"？"
                ),
                None => {
                    let mut known = self.known.clone();
                    known.sort();
                    known.dedup();
                    let known = known.join(", ");
                    both!("this key is not known here; known are {known}", "这里没有这个键；可用的键：{known}")
                }
            };
            self.problems.wrong(line, self.place(name), message);
        }
    }
}

fn type_in_chinese(name: &str) -> &str {
    match name {
        "string" => "文字",
        "integer" => "整数",
        "float" => "小数",
        "boolean" => "true 或 false",
        "datetime" => "日期时间",
        "array" => "列表",
        "table" => "表",
        other => other,
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    let number = match value {
        DeValue::Float(float) => float.as_str().replace('_', "").parse().ok()?,
        _ => integer(value)? as f64,
    };
    Some(number).filter(|number| number.is_finite())
}

/// The known key that `name` most likely meant.
fn nearest<'k>(name: &str, known: &'k [String]) -> Option<&'k str> {
    let best = known.iter().map(|key| (edit_distance(name, key), key)).min()?;
    (best.0 <= 1 + name.len() / 4).then_some(best.1.as_str())
}

/// Levenshtein distance.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, left) in from.chars().zip(1..) {
        let mut diagonal = row[0];
        row[0] = left;
        for (at, letter) in to.iter().enumerate() {
            let replace = diagonal + usize::from(above != *letter);
            diagonal = row[at + 1];
            row[at + 1] = replace.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(text: &str, reader: impl FnOnce(&mut Section<'_>) -> T) -> (T, String) {
        let problems = Problems::new("test.toml", text);
        let document = Document::parse("test.toml", text).unwrap();
        let mut root = document.root(&problems);
        let value = reader(&mut root);
        drop(root);
        (value, problems.to_string())
    }

    #[test]
    fn all_problems_come_at_once_with_their_lines() {
        let text = "nmae = \"x\"\nevery = 5\n\n[link]\nunit = 300\n";
        let ((), said) = read(text, |root| {
            root.require("name", "the name, such as name = \"a\"");
            root.duration("every");
            root.section("link").unwrap().integer("unit", 1..=247);
        });
        assert_eq!(
            said,
            "test.toml:1: name: this is missing: the name, such as name = \"a\"\n\
             test.toml:1: nmae: this key is not known here; did you mean \"name\"?\n\
             test.toml:2: every: this must be a length of time in quotes, such as \"5s\" or \"250ms\", not this integer\n\
             test.toml:5: link.unit: this must be a whole number from 1 to 247, not this integer"
        );
    }

    #[test]
    fn values_are_read_with_their_types() {
        let text =
            "a = 0x1F\nb = 1_000.5\nc = \"2m 30s\"\nd = \"1MiB\"\ne = [\"x\", \"y\"]\n[[f]]\ng = 1\n[[f]]\ng = 2\n";
        let (values, said) = read(text, |root| {
            let sections = root.sections("f").iter_mut().filter_map(|f| f.integer("g", 0..=9)).collect::<Vec<_>>();
            let duration = root.duration("c");
            (root.integer("a", 0..=99), root.number("b"), duration, root.bytes_or("d", 0), root.strings("e"), sections)
        });
        assert_eq!(said, "");
        let strings = vec!["x".to_owned(), "y".to_owned()];
        let duration = Some(Duration::from_secs(150));
        assert_eq!(values, (Some(31), Some(1000.5), duration, 1 << 20, strings, vec![1, 2]));
    }

    #[test]
    fn text_that_is_not_toml_names_the_line() {
        let problems = Document::parse("test.toml", "a = 1\nb = = 2\n").unwrap_err().to_string();
        assert!(problems.starts_with("test.toml:2: this is not valid TOML"), "{problems}");
    }

    #[test]
    fn a_secret_does_not_show() {
        let (secret, said) = read("token = 5\n", |root| root.secret("token"));
        assert!(secret.is_none());
        assert!(!said.contains('5'), "{said}");
    }
}
