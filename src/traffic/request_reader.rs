//! Recorded requests, one at a time out of a stream, whoever recorded them.

use std::io::{BufRead, Chain, Cursor, Read};

use super::fault::TrafficFault;
use super::file_form::FileForm;
use super::heads::{self, CountPart};
use super::json_parts;
use super::line_cells::{self, Cell};
use super::lines::Lines;
use super::recorded_request::{Clock, RecordedRequest};
use super::request_row::{NEEDED, PARTS, PartCell, PartCells, TimeUnit, TraceLine};

/// How a row is cut into parts.
#[derive(Debug)]
enum RowForm {
    /// A table: its delimiter, its heads, and the columns of the parts.
    Table(u8, Vec<String>, [Option<usize>; PARTS]),
    /// JSON objects.
    Objects,
}

/// A stream of recorded requests.
#[derive(Debug)]
pub struct RequestReader<R> {
    lines: Lines<LookedAt<R>>,
    form: RowForm,
    unit: Option<TimeUnit>,
    clock: Option<Clock>,
    /// Columns that mean nothing here.
    pub remarks: Vec<String>,
}

/// A stream whose beginning was looked at.
type LookedAt<R> = Chain<Cursor<Vec<u8>>, R>;

impl<R: BufRead> RequestReader<R> {
    /// The requests of a stream; `name` is what a remedy calls the file.
    ///
    /// # Errors
    ///
    /// Where it holds no requests, or a column is missing.
    pub fn new(mut from: R, name: &str) -> Result<Self, Vec<TrafficFault>> {
        let mut head = Vec::new();
        let read = (&mut from)
            .take(FileForm::HEAD as u64)
            .read_to_end(&mut head);
        if let Err(error) = read
            && head.is_empty()
        {
            let fault = TrafficFault::new("broken", format!("cannot be read: {error}"));
            return Err(vec![fault.fatal()]);
        }
        let form = FileForm::of(&head);
        let mut reader = Self {
            lines: Lines::new(Cursor::new(head).chain(from)),
            form: RowForm::Objects,
            unit: None,
            clock: None,
            remarks: Vec::new(),
        };
        let fault = |message: &str, help: &str| vec![TrafficFault::new("form", message).help(help)];
        match form {
            FileForm::RequestLines => {}
            FileForm::RequestTable | FileForm::CountTable => reader.header()?,
            FileForm::Series => {
                let help = "write `kind = \"poisson\"` to draw requests from them";
                return Err(fault(
                    "these are counts over time, not requests one by one",
                    help,
                ));
            }
            other => {
                let (message, help) = other.no_traffic(name).unwrap_or_default();
                return Err(fault(&message, &help));
            }
        }
        Ok(reader)
    }

    /// What the times count from, once a request was read.
    pub fn clock(&self) -> Clock {
        self.clock.unwrap_or(Clock::Beginning)
    }

    /// Reads the next request; `false`: there is no more. A mistake concerns one row, unless it is fatal: the rows
    /// behind it can still be read.
    ///
    /// # Errors
    ///
    /// What is wrong with the row, or with the stream.
    pub fn read(&mut self, into: &mut RecordedRequest) -> Result<bool, Vec<TrafficFault>> {
        let Some((line, text)) = self.lines.next().map_err(|fault| vec![fault])? else {
            return Ok(false);
        };
        let parts = match &self.form {
            RowForm::Table(delimiter, heads, places) => {
                table_parts(line, text, *delimiter, heads, places)
            }
            RowForm::Objects => json_parts::parts(line, text),
        };
        let row = TraceLine {
            line,
            text,
            parts: parts.map_err(|fault| vec![fault])?,
        };
        row.fill(into, &mut self.unit, &mut self.clock)?;
        Ok(true)
    }

    /// Reads the header of a table.
    fn header(&mut self) -> Result<(), Vec<TrafficFault>> {
        let first = self.lines.next().map_err(|fault| vec![fault])?;
        let Some((line, header)) = first else {
            return Err(vec![TrafficFault::new("empty", "the CSV is empty")]);
        };
        let delimiter = line_cells::delimiter(header);
        let mut heads = Vec::new();
        line_cells::split(header, delimiter, &mut heads);
        let mut places = [None; PARTS];
        let mut strange = Vec::new();
        let mut faults = Vec::new();
        for (i, head) in heads.iter().enumerate() {
            let fault = |kind, message: String| {
                TrafficFault::new(kind, message).at(line, header, head.place)
            };
            match heads::request_part(head.text) {
                Some(part) => {
                    if let Some(first) = places[part as usize] {
                        let first: &Cell<'_> = &heads[first];
                        let message = format!("`{}` and `{}` are the same", first.text, head.text);
                        faults.push(fault("twice", message).label("again"));
                    }
                    places[part as usize] = Some(i);
                }
                None => match heads::meant(head.text, true) {
                    Some(meant) => {
                        let message = format!("unknown column `{}`", head.text);
                        faults
                            .push(fault("head", message).label(format!("did you mean `{meant}`?")));
                    }
                    None => strange.push(format!("`{}`", head.text)),
                },
            }
        }
        for (part, name) in NEEDED {
            if places[part as usize].is_none() && faults.is_empty() {
                let message = format!("the column `{name}` is missing");
                let fault = TrafficFault::new("missing", message).label("not in the header");
                let help = match heads::count_part(heads.get(1).map_or("", |head| head.text)) {
                    Some(CountPart::Requests(_)) => {
                        "are these counts over time? write `kind = \"poisson\"` to draw requests from them"
                    }
                    _ => {
                        "a trace has `arrived_s`, `input_tokens` and `output_tokens`, or another tool's names of them"
                    }
                };
                faults.push(fault.help(help).at(line, header, (0, header.len())));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if !strange.is_empty() {
            self.remarks
                .push(format!("not read: {}", strange.join(", ")));
        }
        let heads = heads.iter().map(|head| head.text.to_string()).collect();
        self.form = RowForm::Table(delimiter, heads, places);
        Ok(())
    }
}

fn table_parts<'a>(
    line: u64,
    text: &'a str,
    delimiter: u8,
    heads: &'a [String],
    places: &[Option<usize>; PARTS],
) -> Result<PartCells<'a>, TrafficFault> {
    let mut parts = [None; PARTS];
    let mut count = 0;
    line_cells::each(text, delimiter, |i, cell| {
        count = i + 1;
        if let Some(part) = places.iter().position(|place| *place == Some(i)) {
            parts[part] = Some(PartCell {
                cell,
                name: &heads[i],
            });
        }
    });
    if count != heads.len() {
        let message = format!(
            "this row has {count} cells and the header has {}",
            heads.len()
        );
        let fault = TrafficFault::new("cells", message).label("not as many as columns");
        return Err(fault.at(line, text, (0, text.len())));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (Vec<RecordedRequest>, Clock, Vec<String>);

    fn read(text: &str) -> Read {
        let mut reader = match RequestReader::new(text.as_bytes(), "FILE") {
            Ok(reader) => reader,
            Err(faults) => {
                let said = faults.iter().map(ToString::to_string).collect();
                return (Vec::new(), Clock::Beginning, said);
            }
        };
        let (mut all, mut said) = (Vec::new(), Vec::new());
        let mut row = RecordedRequest::default();
        loop {
            match reader.read(&mut row) {
                Ok(true) => all.push(row.clone()),
                Ok(false) => break,
                Err(faults) => said.extend(faults.iter().map(ToString::to_string)),
            }
        }
        (all, reader.clock(), said)
    }

    /// Times in ns, input and output of the rows of a text without mistakes.
    fn rows(text: &str) -> (Vec<(i64, u32, u32)>, Clock) {
        let (all, clock, said) = read(text);
        assert_eq!(said, Vec::<String>::new(), "{text}");
        (
            all.iter().map(|r| (r.at, r.input, r.output)).collect(),
            clock,
        )
    }

    #[test]
    fn recordings_of_many_hands() {
        let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2026-01-05 12:00:00.6805900,374,44";
        assert_eq!(
            rows(azure),
            (vec![(1_767_614_400_680_590_000, 374, 44)], Clock::Civil)
        );
        let later =
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-05 12:00:00.009930+00:00,374,44";
        assert_eq!(
            rows(later),
            (vec![(1_767_614_400_009_930_000, 374, 44)], Clock::Instant)
        );
        let burst = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,API";
        assert_eq!(
            rows(burst),
            (vec![(5_000_000_000, 472, 18)], Clock::Beginning)
        );
        let mooncake = "{\"timestamp\": 3000, \"input_length\": 600, \"output_length\": 5, \"hash_ids\": [3, 4]}";
        let (all, clock, _) = read(mooncake);
        assert_eq!(
            (all[0].at, clock, all[0].blocks.as_slice()),
            (3_000_000_000, Clock::Beginning, &[3, 4][..])
        );
        let chats =
            "{\"chat_id\": 1, \"timestamp\": 61.114, \"input_length\": 600, \"output_length\": 5}";
        assert_eq!(rows(chats).0, [(61_114_000_000, 600, 5)]);
        let epoch = "arrived_s,input_tokens,output_tokens,model\n1767614400.25,472,18,x";
        assert_eq!(
            rows(epoch),
            (vec![(1_767_614_400_250_000_000, 472, 18)], Clock::Instant)
        );
        let ms = "{\"input_tokens\": 1, \"output_tokens\": \"2\", \"arrived_ms\": 1767614400250}";
        assert_eq!(rows(ms).0, [(1_767_614_400_250_000_000, 1, 2)]);
        let failed = "arrived_s,input_tokens,output_tokens\n0,472,0\n1,0,\n2,7,null";
        assert_eq!(
            rows(failed).0,
            [(0, 472, 0), (1_000_000_000, 0, 0), (2_000_000_000, 7, 0)]
        );
    }

    #[test]
    fn requests_that_say_that_they_failed_have_no_answer() {
        let outputs = |text: &str| -> Vec<u32> { rows(text).0.iter().map(|r| r.2).collect() };
        let table = "arrived_s,input_tokens,output_tokens,status\n";
        let words = "0,9,5,ok\n1,9,5,Failed\n2,9,n/a,timeout\n3,9,5,200\n4,9,5,503\n5,9,5,\n";
        assert_eq!(outputs(&format!("{table}{words}")), [5, 0, 0, 5, 0, 5]);
        let lines = "{\"arrived_s\": 0, \"input_tokens\": 9, \"output_tokens\": 5, \"success\": true}\n\
                     {\"arrived_s\": 1, \"input_tokens\": 9, \"output_tokens\": null, \"success\": false}\n\
                     {\"arrived_s\": 2, \"input_tokens\": 9, \"output_tokens\": 5, \"success\": 0}\n";
        assert_eq!(outputs(lines), [5, 0, 0]);
    }

    #[test]
    fn rows_with_mistakes_are_told_and_passed() {
        let head = "arrived_s,input_tokens,output_tokens,cached_tokens";
        for (row, part) in [
            ("-1,5,5,0", "`arrived_s` cannot be `-1`"),
            ("later,5,5,0", "`later` is no time"),
            ("1,-5,5,0", "`input_tokens` cannot be `-5`"),
            ("1,0,5,0", "from 1 to 16,777,216"),
            ("1,5.5,5,0", "cannot have a fraction"),
            ("1,many,5,0", "`many` is not a number"),
            ("1,5,5,5", "a prompt cannot be cached in full"),
            ("1,5,5", "3 cells"),
            ("2026-01-05 12:00:00,5,5,0", "one kind of time"),
            ("40000000,5,5,0", "cannot be `40000000`"),
            ("1,5,\u{0},0", "a byte of zero"),
        ] {
            let (all, _, said) = read(&format!("{head}\n0,1,1,0\n{row}\n2,1,1,0\n"));
            assert_eq!(all.len(), 2, "{row}");
            assert!(
                said.len() == 1 && said[0].contains(part) && said[0].contains("line 3"),
                "{row}: {said:?}"
            );
        }
        for (text, part) in [
            ("arrived_s,input_tokens\n0,1", "`output_tokens` is missing"),
            (
                "arrived_s,input_tokens,output_tokens,cached_token\n",
                "did you mean `cached_tokens`?",
            ),
            ("time,requests\n00:00,1", "kind = \"poisson\""),
            (
                "{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 2",
                "line 1",
            ),
            (
                "{\"timestamp\": 0, \"input_length\": 1, \"output_length\": [2]}",
                "is not a number",
            ),
            (
                "{\"input_length\": 1, \"output_length\": 2}",
                "`arrived_s` is missing",
            ),
            (
                "{\"timestamp\":0,\"input_length\":1,\"output_length\":2,\"hash_ids\":[\"x\"]}",
                "no id of a block",
            ),
            ("", "the CSV is empty"),
        ] {
            let (all, _, said) = read(text);
            assert!(
                all.is_empty() && said.iter().any(|s| s.contains(part)),
                "{text}: {said:?}"
            );
        }
    }
}
