//! One LLRP reader on a TCP connection.

use std::collections::BTreeMap;

use bytes::BytesMut;
use kouan_protocol::HealthLevel;
use kouan_settings::{Translate as _, both};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, timeout, timeout_at};
use tracing::{debug, warn};

use super::dialect::RfidModel;
use super::heard::{Ended, Facts};
use super::llrp::message::{answer_to, kind};
use super::llrp::report::{self, Event, Status};
use super::llrp::{Message, decode, request};
use super::stock::Pass;
use crate::link::endpoint::OpenError;
use crate::link::trace::{self, Direction};
use crate::link::{Endpoint, LinkSettings, TalkError, Turn};

/// Most that is taken from the connection at a time.
const PIECE: usize = 16 * 1024;
/// How much longer than a pass the reader goes on by itself when we are gone.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// The connection to a reader.
#[derive(Debug)]
pub(super) struct NetworkReader {
    link: LinkSettings,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    last_id: u32,
    /// What the reader said of its antennas, by itself or when asked.
    antennas: BTreeMap<u16, bool>,
    /// Tags that were reported.
    pass: Pass,
    newest: Instant,
}

impl NetworkReader {
    pub(super) fn new(link: LinkSettings) -> Self {
        Self { link, connection: None }
    }

    pub(super) fn is_open(&self) -> bool {
        self.connection.is_some()
    }

    /// Says goodbye as far as that is possible without waiting: the reader serves one client only.
    pub(super) fn close(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            let goodbye = connection.message(kind::CLOSE, Vec::new()).encode();
            // A reader that does not take it sees the connection end.
            let _ = connection.stream.try_write(&goodbye);
        }
    }

    /// Connects, and makes the reader ready for passes.
    pub(super) async fn open(
        &mut self,
        model: &RfidModel,
        patience: Duration,
        facts: &mut Facts,
    ) -> Result<(), TalkError> {
        let mut connection = self.connect().await?;
        connection.be_received(patience).await?;
        let told = connection.ask(kind::GET_CAPABILITIES, request::general_capabilities(), patience).await?;
        if let Some(found) = report::capabilities(&told.body) {
            facts.model = Some(format!("{}-{}", found.maker, found.model));
            facts.firmware = Some(found.firmware);
        }
        // A reader that cannot do this still reads tags.
        connection.try_ask(kind::SET_CONFIG, request::tell_of_trouble(), patience).await?;
        connection.look_at_antennas(patience).await?;
        // Plans that somebody has left there would report into our passes. Not every reader knows "all".
        connection.try_ask(kind::DELETE, request::every_plan(), patience).await?;
        connection.try_ask(kind::DELETE, request::our_plan(), patience).await?;
        let plan = request::inventory_plan(Some(model.longest_pass + LEFT_ALONE));
        connection.ask(kind::ADD, plan, patience).await?;
        connection.ask(kind::ENABLE, request::our_plan(), patience).await?;
        facts.antennas = connection.antennas.clone();
        self.connection = Some(connection);
        Ok(())
    }

    /// Lets the reader read until no new tag answers any more.
    pub(super) async fn pass(
        &mut self,
        model: &RfidModel,
        settled_after: Duration,
        patience: Duration,
        facts: &mut Facts,
        turn: Turn<'_>,
    ) -> Ended {
        let Some(connection) = self.connection.as_mut() else {
            return Ended { trouble: Some(TalkError::closed()), ..Ended::default() };
        };
        connection.pass = Pass::default();
        let went = connection.read_tags(model.longest_pass, settled_after, patience, turn).await;
        facts.antennas.clone_from(&connection.antennas);
        let pass = std::mem::take(&mut connection.pass);
        let (whole, trouble) = match went {
            Ok(whole) => (whole, None),
            Err(error) => (false, Some(error)),
        };
        Ended { pass, whole, trouble }
    }

    /// Asks for what may have changed.
    pub(super) async fn look(&mut self, patience: Duration, facts: &mut Facts) -> Result<(), TalkError> {
        let connection = self.connection.as_mut().ok_or_else(TalkError::closed)?;
        connection.look_at_antennas(patience).await?;
        facts.antennas.clone_from(&connection.antennas);
        Ok(())
    }

    async fn connect(&self) -> Result<Connection, TalkError> {
        let Endpoint::Tcp { address } = &self.link.endpoint else {
            return Err(TalkError::broken(("LLRP is spoken over TCP only", "LLRP 只能走 TCP")));
        };
        let failed = |cause: std::io::Error| OpenError { endpoint: self.link.endpoint.clone(), cause };
        let begun = Instant::now();
        let stream = match timeout(self.link.connect_timeout, TcpStream::connect(address)).await {
            Ok(connected) => connected.map_err(failed)?,
            Err(_) => {
                let text = format!("nobody answered within {:?}", self.link.connect_timeout);
                return Err(failed(std::io::Error::new(std::io::ErrorKind::TimedOut, text)).into());
            }
        };
        stream.set_nodelay(true).map_err(failed)?;
        trace::record_opened(&self.link.endpoint.to_string(), begun.elapsed());
        Ok(Connection {
            stream,
            buffer: BytesMut::new(),
            last_id: 0,
            antennas: BTreeMap::new(),
            pass: Pass::default(),
            newest: Instant::now(),
        })
    }
}

impl Connection {
    fn message(&mut self, kind: u16, body: Vec<u8>) -> Message {
        self.last_id = self.last_id.wrapping_add(1);
        Message { kind, id: self.last_id, body }
    }

    /// Waits until the reader says how it received the connection.
    async fn be_received(&mut self, patience: Duration) -> Result<(), TalkError> {
        let deadline = Instant::now() + patience;
        loop {
            let message = self.receive(deadline).await?;
            let events = if message.kind == kind::EVENT { report::events(&message.body) } else { Vec::new() };
            for event in events {
                match event {
                    Event::Connection(0) => return Ok(()),
                    Event::Connection(1 | 2) => {
                        let text = (
                            "the reader serves another client already, and it takes one only",
                            "读写器正在为另一个程序服务，它一次只接受一个",
                        );
                        return Err(TalkError {
                            broken: true,
                            ..TalkError::device(HealthLevel::Reachable, "occupied", text)
                        });
                    }
                    Event::Connection(code) => {
                        let text =
                            both!("the reader refuses the connection: status {code}", "读写器拒绝连接：状态 {code}");
                        return Err(TalkError { broken: true, ..TalkError::refused(text) });
                    }
                    Event::Antenna { .. } | Event::Exception(_) => {}
                }
            }
        }
    }

    async fn read_tags(
        &mut self,
        longest: Duration,
        settled_after: Duration,
        patience: Duration,
        turn: Turn<'_>,
    ) -> Result<bool, TalkError> {
        self.ask(kind::START, request::our_plan(), patience).await?;
        let begun = Instant::now();
        self.newest = begun;
        let mut whole = true;
        loop {
            let settled = self.newest + settled_after;
            let now = Instant::now();
            if now >= settled {
                break;
            }
            if now >= begun + longest || turn.is_wanted() {
                whole = false;
                break;
            }
            match self.receive(settled.min(begun + longest)).await {
                Ok(message) => self.take(&message),
                Err(error) if error.reason == "timeout" => {}
                Err(error) => return Err(error),
            }
        }
        // It may have ended by itself; the tags that it still reports belong to this pass.
        self.try_ask(kind::STOP, request::our_plan(), patience).await?;
        Ok(whole)
    }

    async fn look_at_antennas(&mut self, patience: Duration) -> Result<(), TalkError> {
        if let Some(told) = self.try_ask(kind::GET_CONFIG, request::antennas(), patience).await? {
            self.antennas.extend(report::antennas(&told.body));
        }
        Ok(())
    }

    /// A request that must go well.
    async fn ask(&mut self, kind: u16, body: Vec<u8>, patience: Duration) -> Result<Message, TalkError> {
        let answer = self.exchange(kind, body, patience).await?;
        match report::status(&answer.body) {
            Some(status) if !status.is_ok() => Err(refused(kind, &status)),
            None if answer.kind == kind::ERROR => {
                Err(TalkError::refused(both!("the reader refuses message {kind}", "读写器拒绝消息 {kind}")))
            }
            _ => Ok(answer),
        }
    }

    /// A request that the reader may refuse; `None` if it did.
    async fn try_ask(&mut self, kind: u16, body: Vec<u8>, patience: Duration) -> Result<Option<Message>, TalkError> {
        match self.ask(kind, body, patience).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.answered() && !error.broken => {
                debug!(kind, %error, "An LLRP reader refuses a request that it need not carry out.");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn exchange(&mut self, kind: u16, body: Vec<u8>, patience: Duration) -> Result<Message, TalkError> {
        let message = self.message(kind, body);
        let id = message.id;
        self.send(&message, patience).await?;
        let deadline = Instant::now() + patience;
        loop {
            let answer = match self.receive(deadline).await {
                Ok(answer) => answer,
                // An answer that comes later would be taken for none of ours; but who knows what the reader did.
                Err(error) => return Err(TalkError { broken: true, ..error }),
            };
            let is_answer = answer.kind == answer_to(kind) || answer.kind == kind::ERROR;
            if is_answer && answer.id == id {
                return Ok(answer);
            }
            self.take(&answer);
        }
    }

    async fn send(&mut self, message: &Message, patience: Duration) -> Result<(), TalkError> {
        let bytes = message.encode();
        match timeout(patience, self.stream.write_all(&bytes)).await {
            Ok(Ok(())) => {
                trace::record(Direction::Sent, &bytes);
                Ok(())
            }
            Ok(Err(error)) => Err(TalkError::broken(both!("the link broke: {error}", "线路中断：{error}"; error))),
            Err(_) => Err(TalkError::broken(both!(
                "the reader takes nothing for {patience:?}",
                "读写器 {patience:?} 内不接收数据"
            ))),
        }
    }

    /// The next message. Keep-alives are answered on the way, and events noted.
    async fn receive(&mut self, deadline: Instant) -> Result<Message, TalkError> {
        loop {
            match decode(&mut self.buffer) {
                Ok(Some(message)) if message.kind == kind::KEEPALIVE => {
                    let answer = Message { kind: kind::KEEPALIVE_ACK, id: message.id, body: Vec::new() };
                    self.send(&answer, Duration::from_secs(1)).await?;
                    continue;
                }
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(error) => {
                    let text = error.translate();
                    return Err(TalkError {
                        broken: true,
                        ..TalkError::device(HealthLevel::Reachable, "not-understood", text)
                    });
                }
            }
            let before = self.buffer.len();
            self.buffer.reserve(PIECE);
            match timeout_at(deadline, self.stream.read_buf(&mut self.buffer)).await {
                Ok(Ok(0)) => {
                    let ended = TalkError::broken(("the reader closed the link", "读写器关闭了连接"));
                    return Err(TalkError { level: HealthLevel::Reachable, ..ended });
                }
                Ok(Ok(_)) => trace::record(Direction::Received, &self.buffer[before..]),
                Ok(Err(error)) => {
                    return Err(TalkError::broken(both!("the link broke: {error}", "线路中断：{error}"; error)));
                }
                Err(_) => {
                    return Err(TalkError::device(
                        HealthLevel::Reachable,
                        "timeout",
                        ("the reader did not answer in time", "读写器没有及时应答"),
                    ));
                }
            }
        }
    }

    /// Notes what the reader tells by itself.
    fn take(&mut self, message: &Message) {
        match message.kind {
            kind::REPORT => {
                for tag in report::tags(&message.body) {
                    if self.pass.see(tag) {
                        self.newest = Instant::now();
                    }
                }
            }
            kind::EVENT => {
                for event in report::events(&message.body) {
                    match event {
                        Event::Antenna { antenna, connected } => {
                            self.antennas.insert(antenna, connected);
                        }
                        Event::Exception(text) => warn!(%text, "An LLRP reader tells of an exception."),
                        Event::Connection(_) => {}
                    }
                }
            }
            _ => {}
        }
    }
}

fn refused(kind: u16, status: &Status) -> TalkError {
    let Status { code, text } = status;
    TalkError::refused(both!(
        "the reader refuses message {kind}: status {code} {text}",
        "读写器拒绝消息 {kind}：状态 {code} {text}"
    ))
}
