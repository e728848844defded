//! Relations between runs that must hold whatever the numbers: scaled time, another order of classes and
//! ranks, more capacity, no load, too much load.
//!
//! Recorded arrivals on a grid of whole microseconds make them exact: nothing is rounded, and the same
//! requests come in both runs. Loads are drawn here, by a small generator of our own.

use std::fmt::Write;

use tokentide::internals::experiment::run;
use tokentide::internals::perf::{DecodeLoads, StepTimes};
use tokentide::internals::report::summary::{ClassSummary, RunSummary};
use tokentide::internals::scenario::{KeyChange, Scenario, load_str};

#[path = "properties/known.rs"]
mod known;

/// Draws for the tests: xorshift.
struct Draw(u64);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Evenly from `low` to `high`, both included.
    fn within(&mut self, low: u64, high: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + self.0 % (high - low + 1)
    }
}

/// A recorded request: time in microseconds, input, output.
type Row = (u64, u64, u64);

/// So many requests, `gap_us` apart on average, on a grid.
fn recorded(
    draw: &mut Draw,
    count: usize,
    gap_us: u64,
    grid_us: u64,
    longest: (u64, u64),
) -> Vec<Row> {
    let mut at = 0;
    let mut row = || {
        at += draw.within(0, 2 * gap_us / grid_us) * grid_us;
        (at, draw.within(1, longest.0), draw.within(2, longest.1))
    };
    (0..count).map(|_| row()).collect()
}

/// A scenario of recorded classes; everything that is a time is `scale` times as long.
struct Case {
    scale: u64,
    pools: String,
    performance: String,
    classes: Vec<(&'static str, Vec<Row>)>,
}

impl Case {
    fn scenario(&self) -> Scenario {
        let k = self.scale;
        let mut text = format!(
            "name = \"case\"\nstart = 2026-01-05T00:00:00Z\nduration = \"{}s\"\n\
             model = {{ name = \"none\", kv_bytes_per_token = 1000 }}\n\
             node = {{ gpu = \"h800\", gpus = 4, price_per_gpu_hour = 0.0 }}\n\
             transfer = {{ bandwidth_gb_per_s = {:?}, host_gb_per_s = {:?}, latency = \"{}us\" }}\n\
             {}\n[performance]\nkind = \"linear\"\n{}\n",
            600 * k,
            1.0 / k as f64,
            2.0 / k as f64,
            30 * k,
            self.pools,
            self.performance,
        );
        for (name, rows) in &self.classes {
            let mut csv = String::from("arrived_s,input_tokens,output_tokens,cached_tokens\\n");
            for (at, input, output) in rows {
                let (s, us) = (at * k / 1_000_000, at * k % 1_000_000);
                let _ = write!(csv, "{s}.{us:06},{input},{output},0\\n");
            }
            let _ = write!(
                text,
                "[[class]]\nname = \"{name}\"\narrivals = {{ kind = \"trace\", csv = {{ text = \"{csv}\" }} }}\n"
            );
        }
        load_str("case", &text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    fn run(&self) -> RunSummary {
        run(&self.scenario(), 1).unwrap_or_else(|why| panic!("{why}"))
    }
}

fn prefill(ranks: u64, units: u64) -> String {
    format!(
        "[pools.prefill]\nnodes_per_unit = 1\nparallelism = {{ attention_data = {ranks} }}\n\
         max_batch_tokens = 2000\nunits = {units}\n"
    )
}

fn decode(ranks: u64, units: u64, batch: u64, kv: u64, more: &str) -> String {
    format!(
        "[pools.decode]\nnodes_per_unit = 1\nparallelism = {{ attention_data = {ranks} }}\n\
         max_batch_requests = {batch}\nkv_capacity_tokens = {kv}\nunits = {units}\n{more}\n"
    )
}

/// The same within what double precision leaves of a sum of times.
fn same(a: Option<f64>, b: Option<f64>) -> bool {
    close(a, b, 1e-12)
}

fn close(a: Option<f64>, b: Option<f64>, within: f64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= within * a.abs().max(b.abs()),
        (a, b) => a.is_none() && b.is_none(),
    }
}

#[test]
fn scaled_times_give_scaled_times() {
    for seed in 1..=12 {
        let mut draw = Draw::new(seed);
        let rows = recorded(&mut draw, 300, 40_000, 1, (3_000, 60));
        let ranks = [1, 2, 4][draw.within(0, 2) as usize];
        let units = draw.within(1, 3);
        // Some capacities make preemption, some none; no prompt is too long for a rank.
        let kv = draw.within(4_000, 20_000);
        let case = |k: u64| Case {
            scale: k,
            pools: prefill(ranks, units) + &decode(ranks, units, 16, kv, ""),
            performance: format!(
                "prefill = {{ base = \"{}us\", per_token = \"{}ns\", per_pair = \"{}ps\" }}\n\
                 decode = {{ base = \"{}us\", per_request = \"{}us\", per_kv_token = \"{}ns\" }}",
                500 * k,
                9_000 * k,
                1_000 * k,
                4_000 * k,
                50 * k,
                100 * k
            ),
            classes: vec![("all", rows.clone())],
        };
        let (once, seven) = (case(1).run(), case(7).run());
        assert_eq!(once.requests, seven.requests, "seed {seed}");
        assert!(
            once.requests.completed > 250,
            "seed {seed}: {:?}",
            once.requests
        );
        assert_eq!(
            once.decode.preemptions, seven.decode.preemptions,
            "seed {seed}"
        );
        let times = |s: &RunSummary| {
            let l = &s.latency;
            [
                l.ttft_s,
                l.tpot_s,
                l.itl_s,
                l.e2e_s,
                l.queue_s,
                l.decode_queue_s,
            ]
        };
        for (i, (a, b)) in times(&once).iter().zip(times(&seven)).enumerate() {
            // TPOT is a quotient, rounded to the nanosecond for each request
            let within = if i == 1 { 1e-6 } else { 1e-12 };
            assert!(
                close(a.mean.map(|x| 7.0 * x), b.mean, within),
                "seed {seed}, time {i}"
            );
            assert!(
                close(a.max.map(|x| 7.0 * x), b.max, within),
                "seed {seed}, time {i}"
            );
        }
        for (name, pool) in &once.pools {
            let other = &seven.pools[name];
            assert!(
                same(pool.utilization, other.utilization),
                "seed {seed}: {name}"
            );
            assert!(
                same(pool.batch_per_rank, other.batch_per_rank),
                "seed {seed}: {name}"
            );
            let queues = (Some(pool.queue_length_mean), Some(other.queue_length_mean));
            assert!(same(queues.0, queues.1), "seed {seed}: {name}");
        }
    }
}

#[test]
fn the_order_of_classes_and_pools_in_the_file_is_nobody_s_business() {
    for seed in 1..=8 {
        let mut draw = Draw::new(seed);
        // No two requests at one time: there the order decides, by rule.
        let rows = |draw: &mut Draw, offset: u64| -> Vec<Row> {
            let rows = recorded(draw, 150, 60_000, 3, (2_000, 40));
            let apart = rows.iter().zip(0_u64..);
            apart
                .map(|(row, i)| (row.0 + 3 * i + offset, row.1, row.2))
                .collect()
        };
        let (a, b, c) = (rows(&mut draw, 0), rows(&mut draw, 1), rows(&mut draw, 2));
        let (first, second) = (prefill(2, 2), decode(2, 2, 8, 9_000, ""));
        let case = |classes: [(&'static str, &Vec<Row>); 3], pools: String| {
            Case {
            scale: 1,
            pools,
            performance: "prefill = { base = \"501us\", per_token = \"9us\" }\n\
                          decode = { base = \"4003us\", per_request = \"53us\", per_kv_token = \"101ns\" }".into(),
            classes: classes.map(|(name, rows)| (name, rows.clone())).into(),
        }
        };
        let one = case([("a", &a), ("b", &b), ("c", &c)], first.clone() + &second).run();
        let other = case([("c", &c), ("a", &a), ("b", &b)], first.clone() + &second).run();
        assert_eq!(one.requests, other.requests, "seed {seed}");
        assert_eq!(one.latency, other.latency, "seed {seed}");
        let classes = |s: &RunSummary| {
            s.classes
                .clone()
                .into_iter()
                .collect::<Vec<(String, ClassSummary)>>()
        };
        assert_eq!(classes(&one), classes(&other), "seed {seed}");
    }
}

#[test]
fn a_step_does_not_know_which_rank_is_which() {
    let case = Case {
        scale: 1,
        pools: prefill(4, 1) + &decode(4, 1, 100, 100_000, ""),
        performance: "prefill = { per_token = \"9us\" }\n\
                      decode = { base = \"1ms\", per_request = \"53us\", per_kv_token = \"101ns\" }"
            .into(),
        classes: vec![("all", vec![(0, 1, 2)])],
    };
    let times = StepTimes::compile(&case.scenario()).unwrap_or_else(|why| panic!("{why}"));
    let mut draw = Draw::new(1);
    for _ in 0..1_000 {
        let mut ranks: Vec<(u32, u64)> = (0..4)
            .map(|_| (draw.within(0, 100) as u32, 1024 * draw.within(0, 90_000)))
            .collect();
        let step = |ranks: &[(u32, u64)]| {
            let (requests, kv): (Vec<u32>, Vec<u64>) = ranks.iter().copied().unzip();
            times.decode_step(DecodeLoads {
                requests: &requests,
                kv_1024: &kv,
                window_1024: &[],
            })
        };
        let before = step(&ranks);
        let (i, j) = (draw.within(0, 3) as usize, draw.within(0, 3) as usize);
        ranks.swap(i, j);
        assert_eq!(step(&ranks), before, "{ranks:?}");
    }
}

/// Where it is a theorem that more never hurts anybody: requests served in the order of arrival by servers
/// that do not slow one another, every request with its own work (Kiefer and Wolfowitz; the same induction
/// holds for requests that each reserve some of one memory). Arrivals lie on the grid of steps, so that a
/// step begins at the same instants in both runs.
///
/// It is no theorem elsewhere, and not true: another unit changes which requests share a step, and a
/// router that balances what it sees now may part two requests that would have done better together.
#[test]
fn more_capacity_hurts_nobody_where_that_is_a_theorem() {
    let waits = |summary: &RunSummary| {
        let l = &summary.latency;
        [
            l.decode_queue_s.mean,
            l.decode_queue_s.max,
            l.e2e_s.mean,
            l.e2e_s.max,
            l.e2e_s.p90,
        ]
    };
    let mut helped = 0;
    for seed in 1..=10 {
        let mut draw = Draw::new(seed);
        let case = |rows: &[Row], pools: String| Case {
            scale: 1,
            pools: prefill(1, 1) + &pools,
            performance: "prefill = { base = \"0s\" }\ndecode = { base = \"10ms\" }".into(),
            classes: vec![("all", rows.to_vec())],
        };
        // One queue, c servers: ranks that hold one request each.
        let rows = recorded(&mut draw, 200, 400_000, 10_000, (1, 150));
        let mut before: Option<[Option<f64>; 5]> = None;
        for ranks in [1, 2, 4] {
            let summary = case(&rows, decode(ranks, 1, 1, 1_000, "")).run();
            assert!(
                summary.requests.completed > 100,
                "seed {seed}: {:?}",
                summary.requests
            );
            let now = waits(&summary);
            if let Some(before) = before {
                assert!(
                    now.iter().zip(&before).all(|(n, b)| n <= b),
                    "seed {seed}: {now:?} {before:?}"
                );
                helped += usize::from(now[0] < before[0]);
            }
            before = Some(now);
        }
        // One memory, reserved in the order of arrival.
        let rows = recorded(&mut draw, 200, 200_000, 10_000, (900, 150));
        let mut before: Option<[Option<f64>; 5]> = None;
        for kv in [1_100, 1_700, 5_000] {
            let summary = case(&rows, decode(1, 1, 1_000, kv, "admission = \"reserve\"")).run();
            let now = waits(&summary);
            if let Some(before) = before {
                assert!(
                    now.iter().zip(&before).all(|(n, b)| n <= b),
                    "seed {seed}: {now:?} {before:?}"
                );
                helped += usize::from(now[0] < before[0]);
            }
            before = Some(now);
        }
    }
    assert!(helped > 20, "hardly anybody waited: {helped}");
}

/// A faster only server makes every wait shorter (Lindley), by at least the time that it saves.
#[test]
fn a_faster_server_shortens_every_wait() {
    for seed in 1..=10 {
        let mut draw = Draw::new(seed);
        let rows = recorded(&mut draw, 400, 100_000, 1, (2_000, 2));
        let rows: Vec<Row> = rows.iter().map(|row| (row.0, row.1, 1)).collect();
        let run = |ns: u64| {
            Case {
                scale: 1,
                pools: prefill(1, 1).replace(
                    "max_batch_tokens = 2000",
                    "max_batch_tokens = 2000\nmax_batch_requests = 1",
                ),
                performance: format!("prefill = {{ per_token = \"{ns}ns\" }}"),
                classes: vec![("all", rows.clone())],
            }
            .run()
        };
        let (slow, fast) = (run(90_000), run(80_000));
        for (s, f) in [
            (slow.latency.queue_s, fast.latency.queue_s),
            (slow.latency.e2e_s, fast.latency.e2e_s),
        ] {
            assert!(
                f.mean < s.mean && f.max <= s.max && f.p90 <= s.p90,
                "seed {seed}"
            );
        }
    }
}

#[test]
fn a_request_alone_takes_its_bare_time() {
    for seed in 1..=20 {
        let mut draw = Draw::new(seed);
        let (input, output) = (draw.within(1, 1_900), draw.within(2, 500));
        let case = Case {
            scale: 1,
            pools: prefill(2, 2) + &decode(2, 2, 8, 9_000, "first_token = \"prefill\""),
            performance: "prefill = { base = \"701us\", per_token = \"9us\", per_pair = \"2ns\" }\n\
                          decode = { base = \"4ms\", per_request = \"53us\", per_kv_token = \"101ns\" }".into(),
            classes: vec![("all", vec![(draw.within(0, 1_000_000), input, output)])],
        };
        let summary = case.run();
        let pairs = input * (input + 1) / 2;
        let first = 701_000 + 9_000 * input + 2 * pairs;
        // 1,000 B a token at 1 GB/s, and the latency
        let moved = 1_000 * input + 30_000;
        let steps: u64 = (0..output - 1)
            .map(|i| 4_053_000 + 101 * (input + 1 + i))
            .sum();
        let ns = |s: Option<f64>| s.map(|s| (s * 1e9).round() as u64);
        assert_eq!(ns(summary.latency.ttft_s.max), Some(first), "seed {seed}");
        assert_eq!(
            ns(summary.latency.e2e_s.max),
            Some(first + moved + steps),
            "seed {seed}"
        );
        assert_eq!(summary.latency.queue_s.max, Some(0.0));
        assert_eq!(summary.latency.decode_queue_s.max, Some(0.0));
    }
}

#[test]
fn overload_grows_linearly() {
    // 5 come in 4 s, each takes 1 s: a quarter of a request a second stays.
    let rows: Vec<Row> = (0..750).map(|i| (i * 800_000, 1_000, 1)).collect();
    let mut before = 0;
    for seconds in [100, 200, 300, 400, 500, 600] {
        let case = Case {
            scale: 1,
            pools: prefill(1, 1).replace("units = 1", "units = 1\nmax_batch_requests = 1"),
            performance: "prefill = { per_token = \"1ms\" }".into(),
            classes: vec![("all", rows.clone())],
        };
        let duration = KeyChange::set("duration", format!("{seconds}s").as_str());
        let scenario = case.scenario().with(&[duration]).expect("a duration");
        let summary = run(&scenario, 1).unwrap_or_else(|why| panic!("{why}"));
        let waiting = summary.requests.in_flight;
        assert!(
            waiting.abs_diff(seconds / 4) <= 1,
            "{waiting} after {seconds} s"
        );
        assert!(
            waiting.abs_diff(before + 25) <= 1,
            "{waiting} after {before}"
        );
        before = waiting;
    }
}
