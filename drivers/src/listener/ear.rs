//! Frames out of a stream that begins anywhere, pauses in the middle, and carries junk. Pure: time is an argument.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::time::Instant;

use crate::serial_line::{Ending, FrameFormat, FrameReader, Rejected};

/// What came of some bytes, or of silence.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Whole frames.
    pub frames: Vec<Bytes>,
    /// Why bytes were thrown away, if any were.
    pub rejected: Option<Rejected>,
}

/// Takes frames out of what arrives.
#[derive(Debug)]
pub struct Ear {
    format: FrameFormat,
    /// After so much silence nothing more belongs to what waits.
    pause: Duration,
    buffer: BytesMut,
    /// Since when nothing came.
    quiet_since: Instant,
    /// The first bytes may be the end of a frame that nobody could tell from a whole one: they are dropped until the
    /// line pauses or a frame ends.
    joining: bool,
}

impl Ear {
    /// An ear on a line that was opened at `now`.
    #[must_use]
    pub fn new(mut format: FrameFormat, pause: Duration, now: Instant) -> Self {
        // Whose frame it is decides who listens, not whether it is one.
        format.unit_at = None;
        let delimited = matches!(format.ending, Ending::Delimiter { .. });
        let joining = delimited && format.start.is_empty() && format.checksum.length() == 0;
        Self { format, pause, buffer: BytesMut::new(), quiet_since: now, joining }
    }

    /// Bytes arrived.
    pub fn hear(&mut self, bytes: &[u8], now: Instant) -> Heard {
        let mut heard = self.silence(now);
        self.quiet_since = now;
        self.buffer.extend_from_slice(bytes);
        if self.joining && !self.join() {
            return heard;
        }
        let mut reader = FrameReader::new(&self.format, 0);
        while let Some(frame) = reader.next(&mut self.buffer) {
            heard.frames.push(frame);
        }
        heard.rejected = reader.take_rejected().or(heard.rejected);
        heard
    }

    /// What came and is no whole frame yet.
    #[must_use]
    pub fn waiting(&self) -> &[u8] {
        &self.buffer
    }

    /// Whether what comes next may be the end of a frame whose beginning nobody heard.
    #[must_use]
    pub fn is_joining(&self) -> bool {
        self.joining
    }

    /// When [`Ear::silence`] must be called if nothing comes.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        (!self.buffer.is_empty() || self.joining).then(|| self.quiet_since + self.pause)
    }

    /// Nothing came until `now`.
    pub fn silence(&mut self, now: Instant) -> Heard {
        if now.saturating_duration_since(self.quiet_since) < self.pause {
            return Heard::default();
        }
        if std::mem::take(&mut self.joining) {
            self.buffer.clear();
        }
        let mut reader = FrameReader::new(&self.format, 0);
        let frames = reader.after_silence(&mut self.buffer);
        Heard { frames, rejected: reader.take_rejected() }
    }

    /// Drops what came before the end of the frame that was under way. True once that was seen.
    fn join(&mut self) -> bool {
        let delimiter = self.format.delimiter();
        match self.buffer.windows(delimiter.len()).position(|window| window == delimiter) {
            Some(at) => {
                self.buffer.advance(at + delimiter.len());
                self.joining = false;
            }
            None => {
                // A delimiter may lie across two pieces.
                let keep = self.buffer.len().min(delimiter.len() - 1);
                self.buffer.advance(self.buffer.len() - keep);
            }
        }
        !self.joining
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serial_line::{Check, Checksum, LengthField};
    use proptest::prelude::*;

    const PAUSE: Duration = Duration::from_millis(100);

    fn lines() -> FrameFormat {
        let ending = Ending::Delimiter { bytes: b"\r\n".to_vec(), longest: 64 };
        FrameFormat { start: Vec::new(), ending, checksum: Check::default(), unit_at: None }
    }

    fn counted() -> FrameFormat {
        let field = LengthField { at: 1, width: 1, big_endian: true, add: 3, longest: 64 };
        FrameFormat { start: vec![0xA5], ending: Ending::Field(field), checksum: Checksum::Xor8.into(), unit_at: None }
    }

    fn frames(heard: Heard) -> Vec<Bytes> {
        heard.frames
    }

    #[test]
    fn the_end_of_a_line_that_began_before_is_no_line() {
        let start = Instant::now();
        let mut ear = Ear::new(lines(), PAUSE, start);
        assert!(frames(ear.hear(b"567\r", start)).is_empty());
        assert_eq!(frames(ear.hear(b"\nABC\r\n", start)), [Bytes::from_static(b"ABC\r\n")]);
        // After a pause the first bytes are a beginning.
        let mut ear = Ear::new(lines(), PAUSE, start);
        assert_eq!(frames(ear.hear(b"ABC\r\n", start + PAUSE)), [Bytes::from_static(b"ABC\r\n")]);
    }

    #[test]
    fn half_a_line_is_not_the_beginning_of_the_next() {
        let start = Instant::now();
        let mut ear = Ear::new(lines(), PAUSE, start - PAUSE);
        assert!(frames(ear.hear(b"1234", start)).is_empty());
        assert_eq!(ear.due(), Some(start + PAUSE));
        let heard = ear.silence(start + PAUSE);
        assert_eq!((heard.frames.len(), heard.rejected), (0, Some(Rejected::NotUnderstood)));
        assert_eq!(frames(ear.hear(b"5678\r\n", start + PAUSE * 2)), [Bytes::from_static(b"5678\r\n")]);
        assert_eq!(ear.due(), None);
    }

    #[test]
    fn a_false_beginning_costs_a_pause_and_no_frame() {
        let start = Instant::now();
        let right = counted().wrap(&[0, 7, 7]).unwrap();
        let mut ear = Ear::new(counted(), PAUSE, start);
        assert!(frames(ear.hear(&[&[0xA5, 50][..], &right].concat(), start)).is_empty());
        assert_eq!(frames(ear.silence(start + PAUSE)), [Bytes::from(right)]);
    }

    proptest! {
        #[test]
        fn the_buffer_is_bounded_whatever_comes(pieces in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..200), 0_u64..150), 0..30)) {
            let start = Instant::now();
            for format in [lines(), counted()] {
                let mut ear = Ear::new(format, PAUSE, start);
                let mut now = start;
                for (piece, wait) in &pieces {
                    now += Duration::from_millis(*wait);
                    ear.hear(piece, now);
                    prop_assert!(ear.buffer.len() <= 64 + 200, "{}", ear.buffer.len());
                }
                ear.silence(now + PAUSE);
                prop_assert!(ear.buffer.is_empty());
            }
        }

        #[test]
        fn a_frame_is_found_after_junk_and_a_pause(junk in proptest::collection::vec(any::<u8>(), 0..60), body in "[ -~]{0,20}") {
            let start = Instant::now();
            for format in [lines(), counted()] {
                let Some(right) = format.wrap(&[&[0, 0], body.as_bytes()].concat()) else { continue };
                let mut ear = Ear::new(format, PAUSE, start);
                ear.hear(&junk, start);
                ear.silence(start + PAUSE);
                let found = ear.hear(&right, start + PAUSE).frames;
                prop_assert_eq!(found, vec![Bytes::from(right)]);
            }
        }
    }
}
