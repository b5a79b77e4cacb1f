//! Connections to the API, with TLS or plain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
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

/// A connection, ready for HTTP.
type Ready = (Either<TcpStream, TlsStream<TcpStream>>, SocketAddr);

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
}

impl axum::serve::Listener for Front {
    type Io = Either<TcpStream, TlsStream<TcpStream>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Ready {
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
            let Some(acceptor) = self.tls.clone() else { return (Either::Left(stream), peer) };
            self.handshakes.spawn(async move {
                match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => Some((Either::Right(stream), peer)),
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

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
