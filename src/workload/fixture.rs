//! Small scenarios for the tests of this module.

use crate::scenario::{Scenario, load_str};

/// Lengths and hits of half a day.
#[derive(Clone, Copy)]
pub(super) struct HalfDay {
    /// Mean of the input law, in tokens.
    pub input_mean: f64,
    /// Mean of the output law, in tokens.
    pub output_mean: f64,
    /// Cached over input tokens.
    pub hit_rate: f64,
}

/// A half of the day in which half of the input hits.
pub(super) const PLAIN: HalfDay = HalfDay {
    input_mean: 3000.0,
    output_mean: 500.0,
    hit_rate: 0.5,
};

/// A lognormal law with cv 1 and this mean.
pub(super) fn lognormal(mean: f64) -> String {
    format!("{{ kind = 'lognormal', mean = {mean:?}, cv = 1.0 }}")
}

/// `rate` requests per second all day, in two halves that may differ, with these laws of input and output.
pub(super) fn class_of(
    name: &str,
    kind: &str,
    rate: f64,
    halves: [HalfDay; 2],
    laws: [&str; 2],
) -> String {
    let row = |time: &str, half: HalfDay| {
        let (requests, hits) = (rate * 43_200.0, half.hit_rate);
        let (input, output) = (half.input_mean, half.output_mean);
        format!("\\n{time},{requests},{input},{output},{hits}")
    };
    let rows = [row("00:00", halves[0]), row("12:00", halves[1])].concat();
    let [input, output] = laws;
    format!(
        "[[class]]\nname = '{name}'\ninput = {input}\noutput = {output}\n\
         arrivals = {{ kind = '{kind}', csv = {{ text = \"time,requests,input_mean,output_mean,hit_rate{rows}\" }} }}\n"
    )
}

/// A class as [`class_of`] makes it, with the lengths of [`PLAIN`].
pub(super) fn class(name: &str, kind: &str, rate: f64, halves: [HalfDay; 2]) -> String {
    let [input, output] = [PLAIN.input_mean, PLAIN.output_mean].map(lognormal);
    class_of(name, kind, rate, halves, [&input, &output])
}

/// A scenario of an hour from 12:00 with these classes; nothing else of it matters in the tests here.
pub(super) fn scenario(classes: &[String]) -> Scenario {
    let head = "name = 'classes'\nstart = 2026-01-05T12:00:00Z\nduration = '1h'\nmodel = 'llama-3.1-8b'\n\
                node = { gpu = 'h100', gpus = 8, price_per_gpu_hour = 2.0 }\n\
                performance = { kind = 'linear', prefill = { per_token = '1us' }, decode = { base = '1ms' } }\n\
                pools.mixed = { nodes_per_unit = 1, max_batch_tokens = 8192, units = 1, kv_capacity_tokens = 1_000_000 }\n";
    let text = [head, &classes.concat()].concat();
    load_str("classes", &text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}
