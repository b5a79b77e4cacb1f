//! What others ask of a link: it is taken in, answered in its turn, and turned away when the link stops.

use std::time::Duration;

use kouan_settings::Bilingual;
use tokio::sync::oneshot;

use super::{Engine, LINK_STOPPED, STOPPED, WAITING_REQUESTS, not_here};
use crate::driver::{ActOutcome, Heard, RawRow, Request};
use crate::link::talker::Talker;
use crate::link::trace::Trace;

/// A read on demand, one group at a time, so that a command can overtake it.
pub(super) struct ReadJob {
    device: usize,
    next_group: usize,
    rows: Vec<RawRow>,
    trouble: Option<Bilingual>,
    trace: Option<Trace>,
    reply: oneshot::Sender<Result<Vec<RawRow>, Bilingual>>,
}

/// One address that somebody wants to know of.
pub(super) struct SearchJob {
    unit: u8,
    wait: Duration,
    reply: oneshot::Sender<Result<Option<Heard>, Bilingual>>,
}

impl<T: Talker> Engine<T> {
    pub(super) fn take_requests(&mut self) {
        while self.acts.len() + self.reads.len() + self.searches.len() < WAITING_REQUESTS {
            match self.cx.requests.try_recv() {
                Ok(request) => self.accept(request),
                Err(_) => return,
            }
        }
    }

    pub(super) fn accept(&mut self, request: Request) {
        match request {
            Request::Act(request) => self.acts.push_back(request),
            Request::Read { device, trace, reply } => match self.find(&device) {
                Some(device) => {
                    let (rows, trouble) = (Vec::new(), None);
                    self.reads.push_back(ReadJob { device, next_group: 0, rows, trouble, trace, reply });
                }
                None => drop(reply.send(Err(not_here(&device)))),
            },
            Request::Search { unit, wait, reply } => self.searches.push_back(SearchJob { unit, wait, reply }),
        }
    }

    /// One step of a search; not taken when whoever asked has gone.
    pub(super) async fn search(&mut self, job: SearchJob) {
        if job.reply.is_closed() {
            return;
        }
        let searched = match self.open().await {
            Ok(()) => self.talker.search(job.unit, job.wait).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &searched
            && error.broken
        {
            self.talker.close();
        }
        drop(job.reply.send(searched.map_err(|error| error.text)));
    }

    pub(super) async fn read_step(&mut self) {
        let Some((device, group)) = self.reads.front().map(|job| (job.device, job.next_group)) else { return };
        // A job that was finished and a device without groups end here.
        if group < self.states[device].group_count() {
            let trace = self.reads.front().and_then(|job| job.trace.clone());
            let result = match trace {
                None => self.poll(device, group, true).await,
                Some(trace) => {
                    let from = trace.len();
                    let result = trace.scope(self.poll(device, group, true)).await;
                    trace.explain(from, |pieces| self.talker.explain(device, group, pieces));
                    result
                }
            };
            if let Some(job) = self.reads.front_mut() {
                job.next_group += 1;
                match result {
                    Ok(row) => job.rows.push(row),
                    Err(error) => job.trouble = Some(error),
                }
            }
        }
        let done = |job: &ReadJob| job.next_group >= self.states[job.device].group_count();
        if self.reads.front().is_some_and(done)
            && let Some(job) = self.reads.pop_front()
        {
            let result = match job.trouble {
                Some(trouble) if job.rows.is_empty() => Err(trouble),
                _ => Ok(job.rows),
            };
            // Whoever asked may have gone.
            drop(job.reply.send(result));
        }
    }

    /// Answers what was asked for and not begun.
    pub(super) fn turn_away(&mut self) {
        self.cx.requests.close();
        while let Ok(request) = self.cx.requests.try_recv() {
            self.accept(request);
        }
        for request in self.acts.drain(..) {
            drop(request.reply.send(ActOutcome::Failed(STOPPED.into())));
        }
        for watch in std::mem::take(&mut self.watches) {
            let (device, action) = (watch.device, watch.action.clone());
            self.finish(device, &action, watch.abandon());
        }
        for job in self.searches.drain(..) {
            drop(job.reply.send(Err(LINK_STOPPED.into())));
        }
        for job in self.reads.drain(..) {
            drop(job.reply.send(Err(LINK_STOPPED.into())));
        }
    }
}
