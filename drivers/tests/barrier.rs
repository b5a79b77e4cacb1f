//! A barrier on a relay board: interlocks are read again before the pulse, and limits confirm.
#![allow(clippy::unwrap_used)]

mod running;

use kouan_drivers::driver::ActOutcome;
use kouan_drivers::modbus::simulator::{Misbehaviour, Model, Simulator, Table};
use running::{Running, configure};
use tokio::net::TcpListener;

const UP: u16 = 0;
const DOWN: u16 = 1;
const LOOP: u16 = 2;
const FIRE: u16 = 4;

async fn barrier(more: &str) -> (Simulator, Running) {
    let simulator = Simulator::new([(1, Model::WaveshareRelay8ch)]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn({
        let simulator = simulator.clone();
        async move { simulator.serve_tcp(listener).await }
    });
    // Everything is as it should be, and the boom is up.
    for (input, value) in [(UP, 1), (DOWN, 0), (LOOP, 1), (3, 1), (FIRE, 1), (5, 1)] {
        simulator.set(1, Table::Inputs, input, value);
    }
    let text = format!(
        "[[link]]\nname = \"l\"\nkind = \"modbus\"\ntcp = \"{address}\"\n\
         [[link.device]]\nname = \"barrier\"\nprofile = \"barrier-waveshare\"\nunit = 1\n{more}\n"
    );
    (simulator, Running::start(&text))
}

#[tokio::test]
async fn it_closes_only_when_nothing_is_in_the_way() {
    let (simulator, running) = barrier("proved = [\"*\"]").await;
    for (input, name) in [(LOOP, "loop.closing"), (3, "photocell"), (FIRE, "fire"), (5, "manual-release")] {
        simulator.set(1, Table::Inputs, input, 0);
        let outcome = running.act("barrier.close", Vec::new()).await;
        let blocked = |text: &str| text.contains("interlock") && text.contains(name);
        assert!(matches!(&outcome, ActOutcome::Failed(text) if blocked(text)), "{name}: {outcome:?}");
        simulator.set(1, Table::Inputs, input, 1);
    }
    assert_eq!(simulator.coil_writes(1, 1), 0, "no pulse went out");
    // The boom comes down a little later than the pulse.
    let coming = simulator.clone();
    let comes = tokio::spawn(async move {
        while coming.coil_writes(1, 1) == 0 {
            tokio::task::yield_now().await;
        }
        coming.set(1, Table::Inputs, UP, 0);
        coming.set(1, Table::Inputs, DOWN, 1);
    });
    let outcome = running.act("barrier.close", Vec::new()).await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    comes.await.unwrap();
    assert_eq!(simulator.coil_writes(1, 1), 1);
    running.stop().await;
}

#[tokio::test]
async fn an_interlock_that_cannot_be_read_blocks() {
    let (simulator, running) = barrier("proved = [\"*\"]\nanswer_timeout = \"200ms\"").await;
    running.read().await.unwrap();
    simulator.misbehave(1, Misbehaviour::Silent);
    let outcome = running.act("barrier.close", Vec::new()).await;
    let why = "could not be read";
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.contains(why)), "{outcome:?}");
    assert_eq!(simulator.coil_writes(1, 1), 0);
    running.stop().await;
}

#[tokio::test]
async fn without_proved_inputs_nothing_is_closed_and_nothing_is_confirmed() {
    let (simulator, running) = barrier("").await;
    let outcome = running.act("barrier.close", Vec::new()).await;
    let why = "which way round \"fire\" is wired is not proved";
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.contains(why)), "{outcome:?}");
    assert_eq!(running.permits(), 0, "it never started");
    let outcome = running.act("barrier.open", Vec::new()).await;
    assert!(matches!(&outcome, ActOutcome::Unknown(text) if text.contains("not proved")), "{outcome:?}");
    assert_eq!((simulator.coil_writes(1, 0), simulator.coil_writes(1, 1)), (1, 0));
    running.stop().await;
}

#[tokio::test]
async fn an_inverted_input_reads_the_other_way_round() {
    let (simulator, running) =
        barrier("proved = [\"barrier.*\", \"loop*\", \"manual*\", \"fire\"]\ninverted = [\"photocell\"]").await;
    let outcome = running.act("barrier.close", Vec::new()).await;
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.contains("photocell")), "{outcome:?}");
    simulator.set(1, Table::Inputs, 3, 0);
    simulator.set(1, Table::Inputs, DOWN, 1);
    let outcome = running.act("barrier.close", Vec::new()).await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    running.stop().await;
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
