//! The threads on which passwords are hashed: few, and always the same.
//!
//! Argon2 takes 19 MiB for each password. Each thread keeps its own for the next one, so that memory does not grow with
//! the number of sign-ins, which anybody can make without a password.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::password::{self, HashError, Memory};

/// Passwords that are hashed at the same time; each takes a core for some 20 ms.
const THREADS: usize = 2;
/// Passwords that wait.
const WAITING: usize = 256;
/// How long somebody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// Where passwords are hashed and checked.
#[derive(Debug)]
pub struct Hashing {
    jobs: SyncSender<Job>,
}

/// Too many people sign in at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait to be checked")]
pub struct TooMany;

impl Hashing {
    /// Starts the threads; they end when this is dropped.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start() -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel::<Job>(WAITING);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..THREADS {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("passwords".to_owned()).spawn(move || work(&queue))?;
        }
        Ok(Self { jobs })
    }

    /// Whether it is the password; see [`password::verify`].
    ///
    /// # Errors
    /// When too many wait.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, TooMany> {
        self.run(move |memory| password::verify(&password, stored.as_deref(), memory)).await
    }

    /// What is stored; see [`password::hash`].
    ///
    /// # Errors
    /// When too many wait.
    pub async fn hash(&self, password: String) -> Result<Result<String, HashError>, TooMany> {
        self.run(move |memory| password::hash(&password, memory)).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut Memory) -> T + Send + 'static) -> Result<T, TooMany> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |memory: &mut Memory| {
            // Whoever does not wait any more needs no work done.
            if !answer.is_closed() {
                let _ = answer.send(work(memory));
            }
        });
        self.jobs.try_send(job).map_err(|_| TooMany)?;
        tokio::time::timeout(PATIENCE, answered).await.ok().and_then(Result::ok).ok_or(TooMany)
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    let mut memory = Memory::default();
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        job(&mut memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passwords_are_hashed_and_checked() {
        let hashing = Hashing::start().unwrap();
        let stored = hashing.hash("correct horse battery".to_owned()).await.unwrap().unwrap();
        assert!(hashing.verify("correct horse battery".to_owned(), Some(stored.clone())).await.unwrap());
        assert!(!hashing.verify("another one".to_owned(), Some(stored)).await.unwrap());
    }

    /// Memory of this process that is in use, in MiB.
    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn memory_does_not_grow_with_the_number_of_passwords() {
        let hashing = Arc::new(Hashing::start().unwrap());
        let before = resident();
        let check = |_| {
            let hashing = Arc::clone(&hashing);
            // On a machine that is busy with other things some wait too long; they come again.
            tokio::spawn(async move {
                loop {
                    if let Ok(is_right) = hashing.verify("x".to_owned(), None).await {
                        return is_right;
                    }
                }
            })
        };
        for answer in (0..60).map(check).collect::<Vec<_>>() {
            assert!(!answer.await.unwrap());
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 60, "60 passwords left {grown} MiB behind");
    }
}
