//! Which threads of a collector are busy.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;

use crate::machine::cores;

/// What the runtime calls its threads, as far as the system shows names.
const RUNTIME: &str = "tokio-";

/// CPU time of each thread of a process so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Threads(HashMap<u32, (String, f64)>);

impl Threads {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let folder = format!("/proc/{pid}/task");
        let mut threads = HashMap::new();
        for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {folder} failed"))? {
            // A thread may have ended meanwhile.
            let Ok(text) = std::fs::read_to_string(entry?.path().join("stat")) else { continue };
            if let Some((id, name, seconds)) = stat(&text) {
                threads.insert(id, (name, seconds));
            }
        }
        Ok(Self(threads))
    }

    /// CPU-seconds since `earlier` by what the threads do, the busiest first.
    ///
    /// All threads of the runtime have one name. Those that it began with serve requests; the others do what blocks:
    /// the history, opening batches, questions to files. A reader may go on with any of them, so they are one figure.
    pub(crate) fn since(&self, earlier: &Self) -> Vec<(String, f64)> {
        let mut of_runtime: Vec<u32> =
            self.0.iter().filter(|(_, (name, _))| name.starts_with(RUNTIME)).map(|(id, _)| *id).collect();
        of_runtime.sort_unstable();
        let serving = &of_runtime[..of_runtime.len().min(cores() as usize)];
        let mut by_name: BTreeMap<String, f64> = BTreeMap::new();
        for (id, (name, seconds)) in &self.0 {
            let name = match serving.iter().position(|other| other == id) {
                Some(at) => format!("requests {}", at + 1),
                None if name.starts_with(RUNTIME) => "history, batches and files together".to_owned(),
                None => name.clone(),
            };
            let before = earlier.0.get(id).map_or(0.0, |(_, seconds)| *seconds);
            *by_name.entry(name).or_default() += (seconds - before).max(0.0);
        }
        let mut by_name: Vec<_> = by_name.into_iter().collect();
        by_name.sort_by(|a, b| b.1.total_cmp(&a.1));
        by_name
    }
}

/// A thread's id, name, and CPU time in seconds.
fn stat(text: &str) -> Option<(u32, String, f64)> {
    let (id, rest) = text.split_once(" (")?;
    // A name may hold parentheses.
    let (name, fields) = rest.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let time = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((id.parse().ok()?, name.to_owned(), (time(11)? + time(12)?) / 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_told_by_its_name_and_what_it_used() {
        let text = "77 (state (old)) S 1 1 1 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 9 0 100 1000 10";
        assert_eq!(stat(text), Some((77, "state (old)".to_owned(), 3.0)));
        let thread = |name: &str, seconds: f64| (name.to_owned(), seconds);
        let mut before = HashMap::from([(1, thread("kouan", 1.0)), (2, thread("tokio-rt-worker", 1.0))]);
        let workers = (2..2 + cores() as u32).map(|id| (id, thread("tokio-rt-worker", 1.0)));
        before.extend(workers);
        let mut after = before.clone();
        after.insert(1_000, thread("tokio-rt-worker", 5.0));
        after.insert(1_001, thread("state", 7.0));
        let told = Threads(after).since(&Threads(before));
        let told: Vec<(&str, f64)> = told.iter().map(|(name, seconds)| (name.as_str(), *seconds)).take(2).collect();
        assert_eq!(told, [("state", 7.0), ("history, batches and files together", 5.0)]);
        assert!(!Threads::of(std::process::id()).unwrap().0.is_empty());
    }
}
