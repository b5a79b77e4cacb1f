//! The program `kouan-collector`; everything is in the library.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use kouan_collector::cli;
use kouan_collector::config::ConfigError;
use kouan_settings::Problems;

/// What comes in is spread over thousands of groups of readings, each with little memory of its own that another thread
/// gives back: `docs/scale.md` says what this saves beside the allocator of the C library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the shell and systemd see when the settings are wrong, as with a wrong command line.
const EXIT_WRONG: u8 = 2;

fn main() -> ExitCode {
    // Memory that grows by pages of 2 MiB is cleared in vain for the most part: it cost a tenth of the CPU time of
    // taking in readings, and a quarter of the memory (`docs/scale.md`). Where that cannot be set, it costs so much.
    let _ = nix::sys::prctl::set_thp_disable(true);
    match cli::main(cli::Options::parse()) {
        Ok(code) => code,
        // Whoever reads our output has seen enough: `kouan-collector openapi | head`.
        Err(error) if error.downcast_ref().is_some_and(is_broken_pipe) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done when stderr is closed.
            let _ = writeln!(std::io::stderr(), "kouan-collector: {}", told_once(&error));
            let wrong = error.downcast_ref::<Problems>().is_some() || error.downcast_ref::<ConfigError>().is_some();
            if wrong { ExitCode::from(EXIT_WRONG) } else { ExitCode::FAILURE }
        }
    }
}

fn is_broken_pipe(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

/// The error with its causes; our own errors tell theirs already.
fn told_once(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |mut told, cause| {
        let cause = cause.to_string();
        if !told.contains(&cause) {
            told.extend([if told.is_empty() { "" } else { ": " }, &cause]);
        }
        told
    })
}
