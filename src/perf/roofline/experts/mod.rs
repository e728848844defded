//! Expert imbalance: how much more than the mean the busiest rank, and the busiest node, gets.
//!
//! Expert `popularity` (uniform, Zipf, or measured) -> `placement` with redundant experts (the
//! published balancing algorithm) -> `load` of the busiest rank in one step of a finite batch. Layers
//! have popularities of their own and are averaged. Everything is a closed form over one named integer
//! generator, so the same scenario gives the same factors on every machine.
//!
//! Ignored: which expert follows which from layer to layer, and that some batches are luckier than others.

mod busiest_bin;
mod placement;
mod popularity;

use std::sync::OnceLock;

use crate::scenario::ExpertPopularity;
use busiest_bin::{busiest, spread};
use placement::{ExpertSlots, Placement};
use popularity::{drifted, of_layer};

/// Layers over which imbalance is averaged, each with an order of its own: more change the mean by less than 1 %.
const LAYERS: u64 = 16;

/// The experts of a unit and how they are chosen and placed.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// Routed experts of a layer.
    pub experts: usize,
    /// Routed experts that a token chooses.
    pub top_k: usize,
    /// Groups for hierarchical placement; 1: none.
    pub groups: usize,
    /// Ranks that hold experts.
    pub ranks: usize,
    /// Expert slots over all ranks: experts and redundant copies.
    pub slots: usize,
    /// Nodes of the unit.
    pub nodes: usize,
    /// How often each expert is chosen.
    pub popularity: ExpertPopularity,
    /// Whether the balancing algorithm places the experts; false: they stand in order of id.
    pub balanced: bool,
    /// Log-standard deviation of popularity now over popularity at placement; only where it is not
    /// uniform.
    pub drift: f64,
    /// How alike the tokens of one prompt choose: intra-prompt correlation.
    pub clustering: f64,
}

/// Imbalance of expert parallelism: the busiest over the mean, of ranks and of nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Imbalance {
    /// Rows of the busiest rank over those of the mean one.
    pub rank: f64,
    /// Rows of the busiest node over those of the mean one.
    pub node: f64,
}

/// Perfect balance: the busiest has what the mean has.
pub const EVEN: Imbalance = Imbalance {
    rank: 1.0,
    node: 1.0,
};

/// The experts of one layer: where they are placed, and how popular each is now.
#[derive(Clone, Debug)]
struct ExpertLayer {
    placement: Placement,
    shares: Vec<f64>,
}

/// The question that a table of imbalance answers.
#[derive(Clone, Debug, PartialEq)]
pub struct ImbalanceKey {
    /// Experts and where they lie.
    pub setup: Setup,
    /// Whether experts of a group stay on a node, as in prefill.
    pub hierarchical: bool,
    /// Tokens of a prompt, which follow each other in a batch.
    pub prompt_tokens: f64,
    /// Most tokens of a micro-batch on a rank.
    pub most: f64,
}

/// A table that is made when somebody looks into it first: memory, for one, does not hang on it.
#[derive(Clone, Debug, Default)]
pub struct LazyImbalance {
    /// What the table is of; `None`: perfect balance.
    question: Option<ImbalanceKey>,
    table: OnceLock<ImbalanceTable>,
}

impl LazyImbalance {
    /// The table that a question asks for, not made yet.
    pub fn of(question: ImbalanceKey) -> Self {
        Self {
            question: Some(question),
            table: OnceLock::new(),
        }
    }

    /// Has the table made, if it is not, by a function that may know it.
    pub fn look_up(&self, make: impl FnOnce(&ImbalanceKey) -> ImbalanceTable) {
        if let Some(question) = &self.question {
            self.table.get_or_init(|| make(question));
        }
    }

    /// Imbalance with so many tokens on each rank.
    pub fn at(&self, tokens: f64) -> Imbalance {
        let Some(question) = &self.question else {
            return EVEN;
        };
        let table = self.table.get_or_init(|| ImbalanceTable::make(question));
        table.at(tokens)
    }
}

/// Imbalance by the number of tokens of a micro-batch on each rank: tabulated on powers of two, between
/// them linear in one over the root of the tokens, as sampling noise is.
#[derive(Clone, Debug)]
pub struct ImbalanceTable {
    at: Vec<Imbalance>,
}

impl ImbalanceTable {
    /// A table of perfect balance, whatever the tokens.
    pub fn even() -> Self {
        Self { at: vec![EVEN] }
    }

    /// The table that a question asks for.
    pub fn make(question: &ImbalanceKey) -> Self {
        if matches!(question.setup.popularity, ExpertPopularity::Balanced) {
            return Self::even();
        }
        let ImbalanceKey { setup, .. } = question;
        let nodes = if question.hierarchical {
            setup.nodes
        } else {
            1
        };
        let layers: Vec<ExpertLayer> = (0..LAYERS)
            .map(|layer| {
                let placed = of_layer(setup, layer);
                let place = ExpertSlots {
                    ranks: setup.ranks,
                    slots: setup.slots,
                    nodes,
                    groups: setup.groups,
                };
                let placement = if setup.balanced {
                    place.balanced(&placed)
                } else {
                    place.in_order(setup.experts)
                };
                ExpertLayer {
                    placement,
                    shares: drifted(&placed, setup, layer),
                }
            })
            .collect();
        let points = 2 + libm::ceil(libm::log2(question.most.max(1.0))) as u32;
        let at = (0..points)
            .map(|k| {
                at_tokens(
                    setup,
                    &layers,
                    nodes,
                    question.prompt_tokens,
                    libm::exp2(f64::from(k)),
                )
            })
            .collect();
        Self { at }
    }

    /// The imbalance with `tokens` tokens on each rank.
    pub fn at(&self, tokens: f64) -> Imbalance {
        let tokens = tokens.max(1.0);
        let last = self.at.len() - 1;
        let k = (libm::floor(libm::log2(tokens)) as usize).min(last.saturating_sub(1));
        let (Some(low), Some(high)) = (self.at.get(k), self.at.get((k + 1).min(last))) else {
            return EVEN;
        };
        let root = |tokens: f64| 1.0 / tokens.sqrt();
        let (from, to) = (root(libm::exp2(k as f64)), root(libm::exp2((k + 1) as f64)));
        let x = ((root(tokens) - from) / (to - from)).clamp(0.0, 1.0);
        Imbalance {
            rank: low.rank + x * (high.rank - low.rank),
            node: low.node + x * (high.node - low.node),
        }
    }
}

fn at_tokens(
    setup: &Setup,
    layers: &[ExpertLayer],
    nodes: usize,
    prompt_tokens: f64,
    tokens: f64,
) -> Imbalance {
    // Kish's design effect of a micro-batch whose prompts' tokens choose alike
    let alike = (prompt_tokens.min(tokens) - 1.0).max(0.0);
    let design = 1.0 + setup.clustering * alike;
    let all = tokens * setup.ranks as f64;
    let mean = |parts: &dyn Fn(&ExpertLayer) -> f64| {
        layers.iter().map(parts).sum::<f64>() / layers.len() as f64
    };
    let of = |layer: &ExpertLayer, bins: &[Vec<(usize, f64)>]| {
        busiest(&spread(
            &layer.shares,
            bins,
            all,
            setup.top_k as f64,
            design,
        ))
    };
    Imbalance {
        rank: mean(&|layer| of(layer, &layer.placement.by_rank)).max(1.0),
        node: if nodes > 1 {
            mean(&|layer| of(layer, &layer.placement.by_node(nodes))).max(1.0)
        } else {
            1.0
        },
    }
}

/// Imbalance of ranks with exactly `tokens` tokens on each, over `layers` layers: what measurements of
/// expert balance report.
pub fn measured_imbalance(setup: &Setup, tokens: f64, layers: u64) -> f64 {
    let place = ExpertSlots {
        ranks: setup.ranks,
        slots: setup.slots,
        nodes: 1,
        groups: 1,
    };
    let one = |layer: u64| {
        let placed = of_layer(setup, layer);
        let placement = if setup.balanced {
            place.balanced(&placed)
        } else {
            place.in_order(setup.experts)
        };
        let shares = drifted(&placed, setup, layer);
        let all = tokens * setup.ranks as f64;
        busiest(&spread(
            &shares,
            &placement.by_rank,
            all,
            setup.top_k as f64,
            1.0,
        ))
    };
    (0..layers).map(one).sum::<f64>() / layers as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DeepSeek-R1 under expert parallelism of 32 or 36, one token in eight experts of 256.
    fn r1(ranks: usize, slots: usize, balanced: bool) -> Setup {
        Setup {
            experts: 256,
            top_k: 8,
            groups: 8,
            ranks,
            slots,
            nodes: 1,
            popularity: ExpertPopularity::Zipf { exponent: 0.6352 },
            balanced,
            drift: 0.105,
            clustering: 0.0,
        }
    }

    fn key(setup: Setup, prompt_tokens: f64, most: f64) -> ImbalanceKey {
        ImbalanceKey {
            setup,
            hierarchical: true,
            prompt_tokens,
            most,
        }
    }

    #[test]
    fn more_tokens_are_better_balanced() {
        let table = ImbalanceTable::make(&key(r1(32, 288, true), 1.0, 4096.0));
        let mut last = f64::INFINITY;
        for tokens in [1.0, 2.0, 3.0, 10.0, 44.0, 128.0, 1000.0, 4096.0, 8000.0] {
            let found = table.at(tokens).rank;
            assert!(
                (1.0..=last).contains(&found),
                "{tokens}: {found} after {last}"
            );
            last = found;
        }
    }

    #[test]
    fn a_table_is_made_when_it_is_looked_into() {
        let lazy = LazyImbalance::of(key(r1(36, 288, false), 1.0, 4096.0));
        assert!(lazy.table.get().is_none());
        let made = ImbalanceTable::make(&key(r1(36, 288, false), 1.0, 4096.0));
        assert_eq!(lazy.at(100.0), made.at(100.0));
        assert!(lazy.table.get().is_some());
        assert_eq!(LazyImbalance::default().at(100.0), EVEN);
    }

    #[test]
    fn a_balanced_router_is_even() {
        let setup = Setup {
            popularity: ExpertPopularity::Balanced,
            ..r1(32, 288, true)
        };
        let table = ImbalanceTable::make(&key(setup, 4096.0, 8192.0));
        assert_eq!(table.at(37.0), EVEN);
    }
}
