//! What a request costs as units and classes grow in number.
//!
//! `cargo bench --bench growth` plays clusters of 10 to 5,000 units, every unit under the same load, and loads of 1 to
//! 200 classes on one cluster. Each is played twice, for a short and for a longer window: the difference of their times
//! over the difference of their requests is the cost of a request, without the cost of setting up. The last column says
//! how many times the first line it is.
//!
//! `cargo bench --bench growth -- separate 640 1 30` plays one of them once, for 30 simulated seconds, and says nothing
//! but how many requests arrived: for tools that count instructions or memory (again by difference). The cluster is
//! `separate` (pools of prefill and decode units) or `mixed`; 640 is its number of units, 1 that of classes. With a
//! fifth argument, `priorities`, every class is served before the next one.

use std::fmt::Write;
use std::time::Instant;

use tokentide::internals::experiment::run;
use tokentide::internals::scenario::{Scenario, load_str};

/// Clusters of the first curve.
const UNITS: [u32; 6] = [10, 40, 160, 640, 2_500, 5_000];
/// Loads of the second.
const CLASSES: [u32; 5] = [1, 10, 50, 100, 200];
/// Units of the second curve.
const FEW_UNITS: u32 = 10;
/// Requests a second and unit: about 60 % of what units can do.
const PER_UNIT_PER_S: f64 = 7.0;
/// The shorter window, in seconds; requests live for about one.
const SHORT_S: f64 = 1.0;
/// Requests in what the longer window has more.
const REQUESTS: f64 = 200_000.0;

/// Kinds of clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cluster {
    /// Three tenths of the units prefill, the others decode.
    Separate,
    /// All units do both.
    Mixed,
}

/// What is played.
#[derive(Clone, Copy, Debug)]
struct Case {
    cluster: Cluster,
    units: u32,
    classes: u32,
    /// Whether each class has a priority of its own.
    priorities: bool,
}

impl Case {
    /// Requests per second of all classes.
    fn requests_per_s(&self) -> f64 {
        PER_UNIT_PER_S * f64::from(self.units)
    }

    /// The scenario with a window of so many seconds after a warm-up of two.
    fn scenario(&self, seconds: f64) -> Scenario {
        let pools = match self.cluster {
            Cluster::Separate => {
                let prefill = (self.units * 3 / 10).max(1);
                let decode = (self.units - prefill).max(1);
                format!(
                    "[pools.prefill]\nnodes_per_unit = 1\nmax_batch_tokens = 8192\nunits = {prefill}\n\
                     [pools.decode]\nnodes_per_unit = 1\nmax_batch_requests = 256\nkv_capacity_tokens = 400_000\n\
                     units = {decode}\n"
                )
            }
            Cluster::Mixed => format!(
                "[pools.mixed]\nnodes_per_unit = 1\nmax_batch_tokens = 2048\nmax_batch_requests = 256\n\
                 kv_capacity_tokens = 400_000\nunits = {}\n",
                self.units
            ),
        };
        let mut text = format!(
            r#"
            name = "growth"
            start = 2026-01-05T12:00:00Z
            duration = "{seconds}s"
            warm_up = "2s"
            model = {{ name = "any", kv_bytes_per_token = 131_072 }}
            node = {{ gpu = "h100", gpus = 1, price_per_gpu_hour = 2.0 }}
            kv_cache = {{ kind = "fixed", hit_rate = 0.3 }}
            [performance]
            kind = "linear"
            prefill = {{ base = "5ms", per_token = "30us" }}
            decode = {{ base = "8ms", per_request = "100us", per_kv_token = "5ns" }}
            {pools}"#
        );
        for class in 0..self.classes {
            let per_s = self.requests_per_s() / f64::from(self.classes);
            let part = f64::from(class) / f64::from(self.classes);
            let priority = if self.priorities { class } else { 0 };
            let _ = write!(
                text,
                r#"
                [[class]]
                name = "c{class}"
                priority = {priority}
                arrivals = {{ kind = "poisson", requests_per_s = {per_s:?} }}
                input = {{ kind = "lognormal", mean = {}, cv = 1.0, max = 20_000 }}
                output = {{ kind = "lognormal", mean = {}, cv = 0.5, max = 2_000 }}
                slo = {{ ttft_s = 1.0, tpot_s = 0.05 }}"#,
                750.0 + 500.0 * part,
                75.0 + 50.0 * part
            );
        }
        load_str("growth.toml", &text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    /// Plays it for so many seconds after its warm-up; says how many requests arrived in them.
    fn play(&self, seconds: f64) -> u64 {
        let summary = run(&self.scenario(seconds), 1).unwrap_or_else(|why| panic!("{why}"));
        summary.requests.arrived
    }

    /// Nanoseconds of one request, set-up apart.
    fn ns_per_request(&self) -> f64 {
        let timed = |seconds| {
            let began = Instant::now();
            let requests = self.play(seconds);
            (began.elapsed().as_secs_f64() * 1e9, requests)
        };
        let (short, long) = (
            timed(SHORT_S),
            timed(SHORT_S + REQUESTS / self.requests_per_s()),
        );
        (long.0 - short.0) / (long.1 - short.1) as f64
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let mut words = arguments.iter().map(String::as_str);
    if let Some(cluster) = words.next() {
        let cluster = match cluster {
            "separate" => Cluster::Separate,
            "mixed" => Cluster::Mixed,
            _ => panic!("`{cluster}` is neither `separate` nor `mixed`"),
        };
        let mut number = |what| -> f64 {
            let word = words.next().and_then(|word| word.parse().ok());
            word.unwrap_or_else(|| panic!("say {what}: separate|mixed UNITS CLASSES SECONDS"))
        };
        let case = Case {
            cluster,
            units: number("how many units") as u32,
            classes: number("how many classes") as u32,
            priorities: arguments.iter().any(|word| word == "priorities"),
        };
        let seconds = number("how many seconds");
        println!("{} requests", case.play(seconds));
        return;
    }

    for cluster in [Cluster::Separate, Cluster::Mixed] {
        let cases = UNITS.map(|units| Case {
            cluster,
            units,
            classes: 1,
            priorities: false,
        });
        curve(&cases, "units", |case| case.units);
    }
    for cluster in [Cluster::Separate, Cluster::Mixed] {
        for priorities in [false, true] {
            let cases = CLASSES.map(|classes| Case {
                cluster,
                units: FEW_UNITS,
                classes,
                priorities,
            });
            curve(&cases, "classes", |case| case.classes);
        }
    }
}

/// Prints the cost of a request in each case, and beside that of the first.
fn curve(cases: &[Case], what: &str, number: impl Fn(&Case) -> u32) {
    let Some(case) = cases.first() else {
        return;
    };
    let each = if case.priorities {
        ", each before the next one"
    } else {
        ""
    };
    println!("\n{:?}: {what}{each}", case.cluster);
    let mut first = None;
    for case in cases {
        let ns = case.ns_per_request();
        let times = ns / *first.get_or_insert(ns);
        println!("{:7} {ns:8.0} ns a request  {times:6.2}", number(case));
    }
}
