//! A thing that happened once.

use serde::{Deserialize, Serialize};

use crate::blob::BlobRef;
use crate::error::DecodeError;
use crate::field::{self, Field, FieldValue};
use crate::ids::DeviceKey;
use crate::{limits, wire};

/// A passage, a plate, an opened slot, an issued ticket, a denied card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Whose event it is.
    pub device: DeviceKey,
    /// What happened, in the normalised vocabulary: `passage`.
    pub kind: String,
    /// Details, such as `direction = "in"`.
    pub fields: Vec<Field>,
    /// Pictures and other large evidence, uploaded beside the lanes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<BlobRef>,
}

/// So many fields at their longest stay far below [`limits::RECORD_BYTES`].
const ORDINARY_FIELDS: usize = 8;

impl Event {
    /// Whether the event is certainly within every limit, seen without encoding it.
    pub(crate) fn is_ordinary(&self) -> bool {
        self.kind.len() <= limits::NAME_BYTES
            && self.blobs.is_empty()
            && self.fields.len() <= ORDINARY_FIELDS
            && self.fields.iter().all(|field| {
                field.name.len() <= limits::NAME_BYTES
                    && match &field.value {
                        FieldValue::Text(text) => text.len() <= limits::TEXT_BYTES,
                        FieldValue::Number(number) => number.is_finite(),
                        FieldValue::Integer(_) | FieldValue::Flag(_) => true,
                    }
            })
    }

    pub(crate) fn to_wire(&self) -> wire::Event {
        wire::Event {
            device: self.device.to_string(),
            kind: self.kind.clone(),
            fields: field::to_wire(&self.fields),
            blobs: self.blobs.iter().map(BlobRef::to_wire).collect(),
        }
    }

    pub(crate) fn from_wire(event: wire::Event) -> Result<Self, DecodeError> {
        DecodeError::check_size("event kind bytes", event.kind.len(), limits::NAME_BYTES)?;
        DecodeError::check_size("event blob count", event.blobs.len(), limits::FIELDS)?;
        Ok(Self {
            device: wire_name(&event.device, "event")?,
            kind: event.kind,
            fields: field::from_wire(event.fields)?,
            blobs: event.blobs.into_iter().map(BlobRef::from_wire).collect::<Result<_, _>>()?,
        })
    }
}

/// Parses a name inside message `what`.
pub(crate) fn wire_name<T: std::str::FromStr<Err = crate::NameError>>(
    name: &str,
    what: &'static str,
) -> Result<T, DecodeError> {
    name.parse().map_err(|error: crate::NameError| DecodeError::inconsistent(what, error.to_string()))
}
