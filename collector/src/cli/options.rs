//! Command-line options.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use kouan_protocol::AgentId;

use crate::config::Config;
use crate::store::DataFolder;

/// Stores what agents upload, keeps state and history, carries commands, and serves the API.
#[derive(Debug, Parser)]
#[command(name = "kouan-collector", version, about, propagate_version = true)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub(super) action: Action,
    #[command(flatten)]
    pub(super) place: Place,
}

/// Where settings and data are.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// Settings file; every setting has a default
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Data folder; wins over the settings file
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Run the collector until it is told to stop
    Run {
        /// Address and port; wins over the settings file; port 0 takes any free port
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
    },
    /// Check a settings file and tell everything that is wrong with it
    CheckConfig,
    /// Print the commented default settings
    PrintConfig,
    /// Read every chunk of the history and find what is broken; also beside a running collector
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell what the history takes on disk, by level and by class of device; also beside a running collector
    Sizes {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Prove that nothing was lost or doubled; also beside a running collector
    Verify {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the fingerprint of the certificate, which agents pin; a self-signed one is made if there is none
    Fingerprint,
    /// Copy the data folder, also while the collector runs, into a folder that is new or empty
    Backup {
        /// Where the copy goes
        folder: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Put a backup back into a data folder that holds no data yet, and begin another life of it
    Restore {
        /// Where the backup is
        folder: PathBuf,
    },
    /// Say that the data folder was put back in another way: what waits is held for a person. The collector must not run
    Restored,
    /// Enrol and list agents, renew and take back their tokens
    #[command(subcommand)]
    Agent(AgentAction),
    /// Make, list and take back API keys
    #[command(subcommand)]
    Key(KeyAction),
    /// Make and list people who may sign in, give them first passwords, let them in or not
    #[command(subcommand)]
    User(UserAction),
    /// Check the log of what people and systems did
    #[command(subcommand)]
    Audit(AuditAction),
    /// Print the description of the API (OpenAPI 3.1)
    Openapi,
}

#[derive(Debug, Subcommand)]
pub(super) enum AgentAction {
    /// Enrol an agent and print its token, this once, and what belongs into its settings
    Add {
        /// Its name, such as hall-1
        name: AgentId,
        /// Its site, made if it is new
        #[arg(long)]
        site: String,
    },
    /// List the agents
    List,
    /// Give an agent another token and print it, this once; the earlier one is refused within half a minute
    Renew {
        /// Its name
        name: AgentId,
    },
    /// Take an agent's token back; it is refused within half a minute
    Revoke {
        /// Its name
        name: AgentId,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum UserAction {
    /// Make a user and print the first password, this once; it must be replaced at the sign-in
    Add {
        /// What is typed at the sign-in
        name: String,
        /// The name in full; the same if left out
        #[arg(long)]
        display_name: Option<String>,
        /// viewer, operator, engineer, maintenance, administrator, auditor
        #[arg(long, value_delimiter = ',', required = true)]
        roles: Vec<String>,
        /// At these sites; at all if left out
        #[arg(long, value_delimiter = ',')]
        sites: Option<Vec<String>>,
    },
    /// List the users
    List,
    /// Give a user another first password and print it, this once; every sign-in of the user ends
    Password {
        /// The user's name
        name: String,
    },
    /// Let a user sign in no more
    Disable {
        /// The user's name
        name: String,
    },
    /// Let a user sign in again
    Enable {
        /// The user's name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum AuditAction {
    /// Read the whole log and say whether it is as it was written; also beside a running collector
    Check {
        /// A row that was noted earlier, as NUMBER:HASH; it must still be there
        #[arg(long, value_name = "NUMBER:HASH")]
        noted: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyAction {
    /// List the keys, without their secrets
    List,
    /// Take a key back; it is refused within half a minute
    Revoke {
        /// Its name or its id
        name: String,
    },
    /// Make an API key and print it, this once
    Add {
        /// Its name, which the history of commands shows
        name: String,
        /// What it may do: read, operate, command, maintain, configure, admin, audit
        #[arg(long, value_delimiter = ',', default_value = "read")]
        scopes: Vec<String>,
        /// The sites it may see; all if left out
        #[arg(long, value_delimiter = ',')]
        sites: Option<Vec<String>>,
    },
}

impl Place {
    /// The settings, with the data folder of the command line.
    pub(super) fn config(&self) -> Result<Config> {
        let mut config = match &self.config {
            None => Config::default(),
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
                Config::parse(&path.display().to_string(), &text)?
            }
        };
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }

    pub(super) fn folder(&self) -> Result<DataFolder> {
        Ok(DataFolder::new(&self.config()?.data))
    }
}
