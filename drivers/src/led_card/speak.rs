//! Questions, answers and orders, in the words of each make. Pure but for the clock that is handed in.

use jiff::civil::DateTime;
use kouan_protocol::{Clock, Field, FieldValue, QualityReason};
use kouan_settings::{Bilingual, both};

use super::cpower::{self, Packet, command};
use super::dialect::{Ask, Shown, Tell};
use super::huidu;
use crate::device_clock::DeviceZone;
use crate::driver::RawValue;

/// Most bytes of a text in one packet.
const LONGEST_TEXT: usize = 200;
/// The brightest step of a C-Power card; above it the card follows its sensor.
const BRIGHTEST: u8 = 31;
/// The sizes of its fonts in pixels, by their number.
const FONTS: [i64; 8] = [8, 12, 16, 24, 32, 40, 48, 56];
/// A size that both makes have.
const USUAL_SIZE: i64 = 16;

/// What a text looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lettering {
    pub(super) text: String,
    pub(super) colour: [u8; 3],
    pub(super) size: i64,
}

type Cell = Result<RawValue, QualityReason>;

fn flag(arguments: &[Field], name: &str) -> Option<bool> {
    arguments.iter().find(|field| field.name == name).and_then(|field| match &field.value {
        FieldValue::Flag(flag) => Some(*flag),
        _ => None,
    })
}

fn integer(arguments: &[Field], name: &str) -> Option<i64> {
    arguments.iter().find(|field| field.name == name).and_then(|field| match &field.value {
        FieldValue::Integer(integer) => Some(*integer),
        _ => None,
    })
}

fn word<'a>(arguments: &'a [Field], name: &str) -> Option<&'a str> {
    arguments.iter().find(|field| field.name == name).and_then(|field| field.value.as_str())
}

fn missing(argument: &str) -> Bilingual {
    both!("argument \"{argument}\" is missing", "缺少参数“{argument}”")
}

fn too_long(bytes: usize, most: usize) -> Bilingual {
    both!("the text has {bytes} bytes; at most {most} fit", "文字有 {bytes} 个字节，最多 {most} 个")
}

impl Lettering {
    fn of(arguments: &[Field]) -> Result<Self, Bilingual> {
        let text = word(arguments, "text").ok_or_else(|| missing("text"))?;
        let colour = match word(arguments, "colour").unwrap_or("red") {
            "red" => [0xFF, 0, 0],
            "green" => [0, 0xFF, 0],
            "yellow" => [0xFF, 0xFF, 0],
            "blue" => [0, 0, 0xFF],
            "white" => [0xFF, 0xFF, 0xFF],
            other => {
                return Err(both!(
                    "colour \"{other}\" is none of red, green, yellow, blue, white",
                    "颜色“{other}”不是 red、green、yellow、blue、white 之一"
                ));
            }
        };
        let size = integer(arguments, "size").unwrap_or(USUAL_SIZE);
        Ok(Self { text: text.to_owned(), colour, size })
    }
}

/// What a C-Power card is asked.
pub(super) fn cpower_question(ask: Ask) -> (u8, Vec<u8>) {
    match ask {
        Ask::Screen => (command::SCREEN, vec![1]),
        Ask::Brightness => (command::BRIGHTNESS, vec![1]),
        Ask::Clock => (command::CLOCK, vec![1]),
        Ask::Identity => (command::VERSION, vec![0]),
    }
}

/// What a point shows of a C-Power card's answer.
pub(super) fn cpower_cell(shown: Shown, answer: &Packet, zone: &DeviceZone, clock: &dyn Clock) -> Cell {
    let version = |byte: u8| format!("{}.{}", byte >> 4, byte & 0xF);
    let data = answer.data.as_slice();
    match (shown, data) {
        (Shown::On, [1, on @ (0 | 1), ..]) => Ok(RawValue::Integer((*on).into())),
        (Shown::Percent, [1, steps @ ..]) if steps.len() >= 24 => {
            let now = zone.local(clock).ok_or(QualityReason::NotAvailable)?;
            match steps[usize::from(now.hour().unsigned_abs()) % 24] {
                step @ ..=BRIGHTEST => Ok(RawValue::Number((f64::from(step) * 100.0 / f64::from(BRIGHTEST)).round())),
                // The card follows its sensor and does not say how bright it is.
                _ => Err(QualityReason::NotAvailable),
            }
        }
        (Shown::Offset, [1, second, minute, hour, _, day, month, year, ..]) => {
            let small = |byte: u8| i8::try_from(byte).map_err(|_| QualityReason::NotUnderstood);
            let (day, month) = (small(*day)?, small(*month)?);
            let (hour, minute, second) = (small(*hour)?, small(*minute)?, small(*second)?);
            let time = DateTime::new(2000 + i16::from(*year), month, day, hour, minute, second, 0);
            offset(time.map_err(|_| QualityReason::NotUnderstood)?, zone, clock)
        }
        (Shown::Model, [_, card, ..]) => Ok(RawValue::Text(format!("C-Power card type {card:02X}"))),
        (Shown::Firmware, [_, _, logic, bios, _, _, _, app, ..]) => {
            let text = format!("{} (BIOS {}, logic {})", version(*app), version(*bios), version(*logic));
            Ok(RawValue::Text(text))
        }
        _ => Err(QualityReason::NotUnderstood),
    }
}

fn offset(time: DateTime, zone: &DeviceZone, clock: &dyn Clock) -> Cell {
    zone.ahead(time, clock).map(RawValue::Number).ok_or(QualityReason::NotUnderstood)
}

/// What a C-Power card is told.
pub(super) fn cpower_order(
    tell: Tell,
    arguments: &[Field],
    size: (u16, u16),
    zone: &DeviceZone,
    clock: &dyn Clock,
) -> Result<(u8, Vec<u8>), Bilingual> {
    match tell {
        Tell::Screen => {
            let on = flag(arguments, "on").ok_or_else(|| missing("on"))?;
            // As in the document's own examples.
            Ok((command::SCREEN, vec![0, u8::from(on), 0, 0, 0, 0, 0, 0, 0]))
        }
        Tell::Brightness => {
            let percent = integer(arguments, "percent").filter(|percent| (0..=100).contains(percent));
            let percent = percent.ok_or(("argument \"percent\" must be 0 to 100", "参数“percent”应为 0 至 100"))?;
            let step = (percent * i64::from(BRIGHTEST) + 50) / 100;
            let mut data = vec![0];
            data.extend([step as u8; 24]);
            Ok((command::BRIGHTNESS, data))
        }
        Tell::Clock => {
            let now = zone
                .local(clock)
                .ok_or(("the time of this machine is none that a card could show", "本机的时间无法写进控制卡"))?;
            let year = u8::try_from(now.year() - 2000)
                .map_err(|_| ("the year does not fit into the card", "控制卡放不下这个年份"))?;
            let weekday = now.weekday().to_sunday_zero_offset();
            let parts = [now.second(), now.minute(), now.hour(), weekday, now.day(), now.month()];
            let mut data = vec![0];
            data.extend(parts.map(i8::unsigned_abs));
            data.push(year);
            Ok((command::CLOCK, data))
        }
        Tell::Text => {
            let Lettering { text, colour, size: pixels } = Lettering::of(arguments)?;
            let font = FONTS.iter().position(|font| *font == pixels);
            let font =
                font.ok_or_else(|| both!("size {pixels} is none of {FONTS:?}", "字号 {pixels} 不是 {FONTS:?} 之一"))?;
            let (bytes, _, has_unknown) = encoding_rs::GBK.encode(&text);
            if has_unknown || bytes.contains(&0) {
                return Err(
                    ("the text has characters that the card cannot show", "文字中有控制卡无法显示的字符").into()
                );
            }
            if bytes.len() > LONGEST_TEXT {
                return Err(too_long(bytes.len(), LONGEST_TEXT));
            }
            Ok((command::EXTERNAL_CALL, cpower::static_text(0, size, font as u8, colour, &bytes)))
        }
    }
}

/// Whether a C-Power card says that it did what it was told.
pub(super) fn cpower_done(order: &[u8], answer: &Packet) -> Result<(), Bilingual> {
    let said = answer.data.first();
    match answer.command {
        command::EXTERNAL_CALL => match answer.mark {
            0 => Ok(()),
            1 => Err(("the card found a wrong checksum", "控制卡发现校验错误").into()),
            2 => Err(("the card found packets out of order", "控制卡发现报文次序不对").into()),
            code => Err(both!("the card says code {code:02X}", "控制卡应答代码 {code:02X}")),
        },
        command::SCREEN if answer.data.get(1) == order.get(1) && said == Some(&0) => Ok(()),
        command::SCREEN => Err(both!(
            "the card says {data:02X?}: the screen is not as it was told",
            "控制卡应答 {data:02X?}：屏幕没有按要求改变",
            data = &answer.data
        )),
        _ if said == Some(&1) => Ok(()),
        _ => Err(both!(
            "the card says {data:02X?}: it did not do it",
            "控制卡应答 {data:02X?}：没有执行",
            data = &answer.data
        )),
    }
}

/// The method that a Huidu card is asked by.
pub(super) fn huidu_question(ask: Ask) -> &'static str {
    match ask {
        Ask::Screen => "GetSwitchTime",
        Ask::Brightness => "GetLuminancePloy",
        Ask::Clock => "GetTimeInfo",
        Ask::Identity => "GetDeviceInfo",
    }
}

/// What a point shows of a Huidu card's answer.
pub(super) fn huidu_cell(shown: Shown, xml: &str, zone: &DeviceZone, clock: &dyn Clock) -> Cell {
    let attribute = |element: &str, name: &str| huidu::attribute(xml, element, name);
    let value = match shown {
        Shown::On => attribute("open", "enable").and_then(|enable| match enable.to_ascii_lowercase().as_str() {
            "true" => Some(RawValue::Integer(1)),
            "false" => Some(RawValue::Integer(0)),
            _ => None,
        }),
        Shown::Percent => match attribute("mode", "value").as_deref() {
            None | Some("default") => {
                attribute("default", "value").and_then(|percent| percent.parse().ok()).map(RawValue::Number)
            }
            // By the hour or by a sensor: how bright it is now is not said.
            Some(_) => return Err(QualityReason::NotAvailable),
        },
        Shown::Offset => {
            let time = attribute("time", "value").and_then(|time| time.parse::<DateTime>().ok());
            return time.ok_or(QualityReason::NotUnderstood).and_then(|time| offset(time, zone, clock));
        }
        Shown::Model => attribute("device", "model").map(RawValue::Text),
        Shown::Firmware => attribute("version", "app").map(RawValue::Text),
    };
    value.ok_or(QualityReason::NotUnderstood)
}

/// What a Huidu card is told: the method and what stands in it. `names` are three that nothing else has.
pub(super) fn huidu_order(
    tell: Tell,
    arguments: &[Field],
    (width, height): (u16, u16),
    names: [u128; 3],
    clock: &dyn Clock,
) -> Result<(&'static str, String), Bilingual> {
    match tell {
        Tell::Screen => {
            let on = flag(arguments, "on").ok_or_else(|| missing("on"))?;
            Ok((if on { "OpenScreen" } else { "CloseScreen" }, String::new()))
        }
        Tell::Text => {
            let Lettering { text, colour: [red, green, blue], size } = Lettering::of(arguments)?;
            if text.len() > 4 * LONGEST_TEXT {
                return Err(too_long(text.len(), 4 * LONGEST_TEXT));
            }
            let [program, area, item] = names.map(guid);
            let (text, stamp) = (huidu::escape(&text), clock.wall().0);
            let inner = format!(
                "<screen timeStamps=\"{stamp}\"><program type=\"normal\" id=\"0\" guid=\"{program}\" name=\"text\">\
                 <playControl count=\"1\" disabled=\"false\"/><area guid=\"{area}\" name=\"\" alpha=\"255\">\
                 <rectangle x=\"0\" y=\"0\" width=\"{width}\" height=\"{height}\"/><resources>\
                 <text guid=\"{item}\" name=\"\" singleLine=\"false\"><style align=\"center\" valign=\"middle\"/>\
                 <string>{text}</string><font name=\"Arial\" size=\"{size}\" \
                 color=\"#{red:02x}{green:02x}{blue:02x}\" bold=\"false\" italic=\"false\" underline=\"false\"/>\
                 <effect in=\"0\" inSpeed=\"4\" out=\"0\" outSpeed=\"4\" duration=\"30\"/></text></resources></area>\
                 </program></screen>"
            );
            Ok(("AddProgram", inner))
        }
        Tell::Brightness | Tell::Clock => Err(("this is not done on a Huidu card", "灰度控制卡不支持这个操作").into()),
    }
}

/// 128 bits as they are written in a GUID.
fn guid(bits: u128) -> String {
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use kouan_protocol::ManualClock;

    use super::*;

    fn text(text: &str) -> Vec<Field> {
        vec![Field::new("text", FieldValue::Text(text.to_owned())), Field::new("size", FieldValue::Integer(16))]
    }

    fn zone() -> DeviceZone {
        DeviceZone::utc()
    }

    #[test]
    fn chinese_text_is_gbk_and_what_cannot_be_shown_is_refused() {
        let clock = ManualClock::at(0);
        let order = |words: &str| cpower_order(Tell::Text, &text(words), (64, 16), &zone(), &clock);
        let (command, data) = order("一号窗").unwrap();
        assert_eq!(command, command::EXTERNAL_CALL);
        assert_eq!(data[20..], [0xD2, 0xBB, 0xBA, 0xC5, 0xB4, 0xB0, 0]);
        assert!(order("\u{1F600}").unwrap_err().english.contains("cannot show"));
        assert!(order(&"长".repeat(101)).unwrap_err().english.contains("at most 200"));
    }

    #[test]
    fn a_clock_that_is_ahead_is_told() {
        // 2026-03-01
        let clock = ManualClock::at(1_772_352_000_000);
        let now = zone().local(&clock).unwrap();
        let (_, told) = cpower_order(Tell::Clock, &[], (64, 16), &zone(), &clock).unwrap();
        let mut data = told.clone();
        data[0] = 1;
        let answer = Packet { is_answer: true, card: 1, command: command::CLOCK, mark: 0, data };
        let shown = cpower_cell(Shown::Offset, &answer, &zone(), &clock);
        let Ok(RawValue::Number(ahead)) = shown else { panic!("{shown:?}") };
        assert!((-1.0..=0.0).contains(&ahead), "{ahead}");
        let xml = format!("<time value=\"{}\"/>", now.strftime("%Y-%m-%d %H:%M:%S"));
        assert!(matches!(huidu_cell(Shown::Offset, &xml, &zone(), &clock), Ok(RawValue::Number(_))));
    }

    #[test]
    fn what_makes_no_sense_is_not_understood() {
        let clock = ManualClock::at(0);
        for data in [vec![], vec![1], vec![1, 2], vec![1, 99, 99, 99, 0, 99, 99, 0]] {
            let answer = Packet { is_answer: true, card: 1, command: 0, mark: 0, data };
            for shown in [Shown::On, Shown::Percent, Shown::Offset, Shown::Firmware] {
                let cell = cpower_cell(shown, &answer, &zone(), &clock);
                assert!(cell.is_err() || shown == Shown::Firmware, "{shown:?} {answer:?} {cell:?}");
            }
        }
        assert!(huidu_cell(Shown::Offset, "<time value=\"soon\"/>", &zone(), &clock).is_err());
        assert_eq!(guid(1), "00000000-0000-0000-0000-000000000001");
    }
}
