//! The wall clock that a program sees.

use std::ffi::OsString;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use tempfile::NamedTempFile;

use super::library::clock_library;

/// The wall clock of programs that are started with [`ClockFaults::environment`]. It is right until it is told
/// otherwise; a jump takes effect at once, in programs that run already too. Clocks that count since boot stay right.
#[derive(Debug)]
pub struct ClockFaults {
    control: NamedTempFile,
    library: PathBuf,
}

impl ClockFaults {
    /// A clock that is right.
    ///
    /// # Errors
    /// When the library cannot be built or a file cannot be written.
    pub fn new() -> anyhow::Result<Self> {
        let library = clock_library()?;
        let control = NamedTempFile::with_prefix("kouan-clock-").context("making the control file failed")?;
        let clock = Self { control, library };
        clock.set(0)?;
        Ok(clock)
    }

    /// The library to preload, and variables to set beside that.
    #[must_use]
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        vec![
            ("LD_PRELOAD".into(), self.library.clone().into_os_string()),
            ("KOUAN_CLOCK_FAULTS".into(), self.control.path().as_os_str().to_owned()),
        ]
    }

    /// From now on the wall clock is ahead by so many seconds.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn set(&self, seconds: i64) -> anyhow::Result<()> {
        self.control.as_file().write_all_at(&seconds.to_ne_bytes(), 0).context("writing the control file failed")
    }
}

/// Variables of several faults for one program: libraries to preload stand behind one another.
#[must_use]
pub fn together(environments: impl IntoIterator<Item = Vec<(OsString, OsString)>>) -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> = Vec::new();
    for (name, value) in environments.into_iter().flatten() {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) if name == "LD_PRELOAD" => {
                known.push(":");
                known.push(value);
            }
            _ => all.push((name, value)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use kouan_protocol::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn a_program_sees_the_wall_clock_that_it_is_told() {
        let clock = ClockFaults::new().unwrap();
        let year = 365 * 24 * 3600;
        for wrong in [year, -year, 0] {
            clock.set(wrong).unwrap();
            let output = Command::new("date").arg("+%s").envs(clock.environment()).output().unwrap();
            let seen: i64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
            let right = SystemClock::new().unwrap().wall().0 / 1000 - 1;
            let ahead = seen - right - wrong;
            assert!((0..30).contains(&ahead), "{seen} is ahead by {ahead}");
        }
    }

    #[test]
    fn libraries_of_several_faults_stand_behind_one_another() {
        let first = vec![("LD_PRELOAD".into(), "a.so".into()), ("A".into(), "1".into())];
        let second = vec![("LD_PRELOAD".into(), "b.so".into())];
        let both = together([first, second]);
        assert_eq!(both, [("LD_PRELOAD".into(), "a.so:b.so".into()), ("A".into(), "1".into())]);
    }
}
