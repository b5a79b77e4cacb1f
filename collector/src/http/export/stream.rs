//! Files that are made part by part, as fast as somebody takes them.
//!
//! A part is made on a thread where that may block, and no thread waits for who reads: however many do not, the
//! collector's own work goes on. Whoever takes nothing for long is cut off, and the slot is free again.

use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::sync::mpsc;
use tracing::warn;

use super::slots::Slot;
use crate::store::StoreError;

/// Bytes of one piece of the answer.
const PIECE: usize = 64 << 10;
/// Pieces that wait for a slow reader.
const PIECES: usize = 2;

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The history could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was read could not be packed.
    #[error("could not compress a part of an export: {0}")]
    Compress(std::io::Error),
    /// A part could not be made: the thread failed.
    #[error("the thread that made a part of an export failed: {0}")]
    Failed(tokio::task::JoinError),
    /// Whoever asked takes nothing.
    #[error("nothing of it was taken for {} s", .0.as_secs())]
    NotTaken(Duration),
    /// Whoever made it has said why.
    #[error("the export broke off; the collector's log says why")]
    Unfinished,
}

/// A file in parts.
pub(super) trait Parts: Send + 'static {
    /// The next bytes, maybe none; `None` after the last.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Broken>;
}

enum Message {
    Piece(Vec<u8>),
    /// Nothing is missing.
    End,
}

/// An answer with that file as its body. When it cannot be made, the transfer ends without its end.
pub(super) fn answer(slot: Slot, media_type: &'static str, name: Option<String>, parts: impl Parts) -> Response {
    let (sender, waiting) = mpsc::channel(PIECES);
    let patience = slot.patience();
    tokio::spawn(async move {
        let sent = send(&sender, patience, parts).await;
        drop(slot);
        if let Err(error) = sent {
            warn!(%error, "An export broke off.");
        }
    });
    let answer = ([(header::CONTENT_TYPE, media_type)], body(waiting)).into_response();
    match name {
        None => answer,
        Some(name) => {
            ([(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))], answer).into_response()
        }
    }
}

fn body(waiting: mpsc::Receiver<Message>) -> Body {
    Body::from_stream(stream::unfold(Some(waiting), async |waiting| {
        let mut waiting = waiting?;
        match waiting.recv().await {
            Some(Message::Piece(piece)) => Some((Ok(piece), Some(waiting))),
            Some(Message::End) => None,
            // Without the message of its end it is not whole, whatever became of who made it.
            None => Some((Err(Broken::Unfinished), None)),
        }
    }))
}

/// Makes the file and sends it, until it is whole or nobody wants it any more.
async fn send(sender: &mpsc::Sender<Message>, patience: Duration, mut parts: impl Parts) -> Result<(), Broken> {
    loop {
        let made = tokio::task::spawn_blocking(move || {
            let part = parts.next();
            (parts, part)
        });
        let (back, part) = made.await.map_err(Broken::Failed)?;
        parts = back;
        let Some(part) = part? else { break };
        for piece in part.chunks(PIECE) {
            if !give(sender, patience, Message::Piece(piece.to_vec())).await? {
                return Ok(());
            }
        }
        // Many parts may have nothing to send.
        if sender.is_closed() {
            return Ok(());
        }
    }
    give(sender, patience, Message::End).await.map(drop)
}

/// Returns whether somebody still reads.
async fn give(sender: &mpsc::Sender<Message>, patience: Duration, message: Message) -> Result<bool, Broken> {
    match tokio::time::timeout(patience, sender.send(message)).await {
        Ok(sent) => Ok(sent.is_ok()),
        Err(_) => Err(Broken::NotTaken(patience)),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    /// Parts of some bytes each; the last one may be a failure or a panic.
    struct Made(Vec<Result<&'static [u8], &'static str>>);

    impl Parts for Made {
        fn next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
            match self.0.pop() {
                Some(Ok(part)) => Ok(Some(part.to_vec())),
                Some(Err("panic")) => panic!("a part that cannot be made"),
                Some(Err(_)) => Err(Broken::Store(StoreError::Closed)),
                None => Ok(None),
            }
        }
    }

    const PATIENCE: Duration = Duration::from_secs(60);
    const LARGE: &[u8] = &[7; PIECE * 3];

    /// What a reader gets, and whether it ends as it should.
    async fn read(body: Body) -> (usize, bool) {
        let mut pieces = body.into_data_stream();
        let mut bytes = 0;
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => bytes += piece.len(),
                Err(_) => return (bytes, false),
            }
        }
        (bytes, true)
    }

    fn begin(parts: Vec<Result<&'static [u8], &'static str>>) -> (tokio::task::JoinHandle<Result<(), Broken>>, Body) {
        let (sender, waiting) = mpsc::channel(PIECES);
        (tokio::spawn(async move { send(&sender, PATIENCE, Made(parts)).await }), body(waiting))
    }

    #[tokio::test]
    async fn a_file_ends_as_it_should_only_when_it_is_whole() {
        let (sent, whole) = begin(vec![Ok(b"c"), Ok(b""), Ok(LARGE)]);
        assert_eq!(read(whole).await, (LARGE.len() + 1, true));
        assert!(sent.await.unwrap().is_ok());
        for failure in ["error", "panic"] {
            let (sent, broken) = begin(vec![Err(failure), Ok(LARGE)]);
            assert_eq!(read(broken).await, (LARGE.len(), false), "{failure}");
            assert!(sent.await.unwrap().is_err(), "{failure}");
        }
    }

    #[tokio::test]
    async fn who_goes_away_ends_it() {
        let (sent, unread) = begin(vec![Ok(LARGE), Ok(LARGE), Ok(LARGE)]);
        drop(unread);
        assert!(sent.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn who_takes_nothing_for_long_is_cut_off_and_the_file_does_not_look_whole() {
        let (sender, waiting) = mpsc::channel(PIECES);
        let patience = Duration::from_millis(50);
        let parts = Made(vec![Ok(LARGE), Ok(LARGE), Ok(LARGE)]);
        let sent = tokio::spawn(async move { send(&sender, patience, parts).await });
        let mut pieces = body(waiting).into_data_stream();
        assert!(pieces.next().await.is_some_and(|piece| piece.is_ok()));
        let error = sent.await.unwrap().unwrap_err();
        assert!(matches!(error, Broken::NotTaken(_)), "{error}");
        let mut rest = 0;
        let last = loop {
            match pieces.next().await {
                Some(Ok(_)) => rest += 1,
                other => break other,
            }
        };
        assert_eq!(rest, PIECES, "what had been made");
        assert!(last.is_some_and(|last| last.is_err()));
    }
}
