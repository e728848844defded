//! What the heads of columns and the keys of objects mean, whoever wrote them.

use super::counts::CountUnit;

/// The part of a recorded request that a column or key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestPart {
    /// Time of arrival.
    Time,
    /// Tokens of its prompt.
    Input,
    /// Tokens of its answer.
    Output,
    /// Tokens of its prompt that were found in a cache.
    Cached,
    /// Ids of the blocks of its prompt.
    Blocks,
    /// The conversation that it belongs to.
    Session,
    /// Whether it was answered, in a word or as a status of HTTP.
    Status,
}

/// The part of a row of counts that a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountPart {
    /// When the row begins.
    Time,
    /// The hour of the day at which it begins.
    Hour,
    /// How many requests; `None`: the head does not say of what the number is.
    Requests(Option<CountUnit>),
    /// Mean of the input lengths.
    InputMean,
    /// Mean of the output lengths.
    OutputMean,
    /// Cached over input tokens.
    HitRate,
}

/// Names of a request's parts, in the form of [`plain`]; the first of each is our own.
const REQUEST_PARTS: [(RequestPart, &[&str]); 7] = [
    (
        RequestPart::Time,
        &[
            "arrived_s",
            "arrived_ms",
            "arrived_at",
            "timestamp",
            "timestamp_s",
            "timestamp_ms",
            "time",
            "arrival",
            "arrival_time",
            "arrival_time_s",
            "arrival_timestamp",
            "arrival_s",
            "arrival_ms",
            "date",
            "datetime",
            "date_time",
            "created_at",
            "start_time",
            "ts",
            "t",
        ],
    ),
    (
        RequestPart::Input,
        &[
            "input_tokens",
            "contexttokens",
            "context_tokens",
            "input_length",
            "input_len",
            "request_tokens",
            "input_toks",
            "prompt_tokens",
            "prompt_len",
            "prompt_length",
            "num_prefill_tokens",
            "num_prompt_tokens",
            "isl",
        ],
    ),
    (
        RequestPart::Output,
        &[
            "output_tokens",
            "generatedtokens",
            "generated_tokens",
            "output_length",
            "output_len",
            "response_tokens",
            "output_toks",
            "completion_tokens",
            "num_decode_tokens",
            "num_generated_tokens",
            "osl",
        ],
    ),
    (
        RequestPart::Cached,
        &["cached_tokens", "cached_input_tokens", "num_cached_tokens"],
    ),
    (RequestPart::Blocks, &["hash_ids", "block_hashes"]),
    (
        RequestPart::Session,
        &["session", "session_id", "chat_id", "conversation_id"],
    ),
    (
        RequestPart::Status,
        &[
            "status",
            "status_code",
            "http_status",
            "success",
            "succeeded",
            "is_success",
        ],
    ),
];

/// Names of what a row of counts holds, in the form of [`plain`].
const COUNT_PARTS: [(CountPart, &[&str]); 10] = [
    (
        CountPart::Time,
        &[
            "time",
            "timestamp",
            "date",
            "datetime",
            "date_time",
            "_time",
            "ts",
            "time_s",
            "time_ms",
        ],
    ),
    (CountPart::Hour, &["hour", "hour_of_day"]),
    (
        CountPart::Requests(Some(CountUnit::PerRow)),
        &[
            "requests",
            "request",
            "count",
            "counts",
            "num_requests",
            "request_count",
            "requests_count",
            "calls",
        ],
    ),
    (
        CountPart::Requests(Some(CountUnit::PerSecond)),
        &[
            "requests_per_s",
            "requests_per_second",
            "requests_per_sec",
            "requests/s",
            "requests/sec",
            "req/s",
            "reqs/s",
            "request_rate",
            "request_rate_per_s",
            "rate_rps",
            "rps",
            "qps",
            "requests_(req/s)",
            "requests_(reqps)",
        ],
    ),
    (
        CountPart::Requests(Some(CountUnit::PerMinute)),
        &[
            "requests_per_min",
            "requests_per_minute",
            "requests/min",
            "req/min",
            "rpm",
        ],
    ),
    (
        CountPart::Requests(Some(CountUnit::PerHour)),
        &["requests_per_h", "requests_per_hour", "requests/h", "rph"],
    ),
    (
        CountPart::Requests(Some(CountUnit::PerDay)),
        &["requests_per_day", "requests/day"],
    ),
    (
        CountPart::InputMean,
        &[
            "input_mean",
            "input_tokens_mean",
            "mean_input_tokens",
            "avg_input_tokens",
        ],
    ),
    (
        CountPart::OutputMean,
        &[
            "output_mean",
            "output_tokens_mean",
            "mean_output_tokens",
            "avg_output_tokens",
        ],
    ),
    (CountPart::HitRate, &["hit_rate", "cache_hit_rate"]),
];

/// Heads of what benchmarks measured, in the form of [`plain`].
const MEASURED: [&str; 6] = [
    "ttft",
    "tpot",
    "itl",
    "inter_token_latency",
    "time_to_first_token",
    "e2el",
];

/// A head in the form in which heads are compared: small letters, `_` for blanks and dashes.
pub fn plain(head: &str) -> String {
    let mut plain = head.trim().to_ascii_lowercase();
    plain = plain.replace([' ', '-'], "_");
    plain
}

/// The part of a request that stands under a head.
pub fn request_part(head: &str) -> Option<RequestPart> {
    let plain = plain(head);
    let known = |names: &[&str]| names.contains(&plain.as_str());
    REQUEST_PARTS
        .iter()
        .find(|(_, names)| known(names))
        .map(|(part, _)| *part)
}

/// The part of a row of counts that stands under a head.
pub fn count_part(head: &str) -> Option<CountPart> {
    let plain = plain(head);
    let known = |names: &[&str]| names.contains(&plain.as_str());
    COUNT_PARTS
        .iter()
        .find(|(_, names)| known(names))
        .map(|(part, _)| *part)
}

/// Whether these are the heads of requests one by one.
pub fn are_of_requests<'a>(heads: impl Iterator<Item = &'a str>) -> bool {
    let parts: Vec<_> = heads.filter_map(request_part).collect();
    parts.contains(&RequestPart::Input) && parts.contains(&RequestPart::Output)
}

/// Whether these are the heads of what a benchmark measured.
pub fn are_of_measurements<'a>(mut heads: impl Iterator<Item = &'a str>) -> bool {
    heads.any(|head| {
        let plain = plain(head);
        MEASURED.iter().any(|word| {
            plain
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|part| part.contains(word))
        })
    })
}

/// The known head that an unknown one was probably meant to be: one letter wrong, or the letters in another order.
pub fn meant(head: &str, is_request: bool) -> Option<&'static str> {
    let plain = plain(head);
    let own_requests = [
        "arrived_s",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
    ];
    let own_counts = ["time", "requests", "input_mean", "output_mean", "hit_rate"];
    let own: &[&'static str] = if is_request {
        &own_requests
    } else {
        &own_counts
    };
    let near = |name: &&&'static str| {
        let distance = strsim::damerau_levenshtein(&plain, name);
        distance > 0 && distance <= name.len() / 4
    };
    own.iter().find(near).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_many_hands() {
        assert_eq!(request_part("ContextTokens"), Some(RequestPart::Input));
        assert_eq!(request_part("Response tokens"), Some(RequestPart::Output));
        assert_eq!(request_part("TIMESTAMP"), Some(RequestPart::Time));
        assert_eq!(request_part("Model"), None);
        assert_eq!(count_part("Time"), Some(CountPart::Time));
        let per_second = CountPart::Requests(Some(CountUnit::PerSecond));
        assert_eq!(count_part("req/s"), Some(per_second));
        assert_eq!(count_part("Value"), None);
        assert!(are_of_measurements(
            ["concurrency", "Mean TTFT (ms)"].into_iter()
        ));
        assert!(!are_of_measurements(["time", "requests"].into_iter()));
    }

    #[test]
    fn misspelt_heads_are_known() {
        assert_eq!(meant("cached_token", true), Some("cached_tokens"));
        assert_eq!(meant("model", true), None);
        assert_eq!(meant("hitrate", false), Some("hit_rate"));
        assert_eq!(meant("users", false), None);
    }
}
