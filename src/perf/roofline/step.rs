//! Steps of a rank as lines: a step takes `min over modes of max over lines of A + C x`, where x is what
//! attention runs over: (query, key) pairs of prompts, KV tokens of decode.
//!
//! Modes are ways to run the step: one batch, part after part, or two micro-batches that hide each
//! other's communication. A server chooses the quicker one. The five-stage overlap of decode runs dispatch
//! beside the shared expert and the projections before the core, and combine beside the core and what
//! follows it; only the routed experts run alone, and sending and unpacking take multiprocessors even
//! then. In prefill the same four stages overlap pairwise, computation has what multiprocessors
//! communication leaves, and communication beside computation is slower. Dense layers have nothing to hide.

use super::ffn::ExpertRows;
use super::kernel::US;
use super::network::Exchange;
use super::unit::Unit;
use crate::catalog::{Constant as C, Experts};

/// A time that grows with what attention runs over, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    /// When attention runs over nothing.
    pub base: f64,
    /// For each unit.
    pub slope: f64,
}

/// A way to run a step: the longest of its lines.
#[derive(Clone, Debug, Default)]
pub struct Mode {
    /// Whether two micro-batches overlap.
    pub overlapped: bool,
    /// All of them hold.
    pub lines: Vec<Line>,
}

impl Mode {
    /// The time over `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.lines
            .iter()
            .map(|line| line.base + line.slope * x)
            .fold(0.0, f64::max)
    }
}

/// One layer of one micro-batch, without what attention runs over; in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    /// Norm, queries, keys and values.
    pub before: f64,
    /// The core's start and its part for each request or token.
    pub core: f64,
    /// The core for each unit of attention, all units of the micro-batch together being 1.
    pub core_unit: f64,
    /// Output projection.
    pub after: f64,
    /// Norm, router, choice of experts.
    pub gate: f64,
    /// Experts that every token goes through.
    pub shared: f64,
    /// Routed experts of the busiest rank.
    pub experts: f64,
    /// Dispatch and combine, alone on the network.
    pub exchange: Exchange,
    /// All-reduces of a layer.
    pub all_reduce: f64,
    /// Dense network, in layers without experts.
    pub dense: f64,
    /// The busiest rank's tokens over the mean.
    pub imbalance: f64,
}

/// What a step has once, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Once {
    /// Logits and sampling.
    pub head: f64,
    /// The engine's own time.
    pub host: f64,
}

/// Which tokens a micro-batch has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch {
    /// Prompt tokens.
    pub prompt: f64,
    /// Requests that decode.
    pub requests: f64,
}

impl Unit<'_> {
    /// One layer of a micro-batch of prompts.
    pub fn prefill_parts(&self, tokens: f64) -> Parts {
        self.parts(
            Batch {
                prompt: tokens,
                requests: 0.0,
            },
            self.attention().prefill_core(&self.machine).unit,
        )
    }

    /// One layer of a micro-batch of decode.
    pub fn decode_parts(&self, requests: f64) -> Parts {
        self.parts(
            Batch {
                prompt: 0.0,
                requests,
            },
            self.attention()
                .decode_core(&self.machine, self.queries)
                .unit,
        )
    }

    /// One layer of a micro-batch that may have both.
    pub fn parts(&self, batch: Batch, core_unit: f64) -> Parts {
        let (machine, attention) = (&self.machine, self.attention());
        let decode_tokens = batch.requests * self.queries;
        let tokens = batch.prompt + decode_tokens;
        // latent attention unfolds prompts and folds what decodes: two sets of projections
        let latent = attention.is_latent();
        let (mut before, mut after) = (0.0, 0.0);
        let sets = if latent {
            [(batch.prompt, false), (decode_tokens, true)]
        } else {
            [(tokens, false), (0.0, true)]
        };
        for (m, absorbed) in sets {
            let projections = attention.projections(machine, m, absorbed);
            before += projections.before;
            after += projections.after;
        }
        let mut core = 0.0;
        if batch.prompt > 0.0 {
            let prompts = attention.prefill_core(machine);
            core += prompts.step + prompts.token * batch.prompt;
        }
        if batch.requests > 0.0 {
            let decode = attention.decode_core(machine, self.queries);
            core += decode.step + decode.request * batch.requests;
        }
        let hidden = f64::from(self.model.hidden);
        let mut parts = Parts {
            before,
            after,
            core,
            core_unit,
            all_reduce: 2.0 * machine.all_reduce(self.tensor, tokens * hidden * 2.0),
            dense: self.dense(tokens),
            imbalance: 1.0,
            ..Parts::default()
        };
        if let Some(experts) = &self.model.experts {
            self.with_experts(experts, batch, tokens, &mut parts);
        }
        parts
    }

    /// The dense network: split over the accelerators of a rank.
    fn dense(&self, tokens: f64) -> f64 {
        let ffn = f64::from(self.model.ffn) / self.tensor;
        self.network().dense(&self.machine, tokens, ffn)
    }

    fn with_experts(&self, experts: &Experts, batch: Batch, tokens: f64, parts: &mut Parts) {
        let (machine, network, spread) = (&self.machine, self.network(), &self.spread);
        let hidden = f64::from(self.model.hidden);
        let decodes = batch.prompt == 0.0;
        let mine = tokens
            / if spread.exchange {
                self.tensor
            } else {
                spread.ranks
            };
        let imbalance = if decodes {
            spread.decode_imbalance(mine)
        } else {
            spread.prefill_imbalance(mine)
        };
        let rows = mine * f64::from(experts.top_k) * imbalance.rank;
        let everybody = if spread.exchange {
            mine * spread.ranks
        } else {
            tokens
        };
        let ffn = f64::from(experts.ffn) / spread.tensor;
        parts.imbalance = imbalance.rank;
        parts.gate = network.gate(machine, experts, tokens, self.attention().is_latent());
        parts.shared = network.dense(
            machine,
            tokens,
            f64::from(experts.shared * experts.ffn) / self.tensor,
        );
        let load = ExpertRows {
            rows,
            slots: spread.slots,
            ffn,
            tokens: everybody,
            exchanged: spread.exchange,
            permute: !decodes && spread.exchange,
        };
        parts.experts = network.routed(machine, experts, load);
        if !decodes {
            parts.experts += US * machine.get(C::ExpertsPrefillLaunch);
        }
        if spread.exchange {
            parts.exchange = if decodes {
                machine.exchange_decode(experts, spread.group, hidden, mine, imbalance)
            } else {
                machine.exchange_prompts(experts, spread.group, hidden, mine, imbalance)
            };
        }
    }

    /// Layers with experts (a draft module is one more) and without.
    pub fn layers(&self, decodes: bool) -> (f64, f64) {
        let dense = f64::from(self.model.dense_layers);
        let draft = if decodes && self.draft_module {
            1.0
        } else {
            0.0
        };
        let others = f64::from(self.model.layers) - dense;
        if others > 0.0 {
            (others + draft, dense)
        } else {
            (0.0, dense + draft)
        }
    }

    /// What a decode step of `requests` has once.
    pub fn decode_once(&self, requests: f64) -> Once {
        let heads = if self.draft_module { 2.0 } else { 1.0 };
        let host = self.machine.get(C::HostDecode) + requests * self.machine.get(C::HostSequence);
        Once {
            head: heads
                * self
                    .network()
                    .head(&self.machine, requests * self.queries, self.tensor),
            host: US * host,
        }
    }

    /// What a step of prompts has once: every prompt's last token goes through the head.
    pub fn prefill_once(&self, prompts: f64) -> Once {
        let host = self.machine.get(C::HostPrefill)
            + prompts * (self.machine.get(C::HostSequence) + self.machine.get(C::HostJoin));
        Once {
            head: self.network().head(&self.machine, prompts, self.tensor),
            host: US * host,
        }
    }

    /// A decode step of `requests` on each rank, over the KV tokens of one.
    pub fn decode_modes(&self, requests: f64) -> Vec<Mode> {
        let once = self.decode_once(requests);
        let fixed = once.head + once.host;
        let mut modes = Vec::new();
        if self.may_overlap() {
            let parts = self.decode_parts(requests / 2.0 / self.pipeline);
            modes.push(self.overlapped_decode(&parts, requests, fixed));
        }
        if self.may_run_plain() {
            let parts = self.decode_parts(requests / self.pipeline);
            modes.push(self.plain(&parts, fixed, true));
        }
        modes
    }

    /// One batch, part after part.
    fn plain(&self, p: &Parts, fixed: f64, decodes: bool) -> Mode {
        let (moe, dense) = self.layers(decodes);
        let attention = p.before + p.core + p.after + p.all_reduce;
        let of_moe =
            attention + p.gate + p.shared + p.experts + p.exchange.dispatch + p.exchange.combine;
        Mode {
            overlapped: false,
            lines: vec![Line {
                base: fixed + moe * of_moe + dense * (attention + p.dense),
                slope: (moe + dense) * p.core_unit / self.pipeline,
            }],
        }
    }

    fn overlapped_decode(&self, p: &Parts, requests: f64, fixed: f64) -> Mode {
        let (moe, dense) = self.layers(true);
        let tokens = requests / 2.0 / self.pipeline * self.queries;
        let sm = US
            * (self.machine.get(C::LowLatencySm) + self.machine.get(C::LowLatencySmToken) * tokens);
        let attention = p.before + p.core + p.after + p.all_reduce;
        let first = p.exchange.dispatch.max(p.shared + p.before + sm);
        let base = fixed + 2.0 * (moe * (first + p.experts) + dense * (attention + p.dense));
        let after = p.after + p.gate + p.core + p.all_reduce + sm;
        // two micro-batches of half the KV each
        let unit = p.core_unit / self.pipeline;
        Mode {
            overlapped: true,
            lines: vec![
                Line {
                    base: base + 2.0 * moe * p.exchange.combine,
                    slope: dense * unit,
                },
                Line {
                    base: base + 2.0 * moe * after,
                    slope: (moe + dense) * unit,
                },
            ],
        }
    }

    /// A step of `tokens` prompt tokens on each rank, over the (query, key) pairs of one.
    pub fn prefill_modes(&self, tokens: f64, prompts: f64) -> Vec<Mode> {
        let once = self.prefill_once(prompts);
        let fixed = once.head + once.host;
        let mut modes = Vec::new();
        if self.may_overlap() {
            let left = 1.0 - self.machine.get(C::DispatchSms);
            let some = Self {
                machine: self.machine.with_sms(left),
                ..self.clone()
            };
            let parts = some.prefill_parts(tokens / 2.0 / self.pipeline);
            modes.push(self.overlapped_prefill(&parts, fixed));
        }
        if self.may_run_plain() {
            let parts = self.prefill_parts(tokens / self.pipeline);
            modes.push(self.plain(&parts, fixed, false));
        }
        modes
    }

    fn overlapped_prefill(&self, p: &Parts, fixed: f64) -> Mode {
        let (moe, dense) = self.layers(false);
        let speed = self.machine.get(C::OverlappedSpeed);
        let (dispatch, combine) = (p.exchange.dispatch / speed, p.exchange.combine / speed);
        let attention = p.before + p.core + p.after + p.all_reduce;
        let with_gate = attention + p.gate;
        let base = fixed
            + 2.0 * dense * (attention + p.dense)
            + moe * (p.experts.max(dispatch) + (p.experts + p.shared).max(combine));
        let unit = p.core_unit / self.pipeline;
        // (attention + shared, combine) and (attention, dispatch): each the longer one
        let line = |a: f64, b: f64, cores: f64| Line {
            base: base + moe * (a + b),
            slope: (dense + moe * cores / 2.0) * unit,
        };
        let both = with_gate + p.shared;
        Mode {
            overlapped: true,
            lines: vec![
                line(combine, dispatch, 0.0),
                line(both, dispatch, 1.0),
                line(combine, with_gate, 1.0),
                line(both, with_gate, 2.0),
            ],
        }
    }
}

/// The quickest mode over `x`.
pub fn quickest(modes: &[Mode], x: f64) -> f64 {
    modes
        .iter()
        .map(|mode| mode.at(x))
        .fold(f64::INFINITY, f64::min)
}
