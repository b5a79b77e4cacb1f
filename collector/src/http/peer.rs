//! Where a connection comes from.

use std::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;

use crate::tls::Front;

/// The address at the other end. Behind a proxy that is the proxy's: what a request says of itself is not believed.
#[derive(Debug, Clone, Copy)]
pub struct Peer(SocketAddr);

impl Peer {
    /// The address without the port.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.0.ip().to_canonical()
    }
}

impl Connected<IncomingStream<'_, Front>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Front>) -> Self {
        Self(*stream.remote_addr())
    }
}
