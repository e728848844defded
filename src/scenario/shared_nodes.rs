//! How many nodes are paid, against nodes filled one by one (S10).

use super::*;

/// A scenario of two pools on nodes of eight accelerators.
fn scenario() -> Scenario {
    let text = r#"
        name = "small"
        start = 2026-01-05T00:00:00Z
        duration = "1h"
        model = "llama-3.1-8b"
        node = { gpu = "h100", gpus = 8, price_per_gpu_hour = 2.0, shared = true }
        pools.prefill = { nodes_per_unit = 1, max_batch_tokens = 100, units = 1 }
        pools.decode = { nodes_per_unit = 1, kv_capacity_tokens = 1000, units = 1 }
        performance = { kind = "linear", prefill = { per_token = "1us" }, decode = { base = "1ms" } }
        [[class]]
        name = "a"
        arrivals = { kind = "poisson", requests_per_s = 1 }
        input = { kind = "constant", value = 10 }
        output = { kind = "constant", value = 10 }
    "#;
    load_str("test", text, &[]).unwrap_or_else(|m| panic!("{m}"))
}

/// Nodes that units fill one by one, the larger first, each on the first node with room; one larger than a node
/// fills whole nodes.
fn one_by_one(units: &[(u32, u32)], gpus: u32) -> u64 {
    let mut units: Vec<(u32, u32)> = units.to_vec();
    units.sort_unstable_by_key(|unit| std::cmp::Reverse(unit.0));
    let mut free: Vec<u32> = Vec::new();
    for (size, count) in units {
        for _ in 0..count {
            if size >= gpus {
                free.extend(vec![0; (size / gpus) as usize]);
                continue;
            }
            match free.iter_mut().find(|room| **room >= size) {
                Some(room) => *room -= size,
                None => free.push(gpus - size),
            }
        }
    }
    free.len() as u64
}

#[test]
fn paid_nodes_are_those_that_units_one_by_one_would_fill() {
    let scenario = scenario();
    let (mut pools, mut node) = (scenario.pools.clone(), scenario.node.clone());
    for gpus in 1..=8 {
        node.gpus = gpus;
        let sizes: Vec<u32> = (1..=gpus).chain([2 * gpus, 3 * gpus]).collect();
        for pool in &mut pools {
            pool.node_gpus = gpus;
        }
        for (a, b) in sizes.iter().flat_map(|a| sizes.iter().map(move |b| (a, b))) {
            (pools[0].gpus_per_unit, pools[1].gpus_per_unit) = (*a, *b);
            for units in (0..=9).flat_map(|n| (0..=9).map(move |m| [n, m])) {
                let [n, m] = units;
                node.shared = true;
                let shared = nodes_of(&pools, &units, &node);
                assert_eq!(
                    shared,
                    one_by_one(&[(*a, n), (*b, m)], gpus),
                    "{gpus}: {a} x {n}, {b} x {m}"
                );
                node.shared = false;
                let own = nodes_of(&pools, &units, &node);
                assert_eq!(
                    own,
                    one_by_one(&[(*a, n)], gpus) + one_by_one(&[(*b, m)], gpus)
                );
                assert!(shared <= own);
            }
        }
    }
}
