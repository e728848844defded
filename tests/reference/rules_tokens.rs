//! The rules by hand, S8, S9 and S14: first tokens that come from decode, drafts, and memory that counts windows
//! and states. In the scenario of `rules.rs`, where every step takes 1 s and KV no time from prefill to decode.

use tokentide::internals::catalog::KvShape;

use crate::rules::{BASE, check_in, check_played, scenario};
use crate::rules_mixed;

/// A token takes 2 x 100 heads x 250 x 2 bytes in each of 10 layers that keep all, and of 10 with a window.
const WINDOWS: &str = "model={ name = \"windows\", layers = 20, hidden = 1000, ffn = 1000, vocabulary = 1000, \
                       grouped = { heads = 100, kv_heads = 100, head = 250, window_layers = 10, window = 4 } }";

/// One more layer, whose states take 10 x 125 x 100 numbers of 4 bytes.
const STATES: &str = "model={ layers = 21, linear = { layers = 1, key_heads = 1, key_head = 125, value_heads = 10, \
                      value_head = 100, convolution = 1 } }";

/// What [`WINDOWS`] and [`STATES`] make of a context.
fn shape(state_bytes: u64) -> KvShape {
    KvShape {
        full_bytes: 1_000_000,
        window_bytes: 1_000_000,
        window_tokens: 4,
        state_bytes,
    }
}

const FROM_DECODE: &str = "first_token=\"decode\"";

#[test]
fn the_first_decode_step_emits_the_first_token() {
    // Steps end at 2, 3 and 4 s: three tokens of the first. The second has its only one from the second step,
    // for which it joined, and the third finds the unit idle.
    let requests = ["0,10,3", "0.5,10,1", "3.5,10,2"];
    let expected = [
        "start 0 first 2 kv 1 join 1@0.0 done 4",
        "start 1 first 3 kv 2 join 2@0.0 done 3",
        "start 3.5 first 5.5 kv 4.5 join 4.5@0.0 done 6.5",
    ];
    check_in(BASE, &[FROM_DECODE], &requests, &expected);
}

#[test]
fn who_has_no_token_yet_holds_its_prompt() {
    // 10 tokens, and one more for the step.
    let capacity = |tokens| format!("pools.decode.kv_capacity_tokens={tokens}");
    let fits = ["start 0 first 2 kv 1 join 1@0.0 done 2"];
    check_in(BASE, &[FROM_DECODE, &capacity(11)], &["0,10,1"], &fits);
    let fails = ["start 0 kv 1 failed 1"];
    check_in(BASE, &[FROM_DECODE, &capacity(10)], &["0,10,1"], &fails);
    // All that it will ever hold are 10 and 10.
    let reserve = "pools.decode.admission=\"reserve\"";
    let fits = ["start 0 first 2 kv 1 join 1@0.0 done 11"];
    let set = [FROM_DECODE, reserve, &capacity(20)];
    check_in(BASE, &set, &["0,10,10"], &fits);
    let set = [FROM_DECODE, reserve, &capacity(19)];
    check_in(BASE, &set, &["0,10,10"], &fails);
}

#[test]
fn who_joined_for_no_step_gets_its_first_token_elsewhere() {
    // The second joins unit 1 at 4.5 s; a step until 5.5 s would outlast the unit, which goes at 5 s. Its 10
    // tokens of KV are on unit 0 10 s later.
    let set = [
        FROM_DECODE,
        "pools.decode.units={ schedule = [[\"00:00:00\", 2], [\"00:00:05\", 1]] }",
    ];
    let expected = [
        "start 0 first 2 kv 1 join 1@0.0 done 31",
        "start 3.5 first 16 kv 4.5 kv 15 join 4.5@1.0 join 15@0.0 moved 5 done 17",
    ];
    check_in(BASE, &set, &["0,20,30", "3.5,10,2"], &expected);
}

#[test]
fn a_step_emits_what_its_drafts_bring() {
    // 1 + 1 + 1/2 + 1/4 tokens a step: 1, 3.75 and 6.5, or 2.75 and 5.5.
    let set = ["mtp={ drafts = 3, acceptance = [1.0, 0.5, 0.5] }"];
    let expected = ["start 0 first 1 kv 1 join 1@0.0 done 3"];
    check_in(BASE, &set, &["0,10,5"], &expected);
    let set = [set[0], FROM_DECODE];
    let requests = ["0,10,5", "10,10,2"];
    let expected = [
        "start 0 first 2 kv 1 join 1@0.0 done 3",
        "start 10 first 12 kv 11 join 11@0.0 done 12",
    ];
    check_in(BASE, &set, &requests, &expected);
    // They are verified, too: of 10 tokens a step 4 are taken, and the second gets 6, 6 and 5. The first has
    // 3.75 tokens at 2 s, 6.5 at 3 s and 9.25 at 4 s.
    let expected = ["start 0 first 1 done 4", "start 1 first 4 done 4"];
    let requests = ["0,10,9", "0.5,17,1"];
    check_in(rules_mixed::BASE, &[set[0]], &requests, &expected);
}

#[test]
fn no_drafts_are_no_prediction() {
    let set = ["mtp={ drafts = 0, acceptance = 0.9 }"];
    let expected = ["start 0 first 1 kv 1 join 1@0.0 done 5"];
    check_in(BASE, &set, &["0,10,5"], &expected);
}

#[test]
fn what_is_longer_than_the_context_is_rejected_as_it_comes() {
    // 10 and 5 tokens are as many as fit. The second is in nobody's way, where no queue is allowed either.
    let set = ["model.context=15", "pools.prefill.max_queue_requests=0"];
    let expected = [
        "start 0 first 1 kv 1 join 1@0.0 done 5",
        "rejected 0",
        "start 1 first 2 kv 2 join 2@0.0 done 3",
    ];
    check_in(BASE, &set, &["0,10,5", "0,10,6", "1,13,2"], &expected);
    let expected = [
        "start 0 first 1 done 5",
        "rejected 0",
        "start 1 first 3 done 4",
    ];
    let set = ["model.context=15", "pools.mixed.max_queue_requests=0"];
    check_in(
        rules_mixed::BASE,
        &set,
        &["0,10,5", "0,10,6", "1,13,2"],
        &expected,
    );
}

#[test]
fn memory_counts_what_lies_within_windows() {
    // A token takes as much in layers with a window of 4 as in the others. At 2 s the first holds 12 tokens and
    // 4 of its window, the second 3 and 3; a step adds 2, and 1 to the second's window: 17 + 8.
    let check = |capacity: u32, second: &str| {
        let capacity = format!("pools.decode.kv_capacity_tokens={capacity}");
        let set = [WINDOWS, capacity.as_str()];
        let scenario = scenario(BASE, &set, &["0,10,5", "0.5,2,2"]);
        assert_eq!(scenario.kv, shape(0));
        check_played(
            &scenario,
            &["start 0 first 1 kv 1 join 1@0.0 done 5", second],
        );
    };
    check(13, "start 1 first 2 kv 2 join 2@0.0 done 3");
    check(12, "start 1 first 2 kv 2 join 5@0.0 done 6");
}

#[test]
fn links_carry_windows_and_states() {
    // 10 tokens, 4 of them a second time, and half a token of states: 14.5 s. With its first token and one more,
    // it takes 12 + 4 + 1/2 of memory.
    let check = |capacity: u32, expected: &str| {
        let capacity = format!("pools.decode.kv_capacity_tokens={capacity}");
        let set = [WINDOWS, STATES, "transfer.overlap=0.0", capacity.as_str()];
        let scenario = scenario(BASE, &set, &["0,10,2"]);
        assert_eq!(scenario.kv, shape(500_000));
        check_played(&scenario, &[expected]);
    };
    check(9, "start 0 first 1 kv 15.5 join 15.5@0.0 done 16.5");
    check(8, "start 0 first 1 kv 15.5 failed 15.5");
}
