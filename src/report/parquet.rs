//! A table of results as Apache Parquet: the columns of its CSV, with types. Uncompressed and in one row group: a
//! table has thousands or millions of rows, not billions.
//!
//! Whole numbers are unsigned 64-bit integers, figures doubles, words and stated values UTF-8, but for an axis of
//! which all values are numbers, which is of doubles. An empty cell is null.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::columns::{ColumnCells, DataColumn};

/// The table as a file's bytes, the same for the same table; `name` is that of the schema.
///
/// # Errors
/// What the library says.
pub fn parquet(name: &str, columns: &[DataColumn]) -> Result<Vec<u8>, String> {
    write(name, columns).map_err(|error| format!("the table cannot be written as Parquet: {error}"))
}

fn write(name: &str, columns: &[DataColumn]) -> Result<Vec<u8>, ParquetError> {
    let typed: Vec<Typed> = columns.iter().map(|column| typed(&column.cells)).collect();
    let fields = columns.iter().zip(&typed);
    let fields: Result<Vec<_>, _> = fields.map(|(c, t)| t.field(&c.name)).collect();
    let schema = Type::group_type_builder(name)
        .with_fields(fields?)
        .build()?;
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), properties)?;
    let mut rows = writer.next_row_group()?;
    for column in &typed {
        match column {
            Typed::Whole(cells) => append::<Int64Type>(&mut rows, cells)?,
            Typed::Number(cells) => append::<DoubleType>(&mut rows, cells)?,
            Typed::Text(cells) => append::<ByteArrayType>(&mut rows, cells)?,
        }
    }
    rows.close()?;
    writer.into_inner()
}

/// A column as Parquet stores it.
enum Typed {
    Whole(Vec<Option<i64>>),
    Number(Vec<Option<f64>>),
    Text(Vec<Option<ByteArray>>),
}

impl Typed {
    fn field(&self, name: &str) -> Result<Arc<Type>, ParquetError> {
        let (physical, logical) = match self {
            Self::Whole(_) => (Physical::INT64, Some(LogicalType::integer(64, false))),
            Self::Number(_) => (Physical::DOUBLE, None),
            Self::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let field = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()?;
        Ok(Arc::new(field))
    }
}

fn typed(cells: &ColumnCells) -> Typed {
    let text = |cell: &str| ByteArray::from(cell);
    match cells {
        // The bits of an unsigned number, as the format wants them.
        ColumnCells::Whole(cells) => {
            let bits = |n: &Option<u64>| n.map(|n| i64::from_ne_bytes(n.to_ne_bytes()));
            Typed::Whole(cells.iter().map(bits).collect())
        }
        ColumnCells::Figure(cells) => Typed::Number(cells.clone()),
        ColumnCells::Text(cells) => {
            Typed::Text(cells.iter().map(|c| c.as_deref().map(text)).collect())
        }
        ColumnCells::Stated(cells) => {
            let number = |cell: &String| cell.replace('_', "").parse::<f64>().ok();
            let numbers: Option<Vec<f64>> = cells.iter().map(number).collect();
            match numbers {
                Some(numbers) => Typed::Number(numbers.into_iter().map(Some).collect()),
                None => Typed::Text(cells.iter().map(|c| Some(text(c))).collect()),
            }
        }
    }
}

fn append<T: DataType>(
    rows: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    cells: &[Option<T::T>],
) -> Result<(), ParquetError> {
    let there: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.iter().flatten().cloned().collect();
    if let Some(mut column) = rows.next_column()? {
        column
            .typed::<T>()
            .write_batch(&values, Some(&there), None)?;
        column.close()?;
    }
    Ok(())
}
