//! A line that sees only bytes, because what passes is encrypted. It can be cut anywhere, also in the middle of a
//! record of TLS or of its handshake; what it passes on it cannot repeat.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::pass::{Damage, Shared};

/// What passes at once.
const PIECE: usize = 16 * 1024;

impl Shared {
    /// Passes bytes on in both directions, until either side or a damage ends it.
    pub(super) async fn pass_bytes(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut server = TcpStream::connect(self.server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            ended = self.one_way(from_client, to_server, Damage::CutRequests) => ended,
            ended = self.one_way(from_server, to_client, Damage::CutAnswers) => ended,
        }
    }

    async fn one_way(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        cut: Damage,
    ) -> std::io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let length = from.read(&mut piece).await?;
            if length == 0 {
                return Ok(());
            }
            self.wait_not_silent().await;
            if cut == Damage::CutAnswers && self.meets(Damage::LateAnswers) {
                tokio::time::sleep(self.late).await;
            }
            if self.meets(cut) {
                return to.write_all(&piece[..self.below(length)]).await;
            }
            to.write_all(&piece[..length]).await?;
        }
    }
}
