//! The part of a point that every protocol shares.

use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::{Field, PointSpec};

use super::tells::Tells;

/// A read group as the pipeline needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupProfile {
    /// The group's name within its device.
    pub name: String,
    /// How often it is read; zero if the device speaks by itself.
    pub every: Duration,
    /// Each point that can be read is sent at least this often.
    pub heartbeat: Duration,
    /// The columns; devices of one model share them.
    pub points: Vec<Arc<PointProfile>>,
}

/// What becomes of a raw value.
#[derive(Debug, Clone, PartialEq)]
pub struct PointProfile {
    /// Name, kind, unit, decimals and states.
    pub spec: PointSpec,
    /// From raw to unit.
    pub scale: Scale,
    /// Raw values with which the device says "I have none".
    pub not_available: Vec<i64>,
    /// Values outside are marked uncertain.
    pub range: Option<(f64, f64)>,
    /// The word for each raw value of a state. A raw value without one is reported by its number, as uncertain.
    pub words: Vec<(i64, String)>,
    /// A change must be larger than this to be sent before the heartbeat.
    pub dead_band: f64,
    /// At which value the counter starts again at zero, if it wraps: 65536 for a 16-bit register.
    pub wraps_at: Option<u64>,
    /// Each step of the counter is an event.
    pub counts: Option<CounterEvent>,
    /// What the changes of a state mean.
    pub tells: Option<Arc<Tells>>,
}

impl PointProfile {
    /// The raw value that stands for a word; `None` also where its polarity is not proved yet.
    #[must_use]
    pub fn raw_of(&self, word: &str) -> Option<i64> {
        self.words.iter().find(|(_, known)| known == word).map(|(raw, _)| *raw)
    }
}

/// value = raw × multiply ÷ divide + add, rounded where the scale gives no exact decimals
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Numerator.
    pub multiply: f64,
    /// Denominator; never zero. `scale = "1/10"` keeps decimal values exact.
    pub divide: f64,
    /// Offset in the point's unit.
    pub add: f64,
    /// Decimal places to which the value is rounded; `None` where the scale gives exact decimals.
    pub round: Option<u8>,
}

impl Scale {
    /// No change.
    pub const NONE: Self = Self { multiply: 1.0, divide: 1.0, add: 0.0, round: None };

    /// The value for `raw`.
    #[must_use]
    pub fn apply(&self, raw: f64) -> f64 {
        let value = raw * self.multiply / self.divide + self.add;
        match self.round {
            None => value,
            Some(places) => {
                let power = 10_f64.powi(i32::from(places));
                let rounded = (value * power).round() / power;
                // Beyond 2^53 the multiplication may overflow or lose digits; such a value has no decimals anyway.
                if rounded.is_finite() { rounded } else { value }
            }
        }
    }
}

/// The event that each step of a counter stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct CounterEvent {
    /// What happened: `passage`.
    pub kind: String,
    /// Details: `direction = "in"`.
    pub fields: Vec<Field>,
}
