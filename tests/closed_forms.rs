//! Queues with known answers, played through ordinary scenario files in tests/closed_forms/.
//!
//! Each check plays 20 independent seeds. In its long form (TOKENTIDE_SLOW=1, optimised) the published
//! answer must lie within the 99.9 % interval of Student's t and within 1 % of the mean, and the
//! interval must be narrow enough to mean something; durations are chosen for that. The short form plays
//! a hundredth of the time and demands the interval and 15 %; TOKENTIDE_SHORTER is for forms between. With
//! fresh seeds (TOKENTIDE_SEEDS) every system is played once more, and the distances of all of them must
//! look like noise.
//!
//! The answers are those of queueing theory: Pollaczek-Khinchine for one server, the root of the gaps' transform and a
//! matrix-geometric solution for other laws of arrivals, Erlang for several,
//! Jackson for two in a row, Cobham for priorities, an embedded chain for bulk service, and for the
//! lock-step rank a birth-death chain with negative-binomial law. Times of service are 1 s on average,
//! in 10,000 tokens or several hundred steps; where steps leave a trace, the expectation says so.

mod support;

#[path = "closed_forms/judge.rs"]
mod judge;
#[path = "closed_forms/theory.rs"]
mod theory;

use judge::{Form, Known, Read, System, check, known, system};
use tokentide::internals::report::summary::{RunSummary, SpanSummary};

fn wait(s: &RunSummary) -> Option<f64> {
    s.latency.queue_s.mean
}

fn decode_wait(s: &RunSummary) -> Option<f64> {
    s.latency.decode_queue_s.mean
}

fn time_in_system(s: &RunSummary) -> Option<f64> {
    s.latency.e2e_s.mean
}

/// Waiting and in service at the only prefill rank.
fn in_prefill(s: &RunSummary) -> Option<f64> {
    let pool = s.pools.get("prefill")?;
    Some(pool.queue_length_mean + pool.batch_per_rank?)
}

/// Waiting and in service at the decode unit of `ranks` ranks.
fn in_decode(s: &RunSummary, ranks: f64) -> Option<f64> {
    let pool = s.pools.get("decode")?;
    Some(pool.queue_length_mean + ranks * pool.batch_per_rank?)
}

fn rejected(s: &RunSummary) -> Option<f64> {
    Some(s.requests.rejected as f64 / s.requests.arrived as f64)
}

/// The part of the requests whose first token came within the class's target.
fn in_time(s: &RunSummary) -> Option<f64> {
    s.classes.get("all")?.slo?.attainment
}

fn time_of(s: &RunSummary, class: &str) -> Option<f64> {
    s.classes.get(class)?.latency.e2e_s.mean
}

/// Mean number in the system at the ends of the report's intervals.
fn number(s: &RunSummary) -> Option<f64> {
    let counts = s
        .intervals
        .iter()
        .map(|span: &SpanSummary| span.requests.in_flight as f64);
    Some(counts.sum::<f64>() / s.intervals.len() as f64)
}

/// Its mean squared distance from a known mean: unbiased, however short the run.
fn spread<const MEAN: u32>(s: &RunSummary) -> Option<f64> {
    let counts = s
        .intervals
        .iter()
        .map(|span: &SpanSummary| span.requests.in_flight as f64);
    let squares = counts.map(|n| (n - f64::from(MEAN)) * (n - f64::from(MEAN)));
    Some(squares.sum::<f64>() / s.intervals.len() as f64)
}

fn rate(per_s: f64) -> String {
    format!("class.all.arrivals.requests_per_s={per_s:?}")
}

/// Rows 1 and 2.
fn m_m_1() -> Vec<System> {
    let p99 = Known {
        in_interval: false,
        ..known("p99 of W", 23.025_851, |s| s.latency.e2e_s.p99)
    };
    let knowns = vec![
        known("Wq", 4.0, wait),
        known("W", 5.0, time_in_system),
        known("L", 4.0, in_prefill),
        known("P(wait)", 0.8, |s| s.pools.get("prefill")?.utilization),
        p99,
    ];
    let busy = |per_s, hours: &str, waits| {
        let set = [&*rate(per_s), hours];
        system("one-server.toml", &set, vec![known("Wq", waits, wait)])
    };
    vec![
        system("one-server.toml", &[], knowns),
        busy(0.5, "duration=\"200h\"", 1.0),
        busy(0.9, "duration=\"1000h\"", 9.0),
        busy(0.95, "duration=\"1200h\"", 19.0),
    ]
}

/// Row 6.
fn m_d_1() -> Vec<System> {
    let waits = [(0.5, "150h", 0.5), (0.8, "150h", 2.0), (0.9, "300h", 4.5)];
    let waits = waits.map(|(per_s, hours, waits)| {
        let set = [&*rate(per_s), &format!("duration=\"{hours}\"")];
        system("md1.toml", &set, vec![known("Wq", waits, wait)])
    });
    // Service takes 1 s, so a first token within 1 s + t means a wait within t.
    let within = [(2.0, 0.445_108_19), (6.0, 0.899_502_76)].map(|(ttft, part)| {
        let slo = format!("class.all.slo={{ttft_s={ttft:?}}}");
        let set = ["class.all.arrivals.requests_per_s=0.8", &slo];
        system("md1.toml", &set, vec![known("P(Wq <= t)", part, in_time)])
    });
    waits.into_iter().chain(within).collect()
}

/// Rows 7 and 8.
fn m_g_1_and_d_m_1() -> Vec<System> {
    let waits = [
        ("mg1-erlang-4.toml", 2.5),
        ("mg1-lognormal-half.toml", 2.568_050_83),
        ("mg1-lognormal-one.toml", 5.436_563_66),
        ("mg1-hyperexponential.toml", 10.0),
        ("dm1.toml", 1.692_730_84),
    ];
    let of = |(file, waits)| system(file, &[], vec![known("Wq", waits, wait)]);
    waits.map(of).into()
}

/// Renewal arrivals (GI/M/1) and bursts (MMPP/M/1).
fn laws_of_arrivals() -> Vec<System> {
    let renewals = [
        (
            "kind=\"gamma\",requests_per_s=0.7,cv=2.0",
            theory::wait_of_renewals(theory::gamma(0.7, 2.0)),
        ),
        (
            "kind=\"gamma\",requests_per_s=0.8,cv=0.5",
            theory::wait_of_renewals(theory::gamma(0.8, 0.5)),
        ),
        (
            "kind=\"weibull\",requests_per_s=0.7,cv=2.23606797749979",
            theory::wait_of_renewals(theory::weibull_of_half(0.7)),
        ),
        (
            // 0.3 between bursts, 1.5 in a burst, a burst for 20 s of 60
            "kind=\"bursts\",requests_per_s=0.7,burst_length=\"20s\",burst_every=\"60s\",burst_factor=5.0",
            theory::wait_of_bursts([0.3, 1.5], [0.025, 0.05]),
        ),
    ];
    let of = |(arrivals, waits)| {
        let set = format!("class.all.arrivals={{{arrivals}}}");
        let waits = Known {
            close: 0.015,
            ..known("Wq", waits, wait)
        };
        system("gm1.toml", &[&set], vec![waits])
    };
    renewals.map(of).into()
}

/// Rows 3 and 4. Who finds a free server (all but Erlang's C) waits for the running step of 2 ms to end,
/// half of it on average. Whole steps make the square of service 0.2 % larger, the wait 0.1 %.
fn m_m_c() -> Vec<System> {
    let delay = |servers, load| (1.0 - theory::delayed(servers, load)) * 0.001;
    let of_8 = delay(8, 6.4);
    let eight = vec![
        known("Wq", 0.286_028_08 + of_8, decode_wait),
        known("W", 1.286_028_08 + of_8, time_in_system),
        known("L", 8.230_579_70 + 6.4 * of_8, |s| in_decode(s, 8.0)),
    ];
    let many = |file, servers, load, waits, close| {
        let waits = waits + delay(servers, load);
        let waits = Known {
            close,
            ..known("Wq", waits, decode_wait)
        };
        system(file, &[], vec![waits])
    };
    vec![
        system("mm8.toml", &[], eight),
        many("mm32.toml", 32, 28.8, 0.143_186_44, 0.015),
        many("mm144.toml", 144, 136.8, 0.060_255_02, 0.03),
    ]
}

/// Row 5. Fates are decided when a step ends, half a step of 500 after arrival on average, and servers
/// that fall free until then are used: the load that an arrival meets is 1/1000 smaller.
fn erlang_b() -> Vec<System> {
    let of = |(file, servers, load)| {
        let met = theory::loss(servers, load * 0.999);
        let close = if servers > 100 { 0.015 } else { 0.01 };
        let lost = Known {
            close,
            ..known("P(loss)", met, rejected)
        };
        system(file, &[], vec![lost])
    };
    [
        ("erlang-b-8.toml", 8, 6.4),
        ("erlang-b-10.toml", 10, 10.0),
        ("erlang-b-64.toml", 64, 60.0),
        ("erlang-b-256.toml", 256, 240.0),
    ]
    .map(of)
    .into()
}

/// Row 9.
fn gated_bulk_service() -> Vec<System> {
    let idle = || {
        known("P(idle)", 0.011_126_86, |s| {
            Some(1.0 - s.pools.get("prefill")?.utilization?)
        })
    };
    let busier = known("Wq", 1.496_090_86, wait);
    vec![
        system(
            "gated-bulk.toml",
            &[],
            vec![known("Wq", 0.758_427_29, wait), idle()],
        ),
        system("gated-bulk.toml", &[&rate(3.6)], vec![busier]),
    ]
}

/// Row 10. Jackson: L 4 and 1.77777778, W 7.22222222. Decode serves in m = 200 whole steps on average, an
/// exponential of mean m + 1 less the first token: the square of service, and so the wait there, is
/// 1 + 1/m + 1/2m^2 times as large.
fn tandem() -> Vec<System> {
    let (rate, service, m) = (0.8, 0.8, 200.0);
    let square = 2.0 * service * service * (1.0 + 1.0 / m + 0.5 / (m * m));
    let decode_wait = rate * square / (2.0 * (1.0 - rate * service));
    let knowns = vec![
        known("L of prefill", 4.0, in_prefill),
        known("L of decode", rate * (decode_wait + service), |s| {
            in_decode(s, 1.0)
        }),
        known("W", 5.0 + decode_wait + service, time_in_system),
    ];
    vec![system("tandem.toml", &[], knowns)]
}

/// Row 11.
fn priority() -> Vec<System> {
    fn wait_of(s: &RunSummary, class: &str) -> Option<f64> {
        s.classes.get(class)?.latency.queue_s.mean
    }
    let knowns = vec![
        known("Wq of the urgent", 1.142_857_14, |s| wait_of(s, "urgent")),
        known("Wq of the patient", 5.714_285_71, |s| wait_of(s, "patient")),
    ];
    vec![system("priority.toml", &[], knowns)]
}

/// Row 12: a rank whose step is proportional to the requests on it shares its time among them. A request
/// of x seconds alone stays 5 x, whatever the law; joining waits for half of the running step.
fn processor_sharing() -> Vec<System> {
    let half_step = 0.5 * 0.001 * 4.0;
    let knowns = vec![
        known("W", 5.0 + half_step, time_in_system),
        known("E[W | 0.5 s]", 2.5 + half_step, |s| time_of(s, "short")),
        known("E[W | 1.5 s]", 7.5 + half_step, |s| time_of(s, "long")),
    ];
    vec![system("processor-sharing.toml", &[], knowns)]
}

/// Row 13: a step that does not depend on the number of requests. N is Poisson, seen at the ends of
/// intervals; a request is there a millisecond longer than it is served, half a step.
fn m_g_infinity() -> Vec<System> {
    let mean = 85.0 * 1.001;
    let knowns = vec![
        known("L", mean, number),
        Known {
            close: 0.015,
            ..known("Var N", mean, spread::<85>)
        },
    ];
    vec![system("infinite-servers.toml", &[], knowns)]
}

/// Row 14. Joining waits for half of the running step. The variance is that of those on the rank and of
/// those who wait for it: its value is the rank's alone, so it is held to 10 %.
fn lock_step() -> Vec<System> {
    let mut systems = Vec::new();
    let light = (2.0, 81.0, 162.0, 40.5, spread::<81> as Read);
    let heavy = (3.2, 324.0, 1_620.0, 101.25, spread::<324> as Read);
    for (per_s, residents, variance, stay, spread) in [light, heavy] {
        let half_step = 0.5 * (0.02 + 0.00025 * residents);
        for law in [
            "class.all.output={ kind = \"constant\", value = 1001 }",
            "class.all.output={ kind = \"exponential\", mean = 1001, min = 2 }",
            "class.all.output={ kind = \"lognormal\", mean = 1001, cv = 1.310832494 }",
        ] {
            let knowns = vec![
                known("L", residents, |s| s.decode.batch_per_rank),
                known("W", stay + half_step, time_in_system),
                Known {
                    close: 0.1,
                    ..known("Var N", variance, spread)
                },
            ];
            systems.push(system("lock-step.toml", &[&rate(per_s), law], knowns));
        }
    }
    systems
}

#[test]
fn one_server() {
    check(&m_m_1());
    check(&m_d_1());
    check(&m_g_1_and_d_m_1());
}

#[test]
fn other_laws_of_arrivals() {
    check(&laws_of_arrivals());
}

#[test]
fn many_servers() {
    check(&m_m_c());
    check(&erlang_b());
}

#[test]
fn bulk_service_and_priorities() {
    check(&gated_bulk_service());
    check(&priority());
}

#[test]
fn two_in_a_row() {
    check(&tandem());
}

#[test]
fn one_rank_that_is_shared() {
    check(&processor_sharing());
    check(&m_g_infinity());
    check(&lock_step());
}

/// A service half a percent too long is noticed in the long form (a tenth too long in the short one), in
/// a pool of each kind.
#[test]
fn a_service_time_half_a_percent_off_is_noticed() {
    let (form, by) = if support::slow("noticing half a percent") {
        (Form::WHOLE, 1.005)
    } else {
        (Form::SHORT, 1.1)
    };
    let set = |key: &str, ns: f64| format!("performance.{key}=\"{}ps\"", (ns * by * 1e3).round());
    let mut one = m_m_1().swap_remove(0);
    one.set.push(set("prefill.per_token", 100_000.0));
    let mut eight = m_m_c().swap_remove(0);
    eight.set.push(set("decode.base", 2_000_000.0));
    one.set.push("duration=\"400h\"".to_string());
    eight.set.push("duration=\"6h\"".to_string());
    let mut shared = lock_step().swap_remove(0);
    shared.set.push(set("decode.base", 20_000_000.0));
    shared.set.push(set("decode.per_request", 250_000.0));
    for system in [one, eight, shared] {
        let findings = system.judge(0, form);
        let noticed = findings.iter().any(|finding| !finding.wrong.is_empty());
        assert!(noticed, "a service {by} times as long passes: {findings:?}");
    }
}

/// Fresh seeds: how far all systems are from what is known looks like noise. Each distance alone, their
/// mean, and their spread are held to one false alarm in about 10,000 nights.
#[test]
fn fresh_seeds_look_like_noise() {
    let Some(base) = support::fresh_seeds("z-scores over fresh seeds") else {
        return;
    };
    let all = [
        m_m_1(),
        m_d_1(),
        m_g_1_and_d_m_1(),
        m_m_c(),
        erlang_b(),
        gated_bulk_service(),
        tandem(),
        priority(),
        processor_sharing(),
        m_g_infinity(),
        lock_step(),
        laws_of_arrivals(),
    ];
    // The first known value of each system: those of one system depend on one another.
    let form = Form::asked("the long form of fresh seeds");
    // Seeds of its own for each: with the same ones all would have the same arrivals.
    let first = |(i, system): (u64, &System)| system.judge(base + 100 * i, form).swap_remove(0);
    let findings: Vec<_> = (0..).zip(all.iter().flatten()).map(first).collect();
    let n = findings.len() as f64;
    let mean = findings.iter().map(|f| f.z).sum::<f64>() / n;
    let square = findings.iter().map(|f| f.z * f.z).sum::<f64>() / n;
    eprintln!("{n} systems, seeds from {base}: mean z {mean:+.3}, mean square {square:.3}");
    for finding in &findings {
        assert!(finding.z.abs() < 4.8, "{}: z {}", finding.what, finding.z);
    }
    assert!(mean.abs() * n.sqrt() < 4.0, "mean z {mean} of {n}");
    assert!(
        (square - 1.0).abs() * (n / 2.0).sqrt() < 5.0,
        "mean square of z {square} of {n}"
    );
}
