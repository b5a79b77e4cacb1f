//! What a reader tells: tags, events, what it is, how a request went.

use super::parameter::{Parameter, find, kind, parameters};
use crate::rfid::stock::Sighting;

/// Something that a reader tells by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// How the connection was received: 0 for well.
    Connection(u16),
    /// An antenna was connected or disconnected.
    Antenna {
        /// Which.
        antenna: u16,
        /// Whether it is connected now.
        connected: bool,
    },
    /// Something is wrong with the reader.
    Exception(String),
}

/// How a request went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// 0 for well.
    pub code: u16,
    /// What the reader says about it.
    pub text: String,
}

impl Status {
    /// Whether it went well.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.code == 0
    }
}

/// What a reader is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// How many antennas it may have.
    pub antennas: u16,
    /// The maker's number (IANA private enterprise number).
    pub maker: u32,
    /// The maker's number of the model.
    pub model: u32,
    /// Its firmware.
    pub firmware: String,
}

/// The tags of an `RO_ACCESS_REPORT`.
pub fn tags(body: &[u8]) -> impl Iterator<Item = Sighting> + '_ {
    parameters(body).filter(|found| found.kind == kind::TAG_REPORT).filter_map(|found| tag(found.body))
}

fn tag(report: &[u8]) -> Option<Sighting> {
    let mut epc = None;
    let (mut antenna, mut strength) = (None, None);
    for Parameter { kind, body } in parameters(report) {
        match (kind, body) {
            (kind::EPC_96, body) => epc = Some(body.to_vec()),
            (kind::EPC_DATA, [high, low, body @ ..]) => {
                let bytes = usize::from(u16::from_be_bytes([*high, *low])).div_ceil(8);
                epc = body.get(..bytes).map(<[u8]>::to_vec);
            }
            (kind::ANTENNA_ID, [high, low]) => antenna = Some(u16::from_be_bytes([*high, *low])),
            (kind::PEAK_RSSI, [rssi]) => strength = Some(i16::from(i8::from_be_bytes([*rssi]))),
            _ => {}
        }
    }
    let epc = epc.filter(|epc| !epc.is_empty())?;
    Some(Sighting { epc, antenna, strength, is_dbm: true })
}

/// The events of a `READER_EVENT_NOTIFICATION` that matter here.
#[must_use]
pub fn events(body: &[u8]) -> Vec<Event> {
    let Some(data) = find(body, kind::EVENT_DATA) else { return Vec::new() };
    let event = |found: Parameter<'_>| match (found.kind, found.body) {
        (kind::CONNECTION_ATTEMPT, [high, low, ..]) => Some(Event::Connection(u16::from_be_bytes([*high, *low]))),
        (kind::ANTENNA_EVENT, [state, high, low, ..]) => {
            Some(Event::Antenna { antenna: u16::from_be_bytes([*high, *low]), connected: *state == 1 })
        }
        (kind::EXCEPTION, body) => Some(Event::Exception(text(body)?.0)),
        _ => None,
    };
    parameters(data).filter_map(event).collect()
}

/// How a request went; `None` if the answer does not say.
#[must_use]
pub fn status(body: &[u8]) -> Option<Status> {
    let [high, low, rest @ ..] = find(body, kind::STATUS)? else { return None };
    let text = text(rest).map(|(text, _)| text).unwrap_or_default();
    Some(Status { code: u16::from_be_bytes([*high, *low]), text })
}

/// What the reader is, from a `GET_READER_CAPABILITIES_RESPONSE`.
#[must_use]
pub fn capabilities(body: &[u8]) -> Option<Capabilities> {
    let [a1, a0, _, _, v3, v2, v1, v0, m3, m2, m1, m0, rest @ ..] = find(body, kind::DEVICE_CAPABILITIES)? else {
        return None;
    };
    Some(Capabilities {
        antennas: u16::from_be_bytes([*a1, *a0]),
        maker: u32::from_be_bytes([*v3, *v2, *v1, *v0]),
        model: u32::from_be_bytes([*m3, *m2, *m1, *m0]),
        firmware: text(rest)?.0,
    })
}

/// The antennas of a `GET_READER_CONFIG_RESPONSE`, and whether each is connected.
pub fn antennas(body: &[u8]) -> impl Iterator<Item = (u16, bool)> + '_ {
    let properties = parameters(body).filter(|found| found.kind == kind::ANTENNA_PROPERTIES);
    properties.filter_map(|found| match found.body {
        [state, high, low, ..] => Some((u16::from_be_bytes([*high, *low]), state & 0x80 != 0)),
        _ => None,
    })
}

/// A text with its length before it, and what follows.
fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let [high, low, rest @ ..] = bytes else { return None };
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
    Some((String::from_utf8_lossy(text).into_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::super::parameter::parameter;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_success_that_llrpkit_sent_is_read() {
        let body = [0x01, 0x1F, 0x00, 0x08, 0, 0, 0, 0];
        assert_eq!(status(&body), Some(Status { code: 0, text: String::new() }));
        assert_eq!(status(&[]), None);
    }

    #[test]
    fn a_report_as_llrpkit_sends_it_is_read() {
        let mut tag = vec![0x8D];
        tag.extend([0xE2, 0, 0, 0x17, 1, 0x0B, 1, 0x62, 0x10, 0, 0, 5]);
        tag.extend([0x81, 0, 2, 0x86, 0xCB, 0x87, 0, 17]);
        tag.extend([0x82, 0, 0, 0, 0, 0, 0, 0, 1, 0x84, 0, 0, 0, 0, 0, 0, 0, 2, 0x88, 0, 1]);
        let report = parameter(kind::TAG_REPORT, &tag);
        assert_eq!(report[..5], [0x00, 0xF0, 0x00, 0x2E, 0x8D]);
        let seen: Vec<_> = tags(&report).collect();
        let epc = tag[1..13].to_vec();
        assert_eq!(seen, [Sighting { epc, antenna: Some(2), strength: Some(-53), is_dbm: true }]);
    }

    #[test]
    fn an_epc_of_another_length_counts_its_bits() {
        let epc = parameter(kind::EPC_DATA, &[0, 64, 1, 2, 3, 4, 5, 6, 7, 8]);
        let seen: Vec<_> = tags(&parameter(kind::TAG_REPORT, &epc)).collect();
        assert_eq!(seen[0].epc, [1, 2, 3, 4, 5, 6, 7, 8]);
        let cut = parameter(kind::EPC_DATA, &[0, 64, 1]);
        assert_eq!(tags(&parameter(kind::TAG_REPORT, &cut)).count(), 0);
    }

    #[test]
    fn events_are_read() {
        let mut data = parameter(128, &[0; 8]);
        data.extend(parameter(kind::CONNECTION_ATTEMPT, &[0, 2]));
        data.extend(parameter(kind::ANTENNA_EVENT, &[0, 0, 3]));
        data.extend(parameter(kind::EXCEPTION, &[0, 3, b'h', b'o', b't']));
        let expected =
            [Event::Connection(2), Event::Antenna { antenna: 3, connected: false }, Event::Exception("hot".to_owned())];
        assert_eq!(events(&parameter(kind::EVENT_DATA, &data)), expected);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (tags(&bytes).count(), events(&bytes), status(&bytes), capabilities(&bytes), antennas(&bytes).count());
            for kind in [kind::TAG_REPORT, kind::EVENT_DATA, kind::STATUS, kind::DEVICE_CAPABILITIES] {
                let body = parameter(kind, &bytes);
                let _ = (tags(&body).count(), events(&body), status(&body), capabilities(&body));
            }
        }
    }
}
