//! Modbus TCP devices in this process, and an agent's configuration that reads them.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use kouan_tests::{Agent, AgentConfiguration};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The gate whose passages are events.
pub(crate) const GATE: &str = "gate-passages";
/// The gate that falls silent.
pub(crate) const FADING: &str = "gate-fading";

/// How many meters of how many points, and how often each is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) meters: usize,
    pub(crate) points: usize,
    pub(crate) every: &'static str,
}

/// What the two gates do.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    passages: AtomicU16,
    silent: AtomicBool,
    ended: AtomicBool,
}

impl Gates {
    /// Nothing happens at them any more.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether nothing happens at them any more.
    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Somebody passes.
    pub(crate) fn pass(&self) {
        self.passages.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets the fading gate break off, or answer again.
    pub(crate) fn silence(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }
}

/// What a simulated device is.
#[derive(Debug, Clone)]
enum Role {
    /// Every register changes with every read.
    Meter,
    /// Registers show the count of passages.
    Gate(Arc<Gates>),
    /// Like the gate, and silent when told.
    Fading(Arc<Gates>),
}

/// The devices; they answer as long as the runtime lives.
pub(crate) struct ModbusSite {
    links: String,
    gates: Arc<Gates>,
}

impl ModbusSite {
    /// Opens a port per device and writes the profiles into `folder`. With `gates` there are two gates besides, which
    /// are read every 250 ms.
    pub(crate) async fn start(folder: &Path, shape: Shape, gates: bool) -> anyhow::Result<Self> {
        let profiles = folder.join("profiles");
        std::fs::create_dir_all(&profiles)?;
        std::fs::write(profiles.join("bench-meter.toml"), meter(shape)?)?;
        std::fs::write(profiles.join("bench-gate.toml"), GATE_PROFILE)?;
        let mut site = Self { links: String::new(), gates: Arc::default() };
        for device in 0..shape.meters {
            site.add(&format!("meter-{device:04}"), "bench-meter", Role::Meter).await?;
        }
        if gates {
            site.add(GATE, "bench-gate", Role::Gate(Arc::clone(&site.gates))).await?;
            site.add(FADING, "bench-gate", Role::Fading(Arc::clone(&site.gates))).await?;
        }
        Ok(site)
    }

    async fn add(&mut self, name: &str, profile: &str, role: Role) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(serve(listener, role));
        write!(
            self.links,
            "[[link]]\nname = \"link-{name}\"\nkind = \"modbus\"\ntcp = \"{address}\"\n\
             [[link.device]]\nname = \"{name}\"\nprofile = \"{profile}\"\nunit = 1\n"
        )?;
        Ok(())
    }

    /// What the gates do.
    pub(crate) fn gates(&self) -> Arc<Gates> {
        Arc::clone(&self.gates)
    }

    /// An agent for these devices that reaches its collector at `collector`, with the default commit interval.
    pub(crate) fn agent(&self, folder: &Path, collector: SocketAddr, token: String) -> anyhow::Result<Agent> {
        let configuration = AgentConfiguration {
            folder: folder.to_owned(),
            name: "agent".to_owned(),
            collector: Some((format!("http://{collector}"), token)),
            links: self.links.clone(),
        };
        let agent = Agent::new(configuration)?;
        // The harness commits every 100 ms so that tests are quick; here the default of one second is measured.
        let file = agent.configuration().file();
        let text = std::fs::read_to_string(&file)?.replace("commit_every = \"100ms\"", "commit_every = \"1s\"");
        std::fs::write(&file, format!("profiles = \"{}\"\n{text}", folder.join("profiles").display()))?;
        Ok(agent)
    }
}

const GATE_PROFILE: &str = r#"
kind = "modbus"
class = "passenger-gate"
evidence = "uncertain"
source = "made up for measuring"

[[group]]
name = "status"
every = "250ms"
function = 3

[[group.point]]
name = "passage.count"
is = "counter"
register = 0
wraps_at = 65536
counts = { event = "passage", direction = "in" }
"#;

fn meter(shape: Shape) -> anyhow::Result<String> {
    let every = shape.every;
    let mut text = format!(
        "kind = \"modbus\"\nclass = \"meter\"\nevidence = \"uncertain\"\nsource = \"made up for measuring\"\n\
         [[group]]\nname = \"all\"\nevery = \"{every}\"\nfunction = 3\n"
    );
    for point in 0..shape.points {
        write!(
            text,
            "[[group.point]]\nname = \"measurement.{point}\"\nunit = \"V\"\nscale = \"1/10\"\n\
             register = {point}\ntype = \"u16\"\n"
        )?;
    }
    Ok(text)
}

async fn serve(listener: TcpListener, role: Role) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream, role.clone()));
    }
}

async fn answer(mut stream: TcpStream, role: Role) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut request, mut reads) = ([0_u8; 12], 0_u16);
    loop {
        stream.read_exact(&mut request).await?;
        if matches!(&role, Role::Fading(gates) if gates.silent.load(Ordering::Relaxed)) {
            return Ok(());
        }
        let count = u16::from_be_bytes([request[10], request[11]]).min(125);
        let bytes = count * 2;
        let mut answer = Vec::with_capacity(9 + usize::from(bytes));
        answer.extend_from_slice(&request[..4]);
        answer.extend_from_slice(&(bytes + 3).to_be_bytes());
        answer.extend_from_slice(&[request[6], request[7], bytes as u8]);
        reads = reads.wrapping_add(1);
        for register in 0..count {
            let value = match &role {
                Role::Meter => 2200 + reads.wrapping_mul(7).wrapping_add(register * 13) % 200,
                Role::Gate(gates) | Role::Fading(gates) => gates.passages.load(Ordering::Relaxed),
            };
            answer.extend_from_slice(&value.to_be_bytes());
        }
        stream.write_all(&answer).await?;
    }
}
