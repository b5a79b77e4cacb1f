//! A serial line without wires: a pseudo-terminal under a name that stays.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The device's end of a serial line. The other end is opened like any serial port under the given name, a symbolic
/// link that is removed when this end is dropped.
///
/// The other end may be opened and closed as often as one likes: this side keeps it open too, so that reading does
/// not fail while nobody listens.
#[derive(Debug)]
pub struct PseudoTerminal {
    master: AsyncFd<OwnedFd>,
    heard: Arc<std::sync::atomic::AtomicBool>,
    name: PathBuf,
    target: PathBuf,
    _unlocking: DropGuard,
}

/// A pseudo-terminal cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} for the serial line {}: {cause}", name.display())]
pub struct PseudoTerminalError {
    operation: &'static str,
    name: PathBuf,
    #[source]
    cause: io::Error,
}

/// A program that was killed leaves the line locked for others, because this side keeps it open. It is unlocked when
/// nobody has spoken for this long.
const UNLOCK_AFTER: Duration = Duration::from_secs(1);

impl PseudoTerminal {
    /// Makes a pseudo-terminal in raw mode and the symbolic link `name` to it, replacing an older link.
    ///
    /// # Errors
    /// When the kernel gives no terminal, or `name` exists and is no symbolic link.
    pub fn open(name: &Path) -> Result<Self, PseudoTerminalError> {
        let failed = |operation| {
            let name = name.to_owned();
            move |cause: io::Error| PseudoTerminalError { operation, name, cause }
        };
        let (master, slave, target) = make_terminal().map_err(failed("make a pseudo-terminal"))?;
        replace_link(name, &target).map_err(failed("make the symbolic link"))?;
        let master = register(master).map_err(failed("register the pseudo-terminal"))?;
        let heard = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stop = CancellationToken::new();
        tokio::spawn(keep_unlocked(slave, Arc::clone(&heard), stop.clone()));
        Ok(Self { master, heard, name: name.to_owned(), target, _unlocking: stop.drop_guard() })
    }

    /// The name under which the other end is opened.
    #[must_use]
    pub fn name(&self) -> &Path {
        &self.name
    }
}

impl Drop for PseudoTerminal {
    fn drop(&mut self) {
        if std::fs::read_link(&self.name).is_ok_and(|target| target == self.target) {
            // A link that cannot be removed is replaced by whoever comes next.
            let _ = std::fs::remove_file(&self.name);
        }
    }
}

fn make_terminal() -> io::Result<(OwnedFd, OwnedFd, PathBuf)> {
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    rustix::pty::grantpt(&master)?;
    rustix::pty::unlockpt(&master)?;
    let target = rustix::pty::ptsname(&master, Vec::new())?;
    let target = PathBuf::from(target.into_string().map_err(io::Error::other)?);
    let slave = rustix::fs::open(&target, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let mut mode = rustix::termios::tcgetattr(&slave)?;
    mode.make_raw();
    rustix::termios::tcsetattr(&slave, OptionalActions::Now, &mode)?;
    let flags = rustix::fs::fcntl_getfl(&master)?;
    rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK)?;
    Ok((master, slave, target))
}

#[allow(unsafe_code)]
fn register(master: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` names one open descriptor until it is dropped, and the `AsyncFd` owns it.
    unsafe { AsyncFd::register(master) }.map_err(Into::into)
}

fn replace_link(name: &Path, target: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(name) {
        Ok(metadata) if metadata.is_symlink() => std::fs::remove_file(name)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else has this name")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    symlink(target, name)
}

async fn keep_unlocked(slave: OwnedFd, heard: Arc<std::sync::atomic::AtomicBool>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(UNLOCK_AFTER);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if !heard.swap(false, std::sync::atomic::Ordering::Relaxed) {
            // It can only fail where there is no such lock.
            let _ = rustix::termios::ioctl_tiocnxcl(slave.as_fd());
        }
    }
}

impl AsyncRead for PseudoTerminal {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.master.poll_read_ready(cx))?;
            let read = ready.try_io(|master| Ok(rustix::io::read(master.get_ref(), buf.initialize_unfilled())?));
            if let Ok(result) = read {
                buf.advance(result?);
                self.heard.store(true, std::sync::atomic::Ordering::Relaxed);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for PseudoTerminal {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.master.poll_write_ready(cx))?;
            if let Ok(written) = ready.try_io(|master| Ok(rustix::io::write(master.get_ref(), bytes)?)) {
                return Poll::Ready(written);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_pass_both_ways_and_the_other_end_may_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("line");
        let mut device = PseudoTerminal::open(&name).unwrap();
        for round in 0..3_u8 {
            let mut port = tokio::fs::OpenOptions::new().read(true).write(true).open(&name).await.unwrap();
            port.write_all(&[round, b'\n', 0x03]).await.unwrap();
            port.flush().await.unwrap();
            let mut bytes = [0; 3];
            device.read_exact(&mut bytes).await.unwrap();
            assert_eq!(bytes, [round, b'\n', 0x03]);
            device.write_all(&[0xFF, round]).await.unwrap();
            let mut bytes = [0; 2];
            port.read_exact(&mut bytes).await.unwrap();
            assert_eq!(bytes, [0xFF, round]);
        }
    }

    #[tokio::test]
    async fn a_new_terminal_takes_over_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("line");
        let first = PseudoTerminal::open(&name).unwrap();
        let second = PseudoTerminal::open(&name).unwrap();
        assert_eq!(std::fs::read_link(&name).unwrap(), second.target);
        drop(first);
        assert!(name.exists(), "the older one removed the newer one's link");
        drop(second);
        assert!(std::fs::symlink_metadata(&name).is_err());
    }

    #[tokio::test]
    async fn a_file_is_not_replaced() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = PseudoTerminal::open(file.path()).unwrap_err().to_string();
        assert!(error.contains("something else has this name"), "{error}");
    }
}
