//! A point that a benchmark measured: its load, its lengths, how long users waited.

/// A point that a benchmark measured.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchPoint {
    /// Mean input length in tokens.
    pub input: f64,
    /// Mean output length in tokens.
    pub output: f64,
    /// Load under which it was measured; `None`: the file does not say.
    pub load: Option<BenchLoad>,
    /// Coefficient of variation of the gaps between requests at a rate, of a gamma law; 1: a Poisson process, 0: even.
    pub gap_cv: f64,
    /// Requests of the point; `None`: not said.
    pub requests: Option<f64>,
    /// Time to first token.
    pub ttft: BenchLatency,
    /// Time per output token after the first.
    pub tpot: BenchLatency,
    /// Tensor parallelism, where the row says it.
    pub tensor: Option<u32>,
    /// What a reader should know of the point.
    pub remark: Option<String>,
}

/// Load of a benchmark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BenchLoad {
    /// So many users, each with one request at a time.
    Users(f64),
    /// So many requests a second, whatever is answered.
    PerSecond(f64),
    /// All requests at once.
    AllAtOnce,
}

/// A latency in seconds, as far as a file has it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BenchLatency {
    /// Mean of all requests.
    pub mean: Option<f64>,
    /// Median of all requests.
    pub median: Option<f64>,
}

/// A figure of a point that must be there, above 0.
///
/// # Errors
/// Where it is not.
pub fn need(found: Option<f64>, name: &str) -> Result<f64, String> {
    found
        .filter(|n| *n > 0.0)
        .ok_or(format!("`{name}` is missing or not above 0"))
}

/// The load with a whole number of users.
pub fn whole_users(load: BenchLoad) -> BenchLoad {
    match load {
        BenchLoad::Users(users) => BenchLoad::Users(libm::round(users).max(1.0)),
        other => other,
    }
}

/// Units of time as aiperf and genai-perf write them, and how many of each are a second.
const TIME_UNITS: [(&[&str], f64); 4] = [
    (&["ms", "milliseconds"], 1e3),
    (&["s", "sec", "seconds"], 1.0),
    (&["us", "microseconds"], 1e6),
    (&["ns", "nanoseconds"], 1e9),
];

/// How many of a unit of time are a second.
///
/// # Errors
/// Where the word names no unit of time that is known.
pub fn units_of_a_second(word: &str) -> Result<f64, String> {
    let known = TIME_UNITS.iter().find(|(words, _)| words.contains(&word));
    known.map(|(_, count)| *count).ok_or_else(|| {
        let words: Vec<&str> = TIME_UNITS
            .iter()
            .flat_map(|(words, _)| *words)
            .copied()
            .collect();
        format!("not a unit of time that is known ({})", words.join(", "))
    })
}

/// How gaps vary under a strategy of guidellm: those of a constant rate do not.
pub fn gap_cv_of(strategy: &str) -> f64 {
    match strategy {
        "constant" => 0.0,
        _ => 1.0,
    }
}
