//! Bytes that are made on a thread of their own and sent as fast as somebody reads them.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::sync::mpsc;
use tracing::warn;

use crate::store::StoreError;

/// Bytes of one piece of the answer.
pub(super) const PIECE: usize = 64 << 10;
/// Pieces that wait for a slow reader.
const PIECES: usize = 4;

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The history could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was read could not be packed.
    #[error("could not compress a part of an export: {0}")]
    Compress(std::io::Error),
}

/// Takes the bytes.
pub(super) struct Pieces(mpsc::Sender<Result<Vec<u8>, Broken>>);

impl Pieces {
    /// Sends a piece. Returns whether somebody still reads.
    pub(super) fn send(&self, piece: Vec<u8>) -> bool {
        self.0.blocking_send(Ok(piece)).is_ok()
    }

    /// Whether somebody still reads.
    pub(super) fn are_wanted(&self) -> bool {
        !self.0.is_closed()
    }
}

/// An answer whose body `write` makes. When it fails, the transfer ends without its end.
pub(super) fn answer(
    media_type: &'static str,
    name: Option<String>,
    write: impl FnOnce(&Pieces) -> Result<(), Broken> + Send + 'static,
) -> Response {
    let (sender, waiting) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let pieces = Pieces(sender);
        if let Err(error) = write(&pieces) {
            warn!(%error, "An export broke off.");
            // Whoever reads it may be gone.
            let _ = pieces.0.blocking_send(Err(error));
        }
    });
    let body = stream::unfold(waiting, async |mut waiting| waiting.recv().await.map(|piece| (piece, waiting)));
    let answer = ([(header::CONTENT_TYPE, media_type)], Body::from_stream(body)).into_response();
    match name {
        None => answer,
        Some(name) => {
            ([(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))], answer).into_response()
        }
    }
}
