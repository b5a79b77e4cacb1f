//! Which units answer the questions of a profile that is no Modbus profile: lock boards, gates, readers, UPS.
//!
//! The profile's own driver asks. It is a driver like any other, with its own pauses and its care for late answers; only
//! nobody gives it commands.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::{Clock, DeviceKey, HealthLevel};
use kouan_settings::{Bilingual, Document, Problems, Translate as _, both};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::configure::{ConfiguredLink, read_links};
use crate::driver::{DriverCx, Observation, Purpose};
use crate::osdp::WANTS_KEY;
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
    /// Whether it talks only to somebody who has its key.
    pub wants_key: bool,
}

/// Reasons of a device that said something valid and yet is not understood: nobody but it says so at its address.
const IS_THERE: [&str; 3] = ["refused", "busy", "insecure"];

/// A unit and the profiles whose questions it answers, the likeliest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// Its address.
    pub unit: u16,
    /// Whether it talks only to somebody who has its key; what it is cannot be told then.
    pub wants_key: bool,
    /// Names of profiles, and whether it answered all their questions.
    pub profiles: Vec<(String, bool)>,
}

/// Puts together what several profiles' questions found; each profile comes with the number of its questions.
///
/// A unit that answers everything of two profiles is rather the one with more to ask. Of profiles that it answers in part,
/// the one that asks less expects less of it.
#[must_use]
pub fn candidates(found: &[(String, usize, Vec<Answering>)]) -> Vec<Candidates> {
    let mut units: BTreeMap<u16, Vec<(&str, usize, &Answering)>> = BTreeMap::new();
    for (profile, questions, answering) in found {
        for unit in answering {
            units.entry(unit.unit).or_default().push((profile, *questions, unit));
        }
    }
    let arrange = |(unit, mut fits): (u16, Vec<(&str, usize, &Answering)>)| {
        let count = |questions: usize| i64::try_from(questions).unwrap_or(i64::MAX);
        fits.sort_by_key(|(_, questions, said)| {
            (!said.whole, if said.whole { -count(*questions) } else { count(*questions) })
        });
        let wants_key = fits.iter().all(|(_, _, said)| said.wants_key);
        let profiles = fits.into_iter().map(|(profile, _, said)| (profile.to_owned(), said.whole)).collect();
        Candidates { unit, wants_key, profiles }
    };
    units.into_iter().map(arrange).collect()
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
) -> Result<Vec<Answering>, Bilingual> {
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
        if let Some((whole, wants_key)) = ask(&link, clock).await? {
            found.push(Answering { unit, whole, wants_key });
        }
    }
    match problem {
        Some(problem) if possible == 0 => Err(problem),
        _ => Ok(found),
    }
}

fn link(question: &Question, unit: u16, store: &ProfileStore) -> Result<ConfiguredLink, Bilingual> {
    let Question { kind, profile, place, wait } = question;
    let text = format!(
        "[[link]]\nname = \"search\"\nkind = \"{kind}\"\n{place}\nanswer_timeout = \"{}ms\"\nretries = 0\nmisses = 1\n\
         [[link.device]]\nname = \"unit\"\nprofile = \"{profile}\"\nunit = {unit}\n",
        wait.as_millis()
    );
    let file = format!("search for {profile}");
    let document = Document::parse(&file, &text).map_err(|problems| problems.translate())?;
    let problems = Problems::new(&file, &text);
    let mut root = document.root(&problems);
    let mut links = read_links(&mut root, store);
    drop(root);
    problems.into_result(()).map_err(|problems| problems.translate())?;
    links.pop().ok_or_else(|| both!("there is no link", "没有线路"))
}

/// Whether the only device of a link answers: whether it answers everything, and whether it wants a key.
async fn ask(link: &ConfiguredLink, clock: &Arc<dyn Clock>) -> Result<Option<(bool, bool)>, Bilingual> {
    let (observations, mut observed) = mpsc::channel(64);
    let (_requests, requests) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let shutdown = stop.clone();
    let cx = DriverCx {
        link: "search".into(),
        observations,
        requests,
        clock: Arc::clone(clock),
        purpose: Purpose::Look,
        shutdown,
    };
    let running = tokio::spawn((link.build)().run(cx));
    let device: Option<&DeviceKey> = link.devices.first().map(|device| &device.identity.key);
    let said = tokio::time::timeout(LONGEST, async {
        while let Some(observation) = observed.recv().await {
            match observation {
                Observation::Health(health) if Some(&health.device) == device => {
                    if health.reason == "link-closed" {
                        return Err(health.text);
                    }
                    let answers = health.level >= HealthLevel::Answering || IS_THERE.contains(&health.reason);
                    let whole = health.level == HealthLevel::Working;
                    return Ok(answers.then_some((whole, health.reason == WANTS_KEY)));
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
    use crate::osdp::secure::Key;
    use crate::simulator::{Cabinet, CardReader};

    /// What a bus with one reader looks like to somebody who searches it.
    #[allow(clippy::unwrap_used)]
    async fn searched(reader: &Arc<CardReader>) -> Vec<Candidates> {
        let folder = tempfile::tempdir().unwrap();
        let line = folder.path().join("line");
        let stop = CancellationToken::new();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let (running, name, stopped) = (Arc::clone(reader), line.clone(), stop.clone());
        let task = tokio::spawn(async move {
            running.run(&name, || ready.send(()).unwrap(), stopped).await.unwrap();
        });
        is_ready.await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
        let mut found = Vec::new();
        for (profile, questions) in [("osdp-door", 4), ("osdp-reader", 2)] {
            let place = format!("serial = \"{}\"\nbaud = 9600", line.display());
            let (kind, profile) = ("osdp".to_owned(), profile.to_owned());
            let question = Question { kind, profile, place, wait: Duration::from_millis(200) };
            let answering = search(&question, 4..=6, &ProfileStore::built_in(), &clock, |_| {}).await.unwrap();
            found.push((question.profile, questions, answering));
        }
        stop.cancel();
        task.await.unwrap();
        candidates(&found)
    }

    #[tokio::test]
    async fn a_reader_that_demands_a_key_is_found_and_says_so() {
        let reader = CardReader::new(5, Some(Key::read("000102030405060708090a0b0c0d0e0f").unwrap()));
        let found = searched(&reader).await;
        assert_eq!(found.iter().map(|found| (found.unit, found.wants_key)).collect::<Vec<_>>(), [(5, true)]);
    }

    #[tokio::test]
    async fn a_search_leaves_the_card_in_the_reader() {
        let reader = CardReader::new(5, None);
        reader.hold_card(26, &[0xAB, 0xCD, 0xEF, 0x40]);
        let found = searched(&reader).await;
        // The simulated reader has a panel's inputs and outputs.
        assert_eq!(found[0].profiles, [("osdp-door".to_owned(), true), ("osdp-reader".to_owned(), true)]);
        assert!(!found[0].wants_key);
        assert_eq!(reader.state().polls, 0, "whatever a reader answers to a poll it forgets");
    }

    #[test]
    fn the_profile_that_fits_as_a_whole_comes_first() {
        let said = |whole| vec![Answering { unit: 5, whole, wants_key: false }];
        let found =
            |door, reader| candidates(&[("osdp-door".to_owned(), 4, door), ("osdp-reader".to_owned(), 2, reader)]);
        // A plain reader has no inputs.
        let plain = found(said(false), said(true));
        assert_eq!(plain[0].profiles, [("osdp-reader".to_owned(), true), ("osdp-door".to_owned(), false)]);
        let neither = found(said(false), said(false));
        assert_eq!(neither[0].profiles[0].0, "osdp-reader");
        let both = found(said(true), said(true));
        assert_eq!(both[0].profiles[0].0, "osdp-door");
    }

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
