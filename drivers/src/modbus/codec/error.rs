//! What can be wrong with an answer.

use kouan_settings::{Bilingual, Translate, both};

/// An answer that is not the one that was asked for. It is never data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The frame is damaged.
    #[error("the checksum is wrong")]
    BadChecksum,
    /// Somebody else answered, or a gateway mixed up its devices.
    #[error("unit {got} answered instead of unit {expected}")]
    WrongUnit {
        /// Who was asked.
        expected: u8,
        /// Who answered.
        got: u8,
    },
    /// An answer to another request.
    #[error("the answer is for function {got}, not {expected}")]
    WrongFunction {
        /// What was asked.
        expected: u8,
        /// What was answered.
        got: u8,
    },
    /// An answer that does not fit the request.
    #[error("the answer does not fit the request")]
    WrongContent,
    /// An answer to an earlier request on the same connection.
    #[error("the answer belongs to transaction {got}, not {expected}")]
    WrongTransaction {
        /// The transaction that was begun.
        expected: u16,
        /// The one that was answered.
        got: u16,
    },
    /// The header is none.
    #[error("this is not Modbus TCP: protocol {protocol}, length {length}")]
    NotModbus {
        /// Protocol id; Modbus is 0.
        protocol: u16,
        /// Length; a frame has 2 to 254 bytes after it.
        length: u16,
    },
}

impl FrameError {
    /// The code that health carries.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadChecksum => "bad-checksum",
            Self::WrongUnit { .. } => "wrong-unit",
            Self::WrongTransaction { .. } => "late-answer",
            Self::WrongFunction { .. } | Self::WrongContent | Self::NotModbus { .. } => "not-understood",
        }
    }
}

impl Translate for FrameError {
    fn translate(&self) -> Bilingual {
        match self {
            Self::BadChecksum => both!("the checksum is wrong", "校验错误"),
            Self::WrongUnit { expected, got } => {
                both!("unit {got} answered instead of unit {expected}", "应答的是地址 {got}，不是地址 {expected}")
            }
            Self::WrongFunction { expected, got } => {
                both!("the answer is for function {got}, not {expected}", "应答对应的是功能 {got}，不是 {expected}")
            }
            Self::WrongContent => both!("the answer does not fit the request", "应答与请求不符"),
            Self::WrongTransaction { expected, got } => {
                both!("the answer belongs to transaction {got}, not {expected}", "应答属于事务 {got}，不是 {expected}")
            }
            Self::NotModbus { protocol, length } => both!(
                "this is not Modbus TCP: protocol {protocol}, length {length}",
                "这不是 Modbus TCP：协议号 {protocol}，长度 {length}"
            ),
        }
    }
}
