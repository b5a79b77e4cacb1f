//! One figure, and what the system says of a process.

use anyhow::Context as _;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde::Serialize;

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// What was measured: `enqueue`.
    pub(crate) part: &'static str,
    /// Under which conditions.
    pub(crate) what: String,
    /// The figure.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
}

impl Figure {
    pub(crate) fn new(part: &'static str, what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { part, what: what.into(), value, unit }
    }
}

pub(crate) fn print(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["part", "what", "value", "unit"]);
    for figure in figures {
        let value = match figure.value.abs() {
            1000.0.. => format!("{:.0}", figure.value),
            10.0..1000.0 => format!("{:.1}", figure.value),
            _ => format!("{:.3}", figure.value),
        };
        table.add_row([figure.part, &figure.what, &value, figure.unit]);
    }
    table
}

/// CPU time that a process has used, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("reading {path} failed"))?;
    // The name may hold spaces; the fields after it do not. User and system time are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}

/// A value in MiB from a process's status: `VmRSS`, `VmHWM`.
pub(crate) fn memory_mib(pid: u32, key: &str) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path} failed"))?;
    let line = status.lines().find(|line| line.starts_with(key)).with_context(|| format!("{path} has no {key}"))?;
    let kib: f64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0.0);
    Ok(kib / 1024.0)
}

/// The value below which the share `quantile` of the sorted samples lies.
pub(crate) fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    let at = ((sorted.len() as f64 * quantile).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
