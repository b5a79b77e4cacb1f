//! Copies of the data folder.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use kouan_protocol::{Clock as _, SystemClock};

use super::options::Place;
use super::provision::print_restored;
use crate::backup;
use crate::store::DataFolder;
use crate::verify;

/// Exit code 1 says that there is no copy, or that something is wrong with it.
pub(super) fn backup(place: &Place, folder: &Path, json: bool) -> Result<ExitCode> {
    let made = backup::make(&place.folder()?, folder)?;
    let report = verify::verify(&DataFolder::new(folder)).context("the copy was made and could not be verified")?;
    let mut out = std::io::stdout();
    if json {
        let answer = serde_json::json!({ "made": made, "ok": report.ok, "problems": report.problems });
        writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
    } else {
        let (files, bytes) = (made.files, made.bytes);
        writeln!(out, "Copied {files} files with {bytes} bytes to {}.", made.folder.display())?;
        for problem in made.problems.iter().chain(&report.problems) {
            writeln!(out, "PROBLEM: {problem}")?;
        }
        writeln!(out, "{}", if report.ok { "The copy accounts for every number." } else { "Something is wrong." })?;
    }
    Ok(if report.ok && made.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Puts a backup back where no data is yet.
pub(super) fn restore(place: &Place, folder: &Path) -> Result<ExitCode> {
    let now = SystemClock::new()?.wall();
    let data = place.folder()?;
    let restored = backup::put_back(folder, &data, now)?;
    writeln!(std::io::stdout(), "Put {} back into {}.", folder.display(), data.path().display())?;
    print_restored(&restored)?;
    Ok(ExitCode::SUCCESS)
}
