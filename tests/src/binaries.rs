//! Where the programs are that the site runs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The program of that name, from `KOUAN_BIN_DIR` or from the folder of the running program's build.
///
/// # Errors
/// When it is not there.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let folder = match std::env::var_os("KOUAN_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => build_folder()?,
    };
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{} is not built; run `make build`, or say with KOUAN_BIN_DIR where it is", path.display());
    }
    Ok(path)
}

/// `target/debug` or `target/release`: tests run from its folder `deps`.
pub(crate) fn build_folder() -> anyhow::Result<PathBuf> {
    let running = std::env::current_exe().context("finding the running program failed")?;
    let folder = running.parent().context("the running program has no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}

/// The Python with the packages that independent peers need, from `KOUAN_TEST_PYTHON` or `target/venv`.
///
/// # Errors
/// When it is not installed.
pub fn python() -> anyhow::Result<PathBuf> {
    if let Some(python) = std::env::var_os("KOUAN_TEST_PYTHON") {
        return Ok(PathBuf::from(python));
    }
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    if !python.is_file() {
        bail!("there is no {}; run `make test-setup`", python.display());
    }
    Ok(python)
}
