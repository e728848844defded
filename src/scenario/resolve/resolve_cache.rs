//! The KV cache: a rate of hits that is stated, or a prefix cache whose hits follow from what requests share.

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::file::{BLOCK_TOKENS, SHARED_PROMPTS};
use super::super::source::Span;
use super::super::suggest::quote;
use super::super::tree::{TomlEntry, TomlTable};
use super::super::{
    ArrivalKind, CacheForm, Class, KvCache, Performance, PrefixBlocks, Role, Router,
};
use crate::catalog::KvShape;

/// The rate of hits that classes have by default; none where hits are not stated.
pub fn default_hit_rate(root: &TomlTable) -> Option<f64> {
    let table = root.table("kv_cache")?;
    match table.word("kind")? {
        CacheForm::Fixed => table.number("hit_rate"),
        CacheForm::Prefix => Some(0.0),
    }
}

/// Resolves the cache, and complains where classes say what does not go with it.
pub fn kv_cache(
    root: &TomlTable,
    classes: Option<&[Class]>,
    kv: Option<&KvShape>,
    performance: Option<&Performance>,
    report: &mut MistakeReport,
) -> Option<KvCache> {
    let table = root.table("kv_cache")?;
    let tables = root.list("class").unwrap_or_default();
    let tables: Vec<&TomlTable> = tables.iter().filter_map(|node| node.table()).collect();
    match table.word("kind")? {
        CacheForm::Fixed => {
            let pool = root
                .table("pools")
                .and_then(|p| p.table(Role::Prefill.word()));
            let entry = pool.and_then(|pool| pool.entry("kv_capacity_tokens"));
            if let Some(entry) = entry {
                let message =
                    "prefill ranks keep nothing where the cache has a stated rate of hits";
                let found = Diagnostic::new(message, entry.key_at).label("of no effect");
                let help = "take it out, or set `kv_cache = { kind = \"prefix\" }`";
                report.push(found.also(table.at("kind"), "this cache").help(help));
            }
            for role in [Role::Prefill, Role::Mixed] {
                let pool = root.table("pools").and_then(|p| p.table(role.word()));
                let entry = pool.and_then(|pool| pool.entry("router"));
                let router = pool.and_then(|pool| pool.word::<Router>("router"));
                if let (Some(entry), Some(router)) = (entry, router)
                    && router.asks_contents()
                {
                    let message = format!(
                        "router {} asks what requests have in common, and the cache has a stated rate of hits",
                        quote(router.word())
                    );
                    let found = Diagnostic::new(message, entry.node.at)
                        .label("needs a prefix cache")
                        .also(table.at("kind"), "hits are drawn at a rate");
                    report.push(found.help("set `kv_cache = { kind = \"prefix\" }`"));
                }
            }
            for class in tables {
                if let Some(entry) = class.entry(SHARED_PROMPTS) {
                    let message =
                        "prompts share a beginning, and the cache has a stated rate of hits";
                    let found = Diagnostic::new(message, entry.key_at).label("of no effect");
                    report.push(
                        found
                            .also(table.at("kind"), "hits are drawn at a rate and share no memory")
                            .help("set `kv_cache = { kind = \"prefix\" }`, and leave out every `hit_rate`"),
                    );
                }
            }
            for (class, of_class) in root.list("class")?.iter().zip(classes.unwrap_or_default()) {
                if let ArrivalKind::Sessions(_) = of_class.arrivals.kind {
                    let message = "turns of sessions find again what was said before, and the cache has a stated rate of hits";
                    let at = class
                        .table()
                        .map_or(Span::NOWHERE, |class| class.at("arrivals"));
                    let found = Diagnostic::new(message, at).label("needs a prefix cache");
                    let found = found.also(
                        table.at("kind"),
                        "this one does not know what prompts share",
                    );
                    report.push(found.help("set `kv_cache = { kind = \"prefix\" }`"));
                }
            }
            Some(KvCache::Fixed)
        }
        CacheForm::Prefix => {
            for (index, class) in tables.iter().enumerate() {
                let of_class = classes.and_then(|classes| classes.get(index));
                no_stated_hits(table, class, of_class, report);
                of_class.inspect(|of_class| contents_are_known(class, of_class, report));
            }
            if kv.is_some_and(|kv| kv.full_bytes == 0 && kv.bytes_per_token() > 0) {
                let message = "a prefix cache needs layers that keep every token";
                let found = Diagnostic::new(message, table.at("kind"));
                let found = found.label("the model keeps a window or states only");
                report.push(found.help("use `kind = \"fixed\"` with a `hit_rate`"));
            }
            nobody_waits(root, table, report);
            room_is_known(root, performance, report);
            let stated = table.integer(BLOCK_TOKENS);
            Some(KvCache::Prefix(PrefixBlocks::of(stated, performance?)))
        }
    }
}

/// Complains where prompts wait for a fuller batch: what they find in the cache meanwhile is not modelled.
fn nobody_waits(root: &TomlTable, cache: &TomlTable, report: &mut MistakeReport) {
    let pool = root
        .table("pools")
        .and_then(|p| p.table(Role::Mixed.word()));
    let waits = pool.filter(|pool| pool.integer::<u32>("batch_wait_steps").unwrap_or(0) > 0);
    let Some(entry) = waits.and_then(|pool| pool.entry("batch_wait_steps")) else {
        return;
    };
    let message =
        "what prompts that wait for a fuller batch find in a prefix cache is not modelled";
    let found = Diagnostic::new(message, entry.key_at).label("prompts wait");
    let found = found.also(cache.at("kind"), "and this cache knows what they share");
    report.push(
        found.help("take `batch_wait_steps` out, or use `kind = \"fixed\"` with a `hit_rate`"),
    );
}

/// Complains where nothing says how much a prefill rank can keep.
fn room_is_known(root: &TomlTable, performance: Option<&Performance>, report: &mut MistakeReport) {
    let word = Role::Prefill.word();
    let pool = root.table("pools").and_then(|pools| pools.entry(word));
    let silent = |pool: &&TomlEntry| {
        let table = pool.node.table();
        table.is_some_and(|table| table.get("kv_capacity_tokens").is_none())
    };
    let (Some(pool), Some(Performance::Linear(_) | Performance::Table(_))) =
        (pool.filter(silent), performance)
    else {
        return;
    };
    let message = "nothing says how much KV the prefill pool's ranks keep";
    let found = Diagnostic::new(message, pool.key_at).label("needed for a prefix cache");
    report.push(found.help("add `pools.prefill.kv_capacity_tokens`, or use kind = \"roofline\""));
}

/// Complains where a recording's prompts have blocks that are not known, or that are in the way of shared prompts.
fn contents_are_known(class: &TomlTable, meaning: &Class, report: &mut MistakeReport) {
    let ArrivalKind::Trace(play) = &meaning.arrivals.kind else {
        return;
    };
    let name = quote(&meaning.name);
    if play.has_ids && play.blocks.is_none() {
        let message =
            format!("which blocks the prompts of class {name} have in common is not known");
        let found = Diagnostic::new(message, class.at("arrivals"))
            .label("too many requests to hold their blocks, or of no known size of block");
        report.push(found.help(
            "play a shorter recording (up to 262,144 requests), or use `kv_cache = { kind = \"fixed\", hit_rate = … }`",
        ));
    }
    if let (Some(_), Some(entry)) = (&play.blocks, class.entry(SHARED_PROMPTS)) {
        let message =
            format!("the recording of class {name} says which blocks its prompts have in common");
        let found = Diagnostic::new(message, entry.key_at).label("in the way");
        report.push(found.help("take `shared_prompts` out"));
    }
}

/// Complains of hits that a class states although they follow from the cache.
fn no_stated_hits(
    cache: &TomlTable,
    class: &TomlTable,
    meaning: Option<&Class>,
    report: &mut MistakeReport,
) {
    let mut complain = |at, what: &str, remedy: &str| {
        let message = format!("{what}, and hits follow from the prefix cache");
        let found = Diagnostic::new(message, at).label("in the way");
        let found = found.also(cache.at("kind"), "this cache");
        let help = format!("{remedy}, or use `kv_cache = {{ kind = \"fixed\", hit_rate = … }}`");
        report.push(found.help(help));
    };
    if let Some(entry) = class.entry("hit_rate") {
        let remedy = "take it out, and say what prompts share with `shared_prompts`";
        complain(entry.key_at, "a class states its rate of hits", remedy);
        return;
    }
    let Some(meaning) = meaning else {
        return;
    };
    let at = class.table("arrivals").map(|arrivals| arrivals.at("csv"));
    let at = at.unwrap_or(class.at("arrivals"));
    let states = match &meaning.arrivals.kind {
        ArrivalKind::Trace(play) => play.facts.states_hits,
        _ => meaning.arrivals.periods.iter().any(|p| p.hit_rate > 0.0),
    };
    if states {
        let what = format!("the CSV of class {} states hits", quote(&meaning.name));
        complain(at, &what, "take the column out");
    }
}
