//! Names and numbers that identify things.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::limits::NAME_BYTES;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{name}\" is not a valid {what}: use 1 to {NAME_BYTES} characters of a-z, 0-9, '.', '_' and '-', starting with a letter or digit"
)]
pub struct NameError {
    what: &'static str,
    name: String,
}

impl NameError {
    /// Why the name was refused, in Chinese.
    #[must_use]
    pub fn chinese(&self) -> String {
        let Self { name, .. } = self;
        format!("“{name}”不能作名称：用 1 至 {NAME_BYTES} 个 a-z、0-9、“.”、“_”、“-”，以字母或数字开头")
    }
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !name.is_empty()
        && name.len() <= NAME_BYTES
        && inner(name.as_bytes()[0])
        && name.bytes().all(|byte| inner(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(std::sync::Arc<str>);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                if is_name(name) {
                    Ok(Self(name.into()))
                } else {
                    let name = name.chars().take(NAME_BYTES).collect();
                    Err(NameError { what: $what, name })
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                name.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// The identity of one running agent, given at enrolment: `hall-1`.
    AgentId, "agent name");
name!(
    /// A device as its agent's configuration names it: `ups-1`. Unique within the agent, and only there.
    DeviceKey, "device name");
name!(
    /// A point of a device: `battery.charge`.
    PointName, "point name");
name!(
    /// A command, named by whoever asked for it first (collector or local tool).
    CommandId, "command id");

macro_rules! random_id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(pub u64);

        impl $type {
            /// A new random id, never zero.
            #[must_use]
            pub fn random() -> Self {
                Self(rand::random::<u64>().max(1))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({:016x})"), self.0)
            }
        }

        impl From<$type> for String {
            fn from(id: $type) -> Self {
                id.to_string()
            }
        }

        impl FromStr for $type {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                u64::from_str_radix(text, 16).map(Self)
            }
        }

        impl TryFrom<String> for $type {
            type Error = std::num::ParseIntError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}

random_id!(
    /// The lifetime of one lane's buffer. A lane that loses its file starts a new epoch.
    Epoch);
random_id!(
    /// The life of a data folder; restoring a backup makes a new one.
    Incarnation);
random_id!(
    /// One conversation between an agent and the collector, begun by a hello.
    SessionId);
random_id!(
    /// One boot of the agent's machine: the first eight bytes of the kernel's boot id.
    BootId);
random_id!(
    /// Names a [`crate::Catalogue`]: the first eight bytes of the SHA-256 of its encoding.
    CatalogueHash);
random_id!(
    /// The first eight bytes (big endian) of the SHA-256 of an encoded batch: checksum in the buffer, identity in the hello.
    Digest);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let hash = Sha256::digest(bytes);
        let mut head = [0_u8; 8];
        head.copy_from_slice(&hash[..8]);
        Self(u64::from_be_bytes(head))
    }
}

/// An ordered stream with its own numbers. The number on the wire is open: later versions may add lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Alarms, command outcomes, device health, gaps.
    Urgent,
    /// Passages, plates, slots, tickets.
    Events,
    /// Readings.
    Readings,
}

impl Lane {
    /// Every lane of this version, most urgent first.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Events, Self::Readings];

    /// The lane's number on the wire and in files.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Urgent => 1,
            Self::Events => 2,
            Self::Readings => 3,
        }
    }

    /// The lane with that number, if this version knows it.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.number() == number)
    }

    /// The lane's name in logs, APIs and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Events => "events",
            Self::Readings => "readings",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_short() {
        for good in ["ups-1", "a", "0.1_x", &"a".repeat(64)] {
            assert!(good.parse::<DeviceKey>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "UPS", "a b", "闸机", "a/b", &"a".repeat(65)] {
            assert!(bad.parse::<DeviceKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_digest_is_the_head_of_sha256() {
        // SHA-256("abc") = ba7816bf 8f01cfea … (FIPS 180-2, appendix B.1)
        assert_eq!(Digest::of(b"abc").to_string(), "ba7816bf8f01cfea");
    }
}
