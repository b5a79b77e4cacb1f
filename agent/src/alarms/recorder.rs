//! The task that puts every change into the urgent lane.

use std::path::PathBuf;
use std::sync::Arc;

use kouan_protocol::Lane;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::kept;
use super::registry::Shared;
use crate::buffer::Buffer;

/// Records what was raised and cleared.
#[derive(Debug)]
pub struct AlarmRecorder {
    shared: Arc<Shared>,
    /// Where those of devices are kept over a restart.
    file: Option<PathBuf>,
}

impl AlarmRecorder {
    pub(super) fn new(shared: Arc<Shared>, file: Option<PathBuf>) -> Self {
        Self { shared, file }
    }

    /// Runs until `shutdown` is cancelled; what was said before is then recorded.
    pub async fn run(self, buffer: Arc<Buffer>, shutdown: CancellationToken) {
        let mut is_kept = true;
        loop {
            let stopping = tokio::select! {
                () = self.shared.changed.notified() => false,
                () = shutdown.cancelled() => true,
            };
            let records = self.shared.take_waiting();
            let changed = !records.is_empty();
            if changed && let Err(error) = buffer.append(Lane::Urgent, records, Vec::new()).await {
                error!(%error, "The agent's own alarms could not be recorded.");
                return;
            }
            // Later than the record: a power cut in between tells an alarm once more and loses none.
            if changed && let Some(file) = self.file.clone() {
                let kept = self.shared.kept();
                let written = tokio::task::spawn_blocking(move || kept::write(&file, &kept)).await;
                let written = written.map_err(std::io::Error::other).and_then(|written| written);
                if let Err(error) = &written
                    && is_kept
                {
                    warn!(%error, "The alarms that hold cannot be kept: a restart would tell them anew.");
                }
                is_kept = written.is_ok();
            }
            if stopping {
                return;
            }
        }
    }
}
