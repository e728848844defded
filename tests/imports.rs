//! What people bring and what is made of it: configurations of models, each read or refused by its key. What is printed
//! is held by snapshots beside the files; to change it on purpose, run with `INSTA_UPDATE=always` and read the
//! difference.

mod support;

use std::fs;

use support::program::{Said, Scratch, tokentide};
use tokentide::internals::scenario::load;

fn holds(name: &str, said: &Said) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("imports");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let code = said.code.expect("an exit code");
    let out = String::from_utf8_lossy(&said.out);
    let shown = format!("exit {code}\n{out}{}", said.err);
    settings.bind(|| insta::assert_snapshot!(name, shown));
}

/// The names of the files of a folder, sorted.
fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("readable").file_name())
        .map(|name| name.into_string().expect("in UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn configurations_are_read_or_refused_by_their_keys() {
    let refused = [
        "broken",
        "layer-kind",
        "mamba",
        "missing",
        "odd-blocks",
        "odd-numbers",
        "odd-shared",
        "uneven",
        "unknown-type",
    ];
    let folder = "tests/imports/configs";
    let files = names(folder);
    assert!(files.len() >= 10 + refused.len() - 1);
    for file in files {
        let said = tokentide(&["catalog", "import", &format!("{folder}/{file}")]);
        let name = file.trim_end_matches(".json");
        let code = if refused.contains(&name) { 2 } else { 0 };
        assert_eq!(said.code, Some(code), "{file}");
        holds(name, &said);
    }
    holds(
        "nvfp4",
        &tokentide(&["catalog", "import", "tests/imports/nvfp4/config.json"]),
    );
}

const SCENARIO: &str = "name = 'own model'\nstart = 2026-01-05T12:00:00Z\nduration = '1min'\n\
    node = { gpu = 'h100', gpus = 8, price_per_gpu_hour = 2.0 }\n\
    pools.mixed = { parallelism = { tensor = 4 }, max_batch_tokens = 2048, units = 2 }\n\
    performance = { kind = 'roofline', engine = 'vllm' }\n\
    [[class]]\nname = 'chat'\narrivals = { kind = 'poisson', requests_per_s = 1.0 }\n\
    input = { kind = 'constant', value = 100 }\noutput = { kind = 'constant', value = 10 }\n";

#[test]
fn a_scenario_names_a_configuration_beside_it_and_needs_it_no_more_once_resolved() {
    let folder = Scratch::new("hf");
    let config = fs::read_to_string("tests/imports/configs/latent-experts.json").expect("there");
    folder.write("config.json", &config);
    let path = folder.write(
        "own.toml",
        &format!("model = {{ hf = 'config.json', context = 9000 }}\n{SCENARIO}"),
    );
    let scenario = load(&path, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let architecture = scenario.model.architecture.expect("read");
    assert_eq!((architecture.layers, architecture.dense_layers), (20, 2));
    assert_eq!(
        scenario.model.context,
        Some(9000),
        "what the scenario says goes first"
    );
    let resolved = folder.write("resolved.toml", scenario.resolved_toml());
    fs::remove_file(folder.path("config.json")).expect("removed");
    let again = load(&resolved, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(again.hash(), scenario.hash());
    // the printed table is the same model
    let printed = tokentide(&[
        "catalog",
        "import",
        "tests/imports/configs/latent-experts.json",
    ]);
    let pasted = folder.write(
        "pasted.toml",
        &format!("{SCENARIO}{}", String::from_utf8_lossy(&printed.out)),
    );
    let pasted = load(&pasted, &["model.context=9000".into()]).unwrap_or_else(|m| panic!("{m}"));
    assert_eq!(pasted.model, scenario.model);
}

#[test]
fn a_scenario_reads_no_configuration_out_of_its_folder_and_none_beside_a_base() {
    let folder = Scratch::new("hf-outside");
    folder.write(
        "config.json",
        &fs::read_to_string("tests/imports/configs/uneven.json").expect("there"),
    );
    let refused = |model: &str| {
        let path = folder.write("own.toml", &format!("model = {model}\n{SCENARIO}"));
        let mistakes = load(&path, &[]).expect_err(model).to_string();
        mistakes.replace(&folder.path(""), "")
    };
    assert!(refused("{ hf = '../config.json' }").contains("`..` leads out of it"));
    assert!(refused("{ hf = '/etc/hostname' }").contains("an absolute path"));
    assert!(refused("{ hf = 'konfig.json' }").contains("did you mean"));
    assert!(refused("{ hf = 3 }").contains("should be text"));
    assert!(refused("{ hf = 'config.json', base = 'qwen3-32b' }").contains("exclude one another"));
    // what the scenario's rules find wrong is shown where the configuration says it
    let uneven = refused("{ hf = 'config.json' }");
    assert!(
        uneven.contains("config.json:4:3") && uneven.contains("12 query heads"),
        "{uneven}"
    );
}

/// Launch lines and files of servers: a name, what is given to `import`, and how it ends.
const SERVERS: [(&str, &[&str], i32); 20] = [
    ("script", &["vllm", "serve.sh", "--gpu", "a100"], 0),
    (
        "experts",
        &[
            "vllm",
            "vllm serve deepseek-ai/DeepSeek-V3.1 -dp 8 -tp 2 --enable-expert-parallel --enable-dbo \
             --speculative-config '{\"method\":\"deepseek_mtp\",\"num_speculative_tokens\":1}' --max-num-batched-token 1",
            "--gpu",
            "B200",
            "--gpus",
            "8",
        ],
        0,
    ),
    (
        "image",
        &[
            "vllm",
            "docker run --gpus all vllm/vllm-openai:latest --model RedHatAI/Llama-3.1-8B-Instruct-FP8 -dp 4 --async-scheduling",
        ],
        0,
    ),
    (
        "two-roles",
        &[
            "vllm",
            "vllm serve Qwen/Qwen3-30B-A3B -tp 2 --kv-transfer-config '{\"kv_connector\":\"NixlConnector\",\"kv_role\":\"kv_producer\"}'",
            "vllm serve Qwen/Qwen3-30B-A3B -tp 4 --max-num-seqs 300 --kv-transfer-config '{\"kv_role\":\"kv_consumer\"}'",
            "--gpu",
            "h100",
        ],
        0,
    ),
    ("deployment", &["vllm", "deployment.yaml"], 0),
    ("values", &["vllm", "values.yaml", "--gpu", "h100"], 0),
    (
        "ranks",
        &[
            "sglang",
            "python -m sglang.launch_server --model-path zai-org/GLM-5-FP8 --tp-size 8 --dp 4 --enable-dp-attention --ep 8 \
             --enable-two-batch-overlap --max-running-requests 512 --chunked-prefill-size 16384 --speculative-algorithm NEXTN \
             --speculative-num-steps 2 --speculative-eagle-topk 1 --disable-radix-cache",
            "--gpu",
            "h200",
        ],
        0,
    ),
    ("leaders", &["sglang", "leaders.yaml", "--gpu", "h200"], 0),
    ("graph", &["trtllm", "graph.yaml", "--gpu", "h200"], 0),
    (
        "options",
        &[
            "trtllm",
            "trtllm-serve deepseek-ai/DeepSeek-R1 --max_batch_size 160 --extra_llm_api_options options.yaml",
            "options.yaml",
            "--gpu",
            "b200",
        ],
        0,
    ),
    (
        "role-files",
        &[
            "trtllm",
            "prefill_config.yaml",
            "decode_config.yaml",
            "--model",
            "Qwen/Qwen3-32B",
            "--gpu",
            "h100",
        ],
        0,
    ),
    (
        "configuration",
        &[
            "vllm",
            "vllm serve example/own -tp 4",
            "--hf",
            "tests/imports/configs/states.json",
            "--gpu",
            "l40s",
        ],
        0,
    ),
    ("question", &["trtllm", "question.yaml"], 2),
    ("alias", &["vllm", "alias.yaml"], 2),
    (
        "no-model",
        &["sglang", "sglang serve --model-path example/own --tp 2"],
        2,
    ),
    (
        "no-number",
        &[
            "vllm",
            "vllm serve Qwen/Qwen3-32B --max-num-seqs $SEQS --gpu-memory-utilization 1.2",
        ],
        2,
    ),
    (
        "not-this-engine",
        &[
            "trtllm",
            "cd /srv; python -m sglang.launch_server --model Qwen/Qwen3-32B",
        ],
        2,
    ),
    (
        "unlike",
        &[
            "vllm",
            "vllm serve Qwen/Qwen3-32B -tp 2\nvllm serve Qwen/Qwen3-32B -tp 4",
        ],
        2,
    ),
    (
        "odd-ranks",
        &[
            "sglang",
            "sglang serve --model-path deepseek-ai/DeepSeek-R1 --tp 8 --dp 3 --enable-dp-attention",
        ],
        2,
    ),
    (
        "too-large",
        &[
            "vllm",
            "vllm serve meta-llama/Llama-3.1-405B-Instruct --gpu_memory_utilization 0.9 -tp 3",
        ],
        2,
    ),
];

#[test]
fn servers_become_scenarios_that_are_accepted_and_refusals_name_their_flag() {
    for (name, arguments, code) in SERVERS {
        let path = |argument: &&str| {
            let file = format!("tests/imports/servers/{argument}");
            if fs::exists(&file).unwrap_or(false) {
                file
            } else {
                (*argument).to_string()
            }
        };
        let all: Vec<String> = ["import".to_string()]
            .into_iter()
            .chain(arguments.iter().map(path))
            .collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let said = tokentide(&all);
        assert_eq!(said.code, Some(code), "{name}: {}", said.err);
        holds(name, &said);
        if code == 0 {
            let text = String::from_utf8(said.out).expect("in UTF-8");
            let read = tokentide::load_str(name, &text, &[]);
            assert!(read.is_ok(), "{name}: {}", read.expect_err("refused"));
        }
    }
}

#[test]
fn what_is_printed_is_checked_as_it_comes() {
    let line = "vllm serve meta-llama/Llama-3.1-8B-Instruct";
    let said = tokentide(&["import", "vllm", line, "--gpu", "l40s"]);
    let mut command: assert_cmd::Command = assert_cmd::cargo::cargo_bin_cmd!("tokentide");
    let checked = command.args(["check", "-"]).write_stdin(said.out).output();
    let checked = checked.expect("the program starts");
    let out = String::from_utf8(checked.stdout).expect("in UTF-8");
    assert!(
        checked.status.success() && out.contains("no mistakes"),
        "{out}"
    );
    let refused = tokentide(&["import", "vllm", line, "--gpu", "h1000"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused
            .err
            .contains("the catalog has no accelerator `h1000`"),
        "{}",
        refused.err
    );
}
