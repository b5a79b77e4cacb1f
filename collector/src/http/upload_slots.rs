//! How many uploads are opened at the same time.
//!
//! Opening one takes memory, so there is a limit, and whoever is beyond it comes again. Small uploads have slots of
//! their own: an agent's alarm is small and must not wait for the backlogs of a hundred others.

use axum::http::{HeaderMap, header};
use kouan_protocol::limits;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Uploads that are read and opened at the same time; each may take [`limits::PLAIN_BYTES`] of memory.
const LARGE: usize = 16;
/// Small uploads that are opened at the same time; the rest waits its turn.
const SMALL: usize = 8;
/// Pictures that are read at the same time; each may take [`crate::evidence::PICTURE_BYTES`] of memory.
const PICTURES: usize = 8;
/// An upload of so many bytes or fewer, as sent, is small.
const SMALL_BYTES: usize = 64 * 1024;

const _: () = assert!(SMALL_BYTES <= limits::BODY_BYTES);

/// The slots.
#[derive(Debug)]
pub struct UploadSlots {
    large: Semaphore,
    small: Semaphore,
    pictures: Semaphore,
}

impl Default for UploadSlots {
    fn default() -> Self {
        Self { large: Semaphore::new(LARGE), small: Semaphore::new(SMALL), pictures: Semaphore::new(PICTURES) }
    }
}

impl UploadSlots {
    /// Whether the headers announce a small body. It may be read before there is a slot.
    pub(super) fn is_small(headers: &HeaderMap) -> bool {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        length.is_some_and(|length| length <= SMALL_BYTES)
    }

    /// A slot for an upload that is still to be read; `None` if all are taken.
    pub(super) fn try_large(&self) -> Option<SemaphorePermit<'_>> {
        self.large.try_acquire().ok()
    }

    /// A slot for a picture that is still to be read; `None` if all are taken.
    pub(super) fn try_picture(&self) -> Option<SemaphorePermit<'_>> {
        self.pictures.try_acquire().ok()
    }

    /// A slot for a small upload that has been read. It takes milliseconds to come.
    pub(super) async fn small(&self) -> Option<SemaphorePermit<'_>> {
        self.small.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_uploads_take_no_slot_of_small_ones() {
        let slots = UploadSlots::default();
        let taken: Vec<_> = (0..LARGE).map(|_| slots.try_large().unwrap()).collect();
        assert!(slots.try_large().is_none());
        assert!(slots.small().await.is_some());
        drop(taken);
        assert!(slots.try_large().is_some());
    }

    #[test]
    fn a_body_of_unknown_length_is_not_small() {
        let with = |length: &str| HeaderMap::from_iter([(header::CONTENT_LENGTH, length.parse().unwrap())]);
        assert!(!UploadSlots::is_small(&HeaderMap::new()));
        assert!(UploadSlots::is_small(&with("65536")) && !UploadSlots::is_small(&with("65537")));
        assert!(!UploadSlots::is_small(&with("-1")));
    }
}
