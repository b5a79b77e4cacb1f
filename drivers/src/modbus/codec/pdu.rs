//! Requests and answers without their envelope.

use std::fmt;

use bytes::{BufMut as _, BytesMut};
use kouan_settings::{Bilingual, Translate};

use super::error::FrameError;

/// A function that reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReadFunction {
    /// 1: outputs of one bit.
    Coils,
    /// 2: inputs of one bit.
    DiscreteInputs,
    /// 3: registers that may be written.
    HoldingRegisters,
    /// 4: registers that may only be read.
    InputRegisters,
}

impl ReadFunction {
    /// The function code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Coils => 1,
            Self::DiscreteInputs => 2,
            Self::HoldingRegisters => 3,
            Self::InputRegisters => 4,
        }
    }

    /// The function with that code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Coils, Self::DiscreteInputs, Self::HoldingRegisters, Self::InputRegisters]
            .into_iter()
            .find(|function| function.code() == code)
    }

    /// Whether it reads bits rather than registers.
    #[must_use]
    pub fn is_bits(self) -> bool {
        matches!(self, Self::Coils | Self::DiscreteInputs)
    }

    /// The most that one request may ask for: 2000 bits or 125 registers.
    #[must_use]
    pub fn limit(self) -> u16 {
        if self.is_bits() { 2000 } else { 125 }
    }

    fn byte_count(self, count: u16) -> usize {
        let count = usize::from(count);
        if self.is_bits() { count.div_ceil(8) } else { count * 2 }
    }
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Functions 1 to 4.
    Read {
        /// Which table.
        function: ReadFunction,
        /// First address, from 0.
        address: u16,
        /// How many bits or registers.
        count: u16,
    },
    /// Function 5. The standard knows 0xFF00 (on) and 0x0000 (off); some boards give other values a meaning.
    WriteCoil {
        /// Address, from 0.
        address: u16,
        /// As it is sent.
        value: u16,
    },
    /// Function 6.
    WriteRegister {
        /// Address, from 0.
        address: u16,
        /// The value.
        value: u16,
    },
    /// Function 15.
    WriteCoils {
        /// First address, from 0.
        address: u16,
        /// The values, at most 1968.
        values: Vec<bool>,
    },
    /// Function 16.
    WriteRegisters {
        /// First address, from 0.
        address: u16,
        /// The values, at most 123.
        values: Vec<u16>,
    },
    /// A function of the maker's own without data, which is answered with itself: 0x42 of an energy meter.
    Bare {
        /// The function code, 65 to 72 or 100 to 110.
        function: u8,
    },
}

/// What a device answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The bits, as many as were asked for.
    Bits(Vec<bool>),
    /// The registers, as many as were asked for.
    Registers(Vec<u16>),
    /// The write was accepted.
    Written,
    /// The request was refused.
    Refused(Exception),
}

/// Why a device refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception(pub u8);

impl Exception {
    /// The device does not know the function.
    pub const ILLEGAL_FUNCTION: Self = Self(1);
    /// The device has no such address.
    pub const ILLEGAL_ADDRESS: Self = Self(2);
    /// The device does not accept the value, or not so many addresses at once.
    pub const ILLEGAL_VALUE: Self = Self(3);
    /// The device tried and failed.
    pub const DEVICE_FAILURE: Self = Self(4);
    /// A gateway got no answer from the device behind it.
    pub const NO_ANSWER_BEHIND_GATEWAY: Self = Self(0x0B);

    /// Whether a gateway says so on behalf of a device that did not answer it.
    #[must_use]
    pub fn is_from_gateway(self) -> bool {
        matches!(self.0, 0x0A | 0x0B)
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            1 => "illegal function",
            2 => "illegal address",
            3 => "illegal value",
            4 => "device failure",
            5 => "accepted, still working on it",
            6 => "device busy",
            8 => "memory parity error",
            0x0A => "gateway has no path",
            0x0B => "gateway got no answer from the device",
            _ => "not in the standard",
        };
        write!(f, "exception {} ({words})", self.0)
    }
}

impl Translate for Exception {
    fn translate(&self) -> Bilingual {
        let words = match self.0 {
            1 => "不支持的功能",
            2 => "没有这个地址",
            3 => "不允许的值",
            4 => "设备故障",
            5 => "已接受，仍在处理",
            6 => "设备正忙",
            8 => "存储器奇偶校验错误",
            0x0A => "网关没有可用路径",
            0x0B => "网关没有收到设备的应答",
            _ => "标准中没有",
        };
        Bilingual::new(self.to_string(), format!("异常 {}（{words}）", self.0))
    }
}

impl Request {
    /// The function code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Read { function, .. } => function.code(),
            Self::WriteCoil { .. } => 5,
            Self::WriteRegister { .. } => 6,
            Self::WriteCoils { .. } => 15,
            Self::WriteRegisters { .. } => 16,
            Self::Bare { function } => *function,
        }
    }

    /// Whether it only reads.
    #[must_use]
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Read { .. })
    }

    /// Appends function code and data.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.code());
        match self {
            Self::Read { address, count, .. } => {
                out.put_u16(*address);
                out.put_u16(*count);
            }
            Self::WriteCoil { address, value } | Self::WriteRegister { address, value } => {
                out.put_u16(*address);
                out.put_u16(*value);
            }
            Self::WriteCoils { address, values } => {
                out.put_u16(*address);
                out.put_u16(values.len() as u16);
                out.put_u8(values.len().div_ceil(8) as u8);
                out.put_slice(&pack(values));
            }
            Self::WriteRegisters { address, values } => {
                out.put_u16(*address);
                out.put_u16(values.len() as u16);
                out.put_u8((values.len() * 2) as u8);
                values.iter().for_each(|value| out.put_u16(*value));
            }
            Self::Bare { .. } => {}
        }
    }

    /// Length of the answer's function code and data if the device accepts.
    #[must_use]
    pub fn answer_length(&self) -> usize {
        match self {
            Self::Read { function, count, .. } => 2 + function.byte_count(*count),
            Self::Bare { .. } => 1,
            _ => 5,
        }
    }

    /// Reads an answer: function code and data, whole.
    ///
    /// # Errors
    /// When it is not an answer to this request.
    pub fn read_answer(&self, pdu: &[u8]) -> Result<Answer, FrameError> {
        let [code, data @ ..] = pdu else { return Err(FrameError::WrongContent) };
        if *code == self.code() | 0x80 {
            return match data {
                [exception] => Ok(Answer::Refused(Exception(*exception))),
                _ => Err(FrameError::WrongContent),
            };
        }
        if *code != self.code() {
            return Err(FrameError::WrongFunction { expected: self.code(), got: *code });
        }
        if pdu.len() != self.answer_length() {
            return Err(FrameError::WrongContent);
        }
        match self {
            Self::Read { function, count, .. } => {
                let [bytes, data @ ..] = data else { return Err(FrameError::WrongContent) };
                if usize::from(*bytes) != data.len() {
                    return Err(FrameError::WrongContent);
                }
                Ok(if function.is_bits() {
                    Answer::Bits(unpack(data, usize::from(*count)))
                } else {
                    Answer::Registers(registers(data))
                })
            }
            _ => {
                // A write is answered with its own first five bytes: address, and value or count.
                let mut own = BytesMut::new();
                self.encode(&mut own);
                if own.starts_with(pdu) { Ok(Answer::Written) } else { Err(FrameError::WrongContent) }
            }
        }
    }
}

/// Bits as bytes, first bit lowest.
#[must_use]
pub fn pack(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | u8::from(*bit) << at);
    bits.chunks(8).map(byte).collect()
}

/// The first `count` bits of `bytes`.
#[must_use]
pub fn unpack(bytes: &[u8], count: usize) -> Vec<bool> {
    (0..count.min(bytes.len() * 8)).map(|at| bytes[at / 8] >> (at % 8) & 1 == 1).collect()
}

/// Registers of big-endian bytes.
#[must_use]
pub fn registers(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}
