//! Energy: what accelerators draw while they wait, generate and compute prompts, and what the rest draws.
//!
//! A paid accelerator draws its idle power all the time, on top of it `busy_w - idle_w` during steps that generate
//! only, and `peak_w - idle_w` during steps that compute prompts, all of their length.
//!
//! Ignored: how full a step is. A step with few requests waits for kernels to start and for the network, and
//! draws less than one that keeps the memory busy (a decoding H200: 137 to 300 W, arXiv 2605.11999); one with a
//! short prompt beside many who generate draws less than its limit. Ignored, too: weights on their way to a unit
//! that starts up, clocks that change, power limits lower than the data sheet's. The rest (host, network, cooling,
//! conversion) is taken to draw the same at any load, for every accelerator of a paid node.

use crate::catalog::Gpu;
use crate::units::NS_PER_S;

/// Joules in a kilowatt-hour.
pub const JOULES_PER_KWH: f64 = 3.6e6;

/// What the accelerators did during the window, in accelerator-nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GpuTime {
    /// Accelerator-nanoseconds on paid nodes.
    pub paid: u128,
    /// Accelerator-nanoseconds in a step.
    pub busy: u128,
    /// Accelerator-nanoseconds in a step that computes prompts.
    pub prompts: u128,
}

/// Energy of the accelerators in kilowatt-hours; `None`: their power is not known.
pub fn energy_kwh(time: &GpuTime, gpu: &Gpu) -> Option<f64> {
    let power = gpu.power?;
    let generating = time.busy - time.prompts.min(time.busy);
    let watt_ns = time.paid as f64 * power.idle_w
        + generating as f64 * (power.busy_w - power.idle_w)
        + time.prompts as f64 * (power.peak_w - power.idle_w);
    Some(kwh(watt_ns))
}

/// Energy of host, network, cooling and conversion in kilowatt-hours; `None`: their power is not known.
pub fn overhead_kwh(time: &GpuTime, gpu: &Gpu) -> Option<f64> {
    Some(kwh(time.paid as f64 * gpu.overhead_w?))
}

fn kwh(watt_ns: f64) -> f64 {
    watt_ns / NS_PER_S as f64 / JOULES_PER_KWH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::gpu;
    use crate::units::NS_PER_HOUR;

    #[test]
    fn energy_is_idle_power_and_what_steps_add_to_it() {
        let h100 = gpu("h100").expect("in the catalog");
        let hours = |n: u128| n * u128::from(NS_PER_HOUR);
        let mut time = GpuTime {
            paid: hours(80),
            ..GpuTime::default()
        };
        assert_eq!(energy_kwh(&time, h100), Some(80.0 * 0.119));
        assert_eq!(overhead_kwh(&time, h100), Some(80.0 * 1.03));
        time.busy = hours(50);
        time.prompts = hours(10);
        // 30 hours idle, 40 generating, 10 computing prompts
        let by_hand = 30.0 * 0.119 + 40.0 * 0.3 + 10.0 * 0.7;
        let found = energy_kwh(&time, h100).expect("power is known");
        assert!((found - by_hand).abs() < 1e-9, "{found} {by_hand}");
        assert_eq!(overhead_kwh(&time, h100), Some(80.0 * 1.03));
    }

    #[test]
    fn unknown_power_is_no_energy() {
        let mut card = gpu("h20").expect("in the catalog").clone();
        let time = GpuTime {
            paid: 1,
            ..GpuTime::default()
        };
        assert!(energy_kwh(&time, &card).is_some());
        assert_eq!(overhead_kwh(&time, &card), None);
        card.power = None;
        assert_eq!(energy_kwh(&time, &card), None);
    }
}
