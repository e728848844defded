//! Plays a scenario with twenty seeds and judges what is known of it.

use std::path::Path;
use std::thread;

use tokentide::internals::experiment::run;
use tokentide::internals::report::summary::RunSummary;
use tokentide::internals::scenario::{KeyChange, load};
use tokentide::internals::units::SimDuration;

use crate::support;

/// Independent runs behind every check.
const SEEDS: u64 = 20;
/// Student's t with 19 degrees of freedom: two-sided 99.9 % (standard tables).
const T_999: f64 = 3.8834;

/// How long systems are played, and how close they have to come.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// A part of their own time.
    pub shorter: u64,
    /// Times their own closeness.
    pub room: f64,
}

impl Form {
    /// Their own time, within their own closeness.
    pub const WHOLE: Self = Self {
        shorter: 1,
        room: 1.0,
    };
    /// A hundredth of it.
    pub const SHORT: Self = Self {
        shorter: 100,
        room: 15.0,
    };

    /// The form that is asked for: noise falls with the root of the time.
    pub fn asked(what: &str) -> Self {
        if !support::slow(what) {
            return Self::SHORT;
        }
        let shorter = support::shorter();
        Self {
            shorter,
            room: (shorter as f64).sqrt(),
        }
    }
}

/// Reads a figure of a run.
pub type Read = fn(&RunSummary) -> Option<f64>;

/// A figure of the runs and its known value.
pub struct Known {
    pub name: &'static str,
    pub read: Read,
    pub value: f64,
    /// A quantile comes out of a histogram: close, but the interval need not hold it.
    pub in_interval: bool,
    /// How far the mean may be, and how wide half of the interval, as parts of the value.
    pub close: f64,
}

/// A mean whose value is known: within 1 %.
pub fn known(name: &'static str, value: f64, read: Read) -> Known {
    Known {
        name,
        read,
        value,
        in_interval: true,
        close: 0.01,
    }
}

/// A system: a scenario of tests/closed_forms/ with changes, and what is known of it.
pub struct System {
    pub file: &'static str,
    pub set: Vec<String>,
    pub knowns: Vec<Known>,
}

/// A system whose first known value is the one that counts among many systems.
pub fn system(file: &'static str, set: &[&str], knowns: Vec<Known>) -> System {
    let set = set.iter().map(|s| (*s).to_owned()).collect();
    System { file, set, knowns }
}

/// One known value, as it came out.
#[derive(Debug)]
pub struct Finding {
    /// What it is.
    pub what: String,
    /// The normal deviate that is as likely as the distance from the known value.
    pub z: f64,
    /// What does not agree.
    pub wrong: Vec<String>,
}

impl System {
    /// Plays the system with every seed after `base`, in order of the seeds.
    fn play(&self, base: u64, shorter: u64) -> Vec<RunSummary> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/closed_forms")
            .join(self.file);
        let whole = match load(&path.to_string_lossy(), &self.set) {
            Ok(scenario) => scenario,
            Err(mistakes) => panic!("{}:\n{mistakes}", self.file),
        };
        let duration = SimDuration(whole.duration.0 / shorter);
        let scenario = whole.with(&[KeyChange::set("duration", duration)]);
        let scenario = scenario.unwrap_or_else(|mistakes| panic!("{}:\n{mistakes}", self.file));
        let one = |seed| {
            let scenario = scenario.clone().with_seed(base + seed);
            run(&scenario, 1).unwrap_or_else(|why| panic!("{}, seed {seed}: {why}", self.file))
        };
        let half = |from: u64| (from..=SEEDS).step_by(2).map(one).collect::<Vec<_>>();
        thread::scope(|scope| {
            let even = scope.spawn(|| half(2));
            let odd = half(1);
            let even = even.join().expect("a panic is reported above");
            odd.into_iter()
                .zip(even)
                .flat_map(|(odd, even)| [odd, even])
                .collect()
        })
    }

    /// Judges every known value: within its interval, and with the room of the form within its closeness.
    pub fn judge(&self, base: u64, form: Form) -> Vec<Finding> {
        let Form { shorter, room } = form;
        let runs = self.play(base, shorter);
        let findings = self.knowns.iter().map(|known| {
            let what = format!("{} {:?}: {}", self.file, self.set, known.name);
            let values: Option<Vec<f64>> = runs.iter().map(known.read).collect();
            let Some(values) = values else {
                return Finding {
                    wrong: vec![format!("{what}: not in the summary")],
                    z: f64::NAN,
                    what,
                };
            };
            known.finding(what, &values, known.close * room)
        });
        findings.collect()
    }
}

impl Known {
    fn finding(&self, what: String, values: &[f64], close: f64) -> Finding {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
        let error = (variance / n).sqrt();
        let (half, off) = (T_999 * error, mean - self.value);
        let z = normal((off / error).abs(), n - 1.0).copysign(off);
        eprintln!(
            "{what} = {mean:.8} +- {half:.8} (99.9 %), known {:.8}, off by {:+.3} %, z {z:+.2}",
            self.value,
            100.0 * off / self.value
        );
        let mut wrong = Vec::new();
        if self.in_interval && off.abs() > half {
            let known = self.value;
            wrong.push(format!("{what}: {mean} +- {half} does not hold {known}"));
        }
        if off.abs() > close * self.value {
            let known = self.value;
            wrong.push(format!("{what}: {mean} is not within {close} of {known}"));
        }
        if half > 2.0 * close * self.value {
            wrong.push(format!("{what}: +- {half} is too wide to tell"));
        }
        Finding { what, z, wrong }
    }
}

/// The normal deviate as likely as Student's `t` (Wallace 1959, good to 1 % here).
fn normal(t: f64, freedom: f64) -> f64 {
    let factor = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0);
    factor * (freedom * libm::log1p(t * t / freedom)).sqrt()
}

/// Plays systems and panics where they disagree with what is known.
pub fn check(systems: &[System]) {
    let form = Form::asked("the long form, within 1 %");
    let findings = systems.iter().flat_map(|system| system.judge(0, form));
    let wrong: Vec<String> = findings.flat_map(|finding| finding.wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
