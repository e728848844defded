//! A profile of step times as CSV: `part,tokens,context_tokens,requests,kv_tokens,time_us`.

use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::shape::{NumberBounds, show_number};
use super::super::source::Span;
use super::super::suggest::{choices, nearest, quote};
use super::super::tree::{TomlNode, TomlTable};
use super::super::{Class, Pool, ProfilePart, ProfileRow, Role, StepTimeProfile};
use super::csv_cells::{CsvForm, CsvRow, read_once, rows};

const FORM: CsvForm<'static> = CsvForm {
    columns: &[
        "part",
        "tokens",
        "context_tokens",
        "requests",
        "kv_tokens",
        "time_us",
    ],
    required: 6,
    most_rows: 1_000_000,
    why_most: "a profile has thousands of points",
};

/// Bounds of the tokens, requests and KV of a point.
const AMOUNT: NumberBounds = NumberBounds {
    low: 0.0,
    high: 1e12,
    above: false,
    below: false,
};

/// Bounds of a point's time, in microseconds: up to an hour.
const TIME: NumberBounds = NumberBounds {
    low: 0.0,
    high: 3.6e9,
    above: false,
    below: false,
};

/// Reads the profile and holds the pools' limits against its range.
pub fn profile(
    table: &TomlTable,
    pools: &[Pool],
    classes: &[Class],
    report: &mut MistakeReport,
) -> Option<StepTimeProfile> {
    let node: &TomlNode = table.table("csv")?.get("text")?;
    let read = read_once(node, || {
        let (rows, header) = rows(node, &FORM, report, row)?;
        Some((Arc::from(rows), header))
    })?;
    let (rows, header): &(Arc<[ProfileRow]>, Span) = &read;
    let profile = StepTimeProfile {
        rows: Arc::clone(rows),
        extrapolate: table.boolean("extrapolate")?,
    };
    let header = header.of_source(node.at.source);
    if is_whole(&profile, pools, header, report) && !profile.extrapolate {
        reaches(&profile, pools, classes, table.at("csv"), report);
    }
    Some(profile)
}

fn row(line: &CsvRow<'_>) -> Result<ProfileRow, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let part = line.cell(0).and_then(|(cell, at)| {
        let known = ProfilePart::named(cell);
        if known.is_none() {
            let words = || ProfilePart::ALL.into_iter().map(ProfilePart::word);
            let found = Diagnostic::new(format!("unknown part {}", quote(cell)), at);
            mistakes.push(match nearest(cell, words()) {
                Some(meant) => found.label(format!("did you mean {}?", quote(meant))),
                None => found.label(format!("one of {}", choices(words()))),
            });
        }
        known
    });
    let mut number = |i: usize, range| line.number(i, FORM.columns[i], range, &mut mistakes);
    let amounts: Vec<Option<f64>> = (1..5).map(|i| number(i, AMOUNT)).collect();
    let time = number(5, TIME);
    if let (Some(part), [Some(tokens), Some(context), Some(requests), Some(kv)], Some(time_us)) =
        (part, amounts.as_slice(), time)
    {
        let lacks = match part {
            ProfilePart::Tokens | ProfilePart::Prefill if *tokens < 1.0 => Some((1, "tokens")),
            ProfilePart::Sequences | ProfilePart::Decode if *requests < 1.0 => {
                Some((3, "requests"))
            }
            ProfilePart::Mixed if *tokens < 1.0 => Some((1, "tokens")),
            ProfilePart::Mixed if *requests < 1.0 => Some((3, "requests")),
            ProfilePart::Tokens
            | ProfilePart::Prefill
            | ProfilePart::Sequences
            | ProfilePart::Decode
            | ProfilePart::Mixed
            | ProfilePart::Step => None,
        };
        if let Some((column, what)) = lacks {
            let at = line.cell(column).map_or(line.at, |(_, at)| at);
            let found = Diagnostic::new(format!("this part needs {what}"), at);
            mistakes.push(found.label("at least 1"));
        }
        if mistakes.is_empty() {
            return Ok(ProfileRow {
                part,
                tokens: *tokens,
                context_tokens: *context,
                requests: *requests,
                kv_tokens: *kv,
                time_us,
            });
        }
    }
    Err(mistakes)
}

/// Whether the profile has points for what the pools do.
fn is_whole(
    profile: &StepTimeProfile,
    pools: &[Pool],
    header: Span,
    report: &mut MistakeReport,
) -> bool {
    let has = |part: ProfilePart| profile.rows.iter().any(|r| r.part == part);
    let mut needed = vec![ProfilePart::Tokens];
    for pool in pools {
        if pool.role != Role::Decode {
            needed.push(ProfilePart::Prefill);
        }
        if pool.role != Role::Prefill {
            needed.push(ProfilePart::Decode);
        }
    }
    needed.retain(|part| !has(*part));
    for part in &needed {
        let message = format!("the profile has no {} rows", quote(part.word()));
        report.push(Diagnostic::new(message, header).label("not complete"));
    }
    needed.is_empty()
}

/// Refuses pools whose steps would lie outside the profile.
fn reaches(
    profile: &StepTimeProfile,
    pools: &[Pool],
    classes: &[Class],
    at: Span,
    report: &mut MistakeReport,
) {
    let most = |part: ProfilePart, of: fn(&ProfileRow) -> f64| {
        let rows = profile.rows.iter().filter(|r| r.part == part);
        rows.map(of).fold(0.0, f64::max)
    };
    let input = classes
        .iter()
        .map(|c| f64::from(c.input.max))
        .fold(0.0, f64::max);
    let output = classes
        .iter()
        .map(|c| f64::from(c.output.max))
        .fold(0.0, f64::max);
    for pool in pools {
        let tokens = match pool.role {
            Role::Decode => 0.0,
            Role::Prefill | Role::Mixed => f64::from(pool.max_batch_tokens),
        };
        let requests = match pool.role {
            Role::Prefill => 0.0,
            Role::Decode | Role::Mixed => f64::from(pool.max_batch_requests),
        };
        let mut checks = vec![
            (
                "tokens in a step",
                tokens,
                most(ProfilePart::Tokens, |r| r.tokens),
            ),
            (
                "requests that decode",
                requests,
                most(ProfilePart::Decode, |r| r.requests),
            ),
        ];
        if requests > 0.0 {
            let kv = most(ProfilePart::Decode, |r| r.kv_tokens / r.requests);
            checks.push(("KV tokens of a request", input + output, kv));
        }
        if tokens > 0.0 {
            let context = most(ProfilePart::Prefill, |r| r.context_tokens + r.tokens);
            checks.push(("tokens of a prompt", input, context));
        }
        for (what, wanted, known) in checks {
            if wanted > known {
                let message = format!(
                    "the profile ends at {} {what}, and the {} pool goes to {}",
                    show_number(known),
                    pool.name,
                    show_number(wanted)
                );
                let found = Diagnostic::new(message, at).label("steps would lie outside it");
                report.push(found.help(
                    "measure further, lower the pool's limits or the lengths' `max`, or set `extrapolate = true`",
                ));
            }
        }
    }
}
