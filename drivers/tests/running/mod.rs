//! A configured link with its driver running, and somebody who listens to it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kouan_drivers::configure::{ConfiguredLink, read_links};
use kouan_drivers::driver::{
    ActOutcome, ActRequest, DriverCx, DriverError, Observation, PermitRefused, Purpose, RawEvent, RawHealth, RawRow,
    RawValue, Request, StartPermit,
};
use kouan_drivers::profile::ProfileStore;
use kouan_protocol::{Field, HealthLevel, QualityReason, SystemClock};
use kouan_settings::{Bilingual, Document, Problems};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything takes unless it is broken.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads links and says what is wrong with them.
pub fn configure(text: &str) -> (Vec<ConfiguredLink>, String) {
    configure_with(text, &ProfileStore::built_in())
}

/// Reads links with profiles of one's own.
pub fn configure_with(text: &str, profiles: &ProfileStore) -> (Vec<ConfiguredLink>, String) {
    let problems = Problems::new("agent.toml", text);
    let document = Document::parse("agent.toml", text).unwrap();
    let mut root = document.root(&problems);
    let links = read_links(&mut root, profiles);
    drop(root);
    (links, problems.to_string())
}

/// The built-in profiles, with `from` in one of them replaced by `to`: shorter times for a test.
pub fn changed(profile: &str, from: &str, to: &str) -> ProfileStore {
    let mut profiles = ProfileStore::built_in();
    let text = profiles.get(profile).unwrap().text.clone();
    assert!(text.contains(from), "{profile} has no {from}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(format!("{profile}.toml")), text.replace(from, to)).unwrap();
    profiles.add_folder(folder.path()).unwrap();
    profiles
}

/// The first link of a configuration, running.
pub struct Running {
    pub link: ConfiguredLink,
    pub observations: mpsc::Receiver<Observation>,
    pub requests: mpsc::Sender<Request>,
    pub permits: Arc<AtomicUsize>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), DriverError>>,
}

struct Permit(Arc<AtomicUsize>, Box<dyn FnOnce() + Send>);

impl StartPermit for Permit {
    fn obtain(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<(), PermitRefused>> + Send>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        (self.1)();
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Running {
    pub fn start(text: &str) -> Self {
        Self::start_with(text, &ProfileStore::built_in())
    }

    pub fn start_with(text: &str, profiles: &ProfileStore) -> Self {
        Self::start_for(Purpose::Serve, text, profiles)
    }

    pub fn start_for(purpose: Purpose, text: &str, profiles: &ProfileStore) -> Self {
        let (mut links, said) = configure_with(text, profiles);
        assert_eq!(said, "");
        let link = links.remove(0);
        let (tx, observations) = mpsc::channel(1024);
        let (requests, asked) = mpsc::channel(16);
        let shutdown = CancellationToken::new();
        let cx = DriverCx {
            link: Arc::clone(&link.name),
            observations: tx,
            requests: asked,
            clock: Arc::new(SystemClock::new().unwrap()),
            purpose,
            shutdown: shutdown.clone(),
        };
        let task = tokio::spawn((link.build)().run(cx));
        Self { link, observations, requests, permits: Arc::default(), shutdown, task }
    }

    /// The first observation for which `wanted` has an answer; what comes before is dropped.
    pub async fn first<T>(&mut self, what: &str, mut wanted: impl FnMut(&Observation) -> Option<T>) -> T {
        let mut passed = Vec::new();
        let find = async {
            loop {
                let observation = self.observations.recv().await.unwrap();
                match wanted(&observation) {
                    Some(found) => return found,
                    None => passed.push(observation),
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, find).await;
        found.unwrap_or_else(|_| panic!("never came: {what}; only {passed:#?}"))
    }

    /// The next event, and what tells the driver that it is on disk.
    pub async fn event(&mut self) -> (RawEvent, Option<oneshot::Sender<()>>) {
        let find = async {
            loop {
                if let Observation::Event { event, stored } = self.observations.recv().await.unwrap() {
                    return (event, stored);
                }
            }
        };
        tokio::time::timeout(PATIENCE, find).await.expect("no event came")
    }

    /// Waits for that health.
    pub async fn health(&mut self, level: HealthLevel, reason: &str) -> RawHealth {
        let what = format!("{level} ({reason})");
        self.first(&what, |observation| match observation {
            Observation::Health(health) if health.level == level && health.reason == reason => Some(health.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for a row in which the point has a cell for which `wanted` has an answer.
    pub async fn point<T>(
        &mut self,
        name: &str,
        mut wanted: impl FnMut(&Result<RawValue, QualityReason>) -> Option<T>,
    ) -> T {
        let groups = self.link.devices[0].groups.clone();
        self.first(name, |observation| {
            let Observation::Row(row) = observation else { return None };
            let column = groups[row.group].points.iter().position(|point| point.spec.name.as_str() == name)?;
            let cell = row.cells.iter().find(|(at, _)| usize::from(*at) == column)?;
            wanted(&cell.1)
        })
        .await
    }

    /// Carries out an action and waits for its outcome.
    pub async fn act(&self, action: &str, arguments: Vec<Field>) -> ActOutcome {
        self.act_when(action, arguments, || {}).await
    }

    /// The same; `meanwhile` happens while "started" is being written to disk.
    pub async fn act_when(
        &self,
        action: &str,
        arguments: Vec<Field>,
        meanwhile: impl FnOnce() + Send + 'static,
    ) -> ActOutcome {
        let (reply, outcome) = oneshot::channel();
        let act = ActRequest {
            device: self.link.devices[0].identity.key.clone(),
            action: action.to_owned(),
            arguments,
            permit: Box::new(Permit(Arc::clone(&self.permits), Box::new(meanwhile))),
            reply,
        };
        assert!(self.requests.send(Request::Act(act)).await.is_ok(), "the driver has stopped");
        tokio::time::timeout(PATIENCE, outcome).await.unwrap().unwrap()
    }

    /// How many permits were obtained.
    pub fn permits(&self) -> usize {
        self.permits.load(Ordering::SeqCst)
    }

    /// Reads the first device on demand.
    pub async fn read(&self) -> Result<Vec<RawRow>, Bilingual> {
        let (reply, rows) = oneshot::channel();
        let device = self.link.devices[0].identity.key.clone();
        assert!(
            self.requests.send(Request::Read { device, trace: None, reply }).await.is_ok(),
            "the driver has stopped"
        );
        tokio::time::timeout(PATIENCE, rows).await.unwrap().unwrap()
    }

    /// Stops the driver.
    pub async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(2), self.task).await.unwrap().unwrap().unwrap();
    }
}
