//! Exit codes: what a script may rely on.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command did what was asked.
    Done,
    /// The run failed.
    Failed,
    /// Bad usage, scenario or input data.
    BadInput,
    /// The command did what was asked, but a class fell short of the attainment that its SLO states.
    SloMissed,
    /// The user interrupted the command.
    Interrupted,
}

/// The exit code after Ctrl-C or a request to terminate.
pub const INTERRUPTED: u8 = 130;

/// The exit codes, for `--help`.
pub const HELP: &str = "\
Exit codes:
  0    done
  1    the run failed, or grew beyond the scenario's limits: unstable
  2    bad usage, scenario or input data
  3    done, but a class fell short of the attainment that its SLO states
  130  interrupted";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::BadInput => 2,
            Exit::SloMissed => 3,
            Exit::Interrupted => INTERRUPTED,
        })
    }
}
