//! A network line that can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How a line behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Everything passes.
    Open,
    /// Connections break and new ones are refused.
    Cut,
    /// Nothing passes and nobody is told: a firewall that forgot the connection.
    Silent,
    /// Requests pass, answers do not; the connection breaks where the answer begins.
    LosesAnswers,
}

/// Stands between a client and a server and passes bytes on as long as the line is open.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
    _stop: DropGuard,
}

impl Proxy {
    /// Listens on any free port and passes connections on to `server`.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("opening a proxy's port failed")?;
        let address = listener.local_addr().context("opening a proxy's port failed")?;
        let line = watch::Sender::new(Line::Open);
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, server, line.subscribe(), stop.clone())));
        Ok(Self { address, line, _stop: stop.drop_guard() })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how the line behaves, for open connections too.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, line: watch::Receiver<Line>, stop: CancellationToken) {
    let line = Arc::new(line);
    // An accept that fails is the client's loss, who tries again.
    while let Ok((client, _)) = listener.accept().await {
        if *line.borrow() == Line::Cut {
            continue;
        }
        let (line, stop) = (line.as_ref().clone(), stop.clone());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            if let Ok(server) = TcpStream::connect(server).await {
                pass(client, server, line).await;
            }
        }));
    }
}

/// Ends when either side closes, or the line says so; dropping both sockets closes them.
async fn pass(client: TcpStream, server: TcpStream, mut line: watch::Receiver<Line>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut request, mut answer) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        let now = *line.borrow_and_update();
        if now == Line::Cut {
            return;
        }
        let silent = now == Line::Silent;
        let passed = tokio::select! {
            changed = line.changed() => changed.is_ok(),
            read = from_client.read(&mut request), if !silent => match read {
                Ok(count @ 1..) => to_server.write_all(&request[..count]).await.is_ok(),
                _ => false,
            },
            read = from_server.read(&mut answer), if !silent => match read {
                Ok(1..) if now == Line::LosesAnswers => false,
                Ok(count @ 1..) => to_client.write_all(&answer[..count]).await.is_ok(),
                _ => false,
            },
        };
        if !passed {
            return;
        }
    }
}
