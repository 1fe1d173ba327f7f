//! The `filmstrip` program. `cli.rs` has its exit statuses.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use filmstrip::cli::{Arguments, run};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed stderr is no reason to panic; the exit status is enough.
            let _ = writeln!(std::io::stderr(), "filmstrip: {error}");
            ExitCode::FAILURE
        }
    }
}
