//! What step times rest on: constants that were found for this engine on this accelerator, and those that another
//! one lends; how wrong they may be.

use super::{Node, Parallelism, Performance, Pool, Role, Roofline};
use crate::catalog::Constant::{self, *};
use crate::catalog::{
    self, Attention, GIVEN, Model, NumberFormat, Origin, Provenance, StepErrorCell, StepErrorClass,
};

/// What the step times of a scenario rest on, and how far they may be wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct StepBasis {
    /// The kind of basis, the one with the widest error where there are several.
    pub class: StepErrorClass,
    /// By what part steps may take longer or less than the model of step times says.
    pub error: f64,
    /// Description of the class.
    pub about: &'static str,
    /// How the error of the class was found.
    pub derivation: &'static str,
    /// Constants of other engines or accelerators that steps of this scenario use.
    pub borrowed: Vec<Borrowed>,
    /// The engine and the accelerator at hand; `None`: step times follow from neither.
    pub own: Option<Origin>,
}

/// A group of constants that another engine or accelerator lends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Borrowed {
    /// What the constants are of, e.g. dense products.
    pub what: &'static str,
    /// The engine and the accelerator that the constants were found for.
    pub from: Origin,
    /// Why the constants are borrowed, in words.
    pub reason: String,
}

/// Constants that `tokentide calibrate` states: with all of them the engine counts as fitted.
const FIT: [Constant; 8] = [
    ComputeFactor,
    BandwidthFactor,
    ScaleUpFactor,
    LaunchFactor,
    HostDecode,
    HostPrefill,
    HostSequence,
    HostJoin,
];

/// The basis of a model of step times.
pub fn step_basis(
    performance: &Performance,
    model: &Model,
    node: &Node,
    pools: &[Pool],
) -> StepBasis {
    let experts = model.architecture.is_some_and(|a| a.experts.is_some());
    let Performance::Roofline(roofline) = performance else {
        return StepBasis::own(experts);
    };
    let here = Origin {
        engine: roofline.engine.name.clone(),
        gpu: accelerator(node),
    };
    let borrowed = borrowed(roofline, model, pools, &here);
    let classes = classes(roofline, model, pools, &here);
    let basis = of_classes(&classes, experts, borrowed, Some(here));
    let is_own = basis.class == StepErrorClass::Own;
    let here = basis.own.as_ref().filter(|_| !is_own);
    let separate = pools.iter().any(|p| p.role != Role::Mixed);
    let cell =
        here.and_then(|here| StepErrorCell::of(&here.engine, &here.gpu, &model.name, separate));
    match cell {
        Some(cell) => basis.in_cell(cell),
        None => basis,
    }
}

fn of_classes(
    classes: &[StepErrorClass],
    experts: bool,
    borrowed: Vec<Borrowed>,
    own: Option<Origin>,
) -> StepBasis {
    let rows = classes
        .iter()
        .filter_map(|class| Some((*class, class.error()?)));
    let widest = rows.reduce(|a, b| {
        let wider = b.1.error(experts) > a.1.error(experts);
        if wider { b } else { a }
    });
    StepBasis {
        class: widest.map_or(StepErrorClass::Own, |(class, _)| class),
        error: widest.map_or(0.0, |(_, row)| row.error(experts)),
        about: widest.map_or("", |(_, row)| row.about.as_str()),
        derivation: widest.map_or("", |(_, row)| row.derivation.as_str()),
        borrowed,
        own,
    }
}

/// Name of the accelerator; of one whose data sheet is changed not that of the catalog.
fn accelerator(node: &Node) -> String {
    let name = &node.gpu.name;
    let changed = catalog::gpu(name).is_some_and(|known| known.compute != node.gpu.compute);
    match changed {
        true => format!("{name} with figures of its own"),
        false => name.clone(),
    }
}

fn classes(
    roofline: &Roofline,
    model: &Model,
    pools: &[Pool],
    here: &Origin,
) -> Vec<StepErrorClass> {
    let engine = &roofline.engine;
    let is_given = |c: &Constant| engine.figure(*c).provenance == Provenance::Given;
    if FIT.iter().all(is_given) {
        return vec![StepErrorClass::Own];
    }
    let from = &engine.figure(GemmBf16Compute).of;
    let mut classes = Vec::new();
    if engine.gpu != here.gpu {
        classes.push(StepErrorClass::of_loan(&here.gpu));
    }
    let server = &engine.figure(ComputeFactor).of;
    if engine.gpu == here.gpu && from.gpu == here.gpu && server.gpu != here.gpu {
        classes.push(StepErrorClass::of_kernels(&here.gpu));
    }
    if from.engine != here.engine && !is_derived(&here.engine) {
        classes.push(StepErrorClass::OtherEngine);
    }
    let is_fitted = engine.fitted.contains(&model.name);
    let latent = model
        .architecture
        .is_some_and(|a| matches!(a.attention, Attention::Latent { .. }));
    let exchange = pools.iter().any(|p| exchanges(p, model));
    let is_separate = pools.iter().any(|p| p.role == Role::Decode);
    let basis = match (engine.fitted.is_empty(), is_fitted) {
        (true, _) if latent && exchange => StepErrorClass::Published,
        (false, true) if exchange => StepErrorClass::OtherModel,
        (false, true) => StepErrorClass::Fitted,
        _ => StepErrorClass::OtherModel,
    };
    classes.push(basis);
    if is_separate && basis != StepErrorClass::Published {
        classes.push(StepErrorClass::Separate);
    }
    classes
}

/// Whether the catalog has an engine of this name, which then says itself what it takes from another one.
fn is_derived(engine: &str) -> bool {
    catalog::engines().iter().any(|e| e.name == engine)
}

/// Whether ranks of a pool send one another tokens for experts.
fn exchanges(pool: &Pool, model: &Model) -> bool {
    let experts = model.architecture.is_some_and(|a| a.experts.is_some());
    experts && pool.parallelism.experts > 1 && pool.ranks > 1
}

/// Groups of constants that steps of these pools use, with the constants.
fn used(roofline: &Roofline, model: &Model, pools: &[Pool]) -> Vec<(&'static str, Vec<Constant>)> {
    let Some(architecture) = &model.architecture else {
        return Vec::new();
    };
    let prompts = || pools.iter().filter(|p| p.role != Role::Decode);
    let decodes = || pools.iter().filter(|p| p.role != Role::Prefill);
    let latent = matches!(architecture.attention, Attention::Latent { .. });
    let mut groups = vec![
        ("dense products", of_number(roofline.precision.gemm, GEMM)),
        (
            "element-wise kernels",
            vec![ElementwiseBandwidth, ElementwiseLaunch],
        ),
    ];
    if architecture.experts.is_some() {
        let mut experts = of_number(roofline.precision.experts, EXPERTS);
        experts.extend([ExpertsFactor]);
        groups.push(("experts", experts));
    }
    if prompts().next().is_some() {
        let core = if latent {
            [PrefillLatentCompute, PrefillLatentTile, PrefillLatentLaunch]
        } else {
            [
                PrefillAttentionCompute,
                PrefillAttentionTile,
                PrefillAttentionLaunch,
            ]
        };
        groups.push(("attention over prompts", core.to_vec()));
    }
    if decodes().next().is_some() {
        let core = match (latent, roofline.precision.kv) {
            (true, _) => [DecodeLatentLaunch, DecodeLatentRequest, DecodeLatentCompute],
            (false, NumberFormat::Bf16) => [
                DecodeAttentionLaunch,
                DecodeAttentionRequest,
                DecodeAttentionBandwidth,
            ],
            (false, _) => [
                DecodeAttentionLaunch,
                DecodeAttentionRequest,
                DecodeAttentionBandwidthFp8,
            ],
        };
        groups.push(("attention of decode", core.to_vec()));
    }
    let shares = |p: &Pool| {
        let Parallelism { tensor, .. } = p.parallelism;
        tensor > 1 || architecture.experts.is_some() && p.ranks > 1 && !exchanges(p, model)
    };
    if pools.iter().any(shares) {
        groups.push((
            "all-reduce",
            vec![AllReduceLatency, AllReduceEfficiency, RingEfficiency],
        ));
    }
    if prompts().any(|p| exchanges(p, model)) {
        let dispatch = vec![
            DispatchScaleUp,
            DispatchLoss,
            DispatchLatency,
            OverlappedSpeed,
        ];
        groups.push(("dispatch and combine of prompts", dispatch));
    }
    if decodes().any(|p| exchanges(p, model)) {
        let dispatch = vec![LowLatencyDispatch, LowLatencyCombine, LowLatencySm];
        groups.push(("dispatch and combine of decode", dispatch));
    }
    groups.push((
        "what a running server makes of kernels",
        vec![ComputeFactor, BandwidthFactor, LaunchFactor],
    ));
    groups.push((
        "the host",
        vec![HostDecode, HostPrefill, HostSequence, HostJoin],
    ));
    groups
}

/// Constants by kind of number: BF16, FP8, FP8 with block scales, FP4, NVFP4, INT4.
type ByNumber = [&'static [Constant]; 6];

const GEMM: ByNumber = [
    &[GemmBf16Compute, GemmBf16Bandwidth, GemmBf16Launch],
    &[GemmFp8Compute, GemmFp8Bandwidth, GemmFp8Launch],
    &[
        GemmFp8BlockCompute,
        GemmFp8BlockBandwidth,
        GemmFp8BlockLaunch,
    ],
    &[GemmNvfp4Compute, GemmNvfp4Bandwidth, GemmNvfp4Launch],
    &[GemmNvfp4Compute, GemmNvfp4Bandwidth, GemmNvfp4Launch],
    &[GemmBf16Compute, GemmBf16Bandwidth, GemmBf16Launch],
];
const EXPERTS: ByNumber = [
    &[ExpertsBf16Compute, ExpertsBf16Bandwidth, ExpertsBf16Launch],
    &[ExpertsFp8Compute, ExpertsFp8Bandwidth, ExpertsFp8Launch],
    &[
        ExpertsFp8BlockCompute,
        ExpertsFp8BlockBandwidth,
        ExpertsFp8BlockLaunch,
    ],
    &[ExpertsFp4Compute, ExpertsFp4Bandwidth, ExpertsFp4Launch],
    &[
        ExpertsNvfp4Compute,
        ExpertsNvfp4Bandwidth,
        ExpertsNvfp4Launch,
    ],
    &[ExpertsInt4Compute, ExpertsInt4Bandwidth, ExpertsInt4Launch],
];

fn of_number(number: NumberFormat, constants: ByNumber) -> Vec<Constant> {
    let place = match number {
        NumberFormat::Bf16 => 0,
        NumberFormat::Fp8 => 1,
        NumberFormat::Fp8Block => 2,
        NumberFormat::Fp4 => 3,
        NumberFormat::Nvfp4 => 4,
        NumberFormat::Int4 | NumberFormat::Int4Group128 => 5,
    };
    constants[place].to_vec()
}

/// The constants that are borrowed, group by group and lender by lender.
fn borrowed(roofline: &Roofline, model: &Model, pools: &[Pool], here: &Origin) -> Vec<Borrowed> {
    let engine = &roofline.engine;
    let mut found: Vec<Borrowed> = Vec::new();
    for (what, constants) in used(roofline, model, pools) {
        for constant in constants {
            let figure = engine.figure(constant);
            let own = figure.of.engine == GIVEN || figure.of == *here;
            // what nobody measured is nobody's to lend
            if own || figure.provenance == Provenance::Assumed && engine.gpu == here.gpu {
                continue;
            }
            let lent = Borrowed {
                what,
                from: figure.of.clone(),
                reason: reason(&figure.of, here),
            };
            if !found.contains(&lent) {
                found.push(lent);
            }
        }
    }
    found
}

fn reason(from: &Origin, here: &Origin) -> String {
    match (from.engine == here.engine, from.gpu == here.gpu) {
        (true, _) => format!("not measured for {} on {}", here.engine, here.gpu),
        (false, true) => format!("not measured for {}", here.engine),
        (false, false) => format!("not measured for {} on {}", here.engine, here.gpu),
    }
}

impl StepBasis {
    /// The basis of coefficients and measurements of the scenario's own.
    pub fn own(experts: bool) -> Self {
        of_classes(&[StepErrorClass::Own], experts, Vec::new(), None)
    }

    /// The basis where servers like these were recorded: their error, or that of the class where it is wider and they
    /// were few.
    fn in_cell(self, cell: &'static StepErrorCell) -> Self {
        if cell.is_of_few() && self.error >= cell.error {
            return self;
        }
        Self {
            error: cell.error,
            derivation: &cell.derivation,
            ..self
        }
    }

    /// A caution on step times that rest on borrowed constants; `None`: they do not.
    pub fn caution(&self) -> Option<String> {
        let own = self.own.as_ref()?;
        let lender = &self.borrowed.iter().find(|b| b.what == BASE)?.from;
        // An entry of this accelerator that starts from another's says so itself, and was tried as it is.
        if matches!(
            self.class,
            StepErrorClass::Own | StepErrorClass::Published | StepErrorClass::Fitted
        ) {
            return None;
        }
        Some(format!(
            "step times of {own} rest on constants borrowed from {lender}: 90 % of steps like these take up to {} % longer or \
             less than computed; fit constants to measurements of yours (tokentide calibrate)",
            libm::round(100.0 * self.error)
        ))
    }
}

/// Name of the group of constants that every step has.
const BASE: &str = "dense products";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{Scenario, load};
    use super::*;

    fn with(set: &[&str]) -> Scenario {
        let set: Vec<String> = set.iter().map(|s| (*s).to_string()).collect();
        load("chat-h200", &set).unwrap()
    }

    fn lender(scenario: &Scenario) -> Option<String> {
        let borrowed = &scenario.step_basis.borrowed;
        let base = borrowed.iter().find(|b| b.what == BASE);
        base.map(|b| b.from.to_string())
    }

    #[test]
    fn what_an_accelerator_borrows_is_named() {
        let own = with(&["performance.engine=vllm"]);
        assert_eq!(lender(&own), None);
        assert_eq!(own.step_basis.caution(), None);
        for (gpu, class, from) in [
            ("h800", StepErrorClass::OtherGpu, "vllm on h100"),
            ("mi300x", StepErrorClass::DataSheet, "vllm on h100"),
            ("rtx-4090", StepErrorClass::DataSheet, "vllm on l40s"),
        ] {
            let lent = with(&["performance.engine=vllm", &format!("node.gpu={gpu}")]);
            assert_eq!(lender(&lent).as_deref(), Some(from), "{gpu}");
            let basis = &lent.step_basis;
            let classes = classes_of(&lent);
            assert!(classes.contains(&class), "{gpu}: {classes:?}");
            let said = basis.caution().unwrap();
            assert!(
                said.contains(&format!(
                    "of vllm on {gpu} rest on constants borrowed from {from}"
                )),
                "{said}"
            );
        }
        let kernels = with(&["performance.engine=vllm", "node.gpu=a100"]);
        assert_eq!(lender(&kernels), None);
        assert!(classes_of(&kernels).contains(&StepErrorClass::Kernels));
        let renamed = with(&["performance.engine={base='vllm', name='ours'}"]);
        assert!(classes_of(&renamed).contains(&StepErrorClass::OtherEngine));
        assert_eq!(lender(&renamed).as_deref(), Some("vllm on h200"));
    }

    #[test]
    fn an_accelerator_of_ones_own_borrows_from_its_base() {
        let own = with(&[
            "performance.engine=vllm",
            "node.gpu={base='h200', name='mine'}",
        ]);
        assert_eq!(lender(&own).as_deref(), Some("vllm on h200"));
        let changed = with(&[
            "performance.engine=vllm",
            "node.gpu.compute.memory_tb_per_s=9.0",
        ]);
        assert_eq!(lender(&changed).as_deref(), Some("vllm on h200"));
        assert!(
            changed
                .step_basis
                .caution()
                .unwrap()
                .contains("h200 with figures of its own")
        );
    }

    #[test]
    fn who_fits_constants_borrows_no_longer() {
        let fit: Vec<String> = FIT
            .iter()
            .map(|c| format!("performance.constants.{}=1.5", c.info().key))
            .collect();
        let mut set = vec!["performance.engine=vllm", "node.gpu=h800"];
        set.extend(fit.iter().map(String::as_str));
        let fitted = with(&set);
        assert_eq!(fitted.step_basis.class, StepErrorClass::Own);
        assert_eq!(fitted.step_basis.caution(), None);
    }

    #[test]
    fn the_published_day_says_what_it_takes_from_another_accelerator() {
        let day = load("deepseek-day", &[]).unwrap();
        assert_eq!(day.step_basis.class, StepErrorClass::Published);
        assert_eq!(day.step_basis.caution(), None);
        let from_h100 = |b: &&Borrowed| b.from.gpu == "h100";
        let lent: Vec<&str> = day
            .step_basis
            .borrowed
            .iter()
            .filter(from_h100)
            .map(|b| b.what)
            .collect();
        assert!(lent.contains(&"attention of decode"), "{lent:?}");
        assert!(!lent.contains(&BASE), "{lent:?}");
    }

    fn classes_of(scenario: &Scenario) -> Vec<StepErrorClass> {
        let Performance::Roofline(roofline) = &scenario.performance else {
            return vec![StepErrorClass::Own];
        };
        let here = scenario.step_basis.own.clone().unwrap();
        classes(roofline, &scenario.model, &scenario.pools, &here)
    }
}
