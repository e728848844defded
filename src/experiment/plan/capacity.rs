//! What a pool really carries, beside what steady-state arithmetic thinks.
//!
//! The arithmetic ([`super::screening`]) takes every request as the average one, and all ranks as equally loaded.
//! In truth a step lasts as long as its slowest rank, and where a batch has a budget of tokens and one of
//! (query, key) pairs, it ends at whichever comes first: on the published day prefill carries a fifth less. So
//! before schedules are sought, each pool is played for some minutes of the busiest slot with too few units,
//! all others being ample. What it then serves is its capacity; over what the arithmetic says of the same units
//! it is the pool's *yield*, which corrects the loads that the arithmetic is asked about. A pool that cannot be
//! overloaded that way (it needs one unit, or something else held it up) keeps the yield 1: then only the
//! search itself corrects.

use super::average_load::OfferedLoad;
use super::candidate::{Design, bounds, changed, units_of};
use super::day_slots::Slot;
use super::phases::decode_begins;
use super::question::PlanQuestion;
use super::screening::Screen;
use super::trial::{Bench, PlanStopped};
use crate::report::summary::RunSummary;
use crate::scenario::{KeyChange, Role, Scenario};
use crate::units::{NS_PER_S, SimDuration};

/// Units of the overloaded pool, as a part of those that arithmetic says are needed.
const TOO_FEW: f64 = 0.8;
/// Units of the other pools, as a part of those needed, if there are nodes for them.
const AMPLE: f64 = 1.3;
/// Duration in lives of a request in which a pool fills before its service is counted, and in which it is counted.
const LIVES: f64 = 8.0;
/// Bounds of that duration, in seconds.
const STRETCH_S: (f64, f64) = (60.0, 900.0);
/// Bounds of a yield; one outside says that the stretch measured something else.
const PLAUSIBLE: (f64, f64) = (0.3, 1.2);
/// Halvings of the interval in which the arithmetic's own capacity lies.
const HALVINGS: usize = 40;

/// The yield of each pool of a design: what it carries, over what arithmetic says.
///
/// # Errors
/// As for [`Bench::summaries`].
pub fn yields(
    base: &Scenario,
    design: &Design,
    screen: &Screen,
    slots: &[Slot],
    question: &PlanQuestion,
    bench: &Bench<'_>,
) -> Result<Vec<f64>, PlanStopped> {
    let pools = &design.scenario.pools;
    let mut yields = vec![1.0; pools.len()];
    let Some(slot) = slots
        .iter()
        .max_by(|a, b| a.load.per_s.total_cmp(&b.load.per_s))
    else {
        return Ok(yields);
    };
    let load = &slot.load;
    // In the order of the pools: a decode pool can be overloaded only by prefill that keeps up.
    for index in 0..pools.len() {
        let needed: Option<Vec<u32>> = (0..pools.len())
            .map(|i| needed(screen, i, load, yields[i], bounds(&pools[i], question).1))
            .collect();
        let Some(mut units) = needed else { continue };
        let few = (TOO_FEW * f64::from(units[index])) as u32;
        if few == 0 {
            continue;
        }
        let mut left = question.nodes.saturating_sub(pools[index].nodes(few));
        for (pool, n) in units.iter_mut().enumerate() {
            if pool == index {
                *n = few;
                continue;
            }
            let most = bounds(&pools[pool], question).1;
            let most = most.min(pools[pool].units_on(left));
            *n = ((AMPLE * f64::from(*n)).ceil() as u32).min(most);
            left -= pools[pool].nodes(*n);
        }
        if units.contains(&0) {
            continue;
        }
        let stretch = stretch(base, design, screen, slot, &units)?;
        (bench.tell)(&format!("what {} units carry", pools[index].name));
        let played = bench.summaries(&[(&stretch, 0)])?;
        let served = played.first().and_then(|run| run.as_ref().ok());
        let served = served.and_then(|run| served_per_s(run, &design.scenario, index, load));
        let expected = most_per_s(screen, index, few, load);
        yields[index] = served
            .map(|per_s| per_s / expected)
            .filter(|part| (PLAUSIBLE.0..=PLAUSIBLE.1).contains(part))
            .unwrap_or(1.0);
    }
    Ok(yields)
}

/// The fewest units that carry a load in a pool whose yield is `part`; `None`: `most` do not.
fn needed(screen: &Screen, pool: usize, load: &OfferedLoad, part: f64, most: u32) -> Option<u32> {
    let carries = |n: &u32| {
        let pace = screen.pace(pool, *n, load, load.per_s / part);
        pace.seconds().is_finite()
    };
    (1..=most).find(carries)
}

/// Requests per second that `units` units of a pool can serve, by arithmetic.
fn most_per_s(screen: &Screen, pool: usize, units: u32, load: &OfferedLoad) -> f64 {
    let (mut carried, mut not) = (0.0, load.per_s);
    for _ in 0..HALVINGS {
        let middle = (carried + not) / 2.0;
        match screen.pace(pool, units, load, middle).seconds() {
            s if s.is_finite() => carried = middle,
            _ => not = middle,
        }
    }
    carried
}

/// The scenario of some minutes of a slot, with constant units.
fn stretch(
    base: &Scenario,
    design: &Design,
    screen: &Screen,
    slot: &Slot,
    units: &[u32],
) -> Result<Scenario, PlanStopped> {
    let pools = &design.scenario.pools;
    let each = pools.iter().zip(units);
    let settings = each.map(|(pool, n)| units_of(pool, *n));
    let settings: Vec<KeyChange> = design.settings.iter().cloned().chain(settings).collect();
    let scenario = changed(base, &design.label, &settings).map_err(PlanStopped::Question)?;
    let life_s: f64 = pools
        .iter()
        .enumerate()
        .map(|(index, pool)| {
            let most = most_per_s(screen, index, units[index], &slot.load);
            let step_s = screen.pace(index, units[index], &slot.load, most).seconds();
            match pool.role {
                Role::Prefill => step_s,
                Role::Decode | Role::Mixed => {
                    step_s * (1.0 + slot.load.decoded / screen.tokens_per_step())
                }
            }
        })
        .sum();
    let stretch_s = (LIVES * life_s).clamp(STRETCH_S.0, STRETCH_S.1).ceil();
    let stretch = SimDuration(stretch_s as u64 * NS_PER_S);
    let changes = [
        KeyChange::set("warm_up", stretch),
        KeyChange::set("duration", stretch),
        KeyChange::set("start", scenario.start.on_that_day(slot.from)),
        KeyChange::unset("report_every"),
        KeyChange::unset("slo_every"),
    ];
    let stretch = scenario.with(&changes);
    stretch.map_err(|mistakes| PlanStopped::Question(mistakes.render(false)))
}

/// Requests per second that a pool served in a stretch; `None`: no queue kept it busy.
fn served_per_s(
    run: &RunSummary,
    scenario: &Scenario,
    pool: usize,
    load: &OfferedLoad,
) -> Option<f64> {
    let pool = &scenario.pools[pool];
    let seen = run.pools.get(&pool.name)?;
    let ranks = seen.units_mean * f64::from(pool.ranks);
    let first_tokens = run.latency.ttft_s.count as f64;
    let output = run.tokens.output;
    let tokens = match pool.role {
        Role::Prefill => run.tokens.computed_input as f64 / load.computed,
        Role::Decode if decode_begins(scenario) => output / load.decoded,
        Role::Decode | Role::Mixed => (output - first_tokens) / load.decoded,
    };
    (seen.queue_length_mean > ranks).then(|| tokens / run.duration_s)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::super::average_load::Loads;
    use super::super::day_slots::slots;
    use super::*;
    use crate::perf::KnownSteps;
    use crate::scenario::{PlanTable, load_str};
    use crate::units::NS_PER_HOUR;

    /// A scenario of separate prefill and decode, 4 ranks a unit, linear steps; a day's load that wants several units.
    /// Of a model whose architecture is not known the ranks step together.
    fn scenario(lengths: &str) -> Scenario {
        of_model("{ name = \"mine\", kv_bytes_per_token = 131_072 }", lengths)
    }

    fn of_model(model: &str, lengths: &str) -> Scenario {
        let text = format!(
            r#"
            name     = "yields"
            start    = 2026-01-05T00:00:00+00:00
            duration = "24h"
            model    = {model}
            node     = {{ gpu = "h100", gpus = 4, price_per_gpu_hour = 2.00 }}
            [pools.prefill]
            nodes_per_unit   = 1
            parallelism      = {{ attention_data = 4 }}
            max_batch_tokens = 4000
            max_batch_pairs  = 2_000_000
            units            = 10
            [pools.decode]
            nodes_per_unit     = 1
            parallelism        = {{ attention_data = 4 }}
            max_batch_requests = 16
            kv_capacity_tokens = 4_000_000
            units              = 10
            [performance]
            kind    = "linear"
            prefill = {{ base = "20ms", per_token = "100us" }}
            decode  = {{ base = "20ms", per_request = "1ms" }}
            [[class]]
            name     = "chat"
            arrivals = {{ kind = "poisson", requests_per_s = 400.0 }}
            {lengths}
            [plan]
            slo      = ["ttft_p99 = 5s"]
            nodes    = 60
            schedule = "12h"
            "#
        );
        load_str("yields", &text, &[]).unwrap()
    }

    fn of(scenario: &Scenario) -> (Vec<f64>, Screen, OfferedLoad) {
        let table: &PlanTable = &scenario.plan;
        let question = PlanQuestion::new(table, scenario).unwrap();
        let design = super::super::candidate::designs(scenario, &question, &KnownSteps::default())
            .unwrap()
            .remove(0);
        let screen = design.screen.clone().unwrap();
        let loads = Loads::of(scenario).unwrap();
        let slots = slots(scenario, &loads, SimDuration(12 * NS_PER_HOUR));
        let bench = Bench {
            threads: 2,
            go_on: &|_| true,
            begin: &|_| (),
            tell: &|_| (),
            runs: AtomicU64::new(0),
            known: KnownSteps::default(),
        };
        let found = yields(scenario, &design, &screen, &slots, &question, &bench).unwrap();
        (found, screen, loads.day())
    }

    #[test]
    fn nodes_that_are_few_are_not_exceeded() {
        let lengths = "input  = { kind = \"constant\", value = 500 }\n\
                       output = { kind = \"constant\", value = 101 }";
        // Six units of prefill and 23 of decode are needed: no room for a third more.
        let changes = [
            KeyChange::set("plan.nodes", 30),
            KeyChange::set("node.fleet", 30),
            KeyChange::set("pools.prefill.units", 6),
        ];
        let (yields, ..) = of(&scenario(lengths).with(&changes).unwrap());
        assert!((yields[1] - 1.0).abs() < 0.03, "{yields:?}");
    }

    #[test]
    fn even_work_is_carried_as_arithmetic_says() {
        // 8 prompts of 500 tokens fill a batch of 4,000 exactly, on every rank alike.
        let lengths = "input  = { kind = \"constant\", value = 500 }\n\
                       output = { kind = \"constant\", value = 101 }";
        let (yields, ..) = of(&scenario(lengths));
        for part in yields {
            assert!((part - 1.0).abs() < 0.03, "{part}");
        }
    }

    #[test]
    fn copies_of_a_model_wait_for_no_other() {
        let lengths = "input  = { kind = \"exponential\", mean = 500 }\n\
                       output = { kind = \"exponential\", mean = 101 }";
        // The four ranks of a unit of a dense model are four units: no step lasts as long as the slowest of them.
        let dense = of_model("\"llama-3.1-8b\"", lengths);
        assert_eq!((dense.pools[0].replicas, dense.pools[0].ranks), (4, 1));
        let ([copies, together], load) =
            ([of(&dense).0[0], of(&scenario(lengths)).0[0]], of(&dense).2);
        assert!((copies - 1.0).abs() < 0.03, "{copies}");
        assert!(together < copies - 0.03, "{together} {copies}");
        // As many of them serve as much, by arithmetic.
        let screens = [of(&dense).1, of(&scenario(lengths)).1];
        let [one, other] = screens.map(|screen| most_per_s(&screen, 0, 4, &load));
        assert!((one / other - 1.0).abs() < 1e-3, "{one} {other}");
    }

    #[test]
    fn a_pool_carries_what_its_yield_says_and_no_more() {
        let lengths = "input  = { kind = \"exponential\", mean = 500 }\n\
                       output = { kind = \"exponential\", mean = 101 }";
        let scenario = scenario(lengths);
        let (yields, screen, load) = of(&scenario);
        // A batch ends at 4,000 tokens or at the pairs of 4,000 average ones, whichever comes first.
        assert!((0.7..0.97).contains(&yields[0]), "{yields:?}");
        let most = |pool: usize, units: u32| yields[pool] * most_per_s(&screen, pool, units, &load);
        for (factor, carried) in [(0.96, true), (1.04, false)] {
            let rate = factor * most(0, 4);
            let changes = [
                KeyChange::set("pools.prefill.units", 4),
                KeyChange::set("pools.decode.units", 20),
                KeyChange::set("duration", "10min"),
                KeyChange::set("warm_up", "5min"),
                KeyChange::set("class.chat.arrivals.requests_per_s", rate),
            ];
            let scenario = scenario.with(&changes).unwrap();
            let run = crate::experiment::run(&scenario, 1).unwrap();
            let waiting = run.pools["prefill"].queue_length_end;
            // Of 4 % too many, 15 minutes leave some thousand behind.
            assert_eq!(waiting < 500, carried, "{factor}: {waiting}");
        }
    }
}
