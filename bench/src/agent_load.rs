//! The agent under the load of fifty Modbus TCP devices with twenty points each, read every second.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use kouan_tests::{Agent, AgentConfiguration, Collector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::figure::{Figure, cpu_seconds, memory_mib};

const DEVICES: usize = 50;
const POINTS: usize = 20;

pub(crate) async fn measure(seconds: u64) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let profiles = folder.path().join("profiles");
    std::fs::create_dir(&profiles)?;
    std::fs::write(profiles.join("bench-meter.toml"), profile()?)?;
    let mut links = String::new();
    for device in 0..DEVICES {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(serve(listener));
        write!(
            links,
            "[[link]]\nname = \"link-{device}\"\nkind = \"modbus\"\ntcp = \"{address}\"\n\
             [[link.device]]\nname = \"meter-{device}\"\nprofile = \"bench-meter\"\nunit = 1\n"
        )?;
    }
    let mut collector = Collector::start(folder.path()).await?;
    let token = collector.enrol("bench", "bench").await?;
    let configuration = AgentConfiguration {
        folder: folder.path().to_owned(),
        name: "agent".to_owned(),
        collector: Some((format!("http://{}", collector.address()), token)),
        links,
    };
    let mut agent = Agent::new(configuration)?;
    // The harness commits every 100 ms so that tests are quick; here the default of one second is measured.
    let file = agent.configuration().file();
    let text = std::fs::read_to_string(&file)?.replace("commit_every = \"100ms\"", "commit_every = \"1s\"");
    std::fs::write(&file, format!("profiles = \"{}\"\n{text}", profiles.display()))?;
    agent.start()?;
    agent.wait_running().await?;
    let pid = agent.process()?.id().context("the agent has no process")?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let cpu = cpu_seconds(pid)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let used = cpu_seconds(pid)? - cpu;
    let load = format!("{DEVICES} Modbus TCP devices × {POINTS} points each second");
    let figures = vec![
        Figure::new("agent", format!("{load}: CPU of one core"), used / seconds as f64 * 100.0, "%"),
        Figure::new("agent", format!("{load}: memory"), memory_mib(pid, "VmRSS")?, "MiB"),
        Figure::new("agent", format!("{load}: peak memory"), memory_mib(pid, "VmHWM")?, "MiB"),
    ];
    agent.stop(Duration::from_secs(5)).await?;
    collector.stop(Duration::from_secs(10)).await?;
    Ok(figures)
}

fn profile() -> anyhow::Result<String> {
    let mut text =
        "kind = \"modbus\"\nclass = \"meter\"\nevidence = \"uncertain\"\nsource = \"made up for measuring\"\n\
                    [[group]]\nname = \"all\"\nevery = \"1s\"\nfunction = 3\n"
            .to_owned();
    for point in 0..POINTS {
        write!(
            text,
            "[[group.point]]\nname = \"measurement.{point}\"\nunit = \"V\"\nscale = \"1/10\"\n\
             register = {point}\ntype = \"u16\"\n"
        )?;
    }
    Ok(text)
}

/// A device whose registers all change with every read.
async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let (mut request, mut reads) = ([0_u8; 12], 0_u16);
    loop {
        stream.read_exact(&mut request).await?;
        let count = u16::from_be_bytes([request[10], request[11]]).min(125);
        let bytes = count * 2;
        let mut answer = Vec::with_capacity(9 + usize::from(bytes));
        answer.extend_from_slice(&request[..4]);
        answer.extend_from_slice(&(bytes + 3).to_be_bytes());
        answer.extend_from_slice(&[request[6], request[7], bytes as u8]);
        reads = reads.wrapping_add(1);
        for register in 0..count {
            answer.extend_from_slice(&(2200 + (reads.wrapping_mul(7).wrapping_add(register * 13)) % 200).to_be_bytes());
        }
        stream.write_all(&answer).await?;
    }
}
