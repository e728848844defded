//! Requests one by one: `requests.csv` of a run, and `requests.parquet` with the feature `parquet`.
//!
//! | columns | what |
//! |---|---|
//! | `id`, `class` | rank of arrival from the warm-up's beginning on; name of its class |
//! | `arrived_s` | since the start; negative for those inside at the start |
//! | `pools.NAME.unit` | index of the unit of its first prefill step, or that it joined last to decode |
//! | `queue_s`, `ttft_s`, `tpot_s`, `e2e_s` | as in the summary (S12) |
//! | `input_tokens`, `output_tokens`, `cached_tokens` | tokens of the request, whether it got them or not |
//! | `preemptions` | how often it had to leave a full rank |
//! | `losses` | how often it lost its KV, or its place in a queue, with a unit |
//! | `fate` | `completed`, `rejected`, `failed` or `in_flight` |
//!
//! What a request does not have is an empty cell. A request that was inside at the start may have its first token, its
//! wait, its preemptions or its losses from before it.

use ::csv::{Error, Writer};

use super::columns::figure;
use crate::metrics::{Fate, RequestRow};
use crate::scenario::{Role, Scenario};
use crate::units::NS_PER_S;

/// The value that a cell is made from, given its row.
type Of<'a, T> = Box<dyn Fn(&RequestRow) -> T + 'a>;

/// A function of a row that needs nothing else.
type Plainly<T> = fn(&RequestRow) -> T;

/// How the cells of a column come from rows.
enum OfRequest<'a> {
    Whole(Of<'a, Option<u64>>),
    /// A time in ns, shown in seconds.
    Seconds(Of<'a, Option<i64>>),
    Word(Of<'a, &'a str>),
}

/// The table of requests as CSV: a row each, under a row of names.
///
/// # Errors
/// Where a row cannot be written to memory.
pub fn csv(scenario: &Scenario, rows: &[RequestRow]) -> Result<Vec<u8>, Error> {
    let columns = columns(scenario);
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(|(name, _)| name))?;
    for row in rows {
        writer.write_record(columns.iter().map(|(_, cell)| match cell {
            OfRequest::Whole(of) => of(row).map(|n| n.to_string()).unwrap_or_default(),
            OfRequest::Seconds(of) => figure(of(row).map(seconds)),
            OfRequest::Word(of) => of(row).to_owned(),
        }))?;
    }
    writer.into_inner().map_err(|e| e.into_error().into())
}

/// The table of requests as a Parquet file.
///
/// # Errors
/// What the library says.
#[cfg(feature = "parquet")]
pub fn parquet(scenario: &Scenario, rows: &[RequestRow]) -> Result<Vec<u8>, String> {
    use super::columns::{ColumnCells, DataColumn};

    let of_rows = |cell| match cell {
        OfRequest::Whole(of) => ColumnCells::Whole(rows.iter().map(of).collect()),
        OfRequest::Seconds(of) => {
            ColumnCells::Figure(rows.iter().map(|row| of(row).map(seconds)).collect())
        }
        OfRequest::Word(of) => {
            ColumnCells::Text(rows.iter().map(|row| Some(of(row).to_owned())).collect())
        }
    };
    let columns = columns(scenario).into_iter();
    let columns: Vec<DataColumn> = columns
        .map(|(name, cell)| DataColumn {
            name,
            cells: of_rows(cell),
        })
        .collect();
    super::parquet::parquet("requests", &columns)
}

fn seconds(ns: i64) -> f64 {
    ns as f64 / NS_PER_S as f64
}

fn columns(scenario: &Scenario) -> Vec<(String, OfRequest<'_>)> {
    use OfRequest::{Seconds, Whole, Word};
    let mut columns: Vec<(String, OfRequest<'_>)> = vec![
        ("id".into(), Whole(Box::new(|row| Some(row.request.id)))),
        (
            "class".into(),
            Word(Box::new(|row| {
                let class = scenario.classes.get(usize::from(row.request.class));
                class.map_or("", |class| &class.name)
            })),
        ),
        (
            "arrived_s".into(),
            Seconds(Box::new(|row| {
                Some(row.request.at.0 as i64 - scenario.warm_up.0 as i64)
            })),
        ),
    ];
    columns.extend(scenario.pools.iter().map(|pool| {
        let unit = |row: &RequestRow| match pool.role {
            Role::Decode => row.decode_unit,
            Role::Prefill | Role::Mixed => row.prefill_unit,
        };
        let name = format!("pools.{}.unit", pool.name);
        (name, Whole(Box::new(move |row| unit(row).map(u64::from))))
    }));
    let times: [(&str, Plainly<Option<u64>>); 4] = [
        ("queue_s", RequestRow::queue_ns),
        ("ttft_s", RequestRow::ttft_ns),
        ("tpot_s", RequestRow::tpot_ns),
        ("e2e_s", RequestRow::e2e_ns),
    ];
    let as_signed = |of: Plainly<Option<u64>>| {
        move |row: &RequestRow| of(row).and_then(|ns| i64::try_from(ns).ok())
    };
    columns.extend(times.map(|(name, of)| (name.into(), Seconds(Box::new(as_signed(of))))));
    let counts: [(&str, Plainly<u32>); 5] = [
        ("input_tokens", |row| row.request.input),
        ("output_tokens", |row| row.request.output),
        ("cached_tokens", |row| row.request.cached),
        ("preemptions", |row| row.preemptions),
        ("losses", |row| row.losses),
    ];
    columns.extend(counts.map(|(name, of)| {
        let count = move |row: &RequestRow| Some(u64::from(of(row)));
        (name.into(), Whole(Box::new(count)))
    }));
    let fate = |row: &RequestRow| match row.fate {
        Some(Fate::Completed) => "completed",
        Some(Fate::Rejected) => "rejected",
        Some(Fate::Failed) => "failed",
        None => "in_flight",
    };
    columns.push(("fate".into(), Word(Box::new(fate))));
    columns
}
