//! A device that speaks by itself, in frames as a shipped profile of kind `listener` has them.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::{Controlled, PseudoTerminal};
use crate::serial_line::FrameFormat;

/// A simulated device that only speaks.
#[derive(Debug)]
pub struct Speaker {
    format: FrameFormat,
    said: broadcast::Sender<Vec<u8>>,
    rhythm: watch::Sender<Option<(Duration, Vec<u8>)>>,
    restarts: watch::Sender<u64>,
    state: Mutex<SpeakerState>,
}

/// What it did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SpeakerState {
    /// Frames and raw bytes that were said.
    pub said: u64,
    /// Its checksums are wrong.
    pub bad_checksum: bool,
}

impl Speaker {
    /// A device of that profile.
    ///
    /// # Errors
    /// When there is no such profile of kind `listener`.
    pub fn new(profile: &str) -> Result<Arc<Self>, String> {
        let format = crate::listener::frame_of(profile)?;
        let (said, _) = broadcast::channel(256);
        let (rhythm, restarts) = (watch::Sender::new(None), watch::Sender::new(0));
        Ok(Arc::new(Self { format, said, rhythm, restarts, state: Mutex::default() }))
    }

    /// Says one frame around `payload`.
    ///
    /// # Errors
    /// When there is no such frame: it is too long, or holds its own end.
    pub fn say(&self, payload: &[u8]) -> Result<(), String> {
        let frame = self.frame(payload)?;
        self.send(frame);
        Ok(())
    }

    fn frame(&self, payload: &[u8]) -> Result<Vec<u8>, String> {
        let mut frame = self.format.wrap(payload).ok_or("such a frame does not fit the profile")?;
        let checked = frame.len() - self.format.delimiter().len();
        if self.lock().bad_checksum && self.format.checksum.length() > 0 {
            frame[checked - 1] ^= 0x01;
        }
        Ok(frame)
    }

    /// Says bytes as they are.
    pub fn send(&self, bytes: Vec<u8>) {
        self.lock().said += 1;
        // Nobody may be listening; then it is lost, as on a real line.
        let _ = self.said.send(bytes);
    }

    /// How many listen now.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.said.receiver_count()
    }

    /// Loses power and comes back: the line is closed and opened again.
    pub fn restart(&self) {
        self.restarts.send_modify(|restarts| *restarts += 1);
    }

    /// Speaks on a pseudo-terminal named `name` until `stop`; `ready` is called once, when it can be opened.
    ///
    /// # Errors
    /// When the pseudo-terminal cannot be made or fails.
    pub async fn run(&self, name: &Path, ready: impl FnOnce(), stop: CancellationToken) -> io::Result<()> {
        let mut ready = Some(ready);
        while !stop.is_cancelled() {
            let line = PseudoTerminal::open(name).map_err(io::Error::other)?;
            if let Some(ready) = ready.take() {
                ready();
            }
            if let Some(ended) = stop.run_until_cancelled(self.serve(line)).await {
                ended?;
            }
        }
        Ok(())
    }

    /// Speaks to whoever connects, for ever.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn listen(self: Arc<Self>, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            let speaker = Arc::clone(&self);
            tokio::spawn(async move {
                // A listener that goes away is no concern of the device.
                let _ = speaker.serve(stream).await;
            });
        }
    }

    /// Speaks on a line until it ends or [`Speaker::restart`] is called.
    ///
    /// # Errors
    /// When writing fails.
    pub async fn serve(&self, line: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let (mut heard, mut line) = tokio::io::split(line);
        let mut said = self.said.subscribe();
        let mut rhythm = self.rhythm.subscribe();
        let mut restarts = self.restarts.subscribe();
        let mut sink = tokio::io::sink();
        let ignored = tokio::io::copy(&mut heard, &mut sink);
        tokio::pin!(ignored);
        loop {
            let beat = rhythm.borrow_and_update().clone();
            tokio::select! {
                _ = &mut ignored => return Ok(()),
                _ = restarts.changed() => return Ok(()),
                _ = rhythm.changed() => {}
                bytes = said.recv() => match bytes {
                    Ok(bytes) => line.write_all(&bytes).await?,
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                },
                () = tokio::time::sleep(beat.as_ref().map_or(Duration::MAX, |(every, _)| *every)), if beat.is_some() => {
                    if let Some((_, payload)) = &beat
                        && let Ok(frame) = self.frame(payload)
                    {
                        self.lock().said += 1;
                        line.write_all(&frame).await?;
                    }
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SpeakerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes_of(words: &[&str]) -> Result<Vec<u8>, String> {
    let byte = |word: &&str| {
        let byte = if word.len() == 2 { u8::from_str_radix(word, 16).ok() } else { None };
        byte.ok_or_else(|| format!("\"{word}\" is no byte such as 7E"))
    };
    words.iter().map(byte).collect()
}

impl Controlled for Speaker {
    fn help(&self) -> &'static str {
        "say TEXT\nsay-bytes HEX…\nraw HEX…\nrhythm 200ms TEXT|off\nbad-checksum on|off\nrestart"
    }

    fn control(&self, words: &[&str]) -> Result<(), String> {
        match words {
            ["say", text @ ..] => self.say(text.join(" ").as_bytes())?,
            ["say-bytes", bytes @ ..] => self.say(&bytes_of(bytes)?)?,
            ["raw", bytes @ ..] => self.send(bytes_of(bytes)?),
            ["rhythm", "off"] => drop(self.rhythm.send_replace(None)),
            ["rhythm", every, text @ ..] => {
                let every = humantime::parse_duration(every).map_err(|error| format!("\"{every}\": {error}"))?;
                let payload = text.join(" ").into_bytes();
                self.frame(&payload)?;
                self.rhythm.send_replace(Some((every.max(Duration::from_millis(1)), payload)));
            }
            ["bad-checksum", "on"] => self.lock().bad_checksum = true,
            ["bad-checksum", "off"] => self.lock().bad_checksum = false,
            ["restart"] => self.restart(),
            _ => return Err("not known; say help".to_owned()),
        }
        Ok(())
    }

    fn show(&self) -> Value {
        json!(self.lock().clone())
    }
}
