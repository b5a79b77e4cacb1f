//! Runs one simulated device and takes control lines on standard input.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, Subcommand};
use kouan_drivers::modbus::simulator::{Model, Simulator};
use kouan_drivers::osdp::secure::Key;
use kouan_drivers::simulator::{
    Barrier, C3, Cabinet, CardReader, Controlled, DoorController, EbGate, Gate, Kiosk, KioskSettings, LedCard,
    LedModel, LineDevice, LineModel, LockBoard, LockModel, Printer, ReaderModel, Speaker, TagReader, YdtDevice,
    YdtModel, serve_on_pseudo_terminal,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, UdpSocket};
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

/// Where a device on a line is found.
#[derive(Debug, clap::Args)]
struct Place {
    /// The name under which the line is opened; a symbolic link is made there.
    #[arg(long, conflicts_with = "listen", required_unless_present = "listen")]
    pty: Option<PathBuf>,
    /// Where it listens instead; port 0 for any.
    #[arg(long)]
    listen: Option<String>,
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
    /// A lock board of a cabinet, on a pseudo-terminal or on TCP as behind a serial server.
    LockBoard {
        /// What it speaks: kerong-cu48, lock-board-8a80-12, lock-board-8a80-24.
        #[arg(long)]
        model: LockModel,
        #[command(flatten)]
        place: Place,
        /// The board's number.
        #[arg(long, default_value_t = 1)]
        unit: u8,
    },
    /// A tripod or swing gate with an EB board, on a pseudo-terminal or on TCP as behind a serial server.
    EbGate {
        #[command(flatten)]
        place: Place,
        /// Its address.
        #[arg(long, default_value_t = 1)]
        unit: u8,
    },
    /// A ticket printer with ESC/POS, on a pseudo-terminal or on TCP.
    Printer {
        #[command(flatten)]
        place: Place,
    },
    /// A device with YD/T 1363.3, on a pseudo-terminal or on TCP as behind a serial server.
    Ydt {
        /// Which: liebert-gxe, ydt-air-conditioner.
        #[arg(long)]
        model: YdtModel,
        #[command(flatten)]
        place: Place,
        /// Its address.
        #[arg(long, default_value_t = 1)]
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
    /// A control card of an LED display, on TCP or on a pseudo-terminal.
    LedCard {
        /// What it speaks: cpower, huidu.
        #[arg(long)]
        model: LedModel,
        /// Where it listens; port 0 for any.
        #[arg(long, default_value = "127.0.0.1:0", conflicts_with = "pty")]
        listen: String,
        /// The name under which the line is opened; a symbolic link is made there.
        #[arg(long)]
        pty: Option<PathBuf>,
        /// Its number.
        #[arg(long, default_value_t = 1)]
        unit: u8,
    },
    /// A card reader with OSDP on a pseudo-terminal.
    CardReader {
        /// The name under which the line is opened; a symbolic link is made there.
        #[arg(long)]
        pty: PathBuf,
        /// Its address on the bus.
        #[arg(long, default_value_t = 0)]
        unit: u8,
        /// A file with its key, 32 hexadecimal digits; it then speaks through a secure channel only.
        #[arg(long)]
        key_file: Option<PathBuf>,
    },
    /// A door controller (UHPPOTE) over UDP.
    DoorController {
        /// Where it listens; port 0 for any.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: String,
        /// Its number.
        #[arg(long, default_value_t = 405_419_896)]
        controller: u32,
    },
    /// A door controller (ZKTeco C3) over TCP.
    C3 {
        /// Where it listens; port 0 for any.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: String,
        /// A file with its password.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// A vehicle barrier on a relay board, over Modbus TCP.
    Barrier {
        /// Where it listens; port 0 for any.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: String,
        /// How long the boom is under way.
        #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
        travel: std::time::Duration,
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
        Device::LockBoard { model, place, unit } => start_on(LockBoard::of_model(model, unit), place, stop).await?,
        Device::EbGate { place, unit } => start_on(EbGate::with_address(unit), place, stop).await?,
        Device::Printer { place } => start_on(Printer::ready(), place, stop).await?,
        Device::Ydt { model, place, unit } => start_on(YdtDevice::of_model(model, unit), place, stop).await?,
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
        Device::LedCard { model, listen, pty, unit } => {
            let clock = kouan_protocol::SystemClock::new().context("reading the clock failed")?;
            let card = LedCard::new(model, unit, Arc::new(clock));
            let running = Arc::clone(&card);
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
            (card, task)
        }
        Device::CardReader { pty, unit, key_file } => {
            let read = |path: &PathBuf| {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("reading {} failed", path.display()))?;
                Key::read(&text).with_context(|| format!("{} must hold 32 hexadecimal digits", path.display()))
            };
            let reader = CardReader::new(unit, key_file.as_ref().map(read).transpose()?);
            let running = Arc::clone(&reader);
            let task = tokio::spawn(async move {
                let address = pty.display().to_string();
                Ok(running.run(&pty, || ready(&address), stop).await?)
            });
            (reader, task)
        }
        Device::DoorController { listen, controller } => {
            let socket = UdpSocket::bind(&listen).await.with_context(|| format!("listening on {listen} failed"))?;
            let address = socket.local_addr()?.to_string();
            let controller = DoorController::new(controller);
            let running = Arc::clone(&controller);
            let task = tokio::spawn(async move {
                ready(&address);
                stop.run_until_cancelled(running.serve(socket)).await.unwrap_or(Ok(())).map_err(Into::into)
            });
            (controller, task)
        }
        Device::C3 { listen, password_file } => {
            let listener = TcpListener::bind(&listen).await.with_context(|| format!("listening on {listen} failed"))?;
            let address = listener.local_addr()?.to_string();
            let password = password_file.map_or(Ok(String::new()), std::fs::read_to_string);
            let controller = C3::new(password.context("reading the password failed")?.trim_end());
            let running = Arc::clone(&controller);
            let task = tokio::spawn(async move {
                ready(&address);
                while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
                    let (running, stop, (stream, _)) = (Arc::clone(&running), stop.clone(), accepted?);
                    // A client that goes in the middle of a frame ends its own connection only.
                    tokio::spawn(async move { drop(stop.run_until_cancelled(running.serve(stream)).await) });
                }
                Ok(())
            });
            (controller, task)
        }
        Device::Barrier { listen, travel } => {
            let listener = TcpListener::bind(&listen).await.with_context(|| format!("listening on {listen} failed"))?;
            let address = listener.local_addr()?.to_string();
            let barrier = Barrier::new(travel);
            let running = Arc::clone(&barrier);
            let task = tokio::spawn(async move {
                ready(&address);
                let moving = tokio::spawn(Arc::clone(&running).run(stop.clone()));
                let served = stop.run_until_cancelled(running.board().serve_tcp(listener)).await;
                moving.await?;
                served.unwrap_or(Ok(())).map_err(Into::into)
            });
            (barrier, task)
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

/// Serves a device on a line at its place.
async fn start_on<M: LineModel>(
    device: Arc<LineDevice<M>>,
    place: Place,
    stop: CancellationToken,
) -> anyhow::Result<(Arc<dyn Controlled>, Running)> {
    let running = Arc::clone(&device);
    let task = match (place.pty, place.listen) {
        (Some(pty), _) => tokio::spawn(async move {
            let address = pty.display().to_string();
            Ok(running.run(&pty, || ready(&address), stop).await?)
        }),
        (None, listen) => {
            let listen = listen.context("say --pty or --listen")?;
            let listener = TcpListener::bind(&listen).await.with_context(|| format!("listening on {listen} failed"))?;
            let address = listener.local_addr()?.to_string();
            tokio::spawn(async move {
                ready(&address);
                stop.run_until_cancelled(running.serve_tcp(listener)).await.unwrap_or(Ok(())).map_err(Into::into)
            })
        }
    };
    Ok((device, task))
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
