//! One open link with its cards.

use std::sync::Arc;

use bytes::BytesMut;
use kouan_protocol::{Clock, Field, HealthLevel};
use kouan_settings::{Bilingual, Translate as _, both};
use tokio::time::Instant;

use super::cpower::{self, FrameError, Packet};
use super::dialect::{Ask, LedProfile, Protocol};
use super::explain;
use super::huidu::{self, Assembly, kind};
use super::speak;
use crate::device_clock::DeviceZone;
use crate::link::trace::{self, Piece};
use crate::link::{
    ActError, Acted, AnswerReader, Asker, LinkSettings, Patience, Polled, TalkError, Talker, Timing, Turn, no_action,
};

/// The name of nobody's session, with which a Huidu card gives out one.
const NO_GUID: &str = "##GUID";
/// The version of the XML that is spoken.
const XML_VERSION: &str = "<version value=\"1000000\"/>";

/// A card on the link.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) card: u8,
    pub(super) identification: u32,
    /// Width and height in pixels.
    pub(super) size: (u16, u16),
    pub(super) zone: DeviceZone,
    pub(super) timing: Timing,
    pub(super) profile: Arc<LedProfile>,
}

/// A link that the engine drives.
#[derive(Debug)]
pub(super) struct Session {
    asker: Asker,
    units: Vec<Unit>,
    clock: Arc<dyn Clock>,
    /// What the Huidu card calls this connection.
    guid: Option<String>,
}

/// An order that is ready to be sent.
#[derive(Debug)]
pub(super) enum Act {
    CPower { command: u8, data: Vec<u8> },
    Huidu { method: &'static str, inner: String },
}

/// Looks for the answer of a C-Power card.
struct CPowerAnswers {
    is_serial: bool,
    card: u8,
    command: u8,
    rejected: Option<(&'static str, Bilingual)>,
}

impl AnswerReader for CPowerAnswers {
    type Answer = Packet;

    fn next(&mut self, buffer: &mut BytesMut) -> Option<Packet> {
        loop {
            let decoded = if self.is_serial { cpower::decode_serial(buffer) } else { cpower::decode_network(buffer) };
            let rejected = match decoded {
                Ok(None) => return None,
                Ok(Some(packet)) if packet.card != self.card => {
                    let other = packet.card;
                    ("wrong-unit", both!("the answer came from card {other}", "应答来自控制卡 {other}"))
                }
                Ok(Some(packet)) if packet.command != self.command => {
                    let other = packet.command;
                    ("not-understood", both!("the answer is to command {other:02X}", "应答对应的命令是 {other:02X}"))
                }
                Ok(Some(packet)) => return Some(packet),
                Err(FrameError::BadChecksum) => ("bad-checksum", FrameError::BadChecksum.translate()),
                Err(error) => ("not-understood", error.translate()),
            };
            self.rejected = Some(rejected);
        }
    }

    fn rejected(&self) -> Option<(&'static str, Bilingual)> {
        self.rejected.clone()
    }
}

/// What a Huidu card says.
enum HuiduAnswer {
    Version,
    Xml(String),
    Error(u16),
}

/// Looks for the answer of a Huidu card.
#[derive(Default)]
struct HuiduAnswers {
    assembly: Assembly,
    rejected: Option<(&'static str, Bilingual)>,
}

impl AnswerReader for HuiduAnswers {
    type Answer = HuiduAnswer;

    fn next(&mut self, buffer: &mut BytesMut) -> Option<HuiduAnswer> {
        loop {
            match huidu::decode(buffer) {
                Ok(None) => return None,
                Ok(Some(packet)) => match (packet.kind, packet.data.as_slice()) {
                    (kind::VERSION_ANSWER, _) => return Some(HuiduAnswer::Version),
                    (kind::XML_ANSWER, data) => {
                        if let Some(xml) = self.assembly.take(data) {
                            return Some(HuiduAnswer::Xml(xml));
                        }
                    }
                    (kind::ERROR, [low, high, ..]) => {
                        return Some(HuiduAnswer::Error(u16::from_le_bytes([*low, *high])));
                    }
                    _ => {}
                },
                Err(error) => self.rejected = Some(("not-understood", error.translate())),
            }
        }
    }

    fn rejected(&self) -> Option<(&'static str, Bilingual)> {
        self.rejected.clone()
    }
}

fn huidu_error(code: u16) -> TalkError {
    match code {
        4 => TalkError::device(
            HealthLevel::Reachable,
            "occupied",
            ("the card serves another client already", "控制卡正在为另一个程序服务"),
        ),
        22 => TalkError::refused(("the card cannot read the XML (code 22)", "控制卡看不懂 XML（代码 22）")),
        23 | 42 => TalkError::refused(both!(
            "the card does not know this method (code {code})",
            "控制卡不认识这个方法（代码 {code}）"
        )),
        code => TalkError::refused(both!("the card says error code {code}", "控制卡报错，代码 {code}")),
    }
}

/// XML that says that the method was carried out.
fn huidu_success(answer: HuiduAnswer, method: &str) -> Result<String, TalkError> {
    match answer {
        HuiduAnswer::Xml(xml) => {
            let of = huidu::attribute(&xml, "out", "method").unwrap_or_default();
            if of != method {
                let text = both!(
                    "the answer is to method \"{of}\" instead of \"{method}\"",
                    "应答对应的方法是“{of}”，不是“{method}”"
                );
                return Err(TalkError::device(HealthLevel::Reachable, "not-understood", text));
            }
            match huidu::attribute(&xml, "out", "result").as_deref() {
                Some("kSuccess") => Ok(xml),
                Some(other) => {
                    Err(TalkError::refused(both!("{method}: the card says {other}", "{method}：控制卡应答 {other}")))
                }
                None => {
                    Err(TalkError::refused(both!("{method}: the card says nothing", "{method}：控制卡没有说明结果")))
                }
            }
        }
        HuiduAnswer::Error(code) => Err(huidu_error(code)),
        HuiduAnswer::Version => {
            let text = ("the card says its version again", "控制卡又报了一次版本");
            Err(TalkError::device(HealthLevel::Reachable, "not-understood", text))
        }
    }
}

impl Session {
    pub(super) fn new(link: LinkSettings, units: Vec<Unit>, clock: Arc<dyn Clock>) -> Self {
        let patience = units.iter().map(|unit| {
            let model = &unit.profile.model;
            // A connection to a Huidu card begins with a conversation, so nothing is asked again on another one.
            let retries = if model.protocol == Protocol::Huidu { 0 } else { unit.timing.retries };
            Patience { timing: Timing { retries, ..unit.timing }, late_window: model.late_window }
        });
        Self { asker: Asker::new(link, patience.collect()), units, clock, guid: None }
    }

    /// Whoever else wants the card gets its turn.
    fn hang_up(&mut self) {
        if !self.asker.is_serial() {
            self.close_link();
        }
    }

    fn close_link(&mut self) {
        self.asker.close();
        self.guid = None;
    }

    /// Begins the conversation with a Huidu card.
    async fn greet(&mut self, device: usize) -> Result<(), TalkError> {
        match self.huidu(device, &huidu::version()).await? {
            HuiduAnswer::Version => {}
            HuiduAnswer::Error(code) => return Err(huidu_error(code)),
            HuiduAnswer::Xml(_) => {
                let text = ("the card does not say its version", "控制卡没有报版本");
                return Err(TalkError::device(HealthLevel::Reachable, "not-understood", text));
            }
        }
        const METHOD: &str = "GetIFVersion";
        let answer = self.huidu(device, &huidu::call(NO_GUID, METHOD, XML_VERSION)).await?;
        let xml = huidu_success(answer, METHOD)?;
        let guid = huidu::attribute(&xml, "sdk", "guid").filter(|guid| !guid.is_empty());
        self.guid = Some(guid.unwrap_or_else(|| NO_GUID.to_owned()));
        Ok(())
    }

    async fn huidu(&mut self, device: usize, request: &[u8]) -> Result<HuiduAnswer, TalkError> {
        let answer = self.asker.exchange(device, request, HuiduAnswers::default()).await;
        answer.map_err(crate::link::AskError::into_talk)
    }

    fn cpower_answers(&self, device: usize, command: u8) -> CPowerAnswers {
        CPowerAnswers { is_serial: self.asker.is_serial(), card: self.units[device].card, command, rejected: None }
    }

    fn cpower_bytes(&self, device: usize, command: u8, data: &[u8]) -> Vec<u8> {
        let unit = &self.units[device];
        let packet = Packet::request(unit.card, command, data.to_vec());
        if self.asker.is_serial() { packet.on_serial() } else { packet.on_network(unit.identification) }
    }

    async fn read_group(&mut self, device: usize, group: usize, turn: Turn<'_>) -> Result<Polled, TalkError> {
        let Unit { profile, zone, .. } = self.units[device].clone();
        let group = &profile.groups[group];
        let ask: Ask = group.ask;
        let clock = Arc::clone(&self.clock);
        let cells = match profile.model.protocol {
            Protocol::CPower => {
                let (command, data) = speak::cpower_question(ask);
                let request = self.cpower_bytes(device, command, &data);
                let (is_serial, card) = (self.asker.is_serial(), self.units[device].card);
                let reader = || CPowerAnswers { is_serial, card, command, rejected: None };
                let answer = self.asker.read(device, &request, turn, reader).await?;
                let cell = |shown| speak::cpower_cell(shown, &answer, &zone, &*clock);
                (0..).zip(group.points.iter().map(|point| cell(point.address))).collect()
            }
            Protocol::Huidu => {
                if !self.asker.is_open() {
                    self.open().await?;
                }
                let method = speak::huidu_question(ask);
                let guid = self.guid.clone().unwrap_or_else(|| NO_GUID.to_owned());
                let answer = self.huidu(device, &huidu::call(&guid, method, "")).await?;
                let xml = huidu_success(answer, method)?;
                let cell = |shown| speak::huidu_cell(shown, &xml, &zone, &*clock);
                (0..).zip(group.points.iter().map(|point| cell(point.address))).collect()
            }
        };
        Ok(Polled { cells, ..Polled::default() })
    }
}

impl Talker for Session {
    type Act = Act;

    async fn open(&mut self) -> Result<(), TalkError> {
        self.guid = None;
        self.asker.open().await?;
        if self.units[0].profile.model.protocol == Protocol::Huidu
            && let Err(error) = self.greet(0).await
        {
            self.close_link();
            return Err(error);
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.asker.is_open()
    }

    fn close(&mut self) {
        self.close_link();
    }

    async fn poll(&mut self, device: usize, group: usize, turn: Turn<'_>) -> Polled {
        let polled = self.read_group(device, group, turn).await.unwrap_or_else(Polled::failed);
        self.hang_up();
        polled
    }

    fn hold(&self, device: usize, _group: usize) -> Option<Instant> {
        self.asker.hold(device)
    }

    fn explain(&self, device: usize, _group: usize, pieces: &mut [Piece]) {
        let protocol = self.units[device].profile.model.protocol;
        trace::explain_pieces(pieces, |_, bytes| match protocol {
            Protocol::Huidu => explain::huidu(bytes),
            Protocol::CPower if self.asker.is_serial() => explain::cpower_serial(bytes),
            Protocol::CPower => explain::cpower_network(bytes),
        });
    }

    fn prepare(&mut self, device: usize, action: &str, arguments: &[Field]) -> Result<Act, Bilingual> {
        let unit = &self.units[device];
        let found = unit.profile.actions.iter().find(|candidate| candidate.spec.name == action);
        let tell = found.ok_or_else(|| no_action(action))?.speak;
        match unit.profile.model.protocol {
            Protocol::CPower => {
                let order = speak::cpower_order(tell, arguments, unit.size, &unit.zone, &*self.clock);
                order.map(|(command, data)| Act::CPower { command, data })
            }
            Protocol::Huidu => {
                let order = speak::huidu_order(tell, arguments, unit.size, rand::random(), &*self.clock);
                order.map(|(method, inner)| Act::Huidu { method, inner })
            }
        }
    }

    async fn settle(&mut self, device: usize) -> Result<(), TalkError> {
        self.asker.settle(device).await
    }

    async fn act(&mut self, device: usize, act: Act) -> Result<Acted, ActError> {
        let done = match act {
            Act::CPower { command, data } => {
                let request = self.cpower_bytes(device, command, &data);
                let answers = self.cpower_answers(device, command);
                match self.asker.exchange(device, &request, answers).await {
                    Ok(answer) => {
                        speak::cpower_done(&data, &answer).map_err(|text| ActError::Refused(TalkError::refused(text)))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            Act::Huidu { method, inner } => {
                let guid = self.guid.clone().unwrap_or_else(|| NO_GUID.to_owned());
                let request = huidu::call(&guid, method, &inner);
                match self.asker.exchange(device, &request, HuiduAnswers::default()).await {
                    Ok(answer) => match huidu_success(answer, method) {
                        Ok(_) => Ok(()),
                        Err(error) if error.answered() => Err(ActError::Refused(error)),
                        Err(error) => Err(ActError::NotConfirmed(error)),
                    },
                    Err(error) => Err(error.into()),
                }
            }
        };
        self.hang_up();
        done.map(|()| Acted::default())
    }
}
