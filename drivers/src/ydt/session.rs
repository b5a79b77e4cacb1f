//! One open line.

use std::sync::Arc;

use bytes::BytesMut;
use kouan_protocol::{Field, HealthLevel};
use kouan_settings::{Bilingual, Translate as _, both};
use tokio::time::Instant;

use super::codec::{self, Frame, FrameError, Rtn};
use super::dialect::{Ask, YdtProfile};
use super::explain;
use crate::link::trace::{self, Piece};
use crate::link::{
    ActError, Acted, AnswerReader, Asker, LinkSettings, Patience, Polled, TalkError, Talker, Timing, Turn, no_action,
};
use crate::serial_line::template::Codes;

/// A device on the line.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) unit: u8,
    pub(super) timing: Timing,
    pub(super) profile: Arc<YdtProfile>,
}

/// A line that the engine drives.
#[derive(Debug)]
pub(super) struct Session {
    asker: Asker,
    units: Vec<Unit>,
}

/// Looks for the answer of one device.
struct Answers {
    unit: u8,
    cid1: u8,
    rejected: Option<(&'static str, Bilingual)>,
}

impl AnswerReader for Answers {
    type Answer = Frame;

    fn next(&mut self, buffer: &mut BytesMut) -> Option<Frame> {
        loop {
            let rejected = match codec::decode(buffer) {
                Ok(None) => return None,
                Ok(Some(frame)) if frame.address != self.unit => {
                    let other = frame.address;
                    ("wrong-unit", both!("the answer came from address {other}", "应答来自地址 {other}"))
                }
                Ok(Some(frame)) if frame.cid1 != self.cid1 => {
                    let other = frame.cid1;
                    let text = both!("the answer is about equipment {other:02X}", "应答说的是设备类型 {other:02X}");
                    ("not-understood", text)
                }
                Ok(Some(frame)) => return Some(frame),
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

impl Unit {
    fn answers(&self) -> Answers {
        Answers { unit: self.unit, cid1: self.profile.model.cid1, rejected: None }
    }

    fn request(&self, ask: &Ask, arguments: &[Field], codes: &Codes) -> Result<Vec<u8>, Bilingual> {
        let info = ask.info.as_ref().map_or(Ok(Vec::new()), |info| info.write(self.unit, arguments, codes))?;
        let model = &self.profile.model;
        let frame = Frame { version: model.version, address: self.unit, cid1: model.cid1, code: ask.cid2, info };
        Ok(frame.encode())
    }
}

impl Session {
    pub(super) fn new(link: LinkSettings, units: Vec<Unit>) -> Self {
        let patience = units.iter().map(|unit| {
            let late_window = unit.profile.model.late_window;
            Patience { timing: unit.timing, late_window }
        });
        Self { asker: Asker::new(link, patience.collect()), units }
    }
}

impl Talker for Session {
    type Act = Vec<u8>;

    async fn open(&mut self) -> Result<(), TalkError> {
        self.asker.open().await
    }

    fn is_open(&self) -> bool {
        self.asker.is_open()
    }

    fn close(&mut self) {
        self.asker.close();
    }

    async fn poll(&mut self, device: usize, group: usize, turn: Turn<'_>) -> Polled {
        let unit = self.units[device].clone();
        let group = &unit.profile.groups[group];
        let request = match unit.request(&group.ask, &[], &Codes::default()) {
            Ok(request) => request,
            Err(error) => return Polled::failed(TalkError::device(HealthLevel::Unreachable, "not-understood", error)),
        };
        match self.asker.read(device, &request, turn, || unit.answers()).await {
            Ok(answer) if Rtn(answer.code) == Rtn::OK => {
                let cells = (0..).zip(&group.points).map(|(column, point)| (column, point.address.read(&answer.info)));
                Polled { cells: cells.collect(), ..Polled::default() }
            }
            Ok(answer) => Polled::failed(TalkError::refused(Rtn(answer.code).translate())),
            Err(error) => Polled::failed(error),
        }
    }

    fn explain(&self, device: usize, group: usize, pieces: &mut [Piece]) {
        let points = &self.units[device].profile.groups[group].points;
        let points: Vec<_> = points.iter().map(|point| (point.address, &*point.common)).collect();
        for (sent, received) in trace::exchanges(pieces) {
            pieces[sent].fields = explain::frame(&pieces[sent].bytes, None);
            if let Some(received) = received {
                pieces[received].fields = explain::frame(&pieces[received].bytes, Some(&points));
            }
        }
    }

    fn hold(&self, device: usize, _group: usize) -> Option<Instant> {
        self.asker.hold(device)
    }

    fn prepare(&mut self, device: usize, action: &str, arguments: &[Field]) -> Result<Vec<u8>, Bilingual> {
        let unit = &self.units[device];
        let found = unit.profile.actions.iter().find(|candidate| candidate.spec.name == action);
        let speak = &found.ok_or_else(|| no_action(action))?.speak;
        unit.request(&speak.ask, arguments, &speak.codes)
    }

    async fn settle(&mut self, device: usize) -> Result<(), TalkError> {
        self.asker.settle(device).await
    }

    async fn act(&mut self, device: usize, request: Vec<u8>) -> Result<Acted, ActError> {
        let answers = self.units[device].answers();
        let answer = self.asker.exchange(device, &request, answers).await?;
        match Rtn(answer.code) {
            Rtn::OK => Ok(Acted::default()),
            rtn => Err(ActError::Refused(TalkError::refused(rtn.translate()))),
        }
    }
}
