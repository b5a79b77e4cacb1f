//! The commands of `kouan-agent`.
//!
//! Exit codes: 0 done; 1 the operation failed or a device did not do as asked; 2 the command line or the
//! configuration is wrong.

mod ask;
mod profile;
mod show;
mod standalone;
mod start;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::config::{self, Config, ConfigError};
use crate::uplink::Client;

const EXIT_FAILED: u8 = 1;
const EXIT_WRONG: u8 = 2;

/// Speaks to the devices of a site, keeps what it learned until the collector has it, and carries commands.
#[derive(Debug, Parser)]
#[command(
    name = "kouan-agent",
    version,
    about,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration."
)]
struct Cli {
    /// The configuration file.
    #[arg(long, short, global = true, env = "KOUAN_AGENT_CONFIG", default_value = config::DEFAULT_FILE)]
    config: PathBuf,
    /// Print JSON instead of tables.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Run the agent until it is told to stop.
    Run {
        /// How much to log: error, warn, info, debug, or a filter such as "info,kouan_drivers=debug".
        #[arg(long, env = "KOUAN_LOG", default_value = "info")]
        log: String,
    },
    /// Check the configuration and say everything that is wrong with it.
    Check {
        /// Also ask whether the collector answers, and whether its certificate is the right one.
        #[arg(long)]
        online: bool,
    },
    /// List the devices with their health and latest values.
    Devices,
    /// Talk to a device now and show what it says.
    Read {
        /// The device's name.
        device: String,
    },
    /// Show how the running agent stands.
    Status,
    /// Make a device do something and wait for the outcome.
    Command {
        /// The device's name.
        device: String,
        /// The action, such as relay.set.
        action: String,
        /// Arguments, such as channel=1 on=true.
        #[arg(value_name = "NAME=VALUE")]
        arguments: Vec<String>,
        /// How long the command may wait to be started.
        #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
        within: Duration,
        /// Do not ask before something moves.
        #[arg(long)]
        yes: bool,
    },
    /// Check, show and begin device profiles.
    Profile {
        #[command(subcommand)]
        command: profile::ProfileCommand,
    },
    /// Print the configuration as the agent understands it, secrets hidden.
    PrintConfig {
        /// Print the commented template instead.
        #[arg(long)]
        template: bool,
    },
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("kouan-agent: starting the runtime failed: {error}");
            return ExitCode::from(EXIT_FAILED);
        }
    };
    let done = runtime.block_on(dispatch(cli));
    // A thread that waits for a disk must not keep the program from ending.
    runtime.shutdown_timeout(Duration::from_millis(200));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kouan-agent: {error:#}");
            let wrong = error.downcast_ref::<ConfigError>().is_some() || error.downcast_ref::<WrongUsage>().is_some();
            ExitCode::from(if wrong { EXIT_WRONG } else { EXIT_FAILED })
        }
    }
}

/// The command line asks for something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongUsage(String);

async fn dispatch(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        CliCommand::Run { log } => start::run(&cli.config, &log).await,
        CliCommand::Check { online } => check(&cli.config, online).await,
        CliCommand::Devices => ask::devices(&Config::load(&cli.config)?, cli.json).await,
        CliCommand::Read { device } => ask::read(Config::load(&cli.config)?, device, cli.json).await,
        CliCommand::Status => ask::status(&Config::load(&cli.config)?, cli.json).await,
        CliCommand::Command { device, action, arguments, within, yes } => {
            let config = Config::load(&cli.config)?;
            let wanted = ask::Wanted { device, action, arguments, within, yes };
            ask::command(&config, wanted, cli.json).await
        }
        CliCommand::Profile { command } => profile::run(command, cli.json),
        CliCommand::PrintConfig { template: true } => {
            show::text(config::TEMPLATE);
            Ok(())
        }
        CliCommand::PrintConfig { template: false } => {
            show::text(&config::effective(&cli.config)?);
            Ok(())
        }
    }
}

async fn check(path: &std::path::Path, online: bool) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    // The agent itself is a device of every configuration.
    let links = || config.links.iter().filter(|link| &*link.name != "agent");
    let (links, devices) = (links().count(), links().map(|link| link.devices.len()).sum::<usize>());
    show::text(&format!("{} is right: {links} links, {devices} devices.\n", path.display()));
    if online {
        let collector = config.collector.ok_or_else(|| WrongUsage("no collector is configured".to_owned()))?;
        Client::new(&collector)?.greet().await?;
        let certificate = if collector.trust.is_some() { ", with the right certificate" } else { "" };
        show::text(&format!("The collector at {} answers{certificate}.\n", collector.url));
    }
    Ok(())
}
