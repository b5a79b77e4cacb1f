//! A device that numbers everything it says and counts everything it is told to do.
//!
//! It speaks Modbus TCP. Input registers 0 and 1 hold a number that grows with every poll, 2 and 3 a counter of
//! passages that grows by itself; the others change with every poll. Writing a number to holding registers 100 and 101
//! is something that it does.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Bytes before the function code: transaction, protocol, length, unit.
const HEADER: usize = 7;
const READ_INPUT: u8 = 4;
const WRITE_REGISTERS: u8 = 16;
/// Of one read (Modbus application protocol, 6.4).
const MOST_REGISTERS: u16 = 125;
const ILLEGAL_FUNCTION: u8 = 1;

/// The profile with which an agent speaks to it.
pub(crate) const PROFILE: &str = r#"kind = "modbus"
class = "energy-meter"
evidence = "solid"
source = "a device that numbers what it says"

[[group]]
name = "numbers"
every = "50ms"
heartbeat = "1h"
function = 4

  [[group.point]]
  name = "number"
  register = 0
  type = "u32"
  unit = "1"

  [[group.point]]
  name = "passages"
  is = "counter"
  register = 2
  type = "u32"
  counts = { event = "passage" }

[[action]]
name = "act"
write = "registers"
register = 100
type = "u32"
value_of = "id"

  [[action.argument]]
  name = "id"
  is = "integer"
  min = 1
  max = 4294967295
"#;

/// Something that the device was told to do.
#[derive(Debug, Clone, Default)]
pub struct Act {
    /// How often it did it.
    pub times: u64,
    /// When it did it last.
    pub last: Option<Instant>,
}

#[derive(Debug, Default)]
struct State {
    /// When each number was said; number 1 is the first element.
    said: Vec<Instant>,
    /// It answers on, and no longer with new numbers.
    is_frozen: bool,
    passages: u32,
    acts: BTreeMap<u32, Act>,
}

/// The device.
#[derive(Debug)]
pub struct NumberedDevice {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _stop: DropGuard,
}

impl NumberedDevice {
    /// Starts it on any free port.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("opening a device's port failed")?;
        let address = listener.local_addr().context("opening a device's port failed")?;
        let state = Arc::<Mutex<State>>::default();
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, Arc::clone(&state), stop.clone())));
        Ok(Self { address, state, _stop: stop.drop_guard() })
    }

    /// Where it is spoken to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets people pass.
    pub fn pass(&self, people: u32) {
        let mut state = lock(&self.state);
        state.passages = state.passages.wrapping_add(people);
    }

    /// From now on it says its last number again and again.
    pub fn freeze(&self) {
        lock(&self.state).is_frozen = true;
    }

    /// When each number was said, the first number first.
    #[must_use]
    pub fn said(&self) -> Vec<Instant> {
        lock(&self.state).said.clone()
    }

    /// The last number that was said; 0 before the first.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        lock(&self.state).said.len() as u64
    }

    /// How many people passed.
    #[must_use]
    pub fn passages(&self) -> u64 {
        lock(&self.state).passages.into()
    }

    /// What it was told to do, by the number that it was told.
    #[must_use]
    pub fn acts(&self) -> BTreeMap<u32, Act> {
        lock(&self.state).acts.clone()
    }

    /// Waits until it has said a number.
    ///
    /// # Errors
    /// When nobody asks it within `timeout`.
    pub async fn wait_asked(&self, timeout: Duration) -> anyhow::Result<()> {
        let look = async || Ok(self.last_number());
        crate::wait_until("a device being asked", timeout, look, |number| *number > 0).await.map(drop)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, stop: CancellationToken) {
    // An accept that fails is the client's loss, who tries again.
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // A client that goes away in the middle is no concern of the device.
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            let _ = serve(stream, &state).await;
        }));
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut header = [0; HEADER];
        stream.read_exact(&mut header).await?;
        let length = usize::from(u16::from_be_bytes([header[4], header[5]])).saturating_sub(1);
        let mut request = vec![0; length.min(260)];
        stream.read_exact(&mut request).await?;
        let answer = answer(&request, state);
        let length = u16::try_from(answer.len() + 1).unwrap_or(u16::MAX).to_be_bytes();
        header[4..6].copy_from_slice(&length);
        stream.write_all(&[header.as_slice(), &answer].concat()).await?;
    }
}

/// Function code and data of the answer.
fn answer(request: &[u8], state: &Mutex<State>) -> Vec<u8> {
    let word = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
    match request {
        [READ_INPUT, _, _, _, _] => {
            let mut state = lock(state);
            if !state.is_frozen {
                state.said.push(Instant::now());
            }
            let number = u32::try_from(state.said.len()).unwrap_or(u32::MAX);
            let (from, count) = (word(1), word(3).min(MOST_REGISTERS));
            let high_and_low = |value: u32, low: bool| if low { value as u16 } else { (value >> 16) as u16 };
            let data = (from..from.saturating_add(count)).flat_map(|register| {
                let value = match register {
                    0 | 1 => high_and_low(number, register == 1),
                    2 | 3 => high_and_low(state.passages, register == 3),
                    other => (number as u16).wrapping_add(other),
                };
                value.to_be_bytes()
            });
            [READ_INPUT, (count * 2) as u8].into_iter().chain(data).collect()
        }
        [WRITE_REGISTERS, _, _, _, _, 4, value @ ..] if value.len() == 4 => {
            let id = u32::from_be_bytes([value[0], value[1], value[2], value[3]]);
            let mut state = lock(state);
            let act = state.acts.entry(id).or_default();
            act.times += 1;
            act.last = Some(Instant::now());
            request[..5].to_vec()
        }
        _ => vec![request.first().copied().unwrap_or(0) | 0x80, ILLEGAL_FUNCTION],
    }
}
