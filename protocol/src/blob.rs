//! References to large evidence that travels beside the lanes.

use serde::{Deserialize, Serialize};

use crate::error::DecodeError;
use crate::{limits, wire};

/// A picture or other large evidence, named by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
    /// Size in bytes.
    pub size: u64,
    /// Media type, such as `image/jpeg`.
    pub media_type: String,
}

impl BlobRef {
    pub(crate) fn to_wire(&self) -> wire::BlobRef {
        wire::BlobRef { sha256: self.sha256.to_vec(), size: self.size, media_type: self.media_type.clone() }
    }

    pub(crate) fn from_wire(blob: wire::BlobRef) -> Result<Self, DecodeError> {
        DecodeError::check_size("blob media type bytes", blob.media_type.len(), limits::NAME_BYTES)?;
        let sha256 = blob.sha256.as_slice().try_into().map_err(|_| {
            DecodeError::inconsistent("blob", format!("a SHA-256 has 32 bytes, not {}", blob.sha256.len()))
        })?;
        Ok(Self { sha256, size: blob.size, media_type: blob.media_type })
    }
}
