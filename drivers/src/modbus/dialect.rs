//! The keys that Modbus adds to a profile.

use kouan_settings::{Bilingual, Problems, Section, both};

use super::action::{ActionSpeak, check_actions, read_action};
use super::codec::ReadFunction;
use super::planner::{Limits, Span};
use super::scale::{ScaleBy, read_scale_by};
use super::value::{Type, WordOrder};
use crate::link::timing::TimingKeys;
use crate::profile::{Dialect, Point, Profile};

/// A Modbus profile.
pub type ModbusProfile = Profile<ModbusDialect>;

/// Reads the Modbus part of a profile.
#[derive(Debug, Clone, Copy)]
pub struct ModbusDialect;

/// What holds for the whole model.
#[derive(Debug, Clone)]
pub struct Model {
    /// Word order of points that do not say their own.
    pub word_order: WordOrder,
    /// What the model allows in one read.
    pub limits: Limits,
    /// Pauses, time-outs and retries of the model.
    pub timing: TimingKeys,
    /// Whether on TCP the model takes unit 0 for itself, so that it may be commanded there.
    pub own_unit_0: bool,
}

/// Where a point's raw value is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Table, address and width.
    pub span: Span,
    /// How it is read.
    pub reading: Reading,
    /// Another register that says what the value is to be multiplied with.
    pub scale_by: Option<ScaleBy>,
}

/// How a point is made of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// A coil or a discrete input: 0 or 1.
    Bit,
    /// Registers.
    Registers {
        /// The type.
        kind: Type,
        /// The word order.
        order: WordOrder,
        /// Only these bits, moved down to bit 0.
        mask: Option<u64>,
    },
}

pub(super) const WORD_ORDERS: [(&str, WordOrder); 4] = [
    ("big", WordOrder::Big),
    ("little", WordOrder::Little),
    ("big-swapped", WordOrder::BigSwapped),
    ("little-swapped", WordOrder::LittleSwapped),
];

impl Dialect for ModbusDialect {
    type Model = Model;
    type Group = ReadFunction;
    type Address = Address;
    type Action = ActionSpeak;

    fn kind(&self) -> &'static str {
        "modbus"
    }

    fn read_model(&self, profile: &mut Section<'_>) -> Option<Model> {
        let usual = Limits::USUAL;
        let within = |value: i64| value.unsigned_abs() as u16;
        Some(Model {
            word_order: profile.choice("word_order", &WORD_ORDERS).unwrap_or_default(),
            limits: Limits {
                registers: within(profile.integer_or("max_read", 1..=125, usual.registers.into())),
                bits: within(profile.integer_or("max_read_bits", 1..=2000, usual.bits.into())),
                hole: within(profile.integer_or("max_hole", 0..=124, usual.hole.into())),
            },
            timing: TimingKeys::read(profile),
            own_unit_0: profile.bool_or("own_unit_0", false),
        })
    }

    fn shift(&self, address: &Address, steps: u32) -> Option<Address> {
        let to = |span: Span| {
            let moved = u16::try_from(u32::from(span.address) + steps).ok()?;
            (u32::from(moved) + u32::from(span.width) <= 65_536).then_some(Span { address: moved, ..span })
        };
        // The scale of repeated values is one for all.
        Some(Address { span: to(address.span)?, ..*address })
    }

    fn bit(&self, address: &Address, bit: u8) -> Option<Address> {
        match address.reading {
            Reading::Bit => self.shift(address, bit.into()),
            Reading::Registers { kind, order, mask: None }
                if kind.has_bits() && u16::from(bit) < kind.width() * 16 && bit < 63 =>
            {
                Some(Address { reading: Reading::Registers { kind, order, mask: Some(1 << bit) }, ..*address })
            }
            Reading::Registers { .. } => None,
        }
    }

    fn read_group(&self, _model: &Model, group: &mut Section<'_>) -> Option<ReadFunction> {
        let code = group.integer_or("function", 3..=4, 3);
        ReadFunction::from_code(code.unsigned_abs() as u8)
    }

    fn read_address(&self, model: &Model, group: &ReadFunction, point: &mut Section<'_>) -> Option<Address> {
        let places = [("register", *group), ("coil", ReadFunction::Coils), ("input", ReadFunction::DiscreteInputs)];
        let present: Vec<_> = places.into_iter().filter(|(key, _)| point.has(key)).collect();
        let [(key, function)] = present.as_slice() else {
            let hint = (
                "a point lives in exactly one place: register = 130 (functions 3 and 4), coil = 0 (function 1) or \
                 input = 0 (function 2)",
                "一个测点只在一处：register = 130（功能 3、4）、coil = 0（功能 1）或 input = 0（功能 2）",
            );
            point.wrong(present.first().map_or("register", |(key, _)| key), hint);
            for (key, _) in places {
                point.integer(key, i64::MIN..=i64::MAX);
            }
            return None;
        };
        let address = point.integer(key, 0..=65_535)?.unsigned_abs() as u16;
        if function.is_bits() {
            let span = Span { function: *function, address, width: 1 };
            return Some(Address { span, reading: Reading::Bit, scale_by: None });
        }
        let kind = read_type(point)?;
        if u32::from(address) + u32::from(kind.width()) > 65_536 {
            let name = kind.name();
            let text =
                both!("a {name} at {address} ends after register 65535", "{address} 处的 {name} 会超过寄存器 65535");
            point.wrong(key, text);
        }
        if kind.width() > model.limits.registers {
            let most = model.limits.registers;
            let text = both!("at most {most} registers may be read at once", "一次最多读 {most} 个寄存器");
            point.wrong("length", text);
        }
        let order = point.choice("word_order", &WORD_ORDERS).unwrap_or(model.word_order);
        let mask = read_mask(point, kind);
        let reading = Reading::Registers { kind, order, mask };
        let scale_by = read_scale_by(point, *group);
        if scale_by.is_some() && (!kind.is_number() || mask.is_some()) {
            point.wrong(
                "scale_by",
                ("only a whole number or a floating-point number can be scaled", "只有整数或浮点数才能换算"),
            );
        }
        Some(Address { span: Span { function: *function, address, width: kind.width() }, reading, scale_by })
    }

    fn read_action(&self, model: &Model, action: &mut Section<'_>) -> Option<ActionSpeak> {
        read_action(model, action)
    }

    fn check(&self, profile: &ModbusProfile, problems: &Problems) {
        for group in profile.groups.iter().filter(|group| group.every.is_zero()) {
            let text = "a Modbus device does not speak by itself; write every = \"5s\"";
            problems.wrong(group.line, "group.every", (text, "Modbus 设备不会自己发送数据；请写 every = \"5s\""));
        }
        let points: Vec<_> = profile.groups.iter().flat_map(|group| &group.points).collect();
        for (at, point) in points.iter().enumerate() {
            for earlier in &points[..at] {
                if let Some(message) = collision(earlier, point) {
                    problems.wrong(point.line, "point", message);
                }
            }
        }
        check_actions(profile, problems);
    }
}

/// Reads `type` with `length`.
pub(super) fn read_type(section: &mut Section<'_>) -> Option<Type> {
    let text = section.has("length").then(|| section.integer("length", 1..=125)).flatten();
    let kinds = [
        ("u16", Type::U16),
        ("s16", Type::S16),
        ("u32", Type::U32),
        ("s32", Type::S32),
        ("u64", Type::U64),
        ("s64", Type::S64),
        ("f32", Type::F32),
        ("f64", Type::F64),
        ("bcd16", Type::Bcd16),
        ("bcd32", Type::Bcd32),
        ("days-2000", Type::Days2000),
        ("string", Type::Text(0)),
    ];
    let given = section.has("type");
    match (section.choice("type", &kinds), text) {
        (Some(Type::Text(_)), Some(length)) => Some(Type::Text(length.unsigned_abs() as u16)),
        (Some(Type::Text(_)), None) => {
            section.wrong(
                "length",
                ("a string needs its number of registers, such as length = 8", "文字需要寄存器个数，如 length = 8"),
            );
            None
        }
        (_, Some(_)) => {
            section.wrong(
                "length",
                (
                    "only a string has a length; the other types have their own",
                    "只有文字才有 length；其他类型的长度是固定的",
                ),
            );
            None
        }
        (Some(kind), None) => Some(kind),
        (None, None) => (!given).then_some(Type::U16),
    }
}

fn read_mask(section: &mut Section<'_>, kind: Type) -> Option<u64> {
    let bits = i64::from(kind.width().min(4)) * 16;
    let bit = if section.has("bit") { section.integer("bit", 0..=bits - 1) } else { None };
    let most = if bits >= 63 { i64::MAX } else { (1 << bits) - 1 };
    let mask = if section.has("mask") { section.integer("mask", 1..=most) } else { None };
    if bit.is_some() && mask.is_some() {
        section.wrong("mask", ("write either bit or mask", "bit 和 mask 只写一个"));
    }
    let mask = bit.map(|bit| 1 << bit).or(mask.map(i64::unsigned_abs));
    if mask.is_some() && !kind.has_bits() {
        let name = kind.name();
        let text = both!(
            "bits can be picked from u16, u32 and u64, not from {name}",
            "只能从 u16、u32、u64 中取位，不能从 {name} 中取"
        );
        section.wrong("type", text);
    }
    mask
}

/// Why two points cannot both be right about the same registers.
fn collision(earlier: &Point<ModbusDialect>, point: &Point<ModbusDialect>) -> Option<Bilingual> {
    let (one, other) = (earlier.address, point.address);
    let apart = |a: Span, b: Span| u32::from(a.address) + u32::from(a.width) <= u32::from(b.address);
    if one.span.function != other.span.function || apart(one.span, other.span) || apart(other.span, one.span) {
        return None;
    }
    let name = earlier.common.spec.name.as_str();
    let line = earlier.line;
    let place = both!("line {line} (\"{name}\")", "第 {line} 行（“{name}”）");
    match (one.reading, other.reading) {
        (
            Reading::Registers { kind: a, order: x, mask: Some(m) },
            Reading::Registers { kind: b, order: y, mask: Some(n) },
        ) if a == b && x == y && one.span == other.span => (m & n != 0)
            .then(|| both!("it reads bits that are already read on {place}", "它读的位在{place}已经读了"; place)),
        (Reading::Bit, Reading::Bit) => {
            Some(both!("it reads a bit that is already read on {place}", "它读的位在{place}已经读了"; place))
        }
        (Reading::Registers { kind: a, .. }, Reading::Registers { kind: b, .. }) if a != b => {
            let ((b, at), (a, start)) = ((b.name(), other.span.address), (a.name(), one.span.address));
            Some(both!(
                "a {b} at register {at} overlaps the {a} at register {start} on {place}",
                "寄存器 {at} 处的 {b} 与{place}寄存器 {start} 处的 {a} 重叠"; place
            ))
        }
        _ => {
            let start = one.span.address;
            Some(both!("it overlaps register {start} on {place}", "它与{place}的寄存器 {start} 重叠"; place))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ProfileSource;

    const HEAD: &str = "kind = \"modbus\"\nclass = \"ups\"\nevidence = \"solid\"\nsource = \"test\"\n";

    fn read(body: &str) -> Result<ModbusProfile, String> {
        let source = ProfileSource { file: "test.toml".to_owned(), text: format!("{HEAD}{body}") };
        ModbusProfile::read(&ModbusDialect, "test", &source).map_err(|problems| problems.to_string())
    }

    fn point(name: &str, rest: &str) -> String {
        format!("[[group.point]]\nname = \"{name}\"\nunit = \"1\"\n{rest}\n")
    }

    #[test]
    fn points_know_where_they_live() {
        let body = "word_order = \"little\"\n[[group]]\nname = \"g\"\nfunction = 4\n".to_owned()
            + &point("a", "register = 7")
            + &point("b", "register = 8\ntype = \"u32\"")
            + &point("c", "coil = 3");
        let profile = read(&body).unwrap();
        let places: Vec<_> = profile.groups[0].points.iter().map(|point| point.address.span).collect();
        let span = |function, address, width| Span { function, address, width };
        assert_eq!(
            places,
            [
                span(ReadFunction::InputRegisters, 7, 1),
                span(ReadFunction::InputRegisters, 8, 2),
                span(ReadFunction::Coils, 3, 1)
            ]
        );
        let reading = Reading::Registers { kind: Type::U32, order: WordOrder::Little, mask: None };
        assert_eq!(profile.groups[0].points[1].address.reading, reading);
    }

    #[test]
    fn what_cannot_be_right_is_explained_with_its_line() {
        let group = "[[group]]\nname = \"g\"\n";
        for (body, expected) in [
            (point("a", "register = 65536"), "this must be a whole number from 0 to 65535"),
            (point("a", "register = 65535\ntype = \"u32\""), "a u32 at 65535 ends after register 65535"),
            (point("a", "register = 1\ncoil = 2"), "a point lives in exactly one place"),
            (point("a", ""), "a point lives in exactly one place"),
            (point("a", "coil = 1\ntype = \"u16\""), "type: this key is not known here"),
            (point("a", "register = 1\ntype = \"string\""), "a string needs its number of registers"),
            (point("a", "register = 1\ntype = \"s16\"\nbit = 3"), "bits can be picked from u16, u32 and u64"),
            (point("a", "register = 1\nbit = 16"), "this must be a whole number from 0 to 15"),
            (
                point("a", "register = 1\ntype = \"u32\"") + &point("b", "register = 2"),
                "test.toml:12: point: a u16 at register 2 overlaps the u32 at register 1 on line 7 (\"a\")",
            ),
            (
                point("a", "register = 1\nbit = 3") + &point("b", "register = 1\nmask = 0x18"),
                "it reads bits that are already read on line 7",
            ),
            (point("a", "coil = 1") + &point("b", "coil = 1"), "it reads a bit that is already read on line 7"),
        ] {
            let said = read(&(group.to_owned() + &body)).unwrap_err();
            assert!(said.contains(expected), "{body}\n{said}");
        }
        let said =
            read(&("[[group]]\nname = \"g\"\nevery = \"0s\"\n".to_owned() + &point("a", "coil = 1"))).unwrap_err();
        assert!(said.contains("a Modbus device does not speak by itself"), "{said}");
    }
}
