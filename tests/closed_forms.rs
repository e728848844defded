//! Queues with known answers, played through ordinary scenario files in tests/closed_forms/.
//!
//! Each check plays 20 independent seeds. In its long form (TOKENTIDE_SLOW=1, optimised) the published
//! answer must lie within the 99.9 % interval of Student's t and within 1 % of the mean, and the
//! interval must be narrow enough to mean something; durations are chosen for that. The short form plays
//! a hundredth of the time and demands the interval and 15 %.
//!
//! The answers are those of queueing theory: Pollaczek-Khinchine for one server, Erlang for several,
//! Jackson for two in a row, Cobham for priorities, an embedded chain for bulk service, and for the
//! lock-step rank a birth-death chain with negative-binomial law. Times of service are 1 s on average,
//! in 10,000 tokens or several hundred steps; where steps leave a trace, the expectation says so.

mod support;

use std::path::Path;
use std::thread;

use tokentide::experiment::run;
use tokentide::report::summary::RunSummary;
use tokentide::scenario::load;
use tokentide::units::SimDuration;

/// Independent runs behind every check.
const SEEDS: u64 = 20;
/// Student's t with 19 degrees of freedom: two-sided 99.9 % (standard tables).
const T_999: f64 = 3.8834;
/// The short form plays this part of the time.
const SHORTER: u64 = 100;

/// A figure of the summary and its known value.
struct Known {
    name: &'static str,
    read: fn(&RunSummary) -> Option<f64>,
    value: f64,
    /// A quantile comes out of a histogram: close, but the interval need not hold it.
    in_interval: bool,
}

/// A mean whose value is known.
fn known(name: &'static str, value: f64, read: fn(&RunSummary) -> Option<f64>) -> Known {
    Known {
        name,
        read,
        value,
        in_interval: true,
    }
}

/// Plays a scenario with every seed, in order of the seeds.
fn play(file: &str, set: &[&str], long: bool) -> Vec<RunSummary> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/closed_forms")
        .join(file);
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let mut scenario = match load(&path.to_string_lossy(), &set) {
        Ok(scenario) => scenario,
        Err(mistakes) => panic!("{file}:\n{mistakes}"),
    };
    if !long {
        scenario.duration = SimDuration(scenario.duration.0 / SHORTER);
    }
    let one = |seed| {
        let mut scenario = scenario.clone();
        scenario.seed = seed;
        run(&scenario, 1).unwrap_or_else(|why| panic!("{file}, seed {seed}: {why}"))
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

/// Says what of `knowns` does not come out.
fn disagreements(file: &str, set: &[&str], long: bool, knowns: &[Known]) -> Vec<String> {
    let runs = play(file, set, long);
    let (close, width_max) = if long { (0.01, 0.02) } else { (0.15, 0.3) };
    let mut wrong = Vec::new();
    for known in knowns {
        let values: Option<Vec<f64>> = runs.iter().map(known.read).collect();
        let Some(values) = values else {
            wrong.push(format!("{}: not in the summary", known.name));
            continue;
        };
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
        let half = T_999 * (variance / n).sqrt();
        let off = (mean - known.value).abs();
        eprintln!(
            "{file} {set:?}: {} = {mean:.8} +- {half:.8} (99.9 %), known {:.8}, off by {:+.3} %",
            known.name,
            known.value,
            100.0 * (mean / known.value - 1.0)
        );
        if known.in_interval && off > half {
            wrong.push(format!(
                "{}: {mean} +- {half} does not hold {}",
                known.name, known.value
            ));
        }
        if off > close * known.value {
            wrong.push(format!(
                "{}: {mean} is not within {close} of {}",
                known.name, known.value
            ));
        }
        if half > width_max * known.value {
            wrong.push(format!("{}: +- {half} is too wide to tell", known.name));
        }
    }
    wrong
}

/// Plays a scenario and panics where it disagrees with what is known.
fn check(file: &str, set: &[&str], knowns: &[Known]) {
    let long = support::slow("the long form, within 1 %");
    let wrong = disagreements(file, set, long, knowns);
    assert!(wrong.is_empty(), "{file} {set:?}\n{}", wrong.join("\n"));
}

fn wait(s: &RunSummary) -> Option<f64> {
    s.latency.queue_s.mean
}

fn time_in_system(s: &RunSummary) -> Option<f64> {
    s.latency.e2e_s.mean
}

/// Waiting and in service at the only prefill rank.
fn in_prefill(s: &RunSummary) -> Option<f64> {
    let pool = s.pools.get("prefill")?;
    Some(pool.queue_length_mean + pool.batch_per_rank?)
}

/// Waiting and in service at the decode unit of `ranks` ranks.
fn in_decode(s: &RunSummary, ranks: f64) -> Option<f64> {
    let pool = s.pools.get("decode")?;
    Some(pool.queue_length_mean + ranks * pool.batch_per_rank?)
}

fn rejected(s: &RunSummary) -> Option<f64> {
    Some(s.requests.rejected as f64 / s.requests.arrived as f64)
}

#[test]
fn m_m_1() {
    let p99 = Known {
        in_interval: false,
        ..known("p99 of W", 23.025_851, |s| s.latency.e2e_s.p99)
    };
    let busy = known("P(wait)", 0.8, |s| s.pools.get("prefill")?.utilization);
    let knowns = [
        known("Wq", 4.0, wait),
        known("W", 5.0, time_in_system),
        known("L", 4.0, in_prefill),
        busy,
        p99,
    ];
    check("one-server.toml", &[], &knowns);
}

#[test]
fn m_m_1_at_half_and_at_nine_tenths() {
    check(
        "one-server.toml",
        &["class.all.arrivals.requests_per_s=0.5"],
        &[known("Wq", 1.0, wait)],
    );
    let busy = [
        "class.all.arrivals.requests_per_s=0.9",
        "duration=\"1800h\"",
    ];
    check("one-server.toml", &busy, &[known("Wq", 9.0, wait)]);
}

#[test]
fn a_service_time_half_a_percent_off_is_noticed() {
    let long = support::slow("noticing half a percent");
    let biased = if long { "100.5us" } else { "110us" };
    let set = format!("performance.prefill.per_token={biased:?}");
    let wrong = disagreements("one-server.toml", &[&set], long, &[known("Wq", 4.0, wait)]);
    assert!(
        !wrong.is_empty(),
        "service of {biased} a token passes for 100us"
    );
}

#[test]
fn m_d_1() {
    for (rate, waits) in [(0.5, 0.5), (0.8, 2.0), (0.9, 4.5)] {
        let set = format!("class.all.arrivals.requests_per_s={rate}");
        check("md1.toml", &[&set], &[known("Wq", waits, wait)]);
    }
}

#[test]
fn m_g_1() {
    check("mg1-erlang-4.toml", &[], &[known("Wq", 2.5, wait)]);
    check(
        "mg1-lognormal-half.toml",
        &[],
        &[known("Wq", 2.568_050_83, wait)],
    );
    check(
        "mg1-lognormal-one.toml",
        &[],
        &[known("Wq", 5.436_563_66, wait)],
    );
}

#[test]
fn m_h2_1() {
    check("mg1-hyperexponential.toml", &[], &[known("Wq", 10.0, wait)]);
}

#[test]
fn d_m_1() {
    check("dm1.toml", &[], &[known("Wq", 1.692_730_84, wait)]);
}

#[test]
fn m_m_8() {
    // Who finds a free server (all but Erlang's C) waits for the running step of 2 ms to end, half of it
    // on average. Whole steps make the square of service 0.2 % larger, the wait 0.1 %.
    let delay = (1.0 - 0.457_644_93) * 0.001;
    let knowns = [
        known("Wq", 0.286_028_08 + delay, |s| {
            s.latency.decode_queue_s.mean
        }),
        known("W", 1.286_028_08 + delay, time_in_system),
        known("L", 8.230_579_70 + 6.4 * delay, |s| in_decode(s, 8.0)),
    ];
    check("mm8.toml", &[], &knowns);
}

/// Erlang's loss formula.
fn loss(servers: u32, load: f64) -> f64 {
    (1..=servers).fold(1.0, |b, k| load * b / (f64::from(k) + load * b))
}

#[test]
fn erlang_b() {
    let published = [
        (8, 6.4, 0.144_393_89),
        (10, 10.0, 0.214_582_34),
        (64, 60.0, 0.060_362_74),
    ];
    for (servers, load, lost) in published {
        assert!((loss(servers, load) - lost).abs() < 1e-8, "the formula");
        // Fates are decided when a step ends, half a step of 500 after arrival on average, and servers
        // that fall free until then are used: the load that an arrival meets is 1/1000 smaller.
        let met = loss(servers, load * 0.999);
        let file = format!("erlang-b-{servers}.toml");
        check(&file, &[], &[known("P(loss)", met, rejected)]);
    }
}

#[test]
fn gated_bulk_service() {
    let idle = known("P(idle)", 0.011_126_86, |s| {
        Some(1.0 - s.pools.get("prefill")?.utilization?)
    });
    check(
        "gated-bulk.toml",
        &[],
        &[known("Wq", 0.758_427_29, wait), idle],
    );
    let busier = ["class.all.arrivals.requests_per_s=3.6"];
    check(
        "gated-bulk.toml",
        &busier,
        &[known("Wq", 1.496_090_86, wait)],
    );
}

#[test]
fn priority() {
    fn wait_of(s: &RunSummary, class: &str) -> Option<f64> {
        s.classes.get(class)?.latency.queue_s.mean
    }
    let knowns = [
        known("Wq of the urgent", 1.142_857_14, |s| wait_of(s, "urgent")),
        known("Wq of the patient", 5.714_285_71, |s| wait_of(s, "patient")),
    ];
    check("priority.toml", &[], &knowns);
}

#[test]
fn tandem() {
    // Jackson: L 4 and 1.77777778, W 7.22222222. Decode serves in m = 200 whole steps on average, an
    // exponential of mean m + 1 less the first token: the square of service, and so the wait there, is
    // 1 + 1/m + 1/2m^2 times as large.
    let (rate, service, m) = (0.8, 0.8, 200.0);
    let square = 2.0 * service * service * (1.0 + 1.0 / m + 0.5 / (m * m));
    let decode_wait = rate * square / (2.0 * (1.0 - rate * service));
    let knowns = [
        known("L of prefill", 4.0, in_prefill),
        known("L of decode", rate * (decode_wait + service), |s| {
            in_decode(s, 1.0)
        }),
        known("W", 5.0 + decode_wait + service, time_in_system),
    ];
    check("tandem.toml", &[], &knowns);
}

#[test]
fn lock_step_decode_rank() {
    for (rate, residents, stay) in [(2.0, 81.0, 40.5), (3.2, 324.0, 101.25)] {
        // Joining waits for half of the running step.
        let half_step = 0.5 * (0.02 + 0.00025 * residents);
        let set = format!("class.all.arrivals.requests_per_s={rate:?}");
        for law in [
            "class.all.output={ kind = \"constant\", value = 1001 }",
            "class.all.output={ kind = \"exponential\", mean = 1001, min = 2 }",
            "class.all.output={ kind = \"lognormal\", mean = 1001, cv = 1.310832494 }",
        ] {
            let knowns = [
                known("L", residents, |s| s.decode.batch_per_rank),
                known("W", stay + half_step, time_in_system),
            ];
            check("lock-step.toml", &[&set, law], &knowns);
        }
    }
}
