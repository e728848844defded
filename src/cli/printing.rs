//! How a command prints its answer: for people, as JSON, or one of its tables as CSV.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, Args, ValueEnum};
use serde::Serialize;

use super::{Exit, fail, print, refuse, screen, tell};
use crate::report::page::Page;
use crate::report::records::{RecordTable, Records};
use crate::report::summary::RunSummary;
use crate::report::{Format, csv, markdown, render, terminal};

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArgument {
    /// For people
    Table,
    /// The whole answer
    Json,
    /// One table of the answer, with one header: the first of those that --table knows
    Csv,
    /// For a pull request
    Markdown,
}

/// The arguments for the form of an answer. The command's own tables are put in by [`listed`].
#[derive(Debug, Args)]
pub struct PrintArguments {
    /// How to print the answer [default: table]
    #[arg(long, value_enum)]
    format: Option<FormatArgument>,
    /// Print this table as CSV: figures in full, without units, columns called as in the JSON
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
}

/// The argument `--table` with the names of these tables.
pub fn listed(argument: Arg, tables: impl IntoIterator<Item = &'static RecordTable>) -> Arg {
    let values = tables
        .into_iter()
        .map(|table| PossibleValue::new(table.name).help(table.about));
    argument.value_parser(PossibleValuesParser::new(values))
}

/// The form in which an answer is printed.
#[derive(Clone, Copy, Debug)]
pub enum Printing {
    /// Pages for people, with tables.
    Page,
    /// The whole answer as JSON.
    Json,
    /// One table as CSV.
    Csv(&'static RecordTable),
    /// Pages for a pull request, in Markdown.
    Markdown,
}

impl PrintArguments {
    /// What is asked for, of an answer with these tables; to be called before the answer is sought.
    pub fn of(&self, tables: &'static [RecordTable]) -> Result<Printing, Exit> {
        let format = match (self.format, &self.table) {
            (None, None) => FormatArgument::Table,
            (None, Some(_)) => FormatArgument::Csv,
            (Some(format), None) => format,
            (Some(FormatArgument::Csv), Some(_)) => FormatArgument::Csv,
            (Some(_), Some(table)) => {
                return Err(refuse(&format!(
                    "--table {table} is printed as CSV, and --format asks for something else; leave one of them out"
                )));
            }
        };
        Ok(match format {
            FormatArgument::Table => Printing::Page,
            FormatArgument::Json => Printing::Json,
            FormatArgument::Markdown => Printing::Markdown,
            FormatArgument::Csv => Printing::Csv(self.chosen(tables)?),
        })
    }

    /// The table that `--table` names, or the first; exit code 2 where there is none.
    fn chosen(&self, tables: &'static [RecordTable]) -> Result<&'static RecordTable, Exit> {
        let is_asked =
            |table: &&RecordTable| self.table.as_deref().is_none_or(|name| name == table.name);
        tables.iter().find(is_asked).ok_or_else(|| {
            let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
            refuse(&format!(
                "--table {}: this answer has no such table; it has {}",
                self.table.as_deref().unwrap_or_default(),
                names.join(", ")
            ))
        })
    }
}

/// Prints a page, or of the value behind it what is asked for.
pub fn print_page(page: &Page, value: &impl Serialize, printing: Printing) -> Exit {
    let text = match printing {
        Printing::Page => Ok(terminal::page(page, &screen::results())),
        Printing::Markdown => Ok(markdown::page(page)),
        Printing::Csv(table) => {
            let text = Records::of(table, value).map(|records| records.to_csv());
            text.map(|text| remarked(table, text))
        }
        Printing::Json => serde_json::to_string_pretty(value).map(|text| format!("{text}\n")),
    };
    match text {
        Ok(text) => print(&text),
        Err(error) => fail(&error.to_string()),
    }
}

/// A table as it stands; where it is only a header, says so on standard error.
fn remarked(table: &RecordTable, text: String) -> String {
    if text.lines().count() < 2 {
        let RecordTable { name, about, .. } = table;
        tell(&format!(
            "note: this answer has no rows for --table {name} ({about})"
        ));
    }
    text
}

/// A run in the form that is asked for.
pub fn of_run(summary: &RunSummary, printing: Printing) -> Result<String, Exit> {
    let format = match printing {
        Printing::Page => Format::Table,
        Printing::Markdown => Format::Markdown,
        Printing::Json => Format::Json,
        Printing::Csv(table) => {
            let text = csv::table(table, summary).map(|text| remarked(table, text));
            return text.map_err(|error| fail(&error.to_string()));
        }
    };
    Ok(render(summary, format, &screen::results()))
}
