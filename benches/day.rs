//! How fast the bundled day is played.
//!
//! `cargo bench` plays its first half hour on one and on two threads, and with coupled pools, in turn, five times each,
//! and prints medians: other work on the machine then disturbs both alike, and the ratio of wall times means
//! something where the times do not. `cargo bench --bench day -- --whole` plays the whole day, once
//! each. Other arguments, such as those that cargo passes to every bench, are ignored.

use std::time::{Duration, Instant};

use tokentide::internals::engine::{Driver, Driving};
use tokentide::internals::experiment::run_driven;
use tokentide::internals::scenario::{Scenario, load};

/// Half an hour from an empty cluster, so that every request that is played is also counted.
const HALF_HOUR: [&str; 2] = ["duration=30min", "warm_up=0s"];
/// As a pipeline on one thread and on two, and coupled.
const DRIVING: [(&str, Driving); 3] = [
    ("1 thread ", driving(1, Driver::Fitting)),
    ("2 threads", driving(2, Driver::Fitting)),
    ("coupled  ", driving(1, Driver::Coupled)),
];

const fn driving(threads: usize, driver: Driver) -> Driving {
    Driving { threads, driver }
}

/// How often each number of threads plays the half hour.
const ROUNDS: usize = 5;

fn main() {
    let whole = std::env::args().any(|argument| argument == "--whole");
    let (title, set, rounds) = if whole {
        ("the whole day and its warm-up", &[][..], 1)
    } else {
        ("30 minutes of the day", &HALF_HOUR[..], ROUNDS)
    };
    let set: Vec<String> = set.iter().map(|s: &&str| (*s).to_owned()).collect();
    let scenario = load("deepseek-day", &set).unwrap_or_else(|mistakes| panic!("{mistakes}"));

    let mut walls: [Vec<Duration>; 3] = Default::default();
    let mut requests = 0;
    for _ in 0..rounds {
        for ((_, how), walls) in DRIVING.into_iter().zip(&mut walls) {
            let (wall, arrived) = play(&scenario, how);
            walls.push(wall);
            requests = arrived;
        }
    }

    println!("{title}: {requests} requests, median of {rounds}");
    let medians = walls.map(median);
    for ((name, _), wall) in DRIVING.into_iter().zip(medians) {
        let seconds = wall.as_secs_f64();
        println!(
            "{name}: {seconds:7.3} s, {:4.0} ns per request, {:.2} million requests/s",
            seconds * 1e9 / requests as f64,
            requests as f64 / seconds / 1e6
        );
    }
    let [one, two, coupled] = medians.map(|wall| wall.as_secs_f64());
    println!("wall time on 1 thread / on 2: {:.2}", one / two);
    println!("wall time coupled / on 1 thread: {:.2}", coupled / one);
}

/// Wall time of a run, and the requests that arrived in it.
fn play(scenario: &Scenario, how: Driving) -> (Duration, u64) {
    let began = Instant::now();
    let summary = run_driven(scenario, how, Vec::new(), &mut |_, _| true);
    let summary = summary.unwrap_or_else(|why| panic!("{why}"));
    (began.elapsed(), summary.requests.arrived)
}

/// The middle one of an odd number of times.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
