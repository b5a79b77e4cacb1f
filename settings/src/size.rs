//! Byte sizes as people write them.

/// Reads `4096`, `64KiB`, `512MiB`, `2GiB`, or the decimal `64kB`, `512MB`, `2GB`.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..split].parse().ok()?;
    let factor = match text[split..].trim() {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::parse_bytes;

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(parse_bytes("512MiB"), Some(512 << 20));
        assert_eq!(parse_bytes("64 kB"), Some(64_000));
        assert_eq!(parse_bytes("4096"), Some(4096));
        for wrong in ["", "MiB", "5 apples", "99999999999GiB", "-1"] {
            assert_eq!(parse_bytes(wrong), None, "{wrong}");
        }
    }
}
