//! Read connections, opened as needed and used again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{StoreError, open_read_only};

/// How many idle connections are kept.
const IDLE: usize = 4;
/// Questions that take a thread at the same time; the others wait without one. The runtime has 512 threads for what
/// blocks, and not all of them are for questions.
const AT_ONCE: usize = 64;

/// Read connections to one file.
#[derive(Debug, Clone)]
pub struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    /// Read connections to the file at `path`, which its writer has made.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Arc::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Runs `read` with a connection on the calling thread, which it blocks.
    ///
    /// # Errors
    /// What opening or `read` says.
    pub fn read_blocking<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => open_read_only(&self.path)?,
        };
        let result = read(&conn);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(conn);
        }
        result
    }

    /// Runs `read` with a connection on a thread where it may block.
    ///
    /// # Errors
    /// What opening or `read` says.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = self.clone();
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let asked = tokio::task::spawn_blocking(move || {
            // Whoever asked may be gone; the thread is taken until there is an answer.
            let _turn = turn;
            readers.read_blocking(read)
        });
        asked.await.map_err(|_| StoreError::Closed)?
    }
}
