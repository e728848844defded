//! `tokentide man`: manual pages, for those who package the program.

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::{Arguments, Exit, fail, print, refuse};

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// The command (such as run, or sweep merge); without one, the program
    command: Vec<String>,
}

/// Runs `man`: prints the page.
pub fn execute(arguments: &ManArguments) -> Exit {
    let mut whole = Arguments::command().disable_help_subcommand(true);
    whole.build();
    let mut command = &whole;
    for word in &arguments.command {
        let Some(found) = command.find_subcommand(word) else {
            return refuse(&unknown(word, command));
        };
        command = found;
    }
    let mut page = Vec::new();
    let source = concat!("tokentide ", env!("CARGO_PKG_VERSION"));
    match Man::new(command.clone()).source(source).render(&mut page) {
        Ok(()) => print(&String::from_utf8_lossy(&page)),
        Err(error) => fail(&format!("the page cannot be made: {error}")),
    }
}

/// The message for an unknown command, with the commands that there are.
fn unknown(word: &str, command: &Command) -> String {
    let known = command
        .get_subcommands()
        .filter(|known| !known.is_hide_set());
    let known: Vec<&str> = known.map(Command::get_name).collect();
    format!(
        "there is no command `{word}`; write one of {}",
        known.join(", ")
    )
}
