//! One measured figure, and the table of all.

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde::Serialize;

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured: `enqueue`.
    pub part: &'static str,
    /// Under which conditions.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
}

impl Figure {
    /// A figure of a part, under some conditions.
    #[must_use]
    pub fn new(part: &'static str, what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { part, what: what.into(), value, unit }
    }
}

/// All of them as a table.
#[must_use]
pub fn print(figures: &[Figure]) -> Table {
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

/// The value below which the share `quantile` of the sorted samples lies.
#[must_use]
pub fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    let at = ((sorted.len() as f64 * quantile).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
