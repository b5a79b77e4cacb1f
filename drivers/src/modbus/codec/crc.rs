//! The checksum of an RTU frame.

/// CRC-16/MODBUS: polynomial 0xA001 reflected, start 0xFFFF. It is sent low byte first.
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 })
    })
}

/// Whether `frame` ends with its own checksum.
#[must_use]
pub fn is_sealed(frame: &[u8]) -> bool {
    frame.len() > 2 && {
        let (body, seal) = frame.split_at(frame.len() - 2);
        crc16(body).to_le_bytes() == seal
    }
}
