//! What a plan must keep: figures of a run and their limits.
//!
//! Written `FIGURE_STATISTIC = LIMIT`: `ttft`, `tpot`, `itl`, `e2e`, `queue` or `decode_queue`, with `mean`,
//! `p50`, `p90`, `p95`, `p99` or `p999`, at most a duration; `output_speed_mean`, at least so many tokens per second
//! of a request; `attainment`, at least this part of each class's requests within the class's own targets;
//! `lost`, at most this part of the requests rejected or failed. Nothing may be lost, and no
//! queue may still grow at the end, where nobody says otherwise.

use std::fmt;

use crate::report::format::{fixed, percent, seconds};
use crate::report::summary::{
    Decided, DistributionSummary, Interval, Latency, Quantiles, RequestCounts, RunSummary,
    SpanSummary,
};
use crate::scenario::{Role, nearest, parse_duration};
use crate::words::{one_of, words};

/// Help on the promises that `--slo` takes, for messages.
pub fn help() -> String {
    let latencies = SloFigure::ALL.into_iter();
    let latencies = latencies.filter(|figure| figure.kind() == FigureKind::Latency);
    format!(
        "write ttft_p99=5s, tpot_mean=60ms, e2e_p95=30s ({}, with {}), output_speed_mean=20, attainment=0.99 or \
         lost=0.001",
        one_of(latencies),
        one_of(Statistic::ALL)
    )
}

words! {
    /// The figure of a run that a promise is about.
    pub enum SloFigure {
        Ttft = "ttft": "Arrival to first token",
        Tpot = "tpot": "Time per output token",
        Itl = "itl": "Gaps between tokens",
        E2e = "e2e": "Arrival to last token",
        Queue = "queue": "Wait for prefill",
        DecodeQueue = "decode_queue": "Wait for decode",
        OutputSpeed = "output_speed": "Tokens per second of a request",
        Attainment = "attainment": "Part of a class's requests within its targets, of the class with the least",
        Lost = "lost": "Part of the requests that were not served",
    }
}

words! {
    /// Which statistic of a figure.
    pub enum Statistic {
        Mean = "mean": "Arithmetic mean",
        P50 = "p50": "Median",
        P90 = "p90": "90th percentile",
        P95 = "p95": "95th percentile",
        P99 = "p99": "99th percentile",
        P999 = "p999": "99.9th percentile",
    }
}

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FigureKind {
    /// A time that requests take, at most so long; with a statistic.
    Latency,
    /// A speed, at least so many tokens a second; its mean only.
    Speed,
    /// A part of requests, without a statistic.
    Part,
}

impl SloFigure {
    fn kind(self) -> FigureKind {
        match self {
            Self::Ttft | Self::Tpot | Self::Itl | Self::E2e | Self::Queue | Self::DecodeQueue => {
                FigureKind::Latency
            }
            Self::OutputSpeed => FigureKind::Speed,
            Self::Attainment | Self::Lost => FigureKind::Part,
        }
    }
}

/// Decode's part of a first token that comes from it: the same statistic of each, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waits {
    /// Wait to join a decode rank, in seconds.
    pub decode_s: f64,
    /// Length of a decode step, in seconds.
    pub step_s: f64,
}

/// A promise that every candidate of a plan must keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanSlo {
    /// Figure that the promise is about.
    pub figure: SloFigure,
    /// Statistic of the figure.
    pub statistic: Statistic,
    /// Limit in seconds, in tokens per second, or as a part.
    pub limit: f64,
}

/// Picoseconds of a second.
const PS_PER_S: f64 = 1e12;

impl PlanSlo {
    /// Reads a promise: `ttft_p99=5s`.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{}` is no target: {what}; {}", text.trim(), help());
        let (name, limit) = text
            .split_once('=')
            .ok_or_else(|| wrong("there is no `=`"))?;
        let (name, limit) = (name.trim(), limit.trim());
        let (figure, statistic) = named(name).ok_or_else(|| wrong(&unknown(name)))?;
        let limit = match figure.kind() {
            FigureKind::Speed | FigureKind::Part => limit
                .parse::<f64>()
                .map_err(|_| wrong(&format!("`{limit}` is no number")))?,
            FigureKind::Latency => parse_duration(limit)
                .map(|ps| ps as f64 / PS_PER_S)
                .map_err(|why| wrong(&format!("`{limit}` {why}")))?,
        };
        let within = match figure.kind() {
            FigureKind::Part => (0.0..=1.0).contains(&limit),
            FigureKind::Latency | FigureKind::Speed => limit > 0.0 && limit <= 1e9,
        };
        if within {
            Ok(Self {
                figure,
                statistic,
                limit,
            })
        } else {
            Err(wrong("its limit is out of bounds"))
        }
    }

    /// Whether more of the figure is better: the limit is the least that it may be.
    pub fn is_floor(&self) -> bool {
        matches!(self.figure, SloFigure::OutputSpeed | SloFigure::Attainment)
    }

    /// The figure in a run; `None` where nobody experienced it. Quantiles count who still waits at the end, and for
    /// longer than they are, as the attainment does (S12); a mean is that of those who have the figure, and gaps
    /// between tokens are those that have ended.
    pub fn of(&self, run: &RunSummary) -> Option<f64> {
        match self.figure {
            SloFigure::OutputSpeed => run.decode.output_speed_tokens_per_s,
            SloFigure::Attainment => attainment(run),
            SloFigure::Lost => Some(lost(&run.requests)),
            SloFigure::Ttft
            | SloFigure::Tpot
            | SloFigure::Itl
            | SloFigure::E2e
            | SloFigure::Queue
            | SloFigure::DecodeQueue => self.among(&run.latency, &run.latency_decided),
        }
    }

    /// The statistic of the latency that the figure is of; `None`: it is of none, or nobody experienced it.
    fn among(&self, latency: &Latency, decided: &Decided) -> Option<f64> {
        let quantiles = match self.figure {
            SloFigure::Ttft => Some(&decided.ttft_s),
            SloFigure::Tpot => Some(&decided.tpot_s),
            SloFigure::E2e => Some(&decided.e2e_s),
            SloFigure::Queue => Some(&decided.queue_s),
            SloFigure::DecodeQueue => Some(&decided.decode_queue_s),
            SloFigure::Itl | SloFigure::OutputSpeed | SloFigure::Attainment | SloFigure::Lost => {
                None
            }
        };
        let decided = quantiles.and_then(|of| quantile(of, self.statistic));
        decided.or_else(|| statistic(self.latency(latency)?, self.statistic))
    }

    /// The figure in a stretch of a run, whose classes' least attainment is given; `None` where nobody experienced
    /// it. While somebody is inside and no token leaves, a first token takes at least as long as the stretch, and
    /// less than a token leaves in it.
    pub fn in_stretch(&self, span: &SpanSummary, attainment: Option<f64>) -> Option<f64> {
        let is_stuck = span.requests.in_flight_at_start > 0 && span.tokens.output == 0.0;
        let at_worst = |figure: f64| is_stuck.then_some(figure);
        match self.figure {
            SloFigure::OutputSpeed => {
                let speed = span.output_speed_tokens_per_s;
                speed.or(at_worst(1.0 / span.duration_s))
            }
            SloFigure::Attainment => attainment,
            SloFigure::Lost => Some(lost(&span.requests)),
            SloFigure::Ttft | SloFigure::E2e => {
                let seen = self.among(&span.latency, &span.latency_decided);
                seen.or(at_worst(span.duration_s))
            }
            SloFigure::Tpot | SloFigure::Itl | SloFigure::Queue | SloFigure::DecodeQueue => {
                self.among(&span.latency, &span.latency_decided)
            }
        }
    }

    /// The latency that the figure is of; `None` where it is of none.
    fn latency<'a>(&self, latency: &'a Latency) -> Option<&'a DistributionSummary> {
        match self.figure {
            SloFigure::Ttft => Some(&latency.ttft_s),
            SloFigure::Tpot => Some(&latency.tpot_s),
            SloFigure::Itl => Some(&latency.itl_s),
            SloFigure::E2e => Some(&latency.e2e_s),
            SloFigure::Queue => Some(&latency.queue_s),
            SloFigure::DecodeQueue => Some(&latency.decode_queue_s),
            SloFigure::OutputSpeed | SloFigure::Attainment | SloFigure::Lost => None,
        }
    }

    /// Decode's part of first tokens that come from it; `None` for other figures.
    pub fn waits(&self, latency: &Latency, decided: &Decided) -> Option<Waits> {
        let of = |wait: &DistributionSummary| statistic(wait, self.statistic).unwrap_or(0.0);
        let waits = quantile(&decided.decode_queue_s, self.statistic);
        (self.figure == SloFigure::Ttft).then(|| Waits {
            decode_s: waits.unwrap_or_else(|| of(&latency.decode_queue_s)),
            step_s: of(&latency.itl_s),
        })
    }

    /// The interval of the figure that the run's own batches give; `None`: they do not, as where somebody waits at the
    /// end for longer than they say.
    pub fn interval(&self, run: &RunSummary) -> Option<Interval> {
        let of_ended = |latency| statistic(latency, self.statistic);
        let ended = self.latency(&run.latency).map(of_ended);
        if ended.is_some_and(|ended| ended != self.of(run)) {
            return None;
        }
        let path = match self.figure.kind() {
            FigureKind::Speed => "decode.output_speed_tokens_per_s".to_owned(),
            FigureKind::Latency => {
                let (figure, statistic) = (self.figure.word(), self.statistic.word());
                format!("latency.{figure}_s.{statistic}")
            }
            FigureKind::Part => return None,
        };
        run.confidence.get(&path).copied()
    }

    /// The pools that alone decide the figure where prefill and decode are separate; `None`: both do. First
    /// tokens that come from decode are divided between them ([`super::trial::TrialRun::share`]).
    pub fn role(&self) -> Option<Role> {
        match self.figure {
            SloFigure::Ttft | SloFigure::Queue => Some(Role::Prefill),
            SloFigure::Tpot | SloFigure::Itl | SloFigure::OutputSpeed | SloFigure::DecodeQueue => {
                Some(Role::Decode)
            }
            SloFigure::E2e | SloFigure::Attainment | SloFigure::Lost => None,
        }
    }

    /// The best value that a pool can reach whose steps last `step_s`; `None`: that cannot be said. Of a median nothing
    /// can: half of the requests may be short.
    pub fn at_best(&self, role: Role, step_s: f64, tokens_per_step: f64) -> Option<f64> {
        let of_pool = role == Role::Mixed || self.role() == Some(role);
        if !of_pool || self.statistic == Statistic::P50 {
            return None;
        }
        match self.figure {
            SloFigure::Ttft => Some(step_s),
            SloFigure::Tpot => Some(step_s / tokens_per_step),
            SloFigure::OutputSpeed => Some(tokens_per_step / step_s),
            SloFigure::Itl
            | SloFigure::E2e
            | SloFigure::Queue
            | SloFigure::DecodeQueue
            | SloFigure::Attainment
            | SloFigure::Lost => None,
        }
    }

    /// How much of the limit a value takes: above 1 the promise is broken.
    pub fn strain(&self, value: Option<f64>) -> f64 {
        let Some(value) = value else {
            // A latency of nobody: the run has not served anybody, which is judged elsewhere.
            return if self.is_floor() { f64::INFINITY } else { 0.0 };
        };
        if self.is_floor() {
            self.limit / value.max(f64::MIN_POSITIVE)
        } else if value <= 0.0 {
            0.0
        } else {
            value / self.limit.max(f64::MIN_POSITIVE)
        }
    }

    /// A value of the figure, in words.
    pub fn show(&self, value: f64) -> String {
        match self.figure.kind() {
            FigureKind::Speed => format!("{} tokens/s", fixed(value, 2)),
            FigureKind::Part => percent(value),
            FigureKind::Latency => seconds(value),
        }
    }

    /// The name of the figure, as it is written.
    pub fn name(&self) -> String {
        let figure = self.figure.word();
        match self.figure.kind() {
            FigureKind::Part => figure.to_string(),
            FigureKind::Latency | FigureKind::Speed => {
                format!("{figure}_{}", self.statistic.word())
            }
        }
    }
}

impl fmt::Display for PlanSlo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_floor() { ">=" } else { "<=" };
        write!(f, "{} {sign} {}", self.name(), self.show(self.limit))
    }
}

fn named(name: &str) -> Option<(SloFigure, Statistic)> {
    let alone = SloFigure::named(name).filter(|figure| figure.kind() == FigureKind::Part);
    if let Some(figure) = alone {
        return Some((figure, Statistic::Mean));
    }
    let (figure, statistic) = name.rsplit_once('_')?;
    let (figure, statistic) = (SloFigure::named(figure)?, Statistic::named(statistic)?);
    let exists = match figure.kind() {
        FigureKind::Latency => true,
        FigureKind::Speed => statistic == Statistic::Mean,
        FigureKind::Part => false,
    };
    exists.then_some((figure, statistic))
}

/// The reason for refusing a name that no figure has, with the one that was probably meant.
fn unknown(name: &str) -> String {
    let statistics = |figure: SloFigure| {
        let name = move |which: Statistic| format!("{}_{}", figure.word(), which.word());
        let alone = Some(figure.word().to_string());
        alone
            .into_iter()
            .chain(Statistic::ALL.into_iter().map(name))
    };
    let all: Vec<String> = SloFigure::ALL.into_iter().flat_map(statistics).collect();
    let known = all
        .iter()
        .map(String::as_str)
        .filter(|name| named(name).is_some());
    match nearest(name, known) {
        Some(meant) => format!("there is no figure `{name}`, did you mean `{meant}`?"),
        None => format!("there is no figure `{name}`"),
    }
}

fn statistic(of: &DistributionSummary, which: Statistic) -> Option<f64> {
    match which {
        Statistic::Mean => of.mean,
        Statistic::P50 => of.p50,
        Statistic::P90 => of.p90,
        Statistic::P95 => of.p95,
        Statistic::P99 => of.p99,
        Statistic::P999 => of.p999,
    }
}

/// A quantile of requests whose latency is decided; `None` for the mean.
fn quantile(of: &Quantiles, which: Statistic) -> Option<f64> {
    match which {
        Statistic::Mean => None,
        Statistic::P50 => of.p50,
        Statistic::P90 => of.p90,
        Statistic::P95 => of.p95,
        Statistic::P99 => of.p99,
        Statistic::P999 => of.p999,
    }
}

fn attainment(run: &RunSummary) -> Option<f64> {
    let classes = run.classes.values().filter_map(|class| class.slo);
    classes.filter_map(|slo| slo.attainment).reduce(f64::min)
}

fn lost(r: &RequestCounts) -> f64 {
    let lost = r.rejected + r.failed;
    lost as f64 / ((lost + r.completed) as f64).max(1.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_shown() {
        let slo = PlanSlo::parse("ttft_p99 = 5s").unwrap();
        assert_eq!(
            (slo.figure, slo.statistic),
            (SloFigure::Ttft, Statistic::P99)
        );
        assert_eq!(slo.to_string(), "ttft_p99 <= 5.00 s");
        assert_eq!(slo.strain(Some(6.0)), 1.2);
        let speed = PlanSlo::parse("output_speed_mean=20").unwrap();
        assert_eq!(speed.strain(Some(25.0)), 0.8);
        assert_eq!(speed.strain(None), f64::INFINITY);
        assert_eq!(PlanSlo::parse("decode_queue_p95=1ms").unwrap().limit, 1e-3);
        assert_eq!(PlanSlo::parse("lost=0").unwrap().strain(Some(0.0)), 0.0);
        assert!(PlanSlo::parse("lost=0").unwrap().strain(Some(0.1)) > 1.0);
    }

    #[test]
    fn the_interval_is_that_of_the_figure() {
        let mut run = RunSummary::default();
        let one = Interval::around(1.0, 0.5);
        for (text, path) in [
            ("decode_queue_p95=1s", "latency.decode_queue_s.p95"),
            ("output_speed_mean=20", "decode.output_speed_tokens_per_s"),
        ] {
            let slo = PlanSlo::parse(text).unwrap();
            assert_eq!(slo.interval(&run), None);
            run.confidence.insert(path.to_owned(), one);
            assert_eq!(slo.interval(&run), Some(one));
        }
        assert_eq!(PlanSlo::parse("lost=0").unwrap().interval(&run), None);
    }

    #[test]
    fn what_is_no_target_is_refused_with_its_reason() {
        for (text, why) in [
            ("ttft_p99", "there is no `=`"),
            ("ttft_p98=1s", "there is no figure `ttft_p98`;"),
            (
                "tftt_p99=1s",
                "there is no figure `tftt_p99`, did you mean `ttft_p99`?",
            ),
            ("output_speed_p99=3", "there is no figure"),
            ("ttft_p99=5 parsecs", "`5 parsecs`"),
            ("output_speed_mean=fast", "`fast` is no number"),
            ("attainment=99", "out of bounds"),
            ("tpot_mean=0s", "out of bounds"),
        ] {
            let error = PlanSlo::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
            assert!(error.contains("write ttft_p99=5s"), "{error}");
        }
    }
}
