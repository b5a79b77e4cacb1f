//! Figures in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Problem, Shared};
use crate::{alarms, notify};

/// All figures, as text.
pub(super) async fn render(shared: &Shared) -> Result<String, Problem> {
    let alarms: u64 = shared.state_readers.read(alarms::count_by_device).await?.values().sum();
    let counters = &shared.counters;
    let mut text = Text::default();
    text.counter("kouan_uploads_total", "Uploads stored.", counters.uploads.get());
    text.counter("kouan_uploads_pushed_back_total", "Uploads refused for a while.", counters.uploads_pushed_back.get());
    text.counter("kouan_batches_total", "Batches stored.", counters.batches.get());
    text.counter("kouan_duplicate_batches_total", "Batches that were stored before.", counters.duplicate_batches.get());
    text.counter("kouan_quarantined_batches_total", "Batches in quarantine.", counters.quarantined_batches.get());
    let (taken, dropped) = shared.state_readers.read(crate::state::quarantine_totals).await?;
    text.counter("kouan_quarantine_taken_total", "Records and batches that ever went into quarantine.", taken);
    text.counter("kouan_quarantine_dropped_total", "Those of them that were dropped since.", dropped);
    text.counter("kouan_ingest_commits_total", "Commits of the ingest log.", counters.commits.get());
    text.head("kouan_ingest_commit_seconds_total", "Time spent in those commits.", "counter");
    text.line("kouan_ingest_commit_seconds_total", &[], counters.commit_micros.get() as f64 / 1e6);
    text.counter("kouan_store_failures_total", "Failures of the store.", counters.store_failures.get());
    text.counter(
        "kouan_history_files_set_aside_total",
        "Damaged files of the history that were set aside.",
        shared.history.files_set_aside(),
    );
    let left_out = counters.points_left_out.get();
    text.counter("kouan_points_left_out_total", "Series of device points that scrapes lacked.", left_out);
    text.head("kouan_http_answers_total", "Answers by class of status code.", "counter");
    for (class, counter) in ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(&counters.answers) {
        text.line("kouan_http_answers_total", &[("class", class)], counter.get() as f64);
    }
    text.head("kouan_reader_lag_entries", "Log entries that a reader has not taken.", "gauge");
    let head = *shared.head.borrow();
    let mut readers = vec![
        ("state", &shared.state_progress),
        ("latest", &shared.latest_progress),
        ("history", &shared.history_progress),
        ("outages", &shared.outage_progress),
    ];
    if let Some(progress) = &shared.remote_progress {
        readers.push(("remote-write", progress));
        text.counter(
            "kouan_remote_write_samples_total",
            "Samples that the receiver took.",
            counters.remote_samples.get(),
        );
        let dropped = counters.remote_samples_dropped.get();
        text.counter("kouan_remote_write_samples_dropped_total", "Samples that the receiver refused.", dropped);
        let too_old = counters.remote_samples_too_old.get();
        text.counter("kouan_remote_write_samples_too_old_total", "Samples that the receiver found too old.", too_old);
        let known = counters.remote_samples_known.get();
        text.counter("kouan_remote_write_samples_known_total", "Samples sent twice that the receiver had.", known);
        let dropped = counters.remote_entries_dropped.get();
        text.counter("kouan_remote_write_entries_dropped_total", "Log entries that were gone too early.", dropped);
        let failures = counters.remote_failures.get();
        text.counter("kouan_remote_write_failures_total", "Requests that were not taken then.", failures);
    }
    for (reader, progress) in &readers {
        let lag = (head - progress.caught_up_to()).max(0);
        text.line("kouan_reader_lag_entries", &[("reader", reader)], lag as f64);
    }
    text.head("kouan_reader_lag_seconds", "For how long entries have waited for a reader, about.", "gauge");
    for (reader, progress) in &readers {
        // A reader that has not caught up since the start has no figure yet.
        if let Some(behind) = progress.behind(head) {
            text.line("kouan_reader_lag_seconds", &[("reader", reader)], behind.as_secs_f64());
        }
    }
    text.head("kouan_file_bytes", "Sizes of files.", "gauge");
    for name in ["ingest.db", "ingest.db-wal", "state.db", "state.db-wal"] {
        let size = std::fs::metadata(shared.data.join(name)).map_or(0, |metadata| metadata.len());
        text.line("kouan_file_bytes", &[("file", name)], size as f64);
    }
    text.head("kouan_notifications_total", "Notifications that were settled, by what became of them.", "counter");
    for (state, counter) in [
        ("sent", &counters.notifications_sent),
        ("failed", &counters.notifications_failed),
        ("suppressed", &counters.notifications_suppressed),
    ] {
        text.line("kouan_notifications_total", &[("state", state)], counter.get() as f64);
    }
    let waiting = shared.state_readers.read(notify::waiting).await?;
    text.head("kouan_notifications_waiting", "Notifications that have not left yet.", "gauge");
    text.line("kouan_notifications_waiting", &[], waiting.count as f64);
    text.head("kouan_notifications_oldest_waiting_seconds", "For how long the first of them has waited.", "gauge");
    let age_ms = waiting.oldest_ms.map_or(0, |oldest| (shared.clock.wall().0 - oldest).max(0));
    text.line("kouan_notifications_oldest_waiting_seconds", &[], age_ms as f64 / 1e3);
    let (pictures, bytes, most) = shared.evidence.figures().await?;
    for (name, help, value) in [
        ("kouan_evidence_pictures", "Pictures that are kept as evidence.", pictures),
        ("kouan_evidence_bytes", "Their bytes.", bytes),
        ("kouan_evidence_limit_bytes", "How many bytes they may have.", most),
    ] {
        text.head(name, help, "gauge");
        text.line(name, &[], value as f64);
    }
    text.head("kouan_alarms", "Alarms that stand.", "gauge");
    text.line("kouan_alarms", &[], alarms as f64);
    devices(shared, &mut text);
    Ok(text.0)
}

fn devices(shared: &Shared, text: &mut Text) {
    let fleet = shared.fleet();
    let now = shared.clock.boot_time();
    let mut by_health: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut agents: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    for device in fleet.devices().filter(|device| device.binding.is_some()) {
        let level = device.health.as_ref().map_or("unknown", |health| health.level.as_str());
        *by_health.entry((&device.site, level)).or_default() += 1;
        let agent = (device.site.as_str(), device.agent.as_str());
        agents.entry(agent).or_insert_with(|| shared.sessions.is_connected(&device.agent, now));
    }
    text.head("kouan_devices", "Devices by site and health.", "gauge");
    for ((site, health), count) in by_health {
        text.line("kouan_devices", &[("site", site), ("health", health)], count as f64);
    }
    text.head("kouan_agent_connected", "Whether the agent made a request within the last minute.", "gauge");
    for ((site, agent), connected) in agents {
        text.line("kouan_agent_connected", &[("site", site), ("agent", agent)], f64::from(u8::from(connected)));
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "counter");
        self.line(name, &[], value as f64);
    }

    /// Label values are names of ours, which need no escapes.
    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        if !labels.is_empty() {
            let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
            let _ = write!(self.0, "{{{}}}", labels.join(","));
        }
        let _ = writeln!(self.0, " {value}");
    }
}
