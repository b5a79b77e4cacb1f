//! The one thread that writes to a file.

use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{During as _, StoreError};

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// How many jobs may wait; more callers wait for a place.
const QUEUE: usize = 256;

/// Hands work to the thread that owns a file's only writing connection.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Gives `conn` to a new thread. It ends, and closes the file, when the last writer is dropped.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn spawn(name: &str, mut conn: Connection) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(QUEUE);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            while let Some(job) = waiting.blocking_recv() {
                job(&mut conn);
            }
        })?;
        Ok((Self { jobs }, thread))
    }

    /// Runs `work` in one transaction; it is on disk when this returns `Ok`.
    ///
    /// # Errors
    /// What `work` or the commit says; nothing was written then.
    pub async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.transact_then(work, |value| value).await
    }

    /// Like [`Writer::transact`], and runs `after` on the writer's thread once the commit is on disk, so that memory
    /// follows in the order of the commits.
    ///
    /// # Errors
    /// What `work` or the commit says; nothing was written then and `after` was not run.
    pub async fn transact_then<T: Send + 'static, U: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
        after: impl FnOnce(T) -> U + Send + 'static,
    ) -> Result<U, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            // A caller that went away (a closed connection) does not undo its work.
            let _ = answer.send(transact(conn, work).map(after));
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

fn transact<T>(
    conn: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // IMMEDIATE takes the write lock at once, so that the busy timeout applies and a read cannot become stale.
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate).during("begin a transaction")?;
    let value = work(&transaction)?;
    transaction.commit().during("commit")?;
    Ok(value)
}
