//! `tokentide catalog`: what the program knows of accelerators, models, engines and prices.

use clap::{Args, Subcommand};

use super::model_lines::model_lines;
use super::{Exit, print, refuse, screen, show, tell};
use crate::catalog::{self, CONSTANTS, ServingEngine};
use crate::report::grid::{Grid, GridCell, GridColumn};
use crate::scenario::read_hf;

/// Arguments of `catalog`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CatalogArguments {
    /// Show one entry with all it has and its sources; left out: list every entry
    name: Option<String>,
    #[command(subcommand)]
    command: Option<CatalogCommand>,
}

#[derive(Debug, Subcommand)]
enum CatalogCommand {
    /// Read a model's config.json of Hugging Face, say what it was taken for, and print it as a `[model]` table
    Import {
        /// The config.json
        file: String,
    },
}

/// Runs `catalog`: lists all entries, or shows one.
pub fn execute(arguments: &CatalogArguments) -> Exit {
    if let Some(CatalogCommand::Import { file }) = &arguments.command {
        return import(file);
    }
    match &arguments.name {
        None => print(&format!("{}\n{}", screen::labelled(&list()), covers())),
        Some(name) => match engine(name).or_else(|| Some(screen::labelled(&entry_text(name)?))) {
            Some(text) => print(&text),
            None => refuse(&format!(
                "the catalog has no entry `{name}`; `tokentide catalog` lists all"
            )),
        },
    }
}

/// Prints a configuration as a table of a scenario; what was understood goes before it as comments, what was not to
/// standard error, too.
fn import(file: &str) -> Exit {
    let read = match read_hf(file) {
        Ok(read) => read,
        Err(mistakes) => {
            show(&mistakes);
            return Exit::BadInput;
        }
    };
    let mut text = String::new();
    for (label, words) in read.model().map(model_lines).unwrap_or_default() {
        text.push_str(&format!("# {label:<10} {words}\n"));
    }
    for note in read.notes() {
        if note.starts_with("keys that") {
            tell(&format!("note: {note}"));
        }
        text.push_str(&format!("# note       {note}\n"));
    }
    print(&(text + "\n" + &read.to_toml()))
}

fn list() -> String {
    let mut text = String::from("Accelerators\n");
    for entry in catalog::gpus() {
        let gpu = &entry.item;
        let compute = gpu.compute.map_or(String::new(), |c| {
            format!(
                ", {:.2} TB/s, {:.0} TFLOPS BF16, {:.0} FP8",
                c.memory_bytes_per_s / 1e12,
                c.bf16_per_s / 1e12,
                c.fp8_per_s / 1e12
            )
        });
        text.push_str(&format!(
            "  {:<18} {:.0} GB{compute}\n",
            gpu.name,
            gpu.memory_bytes as f64 / 1e9
        ));
    }
    text.push_str("\nModels\n");
    for entry in catalog::models() {
        let model = &entry.item;
        let shape = model.architecture.map_or(String::new(), |a| {
            let experts = a.experts.map_or(String::new(), |e| {
                format!(", {} experts (top {})", e.routed, e.top_k)
            });
            format!("{} layers of {}{experts}, ", a.layers, a.hidden)
        });
        text.push_str(&format!(
            "  {:<18} {shape}{} bytes of KV a token\n",
            model.name, model.kv_bytes_per_token
        ));
    }
    text.push_str("\nEngines\n");
    for engine in catalog::engines() {
        text.push_str(&format!(
            "  {:<22} on {:<5} {}\n",
            engine.name_and_releases(),
            engine.gpu,
            engine.about
        ));
    }
    text.push_str("\nPrices\n");
    for entry in catalog::prices() {
        let full = &entry.item.full;
        let usd = |p: crate::units::PicoUsd| p.as_usd() * 1e6;
        text.push_str(&format!(
            "  {:<22} ${:.3} hit, ${:.3} miss, ${:.3} output per million tokens\n",
            entry.item.name,
            usd(full.hit),
            usd(full.miss),
            usd(full.output)
        ));
    }
    text
}

/// On which accelerators the engines' constants were measured, and which borrow from whom.
fn covers() -> String {
    let mut columns = vec![GridColumn::left("accelerator")];
    let engines = catalog::gpus()
        .first()
        .map(|e| catalog::coverage(&e.item.name));
    let engines = engines.unwrap_or_default();
    columns.extend(engines.iter().map(|cover| GridColumn::left(cover.engine)));
    let mut grid = Grid::new(columns);
    for entry in catalog::gpus() {
        let gpu = entry.item.name.as_str();
        let mut cells = vec![GridCell::new(gpu)];
        let covers = catalog::coverage(gpu);
        cells.extend(covers.iter().map(|cover| GridCell::new(cover.words(gpu))));
        grid.rows.push(cells);
    }
    let head = "Whose constants step times rest on: own, or those of the accelerator named; where kernels alone were \
                measured, what running servers make of them is another's\n";
    screen::labelled(head) + &grid.to_text(&screen::results())
}

/// An engine's constants on each accelerator that it is known on; `None`: there is no such engine.
fn engine(name: &str) -> Option<String> {
    let (alone, release) = catalog::name_and_release(name);
    let asked = release.map(|_| catalog::engine(name, ""));
    let wanted = |e: &&ServingEngine| match &asked {
        Some(found) => found.as_ref().is_some_and(|f| f.releases == e.releases),
        None => catalog::releases(&e.name).first().copied() == e.releases.as_ref(),
    };
    let engines = catalog::engines()
        .iter()
        .filter(|e| e.name == alone)
        .filter(wanted);
    let parts = engines.map(|engine| {
        let mut grid = Grid::new(vec![
            GridColumn::left("constant"),
            GridColumn::right("value"),
            GridColumn::left("kind"),
            GridColumn::left("source"),
        ]);
        let row = |(constant, info): &(_, catalog::ConstantInfo)| {
            let figure = engine.figure(*constant);
            let word = figure.provenance.word();
            let value = figure.value.to_string();
            let cells = [info.key, value.as_str(), word, figure.source.as_str()];
            cells.map(GridCell::new).into()
        };
        grid.rows = CONSTANTS.iter().map(row).collect();
        let named = engine.name_and_releases();
        let mut head = format!("{named} on {}: {}\n", engine.gpu, engine.about);
        if !engine.rules.source.is_empty() {
            head.push_str(&rules(engine));
        }
        screen::labelled(&head) + &grid.to_text(&screen::results())
    });
    let text = parts.collect::<Vec<_>>().join("\n");
    (!text.is_empty()).then_some(text)
}

/// How an engine makes its batches, with the source.
fn rules(engine: &ServingEngine) -> String {
    let rules = &engine.rules;
    let or_pool = |word: &Option<String>| word.clone().unwrap_or("as the pool says".to_string());
    format!(
        "batches: look_ahead {}, batching {}, admission {}; {}\n",
        rules.look_ahead,
        or_pool(&rules.batching),
        or_pool(&rules.admission),
        rules.source
    )
}

fn entry_text(name: &str) -> Option<String> {
    let sources = |source: &str, assumed: &str| {
        let assumed = if assumed.is_empty() {
            String::new()
        } else {
            format!("  assumed  {assumed}\n")
        };
        format!("  source   {source}\n{assumed}")
    };
    if let Some(entry) = catalog::gpus().iter().find(|e| e.item.name == name) {
        let gpu = &entry.item;
        let mut text = format!(
            "{name}: accelerator\n  memory   {:.1} GB by its data sheet, {:.2} GB for programs\n  network  {:.1} GB/s one way\n  host     {:.1} GB/s one way\n",
            gpu.memory_bytes as f64 / 1e9,
            gpu.usable_bytes as f64 / 1e9,
            gpu.nic.0 as f64 / 1e9,
            gpu.host.0 as f64 / 1e9
        );
        if let Some(c) = gpu.compute {
            text.push_str(&format!(
                "  memory   {:.2} TB/s\n  compute  {:.0} TFLOPS BF16, {:.0} FP8, {:.0} FP4, dense\n  scale-up {:.0} GB/s one way to {} accelerators{}\n",
                c.memory_bytes_per_s / 1e12,
                c.bf16_per_s / 1e12,
                c.fp8_per_s / 1e12,
                c.fp4_per_s / 1e12,
                c.scale_up_bytes_per_s / 1e9,
                c.scale_up_gpus,
                match (c.scale_up_spans_nodes, c.scale_up_mesh) {
                    (true, _) => " over several nodes",
                    (_, true) => ", each by a link of its own",
                    _ => "",
                }
            ));
        }
        if let Some(power) = gpu.power {
            text.push_str(&format!(
                "  power    {:.0} W idle, {:.0} W generating, {:.0} W computing prompts\n",
                power.idle_w, power.busy_w, power.peak_w
            ));
        }
        text.push_str(&match gpu.overhead_w {
            Some(watts) => format!("  rest     {watts:.0} W: host, network, cooling\n"),
            None => "  rest     not known: host, network, cooling\n".to_string(),
        });
        return Some(text + &sources(&entry.source, &entry.assumed));
    }
    if let Some(entry) = catalog::models().iter().find(|e| e.item.name == name) {
        let mut text = format!("{name}: model\n");
        for (label, words) in model_lines(&entry.item) {
            text.push_str(&format!("  {label:<10} {words}\n"));
        }
        return Some(text + &sources(&entry.source, &entry.assumed));
    }
    let entry = catalog::prices().iter().find(|e| e.item.name == name)?;
    let usd = |p: crate::units::PicoUsd| p.as_usd() * 1e6;
    let prices = |p: &catalog::TokenPrices| {
        format!(
            "${:.3} hit, ${:.3} miss, ${:.3} output",
            usd(p.hit),
            usd(p.miss),
            usd(p.output)
        )
    };
    let mut text = format!(
        "{name}: prices per million tokens\n  full     {}\n",
        prices(&entry.item.full)
    );
    for d in &entry.item.discounts {
        let clock = |t: crate::units::SimDuration| {
            let minutes = t.0 / 60_000_000_000;
            format!("{:02}:{:02}", minutes / 60, minutes % 60)
        };
        text.push_str(&format!(
            "  discount {}-{} UTC: {}\n",
            clock(d.from_utc),
            clock(d.to_utc),
            prices(&d.prices)
        ));
    }
    Some(text + &sources(&entry.source, &entry.assumed))
}
