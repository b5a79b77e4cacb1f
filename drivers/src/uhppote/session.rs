//! Talking to controllers, one exchange at a time.

use std::net::SocketAddr;
use std::sync::Arc;

use kouan_protocol::{Clock, Field, HealthLevel, QualityReason};
use kouan_settings::{Bilingual, Translate as _, both};
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::codec::{LENGTH, Packet, function};
use super::dialect::{Address, Ask, UhppoteProfile};
use super::events::{Handed, heard, lost};
use super::explain;
use crate::device_clock::DeviceZone;
use crate::driver::RawValue;
use crate::link::trace::{self, Direction, Piece};
use crate::link::{ActError, Acted, AskError, HeardEvent, Polled, TalkError, Talker, Timing, Turn, no_action};

/// The port of controllers, which the system may give to a client: it would then hear its own requests.
const CONTROLLER_PORT: u16 = 60_000;
/// Most events that are fetched in one turn.
const MOST_EVENTS: u32 = 16;

/// A controller.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) controller: u32,
    /// `host:port`
    pub(super) address: String,
    pub(super) timing: Timing,
    pub(super) zone: DeviceZone,
    /// Whether the controller's own number of the next event is used and moved.
    pub(super) take_events: bool,
    pub(super) profile: Arc<UhppoteProfile>,
}

/// Controllers that the engine talks to.
pub(super) struct Session {
    units: Vec<Unit>,
    clock: Arc<dyn Clock>,
    /// Up to which number each controller's events were handed on; unknown at first.
    fetched: Vec<Option<u32>>,
    handed: Vec<Handed>,
    open: bool,
}

impl Session {
    pub(super) fn new(units: Vec<Unit>, clock: Arc<dyn Clock>) -> Self {
        let fetched = units.iter().map(|_| None).collect();
        let handed = units.iter().map(|_| Handed::default()).collect();
        Self { units, clock, fetched, handed, open: false }
    }

    /// Sends a request from a socket of its own and waits for the answer, once.
    async fn exchange(&self, device: usize, request: &Packet) -> Result<Packet, AskError> {
        let unit = &self.units[device];
        let address = &unit.address;
        let socket = connected(address).await.map_err(|error| {
            let text = both!("reach {address} failed: {error}", "无法到达 {address}：{error}"; error);
            AskError::NotSent(TalkError::device(HealthLevel::Unreachable, "no-route", text))
        })?;
        trace::record(Direction::Sent, &request.0);
        socket.send(&request.0).await.map_err(|error| {
            let text = both!("send to {address} failed: {error}", "向 {address} 发送失败：{error}"; error);
            AskError::NoAnswer(TalkError::device(HealthLevel::Unreachable, "no-route", text))
        })?;
        let deadline = Instant::now() + unit.timing.answer_timeout;
        let mut rejected = None;
        loop {
            let mut datagram = [0; 2 * LENGTH];
            let count = match timeout_at(deadline, socket.recv(&mut datagram)).await {
                Ok(Ok(count)) => count,
                Ok(Err(error)) => {
                    let text =
                        both!("nobody listens at {address}: {error}", "{address} 上没有程序接收：{error}"; error);
                    return Err(AskError::NoAnswer(TalkError::device(HealthLevel::Unreachable, "refused-port", text)));
                }
                Err(_) => {
                    let waited = unit.timing.answer_timeout;
                    let text = both!("no answer within {waited:?}", "{waited:?} 内没有应答");
                    let silence = TalkError::device(HealthLevel::Unreachable, "timeout", text);
                    return Err(AskError::NoAnswer(rejected.unwrap_or(silence)));
                }
            };
            trace::record(Direction::Received, &datagram[..count]);
            let heard = |reason, text| Some(TalkError::device(HealthLevel::Reachable, reason, text));
            match Packet::decode(&datagram[..count]) {
                Ok(packet) if packet.controller() != unit.controller => {
                    let other = packet.controller();
                    let text = both!("controller {other} answered", "应答的是控制器 {other}");
                    rejected = heard("wrong-unit", text);
                }
                Ok(packet) if packet.function() != request.function() => {
                    let function = packet.function();
                    let text = both!("the answer is to {function:02X}", "应答对应的是功能 {function:02X}");
                    rejected = heard("not-understood", text);
                }
                Ok(packet) => return Ok(packet),
                Err(error) => rejected = heard("not-understood", error.translate()),
            }
        }
    }

    async fn ask(&self, device: usize, request: &Packet, turn: Turn<'_>) -> Result<Packet, TalkError> {
        let mut attempts_left = self.units[device].timing.retries;
        loop {
            let error = match self.exchange(device, request).await {
                Ok(packet) => return Ok(packet),
                Err(error) => error.into_talk(),
            };
            if attempts_left == 0 || !turn.may_retry() {
                return Err(error);
            }
            attempts_left -= 1;
        }
    }

    /// Fetches events up to `newest`, as far as those before are on disk.
    async fn fetch(
        &mut self,
        device: usize,
        newest: u32,
        turn: Turn<'_>,
        events: &mut Vec<HeardEvent>,
    ) -> Result<(), TalkError> {
        let Unit { controller, take_events, .. } = self.units[device];
        let standing = self.handed[device].look();
        if let Some(stored) = standing.stored.filter(|_| take_events) {
            let moved = self.ask(device, &Packet::set_index(controller, stored), turn).await?;
            if moved.0[8] != 1 {
                let text = both!(
                    "the controller refused to move its event number to {stored}",
                    "控制器拒绝把事件序号移到 {stored}"
                );
                return Err(TalkError::refused(text));
            }
        }
        if standing.refused {
            self.fetched[device] = None;
        }
        if standing.waiting {
            return Ok(());
        }
        let from = match self.fetched[device] {
            Some(fetched) => fetched,
            None if take_events => {
                self.ask(device, &Packet::request(function::GET_INDEX, controller, &[]), turn).await?.number(8)
            }
            None => newest,
        };
        // A controller whose memory was cleared counts from 1 again.
        let from = if from > newest { 0 } else { from };
        self.fetched[device] = Some(from);
        for index in from + 1..=newest.min(from.saturating_add(MOST_EVENTS)) {
            if turn.is_wanted() {
                return Ok(());
            }
            let request = Packet::request(function::EVENT, controller, &index.to_le_bytes());
            let event = self.ask(device, &request, turn).await?.event();
            match event.kind {
                0xFF => {
                    // Number 0 is the oldest that there still is.
                    let oldest = Packet::request(function::EVENT, controller, &[0; 4]);
                    let oldest = self.ask(device, &oldest, turn).await?.event();
                    let next = oldest.index.clamp(index + 1, newest.saturating_add(1));
                    events.push(lost(next - index));
                    self.fetched[device] = Some(next - 1);
                    return Ok(());
                }
                0 => {}
                _ => events.push(heard(&event, self.handed[device].add(index))),
            }
            self.fetched[device] = Some(index);
        }
        Ok(())
    }

    fn cell(&self, device: usize, address: Address, packet: &Packet) -> Result<RawValue, QualityReason> {
        match address {
            Address::Place(place) => place.read(&packet.0),
            Address::Clock => {
                let clock = packet.clock().ok_or(QualityReason::NotUnderstood)?;
                let ahead = self.units[device].zone.ahead(clock, &*self.clock);
                ahead.map(RawValue::Number).ok_or(QualityReason::NotUnderstood)
            }
        }
    }
}

/// A socket that hears this controller alone.
async fn connected(address: &str) -> std::io::Result<UdpSocket> {
    let mut addresses = lookup_host(address).await?;
    let address = addresses.next().ok_or_else(|| std::io::Error::other("it has no address"))?;
    let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let mut socket = UdpSocket::bind(any).await?;
    if socket.local_addr()?.port() == CONTROLLER_PORT {
        // While this one is held the system gives another.
        let another = UdpSocket::bind(any).await?;
        socket = another;
    }
    socket.connect(address).await?;
    Ok(socket)
}

/// A command that is ready to be sent.
#[derive(Debug)]
pub(super) struct Act {
    request: Packet,
    told: Vec<u8>,
    repeats: bool,
}

impl Talker for Session {
    type Act = Act;

    async fn open(&mut self) -> Result<(), TalkError> {
        self.open = true;
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.open
    }

    fn close(&mut self) {
        self.open = false;
    }

    async fn poll(&mut self, device: usize, group: usize, turn: Turn<'_>) -> Polled {
        let Unit { controller, profile, .. } = self.units[device].clone();
        let group = &profile.groups[group];
        let request = match group.ask {
            Ask::Status => Packet::request(function::STATUS, controller, &[]),
            Ask::Door(door) => Packet::request(function::GET_DOOR, controller, &[door]),
        };
        let packet = match self.ask(device, &request, turn).await {
            Ok(packet) => packet,
            Err(trouble) => return Polled::failed(trouble),
        };
        let cells = (0..).zip(&group.points).map(|(column, point)| (column, self.cell(device, point.address, &packet)));
        let mut polled = Polled { cells: cells.collect(), ..Polled::default() };
        if group.ask == Ask::Status {
            polled.trouble = self.fetch(device, packet.number(8), turn, &mut polled.events).await.err();
        }
        polled
    }

    fn explain(&self, device: usize, group: usize, pieces: &mut [Piece]) {
        let group = &self.units[device].profile.groups[group];
        let points: Vec<_> = group.points.iter().map(|point| (point.address, &*point.common)).collect();
        let asked = group.ask.function();
        trace::explain_pieces(pieces, |direction, bytes| explain::packets(direction, bytes, asked, &points));
    }

    fn prepare(&mut self, device: usize, action: &str, arguments: &[Field]) -> Result<Act, Bilingual> {
        let unit = &self.units[device];
        let found = unit.profile.actions.iter().find(|candidate| candidate.spec.name == action);
        let tell = &found.ok_or_else(|| no_action(action))?.speak;
        let told = tell.data.write(0, arguments, &tell.codes)?;
        Ok(Act { request: Packet::request(tell.function, unit.controller, &told), told, repeats: tell.repeats })
    }

    async fn settle(&mut self, _device: usize) -> Result<(), TalkError> {
        Ok(())
    }

    async fn act(&mut self, device: usize, act: Act) -> Result<Acted, ActError> {
        let answer = self.exchange(device, &act.request).await?;
        let said = &answer.0[8..];
        let done = if act.repeats { said.starts_with(&act.told) } else { said[0] == 1 };
        if done {
            return Ok(Acted::default());
        }
        let code = said[0];
        let text = both!("the controller answered {code:02X}: it did not do it", "控制器应答 {code:02X}：没有执行");
        Err(ActError::Refused(TalkError::refused(text)))
    }
}
