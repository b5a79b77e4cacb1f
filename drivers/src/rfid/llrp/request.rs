//! What is asked of a reader.

use std::time::Duration;

use super::parameter::{kind, parameter};

/// Our one plan of an inventory.
const RO_SPEC_ID: u32 = 1;
/// Every plan of the reader.
pub const ALL: u32 = 0;

/// The body of a request that names our plan.
#[must_use]
pub fn our_plan() -> Vec<u8> {
    RO_SPEC_ID.to_be_bytes().to_vec()
}

/// The body of a request that names every plan.
#[must_use]
pub fn every_plan() -> Vec<u8> {
    ALL.to_be_bytes().to_vec()
}

/// `GET_READER_CAPABILITIES`: the general ones.
#[must_use]
pub fn general_capabilities() -> Vec<u8> {
    vec![1]
}

/// `GET_READER_CONFIG`: the properties of every antenna.
#[must_use]
pub fn antennas() -> Vec<u8> {
    // Antenna 0 (all), AntennaProperties, no GPI or GPO port.
    vec![0, 0, 2, 0, 0, 0, 0]
}

/// `SET_READER_CONFIG`: tell of antennas and exceptions; everything else stays as it is.
#[must_use]
pub fn tell_of_trouble() -> Vec<u8> {
    const READER_EXCEPTION: u16 = 4;
    const ANTENNA: u16 = 8;
    let state = |event: u16| {
        let [high, low] = event.to_be_bytes();
        parameter(kind::EVENT_STATE, &[high, low, 0x80])
    };
    let events = [state(READER_EXCEPTION), state(ANTENNA)].concat();
    let mut body = vec![0];
    body.extend(parameter(kind::EVENT_SPEC, &events));
    body
}

/// `ADD_ROSPEC`: every antenna, every tag reported at once with antenna, channel, RSSI, times and count. Begun and
/// ended by us; the reader itself ends it after `at_most`, so that it does not radiate for ever when we are gone.
#[must_use]
pub fn inventory_plan(at_most: Option<Duration>) -> Vec<u8> {
    const PRIORITY: u8 = 0;
    const DISABLED: u8 = 0;
    const EPC_GEN2: u8 = 1;
    const EVERY_TAG: u8 = 2;
    const CONTENT: u16 = 0x1F80;
    let mut stop = vec![u8::from(at_most.is_some())];
    let milliseconds = at_most.map_or(0, |at_most| u32::try_from(at_most.as_millis()).unwrap_or(u32::MAX));
    stop.extend(milliseconds.to_be_bytes());
    let triggers = [parameter(kind::START_TRIGGER, &[0]), parameter(kind::STOP_TRIGGER, &stop)].concat();
    let mut antennas = vec![0, 1, 0, 0];
    antennas.extend(parameter(kind::AI_STOP, &[0, 0, 0, 0, 0]));
    antennas.extend(parameter(kind::INVENTORY, &[0, 1, EPC_GEN2]));
    let mut report = vec![EVERY_TAG, 0, 1];
    report.extend(parameter(kind::CONTENT_SELECTOR, &CONTENT.to_be_bytes()));
    let mut plan = RO_SPEC_ID.to_be_bytes().to_vec();
    plan.extend([PRIORITY, DISABLED]);
    plan.extend(parameter(kind::BOUNDARY, &triggers));
    plan.extend(parameter(kind::AI_SPEC, &antennas));
    plan.extend(parameter(kind::REPORT_SPEC, &report));
    parameter(kind::RO_SPEC, &plan)
}

#[cfg(test)]
mod tests {
    use super::super::message::{Message, kind as message};
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    /// Frames that llrpkit 0.3.0 took and answered.
    #[test]
    fn requests_are_the_bytes_that_a_reader_of_others_took() {
        let enable = Message { kind: message::ENABLE, id: 3, body: our_plan() };
        assert_eq!(enable.encode(), hex("04 18 00 00 00 0E 00 00 00 03 00 00 00 01"));
        let capabilities = Message { kind: message::GET_CAPABILITIES, id: 1, body: vec![0] };
        assert_eq!(capabilities.encode(), hex("04 01 00 00 00 0B 00 00 00 01 00"));
        let add = Message { kind: message::ADD, id: 2, body: inventory_plan(None) };
        let taken = "04 14 00 00 00 4B 00 00 00 02 00 B1 00 41 00 00 00 01 00 00 00 B2 00 12 00 B3 00 05 00 00 B6 00 09 00 \
                     00 00 00 00 00 B7 00 18 00 01 00 00 00 B8 00 09 00 00 00 00 00 00 BA 00 07 00 01 01 00 ED 00 0D 02 00 \
                     01 00 EE 00 06 1F 80";
        assert_eq!(add.encode(), hex(taken));
    }

    #[test]
    fn a_plan_ends_by_itself() {
        let plan = inventory_plan(Some(Duration::from_secs(10)));
        let (boundary, _) = plan[10..].split_at(18);
        assert_eq!(boundary, hex("00 B2 00 12 00 B3 00 05 00 00 B6 00 09 01 00 00 27 10"));
    }
}
