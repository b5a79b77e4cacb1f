//! The simulator's two envelopes: a serial line with all units on it, and a TCP server.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::Simulator;
use super::unit::Misbehaviour;
use crate::modbus::codec::crc::is_sealed;
use crate::modbus::codec::{Exception, rtu, tcp};

/// Silence after which half a request is forgotten.
const FRAME_PAUSE: Duration = Duration::from_millis(50);

/// Why serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The far end closed the line.
    Closed,
    /// [`Simulator::restart`] was called.
    Restarted,
}

#[derive(Clone, Copy, PartialEq)]
enum Envelope {
    Rtu,
    Tcp,
}

/// An answer and when it goes out.
struct Outgoing {
    due: Instant,
    frame: Bytes,
}

impl Simulator {
    /// Serves a serial line: a pseudo-terminal's master, or a stream in memory. Returns when it is closed, or after
    /// a restart.
    ///
    /// # Errors
    /// When the stream breaks. A pseudo-terminal whose far end nobody has open fails with EIO.
    pub async fn serve_rtu(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send) -> io::Result<Ended> {
        self.serve(stream, Envelope::Rtu).await
    }

    /// Serves Modbus TCP, for ever. A restart drops the connections.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve_tcp(&self, listener: TcpListener) -> io::Result<()> {
        self.listen(listener, Envelope::Tcp).await
    }

    /// Serves RTU frames over TCP like a transparent serial server, for ever.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve_rtu_over_tcp(&self, listener: TcpListener) -> io::Result<()> {
        self.listen(listener, Envelope::Rtu).await
    }

    async fn listen(&self, listener: TcpListener, envelope: Envelope) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let simulator = self.clone();
            tokio::spawn(async move {
                // A client that goes away in the middle is no concern of the simulator.
                let _ = simulator.serve(stream, envelope).await;
            });
        }
    }

    async fn serve(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin + Send,
        envelope: Envelope,
    ) -> io::Result<Ended> {
        let mut restarts = self.restarts.subscribe();
        restarts.mark_unchanged();
        let mut input = BytesMut::new();
        let mut outgoing: Vec<Outgoing> = Vec::new();
        let mut piece = [0; 512];
        loop {
            let next = outgoing.iter().map(|outgoing| outgoing.due).min();
            let forget = (!input.is_empty() && envelope == Envelope::Rtu).then(|| Instant::now() + FRAME_PAUSE);
            tokio::select! {
                _ = restarts.changed() => return Ok(Ended::Restarted),
                () = sleep_until(next) => {
                    let now = Instant::now();
                    for outgoing in outgoing.extract_if(.., |outgoing| outgoing.due <= now) {
                        stream.write_all(&outgoing.frame).await?;
                    }
                    stream.flush().await?;
                }
                () = sleep_until(forget) => input.clear(),
                read = stream.read(&mut piece) => {
                    let count = read?;
                    if count == 0 {
                        return Ok(Ended::Closed);
                    }
                    input.extend_from_slice(&piece[..count]);
                    while let Some(answer) = self.take(&mut input, envelope)? {
                        outgoing.extend(answer);
                    }
                }
            }
        }
    }

    /// Takes one whole request from `input`. The inner value is the answer, if there is one.
    fn take(&self, input: &mut BytesMut, envelope: Envelope) -> io::Result<Option<Option<Outgoing>>> {
        match envelope {
            Envelope::Rtu => Ok(self.take_rtu(input)),
            Envelope::Tcp => {
                let unwrapped =
                    tcp::unwrap(input).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                Ok(unwrapped.map(|(transaction, unit, pdu)| {
                    let (due, unit, mut pdu) = self.answer(unit, &pdu, envelope)?;
                    if due.damaged && pdu.len() > 2 {
                        pdu.pop();
                    }
                    Some(Outgoing { due: due.at, frame: tcp::wrap(transaction, unit, &pdu) })
                }))
            }
        }
    }

    fn take_rtu(&self, input: &mut BytesMut) -> Option<Option<Outgoing>> {
        for start in 0..input.len() {
            let Some(length) = request_length(&input[start..]) else { continue };
            let Some(frame) = input.get(start..start + length) else { continue };
            if !is_sealed(frame) {
                continue;
            }
            let answer = self.answer(frame[0], &frame[1..length - 2], Envelope::Rtu);
            input.advance(start + length);
            return Some(answer.map(|(due, unit, pdu)| {
                let mut frame = BytesMut::new();
                frame.put_u8(unit);
                frame.put_slice(&pdu);
                let mut frame = BytesMut::from(&rtu::seal(frame)[..]);
                if due.damaged {
                    let last = frame.len() - 1;
                    frame[last] ^= 0xFF;
                }
                Outgoing { due: due.at, frame: frame.freeze() }
            }));
        }
        None
    }

    /// What the unit answers, in whose name, and when.
    fn answer(&self, address: u8, pdu: &[u8], envelope: Envelope) -> Option<(Due, u8, Vec<u8>)> {
        let now = Instant::now();
        let mut units = self.lock();
        let Some(unit) = units.get_mut(&address) else {
            // On a serial line nobody answers for a unit that is not there; a gateway says so.
            let refusal = vec![pdu.first()? | 0x80, Exception::NO_ANSWER_BEHIND_GATEWAY.0];
            return (envelope == Envelope::Tcp).then_some((Due { at: now, damaged: false }, address, refusal));
        };
        let misbehaviour = unit.misbehaviour;
        if misbehaviour == Misbehaviour::Gone {
            return None;
        }
        let answer = unit.execute(pdu, now);
        let due = Due { at: now, damaged: misbehaviour == Misbehaviour::BadChecksum };
        match misbehaviour {
            Misbehaviour::Silent => None,
            Misbehaviour::Late(by) => Some((Due { at: now + by, ..due }, address, answer)),
            Misbehaviour::WrongUnit => Some((due, address.wrapping_add(1), answer)),
            _ => Some((due, address, answer)),
        }
    }
}

#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    damaged: bool,
}

/// The length of the RTU request that begins here, if that can be told yet.
fn request_length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        1..=6 => Some(8),
        43 => Some(7),
        15 | 16 => Some(9 + usize::from(*bytes.get(6)?)),
        0x42 => Some(4),
        _ => None,
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
