//! What a Modbus unit says of itself, where it does.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::link::{Endpoint, Line, LineError};
use crate::modbus::codec::crc::is_sealed;
use crate::modbus::codec::identity::{Objects, answer_length, question, read_answer};
use crate::modbus::codec::{rtu, tcp};
use crate::modbus::session::Framing;

const OPENING: Duration = Duration::from_secs(3);
/// So many characters are given their time on the wire; identifications are rarely longer.
const CHARACTERS: u32 = 128;
/// Maker, product and revision fit into so many answers even if each has one of its own.
const QUESTIONS: u16 = 3;
/// Longest text that is shown.
const TEXT: usize = 64;

/// A unit's identification.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Identity {
    /// Who made it.
    pub maker: String,
    /// The product.
    pub product: String,
    /// Its revision.
    pub revision: String,
}

impl Identity {
    fn take(&mut self, objects: &Objects) {
        for (object, value) in &objects.objects {
            let text = String::from_utf8_lossy(value);
            let shown: String = text.chars().filter(|letter| !letter.is_control()).take(TEXT).collect();
            let place = match object {
                0 => &mut self.maker,
                1 => &mut self.product,
                2 => &mut self.revision,
                _ => continue,
            };
            *place = shown.trim().to_owned();
        }
    }

    fn is_empty(&self) -> bool {
        self.maker.is_empty() && self.product.is_empty() && self.revision.is_empty()
    }
}

/// Asks a unit who made it, which product it is and of which revision. `None` if it does not say; it was then asked
/// once.
pub async fn identify(endpoint: &Endpoint, framing: Framing, unit: u8, wait: Duration) -> Option<Identity> {
    let mut line = endpoint.open(OPENING).await.ok()?;
    identify_on(&mut line, endpoint, framing, unit, wait).await
}

/// The same on a line that is open.
pub(crate) async fn identify_on(
    line: &mut Line,
    endpoint: &Endpoint,
    framing: Framing,
    unit: u8,
    wait: Duration,
) -> Option<Identity> {
    let wire = match endpoint {
        Endpoint::Serial(settings) => Duration::from_secs(12) * CHARACTERS / settings.baud.max(1),
        Endpoint::Tcp { .. } => Duration::ZERO,
    };
    let mut identity = Identity::default();
    let mut object = 0;
    for transaction in 1..=QUESTIONS {
        line.settle(Duration::from_millis(20)).await.ok()?;
        line.send(&frame(framing, transaction, unit, object), OPENING).await.ok()?;
        let received: Result<Option<Objects>, LineError> = line
            .receive(wait + wire, |buffer: &mut BytesMut| match framing {
                Framing::Rtu => rtu_answer(buffer, unit),
                Framing::Tcp => tcp_answer(buffer, transaction, unit),
            })
            .await;
        // Whatever came before a refusal or silence is worth showing.
        let Ok(Some(objects)) = received else { break };
        identity.take(&objects);
        match objects.next {
            Some(next) if next > object && next <= 2 => object = next,
            _ => break,
        }
    }
    (!identity.is_empty()).then_some(identity)
}

fn frame(framing: Framing, transaction: u16, unit: u8, object: u8) -> Bytes {
    let pdu = question(object);
    match framing {
        Framing::Tcp => tcp::wrap(transaction, unit, &pdu),
        Framing::Rtu => {
            let mut frame = BytesMut::with_capacity(8);
            frame.put_u8(unit);
            frame.put_slice(&pdu);
            rtu::seal(frame)
        }
    }
}

/// `Some(None)`: it was refused.
fn rtu_answer(buffer: &BytesMut, unit: u8) -> Option<Option<Objects>> {
    for start in 0..buffer.len() {
        let [address, pdu @ ..] = &buffer[start..] else { continue };
        let Some(length) = answer_length(pdu).filter(|length| *address == unit && *length > 0) else { continue };
        if let Some(sealed) = buffer.get(start..start + length + 3)
            && is_sealed(sealed)
            && let Ok(answer) = read_answer(&sealed[1..=length])
        {
            return Some(answer.ok());
        }
    }
    None
}

fn tcp_answer(buffer: &mut BytesMut, transaction: u16, unit: u8) -> Option<Option<Objects>> {
    match tcp::unwrap(buffer) {
        Ok(None) => None,
        Ok(Some((got, from, pdu))) if (got, from) == (transaction, unit) => {
            Some(read_answer(&pdu).ok().and_then(Result::ok))
        }
        Ok(Some(_)) | Err(_) => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_and_junk_are_no_answer() {
        let asked = frame(Framing::Rtu, 0, 5, 0);
        assert_eq!(rtu_answer(&BytesMut::from(&asked[..]), 5), None);
        let answer = [&[5, 0x2B, 0x0E, 1, 1, 0, 0, 1, 0, 3][..], b"A\x1BB"].concat();
        let answer = rtu::seal(BytesMut::from(&answer[..]));
        let mut buffer = BytesMut::from(&[&asked[..], &[0xFF], &answer].concat()[..]);
        let objects = rtu_answer(&buffer, 5).unwrap().unwrap();
        let mut identity = Identity::default();
        identity.take(&objects);
        assert_eq!(identity.maker, "AB", "nothing that moves the cursor reaches a terminal");
        assert_eq!(rtu_answer(&buffer, 6), None);
        let last = buffer.len() - 1;
        buffer[last] ^= 1;
        assert_eq!(rtu_answer(&buffer, 5), None);
        let refusal = rtu::seal(BytesMut::from(&[5, 0xAB, 1][..]));
        assert_eq!(rtu_answer(&BytesMut::from(&refusal[..]), 5), Some(None));
    }
}
