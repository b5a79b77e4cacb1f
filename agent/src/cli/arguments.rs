//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::profile::ProfileCommand;
use super::words::Language;
use crate::config;

/// Speaks to the devices of a site, keeps what it learned until the collector has it, and carries commands.
#[derive(Debug, Parser)]
#[command(
    name = "kouan-agent",
    version,
    about,
    after_help = "Exit codes: 0 done; 1 failed, or a device did not do as asked; 2 wrong usage or configuration; \
                  3 done, and something was found wrong or nothing was found; 4 refused because the running agent or \
                  another program uses the port."
)]
pub(super) struct Cli {
    /// The configuration file.
    #[arg(long, short, global = true, env = "KOUAN_AGENT_CONFIG", default_value = config::DEFAULT_FILE)]
    pub(super) config: PathBuf,
    /// Print JSON instead of tables.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// The language: en or zh; without it that of LC_ALL, LC_MESSAGES or LANG.
    #[arg(long, global = true)]
    pub(super) lang: Option<Language>,
    #[command(subcommand)]
    pub(super) command: CliCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum CliCommand {
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
    /// Look for everything that is known to go wrong at a site, and say how to put it right.
    Doctor,
    /// List serial ports, or search one for devices: speed, format, addresses and models. Only reads.
    Scan(ScanArguments),
    /// Add a device to the configuration, checked, as a new revision.
    Add(AddArguments),
    /// Prove at the device what its profile leaves open: identity, doubts, polarity of inputs.
    Commission {
        /// The device's name.
        device: String,
    },
    /// List the devices with their health and latest values.
    Devices,
    /// Talk to a device now and show what it says.
    Read {
        /// The device's name.
        device: String,
    },
    /// Show a device's values as they change, until Ctrl-C.
    Watch {
        /// The device's name.
        device: String,
        /// How often to look.
        #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
        every: Duration,
        /// Stop after this time.
        #[arg(long = "for", value_parser = humantime::parse_duration)]
        length: Option<Duration>,
    },
    /// Talk to a device once and show every byte with its meaning.
    Probe {
        /// The device's name.
        device: String,
    },
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
    /// Show how the running agent stands.
    Status,
    /// Pack what support needs into one file, without secrets.
    Bundle {
        /// The file to write; kouan-bundle-TIME.tar.gz in this folder if not given.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Check, show and begin device profiles.
    Profile {
        #[command(subcommand)]
        command: ProfileCommand,
    },
    /// Print the configuration as the agent understands it, secrets hidden.
    PrintConfig {
        /// Print the commented template instead.
        #[arg(long)]
        template: bool,
    },
    /// Print what makes a shell complete the words of this program.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct ScanArguments {
    /// The serial port to search.
    #[arg(long, value_name = "PORT", conflicts_with = "tcp")]
    pub(super) serial: Option<PathBuf>,
    /// The address to search, as HOST:PORT.
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) tcp: Option<String>,
    /// The address is a transparent serial server: Modbus RTU over TCP.
    #[arg(long, requires = "tcp")]
    pub(super) rtu: bool,
    /// Speeds to try, separated by commas; all usual ones if not given.
    #[arg(long, value_delimiter = ',')]
    pub(super) baud: Vec<u32>,
    /// Parities to try, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(super) parity: Vec<ParityWord>,
    /// Addresses to ask: one, or a range such as 1-32.
    #[arg(long)]
    pub(super) units: Option<String>,
    /// How long a device may think.
    #[arg(long, default_value = "150ms", value_parser = humantime::parse_duration)]
    pub(super) wait: Duration,
    /// What to search for: modbus, another kind such as serial-line, ydt1363 or osdp, or a profile's name.
    #[arg(long, default_value = "modbus")]
    pub(super) protocol: String,
    /// Search every address at every speed; takes long.
    #[arg(long)]
    pub(super) thorough: bool,
    /// Do not ask what the found units are.
    #[arg(long)]
    pub(super) no_guess: bool,
}

/// A parity on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ParityWord {
    /// No parity bit.
    None,
    /// Even parity.
    Even,
    /// Odd parity.
    Odd,
}

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// The new device's name: a-z, 0-9, '.', '_' and '-'.
    pub(super) device: String,
    /// Its profile.
    #[arg(long)]
    pub(super) profile: String,
    /// Its address on the link.
    #[arg(long)]
    pub(super) unit: Option<u16>,
    /// Its name for people.
    #[arg(long)]
    pub(super) label: Option<String>,
    /// Where it stands.
    #[arg(long)]
    pub(super) area: Option<String>,
    /// The link that it hangs on, or the name of a new one.
    #[arg(long)]
    pub(super) link: Option<String>,
    /// Where the link ends: a serial port.
    #[arg(long, value_name = "PORT", conflicts_with = "tcp")]
    pub(super) serial: Option<PathBuf>,
    /// Where the link ends: an address, as HOST:PORT.
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) tcp: Option<String>,
    /// The address is a transparent serial server: Modbus RTU over TCP.
    #[arg(long, requires = "tcp")]
    pub(super) rtu: bool,
    /// Speed of a new serial link.
    #[arg(long)]
    pub(super) baud: Option<u32>,
    /// Parity of a new serial link.
    #[arg(long)]
    pub(super) parity: Option<ParityWord>,
    /// Any other key of the device, as KEY=VALUE; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

impl ParityWord {
    /// The word in a configuration.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Even => "even",
            Self::Odd => "odd",
        }
    }
}
