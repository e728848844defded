//! What the project's own tests reach beside the public items: no part of the library's interface, and free to change.

pub mod catalog {
    pub use crate::catalog::{
        Attention, Compute, Constant, KvShape, NumberFormat, ServingEngine, engine, engines,
    };
}
pub mod cluster {
    pub mod controller {
        pub use crate::cluster::controller::{
            AfterLoss, ControlOrder, Controller, PoolView, UnitLife, UnitOrder, UnitView,
        };
    }
}
pub mod engine {
    pub use crate::engine::{Driver, Driving, SimulationInput, simulate};
}
pub mod experiment {
    pub use crate::experiment::{ResourceNeed, RunError, run, run_driven};
    pub mod calibrate {
        pub use crate::experiment::calibrate::measurements::{StatedLoad, of_benchmark};
        pub use crate::experiment::calibrate::{calibrate, measurements};
    }
    pub mod compare {
        pub use crate::experiment::compare::{
            CommonStreams, CompareQuestion, Comparison, Difference, Finding, judge, runs,
        };
    }
    pub mod parallel {
        pub use crate::experiment::parallel::{in_parallel, in_parallel_on};
    }
    pub mod replicate {
        pub use crate::experiment::replicate::{replications, run_all, seed, together};
    }
    pub mod uncertain {
        pub use crate::experiment::uncertain::{hypercube, scenarios};
    }
    pub mod validate {
        pub use crate::experiment::validate::{
            borrowed, error_cells, mlperf, mlperf_rows, silicon, vllm,
        };
        pub mod measured {
            pub use crate::experiment::validate::measured::{ErrorReport, predictions, report};
        }
    }
}
pub mod traffic {
    pub use crate::traffic::{
        BadLines, PrefixLru, RecordedRequest, Survey, TouchOrder, TraceSource, stats, survey,
    };
}
pub mod import {
    pub use crate::import::{ImportRequest, LaunchEngine, import};
}
pub mod metrics {
    pub use crate::metrics::{Fate, Observer, Place, StepRecord};
}
pub mod perf {
    pub use crate::perf::{
        DecodeLoads, KnownSteps, MixedLoad, PrefillLoad, StepTimes, with_capacities,
    };
    pub mod roofline {
        pub use crate::perf::roofline::memory_of;
        pub mod memory {
            pub use crate::perf::roofline::memory::AcceleratorMemory;
        }
        pub mod step_parts {
            pub use crate::perf::roofline::step_parts::Explained;
        }
        pub mod unit_shape {
            pub use crate::perf::roofline::unit_shape::RooflineUnit;
        }
    }
}
pub mod report {
    pub use crate::report::{Format, Style, json, render};
    pub mod summary {
        pub use crate::report::summary::{
            ClassSummary, Decided, DistributionSummary, Interval, PoolSummary, Quantiles,
            RequestCounts, RunSummary, SloSummary, SpanSummary, TokenCounts,
        };
    }
    pub mod verdict {
        pub use crate::report::verdict::{Grade, assess};
    }
}
pub mod scenario {
    pub use crate::scenario::{
        Admission, AnswersIn, ArrivalForm, ArrivalKind, Batching, CacheForm, Class, ClosedLoop,
        FirstToken, Interpolation, KeyChange, KvCache, Law, LawForm, LengthForm, LengthLaw,
        LoadMeasure, Mistakes, Node, Overlap, Performance, Pool, ProfileKey, RankBalance, Role,
        Router, Scenario, SessionAmountKey, ThinkLaw, load, load_str, read_hf_text, summary_fields,
    };
}
pub mod units {
    pub use crate::units::{BytesPerSecond, NS_PER_S, Picoseconds, SimDuration, SimTime};
}
pub mod words {
    pub use crate::words::Words;
}
pub mod workload {
    pub use crate::workload::{
        ClosedLoops, Contents, PromptSpan, Request, SessionLaw, SessionTurn, Workload,
        mean_requests_per_s, realised,
    };
    pub mod random {
        pub use crate::workload::random::{Stream, hash};
    }
}
