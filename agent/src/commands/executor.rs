//! From a delivered command to its outcome.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use kouan_drivers::driver::{ActOutcome, ActRequest, PermitRefused, Request, StartPermit};
use kouan_protocol::{
    BootTime, Clock, Command, CommandId, CommandState, DeviceKey, Field, Incarnation, Lane, RecordBody, limits,
};
use kouan_settings::{Bilingual, both};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::entry::{Entry, arguments_wrong};
use super::journal::{Journal, JournalError};
use super::stock::{Awaited, Watching};
use crate::buffer::{Buffer, NewRecord};
use crate::pipeline::Current;

/// A command on its way in.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// Which command.
    pub id: CommandId,
    /// The device.
    pub device: DeviceKey,
    /// The action.
    pub action: String,
    /// Its arguments.
    pub arguments: Vec<Field>,
    /// The local user, for a command that was asked for here.
    pub by: Option<String>,
    /// When its life ends if it was not started.
    pub deadline: BootTime,
}

impl Submission {
    /// A command from the collector. Its deadline is on the boot clock: when the poll was sent, plus the time the
    /// collector held it, plus the life that was left then.
    #[must_use]
    pub fn from_collector(command: Command, poll_sent: BootTime, held_ms: u64) -> Self {
        Self {
            id: command.id,
            device: command.device,
            action: command.action,
            arguments: command.arguments,
            by: None,
            deadline: poll_sent.plus_ms(held_ms).plus_ms(command.life_left_ms),
        }
    }
}

/// Carries commands out. Clones share one journal.
#[derive(Debug, Clone)]
pub struct Executor {
    shared: Arc<Shared>,
    links: Arc<HashMap<DeviceKey, mpsc::Sender<Request>>>,
    tasks: TaskTracker,
    reports: mpsc::Sender<Entry>,
}

#[derive(Debug)]
struct Shared {
    journal: Journal,
    clock: Arc<dyn Clock>,
    buffer: Arc<Buffer>,
    current: Arc<Current>,
    changed: watch::Sender<u64>,
    /// What commands wait to see at readers of tags.
    awaited: Arc<Awaited>,
    /// The journal of which the collector has said that it is not an older copy.
    confirmed: watch::Sender<Option<Incarnation>>,
}

/// States on their way into the urgent lane, in the order in which the journal took them.
#[derive(Debug)]
pub struct Reporter {
    shared: Arc<Shared>,
    reports: mpsc::Receiver<Entry>,
}

/// How often an outcome is tried to be written, with growing pauses, before it is left to the next start.
const OUTCOME_TRIES: u32 = 8;

/// States that may wait to be reported.
const REPORT_QUEUE: usize = 256;

impl Executor {
    /// An executor over `journal`, and the task that reports what it does. `links` says which driver serves a device.
    #[must_use]
    pub fn new(
        journal: Journal,
        clock: Arc<dyn Clock>,
        buffer: Arc<Buffer>,
        current: Arc<Current>,
        links: HashMap<DeviceKey, mpsc::Sender<Request>>,
    ) -> (Self, Reporter) {
        let (tasks, changed) = (TaskTracker::new(), watch::Sender::new(0));
        let (sender, reports) = mpsc::channel(REPORT_QUEUE);
        let (awaited, confirmed) = (Arc::default(), watch::Sender::new(None));
        let shared = Shared { journal, clock, buffer, current, changed, awaited, confirmed };
        let shared = Arc::new(shared);
        let reporter = Reporter { shared: Arc::clone(&shared), reports };
        (Self { shared, links: Arc::new(links), tasks, reports: sender }, reporter)
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// The collector has compared its positions with this agent's, and nothing says that the data folder is an older
    /// copy: what it delivers to this journal may be carried out.
    pub fn confirm_journal(&self, incarnation: Incarnation) {
        self.shared.confirmed.send_replace(Some(incarnation));
    }

    /// The data folder may be an older copy: whatever is not finished in the journal becomes `unknown` and is reported,
    /// and the journal goes on as another one, which the next hello names.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn begin_new_incarnation(&self, reason: &Bilingual) -> Result<(), JournalError> {
        let (shared, reason) = (Arc::clone(&self.shared), reason.clone());
        let unknown = blocking(move || shared.journal.begin_new_incarnation(&reason)).await?;
        for entry in unknown {
            self.report(entry).await;
        }
        self.shared.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Brings the journal in order after a start: what was started is unknown, what another boot delivered is
    /// expired, what a local user waited for is rejected, what still lives is carried out once the collector has
    /// confirmed the journal, and every state the collector may lack is reported.
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub async fn recover(&self) -> Result<(), JournalError> {
        let shared = Arc::clone(&self.shared);
        let entries = blocking(move || shared.journal.open_entries()).await?;
        for entry in entries {
            let id = entry.id.clone();
            match entry.state {
                CommandState::Started => {
                    let reason =
                        both!("the agent stopped while the command was being carried out", "执行命令期间代理停止");
                    self.advance(&id, CommandState::Started, CommandState::Unknown, &reason, Vec::new()).await?;
                }
                CommandState::Delivered if entry.boot != self.shared.clock.anchor().boot => {
                    let reason = both!(
                        "the machine was started again before the command was carried out",
                        "命令执行之前机器重新启动"
                    );
                    self.advance(&id, CommandState::Delivered, CommandState::Expired, &reason, Vec::new()).await?;
                }
                CommandState::Delivered if entry.by.is_some() => {
                    let reason = both!(
                        "the agent was started again before the command was carried out",
                        "命令执行之前代理重新启动"
                    );
                    self.advance(&id, CommandState::Delivered, CommandState::Rejected, &reason, Vec::new()).await?;
                }
                CommandState::Delivered => {
                    self.report(entry.clone()).await;
                    self.spawn(entry);
                }
                _ => self.report(entry).await,
            }
        }
        Ok(())
    }

    /// Records a command and carries it out in the background. One that is already in the journal is only reported
    /// again; it is never carried out twice.
    ///
    /// # Errors
    /// When the journal cannot be written; nothing is then carried out.
    pub async fn submit(&self, submission: Submission) -> Result<(), JournalError> {
        // A task of its own: whoever submits may be gone before the disk has answered, and a command that is in the
        // journal must have somebody who carries it out.
        let executor = self.clone();
        match self.tasks.spawn(async move { executor.take_in(submission).await }).await {
            Ok(taken) => taken,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    async fn take_in(&self, submission: Submission) -> Result<(), JournalError> {
        let entry = Entry {
            id: submission.id,
            device: submission.device,
            action: submission.action,
            arguments: submission.arguments,
            by: submission.by,
            boot: self.shared.clock.anchor().boot,
            deadline: submission.deadline,
            state: CommandState::Delivered,
            reason: String::new(),
            reason_zh: String::new(),
            results: Vec::new(),
            reported: false,
        };
        let (shared, recorded) = (Arc::clone(&self.shared), entry.clone());
        let is_new = match blocking(move || shared.journal.deliver(&recorded)).await {
            Err(error) if error.is_full() => {
                error!(command = %entry.id, %error, "A command was rejected because the journal has no room.");
                let reason = "the agent's disk is full, and its journal has no room for the command".to_owned();
                let reason_zh = "代理的磁盘已满，命令日志没有空间记下这条命令".to_owned();
                self.report(Entry { state: CommandState::Rejected, reason, reason_zh, ..entry }).await;
                return Ok(());
            }
            delivered => delivered?,
        };
        if is_new {
            info!(command = %entry.id, device = %entry.device, action = entry.action, "Command delivered.");
            self.report(entry.clone()).await;
            self.spawn(entry);
        } else {
            let (shared, id) = (Arc::clone(&self.shared), entry.id.clone());
            if let Some(known) = blocking(move || shared.journal.entry(&id)).await? {
                info!(command = %known.id, state = %known.state, "Command delivered again; it is not carried out twice.");
                self.report(known).await;
            }
        }
        Ok(())
    }

    /// Waits until the command is finished and returns it; `None` if the journal does not have it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn wait_final(&self, id: &CommandId) -> Result<Option<Entry>, JournalError> {
        let mut changed = self.shared.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let (shared, wanted) = (Arc::clone(&self.shared), id.clone());
            match blocking(move || shared.journal.entry(&wanted)).await? {
                Some(entry) if !entry.state.is_final() => {}
                finished => return Ok(finished),
            }
            if changed.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    /// Waits for commands in progress. Drivers must have been told to stop before.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn spawn(&self, entry: Entry) {
        let executor = self.clone();
        self.tasks.spawn(async move {
            let id = entry.id.clone();
            if let Err(error) = executor.carry_out(entry).await {
                error!(command = %id, %error, "The journal refused a command; its outcome will be reported at the next start.");
            }
        });
    }

    async fn carry_out(&self, entry: Entry) -> Result<(), JournalError> {
        let id = entry.id.clone();
        if let Some(reason) = self.refusal(&entry) {
            return self.settle(&id, CommandState::Delivered, CommandState::Rejected, &reason, Vec::new()).await;
        }
        let Some(link) = self.links.get(&entry.device) else {
            let device = &entry.device;
            let reason = both!("no driver serves the device {device}", "没有驱动负责设备 {device}");
            return self.settle(&id, CommandState::Delivered, CommandState::Rejected, &reason, Vec::new()).await;
        };
        if entry.by.is_none() && !self.wait_confirmed(entry.deadline).await {
            let reason = both!(
                "its life ended before the collector had confirmed the agent's journal",
                "采集中心确认代理的命令日志之前，命令已过有效期"
            );
            self.advance(&id, CommandState::Delivered, CommandState::Expired, &reason, Vec::new()).await?;
            return Ok(());
        }
        // From before the slot opens: what comes or goes may be seen while it still stands open.
        let watching = match Watching::begin(&entry, &self.shared.current, &self.shared.awaited) {
            Ok(watching) => watching,
            Err(reason) => {
                return self.settle(&id, CommandState::Delivered, CommandState::Rejected, &reason, Vec::new()).await;
            }
        };
        let (reply, outcome) = oneshot::channel();
        let (deadline, moves) = (entry.deadline, self.moves(&entry));
        let permit = Box::new(Permit { executor: self.clone(), id: id.clone(), deadline, moves });
        let request =
            ActRequest { device: entry.device, action: entry.action, arguments: entry.arguments, permit, reply };
        let handed_over = async {
            link.send(Request::Act(request)).await.map_err(|_| ())?;
            outcome.await.map_err(|_| ())
        };
        tokio::pin!(handed_over);
        // A command whose turn does not come in time expires where it waits. The journal decides: if the driver got
        // its permit first, the command is no longer `delivered` and the driver's answer counts.
        let outcome = tokio::select! {
            outcome = &mut handed_over => outcome,
            () = self.life_ended(entry.deadline) => {
                let reason = both!("its turn did not come before its life ended", "轮到执行之前，命令已过有效期");
                if self.advance(&id, CommandState::Delivered, CommandState::Expired, &reason, Vec::new()).await? {
                    return Ok(());
                }
                handed_over.await
            }
        };
        let outcome = match (outcome, watching) {
            (Ok(outcome), Some(watching)) => Ok(watching.complete(outcome, || self.tasks.is_closed()).await),
            (outcome, _) => outcome,
        };
        match outcome {
            Ok(ActOutcome::Succeeded(results)) => {
                self.settle(&id, CommandState::Started, CommandState::Succeeded, &Bilingual::default(), results).await
            }
            Ok(ActOutcome::Failed(reason)) => {
                // A failure before the permit was asked for leaves the command `delivered`.
                self.settle(&id, CommandState::Started, CommandState::Failed, &reason, Vec::new()).await?;
                self.settle(&id, CommandState::Delivered, CommandState::Failed, &reason, Vec::new()).await
            }
            Ok(ActOutcome::Unknown(reason)) => {
                self.settle(&id, CommandState::Started, CommandState::Unknown, &reason, Vec::new()).await
            }
            Ok(ActOutcome::Partly { seen, reason }) => {
                self.settle(&id, CommandState::Started, CommandState::Unknown, &reason, seen).await
            }
            // The permit wrote down why, unless the journal refused that too.
            Ok(ActOutcome::NotStarted(reason)) => {
                self.settle(&id, CommandState::Delivered, CommandState::Failed, &reason, Vec::new()).await
            }
            Err(()) => {
                let reason =
                    both!("the driver stopped while the command was being carried out", "执行命令期间驱动停止");
                self.settle(&id, CommandState::Started, CommandState::Unknown, &reason, Vec::new()).await?;
                let reason = both!("the driver stopped before the command was carried out", "命令执行之前驱动停止");
                self.settle(&id, CommandState::Delivered, CommandState::Failed, &reason, Vec::new()).await
            }
        }
    }

    /// Why a command cannot be carried out at all.
    fn refusal(&self, entry: &Entry) -> Option<Bilingual> {
        let Some(device) = self.shared.current.catalogue().device(&entry.device) else {
            let name = &entry.device;
            return Some(both!("this agent has no device named {name}", "这个代理没有名为 {name} 的设备"));
        };
        let Some(action) = device.action(&entry.action) else {
            let known: Vec<_> = device.actions.iter().map(|action| action.name.as_str()).collect();
            let known = if known.is_empty() { "–".to_owned() } else { known.join(", ") };
            let (name, action) = (&entry.device, &entry.action);
            return Some(both!(
                "{name} has no action \"{action}\"; it has {known}",
                "{name} 没有操作“{action}”；它有：{known}"
            ));
        };
        if let Err(problems) = action.check(&entry.arguments) {
            return Some(arguments_wrong(&problems));
        }
        self.unsafe_to_move().filter(|_| action.moves)
    }

    /// Why nothing that moves may be carried out at present.
    fn unsafe_to_move(&self) -> Option<Bilingual> {
        if self.shared.journal.is_volatile() {
            return Some(both!(
                "the agent's disk refuses, so its command journal is in memory only",
                "代理的磁盘拒绝写入，命令日志只在内存中"
            ));
        }
        if self.shared.buffer.condition().borrow().is_volatile() {
            return Some(both!(
                "the agent's disk refuses, so its urgent records are in memory only",
                "代理的磁盘拒绝写入，紧急记录只在内存中"
            ));
        }
        None
    }

    fn moves(&self, entry: &Entry) -> bool {
        let device = self.shared.current.catalogue().device(&entry.device);
        device.and_then(|device| device.action(&entry.action)).is_none_or(|action| action.moves)
    }

    /// Waits until the collector has confirmed the journal. `false`: the command's life ended first.
    async fn wait_confirmed(&self, deadline: BootTime) -> bool {
        let mut confirmed = self.shared.confirmed.subscribe();
        let journal = || Some(self.shared.journal.incarnation());
        tokio::select! {
            seen = confirmed.wait_for(|confirmed| *confirmed == journal()) => seen.is_ok(),
            () = self.life_ended(deadline) => false,
        }
    }

    async fn life_ended(&self, deadline: BootTime) {
        loop {
            let left = deadline.since_ms(self.shared.clock.boot_time());
            if left == 0 {
                return;
            }
            // The boot clock also runs while the machine sleeps, which a timer does not: look again now and then.
            tokio::time::sleep(std::time::Duration::from_millis(left.min(1000))).await;
        }
    }

    /// Writes down an outcome, trying again while the journal refuses: what the device did must not be forgotten.
    async fn settle(
        &self,
        id: &CommandId,
        from: CommandState,
        to: CommandState,
        reason: &Bilingual,
        results: Vec<Field>,
    ) -> Result<(), JournalError> {
        let mut pause = std::time::Duration::from_millis(200);
        for _ in 0..OUTCOME_TRIES {
            match self.advance(id, from, to, reason, results.clone()).await {
                Ok(_) => return Ok(()),
                Err(error) => warn!(command = %id, %error, "An outcome could not be written; trying again."),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.advance(id, from, to, reason, results).await.map(|_| ())
    }

    /// Moves a command on, on disk, and reports it if it moved. Returns whether it did.
    async fn advance(
        &self,
        id: &CommandId,
        from: CommandState,
        to: CommandState,
        reason: &Bilingual,
        results: Vec<Field>,
    ) -> Result<bool, JournalError> {
        let moved = self.advance_only(id, from, to, reason, results).await?;
        if moved {
            let (shared, wanted) = (Arc::clone(&self.shared), id.clone());
            if let Some(entry) = blocking(move || shared.journal.entry(&wanted)).await? {
                self.report(entry).await;
            }
        }
        Ok(moved)
    }

    async fn advance_only(
        &self,
        id: &CommandId,
        from: CommandState,
        to: CommandState,
        reason: &Bilingual,
        results: Vec<Field>,
    ) -> Result<bool, JournalError> {
        let (shared, wanted) = (Arc::clone(&self.shared), id.clone());
        let short = |text: &str| text.chars().take(limits::TEXT_BYTES / 4).collect::<String>();
        let reason = Bilingual::new(short(&reason.english), short(&reason.chinese));
        let moved = blocking(move || shared.journal.advance(&wanted, from, to, &reason, &results)).await?;
        if moved {
            match to {
                CommandState::Unknown => warn!(command = %id, "Nobody can tell whether the command was carried out."),
                _ => info!(command = %id, state = %to, "Command moved on."),
            }
            self.shared.changed.send_modify(|count| *count += 1);
        }
        Ok(moved)
    }

    async fn report(&self, entry: Entry) {
        // The reporter lives as long as anybody who could send to it.
        let _ = self.reports.send(entry).await;
    }
}

impl Reporter {
    /// Puts states into the urgent lane and notes that in the journal, until every executor is gone. A crash in
    /// between reports a state a second time, which the collector recognises.
    pub async fn run(mut self) {
        let mut condition = self.shared.buffer.condition();
        let mut waiting = self.lost_reports().await;
        let mut open = true;
        while open {
            if waiting.is_empty() {
                tokio::select! {
                    received = self.reports.recv_many(&mut waiting, REPORT_QUEUE) => open = received > 0,
                    // A file that was replaced took with it what it had not sent.
                    Ok(()) = condition.changed() => waiting = self.lost_reports().await,
                }
            }
            if waiting.is_empty() {
                continue;
            }
            let mark = self.shared.journal.mark();
            let boot_time = self.shared.clock.boot_time();
            let record =
                |entry: &Entry| NewRecord { boot_time, body: RecordBody::Command(entry.progress(mark.incarnation)) };
            let records = waiting.iter().map(record).collect();
            if let Err(error) = self.shared.buffer.append_commands(records, mark).await {
                warn!(%error, "Command states could not be reported; they will be at the next start.");
                waiting.clear();
                continue;
            }
            // What went into memory only may be lost; it is told once more at the next start.
            if self.shared.buffer.condition().borrow().is_volatile() {
                waiting.clear();
                continue;
            }
            let (shared, reported) = (Arc::clone(&self.shared), std::mem::take(&mut waiting));
            let note =
                move || reported.iter().try_for_each(|entry| shared.journal.mark_reported(&entry.id, entry.state));
            if let Err(error) = blocking(note).await {
                warn!(%error, "Reports could not be noted; they will be repeated at the next start.");
            }
        }
    }

    /// What was reported into an urgent lane that is not the present one.
    async fn lost_reports(&self) -> Vec<Entry> {
        if self.shared.buffer.condition().borrow().is_volatile() {
            return Vec::new();
        }
        let (shared, epoch) = (Arc::clone(&self.shared), self.shared.buffer.epoch(Lane::Urgent));
        blocking(move || shared.journal.tell_in(epoch)).await.unwrap_or_else(|error| {
            warn!(%error, "What was reported earlier will be told again at the next start.");
            Vec::new()
        })
    }
}

/// Checks the command's life once more and writes "started" before the first byte goes out.
struct Permit {
    executor: Executor,
    id: CommandId,
    deadline: BootTime,
    moves: bool,
}

impl StartPermit for Permit {
    fn obtain(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<(), PermitRefused>> + Send>> {
        Box::pin(async move {
            let Self { executor, id, deadline, moves } = *self;
            let refused = |reason: Bilingual| Err(PermitRefused(reason));
            if let Some(reason) = executor.unsafe_to_move().filter(|_| moves) {
                let _ = executor
                    .advance(&id, CommandState::Delivered, CommandState::Rejected, &reason, Vec::new())
                    .await
                    .inspect_err(|error| error!(command = %id, %error, "A rejection could not be written."));
                return refused(reason);
            }
            if executor.shared.clock.boot_time() >= deadline {
                let reason = both!("its life ended before it was started", "开始执行之前，命令已过有效期");
                let _ = executor
                    .advance(&id, CommandState::Delivered, CommandState::Expired, &reason, Vec::new())
                    .await
                    .inspect_err(|error| error!(command = %id, %error, "An expiry could not be written."));
                return refused(reason);
            }
            let moved = executor
                .advance_only(&id, CommandState::Delivered, CommandState::Started, &Bilingual::default(), Vec::new())
                .await;
            match moved {
                // This very write may have been the one that the disk refused.
                Ok(true) if moves && executor.shared.journal.is_volatile() => {
                    let reason =
                        both!("the disk refused to keep that the command was started", "磁盘拒绝记下命令已开始");
                    executor
                        .settle(&id, CommandState::Started, CommandState::Rejected, &reason, Vec::new())
                        .await
                        .unwrap_or_else(|error| error!(command = %id, %error, "A rejection could not be written."));
                    refused(reason)
                }
                // The disk may have taken longer than the command had to live.
                Ok(true) if executor.shared.clock.boot_time() >= deadline => {
                    let reason =
                        both!("its life ended while its start was being written", "记录开始执行时，命令已过有效期");
                    executor
                        .settle(&id, CommandState::Started, CommandState::Expired, &reason, Vec::new())
                        .await
                        .unwrap_or_else(|error| error!(command = %id, %error, "An expiry could not be written."));
                    refused(reason)
                }
                Ok(true) => {
                    let (shared, wanted) = (Arc::clone(&executor.shared), id.clone());
                    if let Ok(Some(entry)) = blocking(move || shared.journal.entry(&wanted)).await {
                        // The device does not wait for a full queue: the outcome will be reported in any case.
                        let _ = executor.reports.try_send(entry);
                    }
                    Ok(())
                }
                Ok(false) => refused(both!("it is no longer waiting to be started", "命令已不在等待执行")),
                Err(error) => {
                    refused(both!("the journal cannot be written: {error}", "无法写入命令日志：{error}"; error))
                }
            }
        })
    }
}

/// Runs a journal call, which waits for the disk, off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Result<T, JournalError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
