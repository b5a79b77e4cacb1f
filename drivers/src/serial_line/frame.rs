//! Finding answers in a stream of bytes. Pure.

use bytes::{Buf, Bytes, BytesMut};
use kouan_settings::{Bilingual, Translate};

use super::check::Check;

/// What an answer looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameFormat {
    /// Its first bytes; may be empty.
    pub start: Vec<u8>,
    /// Where it ends.
    pub ending: Ending,
    /// How it is checked. With a delimiter, the checksum stands before the delimiter.
    pub checksum: Check,
    /// Where it says whose answer it is.
    pub unit_at: Option<UnitAt>,
}

/// Where an answer says whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitAt {
    /// Offset.
    pub at: usize,
    /// Only these bits, moved down to bit 0.
    pub mask: u8,
}

impl UnitAt {
    /// A whole byte.
    #[must_use]
    pub fn byte(at: usize) -> Self {
        Self { at, mask: 0xFF }
    }
}

/// A byte that every right answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    /// Offset.
    pub at: usize,
    /// Only these bits count.
    pub mask: u8,
    /// What they are.
    pub equals: u8,
}

/// Where an answer ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// After so many bytes, start and checksum included.
    Length(usize),
    /// After as many bytes as the frame says itself.
    Field(LengthField),
    /// With these bytes, at most `longest` bytes after the beginning.
    Delimiter {
        /// The last bytes.
        bytes: Vec<u8>,
        /// Longest answer, delimiter included.
        longest: usize,
    },
}

/// A number in the frame that says how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthField {
    /// Offset.
    pub at: usize,
    /// How many bytes it has, 1 or 2.
    pub width: usize,
    /// Whether the high byte stands first.
    pub big_endian: bool,
    /// How many bytes the frame has more than the number says, start, checksum and the number itself included.
    pub add: i64,
    /// Longest frame; a number that says more is none.
    pub longest: usize,
}

impl LengthField {
    /// The length of the frame that begins here. `None`: too short to tell; zero: no frame begins here.
    fn length(self, bytes: &[u8]) -> Option<usize> {
        let field = bytes.get(self.at..self.at + self.width)?;
        let push = |number: i64, byte: &u8| (number << 8) | i64::from(*byte);
        let said = if self.big_endian { field.iter().fold(0, push) } else { field.iter().rev().fold(0, push) };
        let length = usize::try_from(said + self.add).unwrap_or(0);
        Some(if length > self.longest || length < self.at + self.width { 0 } else { length })
    }

    /// Writes the number for a frame of that length; false where it does not fit.
    fn write(self, frame: &mut [u8], length: usize) -> bool {
        let said = length as i64 - self.add;
        let Some(field) = frame.get_mut(self.at..self.at + self.width) else { return false };
        if said < 0 || said >= 1 << (8 * self.width) || length > self.longest {
            return false;
        }
        for (at, byte) in field.iter_mut().enumerate() {
            let place = if self.big_endian { self.width - 1 - at } else { at };
            *byte = (said >> (8 * place)) as u8;
        }
        true
    }
}

/// Why bytes were thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// They begin like an answer, but the checksum is wrong.
    #[error("an answer has a wrong checksum")]
    BadChecksum,
    /// A right answer of somebody else.
    #[error("the answer came from unit {0}")]
    WrongUnit(u8),
    /// They are no answer.
    #[error("the bytes are no answer")]
    NotUnderstood,
}

impl Rejected {
    /// A code for a device's health.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::BadChecksum => "bad-checksum",
            Self::WrongUnit(_) => "wrong-unit",
            Self::NotUnderstood => "not-understood",
        }
    }
}

impl Translate for Rejected {
    fn translate(&self) -> Bilingual {
        let chinese = match self {
            Self::BadChecksum => "应答的校验错误".to_owned(),
            Self::WrongUnit(unit) => format!("应答来自地址 {unit}"),
            Self::NotUnderstood => "这些字节不是应答".to_owned(),
        };
        Bilingual::new(self.to_string(), chinese)
    }
}

/// Longest answer that any profile may ask for.
pub(crate) const LONGEST: usize = 1024;

/// Takes answers out of a stream, byte by byte where it must.
#[derive(Debug, Clone)]
pub struct FrameReader<'f> {
    format: &'f FrameFormat,
    unit: u8,
    fixed: Vec<Fixed>,
    rejected: Option<Rejected>,
}

enum Found {
    /// A whole frame of that many bytes begins here.
    Frame(usize),
    NeedMore,
    /// No frame begins here.
    Nothing,
}

impl FrameFormat {
    /// Whose frame it is, where it says so.
    #[must_use]
    pub fn unit_of(&self, frame: &[u8]) -> Option<u8> {
        let UnitAt { at, mask } = self.unit_at?;
        frame.get(at).map(|byte| (byte & mask) >> mask.trailing_zeros())
    }

    /// The bytes that end a frame, if it ends with such.
    #[must_use]
    pub fn delimiter(&self) -> &[u8] {
        match &self.ending {
            Ending::Delimiter { bytes, .. } => bytes,
            Ending::Length(_) | Ending::Field(_) => &[],
        }
    }

    /// What stands between start and checksum of a whole frame.
    #[must_use]
    pub fn payload<'b>(&self, frame: &'b [u8]) -> &'b [u8] {
        let end = frame.len().saturating_sub(self.delimiter().len() + self.checksum.length());
        frame.get(self.start.len()..end).unwrap_or_default()
    }

    /// How long the frame is that begins with the first of these bytes, and whether it is right; `None` where no whole
    /// one begins.
    pub(crate) fn begins(&self, bytes: &[u8]) -> Option<(usize, bool)> {
        let reader = FrameReader::new(self, 0);
        match reader.look(bytes) {
            Found::Frame(length) if bytes.starts_with(&self.start) => {
                let least = self.start.len() + self.checksum.length() + self.delimiter().len();
                (length >= least).then(|| (length, reader.is_right(&bytes[..length])))
            }
            _ => None,
        }
    }

    /// A whole frame around `payload`, in which a length of its own is still to be filled in. `None` where there is no
    /// such frame.
    #[must_use]
    pub fn wrap(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut frame = [&self.start[..], payload].concat();
        let length = frame.len() + self.checksum.length() + self.delimiter().len();
        let fits = match &self.ending {
            Ending::Length(expected) => length == *expected,
            Ending::Field(field) => field.write(&mut frame, length),
            Ending::Delimiter { bytes, longest } => {
                length <= *longest && !payload.windows(bytes.len()).any(|window| window == bytes)
            }
        };
        let checked = fits && self.checksum.append(&mut frame);
        frame.extend_from_slice(self.delimiter());
        checked.then_some(frame)
    }
}

impl<'f> FrameReader<'f> {
    /// A reader for answers of `unit`.
    #[must_use]
    pub fn new(format: &'f FrameFormat, unit: u8) -> Self {
        Self { format, unit, fixed: Vec::new(), rejected: None }
    }

    /// A reader that takes only answers with these bytes.
    #[must_use]
    pub fn expecting(format: &'f FrameFormat, unit: u8, fixed: Vec<Fixed>) -> Self {
        Self { format, unit, fixed, rejected: None }
    }

    /// The next answer. `None`: incomplete; what may still become one stays in `buffer`.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Option<Bytes> {
        loop {
            self.skip_to_start(buffer);
            if buffer.is_empty() {
                return None;
            }
            let rejected = match self.look(buffer) {
                Found::NeedMore => return None,
                Found::Nothing => Rejected::NotUnderstood,
                Found::Frame(length) if !self.is_right(&buffer[..length]) => Rejected::BadChecksum,
                Found::Frame(length) => match self.format.unit_of(&buffer[..length]) {
                    _ if !self.fits(&buffer[..length]) => {
                        buffer.advance(length);
                        self.rejected = self.rejected.or(Some(Rejected::NotUnderstood));
                        continue;
                    }
                    Some(unit) if unit != self.unit => {
                        buffer.advance(length);
                        self.rejected = Some(Rejected::WrongUnit(unit));
                        continue;
                    }
                    _ => return Some(buffer.split_to(length).freeze()),
                },
            };
            buffer.advance(1);
            // Whoever made a frame with a wrong checksum also made the junk that it leaves behind.
            if self.rejected.is_none() || rejected == Rejected::BadChecksum {
                self.rejected = Some(rejected);
            }
        }
    }

    /// The most telling reason why bytes were thrown away, if any were.
    #[must_use]
    pub fn rejected(&self) -> Option<Rejected> {
        self.rejected
    }

    /// What to do when the line has been silent for so long that nothing more belongs to what waits: the frames that lie
    /// behind a beginning that came to nothing.
    pub fn after_silence(&mut self, buffer: &mut BytesMut) -> Vec<Bytes> {
        let mut frames = Vec::new();
        while !buffer.is_empty() {
            buffer.advance(1);
            self.rejected = self.rejected.or(Some(Rejected::NotUnderstood));
            while let Some(frame) = self.next(buffer) {
                frames.push(frame);
            }
        }
        frames
    }

    /// Why bytes were thrown away since this was last asked.
    pub fn take_rejected(&mut self) -> Option<Rejected> {
        self.rejected.take()
    }

    fn fits(&self, frame: &[u8]) -> bool {
        self.fixed.iter().all(|fixed| frame.get(fixed.at).is_some_and(|byte| byte & fixed.mask == fixed.equals))
    }

    fn skip_to_start(&mut self, buffer: &mut BytesMut) {
        let start = &self.format.start;
        let may_begin = |at: usize| {
            let rest = &buffer[at..];
            let length = rest.len().min(start.len());
            rest[..length] == start[..length]
        };
        let begin = (0..buffer.len()).find(|at| may_begin(*at)).unwrap_or(buffer.len());
        if begin > 0 {
            buffer.advance(begin);
            self.rejected = self.rejected.or(Some(Rejected::NotUnderstood));
        }
    }

    fn look(&self, buffer: &[u8]) -> Found {
        match &self.format.ending {
            Ending::Length(length) if buffer.len() >= *length => Found::Frame(*length),
            Ending::Length(_) => Found::NeedMore,
            Ending::Field(field) => match field.length(buffer) {
                None => Found::NeedMore,
                Some(0) => Found::Nothing,
                Some(length) if buffer.len() >= length => Found::Frame(length),
                Some(_) => Found::NeedMore,
            },
            Ending::Delimiter { bytes, longest } => {
                let within = &buffer[..buffer.len().min(*longest)];
                let from = self.format.start.len().min(within.len());
                match within[from..].windows(bytes.len()).position(|window| window == bytes) {
                    Some(at) => Found::Frame(from + at + bytes.len()),
                    None if buffer.len() >= *longest => Found::Nothing,
                    None => Found::NeedMore,
                }
            }
        }
    }

    fn is_right(&self, frame: &[u8]) -> bool {
        self.format.checksum.holds(&frame[..frame.len() - self.format.delimiter().len()])
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Written;
    use super::super::checksum::Checksum;
    use super::*;
    use proptest::prelude::*;

    fn gate() -> FrameFormat {
        FrameFormat {
            start: vec![0x7F],
            ending: Ending::Length(18),
            checksum: Checksum::NotSum8.into(),
            unit_at: Some(UnitAt::byte(2)),
        }
    }

    fn line() -> FrameFormat {
        FrameFormat {
            start: vec![0x7E],
            ending: Ending::Delimiter { bytes: vec![0x0D], longest: 32 },
            checksum: Checksum::None.into(),
            unit_at: None,
        }
    }

    fn answer(unit: u8, body: [u8; 14]) -> Vec<u8> {
        let mut frame = vec![0x7F, 0x01, unit];
        frame.extend_from_slice(&body);
        Checksum::NotSum8.append(&mut frame);
        frame
    }

    fn all(format: &FrameFormat, unit: u8, pieces: &[&[u8]]) -> (Vec<Bytes>, Option<Rejected>) {
        let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
        let mut reader = FrameReader::new(format, unit);
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Some(frame) = reader.next(&mut buffer) {
                frames.push(frame);
            }
        }
        (frames, reader.rejected())
    }

    #[test]
    fn glued_answers_come_apart_and_half_ones_wait() {
        let (first, second) = (answer(1, [0; 14]), answer(1, [9; 14]));
        let glued = [first.clone(), second.clone()].concat();
        let (frames, rejected) = all(&gate(), 1, &[&glued[..25], &glued[25..]]);
        assert_eq!((frames, rejected), (vec![first.into(), second.into()], None));
    }

    #[test]
    fn what_is_wrong_is_named_and_the_next_answer_is_found() {
        let right = answer(1, [1; 14]);
        let mut damaged = right.clone();
        damaged[8] ^= 0x10;
        for (junk, reason) in [
            (damaged, Rejected::BadChecksum),
            (answer(2, [7; 14]), Rejected::WrongUnit(2)),
            (vec![1, 2, 3], Rejected::NotUnderstood),
        ] {
            let (frames, rejected) = all(&gate(), 1, &[&junk, &right]);
            assert_eq!((frames, rejected), (vec![right.clone().into()], Some(reason)));
        }
    }

    #[test]
    fn delimited_answers_end_at_their_delimiter() {
        let (frames, _) = all(&line(), 0, &[b"xx~ab\r~c", b"d\r"]);
        assert_eq!(frames, [Bytes::from_static(b"~ab\r"), Bytes::from_static(b"~cd\r")]);
        let (frames, rejected) = all(&line(), 0, &[&[0x7E; 40], b"a\r"]);
        assert!(frames.iter().all(|frame| frame.len() <= 32));
        assert_eq!(rejected, Some(Rejected::NotUnderstood));
    }

    fn counted() -> FrameFormat {
        let field = LengthField { at: 1, width: 2, big_endian: false, add: 4, longest: 64 };
        let checksum = Check { checksum: Checksum::Crc16Xmodem, from: 1, written: Written::Bytes };
        FrameFormat { start: vec![0xA5], ending: Ending::Field(field), checksum, unit_at: None }
    }

    #[test]
    fn a_frame_may_say_its_own_length() {
        let frame = counted().wrap(&[0, 0, 9, 8, 7]).unwrap();
        assert_eq!(frame[..6], [0xA5, 4, 0, 9, 8, 7]);
        let (frames, rejected) = all(&counted(), 0, &[&frame[..2], &frame[2..]]);
        assert_eq!((frames, rejected), (vec![Bytes::from(frame)], None));
        assert_eq!(counted().wrap(&[0; 100]), None, "longer than any frame");
        assert_eq!(line().wrap(b"a\rb"), None, "the delimiter stands in it");
    }

    #[test]
    fn a_beginning_that_comes_to_nothing_hides_no_frame() {
        let right = counted().wrap(&[0, 0, 1]).unwrap();
        // It promises 44 bytes, and the line falls silent.
        let mut buffer = BytesMut::from(&[&[0xA5, 40, 0, 1][..], &right].concat()[..]);
        let format = counted();
        let mut reader = FrameReader::new(&format, 0);
        assert_eq!(reader.next(&mut buffer), None);
        assert_eq!(reader.after_silence(&mut buffer), [Bytes::from(right)]);
        assert_eq!((buffer.len(), reader.take_rejected()), (0, Some(Rejected::NotUnderstood)));
    }

    proptest! {
        #[test]
        fn what_is_wrapped_is_found(payload in proptest::collection::vec(0x20_u8..0x7F, 0..24), at in 0_usize..40) {
            for format in [line(), counted()] {
                let Some(frame) = format.wrap(&payload) else { continue };
                let at = at.min(frame.len());
                let (frames, _) = all(&format, 0, &[&frame[..at], &frame[at..]]);
                prop_assert_eq!(frames, vec![Bytes::from(frame)]);
            }
        }

        #[test]
        fn any_bytes_in_any_pieces_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..300) {
            let at = at.min(bytes.len());
            for format in [gate(), line(), counted()] {
                let whole = all(&format, 1, &[&bytes]);
                let pieces = all(&format, 1, &[&bytes[..at], &bytes[at..]]);
                prop_assert_eq!(whole.0, pieces.0);
            }
        }

        #[test]
        fn an_answer_is_found_after_junk(junk in proptest::collection::vec(any::<u8>(), 0..40), body: [u8; 14]) {
            let right = answer(1, body);
            let (frames, rejected) = all(&gate(), 1, &[&junk, &right]);
            // Junk may by chance be the beginning of a frame with a right checksum, also of another unit; it then takes
            // bytes of this one.
            let of_another = rejected.is_some_and(|rejected| rejected.reason() == "wrong-unit");
            let by_chance = of_another || frames.iter().any(|frame| frame[..] != right[..]);
            prop_assert!(by_chance || frames == [Bytes::from(right)]);
        }
    }
}
