//! What happens when devices misbehave: health says so, neighbours go on, nothing is doubled, nothing is mixed up.
#![allow(clippy::unwrap_used)]

mod running;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kouan_drivers::driver::{ActOutcome, Observation, RawValue};
use kouan_drivers::link::{Endpoint, LinkSettings, SerialSettings, Talker as _, Timing, Turn};
use kouan_drivers::modbus::dialect::{ModbusDialect, ModbusProfile};
use kouan_drivers::modbus::session::{Framing, Session, Unit};
use kouan_drivers::modbus::simulator::{Misbehaviour, Model, Simulator, Table};
use kouan_drivers::profile::ProfileSource;
use kouan_drivers::simulator::PseudoTerminal;
use kouan_protocol::{Field, FieldValue, HealthLevel};
use running::Running;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const TIMEOUT: Duration = Duration::from_millis(100);

/// A simulator and how it is reached.
struct Site {
    simulator: Simulator,
    endpoint: Endpoint,
    framing: Framing,
    serving: JoinHandle<()>,
    folder: tempfile::TempDir,
}

fn serve_line(simulator: &Simulator, path: &Path) -> JoinHandle<()> {
    let terminal = PseudoTerminal::open(path).unwrap();
    let simulator = simulator.clone();
    tokio::spawn(async move {
        simulator.serve_rtu(terminal).await.unwrap();
    })
}

impl Site {
    fn on_a_line(units: &[(u8, Model)]) -> Self {
        let simulator = Simulator::new(units.iter().copied());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("line");
        let serving = serve_line(&simulator, &path);
        let endpoint = Endpoint::Serial(SerialSettings::new(path.to_str().unwrap()));
        Self { simulator, endpoint, framing: Framing::Rtu, serving, folder }
    }

    async fn on_tcp(units: &[(u8, Model)], framing: Framing) -> Self {
        let simulator = Simulator::new(units.iter().copied());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::Tcp { address: listener.local_addr().unwrap().to_string() };
        let serving = tokio::spawn({
            let simulator = simulator.clone();
            async move {
                match framing {
                    Framing::Tcp => simulator.serve_tcp(listener).await.unwrap(),
                    Framing::Rtu => simulator.serve_rtu_over_tcp(listener).await.unwrap(),
                }
            }
        });
        Self { simulator, endpoint, framing, serving, folder: tempfile::tempdir().unwrap() }
    }

    /// The relay board of this site, running.
    fn relay(&self) -> Running {
        let place = match &self.endpoint {
            Endpoint::Serial(settings) => format!("serial = \"{}\"", settings.path),
            Endpoint::Tcp { address } => format!("tcp = \"{address}\""),
        };
        Running::start(&format!(
            "[[link]]\nname = \"line\"\nkind = \"modbus\"\n{place}\nanswer_timeout = \"100ms\"\n\
             [[link.device]]\nname = \"relay\"\nprofile = \"waveshare-relay-8ch\"\nunit = 1\n\
             [[link.device]]\nname = \"climate\"\nprofile = \"xy-md02\"\nunit = 2\nevery = \"50ms\"\n"
        ))
    }

    /// A session with one plain unit of two groups whose answers look alike: register 0 and register 50.
    fn twins(&self) -> Session {
        let point = |name: &str, register: u16| {
            format!(
                "[[group]]\nname = \"{name}\"\n[[group.point]]\nname = \"{name}\"\nunit = \"1\"\nregister = {register}\n"
            )
        };
        let head = "kind = \"modbus\"\nclass = \"test\"\nevidence = \"solid\"\nsource = \"test\"\n";
        let text = format!("{head}{}{}", point("a", 0), point("b", 50));
        let source = ProfileSource { file: "twins.toml".to_owned(), text };
        let profile = Arc::new(ModbusProfile::read(&ModbusDialect, "twins", &source).unwrap());
        let timing = Timing { gap: Duration::ZERO, answer_timeout: TIMEOUT, retries: 1 };
        let unit = Unit { unit: 1, timing, profile };
        Session::new(LinkSettings::new(self.endpoint.clone()), self.framing, vec![unit])
    }
}

/// Whatever the delay, and however soon the next request follows, no answer is ever taken for another one's.
async fn no_answer_is_taken_for_another(site: Site) {
    let mut session = site.twins();
    session.open().await.unwrap();
    let (mut answered, mut silent) = (0, 0);
    for round in 0..40_u16 {
        // Within one time-out, between one and two, and beyond.
        let late = [0, 0, 130, 0, 90, 170, 0, 250][usize::from(round % 8)];
        site.simulator.misbehave(1, Misbehaviour::Late(Duration::from_millis(late)));
        site.simulator.set(1, Table::Holding, 0, 1000 + round);
        site.simulator.set(1, Table::Holding, 50, 5000 + round);
        let group = usize::from(round % 3 == 0);
        if !session.is_open() {
            session.open().await.unwrap();
        }
        let polled = session.poll(0, group, Turn::undisturbed()).await;
        match polled.cells.as_slice() {
            [(0, Ok(RawValue::Integer(value)))] => {
                answered += 1;
                assert_eq!(*value, i64::from(if group == 0 { 1000 + round } else { 5000 + round }), "round {round}");
            }
            [] => silent += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(answered >= 15 && silent >= 3, "{answered} answered, {silent} silent");
    site.serving.abort();
}

#[tokio::test]
async fn a_late_answer_on_a_serial_line_is_never_taken_for_another() {
    no_answer_is_taken_for_another(Site::on_a_line(&[(1, Model::Plain)])).await;
}

#[tokio::test]
async fn a_late_answer_on_tcp_is_never_taken_for_another() {
    no_answer_is_taken_for_another(Site::on_tcp(&[(1, Model::Plain)], Framing::Tcp).await).await;
}

#[tokio::test]
async fn a_late_answer_through_a_serial_server_is_never_taken_for_another() {
    no_answer_is_taken_for_another(Site::on_tcp(&[(1, Model::Plain)], Framing::Rtu).await).await;
}

const RELAY_AND_CLIMATE: [(u8, Model); 2] = [(1, Model::WaveshareRelay8ch), (2, Model::XyMd02)];

/// How many rows of the climate come within a second.
async fn climate_rows(running: &mut Running) -> usize {
    while running.observations.try_recv().is_ok() {}
    let until = Instant::now() + Duration::from_secs(1);
    let mut rows = 0;
    while let Ok(Some(observation)) = tokio::time::timeout_at(until, running.observations.recv()).await {
        rows += usize::from(matches!(&observation, Observation::Row(row)
            if row.device.as_str() == "climate" && row.cells.iter().all(|(_, cell)| cell.is_ok())));
    }
    rows
}

#[tokio::test]
async fn each_fault_has_its_name_and_costs_the_neighbour_nothing() {
    let site = Site::on_a_line(&RELAY_AND_CLIMATE);
    let mut running = site.relay();
    running.health(HealthLevel::Working, "").await;
    for (fault, level, reason) in [
        (Misbehaviour::Gone, HealthLevel::Unreachable, "timeout"),
        (Misbehaviour::BadChecksum, HealthLevel::Reachable, "bad-checksum"),
        (Misbehaviour::WrongUnit, HealthLevel::Reachable, "wrong-unit"),
        (Misbehaviour::Late(Duration::from_millis(150)), HealthLevel::Unreachable, "timeout"),
        (Misbehaviour::Exception(4), HealthLevel::Answering, "refused"),
    ] {
        site.simulator.misbehave(1, fault);
        let health = running.health(level, reason).await;
        assert_eq!(health.device.as_str(), "relay", "{fault:?}");
        let rows = climate_rows(&mut running).await;
        assert!(rows >= 10, "{fault:?}: only {rows} rows of the neighbour in a second");
        site.simulator.misbehave(1, Misbehaviour::None);
        // Somebody asks, so nobody has to wait for the back-off.
        running.read().await.unwrap();
        running.health(HealthLevel::Working, "").await;
    }
    running.stop().await;
    site.serving.abort();
}

fn channel_on(channel: i64) -> Vec<Field> {
    vec![Field::new("channel", FieldValue::Integer(channel)), Field::new("on", FieldValue::Flag(true))]
}

async fn a_late_confirmation_is_unknown_and_moves_once(site: Site) {
    let mut running = site.relay();
    running.health(HealthLevel::Working, "").await;
    site.simulator.misbehave(1, Misbehaviour::Late(Duration::from_millis(150)));
    let outcome = running.act("relay.set", channel_on(3)).await;
    assert!(matches!(outcome, ActOutcome::Unknown(_)), "{outcome:?}");
    site.simulator.misbehave(1, Misbehaviour::None);
    running.read().await.unwrap();
    assert_eq!(site.simulator.coil_writes(1, 2), 1);
    assert_eq!(site.simulator.get(1, Table::Coils, 2), Some(1));
    assert_eq!(running.permits(), 1);
    // The next action is confirmed by its own answer.
    let outcome = running.act("relay.set", channel_on(4)).await;
    assert_eq!(outcome, ActOutcome::Succeeded(vec![Field::new("relay.4", FieldValue::Integer(1))]));
    assert_eq!((site.simulator.coil_writes(1, 2), site.simulator.coil_writes(1, 3)), (1, 1));
    running.stop().await;
    site.serving.abort();
}

#[tokio::test]
async fn a_late_confirmation_on_a_serial_line_is_unknown_and_moves_once() {
    a_late_confirmation_is_unknown_and_moves_once(Site::on_a_line(&RELAY_AND_CLIMATE)).await;
}

#[tokio::test]
async fn a_late_confirmation_on_tcp_is_unknown_and_moves_once() {
    a_late_confirmation_is_unknown_and_moves_once(Site::on_tcp(&RELAY_AND_CLIMATE, Framing::Tcp).await).await;
}

#[tokio::test]
async fn every_way_to_not_answer_an_action_leaves_it_unknown_and_done_once() {
    let site = Site::on_a_line(&RELAY_AND_CLIMATE);
    let mut running = site.relay();
    running.health(HealthLevel::Working, "").await;
    for (channel, fault) in [(1, Misbehaviour::Silent), (2, Misbehaviour::BadChecksum), (3, Misbehaviour::WrongUnit)] {
        site.simulator.misbehave(1, fault);
        let outcome = running.act("relay.set", channel_on(channel)).await;
        assert!(matches!(outcome, ActOutcome::Unknown(_)), "{fault:?}: {outcome:?}");
        assert_eq!(site.simulator.coil_writes(1, channel as u16 - 1), 1, "{fault:?}");
    }
    site.simulator.misbehave(1, Misbehaviour::Exception(4));
    let outcome = running.act("relay.set", channel_on(4)).await;
    assert!(matches!(outcome, ActOutcome::Failed(_)), "{outcome:?}");
    assert_eq!(running.permits(), 4);
    running.stop().await;
    site.serving.abort();
}

#[tokio::test]
async fn a_pulse_ends_by_itself() {
    let site = Site::on_a_line(&RELAY_AND_CLIMATE);
    let mut running = site.relay();
    running.health(HealthLevel::Working, "").await;
    let arguments = vec![Field::new("channel", FieldValue::Integer(2)), Field::new("seconds", FieldValue::Number(0.3))];
    assert_eq!(running.act("relay.pulse", arguments).await, ActOutcome::Succeeded(Vec::new()));
    assert_eq!(site.simulator.get(1, Table::Coils, 1), Some(1));
    running.stop().await;
    let deadline = Instant::now() + Duration::from_secs(5);
    while site.simulator.get(1, Table::Coils, 1) != Some(0) {
        assert!(Instant::now() < deadline, "the pulse never ends");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(site.simulator.coil_writes(1, 1), 1);
    site.serving.abort();
}

#[tokio::test]
async fn a_server_that_restarts_is_not_even_noticed() {
    let site = Site::on_tcp(&RELAY_AND_CLIMATE, Framing::Tcp).await;
    let mut running = site.relay();
    running.health(HealthLevel::Working, "").await;
    for _ in 0..3 {
        running.read().await.unwrap();
        site.simulator.restart();
    }
    let rows = running.read().await.unwrap();
    assert!(rows.iter().flat_map(|row| &row.cells).all(|(_, cell)| cell.is_ok()));
    while let Ok(observation) = running.observations.try_recv() {
        assert!(!matches!(&observation, Observation::Health(health) if health.level != HealthLevel::Working));
    }
    running.stop().await;
    site.serving.abort();
}

#[tokio::test]
async fn a_serial_port_that_is_unplugged_is_opened_again_by_its_name() {
    let site = Site::on_a_line(&RELAY_AND_CLIMATE);
    let mut running = site.relay();
    running.health(HealthLevel::Working, "").await;
    site.serving.abort();
    running.health(HealthLevel::Unreachable, "link-closed").await;
    let outcome = running.act("relay.set", channel_on(1)).await;
    assert!(
        matches!(&outcome, ActOutcome::Failed(reason) if reason.english.starts_with("link closed: open serial port"))
    );
    assert_eq!(running.permits(), 0);
    let serving = serve_line(&site.simulator, &site.folder.path().join("line"));
    running.health(HealthLevel::Working, "").await;
    let outcome = running.act("relay.set", channel_on(1)).await;
    assert!(matches!(outcome, ActOutcome::Succeeded(_)), "{outcome:?}");
    running.stop().await;
    serving.abort();
}
