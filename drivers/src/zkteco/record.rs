//! Records of the live log, in both shapes. Pure.

use jiff::civil::DateTime;

/// Length of a record of the binary log.
const LENGTH: usize = 16;
/// The event number that marks a status.
const STATUS: u8 = 255;
/// Most records of one answer that are read.
const MOST: usize = 512;

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// How the doors are.
    Status(Status),
    /// Something happened.
    Event(Event),
}

/// How the doors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Of each door: bit 0 an alarm, bit 1 held open.
    pub alarms: [u8; 4],
    /// Of each door: 0 no contact, 1 closed, 2 open.
    pub doors: [u8; 4],
    /// The controller's clock.
    pub time: Option<DateTime>,
}

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Whose card; 0 for none.
    pub card: u32,
    /// Whose number; 0 for none.
    pub pin: u32,
    /// Which door or input.
    pub door: u8,
    /// What.
    pub code: u16,
    /// 0 in, 3 out, 2 neither.
    pub direction: u8,
    /// When, by the controller's clock.
    pub time: Option<DateTime>,
}

impl Status {
    /// The eight bytes in which points stand: the alarms, then the doors.
    #[must_use]
    pub fn image(&self) -> [u8; 8] {
        let [a, b, c, d] = self.alarms;
        let [e, f, g, h] = self.doors;
        [a, b, c, d, e, f, g, h]
    }
}

/// Reads the binary log. `None`: it is not one, and the log must be asked for as text.
#[must_use]
pub fn read_binary(data: &[u8]) -> Option<Vec<Record>> {
    if !data.len().is_multiple_of(LENGTH) {
        return None;
    }
    Some(data.chunks_exact(LENGTH).take(MOST).map(read_one).collect())
}

fn read_one(bytes: &[u8]) -> Record {
    let four = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    let time = read_time(u32::from_le_bytes(four(12)));
    if bytes[10] == STATUS {
        return Record::Status(Status { alarms: four(0), doors: four(4), time });
    }
    Record::Event(Event {
        card: u32::from_le_bytes(four(0)),
        pin: u32::from_le_bytes(four(4)),
        door: bytes[9],
        code: bytes[10].into(),
        direction: bytes[11],
        time,
    })
}

/// A controller counts twelve months of 31 days.
fn read_time(value: u32) -> Option<DateTime> {
    let part = |value: u32| i8::try_from(value).ok();
    let days = value / 86_400;
    let year = i16::try_from(2000 + days / (12 * 31)).ok()?;
    let (month, day) = (part(days / 31 % 12 + 1)?, part(days % 31 + 1)?);
    let (hour, minute, second) = (part(value / 3600 % 24)?, part(value / 60 % 60)?, part(value % 60)?);
    DateTime::new(year, month, day, hour, minute, second, 0).ok()
}

/// The number that stands for a time.
#[must_use]
pub fn write_time(time: DateTime) -> u32 {
    let number = |part: i8| u32::from(part.unsigned_abs());
    let years = u32::from(time.year().saturating_sub(2000).unsigned_abs());
    let days = years * 12 * 31 + (number(time.month()) - 1) * 31 + number(time.day()) - 1;
    days * 86_400 + number(time.hour()) * 3600 + number(time.minute()) * 60 + number(time.second())
}

/// Reads the log as text: one record a line, `name=value` between tabulators.
#[must_use]
pub fn read_text(data: &[u8]) -> Vec<Record> {
    String::from_utf8_lossy(data).lines().take(MOST).filter_map(read_line).collect()
}

fn read_line(line: &str) -> Option<Record> {
    let pairs: Vec<(&str, &str)> = line.split(['\t', ',']).filter_map(|pair| pair.split_once('=')).collect();
    let find = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.trim());
    let number = |name: &str| find(name).and_then(|value| value.parse::<u32>().ok()).unwrap_or(0);
    let time = find("time").and_then(|time| time.replacen(' ', "T", 1).parse().ok());
    if let Some(code) = find("event") {
        return Some(Record::Event(Event {
            card: number("cardno"),
            pin: number("pin"),
            door: u8::try_from(number("eventaddr")).unwrap_or(u8::MAX),
            code: code.parse().ok()?,
            direction: u8::try_from(number("inoutstatus")).unwrap_or(2),
            time,
        }));
    }
    let hex = |name: &str| find(name).and_then(|value| u64::from_str_radix(value, 16).ok());
    let (alarm, sensor) = (hex("alarm")?, hex("sensor")?);
    let alarms = u32::try_from(alarm).ok()?.to_be_bytes();
    let doors = std::array::from_fn(|door| (sensor >> (2 * door) & 3) as u8);
    Some(Record::Status(Status { alarms, doors, time }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_counts_months_of_31_days() {
        // https://github.com/vwout/zkaccess-c3-py: 2010-10-26 20:54:55
        let time = jiff::civil::date(2010, 10, 26).at(20, 54, 55, 0);
        assert_eq!((write_time(time), read_time(347_748_895)), (347_748_895, Some(time)));
        // The 31st of February.
        assert_eq!(read_time((31 + 30) * 86_400), None);
    }

    #[test]
    fn both_shapes_of_the_log_are_read() {
        let text = "time=2023-12-06 22:33:15\tpin=0\tcardno=0\teventaddr=0\tevent=206\tinoutstatus=2\tverifytype=200\tindex=8\r\n\
                    time=2023-12-09 15:09:33\tsensor=24\trelay=04\talarm=00000000";
        let records = read_text(text.as_bytes());
        assert!(matches!(records[0], Record::Event(Event { code: 206, door: 0, time: Some(_), .. })), "{records:?}");
        assert!(
            matches!(records[1], Record::Status(Status { doors: [0, 1, 2, 0], alarms: [0, 0, 0, 0], .. })),
            "{records:?}"
        );
        assert_eq!(read_binary(&[0; 360]), None);
    }

    proptest! {
        #[test]
        fn no_log_does_harm(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            let records = read_binary(&data).map_or(0, |records| records.len()) + read_text(&data).len();
            prop_assert!(records <= data.len());
        }
    }
}
