//! The rules by hand, S17 and S18: mixed pools and users who wait, where every step takes 1 s, whatever is
//! in it. The pool is one unit of one rank with 10 tokens a step, where a test does not say otherwise.

use tokentide::internals::scenario::Scenario;

use crate::rules::{check_in, check_played, drawn, users_in};

pub const BASE: &str = r#"
name = "by hand"
start = 2026-01-01T00:00:00Z
duration = "100s"
model = { name = "any", kv_bytes_per_token = 1_000_000 }
node = { gpu = "h100", gpus = 4, price_per_gpu_hour = 1.0 }
performance = { kind = "linear", prefill = { base = "1s" }, decode = { base = "1s" } }

[pools.mixed]
nodes_per_unit = 1
parallelism = { attention_data = 1 }
max_batch_tokens = 10
kv_capacity_tokens = 1000
units = 1

[[class]]
name = "all"
"#;

/// Demands that recorded requests fare so, on both sides.
fn check(set: &[&str], requests: &[&str], expected: &[&str]) {
    check_in(BASE, set, requests, expected);
}

/// The same of users' requests.
fn check_users(arrivals: &str, set: &[&str], expected: &[&str]) {
    check_played(&of_users(arrivals, set), expected);
}

/// Users' requests, of 10 tokens and with answers of 2.
fn of_users(arrivals: &str, set: &[&str]) -> Scenario {
    users_in(BASE, arrivals, set)
}

#[test]
fn chunks_fill_what_answers_leave_of_a_step() {
    // 10, 10 and 5 tokens of the first; then there is room for the second.
    let requests = ["0,25,3", "0.5,4,3"];
    let expected = ["start 0 first 3 done 5", "start 2 first 3 done 5"];
    check(&[], &requests, &expected);
    // Beside one token of the first, 9 and then 8 of the second.
    let requests = ["0,10,4", "0.5,17,1"];
    let expected = ["start 0 first 1 done 4", "start 1 first 3 done 3"];
    check(&[], &requests, &expected);
    // A step makes two tokens and takes the room of both: 8, 8 and, alone, 1 of the second.
    let expected = ["start 0 first 1 done 3", "start 1 first 4 done 4"];
    check(&["mtp.acceptance=1.0"], &requests, &expected);
}

#[test]
fn whole_prompts_wait_for_room_for_all_of_them() {
    let set = ["pools.mixed.batching=\"whole\""];
    let first = "start 0 first 1 done 4";
    let expected = [first, "start 1 first 2 done 2"];
    check(&set, &["0,10,4", "0.5,9,1"], &expected);
    let expected = [first, "start 4 first 5 done 5"];
    check(&set, &["0,10,4", "0.5,10,1"], &expected);
    // Longer than any batch: a whole one is enough to begin.
    let expected = [first, "start 4 first 7 done 7"];
    check(&set, &["0,10,4", "0.5,25,1"], &expected);
}

#[test]
fn answers_wait_for_prompts_that_go_first() {
    let set = ["pools.mixed.batching=\"prefill-first\""];
    let expected = ["start 0 first 1 done 5", "start 1 first 3 done 4"];
    check(&set, &["0,10,3", "0.5,20,2"], &expected);
}

#[test]
fn who_looks_ahead_takes_who_waited_when_the_step_before_began() {
    let requests = ["0,10,3", "0.5,2,1", "1,2,1", "5,2,1"];
    let (first, last) = ("start 0 first 1 done 3", "start 5 first 6 done 6");
    let at_once = "start 1 first 2 done 2";
    check(&[], &requests, &[first, at_once, at_once, last]);
    let later = "start 2 first 3 done 3";
    let set = ["pools.mixed.look_ahead=true"];
    check(&set, &requests, &[first, later, later, last]);
}

#[test]
fn prompts_have_every_third_step_while_anybody_decodes() {
    // 9 tokens of the second beside the first at 3 s, and the other 6 at 6 s, when the first is done.
    let set = ["pools.mixed.prefill_every=3"];
    let expected = ["start 0 first 1 done 6", "start 3 first 7 done 7"];
    check(&set, &["0,10,6", "0.5,15,1"], &expected);
    let expected = ["start 0 first 1 done 6", "start 1 first 3 done 3"];
    check(&[], &["0,10,6", "0.5,15,1"], &expected);
}

#[test]
fn newcomers_are_taken_in_every_third_step_and_after_prompts() {
    // The second comes while the first decodes: the unit looks at 1 s, behind prompts, and at 4 s, three steps later.
    // The third came in time for the step after the second's prompt, the fourth finds an empty unit.
    let set = ["pools.mixed.receive_every=3"];
    let expected = [
        "start 0 first 1 done 8",
        "start 4 first 5 done 5",
        "start 5 first 6 done 6",
        "start 9.5 first 10.5 done 10.5",
    ];
    let requests = ["0,10,8", "1.5,5,1", "4.5,5,1", "9.5,5,1"];
    check(&set, &requests, &expected);
    // Looking ahead, the unit sees at 1 s, behind prompts, who waited at 0, at 4 s who waited at 3 s, and so on; the
    // last of the third's 5 tokens is left for the step after.
    let ahead = [set[0], "pools.mixed.look_ahead=true"];
    let requests = ["0,10,8", "0.5,5,1", "1.5,5,1", "4.5,5,1"];
    let expected = [
        "start 0 first 1 done 8",
        "start 4 first 5 done 5",
        "start 4 first 6 done 6",
        "start 6 first 7 done 7",
    ];
    check(&ahead, &requests, &expected);
}

#[test]
fn prompts_wait_for_a_fuller_batch_some_steps() {
    let set = [
        "pools.mixed.batch_wait_steps=3",
        "pools.mixed.batch_wait_tokens=10",
    ];
    // 5 tokens and one answer are too few at 1, 2 and 3 s, and have waited long enough at 4 s.
    let requests = ["0,10,8", "0.5,5,1"];
    let expected = ["start 0 first 1 done 8", "start 4 first 5 done 5"];
    check(&set, &requests, &expected);
    // With the third one's at 2 s they are enough.
    let requests = ["0,10,8", "0.5,5,1", "1.5,4,1"];
    let both = "start 2 first 3 done 3";
    check(&set, &requests, &["start 0 first 1 done 8", both, both]);
    // Where nobody decodes nobody waits.
    let requests = ["0,10,2", "1.5,5,1"];
    check(
        &set,
        &requests,
        &["start 0 first 1 done 2", "start 2 first 3 done 3"],
    );
}

#[test]
fn who_is_preempted_computes_again_what_it_had() {
    // At 5 s both hold 15 + 9 tokens and will hold 26. The second has 4 tokens of its answer; it would hold
    // 10 when it had computed them again, so that it waits for the first to end.
    let requests = ["0,10,9", "0.5,5,9"];
    let expected = [
        "start 0 first 1 done 9",
        "start 1 first 2 preempted 5 done 14",
    ];
    check(&["pools.mixed.kv_capacity_tokens=25"], &requests, &expected);
    // A step later with a token more.
    let expected = [
        "start 0 first 1 done 9",
        "start 1 first 2 preempted 6 done 13",
    ];
    check(&["pools.mixed.kv_capacity_tokens=26"], &requests, &expected);
}

#[test]
fn of_those_who_joined_a_mixed_rank_together_the_highest_id_is_preempted() {
    // Three of 11 tokens fit for one step (36), not for two (39). There is room again when the others are
    // done, and the end of 12 computed tokens emits the third and last.
    let set = [
        "pools.mixed.max_batch_tokens=30",
        "pools.mixed.kv_capacity_tokens=36",
    ];
    let stays = "start 0 first 1 done 3";
    let leaves = "start 0 first 1 preempted 2 done 4";
    check(&set, &["0,10,3"; 3], &[stays, stays, leaves]);
}

#[test]
fn what_no_mixed_rank_can_hold_fails() {
    let requests = ["0,10,10"];
    let never = ["failed 0"];
    check(&["pools.mixed.kv_capacity_tokens=10"], &requests, &never);
    let grows = ["start 0 first 1 preempted 2 failed 2"];
    check(&["pools.mixed.kv_capacity_tokens=12"], &requests, &grows);
    // However late it came: its place at the head is the only thing that counts.
    let set = [
        "pools.mixed.kv_capacity_tokens=20",
        "pools.mixed.look_ahead=true",
    ];
    let expected = ["start 0 first 1 done 3", "failed 1"];
    check(&set, &["0,10,3", "0.5,30,1"], &expected);
}

#[test]
fn a_released_mixed_unit_has_all_computed_elsewhere() {
    // Unit 1 goes at 5 s. Its request had tokens at 1, 2, 3 and 4 s; a step until 5 s does not start. On the
    // other unit 9 and 5 tokens are computed again, and the fifth leaves at 7 s.
    let set = ["pools.mixed.units={ schedule = [[\"00:00:00\", 2], [\"00:00:05\", 1]] }"];
    let expected = ["start 0 first 1 done 10", "start 0 first 1 moved 5 done 8"];
    check(&set, &["0,10,10", "0,10,6"], &expected);
}

#[test]
fn an_answer_may_be_longer_in_coming_than_its_unit_lives_and_be_rejected() {
    // No unit serves from 3 s on, and none may wait: what was emitted is emitted.
    let set = [
        "pools.mixed.units={ schedule = [[\"00:00:00\", 1], [\"00:00:03\", 0]] }",
        "pools.mixed.max_queue_requests=0",
    ];
    let expected = ["start 0 first 1 moved 3 rejected 3"];
    check(&set, &["0,10,10"], &expected);
}

#[test]
fn users_wait_for_their_answers_and_think() {
    // The first begins at 0, the second at half of the ramp; each asks again 1 s after its answer.
    let times = [0, 2, 3, 5, 6];
    let expected = times.map(|t| format!("start {t} first {} done {}", t + 1, t + 2));
    check_users(
        "users = 2, think_time = \"1s\", ramp_up = \"4s\", requests = 5",
        &["pools.mixed.max_batch_tokens=100"],
        &expected.each_ref().map(String::as_str),
    );
}

#[test]
fn users_who_are_turned_away_pause_for_a_second() {
    // One place and no queue. At 2 s both users would ask, and one request is left.
    let set = [
        "pools.mixed.max_batch_requests=1",
        "pools.mixed.max_queue_requests=0",
    ];
    let expected = [
        "start 0 first 1 done 2",
        "rejected 0",
        "rejected 1",
        "start 2 first 3 done 4",
    ];
    check_users("users = 2, requests = 4", &set, &expected);
}

#[test]
fn who_was_served_draws_a_think_time_before_who_was_turned_away() {
    let thinking = "think = \"exponential\", think_time = \"50ms\"";
    let drawn = drawn(BASE, thinking);
    // One place, no queue, three users. At 0 and at 1 s two are turned away: four draws, pauses of 1 s. At 2 s
    // the first has its answer, one of the two gets its place, and the other is turned away once more.
    let (fifth, sixth) = (drawn[4], drawn[5]);
    assert_ne!(fifth, sixth);
    let next = format!("rejected {}", (2_000_000_000 + fifth) as f64 / 1e9);
    let expected = [
        "start 0 first 1 done 2",
        "rejected 0",
        "rejected 0",
        "rejected 1",
        "rejected 1",
        "start 2 first 3 done 4",
        "rejected 2",
        &next,
    ];
    let set = [
        "pools.mixed.max_batch_requests=1",
        "pools.mixed.max_queue_requests=0",
    ];
    check_users(
        &format!("users = 3, requests = 8, {thinking}"),
        &set,
        &expected,
    );
}
