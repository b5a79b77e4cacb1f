//! How busy the machine is besides: without it nobody can tell what a figure is worth.

use std::time::Instant;

use anyhow::Context as _;
use kouan_figures::Figure;
use kouan_figures::process::tree_cpu_seconds;

/// With more other work than this, in cores, a figure says little about another hour's.
const BUSY_CORES: f64 = 0.15;

/// The machine since some instant.
#[derive(Debug)]
pub(crate) struct Watch {
    began: Instant,
    busy: f64,
    own: f64,
    load: f64,
}

impl Watch {
    pub(crate) fn begin() -> anyhow::Result<Self> {
        let own = tree_cpu_seconds(std::process::id())?;
        Ok(Self { began: Instant::now(), busy: busy_seconds()?, own, load: load_average()? })
    }

    /// Figures of the time since, and a line to print where the machine was busy with other work. What was started
    /// meanwhile must have ended.
    pub(crate) fn end(&self) -> anyhow::Result<(Vec<Figure>, Option<String>)> {
        let wall = self.began.elapsed().as_secs_f64();
        let own = tree_cpu_seconds(std::process::id())? - self.own;
        let other = ((busy_seconds()? - self.busy - own) / wall).max(0.0);
        let cores = cores();
        let figure = |what: &str, value, unit| Figure::new("machine", what, value, unit);
        let figures = vec![
            figure("cores", cores, ""),
            figure("load average of a minute, before", self.load, ""),
            figure("load average of a minute, after", load_average()?, ""),
            figure("CPU of all that this run started", own / wall, "cores"),
            figure("CPU of other work meanwhile", other, "cores"),
            figure("the run took", wall, "s"),
        ];
        let busy = (other > BUSY_CORES).then(|| {
            format!(
                "The machine was busy: other work took {other:.2} of its {cores} cores. Compare within this run only, and \
                 do not trust its 99th percentiles."
            )
        });
        Ok((figures, busy))
    }
}

/// How many cores there are.
pub(crate) fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

/// CPU time of everything on this machine, in seconds since it started.
pub(crate) fn busy_seconds() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/stat").context("reading /proc/stat failed")?;
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let fields: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    // User, nice, system; idle and waiting for the disk do not count; interrupts.
    let counted = [0, 1, 2, 5, 6].into_iter().filter_map(|at| fields.get(at));
    Ok(counted.sum::<f64>() / 100.0)
}

fn load_average() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg failed")?;
    text.split(' ').next().and_then(|load| load.parse().ok()).context("/proc/loadavg has no number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_what_is_needed() {
        let watch = Watch::begin().unwrap();
        let (figures, _) = watch.end().unwrap();
        assert!(busy_seconds().unwrap() > 0.0 && cores() >= 1.0);
        assert!(figures.iter().all(|figure| figure.value.is_finite()), "{figures:?}");
    }
}
