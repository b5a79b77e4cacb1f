//! The program `kouan-collector`; everything is in the library.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use kouan_collector::cli;

fn main() -> ExitCode {
    match cli::main(cli::Options::parse()) {
        Ok(code) => code,
        // Whoever reads our output has seen enough: `kouan-collector openapi | head`.
        Err(error) if error.downcast_ref().is_some_and(is_broken_pipe) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done when stderr is closed.
            let _ = writeln!(std::io::stderr(), "kouan-collector: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}
