//! Sequence numbers and secure channel of one device, as the control side sees them.

use kouan_settings::{Bilingual, Translate};

use super::codec::{Check, Packet, SecurityBlock, command, reply};
use super::secure::{Block, Key, Secure};

/// What goes on between the control side and one device.
#[derive(Debug)]
pub(super) struct Channel {
    address: u8,
    check: Check,
    sequence: u8,
    secure: Option<Secure>,
    online: bool,
}

/// A command that is ready to be sent, and what its reply must be like.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    pub(super) address: u8,
    pub(super) sequence: u8,
}

/// What a device said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u8,
    pub(super) data: Vec<u8>,
}

/// A reply that the secure channel does not allow, or that ends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChannelError {
    /// Its message code is wrong.
    #[error("the secure channel broke: a reply has a wrong message code")]
    WrongMac,
    /// It came without protection.
    #[error("the secure channel broke: a reply came without protection (code {0:02X})")]
    Unprotected(u8),
    /// The device has another key.
    #[error("the device does not have this key")]
    WrongKey,
    /// It does not answer as the standard says.
    #[error("the secure channel cannot be made: the device answered {0:02X}")]
    Unexpected(u8),
}

impl Translate for ChannelError {
    fn translate(&self) -> Bilingual {
        let chinese = match self {
            Self::WrongMac => "安全通道中断：应答的报文校验码错误".to_owned(),
            Self::Unprotected(code) => format!("安全通道中断：收到未加保护的应答（代码 {code:02X}）"),
            Self::WrongKey => "设备使用的不是这个密钥".to_owned(),
            Self::Unexpected(code) => format!("无法建立安全通道：设备应答 {code:02X}"),
        };
        Bilingual::new(self.to_string(), chinese)
    }
}

/// A secure channel that is being made.
#[derive(Debug)]
pub(super) struct Handshake {
    secure: Secure,
    random: [u8; 8],
    kind: u8,
    server_cryptogram: Block,
}

impl Channel {
    pub(super) fn new(address: u8, check: Check) -> Self {
        Self { address, check, sequence: 0, secure: None, online: false }
    }

    /// Everything begins anew: the device hears that by the sequence number 0.
    pub(super) fn reset(&mut self) {
        (self.sequence, self.secure, self.online) = (0, None, false);
    }

    pub(super) fn is_online(&self) -> bool {
        self.online
    }

    pub(super) fn set_online(&mut self) {
        self.online = true;
    }

    /// The next command.
    pub(super) fn command(&mut self, code: u8, data: &[u8]) -> Outgoing {
        let (block, data) = match &self.secure {
            None => (None, data.to_vec()),
            Some(_) if data.is_empty() => (Some(0x15), Vec::new()),
            Some(secure) => (Some(0x17), secure.encrypt_command(data)),
        };
        let block = block.map(|kind| SecurityBlock { kind, data: Vec::new() });
        self.outgoing(code, data, block)
    }

    fn outgoing(&mut self, code: u8, data: Vec<u8>, block: Option<SecurityBlock>) -> Outgoing {
        let (address, sequence, check) = (self.address, self.sequence, self.check);
        let packet = Packet { address, reply: false, sequence, check, block, code, data, mac: None };
        let secure = &mut self.secure;
        let bytes = packet.encode(|bytes| secure.as_mut().map_or([0; 4], |secure| secure.sign_command(bytes)));
        Outgoing { bytes, address, sequence }
    }

    /// Takes the reply to the command that was made last.
    pub(super) fn accept(&mut self, packet: Packet) -> Result<Reply, ChannelError> {
        let Packet { code, data, block, mac, .. } = packet;
        if code == reply::BUSY {
            // It did not take the command; the number stays.
            return Ok(Reply { code, data: Vec::new() });
        }
        let data = match (&mut self.secure, mac) {
            (None, _) => data,
            (Some(_), None) => return Err(ChannelError::Unprotected(code)),
            (Some(secure), Some((mac, bytes))) => {
                if !secure.is_reply(&bytes, mac) {
                    return Err(ChannelError::WrongMac);
                }
                match block {
                    Some(block) if block.kind == 0x18 && !data.is_empty() => {
                        secure.decrypt_reply(&data).ok_or(ChannelError::WrongMac)?
                    }
                    _ => data,
                }
            }
        };
        self.sequence = self.sequence % 3 + 1;
        Ok(Reply { code, data })
    }

    /// The first command of a secure channel. `random` must never have been used before.
    pub(super) fn challenge(&mut self, key: &Key, random: [u8; 8]) -> (Handshake, Outgoing) {
        let kind = u8::from(*key != Key::everybody_knows());
        let secure = Secure::new(key, random);
        let block = SecurityBlock { kind: 0x11, data: vec![kind] };
        let outgoing = self.outgoing(command::CHALLENGE, random.to_vec(), Some(block));
        (Handshake { secure, random, kind, server_cryptogram: [0; 16] }, outgoing)
    }

    /// The device's proof is right: the control side's own.
    pub(super) fn prove(&mut self, handshake: &mut Handshake, answer: &Reply) -> Result<Outgoing, ChannelError> {
        let (reply::CLIENT_CRYPTOGRAM, Some((random, proof))) = (answer.code, split_cryptogram(&answer.data)) else {
            return Err(ChannelError::Unexpected(answer.code));
        };
        if handshake.secure.cryptogram(handshake.random, random) != proof {
            return Err(ChannelError::WrongKey);
        }
        handshake.server_cryptogram = handshake.secure.cryptogram(random, handshake.random);
        let block = SecurityBlock { kind: 0x13, data: vec![handshake.kind] };
        Ok(self.outgoing(command::SERVER_CRYPTOGRAM, handshake.server_cryptogram.to_vec(), Some(block)))
    }

    /// The device accepts: from now on everything is protected.
    pub(super) fn secured(&mut self, handshake: Handshake, answer: &Reply) -> Result<(), ChannelError> {
        let initial: Option<Block> = answer.data.as_slice().try_into().ok();
        let (reply::INITIAL_MAC, Some(initial)) = (answer.code, initial) else {
            return Err(ChannelError::Unexpected(answer.code));
        };
        let mut secure = handshake.secure;
        if secure.initial_mac(handshake.server_cryptogram) != initial {
            return Err(ChannelError::WrongKey);
        }
        secure.begin(initial);
        self.secure = Some(secure);
        Ok(())
    }
}

/// Identifier (8), random number (8), cryptogram (16).
fn split_cryptogram(data: &[u8]) -> Option<([u8; 8], Block)> {
    let random = data.get(8..16)?.try_into().ok()?;
    let proof = data.get(16..32)?.try_into().ok()?;
    (data.len() == 32).then_some((random, proof))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::codec::decode;
    use super::*;

    fn packet(bytes: &[u8]) -> Packet {
        decode(&mut BytesMut::from(bytes)).unwrap().unwrap()
    }

    fn said(code: u8, sequence: u8) -> Packet {
        Packet { address: 1, reply: true, sequence, check: Check::Crc, block: None, code, data: Vec::new(), mac: None }
    }

    #[test]
    fn sequence_numbers_go_0_1_2_3_1_and_a_busy_device_gets_the_same_again() {
        let mut channel = Channel::new(1, Check::Crc);
        let mut numbers = Vec::new();
        for code in [reply::ACK, reply::BUSY, reply::ACK, reply::ACK, reply::ACK, reply::ACK] {
            let outgoing = channel.command(command::POLL, &[]);
            numbers.push(outgoing.sequence);
            assert_eq!(packet(&outgoing.bytes).sequence, outgoing.sequence);
            assert_eq!(channel.accept(said(code, outgoing.sequence)).unwrap().code, code);
        }
        assert_eq!(numbers, [0, 1, 1, 2, 3, 1]);
        channel.reset();
        assert_eq!(channel.command(command::POLL, &[]).sequence, 0);
    }

    #[test]
    fn an_unprotected_reply_is_not_believed_once_there_is_a_channel() {
        let mut channel = Channel::new(1, Check::Crc);
        let key = Key::new([7; 16]);
        let (mut handshake, _) = channel.challenge(&key, [1; 8]);
        let device = Secure::new(&key, [1; 8]);
        let mut data = vec![0; 16];
        data.extend(device.cryptogram([1; 8], [0; 8]));
        let wrong = Reply { code: reply::CLIENT_CRYPTOGRAM, data: vec![0; 32] };
        assert_eq!(channel.prove(&mut handshake, &wrong).unwrap_err(), ChannelError::WrongKey);
        let proof = Reply { code: reply::CLIENT_CRYPTOGRAM, data };
        let outgoing = channel.prove(&mut handshake, &proof).unwrap();
        let server: Block = packet(&outgoing.bytes).data.try_into().unwrap();
        let answer = Reply { code: reply::INITIAL_MAC, data: device.initial_mac(server).to_vec() };
        channel.secured(handshake, &answer).unwrap();
        let outgoing = channel.command(command::OUTPUT, &[0, 5, 10, 0]);
        let sent = packet(&outgoing.bytes);
        assert_eq!((sent.block.unwrap().kind, sent.data.len(), sent.mac.is_some()), (0x17, 16, true));
        assert_eq!(channel.accept(said(reply::ACK, 0)), Err(ChannelError::Unprotected(reply::ACK)));
    }
}
