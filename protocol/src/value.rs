//! What a point can say.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a point is for. It decides the type of its values and how they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointKind {
    /// A measured number with a unit: [`Value::Number`].
    Measurement,
    /// One of a few words, such as `mains` or `battery`: [`Value::Text`].
    State,
    /// A whole number that only grows, until it wraps or is reset: [`Value::Integer`].
    Counter,
    /// Any text, such as a serial number: [`Value::Text`].
    Text,
}

impl PointKind {
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Measurement => 0,
            Self::State => 1,
            Self::Counter => 2,
            Self::Text => 3,
        }
    }

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        [Self::Measurement, Self::State, Self::Counter, Self::Text].into_iter().find(|kind| kind.number() == number)
    }
}

/// A point's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Of a counter.
    Integer(i64),
    /// Of a measurement; always finite.
    Number(f64),
    /// Of a state or a text.
    Text(Arc<str>),
}

impl Value {
    /// A text value.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// The value as a number, if it is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(integer) => Some(*integer as f64),
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// How far a reading may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// As the device said it.
    Good,
    /// There is a value, but no rule should act on it alone.
    Uncertain,
    /// There is no usable value.
    Bad,
}

/// Why a reading is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QualityReason {
    /// Nothing to say; the reason of every good reading.
    None,
    /// Outside the plausible range of the profile.
    OutOfRange,
    /// The device itself said that it has no value.
    NotAvailable,
    /// The device refused or did not answer this read.
    ReadFailed,
    /// The bytes made no sense for this point.
    NotUnderstood,
}

impl QualityReason {
    const ALL: [Self; 5] = [Self::None, Self::OutOfRange, Self::NotAvailable, Self::ReadFailed, Self::NotUnderstood];

    /// The reason's number on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        Self::ALL.iter().position(|reason| *reason == self).expect("ALL lists every reason") as u32
    }

    /// The reason with that number; a number of a later version reads as [`QualityReason::None`].
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        Self::ALL.get(number as usize).copied().unwrap_or(Self::None)
    }
}
