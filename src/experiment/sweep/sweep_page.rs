//! A sweep for people: how its runs ended, its points, and its fronts.

use std::collections::BTreeMap;

use super::entry::{OVERLOADED, Status};
use super::front::{FRONTS, Front, FrontObjective, FrontPoint};
use super::manifest::{Manifest, unquoted};
use super::outcome::RunOutcome;
use crate::report::format::{NONE, by_field, count, fixed, plain};
use crate::report::grid::{Grid, GridCell, GridColumn};
use crate::report::page::{Body, Page, Section};
use crate::report::plot::{self, Scatter};
use crate::report::style::Tone;

/// Most points that are listed in full, and most of a front; the files have all.
const ROWS: usize = 40;

/// The page of a whole sweep, for people.
pub fn page(
    manifest: &Manifest,
    outcomes: &[RunOutcome<'_>],
    points: &[FrontPoint],
    fronts: &[Front],
) -> Page {
    let mut sections = Vec::new();
    sections.extend(reasons(outcomes));
    if points.len() <= ROWS {
        sections.push(list(manifest, points, fronts));
    }
    for front in fronts {
        sections.push(of_front(manifest, points, front));
        sections.extend(drawing(points, front));
    }
    Page {
        title: plain(&manifest.scenario),
        subtitle: subtitle(manifest),
        verdict: verdict(outcomes),
        sections,
    }
}

/// The subtitle of a sweep's page: `40 points of 5 runs over pools.decode.units, tokentide 0.1.0`.
pub fn subtitle(manifest: &Manifest) -> String {
    let undrawn = manifest.undrawn();
    let each = match manifest.replications {
        1 => String::new(),
        _ if undrawn == manifest.points() => " of 1 run".to_string(),
        n if undrawn > 0 => format!(" of {} runs, {} of 1,", count(n), count(undrawn)),
        n => format!(" of {} runs", count(n)),
    };
    format!(
        "{} points{each} over {}, tokentide {}",
        count(manifest.points()),
        plain(&manifest.keys.join(", ")),
        plain(&manifest.version)
    )
}

fn verdict(outcomes: &[RunOutcome<'_>]) -> (Tone, Vec<String>) {
    let with = |status| outcomes.iter().filter(|o| o.status == status).count() as u64;
    let done = with(Status::Done);
    let all = outcomes.len() as u64;
    let mut sentences = vec![if done == all {
        format!("All {} runs are done.", count(all))
    } else {
        let parts = [Status::Unstable, Status::Infeasible, Status::Failed];
        let parts = parts.iter().filter(|status| with(**status) > 0);
        let parts: Vec<String> = parts
            .map(|status| format!("{} {}", count(with(*status)), status.word()))
            .collect();
        format!(
            "{} of {} runs are done, {}.",
            count(done),
            count(all),
            parts.join(", ")
        )
    }];
    let overloaded = outcomes
        .iter()
        .filter(|o| o.verdict() == OVERLOADED)
        .count() as u64;
    if overloaded > 0 {
        sentences.push(format!(
            "In {} of them the queues still grew at the end; their points are on no front.",
            count(overloaded)
        ));
    }
    let tone = match () {
        () if with(Status::Failed) > 0 || done == 0 => Tone::Bad,
        () if done < all || overloaded > 0 => Tone::Careful,
        () => Tone::Good,
    };
    (tone, sentences)
}

/// The section of reasons why runs gave no figures, each once; `None`: all gave some.
fn reasons(outcomes: &[RunOutcome<'_>]) -> Option<Section> {
    let mut all: BTreeMap<(&str, String), Vec<u64>> = BTreeMap::new();
    for outcome in outcomes {
        if let Some(reason) = outcome.reason {
            let first = reason
                .lines()
                .next()
                .unwrap_or("")
                .trim_start_matches("error: ");
            let reason = (outcome.status.word(), first.to_string());
            all.entry(reason).or_default().push(outcome.run.run);
        }
    }
    if all.is_empty() {
        return None;
    }
    let rows = all.len();
    let lines = all.iter().take(ROWS).map(|((status, reason), runs)| {
        let more = match runs.len() {
            1 => String::new(),
            n => format!(" and {} more", count(n as u64 - 1)),
        };
        (
            Tone::Careful,
            format!("{status}: run {}{more}: {}", runs[0], plain(reason)),
        )
    });
    Some(Section {
        title: "Runs without figures".to_string(),
        body: Body::Lines(lines.collect()),
        notes: left_out(rows),
    })
}

fn left_out(rows: usize) -> Vec<String> {
    let more = rows.saturating_sub(ROWS);
    let note = format!("and {} more, in the files of --out", count(more as u64));
    if more > 0 { vec![note] } else { Vec::new() }
}

/// Aims of all fronts, each once.
fn aims() -> Vec<FrontObjective> {
    let mut all: Vec<FrontObjective> = Vec::new();
    for aim in FRONTS.iter().flat_map(|front| front.aims) {
        if !all.contains(aim) {
            all.push(*aim);
        }
    }
    all
}

/// A column's head from a key, over two lines, since it is long.
fn head(key: &str) -> GridColumn {
    match key.rsplit_once('.') {
        Some((path, last)) => GridColumn::right(&format!("{path}\n{last}")),
        None => GridColumn::right(key),
    }
}

fn grid(manifest: &Manifest, more: &[&str], aims: &[FrontObjective]) -> Grid {
    let mut columns = vec![GridColumn::right("point")];
    columns.extend(manifest.keys.iter().map(|key| head(key)));
    columns.extend(aims.iter().map(|aim| GridColumn::right(aim.head)));
    columns.extend(more.iter().map(|name| GridColumn::left(name)));
    Grid::new(columns)
}

fn row(point: &FrontPoint, aims: &[FrontObjective]) -> Vec<GridCell> {
    let mut cells = vec![GridCell::new(count(point.number))];
    cells.extend(
        point
            .values
            .iter()
            .map(|value| GridCell::new(unquoted(value))),
    );
    cells.extend(
        aims.iter()
            .map(|aim| GridCell::new(shown(aim, point.figure(aim.path)))),
    );
    cells
}

fn shown(aim: &FrontObjective, figure: Option<f64>) -> String {
    match figure {
        None => NONE.to_string(),
        Some(x) if aim.most => fixed(x, 1),
        Some(x) => by_field(aim.path, x),
    }
}

fn list(manifest: &Manifest, points: &[FrontPoint], fronts: &[Front]) -> Section {
    let aims = aims();
    let mut grid = grid(manifest, &["served", "on front"], &aims);
    for (i, point) in points.iter().enumerate() {
        let on = fronts.iter().filter(|front| front.points.contains(&i));
        let on: Vec<&str> = on.map(|front| front.kind.name).collect();
        let mut cells = row(point, &aims);
        cells.push(GridCell::new(&point.served));
        cells.push(GridCell::toned(Tone::Good, on.join(", ")));
        grid.rows.push(cells);
    }
    Section {
        title: "Points".to_string(),
        body: Body::Grid(grid),
        notes: means(manifest),
    }
}

fn means(manifest: &Manifest) -> Vec<String> {
    let mut notes = Vec::new();
    let undrawn = manifest.undrawn();
    if manifest.replications > 1 && undrawn < manifest.points() {
        notes.push(format!(
            "Figures are means of {} runs; pareto.csv has their 95 % intervals.",
            count(manifest.replications)
        ));
    }
    if undrawn > 0 {
        notes.push(format!(
            "In {} of {} points nothing is drawn at random: every replication would be the same to the last bit, each was \
             played once, and no interval says how far another recording or another day would lie from it.",
            count(undrawn),
            count(manifest.points())
        ));
    }
    notes
}

fn of_front(manifest: &Manifest, points: &[FrontPoint], front: &Front) -> Section {
    let mut grid = grid(manifest, &["served"], front.kind.aims);
    for on in front.points.iter().take(ROWS) {
        let mut cells = row(&points[*on], front.kind.aims);
        cells.push(GridCell::new(&points[*on].served));
        grid.rows.push(cells);
    }
    let mut notes = vec![format!(
        "{} of {} points that were served and have these figures: no other is better in one of them and as \
         good in the rest.",
        count(front.points.len() as u64),
        count(front.compared.len() as u64)
    )];
    notes.extend(left_out(front.points.len()));
    Section {
        title: front.kind.title.to_string(),
        body: Body::Grid(grid),
        notes,
    }
}

/// A drawing of the front's first two aims, with all points; `None`: there is nothing to draw.
fn drawing(points: &[FrontPoint], front: &Front) -> Option<Section> {
    let [x, y, ..] = front.kind.aims else {
        return None;
    };
    let dots: Vec<plot::Dot> = front
        .compared
        .iter()
        .filter_map(|i| {
            let point = &points[*i];
            Some((
                point.figure(x.path)?,
                point.figure(y.path)?,
                front.points.contains(i),
            ))
        })
        .collect();
    if dots.len() < 3 {
        return None;
    }
    let names = [x.head.replace('\n', " "), y.head.replace('\n', " ")];
    let axis = |i: usize, aim: &FrontObjective| plot::PlotAxis {
        name: names[i].clone(),
        show: unit(aim),
    };
    Some(Section {
        title: format!("{} against {}", names[1], names[0]),
        body: Body::Drawing(Scatter {
            dots,
            x: axis(0, x),
            y: axis(1, y),
        }),
        notes: vec!["● on the front   · other points".to_string()],
    })
}

fn unit(aim: &FrontObjective) -> Option<fn(f64) -> String> {
    match aim.path {
        path if path.contains("usd") => Some(crate::report::format::usd),
        path if path.contains("_s.") => Some(crate::report::format::seconds),
        _ => None,
    }
}
