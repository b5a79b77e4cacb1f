//! The collector's own tasks. None of them ends before the stop: one that does has failed, and what it should do would
//! not be done for as long as the program runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// How often threads are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A part of the collector that ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[error("the part \"{0}\" of the collector failed; the log says why")]
pub(crate) struct PartFailed(&'static str);

/// Tasks that run until they are told to stop.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Starts one.
    pub(crate) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.running.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Looks after threads until `stop`: ends when one of them does.
    pub(crate) fn watch(&mut self, threads: &Threads, stop: CancellationToken) {
        let threads = threads.clone();
        self.spawn("threads of the files", async move {
            let is_ended = || threads.lock().iter().any(JoinHandle::is_finished);
            while !is_ended() {
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = stop.cancelled() => return,
                }
            }
            error!("A writer's thread has ended.");
        });
    }

    /// Waits until one of them ends although nobody told it to.
    pub(crate) async fn failed(&mut self) -> PartFailed {
        match self.next().await {
            Some(name) => {
                error!(part = name, "A part of the collector failed; the collector ends, so that it is started again.");
                PartFailed(name)
            }
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended.
    pub(crate) async fn join(mut self) {
        while self.next().await.is_some() {}
    }

    /// Waits until one has ended.
    async fn next(&mut self) -> Option<&'static str> {
        let (id, failure) = match self.running.join_next_with_id().await? {
            Ok((id, ())) => (id, None),
            Err(failure) => (failure.id(), Some(failure)),
        };
        let name = self.names.remove(&id).unwrap_or("unknown");
        if let Some(error) = failure {
            error!(%error, part = name, "A task of the collector failed.");
        }
        Some(name)
    }
}

/// The threads of the writers.
#[derive(Debug, Clone)]
pub(crate) struct Threads(Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Threads {
    pub(crate) fn new(threads: Vec<JoinHandle<()>>) -> Self {
        Self(Arc::new(Mutex::new(threads)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits on the calling thread until all have ended.
    pub(crate) fn join(&self) {
        let threads = std::mem::take(&mut *self.lock());
        for thread in threads {
            if thread.join().is_err() {
                error!("A writer's thread failed.");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_or_ends_is_named_and_those_that_run_are_not() {
        let stop = CancellationToken::new();
        let run = |stop: CancellationToken| async move { stop.cancelled().await };
        let mut tasks = Tasks::default();
        tasks.spawn("steady", run(stop.clone()));
        tasks.spawn("broken", async { panic!("a task that fails") });
        assert_eq!(tasks.failed().await.0, "broken");
        tasks.spawn("tired", async {});
        assert_eq!(tasks.failed().await.0, "tired");
        let threads = Threads::new(vec![std::thread::spawn(|| panic!("a thread that fails"))]);
        tasks.watch(&threads, stop.clone());
        assert_eq!(tasks.failed().await.0, "threads of the files");
        threads.join();
        stop.cancel();
        tasks.join().await;
    }
}
