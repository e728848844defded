//! Small scenarios for the tests of this module.

use crate::catalog::{Gpu, KvShape, Model};
use crate::scenario::{
    ArrivalKind, ArrivalProcess, Class, Law, LengthLaw, LinearDecode, LinearPerformance,
    LinearPrefill, LocalTime, Node, Performance, Period, RateSegment, RunLimits, Scenario,
    StepBasis, Transfer,
};
use crate::units::{BytesPerSecond, NS_PER_HOUR, PicoUsd, SimDuration};

const HOUR: SimDuration = SimDuration(NS_PER_HOUR);

/// An hour from 12:00 with these classes; nothing else of it matters here.
pub(super) fn scenario(classes: Vec<Class>) -> Scenario {
    let no_speed = BytesPerSecond(1);
    let gpu = Gpu {
        name: String::new(),
        base: None,
        memory_bytes: 1,
        usable_bytes: 1,
        nic: no_speed,
        host: no_speed,
        power: None,
        overhead_w: None,
        compute: None,
    };
    Scenario {
        name: String::new(),
        hash: String::new(),
        resolved_toml: String::new(),
        seed: 1,
        start: LocalTime {
            text: String::new(),
            time_of_day: SimDuration(12 * NS_PER_HOUR),
            utc_offset_minutes: 0,
        },
        duration: HOUR,
        warm_up: SimDuration::ZERO,
        report_every: None,
        slo_every: None,
        model: Model {
            name: String::new(),
            kv_bytes_per_token: 1,
            context: None,
            architecture: None,
        },
        kv: KvShape::of_tokens(1),
        node: Node {
            gpu,
            gpus: 8,
            price_per_gpu_hour: PicoUsd(0),
            price_stated_for: None,
            shared: false,
            fleet: None,
        },
        pools: Vec::new(),
        transfer: Transfer {
            latency: SimDuration::ZERO,
            overlap_65536: 0,
        },
        performance: Performance::Linear(LinearPerformance {
            prefill: LinearPrefill::default(),
            decode: LinearDecode::default(),
        }),
        mtp: crate::scenario::Mtp::OFF,
        first_token: crate::scenario::FirstToken::Prefill,
        limits: RunLimits::default(),
        classes,
        step_time_factor: 1.0,
        step_basis: StepBasis::own(false),
        published: Vec::new(),
        uncertain: Vec::new(),
        sweep: crate::scenario::SweepTable::default(),
        plan: crate::scenario::PlanTable::default(),
    }
}

/// `rate` requests per second all day, in two halves with periods of their own.
pub(super) fn class(name: &str, kind: ArrivalKind, rate: f64, periods: [Period; 2]) -> Class {
    let half = |period: u32| RateSegment {
        from: SimDuration(u64::from(period) * 12 * NS_PER_HOUR),
        to: SimDuration(u64::from(period + 1) * 12 * NS_PER_HOUR),
        rate_from_per_s: rate,
        rate_to_per_s: rate,
        period,
    };
    let law = |mean| LengthLaw {
        law: Law::Lognormal { mean, cv: 1.0 },
        min: 1,
        max: 1 << 24,
    };
    Class {
        name: name.to_owned(),
        priority: 0,
        arrivals: ArrivalProcess {
            kind,
            rate: vec![half(0), half(1)],
            periods: periods.into(),
        },
        input: law(3000.0),
        output: law(500.0),
        price: None,
        discounts: false,
        slo: None,
    }
}

/// Half of the input hits, lengths as the law says.
pub(super) const PLAIN: Period = Period {
    input_scale: 1.0,
    output_scale: 1.0,
    hit_rate: 0.5,
};
