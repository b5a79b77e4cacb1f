//! Somebody who wants to see what a device says. It speaks when it likes, so that is waited for.

use std::time::Duration;

use kouan_protocol::DeviceKey;
use kouan_settings::Bilingual;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::driver::ListenerDriver;
use super::ear::Ear;
use super::explain;
use crate::driver::RawRow;
use crate::link::trace::Trace;

/// How long the device may take to say something.
const LISTENS: Duration = Duration::from_secs(10);

/// A conversation that is being recorded until the device has said something.
#[derive(Debug)]
pub(super) struct Overhearing {
    device: DeviceKey,
    trace: Trace,
    /// The first piece of this link.
    from: usize,
    /// The first bytes may be the end of a frame.
    joining: bool,
    until: Instant,
    reply: oneshot::Sender<Result<Vec<RawRow>, Bilingual>>,
}

impl Overhearing {
    /// Begins, with the part of a frame that came already.
    pub(super) fn begin(
        device: DeviceKey,
        trace: Trace,
        reply: oneshot::Sender<Result<Vec<RawRow>, Bilingual>>,
        ear: &Ear,
    ) -> Self {
        let from = trace.len();
        if !ear.waiting().is_empty() {
            trace.heard(ear.waiting());
        }
        Self { device, trace, from, joining: ear.is_joining(), until: Instant::now() + LISTENS, reply }
    }

    /// Whether it is about this device.
    pub(super) fn is_of(&self, device: &DeviceKey) -> bool {
        self.device == *device
    }

    /// When it ends, whatever comes.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Whether any byte came.
    pub(super) fn heard_something(&self) -> bool {
        self.trace.len() > self.from
    }

    /// Bytes came.
    pub(super) fn hear(&self, bytes: &[u8]) {
        self.trace.heard(bytes);
    }

    /// The line paused: what comes next belongs to nothing before.
    pub(super) fn pause(&mut self, driver: &ListenerDriver) {
        self.explain(driver);
        self.joining = false;
    }

    /// Answers.
    pub(super) fn end(self, driver: &ListenerDriver, rows: Result<Vec<RawRow>, Bilingual>) {
        self.explain(driver);
        // Whoever asked may have gone.
        drop(self.reply.send(rows));
    }

    fn explain(&self, driver: &ListenerDriver) {
        let mut joining = self.joining;
        self.trace.explain(self.from, |pieces| {
            for piece in pieces.iter_mut().filter(|piece| piece.fields.is_empty()) {
                piece.fields = explain::heard(&driver.frame, &driver.devices, &piece.bytes, joining);
                joining = false;
            }
        });
    }
}
