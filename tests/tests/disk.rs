//! The disk that fails on request does what a failing disk does, to a program that knows nothing of it: Python.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kouan_tests::DiskFaults;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Runs a program text in the folder and returns what it says.
async fn run(disk: &DiskFaults, text: &str) -> anyhow::Result<String> {
    let mut command = Command::new("python3");
    command.arg("-c").arg(text).current_dir(disk.folder()).envs(disk.environment());
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("starting python3 failed")?;
    let problems = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "python3: {problems}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Does one thing to the file `file`, which it opens, and says what came of it.
fn attempt(what: &str) -> String {
    format!(
        "import errno, os\ntry:\n    file = os.open('file', os.O_RDWR | os.O_CREAT)\n    {what}\n    print('done')\n\
         except OSError as error:\n    print(errno.errorcode[error.errno])"
    )
}

fn disk() -> anyhow::Result<(TempDir, DiskFaults)> {
    let folder = tempfile::tempdir().context("making a folder failed")?;
    let disk = DiskFaults::new(folder.path())?;
    Ok((folder, disk))
}

#[tokio::test]
async fn a_full_disk_lets_files_be_overwritten_and_not_grow() -> anyhow::Result<()> {
    let (folder, disk) = disk()?;
    let other = tempfile::tempdir().context("making a folder failed")?;
    assert_eq!(run(&disk, &attempt("os.pwrite(file, b'a' * 8192, 0)")).await?, "done");
    disk.full(true)?;
    assert_eq!(run(&disk, &attempt("os.pwrite(file, b'b' * 4096, 4096)")).await?, "done");
    assert_eq!(run(&disk, &attempt("os.pwrite(file, b'c' * 4096, 8192)")).await?, "ENOSPC");
    assert_eq!(run(&disk, &attempt("os.posix_fallocate(file, 0, 65536)")).await?, "ENOSPC");
    let elsewhere = format!("open({:?}, 'wb').write(b'd' * 65536)", other.path().join("file"));
    assert_eq!(run(&disk, &attempt(&elsewhere)).await?, "done", "other folders are another disk");
    assert_eq!(disk.counts()?.refused, 2);
    disk.full(false)?;
    assert_eq!(run(&disk, &attempt("os.pwrite(file, b'c' * 4096, 8192)")).await?, "done");
    assert_eq!(size(folder.path())?, 12_288);
    disk.space(4096)?;
    assert_eq!(run(&disk, &attempt("os.pwrite(file, b'd' * 4096, 12288)")).await?, "done");
    assert_eq!(run(&disk, &attempt("os.pwrite(file, b'e', 16384)")).await?, "ENOSPC");
    Ok(())
}

#[tokio::test]
async fn a_hole_needs_space_although_the_file_does_not_grow() -> anyhow::Result<()> {
    let (_folder, disk) = disk()?;
    disk.full(true)?;
    assert_eq!(run(&disk, &attempt("os.ftruncate(file, 1 << 20)")).await?, "done");
    assert_eq!(run(&disk, &attempt("os.pwrite(file, b'a', 4096)")).await?, "ENOSPC");
    Ok(())
}

#[tokio::test]
async fn a_read_only_disk_refuses_every_change() -> anyhow::Result<()> {
    let (folder, disk) = disk()?;
    std::fs::write(folder.path().join("file"), b"here").context("writing failed")?;
    disk.read_only(true)?;
    assert_eq!(run(&disk, &attempt("pass")).await?, "EROFS");
    assert_eq!(run(&disk, &attempt("os.rename('file', 'other')")).await?, "EROFS");
    assert_eq!(run(&disk, &attempt("os.unlink('file')")).await?, "EROFS");
    assert_eq!(run(&disk, "print(open('file').read())").await?, "here");
    Ok(())
}

#[tokio::test]
async fn a_disk_becomes_read_only_under_an_open_file() -> anyhow::Result<()> {
    let (_folder, disk) = disk()?;
    let mut file = Talk::start(
        &disk,
        "import errno, os, sys\nfile = os.open('file', os.O_RDWR | os.O_CREAT)\n\
         for _ in sys.stdin:\n    try:\n        print(os.write(file, b'a'), flush=True)\n    \
         except OSError as error:\n        print(errno.errorcode[error.errno], flush=True)",
    )?;
    assert_eq!(file.ask().await?, "1");
    disk.read_only(true)?;
    assert_eq!(file.ask().await?, "EROFS");
    disk.read_only(false)?;
    assert_eq!(file.ask().await?, "1");
    Ok(())
}

#[tokio::test]
async fn syncs_fail_or_take_their_time() -> anyhow::Result<()> {
    let (_folder, disk) = disk()?;
    disk.fail_syncs(true)?;
    assert_eq!(run(&disk, &attempt("os.fsync(file)")).await?, "EIO");
    assert_eq!(run(&disk, &attempt("os.fdatasync(file)")).await?, "EIO");
    disk.fail_syncs(false)?;
    disk.sync_delay(Duration::from_millis(50))?;
    let began = Instant::now();
    assert_eq!(run(&disk, &attempt("[os.fdatasync(file) for _ in range(4)]")).await?, "done");
    assert!(began.elapsed() >= Duration::from_millis(200));
    let counts = disk.counts()?;
    assert_eq!((counts.syncs, counts.failed_syncs), (4, 2));
    Ok(())
}

/// SQLite's own error for each fault, so that nothing stands between it and the disk.
#[tokio::test]
async fn sqlite_meets_the_same_faults() -> anyhow::Result<()> {
    let (_folder, disk) = disk()?;
    let mut base = Talk::start(
        &disk,
        "import sqlite3, sys\nbase = sqlite3.connect('base.db')\nbase.execute('PRAGMA journal_mode = WAL')\n\
         base.execute('PRAGMA synchronous = FULL')\nbase.execute('CREATE TABLE IF NOT EXISTS t (x)')\n\
         for _ in sys.stdin:\n    try:\n        with base:\n            \
         base.execute('INSERT INTO t VALUES (zeroblob(20000))')\n        \
         print(base.execute('SELECT COUNT(*) FROM t').fetchone()[0], flush=True)\n    \
         except sqlite3.Error as error:\n        print(error, flush=True)",
    )?;
    assert_eq!(base.ask().await?, "1");
    disk.full(true)?;
    assert_eq!(base.ask().await?, "database or disk is full");
    disk.full(false)?;
    assert_eq!(base.ask().await?, "2");
    disk.fail_syncs(true)?;
    assert_eq!(base.ask().await?, "disk I/O error");
    disk.fail_syncs(false)?;
    assert_eq!(base.ask().await?, "3");
    Ok(())
}

/// A Python that does its work once for each line it is sent, and answers with a line.
struct Talk {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    fn start(disk: &DiskFaults, text: &str) -> anyhow::Result<Self> {
        let mut command = Command::new("python3");
        command.arg("-c").arg(text).current_dir(disk.folder()).envs(disk.environment()).kill_on_drop(true);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.context("starting python3 failed")?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        Ok(Self { child, lines })
    }

    async fn ask(&mut self) -> anyhow::Result<String> {
        self.child.stdin.as_mut().context("no input")?.write_all(b"\n").await.context("writing failed")?;
        self.lines.next_line().await.context("reading failed")?.context("python3 has ended")
    }
}

fn size(folder: &Path) -> anyhow::Result<u64> {
    Ok(folder.join("file").metadata().context("looking at the file failed")?.len())
}
