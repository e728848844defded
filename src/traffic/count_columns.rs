//! The columns of a table of counts: which is which, and what is missing.

use super::counts::{CountTable, CountUnit};
use super::fault::TrafficFault;
use super::heads::{self, CountPart};
use super::line_cells::Cell;

/// Columns of a table: which is which.
pub struct CountColumns {
    /// Column of the times.
    pub time: usize,
    /// Whether these are hours of the day.
    pub is_hour: bool,
    /// Column of the numbers.
    pub number: usize,
    /// Columns of the means and of the hit rate; `None`: there is none.
    pub means: [Option<usize>; 3],
}

/// The columns of a table with these heads; what does not concern counts is told to the table.
pub fn columns(
    heads: &[Cell<'_>],
    wanted: Option<&str>,
    line: u64,
    header: &str,
    table: &mut CountTable,
) -> Result<CountColumns, Vec<TrafficFault>> {
    let at = |fault: TrafficFault, cell: &Cell<'_>| fault.at(line, header, cell.place);
    let mut faults = Vec::new();
    let mut time = None;
    let mut numbers: Vec<(usize, Option<CountUnit>)> = Vec::new();
    let mut means = [None; 3];
    let mut strange = Vec::new();
    let mut seen: Vec<(CountPart, usize)> = Vec::new();
    for (i, head) in heads.iter().enumerate() {
        let part = heads::count_part(head.text);
        if let Some(part) = part {
            if let Some((_, first)) = seen.iter().find(|(known, _)| *known == part) {
                let message = format!("two columns are called `{}`", heads[*first].text);
                faults.push(at(TrafficFault::new("twice", message).label("again"), head));
            }
            seen.push((part, i));
        }
        match part {
            Some(CountPart::Time) => time = time.or(Some((i, false))),
            Some(CountPart::Hour) => time = time.or(Some((i, true))),
            Some(CountPart::Requests(unit)) => numbers.push((i, unit)),
            Some(CountPart::InputMean) => means[0] = Some(i),
            Some(CountPart::OutputMean) => means[1] = Some(i),
            Some(CountPart::HitRate) => means[2] = Some(i),
            None => strange.push(i),
        }
    }
    if let Some(wanted) = wanted {
        let Some(found) = heads
            .iter()
            .position(|head| heads::plain(head.text) == heads::plain(wanted))
        else {
            let names: Vec<String> = heads
                .iter()
                .map(|head| format!("`{}`", head.text))
                .collect();
            let fault = TrafficFault::new("column", format!("there is no column `{wanted}`"));
            let fault = fault.label(format!("columns are {}", names.join(", ")));
            return Err(vec![fault.at(line, header, (0, header.len()))]);
        };
        let unit = match heads::count_part(heads[found].text) {
            Some(CountPart::Requests(unit)) => unit,
            _ => None,
        };
        numbers = vec![(found, unit)];
        strange.retain(|i| *i != found);
    }
    if time.is_none() {
        let fault =
            TrafficFault::new("time", "the column `time` is missing").label("not in the header");
        faults.push(fault.at(line, header, (0, header.len())));
    }
    for &i in &strange {
        if let Some(meant) = heads::meant(heads[i].text, false) {
            let fault = TrafficFault::new("head", format!("unknown column `{}`", heads[i].text));
            faults.push(at(
                fault.label(format!("did you mean `{meant}`?")),
                &heads[i],
            ));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    match (numbers.as_slice(), strange.as_slice()) {
        ([], [only]) => {
            numbers.push((*only, None));
            strange.clear();
        }
        ([], []) => {
            let fault = TrafficFault::new("number", "the column `requests` is missing")
                .label("not in the header");
            return Err(vec![fault.at(line, header, (0, header.len()))]);
        }
        ([], several) => {
            let names: Vec<String> = several
                .iter()
                .map(|i| format!("\"{}\"", heads[*i].text))
                .collect();
            let fault = TrafficFault::new("which", "which column counts the requests?")
                .label("none is called `requests`");
            let help = format!(
                "say it in the scenario: `column = ` one of {}",
                names.join(", ")
            );
            return Err(vec![fault.help(help).at(line, header, (0, header.len()))]);
        }
        ([_], _) => {}
        ([_, (second, _), ..], _) => {
            let fault = TrafficFault::new("which", "two columns count the requests")
                .label("the second one");
            let help = "say in the scenario which it is: `column = \"…\"`";
            return Err(vec![at(fault.help(help), &heads[*second])]);
        }
    }
    if !strange.is_empty() {
        let names: Vec<String> = strange
            .iter()
            .map(|i| format!("`{}`", heads[*i].text))
            .collect();
        table
            .remarks
            .push(format!("not read: {}", names.join(", ")));
    }
    let (number, unit) = numbers[0];
    table.unit = unit;
    table.column = heads[number].text.to_string();
    let (time, is_hour) = time.unwrap_or((0, false));
    Ok(CountColumns {
        time,
        is_hour,
        number,
        means,
    })
}
