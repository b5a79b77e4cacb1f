//! What the bytes of a Modbus exchange mean, field by field.

use super::codec::crc::is_sealed;
use super::codec::{Answer, Exception, ReadFunction, pdu};
use super::dialect::Address;
use super::session::{Framing, value_in};
use crate::link::trace::Meaning;
use crate::profile::PointProfile;

/// A point where it lives.
pub(super) struct Placed<'p> {
    pub(super) address: Address,
    pub(super) point: &'p PointProfile,
}

/// The fields of a request.
pub(super) fn request(framing: Framing, bytes: &[u8]) -> Vec<Meaning> {
    let Some(frame) = Frame::of(framing, bytes, 0) else { return junk(bytes, 0) };
    let mut fields = frame.envelope(bytes);
    let at = frame.pdu.0;
    let [code, data @ ..] = &bytes[at..frame.pdu.1] else { return fields };
    fields.push(Meaning::new(at, 1, "function", format!("{code}: {}", function_in_words(*code))));
    if let [a, b, c, d, ..] = data {
        let (address, count) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        fields.push(Meaning::new(at + 1, 2, "address", format!("{address} (0x{address:04X})")));
        match code {
            1..=4 | 15 | 16 => fields.push(Meaning::new(at + 3, 2, "count", count.to_string())),
            _ => fields.push(Meaning::new(at + 3, 2, "data", format!("{count} (0x{count:04X})"))),
        }
        if data.len() > 5 {
            fields.push(Meaning::new(at + 5, 1, "byte-count", data[4].to_string()));
            fields.push(Meaning::new(at + 6, data.len() - 5, "data", String::new()));
        }
    }
    fields.sort_by_key(|field| field.at);
    fields
}

/// The fields of what came back.
pub(super) fn answer(framing: Framing, asked: &[u8], bytes: &[u8], points: &[Placed<'_>]) -> Vec<Meaning> {
    let Some(start) = (0..bytes.len()).find(|at| Frame::of(framing, bytes, *at).is_some_and(|frame| frame.right))
    else {
        let mut fields = junk(bytes, 0);
        if framing == Framing::Rtu && bytes.len() > 3 {
            fields = vec![
                Meaning::new(0, bytes.len() - 2, "data", String::new()),
                Meaning::new(bytes.len() - 2, 2, "checksum", "WRONG"),
            ];
        }
        return fields;
    };
    let mut fields = junk(&bytes[..start], 0);
    let Some(frame) = Frame::of(framing, bytes, start) else { return fields };
    fields.extend(frame.envelope(bytes));
    let at = frame.pdu.0;
    let [code, data @ ..] = &bytes[at..frame.pdu.1] else { return fields };
    fields.push(Meaning::new(at, 1, "function", format!("{}: {}", code & 0x7F, function_in_words(code & 0x7F))));
    match (code & 0x80 != 0, data) {
        (true, [exception]) => {
            fields.push(Meaning::new(at + 1, 1, "exception", Exception(*exception).to_string()));
        }
        (false, [count, values @ ..]) if (1..=4).contains(code) => {
            fields.push(Meaning::new(at + 1, 1, "byte-count", count.to_string()));
            fields.extend(points_in(framing, asked, *code, values, at + 2, points));
        }
        (_, data) if !data.is_empty() => fields.push(Meaning::new(at + 1, data.len(), "data", String::new())),
        _ => {}
    }
    fields.extend(junk(&bytes[frame.end..], frame.end));
    fields.sort_by_key(|field| field.at);
    fields
}

fn points_in(
    framing: Framing,
    asked: &[u8],
    code: u8,
    values: &[u8],
    at: usize,
    points: &[Placed<'_>],
) -> Vec<Meaning> {
    let whole = vec![Meaning::new(at, values.len(), "data", String::new())];
    let first = if framing == Framing::Tcp { 8 } else { 2 };
    let (Some([high, low, many_high, many_low]), Some(function)) =
        (asked.get(first..first + 4), ReadFunction::from_code(code))
    else {
        return whole;
    };
    let (start, count) = (u16::from_be_bytes([*high, *low]), u16::from_be_bytes([*many_high, *many_low]));
    let answer = if function.is_bits() {
        Answer::Bits(pdu::unpack(values, usize::from(count)))
    } else {
        Answer::Registers(pdu::registers(values))
    };
    let mut fields = Vec::new();
    for Placed { address, point } in points {
        let span = address.span;
        let within = span.function == function
            && span.address >= start
            && u32::from(span.address) + u32::from(span.width) <= u32::from(start) + u32::from(count);
        if !within {
            continue;
        }
        let from = usize::from(span.address - start);
        let (offset, length) = if function.is_bits() { (from / 8, 1) } else { (from * 2, usize::from(span.width) * 2) };
        fields.push(Meaning::point(at + offset, length, point, &value_in(&answer, *address, start)));
    }
    if fields.is_empty() { whole } else { fields }
}

/// Where the parts of a frame are.
struct Frame {
    framing: Framing,
    start: usize,
    pdu: (usize, usize),
    end: usize,
    /// Whether the checksum, or the header, is right.
    right: bool,
}

impl Frame {
    fn of(framing: Framing, bytes: &[u8], start: usize) -> Option<Self> {
        let rest = bytes.get(start..)?;
        match framing {
            Framing::Tcp => {
                let header = rest.get(..7)?;
                let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
                let end = start + 6 + length;
                let right = header[2..4] == [0, 0] && (2..=254).contains(&length) && end <= bytes.len();
                right.then_some(Self { framing, start, pdu: (start + 7, end), end, right })
            }
            Framing::Rtu => {
                let sealed = (4..=rest.len()).find(|length| is_sealed(&rest[..*length]));
                let length = sealed.or((rest.len() >= 4).then_some(rest.len()))?;
                let end = start + length;
                Some(Self { framing, start, pdu: (start + 1, end - 2), end, right: sealed.is_some() })
            }
        }
    }

    fn envelope(&self, bytes: &[u8]) -> Vec<Meaning> {
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let start = self.start;
        match self.framing {
            Framing::Tcp => vec![
                Meaning::new(start, 2, "transaction", word(start).to_string()),
                Meaning::new(start + 2, 2, "protocol", word(start + 2).to_string()),
                Meaning::new(start + 4, 2, "length", word(start + 4).to_string()),
                Meaning::new(start + 6, 1, "unit", bytes[start + 6].to_string()),
            ],
            Framing::Rtu => vec![
                Meaning::new(start, 1, "unit", bytes[start].to_string()),
                Meaning::new(self.end - 2, 2, "checksum", if self.right { "right" } else { "WRONG" }),
            ],
        }
    }
}

fn junk(bytes: &[u8], at: usize) -> Vec<Meaning> {
    if bytes.is_empty() { Vec::new() } else { vec![Meaning::new(at, bytes.len(), "junk", String::new())] }
}

fn function_in_words(code: u8) -> &'static str {
    match code {
        1 => "read coils",
        2 => "read discrete inputs",
        3 => "read holding registers",
        4 => "read input registers",
        5 => "write one coil",
        6 => "write one register",
        15 => "write coils",
        16 => "write registers",
        43 => "read device identification",
        _ => "not known here",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::codec::{Request, rtu};
    use crate::modbus::dialect::{ModbusDialect, ModbusProfile};
    use crate::profile::ProfileStore;

    #[test]
    fn every_byte_of_an_exchange_has_a_meaning() {
        let store = ProfileStore::built_in();
        let profile = ModbusProfile::read(&ModbusDialect, "xy-md02", store.get("xy-md02").unwrap()).unwrap();
        let placed: Vec<_> = profile.groups[0]
            .points
            .iter()
            .map(|point| Placed { address: point.address, point: &point.common })
            .collect();
        let asked = rtu::encode(1, &Request::Read { function: ReadFunction::InputRegisters, address: 1, count: 2 });
        // The maker's own example: 30.5 °C and 62.7 %.
        let mut reply = bytes::BytesMut::from(&[0x01, 0x04, 0x04, 0x01, 0x31, 0x02, 0x73][..]);
        let crc = super::super::codec::crc::crc16(&reply);
        bytes::BufMut::put_u16_le(&mut reply, crc);
        for fields in [request(Framing::Rtu, &asked), answer(Framing::Rtu, &asked, &reply, &placed)] {
            let covered: usize = fields.iter().map(|field| field.length).sum();
            assert!(fields.windows(2).all(|pair| pair[0].at + pair[0].length == pair[1].at), "{fields:?}");
            assert_eq!(covered, fields.last().unwrap().at + fields.last().unwrap().length);
        }
        let said: Vec<_> = answer(Framing::Rtu, &asked, &reply, &placed)
            .into_iter()
            .map(|field| format!("{}={}", field.field, field.says))
            .collect();
        assert!(said.contains(&"temperature.room=raw 305 = 30.5 °C".to_owned()), "{said:?}");
        assert!(said.contains(&"checksum=right".to_owned()), "{said:?}");
    }

    #[test]
    fn damage_refusals_and_junk_are_named() {
        let asked = rtu::encode(1, &Request::Read { function: ReadFunction::HoldingRegisters, address: 0, count: 1 });
        let mut refused = bytes::BytesMut::from(&[0x01, 0x83, 0x02][..]);
        let crc = super::super::codec::crc::crc16(&refused);
        bytes::BufMut::put_u16_le(&mut refused, crc);
        let fields = answer(Framing::Rtu, &asked, &refused, &[]);
        assert!(fields.iter().any(|field| field.field == "exception" && field.says.contains("address")), "{fields:?}");
        let noisy = [&[0xFF, 0x00][..], &refused].concat();
        let fields = answer(Framing::Rtu, &asked, &noisy, &[]);
        assert_eq!((fields[0].field.as_str(), fields[0].length), ("junk", 2), "{fields:?}");
        refused[2] = 9;
        let fields = answer(Framing::Rtu, &asked, &refused, &[]);
        assert_eq!(fields.last().unwrap().says, "WRONG");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_explained_without_harm(
            asked in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..20),
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80),
        ) {
            for framing in [Framing::Rtu, Framing::Tcp] {
                for field in request(framing, &asked).into_iter().chain(answer(framing, &asked, &bytes, &[])) {
                    proptest::prop_assert!(field.at + field.length <= asked.len().max(bytes.len()));
                }
            }
        }
    }
}
