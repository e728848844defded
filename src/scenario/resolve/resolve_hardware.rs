//! Models, accelerators, nodes and their links, from the catalog and from the scenario.

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::source::Span;
use super::super::stated_price::STATED_FOR;
use super::super::suggest::{list, nearest, quote};
use super::super::tree::{TomlTable, TomlValue};
use super::super::{Node, Transfer};
use super::architecture;
use crate::catalog::{self, Gpu, Model, NumberFormat, Power, gb, gb_per_s};
use crate::units::{BytesPerSecond, PICO_PER_USD, PicoUsd};

/// Resolves the model: a catalog name, or a table with or without a base.
pub fn model(root: &TomlTable, report: &mut MistakeReport) -> Option<Model> {
    let node = root.get("model")?;
    let names: Vec<&str> = catalog::models()
        .iter()
        .map(|e| e.item.name.as_str())
        .collect();
    match &node.value {
        TomlValue::Text(name) => {
            known(catalog::model(name), "model", name, node.at, &names, report)
        }
        TomlValue::Table(table) => {
            let base = match table.text("base") {
                Some(name) => {
                    let found = catalog::model(name);
                    Some(known(
                        found,
                        "model",
                        name,
                        table.at("base"),
                        &names,
                        report,
                    )?)
                }
                None => None,
            };
            let header = root.entry("model").map_or(node.at, |e| e.key_at);
            let known = base.as_ref().and_then(|b| b.architecture);
            let architecture = architecture::architecture(table, known, report);
            // KV follows from an architecture
            let needed: &[&str] = match architecture::is_said(table) {
                true => &["name"],
                false => &["name", "kv_bytes_per_token"],
            };
            need_without_base(table, base.is_some(), needed, "model", header, report);
            let name = table.text("name").map(str::to_string);
            let kv_bytes = table.integer("kv_bytes_per_token");
            let derived =
                architecture.map(|a| a.kv_shape(NumberFormat::Bf16, false).bytes_per_token());
            let context = table.integer("context");
            Some(Model {
                name: name.or(base.as_ref().map(|b| b.name.clone()))?,
                context: context.or(base.as_ref().and_then(|b| b.context)),
                architecture,
                kv_bytes_per_token: kv_bytes
                    .or(derived)
                    .or(base.map(|b| b.kv_bytes_per_token))?,
            })
        }
        _ => None,
    }
}

/// Resolves `[node]`, the server.
pub fn node(table: &TomlTable, report: &mut MistakeReport) -> Option<Node> {
    let gpu = gpu(table, report);
    let usd = table.number("price_per_gpu_hour");
    Some(Node {
        gpu: gpu?,
        gpus: table.integer("gpus")?,
        price_per_gpu_hour: PicoUsd(libm::round(usd? * PICO_PER_USD as f64) as u128),
        price_stated_for: table.text(STATED_FOR).map(str::to_string),
        shared: table.boolean("shared")?,
        fleet: table.integer("fleet"),
    })
}

fn gpu(node: &TomlTable, report: &mut MistakeReport) -> Option<Gpu> {
    let gpu = node.get("gpu")?;
    let names: Vec<&str> = catalog::gpus()
        .iter()
        .map(|e| e.item.name.as_str())
        .collect();
    match &gpu.value {
        TomlValue::Text(name) => known(catalog::gpu(name), "GPU", name, gpu.at, &names, report),
        TomlValue::Table(table) => {
            let base = match table.text("base") {
                Some(name) => {
                    let found = catalog::gpu(name);
                    Some(known(found, "GPU", name, table.at("base"), &names, report)?)
                }
                None => None,
            };
            let needed = ["name", "memory_gb", "nic_gb_per_s", "host_gb_per_s"];
            let header = node.entry("gpu").map_or(gpu.at, |e| e.key_at);
            need_without_base(table, base.is_some(), &needed, "GPU", header, report);
            let base = base.as_ref();
            let name = table.text("name").map(str::to_string);
            let memory = table.number("memory_gb").map(gb);
            let nic = table.number("nic_gb_per_s").map(gb_per_s);
            let host = table.number("host_gb_per_s").map(gb_per_s);
            let power = power(table, base, report);
            Some(Gpu {
                base: base.and_then(|b| b.base.clone()),
                lender: base.and_then(|b| b.lender.clone()),
                name: name.or(base.map(|b| b.name.clone()))?,
                memory_bytes: memory.or(base.map(|b| b.memory_bytes))?,
                usable_bytes: memory.or(base.map(|b| b.usable_bytes))?,
                nic: nic.or(base.map(|b| b.nic))?,
                host: host.or(base.map(|b| b.host))?,
                power,
                overhead_w: overhead(table, power, base, report),
                compute: table
                    .table("compute")
                    .and_then(architecture::compute)
                    .or(base.and_then(|b| b.compute)),
            })
        }
        _ => None,
    }
}

/// Power of an accelerator: what its table states, the rest from its base. All three or none, and rising.
fn power(table: &TomlTable, base: Option<&Gpu>, report: &mut MistakeReport) -> Option<Power> {
    let keys = ["idle_w", "busy_w", "peak_w"];
    let known = base.and_then(|b| b.power);
    let of_base = known.map(|p| [p.idle_w, p.busy_w, p.peak_w]);
    let mut watts = [None; 3];
    for (i, (watts, key)) in watts.iter_mut().zip(keys).enumerate() {
        *watts = table.number(key).or(of_base.map(|p| p[i]));
    }
    let Some(stated) = keys.into_iter().find(|k| table.get(k).is_some()) else {
        return known;
    };
    let at = table.at(stated);
    match watts {
        [Some(idle_w), Some(busy_w), Some(peak_w)] => {
            if idle_w > busy_w || busy_w > peak_w {
                let message = format!(
                    "an accelerator draws no more idle ({idle_w} W) than busy ({busy_w} W), and no more busy \
                     than at its peak ({peak_w} W)"
                );
                report.push(Diagnostic::new(message, at).label("these do not rise"));
            }
            Some(Power {
                idle_w,
                busy_w,
                peak_w,
            })
        }
        _ => {
            let missing: Vec<&str> = keys
                .into_iter()
                .filter(|k| table.get(k).is_none())
                .collect();
            let message = format!("`{stated}` goes with {}", list(missing));
            let found = Diagnostic::new(message, at).label("not complete");
            report.push(found.help("add what is missing, or name a catalog entry: base = \"…\""));
            None
        }
    }
}

/// Power of host, network and cooling for an accelerator: stated, or what all draw at full load less its own limit.
fn overhead(
    table: &TomlTable,
    power: Option<Power>,
    base: Option<&Gpu>,
    report: &mut MistakeReport,
) -> Option<f64> {
    let known = base.and_then(|b| b.overhead_w);
    let Some(all_in) = table.number("power_w") else {
        return table.number("overhead_w").or(known);
    };
    let at = table.at("power_w");
    let refused = if table.get("overhead_w").is_some() {
        "`power_w` and `overhead_w` say the same thing".to_string()
    } else {
        match power {
            None => "`power_w` needs `idle_w`, `busy_w` and `peak_w`".to_string(),
            Some(p) if all_in < p.peak_w => {
                format!("`power_w` includes the accelerator's own {} W", p.peak_w)
            }
            Some(p) => return Some(all_in - p.peak_w),
        }
    };
    report.push(Diagnostic::new(refused, at).label("cannot be divided"));
    None
}

/// Resolves `[transfer]`: what all transfers have in common.
pub fn transfer(table: &TomlTable) -> Option<Transfer> {
    Some(Transfer {
        latency: table.duration("latency")?,
        overlap_65536: libm::round(table.number("overlap")? * 65_536.0) as u32,
    })
}

/// Links of one rank, network and host: what `[transfer]` states for every rank, or those of its own
/// accelerators together.
pub fn links(transfer: &TomlTable, node: &Node, gpus_per_rank: u32) -> [BytesPerSecond; 2] {
    let stated = |key| transfer.number(key).map(gb_per_s);
    let together = |one: BytesPerSecond| BytesPerSecond(one.0 * u64::from(gpus_per_rank.max(1)));
    [
        stated("bandwidth_gb_per_s").unwrap_or(together(node.gpu.nic)),
        stated("host_gb_per_s").unwrap_or(together(node.gpu.host)),
    ]
}

/// A catalog entry, or a complaint that names the near ones.
pub fn known<T: Clone>(
    found: Option<&T>,
    what: &str,
    name: &str,
    at: Span,
    names: &[&str],
    report: &mut MistakeReport,
) -> Option<T> {
    if found.is_none() {
        let message = format!("the catalog has no {what} {}", quote(name));
        let mistake = Diagnostic::new(message, at);
        let mistake = match nearest(name, names.iter().copied()) {
            Some(meant) => mistake.label(format!("did you mean {}?", quote(meant))),
            None => mistake.label("unknown name"),
        };
        report.push(mistake.note(format!("it has {}", list(names.iter().copied()))));
    }
    found.cloned()
}

/// Complains about each key that has neither a value nor a base to take it from.
pub fn need_without_base(
    table: &TomlTable,
    has_base: bool,
    keys: &[&str],
    what: &str,
    header: Span,
    report: &mut MistakeReport,
) {
    if has_base || table.get("base").is_some() {
        return;
    }
    let missing: Vec<&str> = keys
        .iter()
        .copied()
        .filter(|k| table.get(k).is_none())
        .collect();
    if !missing.is_empty() {
        let message = format!("a {what} without a `base` needs {}", list(missing));
        let found = Diagnostic::new(message, header).label("not complete");
        report.push(found.help("add what is missing, or name a catalog entry: base = \"…\""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::load_str;

    /// The accelerator of a small scenario, or all complaints.
    fn read(gpu: &str) -> Result<Gpu, String> {
        let text = format!(
            r#"
            name = "small"
            start = 2026-01-05T00:00:00Z
            duration = "1h"
            model = "llama-3.1-8b"
            node = {{ gpu = {gpu}, gpus = 1, price_per_gpu_hour = 2.0 }}
            pools.mixed = {{ nodes_per_unit = 1, kv_capacity_tokens = 1000, max_batch_tokens = 100, units = 1 }}
            performance = {{ kind = "linear", prefill = {{ per_token = "1us" }}, decode = {{ base = "1ms" }} }}
            [[class]]
            name = "a"
            arrivals = {{ kind = "poisson", requests_per_s = 1 }}
            input = {{ kind = "constant", value = 10 }}
            output = {{ kind = "constant", value = 10 }}
            "#
        );
        load_str("test", &text, &[])
            .map(|s| s.node.gpu.clone())
            .map_err(|mistakes| mistakes.to_string())
    }

    const CARD: &str = "name = \"card\", memory_gb = 48, nic_gb_per_s = 1, host_gb_per_s = 1";

    #[test]
    fn a_stated_memory_is_taken_as_it_is_and_a_base_gives_what_its_driver_reports() {
        let own = read(&format!("{{ {CARD} }}")).expect("reads");
        assert_eq!(
            (own.memory_bytes, own.usable_bytes),
            (48_000_000_000, 48_000_000_000)
        );
        assert_eq!((own.power, own.overhead_w), (None, None));
        let of_base = read("{ base = \"h100\", nic_gb_per_s = 25 }").expect("reads");
        assert_eq!(
            (of_base.memory_bytes, of_base.usable_bytes),
            (80_000_000_000, 84_940_000_000)
        );
        assert_eq!(of_base.overhead_w, Some(1_030.0));
    }

    #[test]
    fn power_is_stated_whole_and_rises() {
        let own = |more: &str| read(&format!("{{ {CARD}, {more} }}"));
        let card = own("idle_w = 20, busy_w = 100, peak_w = 300, power_w = 450").expect("reads");
        let power = Power {
            idle_w: 20.0,
            busy_w: 100.0,
            peak_w: 300.0,
        };
        assert_eq!((card.power, card.overhead_w), (Some(power), Some(150.0)));
        let based = read("{ base = \"h100\", idle_w = 70 }").expect("reads");
        let busy = based.power.map(|p| (p.idle_w, p.busy_w, p.peak_w));
        assert_eq!(busy, Some((70.0, 300.0, 700.0)));
        for (stated, complaint) in [
            ("idle_w = 20", "goes with"),
            ("idle_w = 200, busy_w = 100, peak_w = 300", "no more idle"),
            ("idle_w = 20, busy_w = 400, peak_w = 300", "no more idle"),
            ("power_w = 450", "`power_w` needs"),
            (
                "idle_w = 20, busy_w = 100, peak_w = 300, power_w = 200",
                "`power_w` includes",
            ),
            (
                "idle_w = 20, busy_w = 100, peak_w = 300, power_w = 450, overhead_w = 150",
                "the same thing",
            ),
        ] {
            let said = own(stated).expect_err(stated);
            assert!(said.contains(complaint), "{stated}: {said}");
        }
    }
}
