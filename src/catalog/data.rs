//! The catalog's embedded data: three TOML files beside this one, read at first use.
//!
//! Every entry carries where its figures were published and, apart from that, what was assumed.
//! Network and host link are nominal; protocol overhead is left to the performance model.

use std::sync::OnceLock;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::catalog_entry::CatalogEntry;
use super::model_rows::{ModelFile, ModelRow};
use super::{Compute, Discount, Gpu, Model, Power, Price, TokenPrices};
use crate::units::{BytesPerSecond, NS_PER_S, PICO_PER_USD, PicoUsd, SimDuration};

/// Bytes in a gigabyte, as network and memory makers count.
const BYTES_PER_GB: f64 = 1e9;

/// All accelerators, in the order of the file.
pub fn gpus() -> &'static [CatalogEntry<Gpu>] {
    static GPUS: OnceLock<Vec<CatalogEntry<Gpu>>> = OnceLock::new();
    GPUS.get_or_init(|| {
        let file: GpuFile = read(include_str!("gpus.toml"));
        file.gpu.into_iter().map(GpuRow::entry).collect()
    })
}

/// All models, in the order of the file.
pub fn models() -> &'static [CatalogEntry<Model>] {
    static MODELS: OnceLock<Vec<CatalogEntry<Model>>> = OnceLock::new();
    MODELS.get_or_init(|| {
        let file: ModelFile = read(include_str!("models.toml"));
        file.model.into_iter().map(ModelRow::entry).collect()
    })
}

/// All price lists, in the order of the file.
pub fn prices() -> &'static [CatalogEntry<Price>] {
    static PRICES: OnceLock<Vec<CatalogEntry<Price>>> = OnceLock::new();
    PRICES.get_or_init(|| {
        let file: PriceFile = read(include_str!("prices.toml"));
        file.price.into_iter().map(PriceRow::entry).collect()
    })
}

/// The accelerator of this name; `None`: the catalog has none.
pub fn gpu(name: &str) -> Option<&'static Gpu> {
    let found = gpus().iter().find(|e| e.item.name == name)?;
    Some(&found.item)
}

/// The model of this name; `None`: the catalog has none.
pub fn model(name: &str) -> Option<&'static Model> {
    let found = models().iter().find(|e| e.item.name == name)?;
    Some(&found.item)
}

/// The price list of this name; `None`: the catalog has none.
pub fn price(name: &str) -> Option<&'static Price> {
    let found = prices().iter().find(|e| e.item.name == name)?;
    Some(&found.item)
}

/// Picodollars per token from dollars per million tokens, rounded to the picodollar.
pub fn usd_per_million(usd: f64) -> PicoUsd {
    PicoUsd(libm::round(usd * (PICO_PER_USD / 1_000_000) as f64) as u128)
}

/// Bytes per second from gigabytes (10^9 bytes) per second, rounded to the byte.
pub fn gb_per_s(gb: f64) -> BytesPerSecond {
    BytesPerSecond(libm::round(gb * BYTES_PER_GB) as u64)
}

/// Bytes from gigabytes (10^9 bytes), rounded to the byte.
pub fn gb(gb: f64) -> u64 {
    libm::round(gb * BYTES_PER_GB) as u64
}

/// Reads an embedded file. It is part of the program and this module's tests prove that it reads well,
/// so the empty fallback is never used.
fn read<T: DeserializeOwned + Default>(text: &str) -> T {
    toml::from_str(text).unwrap_or_default()
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GpuFile {
    gpu: Vec<GpuRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GpuRow {
    name: String,
    lender: Option<String>,
    memory_gb: f64,
    driver_gb: f64,
    nic_gb_per_s: f64,
    host_gb_per_s: f64,
    idle_w: f64,
    busy_w: f64,
    peak_w: f64,
    overhead_w: Option<f64>,
    compute: Option<ComputeRow>,
    source: String,
    #[serde(default)]
    assumed: String,
}

impl GpuRow {
    fn entry(self) -> CatalogEntry<Gpu> {
        CatalogEntry {
            item: Gpu {
                base: Some(self.name.clone()),
                name: self.name,
                lender: self.lender,
                memory_bytes: gb(self.memory_gb),
                usable_bytes: gb(self.driver_gb),
                nic: gb_per_s(self.nic_gb_per_s),
                host: gb_per_s(self.host_gb_per_s),
                power: Some(Power {
                    idle_w: self.idle_w,
                    busy_w: self.busy_w,
                    peak_w: self.peak_w,
                }),
                overhead_w: self.overhead_w,
                compute: self.compute.map(ComputeRow::compute),
            },
            source: self.source,
            assumed: self.assumed,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ComputeRow {
    memory_tb_per_s: f64,
    bf16_tflops: f64,
    #[serde(default)]
    fp8_tflops: f64,
    #[serde(default)]
    fp4_tflops: f64,
    scale_up_gb_per_s: f64,
    scale_up_gpus: u32,
    #[serde(default)]
    scale_up_spans_nodes: bool,
    #[serde(default)]
    scale_up_mesh: bool,
}

impl ComputeRow {
    fn compute(self) -> Compute {
        Compute {
            memory_bytes_per_s: 1e12 * self.memory_tb_per_s,
            bf16_per_s: 1e12 * self.bf16_tflops,
            fp8_per_s: 1e12 * self.fp8_tflops,
            fp4_per_s: 1e12 * self.fp4_tflops,
            scale_up_bytes_per_s: 1e9 * self.scale_up_gb_per_s,
            scale_up_gpus: self.scale_up_gpus,
            scale_up_spans_nodes: self.scale_up_spans_nodes,
            scale_up_mesh: self.scale_up_mesh,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceFile {
    price: Vec<PriceRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceRow {
    name: String,
    hit_usd_per_million: f64,
    miss_usd_per_million: f64,
    output_usd_per_million: f64,
    source: String,
    #[serde(default)]
    assumed: String,
    #[serde(default)]
    discount: Vec<DiscountRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiscountRow {
    from_utc: toml::value::Datetime,
    to_utc: toml::value::Datetime,
    hit_usd_per_million: f64,
    miss_usd_per_million: f64,
    output_usd_per_million: f64,
}

impl PriceRow {
    fn entry(self) -> CatalogEntry<Price> {
        CatalogEntry {
            item: Price {
                name: self.name,
                full: TokenPrices {
                    hit: usd_per_million(self.hit_usd_per_million),
                    miss: usd_per_million(self.miss_usd_per_million),
                    output: usd_per_million(self.output_usd_per_million),
                },
                discounts: self.discount.iter().map(DiscountRow::discount).collect(),
            },
            source: self.source,
            assumed: self.assumed,
        }
    }
}

impl DiscountRow {
    fn discount(&self) -> Discount {
        Discount {
            from_utc: time_of_day(&self.from_utc),
            to_utc: time_of_day(&self.to_utc),
            prices: TokenPrices {
                hit: usd_per_million(self.hit_usd_per_million),
                miss: usd_per_million(self.miss_usd_per_million),
                output: usd_per_million(self.output_usd_per_million),
            },
        }
    }
}

/// Time of day of a TOML date and time, since midnight; a date without a time counts as midnight.
fn time_of_day(value: &toml::value::Datetime) -> SimDuration {
    let Some(time) = value.time else {
        return SimDuration::ZERO;
    };
    let minutes = u64::from(time.hour) * 60 + u64::from(time.minute);
    SimDuration((minutes * 60 + u64::from(time.second.unwrap_or(0))) * NS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::NS_PER_HOUR;

    #[test]
    fn every_file_reads_and_every_entry_names_its_source() {
        toml::from_str::<GpuFile>(include_str!("gpus.toml")).expect("gpus.toml");
        toml::from_str::<ModelFile>(include_str!("models.toml")).expect("models.toml");
        toml::from_str::<PriceFile>(include_str!("prices.toml")).expect("prices.toml");
        assert_eq!((gpus().len(), models().len(), prices().len()), (16, 22, 2));
        let gpu_sources = gpus().iter().map(|e| (&e.item.name, &e.source));
        let model_sources = models().iter().map(|e| (&e.item.name, &e.source));
        let price_sources = prices().iter().map(|e| (&e.item.name, &e.source));
        for (name, source) in gpu_sources.chain(model_sources).chain(price_sources) {
            assert!(!source.is_empty(), "{name} has no source");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = gpus().iter().map(|e| e.item.name.as_str()).collect();
        names.extend(models().iter().map(|e| e.item.name.as_str()));
        names.extend(prices().iter().map(|e| e.item.name.as_str()));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn prices_are_whole_picodollars_a_token() {
        let r1 = price("deepseek-r1-2025-02").expect("in the catalog");
        assert_eq!(r1.full.hit, PicoUsd(140_000));
        assert_eq!(r1.full.miss, PicoUsd(550_000));
        assert_eq!(r1.full.output, PicoUsd(2_190_000));
        let [night] = r1.discounts.as_slice() else {
            panic!("one window");
        };
        assert_eq!(
            night.from_utc,
            SimDuration(16 * NS_PER_HOUR + NS_PER_HOUR / 2)
        );
        assert_eq!(night.to_utc, SimDuration(NS_PER_HOUR / 2));
        assert_eq!(night.prices.miss, PicoUsd(135_000));
    }

    #[test]
    fn units_become_bytes() {
        let h800 = gpu("h800").expect("in the catalog");
        assert_eq!(h800.memory_bytes, 80_000_000_000);
        assert_eq!(h800.nic, BytesPerSecond(50_000_000_000));
        assert_eq!(h800.host, BytesPerSecond(63_000_000_000));
        assert_eq!(
            gpu("h20").map(|g| (g.nic.0, g.overhead_w)),
            Some((25_000_000_000, None))
        );
    }

    #[test]
    fn programs_see_what_a_driver_reports_and_where_it_was_read_is_told() {
        for CatalogEntry {
            item,
            source,
            assumed,
        } in gpus()
        {
            let name = &item.name;
            for what in ["driver:", "idle:", "busy:"] {
                assert!(
                    source.contains(what) != assumed.contains(what),
                    "{name}: `{what}` belongs in one of `source` and `assumed`"
                );
            }
            assert_ne!(item.usable_bytes, item.memory_bytes, "{name}");
            // between the same number of 10^9 and of 2^30 bytes, less what a driver keeps (under 2 %)
            let share = item.usable_bytes as f64 / item.memory_bytes as f64;
            assert!((0.98..=1.074).contains(&share), "{name}: {share}");
        }
        let usable = |name| gpu(name).map(|g| g.usable_bytes);
        assert_eq!(usable("h100"), Some(84_940_000_000));
        assert_eq!(usable("h800"), usable("h100"));
        assert_eq!(usable("mi300x"), Some(206_140_000_000));
    }

    #[test]
    fn power_rises_with_load_up_to_the_limit() {
        for entry in gpus() {
            let power = entry.item.power.expect("stated for every entry");
            assert!(power.idle_w > 0.0 && power.idle_w < power.busy_w);
            assert!(power.busy_w < power.peak_w, "{}", entry.item.name);
        }
    }

    #[test]
    fn a_card_without_a_scale_up_link_is_alone_and_talks_through_its_host() {
        for name in ["h100-pcie", "l40s", "rtx-pro-6000"] {
            let card = gpu(name).expect("in the catalog");
            let compute = card.compute.expect("has a data sheet");
            assert_eq!(compute.scale_up_gpus, 1);
            assert_eq!(compute.scale_up_bytes_per_s, card.host.0 as f64);
        }
        let a100 = gpu("a100").and_then(|g| g.compute).expect("known");
        assert_eq!((a100.fp8_per_s, a100.scale_up_gpus), (0.0, 8));
    }
}
