//! Why bytes were refused.

/// A message that does not follow `docs/wire.md`. Each says what was wrong and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than a limit of [`crate::limits`].
    #[error("{what} has {actual}, the limit is {limit}")]
    TooLarge {
        /// What was measured, with its unit.
        what: &'static str,
        /// What arrived.
        actual: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Not a protobuf message of the expected shape; often a truncated body.
    #[error("{what} is not readable: {cause}")]
    Malformed {
        /// The message that was expected.
        what: &'static str,
        /// What the protobuf reader said.
        cause: String,
    },
    /// Readable, but its parts contradict each other.
    #[error("{what}: {problem}")]
    Inconsistent {
        /// The message concerned.
        what: &'static str,
        /// What does not fit.
        problem: String,
    },
    /// The digest that was announced is not that of the bytes.
    #[error("the digest of batch {first_seq} does not match its bytes")]
    DigestMismatch {
        /// First number of the batch.
        first_seq: u64,
    },
    /// zstd could not decompress the body.
    #[error("the body is not valid zstd: {cause}")]
    Compression {
        /// What zstd said.
        cause: String,
    },
}

impl DecodeError {
    pub(crate) fn malformed(what: &'static str) -> impl FnOnce(prost::DecodeError) -> Self {
        move |error| Self::Malformed { what, cause: error.to_string() }
    }

    pub(crate) fn inconsistent(what: &'static str, problem: impl Into<String>) -> Self {
        Self::Inconsistent { what, problem: problem.into() }
    }

    /// Refuses `actual` beyond `limit`.
    pub(crate) fn check_size(what: &'static str, actual: usize, limit: usize) -> Result<(), Self> {
        if actual > limit {
            return Err(Self::TooLarge { what, actual: actual as u64, limit: limit as u64 });
        }
        Ok(())
    }
}
