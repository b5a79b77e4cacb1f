//! Actions of a Modbus profile: one write, and the point that shows whether it worked.

use std::time::Duration;

use kouan_protocol::{ArgumentKind, Field, FieldValue};
use kouan_settings::{Bilingual, Problems, Section, both};

use super::codec::Request;
use super::dialect::{ModbusProfile, Model, WORD_ORDERS, read_type};
use super::value::{Type, WordOrder};

/// Longest wait for a point to show what an action should have made of it. The link does nothing else meanwhile.
const MOST_WAIT: Duration = Duration::from_secs(30);

/// How an action is spoken: always one write request.
#[derive(Debug, Clone)]
pub struct ActionSpeak {
    write: Write,
    address: u16,
    index: Option<Index>,
    value: Source,
    /// value = raw × scale, as with points.
    scale: f64,
    confirm: Option<Confirm>,
    requires: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Write {
    /// Function 5 with 0xFF00 or 0x0000.
    Coil,
    /// Function 5 with the value as it is.
    CoilRaw,
    /// Function 6.
    Register,
    /// Function 15: this many coils, the value's bits, lowest first.
    Coils(u16),
    /// Function 16.
    Registers(Type, WordOrder),
    /// A function of the maker's own, without an address or a value.
    Bare(u8),
}

/// An argument that picks one of several neighbouring addresses.
#[derive(Debug, Clone)]
struct Index {
    argument: String,
    first: i64,
}

#[derive(Debug, Clone)]
enum Source {
    Fixed(f64),
    Argument(String),
}

#[derive(Debug, Clone)]
struct Confirm {
    /// Name of a point; `{channel}` stands for that argument.
    point: String,
    shows: Shows,
    /// How long it may take to show it.
    within: Duration,
}

#[derive(Debug, Clone)]
enum Shows {
    /// The raw value that was written.
    Written,
    /// This raw value.
    Raw(i64),
    /// This word of the point.
    Word(String),
}

/// What a point must show.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// A raw value.
    Raw(i64),
    /// The raw value that stands for this word.
    Word(String),
}

/// A point that is read back after a write.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadBack {
    /// The point's name.
    pub point: String,
    /// What it must show.
    pub expected: Expected,
    /// How long it may take; zero: it must show it at once.
    pub within: Duration,
}

/// A write that is ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadyWrite {
    /// The request.
    pub request: Request,
    /// What is read back.
    pub confirm: Option<ReadBack>,
}

pub(super) fn read_action(model: &Model, action: &mut Section<'_>) -> Option<ActionSpeak> {
    const WRITES: &str = "\"coil\", \"coil-raw\", \"coils\", \"register\", \"registers\" or \"function\"";
    action.require("write", both!("what is written: {WRITES}", "写什么：{WRITES}"));
    let writes = [
        ("coil", Write::Coil),
        ("coil-raw", Write::CoilRaw),
        ("coils", Write::Coils(0)),
        ("register", Write::Register),
        ("registers", Write::Registers(Type::U16, model.word_order)),
        ("function", Write::Bare(0)),
    ];
    let write = action.choice("write", &writes);
    if let Some(Write::Bare(_)) = write {
        return read_bare(action);
    }
    let place = match write {
        Some(Write::Register | Write::Registers(..)) => "register",
        _ => "coil",
    };
    action.require(place, ("the address that is written, from 0", "写入的地址，从 0 算起"));
    let address = action.integer(place, 0..=65_535);
    let write = match write {
        Some(Write::Registers(..)) => {
            let kind = read_type(action)?;
            if matches!(kind, Type::Text(_)) {
                action.wrong("type", ("a text cannot be written", "不能写入文字"));
                return None;
            }
            Some(Write::Registers(kind, action.choice("word_order", &WORD_ORDERS).unwrap_or(model.word_order)))
        }
        Some(Write::Coils(_)) => {
            action.require("count", ("how many coils are written, such as count = 8", "写几个线圈，如 count = 8"));
            action.integer("count", 1..=63).map(|count| Write::Coils(count.unsigned_abs() as u16))
        }
        write => write,
    };
    let index_from = action.integer("index_from", 0..=65_535);
    let index = action.string("index").map(|argument| Index { argument, first: index_from.unwrap_or(1) });
    if index_from.is_some() && index.is_none() {
        action.wrong(
            "index_from",
            (
                "this says where the argument named by index begins; there is no index",
                "这一项说明 index 所指参数从几开始；这里没有 index",
            ),
        );
    }
    let fixed = action.number("value");
    let argument = action.string("value_of");
    let value = match (fixed, argument) {
        (Some(fixed), None) => Source::Fixed(fixed),
        (None, Some(argument)) => Source::Argument(argument),
        (Some(_), Some(_)) => {
            action.wrong("value_of", ("write either value or value_of", "value 和 value_of 只写一个"));
            return None;
        }
        (None, None) => {
            action.wrong(
                "value",
                (
                    "this is missing: value = 1, or value_of = \"on\" to take it from an argument",
                    "缺少这一项：value = 1，或用 value_of = \"on\" 取自参数",
                ),
            );
            return None;
        }
    };
    let scale = read_scale(action);
    let confirm = read_confirm(action);
    let requires = read_requires(action);
    let address = address?.unsigned_abs() as u16;
    Some(ActionSpeak { write: write?, address, index, value, scale: scale?, confirm, requires })
}

/// `write = "function"` with `function = 0x42`.
fn read_bare(action: &mut Section<'_>) -> Option<ActionSpeak> {
    action.require(
        "function",
        ("the maker's own function, such as function = 0x42", "厂家自定义功能，如 function = 0x42"),
    );
    let function = action.integer("function", 65..=110)?;
    if (73..100).contains(&function) {
        action.wrong(
            "function",
            ("functions of a maker's own are 65 to 72 and 100 to 110", "厂家自定义功能是 65 至 72 和 100 至 110"),
        );
    }
    Some(ActionSpeak {
        write: Write::Bare(function.unsigned_abs() as u8),
        address: 0,
        index: None,
        value: Source::Fixed(0.0),
        scale: 1.0,
        confirm: read_confirm(action),
        requires: read_requires(action),
    })
}

fn read_confirm(action: &mut Section<'_>) -> Option<Confirm> {
    let keys = ["confirm_value", "confirm_word", "confirm_within"];
    let given: Vec<&str> = keys.into_iter().filter(|key| action.has(key)).collect();
    let value = action.integer("confirm_value", i64::MIN..=i64::MAX);
    let word = action.string("confirm_word");
    let within = action.duration_within("confirm_within", Duration::ZERO..=MOST_WAIT, Duration::ZERO);
    if value.is_some() && word.is_some() {
        action.wrong(
            "confirm_word",
            ("write either confirm_value or confirm_word", "confirm_value 和 confirm_word 只写一个"),
        );
    }
    let Some(point) = action.string("confirm") else {
        for key in given {
            action.wrong(
                key,
                (
                    "this is about the point named by confirm; there is no confirm",
                    "这一项与 confirm 所指测点有关；这里没有 confirm",
                ),
            );
        }
        return None;
    };
    let shows = match (value, word) {
        (_, Some(word)) => Shows::Word(word),
        (Some(value), None) => Shows::Raw(value),
        (None, None) => Shows::Written,
    };
    Some(Confirm { point, shows, within })
}

/// `requires = { "loop.closing" = "free" }`
fn read_requires(action: &mut Section<'_>) -> Vec<(String, String)> {
    let Some(mut table) = action.section("requires") else { return Vec::new() };
    let points = table.remaining_keys();
    points.into_iter().filter_map(|point| Some((point.clone(), table.string(&point)?))).collect()
}

fn read_scale(action: &mut Section<'_>) -> Option<f64> {
    let Some(text) = action.string("scale") else { return Some(1.0) };
    let parts: Vec<Option<f64>> = text.split('/').map(|part| part.trim().parse().ok()).collect();
    let scale = match parts.as_slice() {
        [Some(scale)] => *scale,
        [Some(multiply), Some(divide)] => multiply / divide,
        _ => f64::NAN,
    };
    if scale.is_finite() && scale != 0.0 {
        return Some(scale);
    }
    action.wrong(
        "scale",
        both!("\"{text}\" is not a scale; write \"1/10\" or \"0.5\"", "\"{text}\" 不是比例；请写 \"1/10\" 或 \"0.5\""),
    );
    None
}

/// Checks that arguments and points exist.
pub(super) fn check_actions(profile: &ModbusProfile, problems: &Problems) {
    for action in &profile.actions {
        let say = |key: &str, message: Bilingual| problems.wrong(action.line, format!("action.{key}"), message);
        let argument = |name: &str| action.spec.arguments.iter().find(|argument| argument.name == name);
        let speak = &action.speak;
        let mut indices = vec![None];
        if let Some(index) = &speak.index {
            match argument(&index.argument) {
                Some(found) if found.kind == ArgumentKind::Integer && found.min.is_some() && found.max.is_some() => {
                    let (low, high) = (found.min.unwrap_or(0.0) as i64, found.max.unwrap_or(0.0) as i64);
                    indices = (low..=high.min(low.saturating_add(4096))).map(Some).collect();
                    if low < index.first || high - index.first + i64::from(speak.address) > 65_535 {
                        let name = &index.argument;
                        say(
                            "index",
                            both!(
                                "\"{name}\" from {low} to {high} leaves the address range",
                                "“{name}”从 {low} 到 {high} 超出地址范围"
                            ),
                        );
                    }
                }
                _ => say(
                    "index",
                    both!(
                        "\"{name}\" must be an argument that is an integer with min and max",
                        "“{name}”应当是带 min 和 max 的整数参数",
                        name = &index.argument
                    ),
                ),
            }
        }
        if let Source::Argument(name) = &speak.value {
            match argument(name).map(|argument| argument.kind) {
                Some(ArgumentKind::Text) => say(
                    "value_of",
                    both!("\"{name}\" is text; a number or a flag is written", "“{name}”是文字；只能写入数字或真假"),
                ),
                Some(_) => {}
                None => say("value_of", both!("there is no argument \"{name}\"", "没有参数“{name}”")),
            }
        }
        if let Some(confirm) = &speak.confirm {
            for index in indices {
                let name = confirm.name(speak.index.as_ref(), index);
                let known = profile.groups.iter().flat_map(|group| &group.points);
                match known.into_iter().find(|point| point.common.spec.name.as_str() == name) {
                    None => say("confirm", both!("there is no point \"{name}\"", "没有测点“{name}”")),
                    Some(point) if point.address.scale_by.is_some() => {
                        say(
                            "confirm",
                            both!("\"{name}\" has a scale of the device's own", "“{name}”的比例由设备自己给出"),
                        );
                    }
                    Some(point) => {
                        if let Shows::Word(word) = &confirm.shows
                            && !point.common.spec.states.contains(word)
                        {
                            say("confirm_word", both!("\"{name}\" has no word \"{word}\"", "“{name}”没有词“{word}”"));
                        }
                    }
                }
            }
        }
        for (name, word) in &speak.requires {
            let mut points = profile.groups.iter().flat_map(|group| &group.points);
            match points.find(|point| point.common.spec.name.as_str() == name) {
                None => say("requires", both!("there is no point \"{name}\"", "没有测点“{name}”")),
                Some(point) if !point.common.spec.states.contains(word) => {
                    say("requires", both!("\"{name}\" has no word \"{word}\"", "“{name}”没有词“{word}”"));
                }
                Some(_) => {}
            }
        }
    }
}

impl Confirm {
    fn name(&self, index: Option<&Index>, value: Option<i64>) -> String {
        match (index, value) {
            (Some(index), Some(value)) => self.point.replace(&format!("{{{}}}", index.argument), &value.to_string()),
            _ => self.point.clone(),
        }
    }
}

impl ActionSpeak {
    /// Where it may write: whether these are coils, the first address, and how many.
    #[cfg(feature = "simulators")]
    pub(super) fn places(&self) -> (bool, u16, u16) {
        /// Neighbours that an argument picks from; no profile has more.
        const NEIGHBOURS: u16 = 64;
        let (coils, width) = match self.write {
            Write::Coil | Write::CoilRaw => (true, 1),
            Write::Coils(count) => (true, count),
            Write::Register => (false, 1),
            Write::Registers(kind, _) => (false, kind.width()),
            Write::Bare(_) => (false, 0),
        };
        (coils, self.address, if self.index.is_some() { NEIGHBOURS } else { width })
    }

    /// Points and the words that they must show before the first byte goes out.
    #[must_use]
    pub fn requires(&self) -> &[(String, String)] {
        &self.requires
    }

    /// The write for these arguments.
    ///
    /// # Errors
    /// When they do not fit into it, in words for the person who asked.
    pub fn ready(&self, arguments: &[Field]) -> Result<ReadyWrite, Bilingual> {
        let find = |name: &str| {
            let field = arguments.iter().find(|field| field.name == name);
            field.map(|field| &field.value).ok_or_else(|| both!("argument \"{name}\" is missing", "缺少参数“{name}”"))
        };
        let index = match &self.index {
            Some(index) => match find(&index.argument)? {
                FieldValue::Integer(value) => Some(*value),
                _ => {
                    let name = &index.argument;
                    return Err(both!("argument \"{name}\" must be a whole number", "参数“{name}”应为整数"));
                }
            },
            None => None,
        };
        let offset = match (&self.index, index) {
            (Some(by), Some(value)) => value - by.first,
            _ => 0,
        };
        let first = self.address;
        let address = u16::try_from(i64::from(first) + offset).map_err(|_| {
            both!("there is no address for {offset} after {first}", "{first} 之后没有第 {offset} 个地址")
        })?;
        let asked = match &self.value {
            Source::Fixed(value) => *value,
            Source::Argument(name) => match find(name)? {
                FieldValue::Flag(flag) => f64::from(u8::from(*flag)),
                value => value
                    .as_f64()
                    .ok_or_else(|| both!("argument \"{name}\" must be a number", "参数“{name}”应为数字"))?,
            },
        };
        let raw = (asked / self.scale).round();
        let too_large = || both!("{asked} does not fit into what is written", "{asked} 超出写入的范围");
        let word = || Type::U16.write(raw, WordOrder::Big).map(|words| words[0]).ok_or_else(too_large);
        let request = match self.write {
            Write::Coil => Request::WriteCoil { address, value: if raw == 0.0 { 0 } else { 0xFF00 } },
            Write::CoilRaw => Request::WriteCoil { address, value: word()? },
            Write::Register => {
                let value =
                    word().or_else(|error| Type::S16.write(raw, WordOrder::Big).map(|words| words[0]).ok_or(error))?;
                Request::WriteRegister { address, value }
            }
            Write::Coils(count) => {
                if !(raw >= 0.0 && raw < (1_u64 << count) as f64) {
                    return Err(too_large());
                }
                let values = (0..count).map(|bit| raw as u64 >> bit & 1 == 1).collect();
                Request::WriteCoils { address, values }
            }
            Write::Registers(kind, order) => {
                Request::WriteRegisters { address, values: kind.write(raw, order).ok_or_else(too_large)? }
            }
            Write::Bare(function) => Request::Bare { function },
        };
        let shown = if self.write == Write::Coil { i64::from(raw != 0.0) } else { raw as i64 };
        let confirm = self.confirm.as_ref().map(|confirm| ReadBack {
            point: confirm.name(self.index.as_ref(), index),
            expected: match &confirm.shows {
                Shows::Written => Expected::Raw(shown),
                Shows::Raw(raw) => Expected::Raw(*raw),
                Shows::Word(word) => Expected::Word(word.clone()),
            },
            within: confirm.within,
        });
        Ok(ReadyWrite { request, confirm })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::dialect::ModbusDialect;
    use crate::profile::ProfileSource;

    const PROFILE: &str = "kind = \"modbus\"\nclass = \"relay\"\nevidence = \"solid\"\nsource = \"test\"\n\
        [[group]]\nname = \"g\"\n[[group.point]]\nname = \"relay.1\"\ncoil = 0\nunit = \"1\"\n\
        [[group.point]]\nname = \"relay.2\"\ncoil = 1\nunit = \"1\"\n";

    fn read(action: &str) -> Result<ActionSpeak, String> {
        let text = format!("{PROFILE}[[action]]\nname = \"act\"\n{action}");
        let source = ProfileSource { file: "test.toml".to_owned(), text };
        let profile = ModbusProfile::read(&ModbusDialect, "test", &source).map_err(|problems| problems.to_string())?;
        Ok(profile.actions[0].speak.clone())
    }

    fn channel(max: u8) -> String {
        format!("[[action.argument]]\nname = \"channel\"\nis = \"integer\"\nmin = 1\nmax = {max}\n")
    }

    #[test]
    fn a_channel_is_switched_and_confirmed() {
        let on = "[[action.argument]]\nname = \"on\"\nis = \"flag\"\n";
        let text =
            "write = \"coil\"\ncoil = 0\nindex = \"channel\"\nvalue_of = \"on\"\nconfirm = \"relay.{channel}\"\n";
        let speak = read(&(text.to_owned() + &channel(2) + on)).unwrap();
        let arguments = [Field::new("channel", FieldValue::Integer(2)), Field::new("on", FieldValue::Flag(true))];
        let expected = ReadyWrite {
            request: Request::WriteCoil { address: 1, value: 0xFF00 },
            confirm: Some(ReadBack { point: "relay.2".to_owned(), expected: Expected::Raw(1), within: Duration::ZERO }),
        };
        assert_eq!(speak.ready(&arguments), Ok(expected));
        assert!(read(&(text.to_owned() + &channel(3) + on)).unwrap_err().contains("there is no point \"relay.3\""));
    }

    #[test]
    fn a_pulse_is_timed_by_the_device() {
        let seconds = "[[action.argument]]\nname = \"seconds\"\nis = \"number\"\n";
        let text =
            "write = \"coil-raw\"\ncoil = 0x0200\nindex = \"channel\"\nvalue_of = \"seconds\"\nscale = \"1/10\"\n";
        let speak = read(&(text.to_owned() + &channel(2) + seconds)).unwrap();
        let arguments = |seconds| {
            [Field::new("channel", FieldValue::Integer(1)), Field::new("seconds", FieldValue::Number(seconds))]
        };
        let expected = Request::WriteCoil { address: 0x0200, value: 7 };
        assert_eq!(speak.ready(&arguments(0.7)).map(|ready| ready.request), Ok(expected));
        assert!(speak.ready(&arguments(7000.0)).is_err());
    }

    #[test]
    fn what_an_action_lacks_is_said() {
        for (text, expected) in [
            ("write = \"coil\"\ncoil = 0\n", "value: this is missing"),
            ("write = \"register\"\ncoil = 0\nvalue = 1\n", "register: this is missing"),
            ("write = \"coil\"\ncoil = 0\nvalue_of = \"on\"\n", "there is no argument \"on\""),
            ("write = \"coil\"\ncoil = 0\nvalue = 1\nindex = \"channel\"\n", "must be an argument that is an integer"),
            ("write = \"coil\"\ncoil = 0\nvalue = 1\nconfirm_value = 1\n", "there is no confirm"),
            ("write = \"coils\"\ncoil = 0\nvalue = 1\n", "count: this is missing"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
