//! Where experts and their copies sit: the balancing algorithm that DeepSeek published (EPLB), from its
//! description.
//!
//! Every expert once; each further slot is another copy of the expert with the highest load per copy.
//! Copies are packed heaviest first, each into the lightest rank with room. Hierarchically, where the
//! groups divide by the nodes: groups are packed onto nodes first, then copies and packing happen within
//! each node. Ties go to the lowest index.

/// The slots of a unit that experts are placed in.
#[derive(Clone, Copy, Debug)]
pub struct ExpertSlots {
    pub ranks: usize,
    /// Slots over all ranks; a multiple of the number of ranks.
    pub slots: usize,
    pub nodes: usize,
    pub groups: usize,
}

/// Which experts each rank holds.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Experts by rank, each with the number of its copies in the unit.
    pub by_rank: Vec<Vec<(usize, f64)>>,
}

impl Placement {
    /// Experts by node, each with the number of its copies in the unit.
    pub fn by_node(&self, nodes: usize) -> Vec<Vec<(usize, f64)>> {
        let per_node = (self.by_rank.len() / nodes).max(1);
        self.by_rank.chunks(per_node).map(<[_]>::concat).collect()
    }
}

impl ExpertSlots {
    /// Places experts in order of id; redundant slots repeat the first ones.
    pub fn in_order(&self, experts: usize) -> Placement {
        let ids: Vec<usize> = (0..self.slots).map(|slot| slot % experts).collect();
        let mut copies = vec![0.0; experts];
        for id in &ids {
            copies[*id] += 1.0;
        }
        let per_rank = (self.slots / self.ranks).max(1);
        let rank = |ids: &[usize]| ids.iter().map(|&e| (e, copies[e])).collect();
        Placement {
            by_rank: ids.chunks(per_rank).map(rank).collect(),
        }
    }

    /// Places experts by the balancing algorithm, for these shares of the tokens.
    pub fn balanced(&self, shares: &[f64]) -> Placement {
        let divides = |n: usize| n.is_multiple_of(self.nodes);
        let hierarchical = self.nodes > 1
            && divides(self.groups)
            && divides(self.slots)
            && divides(self.ranks)
            && shares.len().is_multiple_of(self.groups);
        let (nodes, groups) = if hierarchical {
            (self.nodes, self.groups)
        } else {
            (1, 1)
        };
        let of_group = shares.len() / groups;
        let group_load: Vec<f64> = shares.chunks(of_group).map(|g| g.iter().sum()).collect();
        let node_of_group = pack(&group_load, nodes);
        let mut by_rank = Vec::with_capacity(self.ranks);
        for node in 0..nodes {
            let here: Vec<usize> = (0..shares.len())
                .filter(|e| node_of_group[e / of_group] == node)
                .collect();
            let loads: Vec<f64> = here.iter().map(|&e| shares[e]).collect();
            let copies = copies(&loads, self.slots / nodes);
            let placed: Vec<(usize, f64)> = here
                .iter()
                .zip(&copies)
                .flat_map(|(&e, &n)| std::iter::repeat_n((e, n as f64), n))
                .collect();
            let weights: Vec<f64> = placed.iter().map(|&(e, n)| shares[e] / n).collect();
            let ranks = self.ranks / nodes;
            let rank_of = pack(&weights, ranks);
            for rank in 0..ranks {
                let on_it = placed.iter().zip(&rank_of).filter(|(_, r)| **r == rank);
                by_rank.push(on_it.map(|(slot, _)| *slot).collect());
            }
        }
        Placement { by_rank }
    }
}

/// Packs equal numbers of items into packs of nearly equal weight; returns the pack of each.
fn pack(weights: &[f64], packs: usize) -> Vec<usize> {
    let room = weights.len().div_ceil(packs);
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
    let (mut load, mut count) = (vec![0.0; packs], vec![0; packs]);
    let mut pack_of = vec![0; weights.len()];
    for item in order {
        let mut lightest = None;
        for pack in 0..packs {
            let lighter = lightest.is_none_or(|l: usize| load[pack] < load[l]);
            if count[pack] < room && lighter {
                lightest = Some(pack);
            }
        }
        let pack = lightest.unwrap_or(0);
        pack_of[item] = pack;
        load[pack] += weights[item];
        count[pack] += 1;
    }
    pack_of
}

/// Copies of each expert: one, and each further slot to the highest load per copy.
fn copies(loads: &[f64], slots: usize) -> Vec<usize> {
    let mut copies = vec![1; loads.len()];
    for _ in loads.len()..slots {
        let mut most = 0;
        for expert in 1..loads.len() {
            if loads[expert] / copies[expert] as f64 > loads[most] / copies[most] as f64 {
                most = expert;
            }
        }
        if let Some(n) = copies.get_mut(most) {
            *n += 1;
        }
    }
    copies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_go_to_the_busiest_and_heavy_ones_apart() {
        assert_eq!(copies(&[8.0, 4.0, 1.0], 5), [3, 1, 1]);
        assert_eq!(pack(&[5.0, 4.0, 3.0, 2.0], 2), [0, 1, 1, 0]);
    }

    #[test]
    fn every_slot_is_filled_and_groups_stay_on_their_node() {
        let shares: Vec<f64> = (0..64_u32).map(|e| 1.0 / f64::from(e + 1)).collect();
        let place = ExpertSlots {
            ranks: 8,
            slots: 80,
            nodes: 2,
            groups: 8,
        };
        let placed = place.balanced(&shares);
        assert!(placed.by_rank.iter().all(|rank| rank.len() == 10));
        let nodes = placed.by_node(2);
        for group in 0..8 {
            let is_in = |node: &[(usize, f64)]| node.iter().any(|(e, _)| e / 8 == group);
            assert!(is_in(&nodes[0]) != is_in(&nodes[1]), "group {group}");
        }
        for expert in 0..64 {
            let slots = placed.by_rank.iter().flatten().filter(|s| s.0 == expert);
            let copies: Vec<f64> = slots.map(|s| s.1).collect();
            assert!(
                copies.iter().all(|n| *n == copies.len() as f64),
                "{expert}: {copies:?}"
            );
        }
    }
}
