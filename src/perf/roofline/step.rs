//! A step put together: parts of a layer, how many layers there are, and what a step has once.
//!
//! Modes are ways to run a step: one batch, part after part, or two micro-batches that hide each
//! other's communication. A server chooses the quicker one. The five-stage overlap of decode runs dispatch
//! beside the shared expert and the projections before the core, and combine beside the core and what
//! follows it; only the routed experts run alone, and sending and unpacking take multiprocessors even
//! then. In prefill the same four stages overlap pairwise, computation has what multiprocessors
//! communication leaves, and communication beside computation is slower. Dense layers have nothing to hide.

use super::experts::{EVEN, Imbalance};
use super::ffn::ExpertRows;
use super::kernel::US;
use super::meet::{Attended, Both, Pairwise, Plain, Shared, Stages, Times, Ways};
use super::network::Exchange;
use super::unit_shape::RooflineUnit;
use crate::catalog::{Constant as C, Experts};

/// Times of one layer of one micro-batch that depend on a rank's own load, in seconds; what attention takes for
/// its length is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    /// Time of the norm and the projections to queries, keys and values.
    pub before: f64,
    /// Time of the core's start and its part for each request or token.
    pub core: f64,
    /// Time of the output projection.
    pub after: f64,
    /// Time of the norm, the router and the choice of experts.
    pub gate: f64,
    /// Time of the shared experts, which every token goes through.
    pub shared: f64,
    /// Times of the rank's own sending to experts and taking back, alone on the network.
    pub send: Exchange,
    /// Time of the all-reduces of a layer without experts.
    pub all_reduce: f64,
    /// Time of the all-reduces of a layer with experts: where tokens are gathered for these, one less.
    pub all_reduce_moe: f64,
    /// Time of the dense network, in layers without experts.
    pub dense: f64,
}

/// Times of one layer of one micro-batch that depend on the tokens of all ranks, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Routed {
    /// Time of the routed experts of the busiest accelerator.
    pub experts: f64,
    /// Times in which the busiest accelerator receives and sends back, alone on the network; or of the gathering of
    /// all tokens and the sum.
    pub exchange: Exchange,
    /// The busiest accelerator's tokens over the mean.
    pub imbalance: f64,
}

/// Times that a step has once, whatever its layers, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Once {
    /// Time of logits and sampling.
    pub head: f64,
    /// Time of the engine on the host.
    pub host: f64,
    /// Time from stage to stage of a pipeline.
    pub stages: f64,
}

impl Once {
    /// Times that add to the step, in seconds.
    fn added(self, host_beside: bool) -> f64 {
        let host = if host_beside { 0.0 } else { self.host };
        self.head + host + self.stages
    }

    /// The least time of the step, in seconds: that of a host which works beside the step before.
    pub fn least(self, host_beside: bool) -> f64 {
        if host_beside { self.host } else { 0.0 }
    }
}

/// The tokens of a micro-batch on one rank.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch {
    /// Prompt tokens.
    pub prompt: f64,
    /// Requests that decode.
    pub requests: f64,
}

impl Batch {
    /// A batch of `tokens` prompt tokens.
    pub fn prompts(tokens: f64) -> Self {
        Self {
            prompt: tokens,
            requests: 0.0,
        }
    }

    /// A batch of `requests` requests that decode.
    pub fn decode(requests: f64) -> Self {
        Self {
            prompt: 0.0,
            requests,
        }
    }
}

/// The KV that a rank's decode attends to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kv {
    /// Tokens of KV.
    pub tokens: f64,
    /// Tokens of KV within windows.
    pub window: f64,
}

impl RooflineUnit<'_> {
    /// Times of one layer of a micro-batch that may have both prompts and decode, on one rank.
    pub fn parts(&self, batch: Batch) -> Parts {
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
            let prompts = attention.prefill_core(machine, self.context);
            core += prompts.step + prompts.token * batch.prompt;
        }
        if batch.requests > 0.0 {
            let decode = attention.decode_core(machine, self.queries);
            core += decode.step + decode.request * batch.requests;
        }
        let hidden = f64::from(self.model.hidden);
        let one_reduce = machine.all_reduce(self.tensor, tokens * hidden * 2.0);
        let mut parts = Parts {
            before,
            core,
            after,
            all_reduce: 2.0 * one_reduce,
            all_reduce_moe: if self.spread.gathers { 1.0 } else { 2.0 } * one_reduce,
            dense: self.dense(tokens),
            ..Parts::default()
        };
        if let Some(experts) = &self.model.experts {
            parts.gate = self
                .network()
                .gate(machine, experts, tokens, attention.is_latent());
            let ffn = f64::from(experts.shared * experts.ffn) / self.tensor;
            parts.shared = self.network().dense(machine, tokens, ffn);
            if self.spread.exchange {
                let decodes = batch.prompt == 0.0;
                parts.send = self.exchanged(experts, tokens / self.tensor, decodes, EVEN);
            }
        }
        parts
    }

    /// Time of the dense network, in seconds: split over the accelerators of a rank.
    fn dense(&self, tokens: f64) -> f64 {
        let ffn = f64::from(self.model.ffn) / self.tensor;
        self.network().dense(&self.machine, tokens, ffn)
    }

    fn exchanged(
        &self,
        experts: &Experts,
        mine: f64,
        decodes: bool,
        imbalance: Imbalance,
    ) -> Exchange {
        let (machine, group) = (&self.machine, self.spread.group);
        let hidden = f64::from(self.model.hidden);
        if decodes {
            machine.exchange_decode(experts, group, hidden, mine, imbalance)
        } else {
            machine.exchange_prompts(experts, group, hidden, mine, imbalance)
        }
    }

    /// Times of one layer's routed experts, `batch` being the mean of a micro-batch over the ranks.
    pub fn routed(&self, batch: Batch) -> Routed {
        let (machine, network, spread) = (&self.machine, self.network(), &self.spread);
        let nothing = Routed {
            imbalance: 1.0,
            ..Routed::default()
        };
        let tokens = batch.prompt + batch.requests * self.queries;
        let Some(experts) = &self.model.experts else {
            return nothing;
        };
        if tokens <= 0.0 {
            return nothing;
        }
        let decodes = batch.prompt == 0.0;
        let all = tokens * self.ranks;
        let mine = if spread.exchange {
            tokens / self.tensor
        } else {
            all / spread.ranks
        };
        let imbalance = if decodes {
            spread.decode_imbalance(mine)
        } else {
            spread.prefill_imbalance(mine)
        };
        let rows = mine * f64::from(experts.top_k) * imbalance.rank;
        let load = ExpertRows {
            // the busiest accelerator has one at least
            rows: if spread.exchange { rows.max(1.0) } else { rows },
            slots: spread.slots,
            ffn: f64::from(experts.ffn) / spread.tensor,
            tokens: if spread.exchange {
                mine * spread.ranks
            } else {
                all
            },
            exchanged: spread.exchange,
            permute: !decodes && spread.exchange,
        };
        let mut time = network.routed(machine, experts, load);
        if !decodes && tokens > machine.get(C::GraphTokens) {
            time += US * machine.get(C::ExpertsPrefillLaunch);
        }
        let exchange = if spread.exchange {
            self.exchanged(experts, mine, decodes, imbalance)
        } else if spread.gathers {
            let bytes = all * f64::from(self.model.hidden) * 2.0;
            let half = machine.all_reduce(spread.group.gpus, bytes) / 2.0;
            Exchange {
                dispatch: half,
                combine: half,
            }
        } else {
            Exchange::default()
        };
        Routed {
            experts: time,
            exchange,
            imbalance: imbalance.rank,
        }
    }

    /// Layers with experts (a draft module is one more, passed once for each draft) and without.
    pub fn layers(&self, decodes: bool) -> (f64, f64) {
        let dense = f64::from(self.model.dense_layers);
        let draft = self.draft_layers(decodes);
        let others = f64::from(self.model.layers) - dense;
        if others > 0.0 {
            (others + draft, dense)
        } else {
            (0.0, dense + draft)
        }
    }

    /// Passes of the draft module in a step.
    pub fn draft_layers(&self, decodes: bool) -> f64 {
        if decodes {
            self.draft_passes
        } else {
            self.draft_passes_prompts
        }
    }

    /// Times that a decode step of `requests` requests has once.
    pub fn decode_once(&self, requests: f64) -> Once {
        let host = self.machine.get(C::HostDecode) + requests * self.machine.get(C::HostSequence);
        let tokens = requests * self.queries;
        Once {
            head: (1.0 + self.draft_passes)
                * self.network().head(&self.machine, tokens, self.tensor),
            host: US * host,
            stages: self.between_stages(tokens),
        }
    }

    /// Times that a step of prompts has once: every prompt's last token goes through the head.
    pub fn prefill_once(&self, tokens: f64, prompts: f64) -> Once {
        let host = self.machine.get(C::HostPrefill)
            + prompts * (self.machine.get(C::HostSequence) + self.machine.get(C::HostJoin));
        Once {
            head: self.network().head(&self.machine, prompts, self.tensor),
            host: US * host + self.launches(tokens),
            stages: self.between_stages(tokens),
        }
    }

    /// The unit on which two micro-batches of prompts overlap: some multiprocessors communicate.
    pub fn with_fewer_sms(&self) -> Self {
        let left = 1.0 - self.machine.get(C::DispatchSms);
        Self {
            machine: self.machine.with_sms(left),
            ..self.clone()
        }
    }

    /// Time in seconds that sending and unpacking take on the multiprocessors for a micro-batch of a decode step.
    pub fn unpacking(&self, requests: f64) -> f64 {
        let tokens = requests * self.queries;
        US * (self.machine.get(C::LowLatencySm) + self.machine.get(C::LowLatencySmToken) * tokens)
    }

    /// A rank's own part of a decode step of `requests` requests, in both modes, in seconds.
    pub fn decode_own(&self, requests: f64) -> Ways<f64, Stages<f64>> {
        let fixed = self.decode_once(requests).added(self.host_beside);
        let (moe, dense) = self.layers(true);
        let mut ways = Ways {
            plain: self.plain(
                &self.parts(Batch::decode(requests / self.pipeline)),
                fixed,
                true,
            ),
            overlapped: Stages::default(),
        };
        if self.may_overlap() {
            let micro = requests / 2.0 / self.pipeline;
            let p = self.parts(Batch::decode(micro));
            let sm = self.unpacking(micro);
            let attention = p.before + p.core + p.after + p.all_reduce;
            let first = p.send.dispatch.max(p.shared + p.before + sm);
            let second = p.after + p.gate + p.core + p.all_reduce_moe + sm;
            ways.overlapped = Stages {
                fixed: fixed + 2.0 * dense * (attention + p.dense),
                first: 2.0 * moe * first,
                receive: 2.0 * moe * p.send.combine,
                second: 2.0 * moe * second,
            };
        }
        ways
    }

    /// A rank's own part of a step of one batch, part after part, in seconds.
    fn plain(&self, p: &Parts, fixed: f64, decodes: bool) -> Plain<f64> {
        let (moe, dense) = self.layers(decodes);
        let attention = p.before + p.core + p.after;
        Plain {
            alone: fixed
                + moe * (attention + p.all_reduce_moe + p.gate + p.shared)
                + dense * (attention + p.all_reduce + p.dense),
            send: moe * p.send.dispatch,
            receive: moe * p.send.combine,
        }
    }

    /// The shared part of a decode step, with `requests` requests on each rank in the mean, in seconds.
    pub fn decode_shared(&self, requests: f64) -> Both<f64> {
        let (moe, _) = self.layers(true);
        let of = |times: f64| {
            let routed = self.routed(Batch::decode(requests / times / self.pipeline));
            shared(times * moe, routed, 1.0)
        };
        self.both(of(1.0), of(2.0))
    }

    /// Times of attention in a decode step over a token of KV, and over one within windows, in seconds.
    pub fn decode_attention(&self) -> [Attended<f64>; 2] {
        let (moe, dense) = self.layers(true);
        let core = self.attention().decode_core(&self.machine, self.queries);
        // two micro-batches have half of the KV each
        [core.unit, core.window].map(|unit| Attended {
            all: (moe + dense) * unit / self.pipeline,
            dense: dense * unit / self.pipeline,
            moe: moe * unit / self.pipeline,
        })
    }

    /// Times of a decode step of `requests` requests on each rank, over the KV of one of them, in seconds.
    pub fn decode_times(&self, requests: f64, kv: Kv) -> Times {
        let [whole, window] = self.decode_attention();
        let over = |of: fn(&Attended<f64>) -> f64| of(&whole) * kv.tokens + of(&window) * kv.window;
        let attended = Attended {
            all: over(|a| a.all),
            dense: over(|a| a.dense),
            moe: over(|a| a.moe),
        };
        self.decode_own(requests)
            .times(self.decode_shared(requests), attended)
            .at_least(self.decode_once(requests).least(self.host_beside))
    }

    /// The KV of `requests` requests with `kv_tokens` tokens each.
    pub fn kv_of(&self, requests: f64, kv_tokens: f64) -> Kv {
        Kv {
            tokens: requests * kv_tokens,
            window: requests * kv_tokens.min(self.attention().window()),
        }
    }

    /// A rank's own part of a step of `tokens` prompt tokens, in both modes, in seconds.
    pub fn prefill_own(&self, tokens: f64, prompts: f64) -> Ways<f64, Pairwise<f64>> {
        let fixed = self.prefill_once(tokens, prompts).added(self.host_beside);
        let (moe, dense) = self.layers(false);
        let mut ways = Ways {
            plain: self.plain(
                &self.parts(Batch::prompts(tokens / self.pipeline)),
                fixed,
                false,
            ),
            overlapped: Pairwise::default(),
        };
        if self.may_overlap() {
            let p = self
                .with_fewer_sms()
                .parts(Batch::prompts(tokens / 2.0 / self.pipeline));
            let speed = self.machine.get(C::OverlappedSpeed);
            let attention = p.before + p.core + p.after;
            let with_gate = attention + p.all_reduce_moe + p.gate;
            ways.overlapped = Pairwise {
                fixed: fixed + 2.0 * dense * (attention + p.all_reduce + p.dense),
                send: moe * p.send.dispatch / speed,
                receive: moe * p.send.combine / speed,
                shared: moe * p.shared,
                attention: moe * with_gate,
                both: moe * (with_gate + p.shared),
            };
        }
        ways
    }

    /// The shared part of a step of prompts, with `tokens` tokens on each rank in the mean, in seconds.
    pub fn prefill_shared(&self, tokens: f64) -> Both<f64> {
        let (moe, _) = self.layers(false);
        let plain = self.routed(Batch::prompts(tokens / self.pipeline));
        let halves = self
            .with_fewer_sms()
            .routed(Batch::prompts(tokens / 2.0 / self.pipeline));
        // each stage is there twice, and each exchange runs beside two of them
        self.both(
            shared(moe, plain, 1.0),
            shared(moe, halves, self.machine.get(C::OverlappedSpeed)),
        )
    }

    /// Time of attention in a step of prompts over a (query, key) pair, in seconds.
    pub fn prefill_attention(&self) -> Attended<f64> {
        let (moe, dense) = self.layers(false);
        let pair = |unit: &Self| {
            let core = unit.attention().prefill_core(&unit.machine, unit.context);
            core.unit / self.pipeline
        };
        let (plain, halves) = (pair(self), pair(&self.with_fewer_sms()));
        Attended {
            all: (moe + dense) * plain,
            dense: dense * halves,
            moe: moe * halves / 2.0,
        }
    }

    /// Times of a step of `tokens` prompt tokens on each rank, over the (query, key) pairs of one, in seconds.
    pub fn prefill_times(&self, tokens: f64, pairs: f64, prompts: f64) -> Times {
        let a = self.prefill_attention();
        let attended = Attended {
            all: a.all * pairs,
            dense: a.dense * pairs,
            moe: a.moe * pairs,
        };
        self.prefill_own(tokens, prompts)
            .times(self.prefill_shared(tokens), attended)
            .at_least(self.prefill_once(tokens, prompts).least(self.host_beside))
    }

    /// The shared part in both modes; one that may not run takes for ever.
    fn both(&self, plain: Shared<f64>, overlapped: Shared<f64>) -> Both<f64> {
        let if_may = |may: bool, shared: Shared<f64>| Shared {
            experts: if may { shared.experts } else { f64::INFINITY },
            ..shared
        };
        Both {
            plain: if_may(self.may_run_plain(), plain),
            overlapped: if_may(self.may_overlap(), overlapped),
        }
    }
}

fn shared(layers: f64, routed: Routed, speed: f64) -> Shared<f64> {
    Shared {
        dispatch: layers * routed.exchange.dispatch / speed,
        experts: layers * routed.experts,
        combine: layers * routed.exchange.combine / speed,
    }
}
