//! Moments of arrivals against those that theory knows.

use super::fixture::scenario;
use super::generator::Workload;
use crate::scenario::KeyChange;
use crate::units::{NS_PER_HOUR, NS_PER_S, SimDuration, SimTime};

/// Times of the requests of a class with these arrivals, in seconds, over so many hours from noon.
fn times(arrivals: &str, hours: u64) -> Vec<f64> {
    let class = format!(
        "[[class]]\nname = 'a'\ninput = {{ kind = 'constant', value = 9 }}\noutput = {{ kind = 'constant', value = 1 }}\n\
         arrivals = {{ {arrivals} }}\n"
    );
    let hours = SimDuration(hours * NS_PER_HOUR);
    let scenario = scenario(&[class])
        .with(&[KeyChange::set("duration", hours)])
        .expect("a duration");
    let mut workload = Workload::new(&scenario).expect("no hits are asked for");
    let mut requests = Vec::new();
    workload.fill(SimTime(hours.0), &mut requests);
    let seconds = |at: SimTime| at.0 as f64 / NS_PER_S as f64;
    requests.iter().map(|r| seconds(r.at)).collect()
}

/// Mean and variance over mean of the counts in windows of so many seconds.
fn dispersion(times: &[f64], window_s: f64, hours: u64) -> (f64, f64) {
    let windows = (hours as f64 * 3600.0 / window_s) as usize;
    let mut counts = vec![0.0_f64; windows];
    for at in times {
        if let Some(count) = counts.get_mut((at / window_s) as usize) {
            *count += 1.0;
        }
    }
    let mean = counts.iter().sum::<f64>() / windows as f64;
    let squares = counts.iter().map(|n| (n - mean) * (n - mean)).sum::<f64>();
    (mean, squares / windows as f64 / mean)
}

#[test]
fn gaps_at_a_constant_rate_vary_as_stated() {
    for kind in ["gamma", "weibull"] {
        for cv in [0.3, 1.0, 2.5] {
            let times = times(
                &format!("kind = '{kind}', requests_per_s = 2.0, cv = {cv}"),
                24,
            );
            let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let n = gaps.len() as f64;
            let mean = gaps.iter().sum::<f64>() / n;
            let squares = gaps.iter().map(|g| (g - mean) * (g - mean)).sum::<f64>();
            let found = (squares / n).sqrt() / mean;
            // 172,800 gaps: four standard errors of the mean, and 6 % for heavy fourth moments.
            assert!(
                (2.0 * mean - 1.0).abs() < 4.0 * cv / n.sqrt(),
                "{kind} {cv}: {mean}"
            );
            assert!(
                (found / cv - 1.0).abs() < 0.06,
                "{kind}: cv {found}, not {cv}"
            );
        }
    }
}

#[test]
fn counts_of_renewals_disperse_as_their_gaps_vary() {
    // Var N(t) / E N(t) tends to cv^2; 2,880 windows of 600 gaps: a standard error of 2.6 %.
    for (kind, cv) in [("gamma", 0.5), ("gamma", 2.0), ("weibull", 2.0)] {
        let arrivals = format!("kind = '{kind}', requests_per_s = 2.0, cv = {cv}");
        let (mean, found) = dispersion(&times(&arrivals, 240), 300.0, 240);
        assert!(
            (mean / 600.0 - 1.0).abs() < 0.01,
            "{kind} {cv}: {mean} in a window"
        );
        assert!(
            (found / (cv * cv) - 1.0).abs() < 0.12,
            "{kind} {cv}: {found}"
        );
    }
}

#[test]
fn bursts_disperse_as_a_modulated_poisson_process_does() {
    // Levels r1 in a part p of the time and r0 otherwise, left at rates 1/burst and 1/(every - burst), whose sum is q:
    // Var N(t) / E N(t) = 1 + 2 p (1 - p) (r1 - r0)^2 / (r q) (1 - (1 - exp(-q t)) / (q t)), r the mean rate
    // (Fischer and Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook", 1993).
    let (rate, length, every, factor) = (2.0_f64, 20.0_f64, 100.0_f64, 6.0_f64);
    let arrivals = format!(
        "kind = 'bursts', requests_per_s = {rate:?}, burst_length = '20s', burst_every = '100s', burst_factor = {factor:?}"
    );
    let times = times(&arrivals, 600);
    let p = length / every;
    let between = rate / (1.0 - p + p * factor);
    let q = 1.0 / length + 1.0 / (every - length);
    for window_s in [1.0_f64, 10.0, 60.0, 300.0] {
        let jump = (factor - 1.0) * between;
        let lag = 1.0 - (1.0 - libm::exp(-q * window_s)) / (q * window_s);
        let expected = 1.0 + 2.0 * p * (1.0 - p) * jump * jump / (rate * q) * lag;
        let (mean, found) = dispersion(&times, window_s, 600);
        assert!(
            (mean / (rate * window_s) - 1.0).abs() < 0.03,
            "{mean} in {window_s} s"
        );
        assert!(
            (found / expected - 1.0).abs() < 0.08,
            "{window_s} s: {found}, not {expected}"
        );
    }
}

#[test]
fn every_law_follows_the_day_and_keeps_its_numbers() {
    let profile = "requests_per_day = 86_400, linear = [['00:00', 1.0], ['12:00', 3.0]]";
    for law in [
        "kind = 'gamma', cv = 3.0",
        "kind = 'weibull', cv = 3.0",
        "kind = 'bursts', burst_length = '10s', burst_every = '100s', burst_factor = 5.0",
    ] {
        // From noon on: at hour h of the first half of a day 1.5 - h/12 a second, then up again.
        let times = times(&format!("{law}, {profile}"), 240);
        let mut counts = [0.0_f64; 24];
        times
            .iter()
            .for_each(|at| counts[(at / 3600.0) as usize % 24] += 1.0);
        for (hour, count) in counts.iter().enumerate() {
            let from_noon = (hour as f64 + 0.5).min(23.5 - hour as f64);
            let expected = 36_000.0 * (1.5 - from_noon / 12.0);
            // The variance over the mean is 9 of the renewals, and by the formula above 20 of the bursts at 1.5 a second.
            assert!(
                (count - expected).abs() < 4.5 * (20.0 * expected).sqrt(),
                "{law}: {count} in hour {hour}, not {expected}"
            );
        }
        let all: f64 = counts.iter().sum();
        assert!(
            (all / 864_000.0 - 1.0).abs() < 0.02,
            "{law}: {all} in ten days"
        );
    }
}

#[test]
fn levels_that_are_the_same_are_no_bursts() {
    let poisson = times("kind = 'poisson', requests_per_s = 2.0", 2);
    let same = times(
        "kind = 'bursts', requests_per_s = 2.0, burst_length = '1s', burst_every = '10s', burst_factor = 1.0",
        2,
    );
    assert_eq!(poisson.len(), same.len());
    // Amounts are rounded to billionths once more.
    assert!(poisson.iter().zip(&same).all(|(a, b)| (a - b).abs() < 1e-5));
}
