//! The command line: arguments -> command -> exit code.

use std::process::ExitCode;

use clap::Parser;
use tokentide::cli::{self, Arguments};

fn main() -> ExitCode {
    // clap itself ends with exit code 2 on bad usage.
    cli::execute(&Arguments::parse()).into()
}
