//! The agent's side of the local socket.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kouan_drivers::driver::{Heard, Request};
use kouan_drivers::link::trace::Trace;
use kouan_protocol::{BootTime, Clock, CommandId, DeviceKey, DeviceSpec, Field, Incarnation, NameError};
use kouan_settings::{Bilingual, Translate as _, both};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::message::{AlarmReport, Answer, DeviceReport, ProbeReport, Question, StatusReport};
use super::report::reports;
use crate::alarms::{ActiveAlarm, AgentAlarms};
use crate::buffer::Buffer;
use crate::commands::{Executor, Submission, arguments_wrong};
use crate::config_facts::ConfigFacts;
use crate::pipeline::Current;
use crate::uplink::UplinkStatus;

/// Longest question in bytes.
const QUESTION_BYTES: u64 = 64 * 1024;
/// Conversations at the same time.
const CONVERSATIONS: usize = 32;
/// How long a device may take to be read.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time that somebody at an address may think while it is searched for.
const LONGEST_WAIT_MS: u64 = 300;
/// Longest life of a local command.
const LONGEST_LIFE_MS: u64 = 300_000;

/// What the local face shows and reaches.
#[derive(Debug)]
pub struct LocalFace {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// When the agent started.
    pub started: BootTime,
    /// The life of the data folder.
    pub incarnation: Incarnation,
    /// The buffer.
    pub buffer: Arc<Buffer>,
    /// What is known now.
    pub current: Arc<Current>,
    /// The agent's own alarms.
    pub alarms: AgentAlarms,
    /// Carries commands out.
    pub executor: Executor,
    /// Which link serves a device.
    pub links: HashMap<DeviceKey, mpsc::Sender<Request>>,
    /// What the agent was told to do.
    pub config: ConfigFacts,
    /// The conversation with the collector.
    pub uplink: watch::Receiver<UplinkStatus>,
}

/// Opens the socket, replacing what an earlier run left. The data folder's lock proves that nobody uses it.
///
/// # Errors
/// When the socket cannot be made.
pub fn bind(path: &Path) -> std::io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Answers questions until `shutdown` is cancelled.
pub async fn serve(face: LocalFace, listener: UnixListener, shutdown: CancellationToken) {
    let face = Arc::new(face);
    // Dropped with everything in it when this returns, so that nobody holds the buffer any longer.
    let mut conversations = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = conversations.join_next() => continue,
            accepted = listener.accept(), if conversations.len() < CONVERSATIONS => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let face = Arc::clone(&face);
                conversations.spawn(async move {
                    if let Err(error) = converse(&face, stream).await {
                        info!(%error, "A local conversation ended early.");
                    }
                });
            }
            Err(error) => {
                warn!(%error, "The local socket could not accept a connection.");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    conversations.shutdown().await;
}

async fn converse(face: &LocalFace, stream: UnixStream) -> std::io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    loop {
        let mut line = String::new();
        if (&mut lines).take(QUESTION_BYTES).read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_str(&line) {
            Ok(question) => face.answer(question, uid).await,
            Err(error) => Answer::problem(both!("the question cannot be read: {error}", "看不懂这个问题：{error}")),
        };
        let mut bytes = serde_json::to_vec(&answer)?;
        bytes.push(b'\n');
        write.write_all(&bytes).await?;
    }
}

impl LocalFace {
    async fn answer(&self, question: Question, uid: u32) -> Answer {
        let answered = match question {
            Question::Status => self.status().await,
            Question::Devices => Ok(Answer::Devices { devices: self.devices(|_| true) }),
            Question::Device { device } => {
                self.known(&device).map(|key| Answer::Devices { devices: self.devices(|spec| spec.key == key) })
            }
            Question::Read { device } => {
                let read = async { self.read(&self.known(&device)?, None).await };
                read.await.map(|devices| Answer::Devices { devices })
            }
            Question::Probe { device } => self.probe(&device).await,
            Question::Search { link, unit, wait_ms } => self.search(&link, unit, wait_ms).await,
            Question::Command { device, action, arguments, by, life_ms } => {
                let by: String = by.chars().filter(char::is_ascii_graphic).take(32).collect();
                self.command(&device, action, arguments, format!("{by} (uid {uid})"), life_ms).await
            }
        };
        answered.unwrap_or_else(Answer::problem)
    }

    async fn status(&self) -> Result<Answer, Bilingual> {
        let (devices, working) = self.current.count();
        let lanes = self.buffer.status().await.map_err(|error| error.translate())?;
        Ok(Answer::Status(StatusReport {
            software: concat!("kouan-agent ", env!("CARGO_PKG_VERSION")).to_owned(),
            incarnation: self.incarnation.to_string(),
            journal: self.executor.journal().incarnation().to_string(),
            up_ms: self.clock.boot_time().since_ms(self.started),
            uplink: self.uplink.borrow().clone(),
            alarms: self.raised(),
            lanes,
            buffer: self.buffer.condition().borrow().clone(),
            config: self.config.clone(),
            journal_kept: *self.executor.journal().condition().borrow(),
            devices,
            working,
        }))
    }

    fn raised(&self) -> Vec<AlarmReport> {
        let now = self.clock.boot_time();
        let report = |alarm: ActiveAlarm| AlarmReport {
            device: alarm.change.device.to_string(),
            text_zh: alarm.change.text_zh,
            condition: alarm.change.condition,
            severity: alarm.change.severity,
            text: alarm.change.text,
            for_ms: now.since_ms(alarm.since),
        };
        self.alarms.active().into_iter().map(report).collect()
    }

    fn devices(&self, wanted: impl Fn(&DeviceSpec) -> bool) -> Vec<DeviceReport> {
        reports(&self.current, self.clock.as_ref(), wanted)
    }

    fn known(&self, device: &str) -> Result<DeviceKey, Bilingual> {
        let key = device.parse::<DeviceKey>().map_err(|error| Bilingual::new(error.to_string(), error.chinese()))?;
        if self.links.contains_key(&key) {
            return Ok(key);
        }
        let known: Vec<_> = self.current.catalogue().devices.iter().map(|device| device.key.as_str()).collect();
        let known = known.join(", ");
        Err(both!(
            "there is no device named {device}; known are {known}",
            "没有名为 {device} 的设备；已有的设备：{known}"
        ))
    }

    /// One conversation of the device's own driver, in its turn like any other.
    async fn probe(&self, device: &str) -> Result<Answer, Bilingual> {
        let key = self.known(device)?;
        let trace = Trace::new();
        let read = self.read(&key, Some(trace.clone())).await;
        let (device, problem) = match read {
            Ok(mut devices) => (devices.pop(), None),
            Err(problem) => (self.devices(|spec| spec.key == key).pop(), Some(problem)),
        };
        let device = device.ok_or(("the agent knows nothing of the device", "代理不了解这个设备"))?;
        let (problem, problem_zh) = problem.map(|why| (why.english, why.chinese)).unzip();
        Ok(Answer::Probe(ProbeReport { device, pieces: trace.pieces(), problem, problem_zh }))
    }

    /// One address of a line, asked by the line's own driver between its polls.
    async fn search(&self, link: &str, unit: u8, wait_ms: u64) -> Result<Answer, Bilingual> {
        let place = self.config.places.iter().find(|place| place.link == link);
        let key = place.and_then(|place| place.devices.first()).and_then(|device| device.parse::<DeviceKey>().ok());
        let line = key.and_then(|key| self.links.get(&key));
        let line = line.ok_or_else(|| both!("there is no link \"{link}\" with devices", "没有带设备的线路“{link}”"))?;
        let wait = Duration::from_millis(wait_ms.clamp(20, LONGEST_WAIT_MS));
        let (reply, searched) = oneshot::channel();
        let asked = async {
            line.send(Request::Search { unit, wait, reply }).await.map_err(|_| stopped())?;
            searched.await.map_err(|_| stopped())?
        };
        let heard = tokio::time::timeout(READ_TIMEOUT, asked).await.map_err(|_| {
            let seconds = READ_TIMEOUT.as_secs();
            both!("the line had no turn for it within {seconds} s", "{seconds} 秒内没有轮到这次搜索")
        })??;
        Ok(match heard {
            None => Answer::Searched { heard: false, configured: false, identity: None },
            Some(Heard::Configured) => Answer::Searched { heard: true, configured: true, identity: None },
            Some(Heard::Stranger(identity)) => Answer::Searched { heard: true, configured: false, identity },
        })
    }

    async fn read(&self, key: &DeviceKey, trace: Option<Trace>) -> Result<Vec<DeviceReport>, Bilingual> {
        let (reply, rows) = oneshot::channel();
        let request = Request::Read { device: key.clone(), trace, reply };
        let link = self.links.get(key).ok_or(("no driver serves the device", "没有驱动负责这个设备"))?;
        let asked = async {
            link.send(request).await.map_err(|_| stopped())?;
            rows.await.map_err(|_| stopped())?
        };
        let rows = tokio::time::timeout(READ_TIMEOUT, asked).await.map_err(|_| {
            let seconds = READ_TIMEOUT.as_secs();
            both!("{key} was not read within {seconds} s", "{seconds} 秒内没有读到 {key}")
        })??;
        // The rows also pass the pipeline, which scales them; wait until it has shown every one of them.
        let newest = rows.iter().map(|row| row.boot_time).max();
        let shown = async {
            loop {
                let reports = self.devices(|spec| spec.key == *key);
                let fresh = self.current.device(key).is_some_and(|now| {
                    let mut times = now.groups.iter().flatten().flatten().map(|cell| cell.boot_time);
                    newest.is_none_or(|newest| times.any(|time| time >= newest))
                });
                if fresh {
                    return reports;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(READ_TIMEOUT, shown).await.map_err(|_| both!("the pipeline is busy", "数据处理正忙"))
    }

    async fn command(
        &self,
        device: &str,
        action: String,
        arguments: Vec<Field>,
        by: String,
        life_ms: u64,
    ) -> Result<Answer, Bilingual> {
        let device = self.known(device)?;
        let spec = self.current.catalogue().device(&device).and_then(|device| device.action(&action));
        let spec = spec.ok_or_else(|| both!("{device} has no action \"{action}\"", "{device} 没有操作“{action}”"))?;
        // Checked before it is recorded: what is not an argument of the action has no place in the journal.
        spec.check(&arguments).map_err(|problems| arguments_wrong(&problems))?;
        let id: CommandId = format!("local-{:016x}", rand::random::<u64>())
            .parse()
            .map_err(|error: NameError| Bilingual::verbatim(error))?;
        let deadline = self.clock.boot_time().plus_ms(life_ms.min(LONGEST_LIFE_MS));
        let submission = Submission { id: id.clone(), device, action, arguments, by: Some(by), deadline };
        self.executor.submit(submission).await.map_err(|error| error.translate())?;
        let entry = self.executor.wait_final(&id).await.map_err(|error| error.translate())?;
        let entry = entry.ok_or(("the journal lost the command", "命令日志中找不到这条命令"))?;
        Ok(Answer::Command {
            id: id.to_string(),
            state: entry.state.to_string(),
            reason: entry.reason,
            reason_zh: entry.reason_zh,
            results: entry.results,
        })
    }
}

fn stopped() -> Bilingual {
    both!("the driver has stopped", "驱动已停止")
}
