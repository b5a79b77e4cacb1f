//! The kind `serial-line` with the simulated gate on a pseudo-terminal, and against bytes written by hand.
#![allow(clippy::unwrap_used)]

mod running;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kouan_drivers::driver::{ActOutcome, RawValue};
use kouan_drivers::simulator::{Controlled, Direction, Gate, PseudoTerminal};
use kouan_protocol::{Field, FieldValue, HealthLevel};
use running::{Running, configure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

struct RunningGate {
    gate: Arc<Gate>,
    folder: tempfile::TempDir,
    stop: CancellationToken,
}

impl RunningGate {
    async fn start() -> Self {
        let (gate, stop) = (Gate::new(1), CancellationToken::new());
        let folder = tempfile::tempdir().unwrap();
        let (ready_tx, ready) = oneshot::channel();
        let (running, name, stopped) = (Arc::clone(&gate), folder.path().join("line"), stop.clone());
        tokio::spawn(async move {
            let ready = move || ready_tx.send(()).unwrap();
            running.run(&name, ready, stopped).await.unwrap();
        });
        ready.await.unwrap();
        Self { gate, folder, stop }
    }

    fn settings(&self) -> String {
        settings(&self.folder.path().join("line").display().to_string())
    }

    fn say(&self, line: &str) {
        self.gate.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
    }

    fn executed(&self, command: &str) -> u64 {
        self.gate.state().executed.get(command).copied().unwrap_or(0)
    }
}

impl Drop for RunningGate {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn settings(line: &str) -> String {
    format!(
        "[[link]]\nname = \"lane-1\"\nkind = \"serial-line\"\nserial = \"{line}\"\n\
         [[link.device]]\nname = \"gate-1\"\nprofile = \"ds205a-gate\"\nunit = 1\n"
    )
}

fn way(direction: &str) -> Vec<Field> {
    vec![Field::new("direction", FieldValue::Text(direction.to_owned()))]
}

fn is(wanted: i64) -> impl FnMut(&Result<RawValue, kouan_protocol::QualityReason>) -> Option<()> {
    move |cell| (*cell == Ok(RawValue::Integer(wanted))).then_some(())
}

#[tokio::test]
async fn passages_are_counted_and_commands_are_carried_out_once() {
    let gate = RunningGate::start().await;
    let mut running = Running::start(&gate.settings());
    running.health(HealthLevel::Working, "").await;
    let counts = running.link.devices[0].groups[0].points[0].counts.clone().unwrap();
    assert_eq!((counts.kind.as_str(), counts.fields), ("passage", way("in")));

    gate.gate.pass(Direction::In, 3);
    gate.gate.pass(Direction::Out, 1);
    running.point("passage.count.in", is(3)).await;
    running.point("passage.count.out", is(1)).await;
    gate.say("set left 16777215");
    running.point("passage.count.in", is(16_777_215)).await;
    gate.say("pass in 2");
    running.point("passage.count.in", is(1)).await;

    assert_eq!(running.act("gate.open", way("in")).await, ActOutcome::Succeeded(Vec::new()));
    assert_eq!(running.act("gate.open", way("out")).await, ActOutcome::Succeeded(Vec::new()));
    assert_eq!(running.act("gate.close", Vec::new()).await, ActOutcome::Succeeded(Vec::new()));
    let executed = ["open-left", "open-right", "close"].map(|command| gate.executed(command));
    assert_eq!((executed, running.permits()), ([1, 1, 1], 3));
    running.stop().await;
}

#[tokio::test]
async fn a_bad_checksum_is_named_and_nothing_else_is_lost() {
    let gate = RunningGate::start().await;
    let mut running = Running::start(&gate.settings());
    running.health(HealthLevel::Working, "").await;
    gate.say("bad-checksum on");
    running.health(HealthLevel::Reachable, "bad-checksum").await;
    gate.gate.pass(Direction::In, 5);
    gate.say("bad-checksum off");
    running.health(HealthLevel::Working, "").await;
    running.read().await.unwrap();
    running.point("passage.count.in", is(5)).await;
    running.stop().await;
}

#[tokio::test]
async fn a_silent_gate_and_a_stranger_are_told_apart() {
    let gate = RunningGate::start().await;
    let mut running = Running::start(&gate.settings());
    running.health(HealthLevel::Working, "").await;
    gate.say("silent on");
    running.health(HealthLevel::Unreachable, "timeout").await;
    gate.say("silent off");
    running.health(HealthLevel::Working, "").await;
    gate.say("wrong-unit on");
    running.health(HealthLevel::Reachable, "wrong-unit").await;
    running.stop().await;
}

#[tokio::test]
async fn a_late_answer_leaves_the_command_unknown_and_confirms_nothing_later() {
    let gate = RunningGate::start().await;
    let mut running = Running::start(&gate.settings());
    running.health(HealthLevel::Working, "").await;
    gate.say("late 1200ms");
    let outcome = running.act("gate.open", way("in")).await;
    assert!(matches!(outcome, ActOutcome::Unknown(_)), "{outcome:?}");
    assert_eq!(gate.executed("open-left"), 1);

    // From here on it does not carry anything out, and its late answer says that something was done.
    gate.say("late off");
    gate.say("silent on");
    let begun = Instant::now();
    let outcome = running.act("gate.close", Vec::new()).await;
    assert!(matches!(outcome, ActOutcome::Unknown(_)), "{outcome:?} after {:?}", begun.elapsed());
    assert_eq!((gate.executed("open-left"), gate.executed("close"), running.permits()), (1, 1, 2));
    running.stop().await;
}

#[tokio::test]
async fn a_gate_that_is_switched_off_and_on_comes_back_by_itself() {
    let gate = RunningGate::start().await;
    let mut running = Running::start(&gate.settings());
    gate.gate.pass(Direction::In, 4);
    running.point("passage.count.in", is(4)).await;
    gate.say("restart");
    running.point("passage.count.in", is(0)).await;
    running.stop().await;
}

#[tokio::test]
async fn what_the_device_refuses_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("line");
    let mut line = PseudoTerminal::open(&name).unwrap();
    let device = tokio::spawn(async move {
        loop {
            let mut request = [0; 8];
            line.read_exact(&mut request).await.unwrap();
            assert_eq!(request.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0xFF, "{request:02X?}");
            let mut answer = vec![0x7F, 1, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0x55, 24, 0, 0];
            if request[3] != 0x10 {
                answer[13] = 0xEE;
            }
            let sum = answer.iter().fold(1_u8, |sum, byte| sum.wrapping_add(*byte));
            answer.push(sum.wrapping_neg());
            // Junk before, and in two pieces.
            line.write_all(&[0x00, 0x7F]).await.unwrap();
            line.write_all(&answer[..7]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            line.write_all(&answer[7..]).await.unwrap();
        }
    });
    let mut running = Running::start(&settings(&name.display().to_string()));
    running.point("passage.count.in", is(9)).await;
    let outcome = running.act("gate.open", way("in")).await;
    let why = ("the device says EE instead of 55: it did not do it", "设备应答 EE，不是 55：没有执行");
    assert_eq!(outcome, ActOutcome::Failed(why.into()));
    running.stop().await;
    device.abort();
}

#[tokio::test]
async fn a_serial_server_that_drops_the_connection_is_called_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gate = Gate::new(1);
    gate.pass(Direction::In, 7);
    let (drop_it, dropped) = oneshot::channel::<()>();
    let served = Arc::clone(&gate);
    let server = tokio::spawn(async move {
        let (first, _) = listener.accept().await.unwrap();
        tokio::select! {
            _ = served.serve(first) => {}
            _ = dropped => {}
        }
        loop {
            let (next, _) = listener.accept().await.unwrap();
            // A connection that the driver gave up ends with an error.
            let _ = served.serve(next).await;
        }
    });
    let mut running =
        Running::start(&settings("unused").replace("serial = \"unused\"", &format!("tcp = \"{address}\"")));
    running.point("passage.count.in", is(7)).await;
    drop_it.send(()).unwrap();
    gate.pass(Direction::In, 1);
    running.point("passage.count.in", is(8)).await;
    assert_eq!(running.act("gate.open", way("in")).await, ActOutcome::Succeeded(Vec::new()));
    assert_eq!(gate.state().executed.get("open-left"), Some(&1));
    running.stop().await;
    server.abort();
}

#[test]
fn wrong_settings_are_explained() {
    let (_, said) = configure(
        "[[link]]\nname = \"l\"\nkind = \"serial-line\"\n\
         [[link.device]]\nname = \"a\"\nprofile = \"ds205a-gate\"\nunit = 1\n\
         [[link.device]]\nname = \"b\"\nprofile = \"ds205a-gate\"\nunit = 1\nbaud = 9600\n\
         [[link.device]]\nname = \"c\"\nprofile = \"ds205a-gate\"\n",
    );
    for expected in [
        "link[0].serial: this is missing: where the link ends",
        "unit 1 of this link is already \"a\"",
        "link[0].device[1].baud: this key is not known here",
        "link[0].device[2].unit: this is missing",
    ] {
        assert!(said.contains(expected), "{expected}\n--\n{said}");
    }
}
