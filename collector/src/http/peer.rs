//! Where a connection comes from.

use std::net::{IpAddr, SocketAddr};

/// The address at the other end. Behind a proxy that is the proxy's: what a request says of itself is not believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(SocketAddr);

impl Peer {
    /// Whoever connects from there.
    pub(super) fn new(address: SocketAddr) -> Self {
        Self(address)
    }

    /// The address without the port.
    #[must_use]
    pub(super) fn ip(self) -> IpAddr {
        self.0.ip().to_canonical()
    }
}
