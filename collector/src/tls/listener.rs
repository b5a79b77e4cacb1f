//! Connections to the API, with TLS or plain.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tracing::{debug, warn};

/// Handshakes at the same time; further connections wait in the kernel.
const HANDSHAKES: usize = 1024;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The pause after the system refused a connection, such as for want of file descriptors.
const REFUSED: Duration = Duration::from_millis(200);

/// What a handshake calls HTTP/2 (RFC 9113, 3.2).
pub(super) const HTTP2: &[u8] = b"h2";

/// A connection, ready for HTTP, and where it comes from.
type Ready = (Connection, SocketAddr);

/// The bytes of a connection.
pub(crate) struct Connection(Either<TcpStream, TlsStream<TcpStream>>);

impl Connection {
    /// Whether both sides agreed on HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        match &self.0 {
            Either::Left(_) => false,
            Either::Right(stream) => stream.get_ref().1.alpn_protocol() == Some(HTTP2),
        }
    }
}

/// Where connections come in. A slow handshake delays no other.
pub struct Front {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    handshakes: JoinSet<Option<Ready>>,
}

impl Front {
    /// Connections of `listener`, with TLS if there are settings for it.
    #[must_use]
    pub fn new(listener: TcpListener, tls: Option<ServerConfig>) -> Self {
        let tls = tls.map(|server| TlsAcceptor::from(Arc::new(server)));
        Self { listener, tls, handshakes: JoinSet::new() }
    }

    /// The next connection. Nothing is lost when this is dropped early.
    pub(crate) async fn accept(&mut self) -> Ready {
        loop {
            let accepted = tokio::select! {
                Some(done) = self.handshakes.join_next() => match done {
                    Ok(Some(ready)) => return ready,
                    Ok(None) | Err(_) => continue,
                },
                accepted = self.listener.accept(), if self.handshakes.len() < HANDSHAKES => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "A connection could not be taken.");
                    tokio::time::sleep(REFUSED).await;
                    continue;
                }
            };
            // Answers are small and whole; nothing is gained by waiting for more bytes.
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%peer, %error, "A connection was gone at once.");
                continue;
            }
            let Some(acceptor) = self.tls.clone() else { return (Connection(Either::Left(stream)), peer) };
            self.handshakes.spawn(async move {
                match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => Some((Connection(Either::Right(stream)), peer)),
                    Ok(Err(error)) => {
                        debug!(%peer, %error, "A TLS handshake failed.");
                        None
                    }
                    Err(_) => {
                        debug!(%peer, "A TLS handshake took too long.");
                        None
                    }
                }
            });
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
