//! The edge agent: speaks to devices, keeps what it learned until the collector has it, carries commands.
//!
//! | room | holds |
//! |---|---|
//! | [`cli`] | the `kouan-agent` program's commands |
//! | [`config`] | the configuration file, checked |
//! | [`config_edit`] | changing the configuration file without losing anything |
//! | [`config_facts`] | where links end, and which revision the file is |
//! | [`app`] | all wiring: build, run, stop |
//! | [`data_folder`] | the folder's lock and life |
//! | [`supervisor`] | one task per link |
//! | [`own`] | the agent as a device of its own |
//! | [`pipeline`] | from raw rows to readings worth keeping, events and health |
//! | [`alarms`] | conditions of the agent itself that somebody must care about |
//! | [`buffer`] | what the collector has not confirmed, on disk |
//! | [`uplink`] | the conversation with the collector |
//! | [`commands`] | the journal, and carrying commands out at most once |
//! | [`last_good`] | the last configuration that could be used, for one that cannot |
//! | [`local`] | the socket through which tools talk to the running agent |

pub mod alarms;
pub mod app;
pub mod buffer;
pub mod cli;
pub mod commands;
pub mod config;
pub mod config_edit;
pub mod config_facts;
pub mod data_folder;
pub mod last_good;
pub mod local;
pub mod own;
pub mod pipeline;
pub mod supervisor;
mod translated;
pub mod uplink;
