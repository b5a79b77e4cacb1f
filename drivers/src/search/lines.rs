//! Which units answer the questions of a profile that is no Modbus profile: lock boards, gates, readers, UPS.
//!
//! The profile's own driver asks. It is a driver like any other, with its own pauses and its care for late answers; only
//! nobody gives it commands.

use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::{Clock, DeviceKey, HealthLevel};
use kouan_settings::{Document, Problems};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::configure::{ConfiguredLink, read_links};
use crate::driver::{DriverCx, Observation};
use crate::profile::ProfileStore;

/// The most that one unit may take, waiting for late answers included.
const LONGEST: Duration = Duration::from_secs(5);

/// A place and a profile whose questions are asked there.
#[derive(Debug, Clone)]
pub struct Question {
    /// The protocol.
    pub kind: String,
    /// The profile.
    pub profile: String,
    /// The keys of the link that say where it ends, as TOML: `serial = "/dev/ttyUSB0"`, `baud = 19200`.
    pub place: String,
    /// How long a device may think.
    pub wait: Duration,
}

/// A unit that gave a valid answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answering {
    /// Its address.
    pub unit: u16,
    /// Whether it answered all questions.
    pub whole: bool,
}

/// Asks each of `units`, one after the other; `asked` is told before each.
///
/// # Errors
/// When the profile or the place cannot be used, in words for a person.
pub async fn search(
    question: &Question,
    units: impl IntoIterator<Item = u16>,
    store: &ProfileStore,
    clock: &Arc<dyn Clock>,
    mut asked: impl FnMut(u16),
) -> Result<Vec<Answering>, String> {
    let mut found = Vec::new();
    let mut problem = None;
    let mut possible = 0;
    for unit in units {
        let link = match link(question, unit, store) {
            Ok(link) => link,
            // A model has only so many addresses.
            Err(said) => {
                problem = Some(said);
                continue;
            }
        };
        possible += 1;
        asked(unit);
        if let Some(whole) = ask(&link, clock).await? {
            found.push(Answering { unit, whole });
        }
    }
    match problem {
        Some(problem) if possible == 0 => Err(problem),
        _ => Ok(found),
    }
}

fn link(question: &Question, unit: u16, store: &ProfileStore) -> Result<ConfiguredLink, String> {
    let Question { kind, profile, place, wait } = question;
    let text = format!(
        "[[link]]\nname = \"search\"\nkind = \"{kind}\"\n{place}\nanswer_timeout = \"{}ms\"\nretries = 0\nmisses = 1\n\
         [[link.device]]\nname = \"unit\"\nprofile = \"{profile}\"\nunit = {unit}\n",
        wait.as_millis()
    );
    let file = format!("search for {profile}");
    let document = Document::parse(&file, &text).map_err(|problems| problems.to_string())?;
    let problems = Problems::new(&file, &text);
    let mut root = document.root(&problems);
    let mut links = read_links(&mut root, store);
    drop(root);
    problems.into_result(()).map_err(|problems| problems.to_string())?;
    links.pop().ok_or_else(|| "there is no link".to_owned())
}

/// Whether the only device of a link answers; `Some(true)` if it answers everything.
async fn ask(link: &ConfiguredLink, clock: &Arc<dyn Clock>) -> Result<Option<bool>, String> {
    let (observations, mut observed) = mpsc::channel(64);
    let (_requests, requests) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let shutdown = stop.clone();
    let cx = DriverCx { link: "search".into(), observations, requests, clock: Arc::clone(clock), shutdown };
    let running = tokio::spawn((link.build)().run(cx));
    let device: Option<&DeviceKey> = link.devices.first().map(|device| &device.identity.key);
    let said = tokio::time::timeout(LONGEST, async {
        while let Some(observation) = observed.recv().await {
            match observation {
                Observation::Health(health) if Some(&health.device) == device => {
                    if health.reason == "link-closed" {
                        return Err(health.text);
                    }
                    let answers = health.level >= HealthLevel::Answering;
                    return Ok(answers.then_some(health.level == HealthLevel::Working));
                }
                _ => {}
            }
        }
        Ok(None)
    })
    .await;
    stop.cancel();
    drop(observed);
    // The port must be closed before the next unit is asked.
    let _ = running.await;
    said.unwrap_or(Ok(None))
}

#[cfg(all(test, feature = "simulators"))]
mod tests {
    use kouan_protocol::ManualClock;

    use super::*;
    use crate::simulator::Cabinet;

    #[tokio::test]
    async fn a_lock_board_is_found_and_nothing_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let line = folder.path().join("line");
        let stop = CancellationToken::new();
        let cabinet = Cabinet::new(2);
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let (running, name, stopped) = (Arc::clone(&cabinet), line.clone(), stop.clone());
        let task = tokio::spawn(async move {
            running.run(&name, || ready.send(()).unwrap(), stopped).await.unwrap();
        });
        is_ready.await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
        let question = Question {
            kind: "serial-line".to_owned(),
            profile: "kerong-cu16".to_owned(),
            place: format!("serial = \"{}\"\nbaud = 19200", line.display()),
            wait: Duration::from_millis(200),
        };
        let before = crate::simulator::Controlled::show(&*cabinet);
        let found = search(&question, 1..=3, &ProfileStore::built_in(), &clock, |_| {}).await.unwrap();
        assert_eq!(found.iter().map(|found| found.unit).collect::<Vec<_>>(), [2]);
        assert_eq!(crate::simulator::Controlled::show(&*cabinet)["slots"], before["slots"]);
        stop.cancel();
        task.await.unwrap();
    }
}
