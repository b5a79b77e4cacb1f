//! Just enough of HTTP/1.1 to know where a message ends (RFC 9112, section 6): every message here says its length.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest head that is read.
const HEAD: usize = 64 * 1024;
/// The longest body that is read.
const BODY: usize = 16 * 1024 * 1024;

/// A request or an answer, as it came.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// Head and body.
    pub(super) bytes: Vec<u8>,
    head: usize,
}

impl Message {
    /// A good answer.
    pub(super) fn answer(kind: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
        Self { bytes: [head.as_bytes(), body].concat(), head: head.len() }
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[self.head..]
    }

    /// The second word of the first line: a request's path, an answer's status.
    pub(super) fn word(&self) -> &str {
        let line = self.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        std::str::from_utf8(line).ok().and_then(|line| line.split(' ').nth(1)).unwrap_or_default()
    }
}

/// Reads one message. `None`: the far end closed the connection between two messages.
pub(super) async fn read_message(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Message>> {
    let invalid = |what: &'static str| Error::new(ErrorKind::InvalidData, what);
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if bytes.len() > HEAD {
            return Err(invalid("a head without an end"));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return if bytes.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
        }
    };
    let text = std::str::from_utf8(&bytes[..head]).map_err(|_| invalid("a head that is no text"))?;
    let length = text.lines().filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.next().map_or(Ok(0), |(_, value)| value.trim().parse::<usize>());
    let length = length.map_err(|_| invalid("a length that is no number"))?;
    if length > BODY || bytes.len() > head + length {
        return Err(invalid("a body of another length"));
    }
    let read = bytes.len();
    bytes.resize(head + length, 0);
    stream.read_exact(&mut bytes[read..]).await?;
    Ok(Some(Message { bytes, head }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_ends_where_it_says() {
        let mut stream: &[u8] = b"POST /agent/v1/hello HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        let message = read_message(&mut stream).await.unwrap().unwrap();
        assert_eq!((message.word(), message.body()), ("/agent/v1/hello", b"abc".as_slice()));
        assert!(read_message(&mut stream).await.unwrap().is_none());
        let mut half: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab";
        assert!(read_message(&mut half).await.is_err());
    }
}
