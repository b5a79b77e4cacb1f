//! One task per link: runs its driver, starts it again when it fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kouan_drivers::configure::ConfiguredLink;
use kouan_drivers::driver::{DriverCx, Fault, Observation, Purpose, RawHealth, Request};
use kouan_protocol::{Clock, DeviceKey, HealthLevel};
use kouan_settings::{Translate as _, both};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

/// Requests that may wait at one link.
const REQUEST_QUEUE: usize = 64;
/// The longest pause before a failed driver is started again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The running links.
pub struct Supervisor {
    tasks: JoinSet<()>,
    requests: HashMap<DeviceKey, mpsc::Sender<Request>>,
}

impl Supervisor {
    /// Starts a task per link. They end when `shutdown` is cancelled.
    #[must_use]
    pub fn start(
        links: &Arc<Vec<ConfiguredLink>>,
        observations: &mpsc::Sender<Observation>,
        clock: &Arc<dyn Clock>,
        purpose: Purpose,
        shutdown: &CancellationToken,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let mut requests = HashMap::new();
        for (at, link) in links.iter().enumerate() {
            let (sender, receiver) = mpsc::channel(REQUEST_QUEUE);
            for device in &link.devices {
                requests.insert(device.identity.key.clone(), sender.clone());
            }
            tasks.spawn(supervise(
                Arc::clone(links),
                at,
                receiver,
                observations.clone(),
                Arc::clone(clock),
                purpose,
                shutdown.clone(),
            ));
        }
        Self { tasks, requests }
    }

    /// Which link serves a device.
    #[must_use]
    pub fn requests(&self) -> HashMap<DeviceKey, mpsc::Sender<Request>> {
        self.requests.clone()
    }

    /// Waits until every link has stopped.
    pub async fn join(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn supervise(
    links: Arc<Vec<ConfiguredLink>>,
    at: usize,
    mut requests: mpsc::Receiver<Request>,
    observations: mpsc::Sender<Observation>,
    clock: Arc<dyn Clock>,
    purpose: Purpose,
    shutdown: CancellationToken,
) {
    let link = &links[at];
    let mut pause = Duration::from_secs(1);
    while !shutdown.is_cancelled() {
        // Each run gets a channel of its own; what waits longer than a driver lives stays in the outer one.
        let (forward, inner) = mpsc::channel(1);
        let cx = DriverCx {
            link: Arc::clone(&link.name),
            observations: observations.clone(),
            requests: inner,
            clock: Arc::clone(&clock),
            purpose,
            shutdown: shutdown.child_token(),
        };
        let started = clock.boot_time();
        let mut running = AbortOnDropHandle::new(tokio::spawn((link.build)().run(cx)));
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended,
                permit = forward.reserve() => match permit {
                    Ok(permit) => tokio::select! {
                        ended = &mut running => break ended,
                        request = requests.recv() => match request {
                            Some(request) => permit.send(request),
                            None => break (&mut running).await,
                        },
                    },
                    Err(_) => break (&mut running).await,
                },
            }
        };
        let (fault, text) = match ended {
            Ok(Ok(())) => {
                info!(link = %link.name, "Link stopped.");
                return;
            }
            Ok(Err(error)) => {
                warn!(link = %link.name, %error, "A driver stopped.");
                (error.fault, error.translate())
            }
            Err(panicked) => {
                error!(link = %link.name, error = %panicked, "A driver ended by a panic.");
                (Fault::Link, both!("the driver failed inside; see the agent's log", "驱动内部出错；请看代理的日志"))
            }
        };
        for device in &link.devices {
            let health = RawHealth {
                device: device.identity.key.clone(),
                boot_time: clock.boot_time(),
                level: HealthLevel::Unreachable,
                reason: if fault == Fault::Config { "wrong-settings" } else { "driver-stopped" },
                text: text.clone(),
            };
            if observations.send(Observation::Health(health)).await.is_err() {
                return;
            }
        }
        if fault == Fault::Config {
            error!(link = %link.name, "The link is parked until its settings change.");
            shutdown.cancelled().await;
            return;
        }
        if clock.boot_time().since_ms(started) > 60_000 {
            pause = Duration::from_secs(1);
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}
