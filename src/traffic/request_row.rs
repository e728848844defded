//! A row of a trace on its way to a request: its time, its lengths, its blocks.

use super::count_row::epoch;
use super::fault::TrafficFault;
use super::figure::{NoFigure, figure};
use super::heads::{self, RequestPart};
use super::line_cells::Cell;
use super::recorded_request::{Clock, RecordedRequest};
use super::stamp::Stamp;

/// Most tokens of a prompt or an answer: 2^24, as in a scenario.
const MAX_TOKENS: f64 = 16_777_216.0;

/// Latest time of a request whose times count from a beginning, in ns: 400 days, as the longest simulation.
const LATEST: i128 = 400 * 86_400 * NS;

const NS: i128 = 1_000_000_000;

/// Number of a request's parts.
pub const PARTS: usize = 7;

/// Words of requests that failed.
const FAILED: [&str; 12] = [
    "failed",
    "fail",
    "failure",
    "error",
    "errored",
    "timeout",
    "timed_out",
    "cancelled",
    "canceled",
    "aborted",
    "rejected",
    "false",
];

/// What a number in a column of times means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// Parts that every request has, with our own names.
pub const NEEDED: [(RequestPart, &str); 3] = [
    (RequestPart::Time, "arrived_s"),
    (RequestPart::Input, "input_tokens"),
    (RequestPart::Output, "output_tokens"),
];

/// A part of a row: what stands there, where, and under which name.
#[derive(Clone, Copy, Debug)]
pub struct PartCell<'a> {
    /// Content and place of the part.
    pub cell: Cell<'a>,
    /// Head of its column, or its key.
    pub name: &'a str,
}

/// The parts of a row, by [`RequestPart`].
pub type PartCells<'a> = [Option<PartCell<'a>>; PARTS];

/// A row on its way to a request.
pub struct TraceLine<'a> {
    /// Number of the line.
    pub line: u64,
    /// The line.
    pub text: &'a str,
    /// Parts of the row.
    pub parts: PartCells<'a>,
}

impl TraceLine<'_> {
    /// Makes a request of the row; the first row says what times mean.
    pub fn fill(
        &self,
        into: &mut RecordedRequest,
        unit: &mut Option<TimeUnit>,
        clock: &mut Option<Clock>,
    ) -> Result<(), Vec<TrafficFault>> {
        let mut faults = Vec::new();
        let mut keep =
            |found: Result<u32, TrafficFault>| found.map_err(|fault| faults.push(fault)).ok();
        let unit = *unit.get_or_insert_with(|| self.unit());
        // Whatever stands for the answer of a request that failed, there is none.
        let output = match self.has_failed() {
            true => Some(0),
            false => keep(self.tokens(RequestPart::Output, 0)),
        };
        let least = u32::from(output != Some(0));
        let input = keep(self.tokens(RequestPart::Input, least));
        let cached = match self.parts[RequestPart::Cached as usize] {
            Some(part) if !part.cell.text.is_empty() && part.cell.text != "null" => {
                keep(self.tokens(RequestPart::Cached, 0))
            }
            _ => None,
        };
        if let (Some(input), Some(cached)) = (input, cached)
            && cached >= input.max(1)
        {
            let fault = self.fault(
                "cached",
                RequestPart::Cached,
                "a prompt cannot be cached in full".to_string(),
            );
            faults.push(fault.label("at least one token is computed"));
        }
        into.blocks.clear();
        if let Err(fault) = self.blocks(&mut into.blocks) {
            faults.push(fault);
        }
        match self.time(unit, clock) {
            Ok(at) => into.at = at,
            Err(fault) => faults.insert(0, fault),
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        into.line = self.line;
        into.input = input.unwrap_or(0);
        into.output = output.unwrap_or(0);
        into.cached = cached;
        Ok(())
    }

    /// Whether the row says that the request failed: in a word, as a status of HTTP from 400 on, or as no success.
    fn has_failed(&self) -> bool {
        let Some(part) = self.parts[RequestPart::Status as usize] else {
            return false;
        };
        let word = part.cell.text.trim().to_ascii_lowercase();
        let is_success = heads::plain(part.name).contains("succe");
        match word.parse::<u32>() {
            Ok(number) => number >= 400 || is_success && number == 0,
            Err(_) => FAILED.contains(&word.as_str()) || is_success && word == "no",
        }
    }

    fn fault(&self, kind: &'static str, part: RequestPart, message: String) -> TrafficFault {
        let here = self.parts[part as usize];
        let name = here.map_or("", |part| part.name);
        let place = here.map_or((0, self.text.len()), |part| part.cell.place);
        TrafficFault::new(kind, message)
            .in_column(name)
            .at(self.line, self.text, place)
    }

    /// What a number among the times means, by the names of the parts: Mooncake's are milliseconds.
    fn unit(&self) -> TimeUnit {
        let name = |part: RequestPart| {
            self.parts[part as usize].map_or_else(String::new, |p| heads::plain(p.name))
        };
        let time = name(RequestPart::Time);
        let is_mooncake = time == "timestamp"
            && name(RequestPart::Input) == "input_length"
            && name(RequestPart::Session) != "chat_id";
        match time.ends_with("_ms") || is_mooncake {
            true => TimeUnit::Milliseconds,
            false => TimeUnit::Seconds,
        }
    }

    fn time(&self, unit: TimeUnit, clock: &mut Option<Clock>) -> Result<i64, TrafficFault> {
        let Some(part) = self.parts[RequestPart::Time as usize] else {
            return Err(self.absent(RequestPart::Time, "arrived_s"));
        };
        let fault = |kind, message: String| self.fault(kind, RequestPart::Time, message);
        let text = part.cell.text;
        let (at, of) = match Stamp::read(text) {
            Some(Stamp::Civil(at)) => (at, Clock::Civil),
            Some(Stamp::Instant(at)) => (at, Clock::Instant),
            Some(Stamp::Number(number)) => {
                let ns = match unit {
                    TimeUnit::Seconds => number,
                    TimeUnit::Milliseconds => number / 1000,
                };
                // The first row says whether numbers count from a beginning or from 1970.
                let since_1970 = epoch(number).filter(|_| ns > LATEST);
                match since_1970.filter(|_| *clock != Some(Clock::Beginning)) {
                    Some(at) => (at, Clock::Instant),
                    None if (0..=LATEST).contains(&ns) => (ns as i64, Clock::Beginning),
                    None => {
                        let message = format!("`{}` cannot be `{text}`", part.name);
                        let (most, what) = match unit {
                            TimeUnit::Seconds => ("34,560,000", "seconds"),
                            TimeUnit::Milliseconds => ("34,560,000,000", "milliseconds"),
                        };
                        let label =
                            format!("{what} from the beginning, 0 to {most}, or a time since 1970");
                        return Err(fault("bounds", message).label(label));
                    }
                }
            }
            _ if text.is_empty() => {
                return Err(fault("empty", format!("`{}` is empty", part.name)));
            }
            Some(_) | None => {
                let label = "seconds from the beginning or since 1970, or a date and time, such as 2026-01-05 09:30:00.5";
                return Err(fault("time", format!("`{text}` is no time")).label(label));
            }
        };
        match *clock {
            Some(known) if known != of => {
                let message = format!(
                    "`{text}` is {}, and the rows before have {}",
                    of.words(),
                    known.words()
                );
                Err(fault("mixed", message).label("one kind of time in a file"))
            }
            _ => {
                *clock = Some(of);
                Ok(at)
            }
        }
    }

    fn absent(&self, part: RequestPart, name: &str) -> TrafficFault {
        let message = format!("`{name}` is missing");
        let label = "every request has a time, input and output tokens";
        self.fault("absent", part, message)
            .in_column(name)
            .label(label)
    }

    /// The tokens of a part: a whole number from `least` on.
    fn tokens(&self, part: RequestPart, least: u32) -> Result<u32, TrafficFault> {
        let Some(found) = self.parts[part as usize] else {
            let own = NEEDED.iter().find(|(needed, _)| *needed == part);
            return Err(self.absent(part, own.map_or("", |(_, name)| *name)));
        };
        let (text, name) = (found.cell.text, found.name);
        // What most rows hold.
        if text.len() < 8
            && let Ok(number) = text.parse::<u32>()
            && number >= least
        {
            return Ok(number);
        }
        let is_output = part == RequestPart::Output;
        let must = format!("{name} must be a number from {least} to 16,777,216");
        let number = match figure(text) {
            Ok(number) => number,
            // A request without an answer failed.
            Err(NoFigure::Empty | NoFigure::Missing) if is_output => 0.0,
            Err(NoFigure::Empty) => {
                return Err(self
                    .fault("empty", part, format!("`{name}` is empty"))
                    .label(must));
            }
            Err(_) => {
                let fault = self.fault("number", part, format!("`{text}` is not a number"));
                return Err(fault.label(must));
            }
        };
        if number < f64::from(least) || number > MAX_TOKENS {
            let fault = self.fault("bounds", part, format!("`{name}` cannot be `{text}`"));
            return Err(fault.label(must));
        }
        if number - libm::trunc(number) != 0.0 {
            let fault = self.fault("fraction", part, format!("`{name}` cannot have a fraction"));
            return Err(fault.label("tokens are whole"));
        }
        Ok(number as u32)
    }

    /// The ids of blocks: a list of whole numbers.
    fn blocks(&self, into: &mut Vec<u64>) -> Result<(), TrafficFault> {
        let Some(part) = self.parts[RequestPart::Blocks as usize] else {
            return Ok(());
        };
        let list = part
            .cell
            .text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let Some(list) = list.map(str::trim) else {
            return Ok(());
        };
        if list.is_empty() {
            return Ok(());
        }
        for id in list.split(',') {
            let id = id.trim();
            let Ok(number) = id.parse::<u64>() else {
                let message = format!("`{id}` is no id of a block");
                let fault = self.fault("block", RequestPart::Blocks, message);
                return Err(fault.label("a list of whole numbers"));
            };
            into.push(number);
        }
        Ok(())
    }
}
