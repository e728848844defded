//! What flags set of a server: each value is read, held against its bounds, and remembered with its place.

use super::flag_rules::{Flag, FlagMeaning, FlagRule, rule_of, truth};
use super::server::{LaunchedServer, Listed, ServerRole, StatedFlag};
use crate::catalog::NumberFormat;
use crate::scenario::{Diagnostic, MistakeReport, nearest, quote};

/// Applies a flag to a server, or complains.
pub fn apply(
    rules: &'static [FlagRule],
    flag: &Flag,
    server: &mut LaunchedServer,
    report: &mut MistakeReport,
) {
    let Some((rule, negated)) = rule_of(rules, &flag.name) else {
        let all = rules.iter().flat_map(|rule| rule.names.split_whitespace());
        let near = nearest(&flag.name, all.filter(|name| name.starts_with("--")));
        server.unknown.push(Listed {
            text: match near {
                Some(near) => format!("{} (did you mean {near}?)", flag.text()),
                None => flag.text(),
            },
            why: "",
        });
        return;
    };
    let mut set = Setter {
        flag,
        negated,
        server,
        report,
    };
    set.by(rule.means);
}

struct Setter<'a> {
    flag: &'a Flag,
    negated: bool,
    server: &'a mut LaunchedServer,
    report: &'a mut MistakeReport,
}

impl Setter<'_> {
    fn stated<T>(&self, value: T) -> Option<StatedFlag<T>> {
        Some(StatedFlag {
            value,
            flag: self.flag.name.clone(),
            at: self.flag.at,
        })
    }

    fn wrong(&mut self, wanted: &str) {
        let value = self.flag.values.first();
        let shown = value.map_or("nothing", |v| v.text.as_str());
        let message = format!("{} should be {wanted}", quote(&self.flag.name));
        let found = Diagnostic::new(message, value.map_or(self.flag.at, |v| v.at));
        let found = found.label(format!("this is {}", quote(shown)));
        self.report.push(if shown.contains('$') {
            found.help("nothing is expanded: put the variable's value in its place")
        } else {
            found
        });
    }

    fn text(&mut self) -> Option<String> {
        let text = self.flag.values.first().map(|v| v.text.clone());
        if text.is_none() {
            self.wrong("followed by a value");
        }
        text
    }

    fn count(&mut self) -> Option<u32> {
        let number = self.flag.values.first().and_then(|v| v.text.parse().ok());
        let number = number.filter(|n: &u32| (1..=16_777_216).contains(n));
        if number.is_none() {
            self.wrong("a whole number from 1");
        }
        number
    }

    fn yes(&mut self) -> bool {
        let said = self.flag.values.first().and_then(|v| truth(&v.text));
        said.unwrap_or(true) != self.negated
    }

    fn not_modelled(&mut self, why: &'static str) {
        let text = self.flag.text();
        self.server.unknown.push(Listed { text, why });
    }

    fn by(&mut self, means: FlagMeaning) {
        use FlagMeaning as M;
        match means {
            M::Harmless => {
                let text = self.flag.text();
                self.server.harmless.push(text);
            }
            M::NotModelled(why) => self.not_modelled(why),
            M::OptionsFile => self.not_modelled(
                "a file, which is not read from here; give it after the line if it holds the engine's options",
            ),
            M::Drafter => {
                let text = self.flag.text();
                self.server.notes.push(format!("{text}: what drafts costs as one layer of the model's own"));
            }
            M::Model => self.server.model = self.text().and_then(|t| self.stated(t)),
            M::Tensor => self.server.tensor = self.count().and_then(|n| self.stated(n)),
            M::Pipeline => self.server.pipeline = self.count().and_then(|n| self.stated(n)),
            M::Data => self.server.data = self.count().and_then(|n| self.stated(n)),
            M::Experts => self.server.experts = self.count().and_then(|n| self.stated(n)),
            M::BatchTokens => self.server.batch_tokens = self.count().and_then(|n| self.stated(n)),
            M::BatchRequests => {
                self.server.batch_requests = self.count().and_then(|n| self.stated(n));
            }
            M::KvTokens => self.server.kv_tokens = self.count().and_then(|n| self.stated(n)),
            M::Context => self.context(),
            M::Redundant => self.redundant(),
            M::Chunk => self.chunk(),
            M::AttentionData => {
                let yes = self.yes();
                self.server.attention_data = self.stated(yes);
            }
            M::SpreadExperts => {
                let yes = self.yes();
                self.server.spreads_experts = self.stated(yes);
            }
            M::Chunked => {
                let yes = self.yes();
                self.server.is_chunked = self.stated(yes);
            }
            M::Mixes => {
                let yes = self.yes();
                self.server.mixes = self.stated(yes);
            }
            M::Prefixes => {
                let yes = self.yes();
                self.server.no_prefixes = self.stated(!yes);
            }
            M::NoPrefixes => {
                let yes = self.yes();
                self.server.no_prefixes = self.stated(yes);
            }
            M::LookAhead => {
                let yes = self.yes();
                self.server.looks_ahead = self.stated(yes);
            }
            M::NoLookAhead => {
                let yes = self.yes();
                self.server.looks_ahead = self.stated(!yes);
            }
            M::Overlaps => {
                let yes = self.yes();
                self.server.overlaps = self.stated(yes);
            }
            M::Evicts => self.evicts(),
            M::MemoryFraction => self.memory_fraction(),
            M::KvNumbers => self.kv_numbers(),
            M::Weights => self.weights(),
            M::Drafts => self.drafts(),
            M::Role => self.role(),
            M::PrefillWorker => self.server.role = self.stated(ServerRole::Prefill),
            M::DecodeWorker => self.server.role = self.stated(ServerRole::Decode),
            M::KvTransfer | M::Speculative if self.flag.name.contains('.') => self.key_of_object(),
            M::KvTransfer => self.kv_transfer(),
            M::Speculative => self.speculative(),
        }
    }

    fn context(&mut self) {
        let text = self.text().unwrap_or_default();
        if text == "auto" || text == "-1" {
            return;
        }
        // vLLM takes 32k and 32K: thousands, and 1,024s
        let (digits, factor) = match text.strip_suffix(['k', 'K']) {
            Some(digits) if text.ends_with('k') => (digits, 1_000),
            Some(digits) => (digits, 1_024),
            None => (text.as_str(), 1),
        };
        let tokens = digits
            .parse::<u32>()
            .ok()
            .and_then(|n| n.checked_mul(factor));
        match tokens.filter(|n| *n > 0) {
            Some(tokens) => self.server.context = self.stated(tokens),
            None => self.wrong("a whole number from 1"),
        }
    }

    fn redundant(&mut self) {
        match self.flag.values.first().and_then(|v| v.text.parse().ok()) {
            Some(number) => self.server.redundant = self.stated(number),
            None => self.wrong("a whole number"),
        }
    }

    fn chunk(&mut self) {
        let number = self
            .flag
            .values
            .first()
            .and_then(|v| v.text.parse::<i64>().ok());
        match number {
            Some(n) if n <= 0 => self.server.chunk = self.stated(0),
            Some(n) => match u32::try_from(n) {
                Ok(n) => self.server.chunk = self.stated(n),
                Err(_) => self.wrong("a number of tokens"),
            },
            None => self.wrong("a number of tokens, or -1"),
        }
    }

    fn evicts(&mut self) {
        match self
            .text()
            .unwrap_or_default()
            .to_ascii_uppercase()
            .as_str()
        {
            "GUARANTEED_NO_EVICT" | "STATIC_BATCH" => self.server.evicts = self.stated(false),
            "MAX_UTILIZATION" => self.server.evicts = self.stated(true),
            _ => self.wrong("GUARANTEED_NO_EVICT or MAX_UTILIZATION"),
        }
    }

    fn memory_fraction(&mut self) {
        let number = self.flag.values.first().and_then(|v| v.text.parse().ok());
        match number.filter(|n: &f64| *n > 0.0 && *n <= 1.0) {
            Some(fraction) => self.server.memory_fraction = self.stated(fraction),
            None => self.wrong("a fraction from 0 to 1"),
        }
    }

    fn kv_numbers(&mut self) {
        let text = self.text().unwrap_or_default();
        let number = match text.to_ascii_lowercase().as_str() {
            "auto" => return,
            "bfloat16" | "bf16" | "float16" | "fp16" | "half" => NumberFormat::Bf16,
            word if word.starts_with("fp8") => NumberFormat::Fp8,
            "nvfp4" | "fp4_e2m1" => NumberFormat::Nvfp4,
            _ => return self.not_modelled("KV in such numbers"),
        };
        self.server.kv = self.stated(number);
    }

    fn weights(&mut self) {
        let text = self.text().unwrap_or_default();
        let number = match text.to_ascii_lowercase().as_str() {
            // these say how the checkpoint is read, which says itself what it is
            "none" | "auto" | "compressed-tensors" | "modelopt" | "modelopt_mixed" | "quark" => {
                let text = self.flag.text();
                return self.server.harmless.push(text);
            }
            "fp8" | "w8a8_fp8" | "modelopt_fp8" | "fbgemm_fp8" | "ptpc_fp8" | "per-tensor-fp8" => {
                NumberFormat::Fp8
            }
            "blockwise_fp8" | "block-fp8" | "fp8_per_block" => NumberFormat::Fp8Block,
            "modelopt_fp4" | "nvfp4" | "petit_nvfp4" => NumberFormat::Nvfp4,
            "mxfp4" => NumberFormat::Fp4,
            // groups of 128 unless somebody chose otherwise when the checkpoint was made
            "awq" | "awq_marlin" | "gptq" | "gptq_marlin" | "moe_wna16" => {
                NumberFormat::Int4Group128
            }
            "bf16" | "bfloat16" => NumberFormat::Bf16,
            _ => return self.not_modelled("weights in such numbers"),
        };
        self.server.weights = self.stated(number);
    }

    fn drafts(&mut self) {
        match self
            .flag
            .values
            .first()
            .and_then(|v| v.text.parse::<u32>().ok())
        {
            Some(0) => {}
            Some(n) if n <= 16 => self.server.drafts = self.stated(n),
            _ => self.wrong("a number of drafts from 1 to 16"),
        }
    }

    fn role(&mut self) {
        match self
            .text()
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str()
        {
            "prefill" | "context" => self.server.role = self.stated(ServerRole::Prefill),
            "decode" | "generation" => self.server.role = self.stated(ServerRole::Decode),
            "null" | "none" | "agg" | "aggregated" => {}
            _ => self.wrong("prefill or decode"),
        }
    }

    /// One key of an object, as a flag of its own.
    fn key_of_object(&mut self) {
        let (_, key) = self.flag.name.split_once('.').unwrap_or_default();
        let value = self.text().unwrap_or_default();
        match (key.replace('-', "_").as_str(), value.as_str()) {
            ("num_speculative_tokens", _) => self.drafts(),
            ("kv_role", "kv_producer") => self.server.role = self.stated(ServerRole::Prefill),
            ("kv_role", "kv_consumer") => self.server.role = self.stated(ServerRole::Decode),
            ("method", _) => self.by(FlagMeaning::Drafter),
            _ => self.not_modelled("a key of an object that is not modelled"),
        }
    }

    fn kv_transfer(&mut self) {
        let text = self.text().unwrap_or_default();
        let Ok(said) = serde_json::from_str::<serde_json::Value>(&text) else {
            return self.wrong("a JSON object");
        };
        let role = said.get("kv_role").and_then(|role| role.as_str());
        match role {
            Some("kv_producer") => self.server.role = self.stated(ServerRole::Prefill),
            Some("kv_consumer") => self.server.role = self.stated(ServerRole::Decode),
            _ => self.not_modelled("what moves KV both ways says nothing of the server's role: --role prefill or decode"),
        }
    }

    fn speculative(&mut self) {
        let text = self.text().unwrap_or_default();
        let Ok(said) = serde_json::from_str::<serde_json::Value>(&text) else {
            return self.wrong("a JSON object");
        };
        let method = said
            .get("method")
            .and_then(|m| m.as_str())
            .unwrap_or_default();
        if method.contains("ngram") || method.contains("suffix") {
            return self.not_modelled("drafts that are looked up");
        }
        let drafts = said
            .get("num_speculative_tokens")
            .and_then(serde_json::Value::as_u64);
        match drafts
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| (1..=16).contains(n))
        {
            Some(n) => {
                self.server.drafts = self.stated(n);
                self.server.notes.push(format!(
                    "{}: what drafts costs as one layer of the model's own",
                    self.flag.name
                ));
            }
            None => self.wrong("an object with `num_speculative_tokens` from 1 to 16"),
        }
    }
}
