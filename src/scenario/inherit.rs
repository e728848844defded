//! Nested tables of a model or accelerator with a `base`: what they leave out is the base's.
//!
//! Where the base has no such table there is nothing to take, and the checker asks for what is missing.

use super::source::Span;
use super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue};
use crate::catalog::{
    self, Architecture, Attention, Compute, Experts, LinearAttention, SparseAttention,
};

/// Keys with the values that a base gives them, as a table of the file.
type InheritedValues = Vec<(&'static str, TomlValue)>;

/// Completes the nested tables of `model` and `node.gpu`.
pub fn inherit(root: &mut TomlTable) {
    if let Some(model) = table_mut(root, "model")
        && let Some(base) = model.text("base").and_then(catalog::model)
        && let Some(architecture) = base.architecture
    {
        for (key, values) in of_architecture(&architecture) {
            complete(model, key, values);
        }
    }
    if let Some(gpu) = table_mut(root, "node").and_then(|node| table_mut(node, "gpu"))
        && let Some(base) = gpu.text("base").and_then(catalog::gpu)
        && let Some(compute) = base.compute
    {
        complete(gpu, "compute", of_compute(&compute));
    }
}

fn table_mut<'a>(table: &'a mut TomlTable, key: &str) -> Option<&'a mut TomlTable> {
    match &mut table.entry_mut(key)?.node.value {
        TomlValue::Table(table) => Some(table),
        _ => None,
    }
}

fn complete(table: &mut TomlTable, key: &str, values: InheritedValues) {
    let Some(nested) = table_mut(table, key) else {
        return;
    };
    for (key, value) in values {
        if nested.get(key).is_none() {
            nested.entries.push(TomlEntry {
                key: key.to_string(),
                key_at: Span::NOWHERE,
                node: TomlNode::of(value),
            });
        }
    }
}

fn of_architecture(model: &Architecture) -> Vec<(&'static str, InheritedValues)> {
    let mut all = vec![of_attention(&model.attention)];
    all.extend(model.linear.map(|linear| ("linear", of_linear(&linear))));
    all.extend(model.sparse.map(|sparse| ("sparse", of_sparse(&sparse))));
    all.extend(model.experts.map(|e| ("experts", of_experts(&e))));
    all
}

fn of_attention(attention: &Attention) -> (&'static str, InheritedValues) {
    match *attention {
        Attention::Latent {
            heads,
            query_rank,
            kv_rank,
            nope,
            rope,
            value,
        } => {
            let values = [
                ("heads", heads),
                ("query_rank", query_rank),
                ("kv_rank", kv_rank),
                ("nope", nope),
                ("rope", rope),
                ("value", value),
            ];
            ("latent", whole(&values))
        }
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
            let mut values = whole(&[
                ("heads", heads),
                ("kv_heads", kv_heads),
                ("head", head),
                ("window_layers", window_layers),
                ("window", window),
            ]);
            // the global ones are those of all layers unless they differ
            if global_kv_heads != kv_heads {
                values.extend(whole(&[("global_kv_heads", global_kv_heads)]));
            }
            if global_head != head {
                values.extend(whole(&[("global_head", global_head)]));
            }
            values.push(("qk_norm", TomlValue::Boolean(qk_norm)));
            values.push(("gate", TomlValue::Boolean(gate)));
            ("grouped", values)
        }
    }
}

fn of_linear(linear: &LinearAttention) -> InheritedValues {
    whole(&[
        ("layers", linear.layers),
        ("key_heads", linear.key_heads),
        ("key_head", linear.key_head),
        ("value_heads", linear.value_heads),
        ("value_head", linear.value_head),
        ("convolution", linear.convolution),
    ])
}

fn of_sparse(sparse: &SparseAttention) -> InheritedValues {
    whole(&[
        ("heads", sparse.heads),
        ("head", sparse.head),
        ("top_k", sparse.top_k),
        ("layers", sparse.layers),
    ])
}

fn of_experts(experts: &Experts) -> InheritedValues {
    whole(&[
        ("routed", experts.routed),
        ("top_k", experts.top_k),
        ("shared", experts.shared),
        ("ffn", experts.ffn),
        ("groups", experts.groups),
        ("top_groups", experts.top_groups),
    ])
}

fn of_compute(compute: &Compute) -> InheritedValues {
    let mut values: InheritedValues = vec![
        (
            "memory_tb_per_s",
            TomlValue::Float(compute.memory_bytes_per_s / 1e12),
        ),
        ("bf16_tflops", TomlValue::Float(compute.bf16_per_s / 1e12)),
        ("fp8_tflops", TomlValue::Float(compute.fp8_per_s / 1e12)),
        ("fp4_tflops", TomlValue::Float(compute.fp4_per_s / 1e12)),
        (
            "scale_up_gb_per_s",
            TomlValue::Float(compute.scale_up_bytes_per_s / 1e9),
        ),
    ];
    values.extend(whole(&[("scale_up_gpus", compute.scale_up_gpus)]));
    let spans = TomlValue::Boolean(compute.scale_up_spans_nodes);
    values.push(("scale_up_spans_nodes", spans));
    let mesh = TomlValue::Boolean(compute.scale_up_mesh);
    values.push(("scale_up_mesh", mesh));
    values
}

fn whole(values: &[(&'static str, u32)]) -> InheritedValues {
    let one = |(key, n): &(&'static str, u32)| (*key, TomlValue::Integer(i128::from(*n)));
    values.iter().map(one).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{Scenario, load_str};
    use crate::catalog::{Attention, gpu, model};

    fn read(model: &str, gpu: &str) -> Result<Scenario, String> {
        let text = format!(
            "name = 'own'\nstart = 2026-01-05T12:00:00Z\nduration = '1min'\nmodel = {model}\n\
             node = {{ gpu = {gpu}, gpus = 8, price_per_gpu_hour = 2.0 }}\n\
             [pools.mixed]\nnodes_per_unit = 1\nmax_batch_tokens = 8192\nunits = 1\n\
             parallelism = {{ tensor = 8 }}\n\
             [performance]\nkind = 'roofline'\nengine = 'vllm'\n\
             [[class]]\nname = 'chat'\narrivals = {{ kind = 'poisson', requests_per_s = 1.0 }}\n\
             input = {{ kind = 'constant', value = 100 }}\noutput = {{ kind = 'constant', value = 10 }}\n"
        );
        load_str("own", &text, &[]).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn nested_tables_are_differences_where_there_is_a_base() {
        let base = "llama-3.1-8b";
        let changed = format!("{{ base = '{base}', grouped = {{ kv_heads = 16 }} }}");
        let own = read(&changed, "'h100'")
            .unwrap()
            .model
            .architecture
            .unwrap();
        let plain = model(base).unwrap().architecture.unwrap();
        let heads = |a: &Attention| match *a {
            Attention::Grouped {
                heads,
                kv_heads,
                head,
                global_kv_heads,
                ..
            } => (heads, kv_heads, head, global_kv_heads),
            Attention::Latent { .. } => panic!("grouped"),
        };
        let (all, _, head, _) = heads(&plain.attention);
        assert_eq!(heads(&own.attention), (all, 16, head, 16));
        let card = "{ base = 'h100', compute = { memory_tb_per_s = 4.0 } }";
        let own = read("'llama-3.1-8b'", card)
            .unwrap()
            .node
            .gpu
            .compute
            .unwrap();
        let plain = gpu("h100").unwrap().compute.unwrap();
        assert_eq!(own.memory_bytes_per_s, 4e12);
        assert_eq!(own.fp8_per_s, plain.fp8_per_s);
        assert_eq!(own.scale_up_gpus, plain.scale_up_gpus);
    }

    #[test]
    fn without_a_base_what_is_missing_is_asked_for() {
        let asked = |model: &str, gpu: &str| read(model, gpu).unwrap_err();
        let own = asked(
            "{ name = 'own', layers = 4, grouped = { heads = 8 } }",
            "'h100'",
        );
        assert!(own.contains("`kv_heads` and `head` are missing"), "{own}");
        let own = asked(
            "{ name = 'own', layers = 4, experts = { routed = 8, top_k = 2, ffn = 64 } }",
            "'h100'",
        );
        assert!(
            own.contains("lacks `hidden`, `vocabulary` and `grouped`"),
            "{own}"
        );
        let own = asked(
            "{ name = 'own', tied_embeddings = true, kv_bytes_per_token = 1 }",
            "'h100'",
        );
        assert!(own.contains("`vocabulary`, `grouped` and `ffn`"), "{own}");
        let card = asked(
            "'llama-3.1-8b'",
            "{ name = 'own', memory_gb = 48, compute = { bf16_tflops = 1 } }",
        );
        assert!(
            card.contains("`memory_tb_per_s` and `scale_up_gb_per_s` are missing"),
            "{card}"
        );
    }
}
