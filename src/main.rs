//! The command line: arguments -> command -> exit code.

use std::process::ExitCode;

use tokentide::cli::{self, Arguments};

fn main() -> ExitCode {
    cli::execute(&Arguments::read()).into()
}
