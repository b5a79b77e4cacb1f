//! Actions: each begun at most once, and watched until it is known what became of it.

use kouan_protocol::DeviceKey;
use kouan_settings::{Translate as _, both};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{Engine, STOP_GRACE, STOPPED, not_here};
use crate::driver::{ActOutcome, ActRequest, RawRow};
use crate::link::talker::{ActError, TalkError, Talker};
use crate::link::watch::{Acted, Finished, Watch};

impl<T: Talker> Engine<T> {
    pub(super) async fn act(&mut self, request: ActRequest) {
        let ActRequest { device, action, arguments, permit, reply } = request;
        let shutdown = self.cx.shutdown.clone();
        let mut permitted = false;
        let outcome = {
            let stopped = async {
                shutdown.cancelled().await;
                tokio::time::sleep(STOP_GRACE).await;
            };
            tokio::select! {
                biased;
                outcome = self.act_once(&device, &action, &arguments, permit, &mut permitted) => Some(outcome),
                () = stopped => None,
            }
        };
        let outcome = match outcome {
            Some(Ok(acted)) => {
                let Some(index) = self.find(&device) else { return };
                if acted.steps.is_empty() {
                    self.log_outcome(&device, &action, &ActOutcome::Succeeded(Vec::new()));
                }
                self.watches.extend(Watch::begin(index, &action, acted, reply, Instant::now()));
                return;
            }
            Some(Err(outcome)) => outcome,
            None if permitted => ActOutcome::Unknown(both!(
                "the agent was stopped before the device had answered",
                "设备还没有应答，代理就停止了"
            )),
            None => ActOutcome::Failed(STOPPED.into()),
        };
        self.log_outcome(&device, &action, &outcome);
        drop(reply.send(outcome));
    }

    /// Carries out an action at most once: nothing in here is a loop, and nobody calls it twice for one request.
    async fn act_once(
        &mut self,
        device: &DeviceKey,
        action: &str,
        arguments: &[kouan_protocol::Field],
        permit: Box<dyn crate::driver::StartPermit>,
        permitted: &mut bool,
    ) -> Result<Acted, ActOutcome> {
        let Some(index) = self.find(device) else {
            return Err(ActOutcome::Failed(not_here(device)));
        };
        let act = match self.talker.prepare(index, action, arguments) {
            Ok(act) => act,
            Err(reason) => return Err(ActOutcome::Failed(reason)),
        };
        if let Err(error) = self.open_settled(index).await {
            return Err(ActOutcome::Failed(both!("link closed: {error}", "线路没有打开：{error}"; error)));
        }
        *permitted = true;
        if let Err(refused) = permit.obtain().await {
            return Err(ActOutcome::NotStarted(refused.translate()));
        }
        let result = self.talker.act(index, act).await;
        if let Err(error) = &result
            && error.cause().broken
        {
            self.talker.close();
        }
        if self.states[index].is_unread() {
            let trouble = result.as_ref().err().map(ActError::cause);
            let findings = self.states[index].acted(trouble, self.cx.clock.boot_time());
            self.tell(findings);
        }
        result.map_err(|error| match error {
            ActError::Refused(cause) | ActError::NotSent(cause) => ActOutcome::Failed(cause.text),
            ActError::NotConfirmed(cause) => ActOutcome::Unknown(cause.text),
        })
    }

    /// Opens the link and makes it ready. Nothing was sent yet, so a link that turns out broken may be opened anew.
    async fn open_settled(&mut self, device: usize) -> Result<(), TalkError> {
        for last in [false, true] {
            self.open().await?;
            match self.talker.settle(device).await {
                Ok(()) => return Ok(()),
                Err(error) if last || !error.broken => {
                    if error.broken {
                        self.talker.close();
                    }
                    return Err(error);
                }
                Err(_) => self.talker.close(),
            }
        }
        Ok(())
    }

    /// Reads a group because somebody waits to see what an action did.
    pub(super) async fn look(&mut self, device: usize, group: usize) {
        // A late answer that is waited for, or a failure, is no sight of anything; the deadline ends it.
        if self.poll(device, group, false).await.is_err() {
            self.judge_watches(device, group, None);
        }
    }

    /// Lets every action that waits for this group see what was read.
    pub(super) fn judge_watches(&mut self, device: usize, group: usize, row: Option<&RawRow>) {
        let now = Instant::now();
        for mut watch in std::mem::take(&mut self.watches) {
            if watch.device != device {
                self.watches.push(watch);
                continue;
            }
            watch.looked(group, now);
            let action = watch.action.clone();
            match watch.see(row, now) {
                Ok(watch) => self.watches.push(watch),
                Err(finished) => self.finish(device, &action, finished),
            }
        }
    }

    /// Ends what was not seen in time, also while the link is closed and nothing can be read.
    pub(super) fn end_watches(&mut self) {
        let now = Instant::now();
        for watch in std::mem::take(&mut self.watches) {
            let (device, action) = (watch.device, watch.action.clone());
            match watch.see(None, now) {
                Ok(watch) => self.watches.push(watch),
                Err(finished) => self.finish(device, &action, finished),
            }
        }
    }

    pub(super) fn finish(&self, device: usize, action: &str, finished: Finished) {
        self.log_outcome(self.states[device].key(), action, &finished.outcome);
        // Whoever asked may have gone.
        drop(finished.reply.send(finished.outcome));
    }

    fn log_outcome(&self, device: &DeviceKey, action: &str, outcome: &ActOutcome) {
        let link = &self.cx.link;
        match outcome {
            ActOutcome::Succeeded(_) => info!(%link, %device, %action, "Action done."),
            ActOutcome::Failed(reason) => warn!(%link, %device, %action, %reason, "Action failed."),
            ActOutcome::NotStarted(reason) => warn!(%link, %device, %action, %reason, "Action not started."),
            ActOutcome::Unknown(reason) | ActOutcome::Partly { reason, .. } => {
                tracing::error!(%link, %device, %action, %reason, "Nobody can tell whether an action was done.");
            }
        }
    }
}
