//! Whose turn it is.
//!
//! What blocks is done on threads of the runtime. It has 512, and the collector's own readers and writers take them as
//! well: however much clients ask, and however many go away before they are answered, they get a part of these threads
//! and no more, and no caller takes all turns of the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Problem;
use crate::store::StoreError;

/// Requests of one caller that are worked on at the same time; the next ones wait.
const OF_ONE: usize = 24;
/// Questions to the history that are answered at the same time.
const HISTORY: usize = 16;
/// Other work for clients that takes a thread, such as writing down what is in memory.
const QUICK: usize = 32;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(20);
/// When to come again, in seconds.
const AGAIN: u32 = 5;

/// What kind of work takes a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// A question to the history. Some take seconds.
    History,
    /// Something that takes milliseconds and must not wait for such a question.
    Quick,
}

/// The turns.
#[derive(Debug)]
pub struct Turns {
    callers: Mutex<HashMap<String, Weak<Semaphore>>>,
    history: Arc<Semaphore>,
    quick: Arc<Semaphore>,
    patience: Duration,
}

impl Default for Turns {
    fn default() -> Self {
        let slots = |count| Arc::new(Semaphore::new(count));
        Self { callers: Mutex::default(), history: slots(HISTORY), quick: slots(QUICK), patience: PATIENCE }
    }
}

impl Turns {
    /// A turn for a request of that caller, for as long as it is worked on.
    pub(super) async fn of_caller(&self, caller: &str) -> Result<OwnedSemaphorePermit, Problem> {
        let slots = {
            let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
            match callers.get(caller).and_then(Weak::upgrade) {
                Some(slots) => slots,
                None => {
                    callers.retain(|_, slots| slots.strong_count() > 0);
                    let slots = Arc::new(Semaphore::new(OF_ONE));
                    callers.insert(caller.to_owned(), Arc::downgrade(&slots));
                    slots
                }
            }
        };
        let detail = || format!("{OF_ONE} of your requests have been worked on for long; ask for less at a time");
        self.wait(slots).await.ok_or_else(|| Problem::busy_for(AGAIN, detail()))
    }

    /// Does that on a thread where it may block. The turn lasts as long as the work, also when nobody waits for it any
    /// more.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        kind: Work,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let slots = if kind == Work::History { &self.history } else { &self.quick };
        let turn = self.wait(Arc::clone(slots)).await;
        let turn = turn.ok_or_else(|| Problem::not_now(AGAIN, "too many questions are being answered; ask again"))?;
        let worked = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        Ok(worked.await.map_err(|_| StoreError::Closed)?)
    }

    async fn wait(&self, slots: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(self.patience, slots.acquire_owned()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_caller_with_many_requests_waits_and_others_do_not() {
        let turns = Turns { patience: Duration::from_millis(20), ..Turns::default() };
        let mut own = Vec::new();
        for _ in 0..OF_ONE {
            own.push(turns.of_caller("a").await.unwrap());
        }
        assert!(turns.of_caller("b").await.is_ok());
        assert!(turns.of_caller("a").await.is_err(), "a request more than it may have");
        own.pop();
        assert!(turns.of_caller("a").await.is_ok());
        drop(own);
        assert!(turns.of_caller("c").await.is_ok());
        assert_eq!(turns.callers.lock().unwrap().len(), 1, "of who asks nothing nothing stays");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_that_nobody_waits_for_keeps_its_turn_and_quick_work_goes_on() {
        let turns = Arc::new(Turns::default());
        let (hold, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..HISTORY {
            let (turns, held) = (Arc::clone(&turns), Arc::clone(&held));
            let (began, has_begun) = tokio::sync::oneshot::channel();
            let asked = tokio::spawn(async move {
                let work = move || {
                    let _ = began.send(());
                    let _ = held.lock().unwrap_or_else(PoisonError::into_inner).recv();
                };
                turns.work(Work::History, work).await
            });
            has_begun.await.unwrap();
            asked.abort();
        }
        assert_eq!(turns.history.available_permits(), 0);
        assert_eq!(turns.work(Work::Quick, || 7).await.unwrap(), 7);
        drop(hold);
        assert_eq!(turns.work(Work::History, || 8).await.unwrap(), 8);
    }
}
