//! The rules by hand, S8 to S10: interfaces of senders and receivers, and each rank's own speed. In the scenario
//! of `rules.rs`, where every step takes 1 s, with KV that takes 1 s a token on a rank's interface.

use crate::rules::{BASE, check_in};

/// Nothing is hidden behind the prefill.
const VISIBLE: &str = "transfer.overlap=0.0";

#[test]
fn a_receiver_takes_one_sender_after_another() {
    // Three units send from 1 s to 11 s, to one that receives as fast as one of them sends: the second is done at
    // 21 s, the third at 31 s; 2 s of latency come on top.
    let requests = ["0,10,2"; 3];
    let at = |kv: f64| format!("start 0 first 1 kv {kv} join {kv}@0.0 done {}", kv + 1.0);
    let check = |set: &[&str], times: [f64; 3]| {
        let expected = times.map(at);
        let set = [&[VISIBLE, "pools.prefill.units=3"], set].concat();
        check_in(
            BASE,
            &set,
            &requests,
            &expected.each_ref().map(String::as_str),
        );
    };
    check(&["transfer.latency=\"2s\""], [13.0, 23.0, 33.0]);
    check(&[], [11.0, 21.0, 31.0]);
}

#[test]
fn all_ranks_of_a_unit_receive_together() {
    // Two ranks take 10 tokens in 5 s: done at 11, 16 and 21 s. Four: at 11, 13.5 and 16 s.
    let requests = ["0,10,2"; 3];
    let check = |ranks: u32, expected: [&str; 3]| {
        let ranks = format!("pools.decode.parallelism.attention_data={ranks}");
        let set = [VISIBLE, "pools.prefill.units=3", &ranks];
        check_in(BASE, &set, &requests, &expected);
    };
    let first = "start 0 first 1 kv 11 join 11@0.0 done 12";
    let second = "start 0 first 1 kv 16 join 16@0.0 done 17";
    let third = "start 0 first 1 kv 21 join 21@0.0 done 22";
    check(2, [first, second, third]);
    let second = "start 0 first 1 kv 13.5 join 13.5@0.0 done 14.5";
    let third = "start 0 first 1 kv 16 join 16@0.0 done 17";
    check(4, [first, second, third]);
}

#[test]
fn receivers_are_taken_in_the_order_in_which_senders_are_done() {
    // Unit 0 sends the first from 1 s to 5 s and the third, which waits for it, from 5 s to 8 s; the receiver is
    // done with them at the same times. Unit 1 sends the second from 1 s to 11 s, of which the receiver takes 10 s
    // from 8 s on. Nobody is in the way of the last.
    let requests = ["0,4,2", "0,10,2", "0.5,3,2", "20,10,2"];
    let expected = [
        "start 0 first 1 kv 5 join 5@0.0 done 6",
        "start 0 first 1 kv 18 join 18@0.0 done 19",
        "start 1 first 2 kv 8 join 8@0.0 done 9",
        "start 20 first 21 kv 31 join 31@0.0 done 32",
    ];
    let set = [VISIBLE, "pools.prefill.units=2"];
    check_in(BASE, &set, &requests, &expected);
}

#[test]
fn each_unit_receives_by_itself() {
    // The third goes to unit 0, which holds as much as unit 1, behind the first.
    let expected = [
        "start 0 first 1 kv 11 join 11@0.0 done 12",
        "start 0 first 1 kv 11 join 11@1.0 done 12",
        "start 0 first 1 kv 21 join 21@0.0 done 22",
    ];
    let set = [VISIBLE, "pools.prefill.units=3", "pools.decode.units=2"];
    check_in(BASE, &set, &["0,10,2"; 3], &expected);
}

#[test]
fn kv_that_comes_to_no_unit_takes_no_receivers_time() {
    // All are sent at 11 s, when there is no unit; from 15 s on there is one, and they are there. The fourth's
    // sender waits for the first's until 11 s, and is done at 21 s.
    let set = [
        VISIBLE,
        "pools.prefill.units=3",
        "pools.decode.units={ schedule = [[\"00:00:00\", 0], [\"00:00:15\", 1]] }",
    ];
    let waits = "start 0 first 1 kv 11 join 15@0.0 done 16";
    let last = "start 5 first 6 kv 21 join 21@0.0 done 22";
    let requests = ["0,10,2", "0,10,2", "0,10,2", "5,10,2"];
    check_in(BASE, &set, &requests, &[waits, waits, waits, last]);
}

/// Accelerators that send a token in 1 s and load one from the host in 1 s: prefill ranks of four, decode ranks of
/// two.
const OWN: &str = r#"
name = "by hand"
start = 2026-01-01T00:00:00Z
duration = "100s"
first_token = "prefill"
model = { name = "any", kv_bytes_per_token = 1_000_000 }
node = { gpu = { base = "h100", nic_gb_per_s = 0.001, host_gb_per_s = 0.001 }, gpus = 4, price_per_gpu_hour = 1.0 }
performance = { kind = "linear", prefill = { base = "1s" }, decode = { base = "1s" } }

[pools.prefill]
parallelism = { tensor = 4 }
max_batch_tokens = 100
units = 1

[pools.decode]
parallelism = { tensor = 2, attention_data = 2 }
kv_capacity_tokens = 1000
units = 1

[[class]]
name = "all"
"#;

#[test]
fn kv_leaves_at_the_speed_of_its_own_rank() {
    // Prefill sends 12 tokens in 3 s and then 10 in 2.5 s; decode units take as long. Unit 1 goes at 8 s. Its
    // request has 2 of 6 tokens, and a step until 8.5 s does not start; two accelerators send 12 tokens in 6 s,
    // which unit 0 could take in 3 s.
    let set = ["pools.decode.units={ schedule = [[\"00:00:00\", 2], [\"00:00:08\", 1]] }"];
    let expected = [
        "start 0 first 1 kv 4 join 4@0.0 done 23",
        "start 0 first 1 kv 6.5 kv 14 join 6.5@1.0 join 14@0.1 moved 8 done 18",
    ];
    check_in(OWN, &set, &["0,12,20", "0,10,6"], &expected);
}

#[test]
fn kv_comes_back_at_the_speed_of_its_own_rank() {
    // At 3 s both would grow to 22 tokens. The second's 7 are back 3.5 s later.
    let set = [
        "transfer.overlap=1.0",
        "pools.decode.parallelism.attention_data=1",
        "pools.decode.kv_capacity_tokens=20",
    ];
    let expected = [
        "start 0 first 1 kv 1 join 1@0.0 done 5",
        "start 1 first 2 kv 2 join 2@0.0 join 6.5@0.0 preempted 3 done 7.5",
    ];
    check_in(OWN, &set, &["0,10,5", "0.5,5,3"], &expected);
}
