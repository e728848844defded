//! Recordings that are too long to be held: played from their file, in order, as their rows are, in memory that does not
//! grow with them.

mod support;

use std::fmt::Write as _;
use std::sync::OnceLock;

use support::program::Scratch;
use tokentide::internals::experiment::run;
use tokentide::internals::scenario::{Scenario, load_str};
use tokentide::internals::units::SimTime;
use tokentide::internals::workload::Workload;

/// More rows than are held (262,144).
const ROWS: u64 = 300_000;

const SERVER: &str = "name = 'streams'\nstart = 2026-01-05T12:00:00Z\nmodel = 'llama-3.1-8b'\n\
    node = { gpu = 'h100', gpus = 8, price_per_gpu_hour = 2.0 }\n\
    performance = { kind = 'linear', prefill = { per_token = '1ns' }, decode = { base = '1us' } }\n\
    pools.mixed = { nodes_per_unit = 1, max_batch_tokens = 8192, units = 1, kv_capacity_tokens = 1_000_000 }\n";

/// A row of the recording: time in ms, input, output.
type Row = (u64, u32, u32);

/// Row n comes at n ms; every hundredth failed; every tenth stands five rows late in the file.
fn row(n: u64) -> Row {
    (
        n,
        10 + (n * 7919 % 4001) as u32,
        if n % 100 == 7 { 0 } else { 2 },
    )
}

/// The recording as text, which a few tests share.
fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut text = String::from("arrived_ms,input_tokens,output_tokens,cached_tokens\n");
        let mut order: Vec<u64> = (0..ROWS).collect();
        order
            .chunks_exact_mut(10)
            .for_each(|ten| ten[3..9].rotate_left(1));
        for n in order {
            let (at, input, output) = row(n);
            writeln!(text, "{at},{input},{output},0").expect("a text takes all");
        }
        text
    })
}

/// A server that plays a file.
fn loaded(path: &str, more: &str, duration: &str) -> Result<Scenario, String> {
    let text = format!("{SERVER}duration = '{duration}'\n");
    let class = format!(
        "class=[{{ name = 'r', arrivals = {{ kind = 'trace', file = '{path}' {more} }} }}]"
    );
    load_str("streams", &text, &[class]).map_err(|mistakes| mistakes.to_string())
}

fn scenario(path: &str, more: &str, duration: &str) -> Scenario {
    loaded(path, more, duration).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Time in us, input and output of all requests, taken in steps of ten seconds.
fn played(scenario: &Scenario) -> Vec<Row> {
    let mut workload = Workload::new(scenario).expect("no hits are drawn");
    let (mut requests, mut until) = (Vec::new(), 0);
    let end = scenario.warm_up.0 + scenario.duration.0;
    while until < end {
        until += 10_000_000_000;
        workload.fill(SimTime(until), &mut requests);
    }
    requests
        .iter()
        .map(|r| (r.at.0 / 1_000, r.input, r.output))
        .collect()
}

#[test]
fn a_stream_has_the_rows_of_its_file_in_order() {
    let scratch = Scratch::new("streams-rows");
    let path = scratch.write("rows.csv", text());
    let answered = |n: &u64| row(*n).2 > 0;
    let plain: Vec<Row> = (0..ROWS)
        .filter(answered)
        .map(|n| (row(n).0 * 1_000, row(n).1, row(n).2))
        .collect();
    let own = scenario(&path, "", "trace");
    assert_eq!(
        own.duration.0, 300_000_000_000,
        "the first whole second after the last row"
    );
    assert!(
        played(&own) == plain,
        "all rows in order, failed ones left out"
    );
    assert!(
        own.classes[0].arrivals.cautions[0].starts_with("3,000 recorded requests have no output")
    );

    // Twice as fast a window of a minute, three times, from a quarter past on.
    let part = scenario(
        &path,
        ", window = ['1min', '2min'], rate = 2.0, repeat = 3, at = '12:15'",
        "1h",
    );
    let expected: Vec<Row> = (0..3)
        .flat_map(|lap| (60_000..120_000).map(move |n| (lap, n)))
        .filter(|(_, n)| answered(n))
        .map(|(lap, n)| {
            let at = 900_000_000 + lap * 30_000_000 + (n - 60_000) * 500;
            (at, row(n).1, row(n).2)
        })
        .collect();
    assert!(
        played(&part) == expected,
        "a window at twice the rate, three times"
    );

    // Cut off in the middle of the second time through.
    let cut = scenario(&path, ", repeat = 2", "400s");
    let (count, all) = cut.classes[0].recorded(cut.duration).expect("a recording");
    assert_eq!((count, all), (297_000 + 99_000, 594_000));
    assert_eq!(played(&cut).len() as u64, count);

    let failed = scenario(&path, ", failed = 'prompt'", "trace");
    let with_failed = played(&failed);
    assert_eq!(with_failed.len() as u64, ROWS);
    assert_eq!(with_failed[7], (7_000, row(7).1, 1));
}

#[test]
fn short_recordings_play_failed_prompts_too() {
    let scratch = Scratch::new("streams-failed");
    let rows = "arrived_s,input_tokens,output_tokens\n0,10,5\n1,20,0\n2,0,0\n3,30,\n";
    let path = scratch.write("rows.csv", rows);
    let of = |more: &str| played(&scenario(&path, more, "trace"));
    assert_eq!(of(""), [(0, 10, 5)]);
    let prompts = [(0, 10, 5), (1_000_000, 20, 1), (3_000_000, 30, 1)];
    assert_eq!(of(", failed = 'prompt'"), prompts);
    let none = scratch.write("none.csv", "arrived_s,input_tokens,output_tokens\n1,20,0\n");
    assert_eq!(
        played(&scenario(&none, ", failed = 'prompt'", "trace")).len(),
        1
    );
    let refused = loaded(&none, "", "1min").expect_err("nothing is left");
    assert!(
        refused.contains("no request of the file has an answer"),
        "{refused}"
    );
    assert!(refused.contains("failed = \"prompt\""), "{refused}");
}

#[test]
fn a_file_that_changes_voids_the_run() {
    let scratch = Scratch::new("streams-changed");
    let path = scratch.write("rows.csv", text());
    let scenario = scenario(&path, "", "trace");
    let summary = run(&scenario, 1).expect("the file is as it was");
    assert_eq!(summary.requests.arrived, 297_000);
    scratch.write("rows.csv", &text()[..text().len() / 2]);
    let why = run(&scenario, 1)
        .expect_err("half of the file is gone")
        .to_string();
    assert!(why.contains("changed while it was played"), "{why}");
}

/// A thousand times through takes no more memory than once, whether rows are held or streamed.
#[cfg(target_os = "linux")]
#[test]
fn memory_is_flat_over_a_recording_repeated_a_thousand_times() {
    use support::program::peak_memory;
    let scratch = Scratch::new("streams-flat");
    let rows: String = (0..2_000)
        .map(|n| format!("{},100,2\n", f64::from(n) / 1_000.0))
        .collect();
    let path = scratch.write(
        "rows.csv",
        &format!("arrived_s,input_tokens,output_tokens\n{rows}"),
    );
    let long = scratch.write("long.csv", text());
    let peak = |file: &str, repeat: u32| {
        let text = format!(
            "{SERVER}duration = 'trace'\n[[class]]\nname = 'r'\n\
             arrivals = {{ kind = 'trace', file = '{}', repeat = {repeat} }}\n",
            file.rsplit('/').next().expect("a name")
        );
        let toml = scratch.write("scenario.toml", &text);
        let (said, peak) = peak_memory(&["run", &toml, "--quiet", "--threads", "1"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        peak
    };
    let (once, often) = (peak(&path, 1), peak(&path, 1_000));
    assert!(
        often < once + 4_000_000,
        "{once} B once, {often} B a thousand times"
    );
    let (once, often) = (peak(&long, 1), peak(&long, 5));
    assert!(
        often < once + 4_000_000,
        "{once} B once, {often} B five times"
    );
}
