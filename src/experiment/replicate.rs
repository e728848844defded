//! Replications: the same scenario under other draws.

use crate::workload::random::Stream;

/// The seed of a replication: number 0 is the scenario as it stands, the others have streams of their own.
pub fn seed(scenario_seed: u64, replication: u64) -> u64 {
    match replication {
        0 => scenario_seed,
        // 53 bits: a whole number in TOML and in JSON, wherever they are read.
        n => Stream::new(scenario_seed, "replication", &n.to_string()).draw() >> 11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_replication_has_a_seed_of_its_own() {
        let mut seeds: Vec<u64> = (0..3)
            .flat_map(|s| (0..1000).map(move |i| seed(s, i)))
            .collect();
        assert_eq!(seed(1, 0), 1);
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 3000);
    }
}
