//! The `opsgram` program.

use clap::Parser;
use opsgram::app::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    Cli::parse().run()
}
