//! How fast recordings are played, and in how much memory.
//!
//! `cargo bench --bench recordings` plays the requests of Azure's conversation trace of 2023 (`AzureLLMInferenceTrace_conv.csv`
//! in the folder that TOKENTIDE_DATA names) on one mixed instance, five times, as whole processes of the program on one
//! thread, and a recording of its own of two million requests, once and ten times over, which is streamed: time, time a
//! request, and the most memory that the process held (Linux only; elsewhere 0).

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often the short recording is played.
const ROUNDS: usize = 5;
/// Requests of the long one.
const LONG: u64 = 2_000_000;

/// One mixed instance of eight GPUs that plays a file.
fn scenario(file: &Path, repeat: u32) -> String {
    format!(
        r#"
        name = "recording"
        start = 2026-01-05T12:00:00Z
        duration = "trace"
        model = "llama-3.1-8b"
        node = {{ gpu = "h100", gpus = 8, price_per_gpu_hour = 2.0 }}
        performance = {{ kind = "roofline", engine = "vllm" }}
        [pools.mixed]
        nodes_per_unit = 1
        max_batch_tokens = 8192
        max_batch_requests = 1024
        units = 1
        [[class]]
        name = "recorded"
        arrivals = {{ kind = "trace", file = "{}", repeat = {repeat} }}
        "#,
        file.file_name().unwrap_or_default().to_string_lossy()
    )
}

/// Wall time of the program on a scenario, and the most memory that it held, in bytes.
fn played(scenario: &Path) -> (Duration, u64) {
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tokentide"))
        .args(["run", "--quiet", "--threads", "1", "--format", "json"])
        .arg(scenario)
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        peak = kilobytes.map_or(peak, |kb| 1024 * kb);
        if let Some(ended) = child.try_wait().expect("a child") {
            assert!(ended.success(), "{}: {ended}", scenario.display());
            return (begun.elapsed(), peak);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn print(name: &str, requests: u64, wall: Duration, peak: u64) {
    println!(
        "{name}: {requests} requests, {:.3} s, {:.0} ns a request, {:.1} MB",
        wall.as_secs_f64(),
        wall.as_nanos() as f64 / requests as f64,
        peak as f64 / 1e6
    );
}

fn main() {
    let name = format!("tokentide-bench-{}", std::process::id());
    let folder = env::temp_dir().join(name);
    fs::create_dir(&folder).expect("a new folder in the temporary one");
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).expect("a file in it");
        path
    };
    let azure = env::var_os("TOKENTIDE_DATA")
        .map(|data| Path::new(&data).join("AzureLLMInferenceTrace_conv.csv"))
        .filter(|file| file.is_file());
    match azure {
        None => {
            println!("skipped: Azure's conversations (TOKENTIDE_DATA names no folder with them)")
        }
        Some(azure) => {
            let here = folder.join("conv.csv");
            fs::copy(azure, &here).expect("a copy in it");
            let plays = write("conv.toml", &scenario(&here, 1));
            let mut runs: Vec<_> = (0..ROUNDS).map(|_| played(&plays)).collect();
            runs.sort_unstable();
            let (wall, peak) = runs[ROUNDS / 2];
            print("Azure's conversations, median", 19_366, wall, peak);
        }
    }
    let mut rows = String::from("arrived_s,input_tokens,output_tokens\n");
    for n in 0..LONG {
        let (input, output) = (50 + n * 7919 % 401, 1 + n * 104_729 % 7);
        writeln!(rows, "{}.{:03},{input},{output}", n / 100, n % 100 * 10).expect("a text");
    }
    let long = write("long.csv", &rows);
    for repeat in [1, 10] {
        let plays = write("long.toml", &scenario(&long, repeat));
        let (wall, peak) = played(&plays);
        print(
            &format!("streamed {repeat} times over"),
            LONG * u64::from(repeat),
            wall,
            peak,
        );
    }
    fs::remove_dir_all(&folder).expect("the folder goes");
}
