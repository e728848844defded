//! The linear model of step times: a constant, plus so much per request and per token.
//!
//! Prefill: `base + tokens x per_token + pairs x per_pair` for each rank; decode: `base + requests x
//! per_request + KV tokens x per_kv_token`. The step is that of the busiest rank. The coefficients
//! stand in the scenario; this model knows nothing of hardware. Ignored: everything that is not
//! linear, such as the switch between memory-bound and compute-bound kernels.

use super::{DecodeLoads, MixedLoad, OwnLines, PrefillLoad};
use crate::scenario::{LinearDecode, LinearPerformance, LinearPrefill, Role, Scenario};
use crate::units::{Picoseconds, SimDuration};

/// Bound of a full rank's step (2^62 ps = 53 days), so that sums never wrap.
const STEP_MAX_PS: u128 = 1 << 62;

/// The compiled model: the scenario's coefficients, proven not to overflow.
#[derive(Clone, Debug)]
pub struct LinearModel {
    prefill: LinearPrefill,
    decode: LinearDecode,
}

impl LinearModel {
    /// Checks the coefficients against the fullest rank that the pools allow.
    pub fn compile(model: &LinearPerformance, scenario: &Scenario) -> Result<Self, String> {
        let longest = scenario
            .classes
            .iter()
            .map(|c| u128::from(c.input.max))
            .max()
            .unwrap_or(1);
        for pool in &scenario.pools {
            let tokens = u128::from(pool.max_batch_tokens);
            let prefill = u128::from(model.prefill.base.0)
                + tokens * u128::from(model.prefill.per_token.0)
                + tokens * longest * u128::from(model.prefill.per_pair.0);
            let decode = u128::from(model.decode.base.0)
                + u128::from(pool.max_batch_requests) * u128::from(model.decode.per_request.0)
                + 1024
                    * u128::from(pool.kv_capacity_tokens.unwrap_or(0))
                    * u128::from(model.decode.per_kv_token.0);
            let step = match pool.role {
                Role::Prefill => prefill,
                Role::Decode => decode,
                Role::Mixed => prefill + decode,
            };
            if step >= STEP_MAX_PS {
                return Err(format!(
                    "a step of a full rank of pool `{}` would last more than 53 days: lower its limits \
                     or the coefficients of [performance]",
                    pool.name
                ));
            }
        }
        Ok(Self {
            prefill: model.prefill,
            decode: model.decode,
        })
    }

    /// The time of a prefill step over these ranks.
    pub fn prefill_step(&self, ranks: &[PrefillLoad]) -> SimDuration {
        let own = ranks.iter().map(|load| self.prefill_own(*load)).max();
        Picoseconds(self.prefill.base.0 + own.unwrap_or(0)).to_step()
    }

    /// The time of a step over ranks that compute prompts and decode: what both take, and the larger of the
    /// two constants of those that are in it, because weights are read once.
    pub fn mixed_step(&self, ranks: &[MixedLoad]) -> SimDuration {
        let (p, d) = (&self.prefill, &self.decode);
        let mut base = 0;
        let mut busiest = 0;
        for rank in ranks {
            busiest = busiest.max(self.mixed_own(rank));
            if rank.prefill.tokens > 0 {
                base = base.max(p.base.0);
            }
            if rank.requests > 0 {
                base = base.max(d.base.0);
            }
        }
        Picoseconds(base + busiest).to_step()
    }

    /// The time of a decode step over these ranks. The time of KV is rounded down to a picosecond a rank.
    pub fn decode_step(&self, ranks: DecodeLoads<'_>) -> SimDuration {
        let loads = ranks.requests.iter().zip(ranks.kv_1024);
        let own = loads.map(|(&n, &kv)| self.decode_own(n, kv)).max();
        Picoseconds(self.decode.base.0 + own.unwrap_or(0)).to_step()
    }

    /// What a rank adds to a decode step, in ps.
    #[inline]
    pub fn decode_own(&self, requests: u32, kv_1024: u64) -> u64 {
        let c = &self.decode;
        u64::from(requests) * c.per_request.0 + ((kv_1024 * c.per_kv_token.0) >> 10)
    }

    /// What a rank adds to a decode step, laid out for up to `most` requests.
    pub fn decode_lines(&self, most: u32) -> OwnLines {
        let c = &self.decode;
        OwnLines {
            base: (0..=u64::from(most)).map(|n| n * c.per_request.0).collect(),
            kv: c.per_kv_token.0,
            window: 0,
            bits: 10,
        }
    }

    /// What a rank adds to a prefill step, in ps.
    #[inline]
    pub fn prefill_own(&self, load: PrefillLoad) -> u64 {
        self.prefill_work(load.tokens, load.pairs)
    }

    /// What a rank adds to a mixed step, in ps.
    pub fn mixed_own(&self, load: &MixedLoad) -> u64 {
        self.prefill_own(load.prefill) + self.decode_own(load.requests, load.kv_1024)
    }

    /// Time of `tokens` prompt tokens and `pairs` (query, key) pairs, in ps.
    #[inline]
    pub fn prefill_work(&self, tokens: u64, pairs: u64) -> u64 {
        let c = &self.prefill;
        tokens
            .saturating_mul(c.per_token.0)
            .saturating_add(pairs.saturating_mul(c.per_pair.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> LinearModel {
        LinearModel {
            prefill: LinearPrefill {
                base: Picoseconds(1_000_000),
                per_token: Picoseconds(2_000),
                per_pair: Picoseconds(3),
            },
            decode: LinearDecode {
                base: Picoseconds(5_000_000),
                per_request: Picoseconds(7_000),
                per_kv_token: Picoseconds(11),
            },
        }
    }

    #[test]
    fn the_busiest_rank_sets_the_step() {
        // rank 0: 7*2 us... = 14,000 ps + 1,100 ps; rank 1: 7,000 + 22,000 ps
        let step = model().decode_step(DecodeLoads {
            requests: &[2, 1],
            kv_1024: &[100 * 1024, 2000 * 1024],
            window_1024: &[],
        });
        assert_eq!(step, SimDuration(5_029));
    }

    #[test]
    fn a_chunk_attends_to_its_context_and_itself() {
        let mut load = PrefillLoad::default();
        load.add_chunk(4, 10);
        assert_eq!(
            load,
            PrefillLoad {
                tokens: 4,
                pairs: 50
            }
        );
        // 1,000,000 + 4 * 2,000 + 50 * 3 ps = 1,008.15 ns
        assert_eq!(model().prefill_step(&[load]), SimDuration(1_008));
    }
}
