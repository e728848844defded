//! A table of results as typed columns: what a CSV and a Parquet file of the same table both hold.

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct DataColumn {
    /// Name of the column, as its head says it.
    pub name: String,
    /// The cells of the column, a row each.
    pub cells: ColumnCells,
}

/// The cells of a column; `None` is an empty cell.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnCells {
    /// Whole numbers.
    Whole(Vec<Option<u64>>),
    /// Texts, such as words and reasons.
    Text(Vec<Option<String>>),
    /// Values as they were stated in TOML.
    Stated(Vec<String>),
    /// Numbers with a fraction.
    Figure(Vec<Option<f64>>),
}

impl ColumnCells {
    /// The cell of a row as CSV has it: numbers by their shortest digits that read back as the same number.
    pub fn text(&self, row: usize) -> String {
        match self {
            Self::Whole(cells) => cells[row].map(|n| n.to_string()).unwrap_or_default(),
            Self::Text(cells) => cells[row].clone().unwrap_or_default(),
            Self::Stated(cells) => cells[row].clone(),
            Self::Figure(cells) => figure(cells[row]),
        }
    }
}

/// A figure as CSV has it; empty where there is none.
pub fn figure(figure: Option<f64>) -> String {
    figure.map(|x| x.to_string()).unwrap_or_default()
}
