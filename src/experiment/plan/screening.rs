//! Steady-state arithmetic on the step times that the engine itself uses: what a candidate can do at best.
//!
//! A unit under even load repeats a step of which the length follows from what it holds, and what it holds
//! follows, by Little's law, from the step's length s:
//!
//! * prefill: a rank to which r requests a second come computes r s prompts in a step;
//! * decode: r S s requests are on a rank, S being the steps of a request;
//! * mixed: both at once.
//!
//! Iterated from an empty step, s grows to the least solution. Where it passes what a batch or the memory
//! holds, more comes than can be served. Everything is taken as even over ranks, units and time, so the
//! answer is *optimistic*: what fails here fails in a simulation; what passes here is only promising.

use super::average_load::OfferedLoad;
use crate::catalog::KvShape;
use crate::perf::{DecodeLoads, KnownSteps, MixedLoad, PrefillLoad, StepTimes};
use crate::scenario::{Pool, Role, Scenario};
use crate::units::NS_PER_S;

/// Most iterations of a fixed point; one that still grows then is close to its limit.
const ITERATIONS: usize = 400;
/// Relative change of a round at which the fixed point has been found.
const CLOSE: f64 = 1e-6;

/// Arithmetic of a scenario: its compiled step times, and its pools.
#[derive(Clone, Debug)]
pub struct Screen {
    times: StepTimes,
    pools: Vec<Pool>,
    kv: KvShape,
    per_step: f64,
    /// Tokens of the model's windows; 0 where no layer has one.
    window: f64,
}

/// The step that arithmetic expects of one pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ExpectedPace {
    /// A step of so many seconds.
    Step(f64),
    /// An overload: more comes than the units can serve.
    Overload,
}

impl ExpectedPace {
    /// The step's length in seconds; an overloaded pool's is infinite.
    pub fn seconds(self) -> f64 {
        match self {
            Self::Step(s) => s,
            Self::Overload => f64::INFINITY,
        }
    }
}

impl Screen {
    /// The arithmetic of a scenario whose capacities are known.
    ///
    /// # Errors
    /// Where its step times cannot be compiled.
    pub fn new(scenario: &Scenario, known: &KnownSteps) -> Result<Self, String> {
        Ok(Self {
            times: StepTimes::compile_knowing(scenario, known)?,
            pools: scenario.pools.clone(),
            kv: scenario.kv,
            per_step: f64::from(scenario.mtp.progress_1024) / 1024.0,
            window: f64::from(scenario.kv.window_tokens),
        })
    }

    /// Tokens that a request gets in a step.
    pub fn tokens_per_step(&self) -> f64 {
        self.per_step
    }

    /// The expected step of a pool of `units` units under `per_s` requests like those of `load`.
    pub fn pace(&self, pool: usize, units: u32, load: &OfferedLoad, per_s: f64) -> ExpectedPace {
        let pool = &self.pools[pool];
        let ranks = f64::from(units) * f64::from(pool.replicas) * f64::from(pool.ranks);
        let rate = per_s / ranks.max(f64::MIN_POSITIVE);
        match pool.role {
            Role::Prefill => self.prefill(pool, rate, load),
            Role::Decode => self.decode(pool, rate, load),
            Role::Mixed => self.mixed(pool, rate, load),
        }
    }

    /// KV within windows of `requests` requests, in 1/1024 token.
    fn within(&self, requests: f64, load: &OfferedLoad) -> u64 {
        (requests * load.kv.min(self.window) * 1024.0) as u64
    }

    fn prefill(&self, pool: &Pool, rate: f64, load: &OfferedLoad) -> ExpectedPace {
        fixed_point(|s| {
            let prompts = rate * s;
            let rank = PrefillLoad {
                tokens: (prompts * load.computed).max(1.0) as u64,
                pairs: (prompts * load.pairs) as u64,
            };
            let most_pairs = pool.max_batch_pairs.unwrap_or(u64::MAX);
            let fits = rank.tokens <= u64::from(pool.max_batch_tokens)
                && rank.pairs <= most_pairs
                && prompts <= f64::from(pool.max_batch_requests);
            fits.then(|| in_seconds(self.times.prefill_step(&alike(pool, rank)).0))
        })
    }

    fn decode(&self, pool: &Pool, rate: f64, load: &OfferedLoad) -> ExpectedPace {
        let steps = load.decoded / self.per_step;
        fixed_point(|s| {
            let requests = rate * steps * s;
            self.fits(pool, requests, load).then(|| {
                let at = |n: f64| {
                    let loads = DecodeLoads {
                        requests: &alike(pool, n as u32),
                        kv_1024: &alike(pool, (n * load.kv * 1024.0) as u64),
                        window_1024: &alike(pool, self.within(n, load)),
                    };
                    in_seconds(self.times.decode_step(loads).0)
                };
                let whole = requests.floor();
                let (low, high) = (at(whole), at(whole + 1.0));
                low + (high - low) * (requests - whole)
            })
        })
    }

    fn mixed(&self, pool: &Pool, rate: f64, load: &OfferedLoad) -> ExpectedPace {
        let steps = load.decoded / self.per_step;
        fixed_point(|s| {
            let (prompts, requests) = (rate * s, rate * steps * s);
            let rank = MixedLoad {
                prefill: PrefillLoad {
                    tokens: (prompts * load.computed) as u64,
                    pairs: (prompts * load.pairs) as u64,
                },
                // Somebody is there, or there would be no step.
                requests: requests.max(1.0) as u32,
                kv_1024: (requests * load.kv * 1024.0) as u64,
                window_1024: self.within(requests, load),
                chunks: prompts as u32,
                joins: prompts as u32,
            };
            let tokens = rank.prefill.tokens + u64::from(rank.requests);
            let fits =
                self.fits(pool, requests, load) && tokens <= u64::from(pool.max_batch_tokens);
            fits.then(|| in_seconds(self.times.mixed_step(&alike(pool, rank)).0))
        })
    }

    /// Whether `requests` requests have places and memory on a rank. A capacity counts tokens that every layer
    /// keeps; layers with a window keep fewer (S9).
    fn fits(&self, pool: &Pool, requests: f64, load: &OfferedLoad) -> bool {
        let each = self.kv.bytes_of_request(load.kv) / self.kv.bytes_per_token().max(1) as f64;
        let capacity = pool.kv_capacity_tokens.unwrap_or(u64::MAX) as f64;
        requests <= f64::from(pool.max_batch_requests) && requests * each <= capacity
    }
}

/// The load of a unit whose ranks are alike.
fn alike<T: Clone>(pool: &Pool, rank: T) -> Vec<T> {
    vec![rank; pool.ranks as usize]
}

/// The least s with s = step(s), from below; `step` is `None` where nothing holds so much.
fn fixed_point(step: impl Fn(f64) -> Option<f64>) -> ExpectedPace {
    let mut s = 0.0;
    for _ in 0..ITERATIONS {
        let Some(next) = step(s) else {
            return ExpectedPace::Overload;
        };
        let is_found = next <= s * (1.0 + CLOSE);
        s = next;
        if is_found {
            break;
        }
    }
    ExpectedPace::Step(s)
}

fn in_seconds(ns: u64) -> f64 {
    ns as f64 / NS_PER_S as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_step_has_the_closed_form() {
        // s = 0.01 + 0.5 s, and s = 0.01 + 1.5 s has no solution
        let half = fixed_point(|s| Some(0.01 + 0.5 * s));
        assert!((half.seconds() - 0.02).abs() < 1e-6);
        let full = fixed_point(|s| (s < 1.0).then_some(0.01 + 1.5 * s));
        assert_eq!(full, ExpectedPace::Overload);
    }

    #[test]
    fn the_published_split_is_near_its_limits_and_half_of_it_is_beyond() {
        let scenario = crate::scenario::load("deepseek-day", &[]).unwrap();
        let scenario = crate::perf::with_capacities(&scenario).unwrap();
        let screen = Screen::new(&scenario, &KnownSteps::default()).unwrap();
        let load = super::super::average_load::Loads::of(&scenario)
            .unwrap()
            .day();
        let decode = |units| screen.pace(1, units, &load, load.peak_per_s);
        assert!(decode(9).seconds() < 0.2);
        assert_eq!(decode(4), ExpectedPace::Overload);
        assert!(decode(12).seconds() < decode(9).seconds());
        let prefill = |units| screen.pace(0, units, &load, load.peak_per_s);
        assert!(prefill(29).seconds() < prefill(26).seconds());
        assert_eq!(prefill(14), ExpectedPace::Overload);
    }
}
