//! A second computation of memory and step times, as a reader would do it on paper: from `config.json`, data
//! sheets and the constants of engines, part by part.
//!
//! Nothing of the model under test is called but for the values that are compared, and the tables of expert
//! imbalance, which are an input to both. Parts must agree within 1e-9 of the step; what comes from tables of
//! whole picoseconds within a nanosecond and a millionth. `--nocapture` prints every point.
//!
//! What neither side knows better: bytes that fused element-wise kernels move ([`paper::MOVED`]), the constants of
//! engines, and what the model leaves out.
//!
//! Faults that were planted in `src` to see whether this finds them, one at a time: one all-reduce a layer, KV not
//! divided by tensor parallelism (held, or read), keys without values, the host's time for prompts left out (of
//! `explain`, or of tables), attention not divided by stages, window layers as full ones, replicated KV heads
//! divided, tied embeddings held twice, experts not spread, copies of experts free, answers of experts in FP8, a
//! draft module without memory, drafts that attend for nothing, ranks' tokens gathered for nothing, 4-bit numbers
//! without their scales, logits whole on each accelerator, all-reduces between nodes at the link inside, a wrong
//! number of KV heads in the catalog, and linear attention that reads KV. Each failed here.

use tokentide::internals::perf::roofline::memory_of;
use tokentide::internals::perf::roofline::step_parts::Explained;
use tokentide::internals::perf::{DecodeLoads, MixedLoad, PrefillLoad, StepTimes};
use tokentide::internals::scenario::{Role, Scenario};

#[path = "oracle/links.rs"]
mod links;
#[path = "oracle/memory.rs"]
mod memory;
#[path = "oracle/paper.rs"]
mod paper;
#[path = "oracle/points.rs"]
mod points;
#[path = "oracle/rules.rs"]
mod rules;
#[path = "oracle/sheet.rs"]
mod sheet;
#[path = "oracle/step.rs"]
mod step;

use points::{CASES, Case, PROMPT, busiest, pool, unit};
use step::{Step, Work};

/// Of the step: what double precision leaves.
const CLOSE: f64 = 1e-9;
/// Of a step from a table of whole picoseconds, whose slopes are in 2^-12 ps for 1/1024 token of KV: half of that over
/// 48 requests of 3,000 tokens is 18 ns, of steps of 6 ms on the quickest of the accelerators.
const ROUNDED: f64 = 3e-6;

/// What was compared, and how far apart it was.
#[derive(Default)]
struct Log {
    points: usize,
    worst: [f64; 2],
    wrong: Vec<String>,
}

impl Log {
    /// A value beside what paper says, both relative to `whole`.
    fn compare(&mut self, what: &str, found: f64, paper: f64, whole: f64) {
        let off = (found - paper).abs() / whole;
        self.worst[0] = self.worst[0].max(off);
        if off.is_nan() || off > CLOSE {
            self.wrong
                .push(format!("{what}: {found:e}, on paper {paper:e}"));
        }
    }

    /// A step of a table, in nanoseconds.
    fn rounded(&mut self, what: &str, ns: u64, seconds: f64) {
        let off = (ns as f64 - seconds * 1e9).abs();
        let relative = (off - 1.0).max(0.0) / (seconds * 1e9);
        self.worst[1] = self.worst[1].max(relative);
        if relative.is_nan() || relative > ROUNDED {
            self.wrong
                .push(format!("{what}: {ns} ns, on paper {:.1}", seconds * 1e9));
        }
    }

    fn row(&mut self, case: &Case, what: &str, seconds: f64, ns: u64) {
        self.points += 1;
        let ms = |s: f64| format!("{:.6}", s * 1e3);
        println!(
            "{:>3}  {:58} {what:34} {:>13} {:>13}",
            self.points,
            case.name(),
            ms(seconds),
            ms(ns as f64 * 1e-9)
        );
    }

    fn explained(&mut self, what: &str, found: &Explained, paper: &Step) {
        let whole = paper.seconds;
        self.compare(&format!("{what}, step"), found.step_s, paper.seconds, whole);
        if let Some(other) = found.other_s {
            self.compare(&format!("{what}, other mode"), other, paper.other, whole);
        }
        if found.overlapped != paper.overlapped {
            self.wrong
                .push(format!("{what}: overlapped {}", found.overlapped));
        }
        for (name, seconds) in &paper.parts {
            let part = found.parts.iter().find(|p| p.name == *name);
            let part = part.map_or(0.0, |p| p.seconds);
            self.compare(&format!("{what}, {name}"), part, *seconds, whole);
        }
        let known = |name: &str| paper.parts.iter().any(|(n, _)| *n == name);
        for part in found.parts.iter().filter(|p| !known(p.name)) {
            self.wrong
                .push(format!("{what}: paper has no {}", part.name));
        }
    }
}

/// Requests on a rank, and what each holds: few, so that ranks' totals have entries of their own.
fn decodes(case: &Case) -> Vec<(u32, u32)> {
    match case.degrees[2] {
        1 => vec![(1, 700), (48, 3000), (128, 90)],
        ranks if ranks > 64 => vec![(2, 8000), (64, 5000)],
        _ => vec![(2, 3000), (32, 90)],
    }
}

fn of_decode(case: &Case, scenario: &Scenario, times: &StepTimes, log: &mut Log) {
    let unit = unit(scenario, pool(scenario, case.role));
    let paper = case.paper();
    let ranks = case.degrees[2] as usize;
    for (requests, kv) in decodes(case) {
        let work = Work {
            requests: f64::from(requests),
            kv: f64::from(kv),
            ..Work::default()
        };
        let what = format!("decode {requests} x {kv}");
        let step = paper.step(work, case.may(), |m| busiest(&unit, false, m));
        let name = format!("{}: {what}", case.name());
        let held = unit.kv_of(work.requests, work.kv);
        log.explained(&name, &unit.explain_decode(work.requests, held), &step);
        let kv_1024 = u64::from(requests) * u64::from(kv) * 1024;
        let window = if paper.config.window > 0.0 {
            kv.min(paper.config.window as u32)
        } else {
            0
        };
        let window_1024 = u64::from(requests) * u64::from(window) * 1024;
        let (ns, seconds) = if case.role == Role::Decode {
            let loads = DecodeLoads {
                requests: &vec![requests; ranks],
                kv_1024: &vec![kv_1024; ranks],
                window_1024: &vec![window_1024; ranks],
            };
            (times.decode_step(loads).0, step.seconds)
        } else {
            let load = MixedLoad {
                requests,
                kv_1024,
                window_1024,
                ..MixedLoad::default()
            };
            let seconds = paper.mixed(work, 0.0, case.look_ahead, |m| busiest(&unit, false, m));
            (times.mixed_step(&vec![load; ranks]).0, seconds)
        };
        log.rounded(&name, ns, seconds);
        log.row(case, &what, seconds, ns);
    }
}

fn of_prompts(case: &Case, scenario: &Scenario, times: &StepTimes, log: &mut Log) {
    let unit = unit(scenario, pool(scenario, case.role));
    let paper = case.paper();
    let ranks = case.degrees[2] as usize;
    let counts: &[u32] = if case.role == Role::Prefill {
        &[1, 4, 16]
    } else {
        &[1, 3]
    };
    for &prompts in counts {
        let length = u64::from(PROMPT);
        let work = Work {
            tokens: f64::from(prompts * PROMPT),
            pairs: f64::from(prompts) * (length * (length + 1) / 2) as f64,
            prompts: f64::from(prompts),
            ..Work::default()
        };
        let what = format!("{prompts} prompts of {PROMPT}");
        let name = format!("{}: {what}", case.name());
        let step = paper.step(work, case.may(), |m| busiest(&unit, true, m));
        let found = unit.explain_prefill(work.tokens, work.pairs, work.prompts);
        log.explained(&name, &found, &step);
        let (ns, seconds) = if case.role == Role::Prefill {
            let mut load = PrefillLoad::default();
            (0..prompts).for_each(|_| load.add_chunk(length, 0));
            (times.prefill_step(&vec![load; ranks]).0, step.seconds)
        } else {
            let mut load = MixedLoad::default();
            (0..prompts).for_each(|_| load.add_chunk(length, 0, true));
            let seconds = paper.mixed(work, work.prompts, case.look_ahead, |m| {
                busiest(&unit, true, m)
            });
            (times.mixed_step(&vec![load; ranks]).0, seconds)
        };
        log.rounded(&name, ns, seconds);
        log.row(case, &what, seconds, ns);
    }
}

/// A prompt beside requests that decode; a second one goes on where it was cut.
fn of_mixed(case: &Case, scenario: &Scenario, times: &StepTimes, log: &mut Log) {
    let unit = unit(scenario, pool(scenario, case.role));
    let paper = case.paper();
    let (requests, kv) = (48_u32, 2000_u32);
    // the step's tokens have an entry of their own
    let verified = requests * (1 + case.drafts);
    let chunk = 1024 + 16 * 16 - verified;
    let (context, length) = (512, u64::from(chunk));
    let mut load = MixedLoad {
        requests,
        kv_1024: u64::from(requests * kv) * 1024,
        ..MixedLoad::default()
    };
    if paper.config.window > 0.0 {
        load.window_1024 = u64::from(requests) * paper.config.window as u64 * 1024;
    }
    load.add_chunk(length - 256, 0, true);
    load.add_chunk(256, context, false);
    let new = (length - 256) as f64;
    let work = Work {
        requests: f64::from(requests),
        kv: f64::from(kv),
        tokens: f64::from(chunk),
        pairs: new * (new + 1.0) / 2.0 + 256.0 * context as f64 + 256.0 * 257.0 / 2.0,
        prompts: 2.0,
    };
    let ranks = case.degrees[2] as usize;
    let what = format!("{chunk} prompt tokens, {requests} x {kv}");
    let name = format!("{}: {what}", case.name());
    let seconds = paper.mixed(work, 1.0, case.look_ahead, |m| busiest(&unit, true, m));
    let ns = times.mixed_step(&vec![load; ranks]).0;
    log.rounded(&name, ns, seconds);
    log.row(case, &what, seconds, ns);
}

fn told(log: &Log) {
    println!(
        "{} points; parts within {:.1e} of the step, steps within {:.1e} and 1 ns",
        log.points, log.worst[0], log.worst[1]
    );
    assert!(
        log.wrong.is_empty(),
        "{} values:\n{}",
        log.wrong.len(),
        log.wrong.join("\n")
    );
}

#[test]
fn every_part_of_every_step_is_what_paper_says() {
    let mut log = Log::default();
    println!(
        "{:>3}  {:58} {:34} {:>13} {:>13}",
        "", "copy of the model", "step", "paper, ms", "model, ms"
    );
    for case in CASES {
        let scenario = case.scenario();
        let times = StepTimes::compile(&scenario).expect("compiles");
        if case.role != Role::Prefill {
            of_decode(case, &scenario, &times, &mut log);
        }
        if case.role != Role::Decode {
            of_prompts(case, &scenario, &times, &mut log);
        }
        if case.role == Role::Mixed {
            of_mixed(case, &scenario, &times, &mut log);
        }
    }
    assert!(log.points >= 150, "{}", log.points);
    told(&log);
}

#[test]
fn memory_is_what_paper_says() {
    let mut log = Log::default();
    println!(
        "{:>3}  {:58} {:>9} {:>9} {:>10} {:>9} {:>13}",
        "", "copy of the model", "weights", "KV token", "KV request", "KV pool", "KV tokens"
    );
    for case in CASES {
        let scenario = case.scenario();
        let pool = pool(&scenario, case.role);
        let found = memory_of(&unit(&scenario, pool), &scenario, pool);
        let paper = case.paper();
        let requests = if case.role == Role::Mixed {
            256.0
        } else {
            128.0
        };
        let (tokens, requests) = match case.role {
            Role::Prefill => (16_384.0, f64::from(pool.max_batch_requests.min(1024))),
            Role::Decode => (requests * (1.0 + paper.drafts), requests),
            Role::Mixed => (4096.0, requests),
        };
        let held = paper.held(tokens, requests);
        let name = case.name();
        let values = [
            ("weights", found.weights, held.weights),
            ("KV of a token", found.kv_per_token, held.kv_per_token),
            ("KV", found.kv, held.kv),
            ("KV tokens", found.kv_tokens(), held.tokens),
        ];
        for (what, ours, paper) in values {
            log.compare(&format!("{name}: {what}"), ours, paper, paper.abs());
        }
        for length in [1.0, 100.0, 5000.0] {
            let (ours, paper) = (
                scenario.kv.bytes_of_request(length),
                paper.request_bytes(length),
            );
            log.compare(
                &format!("{name}: KV of a request of {length}"),
                ours,
                paper,
                paper,
            );
        }
        if case.role != Role::Prefill {
            let tokens = pool.kv_capacity_tokens.unwrap_or(0) as f64;
            log.compare(
                &format!("{name}: capacity"),
                tokens,
                held.tokens,
                held.tokens,
            );
        }
        log.points += 1;
        println!(
            "{:>3}  {name:58} {:>6.2} GB {:>7.1} B {:>7.1} MB {:>6.2} GB {:>13.0}",
            log.points,
            held.weights / 1e9,
            held.kv_per_token,
            paper.request_bytes(5000.0) / 1e6,
            held.kv / 1e9,
            held.tokens
        );
    }
    told(&log);
}
