//! The secure channel: keys of a session, message codes, encryption. Pure.
//!
//! SIA OSDP 2.1.7, appendix D: AES-128; a session's keys are made of the device's key and a random number of the control
//! side; each message code chains to the one before, so that nothing can be left out, repeated or put in.

use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};

/// A block of AES.
pub type Block = [u8; 16];

/// A device's key (SCBK). It does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Block);

impl Key {
    /// The key that the standard gives to devices that were given none (SCBK-D). It protects from nobody.
    #[must_use]
    pub fn everybody_knows() -> Self {
        Self(*b"0123456789:;<=>?")
    }

    /// A key.
    #[must_use]
    pub fn new(key: Block) -> Self {
        Self(key)
    }

    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.trim();
        if digits.len() != 32 || !digits.is_ascii() {
            return None;
        }
        let mut key = [0; 16];
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(key))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// One secure channel, the same on both sides.
#[derive(Clone)]
pub struct Secure {
    encryption: Aes128,
    mac_first: Aes128,
    mac_last: Aes128,
    command_mac: Block,
    reply_mac: Block,
}

impl Secure {
    /// The keys that follow from the device's key and the control side's random number.
    #[must_use]
    pub fn new(key: &Key, random: [u8; 8]) -> Self {
        let base = Aes128::new(&key.0.into());
        let derived = |which: u8| {
            let mut block = [0; 16];
            (block[0], block[1]) = (0x01, which);
            block[2..8].copy_from_slice(&random[..6]);
            Aes128::new(&encrypted(&base, block).into())
        };
        Self {
            encryption: derived(0x82),
            mac_first: derived(0x01),
            mac_last: derived(0x02),
            command_mac: [0; 16],
            reply_mac: [0; 16],
        }
    }

    /// What a side shows to prove that it has the key: its own random number last.
    #[must_use]
    pub fn cryptogram(&self, theirs: [u8; 8], own: [u8; 8]) -> Block {
        let mut block = [0; 16];
        block[..8].copy_from_slice(&theirs);
        block[8..].copy_from_slice(&own);
        encrypted(&self.encryption, block)
    }

    /// The first message code, made of the control side's cryptogram.
    #[must_use]
    pub fn initial_mac(&self, server_cryptogram: Block) -> Block {
        encrypted(&self.mac_last, encrypted(&self.mac_first, server_cryptogram))
    }

    /// The channel is made: message codes chain to this one.
    pub fn begin(&mut self, initial: Block) {
        self.reply_mac = initial;
    }

    /// The message code of a command.
    pub fn sign_command(&mut self, bytes: &[u8]) -> [u8; 4] {
        self.command_mac = self.mac(bytes, self.reply_mac);
        first_four(self.command_mac)
    }

    /// The message code of a reply.
    pub fn sign_reply(&mut self, bytes: &[u8]) -> [u8; 4] {
        self.reply_mac = self.mac(bytes, self.command_mac);
        first_four(self.reply_mac)
    }

    /// Whether this is the next command of the channel. If not, nothing changes.
    pub fn is_command(&mut self, bytes: &[u8], mac: [u8; 4]) -> bool {
        let made = self.mac(bytes, self.reply_mac);
        let right = first_four(made) == mac;
        if right {
            self.command_mac = made;
        }
        right
    }

    /// Whether this is the reply to the command that was signed last. If not, nothing changes.
    pub fn is_reply(&mut self, bytes: &[u8], mac: [u8; 4]) -> bool {
        let made = self.mac(bytes, self.command_mac);
        let right = first_four(made) == mac;
        if right {
            self.reply_mac = made;
        }
        right
    }

    /// Encrypts the data of a command, before it is signed.
    #[must_use]
    pub fn encrypt_command(&self, data: &[u8]) -> Vec<u8> {
        self.encrypt(data, self.reply_mac)
    }

    /// Encrypts the data of a reply, before it is signed.
    #[must_use]
    pub fn encrypt_reply(&self, data: &[u8]) -> Vec<u8> {
        self.encrypt(data, self.command_mac)
    }

    /// Decrypts the data of a command, after its code was found right.
    #[must_use]
    pub fn decrypt_command(&self, data: &[u8]) -> Option<Vec<u8>> {
        self.decrypt(data, self.reply_mac)
    }

    /// Decrypts the data of a reply, after its code was found right.
    #[must_use]
    pub fn decrypt_reply(&self, data: &[u8]) -> Option<Vec<u8>> {
        self.decrypt(data, self.command_mac)
    }

    fn mac(&self, bytes: &[u8], chained: Block) -> Block {
        let blocks = padded(bytes);
        let last = blocks.len() - 1;
        blocks.iter().enumerate().fold(chained, |before, (at, block)| {
            let cipher = if at == last { &self.mac_last } else { &self.mac_first };
            encrypted(cipher, xor(before, *block))
        })
    }

    fn encrypt(&self, data: &[u8], chained: Block) -> Vec<u8> {
        let mut before = chained.map(|byte| !byte);
        let mut bytes = Vec::with_capacity(data.len() + 16);
        // A last byte that is there always, so that the padding can be told from the data.
        for block in padded_always(data) {
            before = encrypted(&self.encryption, xor(before, block));
            bytes.extend(before);
        }
        bytes
    }

    fn decrypt(&self, data: &[u8], chained: Block) -> Option<Vec<u8>> {
        let mut before = chained.map(|byte| !byte);
        let mut bytes = Vec::with_capacity(data.len());
        for block in data.chunks(16) {
            let block: Block = block.try_into().ok()?;
            let mut plain = block.into();
            self.encryption.decrypt_block(&mut plain);
            bytes.extend(xor(before, plain.into()));
            before = block;
        }
        let end = bytes.iter().rposition(|byte| *byte != 0)?;
        (bytes[end] == 0x80).then(|| {
            bytes.truncate(end);
            bytes
        })
    }
}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secure(…)")
    }
}

fn encrypted(cipher: &Aes128, block: Block) -> Block {
    let mut block = block.into();
    cipher.encrypt_block(&mut block);
    block.into()
}

fn xor(a: Block, b: Block) -> Block {
    std::array::from_fn(|at| a[at] ^ b[at])
}

fn first_four(block: Block) -> [u8; 4] {
    [block[0], block[1], block[2], block[3]]
}

/// Blocks of 16 bytes, the last one filled up with 0x80 and zeros if it is not full.
fn padded(bytes: &[u8]) -> Vec<Block> {
    let block = |chunk: &[u8]| {
        let mut block = [0; 16];
        block[..chunk.len()].copy_from_slice(chunk);
        if let Some(next) = block.get_mut(chunk.len()) {
            *next = 0x80;
        }
        block
    };
    bytes.chunks(16).map(block).collect()
}

/// The same, with a block of padding alone behind data that fills its last block.
fn padded_always(bytes: &[u8]) -> Vec<Block> {
    let mut blocks = padded(bytes);
    if bytes.len().is_multiple_of(16) {
        let mut block = [0; 16];
        block[0] = 0x80;
        blocks.push(block);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_read_and_do_not_show() {
        let text = "30313233343536373839 3A3B3C3D3E3F".replace(' ', "");
        assert_eq!(Key::read(&text), Some(Key::everybody_knows()));
        assert_eq!(format!("{:?}", Key::everybody_knows()), "Key(…)");
        for wrong in
            ["", "30", &text[1..], &format!("{text}0"), &text.replace('A', "G"), "é23456789012345678901234567890"]
        {
            assert_eq!(Key::read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn both_sides_understand_each_other_and_nothing_can_be_repeated(
            key: [u8; 16], random: [u8; 8], initial: [u8; 16],
            talk in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 1..80), proptest::collection::vec(any::<u8>(), 1..80)), 1..6),
        ) {
            let mut control = Secure::new(&Key::new(key), random);
            let mut device = control.clone();
            control.begin(initial);
            device.begin(initial);
            for (command, reply) in talk {
                let bytes = control.encrypt_command(&command);
                let mac = control.sign_command(&bytes);
                prop_assert!(!device.is_command(&[&bytes[..], &[1]].concat(), mac));
                prop_assert!(device.is_command(&bytes, mac));
                prop_assert_eq!(device.decrypt_command(&bytes), Some(command));
                let answer = device.encrypt_reply(&reply);
                let mac = device.sign_reply(&answer);
                prop_assert!(control.is_reply(&answer, mac));
                prop_assert_eq!(control.decrypt_reply(&answer), Some(reply));
                // The same command once more is no command of this channel.
                let mut later = device.clone();
                prop_assert!(!later.is_command(&bytes, mac));
            }
        }

        #[test]
        fn no_bytes_do_harm(key: [u8; 16], data in proptest::collection::vec(any::<u8>(), 0..100)) {
            let secure = Secure::new(&Key::new(key), [0; 8]);
            if let Some(plain) = secure.decrypt_reply(&data) {
                prop_assert!(plain.len() < data.len());
            }
        }
    }
}
