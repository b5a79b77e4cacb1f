//! The `kouan-agent` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    kouan_agent::cli::main()
}
