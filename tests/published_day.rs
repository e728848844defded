//! The bundled day against what was published about it.
//!
//! The day's load, nodes and prices are inputs, so what is demanded here shows that sampling and
//! accounting are right, and no more. What the run predicts is printed and not judged. The published
//! income of each hour lies in a table outside the package; without it that part is skipped.

mod support;

use tokentide::internals::experiment::run;
use tokentide::internals::report::summary::{DistributionSummary, RunSummary, SpanSummary};
use tokentide::internals::scenario::{Scenario, load};

/// The published income by hour, beside the measured data.
const HOURLY: &str = "../facts/day6_hourly.csv";
/// How far an hour's revenue may be off.
const HOURLY_TOLERANCE: f64 = 0.03;
/// Two minutes of the day, a twentieth of its requests: seconds even without optimisation.
const SHORT: [&str; 3] = [
    "duration=2min",
    "warm_up=1min",
    "class.v3-r1.arrivals.requests_per_day=7_777_110",
];

#[test]
fn the_whole_day_is_the_published_one() {
    if !support::slow("the whole published day") {
        return;
    }
    let summary = play(&day(&[]), 2);
    println!("{}", predictions(&summary));

    let mut wrong = Wrong::default();
    accounts(&summary, &mut wrong);
    if let Some(file) = support::data(HOURLY) {
        let text = std::fs::read_to_string(file).expect("the hourly table is readable");
        hours(&summary, &text, &mut wrong);
    }
    wrong.report();
}

#[test]
fn two_minutes_of_the_day_add_up() {
    let summary = play(&day(&SHORT), 1);
    let node_hours = 278.0 * 2.0 / 60.0;
    let mut wrong = Wrong::default();
    audits(&summary, &mut wrong);
    wrong.off("node-hours", summary.nodes.node_hours, node_hours, 1e-12);
    wrong.off(
        "cost",
        summary.economics.cost_usd,
        node_hours * 8.0 * 2.0,
        1e-9,
    );
    wrong.off_maybe("hit rate", summary.kv_hit_rate, 0.5625, 0.01);
    let arrived = summary.requests.arrived;
    wrong.unless(
        (5_000..50_000).contains(&arrived),
        format!("{arrived} requests are not a twentieth of the day's"),
    );
    rates_only(&summary, &mut wrong);
    wrong.report();
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let scenario = day(&SHORT);
    let one = play(&scenario, 1);
    for threads in [2, 3] {
        assert!(
            play(&scenario, threads) == one,
            "{threads} threads give another summary than one"
        );
    }
    let other = scenario.seed + 1;
    let other = scenario.with_seed(other);
    assert!(
        play(&other, 1).requests != one.requests,
        "another seed gives the same requests"
    );
}

/// The bundled day with some of it set.
fn day(set: &[&str]) -> Scenario {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    load("deepseek-day", &set).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Its summary.
fn play(scenario: &Scenario, threads: usize) -> RunSummary {
    run(scenario, threads).unwrap_or_else(|why| panic!("on {threads} threads: {why}"))
}

/// The day's totals are not held against two minutes; its rates are.
fn rates_only(summary: &RunSummary, wrong: &mut Wrong) {
    let shown: Vec<&str> = summary.published.iter().map(|p| p.field.as_str()).collect();
    let totals = [
        "nodes.node_hours",
        "nodes.peak",
        "economics.cost_usd",
        "tokens.input",
    ];
    wrong.unless(
        !totals.iter().any(|total| shown.contains(total)),
        format!("totals are compared: {shown:?}"),
    );
    wrong.unless(
        [
            "nodes.mean",
            "kv_hit_rate",
            "decode.output_speed_tokens_per_s",
        ]
        .iter()
        .all(|r| shown.contains(r)),
        format!("rates are not compared: {shown:?}"),
    );
    let says = |text: &String| {
        text.starts_with("published figures that were not counted for 2 min are")
            && text.contains("Revenue")
    };
    wrong.unless(
        summary.warnings.iter().any(says),
        format!("nothing is said of them: {:?}", summary.warnings),
    );
}

/// What was published of the whole day.
fn accounts(summary: &RunSummary, wrong: &mut Wrong) {
    audits(summary, wrong);
    let nodes = &summary.nodes;
    wrong.unless(
        nodes.node_hours == 5442.0 && nodes.mean == 226.75 && nodes.peak == 278,
        format!("nodes are not 5442 h, mean 226.75, peak 278 but {nodes:?}"),
    );
    let tokens = &summary.tokens;
    wrong.off("input tokens", tokens.input as f64, 608e9, 0.005);
    wrong.off("cached tokens", tokens.cached_input as f64, 342e9, 0.005);
    wrong.off("output tokens", tokens.output, 168e9, 0.005);
    let money = &summary.economics;
    wrong.off("cost", money.cost_usd, 87_072.0, 0.001);
    wrong.off("revenue", money.revenue_usd, 562_027.0, 0.01);
    wrong.unless(
        money
            .cost_profit_ratio
            .is_some_and(|ratio| (5.35..=5.55).contains(&ratio)),
        format!(
            "profit over cost is {:?}, not 5.35 to 5.55",
            money.cost_profit_ratio
        ),
    );
    let prefill = summary.throughput.prefill_input_tokens_per_s_per_node;
    wrong.off_maybe("prefill tokens/s per node", prefill, 73_700.0, 0.01);
    let decode = summary.throughput.decode_output_tokens_per_s_per_node;
    wrong.off_maybe("decode tokens/s per node", decode, 14_800.0, 0.01);
    let kv_length = summary.decode.kv_length_tokens;
    wrong.off_maybe("KV length", kv_length, 4989.0, 0.02);
    let arrived = summary.requests.arrived;
    wrong.unless(
        (135_000_000..=175_000_000).contains(&arrived),
        format!("{arrived} requests, not 135 to 175 million"),
    );
}

/// The balances, of which there must be some.
fn audits(summary: &RunSummary, wrong: &mut Wrong) {
    wrong.unless(!summary.audit.is_empty(), "there is no audit".to_owned());
    for (name, balance) in &summary.audit {
        wrong.unless(
            balance.holds && balance.left == balance.right,
            format!("audit {name}: {balance:?}"),
        );
    }
}

/// Revenue by hour against a table with the columns `hour_utc8` and `income_usd_adj`, from 12:00 on.
fn hours(summary: &RunSummary, table: &str, wrong: &mut Wrong) {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let names = reader.headers().expect("the table has a header").clone();
    let column = |name: &str| {
        names
            .iter()
            .position(|found| found == name)
            .unwrap_or_else(|| panic!("the table has a column {name}"))
    };
    let (hour, income) = (column("hour_utc8"), column("income_usd_adj"));
    let published: Vec<(u32, f64)> = reader
        .records()
        .map(|row| {
            let row = row.expect("a row of the table");
            let income = row[income].parse().expect("an income");
            (row[hour].parse().expect("an hour"), income)
        })
        .collect();
    wrong.unless(
        published.len() == 24 && summary.hours.len() == 24,
        format!(
            "{} published and {} simulated hours, not 24",
            published.len(),
            summary.hours.len()
        ),
    );
    for (&(hour, income), span) in published.iter().zip(&summary.hours) {
        wrong.unless(
            span.start.contains(&format!("T{hour:02}:00")),
            format!("the hour from {} stands beside that of {hour}", span.start),
        );
        let what = format!("revenue from {hour}:00");
        wrong.off(&what, span.revenue_usd, income, HOURLY_TOLERANCE);
    }
}

/// What came out that nobody put in.
fn predictions(summary: &RunSummary) -> String {
    let mut lines = vec![format!(
        "predicted: {} tokens/s per request (published: 20 to 22), batch {} a rank",
        shown(summary.decode.output_speed_tokens_per_s),
        shown(summary.decode.batch_per_rank),
    )];
    let latency = &summary.latency;
    lines.push(quantiles("TTFT", &latency.ttft_s));
    lines.push(quantiles("TPOT", &latency.tpot_s));
    lines.push(quantiles("end to end", &latency.e2e_s));
    for (name, pool) in &summary.pools {
        lines.push(format!(
            "{name}: utilisation {}, {:.0} waiting on average",
            shown(pool.utilization),
            pool.queue_length_mean
        ));
    }
    let night =
        |span: &&SpanSummary| ["T03:30", "T03:45", "T04:00"].map(|t| span.start.contains(t));
    lines.extend(
        summary
            .intervals
            .iter()
            .filter(|span| night(span).contains(&true))
            .map(interval),
    );
    lines.join("\n")
}

/// One interval in a line.
fn interval(span: &SpanSummary) -> String {
    let mut line = format!(
        "{}: {} nodes, {}, {} tokens/s per request",
        span.start,
        span.nodes_mean,
        quantiles("TTFT", &span.latency.ttft_s),
        shown(span.output_speed_tokens_per_s),
    );
    for (name, pool) in &span.pools {
        line += &format!(
            "; {name}: utilisation {}, batch {}, {:.0} waiting on average, {} at the end",
            shown(pool.utilization),
            shown(pool.batch_per_rank),
            pool.queue_length_mean,
            pool.queue_length_end
        );
    }
    line
}

/// A distribution of seconds in a few words.
fn quantiles(name: &str, seconds: &DistributionSummary) -> String {
    format!(
        "{name} mean {} p50 {} p99 {} s",
        shown(seconds.mean),
        shown(seconds.p50),
        shown(seconds.p99)
    )
}

/// A figure, or that there is none.
fn shown(figure: Option<f64>) -> String {
    figure.map_or_else(|| "none".to_owned(), |figure| format!("{figure:.3}"))
}

/// What does not agree, gathered so that one run tells all of it.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    /// Holds `found` to `published`, within a part of it.
    fn off(&mut self, what: &str, found: f64, published: f64, part: f64) {
        let error = found / published - 1.0;
        self.unless(
            error.abs() <= part,
            format!(
                "{what}: {found} against {published}, {:+.3} % off, allowed are {:.3} %",
                100.0 * error,
                100.0 * part
            ),
        );
    }

    /// The same for a figure that may be missing, which it must not be.
    fn off_maybe(&mut self, what: &str, found: Option<f64>, published: f64, part: f64) {
        self.off(what, found.unwrap_or(f64::NAN), published, part);
    }

    /// Notes `message` unless `right`.
    fn unless(&mut self, right: bool, message: String) {
        if !right {
            self.0.push(message);
        }
    }

    /// Fails with all that was noted.
    fn report(self) {
        assert!(
            self.0.is_empty(),
            "{} disagreements:\n{}",
            self.0.len(),
            self.0.join("\n")
        );
    }
}
