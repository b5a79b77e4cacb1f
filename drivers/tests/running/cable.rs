//! A cable to a broker that can be pulled out and is plugged in again at once.
#![allow(unreachable_pub, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Passes connections on to a port of this machine.
pub struct Cable {
    pub port: u16,
    plugged: Arc<Mutex<CancellationToken>>,
}

impl Cable {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cable = Self { port: listener.local_addr().unwrap().port(), plugged: Arc::default() };
        let plugged = Arc::clone(&cable.plugged);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let plugged = plugged.lock().unwrap().clone();
                tokio::spawn(plugged.run_until_cancelled_owned(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    tokio::io::copy_bidirectional(&mut near, &mut far).await
                }));
            }
        });
        cable
    }

    /// Cuts every connection.
    pub fn pull(&self) {
        std::mem::take(&mut *self.plugged.lock().unwrap()).cancel();
    }
}
