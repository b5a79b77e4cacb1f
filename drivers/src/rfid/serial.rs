//! Readers on a serial line, or on TCP behind a serial server.
//!
//! Whatever is asked only reads, and a tag that is told late was there all the same. So a late answer does no harm;
//! the line is still made quiet after one (`link::line`).

use bytes::BytesMut;
use kouan_protocol::HealthLevel;
use kouan_settings::{Bilingual, Translate as _, both};
use tokio::time::{Duration, Instant};

use super::chafon::{self, Answer, Layout, NoAnswer, status};
use super::dialect::{Protocol, RfidModel};
use super::heard::{Ended, Facts};
use super::m100::{self, Frame};
use super::stock::Pass;
use crate::link::{Line, LineError, LinkSettings, TalkError, Timing, Turn};

/// A module that has sent a tag and is silent for so long has ended its round.
const ROUND_QUIET: Duration = Duration::from_millis(120);
/// A module that still sends after so long is in a mode of its own.
const LONGEST_ROUND: Duration = Duration::from_secs(5);

/// One reader on the line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'m> {
    pub(super) unit: u8,
    pub(super) timing: Timing,
    pub(super) model: &'m RfidModel,
}

/// The line.
#[derive(Debug)]
pub(super) struct SerialReaders {
    link: LinkSettings,
    line: Option<Line>,
}

/// What a round showed besides tags.
#[derive(Debug, Default)]
struct Round {
    any_new: bool,
    /// The antenna is not connected.
    no_antenna: bool,
}

impl SerialReaders {
    pub(super) fn new(link: LinkSettings) -> Self {
        Self { link, line: None }
    }

    pub(super) async fn open(&mut self) -> Result<(), TalkError> {
        self.line = Some(self.link.endpoint.open(self.link.connect_timeout).await?);
        Ok(())
    }

    pub(super) fn is_open(&self) -> bool {
        self.line.is_some()
    }

    pub(super) fn close(&mut self) {
        self.line = None;
    }

    /// Rounds until no new tag answers any more.
    pub(super) async fn pass(&mut self, reader: Reader<'_>, facts: &mut Facts, turn: Turn<'_>) -> Ended {
        let mut ended = Ended::default();
        let begun = Instant::now();
        let (mut quiet, mut rounds) = (0, 0_u32);
        while quiet < reader.model.settled_rounds {
            if rounds > 0 && (turn.is_wanted() || begun.elapsed() >= reader.model.longest_pass) {
                return ended;
            }
            match self.round_with_retries(reader, rounds, &mut ended.pass, facts, turn).await {
                Ok(true) => quiet = 0,
                Ok(false) => quiet += 1,
                Err(error) => {
                    ended.trouble = Some(error);
                    return ended;
                }
            }
            rounds += 1;
        }
        ended.whole = true;
        ended
    }

    /// What the reader is.
    pub(super) async fn look(
        &mut self,
        reader: Reader<'_>,
        facts: &mut Facts,
        turn: Turn<'_>,
    ) -> Result<(), TalkError> {
        match reader.model.protocol {
            Protocol::M100 => {
                facts.model = Some(self.m100_version(reader, 0, turn).await?);
                facts.firmware = Some(self.m100_version(reader, 1, turn).await?);
            }
            _ => {
                let request = chafon::command(reader.unit, chafon::INFORMATION, &[]);
                let answer = self.chafon_information(reader, &request, turn).await?;
                let [major, minor, kind, _, _, _, power, ..] = answer.data[..] else {
                    let length = answer.data.len();
                    let text = both!(
                        "the reader says of itself only {length} bytes",
                        "读写器介绍自己的应答只有 {length} 个字节"
                    );
                    return Err(TalkError::device(HealthLevel::Answering, "not-understood", text));
                };
                let model = match kind {
                    0x09 => "UHFReader18".to_owned(),
                    0x0C => "UHFReader288M".to_owned(),
                    0x0F | 0x10 => "UHFReader86".to_owned(),
                    other => format!("type {other:02X}"),
                };
                facts.model = Some(model);
                facts.firmware = Some(format!("{major}.{minor:02}"));
                facts.power_dbm = Some(power.into());
            }
        }
        Ok(())
    }

    async fn round_with_retries(
        &mut self,
        reader: Reader<'_>,
        number: u32,
        pass: &mut Pass,
        facts: &mut Facts,
        turn: Turn<'_>,
    ) -> Result<bool, TalkError> {
        let mut attempts_left = reader.timing.retries;
        loop {
            let error = match self.round(reader, number, pass, facts).await {
                Ok(any_new) => return Ok(any_new),
                Err(error) => error,
            };
            if error.broken || error.answered() || attempts_left == 0 || !turn.may_retry() {
                return Err(error);
            }
            attempts_left -= 1;
        }
    }

    /// One round at every antenna; whether a new tag answered.
    async fn round(
        &mut self,
        reader: Reader<'_>,
        number: u32,
        pass: &mut Pass,
        facts: &mut Facts,
    ) -> Result<bool, TalkError> {
        let Reader { unit, model, .. } = reader;
        match model.protocol {
            Protocol::Chafon { layout: Layout::Reader288, antennas, session } => {
                let (mut any_new, mut connected) = (false, false);
                // Tags that have answered keep still in the sessions 1 to 3; asking for the other target wakes them.
                let target_b = session != 0 && number % 2 == 1;
                for antenna in 0..antennas {
                    let request = chafon::inventory_288(unit, antenna, session, target_b, 10);
                    let round = self.chafon_round(reader, Layout::Reader288, &request, pass).await?;
                    any_new |= round.any_new;
                    connected |= !round.no_antenna;
                    facts.antennas.insert(u16::from(antenna) + 1, !round.no_antenna);
                }
                if !connected {
                    return Err(no_antenna());
                }
                Ok(any_new)
            }
            Protocol::Chafon { layout, .. } => {
                let request = chafon::command(unit, chafon::INVENTORY, &[]);
                let round = self.chafon_round(reader, layout, &request, pass).await?;
                if round.no_antenna { Err(no_antenna()) } else { Ok(round.any_new) }
            }
            _ => self.m100_round(reader, pass).await,
        }
    }

    async fn chafon_round(
        &mut self,
        reader: Reader<'_>,
        layout: Layout,
        request: &[u8],
        pass: &mut Pass,
    ) -> Result<Round, TalkError> {
        let mut round = Round::default();
        self.send(reader, request).await?;
        let mut input = Input::default();
        let give_up = Instant::now() + reader.timing.answer_timeout + LONGEST_ROUND;
        while Instant::now() < give_up {
            let answers = self.answers(reader, &mut input, chafon::INVENTORY).await?;
            for answer in answers {
                match answer.status {
                    status::NO_TAG => return Ok(round),
                    status::ANTENNA => return Ok(Round { no_antenna: true, ..round }),
                    status::OK | status::FINISHED | status::TIMED_OUT | status::MORE | status::MEMORY_FULL => {
                        let Some(tags) = answer.tags(layout) else {
                            let text = (
                                "the tags stand otherwise in the answer than this model has them",
                                "应答中标签的排列与这个型号不符",
                            );
                            return Err(TalkError::device(HealthLevel::Answering, "not-understood", text));
                        };
                        for tag in tags {
                            round.any_new |= pass.see(tag);
                        }
                        if answer.status != status::MORE {
                            return Ok(round);
                        }
                    }
                    other => {
                        return Err(TalkError::refused(both!(
                            "the reader refuses a round: status {other:02X}",
                            "读写器拒绝盘点：状态 {other:02X}"
                        )));
                    }
                }
            }
        }
        Err(TalkError::device(
            HealthLevel::Reachable,
            "line-busy",
            ("the reader never ends its round", "读写器的盘点一直不结束"),
        ))
    }

    async fn chafon_information(
        &mut self,
        reader: Reader<'_>,
        request: &[u8],
        turn: Turn<'_>,
    ) -> Result<Answer, TalkError> {
        let mut attempts_left = reader.timing.retries;
        loop {
            let mut input = Input::default();
            self.send(reader, request).await?;
            let error = match self.answers(reader, &mut input, chafon::INFORMATION).await {
                Ok(mut answers) if !answers.is_empty() => {
                    let answer = answers.remove(0);
                    if answer.status == status::OK {
                        return Ok(answer);
                    }
                    let code = answer.status;
                    TalkError::refused(both!("the reader refuses: status {code:02X}", "读写器拒绝：状态 {code:02X}"))
                }
                Ok(_) => TalkError::device(HealthLevel::Reachable, "not-understood", NoAnswer.translate()),
                Err(error) => error,
            };
            if error.broken || error.answered() || attempts_left == 0 || !turn.may_retry() {
                return Err(error);
            }
            attempts_left -= 1;
        }
    }

    /// The next answers of this reader to that command; at least one.
    async fn answers(&mut self, reader: Reader<'_>, input: &mut Input, command: u8) -> Result<Vec<Answer>, TalkError> {
        let unit = reader.unit;
        self.receive(reader.timing.answer_timeout, input, |bytes, rejected| {
            let mut answers = Vec::new();
            loop {
                match chafon::decode(bytes) {
                    Ok(None) => return answers,
                    Ok(Some(answer)) if unit != chafon::ANY && answer.address != unit => {
                        let other = answer.address;
                        let text = both!("the answer came from reader {other}", "应答来自读写器 {other}");
                        *rejected = Some(("wrong-unit", text));
                    }
                    Ok(Some(answer)) if answer.command != command => {}
                    Ok(Some(answer)) => answers.push(answer),
                    Err(error) => *rejected = Some(("bad-checksum", error.translate())),
                }
            }
        })
        .await
    }

    async fn m100_round(&mut self, reader: Reader<'_>, pass: &mut Pass) -> Result<bool, TalkError> {
        self.send(reader, &Frame::command(m100::INVENTORY, &[]).encode()).await?;
        let (mut any_new, mut heard) = (false, false);
        let mut input = Input::default();
        let give_up = Instant::now() + LONGEST_ROUND;
        while Instant::now() < give_up {
            let patience = if heard { ROUND_QUIET } else { reader.timing.answer_timeout };
            let frames = match self.frames(patience, &mut input).await {
                Ok(frames) => frames,
                // Nothing says that a round has ended but silence.
                Err(error) if heard && !error.broken => return Ok(any_new),
                Err(error) => return Err(error),
            };
            for frame in frames {
                if let Some(tag) = frame.tag() {
                    heard = true;
                    any_new |= pass.see(tag);
                } else if (frame.kind, frame.command) == (m100::ANSWER, m100::FAILED) {
                    match frame.data.first() {
                        Some(&m100::NO_TAG) => return Ok(any_new),
                        // A tag whose frame was damaged in the air: it answers in another round.
                        Some(0x09 | 0x10 | 0x0A) => heard = true,
                        code => {
                            let text =
                                both!("the module refuses a round: code {code:02X?}", "模块拒绝盘点：代码 {code:02X?}");
                            return Err(TalkError::refused(text));
                        }
                    }
                }
            }
        }
        let stop = Frame::command(0x28, &[]).encode();
        self.send_bare(reader.timing, &stop).await?;
        Err(TalkError::device(
            HealthLevel::Reachable,
            "line-busy",
            ("the module never ends its round; it was told to stop", "模块的盘点一直不结束，已要求它停止"),
        ))
    }

    async fn m100_version(&mut self, reader: Reader<'_>, which: u8, turn: Turn<'_>) -> Result<String, TalkError> {
        let mut attempts_left = reader.timing.retries;
        loop {
            self.send(reader, &Frame::command(m100::VERSION, &[which]).encode()).await?;
            let mut input = Input::default();
            let error = match self.frames(reader.timing.answer_timeout, &mut input).await {
                Ok(frames) => {
                    let of_this = |frame: &&Frame| (frame.kind, frame.command) == (m100::ANSWER, m100::VERSION);
                    match frames.iter().find(of_this).map(|frame| frame.data.as_slice()) {
                        Some([_, text @ ..]) => return Ok(String::from_utf8_lossy(text).trim_matches('\0').to_owned()),
                        _ => TalkError::refused(("the module does not say its version", "模块没有报版本")),
                    }
                }
                Err(error) => error,
            };
            if error.broken || error.answered() || attempts_left == 0 || !turn.may_retry() {
                return Err(error);
            }
            attempts_left -= 1;
        }
    }

    /// The next frames; at least one.
    async fn frames(&mut self, patience: Duration, input: &mut Input) -> Result<Vec<Frame>, TalkError> {
        self.receive(patience, input, |bytes, rejected| {
            let mut frames = Vec::new();
            loop {
                match m100::decode(bytes) {
                    Ok(None) => return frames,
                    Ok(Some(frame)) => frames.push(frame),
                    Err(m100::FrameError::BadChecksum) => {
                        *rejected = Some(("bad-checksum", m100::FrameError::BadChecksum.translate()));
                    }
                    Err(error) => *rejected = rejected.take().or(Some(("not-understood", error.translate()))),
                }
            }
        })
        .await
    }

    async fn send(&mut self, reader: Reader<'_>, request: &[u8]) -> Result<(), TalkError> {
        let serial = self.link.endpoint.is_serial();
        let line = self.line.as_mut().ok_or_else(TalkError::closed)?;
        line.settle(reader.timing.gap).await.map_err(|error| TalkError::of_line(&error, serial))?;
        self.send_bare(reader.timing, request).await
    }

    async fn send_bare(&mut self, timing: Timing, request: &[u8]) -> Result<(), TalkError> {
        let serial = self.link.endpoint.is_serial();
        let line = self.line.as_mut().ok_or_else(TalkError::closed)?;
        line.send(request, timing.answer_timeout).await.map_err(|error| TalkError::of_line(&error, serial))
    }

    /// Waits until `take` finds something in what arrives.
    async fn receive<T>(
        &mut self,
        patience: Duration,
        input: &mut Input,
        mut take: impl FnMut(&mut BytesMut, &mut Option<(&'static str, Bilingual)>) -> Vec<T>,
    ) -> Result<Vec<T>, TalkError> {
        let serial = self.link.endpoint.is_serial();
        let line = self.line.as_mut().ok_or_else(TalkError::closed)?;
        let Input { bytes, rejected } = input;
        let received = line.receive(patience, |buffer| {
            // The line forgets what is left over; the rest of a frame may be in it.
            bytes.unsplit(buffer.split());
            let found = take(bytes, rejected);
            (!found.is_empty()).then_some(found)
        });
        match (received.await, rejected.take()) {
            (Ok(found), _) => Ok(found),
            (Err(LineError::Timeout { .. }), Some((reason, text))) => {
                Err(TalkError::device(HealthLevel::Reachable, reason, text))
            }
            (Err(error), _) => Err(TalkError::of_line(&error, serial)),
        }
    }
}

/// What has arrived and is not understood yet, and why something was thrown away.
#[derive(Debug, Default)]
struct Input {
    bytes: BytesMut,
    rejected: Option<(&'static str, Bilingual)>,
}

fn no_antenna() -> TalkError {
    TalkError::refused(("no antenna is connected", "没有连接天线"))
}
