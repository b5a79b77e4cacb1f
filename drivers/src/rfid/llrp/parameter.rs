//! Parameters: type and length, or one byte with the top bit set and a length that its type gives.

/// Types of parameters.
pub mod kind {
    /// `AntennaID`
    pub const ANTENNA_ID: u16 = 1;
    /// `PeakRSSI`
    pub const PEAK_RSSI: u16 = 6;
    /// `EPC_96`
    pub const EPC_96: u16 = 13;
    /// `GeneralDeviceCapabilities`
    pub const DEVICE_CAPABILITIES: u16 = 137;
    /// `ROSpec`
    pub const RO_SPEC: u16 = 177;
    /// `ROBoundarySpec`
    pub const BOUNDARY: u16 = 178;
    /// `ROSpecStartTrigger`
    pub const START_TRIGGER: u16 = 179;
    /// `ROSpecStopTrigger`
    pub const STOP_TRIGGER: u16 = 182;
    /// `AISpec`
    pub const AI_SPEC: u16 = 183;
    /// `AISpecStopTrigger`
    pub const AI_STOP: u16 = 184;
    /// `InventoryParameterSpec`
    pub const INVENTORY: u16 = 186;
    /// `AntennaProperties`
    pub const ANTENNA_PROPERTIES: u16 = 221;
    /// `ROReportSpec`
    pub const REPORT_SPEC: u16 = 237;
    /// `TagReportContentSelector`
    pub const CONTENT_SELECTOR: u16 = 238;
    /// `TagReportData`
    pub const TAG_REPORT: u16 = 240;
    /// `EPCData`
    pub const EPC_DATA: u16 = 241;
    /// `ReaderEventNotificationSpec`
    pub const EVENT_SPEC: u16 = 244;
    /// `EventNotificationState`
    pub const EVENT_STATE: u16 = 245;
    /// `ReaderEventNotificationData`
    pub const EVENT_DATA: u16 = 246;
    /// `ReaderExceptionEvent`
    pub const EXCEPTION: u16 = 252;
    /// `AntennaEvent`
    pub const ANTENNA_EVENT: u16 = 255;
    /// `ConnectionAttemptEvent`
    pub const CONNECTION_ATTEMPT: u16 = 256;
    /// `LLRPStatus`
    pub const STATUS: u16 = 287;
}

/// A parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter<'b> {
    /// Its type.
    pub kind: u16,
    /// Its fields, and the parameters within it.
    pub body: &'b [u8],
}

/// Length of the fields of a parameter whose type stands in one byte (LLRP 1.0.1, section 17.2).
fn fixed_length(kind: u8) -> Option<usize> {
    Some(match kind {
        6 => 1,
        1 | 7 | 8 | 10 | 11 | 12 | 14 | 15 | 17 | 19 | 20 => 2,
        9 | 16 | 18 => 4,
        2..=5 => 8,
        13 => 12,
        _ => return None,
    })
}

/// The parameters in `bytes`, up to the first that cannot be read: what follows it cannot be found.
pub fn parameters(bytes: &[u8]) -> impl Iterator<Item = Parameter<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        let (kind, start, end) = if first & 0x80 == 0 {
            let [high, low, l1, l0, ..] = *rest else { return None };
            (u16::from_be_bytes([high, low]) & 0x03FF, 4, usize::from(u16::from_be_bytes([l1, l0])))
        } else {
            let kind = first & 0x7F;
            (u16::from(kind), 1, 1 + fixed_length(kind)?)
        };
        let body = rest.get(start..end)?;
        rest = &rest[end..];
        Some(Parameter { kind, body })
    })
}

/// The first parameter of that type.
#[must_use]
pub fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    parameters(bytes).find(|parameter| parameter.kind == kind).map(|parameter| parameter.body)
}

/// A parameter with type and length around `body`.
#[must_use]
pub fn parameter(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend(((body.len() + 4) as u16).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_stand_beside_one_another() {
        let mut bytes = parameter(kind::STATUS, &[0, 0, 0, 0]);
        bytes.extend([0x81, 0, 2, 0x86, 0xC4]);
        let found: Vec<_> = parameters(&bytes).map(|found| (found.kind, found.body.to_vec())).collect();
        assert_eq!(found, [(287, vec![0, 0, 0, 0]), (1, vec![0, 2]), (6, vec![0xC4])]);
    }

    #[test]
    fn what_cannot_be_read_ends_the_list() {
        for bytes in [&[0x00][..], &[0, 240, 0, 3, 1], &[0, 240, 0, 99], &[0xFF, 0, 0], &[0x81, 0]] {
            assert_eq!(parameters(bytes).count(), 0, "{bytes:?}");
        }
    }
}
