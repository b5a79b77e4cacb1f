//! What something is like, as a short text: whoever changes it says which state of it was looked at.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Hexadecimal digits of a revision.
const DIGITS: usize = 16;

/// The revision of what these values describe. The same values have the same one.
pub(crate) fn revision_of(values: &impl Serialize) -> String {
    // Everything that is described here is made of texts and numbers, which always can be written down.
    let text = serde_json::to_vec(values).unwrap_or_default();
    let digits: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    digits[..DIGITS].to_owned()
}

/// Whether somebody who looked at `seen` may change what is `now`.
pub(crate) fn is_current(seen: Option<&String>, now: &str) -> bool {
    seen.is_none_or(|seen| seen == now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_state_is_another_revision() {
        let one = revision_of(&("a", Some(1.5), None::<String>));
        assert_eq!(one, revision_of(&("a", Some(1.5), None::<String>)));
        assert_ne!(one, revision_of(&("a", Some(1.5), Some("x"))));
        assert!(is_current(None, &one) && is_current(Some(&one.clone()), &one));
        assert!(!is_current(Some(&"other".to_owned()), &one));
    }
}
