//! The rules by hand: scenarios of a few requests whose every time can be worked out on paper, played on
//! the engine and on the reference.
//!
//! A prefill step takes 1 s and a decode step 1 s, whatever is in them. First tokens leave as prefill ends. KV
//! takes no time from prefill to decode, 1 s a token between decode units and from a host. Pools are single
//! units of one rank, where a test does not say otherwise.

use tokentide::internals::cluster::controller::Controller;
use tokentide::internals::experiment;
use tokentide::internals::perf::StepTimes;
use tokentide::internals::scenario::{Scenario, load_str};
use tokentide::internals::units::SimTime;
use tokentide::internals::workload::Workload;

use crate::history::{End, Join, Life};
use crate::simulation::Outcome;
use crate::{simulation, witness};

pub const BASE: &str = r#"
name = "by hand"
start = 2026-01-01T00:00:00Z
duration = "100s"
first_token = "prefill"
model = { name = "any", kv_bytes_per_token = 1_000_000 }
node = { gpu = "h100", gpus = 4, price_per_gpu_hour = 1.0 }
transfer = { bandwidth_gb_per_s = 0.001, host_gb_per_s = 0.001, overlap = 1.0 }
performance = { kind = "linear", prefill = { base = "1s" }, decode = { base = "1s" } }

[pools.prefill]
nodes_per_unit = 1
parallelism = { attention_data = 1 }
max_batch_tokens = 100
units = 1

[pools.decode]
nodes_per_unit = 1
parallelism = { attention_data = 1 }
kv_capacity_tokens = 1000
units = 1

[[class]]
name = "all"
"#;

/// The scenario of these requests (`arrived_s,input_tokens,output_tokens`), with these changes.
pub fn scenario(base: &str, set: &[&str], requests: &[&str]) -> Scenario {
    let rows = requests.join("\\n");
    let csv = format!(r#"csv = {{ text = "arrived_s,input_tokens,output_tokens\n{rows}" }}"#);
    let text = format!("{base}arrivals = {{ kind = \"trace\", {csv} }}\n");
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    load_str("by-hand.toml", &text, &set).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Demands that requests fare so, on both sides.
fn check(set: &[&str], requests: &[&str], expected: &[&str]) {
    check_in(BASE, set, requests, expected);
}

/// The same, with other pools.
pub fn check_in(base: &str, set: &[&str], requests: &[&str], expected: &[&str]) {
    check_played(&scenario(base, set, requests), expected);
}

/// Controllers of a scenario, always the same.
type Controlling<'a> = &'a dyn Fn() -> Option<Box<dyn Controller>>;

/// What the reference makes of a scenario.
pub fn played(scenario: &Scenario) -> Outcome {
    controlled(scenario, &|| None)
}

/// The same under a controller.
fn controlled(scenario: &Scenario, controller: Controlling<'_>) -> Outcome {
    let times = StepTimes::compile(scenario).expect("short steps");
    let mut arriving = Vec::new();
    let mut workload = Workload::new(scenario).expect("a workload");
    workload.fill(SimTime::NEVER, &mut arriving);
    let reference = simulation::simulate(scenario, &times, &arriving, controller());
    reference.expect("few requests")
}

/// Demands that a scenario's requests fare so, on both sides.
pub fn check_played(scenario: &Scenario, expected: &[&str]) {
    check_controlled(scenario, || None, expected);
}

/// The same under a controller.
pub fn check_controlled(
    scenario: &Scenario,
    controller: impl Fn() -> Option<Box<dyn Controller>>,
    expected: &[&str],
) {
    let times = StepTimes::compile(scenario).expect("short steps");
    let workload = Workload::new(scenario).expect("a recorded workload");
    let reference = controlled(scenario, &controller).history;
    let controllers = controller().into_iter().collect();
    let engine = witness::watch(
        scenario,
        workload,
        &times,
        reference.lives.len(),
        controllers,
    );
    for (who, history) in [("the reference", reference), ("the engine", engine)] {
        let shown: Vec<String> = history.lives.iter().map(shown).collect();
        assert_eq!(shown, expected, "{who}");
    }
}

/// The scenario of users' requests, of 10 tokens and with answers of 2.
pub fn users_in(base: &str, arrivals: &str, set: &[&str]) -> Scenario {
    let constant = |value| format!("{{ kind = \"constant\", value = {value} }}");
    let (input, output) = (constant(10), constant(2));
    let text = format!(
        "{base}arrivals = {{ kind = \"closed-loop\", {arrivals} }}\ninput = {input}\noutput = {output}\n"
    );
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let scenario = load_str("by-hand.toml", &text, &set);
    scenario.unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false)))
}

/// The first think times that users draw, in nanoseconds: a user alone shows one after the other.
pub fn drawn(base: &str, thinking: &str) -> Vec<u64> {
    let alone = users_in(base, &format!("users = 1, requests = 7, {thinking}"), &[]);
    let alone = played(&alone).history.lives;
    let done = |life: &Life| match life.end {
        End::Completed(at) => at,
        _ => panic!("it has no answer"),
    };
    let pairs = alone.windows(2);
    let think = |pair: &[Life]| pair[1].started.expect("a first step") - done(&pair[0]);
    let drawn: Vec<u64> = pairs.map(think).collect();
    // Below the pause of who is turned away.
    assert!(drawn.iter().all(|think| *think < 1_000_000_000));
    drawn
}

/// What became of a request, with times in seconds: when prefill started and the first token left, KV
/// arrivals, joins as `time@unit.rank`, preemptions, moves, losses, the end.
fn shown(life: &Life) -> String {
    let s = |ns: &u64| *ns as f64 / 1e9;
    let all = |what: &str, times: &[u64]| -> String {
        times
            .iter()
            .map(|at| format!("{what} {} ", s(at)))
            .collect()
    };
    let join = |j: &Join| format!("join {}@{}.{} ", s(&j.at), j.unit, j.rank);
    let end = match life.end {
        End::Unborn => "unborn".to_owned(),
        End::Completed(at) => format!("done {}", s(&at)),
        End::Rejected(at) => format!("rejected {}", s(&at)),
        End::Failed(at) => format!("failed {}", s(&at)),
        End::Inside(place, since) => format!("in {place:?} since {}", s(&since)),
    };
    all("start", life.started.as_slice())
        + &all("first", life.first_token.as_slice())
        + &all("kv", &life.kv_arrived)
        + &life.joined.iter().map(join).collect::<String>()
        + &all("preempted", &life.preempted)
        + &all("moved", &life.migrated)
        + &all(
            "lost",
            &life.lost.iter().map(|lost| lost.0).collect::<Vec<u64>>(),
        )
        + &end
}

#[test]
fn requests_join_at_boundaries_and_stay_for_their_steps() {
    // The second's KV arrives as a step ends, and joins for the next. The fourth finds the unit idle.
    let requests = ["0,10,4", "0.5,10,3", "1.5,10,1", "3.25,10,2"];
    let expected = [
        "start 0 first 1 kv 1 join 1@0.0 done 4",
        "start 1 first 2 kv 2 join 2@0.0 done 4",
        "start 2 first 3 done 3",
        "start 3.25 first 4.25 kv 4.25 join 4.25@0.0 done 5.25",
    ];
    check(&[], &requests, &expected);
    // KV that arrives within a step waits for its end.
    let expected = [
        "start 0 first 1 kv 1 join 1@0.0 done 4",
        "start 1.5 first 2.5 kv 2.5 join 3@0.0 done 5",
    ];
    check(&[], &["0,10,4", "1.5,10,3"], &expected);
}

#[test]
fn kv_memory_is_counted_to_the_token() {
    // At 2 s the first holds 12 and will hold 13; the second needs 6 and then 7.
    let requests = ["0,10,8", "0.5,5,3"];
    let waits = [
        "start 0 first 1 kv 1 join 1@0.0 done 8",
        "start 1 first 2 kv 2 join 8@0.0 done 10",
    ];
    check(&["pools.decode.kv_capacity_tokens=19"], &requests, &waits);
    // One token more and it joins, but at 3 s both together would grow to 22: it leaves with 7 tokens of
    // KV, which are back 7 s later, and has one step to go.
    let leaves = [
        "start 0 first 1 kv 1 join 1@0.0 done 8",
        "start 1 first 2 kv 2 join 2@0.0 join 10@0.0 preempted 3 done 11",
    ];
    check(&["pools.decode.kv_capacity_tokens=20"], &requests, &leaves);
    check(&["pools.decode.kv_capacity_tokens=21"], &requests, &leaves);
    // At 3 s they grow to 22, and at 4 s the second is done.
    let stays = [
        "start 0 first 1 kv 1 join 1@0.0 done 8",
        "start 1 first 2 kv 2 join 2@0.0 done 4",
    ];
    check(&["pools.decode.kv_capacity_tokens=22"], &requests, &stays);
}

#[test]
fn reservations_hold_all_that_will_ever_be() {
    let requests = ["0,10,10", "0.5,5,3"];
    let reserve = "pools.decode.admission=\"reserve\"";
    let waits = [
        "start 0 first 1 kv 1 join 1@0.0 done 10",
        "start 1 first 2 kv 2 join 10@0.0 done 12",
    ];
    check(
        &[reserve, "pools.decode.kv_capacity_tokens=27"],
        &requests,
        &waits,
    );
    let fits = [
        "start 0 first 1 kv 1 join 1@0.0 done 10",
        "start 1 first 2 kv 2 join 2@0.0 done 4",
    ];
    check(
        &[reserve, "pools.decode.kv_capacity_tokens=28"],
        &requests,
        &fits,
    );
}

#[test]
fn what_no_rank_can_hold_fails() {
    // 10 + 1 and a token more: 12 fit, and the third step of its life would need 13.
    let grows = ["start 0 first 1 kv 1 join 1@0.0 preempted 2 failed 2"];
    check(
        &["pools.decode.kv_capacity_tokens=12"],
        &["0,10,10"],
        &grows,
    );
    let never = ["start 0 first 1 kv 1 failed 1"];
    check(
        &["pools.decode.kv_capacity_tokens=11"],
        &["0,10,10"],
        &never,
    );
}

#[test]
fn ties_go_to_the_lowest_index() {
    let five = ["0,10,3"; 5];
    let at = |place: &str| format!("start 0 first 1 kv 1 join 1@{place} done 3");
    let expected = ["0.0", "1.0", "0.1", "1.1", "0.0"].map(at);
    let set = [
        "pools.decode.units=2",
        "pools.decode.parallelism.attention_data=2",
    ];
    check(&set, &five, &expected.each_ref().map(String::as_str));
}

#[test]
fn of_those_who_joined_together_the_highest_id_is_preempted() {
    // Three of 11 tokens fit for one step (36), not for two (39).
    let leaves = "start 0 first 1 kv 1 join 1@0.0 join 14@0.0 preempted 2 done 15";
    let stays = "start 0 first 1 kv 1 join 1@0.0 done 3";
    let expected = [stays, stays, leaves];
    check(
        &["pools.decode.kv_capacity_tokens=36"],
        &["0,10,3"; 3],
        &expected,
    );
}

#[test]
fn the_first_pool_of_the_file_ends_its_steps_first() {
    // At 3 s the first request leaves unit 0, and the third gets its first token. Where prefill comes
    // first, its router still sees 12 tokens on unit 0, and 8 on unit 1.
    let requests = ["0,10,3", "0.5,7,9", "1.5,5,9"];
    let first = "start 0 first 1 kv 1 join 1@0.0 done 3";
    let second = "start 1 first 2 kv 2 join 2@1.0 done 10";
    let set = ["pools.decode.units=2"];
    let third = "start 2 first 3 kv 3 join 3@1.0 done 11";
    check(&set, &requests, &[first, second, third]);
    let mut pools: Vec<&str> = BASE.split("\n\n").collect();
    pools.swap(1, 2);
    let third = "start 2 first 3 kv 3 join 3@0.0 done 11";
    check_in(
        &pools.join("\n\n"),
        &set,
        &requests,
        &[first, second, third],
    );
}

#[test]
fn a_released_unit_hands_on_all_that_it_holds() {
    // Unit 1 goes at 5 s. Its resident had tokens at 2, 3 and 4 s; a step until 5 s does not start. Its
    // 14 tokens of KV arrive 14 s later. The one that waits moves at once.
    let set = [
        "pools.decode.units={ schedule = [[\"00:00:00\", 2], [\"00:00:05\", 1]] }",
        "pools.decode.max_batch_requests=1",
    ];
    let requests = ["0,12,10", "0,10,6", "0,5,30", "0.5,4,3"];
    let expected = [
        "start 0 first 1 kv 1 join 1@0.0 done 10",
        "start 0 first 1 kv 1 kv 19 join 1@1.0 join 41@0.0 moved 5 done 43",
        "start 0 first 1 kv 1 join 12@0.0 moved 5 done 41",
        "start 1 first 2 kv 2 join 10@0.0 done 12",
    ];
    check(&set, &requests, &expected);
}

#[test]
fn half_prefilled_requests_start_again_elsewhere() {
    // Steps of 10 tokens; unit 1 goes at 3 s. Its first request has 20 of 40 tokens at 2 s, and a step
    // until 3 s does not start. Both of its requests follow the one on unit 0.
    let set = [
        "pools.prefill.units={ schedule = [[\"00:00:00\", 2], [\"00:00:03\", 1]] }",
        "pools.prefill.max_batch_tokens=10",
    ];
    let requests = ["0,50,1", "0,40,1", "0,10,1"];
    let expected = [
        "start 0 first 5 done 5",
        "start 0 first 9 moved 3 done 9",
        "start 9 first 10 moved 3 done 10",
    ];
    check(&set, &requests, &expected);
}

#[test]
fn a_full_queue_rejects_who_would_be_served_last() {
    let expected = [
        "start 0 first 1 done 1",
        "start 1 first 2 done 2",
        "rejected 0.5",
        "start 2 first 3 done 3",
    ];
    let set = ["pools.prefill.max_queue_requests=1"];
    check(
        &set,
        &["0,10,1", "0.25,100,1", "0.5,10,1", "1.5,10,1"],
        &expected,
    );
}

#[test]
fn completed_requests_pay_the_price_in_force() {
    // The published discount of R1: from 16:30 to 00:30 UTC, that is from 00:30 to 08:30 in Beijing.
    // Requests complete a second after they arrive: one just before and one at each edge.
    let hour = 3600;
    let at = |hours: u64, seconds: u64| format!("{},100,1", hours * hour + seconds);
    let rows = [at(0, 1798), at(0, 1799), at(8, 1798), at(8, 1799)];
    let requests: Vec<&str> = rows.iter().map(String::as_str).collect();
    let set = [
        "start=2025-02-28T00:00:00+08:00",
        "duration=\"10h\"",
        "class.0.price=\"deepseek-r1-2025-02\"",
    ];
    let summary = experiment::run(&scenario(BASE, &set, &requests), 1).expect("balanced books");
    let (full, reduced) = (100.0 * 0.55 + 2.19, 100.0 * 0.135 + 0.55);
    let revenue = |hour: usize| summary.hours[hour].revenue_usd * 1e6;
    assert_eq!(revenue(0), full + reduced);
    assert_eq!(revenue(8), full + reduced);
}

#[test]
fn of_those_heard_of_at_once_the_served_draws_first() {
    // One place for decode and no queue. At 2 s the first has its answer, the second gets the place, and the
    // third is turned away.
    let thinking = "think = \"exponential\", think_time = \"50ms\"";
    let drawn = drawn(BASE, thinking);
    assert_ne!(drawn[0], drawn[1]);
    let again = 2_000_000_000 + drawn[0];
    let s = |ns: u64| ns as f64 / 1e9;
    let (first, done) = (s(again + 1_000_000_000), s(again + 2_000_000_000));
    let fourth = format!(
        "start {} first {first} kv {first} join {first}@0.0 done {done}",
        s(again)
    );
    let expected = [
        "start 0 first 1 kv 1 join 1@0.0 done 2",
        "start 1 first 2 kv 2 join 2@0.0 done 3",
        "start 1 first 2 kv 2 rejected 2",
        &fourth,
    ];
    let set = [
        "pools.decode.max_batch_requests=1",
        "pools.decode.max_queue_requests=0",
    ];
    let arrivals = format!("users = 3, ramp_up = \"1500ms\", requests = 4, {thinking}");
    check_played(&users_in(BASE, &arrivals, &set), &expected);
}
