//! Whole steps on paper: parts of a layer times layers, what a step has once, and what hides behind what.

use crate::links::Busiest;
use crate::paper::Paper;

const US: f64 = 1e-6;

/// One layer of one micro-batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layer {
    pub before: f64,
    pub after: f64,
    pub core: f64,
    pub gate: f64,
    pub shared: f64,
    pub routed: f64,
    /// What of the routed experts is there because one accelerator is busier than the others.
    pub imbalance: f64,
    pub dense: f64,
    /// All-reduces of a layer with a dense network, and with experts.
    pub reduce: [f64; 2],
    /// Dispatch and combine, alone on the network.
    pub exchange: [f64; 2],
}

/// A step, all layers together.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub overlapped: bool,
    pub seconds: f64,
    pub other: f64,
    pub parts: Vec<(&'static str, f64)>,
}

/// What a step computes on each rank.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Requests that decode, and KV tokens of each.
    pub requests: f64,
    pub kv: f64,
    /// Prompt tokens computed, their (query, key) pairs, prompts.
    pub tokens: f64,
    pub pairs: f64,
    pub prompts: f64,
}

impl Paper {
    /// Layers with experts and without, `drafts` passes of the draft module's layer among them.
    pub fn layers(&self, drafts: f64) -> [f64; 2] {
        let dense = self.config.dense_layers;
        let sparse = self.config.layers - dense;
        if self.has_experts() {
            [sparse + drafts, dense]
        } else {
            [0.0, dense + drafts]
        }
    }

    /// Tokens of a micro-batch that fall on one accelerator's experts before the choice, of `tokens` a rank.
    pub fn on_each(&self, tokens: f64) -> f64 {
        if self.sends() {
            tokens / self.degrees.tensor
        } else {
            tokens * self.degrees.ranks / self.degrees.experts
        }
    }

    /// What hangs on tokens only, `tokens` on each rank; attention's core and latent projections aside.
    pub fn networks(&self, tokens: f64, prompts: bool, busiest: Busiest) -> Layer {
        let t = self.degrees.tensor;
        let one = self.all_reduce(t, tokens * self.config.hidden * 2.0);
        let mut layer = Layer {
            gate: self.gate(tokens),
            shared: self.dense(tokens, self.config.shared * self.config.expert_width / t),
            dense: self.dense(tokens, self.config.intermediate / t),
            // after attention and after the network; where all ranks' tokens are gathered, that is the second
            reduce: [2.0 * one, if self.gathers() { one } else { 2.0 * one }],
            ..Layer::default()
        };
        if !self.has_experts() || tokens == 0.0 {
            return layer;
        }
        let mine = self.on_each(tokens);
        let rows = mine * self.config.top_k * busiest.rank;
        let rows = if self.sends() { rows.max(1.0) } else { rows };
        let choosers = if self.sends() {
            mine * self.degrees.experts
        } else {
            tokens * self.degrees.ranks
        };
        let replayed = tokens <= self.c("graph_tokens");
        layer.routed = self.experts(rows, choosers, prompts, replayed);
        layer.imbalance = layer.routed * (1.0 - 1.0 / busiest.rank);
        if self.sends() {
            layer.exchange = if prompts {
                self.exchange_prompts(mine, busiest)
            } else {
                self.exchange_decode(mine, busiest)
            };
        } else if self.gathers() {
            let all = tokens * self.degrees.ranks * self.config.hidden * 2.0;
            layer.exchange = [self.all_reduce(self.stage(), all) / 2.0; 2];
        }
        layer
    }

    /// Kernels of a step with prompts: every product, and one that makes narrow numbers for it; norms, rotation, core of
    /// attention, activations, the choice of experts; reductions where accelerators share a layer.
    fn prompt_kernels(&self, drafts: f64) -> f64 {
        let products = |number: &str| match number {
            "fp8" | "fp8-block" | "nvfp4" => 2.0,
            _ => 1.0,
        };
        let (of_dense, of_experts) = (products(self.numbers[0]), products(self.numbers[1]));
        let attention = if self.is_latent() {
            7.0 + 5.0 * of_dense
        } else {
            3.0 + 2.0 * of_dense
        };
        let reductions = if self.degrees.tensor > 1.0 { 2.0 } else { 0.0 };
        let network = 2.0 + 2.0 * of_dense;
        let shared = if self.config.shared > 0.0 {
            network
        } else {
            0.0
        };
        let [sparse, dense] = self.layers(drafts);
        (sparse + dense) * (attention + reductions)
            + sparse * (8.0 + 2.0 * of_experts + shared)
            + dense * network
    }

    /// Logits, host, and the stream between stages.
    pub fn once(&self, w: Work) -> [f64; 3] {
        let queries = 1.0 + self.drafts;
        let (head, host, tokens) = if w.tokens > 0.0 {
            let started = self.beside && w.tokens > self.c("graph_tokens");
            let kernels = if started {
                self.prompt_kernels(self.prompt_drafts)
            } else {
                0.0
            };
            let host = self.c("host_prefill_us")
                + w.prompts * (self.c("host_sequence_us") + self.c("host_join_us"))
                + kernels * self.c("host_kernel_us");
            (self.head(w.prompts), host, w.tokens)
        } else {
            let host = self.c("host_decode_us") + w.requests * self.c("host_sequence_us");
            let tokens = w.requests * queries;
            ((1.0 + self.drafts) * self.head(tokens), host, tokens)
        };
        [head, US * host, self.between_stages(tokens)]
    }

    /// One layer of one of `batches` micro-batches of a stage's part of the step.
    fn layer(&self, w: Work, batches: f64, busiest: Busiest) -> Layer {
        let cut = batches * self.degrees.pipeline;
        let prompts = w.tokens > 0.0;
        let tokens = if prompts {
            w.tokens / cut
        } else {
            w.requests * (1.0 + self.drafts) / cut
        };
        let [before, after] = self.projections(tokens, self.is_latent() && !prompts);
        let core = if prompts {
            let [start, token, pair] = self.prompt_core(self.prompt_drafts);
            start + token * tokens + pair * w.pairs / cut
        } else {
            let [steps, token] = self.decode_core(w.requests / cut);
            steps + token * self.attended(w.requests, w.kv, self.drafts) / cut
        };
        Layer {
            before,
            after,
            core,
            ..self.networks(tokens, prompts, busiest)
        }
    }

    /// A decode step, or, where the work has prompts, one of prompts only. `busiest` by the tokens of a
    /// micro-batch on each accelerator.
    pub fn step(&self, w: Work, may: [bool; 2], busiest: impl Fn(f64) -> Busiest) -> Step {
        let prompts = w.tokens > 0.0;
        let queries = 1.0 + self.drafts;
        let tokens = if prompts {
            w.tokens
        } else {
            w.requests * queries
        };
        let uneven = |batches: f64| busiest(self.on_each(tokens / batches / self.degrees.pipeline));
        let drafts = if prompts {
            self.prompt_drafts
        } else {
            self.drafts
        };
        let [sparse, dense] = self.layers(drafts);
        let [head, host, stages] = self.once(w);
        let (added, least) = if self.beside {
            (0.0, host)
        } else {
            (host, 0.0)
        };
        let once = head + added + stages;
        let p = self.layer(w, 1.0, uneven(1.0));
        let attention = p.before + p.core + p.after;
        let plain = once
            + dense * (attention + p.reduce[0] + p.dense)
            + sparse * (attention + p.reduce[1] + p.gate + p.shared + p.routed)
            + sparse * (p.exchange[0] + p.exchange[1]);
        let halves = if prompts {
            self.fewer(self.c("dispatch_sms"))
        } else {
            *self
        };
        let half = halves.layer(w, 2.0, uneven(2.0));
        let (overlapped, exposed, unpacking) = self.overlapped(&half, w, [sparse, dense]);
        let (plain, overlapped) = (
            if may[0] {
                plain.max(least)
            } else {
                f64::INFINITY
            },
            if may[1] {
                (once + overlapped).max(least)
            } else {
                f64::INFINITY
            },
        );
        let is_overlapped = overlapped < plain;
        let (layer, b, [dispatch, combine], unpacking) = if is_overlapped {
            (half, 2.0, exposed, unpacking)
        } else {
            (p, 1.0, p.exchange.map(|t| sparse * t), 0.0)
        };
        let all = b * (sparse + dense);
        let names = if self.gathers() {
            ["gathering all ranks' tokens", "summing and scattering them"]
        } else {
            ["dispatch, exposed", "combine, exposed"]
        };
        let mut step = Step {
            overlapped: is_overlapped,
            seconds: plain.min(overlapped),
            other: plain.max(overlapped),
            parts: vec![
                ("attention: projections", all * (layer.before + layer.after)),
                ("attention: core", all * layer.core),
                ("gate", b * sparse * layer.gate),
                ("shared experts", b * sparse * layer.shared),
                (
                    "routed experts, if even",
                    b * sparse * (layer.routed - layer.imbalance),
                ),
                ("routed experts: imbalance", b * sparse * layer.imbalance),
                ("dense networks", b * dense * layer.dense),
                (
                    "all-reduce",
                    b * (sparse * layer.reduce[1] + dense * layer.reduce[0]),
                ),
                (names[0], dispatch),
                (names[1], combine),
                ("sending and unpacking", unpacking),
                ("between stages", stages),
                ("logits and sampling", head),
            ],
        };
        let shown: f64 = step.parts.iter().map(|(_, time)| time).sum();
        let host = if self.beside {
            (host - shown).max(0.0)
        } else {
            host
        };
        step.parts.push(("host", host));
        step
    }

    /// The same accelerator while a part of its multiprocessors communicates.
    pub fn fewer(&self, part: f64) -> Self {
        Self {
            sms: 1.0 - part,
            ..*self
        }
    }

    /// Two micro-batches, without what a step has once: [the layers, exposed exchange, unpacking].
    fn overlapped(&self, l: &Layer, w: Work, [sparse, dense]: [f64; 2]) -> (f64, [f64; 2], f64) {
        let attention = l.before + l.core + l.after;
        let beyond = |long: f64, short: f64| (long - short).max(0.0);
        let [dispatch, combine] = l.exchange;
        if w.tokens > 0.0 {
            // four stages, each beside one of the other micro-batch
            let speed = self.c("overlapped_speed");
            let (dispatch, combine) = (dispatch / speed, combine / speed);
            let to_gate = attention + l.reduce[1] + l.gate;
            let work = [l.routed, to_gate];
            let more = [l.routed + l.shared, to_gate + l.shared];
            let sum = work.iter().map(|t| t.max(dispatch)).sum::<f64>()
                + more.iter().map(|t| t.max(combine)).sum::<f64>();
            let exposed = [
                sparse * work.iter().map(|t| beyond(dispatch, *t)).sum::<f64>(),
                sparse * more.iter().map(|t| beyond(combine, *t)).sum::<f64>(),
            ];
            let plain = 2.0 * dense * (attention + l.reduce[0] + l.dense);
            return (plain + sparse * sum, exposed, 0.0);
        }
        // dispatch beside shared experts and projections, combine beside the core and what follows it; both
        // take multiprocessors for sending and unpacking
        let tokens = w.requests * (1.0 + self.drafts) / 2.0 / self.degrees.pipeline;
        let sm = US * (self.c("low_latency_sm_us") + tokens * self.c("low_latency_sm_token_us"));
        let first = l.shared + l.before + sm;
        let second = l.core + l.after + l.reduce[1] + l.gate + sm;
        let layers = dispatch.max(first) + l.routed + combine.max(second);
        let plain = 2.0 * dense * (attention + l.reduce[0] + l.dense);
        let exposed = [
            2.0 * sparse * beyond(dispatch, first),
            2.0 * sparse * beyond(combine, second),
        ];
        (plain + 2.0 * sparse * layers, exposed, 4.0 * sparse * sm)
    }

    /// A step that computes prompts and decodes at once: part after part. `joins` of the prompts are new.
    pub fn mixed(
        &self,
        w: Work,
        joins: f64,
        look_ahead: bool,
        busiest: impl Fn(f64) -> Busiest,
    ) -> f64 {
        let p = self.degrees.pipeline;
        let queries = 1.0 + self.drafts;
        let prompts = w.tokens > 0.0;
        let decoding = w.requests * queries;
        let tokens = w.tokens + decoding;
        let drafts = if prompts {
            self.prompt_drafts
        } else {
            self.drafts
        };
        let [sparse, dense] = self.layers(drafts);
        let layers = sparse + dense;
        let uneven = busiest(self.on_each(tokens / p));
        let l = self.networks(tokens / p, prompts, uneven);
        let mut time = dense * (l.reduce[0] + l.dense)
            + sparse * (l.reduce[1] + l.gate + l.shared + l.routed + l.exchange[0] + l.exchange[1])
            + self.between_stages(tokens);
        let both = |[a, b]: [f64; 2]| a + b;
        time += if self.is_latent() {
            layers * both(self.projections(w.tokens / p, false))
                + (self.config.layers + self.drafts) * both(self.projections(decoding / p, true))
        } else {
            layers * both(self.projections(tokens / p, false))
        };
        if prompts {
            let [start, token, pair] = self.prompt_core(drafts);
            time += layers * (start + (token * w.tokens + pair * w.pairs) / p);
        }
        if w.requests > 0.0 {
            let passes = self.config.layers + self.drafts;
            let [steps, token] = self.decode_core(w.requests / p);
            time += passes * (steps + token * self.attended(w.requests, w.kv, self.drafts) / p);
        }
        // a request that decodes has a row for each token to verify, a prompt one
        let heads = w.requests + w.prompts;
        time += (1.0 + self.drafts) * self.head(decoding + w.prompts);
        let of_step = if prompts {
            "host_prefill_us"
        } else {
            "host_decode_us"
        };
        let host =
            self.c(of_step) + heads * self.c("host_sequence_us") + joins * self.c("host_join_us");
        if look_ahead {
            let started = prompts && tokens > self.c("graph_tokens");
            let kernels = if started {
                self.prompt_kernels(drafts)
            } else {
                0.0
            };
            time.max(US * (host + kernels * self.c("host_kernel_us")))
        } else {
            time + US * host
        }
    }
}
