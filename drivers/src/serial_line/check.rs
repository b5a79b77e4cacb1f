//! Where the checksum of a frame is, over what it is taken, and how it is written.

use super::checksum::Checksum;

/// How a frame is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Check {
    /// The checksum.
    pub checksum: Checksum,
    /// Offset of the first byte that it covers.
    pub from: usize,
    /// How it stands in the frame.
    pub written: Written,
}

/// How a checksum is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Written {
    /// As bytes.
    #[default]
    Bytes,
    /// As two hexadecimal digits for each byte.
    Hex,
    /// The same, and what it covers is pairs of hexadecimal digits too, whose bytes count.
    HexOfHex,
}

/// The words of profiles.
pub(super) const WRITTEN: [(&str, Written); 3] =
    [("bytes", Written::Bytes), ("hex", Written::Hex), ("hex-of-hex", Written::HexOfHex)];

impl From<Checksum> for Check {
    fn from(checksum: Checksum) -> Self {
        Self { checksum, ..Self::default() }
    }
}

impl Check {
    /// How many bytes of the frame it takes.
    #[must_use]
    pub fn length(self) -> usize {
        match self.written {
            Written::Bytes => self.checksum.length(),
            Written::Hex | Written::HexOfHex => 2 * self.checksum.length(),
        }
    }

    /// Appends it to a frame that is complete but for it. False where there is nothing to take it over.
    pub fn append(self, frame: &mut Vec<u8>) -> bool {
        match self.of(frame) {
            Some(made) => {
                frame.extend_from_slice(&made);
                true
            }
            None => false,
        }
    }

    /// Whether a whole frame ends with the right one. Digits may be of either case.
    #[must_use]
    pub fn holds(self, frame: &[u8]) -> bool {
        let Some(length) = frame.len().checked_sub(self.length()) else { return false };
        let (covered, stands) = frame.split_at(length);
        self.of(covered).is_some_and(|made| match self.written {
            Written::Bytes => made == stands,
            Written::Hex | Written::HexOfHex => made.eq_ignore_ascii_case(stands),
        })
    }

    /// What belongs behind these bytes.
    fn of(self, frame: &[u8]) -> Option<Vec<u8>> {
        let covered = frame.get(self.from..)?;
        let mut covered = match self.written {
            Written::Bytes | Written::Hex => covered.to_vec(),
            Written::HexOfHex => from_hex(covered)?,
        };
        let before = covered.len();
        self.checksum.append(&mut covered);
        let made = covered.split_off(before);
        Some(match self.written {
            Written::Bytes => made,
            Written::Hex | Written::HexOfHex => {
                made.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect()
            }
        })
    }
}

/// The bytes that pairs of hexadecimal digits stand for.
pub(crate) fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits.chunks_exact(2).map(|pair| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_frames_hold() {
        let hex_xor = |from| Check { checksum: Checksum::Xor8, from, written: Written::Hex };
        // Yaohua XK3190-A12(E) manual, page 13: 4.139 kg
        assert!(hex_xor(0).holds(b"WG004.139kg3D"));
        assert!(hex_xor(0).holds(b"WG004.139kg3d"));
        assert!(!hex_xor(0).holds(b"WG004.138kg3D"));
        // RDM6300, https://forum.arduino.cc/t/251993: 02 "010063E9AE" "25" 03
        let tag = Check { checksum: Checksum::Xor8, from: 1, written: Written::HexOfHex };
        assert!(tag.holds(b"\x02010063E9AE25"));
        assert!(!tag.holds(b"\x02010063E9AF25"));
        assert!(!tag.holds(b"\x02010063E9A-25"), "what is no digit holds no checksum");
    }

    #[test]
    fn what_is_appended_holds() {
        for written in [Written::Bytes, Written::Hex, Written::HexOfHex] {
            for (_, checksum) in super::super::checksum::WORDS {
                let check = Check { checksum, from: 1, written };
                let mut frame = b"\x0212AB".to_vec();
                assert!(check.append(&mut frame));
                assert_eq!(frame.len(), 5 + check.length());
                assert!(check.holds(&frame), "{check:?}");
            }
        }
        let check = Check { from: 9, ..Checksum::Xor8.into() };
        assert!(!check.append(&mut vec![1, 2, 3]) && !check.holds(&[1, 2, 3]));
    }
}
