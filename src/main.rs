//! The `filmstrip` program. `cli.rs` has its exit statuses.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use filmstrip::cli::{Arguments, run};
use filmstrip::logging;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Ok(mut log) = logging::init() else { return ExitCode::FAILURE };
    let outcome = run(arguments);
    if let Err(error) = &outcome {
        // Through the log's queue, since nobody may be reading; the exit status says it too.
        let _ = log.write_all(format!("filmstrip: {error}\n").as_bytes());
    }
    log.flush();
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
