//! Compression of request bodies, with limits on both sides of it.

use std::cell::RefCell;
use std::io::Read as _;

use zstd::bulk::Decompressor;
use zstd::zstd_safe;

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
    let limit = limits::PLAIN_BYTES as u64;
    let too_large = DecodeError::TooLarge { what: "decompressed body bytes", actual: limit + 1, limit };
    open(body, limits::PLAIN_BYTES)?.ok_or(too_large)
}

/// Decompresses a body that has at most `most` bytes then; `None` for a larger one, of which no more is opened.
///
/// # Errors
/// When it is not zstd, or compressed too large.
pub fn decompress_within(body: &[u8], most: usize) -> Result<Option<Vec<u8>>, DecodeError> {
    open(body, most)
}

thread_local! {
    /// To make one takes longer than to open a short body.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// `None` when it has more than `most` bytes.
fn open(body: &[u8], most: usize) -> Result<Option<Vec<u8>>, DecodeError> {
    DecodeError::check_size("body bytes", body.len(), limits::BODY_BYTES)?;
    let failed = |error: std::io::Error| DecodeError::Compression { cause: error.to_string() };
    match told_size(body) {
        Some(size) if size > most as u64 => Ok(None),
        Some(size) => DECOMPRESSOR.with_borrow_mut(|kept| {
            let mut decompressor = kept.take().map_or_else(Decompressor::new, Ok).map_err(failed)?;
            // A frame that holds more than it tells fails here.
            let plain = decompressor.decompress(body, size as usize).map_err(failed);
            *kept = Some(decompressor);
            plain.map(Some)
        }),
        // Whoever compressed it did not know its size, or it is not zstd.
        None => {
            let decoder = zstd::stream::Decoder::with_buffer(body).map_err(failed)?;
            let mut plain = Vec::new();
            decoder.take(most as u64 + 1).read_to_end(&mut plain).map_err(failed)?;
            Ok((plain.len() <= most).then_some(plain))
        }
    }
}

/// How many bytes the frames of a body say that they hold, if all do.
fn told_size(mut body: &[u8]) -> Option<u64> {
    let mut total = 0_u64;
    while !body.is_empty() {
        total = total.checked_add(zstd_safe::get_frame_content_size(body).ok()??)?;
        body = body.get(zstd_safe::find_frame_compressed_size(body).ok()?..)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn frames_in_a_row_are_one_body() {
        let body = [compress(b"stamp ").unwrap(), compress(b"contents").unwrap()].concat();
        assert_eq!(decompress(&body).unwrap(), b"stamp contents");
        assert_eq!(decompress_within(&body, 14).unwrap().unwrap(), b"stamp contents");
        assert_eq!(decompress_within(&body, 13).unwrap(), None);
    }

    #[test]
    fn a_body_of_a_size_that_is_not_told_or_not_true_is_opened_within_the_limit() {
        let plain = vec![7_u8; 3_000];
        let mut untold = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
        untold.write_all(&plain).unwrap();
        let untold = untold.finish().unwrap();
        assert_eq!(told_size(&untold), None);
        assert_eq!(decompress_within(&untold, 3_000).unwrap().unwrap(), plain);
        assert_eq!(decompress_within(&untold, 2_999).unwrap(), None);
        // Two bytes at 5 hold the size, less 256 (RFC 8878, 3.1.1.1.4).
        let mut lying = compress(&plain).unwrap();
        assert_eq!(u16::from_le_bytes([lying[5], lying[6]]), 3_000 - 256);
        lying[6] -= 1;
        assert!(told_size(&lying).unwrap() < 3_000);
        assert!(matches!(decompress(&lying), Err(DecodeError::Compression { .. })));
        assert_eq!(decompress(&compress(&plain).unwrap()).unwrap(), plain, "the next one opens");
        assert!(decompress(b"no zstd at all").is_err());
        let huge = compress(&vec![0; limits::PLAIN_BYTES + 1]).unwrap();
        assert!(matches!(decompress(&huge), Err(DecodeError::TooLarge { .. })));
    }
}
