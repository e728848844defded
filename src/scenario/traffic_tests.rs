//! Traffic of one's own through a whole scenario: shapes of days, weeks and dates; mistakes told once.

use super::load_str;
use super::{ArrivalProcess, Scenario};
use crate::units::{NS_PER_DAY, NS_PER_HOUR, NS_PER_S};

/// A scenario from `start`, with a class whose arrivals are `kind` and these keys, and the file's lines.
fn of(start: &str, keys: &str, lines: &[&str]) -> Result<Scenario, String> {
    let text = lines.join("\\n").replace('"', "\\\"");
    let lengths = match keys.contains("trace") {
        true => "",
        false => {
            "input = { kind = 'constant', value = 100 }\noutput = { kind = 'constant', value = 10 }\n"
        }
    };
    let text = format!(
        "name = 'traffic'\nstart = {start}\nduration = '2h'\nmodel = {{ name = 'm', kv_bytes_per_token = 1 }}\n\
         node = {{ gpu = 'h100', gpus = 1, price_per_gpu_hour = 2.0 }}\n\
         [pools.mixed]\nnodes_per_unit = 1\nmax_batch_tokens = 8192\nunits = 1\nkv_capacity_tokens = 100000\n\
         [performance]\nkind = 'linear'\nprefill = {{ per_token = '10us' }}\ndecode = {{ base = '5ms' }}\n\
         [[class]]\nname = 'c'\n{lengths}arrivals = {{ {keys}, csv = {{ text = \"{text}\" }} }}\n"
    );
    load_str("traffic", &text, &[]).map_err(|mistakes| mistakes.to_string())
}

const MONDAY: &str = "2026-01-05T00:00:00Z";
const POISSON: &str = "kind = 'poisson'";

/// Requests of the cycle between two hours of it.
fn between(arrivals: &ArrivalProcess, from: u64, to: u64) -> f64 {
    let inside = |ns: u64| ns >= from * NS_PER_HOUR && ns < to * NS_PER_HOUR;
    let segments = arrivals.rate.iter().filter(|s| inside(s.from.0));
    let of = |s: &super::RateSegment| {
        let seconds = (s.to.0 - s.from.0) as f64 / NS_PER_S as f64;
        0.5 * (s.rate_from_per_s + s.rate_to_per_s) * seconds
    };
    libm::round(1e6 * segments.map(of).sum::<f64>()) / 1e6
}

fn arrivals(start: &str, keys: &str, lines: &[&str]) -> ArrivalProcess {
    match of(start, keys, lines) {
        Ok(scenario) => scenario.classes[0].arrivals.clone(),
        Err(why) => panic!("{why}"),
    }
}

/// Hours from a cycle's beginning to the start of counting.
fn phase(arrivals: &ArrivalProcess) -> u64 {
    arrivals.phase.0 / NS_PER_HOUR
}

#[test]
fn a_day_is_a_day_however_it_is_written() {
    for lines in [
        ["time,requests", "00:00,\"1,200\"", "12:00,600"],
        [
            "time;rps",
            "2026-01-05T00:00:00Z;0.027777777777777776",
            "2026-01-05T12:00:00Z;0.013888888888888888",
        ],
        ["Time,Requests", "1767571200000,1200", "1767614400000,600"],
        [
            "requests,timestamp",
            "1200,2026-03-01 00:00",
            "600,2026-03-01 12:00",
        ],
    ] {
        let day = arrivals(MONDAY, POISSON, &lines);
        assert_eq!(
            (between(&day, 0, 12), between(&day, 12, 24)),
            (1200.0, 600.0),
            "{lines:?}"
        );
        assert_eq!((day.cycle.0, phase(&day)), (NS_PER_DAY, 0), "{lines:?}");
        assert_eq!(day.cautions, Vec::<String>::new());
    }
    // Two hours of a day, at its own time of the run's clock: the rest is empty, and said to be.
    let lines = [
        "time,requests",
        "2026-01-05T00:00:00Z,1000",
        "2026-01-05T01:00:00Z,800",
    ];
    let part = arrivals("2026-02-01T05:00:00+03:00", POISSON, &lines);
    assert_eq!(
        (
            between(&part, 3, 4),
            between(&part, 4, 5),
            between(&part, 5, 24)
        ),
        (1000.0, 800.0, 0.0)
    );
    assert!(
        part.cautions[0].contains("covers 8 % of the day"),
        "{:?}",
        part.cautions
    );
}

#[test]
fn a_week_has_days_of_its_own() {
    let lines = ["time,requests", "Mon,100", "Sat 00:00,20", "Sun 12:00,30"];
    let week = arrivals("2026-01-10T06:00:00Z", POISSON, &lines);
    assert_eq!(week.cycle.0, 7 * NS_PER_DAY);
    assert_eq!(phase(&week), 5 * 24 + 6, "the tenth is a Saturday");
    assert_eq!(
        (
            between(&week, 0, 120),
            between(&week, 120, 156),
            between(&week, 156, 168)
        ),
        (100.0, 20.0, 30.0)
    );
    // Two weeks of dates, from a Thursday on, half-day by half-day; the second week has twice as much.
    let mut dates = vec!["time,requests".to_string()];
    for half in 0..28_u32 {
        let (day, hour) = (8 + half / 2, 12 * (half % 2));
        dates.push(format!("2026-01-{day:02} {hour:02}:00,{}", 10 * (half + 1)));
    }
    let dates: Vec<&str> = dates.iter().map(String::as_str).collect();
    let within = arrivals("2026-01-15T03:00:00Z", POISSON, &dates);
    assert_eq!(
        (within.cycle.0, phase(&within)),
        (14 * NS_PER_DAY, 7 * 24 + 3)
    );
    assert_eq!(between(&within, 0, 12), 10.0);
    let outside = arrivals("2026-06-01T03:00:00Z", POISSON, &dates);
    assert_eq!(
        (outside.cycle.0, phase(&outside)),
        (7 * NS_PER_DAY, 3),
        "a Monday"
    );
    // Thursday morning: the mean of the first and the fifteenth half-day.
    assert_eq!(between(&outside, 72, 84), (10.0 + 150.0) / 2.0);
    assert!(
        outside.cautions[0].contains("average week"),
        "{:?}",
        outside.cautions
    );
}

#[test]
fn dates_of_some_days_make_an_average_day() {
    let lines = [
        "time,requests",
        "2026-01-05 00:00,24",
        "2026-01-06 00:00,48",
    ];
    let mean = arrivals("2026-06-01T03:00:00Z", POISSON, &lines);
    assert_eq!(
        (mean.cycle.0, phase(&mean), between(&mean, 0, 24)),
        (NS_PER_DAY, 3, 36.0)
    );
    assert!(
        mean.cautions[0].contains("the 2 days"),
        "{:?}",
        mean.cautions
    );
    let own = arrivals("2026-01-06T00:00:00Z", POISSON, &lines);
    assert_eq!(
        (own.cycle.0, phase(&own), between(&own, 24, 48)),
        (2 * NS_PER_DAY, 24, 48.0)
    );
}

#[test]
fn clocks_that_change_make_days_of_other_lengths() {
    // The night of 29 March has no hour from two to three in Berlin: 23 rows make that day.
    let hours = (0..48).filter(|hour| *hour != 2);
    let rows = hours.map(|hour| format!("2026-03-{} {:02}:00,60", 29 + hour / 24, hour % 24));
    let lines: Vec<String> = std::iter::once("time,requests".to_string())
        .chain(rows)
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let keys = "kind = 'poisson', time_zone = 'Europe/Berlin'";
    let berlin = arrivals("2026-03-29T00:00:00+01:00", keys, &lines);
    assert_eq!(berlin.cycle.0, 47 * NS_PER_HOUR);
    assert_eq!(between(&berlin, 0, 47), 47.0 * 60.0);
    assert!(
        berlin
            .rate
            .iter()
            .all(|s| (s.rate_from_per_s - 60.0 / 3600.0).abs() < 1e-12)
    );
    let summer = arrivals("2026-03-30T00:00:00+02:00", keys, &lines);
    assert_eq!(phase(&summer), 23);
    let unknown = of(
        MONDAY,
        "kind = 'poisson', time_zone = 'Europe/Berln'",
        &lines,
    )
    .expect_err("no zone");
    assert!(
        unknown.contains("there is no time zone `Europe/Berln`"),
        "{unknown}"
    );
}

#[test]
fn what_numbers_are_is_asked_for() {
    let lines = [
        "Time,Value",
        "2026-01-05T00:00:00Z,10",
        "2026-01-05T12:00:00Z,20",
    ];
    let asked = of(MONDAY, POISSON, &lines).expect_err("not clear");
    for part in [
        "what are the numbers of `Value`?",
        "counts = ",
        "per-second",
        "cumulative",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    let rate = arrivals(MONDAY, "kind = 'poisson', counts = 'per-minute'", &lines);
    assert_eq!(between(&rate, 0, 12), 7_200.0);
    let counter = [lines.as_slice(), &["2026-01-06T00:00:00Z,5"]].concat();
    let counter = arrivals(MONDAY, "kind = 'poisson', counts = 'cumulative'", &counter);
    assert_eq!(
        (between(&counter, 0, 12), between(&counter, 12, 24)),
        (10.0, 5.0),
        "it started again"
    );
    let answer = "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\
                  \"values\":[[1767571200,\"2\"],[1767614400,\"4\"]]}]}}";
    let series = arrivals(MONDAY, "kind = 'poisson', counts = 'per-second'", &[answer]);
    assert_eq!(between(&series, 12, 24), 4.0 * 43_200.0);
    let several = ["time,gpt,llama", "00:00,1,2"];
    let which = of(MONDAY, POISSON, &several).expect_err("two columns");
    assert!(
        which.contains("`column = ` one of \"gpt\", \"llama\""),
        "{which}"
    );
    let one = arrivals(
        MONDAY,
        "kind = 'poisson', column = 'llama', counts = 'per-row'",
        &several,
    );
    assert_eq!(between(&one, 0, 24), 2.0);
}

#[test]
fn nothing_at_night_is_no_mistake() {
    let lines = ["time,requests", "00:00,0", "06:00,600", "18:00,10"];
    let day = arrivals(MONDAY, POISSON, &lines);
    assert_eq!(
        (
            between(&day, 0, 6),
            between(&day, 6, 18),
            between(&day, 18, 24)
        ),
        (0.0, 600.0, 10.0)
    );
    let strict = of(
        MONDAY,
        "kind = 'poisson', interpolation = 'mean-preserving'",
        &lines,
    )
    .expect_err("negative");
    assert!(strict.contains("would be negative"), "{strict}");
}

#[test]
fn a_trace_is_one_in_anybody_s_words() {
    for lines in [
        [
            "TIMESTAMP,ContextTokens,GeneratedTokens",
            "2026-01-05 18:15:46.5,374,44",
            "2026-01-05 18:15:50.75,396,109",
        ],
        [
            "arrived_s,input_tokens,output_tokens,model",
            "1767571200.5,374,44,x",
            "1767571204.75,396,109,y",
        ],
        [
            "Timestamp,Request tokens,Response tokens",
            "4.25,396,109",
            "0,374,44",
        ],
    ] {
        let trace = of(MONDAY, "kind = 'trace'", &lines).expect("a trace");
        let super::ArrivalKind::Trace(play) = &trace.classes[0].arrivals.kind else {
            panic!("a trace")
        };
        let rows: Vec<(u64, u32, u32)> = play.rows().map(|r| (r.at.0, r.input, r.output)).collect();
        assert_eq!(rows, [(0, 374, 44), (4_250_000_000, 396, 109)], "{lines:?}");
    }
    let failed = ["arrived_s,input_tokens,output_tokens", "0,5,0", "1,5,1"];
    let failed = of(MONDAY, "kind = 'trace'", &failed).expect("a trace");
    assert!(failed.classes[0].arrivals.cautions[0].contains("1 recorded requests have no output"));
    let late = [
        "arrived_s,input_tokens,output_tokens",
        "9000,5,5",
        "1,5,1",
        "2,5,1",
    ];
    let late = of(MONDAY, "kind = 'trace'", &late).expect_err("not sorted");
    assert!(
        late.contains(":3:1") && late.contains("sort the file") && late.contains("one more row"),
        "{late}"
    );
}
