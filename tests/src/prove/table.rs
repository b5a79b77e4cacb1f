//! The one table that the proof ends with.

use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::peers::Outcome;
use super::tally::{Records, Tally};

type PeersRow<'a> = (&'static str, &'a dyn Fn(&Outcome) -> String);
type Row = (&'static str, fn(&Records) -> u64);

/// The figures as a table.
#[must_use]
pub fn table(tally: &Tally) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "readings", "events", "lanes"]);
    let all = [&tally.readings, &tally.events, &tally.lanes];
    let rows: [Row; 7] = [
        ("made (lanes: confirmed)", |records| records.made),
        ("stored at the collector", |records| records.stored),
        ("lost without a gap, must be 0", |records| records.lost),
        ("doubled, must be 0", |records| records.doubled),
        ("out of order, must be 0", |records| records.out_of_order),
        ("covered by a gap", |records| records.in_gaps),
        ("not yet committed at a kill", |records| records.uncommitted),
    ];
    for (name, count) in rows {
        table.add_row([Cell::new(name)].into_iter().chain(all.map(|records| number(count(records)))));
    }
    let commands = &tally.commands;
    let rows = [
        ("commands asked", commands.asked),
        ("  not taken, the collector was away", commands.not_taken),
        ("  run", commands.run),
        ("  run twice, must be 0", commands.run_twice),
        ("  run after their life, must be 0", commands.late),
        ("  with an untrue end, must be 0", commands.untrue),
        ("  succeeded", commands.succeeded),
        ("  failed", commands.failed),
        ("  expired", commands.expired),
        ("  rejected", commands.rejected),
        ("  unknown", commands.unknown),
        ("  still open, must be 0", commands.open),
        ("batches in quarantine, must be 0", tally.quarantined),
        ("agent ended on a broken disk", tally.ended),
    ];
    for (name, count) in rows {
        table.add_row([Cell::new(name), number(count)]);
    }
    let oldest = Cell::new(format!("{} ms", tally.oldest_uncommitted.as_millis())).set_alignment(CellAlignment::Right);
    table.add_row([Cell::new("oldest reading not yet committed"), oldest]);
    for (reason, count) in &tally.gaps {
        table.add_row([Cell::new(format!("gaps: {reason}")), number(*count)]);
    }
    table
}

fn number(number: u64) -> Cell {
    Cell::new(number).set_alignment(CellAlignment::Right)
}

/// The scenarios in which peers were measured, one column each.
#[must_use]
pub fn peers_table(outcomes: &[(&str, &Outcome)]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([""].into_iter().chain(outcomes.iter().map(|(name, _)| *name)));
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
    let rows: [PeersRow<'_>; 12] = [
        ("polls answered", &|outcome| outcome.tally.readings.made.to_string()),
        ("stored at the collector", &|outcome| outcome.tally.readings.stored.to_string()),
        ("lost without a gap, must be 0", &|outcome| outcome.tally.readings.lost.to_string()),
        ("doubled, must be 0", &|outcome| outcome.tally.readings.doubled.to_string()),
        ("out of order, must be 0", &|outcome| outcome.tally.readings.out_of_order.to_string()),
        ("not yet committed at the kill", &|outcome| outcome.tally.readings.uncommitted.to_string()),
        ("line open to session", &|outcome| seconds(outcome.until_session)),
        ("session to drained", &|outcome| seconds(outcome.until_drained)),
        ("agent: part of a core", &|outcome| format!("{:.2} %", outcome.usage.core * 100.0)),
        ("agent: resident memory", &|outcome| megabytes(outcome.usage.resident)),
        ("  with shared pages by part", &|outcome| megabytes(outcome.usage.proportional)),
        ("  of it in no file", &|outcome| megabytes(outcome.usage.anonymous)),
    ];
    for (name, figure) in rows {
        let cells = outcomes.iter().map(|(_, outcome)| Cell::new(figure(outcome)).set_alignment(CellAlignment::Right));
        table.add_row([Cell::new(name)].into_iter().chain(cells));
    }
    table
}
