//! One open connection.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use kouan_protocol::{Clock, Field, HealthLevel, QualityReason};
use kouan_settings::{Bilingual, Translate as _, both};

use super::codec::{self, Frame, FrameError, command};
use super::dialect::{Address, ZktecoProfile};
use super::events::heard;
use super::explain;
use super::record::{Record, Status, read_binary, read_text};
use crate::device_clock::DeviceZone;
use crate::driver::{Purpose, RawValue};
use crate::link::trace::{self, Piece};
use crate::link::{
    ActError, Acted, AnswerReader, AskError, Asker, HeardEvent, LinkSettings, Patience, Polled, TalkError, Talker,
    Timing, Turn, no_action,
};

/// The numbers that a client begins with.
const FIRST: u16 = 0xFEFE;
/// How often the log is asked for until it holds a status; events come before it.
const MOST_ASKS: usize = 8;

/// Doors and passages come in one log, and what was read of it is gone from the controller.
const LEFT: (&str, &str) = (
    "the controller answers; its doors are not shown, because they come in one log with the passages, which it hands out \
     only once: start the agent to see them",
    "控制器有应答；门的状态与通行记录在同一份日志里，读出即从控制器中删除，因此这里不读：请启动代理后查看",
);

/// A controller.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) timing: Timing,
    pub(super) zone: DeviceZone,
    /// Read at every connect, so that a new password needs no restart.
    pub(super) password_file: Option<PathBuf>,
    pub(super) profile: Arc<ZktecoProfile>,
}

/// A connection that the engine drives.
#[derive(Debug)]
pub(super) struct Session {
    asker: Asker,
    unit: Unit,
    clock: Arc<dyn Clock>,
    purpose: Purpose,
    state: State,
    /// It hands out its log as text only.
    text: bool,
}

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// The controller gave a session.
    Session {
        id: u16,
        number: u16,
    },
    /// It knows no sessions.
    Plain,
}

/// Looks for the answer of a controller.
#[derive(Default)]
struct Answers {
    rejected: Option<(&'static str, Bilingual)>,
}

impl AnswerReader for Answers {
    type Answer = Frame;

    fn next(&mut self, buffer: &mut BytesMut) -> Option<Frame> {
        loop {
            self.rejected = Some(match codec::decode(buffer) {
                Ok(None) => return None,
                Ok(Some(frame)) if matches!(frame.command, command::OK | command::ERROR) => return Some(frame),
                Ok(Some(frame)) => {
                    let code = frame.command;
                    ("not-understood", both!("the controller answered {code:02X}", "控制器应答 {code:02X}"))
                }
                Err(error @ FrameError::BadChecksum) => ("bad-checksum", error.translate()),
                Err(error) => ("not-understood", error.translate()),
            });
        }
    }

    fn rejected(&self) -> Option<(&'static str, Bilingual)> {
        self.rejected.clone()
    }
}

/// Why the controller did not do it, for a person.
fn refusal(frame: &Frame) -> TalkError {
    let code = frame.data.last().map(|byte| i8::from_le_bytes([*byte]));
    let (reason, why) = match code {
        Some(-13) => ("refused", both!("it does not know this command", "不认识这个命令")),
        Some(-14) => ("wrong-password", both!("the password is wrong", "密码错误")),
        Some(code) => ("refused", both!("error {code}", "错误 {code}")),
        None => ("refused", both!("it gave no reason", "没有说明原因")),
    };
    TalkError::device(HealthLevel::Answering, reason, both!("the controller refused: {why}", "控制器拒绝：{why}"; why))
}

impl Unit {
    async fn password(&self) -> Result<Vec<u8>, TalkError> {
        let Some(path) = &self.password_file else { return Ok(Vec::new()) };
        let text = tokio::fs::read_to_string(path).await.map_err(|error| {
            let place = path.display();
            let text = both!("read password {place} failed: {error}", "读取密码 {place} 失败：{error}"; error);
            TalkError::device(HealthLevel::Unreachable, "no-password", text)
        })?;
        Ok(text.trim_end_matches(['\r', '\n']).as_bytes().to_vec())
    }
}

impl Session {
    pub(super) fn new(link: LinkSettings, unit: Unit, clock: Arc<dyn Clock>, purpose: Purpose) -> Self {
        let patience = Patience { timing: unit.timing, late_window: Duration::from_millis(100) };
        Self { asker: Asker::new(link, vec![patience]), unit, clock, purpose, state: State::New, text: false }
    }

    /// One exchange within the session; `None` in the answer's place where the controller refused.
    async fn exchange(&mut self, code: u8, data: &[u8]) -> Result<Result<Vec<u8>, Frame>, AskError> {
        let head: Vec<u8> = match &mut self.state {
            State::Plain => Vec::new(),
            State::New => [FIRST.to_le_bytes(), FIRST.to_le_bytes()].concat(),
            State::Session { id, number } => {
                let head = [id.to_le_bytes(), number.to_le_bytes()].concat();
                *number = number.wrapping_add(1);
                head
            }
        };
        let request = Frame { command: code, data: [&head, data].concat() }.encode();
        let answer = match self.asker.exchange(0, &request, Answers::default()).await {
            Ok(answer) => answer,
            Err(error) => {
                self.state = State::New;
                return Err(error);
            }
        };
        if answer.command == command::ERROR {
            return Ok(Err(answer));
        }
        let State::Session { id, .. } = self.state else { return Ok(Ok(answer.data)) };
        match answer.data.get(..4) {
            Some([low, high, ..]) if u16::from_le_bytes([*low, *high]) == id => Ok(Ok(answer.data[4..].to_vec())),
            // Some answers that say nothing but "done" have no head.
            None => Ok(Ok(Vec::new())),
            Some(_) => {
                self.asker.close();
                let text = ("the answer belongs to another session", "应答属于另一次会话");
                let error = TalkError { broken: true, ..not_understood(text) };
                Err(AskError::NoAnswer(error))
            }
        }
    }

    async fn ask(&mut self, code: u8, data: &[u8]) -> Result<Vec<u8>, TalkError> {
        self.asker.settle(0).await?;
        match self.exchange(code, data).await {
            Ok(Ok(data)) => Ok(data),
            Ok(Err(frame)) => Err(refusal(&frame)),
            Err(error) => Err(error.into_talk()),
        }
    }

    /// Begins a session if there is none; where the controller knows none, goes on without.
    async fn connect(&mut self) -> Result<(), TalkError> {
        if self.state != State::New {
            return Ok(());
        }
        let password = self.unit.password().await?;
        self.asker.settle(0).await?;
        match self.exchange(command::CONNECT, &password).await.map_err(AskError::into_talk)? {
            Ok(data) => {
                let [low, high, ..] = data[..] else {
                    return Err(not_understood(("the session has no number", "会话没有编号")));
                };
                self.state = State::Session { id: u16::from_le_bytes([low, high]), number: FIRST };
                Ok(())
            }
            Err(refused) => {
                self.state = State::Plain;
                let connected = self.ask(command::CONNECT_PLAIN, &password).await;
                if connected.is_err() {
                    self.state = State::New;
                }
                // The password is what the first answer is about.
                connected.map(drop).map_err(|error| {
                    let first = refusal(&refused);
                    if first.reason == "wrong-password" { first } else { error }
                })
            }
        }
    }

    /// Reads the live log until it holds a status; events are handed on as they come.
    async fn read_log(&mut self, turn: Turn<'_>, events: &mut Vec<HeardEvent>) -> Result<Option<Status>, TalkError> {
        self.connect().await?;
        if self.purpose == Purpose::Look {
            return Err(TalkError::device(HealthLevel::Answering, "left-for-agent", LEFT));
        }
        for _ in 0..MOST_ASKS {
            let records = if self.text {
                read_text(&self.ask(command::LIVE_LOG_TEXT, &[]).await?)
            } else {
                match read_binary(&self.ask(command::LIVE_LOG, &[]).await?) {
                    Some(records) => records,
                    None => {
                        self.text = true;
                        continue;
                    }
                }
            };
            let mut status = None;
            for record in records {
                match record {
                    Record::Event(event) => events.push(heard(&event)),
                    Record::Status(seen) => status = Some(seen),
                }
            }
            if status.is_some() || turn.is_wanted() {
                return Ok(status);
            }
        }
        Ok(None)
    }

    fn cell(&self, address: Address, status: &Status) -> Result<RawValue, QualityReason> {
        match address {
            Address::Place(place) => place.read(&status.image()),
            Address::Clock => {
                let ahead = status.time.and_then(|time| self.unit.zone.ahead(time, &*self.clock));
                ahead.map(RawValue::Number).ok_or(QualityReason::NotUnderstood)
            }
        }
    }
}

fn not_understood(text: (&str, &str)) -> TalkError {
    TalkError::device(HealthLevel::Reachable, "not-understood", text)
}

impl Talker for Session {
    type Act = Vec<u8>;

    async fn open(&mut self) -> Result<(), TalkError> {
        self.state = State::New;
        self.asker.open().await
    }

    fn is_open(&self) -> bool {
        self.asker.is_open()
    }

    fn close(&mut self) {
        self.asker.close();
    }

    async fn poll(&mut self, _device: usize, group: usize, turn: Turn<'_>) -> Polled {
        let mut events = Vec::new();
        let read = self.read_log(turn, &mut events).await;
        match read {
            Err(trouble) => Polled { events, ..Polled::failed(trouble) },
            Ok(None) => Polled { events, ..Polled::default() },
            Ok(Some(status)) => {
                let points = &self.unit.profile.groups[group].points;
                let cells = (0..).zip(points).map(|(column, point)| (column, self.cell(point.address, &status)));
                Polled { cells: cells.collect(), events, ..Polled::default() }
            }
        }
    }

    fn explain(&self, _device: usize, _group: usize, pieces: &mut [Piece]) {
        trace::explain_pieces(pieces, |_, bytes| explain::frames(bytes));
    }

    fn prepare(&mut self, _device: usize, action: &str, arguments: &[Field]) -> Result<Vec<u8>, Bilingual> {
        let found = self.unit.profile.actions.iter().find(|candidate| candidate.spec.name == action);
        let tell = &found.ok_or_else(|| no_action(action))?.speak;
        tell.data.write(0, arguments, &tell.codes)
    }

    async fn settle(&mut self, _device: usize) -> Result<(), TalkError> {
        // Beginning a session moves nothing.
        self.connect().await?;
        self.asker.settle(0).await
    }

    async fn act(&mut self, _device: usize, data: Vec<u8>) -> Result<Acted, ActError> {
        match self.exchange(command::CONTROL, &data).await? {
            Ok(_) => Ok(Acted::default()),
            Err(refused) => Err(ActError::Refused(refusal(&refused))),
        }
    }
}
