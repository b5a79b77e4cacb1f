//! The task that puts every change into the urgent lane.

use std::sync::Arc;

use kouan_protocol::Lane;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::registry::Shared;
use crate::buffer::Buffer;

/// Records what was raised and cleared.
#[derive(Debug)]
pub struct AlarmRecorder {
    shared: Arc<Shared>,
}

impl AlarmRecorder {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Runs until `shutdown` is cancelled; what was said before is then recorded.
    pub async fn run(self, buffer: Arc<Buffer>, shutdown: CancellationToken) {
        loop {
            let stopping = tokio::select! {
                () = self.shared.changed.notified() => false,
                () = shutdown.cancelled() => true,
            };
            let records = self.shared.take_waiting();
            if !records.is_empty()
                && let Err(error) = buffer.append(Lane::Urgent, records, Vec::new()).await
            {
                error!(%error, "The agent's own alarms could not be recorded.");
                return;
            }
            if stopping {
                return;
            }
        }
    }
}
