//! Counts of requests over time, as a table or as series of points.
//!
//! Columns come in any order, named by the first line. A table of our own is
//! `time,requests[,input_mean,output_mean,hit_rate]`; dashboards call their columns after what they show.

use super::count_columns::columns;
use super::count_row::row;
use super::counts::{CountRow, CountTable, CountTimes};
use super::fault::{Faults, TrafficFault};
use super::file_form::FileForm;
use super::line_cells;
use super::lines::Lines;
use super::series;

/// Most rows of a table: one a minute over a year and more.
const MOST_ROWS: usize = 1_000_000;

impl CountTable {
    /// Reads counts from a text; `column` names the column of numbers where there are several, `name` is what a remedy
    /// calls the file.
    ///
    /// # Errors
    ///
    /// What is wrong, each mistake once.
    pub fn read(text: &str, column: Option<&str>, name: &str) -> Result<Self, Vec<TrafficFault>> {
        match FileForm::of(&text.as_bytes()[..text.len().min(FileForm::HEAD)]) {
            FileForm::Series => from_series(text).map_err(|fault| vec![fault]),
            FileForm::CountTable => from_table(text, column),
            FileForm::RequestTable
            | FileForm::RequestLines
            | FileForm::AgentSession
            | FileForm::Archive => {
                let fault =
                    TrafficFault::new("requests", "this file has requests one by one, not counts");
                Err(vec![
                    fault.help("write `kind = \"trace\"` to play them as recorded"),
                ])
            }
            other => {
                let (message, help) = other.no_traffic(name).unwrap_or_default();
                Err(vec![TrafficFault::new("form", message).help(help)])
            }
        }
    }
}

fn from_series(text: &str) -> Result<CountTable, TrafficFault> {
    let (points, count) = series::points(text)?;
    let row = |(at, number)| CountRow {
        at,
        number,
        means: [None; 3],
        line: 0,
        places: [(0, 0); 2],
    };
    let remarks = match count {
        1 => Vec::new(),
        n => vec![format!("{n} series were added up")],
    };
    Ok(CountTable {
        rows: points.into_iter().map(row).collect(),
        times: CountTimes::Instant,
        unit: None,
        column: "value".to_string(),
        remarks,
    })
}

fn from_table(text: &str, column: Option<&str>) -> Result<CountTable, Vec<TrafficFault>> {
    let mut lines = Lines::new(text.as_bytes());
    let mut header = next(&mut lines)?;
    // What spreadsheets write before the header.
    if header
        .as_ref()
        .is_some_and(|(_, line)| line.starts_with("sep="))
    {
        header = next(&mut lines)?;
    }
    let Some((header_line, header)) = header else {
        return Err(vec![TrafficFault::new("empty", "the CSV is empty")]);
    };
    let delimiter = line_cells::delimiter(&header);
    let mut heads = Vec::new();
    line_cells::split(&header, delimiter, &mut heads);
    let mut table = CountTable {
        rows: Vec::new(),
        times: CountTimes::Day,
        unit: None,
        column: String::new(),
        remarks: Vec::new(),
    };
    let columns = columns(&heads, column, header_line, &header, &mut table)?;
    let mut faults = Faults::default();
    let mut times = None;
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(fault) => {
                let is_fatal = fault.is_fatal;
                faults.push(fault);
                if is_fatal {
                    break;
                }
                continue;
            }
        };
        if table.rows.len() == MOST_ROWS {
            faults.push(
                TrafficFault::new("rows", "the CSV has more than 1,000,000 rows").at(
                    line.0,
                    line.1,
                    (0, 1),
                ),
            );
            break;
        }
        let mut cells = Vec::with_capacity(heads.len());
        line_cells::split(line.1, delimiter, &mut cells);
        if cells.len() != heads.len() {
            let message = format!(
                "this row has {} cells and the header has {}",
                cells.len(),
                heads.len()
            );
            let fault = TrafficFault::new("cells", message).label("not as many as columns");
            faults.push(fault.at(line.0, line.1, (0, line.1.len())));
            continue;
        }
        match row(line, &cells, &columns, &mut times, &mut table) {
            Ok(row) => table.rows.push(row),
            Err(found) => found.into_iter().for_each(|fault| faults.push(fault)),
        }
    }
    if !faults.is_empty() {
        return Err(faults.into_list());
    }
    if table.rows.is_empty() {
        let fault =
            TrafficFault::new("rows", "the CSV has no rows").label("nothing follows the header");
        return Err(vec![fault.at(header_line, &header, (0, header.len()))]);
    }
    table.times = times.unwrap_or(CountTimes::Day);
    Ok(table)
}

fn next(lines: &mut Lines<&[u8]>) -> Result<Option<(u64, String)>, Vec<TrafficFault>> {
    let line = lines.next().map_err(|fault| vec![fault])?;
    Ok(line.map(|(number, text)| (number, text.to_string())))
}

#[cfg(test)]
mod tests {
    use super::super::counts::CountUnit;
    use super::*;

    fn read(text: &str) -> Result<CountTable, String> {
        CountTable::read(text, None, "FILE").map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })
    }

    #[test]
    fn tables_of_many_hands() {
        let noon = 1_767_614_400 * 1_000_000_000;
        for (text, times, at, number, unit) in [
            (
                "time,requests\n00:00,\"1,000\"",
                CountTimes::Day,
                0,
                1000.0,
                Some(CountUnit::PerRow),
            ),
            (
                "hour,count\n13,7",
                CountTimes::Day,
                46_800_000_000_000,
                7.0,
                Some(CountUnit::PerRow),
            ),
            (
                "time,requests\nTue,5",
                CountTimes::Week,
                86_400_000_000_000,
                5.0,
                Some(CountUnit::PerRow),
            ),
            (
                "\"Time\",\"Requests\"\n\"2026-01-05 12:00:00\",\"9\"",
                CountTimes::Civil,
                noon,
                9.0,
                Some(CountUnit::PerRow),
            ),
            (
                "sep=;\nTime;Value\n1767614400000;2.5 K req/s",
                CountTimes::Instant,
                noon,
                2500.0,
                Some(CountUnit::PerSecond),
            ),
            (
                "time,sum by (model)\n1767614400,3",
                CountTimes::Instant,
                noon,
                3.0,
                None,
            ),
            (
                "rps\ttime\tmodel\n3\t1767614400\tx",
                CountTimes::Instant,
                noon,
                3.0,
                Some(CountUnit::PerSecond),
            ),
        ] {
            let table = read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            let row = &table.rows[0];
            assert_eq!(
                (table.times, row.at, row.number, table.unit),
                (times, at, number, unit),
                "{text}"
            );
        }
    }

    #[test]
    fn a_mistake_is_said_once_with_what_to_do() {
        let rows: String = (0..24).map(|hour| format!("0{hour} o'clock,5\n")).collect();
        let said = read(&format!("time,requests\n{rows}")).expect_err("no times");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.contains("line 2") && said.contains("23 more rows"),
            "{said}"
        );
        for (text, part) in [
            ("time,a,b\n00:00,1,2", "which column counts the requests?"),
            (
                "time,requests,rps\n00:00,1,2",
                "two columns count the requests",
            ),
            ("time,requests\n00:00,1,5", "this row has 3 cells"),
            ("time,requests\n00:00,\"1,5\"", "thousands or decimals?"),
            ("time,requests\n00:00,null", "nothing was measured here"),
            (
                "time,requests\n00:00,1\n2026-01-05 00:00,2",
                "one kind of time",
            ),
            (
                "time,hitrate,requests\n00:00,1,5",
                "did you mean `hit_rate`?",
            ),
            ("time,requests\n12,5", "no time since 1970"),
            ("time,requests\n", "the CSV has no rows"),
            ("", "the CSV is empty"),
            (
                "arrived_s,input_tokens,output_tokens\n0,1,1",
                "requests one by one",
            ),
            (
                "{\"mean_ttft_ms\": 1, \"request_throughput\": 2}",
                "`vllm bench serve`",
            ),
        ] {
            let said = read(text).expect_err(text);
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
