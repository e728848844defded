//! A comparison for people: the verdict, the ranking, then each side against the first.

use super::reason::signed;
use super::{
    CommonStreams, CompareSide, Comparison, Difference, Finding, RankingPlace, Versus, direction,
};
use crate::report::format::{NONE, by_field, count, fixed};
use crate::report::grid::{Grid, GridCell, GridColumn};
use crate::report::page::{Body, Page, Section};
use crate::report::style::Tone;

/// Figures that are shown where both sides have them and one of them is not zero, by the ends of their paths.
const SHOWN: [(&str, &str); 20] = [
    ("requests.completed", "requests completed"),
    ("requests.rejected", "requests rejected"),
    ("latency.ttft_s.mean", "TTFT mean"),
    ("latency.ttft_s.p50", "TTFT p50"),
    ("latency.ttft_s.p99", "TTFT p99"),
    ("latency.tpot_s.mean", "TPOT mean"),
    ("latency.tpot_s.p99", "TPOT p99"),
    ("latency.e2e_s.mean", "E2E mean"),
    ("latency.e2e_s.p99", "E2E p99"),
    ("decode.output_speed_tokens_per_s", "tokens/s per request"),
    ("decode.batch_per_rank", "requests on a decode rank"),
    ("kv_hit_rate", "KV hit rate"),
    ("pools.prefill.utilization", "prefill busy"),
    ("pools.decode.utilization", "decode busy"),
    ("pools.mixed.utilization", "mixed busy"),
    ("nodes.node_hours", "node-hours"),
    ("economics.cost_usd", "cost"),
    ("economics.revenue_usd", "revenue"),
    ("economics.profit_usd", "profit"),
    (
        "economics.usd_per_million_output_tokens",
        "per million output tokens",
    ),
];

impl Comparison {
    /// The page of the comparison for people.
    pub fn page(&self) -> Page {
        let names: Vec<String> = self.sides.iter().map(|s| s.label.clone()).collect();
        let pairs = match (self.replications, self.streams) {
            (_, CommonStreams::None) => {
                "one run of each; nothing in them is drawn at random".to_owned()
            }
            (1, CommonStreams::Common | CommonStreams::Independent) => "one run of each".to_owned(),
            (n, CommonStreams::Common) => format!(
                "{} runs of each, with common random numbers",
                count(n.into())
            ),
            (n, CommonStreams::Independent) => format!(
                "{} runs of each, with independent random numbers",
                count(n.into())
            ),
        };
        let mut sections = vec![self.sides(), self.ranked()];
        for versus in &self.versus {
            sections.push(differences(versus, &self.by));
            sections.push(Section {
                title: format!("Why {} differs from {}", versus.label, versus.against),
                body: Body::Lines(match versus.reasons.as_slice() {
                    [] => vec![(
                        Tone::Plain,
                        "Nothing that chance does not explain.".to_owned(),
                    )],
                    reasons => reasons.iter().map(|r| (Tone::Plain, r.clone())).collect(),
                }),
                notes: Vec::new(),
            });
        }
        Page {
            title: format!("Comparison of {}", names.join(", ")),
            subtitle: format!("{pairs}; tokentide {}", env!("CARGO_PKG_VERSION")),
            verdict: (Tone::Strong, self.verdict()),
            sections,
        }
    }

    /// The verdict in sentences: which side is best, and whether that is sure.
    fn verdict(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if let [best, .., _] = self.ranking.as_slice() {
            let figure = label_of(&self.by);
            let tied: Vec<&str> = self
                .ranking
                .iter()
                .filter(|r| r.rank == 1)
                .map(|r| r.label.as_str())
                .collect();
            sentences.push(match tied.as_slice() {
                [_] if self.streams == CommonStreams::None => format!(
                    "{} is ahead by {figure} on this workload. Nothing in it is drawn at random: more runs would be the \
                     same, and no interval says what another recording or another day would give.",
                    self.named(&best.label)
                ),
                [_] if self.replications == 1 => format!(
                    "{} is ahead by {figure} in one run of each; one run has no interval, --replications 5 gives one.",
                    self.named(&best.label)
                ),
                [_] => format!("{} is best by {figure}.", self.named(&best.label)),
                _ if self.is_same(&tied) => {
                    format!("{} have the same {figure}, exactly.", and(&tied))
                }
                _ => format!(
                    "No significant difference in {figure} between {}.",
                    and(&tied)
                ),
            });
        }
        for versus in &self.versus {
            sentences.push(summary_of(versus));
        }
        sentences
    }

    fn is_same(&self, labels: &[&str]) -> bool {
        let ranks = self.ranking.iter();
        ranks
            .filter(|r| labels.contains(&r.label.as_str()))
            .filter_map(|r| r.to_best.as_ref())
            .all(|d| d.finding == Finding::Equal)
    }

    fn named(&self, label: &str) -> String {
        let name = self.sides.iter().find(|s| s.label == label);
        format!("{label} ({})", name.map_or("", |s| s.name.as_str()))
    }

    fn sides(&self) -> Section {
        let mut grid = Grid::new(vec![
            GridColumn::left(""),
            GridColumn::left("scenario"),
            GridColumn::left("limited by"),
        ]);
        let row = |side: &CompareSide| {
            let cells = [&side.label, &side.name, &side.limited_by];
            cells.map(GridCell::new).into()
        };
        grid.rows = self.sides.iter().map(row).collect();
        let mut notes: Vec<String> = self
            .sides
            .iter()
            .filter_map(|s| s.recorded.clone())
            .collect();
        notes.dedup();
        Section {
            title: "Scenarios".to_owned(),
            body: Body::Grid(grid),
            notes,
        }
    }

    fn ranked(&self) -> Section {
        let mut grid = Grid::new(vec![
            GridColumn::right("rank"),
            GridColumn::left(""),
            GridColumn::right(&label_of(&self.by)),
            GridColumn::right("to the\nbest"),
            GridColumn::right("95 % interval\nfrom"),
            GridColumn::right("95 % interval\nto"),
            GridColumn::left("in words"),
        ]);
        let row = |rank: &RankingPlace| {
            let value = rank
                .value
                .map_or_else(|| NONE.to_owned(), |x| by_field(&self.by, x));
            let mut cells = vec![rank.rank.to_string(), rank.label.clone(), value];
            match &rank.to_best {
                Some(difference) => {
                    cells.extend(change(difference));
                    cells.push(words(difference).to_owned());
                }
                None => {
                    cells.extend(std::iter::repeat_n(String::new(), 3));
                    cells.push("best".to_owned());
                }
            }
            cells.iter().map(GridCell::new).collect()
        };
        grid.rows = self.ranking.iter().map(row).collect();
        Section {
            title: format!("Ranked by {}", label_of(&self.by)),
            body: Body::Grid(grid),
            notes: Vec::new(),
        }
    }
}

/// The number of figures that differ, and in which direction, in words.
fn summary_of(versus: &Versus) -> String {
    let shown: Vec<&Difference> = shown(versus).map(|(_, d)| d).collect();
    let n = shown.len();
    let count_of = |of: fn(&Difference) -> bool| shown.iter().filter(|d| of(d)).count();
    let equal = count_of(|d| d.finding == Finding::Equal);
    let unknown = count_of(|d| d.finding == Finding::Unknown);
    let undrawn = count_of(|d| d.finding == Finding::Undrawn);
    let better = count_of(|d| good(d) > 0);
    let worse = count_of(|d| good(d) < 0);
    let same = count_of(|d| d.finding == Finding::NotSignificant);
    let neither = n - equal - same - better - worse;
    let (label, against) = (&versus.label, &versus.against);
    if equal == n {
        return format!("{label} and {against} are the same in all {n} figures, exactly.");
    }
    if unknown > 0 {
        return format!(
            "{label} differs from {against} in {unknown} of {n} figures; one pair of runs cannot say whether by chance."
        );
    }
    if undrawn > 0 {
        return format!(
            "{label} differs from {against} in {undrawn} of {n} figures, on this one workload."
        );
    }
    if better + worse == 0 && equal + same == n {
        return format!(
            "No significant difference between {label} and {against} in any of {n} figures."
        );
    }
    format!(
        "{label} against {against}: better in {better} of {n} figures, worse in {worse}, different in {neither} that \
         are neither good nor bad, no significant difference in {}.",
        equal + same
    )
}

fn differences(versus: &Versus, by: &str) -> Section {
    let (label, against) = (&versus.label, &versus.against);
    let mut grid = Grid::new(vec![
        GridColumn::left("figure"),
        GridColumn::right(against),
        GridColumn::right(label),
        GridColumn::right(&format!("{label} - {against}")),
        GridColumn::right("95 % interval\nfrom"),
        GridColumn::right("95 % interval\nto"),
        GridColumn::right("%"),
        GridColumn::left("in words"),
    ]);
    for (name, d) in shown(versus) {
        let tone = match good(d) {
            1 => Tone::Good,
            -1 => Tone::Bad,
            _ => Tone::Plain,
        };
        let mut cells = vec![
            GridCell::new(&name),
            GridCell::new(by_field(&d.field, d.before)),
            GridCell::new(by_field(&d.field, d.after)),
        ];
        cells.extend(change(d).iter().map(GridCell::new));
        cells.push(GridCell::new(relative(d)));
        cells.push(GridCell::toned(tone, words(d)));
        grid.rows.push(cells);
    }
    let mut notes = Vec::new();
    let judged = versus.differences.iter();
    let judged = judged.filter(|d| d.finding != Finding::Equal && d.chance.is_some());
    let judged = judged.filter(|d| d.field != by).count();
    if judged > 0 {
        notes.push(format!(
            "Each interval alone holds the true difference 19 times in 20: if nothing differed, {} of {judged} figures \
             would look as if they did. They are therefore judged together, so that of those called different one in \
             twenty is so by chance; {} decides, and is judged alone.",
            fixed(0.05 * judged as f64, 1),
            label_of(by),
        ));
    }
    Section {
        title: format!("{label} against {against}"),
        body: Body::Grid(grid),
        notes,
    }
}

/// The figures that people ask for first, and what was promised to classes.
fn shown(versus: &Versus) -> impl Iterator<Item = (String, &Difference)> {
    let found = |field: &str| versus.differences.iter().find(move |d| d.field == field);
    let listed = SHOWN
        .iter()
        .filter_map(move |(field, name)| Some(((*name).to_owned(), found(field)?)));
    let promised = versus
        .differences
        .iter()
        .filter(|d| d.field.ends_with(".slo.attainment") || d.field.ends_with(".slo.goodput_per_s"))
        .map(|d| (label_of(&d.field), d));
    listed
        .chain(promised)
        .filter(|(_, d)| d.before != 0.0 || d.after != 0.0)
}

/// A figure's name, or its path.
fn label_of(field: &str) -> String {
    if let Some((_, name)) = SHOWN.iter().find(|(path, _)| *path == field) {
        return (*name).to_owned();
    }
    match field.split('.').collect::<Vec<_>>().as_slice() {
        ["classes", class, "slo", "attainment"] => format!("SLO met by {class}"),
        ["classes", class, "slo", "goodput_per_s"] => format!("goodput of {class} per s"),
        _ => field.to_owned(),
    }
}

/// A list of labels in words: `A, B and C`.
fn and(labels: &[&str]) -> String {
    match labels {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => labels.concat(),
    }
}

/// The sign of a difference: 1: better, -1: worse, 0: neither, or not sure.
fn good(d: &Difference) -> i8 {
    match d.finding {
        Finding::Higher => direction(&d.field),
        Finding::Lower => -direction(&d.field),
        Finding::Equal | Finding::NotSignificant | Finding::Unknown | Finding::Undrawn => 0,
    }
}

fn words(d: &Difference) -> &'static str {
    match (d.finding, good(d)) {
        (Finding::Equal, _) => "exactly equal",
        (Finding::NotSignificant, _) => "no significant difference",
        (Finding::Unknown, _) => "one pair: no interval",
        (Finding::Undrawn, _) => "nothing drawn: no interval",
        (_, 1) => "better",
        (_, -1) => "worse",
        (Finding::Higher, _) => "higher",
        (Finding::Lower, _) => "lower",
    }
}

/// A difference and the ends of its interval, in text; of shares, in percentage points.
fn change(d: &Difference) -> [String; 3] {
    let show = |x: f64| {
        let text = signed(x, |x| by_field(&d.field, x));
        match text.strip_suffix(" %") {
            Some(points) => format!("{points} pp"),
            None => text,
        }
    };
    if d.finding == Finding::Equal {
        return ["0".to_owned(), "0".to_owned(), "0".to_owned()];
    }
    let interval = d.interval.as_ref();
    [
        show(d.difference),
        maybe_text(interval.map(|i| show(i.low))),
        maybe_text(interval.map(|i| show(i.high))),
    ]
}

fn maybe_text(text: Option<String>) -> String {
    text.unwrap_or_else(|| NONE.to_owned())
}

fn relative(d: &Difference) -> String {
    if d.before == 0.0 {
        return NONE.to_owned();
    }
    let percent = 100.0 * d.difference / d.before.abs();
    if percent >= 1_000.0 {
        return format!("x {}", fixed(d.after / d.before, 0));
    }
    signed(percent, |x| fixed(x, 1))
}
