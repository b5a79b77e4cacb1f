//! What the bytes of a packet mean, field by field.

use super::codec::{LENGTH, Packet, function};
use super::dialect::Address;
use crate::link::trace::{self, Direction, Meaning};
use crate::profile::PointProfile;

/// The fields of what went one way; `asked` is the function that the group asks for, `points` stand in its answer.
pub(super) fn packets(
    direction: Direction,
    bytes: &[u8],
    asked: u8,
    points: &[(Address, &PointProfile)],
) -> Vec<Meaning> {
    trace::frames(bytes, |bytes| {
        let found = Packet::decode(bytes.get(..LENGTH)?).ok()?;
        let mut fields = vec![
            Meaning::new(0, 1, "start", String::new()),
            Meaning::new(1, 1, "function", name_of(found.function())),
            Meaning::new(4, 4, "unit", found.controller().to_string()),
        ];
        let is_answer = direction == Direction::Received && found.function() == asked;
        let named = points.iter().filter(|_| is_answer).filter_map(|(address, point)| match address {
            Address::Place(place) => Some(Meaning::point(place.at, place.width, point, &place.read(&found.0))),
            Address::Clock => None,
        });
        fields.extend(named);
        if !is_answer {
            fields.push(Meaning::new(8, LENGTH - 8, "data", String::new()));
        }
        fields.sort_by_key(|field| field.at);
        Some((LENGTH, fields))
    })
}

fn name_of(code: u8) -> &'static str {
    match code {
        function::STATUS => "20 status",
        function::OPEN_DOOR => "40 open door",
        function::SET_DOOR => "80 set door",
        function::GET_DOOR => "82 door",
        function::EVENT => "B0 event",
        function::SET_INDEX => "B2 set event index",
        function::GET_INDEX => "B4 event index",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_taken_apart() {
        let request = Packet::request(function::STATUS, 405_419_896, &[]);
        let fields = packets(Direction::Sent, &request.0, function::STATUS, &[]);
        assert_eq!(fields[2], Meaning::new(4, 4, "unit", "405419896"));
        assert_eq!(packets(Direction::Received, &[0x17, 0x20], function::STATUS, &[])[0].field, "junk");
    }
}
