//! Step times: the coefficients, and whether the longest possible step still fits the clock.

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::source::Span;
use super::super::suggest::quote;
use super::super::tree::TomlTable;
use super::super::{
    Class, LinearDecode, LinearPerformance, LinearPrefill, Node, Performance, Pool, Role,
    StepTimeForm,
};
use super::{profile_table, roofline};
use std::sync::Arc;

use crate::catalog::Model;
use crate::units::{NS_PER_DAY, Picoseconds};

/// Longest step that is allowed, 50 days in picoseconds: below a quarter of what 64 bits hold, and far
/// beyond any real step.
const MAX_STEP_PS: u128 = 50 * NS_PER_DAY as u128 * 1_000;

/// Resolves `[performance]`, the model of step times.
pub fn performance(
    table: &TomlTable,
    hardware: (Option<&Model>, Option<&Node>),
    pools: &[Pool],
    classes: &[Class],
    report: &mut MistakeReport,
) -> Option<Performance> {
    match table.word("kind")? {
        StepTimeForm::Roofline => {
            roofline::roofline(table, hardware.0?, hardware.1?, pools, report)
        }
        StepTimeForm::Table => {
            let profile = profile_table::profile(table, pools, classes, report);
            capacity_is_stated(table, pools, report);
            Some(Performance::Table(Arc::new(profile?)))
        }
        StepTimeForm::Linear => linear(table, pools, classes, report),
    }
}

/// Constant coefficients.
fn linear(
    table: &TomlTable,
    pools: &[Pool],
    classes: &[Class],
    report: &mut MistakeReport,
) -> Option<Performance> {
    capacity_is_stated(table, pools, report);
    let prefill = table.table("prefill").and_then(linear_prefill);
    let decode = table.table("decode").and_then(linear_decode);
    if let Some(prefill) = &prefill {
        prefill_fits(table, prefill, pools, classes, report);
    }
    if let Some(decode) = &decode {
        decode_fits(table, decode, pools, report);
    }
    let generates = pools.iter().find(|p| p.role != Role::Prefill);
    if let Some(pool) = generates
        && table.get("decode").is_none()
    {
        let message = format!("the {} pool has no decode step times", pool.name);
        let at = table.entries.iter().map(|e| e.key_at).min();
        report.push(
            Diagnostic::new(message, at.unwrap_or(Span::NOWHERE))
                .label("here `decode` is missing")
                .help("add `decode = { base = \"20ms\", per_request = \"100us\", per_kv_token = \"5ns\" }` with values of yours"),
        );
        return None;
    }
    Some(Performance::Linear(LinearPerformance {
        prefill: prefill?,
        decode: decode.unwrap_or_default(),
    }))
}

/// Complains where linear step times know nothing of memory and no KV capacity is stated.
fn capacity_is_stated(table: &TomlTable, pools: &[Pool], report: &mut MistakeReport) {
    let silent = |p: &&Pool| p.role != Role::Prefill && p.kv_capacity_tokens.is_none();
    for pool in pools.iter().filter(silent) {
        let message = format!("the {} pool's KV capacity is not known", pool.name);
        let key = format!("pools.{}.kv_capacity_tokens", pool.name);
        report.push(
            Diagnostic::new(message, table.at("kind"))
                .label("this model of step times knows nothing of memory")
                .help(format!("add {}, or use kind = \"roofline\"", quote(&key))),
        );
    }
}

fn linear_prefill(table: &TomlTable) -> Option<LinearPrefill> {
    Some(LinearPrefill {
        base: table.picoseconds("base")?,
        per_token: table.picoseconds("per_token")?,
        per_pair: table.picoseconds("per_pair")?,
    })
}

fn linear_decode(table: &TomlTable) -> Option<LinearDecode> {
    Some(LinearDecode {
        base: table.picoseconds("base")?,
        per_request: table.picoseconds("per_request")?,
        per_kv_token: table.picoseconds("per_kv_token")?,
    })
}

fn prefill_fits(
    table: &TomlTable,
    prefill: &LinearPrefill,
    pools: &[Pool],
    classes: &[Class],
    report: &mut MistakeReport,
) {
    let Some(pool) = pools.iter().find(|p| p.role != Role::Decode) else {
        return;
    };
    let tokens = u128::from(pool.max_batch_tokens);
    let longest = classes.iter().map(|c| c.input.max).max().unwrap_or(0);
    let pairs = tokens * u128::from(longest);
    let longest_step =
        ps(prefill.base) + ps(prefill.per_token) * tokens + ps(prefill.per_pair) * pairs;
    step_fits(table, Role::Prefill, longest_step, report);
}

fn decode_fits(
    table: &TomlTable,
    decode: &LinearDecode,
    pools: &[Pool],
    report: &mut MistakeReport,
) {
    let Some(pool) = pools.iter().find(|p| p.role != Role::Prefill) else {
        return;
    };
    let requests = u128::from(pool.max_batch_requests);
    let kv = u128::from(pool.kv_capacity_tokens.unwrap_or(0));
    let longest_step =
        ps(decode.base) + ps(decode.per_request) * requests + ps(decode.per_kv_token) * kv;
    step_fits(table, Role::Decode, longest_step, report);
}

fn step_fits(table: &TomlTable, role: Role, longest_ps: u128, report: &mut MistakeReport) {
    if longest_ps <= MAX_STEP_PS {
        return;
    }
    let role = role.word();
    let days = longest_ps / 1_000 / u128::from(NS_PER_DAY);
    let message = format!("a full {role} step would last {days} days");
    let key = format!("performance.{role}");
    let at = table.at(role);
    report.push(
        Diagnostic::new(message, at)
            .label("with the largest batch that the pool allows")
            .help(format!("lower {} or the pool's limits", quote(&key))),
    );
}

fn ps(time: Picoseconds) -> u128 {
    u128::from(time.0)
}
