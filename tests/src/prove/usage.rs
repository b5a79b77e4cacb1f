//! What a process uses, as the kernel says (proc(5)).

use std::time::Duration;

use anyhow::Context as _;

/// What the kernel counts processor time in for programs (USER_HZ), on every machine that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory and processor time.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Part of one core, 1 for a whole one.
    pub core: f64,
    /// Resident memory in bytes, with every page of the program and its libraries that was touched.
    pub resident: u64,
    /// Resident memory in bytes, with its share of pages that others use too.
    pub proportional: u64,
    /// Resident memory in bytes that stands in no file.
    pub anonymous: u64,
}

impl Usage {
    /// Of a process now, with its part of a core.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub(super) fn of(id: u32, core: f64) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).context("reading memory figures failed")?;
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            kilobytes.map(|kilobytes| kilobytes * 1024).with_context(|| format!("there is no {name}"))
        };
        Ok(Self { core, resident: bytes("Rss")?, proportional: bytes("Pss")?, anonymous: bytes("Anonymous")? })
    }
}

/// Processor time of a process so far.
///
/// # Errors
/// When the kernel does not say.
pub(super) fn processor_time(id: u32) -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).context("reading processor time failed")?;
    // The name stands in brackets and may hold spaces; the first field after it is the third.
    let fields: Vec<_> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|field| field.parse::<u64>().ok());
    let ticks = ticks(14).zip(ticks(15)).context("processor time cannot be read")?;
    Ok(Duration::from_secs_f64((ticks.0 + ticks.1) as f64 / TICKS_PER_SECOND))
}
