//! Files with mistakes, of every form of a recording: each is refused with its file and line, and what concerns one row can
//! be passed over and is counted.

mod support;

use std::io::Write;

use serde_json::Value;
use support::archive;
use support::program::{Said, Scratch, tokentide};

/// A form of recordings: a head, and rows at a time.
struct Form {
    name: &'static str,
    head: &'static str,
    /// A row at so many seconds, with an input as it is written.
    row: fn(u32, &str) -> String,
}

const FORMS: [Form; 6] = [
    Form {
        name: "our table",
        head: "arrived_s,input_tokens,output_tokens\n",
        row: |s, input| format!("{s},{input},5\n"),
    },
    Form {
        name: "our lines",
        head: "",
        row: |s, input| {
            format!("{{\"arrived_s\": {s}, \"input_tokens\": {input}, \"output_tokens\": 5}}\n")
        },
    },
    Form {
        name: "Azure 2023",
        head: "TIMESTAMP,ContextTokens,GeneratedTokens\r\n",
        row: |s, input| {
            format!(
                "2026-01-05 {:02}:{:02}:{:02}.6805900,{input},44\r\n",
                s / 3600,
                s / 60 % 60,
                s % 60
            )
        },
    },
    Form {
        name: "Azure 2024",
        head: "TIMESTAMP,ContextTokens,GeneratedTokens\n",
        row: |s, input| {
            format!(
                "2026-01-05 {:02}:{:02}:{:02}.009930+00:00,{input},44\n",
                s / 3600,
                s / 60 % 60,
                s % 60
            )
        },
    },
    Form {
        name: "BurstGPT",
        head: "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n",
        row: |s, input| format!("{s},ChatGPT,{input},18,490,Conversation log\n"),
    },
    Form {
        name: "Mooncake",
        head: "",
        row: |s, input| {
            format!(
                "{{\"timestamp\": {}, \"input_length\": {input}, \"output_length\": 5, \"hash_ids\": [0]}}\n",
                1000 * s
            )
        },
    },
];

impl Form {
    /// Three good rows around a row that is not.
    fn around(&self, bad: &str) -> String {
        let good = |s| (self.row)(s, "9");
        [self.head, &good(0), &good(1), bad, &good(2)].concat()
    }

    /// The line of the bad row.
    fn line(&self) -> u32 {
        3 + u32::from(!self.head.is_empty())
    }
}

fn refused(arguments: &[&str]) -> String {
    let said: Said = tokentide(arguments);
    assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.err);
    assert!(said.out.is_empty());
    said.err.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn stats(path: &str, more: &[&str]) -> (Value, String) {
    let arguments = [&["trace", "stats", path, "--format", "json"], more].concat();
    let said = tokentide(&arguments);
    assert_eq!(said.code, Some(0), "{path}: {}", said.err);
    (serde_json::from_slice(&said.out).expect("JSON"), said.err)
}

#[test]
fn a_row_with_a_mistake_is_told_with_its_line_or_passed_over_and_counted() {
    let scratch = Scratch::new("malformed-rows");
    for form in &FORMS {
        let whole = scratch.write("whole", &form.around(""));
        assert_eq!(stats(&whole, &[]).0["requests"], 3, "{}", form.name);
        let late = [(form.row)(9_000, "9"), (form.row)(1, "9")].concat();
        let cut = (form.row)(3, "9");
        for (what, bad, later) in [
            ("negative", (form.row)(1, "-9"), 0),
            (
                "text in a number",
                (form.row)(
                    1,
                    if form.head.is_empty() {
                        "\"nine\""
                    } else {
                        "nine"
                    },
                ),
                0,
            ),
            ("NUL", (form.row)(1, "9\0"), 0),
            ("too long", (form.row)(1, &"9".repeat(10 << 20)), 0),
            ("cut off", format!("{}\n", &cut[..cut.len() / 2]), 0),
            ("an hour too late", late, 1),
        ] {
            let text = form.around(&bad);
            // Behind what comes hours later, the last good row is too late as well.
            let text = match later {
                0 => text,
                _ => text[..text.len() - (form.row)(2, "9").len()].to_string(),
            };
            let path = scratch.write("bad", &text);
            let place = format!("bad:{}:", form.line() + later);
            for command in ["stats", "convert"] {
                let found = refused(&["trace", command, &path]);
                assert!(found.contains(&place), "{} {what}: {found}", form.name);
                assert!(
                    found.contains("--skip-bad-lines"),
                    "{} {what}: {found}",
                    form.name
                );
            }
            let (json, said) = stats(&path, &["--skip-bad-lines"]);
            assert_eq!(json["skipped_lines"], 1, "{} {what}: {said}", form.name);
            assert_eq!(json["requests"], 3, "{} {what}: {said}", form.name);
            assert!(
                said.contains("1 rows with mistakes were left out"),
                "{said}"
            );
        }
    }
}

#[test]
fn a_file_with_a_mistake_is_refused_as_a_whole() {
    let scratch = Scratch::new("malformed-files");
    for form in &FORMS {
        let rows: String = (0..4_000)
            .map(|s| (form.row)(s, &(9 + s * 7919 % 4001).to_string()))
            .collect();
        let text = [form.head, &rows].concat();
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer
            .write_all(text.as_bytes())
            .expect("a vector takes all");
        let packed = packer.finish().expect("a vector takes all");
        let path = scratch.path("packed.gz");
        std::fs::write(&path, &packed).expect("the scratch folder can be written");
        assert_eq!(stats(&path, &[]).0["requests"], 4_000, "{}", form.name);
        std::fs::write(&path, &packed[..packed.len() / 2])
            .expect("the scratch folder can be written");
        for more in [&[][..], &["--skip-bad-lines"]] {
            let found = refused(&[&["trace", "stats", &path], more].concat());
            assert!(
                found.contains("packed.gz:") && found.contains("breaks off"),
                "{}: {found}",
                form.name
            );
        }
        if form.head.is_empty() {
            continue;
        }
        let no_input: Vec<&str> = form.head.trim_end().split(',').collect();
        let input = no_input
            .iter()
            .position(|head| ["input_tokens", "ContextTokens", "Request tokens"].contains(head))
            .expect("a column of inputs");
        let without = |line: &str| {
            let cells = line.trim_end().split(',').enumerate();
            let kept: Vec<&str> = cells.filter(|(i, _)| *i != input).map(|(_, c)| c).collect();
            kept.join(",")
        };
        let missing = [without(form.head), without(&(form.row)(0, "9"))].join("\n");
        let path = scratch.write("missing", &missing);
        let found = refused(&["trace", "stats", &path, "--skip-bad-lines"]);
        assert!(
            found.contains("missing:1:") && found.contains("is missing"),
            "{}: {found}",
            form.name
        );
        let path = scratch.write("head", form.head);
        assert!(
            refused(&["trace", "stats", &path]).contains("no requests"),
            "{}",
            form.name
        );
    }
    let empty = scratch.write("nothing", "");
    assert!(refused(&["trace", "stats", &empty]).contains("empty"));
    let packed = scratch.path("nothing.gz");
    let packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::fs::write(&packed, packer.finish().expect("a vector takes all")).expect("a file");
    assert!(refused(&["trace", "stats", &packed]).contains("empty"));
}

/// A session of an agent with this request.
fn session(request: &str) -> String {
    format!(
        "{{\"block_size\": 64, \"hash_id_scope\": \"local\", \"requests\": [\n{{\"t\": 0, \"in\": 130, \"out\": 5, \
         \"hash_ids\": [1, 2]}},\n{request}]}}\n"
    )
}

#[test]
fn sessions_with_mistakes_are_refused_or_passed_over_as_a_whole() {
    let scratch = Scratch::new("malformed-sessions");
    let good = session("{\"t\": 1, \"in\": 64, \"out\": 1, \"hash_ids\": [1]}");
    let cut = &good[..good.len() - 30];
    let requests = |request: &str| session(request);
    for (what, text, parts) in [
        (
            "negative",
            requests("{\"t\": 1, \"in\": -64, \"out\": 1}"),
            ["bad", "`in` cannot be -64"],
        ),
        (
            "earlier",
            requests("{\"t\": -1, \"in\": 64, \"out\": 1}"),
            ["bad", "`t` cannot be -1"],
        ),
        (
            "text",
            requests("{\"t\": 1, \"in\": \"many\", \"out\": 1}"),
            ["bad:3:", "no recorded session"],
        ),
        (
            "NUL",
            requests("{\"t\": 1, \"in\": 64,\0 \"out\": 1}"),
            ["bad:3:", "no recorded session"],
        ),
        (
            "no time",
            requests("{\"in\": 64, \"out\": 1}"),
            ["bad:3:", "no recorded session"],
        ),
        ("cut off", cut.to_string(), ["bad:3:", "cut off"]),
    ] {
        let path = scratch.write("bad", &text);
        let found = refused(&["trace", "stats", &path]);
        assert!(
            parts.iter().all(|part| found.contains(part)),
            "{what}: {found}"
        );
        // In an archive the other sessions are left.
        let sessions = scratch.path("bad.tar");
        std::fs::write(
            &sessions,
            archive(&[("a.json", &good), ("b.json", &text), ("c.json", &good)]),
        )
        .expect("the scratch folder can be written");
        let found = refused(&["trace", "stats", &sessions]);
        assert!(found.contains("b.json"), "{what}: {found}");
        let (json, said) = stats(&sessions, &["--skip-bad-lines"]);
        assert_eq!(
            (&json["requests"], &json["skipped_lines"]),
            (&4.into(), &1.into()),
            "{what}: {said}"
        );
    }
    let whole = archive(&[("a.json", &good)]);
    let sessions = scratch.path("cut.tar");
    std::fs::write(&sessions, &whole[..700]).expect("the scratch folder can be written");
    assert!(refused(&["trace", "stats", &sessions]).contains("breaks off"));
}
