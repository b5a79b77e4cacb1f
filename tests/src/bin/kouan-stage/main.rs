//! What a browser is shown by a program: the simulated checkpoint, people who can sign in, the fleet beside it; and the
//! means to break it while somebody looks.
//!
//! One line of JSON is written when everything runs. Then each line of standard input is carried out and answered by
//! one line of JSON. The end of standard input ends everything.
//!
//! | line | what it does |
//! |---|---|
//! | `ups LINE`, `cabinet LINE`, `gate LINE`, `kiosk LINE` | gives the simulator a control line |
//! | `kill ups` | ends the process of the simulated UPS as a power cut would |
//! | `start ups` | starts it again at the same address |
//! | `agent stop`, `agent start` | stops the agent in order, and starts it again |
//! | `collector kill`, `collector start` | ends the collector as a power cut would, and starts it again |
//! | `collector settings "TOML"` | starts the collector again with these settings; the text is a string of JSON |
//! | `collector back-up`, `collector restore` | makes a backup, and puts it back in the place of the collector's data |
//! | `first NAME ROLE` | makes a user whose first password must still be replaced |

mod lines;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use kouan_tests::{Checkpoint, Fleet, furnish, person};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// The people on the stage; all know the same password.
const PEOPLE: [(&str, &str, &str); 3] =
    [("admin", "管理员", "administrator"), ("operator", "值班员", "operator"), ("viewer", "访客", "viewer")];
const PASSWORD: &str = "harbour-lights-at-night";

/// Runs a simulated checkpoint for a program that drives a browser.
#[derive(Debug, Parser)]
#[command(name = "kouan-stage", version)]
struct Arguments {
    /// Plays 1,434 devices of five real projects beside the checkpoint.
    #[arg(long)]
    fleet: bool,
    /// Seconds of history that the fleet brings along.
    #[arg(long, default_value_t = 0)]
    past: u64,
    /// Nothing goes wrong in the fleet.
    #[arg(long)]
    sound: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut site = Checkpoint::prepare().await.context("the checkpoint did not come up")?;
    site.agent.start()?;
    let api = site.api()?;
    let people = async {
        for (name, display_name, role) in PEOPLE {
            person(&api, name, display_name, role, PASSWORD).await?;
        }
        anyhow::Ok(())
    };
    let (people, working) = tokio::join!(people, site.wait_working());
    people?;
    working?;
    furnish(&api).await.context("the asset list of the checkpoint could not be entered")?;
    let mut fleet = None;
    if arguments.fleet {
        let past = Duration::from_secs(arguments.past);
        fleet = Some(Fleet::start(&site.folder(), &site.collector, past, arguments.sound).await?);
    }
    let devices = fleet.as_ref().map_or(0, |fleet| fleet.devices) + Checkpoint::DEVICES.len() as u64;
    say(&json!({
        "ready": true,
        "url": format!("http://{}", site.collector.address()),
        "key": site.collector.key(),
        "password": PASSWORD,
        "devices": devices,
        "collector_pid": site.collector.process()?.id(),
    }))?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.context("reading a line failed")? {
        let answer = match lines::obey(&mut site, &line).await {
            Ok(answer) => json!({ "ok": true, "answer": answer }),
            Err(error) => json!({ "ok": false, "error": format!("{error:#}") }),
        };
        say(&answer)?;
    }
    if let Some(fleet) = fleet {
        fleet.stop().await?;
    }
    site.stop().await
}

fn say(value: &Value) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{value}").context("writing to standard output failed")
}
