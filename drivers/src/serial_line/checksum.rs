//! The checksums of serial frames.

use bytes::BufMut;

/// How the last bytes of a frame are made from those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksum {
    /// There is none.
    #[default]
    None,
    /// One byte: the sum.
    Sum8,
    /// One byte: the sum with all bits inverted, so that the sum of the whole frame and one more is zero.
    NotSum8,
    /// One byte: exclusive or.
    Xor8,
    /// Two bytes, low byte first: the CRC of Modbus RTU (Modbus over Serial Line V1.02, 6.2.2).
    Crc16Modbus,
    /// Two bytes, low byte first: the sum.
    Sum16Le,
}

/// The words of profiles.
pub(super) const WORDS: [(&str, Checksum); 6] = [
    ("none", Checksum::None),
    ("sum8", Checksum::Sum8),
    ("not-sum8", Checksum::NotSum8),
    ("xor8", Checksum::Xor8),
    ("crc16-modbus", Checksum::Crc16Modbus),
    ("sum16-le", Checksum::Sum16Le),
];

impl Checksum {
    /// How many bytes it takes.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::None => 0,
            Self::Sum8 | Self::NotSum8 | Self::Xor8 => 1,
            Self::Crc16Modbus | Self::Sum16Le => 2,
        }
    }

    /// Appends the checksum of `frame` to it.
    pub fn append(self, frame: &mut Vec<u8>) {
        let sum = frame.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        match self {
            Self::None => {}
            Self::Sum8 => frame.push(sum),
            Self::NotSum8 => frame.push(!sum),
            Self::Xor8 => frame.push(frame.iter().fold(0, |xor, byte| xor ^ byte)),
            Self::Crc16Modbus => frame.put_u16_le(crc16_modbus(frame)),
            Self::Sum16Le => frame.put_u16_le(frame.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)))),
        }
    }

    /// Whether a whole frame ends with the right checksum.
    #[must_use]
    pub fn holds(self, frame: &[u8]) -> bool {
        let Some(length) = frame.len().checked_sub(self.length()) else { return false };
        let mut made = frame[..length].to_vec();
        self.append(&mut made);
        made == frame
    }
}

fn crc16_modbus(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        let shift = |crc: u16, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
        (0..8).fold(crc ^ u16::from(*byte), shift)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_frames_have_their_checksums() {
        for (checksum, frame) in [
            // DS205A status request, https://github.com/dumacp/ds205a
            (Checksum::NotSum8, &[0x7E, 0x00, 0x01, 0x10, 0x00, 0x00, 0x00, 0x70][..]),
            // Mach-Power AC-ATRI-018, pages 12 and 13: left, right, forbid, restore
            (Checksum::Xor8, &[0xEB, 0x01, 0x40, 0x00, 0xAA]),
            (Checksum::Xor8, &[0xEB, 0x01, 0x41, 0x00, 0xAB]),
            (Checksum::Xor8, &[0xEB, 0x01, 0x4A, 0x00, 0xA0]),
            (Checksum::Xor8, &[0xEB, 0x01, 0x4B, 0x00, 0xA1]),
            // XY-MD02 read
            (Checksum::Crc16Modbus, &[0x01, 0x04, 0x00, 0x01, 0x00, 0x02, 0x20, 0x0B]),
            // KERONG CU16 status request
            (Checksum::Sum8, &[0x02, 0x00, 0x30, 0x03, 0x35]),
        ] {
            assert!(checksum.holds(frame), "{checksum:?} {frame:02X?}");
            let mut wrong = frame.to_vec();
            wrong[1] ^= 0x01;
            assert!(!checksum.holds(&wrong), "{checksum:?} {frame:02X?}");
        }
    }

    #[test]
    fn a_frame_shorter_than_its_checksum_is_wrong() {
        assert!(!Checksum::Crc16Modbus.holds(&[1]));
        assert!(Checksum::None.holds(&[]));
    }
}
