//! A unit as the model sees it: the machine, the model's part on each accelerator, and who shares what.

use super::attention::{AttentionLayer, MeanPrompt};
use super::experts::{EVEN, Imbalance, ImbalanceKey, LazyImbalance, Setup};
use super::ffn::Network;
use super::kernel::Machine;
pub use super::links::Links;
use super::network::ExpertGroup;
use crate::catalog::{Architecture, Compute, Experts, Gpu};
use crate::scenario::{ExpertPopularity, Overlap, Pool, Role, Roofline, Scenario};

/// One unit of a pool as the roofline model sees it.
#[derive(Clone, Debug)]
pub struct RooflineUnit<'a> {
    /// One accelerator of the unit, with its engine.
    pub machine: Machine<'a>,
    /// Architecture of the model that is served.
    pub model: &'a Architecture,
    /// Stated precision, experts and overlap.
    pub roofline: &'a Roofline,
    /// Accelerators that share a rank's attention.
    pub tensor: f64,
    /// Stages of the pipeline.
    pub pipeline: f64,
    /// Attention data-parallel ranks.
    pub ranks: f64,
    /// How experts lie over the unit.
    pub spread: ExpertSpread,
    /// The scenario's mean prompt.
    pub context: MeanPrompt,
    /// Tokens of a request in a decode step: one, and its drafts.
    pub queries: f64,
    /// How often a decode step passes through a layer and a head that make drafts.
    pub draft_passes: f64,
    /// How often a step that has prompts passes through the draft layer. In mixed pools once, since drafts need its
    /// KV of prompts too (further passes, over what decodes only, are left out); in prefill pools it is left
    /// out.
    pub draft_passes_prompts: f64,
    /// Seconds for each byte that an accelerator sends through all stages of the pipeline.
    pub through_stages: f64,
    /// Whether the host prepares a step while the one before runs: then it adds nothing, but no step is shorter than
    /// the host's work.
    pub host_beside: bool,
}

/// How experts lie over a unit.
#[derive(Clone, Debug)]
pub struct ExpertSpread {
    /// Accelerators that hold different experts.
    pub ranks: f64,
    /// Accelerators that share each expert's matrices.
    pub tensor: f64,
    /// Experts on an accelerator.
    pub slots: f64,
    /// The accelerators and nodes that exchange tokens.
    pub group: ExpertGroup,
    /// Whether tokens are sent to experts and back; false: every accelerator sees them all.
    pub exchange: bool,
    /// Whether several ranks' tokens are gathered on every accelerator, each of which has a part of every
    /// expert, and the results summed and scattered.
    pub gathers: bool,
    /// How unevenly tokens fall in steps of decode.
    pub decode: LazyImbalance,
    /// How unevenly tokens fall in steps over prompts.
    pub prefill: LazyImbalance,
}

/// Largest loads that the tables must reach, and the prompts that they are made of.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Tokens in a decode step of a rank.
    pub decode_tokens: f64,
    /// Tokens in a batch of prompts of a rank.
    pub prefill_tokens: f64,
    /// Computed tokens of a prompt.
    pub prompt_tokens: f64,
    /// Cached tokens of a prompt.
    pub cached_tokens: f64,
}

/// The shape of a unit, without a scenario.
#[derive(Clone, Copy, Debug)]
pub struct UnitShape {
    /// All accelerators of the unit.
    pub gpus: u32,
    /// Attention data-parallel ranks of the unit.
    pub ranks: u32,
    /// Accelerators that hold different experts.
    pub experts: u32,
    /// Expert slots beyond one for each expert.
    pub redundant: u32,
    /// Stages of the pipeline.
    pub pipeline: u32,
}

impl UnitShape {
    /// The shape of a pool's units.
    pub fn of(pool: &Pool) -> Self {
        Self {
            gpus: pool.gpus_per_replica(),
            ranks: pool.ranks,
            experts: pool.parallelism.experts,
            redundant: pool.parallelism.redundant_experts,
            pipeline: pool.parallelism.pipeline,
        }
    }
}

impl<'a> RooflineUnit<'a> {
    /// A unit of `shape` that serves the model on the machine.
    pub fn new(
        model: &'a Architecture,
        (gpu, links): (&'a Compute, Links),
        roofline: &'a Roofline,
        shape: UnitShape,
        reach: Reach,
    ) -> Self {
        let machine = Machine {
            gpu,
            links,
            engine: &roofline.engine,
            sms: 1.0,
        };
        let pipeline = f64::from(shape.pipeline);
        Self {
            machine,
            model,
            roofline,
            tensor: f64::from(shape.gpus) / f64::from(shape.ranks) / pipeline,
            pipeline,
            ranks: f64::from(shape.ranks),
            spread: ExpertSpread::new(model, roofline, shape, links, reach),
            context: MeanPrompt {
                cached: reach.cached_tokens,
                computed: reach.prompt_tokens,
            },
            queries: 1.0,
            draft_passes: 0.0,
            draft_passes_prompts: 0.0,
            through_stages: machine.through_stages(shape.pipeline, shape.gpus / shape.pipeline),
            host_beside: roofline.engine.rules.look_ahead,
        }
    }

    /// The unit of a pool of a scenario; `None` where the model's or the accelerator's figures are not
    /// known, which resolving a scenario has refused.
    pub fn of(scenario: &'a Scenario, pool: &Pool, roofline: &'a Roofline) -> Option<Self> {
        let model = scenario.model.architecture.as_ref()?;
        let gpu = &scenario.node.gpu;
        let prompts = MeanPrompts::of(scenario);
        Self::of_pool(pool, (model, gpu), roofline, scenario.mtp.drafts, prompts)
    }

    /// The unit of a pool under requests with so many drafts and such prompts.
    pub fn of_pool(
        pool: &Pool,
        (model, gpu): (&'a Architecture, &'a Gpu),
        roofline: &'a Roofline,
        drafts: u32,
        prompts: MeanPrompts,
    ) -> Option<Self> {
        let compute = gpu.compute.as_ref()?;
        let queries = f64::from(1 + drafts);
        let most = f64::from(pool.max_batch_requests) * queries;
        let budget = f64::from(pool.max_batch_tokens);
        let reach = Reach {
            decode_tokens: match pool.role {
                Role::Prefill => 1.0,
                Role::Decode => most,
                Role::Mixed => most + budget,
            },
            prefill_tokens: if pool.role == Role::Decode {
                1.0
            } else {
                budget
            },
            prompt_tokens: prompts.computed,
            cached_tokens: prompts.cached,
        };
        let links = Links::of(gpu, compute, pool.node_gpus);
        let drafts = f64::from(drafts);
        Some(Self {
            queries,
            host_beside: match pool.role {
                Role::Mixed => pool.look_ahead,
                Role::Prefill | Role::Decode => roofline.engine.rules.look_ahead,
            },
            draft_passes: drafts,
            draft_passes_prompts: if pool.role == Role::Mixed {
                drafts.min(1.0)
            } else {
                0.0
            },
            ..Self::new(
                model,
                (compute, links),
                roofline,
                UnitShape::of(pool),
                reach,
            )
        })
    }

    /// Time from stage to stage of the pipeline, in seconds, for a step of `tokens` tokens on a rank: of each
    /// micro-batch every accelerator of the rank sends its part of the stream, in BF16. Starts are left out.
    pub fn between_stages(&self, tokens: f64) -> f64 {
        let bytes = tokens / self.pipeline * f64::from(self.model.hidden) * 2.0 / self.tensor;
        bytes * self.through_stages
    }

    /// The attention part of a layer.
    pub fn attention(&self) -> AttentionLayer<'_> {
        AttentionLayer {
            model: self.model,
            precision: self.roofline.precision,
            tensor: self.tensor,
            drafts: [self.draft_passes, self.draft_passes_prompts],
        }
    }

    /// The feed-forward part of a layer.
    pub fn network(&self) -> Network<'_> {
        Network {
            model: self.model,
            precision: self.roofline.precision,
            sampling: self.roofline.sampling,
        }
    }

    /// Whether two micro-batches may overlap.
    pub fn may_overlap(&self) -> bool {
        self.spread.exchange && self.roofline.overlap != Overlap::Off
    }

    /// Whether one batch may run alone.
    pub fn may_run_plain(&self) -> bool {
        !self.spread.exchange || self.roofline.overlap != Overlap::On
    }
}

impl ExpertSpread {
    fn new(
        model: &Architecture,
        roofline: &Roofline,
        shape: UnitShape,
        links: Links,
        reach: Reach,
    ) -> Self {
        let gpus = f64::from(shape.gpus) / f64::from(shape.pipeline);
        let nodes = f64::from(links.nodes(shape.gpus / shape.pipeline));
        let ranks = f64::from(shape.experts.max(1));
        let even = |experts: Option<&Experts>| Self {
            ranks,
            tensor: gpus / ranks,
            slots: experts.map_or(0.0, |e| f64::from(e.routed + shape.redundant) / ranks),
            group: ExpertGroup { gpus, nodes },
            exchange: false,
            gathers: experts.is_some() && shape.ranks > 1,
            decode: LazyImbalance::default(),
            prefill: LazyImbalance::default(),
        };
        let Some(experts) = &model.experts else {
            return even(None);
        };
        if shape.experts <= 1 {
            return even(Some(experts));
        }
        let setup = Setup {
            experts: experts.routed as usize,
            top_k: experts.top_k as usize,
            groups: experts.groups as usize,
            ranks: shape.experts as usize,
            slots: (experts.routed + shape.redundant) as usize,
            nodes: nodes as usize,
            popularity: roofline.experts.popularity.clone(),
            balanced: roofline.experts.balanced,
            drift: roofline.experts.drift,
            clustering: roofline.experts.clustering,
        };
        let is_uniform = matches!(
            &setup.popularity,
            ExpertPopularity::Zipf { exponent } if *exponent == 0.0
        );
        let setup = Setup {
            drift: if is_uniform { 0.0 } else { setup.drift },
            ..setup
        };
        let exchange = shape.ranks > 1;
        // without exchange all tokens of the unit are seen everywhere: a batch is one rank's
        let share = if exchange { 1.0 } else { ranks };
        Self {
            exchange,
            gathers: false,
            decode: LazyImbalance::of(ImbalanceKey {
                setup: setup.clone(),
                hierarchical: false,
                prompt_tokens: 1.0,
                most: reach.decode_tokens / share,
            }),
            prefill: LazyImbalance::of(ImbalanceKey {
                setup,
                hierarchical: true,
                prompt_tokens: reach.prompt_tokens,
                most: reach.prefill_tokens / share,
            }),
            ..even(Some(experts))
        }
    }

    /// Imbalance of a decode micro-batch of `tokens` tokens on each rank.
    pub fn decode_imbalance(&self, tokens: f64) -> Imbalance {
        self.decode.at(tokens)
    }

    /// Imbalance of a micro-batch of `tokens` prompt tokens on each rank.
    pub fn prefill_imbalance(&self, tokens: f64) -> Imbalance {
        if self.ranks <= 1.0 {
            return EVEN;
        }
        self.prefill.at(tokens)
    }
}

/// Mean prompts of a scenario, in tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanPrompts {
    /// Tokens of a prompt that are computed, mean.
    pub computed: f64,
    /// Tokens of a prompt that are found in the cache, mean.
    pub cached: f64,
}

impl MeanPrompts {
    /// Mean prompts of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        Self {
            computed: prompt_tokens(scenario),
            cached: mean_prompt(scenario, |hits| hits),
        }
    }
}

/// Tokens of a scenario's prompts that are computed: how long the stretches are that choose experts alike.
pub fn prompt_tokens(scenario: &Scenario) -> f64 {
    mean_prompt(scenario, |hits| 1.0 - hits).max(1.0)
}

/// The mean over a scenario's prompts of `part`, which depends on the hit rate, in tokens.
fn mean_prompt(scenario: &Scenario, part: impl Fn(f64) -> f64) -> f64 {
    let mean = scenario.classes.iter().map(|class| {
        let hits = class.arrivals.periods.first().map_or(0.0, |p| p.hit_rate);
        class.input.law.mean() * part(hits)
    });
    let classes = scenario.classes.len().max(1) as f64;
    mean.sum::<f64>() / classes
}
