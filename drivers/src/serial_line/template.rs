//! Requests as bytes with placeholders: `7E 00 {unit} 80 {persons} 00 00`.

use kouan_protocol::{ActionSpec, ArgumentKind, Field, FieldValue};
use kouan_settings::{Bilingual, Section, both};

/// A request without its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Byte(u8),
    Unit,
    /// An argument times a number.
    Argument {
        name: String,
        factor: u32,
        width: usize,
        big_endian: bool,
    },
    /// A sum of numbers, the unit and arguments, each times a number: one byte.
    Sum(Vec<Term>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    factor: i64,
    /// The unit or an argument; without one the factor stands for itself.
    name: Option<String>,
}

/// One byte that follows from the unit and arguments: `unit*16+slot-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Formula(Vec<Term>);

impl Formula {
    /// Reads a formula; a bare number is one too.
    pub(crate) fn read(text: &str) -> Option<Self> {
        read_sum(text).map(Self)
    }

    /// A number.
    pub(crate) fn number(number: u8) -> Self {
        Self(vec![Term { factor: number.into(), name: None }])
    }

    /// The byte.
    pub(crate) fn value(&self, unit: u8, arguments: &[Field], codes: &Codes) -> Result<u8, Bilingual> {
        value_of(&self.0, unit, arguments, codes)
    }
}

fn value_of(terms: &[Term], unit: u8, arguments: &[Field], codes: &Codes) -> Result<u8, Bilingual> {
    let mut sum = 0_i64;
    for term in terms {
        let value = match term.name.as_deref() {
            None => 1,
            Some("unit") => unit.into(),
            Some(name) => codes.code(name, arguments)?.into(),
        };
        sum += term.factor * value;
    }
    u8::try_from(sum).map_err(|_| both!("{sum} does not fit into one byte", "{sum} 超出一个字节"))
}

/// `unit*16+slot-1`
fn read_sum(text: &str) -> Option<Vec<Term>> {
    let mut terms = Vec::new();
    let spaced = text.replace('-', "+-");
    for term in spaced.split('+').enumerate().filter(|(at, term)| *at > 0 || !term.is_empty()).map(|(_, term)| term) {
        let (sign, term) = term.strip_prefix('-').map_or((1, term), |term| (-1, term));
        let (name, factor) = match term.split_once('*') {
            Some((name, factor)) => (Some(name), factor.parse::<u8>().ok()?),
            None => match term.parse::<u8>() {
                Ok(number) => (None, number),
                Err(_) => (Some(term), 1),
            },
        };
        let word = |name: &str| {
            name.starts_with(|letter: char| letter.is_ascii_lowercase())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        if name.is_some_and(|name| !word(name)) {
            return None;
        }
        terms.push(Term { factor: sign * i64::from(factor), name: name.map(str::to_owned) });
    }
    (!terms.is_empty()).then_some(terms)
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
    /// high byte first, `{name*10:2le}` two bytes of ten times the argument with the low byte first.
    pub(crate) fn read(text: &str) -> Result<Self, Bilingual> {
        let parts: Result<Vec<Part>, Bilingual> = text.split_whitespace().map(read_part).collect();
        let parts = parts?;
        if parts.is_empty() || parts.len() > LONGEST {
            return Err(both!("a request has 1 to {LONGEST} bytes", "请求应有 1 至 {LONGEST} 个字节"));
        }
        Ok(Self { parts })
    }

    /// The arguments, each with the greatest value that fits.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = (&str, u32)> {
        self.parts.iter().flat_map(|part| match part {
            Part::Argument { name, factor, width, .. } => {
                let most = u32::MAX >> (32 - 8 * *width as u32);
                vec![(name.as_str(), most / factor)]
            }
            Part::Sum(terms) => {
                let names = terms.iter().filter_map(|term| term.name.as_deref());
                names.filter(|name| *name != "unit").map(|name| (name, u32::from(u8::MAX))).collect()
            }
            Part::Byte(_) | Part::Unit => Vec::new(),
        })
    }

    /// How many bytes it has.
    pub(crate) fn length(&self) -> usize {
        let width = |part: &Part| if let Part::Argument { width, .. } = part { *width } else { 1 };
        self.parts.iter().map(width).sum()
    }

    /// Whether the unit stands in it.
    pub(crate) fn names_unit(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Unit => true,
            Part::Sum(terms) => terms.iter().any(|term| term.name.as_deref() == Some("unit")),
            Part::Byte(_) | Part::Argument { .. } => false,
        })
    }

    /// The bytes.
    pub(crate) fn write(&self, unit: u8, arguments: &[Field], codes: &Codes) -> Result<Vec<u8>, Bilingual> {
        let mut bytes = Vec::with_capacity(self.parts.len() + 2);
        for part in &self.parts {
            match part {
                Part::Byte(byte) => bytes.push(*byte),
                Part::Unit => bytes.push(unit),
                Part::Sum(terms) => bytes.push(value_of(terms, unit, arguments, codes)?),
                Part::Argument { name, factor, width, big_endian } => {
                    let code = codes.code(name, arguments)?;
                    let too_large = || {
                        both!(
                            "argument \"{name}\" is {code}, which does not fit into {width} byte(s)",
                            "参数“{name}”的值 {code} 超出 {width} 个字节"
                        )
                    };
                    let all = code.checked_mul(*factor).ok_or_else(too_large)?.to_be_bytes();
                    let (unused, used) = all.split_at(all.len() - width);
                    if unused.iter().any(|byte| *byte != 0) {
                        return Err(too_large());
                    }
                    if *big_endian {
                        bytes.extend(used);
                    } else {
                        bytes.extend(used.iter().rev());
                    }
                }
            }
        }
        Ok(bytes)
    }
}

fn read_part(word: &str) -> Result<Part, Bilingual> {
    let Some(name) = word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) else {
        let byte = if word.len() == 2 { u8::from_str_radix(word, 16).ok() } else { None };
        return byte.map(Part::Byte).ok_or_else(|| {
            both!(
                "\"{word}\" is neither a byte such as 7E nor {{name}}",
                "\"{word}\" 既不是 7E 这样的字节，也不是 {{name}}"
            )
        });
    };
    if !name.contains(':') && name.contains(['+', '-', '*']) {
        let wrong = || {
            both!("\"{word}\" is no sum such as {{unit*16+slot-1}}", "\"{word}\" 不是 {{unit*16+slot-1}} 这样的算式")
        };
        return read_sum(name).map(Part::Sum).ok_or_else(wrong);
    }
    let (name, width) = name.split_once(':').unwrap_or((name, "1"));
    let (width, big_endian) = width.strip_suffix("le").map_or((width, true), |width| (width, false));
    let (name, factor) = name.split_once('*').unwrap_or((name, "1"));
    match (name, factor.parse(), width.parse()) {
        ("unit", Ok(1), Ok(1)) => Ok(Part::Unit),
        (name, Ok(factor @ 1..=1000), Ok(width @ 1..=4)) if !name.is_empty() && name != "unit" => {
            Ok(Part::Argument { name: name.to_owned(), factor, width, big_endian })
        }
        _ => Err(both!(
            "\"{word}\" must be {{name}}, {{name:2}} or {{name*10:2le}}, of 1 to 4 bytes",
            "\"{word}\" 应当是 {{name}}、{{name:2}} 或 {{name*10:2le}}，1 至 4 个字节"
        )),
    }
}

impl Codes {
    fn code(&self, name: &str, arguments: &[Field]) -> Result<u32, Bilingual> {
        let known =
            |list: &[(String, u32)], word: &str| list.iter().find(|(known, _)| known == word).map(|(_, code)| *code);
        let Some(field) = arguments.iter().find(|field| field.name == name) else {
            return known(&self.defaults, name)
                .ok_or_else(|| both!("argument \"{name}\" is missing", "缺少参数“{name}”"));
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
        code.ok_or_else(|| {
            both!("argument \"{name}\" has no code for this value", "参数“{name}”的这个值没有对应的代码")
        })
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
pub(crate) fn check_arguments(template: &Template, codes: &Codes, action: &ActionSpec, add: impl Fn(Bilingual)) {
    for (name, most) in template.arguments() {
        let Some(spec) = action.arguments.iter().find(|spec| spec.name == name) else {
            add(both!(
                "{{{name}}} is neither an argument of this action nor {{unit}}",
                "{{{name}}} 既不是这个操作的参数，也不是 {{unit}}"
            ));
            continue;
        };
        let words = codes.words.iter().find(|(argument, _)| argument == name);
        let most = f64::from(most);
        match spec.kind {
            ArgumentKind::Flag => {}
            ArgumentKind::Integer
                if spec.min.is_some_and(|min| min >= 0.0) && spec.max.is_some_and(|max| max <= most) => {}
            ArgumentKind::Integer => add(both!(
                "argument \"{name}\" needs min and max within 0 and {most}",
                "参数“{name}”需要 min 和 max，且在 0 与 {most} 之间"
            )),
            ArgumentKind::Number => add(both!(
                "argument \"{name}\" must be an integer to become bytes",
                "参数“{name}”必须是整数才能变成字节"
            )),
            ArgumentKind::Text => {
                let coded =
                    |choice: &String| words.is_some_and(|(_, words)| words.iter().any(|(word, _)| word == choice));
                if spec.choices.is_empty() || !spec.choices.iter().all(coded) {
                    add(both!(
                        "argument \"{name}\" needs choices, each with a code in codes.{name}",
                        "参数“{name}”需要 choices，且每一个在 codes.{name} 中有代码"
                    ));
                }
            }
        }
        if !spec.required && !codes.defaults.iter().any(|(argument, _)| argument == name) {
            add(both!(
                "argument \"{name}\" may be left out; say what then, in defaults",
                "参数“{name}”可以不给；请在 defaults 中说明那时用什么"
            ));
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
        assert!(template.write(9, &arguments, &codes).unwrap_err().english.contains("does not fit into 1 byte"));
        arguments[0].value = FieldValue::Text("up".to_owned());
        assert!(template.write(9, &arguments, &codes).unwrap_err().english.contains("has no code"));
        assert!(template.write(9, &[], &codes).unwrap_err().english.contains("\"way\" is missing"));
    }

    #[test]
    fn an_argument_may_be_multiplied_and_turned_round() {
        let template = Template::read("05 {seconds*10:2le} {seconds:2}").unwrap();
        let seconds = |value| [Field::new("seconds", FieldValue::Integer(value))];
        assert_eq!(template.write(0, &seconds(30), &Codes::default()), Ok(vec![0x05, 0x2C, 0x01, 0x00, 0x1E]));
        assert!(template.write(0, &seconds(6554), &Codes::default()).unwrap_err().english.contains("does not fit"));
        assert_eq!(template.arguments().map(|(_, most)| most).collect::<Vec<_>>(), [6553, 65535]);
    }

    #[test]
    fn a_sum_is_one_byte() {
        let template = Template::read("02 {unit*16+slot-1} 31").unwrap();
        let slot = |slot| [Field::new("slot", FieldValue::Integer(slot))];
        assert_eq!(template.write(2, &slot(3), &Codes::default()), Ok(vec![0x02, 0x22, 0x31]));
        assert!(template.write(0, &slot(0), &Codes::default()).unwrap_err().english.contains("-1 does not fit"));
        assert!(template.names_unit());
        assert_eq!(Formula::read("16").unwrap().value(0, &[], &Codes::default()), Ok(16));
        for text in ["{unit*}", "{a+}", "{+-1x}", "{unit*300}", "{Unit+1}"] {
            assert!(Template::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_template_is_explained() {
        for text in ["", "7", "7EE", "{}", "{a:9}", "{a:x}", "{unit:2}", "ZZ", "{a"] {
            assert!(Template::read(text).is_err(), "{text}");
        }
    }
}
