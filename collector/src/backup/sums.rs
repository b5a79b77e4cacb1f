//! `SHA256SUMS`: what a copy consists of, in the form that `sha256sum -c` reads. It is written last, so a folder that
//! has it is complete.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::BackupError;
use crate::store::StoreError;

/// The file's name.
pub const SUMS: &str = "SHA256SUMS";
/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// A file of a copy: its place within the folder, and its SHA-256 in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) name: String,
    pub(super) digits: String,
}

/// Shows the file's bytes to `each`, and returns its sum and its length.
pub(super) fn of(
    path: &Path,
    mut each: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(String, u64), StoreError> {
    let mut file = std::fs::File::open(path).map_err(StoreError::io("open", path))?;
    let (mut sum, mut length, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    loop {
        let read = file.read(&mut piece).map_err(StoreError::io("read", path))?;
        if read == 0 {
            break;
        }
        sum.update(&piece[..read]);
        each(&piece[..read])?;
        length += read as u64;
    }
    Ok((sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), length))
}

/// Writes the list.
pub(super) fn write(folder: &Path, sums: &[Sum]) -> Result<(), StoreError> {
    let text: String = sums.iter().map(|sum| format!("{}  {}\n", sum.digits, sum.name)).collect();
    let (path, unfinished) = (folder.join(SUMS), folder.join("SHA256SUMS.new"));
    std::fs::write(&unfinished, text).map_err(StoreError::io("write", &unfinished))?;
    super::copy::sync(&unfinished)?;
    std::fs::rename(&unfinished, &path).map_err(StoreError::io("name", &path))?;
    super::copy::sync(folder)
}

/// Reads the list. Names lead nowhere outside of the folder.
pub(super) fn read(folder: &Path) -> Result<Vec<Sum>, BackupError> {
    let incomplete = |problem: String| BackupError::Incomplete { path: folder.to_owned(), problem };
    let text = match std::fs::read_to_string(folder.join(SUMS)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(incomplete(format!("it has no {SUMS}, which is written last")));
        }
        text => text.map_err(StoreError::io("read", &folder.join(SUMS)))?,
    };
    let mut sums = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let sum = line.split_once("  ").map(|(digits, name)| Sum { name: name.to_owned(), digits: digits.to_owned() });
        let stays_inside = |sum: &Sum| {
            let parts = PathBuf::from(&sum.name);
            sum.digits.len() == 64
                && (1..=3).contains(&parts.components().count())
                && parts.components().all(|part| matches!(part, std::path::Component::Normal(_)))
        };
        sums.push(
            sum.filter(stays_inside)
                .ok_or_else(|| incomplete(format!("line {} of {SUMS} names no file of a backup", at + 1)))?,
        );
    }
    for needed in ["ingest.db", "state.db"] {
        if !sums.iter().any(|sum| sum.name == needed) {
            return Err(incomplete(format!("{SUMS} names no {needed}")));
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_standard_and_lead_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ingest.db");
        std::fs::write(&file, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let (digits, length) = of(&file, |_| Ok(())).unwrap();
        assert_eq!(digits, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(length, 3);
        let sum = |name: &str| Sum { name: name.to_owned(), digits: digits.clone() };
        let good = [sum("history/2026-11-22.db"), sum("state.db"), sum("ingest.db")];
        write(folder.path(), &good).unwrap();
        assert_eq!(read(folder.path()).unwrap(), good);
        for bad in ["../passwd", "/etc/passwd", "a/../../b", ""] {
            write(folder.path(), &[sum("state.db"), sum("ingest.db"), sum(bad)]).unwrap();
            assert!(matches!(read(folder.path()), Err(BackupError::Incomplete { .. })), "{bad}");
        }
        write(folder.path(), &[sum("state.db")]).unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("ingest.db"));
    }
}
