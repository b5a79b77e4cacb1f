use std::pin::Pin;
use std::sync::{Arc, Mutex};

use kouan_protocol::{Field, HealthLevel, ManualClock};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::driver::{ActOutcome, PermitRefused, Purpose, RawValue, StartPermit};
use crate::link::WatchStep;
use crate::link::talker::ActError;
use crate::link::watch::Acted;

const SECOND: Duration = Duration::from_secs(1);

/// What the devices of a [`FakeTalker`] do, and what was done with them.
#[derive(Default)]
struct World {
    /// The link does not open.
    closed: bool,
    /// Devices that do not answer; each try costs a second.
    silent: Vec<usize>,
    /// Polls answer after this.
    slow: Duration,
    /// Polls and actions break the link this many times.
    breaks: u32,
    opened: u32,
    log: Vec<String>,
}

struct FakeTalker {
    world: Arc<Mutex<World>>,
    open: bool,
}

impl FakeTalker {
    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Breaks the link if the world says so.
    fn breaks(&mut self) -> bool {
        let breaks = self.world().breaks;
        self.world().breaks = breaks.saturating_sub(1);
        breaks > 0
    }
}

fn silence() -> TalkError {
    TalkError::device(HealthLevel::Unreachable, "timeout", ("no answer", "没有应答"))
}

impl Talker for FakeTalker {
    type Act = String;

    async fn open(&mut self) -> Result<(), TalkError> {
        let mut world = self.world();
        if world.closed {
            return Err(TalkError::broken(("nobody there", "没有人")));
        }
        world.opened += 1;
        drop(world);
        self.open = true;
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.open
    }

    fn close(&mut self) {
        self.open = false;
    }

    async fn poll(&mut self, device: usize, group: usize, _turn: Turn<'_>) -> Polled {
        let slow = self.world().slow;
        let silent = self.world().silent.contains(&device);
        tokio::time::sleep(if silent { SECOND } else { slow }).await;
        self.world().log.push(format!("poll {device}.{group}"));
        if self.breaks() {
            return Polled::failed(TalkError::broken(("gone", "断了")));
        }
        if silent {
            return Polled::failed(silence());
        }
        Polled { cells: vec![(0, Ok(RawValue::Integer(7)))], ..Polled::default() }
    }

    fn prepare(&mut self, _device: usize, action: &str, _arguments: &[Field]) -> Result<String, Bilingual> {
        if action == "nonsense" { Err(crate::link::no_action(action)) } else { Ok(action.to_owned()) }
    }

    async fn settle(&mut self, device: usize) -> Result<(), TalkError> {
        self.world().log.push(format!("settle {device}"));
        Ok(())
    }

    async fn act(&mut self, device: usize, act: String) -> Result<Acted, ActError> {
        self.world().log.push(format!("act {device} {act}"));
        if self.breaks() {
            return Err(ActError::NotConfirmed(TalkError::broken(("gone in the middle", "中途断了"))));
        }
        match act.as_str() {
            "refused" => Err(ActError::Refused(TalkError::refused(("not now", "现在不行")))),
            "silent" => {
                tokio::time::sleep(SECOND).await;
                Err(ActError::NotConfirmed(silence()))
            }
            "unsent" => Err(ActError::NotSent(TalkError::broken(("nothing went out", "没有发出")))),
            "endless" => std::future::pending().await,
            // Polls read 7.
            "seen" | "unseen" => {
                let expected = if act == "seen" { 7 } else { 8 };
                let text = "lock = open".to_owned();
                let step = WatchStep { group: 0, column: 0, expected, text, within: SECOND * 5, part: None };
                Ok(Acted { fields: Vec::new(), steps: vec![step.clone(), step] })
            }
            _ => Ok(Acted::default()),
        }
    }
}

struct Permit {
    world: Arc<Mutex<World>>,
    refuse: bool,
}

impl StartPermit for Permit {
    fn obtain(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<(), PermitRefused>> + Send>> {
        self.world.lock().unwrap().log.push("permit".to_owned());
        let refused = Err(PermitRefused(("it is too late", "太晚了").into()));
        Box::pin(std::future::ready(if self.refuse { refused } else { Ok(()) }))
    }
}

struct Bench {
    world: Arc<Mutex<World>>,
    observations: mpsc::Receiver<Observation>,
    requests: mpsc::Sender<Request>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), DriverError>>,
}

impl Bench {
    /// A link with that many devices of one group of two points, read each second.
    fn start(devices: usize, world: World) -> Self {
        Self::with_room(devices, world, 10_000)
    }

    fn with_room(devices: usize, world: World, room: usize) -> Self {
        let world = Arc::new(Mutex::new(world));
        let (sender, observations) = mpsc::channel(room);
        let (requests, asked) = mpsc::channel(16);
        let shutdown = CancellationToken::new();
        let cx = DriverCx {
            link: "line".into(),
            observations: sender,
            requests: asked,
            clock: Arc::new(ManualClock::at(0)),
            purpose: Purpose::Serve,
            shutdown: shutdown.clone(),
        };
        let group = LinkGroup { every: SECOND, columns: 2 };
        let devices = (0..devices)
            .map(|device| LinkDevice { key: format!("d{device}").parse().unwrap(), groups: vec![group] })
            .collect();
        let talker = FakeTalker { world: Arc::clone(&world), open: false };
        let task = tokio::spawn(run_link(talker, devices, 2, cx));
        Self { world, observations, requests, shutdown, task }
    }

    async fn request_act(&self, action: &str, refuse: bool) -> oneshot::Receiver<ActOutcome> {
        let (reply, outcome) = oneshot::channel();
        let permit = Box::new(Permit { world: Arc::clone(&self.world), refuse });
        let device = "d0".parse().unwrap();
        let request = ActRequest { device, action: action.to_owned(), arguments: Vec::new(), permit, reply };
        assert!(self.requests.send(Request::Act(request)).await.is_ok());
        outcome
    }

    async fn act(&self, action: &str, refuse: bool) -> ActOutcome {
        self.request_act(action, refuse).await.await.unwrap()
    }

    fn log(&self) -> Vec<String> {
        self.world.lock().unwrap().log.clone()
    }

    fn done(&self, begins: &str) -> usize {
        self.log().iter().filter(|entry| entry.starts_with(begins)).count()
    }

    /// Health as it was told until now, and rows without values.
    fn told(&mut self) -> (Vec<(String, HealthLevel, &'static str)>, usize) {
        let mut health = Vec::new();
        let mut blank = 0;
        while let Ok(observation) = self.observations.try_recv() {
            match observation {
                Observation::Health(told) => health.push((told.device.to_string(), told.level, told.reason)),
                Observation::Row(row) if row.cells.iter().all(|(_, cell)| cell.is_err()) => blank += 1,
                _ => {}
            }
        }
        (health, blank)
    }

    async fn stop(self) {
        self.shutdown.cancel();
        let stopped = tokio::time::Instant::now();
        self.task.await.unwrap().unwrap();
        assert!(stopped.elapsed() <= SECOND, "stopping took {:?}", stopped.elapsed());
    }
}

fn working(device: &str) -> (String, HealthLevel, &'static str) {
    (device.to_owned(), HealthLevel::Working, "")
}

#[tokio::test(start_paused = true)]
async fn health_is_told_once_and_on_change() {
    let mut bench = Bench::start(2, World::default());
    tokio::time::sleep(SECOND * 10).await;
    assert_eq!(bench.told(), (vec![working("d0"), working("d1")], 0));
    bench.world.lock().unwrap().silent = vec![1];
    tokio::time::sleep(SECOND * 30).await;
    assert_eq!(bench.told(), (vec![("d1".to_owned(), HealthLevel::Unreachable, "timeout")], 1));
    bench.world.lock().unwrap().silent = Vec::new();
    tokio::time::sleep(SECOND * 60).await;
    assert_eq!(bench.told(), (vec![working("d1")], 0));
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_link_is_opened_again_for_ever_and_a_short_break_is_not_told() {
    let mut bench = Bench::start(1, World::default());
    tokio::time::sleep(SECOND * 3).await;
    assert_eq!(bench.told().0, [working("d0")]);
    bench.world.lock().unwrap().breaks = 1;
    tokio::time::sleep(SECOND * 3).await;
    assert_eq!(bench.told(), (vec![], 0));
    assert_eq!(bench.world.lock().unwrap().opened, 2);
    bench.world.lock().unwrap().closed = true;
    bench.world.lock().unwrap().breaks = 1;
    tokio::time::sleep(SECOND * 3600).await;
    assert_eq!(bench.told(), (vec![("d0".to_owned(), HealthLevel::Unreachable, "link-closed")], 1));
    bench.world.lock().unwrap().closed = false;
    tokio::time::sleep(SECOND * 31).await;
    assert_eq!(bench.told(), (vec![working("d0")], 0));
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_action_obtains_its_permit_right_before_it_is_sent() {
    let bench = Bench::start(1, World::default());
    assert_eq!(bench.act("open", false).await, ActOutcome::Succeeded(Vec::new()));
    let log = bench.log();
    let at = log.iter().position(|entry| entry == "permit").unwrap();
    assert_eq!(log[at - 1..=at + 1], ["settle 0", "permit", "act 0 open"]);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_action_did_is_watched_beside_polls_and_other_actions() {
    let bench = Bench::start(2, World::default());
    let seen = bench.act("seen", false).await;
    assert!(matches!(&seen, ActOutcome::Succeeded(fields) if fields.len() == 2), "{seen:?}");
    let unseen = bench.request_act("unseen", false).await;
    let begun = Instant::now();
    // The link is not held up meanwhile.
    assert_eq!(bench.act("open", false).await, ActOutcome::Succeeded(Vec::new()));
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    let unseen = unseen.await.unwrap();
    let why = "lock = open was not seen within 5s: it shows 7";
    assert!(matches!(&unseen, ActOutcome::Unknown(text) if text.english.contains(why)), "{unseen:?}");
    assert!(begun.elapsed() < SECOND * 6, "{:?}", begun.elapsed());

    // A device that falls silent shows nothing, and a driver that stops says so.
    bench.world.lock().unwrap().silent = vec![0];
    let unseen = bench.act("seen", false).await;
    assert!(matches!(&unseen, ActOutcome::Unknown(text) if text.english.contains("nothing was read")), "{unseen:?}");
    let stopped = bench.request_act("seen", false).await;
    tokio::time::sleep(SECOND * 2).await;
    bench.stop().await;
    assert!(matches!(stopped.await.unwrap(), ActOutcome::Unknown(_)));
}

#[tokio::test(start_paused = true)]
async fn an_action_is_never_repeated_whatever_comes_back() {
    let bench = Bench::start(1, World::default());
    assert!(matches!(bench.act("silent", false).await, ActOutcome::Unknown(_)));
    assert!(matches!(bench.act("refused", false).await, ActOutcome::Failed(_)));
    assert!(matches!(bench.act("unsent", false).await, ActOutcome::Failed(_)));
    bench.world.lock().unwrap().breaks = 1;
    assert!(matches!(bench.act("broken", false).await, ActOutcome::Unknown(_)));
    tokio::time::sleep(SECOND * 30).await;
    for action in ["silent", "refused", "unsent", "broken"] {
        assert_eq!(bench.done(&format!("act 0 {action}")), 1, "{action}");
    }
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_permit_or_a_link_nothing_is_sent() {
    let bench = Bench::start(1, World::default());
    assert!(matches!(bench.act("open", true).await, ActOutcome::NotStarted(_)));
    assert!(matches!(bench.act("nonsense", false).await, ActOutcome::Failed(_)));
    assert_eq!((bench.done("permit"), bench.done("act")), (1, 0));
    bench.stop().await;

    let bench = Bench::start(1, World { closed: true, ..World::default() });
    let outcome = bench.act("open", false).await;
    assert_eq!(outcome, ActOutcome::Failed(("link closed: nobody there", "线路没有打开：没有人").into()));
    assert_eq!((bench.done("permit"), bench.done("act")), (0, 0));
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn commands_overtake_polls() {
    let bench = Bench::start(20, World { slow: SECOND / 2, ..World::default() });
    tokio::time::sleep(SECOND).await;
    let before = tokio::time::Instant::now();
    bench.act("open", false).await;
    assert!(before.elapsed() <= SECOND / 2, "{:?}", before.elapsed());
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_read_on_demand_answers_with_the_rows_or_the_reason() {
    let bench = Bench::start(2, World { silent: vec![1], ..World::default() });
    let read = async |device: &str| {
        let (reply, rows) = oneshot::channel();
        let device = device.parse().unwrap();
        assert!(bench.requests.send(Request::Read { device, trace: None, reply }).await.is_ok());
        rows.await.unwrap()
    };
    let rows = read("d0").await.unwrap();
    assert_eq!(rows[0].cells, [(0, Ok(RawValue::Integer(7)))]);
    assert_eq!(read("d1").await.unwrap_err().english, "no answer");
    assert_eq!(read("d2").await.unwrap_err().english, "there is no device \"d2\" on this link");
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_channel_stops_polls_but_not_commands() {
    let mut bench = Bench::with_room(1, World::default(), 1);
    tokio::time::sleep(SECOND * 60).await;
    let polls = bench.done("poll");
    assert!(polls <= 2, "{polls}");
    assert_eq!(bench.act("open", false).await, ActOutcome::Succeeded(Vec::new()));
    for _ in 0..5 {
        bench.observations.recv().await.unwrap();
    }
    assert!(bench.done("poll") > polls);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn it_stops_in_the_middle_of_anything() {
    let bench = Bench::start(1, World { slow: SECOND * 60, ..World::default() });
    tokio::time::sleep(SECOND).await;
    bench.stop().await;

    let bench = Bench::start(1, World::default());
    let endless = bench.request_act("endless", false).await;
    tokio::time::sleep(SECOND).await;
    let waiting = bench.request_act("never begun", false).await;
    bench.stop().await;
    assert!(matches!(endless.await.unwrap(), ActOutcome::Unknown(_)));
    let waiting = waiting.await.unwrap();
    assert!(
        matches!(&waiting, ActOutcome::Failed(reason) if reason.english.contains("before the action began")),
        "{waiting:?}"
    );
}
