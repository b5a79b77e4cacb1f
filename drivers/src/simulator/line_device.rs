//! A simulated device that answers requests on a serial line or over TCP; what they look like is its model's matter.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Controlled, Faults, PseudoTerminal};

/// What a model keeps of what it heard and could not use; a longer rest is dropped.
const MOST_PENDING: usize = 8192;

/// What a device of one model does with what it hears.
pub trait LineModel: Send + 'static {
    /// The control lines that it takes besides those about faults.
    const HELP: &'static str;

    /// Takes the next whole request out of what arrived; junk before it is dropped.
    fn take(&mut self, pending: &mut Vec<u8>) -> Option<Vec<u8>>;

    /// Carries a request out. `None`: it is for somebody else, or such a device answers nothing to it.
    fn carry_out(&mut self, request: &[u8]) -> Option<Vec<u8>>;

    /// How it misbehaves. What an answer looks like then is the model's matter; silence and lateness are kept here.
    fn faults(&mut self) -> &mut Faults;

    /// Carries out one control line.
    ///
    /// # Errors
    /// What was wrong with the line, for a person.
    fn control(&mut self, words: &[&str]) -> Result<(), String>;

    /// Its state.
    fn show(&self) -> Value;
}

/// A simulated device of one model.
#[derive(Debug)]
pub struct LineDevice<M> {
    model: Mutex<M>,
}

impl<M: LineModel> LineDevice<M> {
    /// A device.
    #[must_use]
    pub fn new(model: M) -> Arc<Self> {
        Arc::new(Self { model: Mutex::new(model) })
    }

    /// Looks at its state, or changes it.
    pub fn with<T>(&self, look: impl FnOnce(&mut M) -> T) -> T {
        look(&mut self.lock())
    }

    /// Serves it on a pseudo-terminal named `name` until `stop`; `ready` is called once, when it can be opened.
    ///
    /// # Errors
    /// When the pseudo-terminal cannot be made or fails.
    pub async fn run(&self, name: &Path, ready: impl FnOnce(), stop: CancellationToken) -> io::Result<()> {
        let line = PseudoTerminal::open(name).map_err(io::Error::other)?;
        ready();
        stop.run_until_cancelled(self.serve(line)).await.unwrap_or(Ok(()))
    }

    /// Serves one client after the other, as such devices do: the next one waits until the last one has gone.
    ///
    /// # Errors
    /// When no connection can be accepted.
    pub async fn serve_tcp(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            // A client that goes in the middle of a request ends its own connection only.
            drop(self.serve(stream).await);
        }
    }

    /// Answers requests on `line` until it ends.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub async fn serve(&self, mut line: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut pending: Vec<u8> = Vec::new();
        let mut bytes = [0; 256];
        loop {
            match line.read(&mut bytes).await? {
                0 => return Ok(()),
                count => pending.extend_from_slice(&bytes[..count]),
            }
            loop {
                let (answer, late) = {
                    let mut model = self.lock();
                    let Some(request) = model.take(&mut pending) else { break };
                    let answer = model.carry_out(&request);
                    let faults = model.faults();
                    (answer.filter(|_| !faults.silent), faults.late)
                };
                let Some(answer) = answer else { continue };
                tokio::time::sleep(late).await;
                line.write_all(&answer).await?;
            }
            if pending.len() > MOST_PENDING {
                pending.clear();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, M> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: LineModel> Controlled for LineDevice<M> {
    fn help(&self) -> &'static str {
        M::HELP
    }

    fn control(&self, words: &[&str]) -> Result<(), String> {
        let mut model = self.lock();
        match model.faults().control(words) {
            Some(done) => done,
            None => model.control(words),
        }
    }

    fn show(&self) -> Value {
        self.lock().show()
    }
}

/// `on` or `off`.
pub(super) fn switch(word: &str) -> Result<bool, String> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("\"{other}\" must be on or off")),
    }
}

/// A number that fits.
pub(super) fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(word: &str) -> Result<T, String> {
    word.parse().map_err(|error| format!("\"{word}\" is not a number that fits here: {error}"))
}

/// The exclusive or of bytes.
pub(super) fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |xor, byte| xor ^ byte)
}

/// Takes the next frame of that length that begins with one of `starts` and is `whole`; junk before it is dropped and
/// counted.
pub(super) fn take_fixed(
    pending: &mut Vec<u8>,
    starts: &[u8],
    length: usize,
    not_understood: &mut u64,
    whole: impl Fn(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    loop {
        let start = pending.iter().position(|byte| starts.contains(byte)).unwrap_or(pending.len());
        pending.drain(..start);
        if whole(pending.get(..length)?) {
            return Some(pending.drain(..length).collect());
        }
        pending.drain(..1);
        *not_understood += 1;
    }
}
