//! Progress of a run on stderr: a bar with the simulated local time, the pace and what is left, on a
//! terminal; one line at the end anywhere. Wall-clock times appear here and nowhere in the results.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::format::{count, si};
use crate::scenario::Scenario;
use crate::units::{NS_PER_DAY, SimDuration, SimTime};

/// The time between two updates of the bar.
const REFRESH: Duration = Duration::from_millis(100);

/// A run's progress display.
#[derive(Debug)]
pub struct RunProgress {
    bar: Option<ProgressBar>,
    is_quiet: bool,
    total: SimDuration,
    /// Local time of day at which the simulation begins.
    origin: SimDuration,
    began: Instant,
    shown: Option<Instant>,
    requests: u64,
    /// Text in the place of the local time, where several runs are played.
    place: Option<String>,
}

impl RunProgress {
    /// A display of `total` simulated time of `scenario`, warm-up included. Without `enabled`
    /// (`--quiet`) it shows nothing; where stderr is no terminal, only the last line.
    pub fn new(enabled: bool, scenario: &Scenario, total: SimDuration) -> Self {
        let bar = (enabled && std::io::stderr().is_terminal()).then(|| bar(total));
        Self {
            bar,
            is_quiet: !enabled,
            total,
            origin: origin(scenario.start.time_of_day, scenario.warm_up),
            began: Instant::now(),
            shown: None,
            requests: 0,
            place: None,
        }
    }

    /// Tells where the simulation is. Cheap enough to be called thousands of times a second.
    pub fn at(&mut self, now: SimTime, requests_so_far: u64) {
        self.requests = requests_so_far;
        let Some(bar) = &self.bar else {
            return;
        };
        let instant = Instant::now();
        if self.shown.is_some_and(|shown| instant - shown < REFRESH) {
            return;
        }
        self.shown = Some(instant);
        let elapsed_s = (instant - self.began).as_secs_f64();
        let place = self.place.clone();
        let place = place.unwrap_or_else(|| clock(now + self.origin));
        bar.set_message(status(&place, now, self.total, requests_so_far, elapsed_s));
        bar.set_position(now.0.min(self.total.0));
    }

    /// Removes the bar, for a run that failed.
    pub fn abandon(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Removes the bar and writes the last line.
    pub fn finish(&self) {
        self.abandon();
        if self.is_quiet {
            return;
        }
        let line = last_line(self.requests, self.began.elapsed().as_secs_f64());
        // nobody is left to hear that stderr is closed
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

/// One progress display of several runs at once.
#[derive(Debug)]
pub struct Runs {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    progress: RunProgress,
    /// State of each run: simulated time in parts of one run of all, and its requests.
    at: Vec<(u64, u64)>,
    /// Whole time of each run, in the same parts.
    whole: Vec<u64>,
}

impl Runs {
    /// A display of these runs.
    pub fn new(enabled: bool, scenarios: &[Scenario]) -> Self {
        let runs = scenarios.len().max(1) as u64;
        let whole = |s: &Scenario| (s.warm_up + s.duration).0 / runs;
        let whole: Vec<u64> = scenarios.iter().map(whole).collect();
        let total = SimDuration(whole.iter().sum());
        let bar = (enabled && std::io::stderr().is_terminal()).then(|| bar(total));
        let progress = RunProgress {
            bar,
            is_quiet: !enabled,
            total,
            origin: SimDuration::ZERO,
            began: Instant::now(),
            shown: None,
            requests: 0,
            place: Some(String::new()),
        };
        let state = State {
            progress,
            at: vec![(0, 0); whole.len()],
            whole,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Tells where a run is.
    pub fn at(&self, run: usize, now: SimTime, requests: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = state.at.len() as u64;
        if let Some(at) = state.at.get_mut(run) {
            *at = (now.0 / runs, requests);
        }
        let now: u64 = state.at.iter().map(|(now, _)| now).sum();
        let requests = state.at.iter().map(|(_, requests)| requests).sum();
        let done = state.at.iter().zip(&state.whole);
        let done = done.filter(|((now, _), whole)| now >= whole).count();
        state.progress.place = Some(format!("{done} of {runs} runs"));
        state.progress.at(SimTime(now), requests);
    }

    /// The display, when all runs have ended.
    pub fn into_progress(self) -> RunProgress {
        let state = self.state.into_inner();
        state.unwrap_or_else(PoisonError::into_inner).progress
    }
}

fn bar(total: SimDuration) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total.0), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}");
    bar.set_style(
        style
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("█▉▊▋▌▍▎▏ "),
    );
    bar
}

/// The local time of day at which the simulation begins: `warm_up` before the start.
fn origin(start: SimDuration, warm_up: SimDuration) -> SimDuration {
    SimDuration((start.0 + NS_PER_DAY - warm_up.0 % NS_PER_DAY) % NS_PER_DAY)
}

/// The text behind the bar: `03:30  3.80 M requests/s  00:32 left`.
fn status(place: &str, now: SimTime, total: SimDuration, requests: u64, elapsed_s: f64) -> String {
    let pace = si(requests as f64 / elapsed_s.max(1e-3));
    let done = now.0 as f64 / (total.0 as f64).max(1.0);
    if done <= 0.0 || elapsed_s < 0.5 {
        return format!("{place}  {pace} requests/s");
    }
    let left_s = (elapsed_s / done - elapsed_s).max(0.0);
    format!("{place}  {pace} requests/s  {} left", minutes(left_s))
}

/// The last line of a run's display: `155,512,204 requests in 41.2 s (3.77 M/s)`.
fn last_line(requests: u64, elapsed_s: f64) -> String {
    let pace = si(requests as f64 / elapsed_s.max(1e-3));
    format!(
        "{} requests in {elapsed_s:.1} s ({pace}/s)",
        count(requests)
    )
}

/// The local time of day, if the simulation begins at midnight: `03:30`.
fn clock(time: SimTime) -> String {
    let minute = time.0 % NS_PER_DAY / (NS_PER_DAY / 1_440);
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// A time in minutes and seconds: `00:32`, `75:00`.
fn minutes(s: f64) -> String {
    let s = libm::ceil(s) as u64;
    format!("{:02}:{:02}", s / 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::NS_PER_HOUR;

    #[test]
    fn the_status_shows_local_time_pace_and_what_is_left() {
        let total = SimDuration(24 * NS_PER_HOUR);
        let noon = SimDuration(12 * NS_PER_HOUR);
        let now = SimTime(NS_PER_HOUR * 31 / 2);
        let place = clock(now + noon);
        let status_at = |elapsed_s| status(&place, now, total, 76_000_000, elapsed_s);
        assert_eq!(status_at(20.0), "03:30  3.80 M requests/s  00:11 left");
        assert_eq!(status_at(0.25), "03:30  304.0 M requests/s");
    }

    #[test]
    fn the_simulation_begins_before_the_start() {
        let hours = |h: u64| SimDuration(h * NS_PER_HOUR);
        assert_eq!(origin(hours(12), hours(1)), hours(11));
        assert_eq!(origin(hours(1), hours(49)), hours(0));
        assert_eq!(origin(hours(0), hours(1)), hours(23));
    }

    #[test]
    fn the_last_line_says_how_fast_it_was() {
        assert_eq!(
            last_line(155_512_204, 41.2),
            "155,512,204 requests in 41.2 s (3.77 M/s)"
        );
        assert_eq!(last_line(0, 0.0), "0 requests in 0.0 s (0.00/s)");
    }

    #[test]
    fn a_run_longer_than_its_total_has_nothing_left() {
        let text = status("00:00", SimTime(2_000), SimDuration(1_000), 1, 10.0);
        assert!(text.ends_with("00:00 left"), "{text}");
    }
}
