//! Feed-forward networks of one layer on one rank: dense, shared and routed experts, and their gate.

use super::kernel::{GroupedWork, Machine};
use crate::catalog::{Architecture, Constant as C, Experts, NumberFormat};
use crate::scenario::{Precision, Sampling};

/// The feed-forward part of a model on one machine.
#[derive(Clone, Copy, Debug)]
pub struct Network<'a> {
    pub model: &'a Architecture,
    pub precision: Precision,
    pub sampling: Sampling,
}

/// What the routed experts of one rank compute.
#[derive(Clone, Copy, Debug)]
pub struct ExpertRows {
    /// (Token, expert) pairs of the rank.
    pub rows: f64,
    /// Experts on the rank, copies included.
    pub slots: f64,
    /// Inner width of the rank's part of each expert.
    pub ffn: f64,
    /// Tokens that chose an expert of the rank.
    pub tokens: f64,
    /// Whether tokens were sent to this rank; false: every rank has them all.
    pub exchanged: bool,
    /// Whether rows are sorted by expert first, as for prompts.
    pub permute: bool,
}

impl Network<'_> {
    /// Time in seconds of a dense network of inner width `ffn` (its part of a tensor-parallel group) on `m` tokens.
    pub fn dense(&self, machine: &Machine<'_>, m: f64, ffn: f64) -> f64 {
        if m <= 0.0 || ffn <= 0.0 {
            return 0.0;
        }
        let hidden = f64::from(self.model.hidden);
        let gemm = |n, k| machine.gemm(self.precision.gemm, m, n, k);
        // the activation; what 8-bit numbers need: quantisation of both inputs
        let quantised = !matches!(self.precision.gemm, NumberFormat::Bf16);
        let (kernels, bytes) = if quantised {
            (2.0, m * (5.0 * ffn + 3.0 * hidden))
        } else {
            (1.0, m * 6.0 * ffn)
        };
        gemm(2.0 * ffn, hidden) + machine.elementwise(kernels, bytes) + gemm(hidden, ffn)
    }

    /// Time in seconds of router and choice of experts; `norm`: and of the norm with the residual stream before it.
    pub fn gate(&self, machine: &Machine<'_>, experts: &Experts, m: f64, norm: bool) -> f64 {
        if m <= 0.0 {
            return 0.0;
        }
        let (hidden, routed) = (f64::from(self.model.hidden), f64::from(experts.routed));
        let before = if norm {
            machine.elementwise(1.0, m * 11.0 * hidden)
        } else {
            0.0
        };
        before
            + machine.gemm(NumberFormat::Bf16, m, routed, hidden)
            + machine.elementwise(3.0, m * routed * 8.0)
    }

    /// Time in seconds of the routed experts of one rank.
    pub fn routed(&self, machine: &Machine<'_>, experts: &Experts, load: ExpertRows) -> f64 {
        let ExpertRows {
            rows,
            slots,
            ffn,
            tokens,
            exchanged,
            permute,
        } = load;
        if rows <= 0.0 {
            return 0.0;
        }
        let hidden = f64::from(self.model.hidden);
        let part = f64::from(experts.top_k) / f64::from(experts.routed);
        let independent = tokens * machine.get(C::ExpertsTouched);
        let touched = slots * (1.0 - libm::pow(1.0 - part, independent));
        // the busiest accelerator has rows of one expert at least
        let least = if exchanged { 1.0 } else { 0.0 };
        let touched = touched.max(least).min(rows);
        let number = self.precision.experts;
        let mut work = GroupedWork {
            rows,
            // what was sent here is all that is sorted here
            passing: if exchanged {
                rows
            } else {
                tokens * f64::from(experts.top_k)
            },
            slots,
            touched,
            hidden,
            ffn,
            more: 0.0,
        };
        if !exchanged {
            // one measured operation, the activation in it
            work.more = rows * 3.0 * ffn;
            return machine.experts(number, &work);
        }
        let mut time = machine.experts(number, &work) + machine.elementwise(1.0, rows * 5.0 * ffn);
        if permute {
            time += machine.elementwise(2.0, rows * 4.0 * hidden);
        }
        time
    }

    /// Time in seconds of logits and sampling of `m` tokens, the vocabulary divided over `tensor` accelerators.
    pub fn head(&self, machine: &Machine<'_>, m: f64, tensor: f64) -> f64 {
        if m <= 0.0 {
            return 0.0;
        }
        let vocabulary = f64::from(self.model.vocabulary);
        let plain = machine.gemm(
            NumberFormat::Bf16,
            m,
            vocabulary / tensor,
            f64::from(self.model.hidden),
        ) + machine.elementwise(3.0, m * vocabulary * 8.0)
            + machine.all_reduce(tensor, m * vocabulary / tensor * 2.0);
        match self.sampling {
            Sampling::Plain => plain,
            // one accelerator looks through the logits of all
            Sampling::TopP => plain + 1e-9 * machine.get(C::SamplingWord) * m * vocabulary,
        }
    }
}
