//! Requests one by one as CSV: `requests.csv` of a run.
//!
//! | columns | what |
//! |---|---|
//! | `id`, `class` | rank of arrival from the warm-up's beginning on; name of its class |
//! | `arrived_s` | since the start; negative for those inside at the start |
//! | `pools.NAME.unit` | index of the unit of its first prefill step, or that it joined last to decode |
//! | `queue_s`, `ttft_s`, `tpot_s`, `e2e_s` | as in the summary (S12) |
//! | `input_tokens`, `output_tokens`, `cached_tokens` | tokens of the request, whether it got them or not |
//! | `preemptions` | how often it had to leave a full rank |
//! | `fate` | `completed`, `rejected`, `failed` or `in_flight` |
//!
//! What a request does not have is an empty cell. A request that was inside at the start may have its first token, its
//! wait or its preemptions from before it.

use ::csv::{Error, Writer};

use crate::metrics::{Fate, RequestRow};
use crate::scenario::{Role, Scenario};
use crate::units::NS_PER_S;

/// The table of requests as CSV: a row each, under a row of names.
///
/// # Errors
/// Where a row cannot be written to memory.
pub fn csv(scenario: &Scenario, rows: &[RequestRow]) -> Result<Vec<u8>, Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(names(scenario))?;
    for row in rows {
        writer.write_record(cells(scenario, row))?;
    }
    writer.into_inner().map_err(|e| e.into_error().into())
}

fn names(scenario: &Scenario) -> Vec<String> {
    let mut names = ["id", "class", "arrived_s"].map(str::to_owned).to_vec();
    let pools = scenario.pools.iter();
    names.extend(pools.map(|pool| format!("pools.{}.unit", pool.name)));
    let rest = [
        "queue_s",
        "ttft_s",
        "tpot_s",
        "e2e_s",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "preemptions",
        "fate",
    ];
    names.extend(rest.map(str::to_owned));
    names
}

/// The cells of a request, in the order of [`names`].
fn cells(scenario: &Scenario, row: &RequestRow) -> Vec<String> {
    let request = &row.request;
    let class = scenario.classes.get(usize::from(request.class));
    let since_start = request.at.0 as i64 - scenario.warm_up.0 as i64;
    let mut cells = vec![
        request.id.to_string(),
        class.map_or_else(String::new, |class| class.name.clone()),
        (since_start as f64 / NS_PER_S as f64).to_string(),
    ];
    cells.extend(scenario.pools.iter().map(|pool| {
        let unit = match pool.role {
            Role::Decode => row.decode_unit,
            Role::Prefill | Role::Mixed => row.prefill_unit,
        };
        unit.map_or_else(String::new, |unit| unit.to_string())
    }));
    let times = [row.queue_ns(), row.ttft_ns(), row.tpot_ns(), row.e2e_ns()];
    cells.extend(times.map(|ns| match ns {
        Some(ns) => (ns as f64 / NS_PER_S as f64).to_string(),
        None => String::new(),
    }));
    cells.extend(
        [
            request.input,
            request.output,
            request.cached,
            row.preemptions,
        ]
        .map(|n| n.to_string()),
    );
    cells.push(
        match row.fate {
            Some(Fate::Completed) => "completed",
            Some(Fate::Rejected) => "rejected",
            Some(Fate::Failed) => "failed",
            None => "in_flight",
        }
        .to_owned(),
    );
    cells
}
