//! A model in words: its layers, attention, experts, numbers and size.

use crate::catalog::{Architecture, Attention, Model, NumberFormat};
use crate::report::format::{count, fixed};

/// A model's architecture, line by line: a label and what there is to say.
pub fn model_lines(model: &Model) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let context = model.context.map_or(String::new(), |n| {
        format!(", at most {} tokens a request", count(n.into()))
    });
    lines.push(("KV", kv(model) + &context));
    let Some(a) = &model.architecture else {
        return lines;
    };
    let dense = match (a.experts, a.dense_layers) {
        (Some(_), n) if n > 0 => format!(" ({n} of them dense, of {})", count(a.ffn.into())),
        (Some(_), _) => String::new(),
        (None, _) => format!(", networks of {}", count(a.ffn.into())),
    };
    lines.push((
        "layers",
        format!(
            "{} of width {}{dense}; {} words{}",
            a.layers,
            count(a.hidden.into()),
            count(a.vocabulary.into()),
            if a.tied_embeddings {
                ", one table for both ends"
            } else {
                ""
            }
        ),
    ));
    lines.push(("attention", attention(a)));
    if let Some(l) = a.linear {
        lines.push((
            "linear",
            format!(
                "{} layers keep states instead: {} heads of {} for keys, {} of {} for values, {:.1} MB a request",
                l.layers,
                l.key_heads,
                l.key_head,
                l.value_heads,
                l.value_head,
                f64::from(l.layers) * l.state_bytes() as f64 / 1e6
            ),
        ));
    }
    if let Some(s) = a.sparse {
        lines.push((
            "sparse",
            format!(
                "an indexer of {} heads of {} chooses {} tokens to attend to{}",
                s.heads,
                s.head,
                count(s.top_k.into()),
                if s.layers == a.layers {
                    String::new()
                } else {
                    format!(" in {} layers, for the others, too", s.layers)
                }
            ),
        ));
    }
    if let Some(e) = a.experts {
        let groups = if e.groups > 1 {
            format!("; {} groups, {} of them chosen", e.groups, e.top_groups)
        } else {
            String::new()
        };
        lines.push((
            "experts",
            format!(
                "{} routed, {} of them chosen, {} shared, of {}{groups}",
                e.routed,
                e.top_k,
                e.shared,
                count(e.ffn.into())
            ),
        ));
    }
    lines.push(("weights", weights(a)));
    lines
}

/// A model in one line.
pub fn model_in_brief(model: &Model) -> String {
    let parts = model
        .architecture
        .as_ref()
        .map(|a| [attention(a), weights(a)]);
    let parts = parts.into_iter().flatten().chain([kv(model)]);
    format!("{}: {}", model.name, parts.collect::<Vec<_>>().join("; "))
}

fn kv(model: &Model) -> String {
    let bytes = count(model.kv_bytes_per_token);
    format!("{bytes} bytes of KV a token in BF16")
}

fn attention(a: &Architecture) -> String {
    match a.attention {
        Attention::Latent {
            heads,
            query_rank,
            kv_rank,
            nope,
            rope,
            value,
        } => format!(
            "latent, {heads} heads of {nope} + {rope}, values of {value}, ranks {} and {kv_rank}",
            count(query_rank.into())
        ),
        Attention::Grouped {
            heads,
            kv_heads,
            head,
            global_kv_heads,
            global_head,
            window_layers,
            window,
            qk_norm,
            gate,
        } => {
            let mut text = format!("{heads} heads, {kv_heads} for KV, of {head}");
            if window_layers > 0 {
                let n = count(window.into());
                text += &format!("; {window_layers} layers within a window of {n}");
            }
            if (global_kv_heads, global_head) != (kv_heads, head) {
                text += &format!("; {global_kv_heads} for KV, of {global_head}, in the others");
            }
            if qk_norm {
                text += "; queries and keys normalised";
            }
            if gate {
                text += "; gated";
            }
            text
        }
    }
}

fn weights(a: &Architecture) -> String {
    let said = a.parameters();
    let billions = |n: f64| fixed(n / 1e9, 1);
    let numbers = |n: NumberFormat| n.word();
    match a.experts {
        Some(_) => format!(
            "{} billion, {} of them active; {}, experts {}",
            billions(said.all),
            billions(said.active),
            numbers(a.weights),
            numbers(a.expert_weights)
        ),
        None => format!("{} billion; {}", billions(said.all), numbers(a.weights)),
    }
}
