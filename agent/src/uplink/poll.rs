//! The command poll within a session.

use std::sync::Arc;

use kouan_protocol::session::CommandPoll;
use kouan_protocol::{Clock, Incarnation, SessionId};
use tracing::debug;

use super::client::{Client, UplinkError};
use crate::commands::{Executor, Submission};

/// How long the collector may hold a poll.
const WAIT_MS: u32 = 25_000;

pub(super) struct CommandPoller {
    pub(super) session: SessionId,
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) executor: Executor,
    /// The journal that the hello named.
    pub(super) journal: Incarnation,
}

impl CommandPoller {
    /// Polls until something ends the session.
    pub(super) async fn run(self) -> Result<(), UplinkError> {
        loop {
            if self.executor.journal().incarnation() != self.journal {
                let detail = "the command journal began anew".to_owned();
                return Err(UplinkError::HelloRequired { request: "poll", detail });
            }
            let sent = self.clock.boot_time();
            let poll = CommandPoll { session: self.session, wait_ms: WAIT_MS };
            let delivery = match self.client.commands(poll).await {
                Err(UplinkError::Busy { retry_after, .. }) => {
                    debug!("The collector is busy.");
                    tokio::time::sleep(retry_after).await;
                    continue;
                }
                answer => answer?,
            };
            for command in delivery.commands {
                self.executor.submit(Submission::from_collector(command, sent, delivery.held_ms)).await?;
            }
        }
    }
}
