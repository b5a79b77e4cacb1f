//! The pace of a real serial line on a pseudo-terminal, which by itself carries bytes in no time.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;

/// How fast a line carries characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Bits per second.
    pub baud: u32,
    /// Bits of a character with start, parity and stop bits: 10 for 8N1.
    pub bits: u32,
}

impl Pace {
    /// 8N1 at that speed.
    #[must_use]
    pub fn new(baud: u32) -> Self {
        Self { baud, bits: 10 }
    }

    /// How long so many characters are under way.
    #[must_use]
    pub fn characters(self, count: f64) -> Duration {
        Duration::from_secs_f64(count * f64::from(self.bits) / f64::from(self.baud.max(1)))
    }

    /// The silence that ends a frame: three and a half characters (Modbus over Serial Line V1.02, 2.5.1.1).
    #[must_use]
    pub fn frame_end(self) -> Duration {
        self.characters(3.5)
    }
}

/// The far end of `line` as a device on a half-duplex bus has it: what was sent at once arrives character by character,
/// and what the device answers begins after the silence that ends a frame and takes its time too.
///
/// The stream ends when the line does.
pub fn paced(line: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, pace: Pace) -> DuplexStream {
    let (device, wire) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        // An error ends the line like its far end does; whoever serves it sees the end.
        let _ = carry(line, wire, pace).await;
    });
    device
}

async fn carry(line: impl AsyncRead + AsyncWrite + Unpin, wire: DuplexStream, pace: Pace) -> io::Result<()> {
    let (mut line_in, mut line_out) = tokio::io::split(line);
    let (mut wire_in, mut wire_out) = tokio::io::split(wire);
    let (heard, until_heard) = tokio::sync::watch::channel(Instant::now());
    let requests = async {
        let mut piece = [0; 256];
        loop {
            let count = line_in.read(&mut piece).await?;
            if count == 0 {
                return Ok::<_, io::Error>(());
            }
            let arrived = (*heard.borrow()).max(Instant::now()) + pace.characters(count as f64);
            heard.send_replace(arrived);
            tokio::time::sleep_until(arrived).await;
            wire_out.write_all(&piece[..count]).await?;
        }
    };
    let answers = async {
        let mut piece = [0; 256];
        let mut free = Instant::now();
        loop {
            let count = wire_in.read(&mut piece).await?;
            if count == 0 {
                return Ok(());
            }
            let began = free.max(*until_heard.borrow() + pace.frame_end()).max(Instant::now());
            let mut sent = 0;
            while sent < count {
                tokio::time::sleep_until(began + pace.characters(sent as f64 + 1.0)).await;
                // Several characters, if the timer was late.
                let due = began.elapsed().as_secs_f64() / pace.characters(1.0).as_secs_f64();
                let due = (due as usize).clamp(sent + 1, count);
                line_out.write_all(&piece[sent..due]).await?;
                sent = due;
            }
            free = began + pace.characters(count as f64);
        }
    };
    tokio::select! {
        ended = requests => ended,
        ended = answers => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_question_and_its_answer_take_as_long_as_the_line_needs() {
        let (mut near, far) = tokio::io::duplex(256);
        let pace = Pace::new(9600);
        let mut device = paced(far, pace);
        let began = Instant::now();
        near.write_all(&[1; 8]).await.unwrap();
        let mut request = [0; 8];
        device.read_exact(&mut request).await.unwrap();
        assert!(began.elapsed() >= pace.characters(8.0), "{:?}", began.elapsed());
        device.write_all(&[2; 45]).await.unwrap();
        let mut answer = [0; 45];
        near.read_exact(&mut answer).await.unwrap();
        let least = pace.characters(8.0 + 3.5 + 45.0);
        let took = began.elapsed();
        assert!(took >= least && took < least + Duration::from_millis(4), "{took:?}, the line needs {least:?}");
        drop(near);
        assert_eq!(device.read(&mut request).await.unwrap(), 0, "the line has ended");
    }
}
