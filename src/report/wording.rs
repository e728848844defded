//! The verdict in words: how it went, which promises were not kept, when it was worst and why.

use std::fmt;

use super::format::{clock, count, fixed, length, maybe, percent, plain, seconds};
use super::limit::Limit;
use super::summary::Recorded;
use super::verdict::{Grade, Shortfall, Verdict, Worst};

impl Verdict {
    /// The verdict in words: how it went, what was promised and not kept, when it was worst and why.
    pub fn sentences(&self) -> Vec<String> {
        let what = if self.is_day { "day" } else { "run" };
        let mut sentences: Vec<String> = self.in_part.iter().map(in_part).collect();
        let opening = match self.grade {
            Grade::NoLoad => {
                sentences.push("Nobody came: no request arrived.".to_string());
                return sentences;
            }
            Grade::Broken => {
                let names = plain(&self.broken.join(", "));
                sentences.push(format!(
                    "A mistake in the program: the audit of {names} does not balance, so do not \
                     trust these figures."
                ));
                format!("The {what} as simulated")
            }
            Grade::Overloaded => format!(
                "The {what} was overloaded, with {} requests waiting at the end and more coming \
                 than were served",
                count(self.waiting_at_end)
            ),
            Grade::Losing => format!("The {what} was not served well"),
            Grade::ShortOfSlo => format!("The {what} fell short of its SLO"),
            Grade::InPart => format!("The part of the {what} that was played"),
            Grade::Strained => format!("The {what} was served, under strain"),
            Grade::Well => format!("The {what} was served well"),
        };
        sentences.push(format!("{opening}: {}.", self.figures()));
        sentences.extend(self.shortfalls.iter().map(Shortfall::to_string));
        sentences.extend(self.worst.iter().map(Worst::to_string));
        sentences
    }

    fn figures(&self) -> String {
        let requests = if self.completed == 1 {
            "request"
        } else {
            "requests"
        };
        let mut text = format!("{} {requests} completed, ", count(self.completed));
        match self.lost {
            0 => text.push_str("none was lost"),
            lost => {
                let part = lost as f64 / (lost + self.completed) as f64;
                text.push_str(&format!("{} ({}) were lost", count(lost), percent(part)));
            }
        }
        if let (Some(p50), Some(p99)) = self.ttft_s {
            text.push_str(&format!(
                "; TTFT p50 {}, p99 {}",
                seconds(p50),
                seconds(p99)
            ));
        }
        if let Some(speed) = self.output_speed_tokens_per_s {
            text.push_str(&format!("; {} tokens/s per request", fixed(speed, 1)));
        }
        text
    }
}

/// How much of a class's recording was played, in words.
fn in_part((class, of): &(String, Recorded)) -> String {
    let class = plain(class);
    let (all, played) = (count(of.requests), count(of.played));
    if of.played < of.requests {
        let (were, rest) = match (of.played, of.requests - of.played) {
            (1, 1) => ("was", "the other arrives"),
            (1, _) => ("was", "the others arrive"),
            (_, 1) => ("were", "the last arrives"),
            _ => ("were", "the others arrive"),
        };
        return format!(
            "{played} of the {all} recorded requests of class {class} {were} played; {rest} after the end."
        );
    }
    format!(
        "All {all} recorded requests of class {class} were played, and {} of the time is left when the last arrives.",
        percent(of.empty)
    )
}

impl fmt::Display for Verdict {
    /// Writes all sentences of the verdict on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentences().join(" "))
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (got, demanded) = (percent(self.attainment), percent(self.required));
        write!(
            f,
            "Class {} met its targets for {got} of its requests; {demanded} is required",
            plain(&self.class)
        )?;
        if let Some(every) = &self.every {
            write!(
                f,
                " in every {}, and {} of {} missed it",
                length(every.length_s),
                count(every.missed),
                count(every.judged)
            )?;
            if let (Some(part), Some(start)) = (every.worst_attainment, &every.worst_start) {
                write!(f, " (worst {} from {})", percent(part), clock(start))?;
            }
        }
        f.write_str(".")
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Worst {} from {}: ",
            length(self.duration_s),
            clock(&self.start)
        )?;
        if self.lost > 0.0 {
            write!(f, "{} of the requests were lost, and ", percent(self.lost))?;
        }
        write!(
            f,
            "an average request took {} ({} over the whole), TTFT p99 {}",
            seconds(self.request_s),
            seconds(self.usual_request_s),
            maybe(self.ttft_p99_s, seconds),
        )?;
        if let Some(speed) = self.output_speed_tokens_per_s {
            write!(f, ", {} tokens/s", fixed(speed, 1))?;
        }
        write!(f, "; {}.", self.limit)
    }
}

impl Limit {
    /// The limit in a few words, without figures; `None`: nothing limits.
    pub fn what(&self) -> Option<&'static str> {
        match self {
            Self::PrefillCompute { .. } => Some("prefill compute"),
            Self::DecodeKvMemory { .. } => Some("decode KV memory"),
            Self::DecodeBatch { .. } => Some("the decode batch limit"),
            Self::DecodeUnits { .. } => Some("the number of decode units"),
            Self::DecodeSpeed { .. } => Some("decode speed"),
            Self::Nothing => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |x: f64| fixed(x, 0);
        let tenth = |x: f64| fixed(x, 1);
        match *self {
            Self::PrefillCompute { busy, waiting } => write!(
                f,
                "prefill compute limits it (units {} busy, {} requests waiting)",
                maybe(busy, percent),
                whole(waiting)
            ),
            Self::DecodeKvMemory {
                blocked,
                held,
                waiting,
            } => write!(
                f,
                "decode KV memory limits it ({} of the time a queue waited for some, {} held, {} \
                 requests waiting)",
                percent(blocked),
                maybe(held, percent),
                whole(waiting)
            ),
            Self::DecodeBatch {
                blocked,
                batch,
                waiting,
            } => write!(
                f,
                "the decode batch limit limits it ({} of the time a queue waited for a slot, {} \
                 requests on a rank, {} waiting)",
                percent(blocked),
                maybe(batch, tenth),
                whole(waiting)
            ),
            Self::DecodeUnits { waiting } => write!(
                f,
                "too few decode units serve ({} requests waiting, neither for KV memory nor for a \
                 slot)",
                whole(waiting)
            ),
            Self::DecodeSpeed { batch } => write!(
                f,
                "decode speed limits it ({} requests on a rank share each step)",
                maybe(batch, tenth)
            ),
            Self::Nothing => write!(f, "no queue limits it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{around, day, pool, with_worst};
    use crate::report::verdict::assess;

    #[test]
    fn a_quiet_day_is_served_well_and_slow_tokens_are_named() {
        let verdict = assess(&day());
        assert_eq!(verdict.grade, Grade::Well);
        insta::assert_snapshot!(verdict.sentences().join("\n"), @r"
        The run was served well: 300,100 requests completed, none was lost; TTFT p50 720 ms, p99 2.00 s; 21.0 tokens/s per request.
        Worst 1 h from 03:00: an average request took 53.5 s (48.4 s over the whole), TTFT p99 2.25 s, 19.0 tokens/s; decode speed limits it (94.7 requests on a rank share each step).
        ");
    }

    #[test]
    fn long_waits_for_prefill_are_prefill_compute() {
        let summary = with_worst(|span| {
            span.latency.ttft_s = around(9.0);
            span.latency.queue_s = around(8.0);
            pool(span, "prefill").utilization = Some(0.99);
            pool(span, "prefill").queue_length_mean = 812.0;
        });
        let verdict = assess(&summary);
        assert_eq!(verdict.grade, Grade::Strained);
        insta::assert_snapshot!(verdict.sentences()[1], @"Worst 1 h from 03:00: an average request took 61.6 s (48.4 s over the whole), TTFT p99 22.5 s, 19.0 tokens/s; prefill compute limits it (units 99.0 % busy, 812 requests waiting).");
    }

    #[test]
    fn queues_blocked_by_memory_or_slots_say_which() {
        let blocked = |by_kv, by_batch| {
            let summary = with_worst(|span| {
                pool(span, "decode").blocked_by_kv = Some(by_kv);
                pool(span, "decode").blocked_by_batch = Some(by_batch);
                pool(span, "decode").queue_length_mean = 1_234.0;
            });
            let worst = assess(&summary).worst;
            worst.map_or(String::new(), |worst| worst.limit.to_string())
        };
        insta::assert_snapshot!(blocked(0.34, 0.01), @"decode KV memory limits it (34.0 % of the time a queue waited for some, 74.0 % held, 1,234 requests waiting)");
        insta::assert_snapshot!(blocked(0.01, 0.34), @"the decode batch limit limits it (34.0 % of the time a queue waited for a slot, 94.7 requests on a rank, 1,234 waiting)");
    }
}
