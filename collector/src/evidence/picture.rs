//! What bytes are a picture, and how large it is: JPEG (ITU-T T.81), PNG (W3C PNG, third edition) and WebP (RFC 9649).
//!
//! Only what says how large it is and whether it is whole is read. What the bytes claim to be elsewhere plays no part, and
//! nothing that could hold a program (SVG) is taken.

/// Largest picture, in bytes.
pub const PICTURE_BYTES: usize = 8 << 20;
/// Longest side, in pixels.
const LONGEST: u32 = 20_000;
/// Most pixels: whoever shows it takes four bytes of memory for each.
const MOST_PIXELS: u64 = 100_000_000;

/// What a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// `image/jpeg`, `image/png` or `image/webp`.
    pub media_type: &'static str,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// Why bytes are not taken for a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureProblem {
    /// They begin as none of the three.
    #[error("this is no JPEG, PNG or WebP picture")]
    Unknown,
    /// They begin as one and do not go on as one.
    #[error("this is no whole {0} picture: it is broken or it was cut off")]
    Broken(&'static str),
    /// It could not be shown.
    #[error("the picture has {0} x {1} pixels; at most {LONGEST} on a side and {MOST_PIXELS} in all are taken")]
    Size(u32, u32),
}

impl Picture {
    /// Looks at bytes.
    ///
    /// # Errors
    /// When they are no whole picture of a kind and size that is taken.
    pub fn of(bytes: &[u8]) -> Result<Self, PictureProblem> {
        let (media_type, name, size) = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            ("image/png", "PNG", png(bytes))
        } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            ("image/jpeg", "JPEG", jpeg(bytes))
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            ("image/webp", "WebP", webp(bytes))
        } else {
            return Err(PictureProblem::Unknown);
        };
        let (width, height) = size.ok_or(PictureProblem::Broken(name))?;
        let sides = 1..=LONGEST;
        if !sides.contains(&width) || !sides.contains(&height) || u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(PictureProblem::Size(width, height));
        }
        Ok(Self { media_type, width, height })
    }
}

fn big16(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn big32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn little24(bytes: &[u8], at: usize) -> Option<u32> {
    let [a, b, c] = bytes.get(at..at + 3)?.try_into().ok()?;
    Some(u32::from_le_bytes([a, b, c, 0]))
}

/// From the header chunk through data to the last chunk, each with the sum that it names.
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let (mut at, mut size, mut has_data) = (8, None, false);
    loop {
        let length = usize::try_from(big32(bytes, at)?).ok()?;
        let end = at.checked_add(length)?.checked_add(8)?;
        let (kind, named) = (bytes.get(at + 4..at + 8)?, bytes.get(at + 4..end)?);
        if crc32fast::hash(named) != big32(bytes, end)? {
            return None;
        }
        match kind {
            b"IHDR" if size.is_none() && length == 13 => size = Some((big32(bytes, at + 8)?, big32(bytes, at + 12)?)),
            _ if size.is_none() => return None,
            b"IDAT" => has_data = true,
            b"IEND" => return size.filter(|_| has_data),
            _ => {}
        }
        at = end + 4;
    }
}

/// The frame header that comes before the first scan, and the marker of the end behind it.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let (mut at, mut size) = (2, None);
    loop {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        // A marker may be filled up with any number of FF.
        let marker = *bytes.get(at + 1)?;
        at += 1;
        if marker == 0xff {
            continue;
        }
        let length = usize::try_from(big16(bytes, at + 1)?).ok()?;
        match marker {
            // Start of frame, in one of its forms; C4, C8 and CC between them are something else.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                size = Some((big16(bytes, at + 6)?, big16(bytes, at + 4)?));
            }
            // Start of scan.
            0xda => {
                let scan = bytes.get(at + 1 + length..)?;
                let has_end = scan.windows(2).any(|pair| pair == [0xff, 0xd9]);
                return size.filter(|_| has_end);
            }
            // Markers without a length belong behind the start of a scan.
            0x00..=0x01 | 0xd0..=0xd9 => return None,
            _ => {}
        }
        if length < 2 {
            return None;
        }
        at += 1 + length;
    }
}

/// The first chunk says how large it is: the frame of a lossy or lossless picture, or the header of an extended one.
fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    let whole = usize::try_from(u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?)).ok()?;
    let chunk = usize::try_from(u32::from_le_bytes(bytes.get(16..20)?.try_into().ok()?)).ok()?;
    if whole.checked_add(8)? > bytes.len() || chunk.checked_add(12)? > whole {
        return None;
    }
    match bytes.get(12..16)? {
        b"VP8 " if bytes.get(23..26)? == [0x9d, 0x01, 0x2a] => {
            let side =
                |at: usize| Some(u32::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?) & 0x3fff));
            Some((side(26)?, side(28)?))
        }
        b"VP8L" if *bytes.get(20)? == 0x2f => {
            let bits = u32::from_le_bytes(bytes.get(21..25)?.try_into().ok()?);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => Some((little24(bytes, 24)? + 1, little24(bytes, 27)? + 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pictures that Pillow 13.0 wrote (libjpeg-turbo, zlib, libwebp), each of 37 x 21 pixels.
    const WRITTEN: [(&str, &[u8]); 8] = [
        ("image/jpeg", include_bytes!("../../tests/pictures/baseline.jpg")),
        ("image/jpeg", include_bytes!("../../tests/pictures/progressive.jpg")),
        ("image/jpeg", include_bytes!("../../tests/pictures/exif.jpg")),
        ("image/png", include_bytes!("../../tests/pictures/plain.png")),
        ("image/png", include_bytes!("../../tests/pictures/palette.png")),
        ("image/webp", include_bytes!("../../tests/pictures/lossy.webp")),
        ("image/webp", include_bytes!("../../tests/pictures/lossless.webp")),
        ("image/webp", include_bytes!("../../tests/pictures/alpha.webp")),
    ];

    #[test]
    fn pictures_of_others_are_what_they_say() {
        for (media_type, bytes) in WRITTEN {
            assert_eq!(Picture::of(bytes), Ok(Picture { media_type, width: 37, height: 21 }));
        }
    }

    #[test]
    fn what_was_cut_off_is_no_picture() {
        for (media_type, bytes) in WRITTEN {
            for length in 0..bytes.len() - 2 {
                assert!(Picture::of(&bytes[..length]).is_err(), "{length} bytes of {media_type}");
            }
        }
    }

    #[test]
    fn what_could_run_or_is_something_else_is_not_taken() {
        for bytes in [&b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"[..], b"GIF89a", b"BM", b"<html>", b""] {
            assert_eq!(Picture::of(bytes), Err(PictureProblem::Unknown));
        }
    }

    #[test]
    fn a_picture_that_nobody_could_show_is_refused() {
        let (_, plain) = WRITTEN[3];
        let mut wide = plain.to_vec();
        wide[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
        let sum = crc32fast::hash(&wide[12..29]);
        wide[29..33].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(Picture::of(&wide), Err(PictureProblem::Size(60_000, 21)));
        let mut flipped = plain.to_vec();
        flipped[17] ^= 1;
        assert_eq!(Picture::of(&flipped), Err(PictureProblem::Broken("PNG")), "its sum does not fit");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(which in 0..WRITTEN.len(), changes in prop::collection::vec((any::<u16>(), any::<u8>()), 0..40)) {
            let mut bytes = WRITTEN[which].1.to_vec();
            for (at, value) in changes {
                let at = usize::from(at) % bytes.len();
                bytes[at] = value;
            }
            let _ = Picture::of(&bytes);
        }
    }
}
