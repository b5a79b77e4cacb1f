//! What a crash or a power cut at any point leaves.

use std::sync::Arc;

use kouan_protocol::{ManualClock, Timestamp};
use rusqlite::Connection;

use super::rows::{self, NewRow};
use super::{Care, Digest, Evidence, Files, Given, KeepProblem, Kept, Limits, Picture, check};
use crate::audit::{Actor, ActorKind};
use crate::auth::Scope;
use crate::store::{DataFolder, File, Readers, StoreError, Writer, open_writable};

const NOW: Timestamp = Timestamp(1_795_341_600_000);
const PLAIN: &[u8] = include_bytes!("../../tests/pictures/plain.png");
const OTHER: &[u8] = include_bytes!("../../tests/pictures/baseline.jpg");

struct Place {
    folder: tempfile::TempDir,
    state: Connection,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path());
        data.create().unwrap();
        let state = open_writable(&data.state(), File::State).unwrap();
        Self { folder, state }
    }

    /// As after a start: nothing is held.
    fn files(&self) -> Files {
        Files::open(&DataFolder::new(self.folder.path())).unwrap()
    }

    fn add(&mut self, bytes: &[u8], device: &str, limits: &Limits, now: Timestamp) -> Result<Kept, KeepProblem> {
        let by = Actor { kind: ActorKind::Key, id: "1".into(), name: "nvr".into(), address: String::new() };
        let digest = Digest::of(bytes);
        let new = NewRow {
            site: "hall",
            device,
            belongs: [None; 3],
            taken: now,
            note: "",
            picture: Picture::of(bytes).unwrap(),
            bytes: bytes.len() as u64,
            digest: &digest,
            by: &by,
        };
        let transaction = self.state.transaction().unwrap();
        let kept = rows::add(&transaction, &new, limits, now).unwrap();
        transaction.commit().unwrap();
        kept
    }

    fn sweep(&self, files: &Files) -> usize {
        files.sweep(None, |digest| rows::is_needed(&self.state, digest)).unwrap()
    }
}

#[test]
fn a_file_whose_row_was_never_written_is_swept() {
    let place = Place::new();
    let files = place.files();
    let placed = files.place(PLAIN).unwrap();
    assert_eq!(place.sweep(&files), 0, "it is held until its row is committed");
    let path = files.path(placed.digest());
    drop(placed);
    // Killed here: the next start knows nothing of it.
    let files = place.files();
    assert!(path.exists());
    assert_eq!(place.sweep(&files), 1);
    assert!(!path.exists());
}

#[test]
fn a_file_that_was_being_written_is_gone_after_the_next_start() {
    let place = Place::new();
    drop(place.files());
    let draft = place.folder.path().join("evidence/incoming/0123456789abcdef");
    std::fs::write(&draft, &PLAIN[..20]).unwrap();
    place.files();
    assert!(!draft.exists());
}

#[test]
fn a_picture_with_its_row_stays_whatever_is_swept() {
    let mut place = Place::new();
    let files = place.files();
    let placed = files.place(PLAIN).unwrap();
    assert!(matches!(place.add(PLAIN, "d-1", &Limits::default(), NOW), Ok(Kept::Now(_))));
    drop(placed);
    let files = place.files();
    assert_eq!(place.sweep(&files), 0);
    let report = check(place.folder.path()).unwrap();
    assert_eq!((report.pictures, report.problems.len()), (1, 0), "{report:?}");
}

#[test]
fn a_broken_file_is_found_never_shown_and_healed_when_the_picture_comes_again() {
    let mut place = Place::new();
    let files = place.files();
    let digest = files.place(PLAIN).unwrap().digest().clone();
    place.add(PLAIN, "d-1", &Limits::default(), NOW).unwrap();
    let path = files.path(&digest);
    std::fs::write(&path, &PLAIN[..PLAIN.len() - 1]).unwrap();
    assert!(files.open_whole(&digest).unwrap().is_none());
    assert!(check(place.folder.path()).unwrap().problems[0].contains("not what it was"));
    std::fs::remove_file(&path).unwrap();
    assert!(!files.has(&digest));
    assert!(check(place.folder.path()).unwrap().problems[0].contains("lost"));
    drop(files.place(PLAIN).unwrap());
    assert!(matches!(place.add(PLAIN, "d-1", &Limits::default(), NOW), Ok(Kept::Before(_))));
    assert!(files.open_whole(&digest).unwrap().is_some());
    assert!(check(place.folder.path()).unwrap().problems.is_empty());
}

#[test]
fn a_picture_of_two_devices_is_one_file_until_nobody_needs_it() {
    let mut place = Place::new();
    let files = place.files();
    let digest = files.place(PLAIN).unwrap().digest().clone();
    let mut ids = Vec::new();
    for device in ["d-1", "d-2"] {
        let Ok(Kept::Now(row)) = place.add(PLAIN, device, &Limits::default(), NOW) else { panic!("{device}") };
        ids.push(row.id);
    }
    assert_eq!(rows::totals(&place.state).unwrap(), (1, PLAIN.len() as u64));
    for (id, swept) in ids.iter().zip([0, 1]) {
        let transaction = place.state.transaction().unwrap();
        rows::remove(&transaction, &Scope::All, id, ("admin", "private"), NOW).unwrap().unwrap();
        transaction.commit().unwrap();
        assert_eq!(place.sweep(&files), swept);
    }
    assert!(!files.has(&digest));
    let row = rows::find(&place.state, &Scope::All, &ids[0]).unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.removed.unwrap().reason.as_str()), ("removed", "private"));
    assert!(matches!(place.add(PLAIN, "d-1", &Limits::default(), NOW), Ok(Kept::Now(_))), "it may be given again");
}

#[test]
fn limits_hold_and_age_makes_room() {
    let mut place = Place::new();
    let files = place.files();
    let room = PLAIN.len() as u64;
    let small = Limits { total_bytes: room, per_device_and_day: 2, days: Some(1) };
    drop(files.place(PLAIN).unwrap());
    place.add(PLAIN, "d-1", &small, NOW).unwrap();
    assert_eq!(place.add(OTHER, "d-1", &small, NOW), Err(KeepProblem::Full(room >> 20)));
    place.add(PLAIN, "d-2", &small, NOW).expect("the file is there already");
    let one = Limits { per_device_and_day: 1, ..Limits::default() };
    assert_eq!(place.add(OTHER, "d-1", &one, NOW), Err(KeepProblem::Many(1)));
    let tomorrow = NOW.plus_ms(24 * 3_600_000);
    place.add(OTHER, "d-1", &one, tomorrow).expect("a day later");

    let transaction = place.state.transaction().unwrap();
    let old = rows::forget(&transaction, tomorrow.0, 10).unwrap();
    transaction.commit().unwrap();
    assert_eq!(old, [Digest::of(PLAIN), Digest::of(PLAIN)]);
    assert_eq!(place.sweep(&files), 1);
    assert_eq!(rows::totals(&place.state).unwrap(), (1, OTHER.len() as u64));
}

#[tokio::test]
async fn old_pictures_go_by_the_time_that_is_believed() {
    let Place { folder, state } = Place::new();
    let data = DataFolder::new(folder.path());
    let (writer, thread) = Writer::spawn("state", state).unwrap();
    let clock = Arc::new(ManualClock::at(NOW.0));
    let limits = Limits { days: Some(2), ..Limits::default() };
    let both = (Readers::new(&data.state()), writer.clone());
    let evidence = Evidence::open(&data, both, Arc::clone(&clock) as _, limits).unwrap();
    let given = Given {
        site: "hall".to_owned(),
        device: "d-1".to_owned(),
        alarm: None,
        event: None,
        command: None,
        taken: None,
        note: String::new(),
        picture: Picture::of(PLAIN).unwrap(),
        bytes: PLAIN,
    };
    let by = Actor { kind: ActorKind::Key, id: "1".into(), name: "nvr".into(), address: String::new() };
    let Ok(Kept::Now(row)) = evidence.keep(given, by).await.unwrap() else { panic!("it is new") };
    let file = folder.path().join(Digest::of(PLAIN).place());
    let days = |days: i64| NOW.plus_ms(days * 24 * 3_600_000);
    let mut care = Care::default();
    let mut step = async |wall: Timestamp, believed: Option<Timestamp>| {
        clock.change(|anchor| {
            anchor.wall = wall;
            anchor.boot_time.0 += 2 * 3_600_000;
        });
        care.step(&evidence, &*clock, believed).await;
        file.exists()
    };
    assert!(step(days(9), None).await, "nothing is believed");
    assert!(step(days(9), Some(days(1))).await, "the clock has jumped");
    assert!(step(days(1), Some(days(9))).await, "the clock has gone back");
    assert!(!step(days(3), Some(days(3))).await);
    assert!(evidence.show(Scope::All, row.id).await.unwrap().is_none());
    drop((evidence, writer));
    tokio::task::spawn_blocking(|| thread.join()).await.unwrap().unwrap();
}

#[test]
fn a_sweep_that_cannot_ask_removes_nothing() {
    let place = Place::new();
    let files = place.files();
    drop(files.place(PLAIN).unwrap());
    assert!(files.sweep(None, |_| Err(StoreError::Closed)).is_err());
    assert!(files.has(&Digest::of(PLAIN)));
}

#[test]
fn names_lead_nowhere_else() {
    let digits = "a".repeat(64);
    assert!(Digest::parse(&digits).is_some());
    for bad in ["../../state.db", &digits[1..], &digits.to_uppercase(), &format!("{}/", &digits[1..])] {
        assert!(Digest::parse(bad).is_none(), "{bad}");
    }
}
