//! Nodes that are paid for (S10): counted by laying units on them one by one.

use tokentide::internals::scenario::{Node, Pool};

/// Nodes that hold so many of the schedule's units of each pool.
pub fn nodes(pools: &[Pool], units: &[u64], node: &Node) -> u64 {
    let of_pools: Vec<(u32, u64)> = pools
        .iter()
        .zip(units)
        .map(|(pool, units)| (pool.gpus_per_unit, *units))
        .collect();
    if node.shared {
        laid_out(&of_pools, node.gpus)
    } else {
        let own = of_pools.iter().map(|pool| laid_out(&[*pool], node.gpus));
        own.sum()
    }
}

/// Nodes under units of these sizes, the largest first, each on the first node with room.
fn laid_out(units: &[(u32, u64)], gpus: u32) -> u64 {
    let each = |(size, units): &(u32, u64)| vec![*size; *units as usize];
    let mut sizes: Vec<u32> = units.iter().flat_map(each).collect();
    sizes.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
    let (mut whole, mut free) = (0, Vec::new());
    for size in sizes {
        if size >= gpus {
            whole += u64::from(size / gpus);
        } else if let Some(room) = free.iter_mut().find(|room| **room >= size) {
            *room -= size;
        } else {
            free.push(gpus - size);
        }
    }
    whole + free.len() as u64
}
