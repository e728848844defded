//! A step taken apart: what each part of it takes, what hides behind what, and what each part rests on.

use super::step::{Line, Mode, Parts};
use super::unit::Unit;
use crate::catalog::Constant::{self, *};

/// A part of a step.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// Over all layers, in seconds.
    pub seconds: f64,
    /// The constants that it follows from.
    pub constants: &'static [Constant],
}

/// A step taken apart.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Whether two micro-batches overlap.
    pub overlapped: bool,
    /// The whole step, in seconds: the sum of its parts.
    pub step_s: f64,
    /// The step in the mode that was not chosen, if there is one.
    pub other_s: Option<f64>,
    /// Its parts, none of them hidden.
    pub parts: Vec<Part>,
    /// Communication that hides behind computation, in seconds.
    pub hidden_s: f64,
    /// The busiest rank's expert tokens over the mean.
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
    GemmFactor,
    ElementwiseBandwidth,
    ElementwiseLaunch,
];
const DECODE_CORE: &[Constant] = &[
    DecodeAttentionCompute,
    DecodeAttentionBandwidth,
    DecodeAttentionBandwidthFp8,
    DecodeAttentionLaunch,
    DecodeAttentionRequest,
    DecodeAttentionHead,
];
const PREFILL_CORE: &[Constant] = &[
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
    ExpertsTouched,
    ExpertsFactor,
    ExpertsPrefillLaunch,
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
];
const HOST: &[Constant] = &[HostDecode, HostPrefill, HostSequence, HostJoin, HostBeside];

impl Unit<'_> {
    /// A decode step of `requests` on each rank, which hold `kv` tokens.
    pub fn explain_decode(&self, requests: f64, kv: f64) -> Explained {
        let (mode, other) = chosen(&self.decode_modes(requests), kv);
        let part = if mode.overlapped { 2.0 } else { 1.0 };
        let parts = self.decode_parts(requests / part / self.pipeline);
        let attended = parts.core_unit * kv / self.pipeline / part;
        let once = self.decode_once(requests);
        let sm = if mode.overlapped {
            let tokens = requests / 2.0 / self.pipeline * self.queries;
            1e-6 * (self.machine.get(LowLatencySm) + self.machine.get(LowLatencySmToken) * tokens)
        } else {
            0.0
        };
        let mut explained = self.take_apart(
            &parts,
            Apart {
                batches: part,
                attended,
                decodes: true,
                first_beside: parts.shared + parts.before + sm,
                second_beside: parts.after + parts.gate + parts.core + attended + sm,
                overlapped: mode.overlapped,
                speed: 1.0,
            },
        );
        let (moe, _) = self.layers(true);
        explained.parts.push(Part {
            name: "sending and unpacking",
            seconds: 2.0 * part * moe * sm,
            constants: &[LowLatencySm, LowLatencySmToken],
        });
        self.finish(explained, (once.head, once.host), mode.at(kv), other)
    }

    /// A step of `tokens` prompt tokens on each rank, over `pairs`, of so many prompts.
    pub fn explain_prefill(&self, tokens: f64, pairs: f64, prompts: f64) -> Explained {
        let (mode, other) = chosen(&self.prefill_modes(tokens, prompts), pairs);
        let part = if mode.overlapped { 2.0 } else { 1.0 };
        let some = if mode.overlapped {
            let left = 1.0 - self.machine.get(DispatchSms);
            Self {
                machine: self.machine.with_sms(left),
                ..self.clone()
            }
        } else {
            self.clone()
        };
        let parts = some.prefill_parts(tokens / part / self.pipeline);
        let attended = parts.core_unit * pairs / self.pipeline / part;
        let once = self.prefill_once(prompts);
        let explained = some.take_apart(
            &parts,
            Apart {
                batches: part,
                attended,
                decodes: false,
                first_beside: 0.0,
                second_beside: 0.0,
                overlapped: mode.overlapped,
                speed: self.machine.get(OverlappedSpeed),
            },
        );
        self.finish(explained, (once.head, once.host), mode.at(pairs), other)
    }

    fn take_apart(&self, p: &Parts, a: Apart) -> Explained {
        let (moe, dense) = self.layers(a.decodes);
        let all = moe + dense;
        let b = a.batches;
        let row = |name, seconds, constants| Part {
            name,
            seconds,
            constants,
        };
        let (core, exchange) = if a.decodes {
            (DECODE_CORE, EXCHANGE_DECODE)
        } else {
            (PREFILL_CORE, EXCHANGE_PREFILL)
        };
        let even = p.experts / p.imbalance.max(1.0);
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
                b * moe * (p.experts - even),
                EXPERTS,
            ),
            row("dense networks", b * dense * p.dense, GEMM),
            row("all-reduce", b * all * p.all_reduce, REDUCE),
        ];
        let (dispatch, combine) = (p.exchange.dispatch / a.speed, p.exchange.combine / a.speed);
        let total = b * moe * (p.exchange.dispatch + p.exchange.combine);
        let (shown_dispatch, shown_combine) = if !a.overlapped {
            (b * moe * p.exchange.dispatch, b * moe * p.exchange.combine)
        } else if a.decodes {
            (
                b * moe * (dispatch - a.first_beside).max(0.0),
                b * moe * (combine - a.second_beside).max(0.0),
            )
        } else {
            let attention = p.before + p.core + a.attended + p.after + p.all_reduce + p.gate;
            let over = |message: f64, work: f64| (message - work).max(0.0);
            (
                moe * (over(dispatch, p.experts) + over(dispatch, attention)),
                moe * (over(combine, p.experts + p.shared) + over(combine, attention + p.shared)),
            )
        };
        parts.push(row("dispatch, exposed", shown_dispatch, exchange));
        parts.push(row("combine, exposed", shown_combine, exchange));
        Explained {
            overlapped: a.overlapped,
            step_s: 0.0,
            other_s: None,
            parts,
            hidden_s: (total - shown_dispatch - shown_combine).max(0.0),
            imbalance: p.imbalance,
        }
    }

    fn finish(
        &self,
        mut explained: Explained,
        (head, host): (f64, f64),
        step_s: f64,
        other_s: Option<f64>,
    ) -> Explained {
        explained.parts.push(Part {
            name: "logits and sampling",
            seconds: head,
            constants: GEMM,
        });
        explained.parts.push(Part {
            name: "host",
            seconds: host,
            constants: HOST,
        });
        explained.parts.retain(|p| p.seconds > 0.0);
        explained.step_s = step_s;
        explained.other_s = other_s;
        explained
    }
}

/// What a step's parts are put together from.
struct Apart {
    /// Micro-batches.
    batches: f64,
    /// What attention takes for what it runs over, one layer and micro-batch.
    attended: f64,
    decodes: bool,
    /// Work beside dispatch and beside combine, in decode.
    first_beside: f64,
    second_beside: f64,
    overlapped: bool,
    /// Speed of communication beside computation.
    speed: f64,
}

/// The quickest mode over `x`, and the time of the other one.
fn chosen(modes: &[Mode], x: f64) -> (Mode, Option<f64>) {
    let mut sorted: Vec<&Mode> = modes.iter().collect();
    sorted.sort_by(|a, b| a.at(x).total_cmp(&b.at(x)));
    let nothing = Mode {
        overlapped: false,
        lines: vec![Line::default()],
    };
    let best = sorted.first().map_or(nothing, |m| (*m).clone());
    (best, sorted.get(1).map(|m| m.at(x)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::roofline::unit::Unit;
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
            let unit = Unit::of(&scenario, pool, roofline).expect("all is known");
            for size in [1.0, 8.0, 40.0, 88.0, 128.0] {
                if pool.role == Role::Decode {
                    check(&unit.explain_decode(size, size * 5_000.0));
                } else {
                    let tokens = size * 128.0;
                    check(&unit.explain_prefill(tokens, tokens * 4_000.0, 4.0));
                }
            }
        }
    }
}
