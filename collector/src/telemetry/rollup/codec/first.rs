//! The first version of the columns. It had numbers or words in a column, whichever had more windows; sums of numbers
//! were rounded to the decimals of the extremes; counters were numbers, and texts were states.

use kouan_protocol::PointKind;

use super::form::{Form, MOST_WINDOWS, take_integers};
use super::numbers::take_fields;
use super::words::{take_states, take_word};
use crate::telemetry::integers::{Malformed, take_byte, take_length};
use crate::telemetry::rollup::numbers::{Figures, Numbers, Total};
use crate::telemetry::rollup::window::Sums;

const NOTHING: u8 = 0;
const SCALED: u8 = 1;
const DOUBLES: u8 = 2;
const WORDS: u8 = 3;

pub(super) fn decode(mut part: &[u8], kind: PointKind) -> Result<Sums, Malformed> {
    let mut sums = Sums::default();
    match take_byte(&mut part)? {
        NOTHING => {}
        SCALED => {
            let form = Form::take(&mut part)?;
            sums.figures = decode_numbers(part, form)?;
        }
        DOUBLES => sums.figures = decode_numbers(part, Form::Bits)?,
        WORDS => {
            let count = take_length(&mut part, MOST_WINDOWS)?;
            let most = part.len();
            let many = take_length(&mut part, most)?;
            let words = (0..many).map(|_| take_word(&mut part)).collect::<Result<Vec<_>, _>>()?;
            let states = take_states(part, count, &words)?;
            match kind {
                PointKind::Text => {
                    sums.texts = states.into_iter().map(|(at, states)| (at, states.into())).collect();
                }
                _ => sums.states = states,
            }
        }
        _ => return Err(Malformed("windows have an unknown encoding")),
    }
    Ok(sums)
}

fn decode_numbers(mut bytes: &[u8], form: Form) -> Result<Vec<(i64, Figures)>, Malformed> {
    let count = take_length(&mut bytes, MOST_WINDOWS)?;
    let starts = take_integers(&mut bytes, count)?;
    let counts = take_integers(&mut bytes, count)?;
    let fields = take_fields(&mut bytes, count)?;
    let form_of_sums = if take_byte(&mut bytes)? == 1 { form } else { Form::Bits };
    let sums = take_integers(&mut bytes, count)?;
    let window = |at: usize| {
        let [min, max, first, last] = [0, 1, 2, 3].map(|field: usize| form.number(fields[field][at]));
        let total = Total::of(form_of_sums.number(sums[at]));
        (starts[at], Figures::Numbers(Numbers { count: counts[at].unsigned_abs(), min, max, total, first, last }))
    };
    Ok((0..count).map(window).collect())
}
