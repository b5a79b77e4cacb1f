//! One open bus.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use kouan_protocol::{Field, HealthLevel, QualityReason};
use kouan_settings::{Bilingual, Translate as _, both};
use tokio::time::Instant;

use super::channel::{Channel, ChannelError, Outgoing, Reply};
use super::codec::{self, Check, Packet, PacketError, command, reply};
use super::dialect::{Address, Ask, OsdpProfile};
use super::explain;
use super::reply::{event, refusal};
use super::secure::Key;
use crate::driver::{Purpose, RawValue};
use crate::link::trace::{self, Piece};
use crate::link::{
    ActError, Acted, AnswerReader, AskError, Asker, HeardEvent, LinkSettings, Patience, Polled, TalkError, Talker,
    Timing, Turn, no_action,
};

/// For how long after a command its reply may still come: longer than any device takes (the standard allows 200 ms).
const LATE_WINDOW: Duration = Duration::from_millis(600);
/// Most events that are fetched in one turn, so that a device that never ends cannot keep the bus.
const MOST_EVENTS: usize = 16;

/// Why a device that demands a secure channel does not talk to somebody without a key.
pub(crate) const WANTS_KEY: &str = "wants-key";

/// How a device is protected.
#[derive(Debug, Clone)]
pub(super) enum Protection {
    /// Not at all.
    None,
    /// By the key that everybody knows.
    DefaultKey,
    /// By the key in this file, read whenever a channel is made.
    KeyFile(PathBuf),
}

/// A device on the bus.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) address: u8,
    pub(super) check: Check,
    pub(super) protection: Protection,
    pub(super) timing: Timing,
    pub(super) profile: Arc<OsdpProfile>,
}

/// A bus that the engine drives.
#[derive(Debug)]
pub(super) struct Session {
    asker: Asker,
    units: Vec<Unit>,
    channels: Vec<Channel>,
    purpose: Purpose,
}

/// Looks for the reply to one command.
struct Replies {
    address: u8,
    sequence: u8,
    rejected: Option<(&'static str, Bilingual)>,
}

impl Replies {
    fn to(outgoing: &Outgoing) -> Self {
        Self { address: outgoing.address, sequence: outgoing.sequence, rejected: None }
    }
}

impl AnswerReader for Replies {
    type Answer = Packet;

    fn next(&mut self, buffer: &mut BytesMut) -> Option<Packet> {
        loop {
            let rejected = match codec::decode(buffer) {
                Ok(None) => return None,
                Ok(Some(packet)) if !packet.reply => {
                    let text = both!("another control panel talks on this bus", "总线上还有另一个控制器在说话");
                    ("second-master", text)
                }
                Ok(Some(packet)) if packet.address != self.address => {
                    let other = packet.address;
                    ("wrong-unit", both!("the answer came from address {other}", "应答来自地址 {other}"))
                }
                // A busy device answers with the number 0.
                Ok(Some(packet)) if packet.sequence != self.sequence && packet.code != reply::BUSY => {
                    ("not-understood", both!("the answer belongs to another command", "应答属于另一条命令"))
                }
                Ok(Some(packet)) => return Some(packet),
                Err(error @ PacketError::BadChecksum) => ("bad-checksum", error.translate()),
                Err(error) => ("not-understood", error.translate()),
            };
            self.rejected = Some(rejected);
        }
    }

    fn rejected(&self) -> Option<(&'static str, Bilingual)> {
        self.rejected.clone()
    }
}

impl Protection {
    async fn key(&self) -> Result<Option<Key>, TalkError> {
        match self {
            Self::None => Ok(None),
            Self::DefaultKey => Ok(Some(Key::everybody_knows())),
            Self::KeyFile(path) => {
                let problem = |text: Bilingual| TalkError::device(HealthLevel::Unreachable, "no-key", text);
                let text = tokio::fs::read_to_string(path).await;
                let place = path.display();
                let text = text.map_err(|error| {
                    problem(both!("read key {place} failed: {error}", "读取密钥 {place} 失败：{error}"; error))
                })?;
                let key = Key::read(&text);
                let wrong =
                    || problem(both!("{place} must hold 32 hexadecimal digits", "{place} 中应当是 32 位十六进制数"));
                key.map(Some).ok_or_else(wrong)
            }
        }
    }
}

/// What is wrong with the conversation and not with the question: the same may be asked again soon.
fn passing(reason: &'static str, text: impl Into<Bilingual>) -> TalkError {
    TalkError::device(HealthLevel::Reachable, reason, text)
}

fn insecure(error: &ChannelError) -> TalkError {
    passing("insecure", error.translate())
}

impl Session {
    pub(super) fn new(link: LinkSettings, units: Vec<Unit>, purpose: Purpose) -> Self {
        let patience = units.iter().map(|unit| Patience { timing: unit.timing, late_window: LATE_WINDOW });
        let channels = units.iter().map(|unit| Channel::new(unit.address, unit.check)).collect();
        Self { asker: Asker::new(link, patience.collect()), units, channels, purpose }
    }

    /// Sends a read and takes its reply; the same packet again where nothing came. After a failure the device is
    /// greeted anew.
    async fn read(&mut self, device: usize, outgoing: Outgoing, turn: Turn<'_>) -> Result<Reply, TalkError> {
        let read = self.asker.read(device, &codec::marked(&outgoing.bytes), turn, || Replies::to(&outgoing)).await;
        let accepted = read.and_then(|packet| self.channels[device].accept(packet).map_err(|error| insecure(&error)));
        if accepted.is_err() {
            self.channels[device].reset();
        }
        let reply = accepted?;
        match reply.code {
            reply::BUSY => Err(passing("busy", ("the device says that it is busy", "设备说它正忙"))),
            // Numbers or channel do not fit any more: all of it begins anew.
            reply::NAK if matches!(reply.data.first(), Some(4..=6)) => {
                self.channels[device].reset();
                // Sent in clear, a packet cannot have a wrong part of a secure channel: what is missing is the channel.
                if reply.data.first() != Some(&4) && matches!(self.units[device].protection, Protection::None) {
                    return Err(TalkError::device(HealthLevel::Answering, WANTS_KEY, refusal(&[6])));
                }
                Err(passing("refused", refusal(&reply.data)))
            }
            reply::NAK => Err(TalkError::refused(refusal(&reply.data))),
            _ => Ok(reply),
        }
    }

    async fn ask(&mut self, device: usize, code: u8, data: &[u8], turn: Turn<'_>) -> Result<Reply, TalkError> {
        let outgoing = self.channels[device].command(code, data);
        self.read(device, outgoing, turn).await
    }

    /// Greets the device if it is not known, and makes its secure channel.
    async fn connect(&mut self, device: usize, turn: Turn<'_>) -> Result<(), TalkError> {
        if self.channels[device].is_online() {
            return Ok(());
        }
        let key = self.units[device].protection.key().await?;
        self.channels[device].reset();
        self.ask(device, command::ID, &[0], turn).await?;
        if let Some(key) = key
            && let Err(error) = self.secure(device, &key, turn).await
        {
            self.channels[device].reset();
            return Err(error);
        }
        self.channels[device].set_online();
        Ok(())
    }

    async fn secure(&mut self, device: usize, key: &Key, turn: Turn<'_>) -> Result<(), TalkError> {
        let insecure = |error: ChannelError| insecure(&error);
        let (mut handshake, outgoing) = self.channels[device].challenge(key, rand::random());
        let proof = self.read(device, outgoing, turn).await?;
        let outgoing = self.channels[device].prove(&mut handshake, &proof).map_err(insecure)?;
        let answer = self.read(device, outgoing, turn).await?;
        self.channels[device].secured(handshake, &answer).map_err(insecure)
    }

    /// Fetches what happened, and reads the group.
    async fn poll_into(&mut self, device: usize, ask: Ask, turn: Turn<'_>, events: &mut Vec<HeardEvent>) -> Asked {
        self.connect(device, turn).await?;
        // Whatever a device answers to a poll it forgets.
        while ask.events && self.purpose == Purpose::Serve && events.len() < MOST_EVENTS {
            let reply = self.ask(device, command::POLL, &[], turn).await?;
            match event(&reply) {
                Some(event) => events.push(event),
                // It tells by itself what would be asked.
                None if reply.code == ask.reply => return Ok(Some(reply)),
                // Nothing, or a status that another group asks for.
                None => break,
            }
        }
        if turn.is_wanted() {
            return Ok(None);
        }
        let reply = self.ask(device, ask.command, ask.data, turn).await?;
        if reply.code != ask.reply {
            let (code, command) = (reply.code, ask.command);
            let text =
                both!("the device answered {code:02X} to {command:02X}", "设备对 {command:02X} 的应答是 {code:02X}");
            return Err(TalkError::device(HealthLevel::Answering, "not-understood", text));
        }
        Ok(Some(reply))
    }
}

/// The reply; none if somebody else wants the bus.
type Asked = Result<Option<Reply>, TalkError>;

/// A command that is ready to be sent.
#[derive(Debug)]
pub(super) struct Act {
    command: u8,
    data: Vec<u8>,
}

impl Talker for Session {
    type Act = Act;

    async fn open(&mut self) -> Result<(), TalkError> {
        for channel in &mut self.channels {
            channel.reset();
        }
        self.asker.open().await
    }

    fn is_open(&self) -> bool {
        self.asker.is_open()
    }

    fn close(&mut self) {
        self.asker.close();
    }

    async fn poll(&mut self, device: usize, group: usize, turn: Turn<'_>) -> Polled {
        let profile = Arc::clone(&self.units[device].profile);
        let group = &profile.groups[group];
        let mut events = Vec::new();
        let asked = self.poll_into(device, group.ask, turn, &mut events).await;
        let reply = match asked {
            Ok(reply) => reply,
            Err(trouble) => return Polled { events, ..Polled::failed(trouble) },
        };
        let Some(reply) = reply else { return Polled { events, ..Polled::default() } };
        let cells = (0..).zip(&group.points).map(|(column, point)| {
            let cell = match point.address {
                Address::Place(place) => place.read(&reply.data),
                Address::Identity(fact) => {
                    fact.read(&reply.data).map(RawValue::Text).ok_or(QualityReason::NotUnderstood)
                }
            };
            (column, cell)
        });
        Polled { cells: cells.collect(), events, ..Polled::default() }
    }

    fn hold(&self, device: usize, _group: usize) -> Option<Instant> {
        self.asker.hold(device)
    }

    fn explain(&self, device: usize, group: usize, pieces: &mut [Piece]) {
        let points = &self.units[device].profile.groups[group].points;
        let points: Vec<_> = points.iter().map(|point| (point.address, &*point.common)).collect();
        trace::explain_pieces(pieces, |direction, bytes| explain::packets(direction, bytes, &points));
    }

    fn prepare(&mut self, device: usize, action: &str, arguments: &[Field]) -> Result<Act, Bilingual> {
        let unit = &self.units[device];
        let found = unit.profile.actions.iter().find(|candidate| candidate.spec.name == action);
        let tell = &found.ok_or_else(|| no_action(action))?.speak;
        Ok(Act { command: tell.command, data: tell.data.write(unit.address, arguments, &tell.codes)? })
    }

    async fn settle(&mut self, device: usize) -> Result<(), TalkError> {
        self.asker.settle(device).await?;
        // Greeting moves nothing; a command must find a device that knows the sequence.
        self.connect(device, Turn::once()).await?;
        self.asker.settle(device).await
    }

    async fn act(&mut self, device: usize, act: Act) -> Result<Acted, ActError> {
        let outgoing = self.channels[device].command(act.command, &act.data);
        let exchanged = self.asker.exchange(device, &codec::marked(&outgoing.bytes), Replies::to(&outgoing)).await;
        // Without its reply the command may have been carried out. The next packet begins anew with number 0, so that
        // the device cannot take anything for a repetition of it.
        let packet = exchanged.map_err(|error: AskError| {
            self.channels[device].reset();
            ActError::from(error)
        })?;
        let reply = self.channels[device].accept(packet).map_err(|error| {
            self.channels[device].reset();
            ActError::NotConfirmed(insecure(&error))
        })?;
        match reply.code {
            reply::NAK => Err(ActError::Refused(TalkError::refused(refusal(&reply.data)))),
            reply::BUSY => Err(ActError::Refused(TalkError::refused((
                "the device was busy and did not do it",
                "设备正忙，没有执行",
            )))),
            _ => Ok(Acted::default()),
        }
    }
}
