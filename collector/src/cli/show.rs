//! Commands that only print.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{Table, presets};

use super::options::Place;
use crate::auth::Scope;
use crate::config::{self, Tls};
use crate::evidence;
use crate::telemetry;
use crate::tls::Certificate;
use crate::verify;

pub(super) fn check_config(place: &Place) -> Result<ExitCode> {
    let config = place.config()?;
    config.check()?;
    if let Some(tls @ Tls::Files { .. }) = config.tls() {
        Certificate::open(&tls, &place.folder()?)?;
    }
    writeln!(std::io::stdout(), "The settings are valid.")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn print_config() -> Result<ExitCode> {
    write!(std::io::stdout(), "{}", config::TEMPLATE)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn openapi() -> Result<ExitCode> {
    writeln!(std::io::stdout(), "{}", crate::http::openapi().to_pretty_json()?)?;
    Ok(ExitCode::SUCCESS)
}

/// Exit code 1 says that something is missing or doubled.
pub(super) fn verify(place: &Place, json: bool) -> Result<ExitCode> {
    let report = verify::verify(&place.folder()?)?;
    let mut out = std::io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        print(&report, &mut out)?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Exit code 1 says that something is broken.
pub(super) fn check(place: &Place, json: bool) -> Result<ExitCode> {
    let folder = place.folder()?;
    let (report, evidence) = (telemetry::check(&folder.history())?, evidence::check(folder.path())?);
    let is_sound = report.problems.is_empty() && evidence.problems.is_empty();
    let mut out = std::io::stdout();
    if json {
        let mut both = serde_json::to_value(&report)?;
        both["evidence"] = serde_json::to_value(&evidence)?;
        writeln!(out, "{}", serde_json::to_string_pretty(&both)?)?;
    } else {
        let (days, chunks, rows, sums) = (report.days, report.chunks, report.rows, report.sums);
        writeln!(out, "Days: {days}; chunks: {chunks} with {rows} rows; sums of groups and days: {sums}.")?;
        for (class, bytes) in &report.bytes_by_class {
            writeln!(out, "Readings of class {class}: {bytes} bytes.")?;
        }
        writeln!(out, "Pictures: {} of {} bytes.", evidence.pictures, evidence.bytes)?;
        print_set_aside(&report.set_aside, &mut out)?;
        for problem in report.problems.iter().chain(&evidence.problems) {
            writeln!(out, "PROBLEM: {problem}")?;
        }
        let end =
            if is_sound { "Every chunk opens, and every picture is what it was." } else { "Something is broken." };
        writeln!(out, "{end}")?;
    }
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) fn sizes(place: &Place, json: bool) -> Result<ExitCode> {
    let sizes = telemetry::sizes(&place.folder()?.history(), &Scope::All)?;
    let mut out = std::io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&sizes)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["files", "number", "bytes", "first", "last"]);
    for level in sizes.files {
        let (files, bytes) = (level.files.to_string(), level.bytes.to_string());
        table.add_row([level.level, files, bytes, level.first.unwrap_or_default(), level.last.unwrap_or_default()]);
    }
    writeln!(out, "{table}\n")?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["class", "rows", "chunks", "bytes of readings", "of minutes", "of hours"]);
    for class in sizes.classes {
        let figures = [class.rows, class.chunks, class.readings, class.minutes, class.hours];
        table.add_row([class.class].into_iter().chain(figures.map(|figure| figure.to_string())));
    }
    writeln!(out, "{table}")?;
    Ok(ExitCode::SUCCESS)
}

fn print_set_aside(files: &[String], out: &mut impl std::io::Write) -> Result<()> {
    for file in files {
        writeln!(out, "SET ASIDE: history/{file} was damaged.")?;
    }
    Ok(())
}

fn print(report: &verify::Report, out: &mut impl std::io::Write) -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "agent",
        "lane",
        "epoch",
        "first",
        "last",
        "holes",
        "out of order",
        "gap records",
        "lost",
        "quarantined",
        "in history",
    ]);
    for lane in &report.lanes {
        let current = if lane.current { "" } else { " (ended)" };
        let history = lane.history_rows.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
        table.add_row([
            lane.agent.clone(),
            lane.lane.clone(),
            format!("{}{current}", lane.epoch),
            lane.first_seq.to_string(),
            lane.last_seq.to_string(),
            lane.holes.len().to_string(),
            lane.out_of_order.to_string(),
            lane.gaps.to_string(),
            (lane.gap_numbers + lane.lost_numbers).to_string(),
            lane.quarantined_numbers.to_string(),
            history,
        ]);
    }
    writeln!(out, "{table}")?;
    let log = &report.log;
    let (entries, first, last) = (log.entries, log.first_id, log.last_id);
    writeln!(
        out,
        "Ingest log: {entries} entries ({first} to {last}); state at {}, history at {}.",
        log.state_cursor, log.history_cursor
    )?;
    let (taken, dropped) = (report.quarantined_records, report.quarantine_dropped);
    writeln!(out, "Records that went into quarantine: {taken}, of which {dropped} were dropped since.")?;
    print_set_aside(&report.set_aside, out)?;
    for problem in &report.problems {
        writeln!(out, "PROBLEM: {problem}")?;
    }
    writeln!(out, "{}", if report.ok { "Nothing is missing, nothing is doubled." } else { "Something is wrong." })?;
    Ok(())
}
