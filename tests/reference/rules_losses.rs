//! The rules by hand, S10: what controllers order, and what becomes of requests whose unit is lost. In the scenarios of
//! `rules.rs` and `rules_mixed.rs`: steps take 1 s, KV between units 1 s a token where it does not hide.

use tokentide::internals::cluster::controller::{
    AfterLoss, ControlOrder, Controller, PoolView, UnitOrder,
};
use tokentide::internals::units::SimTime;

use crate::rules::{BASE, check_controlled, scenario};
use crate::rules_mixed;

/// Orders at stated times, in ms, of the pool of this index.
#[derive(Clone)]
struct Script(Vec<(u64, usize, UnitOrder)>);

impl Controller for Script {
    fn next(&self) -> SimTime {
        self.0
            .first()
            .map_or(SimTime::NEVER, |(ms, ..)| SimTime(ms * 1_000_000))
    }

    fn act(&mut self, now: SimTime, _pools: &[PoolView], orders: &mut Vec<ControlOrder>) {
        while self.next() == now {
            let (_, pool, change) = self.0.remove(0);
            orders.push(ControlOrder { pool, change });
        }
    }
}

/// A unit that serves at once, and for ever.
const TAKE: UnitOrder = UnitOrder::Take {
    serves: SimTime(0),
    until: SimTime::NEVER,
};

const PREFILL: usize = 0;
const DECODE: usize = 1;

fn check(set: &[&str], script: &[(u64, usize, UnitOrder)], requests: &[&str], expected: &[&str]) {
    check_in(BASE, set, script, requests, expected);
}

fn check_in(
    base: &str,
    set: &[&str],
    script: &[(u64, usize, UnitOrder)],
    requests: &[&str],
    expected: &[&str],
) {
    let script = Script(script.to_vec());
    check_controlled(
        &scenario(base, set, requests),
        || Some(Box::new(script.clone())),
        expected,
    );
}

#[test]
fn who_loses_its_decode_unit_computes_again_what_it_had_and_goes_on() {
    // Two tokens by 2 s; the step after is lost. Then a prompt of 12, and the two that are left.
    let lost = UnitOrder::Lose(0, AfterLoss::Again);
    let expected = ["start 0 first 1 kv 1 kv 3.5 join 1@0.0 join 3.5@1.0 lost 2.5 done 5.5"];
    let script = [(2500, DECODE, lost), (2500, DECODE, TAKE)];
    check(&[], &script, &["0,10,4"], &expected);
    // A unit that is lost is free from the next instant on.
    let expected = ["start 0 first 1 kv 1 kv 3.5 join 1@0.0 join 3.5@0.0 lost 2.5 done 5.5"];
    let script = [(2500, DECODE, lost), (2600, DECODE, TAKE)];
    check(&[], &script, &["0,10,4"], &expected);
    // Its first token comes from decode: at 2 s, and is not emitted again.
    let expected = ["start 0 first 2 kv 1 kv 3.5 join 1@0.0 join 3.5@1.0 lost 2.5 done 5.5"];
    let script = [(2500, DECODE, lost), (2500, DECODE, TAKE)];
    let set = ["first_token=\"decode\""];
    check(&set, &script, &["0,10,3"], &expected);
}

#[test]
fn requests_may_fail_with_their_unit() {
    let script = [(2500, DECODE, UnitOrder::Lose(0, AfterLoss::Fail))];
    let expected = ["start 0 first 1 kv 1 join 1@0.0 lost 2.5 failed 2.5"];
    check(&[], &script, &["0,10,4"], &expected);
}

#[test]
fn a_lost_prefill_step_is_computed_again() {
    let lost = UnitOrder::Lose(0, AfterLoss::Again);
    let script = [(500, PREFILL, lost), (500, PREFILL, TAKE)];
    let expected = ["start 0 first 1.5 kv 1.5 join 1.5@0.0 lost 0.5 done 2.5"];
    check(&[], &script, &["0,10,2"], &expected);
}

#[test]
fn kv_is_lost_with_its_sender_and_not_with_its_receiver() {
    // Ten tokens take 10 s from 1 s on. At 5 s they are sent again, eleven from 6 s on.
    let lost = UnitOrder::Lose(0, AfterLoss::Again);
    let script = [(5000, PREFILL, lost), (5000, PREFILL, TAKE)];
    let set = ["transfer.overlap=0.0"];
    let expected = ["start 0 first 1 kv 17 join 17@0.0 lost 5 done 18"];
    check(&set, &script, &["0,10,2"], &expected);
    // To another unit than the lost one, as it has not been sent.
    let script = [(5000, DECODE, lost), (5000, DECODE, TAKE)];
    let expected = ["start 0 first 1 kv 11 join 11@1.0 moved 5 done 12"];
    check(&set, &script, &["0,10,2"], &expected);
    // It has been sent, and has not arrived.
    let set = ["transfer.overlap=0.0", "transfer.latency=\"3s\""];
    let script = [(12_000, DECODE, lost), (12_000, DECODE, TAKE)];
    let expected = ["start 0 first 1 kv 27 join 27@1.0 lost 12 done 28"];
    check(&set, &script, &["0,10,2"], &expected);
}

#[test]
fn a_unit_is_released_as_its_step_ends() {
    // Twelve tokens of KV leave it at 2 s.
    let script = [(1500, DECODE, UnitOrder::Release(0)), (1500, DECODE, TAKE)];
    let expected = ["start 0 first 1 kv 1 kv 14 join 1@0.0 join 14@1.0 moved 2 done 15"];
    check(&[], &script, &["0,10,3"], &expected);
}

#[test]
fn what_drains_finishes_and_takes_no_more() {
    let script = [(500, PREFILL, UnitOrder::Drain(0)), (2500, PREFILL, TAKE)];
    let expected = [
        "start 0 first 1 kv 1 join 1@0.0 done 2",
        "start 2.5 first 3.5 kv 3.5 join 3.5@0.0 done 4.5",
    ];
    check(&[], &script, &["0,10,2", "0.6,10,2"], &expected);
}

#[test]
fn a_unit_that_was_told_its_release_starts_no_step_that_would_reach_it() {
    let until = UnitOrder::Take {
        serves: SimTime(0),
        until: SimTime(3_000_000_000),
    };
    let script = [
        (100, PREFILL, UnitOrder::Release(0)),
        (200, PREFILL, until),
        (3000, PREFILL, UnitOrder::Release(0)),
        (3000, PREFILL, TAKE),
    ];
    // The step that would end at 3 s does not start.
    let expected = [
        "start 0.5 first 1.5 kv 1.5 join 1.5@0.0 done 2.5",
        "start 3 first 4 kv 4 join 4@0.0 moved 3 done 5",
    ];
    check(&[], &script, &["0.5,10,2", "2,10,2"], &expected);
}

#[test]
fn who_loses_its_mixed_unit_computes_again_what_it_had() {
    // A prompt of 12 takes two steps, whose end emits the third token.
    let lost = UnitOrder::Lose(0, AfterLoss::Again);
    let script = [(2500, 0, lost), (2500, 0, TAKE)];
    let expected = ["start 0 first 1 lost 2.5 done 5.5"];
    check_in(rules_mixed::BASE, &[], &script, &["0,10,4"], &expected);
}
