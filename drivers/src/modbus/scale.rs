//! A scale that the device itself says, in another register.

use kouan_protocol::QualityReason;
use kouan_settings::{Section, both};

use super::codec::ReadFunction;
use super::planner::Span;
use crate::driver::RawValue;

/// Most values that a table of scales may have.
const MOST: usize = 4;

/// `scale_by = { register = 2, values = { 0 = 0.1, 1 = 0.3048 } }`, or `{ register = 5, power_of = 10 }`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaleBy {
    /// The register that says it: 16 bits, signed.
    pub span: Span,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    /// That number to the power of the register.
    PowerOf(i32),
    /// The factor for each value; anything else is no scale.
    Values([Option<(i64, f64)>; MOST]),
}

impl Eq for ScaleBy {}

impl ScaleBy {
    /// What `raw` says when the scale's register holds `scale`.
    ///
    /// # Errors
    /// When the register says no scale that the profile knows.
    pub fn apply(&self, raw: RawValue, scale: u16) -> Result<RawValue, QualityReason> {
        let said = i64::from(scale as i16);
        let factor = match self.how {
            // An exponent beyond this is no scale of anything that is measured.
            How::PowerOf(base) if said.abs() <= 20 => f64::from(base).powi(said as i32),
            How::PowerOf(_) => return Err(QualityReason::NotUnderstood),
            How::Values(values) => {
                let known = values.iter().flatten().find(|(value, _)| *value == said);
                known.ok_or(QualityReason::NotUnderstood)?.1
            }
        };
        match raw {
            RawValue::Integer(raw) => Ok(RawValue::Number(raw as f64 * factor)),
            RawValue::Number(raw) => Ok(RawValue::Number(raw * factor)),
            RawValue::Text(_) => Err(QualityReason::NotUnderstood),
        }
    }
}

pub(super) fn read_scale_by(point: &mut Section<'_>, function: ReadFunction) -> Option<ScaleBy> {
    let mut table = point.section("scale_by")?;
    table.require(
        "register",
        ("the register that says the scale, such as register = 2", "给出比例的寄存器，如 register = 2"),
    );
    let address = table.integer("register", 0..=65_535);
    let power = table.integer("power_of", 2..=10);
    let mut values = [None; MOST];
    let mut count = 0;
    if let Some(mut list) = table.section("values") {
        for key in list.remaining_keys() {
            let factor = list.number(&key);
            match key.parse::<i64>() {
                Ok(_) if count == MOST => list.wrong(&key, both!("at most {MOST} values", "最多 {MOST} 个值")),
                Ok(value) => {
                    values[count] = factor.map(|factor| (value, factor));
                    count += 1;
                }
                Err(_) => list.wrong(&key, ("the key must be what the register says", "键应当是寄存器的值")),
            }
        }
    }
    let how = match (power, count) {
        (Some(base), 0) => How::PowerOf(base as i32),
        (None, 1..) => How::Values(values),
        _ => {
            table.wrong(
                "values",
                (
                    "write either power_of = 10, or the factor for each value of the register",
                    "写 power_of = 10，或写出寄存器每个值的系数",
                ),
            );
            return None;
        }
    };
    let address = address?.unsigned_abs() as u16;
    Some(ScaleBy { span: Span { function, address, width: 1 }, how })
}
