//! An open byte stream that never leaves a stale frame for the next request.

use std::fmt;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use kouan_settings::{Bilingual, Translate, both};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_serial::{ClearBuffer, SerialPort as _, SerialStream};

use super::trace::{self, Direction};

/// Silence that shows that a frame has ended, after something went wrong on the line. USB adapters deliver what they
/// received in steps of up to 16 ms, so anything shorter would cut frames in two.
const QUIET: Duration = Duration::from_millis(50);
/// A line on which nobody ever pauses this long belongs to somebody else.
const NEVER_QUIET: Duration = Duration::from_secs(2);
/// Most bytes of an answer that are kept; a longer answer is junk.
const MOST_BYTES: usize = 8 * 1024;

/// A stream of bytes with an input buffer that can be emptied.
trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {
    /// Empties the kernel's input buffer.
    fn clear_input(&self) -> std::io::Result<()> {
        Ok(())
    }
}

impl ByteStream for TcpStream {}
impl ByteStream for tokio::io::DuplexStream {}
impl ByteStream for SerialStream {
    fn clear_input(&self) -> std::io::Result<()> {
        self.clear(ClearBuffer::Input).map_err(Into::into)
    }
}

/// Why nothing useful came over a line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The stream broke. `written` says whether bytes of the request may have gone out.
    #[error("the link broke: {cause}")]
    Broken {
        /// Whether at least one byte may have gone out.
        written: bool,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The far end closed the stream.
    #[error("the far end closed the link")]
    Ended,
    /// No complete answer in time.
    #[error("no answer within {waited:?}{}", if *.heard == 0 { String::new() } else { format!(", only {heard} bytes that are none") })]
    Timeout {
        /// How long was waited.
        waited: Duration,
        /// How many bytes came that were no answer.
        heard: usize,
    },
    /// Somebody else talks without a pause.
    #[error("the line is never quiet: somebody else is talking on it")]
    Busy,
}

impl Translate for LineError {
    fn translate(&self) -> Bilingual {
        match self {
            Self::Broken { cause, .. } => both!("the link broke: {cause}", "线路中断：{cause}"; cause),
            Self::Ended => both!("the far end closed the link", "对方关闭了连接"),
            Self::Timeout { waited, heard: 0 } => both!("no answer within {waited:?}", "{waited:?} 内没有应答"),
            Self::Timeout { waited, heard } => both!(
                "no answer within {waited:?}, only {heard} bytes that are none",
                "{waited:?} 内没有应答，只收到 {heard} 个无意义的字节"
            ),
            Self::Busy => both!(
                "the line is never quiet: somebody else is talking on it",
                "线路上一直有数据，没有空闲：有别的设备在说话"
            ),
        }
    }
}

/// An open link. It is used by one talker, one exchange at a time.
pub struct Line {
    stream: Box<dyn ByteStream>,
    serial: bool,
    /// How long one byte is under way.
    byte_time: Duration,
    /// When the last byte was seen, or will have left.
    last_byte: Instant,
    spoiled: bool,
}

impl Line {
    /// A serial port.
    #[must_use]
    pub fn serial(port: SerialStream) -> Self {
        // Start bit, 8 data bits, parity, two stop bits: never less than the truth.
        let baud = port.baud_rate().unwrap_or(9600).max(1);
        let byte_time = Duration::from_secs(12) / baud;
        Self { byte_time, ..Self::new(Box::new(port), true) }
    }

    /// A TCP connection.
    #[must_use]
    pub fn tcp(stream: TcpStream) -> Self {
        Self::new(Box::new(stream), false)
    }

    /// A stream in memory that behaves like a serial line; for tests with paused time.
    #[must_use]
    pub fn in_memory(stream: tokio::io::DuplexStream) -> Self {
        Self::new(Box::new(stream), true)
    }

    fn new(stream: Box<dyn ByteStream>, serial: bool) -> Self {
        // A fresh line may be in the middle of an answer to whoever had it before.
        Self { stream, serial, byte_time: Duration::ZERO, last_byte: Instant::now(), spoiled: serial }
    }

    /// Whether it is a serial line, on which late answers cannot be shaken off by connecting anew.
    #[must_use]
    pub fn is_serial(&self) -> bool {
        self.serial
    }

    /// Says that something may still be on its way: the next [`Line::settle`] waits until the line is quiet.
    pub fn spoil(&mut self) {
        self.spoiled = true;
    }

    /// Makes the line ready for a request: keeps `gap` of silence, throws away what nobody asked for, and after
    /// trouble waits until the line is quiet.
    ///
    /// # Errors
    /// When the stream is broken or never quiet.
    pub async fn settle(&mut self, gap: Duration) -> Result<(), LineError> {
        let quiet = if self.spoiled { QUIET.max(gap) } else { gap };
        let give_up = Instant::now() + NEVER_QUIET.max(quiet * 2);
        self.discard_now()?;
        if self.spoiled {
            // What was buffered is gone, but when its last byte came is not known.
            self.last_byte = Instant::now();
        }
        loop {
            let ready_at = self.last_byte + quiet;
            if Instant::now() >= ready_at {
                break;
            }
            if ready_at > give_up {
                return Err(LineError::Busy);
            }
            let mut junk = [0; 256];
            match timeout_at(ready_at, self.stream.read(&mut junk)).await {
                Ok(read) => self.heard(read, &junk)?,
                Err(_) => break,
            }
        }
        self.spoiled = false;
        Ok(())
    }

    /// Throws away whatever has arrived, without waiting.
    ///
    /// # Errors
    /// When the stream is broken.
    pub fn discard_now(&mut self) -> Result<(), LineError> {
        self.stream.clear_input().map_err(|cause| LineError::Broken { written: false, cause })?;
        let mut junk = [0; 256];
        for _ in 0..64 {
            match self.stream.read(&mut junk).now_or_never() {
                Some(read) => self.heard(read, &junk)?,
                None => return Ok(()),
            }
        }
        // Somebody sends faster than we read; `settle` will find out.
        Ok(())
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When the stream is broken or takes nothing for `timeout`; the error says whether a byte may have gone out.
    pub async fn send(&mut self, request: &[u8], timeout: Duration) -> Result<(), LineError> {
        let deadline = Instant::now() + timeout;
        let mut sent = 0;
        while sent < request.len() {
            let cause = match timeout_at(deadline, self.stream.write(&request[sent..])).await {
                Ok(Ok(0)) => std::io::ErrorKind::WriteZero.into(),
                Ok(Ok(count)) => {
                    trace::record(Direction::Sent, &request[sent..sent + count]);
                    sent += count;
                    continue;
                }
                Ok(Err(cause)) => cause,
                Err(_) => std::io::ErrorKind::TimedOut.into(),
            };
            return Err(LineError::Broken { written: sent > 0, cause });
        }
        // The kernel has the bytes; on a serial line they leave one by one. Waiting for them with tcdrain would block
        // the thread, for ever on an adapter that hangs.
        let under_way = self.byte_time * u32::try_from(request.len()).unwrap_or(u32::MAX);
        self.last_byte = Instant::now() + under_way;
        Ok(())
    }

    /// Waits for whatever comes, without having asked for it. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// When the stream is broken or ended.
    pub async fn hear(&mut self, piece: &mut [u8]) -> Result<usize, LineError> {
        let count = match self.stream.read(piece).await {
            Ok(0) => return Err(LineError::Ended),
            Ok(count) => count,
            Err(cause) => return Err(LineError::Broken { written: false, cause }),
        };
        self.last_byte = Instant::now();
        trace::record(Direction::Received, &piece[..count]);
        Ok(count)
    }

    /// Waits until `decode` finds an answer in what arrives, at most for `timeout`. `decode` takes from the buffer
    /// what it understood or rejects, and returns `None` while it needs more.
    ///
    /// After a time-out the line is spoiled.
    ///
    /// # Errors
    /// When the stream is broken, or no answer came in time.
    pub async fn receive<T>(
        &mut self,
        timeout: Duration,
        mut decode: impl FnMut(&mut BytesMut) -> Option<T>,
    ) -> Result<T, LineError> {
        let deadline = self.last_byte.max(Instant::now()) + timeout;
        let mut buffer = BytesMut::with_capacity(512);
        let mut heard = 0;
        loop {
            let mut piece = [0; 512];
            let count = match timeout_at(deadline, self.stream.read(&mut piece)).await {
                Ok(Ok(0)) => return Err(LineError::Ended),
                Ok(Ok(count)) => count,
                Ok(Err(cause)) => return Err(LineError::Broken { written: true, cause }),
                Err(_) => {
                    self.spoiled = true;
                    return Err(LineError::Timeout { waited: timeout, heard });
                }
            };
            self.last_byte = Instant::now();
            trace::record(Direction::Received, &piece[..count]);
            heard += count;
            if buffer.len() + count > MOST_BYTES {
                buffer.clear();
            }
            buffer.extend_from_slice(&piece[..count]);
            if let Some(answer) = decode(&mut buffer) {
                // What follows an answer was asked for by nobody.
                self.spoiled |= !buffer.is_empty();
                return Ok(answer);
            }
        }
    }

    fn heard(&mut self, read: std::io::Result<usize>, junk: &[u8]) -> Result<(), LineError> {
        match read {
            Ok(0) => Err(LineError::Ended),
            Ok(count) => {
                trace::record(Direction::Discarded, &junk[..count]);
                self.last_byte = Instant::now();
                Ok(())
            }
            Err(cause) => Err(LineError::Broken { written: false, cause }),
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("serial", &self.serial).field("spoiled", &self.spoiled).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(buffer: &mut BytesMut) -> Option<Vec<u8>> {
        (buffer.len() >= 3).then(|| buffer.split().to_vec())
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_is_thrown_away_before_the_next_request() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut line = Line::in_memory(near);
        line.settle(Duration::ZERO).await.unwrap();
        line.send(b"one", Duration::from_secs(1)).await.unwrap();
        let timeout = line.receive(Duration::from_millis(100), all).await.unwrap_err();
        assert!(matches!(timeout, LineError::Timeout { heard: 0, .. }), "{timeout}");
        // The answer arrives in two pieces while the line is being settled.
        far.write_all(b"la").await.unwrap();
        let far = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            far.write_all(b"te").await.unwrap();
            let mut request = [0; 6];
            far.read_exact(&mut request).await.unwrap();
            far.write_all(b"new").await.unwrap();
            far
        });
        line.settle(Duration::ZERO).await.unwrap();
        line.send(b"two", Duration::from_secs(1)).await.unwrap();
        assert_eq!(line.receive(Duration::from_secs(1), all).await.unwrap(), b"new");
        drop(far);
    }

    #[tokio::test(start_paused = true)]
    async fn the_gap_is_kept_and_a_noisy_line_is_given_up() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut line = Line::in_memory(near);
        line.settle(Duration::ZERO).await.unwrap();
        line.send(b"one", Duration::from_secs(1)).await.unwrap();
        let sent = Instant::now();
        line.settle(Duration::from_millis(20)).await.unwrap();
        assert_eq!(sent.elapsed(), Duration::from_millis(20));
        let noise = tokio::spawn(async move {
            while far.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        line.spoil();
        assert!(matches!(line.settle(Duration::ZERO).await, Err(LineError::Busy)));
        drop(line);
        noise.await.unwrap();
    }

    #[tokio::test]
    async fn a_closed_far_end_is_noticed() {
        let (near, far) = tokio::io::duplex(64);
        let mut line = Line::in_memory(near);
        drop(far);
        assert!(matches!(line.settle(Duration::ZERO).await, Err(LineError::Ended)));
    }
}
