//! Passing requests and answers on, or not.

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kouan_protocol::session::{CommandDelivery, MEDIA_TYPE};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::http::{Message, read_message};
use super::promises::Promises;

/// Requests that are remembered, to be sent again.
const REMEMBERED: usize = 64;
/// How long an old request that is sent again waits for its answer.
const AGAIN: Duration = Duration::from_millis(500);

/// What happens to requests and answers. All but the first three happen to every second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Nothing.
    None,
    /// Connections break and new ones are closed at once.
    Cut,
    /// Nothing passes and nobody is told.
    Silent,
    /// The connection breaks somewhere within a request.
    CutRequests,
    /// The connection breaks somewhere within an answer; the collector has done what it was asked.
    CutAnswers,
    /// Answers come later than the agent waits.
    LateAnswers,
    /// A request arrives twice at the same time, and either answer is taken.
    Twice,
    /// An older request arrives again.
    OldRequests,
    /// Commands are handed over again in answer to the next poll.
    OldCommands,
}

impl Damage {
    /// Every damage.
    pub const ALL: [Self; 8] = [
        Self::Cut,
        Self::Silent,
        Self::CutRequests,
        Self::CutAnswers,
        Self::LateAnswers,
        Self::Twice,
        Self::OldRequests,
        Self::OldCommands,
    ];
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "line in order",
            Self::Cut => "line cut",
            Self::Silent => "line silent",
            Self::CutRequests => "line cut within requests",
            Self::CutAnswers => "line cut within answers",
            Self::LateAnswers => "answers too late",
            Self::Twice => "requests twice",
            Self::OldRequests => "old requests again",
            Self::OldCommands => "old commands again",
        })
    }
}

/// The line.
#[derive(Debug)]
pub struct DamagedLine {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) server: SocketAddr,
    /// Longer than the agent waits for an answer.
    pub(super) late: Duration,
    /// What passes is encrypted.
    encrypted: bool,
    damage: watch::Sender<Damage>,
    random: Mutex<StdRng>,
    requests: Mutex<VecDeque<Message>>,
    commands: Mutex<Option<(Instant, CommandDelivery)>>,
    promises: Promises,
}

impl DamagedLine {
    /// Listens on any free port. `late` is longer than the agent waits for an answer. Where what passes is
    /// `encrypted`, nothing is sent twice and nothing is known of what the collector confirms.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(server: SocketAddr, seed: u64, late: Duration, encrypted: bool) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("opening a line's port failed")?;
        let address = listener.local_addr().context("opening a line's port failed")?;
        let shared = Arc::new(Shared {
            server,
            late,
            encrypted,
            damage: watch::Sender::new(Damage::None),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            requests: Mutex::default(),
            commands: Mutex::default(),
            promises: Promises::default(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, Arc::clone(&shared), stop.clone())));
        Ok(Self { address, shared, _stop: stop.drop_guard() })
    }

    /// Where the agent connects.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how the line behaves, for open connections too.
    pub fn set(&self, damage: Damage) {
        self.shared.damage.send_replace(damage);
    }

    /// What the collector confirmed.
    #[must_use]
    pub fn promises(&self) -> &Promises {
        &self.shared.promises
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    // An accept that fails is the client's loss, who tries again.
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            let mut damage = shared.damage.subscribe();
            tokio::select! {
                // A broken connection is what is wanted here, whoever broke it.
                _ = shared.serve(client) => {}
                _ = damage.wait_for(|damage| *damage == Damage::Cut) => {}
            }
        }));
    }
}

/// Waits until the far end closes the connection.
async fn closed(stream: &mut BufReader<TcpStream>) {
    // Bytes that wait already are the next request: the far end is there.
    if stream.fill_buf().await.is_ok_and(|bytes| !bytes.is_empty()) {
        std::future::pending().await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    async fn serve(self: &Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        if self.encrypted { self.pass_bytes(client).await } else { self.converse(client).await }
    }

    /// Whether this damage is done, and meets this message.
    pub(super) fn meets(&self, damage: Damage) -> bool {
        *self.damage.borrow() == damage && lock(&self.random).random_bool(0.5)
    }

    /// A random number below `end`.
    pub(super) fn below(&self, end: usize) -> usize {
        lock(&self.random).random_range(0..end.max(1))
    }

    async fn converse(self: &Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        client.set_nodelay(true)?;
        let mut client = BufReader::new(client);
        let mut server = BufReader::new(TcpStream::connect(self.server).await?);
        server.get_ref().set_nodelay(true)?;
        while let Some(request) = read_message(&mut client).await? {
            self.wait_not_silent().await;
            if self.meets(Damage::CutRequests) {
                return server.write_all(&request.bytes[..self.below(request.bytes.len())]).await;
            }
            let answer = match self.kept_commands(&request) {
                Some(answer) => answer,
                None => tokio::select! {
                    answer = self.ask(&mut server, &request) => match answer? {
                        Some(answer) => answer,
                        None => return Ok(()),
                    },
                    () = closed(&mut client) => return Ok(()),
                },
            };
            self.wait_not_silent().await;
            if self.meets(Damage::LateAnswers) {
                tokio::time::sleep(self.late).await;
            }
            if self.meets(Damage::CutAnswers) {
                return client.write_all(&answer.bytes[..self.below(answer.bytes.len())]).await;
            }
            client.write_all(&answer.bytes).await?;
        }
        Ok(())
    }

    pub(super) async fn wait_not_silent(&self) {
        // The sender lives as long as this.
        let _ = self.damage.subscribe().wait_for(|damage| *damage != Damage::Silent).await;
    }

    async fn ask(
        self: &Arc<Self>,
        server: &mut BufReader<TcpStream>,
        request: &Message,
    ) -> std::io::Result<Option<Message>> {
        if self.meets(Damage::OldRequests) {
            self.send_old_request();
        }
        self.remember(request);
        let answer = if self.meets(Damage::Twice) {
            // On connections of their own: the answer that is not taken must not meet the next request.
            tokio::select! { first = self.pass_alone(request) => first, second = self.pass_alone(request) => second }
        } else {
            self.pass_on(server, request).await
        }?;
        let Some(answer) = answer else { return Ok(None) };
        if request.word().ends_with("/commands") && *self.damage.borrow() == Damage::OldCommands {
            let has_commands = |delivery: CommandDelivery| !delivery.commands.is_empty();
            if answer.word() == "200" && CommandDelivery::decode(answer.body()).is_ok_and(has_commands) {
                let delivery = CommandDelivery::decode(answer.body()).map_err(std::io::Error::other)?;
                *lock(&self.commands) = Some((Instant::now(), delivery));
            }
        }
        Ok(Some(answer))
    }

    async fn pass_on(&self, server: &mut BufReader<TcpStream>, request: &Message) -> std::io::Result<Option<Message>> {
        server.write_all(&request.bytes).await?;
        let answer = read_message(server).await?;
        if let Some(answer) = &answer
            && answer.word() == "200"
        {
            if request.word().ends_with("/upload") {
                self.promises.note(answer.body());
            } else if request.word().ends_with("/hello") {
                self.promises.note_session();
            }
        }
        Ok(answer)
    }

    async fn pass_alone(&self, request: &Message) -> std::io::Result<Option<Message>> {
        self.pass_on(&mut BufReader::new(TcpStream::connect(self.server).await?), request).await
    }

    /// The commands that were handed over last, once more, with the life that is left, if this asks for commands.
    fn kept_commands(&self, request: &Message) -> Option<Message> {
        if !request.word().ends_with("/commands") {
            return None;
        }
        let (since, mut delivery) = lock(&self.commands).take()?;
        let passed = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        delivery.held_ms = 0;
        for command in &mut delivery.commands {
            command.life_left_ms = command.life_left_ms.saturating_sub(passed);
        }
        Some(Message::answer(MEDIA_TYPE, &delivery.encode()))
    }

    fn remember(&self, request: &Message) {
        let mut requests = lock(&self.requests);
        if requests.len() == REMEMBERED {
            requests.pop_front();
        }
        requests.push_back(request.clone());
    }

    fn send_old_request(self: &Arc<Self>) {
        let requests = lock(&self.requests);
        let Some(old) = requests.get(self.below(requests.len())).cloned() else { return };
        let shared = Arc::clone(self);
        tokio::spawn(tokio::time::timeout(AGAIN, async move { shared.pass_alone(&old).await }));
    }
}
