//! Actions on a Modbus link: what must be so before, the write, and what must be so afterwards.

use std::time::Duration;

use kouan_protocol::{Field, FieldValue};
use kouan_settings::{Bilingual, Translate as _, both};

use super::{ExchangeError, Session, shown};
use crate::driver::RawValue;
use crate::link::{ActError, Acted, TalkError, Turn, WatchStep, no_action, no_point};
use crate::modbus::action::{Expected, ReadBack, ReadyWrite};
use crate::modbus::codec::{Answer, Exception};
use crate::modbus::dialect::Address;

/// An action that is ready to be sent.
#[derive(Debug)]
pub struct Act {
    write: ReadyWrite,
    confirm: Option<Confirm>,
    requires: Vec<Required>,
}

/// A point that must show a raw value before an action is sent.
#[derive(Debug)]
struct Required {
    address: Address,
    raw: i64,
    point: String,
    word: String,
}

/// A point that is read back after an action.
#[derive(Debug)]
struct Confirm {
    address: Address,
    /// `None`: it has the word, but nobody has proved which raw value stands for it.
    expected: Option<i64>,
    point: String,
    within: Duration,
    group: usize,
    column: u16,
    /// What it must show, for people.
    shows: String,
}

impl Session {
    /// What the action sends, checks before and reads afterwards.
    pub(super) fn ready(&self, device: usize, action: &str, arguments: &[Field]) -> Result<Act, Bilingual> {
        let profile = &self.units[device].profile;
        let found = profile.actions.iter().find(|candidate| candidate.spec.name == action);
        let found = found.ok_or_else(|| no_action(action))?;
        let write = found.speak.ready(arguments)?;
        let find = |name: &str| profile.find(name).ok_or_else(|| no_point(name));
        let confirm = match &write.confirm {
            Some(ReadBack { point: name, expected, within }) => {
                let (group, column, point) = find(name)?;
                let (expected, shows) = match expected {
                    Expected::Raw(raw) => (Some(*raw), raw.to_string()),
                    Expected::Word(word) => (point.common.raw_of(word), word.clone()),
                };
                let (address, point) = (point.address, name.clone());
                Some(Confirm { address, expected, point, within: *within, group, column, shows })
            }
            None => None,
        };
        let requires = found.speak.requires().iter().map(|(name, word)| {
            let (_, _, point) = find(name)?;
            let raw = point.common.raw_of(word);
            let raw = raw.ok_or_else(|| {
                both!(
                    "interlock: which way round \"{name}\" is wired is not proved",
                    "联锁：“{name}”的接线方向尚未验证"
                )
            })?;
            Ok(Required { address: point.address, raw, point: name.clone(), word: word.clone() })
        });
        let requires = requires.collect::<Result<_, Bilingual>>()?;
        Ok(Act { write, confirm, requires })
    }

    /// Sends the action, once.
    pub(super) async fn carry_out(&mut self, device: usize, act: Act) -> Result<Acted, ActError> {
        if !act.requires.is_empty() {
            self.check_required(device, &act.requires).await?;
            self.make_ready(device, None).await.map_err(ActError::NotSent)?;
        }
        match self.exchange(device, &act.write.request).await {
            Ok(Answer::Refused(exception)) if exception.is_from_gateway() || exception == Exception(5) => {
                Err(ActError::NotConfirmed(TalkError::refused(exception.translate())))
            }
            Ok(Answer::Refused(exception)) => Err(ActError::Refused(TalkError::refused(exception.translate()))),
            Ok(_) => match act.confirm {
                Some(confirm) => self.confirm(device, confirm).await,
                None => Ok(Acted::default()),
            },
            Err(ExchangeError::NotSent(error)) => Err(ActError::NotSent(error)),
            Err(ExchangeError::NoAnswer(error)) => Err(ActError::NotConfirmed(error)),
        }
    }

    /// Whether every point shows what the action needs. Nothing was sent yet that could move anything.
    async fn check_required(&mut self, device: usize, requires: &[Required]) -> Result<(), ActError> {
        for required in requires {
            let name = &required.point;
            let shown = match self.read_point(device, required.address, Turn::once()).await {
                Ok(RawValue::Integer(raw)) if raw == required.raw => continue,
                Ok(raw) => both!("it shows {raw}", "它显示 {raw}", raw = shown(&raw)),
                Err(error) => both!("it could not be read: {error}", "无法读取：{error}"; error),
            };
            let word = &required.word;
            let text = both!(
                "interlock: \"{name}\" must be \"{word}\", but {shown}",
                "联锁：“{name}”必须是“{word}”，但{shown}"; shown
            );
            return Err(ActError::NotSent(TalkError::refused(text)));
        }
        Ok(())
    }

    /// Reads a point back once; one that may take its time is left to the engine to watch.
    async fn confirm(&mut self, device: usize, confirm: Confirm) -> Result<Acted, ActError> {
        let Confirm { address, expected, point: name, within, group, column, shows } = confirm;
        let not_confirmed = |text: Bilingual| {
            let text = both!("the device accepted it, but {text}", "设备已接受，但{text}"; text);
            ActError::NotConfirmed(TalkError::refused(text))
        };
        let Some(expected) = expected else {
            return Err(not_confirmed(both!(
                "which way round \"{name}\" is wired is not proved",
                "“{name}”的接线方向尚未验证"
            )));
        };
        if !within.is_zero() {
            let text = format!("{name} = {shows}");
            let step = WatchStep { group, column, expected, text, within, part: None };
            return Ok(Acted { fields: Vec::new(), steps: vec![step] });
        }
        match self.read_point(device, address, Turn::undisturbed()).await {
            Ok(RawValue::Integer(raw)) if raw == expected => {
                Ok(Acted::done(vec![Field::new(&name, FieldValue::Integer(raw))]))
            }
            Ok(raw) => {
                let shown = shown(&raw);
                let text = both!(
                    "the device accepted it, but \"{name}\" shows {shown} instead of {expected}",
                    "设备已接受，但“{name}”显示 {shown}，不是 {expected}"
                );
                Err(ActError::Refused(TalkError::refused(text)))
            }
            Err(error) => Err(not_confirmed(both!(
                "\"{name}\" could not be read to confirm it: {error}",
                "无法读取“{name}”来确认：{error}"; error
            ))),
        }
    }
}
