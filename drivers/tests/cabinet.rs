//! A cabinet: slots are opened once, and what happens to them afterwards is seen.
#![allow(clippy::unwrap_used)]

mod running;

use std::sync::Arc;

use kouan_drivers::driver::ActOutcome;
use kouan_drivers::profile::ProfileStore;
use kouan_drivers::simulator::{Cabinet, Controlled};
use kouan_protocol::{Field, FieldValue, HealthLevel};
use running::{Running, changed};
use tokio_util::sync::CancellationToken;

struct Bench {
    cabinet: Arc<Cabinet>,
    running: Running,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

async fn bench(more: &str) -> Bench {
    bench_with(more, &ProfileStore::built_in()).await
}

async fn bench_with(more: &str, profiles: &ProfileStore) -> Bench {
    let (cabinet, stop) = (Cabinet::new(0), CancellationToken::new());
    let folder = tempfile::tempdir().unwrap();
    let line = folder.path().join("line");
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    tokio::spawn({
        let (cabinet, line, stop) = (Arc::clone(&cabinet), line.clone(), stop.clone());
        async move { cabinet.run(&line, || ready.send(()).unwrap(), stop).await.unwrap() }
    });
    is_ready.await.unwrap();
    let text = format!(
        "[[link]]\nname = \"l\"\nkind = \"serial-line\"\nserial = \"{}\"\nbaud = 19200\n\
         [[link.device]]\nname = \"cabinet\"\nprofile = \"kerong-cu16\"\nunit = 0\n{more}\n",
        line.display()
    );
    Bench { cabinet, running: Running::start_with(&text, profiles), stop, _folder: folder }
}

impl Bench {
    fn say(&self, line: &str) {
        self.cabinet.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
    }

    async fn end(self) {
        self.running.stop().await;
        self.stop.cancel();
    }
}

fn slot(slot: i64) -> Vec<Field> {
    vec![Field::new("slot", FieldValue::Integer(slot))]
}

/// Waits until the slot was opened, then does something with it.
async fn when_opened(cabinet: Arc<Cabinet>, slot: usize, lines: &'static [&'static str]) {
    while cabinet.state().opened[slot - 1] == 0 {
        tokio::task::yield_now().await;
    }
    for line in lines {
        let polls = cabinet.state().polls;
        // Each thing is seen before the next one happens.
        while cabinet.state().polls < polls + 2 {
            tokio::task::yield_now().await;
        }
        cabinet.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
    }
}

#[tokio::test]
async fn something_is_laid_into_an_empty_slot_and_taken_out_of_it() {
    let mut bench = bench("proved = [\"*\"]").await;
    bench.running.health(HealthLevel::Working, "").await;
    let person = tokio::spawn(when_opened(Arc::clone(&bench.cabinet), 3, &["put 3", "shut 3"]));
    let outcome = bench.running.act("slot.deposit", slot(3)).await;
    let part = |name: &str| Field::new(name, FieldValue::Flag(true));
    assert_eq!(outcome, ActOutcome::Succeeded(["opened", "item-came", "closed"].map(part).to_vec()));
    person.await.unwrap();
    assert_eq!((bench.cabinet.state().opened[2], bench.running.permits()), (1, 1));

    // The slot is full now: nothing is opened.
    let outcome = bench.running.act("slot.deposit", slot(3)).await;
    let why = "interlock: presence.3 = absent is needed, but it shows 1";
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.english == why), "{outcome:?}");
    assert_eq!(bench.cabinet.state().opened[2], 1);

    let outcome = bench.running.act("slot.withdraw", slot(4)).await;
    assert!(
        matches!(&outcome, ActOutcome::Failed(text) if text.english.contains("presence.4 = present")),
        "{outcome:?}"
    );
    bench.end().await;
}

#[tokio::test]
async fn what_nobody_saw_of_a_deposit_is_unknown_and_the_rest_is_told() {
    let profiles = changed("kerong-cu16", "within = \"60s\"", "within = \"800ms\"");
    let part = |name: &str, seen: bool| match seen {
        true => Field::new(name, FieldValue::Flag(true)),
        false => Field::new(name, FieldValue::Text("unknown".to_owned())),
    };
    // Nothing was laid in; then something was, and the door stayed open.
    for (lines, came, missing) in [(&[][..], false, "presence.3 = present"), (&["put 3"][..], true, "lock.3 = locked")]
    {
        let mut bench = bench_with("proved = [\"*\"]", &profiles).await;
        bench.running.health(HealthLevel::Working, "").await;
        let person = tokio::spawn(when_opened(Arc::clone(&bench.cabinet), 3, lines));
        let outcome = bench.running.act("slot.deposit", slot(3)).await;
        let ActOutcome::Partly { seen, reason } = outcome else { panic!("{outcome:?}") };
        assert_eq!(seen, [part("opened", true), part("item-came", came), part("closed", false)]);
        assert!(reason.english.contains(missing), "{reason}");
        person.await.unwrap();
        assert_eq!(bench.cabinet.state().opened[2], 1);
        bench.end().await;
    }
}

#[tokio::test]
async fn a_jammed_lock_is_told_and_the_slot_is_not_opened_again() {
    let mut bench = bench("proved = [\"*\"]").await;
    bench.running.health(HealthLevel::Working, "").await;
    bench.say("jam 5 on");
    let outcome = bench.running.act("slot.open", slot(5)).await;
    let why = "lock.5 = unlocked was not seen within 3s";
    assert!(matches!(&outcome, ActOutcome::Unknown(text) if text.english.contains(why)), "{outcome:?}");
    assert_eq!(bench.cabinet.state().opened[4], 1);
    bench.end().await;
}

#[tokio::test]
async fn without_proved_polarity_a_slot_opens_and_nobody_claims_that_it_did() {
    let mut bench = bench("").await;
    bench.running.health(HealthLevel::Working, "").await;
    let outcome = bench.running.act("slot.open", slot(1)).await;
    assert!(matches!(&outcome, ActOutcome::Unknown(text) if text.english.contains("is not proved")), "{outcome:?}");
    assert_eq!(bench.cabinet.state().opened[0], 1);
    let outcome = bench.running.act("slot.deposit", slot(2)).await;
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.english.contains("is not proved")), "{outcome:?}");
    assert_eq!(bench.cabinet.state().opened[1], 0);
    bench.end().await;
}

#[tokio::test]
async fn another_board_and_a_wrong_sum_are_named() {
    let mut bench = bench("").await;
    bench.running.health(HealthLevel::Working, "").await;
    bench.say("wrong-unit on");
    bench.running.health(HealthLevel::Reachable, "wrong-unit").await;
    bench.say("faults off");
    bench.running.health(HealthLevel::Working, "").await;
    bench.say("bad-checksum on");
    bench.running.health(HealthLevel::Reachable, "bad-checksum").await;
    bench.end().await;
}
