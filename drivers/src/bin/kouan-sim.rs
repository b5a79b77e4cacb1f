//! Runs one simulated device and takes control lines on standard input.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, Subcommand};
use kouan_drivers::modbus::simulator::{Model, Simulator};
use kouan_drivers::simulator::{
    Cabinet, Controlled, Gate, Kiosk, KioskSettings, ReaderModel, Speaker, TagReader, serve_on_pseudo_terminal,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A simulated device. Prints {"ready":true,"address":"…"} when it can be spoken to, then answers each control line
/// on standard input with one line of JSON; the line "help" lists them. Ends when standard input does.
#[derive(Debug, Parser)]
#[command(name = "kouan-sim", version)]
struct Arguments {
    /// Go on when standard input ends.
    #[arg(long, global = true)]
    stay: bool,
    #[command(subcommand)]
    device: Device,
}

#[derive(Debug, Subcommand)]
enum Device {
    /// A Modbus TCP device.
    ModbusTcp {
        /// Where it listens; port 0 for any.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: String,
        /// Its model: plain, or the name of a shipped profile of kind modbus. Values of apc-smart-ups, xy-md02 and
        /// pzem-016 live by themselves.
        #[arg(long)]
        model: Model,
        /// Its unit number.
        #[arg(long, default_value_t = 1)]
        unit: u8,
    },
    /// Modbus RTU units on a pseudo-terminal.
    ModbusRtu {
        /// The name under which the line is opened; a symbolic link is made there.
        #[arg(long)]
        pty: PathBuf,
        /// A unit and its model, as 1=xy-md02; once for each unit.
        #[arg(long = "unit", required = true, value_parser = unit_and_model)]
        units: Vec<(u8, Model)>,
    },
    /// A passenger gate (DS205A) on a pseudo-terminal.
    Gate {
        /// The name under which the line is opened; a symbolic link is made there.
        #[arg(long)]
        pty: PathBuf,
        /// The gate's number on the line.
        #[arg(long, default_value_t = 1)]
        unit: u8,
    },
    /// A cabinet of 16 slots (KERONG CU16) on a pseudo-terminal.
    Cabinet {
        /// The name under which the line is opened; a symbolic link is made there.
        #[arg(long)]
        pty: PathBuf,
        /// The board's number on the line.
        #[arg(long, default_value_t = 0)]
        unit: u8,
    },
    /// A UHF reader of tags, on TCP or on a pseudo-terminal.
    TagReader {
        /// What it speaks: llrp, m100, chafon-18, chafon-288m.
        #[arg(long)]
        model: ReaderModel,
        /// Where it listens; port 0 for any.
        #[arg(long, default_value = "127.0.0.1:0", conflicts_with = "pty")]
        listen: String,
        /// The name under which the line is opened; a symbolic link is made there.
        #[arg(long)]
        pty: Option<PathBuf>,
        /// Its address, where it has one.
        #[arg(long, default_value_t = 0)]
        unit: u8,
    },
    /// A device that only speaks: a scanner, a scale, a card reader, by the name of its profile of kind listener.
    Speaker {
        /// The profile: code-scanner-line, yaohua-xk3190, rdm6300, …
        #[arg(long)]
        profile: String,
        /// The name under which the line is opened; a symbolic link is made there.
        #[arg(long, conflicts_with = "listen", required_unless_present = "listen")]
        pty: Option<PathBuf>,
        /// Where it listens instead, as a serial server would; port 0 for any.
        #[arg(long)]
        listen: Option<String>,
    },
    /// A kiosk that publishes over MQTT.
    Kiosk {
        /// The broker, as HOST:PORT.
        #[arg(long)]
        broker: String,
        /// What its topics begin with.
        #[arg(long, default_value = "site/kiosk-1")]
        topic: String,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).init();
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime failed")?;
    let ended = runtime.block_on(run(arguments));
    // Somebody may still hold standard input open, and the thread that reads it cannot be interrupted.
    runtime.shutdown_background();
    ended
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let (device, mut task) = start(arguments.device, &stop).await?;
    let stay = arguments.stay || std::io::stdin().is_terminal();
    let talk = tokio::spawn(talk(device, stay, stop.clone()));
    let mut terminated = signal(SignalKind::terminate())?;
    let told = tokio::select! {
        ended = &mut task => return ended?,
        talked = talk => talked?,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Into::into),
        _ = terminated.recv() => Ok(()),
    };
    // The device takes its line away as it ends, so its end is waited for.
    stop.cancel();
    let ended = task.await?;
    told.and(ended)
}

fn unit_and_model(text: &str) -> anyhow::Result<(u8, Model)> {
    let (unit, model) = text.split_once('=').context("write it as 1=xy-md02")?;
    Ok((unit.parse().with_context(|| format!("\"{unit}\" is not a unit number"))?, model.parse()?))
}

type Running = tokio::task::JoinHandle<anyhow::Result<()>>;

async fn start(device: Device, stop: &CancellationToken) -> anyhow::Result<(Arc<dyn Controlled>, Running)> {
    let stop = stop.clone();
    Ok(match device {
        Device::ModbusTcp { listen, model, unit } => {
            let listener = TcpListener::bind(&listen).await.with_context(|| format!("listening on {listen} failed"))?;
            let address = listener.local_addr()?.to_string();
            let simulator = Simulator::new([(unit, model)]);
            let running = simulator.clone();
            let task = tokio::spawn(async move {
                ready(&address);
                stop.run_until_cancelled(running.serve_tcp(listener)).await.unwrap_or(Ok(())).map_err(Into::into)
            });
            (Arc::new(simulator), task)
        }
        Device::ModbusRtu { pty, units } => {
            let simulator = Simulator::new(units);
            let running = simulator.clone();
            let task = tokio::spawn(async move {
                let address = pty.display().to_string();
                Ok(serve_on_pseudo_terminal(&running, &pty, || ready(&address), stop).await?)
            });
            (Arc::new(simulator), task)
        }
        Device::Gate { pty, unit } => {
            let gate = Gate::new(unit);
            let running = Arc::clone(&gate);
            let task = tokio::spawn(async move {
                let address = pty.display().to_string();
                Ok(running.run(&pty, || ready(&address), stop).await?)
            });
            (gate, task)
        }
        Device::Cabinet { pty, unit } => {
            let cabinet = Cabinet::new(unit);
            let running = Arc::clone(&cabinet);
            let task = tokio::spawn(async move {
                let address = pty.display().to_string();
                Ok(running.run(&pty, || ready(&address), stop).await?)
            });
            (cabinet, task)
        }
        Device::TagReader { model, listen, pty, unit } => {
            let reader = TagReader::new(model, unit);
            let running = Arc::clone(&reader);
            let task = match pty {
                Some(pty) => tokio::spawn(async move {
                    let address = pty.display().to_string();
                    Ok(running.run(&pty, || ready(&address), stop).await?)
                }),
                None => {
                    let listener =
                        TcpListener::bind(&listen).await.with_context(|| format!("listening on {listen} failed"))?;
                    let address = listener.local_addr()?.to_string();
                    tokio::spawn(async move {
                        ready(&address);
                        stop.run_until_cancelled(running.serve_tcp(listener))
                            .await
                            .unwrap_or(Ok(()))
                            .map_err(Into::into)
                    })
                }
            };
            (reader, task)
        }
        Device::Speaker { profile, pty, listen } => {
            let speaker = Speaker::new(&profile).map_err(anyhow::Error::msg)?;
            let running = Arc::clone(&speaker);
            let task = match (pty, listen) {
                (Some(pty), _) => tokio::spawn(async move {
                    let address = pty.display().to_string();
                    Ok(running.run(&pty, || ready(&address), stop).await?)
                }),
                (None, listen) => {
                    let listen = listen.context("say --pty or --listen")?;
                    let listener =
                        TcpListener::bind(&listen).await.with_context(|| format!("listening on {listen} failed"))?;
                    let address = listener.local_addr()?.to_string();
                    tokio::spawn(async move {
                        ready(&address);
                        stop.run_until_cancelled(running.listen(listener)).await.unwrap_or(Ok(())).map_err(Into::into)
                    })
                }
            };
            (speaker, task)
        }
        Device::Kiosk { broker, topic } => {
            let (host, port) = broker.rsplit_once(':').context("the broker must be written as HOST:PORT")?;
            let port = port.parse().with_context(|| format!("the port of {broker} cannot be read"))?;
            let kiosk = Kiosk::new(KioskSettings { host: host.to_owned(), port, topic: topic.clone() });
            let running = Arc::clone(&kiosk);
            let task = tokio::spawn(async move {
                running.run(|| ready(&topic), stop).await;
                Ok(())
            });
            (kiosk, task)
        }
    })
}

async fn talk(device: Arc<dyn Controlled>, stay: bool, stop: CancellationToken) -> anyhow::Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.context("reading a control line failed")? {
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words.as_slice() {
            [] => continue,
            ["quit"] => return Ok(()),
            ["help"] => {
                json!({ "ok": true, "help": device.help().lines().chain(["show", "quit"]).collect::<Vec<_>>() })
            }
            ["show"] => json!({ "ok": true, "state": device.show() }),
            words => match device.control(words) {
                Ok(()) => json!({ "ok": true }),
                Err(error) => json!({ "ok": false, "error": error }),
            },
        };
        say(&answer);
    }
    if stay {
        stop.cancelled().await;
    }
    Ok(())
}

fn ready(address: &str) {
    say(&json!({ "ready": true, "address": address }));
}

/// One line of JSON on standard output, which is this program's interface.
#[allow(clippy::print_stdout)]
fn say(answer: &Value) {
    println!("{answer}");
}
