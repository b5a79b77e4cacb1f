//! Files and rows together: keeping, showing, removing.

use std::fs::File;
use std::sync::Arc;

use kouan_protocol::{Clock, Timestamp};
use serde_json::json;
use tracing::warn;

use super::rows::{self, NewRow};
use super::{Digest, EvidenceFilter, EvidenceRow, Files, KeepProblem, Kept, Limits, Picture, RemoveProblem};
use crate::audit::{self, Actor, Deed};
use crate::auth::Scope;
use crate::store::{DataFolder, Readers, StoreError, Writer};

/// What the disk must have left behind a picture: the log and the history come first.
const SPARE_BYTES: u64 = 256 << 20;

/// A picture as it is given.
#[derive(Debug, Clone)]
pub struct Given<B> {
    /// The site of the device.
    pub site: String,
    /// The device.
    pub device: String,
    /// The alarm that it is evidence of.
    pub alarm: Option<String>,
    /// The event that it is evidence of.
    pub event: Option<String>,
    /// The command that it is evidence of.
    pub command: Option<String>,
    /// When it was taken; when it arrived if nobody says.
    pub taken: Option<Timestamp>,
    /// What whoever gives it says of it.
    pub note: String,
    /// What it is.
    pub picture: Picture,
    /// Its bytes.
    pub bytes: B,
}

/// The evidence of a running collector.
#[derive(Debug, Clone)]
pub struct Evidence {
    files: Files,
    readers: Readers,
    writer: Writer,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

impl Evidence {
    /// The evidence in `folder`.
    ///
    /// # Errors
    /// When its folder cannot be used.
    pub fn open(
        folder: &DataFolder,
        (readers, writer): (Readers, Writer),
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Result<Self, StoreError> {
        Ok(Self { files: Files::open(folder)?, readers, writer, clock, limits })
    }

    /// Keeps a picture: its file, then its row and the row of the audit log in one transaction. What is answered is on
    /// disk.
    ///
    /// # Errors
    /// When it cannot be written; a file that is there by then is swept later.
    pub async fn keep<B: AsRef<[u8]> + Send + 'static>(
        &self,
        given: Given<B>,
        by: Actor,
    ) -> Result<Result<Kept, KeepProblem>, StoreError> {
        let files = self.files.clone();
        let placing = tokio::task::spawn_blocking(move || {
            let bytes = given.bytes.as_ref();
            if files.free_bytes()? < SPARE_BYTES.saturating_add(bytes.len() as u64) {
                return Ok(None);
            }
            let placed = files.place(bytes)?;
            Ok::<_, StoreError>(Some((placed, given)))
        });
        let Some((placed, given)) = placing.await.map_err(|_| StoreError::Closed)?? else {
            return Ok(Err(KeepProblem::Disk));
        };
        let (limits, now) = (self.limits, self.clock.wall());
        let digest = placed.digest().clone();
        let kept = self.writer.transact(move |transaction| {
            let new = NewRow {
                site: &given.site,
                device: &given.device,
                belongs: [given.alarm.as_deref(), given.event.as_deref(), given.command.as_deref()],
                taken: given.taken.unwrap_or(now),
                note: &given.note,
                picture: given.picture,
                bytes: given.bytes.as_ref().len() as u64,
                digest: placed.digest(),
                by: &by,
            };
            let kept = rows::add(transaction, &new, &limits, now)?;
            if let Ok(Kept::Now(row)) = &kept {
                let detail = json!({ "device": row.device, "alarm": row.alarm, "event": row.event,
                    "command": row.command, "sha256": row.sha256, "bytes": row.bytes });
                audit::record(transaction, &by, &Deed::new("evidence-kept", &row.id).at(&row.site).with(detail), now)?;
            }
            // The file is held until the row is committed.
            Ok((kept, placed))
        });
        let (kept, placed) = kept.await?;
        drop(placed);
        if kept.is_err() {
            self.remove_file(digest).await;
        }
        Ok(kept)
    }

    /// Pictures behind `after` (time and number), the one that was taken last first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list(
        &self,
        scope: Scope,
        filter: EvidenceFilter,
        after: (i64, i64),
        limit: usize,
    ) -> Result<Vec<EvidenceRow>, StoreError> {
        let files = self.files.clone();
        let read = self.readers.read(move |conn| {
            let mut rows = rows::list(conn, &scope, &filter, after, limit)?;
            for row in rows.iter_mut().filter(|row| row.removed.is_none()) {
                if !Digest::parse(&row.sha256).is_some_and(|digest| files.has(&digest)) {
                    row.state = "lost".to_owned();
                }
            }
            Ok(rows)
        });
        read.await
    }

    /// One picture and its file, which is whole; no file if it was removed or is lost.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn show(
        &self,
        scope: Scope,
        id: String,
    ) -> Result<Option<(EvidenceRow, Option<(File, u64)>)>, StoreError> {
        let files = self.files.clone();
        let read = self.readers.read(move |conn| {
            let Some(mut row) = rows::find(conn, &scope, &id)? else { return Ok(None) };
            if row.removed.is_some() {
                return Ok(Some((row, None)));
            }
            let file = match Digest::parse(&row.sha256) {
                Some(digest) => files.open_whole(&digest)?,
                None => None,
            };
            if file.is_none() {
                row.state = "lost".to_owned();
            }
            Ok(Some((row, file)))
        });
        read.await
    }

    /// Takes a picture away. Its row stays and says who did it; its bytes go at once, or as soon as nobody copies the
    /// folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn remove(
        &self,
        scope: Scope,
        id: String,
        by: Actor,
        reason: String,
    ) -> Result<Result<(), RemoveProblem>, StoreError> {
        let now = self.clock.wall();
        let removed = self.writer.transact(move |transaction| {
            let removed = rows::remove(transaction, &scope, &id, (&by.name, &reason), now)?;
            if let Ok(row) = &removed {
                let detail = json!({ "device": row.device, "sha256": row.sha256, "reason": reason });
                audit::record(transaction, &by, &Deed::new("evidence-removed", &id).at(&row.site).with(detail), now)?;
            }
            Ok(removed)
        });
        match removed.await? {
            Ok(row) => {
                if let Some(digest) = Digest::parse(&row.sha256) {
                    self.remove_file(digest).await;
                }
                Ok(Ok(()))
            }
            Err(problem) => Ok(Err(problem)),
        }
    }

    /// How many pictures there are, how many bytes they have, and how many they may have.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub async fn figures(&self) -> Result<(u64, u64, u64), StoreError> {
        let (pictures, bytes) = self.readers.read(rows::totals).await?;
        Ok((pictures, bytes, self.limits.total_bytes))
    }

    /// Removes a file that may not be needed any more. What is not removed now is swept later.
    async fn remove_file(&self, digest: Digest) {
        let (files, readers) = (self.files.clone(), self.readers.clone());
        let swept = tokio::task::spawn_blocking(move || {
            let Some(_leave) = files.may_delete()? else { return Ok::<_, StoreError>(0) };
            readers.read_blocking(|conn| files.sweep(Some(&[digest]), |digest| rows::is_needed(conn, digest)))
        });
        if let Ok(Err(error)) = swept.await {
            warn!(%error, "The file of a picture stays until it is swept.");
        }
    }

    /// Removes every file that nobody needs; the caller holds the leave to delete.
    pub(super) async fn sweep(&self) -> Result<usize, StoreError> {
        let (files, readers) = (self.files.clone(), self.readers.clone());
        let swept = tokio::task::spawn_blocking(move || {
            readers.read_blocking(|conn| files.sweep(None, |digest| rows::is_needed(conn, digest)))
        });
        swept.await.map_err(|_| StoreError::Closed)?
    }

    /// Forgets up to `at_once` pictures that arrived before a time, and removes their files; the caller holds the leave
    /// to delete. Returns how many pictures.
    pub(super) async fn forget(&self, before_ms: i64, at_once: usize) -> Result<usize, StoreError> {
        let old = self.writer.transact(move |transaction| rows::forget(transaction, before_ms, at_once)).await?;
        let (files, readers, count) = (self.files.clone(), self.readers.clone(), old.len());
        let swept = tokio::task::spawn_blocking(move || {
            readers.read_blocking(|conn| files.sweep(Some(&old), |digest| rows::is_needed(conn, digest)))
        });
        swept.await.map_err(|_| StoreError::Closed)??;
        Ok(count)
    }

    pub(super) fn days(&self) -> Option<i64> {
        self.limits.days
    }
}
