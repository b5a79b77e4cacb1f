//! One open line.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kouan_protocol::{Field, FieldValue, HealthLevel};
use kouan_settings::{Bilingual, Translate as _, both};
use tokio::time::Instant;

use super::dialect::{SerialProfile, name_for};
use super::explain;
use super::frame::{Ending, FrameReader};
use super::template::Codes;
use crate::driver::RawValue;
use crate::link::trace::{self, Piece};
use crate::link::{
    ActError, Acted, AnswerReader, Asker, LinkSettings, Patience, Polled, TalkError, Talker, Timing, Turn, WatchStep,
    no_action, no_point, unproved_interlock, unproved_watch,
};
use crate::profile::Group;

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
    action: String,
    arguments: Vec<Field>,
    request: Vec<u8>,
    watch: Vec<WatchStep>,
    /// Group, column and raw value of what must be seen right before.
    requires: Vec<(usize, u16, i64, String)>,
    /// What should be watched, and cannot, because nobody has proved which raw value it is.
    unproved: Option<String>,
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

impl Session {
    async fn read_group(&mut self, device: usize, group: usize, turn: Turn<'_>) -> Polled {
        let Unit { unit, profile, .. } = &self.units[device];
        let (unit, profile) = (*unit, Arc::clone(profile));
        let Group { ask, points, .. } = &profile.groups[group];
        let each = ask.each.iter().map(|n| vec![Field::new("n", FieldValue::Integer(*n))]);
        let each: Vec<Vec<Field>> = if ask.each.is_empty() { vec![Vec::new()] } else { each.collect() };
        let codes = Codes::default();
        let mut answers = Vec::new();
        let mut trouble = None;
        for arguments in &each {
            // A command need not wait for a whole cabinet; the rest is read with the next poll.
            if !answers.is_empty() && turn.is_wanted() {
                break;
            }
            let made = ask.request.write(unit, arguments, &codes);
            let (mut request, reader) =
                match made.and_then(|made| Ok((made, ask.answer.reader(unit, arguments, &codes)?))) {
                    Ok(made) => made,
                    Err(error) => {
                        return Polled::failed(TalkError::device(HealthLevel::Unreachable, "not-understood", error));
                    }
                };
            profile.model.checksum.append(&mut request);
            match self.asker.read(device, &request, turn, || reader.clone()).await {
                Ok(answer) => answers.extend_from_slice(&answer),
                Err(error) => {
                    trouble = Some(error);
                    break;
                }
            }
        }
        // Of several answers, those that came are delivered. One answer that is too short is not understood.
        let one = ask.each.is_empty() && trouble.is_none();
        let cells = (0..).zip(points).filter(|(_, point)| one || point.address.end() <= answers.len());
        let cells = cells.map(|(column, point)| (column, point.address.read(&answers)));
        Polled { cells: cells.collect(), trouble, ..Polled::default() }
    }

    /// Whether every point shows what the action needs. Nothing was sent yet that could move anything.
    async fn check_required(&mut self, device: usize, requires: &[(usize, u16, i64, String)]) -> Result<(), ActError> {
        for (group, column, expected, text) in requires {
            let polled = self.read_group(device, *group, Turn::once()).await;
            let cell = polled.cells.into_iter().find(|(at, _)| at == column);
            match cell {
                Some((_, Ok(RawValue::Integer(raw)))) if raw == *expected => {}
                other => {
                    let seen = match (other, polled.trouble) {
                        (Some((_, Ok(RawValue::Integer(raw)))), _) => both!("it shows {raw}", "显示为 {raw}"),
                        (_, Some(trouble)) => {
                            both!("it could not be read: {trouble}", "无法读取：{trouble}"; trouble)
                        }
                        (_, None) => both!("it could not be read", "无法读取"),
                    };
                    let text = both!("interlock: {text} is needed, but {seen}", "联锁：需要 {text}，但{seen}"; seen);
                    return Err(ActError::NotSent(TalkError::refused(text)));
                }
            }
        }
        Ok(())
    }
}

impl AnswerReader for FrameReader<'_> {
    type Answer = Bytes;

    fn next(&mut self, buffer: &mut BytesMut) -> Option<Bytes> {
        FrameReader::next(self, buffer)
    }

    fn rejected(&self) -> Option<(&'static str, Bilingual)> {
        FrameReader::rejected(self).map(|rejected| (rejected.reason(), rejected.translate()))
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
        let polled = self.read_group(device, group, turn).await;
        if self.units[device].profile.model.hang_up && !self.asker.is_serial() {
            self.asker.close();
        }
        polled
    }

    fn explain(&self, device: usize, group: usize, pieces: &mut [Piece]) {
        let Unit { unit, profile, .. } = &self.units[device];
        let Group { ask, points, .. } = &profile.groups[group];
        let points: Vec<_> = points.iter().map(|point| (point.address, &*point.common)).collect();
        // The answers to one request each stand one behind the other.
        let mut before = 0;
        for (sent, received) in trace::exchanges(pieces) {
            pieces[sent].fields = explain::request(&profile.model.checksum, &pieces[sent].bytes);
            if let Some(received) = received {
                let bytes = &pieces[received].bytes;
                let fields = explain::answer(&ask.answer.format, *unit, bytes, before, &points);
                if let (false, Ending::Length(length)) = (ask.each.is_empty(), &ask.answer.format.ending) {
                    before += length;
                }
                pieces[received].fields = fields;
            }
        }
    }

    fn hold(&self, device: usize, _group: usize) -> Option<Instant> {
        // A poll can wait; its answer is then beyond doubt.
        self.asker.hold(device)
    }

    fn prepare(&mut self, device: usize, action: &str, arguments: &[Field]) -> Result<Act, Bilingual> {
        let Unit { unit, profile, .. } = &self.units[device];
        let found = profile.actions.iter().find(|candidate| candidate.spec.name == action);
        let speak = &found.ok_or_else(|| no_action(action))?.speak;
        let mut request = speak.request.write(*unit, arguments, &speak.codes)?;
        profile.model.checksum.append(&mut request);
        let look = |name: &str, word: &str| {
            let name = name_for(name, arguments);
            let (group, column, point) = profile.find(&name).ok_or_else(|| no_point(&name))?;
            let text = format!("{name} = {word}");
            Ok::<_, Bilingual>((group, column, point.common.raw_of(word), text))
        };
        let mut unproved = None;
        let mut watch = Vec::new();
        for watched in &speak.watch {
            let (group, column, expected, text) = look(&watched.point, &watched.word)?;
            match expected {
                Some(expected) => {
                    let (within, part) = (watched.within, watched.part.clone());
                    watch.push(WatchStep { group, column, expected, text, within, part });
                }
                None => unproved = Some(text),
            }
        }
        let mut requires = Vec::new();
        for (point, word) in &speak.requires {
            let (group, column, expected, text) = look(point, word)?;
            let expected = expected.ok_or_else(|| unproved_interlock(&text))?;
            requires.push((group, column, expected, text));
        }
        // The bytes of a right answer are known now, so that nothing can fail after the first byte.
        speak.answer.reader(*unit, arguments, &speak.codes)?;
        Ok(Act { action: action.to_owned(), arguments: arguments.to_vec(), request, watch, requires, unproved })
    }

    async fn settle(&mut self, device: usize) -> Result<(), TalkError> {
        self.asker.settle(device).await
    }

    async fn act(&mut self, device: usize, act: Act) -> Result<Acted, ActError> {
        let Act { action, arguments, request, watch, requires, unproved } = act;
        if !requires.is_empty() {
            self.check_required(device, &requires).await?;
            self.asker.settle(device).await.map_err(ActError::NotSent)?;
        }
        let Unit { unit, profile, .. } = &self.units[device];
        let (unit, profile) = (*unit, Arc::clone(profile));
        let not_sent = |text: Bilingual| ActError::NotSent(TalkError::refused(text));
        let speak = profile.actions.iter().find(|candidate| candidate.spec.name == action);
        let speak = &speak.ok_or_else(|| not_sent(no_action(&action)))?.speak;
        let reader = speak.answer.reader(unit, &arguments, &speak.codes).map_err(not_sent)?;
        let answer = self.asker.exchange(device, &request, reader).await?;
        if let Some(confirm) = speak.confirm
            && answer.get(confirm.at) != Some(&confirm.equals)
        {
            let said = match answer.get(confirm.at) {
                None => both!("nothing", "空"),
                Some(byte) => both!("{byte:02X}", "{byte:02X}"),
            };
            let wanted = confirm.equals;
            let text = both!(
                "the device says {said} instead of {wanted:02X}: it did not do it",
                "设备应答 {said}，不是 {wanted:02X}：没有执行"; said
            );
            return Err(ActError::Refused(TalkError::refused(text)));
        }
        if let Some(text) = unproved {
            let text = unproved_watch(&text);
            return Err(ActError::NotConfirmed(TalkError::refused(text)));
        }
        Ok(Acted { fields: Vec::new(), steps: watch })
    }
}
