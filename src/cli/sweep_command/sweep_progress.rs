//! Progress of a sweep on stderr: one display for all threads on a terminal, one line at the end anywhere.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::interrupt::Interrupt;
use crate::experiment::sweep::entry::{Status, SweepEntry};
use crate::experiment::sweep::missing_runs::Listener;
use crate::report::format::{count, fixed, length};

/// A sweep's progress display.
#[derive(Debug)]
pub struct SweepProgress {
    bar: Option<ProgressBar>,
    is_quiet: bool,
    interrupt: Interrupt,
    began: Instant,
    /// Number of runs to do, and of those done before.
    to_do: usize,
    before: usize,
    ended: AtomicUsize,
    without_figures: AtomicUsize,
}

impl SweepProgress {
    /// A display of `to_do` runs beside `before` that were done before.
    pub fn new(enabled: bool, to_do: usize, before: usize, interrupt: Interrupt) -> Self {
        let bar = (enabled && std::io::stderr().is_terminal()).then(|| bar(to_do + before));
        if let Some(bar) = &bar {
            bar.set_position(before as u64);
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Self {
            bar,
            is_quiet: !enabled,
            interrupt,
            began: Instant::now(),
            to_do,
            before,
            ended: AtomicUsize::new(0),
            without_figures: AtomicUsize::new(0),
        }
    }

    /// Number of runs that have ended since the display began.
    pub fn count(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }

    /// Removes the bar and writes the last line.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.is_quiet {
            return;
        }
        let before = match self.before {
            0 => String::new(),
            n => format!("; {} were done before", count(n as u64)),
        };
        // nobody is left to hear that stderr is closed
        let _ = writeln!(
            std::io::stderr(),
            "{} runs in {} s{before}",
            count(self.count() as u64),
            fixed(self.began.elapsed().as_secs_f64(), 1)
        );
    }
}

impl Listener for SweepProgress {
    fn goes_on(&self) -> bool {
        !self.interrupt.has_come()
    }

    fn ended(&self, entry: &SweepEntry) {
        let ended = 1 + self.ended.fetch_add(1, Ordering::Relaxed);
        if entry.status != Status::Done {
            self.without_figures.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(bar) = &self.bar {
            bar.set_position((self.before + ended) as u64);
            let elapsed_s = self.began.elapsed().as_secs_f64();
            let left_s = elapsed_s / ended as f64 * self.to_do.saturating_sub(ended) as f64;
            let without = self.without_figures.load(Ordering::Relaxed);
            bar.set_message(status(left_s, without));
        }
    }
}

fn bar(length: usize) -> ProgressBar {
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(Some(length as u64), target);
    let style = ProgressStyle::with_template("{bar:24} {pos} of {len} runs  {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    bar
}

/// The text behind the bar: `2 min 5 s left, 3 without figures`.
fn status(left_s: f64, without: usize) -> String {
    let left = format!("{} left", length(libm::ceil(left_s)));
    match without {
        0 => left,
        n => format!("{left}, {} without figures", count(n as u64)),
    }
}
