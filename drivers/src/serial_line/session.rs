//! One open line.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kouan_protocol::{Field, HealthLevel};
use tokio::time::Instant;

use super::dialect::{Confirm, SerialProfile};
use super::frame::FrameReader;
use super::template::Codes;
use crate::link::{
    ActError, Acted, AnswerReader, Asker, LinkSettings, Patience, Polled, TalkError, Talker, Timing, Turn,
};

/// A device on the line.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) unit: u8,
    pub(super) timing: Timing,
    pub(super) profile: Arc<SerialProfile>,
}

/// A line that the engine drives.
#[derive(Debug)]
pub(super) struct Session {
    asker: Asker,
    units: Vec<Unit>,
}

/// An action that is ready to be sent.
#[derive(Debug)]
pub(super) struct Act {
    request: Vec<u8>,
    confirm: Confirm,
}

impl Session {
    /// A closed line.
    pub(super) fn new(link: LinkSettings, units: Vec<Unit>) -> Self {
        let patience = units.iter().map(|unit| {
            let late_window = unit.profile.model.late_window;
            Patience { timing: unit.timing, late_window }
        });
        Self { asker: Asker::new(link, patience.collect()), units }
    }
}

impl AnswerReader for FrameReader<'_> {
    type Answer = Bytes;

    fn next(&mut self, buffer: &mut BytesMut) -> Option<Bytes> {
        FrameReader::next(self, buffer)
    }

    fn rejected(&self) -> Option<(&'static str, String)> {
        FrameReader::rejected(self).map(|rejected| (rejected.reason(), rejected.to_string()))
    }
}

impl Talker for Session {
    type Act = Act;

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
        let Unit { unit, profile, .. } = &self.units[device];
        let profile = Arc::clone(profile);
        let group = &profile.groups[group];
        let mut request = match group.ask.write(*unit, &[], &Codes::default()) {
            Ok(request) => request,
            Err(error) => return Polled::failed(TalkError::device(HealthLevel::Unreachable, "not-understood", error)),
        };
        profile.model.checksum.append(&mut request);
        let unit = *unit;
        let reader = || FrameReader::new(&profile.model.answer, unit);
        match self.asker.read(device, &request, turn, reader).await {
            Ok(answer) => {
                let cells = (0..).zip(&group.points).map(|(column, point)| (column, point.address.read(&answer)));
                Polled { cells: cells.collect(), trouble: None }
            }
            Err(error) => Polled::failed(error),
        }
    }

    fn hold(&self, device: usize, _group: usize) -> Option<Instant> {
        // A poll can wait; its answer is then beyond doubt.
        self.asker.hold(device)
    }

    fn prepare(&mut self, device: usize, action: &str, arguments: &[Field]) -> Result<Act, String> {
        let Unit { unit, profile, .. } = &self.units[device];
        let found = profile.actions.iter().find(|candidate| candidate.spec.name == action);
        let speak = &found.ok_or_else(|| format!("there is no action \"{action}\""))?.speak;
        let mut request = speak.request.write(*unit, arguments, &speak.codes)?;
        profile.model.checksum.append(&mut request);
        Ok(Act { request, confirm: speak.confirm })
    }

    async fn settle(&mut self, device: usize) -> Result<(), TalkError> {
        self.asker.settle(device).await
    }

    async fn act(&mut self, device: usize, act: Act) -> Result<Acted, ActError> {
        let Act { request, confirm } = act;
        let Unit { unit, profile, .. } = &self.units[device];
        let profile = Arc::clone(profile);
        let answer = self.asker.exchange(device, &request, FrameReader::new(&profile.model.answer, *unit)).await?;
        if answer.get(confirm.at) == Some(&confirm.equals) {
            return Ok(Acted::default());
        }
        let said = answer.get(confirm.at).map_or("nothing".to_owned(), |byte| format!("{byte:02X}"));
        let text = format!("the device says {said} instead of {:02X}: it did not do it", confirm.equals);
        Err(ActError::Refused(TalkError::refused(text)))
    }
}
