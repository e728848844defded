//! Kernels that the host starts one by one for a step with prompts. Where it takes longer over that than the
//! accelerators over the kernels, the step lasts as long as the host: so it is with short prompts.

use super::unit_shape::RooflineUnit;
use crate::catalog::{Constant as C, NumberFormat};

/// Kernels of attention beside its products: norm, rotation with the write to the cache, core.
const ATTENTION: f64 = 3.0;
/// What latent attention has more: norms of queries and of keys and values, and putting parts of heads together.
const LATENT: f64 = 4.0;
/// Kernels of a network beside its products: norm and activation.
const NETWORK: f64 = 2.0;
/// Kernels of routed experts beside their products: scores, choice, sorting, gathering, sum.
const ROUTED: f64 = 5.0;

impl RooflineUnit<'_> {
    /// Host time in seconds to start the kernels of a step with `tokens` prompt tokens on a rank; 0 where graphs are
    /// replayed, and where the host does not work beside the accelerators.
    pub fn launches(&self, tokens: f64) -> f64 {
        if !self.host_beside || tokens <= self.machine.get(C::GraphTokens) {
            return 0.0;
        }
        1e-6 * self.machine.get(C::HostKernel) * self.prompt_kernels()
    }

    /// Number of kernels of a step with prompts. A product of narrow numbers has one more, which makes them.
    fn prompt_kernels(&self) -> f64 {
        let precision = self.roofline.precision;
        let product = |format: NumberFormat| match format {
            NumberFormat::Fp8 | NumberFormat::Fp8Block | NumberFormat::Nvfp4 => 2.0,
            NumberFormat::Bf16
            | NumberFormat::Fp4
            | NumberFormat::Int4
            | NumberFormat::Int4Group128 => 1.0,
        };
        let dense_product = product(precision.gemm);
        let attention = match self.attention().is_latent() {
            // down and up for queries, down and up for keys and values, output
            true => ATTENTION + LATENT + 5.0 * dense_product,
            false => ATTENTION + 2.0 * dense_product,
        };
        let reductions = if self.tensor > 1.0 { 2.0 } else { 0.0 };
        let network = NETWORK + 2.0 * dense_product;
        let shared = |experts: u32| if experts > 0 { network } else { 0.0 };
        let routed = self.model.experts.map_or(0.0, |experts| {
            NETWORK + ROUTED + 1.0 + 2.0 * product(precision.experts) + shared(experts.shared)
        });
        let (moe, dense) = self.layers(false);
        (moe + dense) * (attention + reductions) + moe * routed + dense * network
    }
}
