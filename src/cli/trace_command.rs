//! `tokentide trace`: what a recorded workload is like, and the same in our own form.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Exit, PrintArguments, fail, listed, print_page, refuse, tell};
use crate::experiment::trace_page::{TABLES, page};
use crate::scenario::check_ordinary;
use crate::traffic::{
    BadLines, Clock, RecordedRequest, SortedTrace, TraceSource, TrafficFault, stats, survey,
};

/// Arguments of `trace`.
#[derive(Debug, Args)]
pub struct TraceArguments {
    #[command(subcommand)]
    what: TraceWork,
}

#[derive(Debug, Subcommand)]
enum TraceWork {
    /// Count, span, burstiness, lengths, profile, and what a prefix cache could find
    Stats(StatsArguments),
    /// Write it as CSV (arrived_s,input_tokens,output_tokens), or with ids of blocks as JSON lines
    Convert(ConvertArguments),
}

/// A trace and how strictly it is read.
#[derive(Debug, Args)]
struct FileArguments {
    /// A trace of any known form: our own CSV or JSON lines, Azure, BurstGPT, Mooncake, kv-cache-tester; .gz, .xz, .zst
    file: PathBuf,
    /// Leave rows with mistakes out, and count them
    #[arg(long)]
    skip_bad_lines: bool,
}

#[derive(Debug, Args)]
#[command(mut_arg("table", |table| listed(table, TABLES)))]
struct StatsArguments {
    #[command(flatten)]
    file: FileArguments,
    /// Capacities of the cache to show, too, in blocks
    #[arg(long, value_name = "BLOCKS,…", value_delimiter = ',')]
    capacity: Vec<u64>,
    /// Caches that requests go to in turn
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    caches: u32,
    #[command(flatten)]
    print: PrintArguments,
}

#[derive(Debug, Args)]
struct ConvertArguments {
    #[command(flatten)]
    file: FileArguments,
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl FileArguments {
    fn source(&self) -> Result<TraceSource, Exit> {
        check_ordinary(&self.file, u64::MAX)
            .map_err(|why| refuse(&format!("cannot read {}: {why}", self.file.display())))?;
        Ok(TraceSource::File(self.file.clone()))
    }

    fn bad(&self) -> BadLines {
        match self.skip_bad_lines {
            true => BadLines::Skip,
            false => BadLines::Refuse,
        }
    }

    /// Says what is wrong with the file.
    fn refuse(&self, faults: &[TrafficFault]) -> Exit {
        let name = self.file.display();
        let mut said: Vec<String> = faults
            .iter()
            .map(|fault| located(&name.to_string(), fault))
            .collect();
        if !self.skip_bad_lines && faults.iter().all(|fault| fault.line > 0 && !fault.is_fatal) {
            said.push("  leave such rows out, and count them: --skip-bad-lines".to_string());
        }
        tell(&said.join("\n"));
        Exit::BadInput
    }
}

/// A mistake as one names a place: file, line, column.
fn located(name: &str, fault: &TrafficFault) -> String {
    let place = match (fault.line, fault.before + fault.place.0) {
        (0, _) => name.to_string(),
        (line, column) => format!("{name}:{line}:{}", column + 1),
    };
    let mut said = format!("error: {place}: {}", fault.message);
    for part in [&fault.label, &fault.help] {
        if !part.is_empty() {
            said.push_str(&format!("; {part}"));
        }
    }
    match fault.alike {
        0 => said,
        1 => said + " (one more row is like this one)",
        n => format!("{said} ({n} more rows are like this one)"),
    }
}

/// Runs `trace`.
pub fn execute(arguments: &TraceArguments) -> Exit {
    match &arguments.what {
        TraceWork::Stats(arguments) => of_stats(arguments),
        TraceWork::Convert(arguments) => convert(arguments),
    }
}

fn of_stats(arguments: &StatsArguments) -> Exit {
    let printing = match arguments.print.of(TABLES) {
        Ok(printing) => printing,
        Err(exit) => return exit,
    };
    let source = match arguments.file.source() {
        Ok(source) => source,
        Err(exit) => return exit,
    };
    match stats(
        &source,
        arguments.file.bad(),
        &arguments.capacity,
        arguments.caches as usize,
    ) {
        Ok((stats, mistakes)) => {
            skipped(&arguments.file, stats.skipped_lines, &mistakes);
            print_page(&page(&source.name(), &stats), &stats, printing)
        }
        Err(faults) => arguments.file.refuse(&faults),
    }
}

/// Says how many rows were left out, and the first mistake of each kind.
fn skipped(file: &FileArguments, count: u64, mistakes: &[TrafficFault]) {
    if count == 0 {
        return;
    }
    let name = file.file.display().to_string();
    for fault in mistakes {
        tell(&located(&name, fault).replacen("error:", "warning:", 1));
    }
    tell(&format!(
        "warning: {count} rows with mistakes were left out"
    ));
}

fn convert(arguments: &ConvertArguments) -> Exit {
    let source = match arguments.file.source() {
        Ok(source) => source,
        Err(exit) => return exit,
    };
    let mut has_blocks = false;
    let found = match survey(&source, arguments.file.bad(), |request| {
        has_blocks |= !request.blocks.is_empty()
    }) {
        Ok(found) => found,
        Err(faults) => return arguments.file.refuse(&faults),
    };
    skipped(&arguments.file, found.skipped, &found.mistakes);
    let begins = match found.clock {
        Clock::Beginning => 0,
        Clock::Civil | Clock::Instant => found.first,
    };
    let mut write = |out: &mut dyn Write| -> std::io::Result<()> {
        let wrong = |faults: Vec<TrafficFault>| {
            let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
            std::io::Error::other(said.join("; "))
        };
        let mut rows = SortedTrace::new(&source, found.disorder).map_err(wrong)?;
        let mut request = RecordedRequest::default();
        if !has_blocks {
            writeln!(out, "arrived_s,input_tokens,output_tokens,cached_tokens")?;
        }
        while rows.read(&mut request).map_err(wrong)? {
            let at = seconds(request.at - begins);
            let (input, output) = (request.input, request.output);
            let cached = request.cached.map(|n| n.to_string());
            if has_blocks {
                let ids: Vec<String> = request.blocks.iter().map(u64::to_string).collect();
                writeln!(
                    out,
                    "{{\"arrived_s\": {at}, \"input_tokens\": {input}, \"output_tokens\": {output}, \"hash_ids\": [{}]}}",
                    ids.join(", ")
                )?;
            } else {
                writeln!(out, "{at},{input},{output},{}", cached.unwrap_or_default())?;
            }
        }
        out.flush()
    };
    let written = match &arguments.out {
        None => write(&mut std::io::BufWriter::new(std::io::stdout().lock())),
        Some(path) => write_whole(path, &mut write),
    };
    match written {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => fail(&format!("cannot write: {error}")),
    }
}

/// Writes a file that is not there yet, beside its place and then into it, so that no part of one is ever there.
fn write_whole(
    path: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>,
) -> std::io::Result<()> {
    if path.exists() {
        return Err(std::io::Error::other(format!(
            "{} is there already",
            path.display()
        )));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let written = File::create(&beside).and_then(|file| write(&mut BufWriter::new(file)));
    match written.and_then(|()| fs::rename(&beside, path)) {
        Ok(()) => Ok(()),
        Err(error) => {
            let _ = fs::remove_file(&beside);
            Err(error)
        }
    }
}

/// A time in seconds, exact to the nanosecond.
fn seconds(ns: i64) -> String {
    let (whole, rest) = (ns / 1_000_000_000, ns % 1_000_000_000);
    let text = format!("{whole}.{rest:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
