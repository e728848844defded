//! Single kernels: how long operations and bytes take on one accelerator.
//!
//! The form fits 28 published rows of DeepGEMM on H800 to 10 % (root mean square of the logarithm), and
//! measured GEMMs, attention and experts on H100 and H200 to 10-25 %. Ignored: tile quantisation, which
//! makes steps of the measured curves, and clocks that fall under load (the efficiencies contain both).

use super::links::Links;
use crate::catalog::{Compute, Constant as C, NumberFormat, ServingEngine};

/// Seconds in a microsecond.
pub const US: f64 = 1e-6;

/// An accelerator with the engine that runs on it.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    pub gpu: &'a Compute,
    /// Links from the accelerator to others.
    pub links: Links,
    pub engine: &'a ServingEngine,
    /// Part of the multiprocessors that compute; the rest communicates.
    pub sms: f64,
}

/// Speeds and losses of one kind of kernel on a machine.
struct Roof {
    compute: f64,
    bandwidth: f64,
    loss: f64,
    launch_s: f64,
}

impl Roof {
    fn time(&self, operations: f64, bytes: f64) -> f64 {
        let (compute, memory) = (operations / self.compute, bytes / self.bandwidth);
        compute.max(memory) + self.loss * compute.min(memory) + self.launch_s
    }
}

/// What grouped products of experts do on one accelerator.
#[derive(Clone, Copy, Debug)]
pub struct GroupedWork {
    /// (Token, expert) pairs of the experts that are held.
    pub rows: f64,
    /// (Token, expert) pairs that are sorted and summed here, those of experts elsewhere included.
    pub passing: f64,
    /// Experts that are held.
    pub slots: f64,
    /// Experts that are held and have rows.
    pub touched: f64,
    /// Width of the stream.
    pub hidden: f64,
    /// Inner width of the accelerator's part of each expert.
    pub ffn: f64,
    /// Bytes that move besides weights, rows in and rows out.
    pub more: f64,
}

/// Constants of grouped products of one number format.
struct GroupedKernel {
    roof: [C; 4],
    slot: C,
    tile: C,
    passes: C,
}

impl GroupedKernel {
    fn of(number: NumberFormat) -> Self {
        // compute, bandwidth, loss, launch; expert held, rows of zeros, passes of rows
        let [compute, bandwidth, loss, launch, slot, tile, passes] = match number {
            NumberFormat::Bf16 => [
                C::ExpertsBf16Compute,
                C::ExpertsBf16Bandwidth,
                C::ExpertsBf16Loss,
                C::ExpertsBf16Launch,
                C::ExpertsBf16Slot,
                C::ExpertsBf16Tile,
                C::ExpertsBf16Passes,
            ],
            NumberFormat::Fp8 => [
                C::ExpertsFp8Compute,
                C::ExpertsFp8Bandwidth,
                C::ExpertsFp8Loss,
                C::ExpertsFp8Launch,
                C::ExpertsFp8Slot,
                C::ExpertsFp8Tile,
                C::ExpertsFp8Passes,
            ],
            NumberFormat::Fp8Block => [
                C::ExpertsFp8BlockCompute,
                C::ExpertsFp8BlockBandwidth,
                C::ExpertsFp8BlockLoss,
                C::ExpertsFp8BlockLaunch,
                C::ExpertsFp8BlockSlot,
                C::ExpertsFp8BlockTile,
                C::ExpertsFp8BlockPasses,
            ],
            // 4-bit weights are multiplied in 4 bits where the chip can, in BF16 elsewhere; INT4 always in BF16
            NumberFormat::Fp4 => [
                C::ExpertsFp4Compute,
                C::ExpertsFp4Bandwidth,
                C::ExpertsFp4Loss,
                C::ExpertsFp4Launch,
                C::ExpertsFp4Slot,
                C::ExpertsFp4Tile,
                C::ExpertsFp4Passes,
            ],
            NumberFormat::Nvfp4 => [
                C::ExpertsNvfp4Compute,
                C::ExpertsNvfp4Bandwidth,
                C::ExpertsNvfp4Loss,
                C::ExpertsNvfp4Launch,
                C::ExpertsNvfp4Slot,
                C::ExpertsNvfp4Tile,
                C::ExpertsNvfp4Passes,
            ],
            NumberFormat::Int4 | NumberFormat::Int4Group128 => [
                C::ExpertsInt4Compute,
                C::ExpertsInt4Bandwidth,
                C::ExpertsInt4Loss,
                C::ExpertsInt4Launch,
                C::ExpertsInt4Slot,
                C::ExpertsInt4Tile,
                C::ExpertsInt4Passes,
            ],
        };
        Self {
            roof: [compute, bandwidth, loss, launch],
            slot,
            tile,
            passes,
        }
    }
}

/// Bytes of a number, its share of a scale included.
pub fn bytes_of(number: NumberFormat) -> f64 {
    f64::from(number.bits_by_32()) / 256.0
}

impl<'a> Machine<'a> {
    pub fn get(&self, constant: C) -> f64 {
        self.engine.get(constant)
    }

    /// The machine with a part of its multiprocessors. What memory binds keeps its speed.
    pub fn with_sms(self, sms: f64) -> Self {
        Self { sms, ..self }
    }

    /// Operations per second of numbers of this kind; BF16 where the chip has no unit for them.
    pub fn peak(&self, number: NumberFormat) -> f64 {
        let own = match number {
            NumberFormat::Bf16 | NumberFormat::Int4 | NumberFormat::Int4Group128 => {
                self.gpu.bf16_per_s
            }
            NumberFormat::Fp8 | NumberFormat::Fp8Block => self.gpu.fp8_per_s,
            NumberFormat::Fp4 | NumberFormat::Nvfp4 => self.gpu.fp4_per_s,
        };
        if own > 0.0 { own } else { self.gpu.bf16_per_s }
    }

    /// A roof of these constants: compute, bandwidth, loss, launch.
    fn roof(&self, number: NumberFormat, [compute, bandwidth, loss, launch]: [C; 4]) -> Roof {
        Roof {
            compute: self.get(compute) * self.get(C::ComputeFactor) * self.peak(number) * self.sms,
            bandwidth: self.get(bandwidth) * self.memory_bandwidth(),
            loss: self.get(loss),
            launch_s: self.start(launch),
        }
    }

    /// Memory bandwidth in a running server, in bytes per second.
    pub fn memory_bandwidth(&self) -> f64 {
        self.get(C::BandwidthFactor) * self.gpu.memory_bytes_per_s
    }

    /// The start of a kernel in a running server, in seconds.
    pub fn start(&self, launch: C) -> f64 {
        US * self.get(launch) * self.get(C::LaunchFactor)
    }

    fn gemm_roof(&self, number: NumberFormat) -> Roof {
        let constants = match number {
            // INT4 weights are unpacked and multiplied as BF16
            NumberFormat::Bf16 | NumberFormat::Int4 | NumberFormat::Int4Group128 => [
                C::GemmBf16Compute,
                C::GemmBf16Bandwidth,
                C::GemmBf16Loss,
                C::GemmBf16Launch,
            ],
            NumberFormat::Fp8Block => [
                C::GemmFp8BlockCompute,
                C::GemmFp8BlockBandwidth,
                C::GemmFp8BlockLoss,
                C::GemmFp8BlockLaunch,
            ],
            NumberFormat::Fp4 | NumberFormat::Nvfp4 => [
                C::GemmNvfp4Compute,
                C::GemmNvfp4Bandwidth,
                C::GemmNvfp4Loss,
                C::GemmNvfp4Launch,
            ],
            NumberFormat::Fp8 => [
                C::GemmFp8Compute,
                C::GemmFp8Bandwidth,
                C::GemmFp8Loss,
                C::GemmFp8Launch,
            ],
        };
        self.roof(number, constants)
    }

    /// Time in seconds of `batch` products of m x k by k x n, written in BF16.
    pub fn gemms(&self, number: NumberFormat, batch: f64, m: f64, n: f64, k: f64) -> f64 {
        if m <= 0.0 {
            return 0.0;
        }
        let width = bytes_of(number);
        let operations = 2.0 * m * n * k * batch;
        let activations = match number {
            NumberFormat::Fp4 | NumberFormat::Nvfp4 => 1.0,
            NumberFormat::Int4 | NumberFormat::Int4Group128 => 2.0,
            NumberFormat::Bf16 | NumberFormat::Fp8 | NumberFormat::Fp8Block => width,
        };
        let bytes = batch * (width * n * k + activations * m * k + 2.0 * m * n);
        self.get(C::GemmFactor) * self.gemm_roof(number).time(operations, bytes)
    }

    /// Time in seconds of one product of m x k by k x n.
    pub fn gemm(&self, number: NumberFormat, m: f64, n: f64, k: f64) -> f64 {
        self.gemms(number, 1.0, m, n, k)
    }

    /// Time in seconds of the three matrices of the experts that a rank holds.
    pub fn experts(&self, number: NumberFormat, work: &GroupedWork) -> f64 {
        if work.rows <= 0.0 {
            return 0.0;
        }
        let kernel = GroupedKernel::of(number);
        let activations = match number {
            NumberFormat::Fp8 | NumberFormat::Fp8Block => 1.0,
            NumberFormat::Bf16
            | NumberFormat::Fp4
            | NumberFormat::Nvfp4
            | NumberFormat::Int4
            | NumberFormat::Int4Group128 => 2.0,
        };
        let (hidden, ffn, touched) = (work.hidden, work.ffn, work.touched);
        let padded = work.rows + touched * self.get(kernel.tile);
        let operations = 6.0 * padded * hidden * ffn;
        let weights = 3.0 * touched * hidden * ffn * bytes_of(number);
        let read = activations * (hidden + ffn);
        let written = 2.0 * (2.0 * ffn + hidden);
        let bytes = weights + work.rows * (read + written) + work.more;
        let passing = self.get(kernel.passes) * work.passing * hidden * 2.0;
        let roof = Roof {
            // measured as one operation, in which nothing is left to fuse
            launch_s: US * self.get(kernel.roof[3]),
            ..self.roof(number, kernel.roof)
        };
        let time = roof.time(operations, bytes)
            // spent on the accelerator, which no graph makes shorter
            + work.slots * US * self.get(kernel.slot)
            + passing / self.memory_bandwidth();
        self.get(C::ExpertsFactor) * time
    }

    /// Time in seconds of element-wise kernels that move `bytes` bytes in all.
    pub fn elementwise(&self, kernels: f64, bytes: f64) -> f64 {
        let bandwidth = self.get(C::ElementwiseBandwidth) * self.memory_bandwidth();
        kernels * self.start(C::ElementwiseLaunch) + bytes / bandwidth
    }
}
