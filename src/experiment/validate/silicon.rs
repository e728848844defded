//! End-to-end measurements of real servers as ai-dynamo/aiconfigurator keeps them (`silicon_dev.csv`,
//! `silicon_dev2.csv`): their rows as measurements.
//!
//! The files state model, lengths, parallelism and concurrency; `silicon_row` says how the rest follows. Rows of
//! prefill and decode apart are played where they tell how many servers of each there were. A curve is all but
//! concurrency and batch; a hash of it says whether it may be fitted to, or is held out.

use super::silicon_row::{SiliconRow, catalog_name};
use crate::experiment::measurement::{Measurement, hash};

/// Columns that a file must have.
const NEEDED: [&str; 20] = [
    "backend",
    "backend_version",
    "model_path",
    "system",
    "gemm_quant_mode",
    "isl",
    "osl",
    "batch_size",
    "tp_size",
    "moe_ep_size",
    "silicon_ttft_ms",
    "silicon_tpot_ms",
    "concurrency",
    "measured",
    "precision",
    "attention_dp_size",
    "pp_size",
    "mode",
    "moe_tp_size",
    "moe_quant_mode",
];

/// Columns in which points of one curve differ.
const OF_POINTS: [&str; 8] = [
    "batch_size",
    "prefill_batch_size",
    "decode_batch_size",
    "concurrency",
    "silicon_ttft_ms",
    "silicon_tpot_ms",
    "measured",
    "suspect",
];

/// A line of the file.
pub struct SiliconLine<'a> {
    /// Number of the line, from 1.
    pub line: usize,
    heads: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
}

impl SiliconLine<'_> {
    /// The cell of a column; empty where the file has no such column.
    pub fn cell(&self, name: &str) -> &str {
        let place = self.heads.iter().position(|head| head == name);
        place.and_then(|at| self.record.get(at)).unwrap_or("")
    }

    /// The number in a column; `None`: there is none.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.cell(name).parse().ok()
    }

    /// The whole number in a column, 1 where it is less or missing.
    pub fn count(&self, name: &str) -> u32 {
        self.number(name).map_or(1, |x| x.max(1.0) as u32)
    }

    /// The number that a column must have.
    ///
    /// # Errors
    /// Where it has none.
    pub fn need(&self, name: &str) -> Result<f64, String> {
        self.number(name).ok_or(format!(
            "line {}: `{name}` is {:?}, not a number",
            self.line,
            self.cell(name)
        ))
    }

    fn without(&self, columns: &[&str]) -> String {
        let cells = self.heads.iter().zip(self.record);
        let kept = cells.filter(|(head, _)| !columns.contains(head));
        kept.map(|(_, cell)| cell).collect::<Vec<_>>().join("|")
    }
}

/// The file's rows as measurements, exact duplicates dropped; an error names line and cause.
///
/// # Errors
/// Where the file is not of this form.
pub fn read(text: &str) -> Result<Vec<Measurement>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heads = reader.headers().map_err(|e| e.to_string())?.clone();
    if let Some(missing) = NEEDED
        .iter()
        .find(|name| !heads.iter().any(|h| h == **name))
    {
        return Err(format!("the column `{missing}` is missing"));
    }
    let mut seen: Vec<String> = Vec::new();
    let mut all = Vec::new();
    for (line, record) in (2..).zip(reader.records()) {
        let record = record.map_err(|e| format!("line {line}: {e}"))?;
        let row = SiliconLine {
            line,
            heads: &heads,
            record: &record,
        };
        let rounded = |name| {
            row.number(name)
                .map_or(String::new(), |x| format!("{x:.6e}"))
        };
        let key = format!(
            "{}|{}|{}",
            row.without(&["silicon_ttft_ms", "silicon_tpot_ms", "measured", "suspect"]),
            rounded("silicon_ttft_ms"),
            rounded("silicon_tpot_ms")
        );
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let Some(model) = catalog_name(row.cell("model_path")) else {
            continue;
        };
        let is_separate = row.cell("mode") == "disagg";
        let is_told = |name| row.number(name).is_some();
        if is_separate && !(is_told("prefill_num_workers") && is_told("decode_num_workers")) {
            continue;
        }
        let curve = row.without(&OF_POINTS);
        let held_out = (hash(&curve) >> 32) & 1 == 1;
        let row = SiliconRow::new(&row, model)?;
        all.push(Measurement {
            held_out,
            ..row.measurement(curve)
        });
    }
    Ok(all)
}
