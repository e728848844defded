//! Clients of a service as ServeGen publishes them: for each a table of its rate over time, and tables of its lengths.
//!
//! An archive (tar) holds two files of each client. `chunk-N-trace.csv` has a window of time a line: its beginning in
//! seconds, the mean rate in requests a second, the coefficient of variation of the gaps, the family of their law (`Gamma`
//! or `Weibull`; empty: idle), and two fitted parameters, which are not read: the coefficient says them. `chunk-N-dataset.json`
//! has, for each of longer windows, how likely each input and each output length is. How the two depend on one another
//! is not recorded.
//!
//! These are laws, not requests: `arrivals.kind = "clients"` draws requests from them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fault::{BadLines, Faults, TrafficFault};
use super::line_cells;
use super::lines::Lines;
use super::tape_archive::TapeArchive;

/// Most tokens of a length.
const MAX_TOKENS: u32 = 1 << 24;

/// Most seconds from the beginning: 400 days.
const LATEST_S: u64 = 400 * 86_400;

/// Seconds of the window of a client that has only one: ServeGen's are ten minutes long.
const USUAL_S: u64 = 600;

/// The clients of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientPool {
    /// Clients that ask for anything, in the order of their numbers.
    pub clients: Vec<RecordedClient>,
    /// Clients in the file, idle ones included.
    pub count: u64,
    /// Seconds from the beginning to the end of the last window.
    pub span_s: u64,
    /// Rows that were left out for their mistakes.
    pub skipped: u64,
    /// The first mistakes among them.
    pub mistakes: Vec<TrafficFault>,
}

/// A client: when it asks for how much, and how long that is.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedClient {
    /// Number of the client.
    pub number: u64,
    /// Windows in order of time in which the client asks for anything.
    pub windows: Vec<ClientWindow>,
    /// Lengths, by [`ClientWindow::lengths`].
    pub lengths: Vec<ClientLengths>,
}

/// A window of time over which a client's arrivals have one law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientWindow {
    /// Beginning of the window, in seconds.
    pub from_s: u64,
    /// End of the window, in seconds.
    pub to_s: u64,
    /// Mean rate, in requests a second, above 0.
    pub rate_per_s: f64,
    /// Coefficient of variation of the gaps between arrivals.
    pub cv: f64,
    /// Whether gaps have a Weibull law, rather than a gamma law.
    pub is_weibull: bool,
    /// Index of its lengths.
    pub lengths: usize,
}

/// How likely a client's lengths are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientLengths {
    /// Prompts: lengths in tokens, ascending, and probabilities.
    pub input: Vec<(u32, f32)>,
    /// Answers.
    pub output: Vec<(u32, f32)>,
}

/// The two files of a client.
#[derive(Debug, Default)]
struct ClientFiles {
    windows: Option<Vec<ClientWindow>>,
    lengths: Option<BTreeMap<u64, ClientLengths>>,
}

/// A window of a dataset as it is written: the inner tables are texts.
#[derive(Deserialize)]
struct DatasetWindow {
    input_tokens: String,
    output_tokens: String,
}

/// Ends of the names of a client's two files.
pub const ENDS: [&str; 2] = ["-trace.csv", "-dataset.json"];

impl ClientPool {
    /// Reads the clients of an archive.
    ///
    /// # Errors
    ///
    /// What is wrong, each mistake once.
    pub fn read(mut archive: TapeArchive, bad: BadLines) -> Result<Self, Vec<TrafficFault>> {
        let mut files: BTreeMap<u64, ClientFiles> = BTreeMap::new();
        let mut faults = Faults::default();
        let mut skipped = 0;
        while let Some((name, content)) =
            archive.next(&ENDS).map_err(|fault| vec![fault.fatal()])?
        {
            let short = name.rsplit('/').next().unwrap_or_default();
            let Some(number) = number(short) else {
                continue;
            };
            let of_client = files.entry(number).or_default();
            if short.ends_with(ENDS[0]) {
                of_client.windows = Some(windows(short, &content, &mut faults, &mut skipped));
            } else {
                let read = lengths(short, &content).map_err(|fault| vec![fault.fatal()]);
                of_client.lengths = Some(read?);
            }
        }
        let count = files.len() as u64;
        let mut span_s = 0;
        let mut clients = Vec::new();
        for (number, of_client) in files {
            match of_client.client(number) {
                Ok((client, to_s)) => {
                    span_s = span_s.max(to_s);
                    clients.extend(client);
                }
                Err(fault) => faults.push(fault),
            }
        }
        if bad == BadLines::Refuse && !faults.is_empty() {
            return Err(faults.into_list());
        }
        if clients.is_empty() {
            let message = match count {
                0 => "the archive has no files of clients",
                _ => "no client of the archive asks for anything",
            };
            let fault = TrafficFault::new("clients", message);
            let help = "ServeGen's are called chunk-N-trace.csv and chunk-N-dataset.json";
            return Err(vec![fault.help(help)]);
        }
        Ok(Self {
            clients,
            count,
            span_s,
            skipped,
            mistakes: faults.into_list(),
        })
    }

    /// Expected requests of all clients and windows.
    pub fn requests(&self) -> f64 {
        let windows = self.clients.iter().flat_map(|client| &client.windows);
        windows.fold(0.0, |sum, window| sum + window.requests())
    }

    /// Mean of input times output over the product of their means: clients with long prompts may have long answers, even
    /// where the lengths of each do not depend on one another.
    pub fn joined(&self) -> f64 {
        let mean = |law: &[(u32, f32)]| {
            let sums = law.iter().fold((0.0, 0.0), |(sum, total), (length, p)| {
                let p = f64::from(*p);
                (sum + p * f64::from(*length), total + p)
            });
            sums.0 / sums.1
        };
        let mut sums = [0.0; 4];
        for client in &self.clients {
            let laws = client.lengths.iter();
            let means: Vec<_> = laws.map(|l| (mean(&l.input), mean(&l.output))).collect();
            for window in &client.windows {
                let ((input, output), n) = (means[window.lengths], window.requests());
                let of = [n, n * input, n * output, n * input * output];
                sums.iter_mut().zip(of).for_each(|(sum, x)| *sum += x);
            }
        }
        sums[0] * sums[3] / (sums[1] * sums[2])
    }

    /// How likely lengths are over all requests, ascending: of prompts, then of answers; the weights are requests.
    pub fn lengths(&self) -> [Vec<(u32, f64)>; 2] {
        let mut sums: [BTreeMap<u32, f64>; 2] = [BTreeMap::new(), BTreeMap::new()];
        for client in &self.clients {
            let mut requests = vec![0.0; client.lengths.len()];
            for window in &client.windows {
                requests[window.lengths] += window.requests();
            }
            for (lengths, requests) in client.lengths.iter().zip(requests) {
                for (sum, law) in sums.iter_mut().zip([&lengths.input, &lengths.output]) {
                    let total: f64 = law.iter().map(|(_, p)| f64::from(*p)).sum();
                    for (length, p) in law {
                        *sum.entry(*length).or_default() += requests * f64::from(*p) / total;
                    }
                }
            }
        }
        sums.map(|sum| sum.into_iter().collect())
    }
}

impl ClientWindow {
    /// Expected requests of the window.
    pub fn requests(&self) -> f64 {
        self.rate_per_s * (self.to_s - self.from_s) as f64
    }
}

impl ClientFiles {
    /// The client, if it asks for anything, and the end of its last window, in seconds.
    fn client(self, number: u64) -> Result<(Option<RecordedClient>, u64), TrafficFault> {
        let missing = |what: &str| {
            let message = format!("client {number} has no file chunk-{number}{what}");
            TrafficFault::new("client", message)
        };
        let windows = self.windows.ok_or_else(|| missing(ENDS[0]))?;
        let lengths = self.lengths.ok_or_else(|| missing(ENDS[1]))?;
        let to_s = windows.last().map_or(0, |window| window.to_s);
        let mut client = RecordedClient {
            number,
            windows: Vec::new(),
            lengths: Vec::new(),
        };
        let mut known: BTreeMap<u64, usize> = BTreeMap::new();
        for window in windows.into_iter().filter(|window| window.rate_per_s > 0.0) {
            // The lengths of the time, or the first known ones after it.
            let mut before = lengths.range(..=window.from_s).rev();
            let of_time = before
                .next()
                .or_else(|| lengths.range(window.from_s..).next());
            let Some((from, law)) = of_time else {
                let message = format!("client {number} asks for something and has no lengths");
                return Err(TrafficFault::new("lengths", message));
            };
            let next = client.lengths.len();
            let index = *known.entry(*from).or_insert(next);
            if index == next {
                client.lengths.push(law.clone());
            }
            client.windows.push(ClientWindow {
                lengths: index,
                ..window
            });
        }
        Ok(((!client.windows.is_empty()).then_some(client), to_s))
    }
}

/// The number of a client in the name of its file.
fn number(name: &str) -> Option<u64> {
    name.strip_prefix("chunk-")?.split('-').next()?.parse().ok()
}

/// The windows of a client's table, idle ones included.
fn windows(
    name: &str,
    content: &[u8],
    faults: &mut Faults,
    skipped: &mut u64,
) -> Vec<ClientWindow> {
    let mut lines = Lines::new(content);
    let mut all: Vec<ClientWindow> = Vec::new();
    loop {
        let read = match lines.next() {
            Ok(None) => break,
            Ok(Some((line, text))) => window(line, text),
            Err(fault) => Err(fault),
        };
        let fault = match (read, all.last_mut()) {
            (Ok(next), Some(last)) if next.from_s <= last.from_s => {
                let message = "this window begins before the one above it";
                TrafficFault::new("order", message).at(next.to_s, "", (0, 0))
            }
            (Ok(next), last) => {
                if let Some(last) = last {
                    last.to_s = next.from_s;
                }
                all.push(next);
                continue;
            }
            (Err(fault), _) => fault,
        };
        *skipped += 1;
        let is_over = fault.is_fatal;
        faults.push(fault.within(name));
        if is_over {
            break;
        }
    }
    // The last window is as long as the one before.
    let length = match all.as_slice() {
        [.., before, _] => before.to_s - before.from_s,
        _ => USUAL_S,
    };
    if let Some(last) = all.last_mut() {
        last.to_s = last.from_s + length;
    }
    all
}

/// A window; its end is not known yet, and is the line's number for now.
fn window(line: u64, text: &str) -> Result<ClientWindow, TrafficFault> {
    let mut cells = Vec::new();
    line_cells::split(text, b',', &mut cells);
    let [from, rate, cv, family, ..] = cells.as_slice() else {
        let message = format!("this row has {} cells, and a window has six", cells.len());
        let fault = TrafficFault::new("cells", message);
        let label = "window_start_s,rate,cv,family,shape,scale";
        return Err(fault.label(label).at(line, text, (0, text.len())));
    };
    let number = |cell: &line_cells::Cell<'_>, what: &str, most: f64| {
        let fault = |kind, message: String| {
            let label = format!("{what} is a number from 0 to {most}");
            let fault = TrafficFault::new(kind, message).in_column(what);
            Err(fault.label(label).at(line, text, cell.place))
        };
        match cell.text.parse::<f64>() {
            Ok(number) if (0.0..=most).contains(&number) => Ok(number),
            Ok(_) => fault("bounds", format!("{what} cannot be `{}`", cell.text)),
            Err(_) => fault("number", format!("`{}` is not a number", cell.text)),
        }
    };
    let from_s = number(from, "the window's beginning", LATEST_S as f64)? as u64;
    let rate_per_s = number(rate, "the rate", 1e6)?;
    let cv = number(cv, "the coefficient of variation", 1e4)?;
    let is_weibull = match family.text {
        "Gamma" => false,
        "Weibull" => true,
        "" if rate_per_s == 0.0 => false,
        other => {
            let fault = TrafficFault::new("family", format!("`{other}` is no known law of gaps"));
            let place = (family.place.0, family.place.1.max(family.place.0 + 1));
            return Err(fault.label("Gamma or Weibull").at(line, text, place));
        }
    };
    Ok(ClientWindow {
        from_s,
        to_s: line,
        rate_per_s,
        // Gaps that hardly vary are even, but for a thousandth.
        cv: cv.max(1e-3),
        is_weibull,
        lengths: 0,
    })
}

/// The lengths of a client's dataset by the beginning of their window, in seconds; windows without any are left out.
fn lengths(name: &str, content: &[u8]) -> Result<BTreeMap<u64, ClientLengths>, TrafficFault> {
    let windows: BTreeMap<String, DatasetWindow> =
        serde_json::from_slice(content).map_err(|error| {
            let message = format!("{name}: these are no lengths of a client, or are cut off");
            let fault = TrafficFault::new("dataset", message).label(error.to_string());
            let (line, column) = (error.line() as u64, error.column().saturating_sub(1));
            let text = content
                .split(|b| *b == b'\n')
                .nth(error.line().saturating_sub(1));
            let text = String::from_utf8_lossy(text.unwrap_or_default());
            let mut from = column.min(text.len());
            while !text.is_char_boundary(from) {
                from -= 1;
            }
            fault.at(line, &text, (from, from))
        })?;
    let mut all = BTreeMap::new();
    for (from, window) in windows {
        let wrong = |why: String| TrafficFault::new("dataset", format!("{name}: {why}"));
        let Ok(from_s) = from.parse::<u64>() else {
            return Err(wrong(format!(
                "`{from}` is no beginning of a window, in seconds"
            )));
        };
        let read = |what: &str, text: &str| {
            law(text).map_err(|why| wrong(format!("`{what}` of {from}: {why}")))
        };
        let input = read("input_tokens", &window.input_tokens)?;
        let output = read("output_tokens", &window.output_tokens)?;
        if !input.is_empty() && !output.is_empty() {
            all.insert(from_s, ClientLengths { input, output });
        }
    }
    Ok(all)
}

/// How likely lengths are: `{45: 0.25, 46: 0.75}`.
fn law(text: &str) -> Result<Vec<(u32, f32)>, String> {
    let inner = text
        .trim()
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let inner = inner.ok_or("no table {length: probability}")?.trim();
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for pair in inner.split(',') {
        let shown = || pair.trim().chars().take(40).collect::<String>();
        let (length, p) = pair
            .split_once(':')
            .ok_or_else(|| format!("`{}` is no pair of a length and a probability", shown()))?;
        let length = length.trim().parse::<u32>().ok();
        let Some(length) = length.filter(|n| *n <= MAX_TOKENS) else {
            return Err(format!("`{}` has no length in tokens", shown()));
        };
        let p = p.trim().parse::<f32>().ok();
        let Some(p) = p.filter(|p| (0.0..=1.0001).contains(p)) else {
            return Err(format!("`{}` has no probability", shown()));
        };
        all.push((length, p));
    }
    all.sort_unstable_by_key(|(length, _)| *length);
    if all.iter().all(|(_, p)| *p == 0.0) {
        return Err("every probability is 0".to_string());
    }
    Ok(all)
}
