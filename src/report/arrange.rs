//! A run as a page.
//!
//! The order is that of a reader's questions: was it served well, does it agree with what was
//! published, hour by hour, the totals, who was served how, and can the figures be trusted.

use super::format::{NONE, by_field, count, fixed, length, plain};
use super::grid::{Grid, GridCell, GridColumn};
use super::hourly;
use super::page::{Body, Page, Section};
use super::style::Tone;
use super::summary::{PublishedRow, RunSummary};
use super::sureness;
use super::totals;
use super::verdict::{self, Grade};
use crate::scenario::PublishedKind;

/// The page of a run's report.
pub fn arrange(summary: &RunSummary) -> Page {
    let verdict = verdict::assess(summary);
    let tone = match verdict.grade {
        Grade::Well => Tone::Good,
        Grade::InPart | Grade::Strained | Grade::NoLoad => Tone::Careful,
        Grade::Broken | Grade::Overloaded | Grade::Losing | Grade::ShortOfSlo => Tone::Bad,
    };
    let sections = [
        published(&summary.published),
        hourly::service(summary),
        hourly::money(summary),
        Some(totals::figures(summary)),
        Some(totals::latency(summary)),
        sureness::confidence(summary),
        totals::pools(summary),
        totals::classes(summary),
        totals::length_buckets(summary),
        Some(audit(summary)),
        warnings(summary),
    ];
    Page {
        title: plain(&summary.scenario.name),
        subtitle: subtitle(summary),
        verdict: (tone, verdict.sentences()),
        sections: sections.into_iter().flatten().collect(),
    }
}

fn subtitle(summary: &RunSummary) -> String {
    let mut text = format!(
        "{} from {}, seed {}, scenario {}, tokentide {}",
        length(summary.duration_s),
        plain(&summary.start),
        summary.seed,
        plain(&summary.scenario.hash),
        plain(&summary.version),
    );
    if summary.replications > 1 {
        let replications = count(u64::from(summary.replications));
        text.push_str(&format!(", means of {replications} replications"));
    }
    text
}

/// Published figures beside simulated ones; `None`: the scenario states none.
fn published(rows: &[PublishedRow]) -> Option<Section> {
    if rows.is_empty() {
        return None;
    }
    let mut grid = Grid::new(vec![
        GridColumn::left("kind"),
        GridColumn::left("figure"),
        GridColumn::right("published"),
        GridColumn::right("simulated"),
        GridColumn::right("difference"),
    ]);
    let is_predicted = |row: &&PublishedRow| row.kind == PublishedKind::Predicted;
    let predicted = rows.iter().filter(is_predicted);
    let input = rows.iter().filter(|row| !is_predicted(row));
    grid.rows = predicted.chain(input).map(published_row).collect();
    let mut sources: Vec<String> = Vec::new();
    for row in rows {
        let source = format!("Published: {}", plain(&row.source));
        if !row.source.is_empty() && !sources.contains(&source) {
            sources.push(source);
        }
    }
    let mut notes = vec![
        "predicted: computed from other things. input: the scenario was built from it, so agreement \
         checks sampling and accounting only."
            .to_string(),
    ];
    notes.extend(sources);
    Some(Section {
        title: "Published and simulated".to_string(),
        body: Body::Grid(grid),
        notes,
    })
}

fn published_row(row: &PublishedRow) -> Vec<GridCell> {
    let (difference, tone) = difference(row);
    vec![
        GridCell::toned(Tone::Quiet, row.kind.word()),
        GridCell::new(&row.name),
        GridCell::new(published_text(row)),
        GridCell::toned(Tone::Strong, simulated_text(row)),
        GridCell::toned(tone, difference),
    ]
}

fn published_text(row: &PublishedRow) -> String {
    let low = by_field(&row.field, row.published_low);
    if row.published_low == row.published_high {
        return low;
    }
    let high = by_field(&row.field, row.published_high);
    // 1.0 G - 1.2 G, but 20-22
    let separator = if low.contains(' ') { " - " } else { "-" };
    format!("{low}{separator}{high}")
}

fn simulated_text(row: &PublishedRow) -> String {
    row.simulated
        .map_or_else(|| NONE.to_string(), |x| by_field(&row.field, x))
}

/// The difference of the simulated figure from the nearest published one, as a part of that.
fn difference(row: &PublishedRow) -> (String, Tone) {
    let Some(simulated) = row.simulated else {
        return (NONE.to_string(), Tone::Quiet);
    };
    let (low, high) = (row.published_low, row.published_high);
    if low < high && (low..=high).contains(&simulated) {
        return ("inside".to_string(), Tone::Good);
    }
    let edge = if simulated > high { high } else { low };
    if edge == 0.0 {
        let sign = if simulated > 0.0 { "+" } else { "" };
        return (
            format!("{sign}{}", by_field(&row.field, simulated)),
            Tone::Plain,
        );
    }
    let percent = 100.0 * (simulated - edge) / edge.abs();
    let digits = fixed(percent, if percent.abs() < 10.0 { 2 } else { 1 });
    let sign = if percent > 0.0 && digits != "0.00" {
        "+"
    } else {
        ""
    };
    let text = format!("{sign}{digits} %");
    let where_to = match () {
        () if low == high => "",
        () if simulated > high => " above",
        () => " below",
    };
    let tone = if percent.abs() > 5.0 {
        Tone::Careful
    } else {
        Tone::Plain
    };
    (text + where_to, tone)
}

fn audit(summary: &RunSummary) -> Section {
    let broken: Vec<(Tone, String)> = summary
        .audit
        .iter()
        .filter(|(_, balance)| !balance.holds)
        .map(|(name, balance)| {
            let (name, left, right) = (plain(name), plain(&balance.left), plain(&balance.right));
            (
                Tone::Bad,
                format!("{name} does not hold: {left} against {right}."),
            )
        })
        .collect();
    let lines = match (summary.audit.len(), broken.len()) {
        (0, _) => vec![(Tone::Careful, "No balance was checked.".to_string())],
        (1, 0) => vec![(Tone::Good, "1 balance holds.".to_string())],
        (all, 0) => vec![(Tone::Good, format!("{all} balances hold."))],
        _ => broken,
    };
    Section {
        title: "Audit".to_string(),
        body: Body::Lines(lines),
        notes: Vec::new(),
    }
}

fn warnings(summary: &RunSummary) -> Option<Section> {
    if summary.warnings.is_empty() {
        return None;
    }
    let lines = summary
        .warnings
        .iter()
        .map(|text| (Tone::Careful, plain(text)));
    Some(Section {
        title: "Warnings".to_string(),
        body: Body::Lines(lines.collect()),
        notes: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::day;
    use crate::report::summary::BalanceSummary;

    fn row(low: f64, high: f64, simulated: Option<f64>) -> PublishedRow {
        PublishedRow {
            name: "output speed".to_string(),
            field: "decode.output_speed_tokens_per_s".to_string(),
            published_low: low,
            published_high: high,
            published: (low + high) / 2.0,
            simulated,
            kind: PublishedKind::Predicted,
            source: String::new(),
        }
    }

    #[test]
    fn differences_are_taken_from_the_nearest_edge() {
        let text = |low, high, simulated| difference(&row(low, high, simulated)).0;
        assert_eq!(text(20.0, 22.0, Some(21.4)), "inside");
        assert_eq!(text(20.0, 22.0, Some(22.0)), "inside");
        assert_eq!(text(20.0, 22.0, Some(18.0)), "-10.0 % below");
        assert_eq!(text(20.0, 22.0, Some(23.1)), "+5.00 % above");
        assert_eq!(text(20.0, 20.0, Some(20.2)), "+1.00 %");
        assert_eq!(text(20.0, 20.0, Some(20.000_001)), "0.00 %");
        assert_eq!(text(0.0, 0.0, Some(3.0)), "+3");
        assert_eq!(text(20.0, 22.0, None), "-");
    }

    #[test]
    fn ranges_and_single_figures_read_differently() {
        assert_eq!(published_text(&row(20.0, 22.0, None)), "20-22");
        assert_eq!(published_text(&row(20.0, 20.0, None)), "20");
        let times = PublishedRow {
            field: "latency.ttft_s.p50".to_string(),
            ..row(0.2, 0.4, None)
        };
        assert_eq!(published_text(&times), "200 ms - 400 ms");
    }

    #[test]
    fn predictions_come_before_inputs() {
        let Some(section) = published(&day().published) else {
            panic!("a section");
        };
        let Body::Grid(grid) = section.body else {
            panic!("a table");
        };
        let kinds: Vec<String> = grid
            .rows
            .iter()
            .map(|row| format!("{:?}", row[0]))
            .collect();
        assert!(kinds[0].contains("predicted") && kinds[1].contains("predicted"));
        assert!(kinds[2].contains("input"));
        assert!(published(&[]).is_none());
    }

    #[test]
    fn a_broken_balance_shows_both_sides() {
        let mut summary = day();
        let lines = |summary: &RunSummary| format!("{:?}", audit(summary).body);
        assert!(lines(&summary).contains("2 balances hold."));
        let broken = BalanceSummary {
            left: "12".to_string(),
            right: "13".to_string(),
            holds: false,
        };
        summary.audit.insert("kv".to_string(), broken);
        assert!(lines(&summary).contains("kv does not hold: 12 against 13."));
        summary.audit.clear();
        assert!(lines(&summary).contains("No balance was checked."));
    }
}
