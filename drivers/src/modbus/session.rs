//! One open Modbus link.

mod act;

use std::sync::Arc;
use std::time::Duration;

pub use act::Act;
use bytes::{Bytes, BytesMut};
use kouan_protocol::{Field, HealthLevel, QualityReason};
use kouan_settings::{Bilingual, Translate as _, both};
use tokio::time::Instant;
use tracing::debug;

use super::codec::{Answer, Exception, FrameError, ReadFunction, Request, rtu, tcp};
use super::dialect::{Address, ModbusDialect, ModbusProfile, Reading};
use super::explain::{self, Placed};
use super::owed::Owed;
use super::planner::{Plan, Read};
use super::value::{Type, WordOrder};
use crate::driver::{Heard, RawValue};
use crate::link::trace::{self, Piece};
use crate::link::{ActError, Acted, Line, LineError, LinkSettings, Polled, Searched, TalkError, Talker, Timing, Turn};
use crate::profile::Point;
use crate::search::identity::identify_on;

/// After so many polls of a group, addresses that the device refused are tried again: it may have got a module more.
const FORGIVE_AFTER: u32 = 720;

/// The envelope of requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A header with a transaction number; TCP only.
    Tcp,
    /// Unit and checksum.
    Rtu,
}

/// A device on the link.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its address.
    pub unit: u8,
    /// Its pauses, time-outs and retries.
    pub timing: Timing,
    /// Its model.
    pub profile: Arc<ModbusProfile>,
}

/// A Modbus link that the engine drives.
#[derive(Debug)]
pub struct Session {
    link: LinkSettings,
    framing: Framing,
    units: Vec<Unit>,
    plans: Vec<Vec<GroupPlan>>,
    line: Option<Line>,
    transaction: u16,
    owed: Owed,
}

#[derive(Debug)]
struct GroupPlan {
    plan: Plan,
    addresses: Vec<Address>,
    /// How many of the addresses are points of the group.
    columns: usize,
    /// Points with a scale of the device's own, and where in `addresses` it is.
    scales: Vec<(usize, usize)>,
    polls: u32,
}

const SCALE: Reading = Reading::Registers { kind: Type::U16, order: WordOrder::Big, mask: None };

/// Why an exchange gave no answer.
enum ExchangeError {
    /// Nothing went out.
    NotSent(TalkError),
    /// The request went out.
    NoAnswer(TalkError),
}

impl ExchangeError {
    fn into_talk(self) -> TalkError {
        match self {
            Self::NotSent(error) | Self::NoAnswer(error) => error,
        }
    }
}

type Cells = Vec<(u16, Result<RawValue, QualityReason>)>;

impl Session {
    /// A closed session.
    #[must_use]
    pub fn new(link: LinkSettings, framing: Framing, units: Vec<Unit>) -> Self {
        let plans = units.iter().map(|unit| {
            let groups = unit.profile.groups.iter().map(|group| {
                let mut addresses: Vec<Address> = group.points.iter().map(|point| point.address).collect();
                let columns = addresses.len();
                // The registers that say a scale are read with the points, as columns behind the last one.
                let mut scales = Vec::new();
                for column in 0..columns {
                    if let Some(scale_by) = addresses[column].scale_by {
                        scales.push((column, addresses.len()));
                        addresses.push(Address { span: scale_by.span, reading: SCALE, scale_by: None });
                    }
                }
                let spans = addresses.iter().map(|address| address.span).collect();
                let plan = Plan::new(spans, unit.profile.model.limits);
                GroupPlan { plan, addresses, columns, scales, polls: 0 }
            });
            groups.collect()
        });
        let plans = plans.collect();
        Self { link, framing, units, plans, line: None, transaction: 0, owed: Owed::default() }
    }

    /// Sends a request and waits for its answer, once.
    async fn exchange(&mut self, device: usize, request: &Request) -> Result<Answer, ExchangeError> {
        let Unit { unit, timing, .. } = self.units[device];
        self.exchange_with(unit, timing, request).await
    }

    async fn exchange_with(&mut self, unit: u8, timing: Timing, request: &Request) -> Result<Answer, ExchangeError> {
        self.transaction = self.transaction.wrapping_add(1);
        let (framing, transaction) = (self.framing, self.transaction);
        let serial = self.link.endpoint.is_serial();
        let frame: Bytes = match framing {
            Framing::Tcp => tcp::encode(transaction, unit, request),
            Framing::Rtu => rtu::encode(unit, request),
        };
        let Some(line) = self.line.as_mut() else {
            return Err(ExchangeError::NotSent(TalkError::closed()));
        };
        let sending = match line.discard_now() {
            Ok(()) => line.send(&frame, timing.answer_timeout).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sending {
            self.line = None;
            let talk = TalkError::of_line(&error, serial);
            return Err(match error {
                LineError::Broken { written: true, .. } => ExchangeError::NoAnswer(talk),
                _ => ExchangeError::NotSent(talk),
            });
        }
        let sent = Instant::now();
        let mut rest = Bytes::new();
        let received = line
            .receive(timing.answer_timeout, |buffer: &mut BytesMut| {
                let decoded = match framing {
                    Framing::Tcp => tcp::decode(buffer, transaction, unit, request),
                    Framing::Rtu => rtu::decode(buffer, unit, request),
                };
                rest = Bytes::copy_from_slice(buffer);
                decoded.transpose()
            })
            .await;
        match received {
            Ok(Ok(answer)) => {
                self.owed.answered(unit, request, sent, Instant::now());
                Ok(answer)
            }
            Ok(Err(error)) => {
                self.gave_up(unit, request, sent, timing.answer_timeout);
                Err(ExchangeError::NoAnswer(not_an_answer(error)))
            }
            Err(error @ LineError::Timeout { .. }) => {
                self.gave_up(unit, request, sent, timing.answer_timeout);
                let diagnosis = (framing == Framing::Rtu).then(|| rtu::diagnose(&rest, unit, request)).flatten();
                let talk = diagnosis.map_or_else(|| TalkError::of_line(&error, serial), not_an_answer);
                Err(ExchangeError::NoAnswer(talk))
            }
            Err(error) => {
                self.line = None;
                Err(ExchangeError::NoAnswer(TalkError::of_line(&error, serial)))
            }
        }
    }

    /// Sees to it that a late answer cannot be taken for another one.
    fn gave_up(&mut self, unit: u8, request: &Request, sent: Instant, timeout: Duration) {
        if self.framing == Framing::Rtu {
            self.owed.timed_out(unit, request, sent, timeout);
        }
        match self.line.as_mut() {
            Some(line) if line.is_serial() => line.spoil(),
            // A connection in an unknown state is given up; what is still under way dies with it.
            _ => self.line = None,
        }
    }

    /// Keeps the gap and throws away stale input, first waiting until `until`.
    async fn make_ready(&mut self, device: usize, until: Option<Instant>) -> Result<(), TalkError> {
        let timing = self.units[device].timing;
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
        let Some(line) = self.line.as_mut() else { return Err(TalkError::closed()) };
        match line.settle(timing.gap).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let error = TalkError::of_line(&error, line.is_serial());
                if error.broken {
                    self.line = None;
                }
                Err(error)
            }
        }
    }

    /// One read, asked again as often as the device's settings and the turn allow.
    async fn read(&mut self, device: usize, request: &Request, turn: Turn<'_>) -> Result<Answer, TalkError> {
        let Unit { unit, timing, .. } = self.units[device];
        let mut attempts_left = timing.retries;
        let mut until = self.owed.hold(unit, request, Instant::now());
        loop {
            if self.line.is_none() {
                self.open().await?;
            }
            self.make_ready(device, until.take()).await?;
            let error = match self.exchange(device, request).await {
                Ok(Answer::Refused(exception)) if exception.is_from_gateway() => {
                    TalkError::device(HealthLevel::Reachable, "timeout", exception.translate())
                }
                Ok(answer) => return Ok(answer),
                Err(error) => error.into_talk(),
            };
            if error.broken || attempts_left == 0 || !turn.may_retry() {
                return Err(error);
            }
            attempts_left -= 1;
            debug!(unit, %error, attempts_left, "Reading again.");
        }
    }

    /// Reads a group's plan from read `at` on. Cells come in the order of addresses.
    async fn read_plan(&mut self, device: usize, group: usize, turn: Turn<'_>) -> (Cells, Option<TalkError>) {
        let mut cells = Cells::new();
        let mut refusal = None;
        let mut at = 0;
        while let Some(read) = self.plans[device][group].plan.reads().get(at).cloned() {
            if read.refused {
                cells.extend(read.points.iter().map(|point| (*point as u16, Err(QualityReason::ReadFailed))));
                let (code, address) = (read.function.code(), read.address);
                let text = both!("function {code} has no address {address}", "功能 {code} 没有地址 {address}");
                refusal.get_or_insert(TalkError::refused(text));
                at += 1;
                continue;
            }
            let mut answered = self.read(device, &read.request(), turn).await;
            if let Ok(answer) = &answered
                && self.is_noise(device, group, &read, answer)
                && turn.may_retry()
            {
                answered = self.read(device, &read.request(), turn).await;
            }
            match answered {
                Ok(Answer::Refused(exception)) => {
                    let by_address = matches!(exception, Exception::ILLEGAL_ADDRESS | Exception::ILLEGAL_VALUE);
                    if by_address && self.plans[device][group].plan.split(at) {
                        continue;
                    }
                    cells.extend(read.points.iter().map(|point| (*point as u16, Err(QualityReason::ReadFailed))));
                    let end = u32::from(read.address) + u32::from(read.count) - 1;
                    let code = read.function.code();
                    let start = read.address;
                    let text = both!(
                        "reading {start} to {end} with function {code}: {exception}",
                        "用功能 {code} 读取 {start} 至 {end}：{exception}"; exception
                    );
                    refusal.get_or_insert(TalkError::refused(text));
                }
                Ok(answer) => {
                    let addresses = &self.plans[device][group].addresses;
                    let points = &self.units[device].profile.groups[group].points;
                    cells.extend(read.points.iter().map(|at| {
                        let value = value_in(&answer, addresses[*at], read.address);
                        let noise = points.get(*at).is_some_and(|point| is_impossible(point, &value));
                        (*at as u16, if noise { Err(QualityReason::NotUnderstood) } else { value })
                    }));
                }
                Err(error) => return (cells, Some(error)),
            }
            at += 1;
        }
        (cells, refusal)
    }

    /// Whether the device sent a word that does not exist where it is known to do so now and then.
    fn is_noise(&self, device: usize, group: usize, read: &Read, answer: &Answer) -> bool {
        let addresses = &self.plans[device][group].addresses;
        let points = &self.units[device].profile.groups[group].points;
        read.points.iter().any(|at| {
            points.get(*at).is_some_and(|point| is_impossible(point, &value_in(answer, addresses[*at], read.address)))
        })
    }

    /// Applies the scales that the device itself says, and takes their registers out of the row.
    fn scale(&self, device: usize, group: usize, cells: &mut Cells) {
        let GroupPlan { columns, scales, addresses, .. } = &self.plans[device][group];
        if scales.is_empty() {
            return;
        }
        let place =
            |cells: &Cells, column: usize| cells.binary_search_by_key(&column, |(column, _)| usize::from(*column)).ok();
        let points = &self.units[device].profile.groups[group].points;
        for (column, scale) in scales {
            let (Some(at), Some(by)) = (place(cells, *column), addresses[*column].scale_by) else { continue };
            let said = place(cells, *scale).map(|at| cells[at].1.clone());
            let Ok(raw) = cells[at].1.clone() else { continue };
            cells[at].1 = match (raw, said) {
                (RawValue::Integer(raw), _) if points[*column].common.not_available.contains(&raw) => {
                    Err(QualityReason::NotAvailable)
                }
                (raw, Some(Ok(RawValue::Integer(said)))) => by.apply(raw, said as u16),
                _ => Err(QualityReason::ReadFailed),
            };
        }
        cells.retain(|(column, _)| usize::from(*column) < *columns);
    }

    /// Reads one point now.
    async fn read_point(&mut self, device: usize, address: Address, turn: Turn<'_>) -> Result<RawValue, Bilingual> {
        let span = address.span;
        let request = Request::Read { function: span.function, address: span.address, count: span.width };
        match self.read(device, &request, turn).await {
            Ok(Answer::Refused(exception)) => Err(exception.translate()),
            Ok(answer) => value_in(&answer, address, span.address).map_err(unreadable),
            Err(error) => Err(error.text),
        }
    }
}

impl Talker for Session {
    type Act = Act;

    async fn open(&mut self) -> Result<(), TalkError> {
        let mut line = self.link.endpoint.open(self.link.connect_timeout).await?;
        if self.owed.any(Instant::now()) {
            // A serial server delivers late answers to whoever connects next.
            line.spoil();
        }
        self.line = Some(line);
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.line.is_some()
    }

    fn close(&mut self) {
        self.line = None;
    }

    async fn poll(&mut self, device: usize, group: usize, turn: Turn<'_>) -> Polled {
        let plan = &mut self.plans[device][group];
        plan.polls += 1;
        if plan.polls >= FORGIVE_AFTER {
            plan.polls = 0;
            plan.plan.forgive();
        }
        let (mut cells, trouble) = self.read_plan(device, group, turn).await;
        cells.sort_by_key(|(column, _)| *column);
        self.scale(device, group, &mut cells);
        Polled { cells, trouble, ..Polled::default() }
    }

    fn explain(&self, device: usize, group: usize, pieces: &mut [Piece]) {
        let points = &self.units[device].profile.groups[group].points;
        let placed = points.iter().map(|point| Placed { address: point.address, point: &point.common });
        let placed: Vec<_> = placed.collect();
        for (sent, received) in trace::exchanges(pieces) {
            pieces[sent].fields = explain::request(self.framing, &pieces[sent].bytes);
            if let Some(received) = received {
                pieces[received].fields =
                    explain::answer(self.framing, &pieces[sent].bytes, &pieces[received].bytes, &placed);
            }
        }
    }

    async fn search(&mut self, unit: u8, wait: Duration) -> Searched {
        if self.units.iter().any(|known| known.unit == unit) {
            return Ok(Some(Heard::Configured));
        }
        let Some(first) = self.units.first() else { return Ok(None) };
        let timing = Timing { answer_timeout: wait, retries: 0, ..first.timing };
        for function in [ReadFunction::HoldingRegisters, ReadFunction::InputRegisters] {
            if self.line.is_none() {
                self.open().await?;
            }
            let request = Request::Read { function, address: 0, count: 1 };
            let until = self.owed.hold(unit, &request, Instant::now());
            self.make_ready(0, until).await?;
            match self.exchange_with(unit, timing, &request).await {
                Ok(Answer::Refused(exception)) if exception.is_from_gateway() => return Ok(None),
                Ok(_) => {
                    let (framing, endpoint) = (self.framing, &self.link.endpoint);
                    let identity = match self.line.as_mut() {
                        Some(line) => identify_on(line, endpoint, framing, unit, wait).await,
                        None => None,
                    };
                    if identity.is_none() {
                        // Its answer may be missing, and could still come.
                        self.gave_up(unit, &request, Instant::now(), wait);
                    }
                    return Ok(Some(Heard::Stranger(identity)));
                }
                Err(error) => {
                    let error = error.into_talk();
                    if error.broken && self.link.endpoint.is_serial() {
                        return Err(error);
                    }
                }
            }
        }
        Ok(None)
    }

    fn hold(&self, device: usize, _group: usize) -> Option<Instant> {
        // A poll can wait; it then needs no doubt about any of its reads.
        self.owed.until(self.units[device].unit, Instant::now())
    }

    fn prepare(&mut self, device: usize, action: &str, arguments: &[Field]) -> Result<Act, Bilingual> {
        self.ready(device, action, arguments)
    }

    async fn settle(&mut self, device: usize) -> Result<(), TalkError> {
        let until = self.owed.write_until(self.units[device].unit, Instant::now());
        self.make_ready(device, until).await
    }

    async fn act(&mut self, device: usize, act: Act) -> Result<Acted, ActError> {
        self.carry_out(device, act).await
    }
}

fn is_impossible(point: &Point<ModbusDialect>, value: &Result<RawValue, QualityReason>) -> bool {
    let words = &point.common.words;
    match value {
        Ok(RawValue::Integer(raw)) if point.notes.reread && !words.is_empty() => {
            !words.iter().any(|(known, _)| known == raw)
        }
        _ => false,
    }
}

/// Something was heard, but it was no answer.
fn not_an_answer(error: FrameError) -> TalkError {
    TalkError::device(HealthLevel::Reachable, error.reason(), error.translate())
}

fn unreadable(reason: QualityReason) -> Bilingual {
    both!(
        "{reason:?}",
        "{chinese}",
        chinese = match reason {
            QualityReason::NotUnderstood => "读到的内容无法理解",
            QualityReason::NotAvailable => "设备说没有这个值",
            _ => "读取失败",
        }
    )
}

fn shown(raw: &RawValue) -> String {
    match raw {
        RawValue::Integer(raw) => raw.to_string(),
        RawValue::Number(raw) => raw.to_string(),
        RawValue::Text(raw) => raw.clone(),
    }
}

/// The raw value at `address` in an answer that begins at `start`.
pub(super) fn value_in(answer: &Answer, address: Address, start: u16) -> Result<RawValue, QualityReason> {
    let from = usize::from(address.span.address.saturating_sub(start));
    let to = from + usize::from(address.span.width);
    match (answer, address.reading) {
        (Answer::Bits(bits), Reading::Bit) => {
            let bit = bits.get(from).ok_or(QualityReason::NotUnderstood)?;
            Ok(RawValue::Integer(i64::from(*bit)))
        }
        (Answer::Registers(registers), Reading::Registers { kind, order, mask }) => {
            kind.read(registers.get(from..to).ok_or(QualityReason::NotUnderstood)?, order, mask)
        }
        _ => Err(QualityReason::NotUnderstood),
    }
}
