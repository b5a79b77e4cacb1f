//! The library that stands between a program and its files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, bail};

use crate::binaries::build_folder;

/// `target/faults/libdisk.so`, built from `tests/faults/disk.c` where it is missing or older.
///
/// # Errors
/// When there is no C compiler or it refuses.
pub fn disk_library() -> anyhow::Result<PathBuf> {
    build("disk")
}

/// `target/faults/libclock.so`, likewise.
pub(super) fn clock_library() -> anyhow::Result<PathBuf> {
    build("clock")
}

fn build(name: &str) -> anyhow::Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("faults/{name}.c"));
    let target = build_folder()?;
    let folder = target.parent().context("the build has no folder")?.join("faults");
    let library = folder.join(format!("lib{name}.so"));
    if changed(&library).is_some_and(|built| changed(&source).is_none_or(|source| source <= built)) {
        return Ok(library);
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("making {} failed", folder.display()))?;
    // Several tests may build at once: each its own file, and the last rename wins.
    let own = tempfile::Builder::new().prefix(&format!("lib{name}-")).suffix(".so").tempfile_in(&folder);
    let own = own.with_context(|| format!("making a file in {} failed", folder.display()))?;
    let flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-fvisibility=hidden", "-pthread", "-o"];
    let compiled =
        Command::new("cc").args(flags).arg(own.path()).arg(&source).output().context("starting cc failed")?;
    if !compiled.status.success() {
        bail!("cc cannot build {}: {}", source.display(), String::from_utf8_lossy(&compiled.stderr));
    }
    own.persist(&library).with_context(|| format!("naming {} failed", library.display()))?;
    Ok(library)
}

fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}
