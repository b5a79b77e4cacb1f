//! The central collector: it stores what agents upload, keeps the state of every device and its history, carries
//! commands to the agents, and serves people and systems over HTTP.
//!
//! | room | holds |
//! |---|---|
//! | [`app`], [`config`], [`cli`] | wiring, settings, the tool |
//! | [`ingest`] | from a request body to the log: checks, time, sessions, group commit |
//! | [`store`] | files, connections, writer threads, the ingest log |
//! | [`telemetry`] | the history: a reader of the log, one file for each day |
//! | [`state`] | latest values, health and devices: a reader of the log, and memory |
//! | [`alarms`], [`commands`] | the life of an alarm, the life of a command |
//! | [`parquet`] | files in the format of Apache Parquet |
//! | [`outages`] | what came and went while an agent could not be heard |
//! | [`evidence`] | pictures that show what happened at a device |
//! | [`availability`] | for how much of a time devices could be used, and windows of maintenance |
//! | [`assets`] | what stands where, who looks after it, what hangs on what; areas, plans, sites |
//! | [`monitoring`] | device points for Prometheus |
//! | [`auth`], [`http`], [`tls`] | who may do what, the API, and its certificate |
//! | `web` | the console's files |
//! | [`notify`] | telling people and programs of alarms |
//! | [`oidc`] | people who sign in at an identity provider |
//! | [`audit`] | what people and systems did |
//! | [`backup`] | copies of the data folder while the collector runs, and putting one back |
//! | `forget` | old words about devices go out of the state |
//! | `revision` | which state of something was looked at |
//! | [`restore`] | the life of a data folder that was put back from a backup |
//! | [`verify`] | the proof that nothing was lost or doubled |

pub mod alarms;
pub mod app;
pub mod assets;
pub mod audit;
pub mod auth;
pub mod availability;
pub mod backup;
pub mod cli;
pub mod commands;
pub mod config;
pub mod counters;
pub mod evidence;
mod forget;
pub mod http;
pub mod ingest;
pub mod monitoring;
pub mod notify;
pub mod oidc;
pub mod outages;
pub mod parquet;
pub mod reader;
pub mod restore;
mod revision;
pub mod state;
pub mod store;
mod tasks;
pub mod telemetry;
pub mod tls;
pub mod verify;
mod web;

pub use app::App;
pub use config::Config;
