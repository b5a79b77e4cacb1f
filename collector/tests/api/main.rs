//! The collector as its clients see it: in this process, over real HTTP, with a scripted agent.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod alarm_parents;
mod alarm_settings;
mod alarms;
mod asset_files;
mod assets;
mod availability;
mod backup;
mod clocks;
mod commands;
mod damage;
mod delivery;
mod descriptions;
mod engine;
mod events;
mod evidence;
mod exports;
mod figures;
mod history;
mod http2;
mod incomplete;
mod ingest;
mod ingest_model;
mod lists_by_dice;
mod notify;
mod notify_peers;
mod notify_people;
mod odd_data;
mod outages;
mod people;
mod points;
mod remote_write;
mod retention;
mod revisions;
mod running;
mod screens;
mod scripted_agent;
mod series;
mod slots;
mod state;
mod sums;
mod verify;
