//! A step taken apart: what each part of it takes, what hides behind what, and what each part rests on.

use super::meet::Times;
use super::step::{Batch, Kv, Once, Parts, Routed};
use super::unit_shape::RooflineUnit;
use crate::catalog::Constant::{self, *};

/// One part of a step's time.
#[derive(Clone, Copy, Debug)]
pub struct StepPart {
    /// Name of the part.
    pub name: &'static str,
    /// Time of the part over all layers, in seconds.
    pub seconds: f64,
    /// Constants that the part's time follows from.
    pub constants: &'static [Constant],
}

/// A step's time taken apart.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Whether two micro-batches overlap; false: one batch runs alone.
    pub overlapped: bool,
    /// Time of the whole step, in seconds: the sum of its parts.
    pub step_s: f64,
    /// Time of the step in the mode that was not chosen, in seconds; `None`: there is one mode only.
    pub other_s: Option<f64>,
    /// Parts of the step, none of them hidden.
    pub parts: Vec<StepPart>,
    /// Time of the step that depends on the rank's own load, in seconds.
    pub own_s: f64,
    /// Time of the step that depends on the tokens of all ranks, in seconds: routed experts, and exchange that does
    /// not hide.
    pub shared_s: f64,
    /// Time of communication that hides behind computation, in seconds.
    pub hidden_s: f64,
    /// Time of the host that hides behind the accelerators, in seconds.
    pub hidden_host_s: f64,
    /// Imbalance of experts: the busiest rank's tokens over the mean.
    pub imbalance: f64,
}

const GEMM: &[Constant] = &[
    GemmBf16Compute,
    GemmBf16Bandwidth,
    GemmBf16Loss,
    GemmBf16Launch,
    GemmFp8Compute,
    GemmFp8Bandwidth,
    GemmFp8Loss,
    GemmFp8Launch,
    GemmNvfp4Compute,
    GemmNvfp4Bandwidth,
    GemmFactor,
    ElementwiseBandwidth,
    ElementwiseLaunch,
];
const HEAD: &[Constant] = &[
    GemmBf16Compute,
    GemmBf16Bandwidth,
    GemmBf16Loss,
    GemmBf16Launch,
    GemmFactor,
    ElementwiseBandwidth,
    ElementwiseLaunch,
    SamplingWord,
];
const DECODE_CORE: &[Constant] = &[
    DecodeLatentCompute,
    DecodeLatentBandwidth,
    DecodeAttentionBandwidth,
    DecodeAttentionBandwidthFp8,
    DecodeAttentionLaunch,
    DecodeAttentionRequest,
    DecodeAttentionHead,
];
const PREFILL_CORE: &[Constant] = &[
    PrefillLatentCompute,
    PrefillAttentionCompute,
    PrefillAttentionCompute64,
    PrefillAttentionTile,
    PrefillAttentionLaunch,
];
const EXPERTS: &[Constant] = &[
    ExpertsBf16Compute,
    ExpertsBf16Bandwidth,
    ExpertsFp8Compute,
    ExpertsFp8Bandwidth,
    ExpertsFp8Loss,
    ExpertsFp8Launch,
    ExpertsFp4Compute,
    ExpertsFp4Bandwidth,
    ExpertsNvfp4Compute,
    ExpertsNvfp4Bandwidth,
    ExpertsTouched,
    ExpertsFactor,
    ExpertsPrefillLaunch,
    GraphTokens,
];
const EXCHANGE_DECODE: &[Constant] = &[
    LowLatencyDispatch,
    LowLatencyCombine,
    LowLatencyDispatchStart,
    LowLatencyDispatchDoubling,
    LowLatencyCombineStart,
    LowLatencyCombineDoubling,
];
const EXCHANGE_PREFILL: &[Constant] = &[
    DispatchScaleUp,
    DispatchLoss,
    DispatchLatency,
    DispatchSms,
    OverlappedSpeed,
];
const REDUCE: &[Constant] = &[
    AllReduceLatency,
    AllReduceLatencyGpu,
    AllReduceEfficiency,
    RingLatencyGpu,
    RingEfficiency,
    HostRingEfficiency,
    HostBridgeEfficiency,
    HostBridgeSharing,
];
const HOST: &[Constant] = &[HostDecode, HostPrefill, HostSequence, HostJoin, HostKernel];

const STAGES: &[Constant] = &[];

impl RooflineUnit<'_> {
    /// Takes apart a decode step of `requests` requests on each rank, over the KV that one of them holds.
    pub fn explain_decode(&self, requests: f64, kv: Kv) -> Explained {
        let mode = Mode::of(self.decode_times(requests, kv));
        let micro = requests / mode.batches() / self.pipeline;
        let parts = self.parts(Batch::decode(micro));
        let core = self.attention().decode_core(&self.machine, self.queries);
        let attended =
            (core.unit * kv.tokens + core.window * kv.window) / self.pipeline / mode.batches();
        let sm = if mode.overlapped {
            self.unpacking(micro)
        } else {
            0.0
        };
        let after = parts.after + parts.gate + parts.core + parts.all_reduce_moe;
        let mut explained = self.take_apart(
            (&parts, &self.routed(Batch::decode(micro))),
            mode,
            Apart {
                attended,
                decodes: true,
                first_beside: parts.shared + parts.before + sm,
                second_beside: after + attended + sm,
                speed: 1.0,
            },
        );
        let (moe, _) = self.layers(true);
        explained.parts.push(StepPart {
            name: "sending and unpacking",
            seconds: 2.0 * mode.batches() * moe * sm,
            constants: &[LowLatencySm, LowLatencySmToken],
        });
        self.finish(explained, self.decode_once(requests))
    }

    /// Takes apart a step of `tokens` prompt tokens on each rank, over `pairs` pairs, of `prompts` prompts.
    pub fn explain_prefill(&self, tokens: f64, pairs: f64, prompts: f64) -> Explained {
        let mode = Mode::of(self.prefill_times(tokens, pairs, prompts));
        let some = if mode.overlapped {
            self.with_fewer_sms()
        } else {
            self.clone()
        };
        let batch = Batch::prompts(tokens / mode.batches() / self.pipeline);
        let core = some.attention().prefill_core(&some.machine, some.context);
        let explained = some.take_apart(
            (&some.parts(batch), &some.routed(batch)),
            mode,
            Apart {
                attended: core.unit * pairs / self.pipeline / mode.batches(),
                decodes: false,
                first_beside: 0.0,
                second_beside: 0.0,
                speed: if mode.overlapped {
                    self.machine.get(OverlappedSpeed)
                } else {
                    1.0
                },
            },
        );
        self.finish(explained, self.prefill_once(tokens, prompts))
    }

    fn take_apart(&self, (p, routed): (&Parts, &Routed), mode: Mode, a: Apart) -> Explained {
        let (moe, dense) = self.layers(a.decodes);
        let all = moe + dense;
        let b = mode.batches();
        let row = |name, seconds, constants| StepPart {
            name,
            seconds,
            constants,
        };
        let (core, exchange) = match (self.spread.gathers, a.decodes) {
            (true, true) => (DECODE_CORE, REDUCE),
            (true, false) => (PREFILL_CORE, REDUCE),
            (false, true) => (DECODE_CORE, EXCHANGE_DECODE),
            (false, false) => (PREFILL_CORE, EXCHANGE_PREFILL),
        };
        let even = routed.experts / routed.imbalance.max(1.0);
        let mut parts = vec![
            row(
                "attention: projections",
                b * all * (p.before + p.after),
                GEMM,
            ),
            row("attention: core", b * all * (p.core + a.attended), core),
            row("gate", b * moe * p.gate, GEMM),
            row("shared experts", b * moe * p.shared, GEMM),
            row("routed experts, if even", b * moe * even, EXPERTS),
            row(
                "routed experts: imbalance",
                b * moe * (routed.experts - even),
                EXPERTS,
            ),
            row("dense networks", b * dense * p.dense, GEMM),
            row(
                "all-reduce",
                b * (moe * p.all_reduce_moe + dense * p.all_reduce),
                REDUCE,
            ),
        ];
        let alone = routed.exchange;
        let (dispatch, combine) = (alone.dispatch / a.speed, alone.combine / a.speed);
        let total = b * moe * (alone.dispatch + alone.combine);
        let over = |message: f64, work: f64| (message - work).max(0.0);
        let (shown_dispatch, shown_combine) = if !mode.overlapped {
            (b * moe * dispatch, b * moe * combine)
        } else if a.decodes {
            (
                b * moe * over(dispatch, a.first_beside),
                b * moe * over(combine, a.second_beside),
            )
        } else {
            let attention = p.before + p.core + a.attended + p.after + p.all_reduce_moe + p.gate;
            let experts = routed.experts;
            (
                moe * (over(dispatch, experts) + over(dispatch, attention)),
                moe * (over(combine, experts + p.shared) + over(combine, attention + p.shared)),
            )
        };
        let names = if self.spread.gathers {
            ["gathering all ranks' tokens", "summing and scattering them"]
        } else {
            ["dispatch, exposed", "combine, exposed"]
        };
        parts.push(row(names[0], shown_dispatch, exchange));
        parts.push(row(names[1], shown_combine, exchange));
        Explained {
            overlapped: mode.overlapped,
            step_s: mode.step_s,
            other_s: mode.other_s,
            parts,
            own_s: 0.0,
            shared_s: b * moe * routed.experts + shown_dispatch + shown_combine,
            hidden_s: (total - shown_dispatch - shown_combine).max(0.0),
            hidden_host_s: 0.0,
            imbalance: routed.imbalance,
        }
    }

    /// Adds what a step has once. A host beside the accelerators shows where it is the longer one.
    fn finish(&self, mut explained: Explained, once: Once) -> Explained {
        let row = |name, seconds, constants| StepPart {
            name,
            seconds,
            constants,
        };
        explained.parts.extend([
            row("between stages", once.stages, STAGES),
            row("logits and sampling", once.head, HEAD),
        ]);
        let beside = |all: &[StepPart]| all.iter().map(|p| p.seconds).sum::<f64>();
        let shown = match once.least(self.host_beside) > 0.0 {
            true => (once.host - beside(&explained.parts)).max(0.0),
            false => once.host,
        };
        explained.hidden_host_s = once.host - shown;
        explained.parts.push(row("host", shown, HOST));
        explained.parts.retain(|p| p.seconds > 0.0);
        explained.own_s = explained.step_s - explained.shared_s;
        explained
    }
}

/// The quicker of the two modes in which a step can run.
#[derive(Clone, Copy, Debug)]
struct Mode {
    overlapped: bool,
    step_s: f64,
    other_s: Option<f64>,
}

impl Mode {
    fn of(times: Times) -> Self {
        let overlapped = times.overlapped < times.plain;
        let other = if overlapped {
            times.plain
        } else {
            times.overlapped
        };
        Self {
            overlapped,
            step_s: times.quicker(),
            other_s: other.is_finite().then_some(other),
        }
    }

    /// Number of micro-batches.
    fn batches(self) -> f64 {
        if self.overlapped { 2.0 } else { 1.0 }
    }
}

/// Values that the parts of a step are computed from.
struct Apart {
    /// Time of attention over its length, for one layer and micro-batch, in seconds.
    attended: f64,
    decodes: bool,
    /// Time of work beside dispatch, in decode, in seconds.
    first_beside: f64,
    /// Time of work beside combine, in decode, in seconds.
    second_beside: f64,
    /// Speed of communication beside computation, as a part of its speed alone.
    speed: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::roofline::unit_shape::RooflineUnit;
    use crate::scenario::{Performance, Role, load};

    fn check(explained: &Explained) {
        let sum: f64 = explained.parts.iter().map(|p| p.seconds).sum();
        let off = (sum / explained.step_s - 1.0).abs();
        assert!(off < 1e-9, "{sum} of {}: {explained:#?}", explained.step_s);
    }

    #[test]
    fn parts_add_up_to_the_step() {
        let scenario = load("deepseek-day", &[]).expect("bundled");
        let Performance::Roofline(roofline) = &scenario.performance else {
            panic!("the day's step times come from first principles")
        };
        for pool in &scenario.pools {
            let unit = RooflineUnit::of(&scenario, pool, roofline).expect("all is known");
            for size in [1.0, 8.0, 40.0, 88.0, 128.0] {
                if pool.role == Role::Decode {
                    check(&unit.explain_decode(size, unit.kv_of(size, 5_000.0)));
                } else {
                    let tokens = size * 128.0;
                    check(&unit.explain_prefill(tokens, tokens * 4_000.0, 4.0));
                }
            }
        }
    }
}
