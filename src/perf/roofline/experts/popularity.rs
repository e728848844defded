//! How often each expert of a layer is chosen.
//!
//! Zipf shares in a random order of the experts' ids, one order for each layer; no share may exceed
//! 1/top-k, because a token takes an expert at most once. Measured counts are taken as they are. At
//! serving time popularity has drifted from what the placement knew: each share times a lognormal factor.

use super::Setup;
use crate::scenario::ExpertPopularity;

/// Seeds of the orders and of the drift: one order per layer (any fixed numbers would do).
const ORDER_SEED: u64 = 1_000_003;
const DRIFT_SEED: u64 = 7_919;
const DRIFT_STEP: u64 = 104_729;

/// The random number generator SplitMix64 (Steele, Lea and Flood, 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random number below `n`, with a bias of less than n
    /// 2^64.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// A random number between 0 and 1, neither of them.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    /// A draw of the standard normal law, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(self.unit())).sqrt();
        radius * libm::cos(2.0 * std::f64::consts::PI * self.unit())
    }

    fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

/// Shares of a layer's experts, by id; they sum to 1.
pub fn of_layer(setup: &Setup, layer: u64) -> Vec<f64> {
    let experts = setup.experts;
    let most = 1.0 / setup.top_k as f64;
    match &setup.popularity {
        ExpertPopularity::Balanced => vec![1.0 / experts as f64; experts],
        ExpertPopularity::Counts(counts) => {
            let shares: Vec<f64> = (0..experts)
                .map(|e| counts.get(e % counts.len().max(1)).copied().unwrap_or(1.0))
                .collect();
            capped(shares, most)
        }
        ExpertPopularity::Zipf { exponent } => {
            let weight = |rank: usize| libm::exp(-exponent * libm::log((rank + 1) as f64));
            let ranked = capped((0..experts).map(weight).collect(), most);
            let order = SplitMix64(ORDER_SEED + layer).permutation(experts);
            let mut shares = vec![0.0; experts];
            for (rank, expert) in order.into_iter().enumerate() {
                shares[expert] = ranked[rank];
            }
            shares
        }
    }
}

/// Shares of a layer's experts when they serve, drifted since they were placed.
pub fn drifted(shares: &[f64], setup: &Setup, layer: u64) -> Vec<f64> {
    let uniform = shares.iter().all(|s| *s == shares[0]);
    if setup.drift <= 0.0 || uniform {
        return shares.to_vec();
    }
    let mut random = SplitMix64(DRIFT_SEED + DRIFT_STEP * (layer + 1));
    let sigma = setup.drift;
    let moved = shares
        .iter()
        .map(|share| share * libm::exp(sigma * random.normal() - 0.5 * sigma * sigma))
        .collect();
    capped(moved, 1.0 / setup.top_k as f64)
}

/// The shares scaled to sum to 1; what exceeds `most` is spread over the others.
fn capped(mut shares: Vec<f64>, most: f64) -> Vec<f64> {
    let total: f64 = shares.iter().sum();
    if total > 0.0 {
        shares.iter_mut().for_each(|s| *s /= total);
    }
    for _ in 0..64 {
        let over: f64 = shares.iter().map(|s| (s - most).max(0.0)).sum();
        let free: f64 = shares.iter().filter(|s| **s < most).sum();
        if over <= 1e-15 || free <= 0.0 {
            break;
        }
        for share in &mut shares {
            *share = if *share >= most {
                most
            } else {
                *share * (1.0 + over / free)
            };
        }
    }
    shares
}
