//! A tool's side of the local socket.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::message::{Answer, Question};

/// The running agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No agent listens there.
    #[error("no agent listens at {path}: {cause}")]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The socket may not be used.
    #[error("{path} may not be used by this user; run the command as root or as the agent's user")]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// The conversation broke off.
    #[error("the agent did not answer: {0}")]
    Broken(#[from] std::io::Error),
    /// The answer cannot be read.
    #[error("the agent's answer cannot be read, it may be of another version: {0}")]
    Answer(#[from] serde_json::Error),
}

/// A connection to the running agent.
#[derive(Debug)]
pub struct LocalClient {
    stream: BufReader<UnixStream>,
}

impl LocalClient {
    /// Connects.
    ///
    /// # Errors
    /// When no agent listens or this user may not connect.
    pub async fn connect(path: &Path) -> Result<Self, LocalError> {
        match UnixStream::connect(path).await {
            Ok(stream) => Ok(Self { stream: BufReader::new(stream) }),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(LocalError::Forbidden { path: path.to_owned() })
            }
            Err(cause) => Err(LocalError::NotRunning { path: path.to_owned(), cause }),
        }
    }

    /// Asks one question.
    ///
    /// # Errors
    /// When the agent does not answer or the answer cannot be read.
    pub async fn ask(&mut self, question: &Question) -> Result<Answer, LocalError> {
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).await?;
        let mut answer = String::new();
        if self.stream.read_line(&mut answer).await? == 0 {
            return Err(LocalError::Broken(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(serde_json::from_str(&answer)?)
    }
}
