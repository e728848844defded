//! What scenarios exercise: what is in the file, and what happened when it was played. A generator that
//! no longer reaches a feature fails the test.

use std::collections::BTreeMap;

use tokentide::internals::scenario::{
    Admission, ArrivalKind, Batching, Class, ClosedLoop, Law, LengthLaw, Performance, Pool,
    RankBalance, Role, Router, Scenario, ThinkLaw,
};

use crate::world::first_from_decode;

/// How many scenarios in ten thousand must have each: about half of what they have.
const LEAST_IN_10_000: &[(&str, u64)] = &[
    ("KV arrival", 2_300),
    ("KV arrival with arrival", 200),
    ("KV comes to a pool of which no unit serves", 310),
    ("KV in transfer changes its destination", 51),
    ("KV migrates before its first token", 53),
    ("a decode queue rejects", 130),
    ("a decode step would outlast its unit", 150),
    ("a dropped request is computed again", 110),
    ("a first token comes from decode", 1_200),
    ("a half-prefilled request starts again", 170),
    ("a last step makes more tokens than are left", 820),
    ("a mixed queue rejects", 340),
    ("a mixed step would outlast its unit", 240),
    ("a preempted request is behind more urgent ones", 27),
    ("a preempted request is moved before it rejoins", 6),
    ("a preempted request is rejected", 14),
    ("a preempted request is rejected by a mixed queue", 5),
    ("a preempted request leaves a released mixed unit", 6),
    ("a preempted request rejoins", 100),
    ("a preempted request waits for its KV", 120),
    ("a prefill queue rejects", 440),
    ("a prefill rank's cache lets blocks go", 380),
    ("a prefill step would outlast its unit", 280),
    ("a prefix cache lets blocks go", 140),
    ("a prompt needs several batches", 2_400),
    ("a prompt needs several mixed steps", 1_300),
    ("a prompt's beginning is found", 180),
    ("a prompt's beginning is found by prefill", 480),
    ("a prompt's beginning is shared", 100),
    ("a receiver is done after the sender", 520),
    ("a request is longer than the context", 530),
    ("a request is moved twice", 13),
    ("a request is too large for any mixed rank", 340),
    ("a request is too large for any rank", 390),
    ("a request leaves a released decode unit", 170),
    ("a request leaves a released mixed unit", 210),
    ("a request leaves a released prefill unit", 250),
    ("a router asks for contents", 800),
    ("a sender finds its receiver busy", 530),
    ("a session goes on", 450),
    ("a single token is over the budget of pairs", 200),
    ("a single token is over the budget of time", 100),
    ("a stale report misleads the decode router", 330),
    ("a stale report misleads the mixed router", 280),
    ("a stale report misleads the prefill router", 460),
    ("a transfer waits for its link", 620),
    ("a user is turned away", 330),
    ("a user's request arrives with others", 31),
    ("admission waits for KV memory", 390),
    ("admission waits for a batch slot", 300),
    ("an urgent request goes before others", 540),
    ("an urgent request goes before others in a mixed pool", 460),
    ("answers take the whole budget", 310),
    ("attention pairs cut a chunk", 580),
    ("balance by KV differs from another", 26),
    ("balance by requests differs from another", 32),
    ("balance by time differs from another", 69),
    ("budget of pairs", 880),
    ("budget of time", 800),
    ("changing rate", 2_000),
    ("chunked", 600),
    ("constant lengths", 1_800),
    ("context", 2_500),
    (
        "controlled: KV goes on to another unit than the lost one",
        560,
    ),
    ("controlled: KV is lost with its sender", 370),
    ("controlled: a decode step is lost", 1_600),
    ("controlled: a mixed step is lost", 1_400),
    ("controlled: a prefill step is lost", 2_200),
    (
        "controlled: a prompt is computed again with what was emitted",
        1_000,
    ),
    ("controlled: a request comes back from decode", 1_600),
    ("controlled: a request fails with its unit", 3_100),
    ("controlled: somebody who has tokens loses its KV", 1_400),
    ("copies", 1_200),
    ("current", 3_000),
    ("decode before prefill", 1_300),
    ("decode step end", 2_100),
    ("decode step end with KV arrival", 270),
    ("decode step end with arrival", 230),
    ("deterministic", 2_500),
    ("discounts", 3_100),
    ("drain", 2_700),
    ("empirical lengths", 2_000),
    ("experts over ranks", 140),
    ("exponential lengths", 1_300),
    ("first tokens from decode", 1_500),
    ("front end", 2_500),
    ("gamma lengths", 2_300),
    ("hits", 950),
    ("hundreds of steps", 100),
    ("intervals", 980),
    ("least length", 1_600),
    ("least-kv", 1_800),
    ("least-loaded", 1_900),
    ("least-time", 1_700),
    ("less is found than was known", 110),
    ("linear step times", 4_100),
    ("lognormal lengths", 1_300),
    ("look-ahead", 780),
    ("look-ahead leaves a request for the step after", 500),
    ("measured step times", 400),
    ("mixed admission waits for KV memory", 340),
    ("mixed admission waits for a place", 280),
    ("mixed admission waits for room in the batch", 820),
    ("mixed balance by KV differs from another", 29),
    ("mixed balance by requests differs from another", 35),
    ("mixed balance by time differs from another", 70),
    ("mixed lengths", 2_300),
    ("mixed pool", 1_900),
    ("mixed preemption for the third time", 12),
    ("mixed preemption of somebody who decodes", 190),
    (
        "mixed preemption of somebody whose prompt is being computed",
        29,
    ),
    ("mixed step end", 1_800),
    ("mixed step end with arrival", 260),
    ("multi-token prediction", 1_500),
    ("a newcomer waits until the unit looks", 30),
    ("no decode pool", 260),
    ("no decode unit serves", 320),
    ("no mixed unit serves", 280),
    ("no prefill unit serves", 430),
    ("no queue allowed", 560),
    ("periods", 310),
    ("poisson", 2_000),
    ("power-of-two", 1_400),
    ("preemption", 200),
    ("preemption with several tokens a step", 43),
    ("prefill step end", 2_800),
    ("prefill step end with KV arrival", 620),
    ("prefill step end with arrival", 420),
    ("prefill step end with decode step end", 270),
    ("prefill-first", 640),
    ("prefix cache", 1_400),
    ("prefix-balance", 170),
    ("prefix-cost", 250),
    ("prefix-score", 200),
    ("priorities", 1_800),
    ("prompts and answers share a step", 530),
    ("prompts by time", 550),
    ("prompts dealt by time go elsewhere than by tokens", 100),
    ("prompts wait for a fuller batch", 30),
    ("prompts wait for their turn among steps", 60),
    ("ranks by KV", 440),
    ("ranks by requests", 430),
    ("ranks by time", 870),
    ("recorded", 770),
    ("recorded blocks", 110),
    ("report", 2_500),
    ("report with KV arrival", 130),
    ("report with arrival", 1_400),
    ("report with decode step end", 86),
    ("report with mixed step end", 93),
    ("report with prefill step end", 260),
    ("report with schedule change", 470),
    ("reserve", 1_500),
    ("resident KV migrates", 140),
    ("round-robin", 1_700),
    ("schedule change", 1_900),
    ("schedule change with KV arrival", 44),
    ("schedule change with arrival", 600),
    ("schedule change with decode step end", 35),
    ("schedule change with mixed step end", 32),
    ("schedule change with prefill step end", 83),
    ("session-sticky", 180),
    ("several arrivals at one instant", 1_700),
    ("several classes", 2_400),
    ("several drafts", 770),
    ("several mixed preemptions at once", 24),
    ("several preemptions at once", 29),
    ("several ranks", 2_300),
    ("several senders are done at one instant", 590),
    ("shared nodes", 1_000),
    ("sloping rate", 1_200),
    ("so many requests of users", 800),
    ("somebody has more KV than a window", 410),
    ("somebody who decodes recomputes elsewhere", 130),
    ("somebody who decodes waits for a step", 360),
    ("start-up", 2_700),
    ("states", 300),
    ("step times from first principles", 290),
    ("targets", 2_000),
    ("the decode pool rejects while no unit serves", 80),
    ("the first step of an answer is its last", 690),
    ("the mixed pool rejects while no unit serves", 64),
    ("the prefill pool rejects while no unit serves", 96),
    ("the time of a batch cuts a chunk", 270),
    ("those who decode wait for prompts", 370),
    ("uniform lengths", 1_300),
    ("units smaller than a node", 2_200),
    ("users", 1_100),
    ("users who begin one by one", 650),
    ("users who think", 890),
    ("users who think exponentially", 500),
    ("warm-up", 3_000),
    ("who joined for no step migrates", 89),
    ("whole", 630),
    ("windows", 1_100),
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

    /// What must come up and is not in the list.
    fn unlisted() -> Vec<&'static str> {
        let mut words = Router::ALL.map(Router::word).to_vec();
        words.extend(Batching::ALL.map(Batching::word));
        words.extend(Admission::ALL.map(Admission::word));
        words.retain(|word| LEAST_IN_10_000.iter().all(|(listed, _)| listed != word));
        words
    }

    /// What came up too rarely. Small samples may miss by chance what is rare, so that half of what is
    /// due suffices.
    pub fn missing(&self) -> Vec<String> {
        let unlisted = Self::unlisted().into_iter();
        let mut missing: Vec<String> = unlisted
            .map(|word| format!("{word}: say how often it is due"))
            .collect();
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
    let roofline = matches!(scenario.performance, Performance::Roofline(_));
    let has_blocks = scenario
        .classes
        .iter()
        .any(|class| match &class.arrivals.kind {
            ArrivalKind::Trace(play) => play.blocks.is_some(),
            _ => false,
        });
    let mut all = vec![
        ("multi-token prediction", scenario.mtp.drafts > 0),
        ("several drafts", scenario.mtp.drafts > 1),
        ("first tokens from decode", first_from_decode(scenario)),
        ("windows", scenario.kv.window_tokens > 0),
        ("states", scenario.kv.state_bytes > 0),
        ("context", scenario.model.context.is_some()),
        (
            "shared nodes",
            scenario.node.shared && scenario.pools.len() > 1,
        ),
        (
            "experts over ranks",
            roofline && scenario.pools.iter().any(shares_experts),
        ),
        ("warm-up", scenario.warm_up.0 > 0),
        ("front end", scenario.front_end.0 > 0),
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
        ("recorded blocks", has_blocks),
        ("prefix cache", scenario.kv_cache.blocks().is_some()),
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

/// Whether some ranks exchange what experts receive.
fn shares_experts(pool: &Pool) -> bool {
    pool.ranks > 1
}

fn of_pool(pool: &Pool) -> Vec<(&'static str, bool)> {
    let generates = pool.role != Role::Prefill;
    let balances = |balance| generates && pool.ranks > 1 && pool.balance == balance;
    let is_mixed = pool.role == Role::Mixed;
    vec![
        ("mixed pool", is_mixed),
        (pool.batching.word(), is_mixed),
        ("look-ahead", pool.look_ahead),
        (pool.router.word(), true),
        ("ranks by KV", balances(RankBalance::Kv)),
        ("ranks by requests", balances(RankBalance::Requests)),
        ("ranks by time", balances(RankBalance::Time)),
        (
            "prompts by time",
            !generates && pool.ranks > 1 && pool.balance == RankBalance::Time,
        ),
        ("budget of time", pool.max_batch_time.is_some()),
        ("copies", pool.replicas > 1),
        (
            "units smaller than a node",
            pool.gpus_per_unit < pool.node_gpus,
        ),
        ("several ranks", pool.ranks > 1),
        ("start-up", pool.schedule.serves_after().0 > 0),
        ("drain", pool.schedule.drain.0 > 0),
        ("no queue allowed", pool.max_queue_requests == Some(0)),
        ("budget of pairs", pool.max_batch_pairs.is_some()),
        (pool.admission.word(), generates),
    ]
}

fn of_class(class: &Class) -> [(&'static str, bool); 19] {
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
        ("renewal", matches!(arrivals.kind, ArrivalKind::Renewal(_))),
        ("bursts", matches!(arrivals.kind, ArrivalKind::Bursts(_))),
        ("users", closed.is_some()),
        ("users who think", users(|c| c.think_time.0 > 0)),
        (
            "users who think exponentially",
            users(|c| c.think == ThinkLaw::Exponential),
        ),
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
