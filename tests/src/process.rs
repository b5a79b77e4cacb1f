//! A process that never outlives the program that started it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Lines of standard output that may wait to be read.
const LINES: usize = 1024;
/// How many lines of a log an error shows.
const TAIL: usize = 15;

/// What to run and how.
#[derive(Debug)]
pub struct ProcessOptions {
    /// Its name in errors and of its log.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Where it runs and where its log goes.
    pub folder: PathBuf,
    /// Variables to set beside those of this process.
    pub environment: Vec<(OsString, OsString)>,
}

impl ProcessOptions {
    /// A program with arguments.
    pub fn new<A: Into<OsString>>(
        name: &str,
        program: PathBuf,
        folder: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { name: name.to_owned(), program, arguments, folder: folder.to_owned(), environment: Vec::new() }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(&self.folder).process_group(0).kill_on_drop(true);
        end_with_parent(&mut command);
        command
    }
}

/// Lets the kernel kill the process when the thread that starts it ends, so that nothing stays when a test is killed.
#[allow(unsafe_code)]
fn end_with_parent(command: &mut Command) {
    // SAFETY: the closure makes one system call, which is safe between fork and exec, and touches no memory.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            Ok(())
        });
    }
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
    reader: JoinHandle<()>,
}

impl Process {
    /// Starts it. Its standard error goes to `NAME.log` in its folder, its standard output there and to
    /// [`Process::line`].
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(options: &ProcessOptions) -> anyhow::Result<Self> {
        let name = options.name.clone();
        let log = options.folder.join(format!("{name}.log"));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("opening {} failed", log.display()))?;
        let stderr = file.try_clone().with_context(|| format!("opening {} twice failed", log.display()))?;
        let mut child = options
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("starting {} failed", options.program.display()))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("the process has no standard output")?;
        let (sender, lines) = mpsc::channel(LINES);
        let reader = tokio::spawn(read_lines(stdout, file, sender));
        Ok(Self { name, log, child, stdin, lines, reader })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait().with_context(|| format!("asking for the state of {} failed", self.name))?.is_none())
    }

    /// The next line of its standard output.
    ///
    /// # Errors
    /// When it says nothing for `timeout`, or ends.
    pub async fn line(&mut self, timeout: Duration) -> anyhow::Result<String> {
        match tokio::time::timeout(timeout, self.lines.recv()).await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => {
                let ended = tokio::time::timeout(Duration::from_secs(1), self.child.wait()).await;
                let how = ended.map_or_else(|_| "closed its output".to_owned(), |end| format!("ended: {end:?}"));
                Err(self.failure(&how))
            }
            Err(_) => Err(self.failure(&format!("said nothing for {timeout:?}"))),
        }
    }

    /// The first line that `wanted` makes something of; other lines are passed over.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn line_with<T>(
        &mut self,
        timeout: Duration,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        let until = tokio::time::Instant::now() + timeout;
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if let Some(found) = wanted(&self.line(left).await?) {
                return Ok(found);
            }
        }
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    /// When it does not listen any more.
    pub async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let written = match &mut self.stdin {
            Some(stdin) => match stdin.write_all(format!("{line}\n").as_bytes()).await {
                Ok(()) => stdin.flush().await,
                failed => failed,
            },
            None => return Err(self.failure("has no standard input")),
        };
        written.map_err(|error| self.failure(&format!("does not listen: {error}")))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let id = id.ok_or_else(|| self.failure("has ended already"))?;
        kill_process(id, signal).with_context(|| format!("sending a signal to {} failed", self.name))
    }

    /// Kills it at once, as a power cut would.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("killing {} failed", self.name))
    }

    /// Asks it to stop with SIGTERM and waits.
    ///
    /// # Errors
    /// When it does not end within `timeout`; it is killed then.
    pub async fn terminate(mut self, timeout: Duration) -> anyhow::Result<ExitStatus> {
        if self.is_running()? {
            self.signal(Signal::TERM)?;
        }
        self.wait(timeout).await
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not end within `timeout`.
    pub async fn wait(&mut self, timeout: Duration) -> anyhow::Result<ExitStatus> {
        match tokio::time::timeout(timeout, self.child.wait()).await {
            Ok(status) => {
                let status = status.with_context(|| format!("waiting for {} failed", self.name))?;
                // The end of its output follows; a grandchild that holds it open must not stop us.
                let _ = tokio::time::timeout(Duration::from_secs(1), &mut self.reader).await;
                Ok(status)
            }
            Err(_) => Err(self.failure(&format!("did not end within {timeout:?}"))),
        }
    }

    /// An error about this process with the end of its log.
    #[must_use]
    pub fn failure(&self, what: &str) -> anyhow::Error {
        anyhow!("{} {what}\n{}", self.name, tail(&self.log))
    }
}

/// The last lines of a log, for an error.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL);
    format!("--- end of {}\n{}\n---", log.display(), lines[from..].join("\n"))
}

async fn read_lines(stdout: ChildStdout, mut log: File, lines: mpsc::Sender<String>) {
    let mut stdout = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = stdout.next_line().await {
        // A log that cannot be written and a line that nobody waits for must not stop the process.
        let _ = writeln!(log, "{line}");
        let _ = lines.try_send(line);
    }
}

/// Runs a program to its end and returns its status, standard output and standard error.
///
/// # Errors
/// When it cannot be started or does not end within `timeout`; it is killed then.
pub async fn run_to_end(options: &ProcessOptions, timeout: Duration) -> anyhow::Result<(ExitStatus, String, String)> {
    let running = options.command().stdin(Stdio::null()).output();
    let Ok(output) = tokio::time::timeout(timeout, running).await else {
        bail!("{} {:?} did not end within {timeout:?}", options.name, options.arguments);
    };
    let output = output.with_context(|| format!("starting {} failed", options.program.display()))?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status, text(output.stdout), text(output.stderr)))
}
