//! A barrier on a relay board: interlocks are read again before the pulse, limits confirm, and what counts is how often
//! the boom moved.
#![allow(clippy::unwrap_used)]

mod running;

use std::sync::Arc;
use std::time::Duration;

use kouan_drivers::driver::ActOutcome;
use kouan_drivers::profile::{ProfileSource, ProfileStore, check};
use kouan_drivers::simulator::{Barrier, Boom, Controlled as _};
use kouan_protocol::Severity;
use running::{Running, configure};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

const PROVED: &str = "proved = [\"*\"]";

struct Site {
    barrier: Arc<Barrier>,
    running: Running,
    _stop: DropGuard,
}

impl Site {
    /// A barrier whose boom is up, and a driver that waits only a second for its limits.
    async fn start(more: &str) -> Self {
        let barrier = Barrier::new(Duration::from_millis(40));
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let board = barrier.board().clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move { board.serve_tcp(listener).await }));
        tokio::spawn(Arc::clone(&barrier).run(stop.clone()));
        let text = format!(
            "[[link]]\nname = \"l\"\nkind = \"modbus\"\ntcp = \"{address}\"\n\
             [[link.device]]\nname = \"barrier\"\nprofile = \"barrier-waveshare\"\nunit = 1\n\
             answer_timeout = \"300ms\"\n{more}\n"
        );
        let mut store = ProfileStore::built_in();
        let source = store.get("barrier-waveshare").unwrap();
        let quick = source.text.replace("\"10s\"", "\"1s\"").replace("\"12s\"", "\"1s\"");
        let quick = ProfileSource { file: source.file.clone(), text: quick };
        store.insert("barrier-waveshare", quick);
        Self { barrier, running: Running::start_with(&text, &store), _stop: stop.drop_guard() }
    }

    async fn act(&self, action: &str) -> ActOutcome {
        self.running.act(action, Vec::new()).await
    }

    fn say(&self, line: &str) {
        say(&self.barrier, line);
    }

    /// How often the boom moved up, down, and down on something.
    fn moved(&self) -> [u64; 3] {
        let state = self.barrier.state();
        [state.raised, state.lowered, state.lowered_wrongly]
    }
}

fn say(barrier: &Barrier, line: &str) {
    barrier.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
}

/// Each interlock: what puts it in the way, what takes it away, and its point.
const IN_THE_WAY: [(&str, &str, &str); 4] = [
    ("loop occupied", "loop free", "loop.closing"),
    ("beam interrupted", "beam free", "photocell"),
    ("fire on", "fire off", "fire"),
    ("release on", "release off", "manual-release"),
];

#[tokio::test]
async fn it_closes_and_opens_once_and_its_limits_confirm() {
    let site = Site::start(PROVED).await;
    let outcome = site.act("barrier.close").await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    assert_eq!((site.barrier.state().boom, site.moved()), (Boom::Down, [0, 1, 0]));
    // Told again, the boom is where it should be and does not move.
    let outcome = site.act("barrier.close").await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    let outcome = site.act("barrier.open").await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    assert_eq!((site.barrier.state().boom, site.moved()), (Boom::Up, [1, 1, 0]));
    assert_eq!(site.barrier.pulses(), [1, 2, 0]);
    site.running.stop().await;
}

#[tokio::test]
async fn it_never_closes_on_something_nor_while_fire_is_reported() {
    let site = Site::start(PROVED).await;
    for (on, off, name) in IN_THE_WAY {
        site.say(on);
        let outcome = site.act("barrier.close").await;
        let blocked = |text: &kouan_settings::Bilingual| {
            text.english.contains("interlock") && text.english.contains(name) && text.chinese.contains("联锁")
        };
        assert!(matches!(&outcome, ActOutcome::Failed(text) if blocked(text)), "{name}: {outcome:?}");
        site.say(off);
    }
    assert_eq!((site.barrier.pulses(), site.moved()), ([0, 0, 0], [0, 0, 0]));
    // Opening is never held back: fire wins, and a vehicle on the loop may leave.
    assert!(matches!(site.act("barrier.close").await, ActOutcome::Succeeded(_)));
    site.say("fire on");
    site.say("loop occupied");
    assert!(matches!(site.act("barrier.open").await, ActOutcome::Succeeded(_)));
    assert_eq!(site.moved(), [1, 1, 0]);
    site.running.stop().await;
}

#[tokio::test]
async fn what_comes_into_the_way_after_the_start_was_written_stops_it_too() {
    let site = Site::start(PROVED).await;
    for (at, (on, off, name)) in IN_THE_WAY.into_iter().enumerate() {
        let barrier = Arc::clone(&site.barrier);
        let outcome = site.running.act_when("barrier.close", Vec::new(), move || say(&barrier, on)).await;
        assert!(matches!(&outcome, ActOutcome::Failed(text) if text.english.contains(name)), "{name}: {outcome:?}");
        assert_eq!(site.running.permits(), at + 1, "it had started");
        site.say(off);
    }
    assert_eq!((site.barrier.pulses(), site.moved()), ([0, 0, 0], [0, 0, 0]));
    site.running.stop().await;
}

#[tokio::test]
async fn an_interlock_that_cannot_be_read_blocks() {
    let site = Site::start(PROVED).await;
    site.running.read().await.unwrap();
    site.say("silent on");
    let outcome = site.act("barrier.close").await;
    let why = "could not be read";
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.english.contains(why)), "{outcome:?}");
    assert_eq!((site.barrier.pulses(), site.moved()), ([0, 0, 0], [0, 0, 0]));
    site.running.stop().await;
}

#[tokio::test]
async fn a_boom_that_does_not_reach_its_limit_is_unknown_and_gets_no_second_pulse() {
    let site = Site::start(PROVED).await;
    site.say("jam on");
    let outcome = site.act("barrier.close").await;
    let why = "barrier.down = yes was not seen within 1s";
    assert!(matches!(&outcome, ActOutcome::Unknown(text) if text.english.contains(why)), "{outcome:?}");
    assert_eq!((site.barrier.pulses(), site.moved()), ([0, 1, 0], [0, 0, 0]));
    site.running.stop().await;
}

#[tokio::test]
async fn a_pulse_that_the_board_does_not_answer_is_unknown_and_not_sent_again() {
    let site = Site::start(PROVED).await;
    site.say("jam on");
    assert!(matches!(site.act("barrier.close").await, ActOutcome::Unknown(_)));
    site.say("jam off");
    // It opens, and its answer is lost.
    assert!(matches!(site.act("barrier.close").await, ActOutcome::Succeeded(_)));
    let barrier = Arc::clone(&site.barrier);
    let outcome = site.running.act_when("barrier.open", Vec::new(), move || say(&barrier, "silent on")).await;
    assert!(matches!(outcome, ActOutcome::Unknown(_)), "{outcome:?}");
    site.say("silent off");
    site.running.read().await.unwrap();
    assert_eq!((site.barrier.pulses(), site.moved()), ([1, 2, 0], [1, 1, 0]));
    site.running.stop().await;
}

#[tokio::test]
async fn without_proved_inputs_nothing_is_closed_and_nothing_is_confirmed() {
    let site = Site::start("").await;
    let outcome = site.act("barrier.close").await;
    let why = "which way round \"fire\" is wired is not proved";
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.english.contains(why)), "{outcome:?}");
    assert_eq!(site.running.permits(), 0, "it never started");
    let outcome = site.act("barrier.open").await;
    assert!(matches!(&outcome, ActOutcome::Unknown(text) if text.english.contains("not proved")), "{outcome:?}");
    assert_eq!(site.barrier.pulses(), [1, 0, 0]);
    site.running.stop().await;
}

#[tokio::test]
async fn an_inverted_input_reads_the_other_way_round() {
    let proofs = "proved = [\"barrier.*\", \"loop*\", \"manual*\", \"fire\"]\ninverted = [\"photocell\"]";
    let site = Site::start(proofs).await;
    let outcome = site.act("barrier.close").await;
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.english.contains("photocell")), "{outcome:?}");
    site.say("beam interrupted");
    let outcome = site.act("barrier.close").await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    site.running.stop().await;
}

/// A fire input speaks up by itself, in every profile that has one, from the first day on.
#[test]
fn every_fire_input_raises_a_critical_alarm_at_once() {
    let store = ProfileStore::built_in();
    let mut fire = 0;
    for name in store.names() {
        let profile = check(name, store.get(name).unwrap()).unwrap();
        for point in &profile.points {
            let spec = &point.common.spec;
            if spec.name.as_str().split('.').next() != Some("fire") {
                continue;
            }
            fire += 1;
            let tells = point.common.tells.clone().unwrap_or_else(|| panic!("{name}: {} is silent", spec.name));
            let alarm = tells.alarm.clone().unwrap();
            assert_eq!(
                (alarm.word.as_str(), alarm.after, alarm.severity),
                ("alarm", Duration::ZERO, Severity::Critical)
            );
            assert!(alarm.unproved, "{name}: it would be silent until it is proved");
        }
    }
    assert!(fire >= 2, "{fire}");
    // Until it is proved, the bare number that the profile calls an alarm is one.
    let (links, _) = configure(
        "[[link]]\nname = \"l\"\nkind = \"modbus\"\ntcp = \"h:502\"\n\
         [[link.device]]\nname = \"b\"\nprofile = \"barrier-waveshare\"\nunit = 1\n",
    );
    let points = &links[0].devices[0].groups[0].points;
    let point = points.iter().find(|point| point.spec.name.as_str() == "fire").unwrap();
    assert_eq!(point.tells.as_ref().unwrap().alarm.as_ref().unwrap().raw, Some(0));
    assert!(point.words.is_empty());
}

#[test]
fn polarity_is_said_once_and_of_states_only() {
    let settings = |more: &str| {
        configure(&format!(
            "[[link]]\nname = \"l\"\nkind = \"modbus\"\ntcp = \"h:502\"\n\
             [[link.device]]\nname = \"b\"\nprofile = \"barrier-waveshare\"\nunit = 1\n{more}\n"
        ))
        .1
    };
    assert_eq!(settings("proved = [\"fire\"]\ninverted = [\"loop*\"]"), "");
    assert!(settings("proved = [\"smoke\"]").contains("\"smoke\" is no state with words for 0 and 1"));
    assert!(settings("proved = [\"*\"]\ninverted = [\"fire\"]").contains("also said to be proved"));
}
