//! Gates, printers, lock boards and room equipment on a line, each by its driver against its simulator.
#![allow(clippy::unwrap_used)]

mod outsiders;
mod running;

use std::sync::Arc;

use kouan_drivers::driver::{ActOutcome, RawValue};
use kouan_drivers::simulator::{
    Controlled, EbGate, LineDevice, LineModel, LockBoard, LockModel, Printer, YdtDevice, YdtModel,
};
use kouan_protocol::{Field, FieldValue, HealthLevel};
use outsiders::script::Script;
use running::Running;
use tokio::net::TcpListener;

async fn on_tcp<M: LineModel>(device: &Arc<LineDevice<M>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = Arc::clone(device);
    tokio::spawn(async move { served.serve_tcp(listener).await });
    address
}

fn running(address: &str, kind: &str, profile: &str, more: &str) -> Running {
    Running::start(&format!(
        "[[link]]\nname = \"l\"\nkind = \"{kind}\"\ntcp = \"{address}\"\n\
         [[link.device]]\nname = \"d\"\nprofile = \"{profile}\"\n{more}\n"
    ))
}

fn say<M: LineModel>(device: &LineDevice<M>, line: &str) {
    device.control(&line.split(' ').collect::<Vec<_>>()).unwrap();
}

async fn shows(running: &mut Running, point: &str, raw: i64) {
    running.point(point, |cell| matches!(cell, Ok(RawValue::Integer(value)) if *value == raw).then_some(())).await;
}

fn way(direction: &str) -> Vec<Field> {
    vec![Field::new("direction", FieldValue::Text(direction.to_owned()))]
}

fn done(outcome: &ActOutcome) {
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_gate_that_cannot_be_asked_is_known_from_its_commands() {
    let gate = EbGate::with_address(1);
    let mut running = running(&on_tcp(&gate).await, "serial-line", "eb-gate", "unit = 1");
    running.health(HealthLevel::Reachable, "not-polled").await;
    done(&running.act("gate.open", way("in")).await);
    running.health(HealthLevel::Working, "").await;
    for (action, arguments) in [("gate.open", way("out")), ("arm.drop", vec![]), ("gate.forbid", vec![])] {
        done(&running.act(action, arguments).await);
    }
    let executed = gate.with(|state| state.executed.clone());
    assert!(executed.values().all(|times| *times == 1) && executed.len() == 4, "{executed:?}");

    // Nothing comes back: whether it was done is not known, nothing is repeated, and the gate is said not to answer.
    say(&gate, "silent on");
    let outcome = running.act("arm.raise", vec![]).await;
    assert!(matches!(outcome, ActOutcome::Unknown(_)), "{outcome:?}");
    assert_eq!(gate.with(|state| state.executed["raise"]), 1);
    running.health(HealthLevel::Reachable, "timeout").await;
    // What another gate says is no confirmation.
    say(&gate, "faults off");
    say(&gate, "wrong-unit on");
    let outcome = running.act("gate.restore", vec![]).await;
    assert!(matches!(outcome, ActOutcome::Unknown(_)), "{outcome:?}");
    running.health(HealthLevel::Reachable, "wrong-unit").await;
    say(&gate, "faults off");
    done(&running.act("gate.restore", vec![]).await);
    running.health(HealthLevel::Working, "").await;
    running.stop().await;
}

#[tokio::test]
async fn a_printer_says_what_is_wrong_with_it_while_somebody_else_prints() {
    let printer = Printer::ready();
    let address = on_tcp(&printer).await;
    let mut running = running(&address, "serial-line", "escpos-printer", "every = \"50ms\"");
    running.health(HealthLevel::Working, "").await;
    shows(&mut running, "printer.online", 0).await;
    shows(&mut running, "paper", 0).await;
    // A point of sale of others prints and asks the same printer, which serves one client at a time.
    let mut till = Script::start("escpos_peer.py", &[&address]);
    till.line("ready").await;
    till.say("online");
    assert_eq!(till.line("online ").await, "True");
    till.say("print");
    till.line("printed").await;
    say(&printer, "paper near");
    shows(&mut running, "paper", 3).await;
    till.say("paper");
    assert_eq!(till.line("paper ").await, "1");
    say(&printer, "paper out");
    shows(&mut running, "paper", 27).await;
    shows(&mut running, "printer.online", 1).await;
    for (ask, answer) in [("online", "False"), ("paper", "0")] {
        till.say(ask);
        assert_eq!(till.line(&format!("{ask} ")).await, answer);
    }
    say(&printer, "paper ok");
    say(&printer, "cutter stuck");
    shows(&mut running, "cutter", 1).await;
    assert!(printer.with(|state| state.printed) > 4, "what the till sent was printed");
    running.stop().await;
}

#[tokio::test]
async fn a_board_of_48_locks_is_opened_and_read() {
    let board = LockBoard::of_model(LockModel::KerongCu48, 0);
    let more = "unit = 0\nproved = [\"lock.*\"]";
    let mut running = running(&on_tcp(&board).await, "serial-line", "kerong-cu48", more);
    running.health(HealthLevel::Working, "").await;
    done(&running.act("slot.open", vec![Field::new("slot", FieldValue::Integer(48))]).await);
    shows(&mut running, "lock.48", 0).await;
    say(&board, "shut 48");
    shows(&mut running, "lock.48", 1).await;
    assert_eq!(board.with(|state| state.opened.iter().sum::<u64>()), 1);
    running.stop().await;
}

#[tokio::test]
async fn an_xor_board_is_opened_and_read_whichever_way_its_switches_are() {
    for (model, profile, slots) in
        [(LockModel::Xor12, "lock-board-8a80-12", 12), (LockModel::Xor24, "lock-board-8a80-24", 24)]
    {
        for (switch, key) in [("off", "proved"), ("on", "inverted")] {
            let board = LockBoard::of_model(model, 1);
            say(&board, &format!("other-switch {switch}"));
            let more = format!("unit = 1\n{key} = [\"lock.*\"]");
            let mut running = running(&on_tcp(&board).await, "serial-line", profile, &more);
            running.health(HealthLevel::Working, "").await;
            done(&running.act("slot.open", vec![Field::new("slot", FieldValue::Integer(slots))]).await);
            assert_eq!(board.with(|state| (state.opened[slots as usize - 1], state.locked >> (slots - 1) & 1)), (1, 0));
            running.stop().await;
        }
    }
}

#[tokio::test]
async fn a_ups_that_ignores_a_request_now_and_then_is_still_there() {
    let ups = YdtDevice::of_model(YdtModel::LiebertGxe, 1);
    let more = "unit = 1\nevery = \"50ms\"\nanswer_timeout = \"200ms\"";
    let mut running = running(&on_tcp(&ups).await, "ydt1363", "liebert-gxe", more);
    running.health(HealthLevel::Working, "").await;
    shows(&mut running, "input.voltage", 22_000).await;
    shows(&mut running, "power.source", 225).await;
    say(&ups, "mains off");
    shows(&mut running, "input.voltage", 0).await;
    shows(&mut running, "power.source", 226).await;
    shows(&mut running, "alarm.mains", 1).await;
    say(&ups, "ignore 1");
    say(&ups, "alarm 15 240");
    shows(&mut running, "alarm.backup-supply", 240).await;
    done(&running.act("battery.test", vec![]).await);
    shows(&mut running, "battery.test", 224).await;
    assert_eq!(ups.with(|state| state.told.clone()), ["1002"]);
    say(&ups, "bad-checksum on");
    running.health(HealthLevel::Reachable, "bad-checksum").await;
    running.stop().await;
}

#[tokio::test]
async fn an_air_conditioner_shows_the_bytes_that_its_maker_must_explain() {
    let air = YdtDevice::of_model(YdtModel::AirConditioner, 1);
    let more = "unit = 1\nevery = \"50ms\"";
    let mut running = running(&on_tcp(&air).await, "ydt1363", "ydt-air-conditioner", more);
    running.health(HealthLevel::Working, "").await;
    shows(&mut running, "info.values.0", 231).await;
    say(&air, "value 2 999");
    shows(&mut running, "info.values.1", 999).await;
    say(&air, "alarm 3 240");
    shows(&mut running, "info.alarms.3", 240).await;
    running.stop().await;
}

#[test]
fn a_device_has_the_alarms_of_its_profile_but_for_those_that_it_changes_or_leaves_out() {
    let text = |more: &str| {
        format!(
            "[[link]]\nname = \"l\"\nkind = \"modbus\"\ntcp = \"127.0.0.1:1\"\n\
             [[link.device]]\nname = \"room\"\nprofile = \"xy-md02\"\nunit = 1\n{more}"
        )
    };
    let own = "alarms_off = [\"humidity-low\"]\n[[link.device.alarm]]\ncondition = \"temperature-high\"\n\
               point = \"temperature.room\"\nabove = 28\nseverity = \"critical\"\ntext = { en = \"too warm\" }\n";
    let (plain, said) = running::configure(&text(""));
    assert_eq!(said, "");
    let (changed, said) = running::configure(&text(own));
    assert_eq!(said, "");
    let conditions = |links: &[kouan_drivers::configure::ConfiguredLink]| {
        let mut names: Vec<_> = links[0].devices[0].limits.iter().map(|limit| limit.condition.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(conditions(&plain), ["humidity-high", "humidity-low", "temperature-high", "temperature-low"]);
    assert_eq!(conditions(&changed), ["humidity-high", "temperature-high", "temperature-low"]);
    let high = changed[0].devices[0].limits.iter().find(|limit| limit.condition == "temperature-high").unwrap();
    assert_eq!((high.severity, high.text_zh.as_str()), (kouan_protocol::Severity::Critical, ""));
    let (_, said) = running::configure(&text("alarms_off = [\"leak\"]\n"));
    assert!(said.contains("has no [[alarm]] \"leak\""), "{said}");
    let (_, said) = running::configure(&text("reader = \"shelf\"\n"));
    assert!(said.contains("there is no device \"shelf\" here that reads tags"), "{said}");
}
