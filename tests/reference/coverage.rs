//! What scenarios exercise: what is in the file, and what happened when it was played. A generator that
//! no longer reaches a feature fails the test.

use std::collections::BTreeMap;

use tokentide::scenario::{
    Admission, ArrivalKind, Batching, Class, ClosedLoop, Law, LengthLaw, Performance, Pool, Role,
    Router, Scenario,
};

/// How many scenarios in ten thousand must have each: about half of what they have.
const LEAST_IN_10_000: &[(&str, u64)] = &[
    ("KV arrival", 4_200),
    ("KV arrival with arrival", 450),
    ("KV in transfer changes its destination", 120),
    ("a decode queue rejects", 240),
    ("a decode step would outlast its unit", 390),
    ("a half-prefilled request starts again", 360),
    ("a last step makes more tokens than are left", 790),
    ("a preempted request is moved before it rejoins", 11),
    ("a preempted request is rejected", 31),
    ("a preempted request rejoins", 260),
    ("a preempted request waits for its KV", 310),
    ("a prefill queue rejects", 980),
    ("a prefill step would outlast its unit", 650),
    ("a prompt needs several batches", 4_600),
    ("a request is moved twice", 19),
    ("a request is too large for any rank", 960),
    ("a request leaves a released decode unit", 410),
    ("a request leaves a released prefill unit", 570),
    ("a single token is over the budget of pairs", 360),
    ("a stale report misleads the decode router", 510),
    ("a stale report misleads the prefill router", 820),
    ("a transfer waits for its link", 1_200),
    ("admission waits for KV memory", 810),
    ("admission waits for a batch slot", 530),
    ("an urgent request goes before others", 1_400),
    ("attention pairs cut a chunk", 1_100),
    ("budget of pairs", 1_700),
    ("changing rate", 3_200),
    ("constant lengths", 2_500),
    ("current", 3_400),
    ("decode before prefill", 2_600),
    ("decode step end", 3_700),
    ("decode step end with KV arrival", 600),
    ("decode step end with arrival", 300),
    ("deterministic", 3_800),
    ("discounts", 3_700),
    ("drain", 3_700),
    ("empirical lengths", 1_700),
    ("exponential lengths", 1_700),
    ("gamma lengths", 2_900),
    ("hits", 1_100),
    ("hundreds of steps", 100),
    ("least length", 1_700),
    ("least-kv", 3_400),
    ("least-loaded", 3_800),
    ("lognormal lengths", 1_700),
    ("mixed lengths", 3_000),
    ("multi-token prediction", 1_700),
    ("no decode pool", 610),
    ("no decode unit serves", 630),
    ("no prefill unit serves", 900),
    ("no queue allowed", 760),
    ("periods", 520),
    ("poisson", 3_100),
    ("preemption", 500),
    ("preemption with several tokens a step", 120),
    ("prefill step end", 5_300),
    ("prefill step end with KV arrival", 1_200),
    ("prefill step end with arrival", 930),
    ("prefill step end with decode step end", 580),
    ("priorities", 2_200),
    ("recorded", 800),
    ("report", 3_500),
    ("report with KV arrival", 250),
    ("report with arrival", 1_500),
    ("report with decode step end", 170),
    ("report with prefill step end", 520),
    ("report with schedule change", 790),
    ("reserve", 1_700),
    ("resident KV migrates", 360),
    ("round-robin", 3_000),
    ("schedule change", 2_700),
    ("schedule change with KV arrival", 93),
    ("schedule change with arrival", 990),
    ("schedule change with decode step end", 61),
    ("schedule change with prefill step end", 240),
    ("several arrivals at one instant", 1_000),
    ("several classes", 2_900),
    ("several preemptions at once", 91),
    ("sloping rate", 2_000),
    ("start-up", 3_700),
    ("targets", 2_500),
    ("the decode pool rejects while no unit serves", 150),
    ("the prefill pool rejects while no unit serves", 270),
    ("uniform lengths", 1_700),
    ("warm-up", 3_600),
    ("who joined for no step migrates", 190),
];

/// Counts scenarios by feature.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    pub scenarios: u64,
    pub counts: BTreeMap<String, u64>,
}

impl Coverage {
    /// Counts what one scenario has and what happened in it.
    pub fn add(&mut self, scenario: &Scenario, seen: &BTreeMap<String, u64>) {
        self.scenarios += 1;
        let has = features(scenario).into_iter();
        for feature in has.chain(seen.keys().map(String::as_str)) {
            *self.counts.entry(feature.to_owned()).or_default() += 1;
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.scenarios += other.scenarios;
        for (feature, count) in other.counts {
            *self.counts.entry(feature).or_default() += count;
        }
    }

    /// What came up too rarely. Small samples may miss by chance what is rare, so that half of what is
    /// due suffices.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for &(feature, least) in LEAST_IN_10_000 {
            let count = self.counts.get(feature).copied().unwrap_or_default();
            let due = least * self.scenarios / 10_000;
            if count < due / 2 {
                missing.push(format!("{feature}: {count}, {due} were due"));
            }
        }
        missing
    }
}

/// What is in a scenario.
fn features(scenario: &Scenario) -> Vec<&'static str> {
    let priorities = scenario.classes.iter().map(|c| c.priority);
    let mut all = vec![
        ("multi-token prediction", scenario.mtp.is_some()),
        ("warm-up", scenario.warm_up.0 > 0),
        (
            "no decode pool",
            scenario.pools.len() == 1 && scenario.pools[0].role == Role::Prefill,
        ),
        (
            "decode before prefill",
            scenario.pools[0].role == Role::Decode,
        ),
        ("several classes", scenario.classes.len() > 1),
        ("priorities", priorities.clone().min() != priorities.max()),
        ("intervals", scenario.report_every.is_some()),
        (times(&scenario.performance), true),
    ];
    scenario
        .pools
        .iter()
        .for_each(|pool| all.extend(of_pool(pool)));
    scenario
        .classes
        .iter()
        .for_each(|class| all.extend(of_class(class)));
    let mut found: Vec<&str> = all
        .into_iter()
        .filter(|(_, has)| *has)
        .map(|(feature, _)| feature)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn times(performance: &Performance) -> &'static str {
    match performance {
        Performance::Linear(_) => "linear step times",
        Performance::Roofline(_) => "step times from first principles",
        Performance::Table(_) => "measured step times",
    }
}

fn of_pool(pool: &Pool) -> [(&'static str, bool); 14] {
    let generates = pool.role != Role::Prefill;
    let is_mixed = pool.role == Role::Mixed;
    let batches = |batching| is_mixed && pool.batching == batching;
    [
        ("mixed pool", is_mixed),
        ("chunked", batches(Batching::Chunked)),
        ("prefill-first", batches(Batching::PrefillFirst)),
        ("whole", batches(Batching::Whole)),
        ("look-ahead", pool.look_ahead),
        ("round-robin", pool.router == Router::RoundRobin),
        ("least-loaded", pool.router == Router::LeastLoaded),
        ("least-kv", pool.router == Router::LeastKv),
        ("start-up", pool.schedule.start_up.0 > 0),
        ("drain", pool.schedule.drain.0 > 0),
        ("no queue allowed", pool.max_queue_requests == Some(0)),
        ("budget of pairs", pool.max_batch_pairs.is_some()),
        ("reserve", generates && pool.admission == Admission::Reserve),
        ("current", generates && pool.admission == Admission::Current),
    ]
}

fn of_class(class: &Class) -> [(&'static str, bool); 17] {
    let arrivals = &class.arrivals;
    let closed = match &arrivals.kind {
        ArrivalKind::ClosedLoop(closed) => Some(closed),
        _ => None,
    };
    let users = |has: fn(&ClosedLoop) -> bool| closed.is_some_and(has);
    let price = class.price.as_ref();
    [
        ("poisson", arrivals.kind == ArrivalKind::Poisson),
        ("deterministic", arrivals.kind == ArrivalKind::Deterministic),
        ("users", closed.is_some()),
        ("users who think", users(|c| c.think_time.0 > 0)),
        ("users who think exponentially", users(|c| c.exponential)),
        ("users who begin one by one", users(|c| c.ramp_up.0 > 0)),
        ("so many requests of users", users(|c| c.requests.is_some())),
        ("recorded", matches!(arrivals.kind, ArrivalKind::Trace(_))),
        ("changing rate", arrivals.rate.len() > 1),
        (
            "sloping rate",
            arrivals
                .rate
                .iter()
                .any(|s| s.rate_from_per_s != s.rate_to_per_s),
        ),
        ("periods", arrivals.periods.len() > 1),
        (
            "hits",
            arrivals.periods.iter().any(|period| period.hit_rate > 0.0),
        ),
        (
            "discounts",
            class.discounts && price.is_some_and(|p| !p.discounts.is_empty()),
        ),
        ("targets", class.slo.is_some()),
        ("least length", class.input.min > 1 || class.output.min > 1),
        (law(&class.input), true),
        (law(&class.output), true),
    ]
}

fn law(lengths: &LengthLaw) -> &'static str {
    match lengths.law {
        Law::Constant { .. } => "constant lengths",
        Law::Uniform { .. } => "uniform lengths",
        Law::Exponential { .. } => "exponential lengths",
        Law::Lognormal { .. } => "lognormal lengths",
        Law::Gamma { .. } => "gamma lengths",
        Law::Mixture { .. } => "mixed lengths",
        Law::Empirical { .. } => "empirical lengths",
    }
}
