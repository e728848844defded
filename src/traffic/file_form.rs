//! What a file is, by its first bytes.

use super::client_pool::ENDS;
use super::heads;
use super::line_cells;
use super::tape_archive;

/// The form of a file with traffic, or what it is instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileForm {
    /// A table of requests, one a line.
    RequestTable,
    /// Objects of requests, one a line.
    RequestLines,
    /// One recorded session of a coding agent, or several in an archive.
    AgentSession,
    /// A table of counts over time.
    CountTable,
    /// Series of points in time: the answer of a range query.
    Series,
    /// An archive of several files.
    Archive,
    /// An archive of ServeGen's clients: laws, not requests.
    Clients,
    /// What a benchmark measured, with the tool's name.
    Measurement(&'static str),
    /// Architecture of a model.
    ModelConfiguration,
    /// A JSON text that holds none of these.
    OtherJson,
    /// Nothing at all.
    Empty,
}

/// Keys by which JSON texts are told apart: all of a row must be there. The first row that fits counts.
const BY_KEYS: [(&[&str], FileForm); 13] = [
    (&["hash_id_scope", "requests"], FileForm::AgentSession),
    (
        &["mean_ttft_ms", "request_throughput"],
        FileForm::Measurement("`vllm bench serve`"),
    ),
    (
        &["mean_ttft_ms", "total_token_throughput"],
        FileForm::Measurement("`vllm bench serve`"),
    ),
    (
        &["benchmarks", "metrics"],
        FileForm::Measurement("guidellm"),
    ),
    (&["benchmarks", "args"], FileForm::Measurement("guidellm")),
    (
        &["input_config", "time_to_first_token"],
        FileForm::Measurement("aiperf"),
    ),
    (
        &["time_to_first_token", "inter_token_latency"],
        FileForm::Measurement("aiperf"),
    ),
    (
        &["median_ttft", "median_tpot"],
        FileForm::Measurement("InferenceX"),
    ),
    (
        &["mean_ttft", "mean_tpot"],
        FileForm::Measurement("InferenceX"),
    ),
    (&["resultType", "result"], FileForm::Series),
    (&["frames", "schema"], FileForm::Series),
    (
        &["architectures", "hidden_size"],
        FileForm::ModelConfiguration,
    ),
    (
        &["model_type", "num_hidden_layers"],
        FileForm::ModelConfiguration,
    ),
];

impl FileForm {
    /// Bytes at a file's beginning that are enough to tell its form.
    pub const HEAD: usize = 64 << 10;

    /// The form of a file that begins like this.
    pub fn of(head: &[u8]) -> Self {
        if head.get(257..262) == Some(b"ustar".as_slice()) {
            let first = tape_archive::first_file(head);
            let is_client = first.is_some_and(|name| ENDS.iter().any(|end| name.ends_with(end)));
            return match is_client {
                true => Self::Clients,
                false => Self::Archive,
            };
        }
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start_matches('\u{feff}');
        let mut lines = text.lines().map(str::trim);
        let first = lines
            .find(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("sep="));
        let Some(first) = first else {
            return Self::Empty;
        };
        if !first.starts_with(['{', '[']) {
            return of_table(first);
        }
        let has = |key: &&str| text.contains(&format!("\"{key}\""));
        if let Some((_, form)) = BY_KEYS.iter().find(|(keys, _)| keys.iter().all(has)) {
            return *form;
        }
        // Objects of requests: the first line alone names their parts.
        let keys = || first.split('"').skip(1).step_by(2);
        match heads::are_of_requests(keys()) {
            true => Self::RequestLines,
            false => Self::OtherJson,
        }
    }

    /// What to say to somebody who takes the file for traffic; `None`: it is traffic.
    pub fn no_traffic(self, name: &str) -> Option<(String, String)> {
        Some(match self {
            Self::Measurement(tool) => (
                format!("this is what {tool} measured of a server, not traffic"),
                format!("`tokentide calibrate {name}` fits step times to it"),
            ),
            Self::ModelConfiguration => (
                "this is the configuration of a model, not traffic".to_string(),
                format!("name it as the model: `model = {{ hf = \"{name}\" }}`"),
            ),
            Self::Clients => (
                "these are laws of clients, not requests one by one".to_string(),
                "`arrivals = { kind = \"clients\", … }` draws requests from them".to_string(),
            ),
            Self::OtherJson => (
                "no known form of traffic in this JSON".to_string(),
                "known are requests one a line (Mooncake's, or with our own names), sessions of kv-cache-tester, and \
                 answers of Prometheus to range queries"
                    .to_string(),
            ),
            Self::Empty => (
                "the CSV is empty".to_string(),
                "there is not a single row in it".to_string(),
            ),
            _ => return None,
        })
    }
}

fn of_table(header: &str) -> FileForm {
    let mut all = Vec::new();
    line_cells::split(header, line_cells::delimiter(header), &mut all);
    let names = || all.iter().map(|cell| cell.text);
    if heads::are_of_requests(names()) {
        FileForm::RequestTable
    } else if heads::are_of_measurements(names()) {
        FileForm::Measurement("a benchmark")
    } else {
        FileForm::CountTable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_content() {
        let cases = [
            (
                "TIMESTAMP,ContextTokens,GeneratedTokens\r\n",
                FileForm::RequestTable,
            ),
            (
                "{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 2}\n",
                FileForm::RequestLines,
            ),
            (
                "{\"id\":\"a\",\"hash_id_scope\":\"local\",\"requests\":[{\"t\":0,\"in\"",
                FileForm::AgentSession,
            ),
            ("\u{feff}sep=,\n\"Time\",\"Value\"\n", FileForm::CountTable),
            (
                "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[",
                FileForm::Series,
            ),
            (
                "{\n \"mean_ttft_ms\": 1,\n \"request_throughput\": 2}",
                FileForm::Measurement("`vllm bench serve`"),
            ),
            (
                "concurrency,Mean TTFT (ms)\n",
                FileForm::Measurement("a benchmark"),
            ),
            (
                "{\"architectures\": [\"X\"], \"hidden_size\": 1}",
                FileForm::ModelConfiguration,
            ),
            ("{\"a\": 1}", FileForm::OtherJson),
            ("\n# nothing\n", FileForm::Empty),
        ];
        for (head, form) in cases {
            assert_eq!(FileForm::of(head.as_bytes()), form, "{head}");
        }
    }
}
