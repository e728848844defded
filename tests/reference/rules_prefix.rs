//! The rules by hand, S19: prefix caches of mixed pools, where every step takes 1 s, whatever is in it. The pool is one
//! unit of one rank with 10 tokens a step; all prompts begin with the same 8 tokens, two blocks of 4.

use crate::rules::check_in;
use crate::rules_mixed::BASE;

/// Demands that recorded requests fare so, on both sides, with these changes and a prefix cache.
fn check(set: &[&str], requests: &[&str], expected: &[&str]) {
    let cache = "kv_cache={ kind = \"prefix\", block_tokens = 4 }";
    let shared = "class.all.shared_prompts={ tokens = 8 }";
    let set: Vec<&str> = [cache, shared].iter().chain(set).copied().collect();
    check_in(BASE, &set, requests, expected);
}

#[test]
fn a_block_is_found_when_the_step_that_computed_it_has_ended() {
    // 10 and 8 tokens of the first. The second joins for the 2 that are left of the second step, finds the two blocks
    // that the first step has computed, and has 8 more to compute.
    let requests = ["0,18,1", "0.5,18,1"];
    let expected = ["start 0 first 2 done 2", "start 1 first 3 done 3"];
    check(&[], &requests, &expected);
    // Who joins together finds nothing of the other: 12 tokens of the first, 8 of the second, and then 4.
    let requests = ["0,12,1", "0,12,1"];
    let expected = ["start 0 first 1 done 1", "start 0 first 2 done 2"];
    let set = ["pools.mixed.max_batch_tokens=20"];
    check(&set, &requests, &expected);
    // Had it found them, it would have had 2 tokens to compute, and 10 of the third would have had room.
    let requests = ["0,12,1", "0,12,1", "1,22,1"];
    let last = "start 1 first 2 done 2";
    check(&set, &requests, &[expected[0], expected[1], last]);
}

#[test]
fn of_a_prompt_that_is_there_in_full_the_last_block_is_computed() {
    // 8 tokens, of which the last one is computed in any case: one block is found.
    let requests = ["0,8,1", "1.5,8,1"];
    let expected = ["start 0 first 1 done 1", "start 1.5 first 2.5 done 2.5"];
    check(&["pools.mixed.max_batch_tokens=8"], &requests, &expected);
    let expected = ["start 0 first 2 done 2", "start 2 first 3 done 3"];
    check(&["pools.mixed.max_batch_tokens=4"], &requests, &expected);
}

#[test]
fn what_two_requests_hold_takes_memory_once() {
    // At 1 s the first holds 11 tokens and will hold 12; the second would hold 11, of which the first has 8. At 4 s both
    // hold 14 + 13 - 8 and will hold 2 more. The second goes, with three tokens; it leaves blocks of 12 tokens, all of
    // which it finds when the first is done: 1 token is to compute of 13.
    let requests = ["0,10,5", "0.5,10,5"];
    let first = "start 0 first 1 done 5";
    let expected = [first, "start 1 first 2 preempted 4 done 7"];
    check(&["pools.mixed.kv_capacity_tokens=20"], &requests, &expected);
    // With 22 nobody goes: at 5 s the first is done.
    let expected = [first, "start 1 first 2 done 6"];
    check(&["pools.mixed.kv_capacity_tokens=22"], &requests, &expected);
    // Were nothing shared, the second would have to wait.
    let set = [
        "pools.mixed.kv_capacity_tokens=22",
        "class.all.shared_prompts.tokens=1",
    ];
    let expected = [first, "start 5 first 6 done 10"];
    check(&set, &requests, &expected);
}

#[test]
fn what_nobody_holds_makes_room_from_a_path_s_tail() {
    // The first leaves 4 blocks of its 18 tokens. At 3 s the second holds 13 of 20 tokens, 8 of them the first's: of its
    // two others one goes. The third, which begins with the first's 8 tokens, finds only those, whoever went: 2 steps.
    let requests = ["0,18,1", "3,12,1", "5,22,1"];
    let expected = [
        "start 0 first 2 done 2",
        "start 3 first 4 done 4",
        "start 5 first 7 done 7",
    ];
    check(&["pools.mixed.kv_capacity_tokens=24"], &requests, &expected);
}

/// A prefill pool, with all prompts alike in their first 8 tokens, and decode steps of 1 s.
fn check_prefill(set: &[&str], requests: &[&str], expected: &[&str]) {
    let cache = "kv_cache={ kind = \"prefix\", block_tokens = 4 }";
    let shared = "class.all.shared_prompts={ tokens = 8 }";
    let room = "pools.prefill.kv_capacity_tokens=100";
    let batch = "pools.prefill.max_batch_tokens=10";
    let set: Vec<&str> = [cache, shared, room, batch]
        .iter()
        .chain(set)
        .copied()
        .collect();
    check_in(crate::rules::BASE, &set, requests, expected);
}

#[test]
fn prefill_ranks_keep_what_they_have_computed_as_far_as_there_is_room() {
    // 10 and 8 tokens of the first; of the second 10 beside the 8 that it finds, 18 in two steps without them.
    let requests = ["0,18,1", "2,18,1"];
    let expected = ["start 0 first 2 done 2", "start 2 first 3 done 3"];
    check_prefill(&[], &requests, &expected);
    // Its own prompt takes all of the room.
    let expected = ["start 0 first 2 done 2", "start 2 first 4 done 4"];
    check_prefill(
        &["pools.prefill.kv_capacity_tokens=7"],
        &requests,
        &expected,
    );
}
