//! The rules by hand, S6, S7, S9 and S17: how requests are spread over ranks and units, and what a batch takes.
//! In the scenario of `rules.rs`, where every step takes 1 s: what a rank does by itself takes picoseconds, which
//! are compared but do not lengthen the step.

use tokentide::internals::workload::random::Stream;

use crate::rules::{BASE, check_in};
use crate::rules_mixed;

/// Requests join with what their prompt holds.
const FROM_DECODE: &str = "first_token=\"decode\"";

#[test]
fn ranks_are_chosen_by_kv_by_requests_or_by_time() {
    // After three, rank 0 has one of 100 tokens, and rank 1 two of 30 and 20. A request is as long as 30 tokens.
    // By KV: 50 and then 70 tokens are less than 100. By requests: one is less than two; then both have two, and 50
    // tokens are less than 120. By time: with the fourth 2 x 30 + 100 is more than 3 x 30 + 50, with the fifth less
    // than 4 x 30 + 70.
    let requests = ["0,100,2", "0,30,2", "0,20,2", "0,20,2", "0,20,2"];
    let check = |balance: &str, ranks: [u32; 5]| {
        let balance = format!("pools.decode.balance=\"{balance}\"");
        let set = [
            FROM_DECODE,
            &balance,
            "performance.decode.per_request=\"30ps\"",
            "performance.decode.per_kv_token=\"1ps\"",
            "pools.decode.parallelism.attention_data=2",
            "pools.prefill.max_batch_tokens=1000",
        ];
        let expected = ranks.map(|rank| format!("start 0 first 2 kv 1 join 1@0.{rank} done 3"));
        check_in(
            BASE,
            &set,
            &requests,
            &expected.each_ref().map(String::as_str),
        );
    };
    check("kv", [0, 1, 1, 1, 1]);
    check("requests", [0, 1, 1, 0, 1]);
    check("time", [0, 1, 1, 1, 0]);
}

#[test]
fn mixed_ranks_are_chosen_with_the_first_chunk() {
    // 10 tokens a rank and step: the first takes rank 0 for two steps, the others go to rank 1. At 3 s rank 0 has
    // one that decodes and 9 tokens left, rank 1 two and 8 tokens. By time, of which one that decodes takes 100 ps
    // and a pair one: 45 + 100 are less than 36 + 200. By KV: 22 tokens are more than twice 7, and the last token of
    // the prompt has to wait for a step of its own.
    let requests = ["0,20,30", "0,4,30", "0,4,30", "2.5,9,2"];
    let check = |balance: &str, last: &str| {
        let balance = format!("pools.mixed.balance=\"{balance}\"");
        let set = [
            &balance,
            "performance.prefill.per_pair=\"1ps\"",
            "performance.decode.per_request=\"100ps\"",
            "pools.mixed.parallelism.attention_data=2",
        ];
        let first = "start 0 first 2 done 31";
        let others = "start 0 first 1 done 30";
        let expected = [first, others, others, last];
        check_in(rules_mixed::BASE, &set, &requests, &expected);
    };
    check("time", "start 3 first 4 done 5");
    check("requests", "start 3 first 4 done 5");
    check("kv", "start 3 first 5 done 6");
}

#[test]
fn prompts_are_dealt_by_tokens_or_by_time() {
    // Rank 0 has 10 tokens, of 55 pairs, when rank 1 has 12, of three times 10. By tokens the fifth goes to rank 0
    // and the sixth to rank 1, where 4 of its 6 tokens have room. By time the fifth fills rank 1 with 40 pairs, and
    // rank 0 has room for the sixth.
    let requests = ["0,10,1", "0,4,1", "0,4,1", "0,4,1", "0,4,1", "0,6,1"];
    let check = |balance: &str, last: &str| {
        let balance = format!("pools.prefill.balance=\"{balance}\"");
        let set = [
            &balance,
            "performance.prefill.per_pair=\"1ps\"",
            "pools.prefill.parallelism.attention_data=2",
            "pools.prefill.max_batch_tokens=16",
        ];
        let first = "start 0 first 1 done 1";
        let expected = [first, first, first, first, first, last];
        check_in(BASE, &set, &requests, &expected);
    };
    check("tokens", "start 0 first 2 done 2");
    check("time", "start 0 first 1 done 1");
}

#[test]
fn the_time_of_a_batch_cuts_prompts() {
    // A token takes 0.1 s, so that 1 s is 10 tokens: 10, 10 and 5 of the first, with 3 of the second.
    let set = [
        "performance.prefill.per_token=\"100ms\"",
        "pools.prefill.max_batch_time=\"1s\"",
    ];
    let expected = ["start 0 first 5.8 done 5.8", "start 4 first 5.8 done 5.8"];
    check_in(BASE, &set, &["0,25,1", "0,3,1"], &expected);
    // It may end a batch within the tokens that are left of it: 4, 4 and 2 of the third.
    let expected = [
        "start 0 first 2 done 2",
        "start 0 first 2 done 2",
        "start 0 first 3.2 done 3.2",
    ];
    check_in(BASE, &set, &["0,4,1", "0,4,1", "0,4,1"], &expected);
    // However long a token takes, a batch has one.
    let set = ["performance.prefill.per_token=\"2s\"", set[1]];
    check_in(BASE, &set, &["0,2,1"], &["start 0 first 6 done 6"]);
}

#[test]
fn decode_units_are_chosen_by_kv_or_by_time() {
    // Unit 0 has one of 100 tokens, unit 1 two of 25, and the fourth comes. A request is as long as 60 tokens:
    // 2 x 60 + 100 are less than 3 x 60 + 50.
    let requests = ["0,100,2", "0,25,2", "0,25,2", "0,25,2"];
    let check = |router: &str, units: [u32; 4]| {
        let router = format!("pools.decode.router=\"{router}\"");
        let set = [
            FROM_DECODE,
            &router,
            "performance.decode.per_request=\"60ps\"",
            "performance.decode.per_kv_token=\"1ps\"",
            "pools.decode.units=2",
            "pools.prefill.max_batch_tokens=1000",
        ];
        let expected = units.map(|unit| format!("start 0 first 2 kv 1 join 1@{unit}.0 done 3"));
        check_in(
            BASE,
            &set,
            &requests,
            &expected.each_ref().map(String::as_str),
        );
    };
    check("least-kv", [0, 1, 1, 1]);
    check("least-time", [0, 1, 1, 0]);
    // Of two units both are drawn, and the lighter one is least-kv's; which of two empty ones is a matter of the draw:
    // the first 64 bits of the stream `router` of `decode` at seed 1.
    let draw = Stream::new(1, "router", "decode").draw();
    let first = (draw >> 63) as u32;
    check("power-of-two", [first, 1 - first, 1 - first, 1 - first]);
}

#[test]
fn a_unit_of_several_ranks_is_judged_by_an_even_one() {
    // Two ranks each. Unit 0 has one of 100 tokens, unit 1 three of 30. With one more that is one request and 50
    // tokens a rank on unit 0, two requests and 45 tokens on unit 1, a request being as long as 4 tokens: 54 and 53.
    // Were it as long as 6: 56 and 57.
    let requests = ["0,100,2", "0,30,2", "0,30,2", "0,30,2", "0,20,2"];
    let check = |per_request: &str, places: [&str; 5]| {
        let per_request = format!("performance.decode.per_request=\"{per_request}\"");
        let set = [
            FROM_DECODE,
            &per_request,
            "performance.decode.per_kv_token=\"1ps\"",
            "pools.decode.router=\"least-time\"",
            "pools.decode.units=2",
            "pools.decode.parallelism.attention_data=2",
            "pools.prefill.max_batch_tokens=1000",
        ];
        let expected = places.map(|place| format!("start 0 first 2 kv 1 join 1@{place} done 3"));
        check_in(
            BASE,
            &set,
            &requests,
            &expected.each_ref().map(String::as_str),
        );
    };
    check("4ps", ["0.0", "1.0", "1.1", "1.0", "1.1"]);
    check("6ps", ["0.0", "1.0", "1.1", "1.0", "0.1"]);
}

#[test]
fn prefill_units_are_chosen_by_tokens_or_by_time() {
    // Unit 0 has 20 tokens of 210 pairs, unit 1 twice 12 of 78: fewer pairs, but more tokens. A batch is one
    // request.
    let requests = ["0,20,1", "0,12,1", "0,12,1", "0,4,1"];
    let check = |router: &str, last: &str| {
        let router = format!("pools.prefill.router=\"{router}\"");
        let set = [
            &router,
            "performance.prefill.per_pair=\"1ps\"",
            "pools.prefill.units=2",
            "pools.prefill.max_batch_requests=1",
        ];
        let first = "start 0 first 1 done 1";
        let expected = [first, first, "start 1 first 2 done 2", last];
        check_in(BASE, &set, &requests, &expected);
    };
    check("least-loaded", "start 1 first 2 done 2");
    check("least-time", "start 2 first 3 done 3");
}

#[test]
fn mixed_units_are_chosen_by_kv_or_by_time() {
    // At 2.5 s unit 0 has two that decode, with 12 tokens, and no place; unit 1 has one, with 22. One that decodes
    // takes 100 ps: 300 and 200 with the fourth.
    let requests = ["0,4,30", "0,20,30", "0,4,30", "2.5,4,2"];
    let check = |router: &str, last: &str| {
        let router = format!("pools.mixed.router=\"{router}\"");
        let set = [
            &router,
            "performance.prefill.per_pair=\"1ps\"",
            "performance.decode.per_request=\"100ps\"",
            "pools.mixed.units=2",
            "pools.mixed.max_batch_tokens=100",
            "pools.mixed.max_batch_requests=2",
        ];
        let first = "start 0 first 1 done 30";
        check_in(
            rules_mixed::BASE,
            &set,
            &requests,
            &[first, first, first, last],
        );
    };
    check("least-kv", "start 30 first 31 done 32");
    check("least-time", "start 3 first 4 done 5");
}
