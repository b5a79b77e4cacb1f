//! Windows of states and texts: a list of different words, and columns with the words' numbers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::form::{MOST_WINDOWS, put_integers, take_integers};
use crate::telemetry::integers::{Malformed, put_part, put_varint, take_byte, take_length, take_part};
use crate::telemetry::rollup::words::{States, Texts, Word};

/// A damaged length must not ask for much memory. First and last texts of all minutes have room in it.
const WORD_BYTES: usize = 64 << 20;
/// Times in words of a day, at most.
const MOST_TIMES: usize = 1 << 24;
/// Words that are shorter together gain nothing from being compressed.
const FEW_LETTERS: usize = 200;

/// Different words in the order of their first use.
#[derive(Default)]
struct WordList {
    words: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, i64>,
}

impl WordList {
    /// The word's number; 0 stands for none.
    fn number_of(&mut self, word: &Word) -> i64 {
        let Some(word) = word else { return 0 };
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        self.words.push(Arc::clone(word));
        let number = self.words.len() as i64;
        self.numbers.insert(Arc::clone(word), number);
        number
    }

    fn put(&self, out: &mut Vec<u8>) {
        let mut text = Vec::new();
        self.words.iter().for_each(|word| put_part(&mut text, word.as_bytes()));
        let packed = (text.len() >= FEW_LETTERS).then(|| zstd::bulk::compress(&text, 3).ok()).flatten();
        let packed = packed.filter(|packed| packed.len() < text.len());
        put_varint(out, self.words.len() as u64);
        put_varint(out, text.len() as u64);
        out.push(u8::from(packed.is_some()));
        put_part(out, packed.as_ref().unwrap_or(&text));
    }
}

fn take_words(bytes: &mut &[u8]) -> Result<Vec<Arc<str>>, Malformed> {
    let count = take_length(bytes, WORD_BYTES)?;
    let length = take_length(bytes, WORD_BYTES)?;
    let is_packed = take_byte(bytes)? != 0;
    let part = take_part(bytes)?;
    let unpacked;
    let mut text = part;
    if is_packed {
        unpacked = zstd::bulk::decompress(part, length).map_err(|_| Malformed("compressed words do not open"))?;
        text = &unpacked;
    }
    (0..count).map(|_| take_word(&mut text)).collect()
}

/// A word with its length in front.
pub(super) fn take_word(bytes: &mut &[u8]) -> Result<Arc<str>, Malformed> {
    Ok(std::str::from_utf8(take_part(bytes)?).map_err(|_| Malformed("a word is not UTF-8"))?.into())
}

fn word_at(words: &[Arc<str>], number: i64) -> Result<Word, Malformed> {
    match usize::try_from(number).map_err(|_| Malformed("a word is missing"))? {
        0 => Ok(None),
        place => words.get(place - 1).cloned().map(Some).ok_or(Malformed("a word is missing")),
    }
}

/// The bytes of all different words of windows.
pub(super) fn bytes(windows: &[(i64, States)]) -> usize {
    let of_window = |(_, states): &'_ (i64, States)| {
        let States { first, last, spent, .. } = states;
        [first, last].into_iter().chain(spent.keys()).flatten().cloned().collect::<Vec<_>>()
    };
    windows.iter().flat_map(of_window).collect::<HashSet<_>>().iter().map(|word| word.len()).sum()
}

pub(super) fn encode_states(windows: &[(i64, States)]) -> Vec<u8> {
    let mut words = WordList::default();
    let mut columns: [Vec<i64>; 8] = Default::default();
    let (mut spent_words, mut spent_ms) = (Vec::new(), Vec::new());
    for (at, window) in windows {
        let row = [
            *at,
            window.count as i64,
            window.changes as i64,
            words.number_of(&window.first),
            words.number_of(&window.last),
            window.first_after_ms,
            window.last_after_ms,
            window.spent.len() as i64,
        ];
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        for (word, ms) in &window.spent {
            spent_words.push(words.number_of(word));
            spent_ms.push(*ms);
        }
    }
    let mut out = Vec::new();
    put_varint(&mut out, windows.len() as u64);
    words.put(&mut out);
    put_varint(&mut out, spent_ms.len() as u64);
    columns.into_iter().for_each(|column| put_integers(&mut out, column.into_iter()));
    put_integers(&mut out, spent_words.into_iter());
    put_integers(&mut out, spent_ms.into_iter());
    out
}

pub(super) fn decode_states(mut bytes: &[u8]) -> Result<Vec<(i64, States)>, Malformed> {
    let count = take_length(&mut bytes, MOST_WINDOWS)?;
    let words = take_words(&mut bytes)?;
    take_states(bytes, count, &words)
}

/// What follows the words.
pub(super) fn take_states(mut bytes: &[u8], count: usize, words: &[Arc<str>]) -> Result<Vec<(i64, States)>, Malformed> {
    let times = take_length(&mut bytes, MOST_TIMES)?;
    let columns = (0..8).map(|_| take_integers(&mut bytes, count)).collect::<Result<Vec<_>, _>>()?;
    let spent_words = take_integers(&mut bytes, times)?;
    let spent_ms = take_integers(&mut bytes, times)?;
    let mut spents = spent_words.into_iter().zip(spent_ms);
    let window = |at: usize| {
        let many = usize::try_from(columns[7][at]).map_err(|_| Malformed("times in words are missing"))?;
        let spent = spents.by_ref().take(many).map(|(number, ms)| Ok((word_at(words, number)?, ms)));
        let window = States {
            count: columns[1][at].unsigned_abs(),
            changes: columns[2][at].unsigned_abs(),
            first: word_at(words, columns[3][at])?,
            last: word_at(words, columns[4][at])?,
            first_after_ms: columns[5][at],
            last_after_ms: columns[6][at],
            spent: spent.collect::<Result<BTreeMap<_, _>, Malformed>>()?,
        };
        Ok((columns[0][at], window))
    };
    (0..count).map(window).collect()
}

pub(super) fn encode_texts(windows: &[(i64, Texts)]) -> Vec<u8> {
    let mut words = WordList::default();
    let mut columns: [Vec<i64>; 5] = Default::default();
    for (at, window) in windows {
        let (first, last) = (words.number_of(&window.first), words.number_of(&window.last));
        let row = [*at, window.count as i64, window.changes as i64, first, last];
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    let mut out = Vec::new();
    put_varint(&mut out, windows.len() as u64);
    words.put(&mut out);
    columns.into_iter().for_each(|column| put_integers(&mut out, column.into_iter()));
    out
}

pub(super) fn decode_texts(mut bytes: &[u8]) -> Result<Vec<(i64, Texts)>, Malformed> {
    // A state that was none may stand beside a text.
    let count = take_length(&mut bytes, 2 * MOST_WINDOWS)?;
    let words = take_words(&mut bytes)?;
    let columns = (0..5).map(|_| take_integers(&mut bytes, count)).collect::<Result<Vec<_>, _>>()?;
    let window = |at: usize| {
        let (first, last) = (word_at(&words, columns[3][at])?, word_at(&words, columns[4][at])?);
        let (count, changes) = (columns[1][at].unsigned_abs(), columns[2][at].unsigned_abs());
        Ok((columns[0][at], Texts { count, changes, first, last }))
    };
    (0..count).map(window).collect()
}
