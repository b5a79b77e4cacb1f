//! A command that moves something is carried out at most once.

use std::collections::HashMap;
use std::sync::Arc;

use kouan_agent::buffer::Buffer;
use kouan_agent::commands::{Executor, Journal, Reporter, Submission};
use kouan_agent::pipeline::Current;
use kouan_drivers::driver::{ActOutcome, ActRequest, Request};
use kouan_protocol::*;
use tokio::sync::mpsc;

use crate::site::{catalogue, clock, open, waiting};

struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    buffer: Arc<Buffer>,
    executor: Executor,
    driver: mpsc::Receiver<Request>,
}

fn executor(
    folder: &std::path::Path,
    clock: &Arc<ManualClock>,
    buffer: &Arc<Buffer>,
) -> (Executor, Reporter, mpsc::Receiver<Request>) {
    let dynamic: Arc<dyn Clock> = Arc::clone(clock) as _;
    let journal = Journal::open(&folder.join("journal.db"), &dynamic).unwrap();
    let incarnation = journal.incarnation();
    let (link, driver) = mpsc::channel(8);
    let links = HashMap::from([("gate-1".parse().unwrap(), link)]);
    let current = Arc::new(Current::new(catalogue()));
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let (executor, reporter) = Executor::new(journal, clock, Arc::clone(buffer), current, links);
    executor.confirm_journal(incarnation);
    (executor, reporter, driver)
}

impl Bench {
    fn new() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
        let (buffer, _threads) = open(folder.path(), &clock);
        let buffer = Arc::new(buffer);
        let (executor, reporter, driver) = executor(folder.path(), &clock, &buffer);
        tokio::spawn(reporter.run());
        Self { folder, clock, buffer, executor, driver }
    }

    /// The same data folder after a crash: the old executor is gone, the journal is read again.
    async fn restart(self, change: impl FnOnce(&ManualClock)) -> Self {
        change(&self.clock);
        let Self { folder, clock, buffer, .. } = self;
        let (executor, reporter, driver) = executor(folder.path(), &clock, &buffer);
        tokio::spawn(reporter.run());
        executor.recover().await.unwrap();
        Self { folder, clock, buffer, executor, driver }
    }

    async fn act(&mut self) -> ActRequest {
        match self.driver.recv().await.unwrap() {
            Request::Act(request) => request,
            Request::Read { .. } | Request::Search { .. } => panic!("nobody asked for a read"),
        }
    }

    async fn ends_as(&self, id: &str) -> (CommandState, String) {
        let entry = self.executor.wait_final(&id.parse().unwrap()).await.unwrap().unwrap();
        (entry.state, entry.reason)
    }

    /// States of all commands in the order in which the urgent lane has them, once the last of them is final.
    async fn reported(&self, last: CommandState) -> Vec<(String, CommandState)> {
        let mut signal = self.buffer.signal(Lane::Urgent);
        loop {
            signal.borrow_and_update();
            let batches = waiting(&self.buffer, Lane::Urgent).await;
            let states = batches.iter().flat_map(|batch| &batch.records).filter_map(|record| match &record.body {
                RecordBody::Command(progress) => Some((progress.command.to_string(), progress.state)),
                _ => None,
            });
            let states = states.collect::<Vec<_>>();
            if states.last().is_some_and(|(_, state)| *state == last) {
                return states;
            }
            signal.changed().await.unwrap();
        }
    }
}

fn submission(id: &str, deadline: BootTime) -> Submission {
    Submission {
        id: id.parse().unwrap(),
        device: "gate-1".parse().unwrap(),
        action: "gate.open".to_owned(),
        arguments: vec![Field::new("direction", FieldValue::Text("in".to_owned()))],
        by: None,
        deadline,
    }
}

fn soon(clock: &ManualClock) -> BootTime {
    clock.boot_time().plus_ms(60_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_goes_its_whole_way_and_a_second_delivery_moves_nothing() {
    let mut bench = Bench::new();
    let wanted = submission("c-1", soon(&bench.clock));
    bench.executor.submit(wanted.clone()).await.unwrap();
    let request = bench.act().await;
    request.permit.obtain().await.unwrap();
    request.reply.send(ActOutcome::Succeeded(vec![])).unwrap();
    assert_eq!(bench.ends_as("c-1").await.0, CommandState::Succeeded);

    bench.executor.submit(wanted).await.unwrap();
    bench.executor.submit(submission("c-2", soon(&bench.clock))).await.unwrap();
    // The next thing that the driver hears of is another command.
    let next = bench.act().await;
    next.permit.obtain().await.unwrap();
    next.reply.send(ActOutcome::Failed(("refused", "被拒绝").into())).unwrap();
    assert_eq!(bench.ends_as("c-2").await, (CommandState::Failed, "refused".to_owned()));
    let states = bench.reported(CommandState::Failed).await;
    let of_first: Vec<_> = states.iter().filter(|(id, _)| id == "c-1").map(|(_, state)| *state).collect();
    use CommandState::{Delivered, Started, Succeeded};
    assert_eq!(of_first, [Delivered, Started, Succeeded, Succeeded], "the second delivery only repeats the outcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_told_again_when_the_file_with_its_report_is_lost() {
    let mut bench = Bench::new();
    bench.executor.submit(submission("c-1", soon(&bench.clock))).await.unwrap();
    let request = bench.act().await;
    request.permit.obtain().await.unwrap();
    request.reply.send(ActOutcome::Succeeded(vec![])).unwrap();
    bench.reported(CommandState::Succeeded).await;
    // The report is in the buffer, and the journal knows that, before the same folder is used with another buffer.
    loop {
        let entry = bench.executor.journal().entry(&"c-1".parse().unwrap()).unwrap().unwrap();
        if entry.reported {
            break;
        }
        tokio::task::yield_now().await;
    }
    let other = tempfile::tempdir().unwrap();
    let Bench { folder, clock, .. } = bench;
    let (buffer, _threads) = open(other.path(), &clock);
    let buffer = Arc::new(buffer);
    let (executor, reporter, driver) = executor(folder.path(), &clock, &buffer);
    tokio::spawn(reporter.run());
    let bench = Bench { folder, clock, buffer, executor, driver };
    assert_eq!(bench.reported(CommandState::Succeeded).await, [("c-1".to_owned(), CommandState::Succeeded)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_unknown_and_stays_so() {
    let mut bench = Bench::new();
    bench.executor.submit(submission("c-1", soon(&bench.clock))).await.unwrap();
    let request = bench.act().await;
    request.permit.obtain().await.unwrap();
    drop(request.reply);
    assert_eq!(bench.ends_as("c-1").await.0, CommandState::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_was_started_is_unknown_after_a_crash() {
    let mut bench = Bench::new();
    bench.executor.submit(submission("c-1", soon(&bench.clock))).await.unwrap();
    let request = bench.act().await;
    request.permit.obtain().await.unwrap();
    // The device never gets to answer: the agent is gone first. The forgotten reply keeps the old executor waiting.
    std::mem::forget(request.reply);
    let mut bench = bench.restart(|_| {}).await;
    assert_eq!(bench.ends_as("c-1").await.0, CommandState::Unknown);
    bench.executor.submit(submission("c-1", soon(&bench.clock))).await.unwrap();
    bench.executor.submit(submission("c-2", soon(&bench.clock))).await.unwrap();
    let next = bench.act().await;
    next.permit.obtain().await.unwrap();
    next.reply.send(ActOutcome::Succeeded(vec![])).unwrap();
    assert_eq!(bench.ends_as("c-2").await.0, CommandState::Succeeded, "only the new command reached the driver");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_command_outlives_a_crash_but_not_a_boot() {
    let bench = Bench::new();
    bench.executor.submit(submission("c-1", soon(&bench.clock))).await.unwrap();
    let mut bench = bench.restart(|_| {}).await;
    let request = bench.act().await;
    assert_eq!(request.action, "gate.open");
    drop(request);

    let bench = Bench::new();
    bench.executor.submit(submission("c-1", soon(&bench.clock))).await.unwrap();
    let bench = bench.restart(|clock| clock.change(|anchor| anchor.boot = BootId(2))).await;
    assert_eq!(bench.ends_as("c-1").await.0, CommandState::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_life_has_ended_is_not_started() {
    let mut bench = Bench::new();
    let deadline = bench.clock.boot_time().plus_ms(60_000);
    bench.executor.submit(submission("c-1", deadline)).await.unwrap();
    let request = bench.act().await;
    // The wall clock plays no part; the boot clock does.
    bench.clock.change(|anchor| anchor.wall = Timestamp(0));
    bench.clock.advance_ms(60_000);
    let refused = request.permit.obtain().await.unwrap_err();
    request.reply.send(ActOutcome::NotStarted(refused.0)).unwrap();
    assert_eq!(bench.ends_as("c-1").await.0, CommandState::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_rejected_with_the_reason() {
    let bench = Bench::new();
    let deadline = soon(&bench.clock);
    let unknown_device = Submission { device: "gate-9".parse().unwrap(), ..submission("c-1", deadline) };
    let unknown_action = Submission { action: "gate.explode".to_owned(), ..submission("c-2", deadline) };
    let wrong_argument = Submission {
        arguments: vec![Field::new("direction", FieldValue::Text("up".to_owned()))],
        ..submission("c-3", deadline)
    };
    for submission in [unknown_device, unknown_action, wrong_argument] {
        bench.executor.submit(submission).await.unwrap();
    }
    use CommandState::Rejected;
    assert_eq!(bench.ends_as("c-1").await, (Rejected, "this agent has no device named gate-9".to_owned()));
    let reason = "gate-1 has no action \"gate.explode\"; it has gate.open";
    assert_eq!(bench.ends_as("c-2").await, (Rejected, reason.to_owned()));
    let reason = "argument \"direction\" is \"up\"; it must be one of in, out";
    assert_eq!(bench.ends_as("c-3").await, (Rejected, reason.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_submitter_went_away_is_still_carried_out() {
    let mut bench = Bench::new();
    let deadline = soon(&bench.clock);
    let mut submit = Box::pin(bench.executor.submit(submission("c-1", deadline)));
    // One poll starts it; then the session that brought the command ends.
    let started = std::future::poll_fn(|cx| {
        let _ = submit.as_mut().poll(cx);
        std::task::Poll::Ready(())
    });
    started.await;
    drop(submit);
    let request = bench.act().await;
    request.permit.obtain().await.unwrap();
    request.reply.send(ActOutcome::Succeeded(vec![])).unwrap();
    assert_eq!(bench.ends_as("c-1").await.0, CommandState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_journal_is_another_incarnation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let clock: Arc<dyn Clock> = clock();
    let first = Journal::open(&path, &clock).unwrap().incarnation();
    assert_eq!(Journal::open(&path, &clock).unwrap().incarnation(), first);
    std::fs::remove_file(&path).unwrap();
    assert_ne!(Journal::open(&path, &clock).unwrap().incarnation(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_journal_is_noticed() {
    let bench = Bench::new();
    bench.executor.submit(submission("c-1", soon(&bench.clock))).await.unwrap();
    bench.reported(CommandState::Delivered).await;
    let mark = bench.buffer.journal_mark().await.unwrap().unwrap();
    assert!(!bench.executor.journal().is_behind(mark), "the journal is the one that the mark was made of");
    // A copy that was taken before the command came.
    let older = kouan_agent::buffer::JournalMark { changes: mark.changes + 1, ..mark };
    assert!(bench.executor.journal().is_behind(older));
    let other = kouan_agent::buffer::JournalMark { incarnation: Incarnation(1), changes: mark.changes + 1 };
    assert!(!bench.executor.journal().is_behind(other), "another journal is another life, with numbers of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_copy_may_have_done_is_unknown_and_never_runs() {
    let mut bench = Bench::new();
    bench.executor.submit(submission("c-1", soon(&bench.clock))).await.unwrap();
    let request = bench.act().await;
    let before = bench.executor.journal().incarnation();
    bench.executor.begin_new_incarnation(&("the data folder may be an older copy", "旧拷贝").into()).await.unwrap();
    assert_ne!(bench.executor.journal().incarnation(), before);
    assert!(request.permit.obtain().await.is_err(), "what waits at a driver must not begin");
    assert_eq!(bench.ends_as("c-1").await.0, CommandState::Unknown);
    // The collector delivers again what it thinks was not begun; it is only reported.
    bench.executor.submit(submission("c-1", soon(&bench.clock))).await.unwrap();
    bench.executor.confirm_journal(bench.executor.journal().incarnation());
    bench.executor.submit(submission("c-2", soon(&bench.clock))).await.unwrap();
    let next = bench.act().await;
    next.permit.obtain().await.unwrap();
    next.reply.send(ActOutcome::Succeeded(vec![])).unwrap();
    assert_eq!(bench.ends_as("c-2").await.0, CommandState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_before_the_collector_has_confirmed_the_journal() {
    let bench = Bench::new();
    bench.executor.confirm_journal(Incarnation(1));
    bench.executor.submit(submission("c-1", bench.clock.boot_time().plus_ms(1500))).await.unwrap();
    bench.clock.advance_ms(2000);
    assert_eq!(bench.ends_as("c-1").await.0, CommandState::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_journal_is_moved_aside_and_another_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let clock: Arc<dyn Clock> = clock();
    let first = Journal::open(&path, &clock).unwrap().incarnation();
    std::fs::write(&path, vec![0x5A; 100_000]).unwrap();
    let journal = Journal::open(&path, &clock).unwrap();
    assert_ne!(journal.incarnation(), first);
    assert_eq!(journal.condition().borrow().moved_aside, 1);
    let aside = std::fs::read_dir(folder.path()).unwrap().filter_map(Result::ok);
    let aside: Vec<_> = aside.map(|file| file.file_name().into_string().unwrap()).collect();
    assert!(aside.iter().any(|name| name.starts_with("journal.db.damaged-2026")), "{aside:?}");
}
