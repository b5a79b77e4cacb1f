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
    /// One byte: the two's complement of the sum, so that the sum of the whole frame is zero.
    NegSum8,
    /// Two bytes, high byte first: the sum.
    Sum16Be,
    /// One byte: CRC with polynomial 0x07 (CRC-8/SMBUS).
    Crc8,
    /// Two bytes, high byte first: CRC with polynomial 0x1021 that begins at 0 (CRC-16/XMODEM).
    Crc16Xmodem,
    /// Two bytes, high byte first: CRC with polynomial 0x1021 that begins at 0xFFFF (CRC-16/IBM-3740).
    Crc16CcittFalse,
}

/// The words of profiles.
pub(super) const WORDS: [(&str, Checksum); 11] = [
    ("none", Checksum::None),
    ("sum8", Checksum::Sum8),
    ("not-sum8", Checksum::NotSum8),
    ("xor8", Checksum::Xor8),
    ("crc16-modbus", Checksum::Crc16Modbus),
    ("sum16-le", Checksum::Sum16Le),
    ("neg-sum8", Checksum::NegSum8),
    ("sum16-be", Checksum::Sum16Be),
    ("crc8", Checksum::Crc8),
    ("crc16-xmodem", Checksum::Crc16Xmodem),
    ("crc16-ccitt-false", Checksum::Crc16CcittFalse),
];

impl Checksum {
    /// How many bytes it takes.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::None => 0,
            Self::Sum8 | Self::NotSum8 | Self::Xor8 | Self::NegSum8 | Self::Crc8 => 1,
            Self::Crc16Modbus | Self::Sum16Le | Self::Sum16Be | Self::Crc16Xmodem | Self::Crc16CcittFalse => 2,
        }
    }

    /// Appends the checksum of `frame` to it.
    pub fn append(self, frame: &mut Vec<u8>) {
        let sum = frame.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let wide_sum = frame.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
        match self {
            Self::None => {}
            Self::Sum8 => frame.push(sum),
            Self::NotSum8 => frame.push(!sum),
            Self::Xor8 => frame.push(frame.iter().fold(0, |xor, byte| xor ^ byte)),
            Self::Crc16Modbus => frame.put_u16_le(crc16_modbus(frame)),
            Self::Sum16Le => frame.put_u16_le(wide_sum),
            Self::NegSum8 => frame.push(sum.wrapping_neg()),
            Self::Sum16Be => frame.put_u16(wide_sum),
            Self::Crc8 => frame.push(crc8(frame)),
            Self::Crc16Xmodem => frame.put_u16(crc16_1021(frame, 0)),
            Self::Crc16CcittFalse => frame.put_u16(crc16_1021(frame, 0xFFFF)),
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

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        let shift = |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 0x07 };
        (0..8).fold(crc ^ byte, shift)
    })
}

fn crc16_1021(bytes: &[u8], first: u16) -> u16 {
    bytes.iter().fold(first, |crc, byte| {
        let shift = |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        (0..8).fold(crc ^ (u16::from(*byte) << 8), shift)
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
    fn the_catalogued_check_values_come_out() {
        // "123456789" in the catalogue of parametrised CRC algorithms, https://reveng.sourceforge.io/crc-catalogue/
        for (checksum, expected) in [
            (Checksum::Crc8, &[0xF4][..]),
            (Checksum::Crc16Modbus, &[0x37, 0x4B]),
            (Checksum::Crc16Xmodem, &[0x31, 0xC3]),
            (Checksum::Crc16CcittFalse, &[0x29, 0xB1]),
            (Checksum::NegSum8, &[0x23]),
            (Checksum::Sum16Be, &[0x01, 0xDD]),
        ] {
            let mut frame = b"123456789".to_vec();
            checksum.append(&mut frame);
            assert_eq!(&frame[9..], expected, "{checksum:?}");
        }
    }

    #[test]
    fn a_frame_shorter_than_its_checksum_is_wrong() {
        assert!(!Checksum::Crc16Modbus.holds(&[1]));
        assert!(Checksum::None.holds(&[]));
    }
}
