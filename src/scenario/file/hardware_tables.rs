//! The shape of `model` and `[node]`: what is served, and on what.

use super::super::shape::ValueKind::{Boolean, Choice, Either, Integer, Table, Text};
use super::super::shape::{TableShape, ValueKind, default, number, optional, positive, required};
use crate::catalog::NumberFormat;

/// A number of parts of a model, such as layers or heads.
const COUNT: ValueKind = Integer(1, 1_000_000);

/// Power, in watts.
const WATTS: ValueKind = number(0.0, 1_000_000.0);

/// A number format of weights, activations or KV.
pub const NUMBER: ValueKind = Choice(&NumberFormat::WORDS);

pub static MODEL: TableShape = TableShape {
    name: "model",
    doc: "A model, from the catalog or not",
    ordered: false,
    fields: &[
        optional(
            "base",
            Text,
            "The catalog's model that this one differs from",
        ),
        optional(
            "name",
            Text,
            "Its name; by default that of its base. With a name and no `base` it stands alone",
        ),
        optional(
            "hf",
            Text,
            "The path of a config.json of Hugging Face, relative to this file, which says what the other keys do not",
        ),
        optional(
            "kv_bytes_per_token",
            Integer(1, 100_000_000),
            "KV cache of one token over all layers, in bytes; by default it follows from the architecture in BF16 and from `precision.kv`. Another number holds everywhere, whatever the precision",
        ),
        optional(
            "context",
            Integer(1, 1_000_000_000),
            "Most tokens of a request, input and output together; by default that of its base",
        ),
        optional("layers", COUNT, "Layers"),
        optional(
            "dense_layers",
            Integer(0, 100_000),
            "Layers without experts; by default none where there are experts, else all",
        ),
        optional("hidden", COUNT, "Width of the residual stream"),
        optional(
            "ffn",
            Integer(0, 10_000_000),
            "Inner width of the dense network",
        ),
        optional("vocabulary", Integer(1, 10_000_000), "Tokens there are"),
        optional("latent", Table(&LATENT), "Multi-head latent attention"),
        optional("grouped", Table(&GROUPED), "Grouped-query attention"),
        optional(
            "linear",
            Table(&LINEAR),
            "Layers of linear attention, whose state does not grow",
        ),
        optional(
            "sparse",
            Table(&SPARSE),
            "What chooses the tokens that latent attention attends to; by default it attends to all",
        ),
        optional(
            "tied_embeddings",
            Boolean,
            "Whether embedding and head are one table; by default not",
        ),
        optional("experts", Table(&EXPERTS), "Routed and shared experts"),
        optional(
            "weights",
            NUMBER,
            "What its dense weights are published in; by default that of its base, or BF16",
        ),
        optional(
            "expert_weights",
            NUMBER,
            "What its experts' weights are published in; by default that of its base, or as `weights`",
        ),
    ],
};

pub static NODE: TableShape = TableShape {
    name: "node",
    doc: "One server",
    ordered: false,
    fields: &[
        required(
            "gpu",
            Either(&Text, &Table(&GPU)),
            "\"h800\"",
            "The accelerator: a catalog name, or a table",
        ),
        required("gpus", Integer(1, 1_024), "8", "Accelerators in a node"),
        required(
            "price_per_gpu_hour",
            number(0.0, 1_000.0),
            "2.0",
            "US dollars for one accelerator and one hour while its node is paid",
        ),
        optional(
            "price_stated_for",
            Text,
            "The accelerator that the price was stated for; noted where a what-if changes the accelerator alone, and told",
        ),
        default(
            "shared",
            Boolean,
            "false",
            "Whether units of different pools may lie on one node; otherwise each pool has nodes of its own",
        ),
        optional(
            "fleet",
            Integer(1, 10_000_000),
            "All the nodes there are; no schedule may ask for more",
        ),
    ],
};

static GPU: TableShape = TableShape {
    name: "gpu",
    doc: "An accelerator, from the catalog or not",
    ordered: false,
    fields: &[
        optional(
            "base",
            Text,
            "The catalog's accelerator that this one differs from",
        ),
        optional(
            "name",
            Text,
            "Its name; by default that of its base. With a name and no `base` it stands alone",
        ),
        optional(
            "memory_gb",
            positive(100_000.0),
            "Memory that programs see (the driver's total), in units of 10^9 bytes; taken as it is",
        ),
        optional(
            "nic_gb_per_s",
            number(0.001, 1_000_000.0),
            "Its network interface, one way, in 10^9 bytes a second",
        ),
        optional(
            "host_gb_per_s",
            number(0.001, 1_000_000.0),
            "Its link to the host, one way, in 10^9 bytes a second",
        ),
        optional(
            "idle_w",
            WATTS,
            "What it draws while it holds a model and computes nothing, in watts; goes with `busy_w` and `peak_w`",
        ),
        optional(
            "busy_w",
            WATTS,
            "What it draws while it generates, in watts",
        ),
        optional(
            "peak_w",
            WATTS,
            "What it draws while it computes prompts, in watts: its power limit",
        ),
        optional(
            "overhead_w",
            WATTS,
            "What the rest draws for it, in watts from the utility: host, network, cooling, conversion",
        ),
        optional(
            "power_w",
            WATTS,
            "Instead of `overhead_w`: all at full load, in watts from the utility, `peak_w` included",
        ),
        optional(
            "compute",
            Table(&COMPUTE),
            "What it computes and moves, dense, by its data sheet; needed for step times from first principles",
        ),
    ],
};

static LATENT: TableShape = TableShape {
    name: "latent_attention",
    doc: "Multi-head latent attention",
    ordered: false,
    fields: &[
        required("heads", COUNT, "128", "Query heads"),
        required(
            "query_rank",
            COUNT,
            "1536",
            "Rank of the compressed queries",
        ),
        required(
            "kv_rank",
            COUNT,
            "512",
            "Rank of the compressed keys and values",
        ),
        required("nope", COUNT, "128", "Head dimension without position"),
        required("rope", COUNT, "64", "Head dimension with rotary position"),
        required("value", COUNT, "128", "Head dimension of values"),
    ],
};

static GROUPED: TableShape = TableShape {
    name: "grouped_attention",
    doc: "Grouped-query attention; multi-head where `kv_heads` equals `heads`",
    ordered: false,
    fields: &[
        required("heads", COUNT, "64", "Query heads"),
        required("kv_heads", COUNT, "8", "Key and value heads"),
        required("head", COUNT, "128", "Head dimension"),
        optional(
            "global_kv_heads",
            COUNT,
            "Key and value heads of the layers without a window, where others have one; by default `kv_heads`",
        ),
        optional(
            "global_head",
            COUNT,
            "Head dimension of the layers without a window; by default `head`",
        ),
        default(
            "window_layers",
            Integer(0, 100_000),
            "0",
            "Layers that attend to a window only",
        ),
        default(
            "window",
            Integer(0, 16_777_216),
            "0",
            "Tokens in that window",
        ),
        default(
            "qk_norm",
            Boolean,
            "false",
            "Whether queries and keys are normalised",
        ),
        default(
            "gate",
            Boolean,
            "false",
            "Whether what a head attends to passes a gate, computed beside its queries",
        ),
    ],
};

static LINEAR: TableShape = TableShape {
    name: "linear_attention",
    doc: "Layers of linear attention; their state is a matrix for each value head, in FP32 (assumed)",
    ordered: false,
    fields: &[
        required("layers", COUNT, "36", "How many of the layers"),
        required("key_heads", COUNT, "16", "Query and key heads"),
        required("key_head", COUNT, "128", "Their dimension"),
        required("value_heads", COUNT, "32", "Value heads"),
        required("value_head", COUNT, "128", "Their dimension"),
        default(
            "convolution",
            Integer(1, 1_024),
            "4",
            "Tokens that the convolution before it sees",
        ),
    ],
};

static SPARSE: TableShape = TableShape {
    name: "sparse_attention",
    doc: "Sparse attention: an indexer of light heads with one key of 8 bits scores every token, the highest are attended to",
    ordered: false,
    fields: &[
        required("heads", COUNT, "64", "Query heads of the indexer"),
        required("head", COUNT, "128", "Their dimension, that of the key"),
        required(
            "top_k",
            Integer(1, 16_777_216),
            "2048",
            "Tokens that are attended to",
        ),
        optional(
            "layers",
            COUNT,
            "Layers that choose on their own; by default all",
        ),
    ],
};

static EXPERTS: TableShape = TableShape {
    name: "experts",
    doc: "Routed and shared experts",
    ordered: false,
    fields: &[
        required("routed", COUNT, "256", "Routed experts of a layer"),
        required("top_k", COUNT, "8", "Of them, chosen by a token"),
        default(
            "shared",
            Integer(0, 10_000),
            "0",
            "Experts that every token goes through",
        ),
        required("ffn", COUNT, "2048", "Inner width of one expert"),
        default("groups", COUNT, "1", "Groups of experts"),
        default(
            "top_groups",
            COUNT,
            "1",
            "Of them, those in which a token may choose",
        ),
    ],
};

static COMPUTE: TableShape = TableShape {
    name: "compute",
    doc: "What an accelerator computes and moves, dense, by its data sheet",
    ordered: false,
    fields: &[
        required(
            "memory_tb_per_s",
            positive(10_000.0),
            "3.35",
            "Memory bandwidth, in 10^12 bytes a second",
        ),
        required(
            "bf16_tflops",
            positive(1e7),
            "989",
            "BF16, in 10^12 operations a second",
        ),
        default("fp8_tflops", number(0.0, 1e7), "0.0", "FP8; 0: it has none"),
        default("fp4_tflops", number(0.0, 1e7), "0.0", "FP4; 0: it has none"),
        required(
            "scale_up_gb_per_s",
            positive(1_000_000.0),
            "450",
            "Link to the accelerators of its scale-up domain, one way, in 10^9 bytes a second",
        ),
        default(
            "scale_up_gpus",
            Integer(1, 100_000),
            "8",
            "Accelerators in that domain",
        ),
        default(
            "scale_up_spans_nodes",
            Boolean,
            "false",
            "Whether the domain reaches over several nodes, as in racks of 72; otherwise it ends with the node",
        ),
        default(
            "scale_up_mesh",
            Boolean,
            "false",
            "Whether accelerators are linked one to one without a switch, as AMD's: two of eight have a seventh of the bandwidth",
        ),
    ],
};
