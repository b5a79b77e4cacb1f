//! Compression of request bodies, with limits on both sides of it.

use std::io::Read as _;

use crate::error::DecodeError;
use crate::limits;

/// zstd level of uploads: the best ratio that costs an edge machine little.
const LEVEL: i32 = 3;

/// Compresses a body.
///
/// # Errors
/// When zstd fails, which means that memory ran out.
pub fn compress(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(plain, LEVEL)
}

/// Decompresses a body, refusing more than [`limits::BODY_BYTES`] in and [`limits::PLAIN_BYTES`] out.
///
/// # Errors
/// When it is too large or not zstd.
pub fn decompress(body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let plain = open(body, limits::PLAIN_BYTES)?;
    DecodeError::check_size("decompressed body bytes", plain.len(), limits::PLAIN_BYTES)?;
    Ok(plain)
}

/// Decompresses a body that has at most `most` bytes then; `None` for a larger one, of which no more is opened.
///
/// # Errors
/// When it is not zstd, or compressed too large.
pub fn decompress_within(body: &[u8], most: usize) -> Result<Option<Vec<u8>>, DecodeError> {
    let plain = open(body, most)?;
    Ok((plain.len() <= most).then_some(plain))
}

/// At most one byte more than `most`.
fn open(body: &[u8], most: usize) -> Result<Vec<u8>, DecodeError> {
    DecodeError::check_size("body bytes", body.len(), limits::BODY_BYTES)?;
    let failed = |error: std::io::Error| DecodeError::Compression { cause: error.to_string() };
    let decoder = zstd::stream::Decoder::with_buffer(body).map_err(failed)?;
    let mut plain = Vec::new();
    decoder.take(most as u64 + 1).read_to_end(&mut plain).map_err(failed)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_in_a_row_are_one_body() {
        let body = [compress(b"stamp ").unwrap(), compress(b"contents").unwrap()].concat();
        assert_eq!(decompress(&body).unwrap(), b"stamp contents");
        assert_eq!(decompress_within(&body, 14).unwrap().unwrap(), b"stamp contents");
        assert_eq!(decompress_within(&body, 13).unwrap(), None);
    }
}
