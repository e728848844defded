//! Steps that take a factor longer than the model of step times says.
//!
//! Of coefficients and measured points every time is multiplied. A step from first principles is made of
//! operations and bytes over the figures of the data sheet, and of times of the engine: the figures are divided,
//! the times multiplied, so that every step takes the factor exactly, up to rounding. KV transfers, schedules and
//! budgets of time (`max_batch_time`) are no steps and stay.

use std::sync::Arc;

use super::{LinearDecode, LinearPrefill, Performance, ProfileRow};
use crate::catalog::Gpu;
use crate::units::{BytesPerSecond, Picoseconds};

/// Key of the factor in `[performance]`.
pub const STEP_TIME_FACTOR: &str = "step_time_factor";

/// The model of step times, and the accelerator that it reads, with every step `factor` times as long.
pub fn slower(performance: Performance, gpu: &mut Gpu, factor: f64) -> Performance {
    if factor == 1.0 {
        return performance;
    }
    let time = |ps: Picoseconds| Picoseconds(libm::round(ps.0 as f64 * factor) as u64);
    match performance {
        Performance::Linear(mut linear) => {
            let (p, d) = (linear.prefill, linear.decode);
            linear.prefill = LinearPrefill {
                base: time(p.base),
                per_token: time(p.per_token),
                per_pair: time(p.per_pair),
            };
            linear.decode = LinearDecode {
                base: time(d.base),
                per_request: time(d.per_request),
                per_kv_token: time(d.per_kv_token),
            };
            Performance::Linear(linear)
        }
        Performance::Table(profile) => {
            let mut profile = Arc::unwrap_or_clone(profile);
            let longer = |row: &ProfileRow| ProfileRow {
                time_us: row.time_us * factor,
                ..*row
            };
            profile.rows = profile.rows.iter().map(longer).collect();
            Performance::Table(Arc::new(profile))
        }
        Performance::Roofline(mut roofline) => {
            roofline.engine = roofline.engine.slower(factor);
            let rate = |r: BytesPerSecond| BytesPerSecond(libm::round(r.0 as f64 / factor) as u64);
            (gpu.nic, gpu.host) = (rate(gpu.nic), rate(gpu.host));
            if let Some(compute) = &mut gpu.compute {
                for figure in [
                    &mut compute.memory_bytes_per_s,
                    &mut compute.bf16_per_s,
                    &mut compute.fp8_per_s,
                    &mut compute.fp4_per_s,
                    &mut compute.scale_up_bytes_per_s,
                ] {
                    *figure /= factor;
                }
            }
            Performance::Roofline(roofline)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::perf::{DecodeLoads, MixedLoad, PrefillLoad, StepTimes, with_capacities};
    use crate::scenario::{Role, load};
    use crate::units::SimDuration;

    /// Operations, bytes, links, starts and host: every part of a step takes the factor. Interfaces do not.
    #[test]
    fn every_step_takes_the_factor() {
        let prefill = PrefillLoad {
            tokens: 3_000,
            pairs: 9_000_000,
        };
        for name in ["deepseek-day", "chat-h800"] {
            let of = |set: &[String]| {
                let scenario = with_capacities(&load(name, set).unwrap()).unwrap();
                let times = StepTimes::compile(&scenario).unwrap();
                let pools = scenario.pools.iter();
                let step = |(role, n): (Role, usize)| match role {
                    Role::Prefill => times.prefill_step(&vec![prefill; n]),
                    Role::Decode => times.decode_step(DecodeLoads {
                        requests: &vec![40; n],
                        kv_1024: &vec![40 * 3_000 * 1_024; n],
                        window_1024: &vec![0; n],
                    }),
                    Role::Mixed => {
                        let rank = MixedLoad {
                            prefill,
                            requests: 40,
                            kv_1024: 40 * 3_000 * 1_024,
                            chunks: 2,
                            joins: 1,
                            ..MixedLoad::default()
                        };
                        times.mixed_step(&vec![rank; n])
                    }
                };
                let steps: Vec<SimDuration> =
                    pools.map(|p| step((p.role, p.ranks as usize))).collect();
                (steps, scenario.pools[0].interface)
            };
            let plain = of(&[]);
            for factor in [1.5, 0.6] {
                let slow = of(&[format!("performance.step_time_factor={factor}")]);
                for (slow, plain) in slow.0.iter().zip(&plain.0) {
                    let off = slow.0 as f64 / plain.0 as f64 / factor - 1.0;
                    assert!(off.abs() < 1e-5, "{name}: {slow:?} {plain:?}");
                }
                assert_eq!(slow.1, plain.1);
            }
        }
    }
}
