//! The answer of a plan for people.

use super::answer::{Deployment, OptionRow, PlanAnswer};
use super::slot_rows::Timetable;
use crate::report::basis::lenders;
use crate::report::format::{count, fixed, length, maybe, percent, plain, usd};
use crate::report::grid::{Grid, GridCell, GridColumn};
use crate::report::page::{Body, Page, Section};
use crate::report::style::Tone;
use crate::scenario::Goal;

impl PlanAnswer {
    /// The page of the answer for people.
    pub fn page(&self) -> Page {
        let tone = if self.best.is_some() {
            Tone::Good
        } else {
            Tone::Bad
        };
        let sections = [
            self.best.as_ref().map(promises),
            self.schedule.as_ref().map(hours),
            Some(self.ranked()),
            (!self.options.is_empty()).then(|| self.by_option()),
            (!self.step_times.is_empty()).then(|| self.if_wrong()),
        ];
        Page {
            title: format!("Plan: {}", plain(&self.scenario)),
            subtitle: format!(
                "{} over {}, at most {} nodes; {} simulations; scenario {}",
                match self.goal {
                    Goal::Cost => "least cost",
                    Goal::Profit => "most profit",
                    Goal::Goodput => "most goodput",
                },
                length(self.duration_s),
                count(u64::from(self.nodes_max)),
                count(self.simulations),
                plain(&self.hash),
            ),
            verdict: (tone, self.sentences()),
            sections: sections.into_iter().flatten().collect(),
        }
    }

    fn sentences(&self) -> Vec<String> {
        let Some(best) = &self.best else {
            let mut said = vec!["Nothing within the bounds keeps every promise.".to_string()];
            if let Some(miss) = &self.nearest_miss {
                said.push(format!(
                    "Nearest: {}, {}: {}.",
                    plain(&miss.words()),
                    usd(miss.cost_usd),
                    plain(miss.broken.as_deref().unwrap_or("it fails"))
                ));
                said.extend(miss.limit.clone());
            }
            said.push("Allow more nodes or units, ask for less, or give more options.".to_string());
            return said;
        };
        let nodes = match best.gpus {
            Some(_) => String::new(),
            None => format!(": {} nodes", figure(best.nodes)),
        };
        let mut said = vec![format!(
            "{}{nodes}, {} node-hours, {}.",
            plain(&best.words()),
            figure(best.node_hours),
            usd(best.cost_usd)
        )];
        said.push(format!(
            "Every promise was kept {}in {} of {} runs; {} binds.",
            self.stretch()
                .map_or(String::new(), |of| format!("in every stretch of {of} ")),
            best.kept,
            best.replications,
            best.binding
        ));
        if self.slo_every_s.is_none() && best.stretches_broken > 0 {
            said.push(format!(
                "That is over the whole time: in {} of {} hours one was not; --slo-every 1h asks for each of them.",
                best.stretches_broken, best.stretches
            ));
        }
        if let Some(miss) = &self.nearest_miss {
            let which = if self.goal == Goal::Cost {
                "Of what is cheaper or smaller, the nearest"
            } else {
                "Of what fails, the nearest"
            };
            said.push(format!(
                "{which}: {}, {}: {}.",
                plain(&miss.words()),
                usd(miss.cost_usd),
                plain(miss.broken.as_deref().unwrap_or("it fails"))
            ));
        } else if self.goal == Goal::Cost {
            said.push("All that is cheaper is ruled out by arithmetic.".to_string());
            let named = |row: &&OptionRow| row.option == best.option || row.option == best.choices;
            let own = self.options.iter().find(named);
            let own = own.filter(|row| !row.reason.is_empty());
            said.extend(own.map(|row| format!("For example {}.", plain(&row.reason))));
        }
        if let Some(own) = &self.baseline {
            let change = (best.node_hours / own.node_hours - 1.0) * 100.0;
            said.push(format!(
                "That is {} % {} than the {} node-hours of the scenario's own schedule, which {}.",
                fixed(change.abs(), 1),
                if change < 0.0 { "less" } else { "more" },
                figure(own.node_hours),
                match &own.broken {
                    Some(broken) => format!("breaks a promise: {}", plain(broken)),
                    None => format!("keeps every promise; {} binds", own.binding),
                }
            ));
        }
        said.extend(
            self.notes
                .iter()
                .map(|note| format!("Note: {}.", plain(note))),
        );
        // One that needs other machines says more than the same with another batch.
        let is_other = |d: &&Deployment| (&d.option, &d.units) != (&best.option, &best.units);
        let other = self.runners_up.iter().find(is_other);
        if let Some(next) = other.or(self.runners_up.first()) {
            said.push(format!(
                "Runner-up: {}, {}; {} binds.",
                plain(&next.words()),
                usd(next.cost_usd),
                next.binding
            ));
        }
        said
    }

    /// The stretch in which promises had to be kept, in words; `None`: the whole time.
    fn stretch(&self) -> Option<String> {
        self.slo_every_s
            .filter(|every| *every < self.duration_s)
            .map(length)
    }

    fn ranked(&self) -> Section {
        let mut grid = Grid::new(vec![
            GridColumn::left("deployment"),
            GridColumn::right("GPUs"),
            GridColumn::right("nodes"),
            GridColumn::right("node-hours"),
            GridColumn::right("cost"),
            GridColumn::right("goodput\nreq/s"),
            GridColumn::right("kept"),
            GridColumn::left("binds, or breaks"),
        ]);
        let rows = [
            self.best.iter().collect::<Vec<_>>(),
            self.runners_up.iter().collect(),
            self.nearest_miss.iter().collect(),
            self.baseline.iter().collect(),
        ];
        for deployment in rows.into_iter().flatten() {
            let fails = deployment.broken.is_some();
            let tone = if fails { Tone::Bad } else { Tone::Plain };
            let why = deployment.broken.as_ref().unwrap_or(&deployment.binding);
            grid.rows.push(vec![
                GridCell::toned(tone, deployment.words()),
                GridCell::new(maybe(deployment.gpus.map(f64::from), figure)),
                GridCell::new(figure(deployment.nodes)),
                GridCell::new(figure(deployment.node_hours)),
                GridCell::new(usd(deployment.cost_usd)),
                GridCell::new(maybe(goodput(deployment), |x| fixed(x, 2))),
                GridCell::new(format!(
                    "{} of {}",
                    deployment.kept, deployment.replications
                )),
                GridCell::toned(tone, why),
            ]);
        }
        section(
            "The answer, its runners-up, and the nearest that fails",
            Body::Grid(grid),
        )
    }

    fn by_option(&self) -> Section {
        let mut grid = Grid::new(vec![
            GridColumn::left("option"),
            GridColumn::left("best"),
            GridColumn::right("GPUs"),
            GridColumn::right("nodes"),
            GridColumn::right("cost"),
            GridColumn::right("candidates"),
            GridColumn::right("ruled out"),
            GridColumn::right("simulated"),
            GridColumn::left("why not cheaper"),
        ]);
        for row in &self.options {
            grid.rows.push(vec![
                GridCell::new(&row.option),
                GridCell::new(row.best.as_deref().unwrap_or("none")),
                GridCell::new(maybe(row.gpus.map(f64::from), figure)),
                GridCell::new(maybe(row.nodes, figure)),
                GridCell::new(maybe(row.cost_usd, usd)),
                GridCell::new(count(row.candidates as u64)),
                GridCell::new(count(row.ruled_out as u64)),
                GridCell::new(count(row.simulated as u64)),
                GridCell::new(&row.reason),
            ]);
        }
        section("Option by option", Body::Grid(grid))
    }

    fn if_wrong(&self) -> Section {
        let mut grid = Grid::new(vec![
            GridColumn::left("steps take"),
            GridColumn::left("answer"),
            GridColumn::right("nodes"),
            GridColumn::left("found by"),
        ]);
        for row in &self.step_times {
            let change = percent((row.factor - 1.0).abs());
            let more = if row.factor > 1.0 { "longer" } else { "less" };
            grid.rows.push(vec![
                GridCell::new(format!("{change} {more}")),
                GridCell::new(row.answer.as_deref().unwrap_or("nothing within the bounds")),
                GridCell::new(maybe(row.nodes, figure)),
                GridCell::toned(Tone::Quiet, row.by),
            ]);
        }
        let mut section = section("If the step times are wrong", Body::Grid(grid));
        if let Some(best) = &self.best {
            let lent = lenders(&best.borrowed).into_iter();
            section
                .notes
                .extend(lent.map(|lent| format!("Borrowed: {}.", plain(&lent))));
        }
        section
    }
}

/// The section of units over the day.
fn hours(timetable: &Timetable) -> Section {
    let mut columns = vec![GridColumn::left("from"), GridColumn::right("requests\n/s")];
    let pools = timetable.pools.iter();
    columns.extend(pools.map(|pool| GridColumn::right(&format!("{pool}\nunits"))));
    columns.extend([
        GridColumn::right("GPUs"),
        GridColumn::right("nodes"),
        GridColumn::bar(),
    ]);
    let most = timetable.slots.iter().map(|slot| slot.nodes).max();
    let most = f64::from(most.unwrap_or(1).max(1));
    let mut grid = Grid::new(columns);
    for slot in &timetable.slots {
        let mut cells = vec![
            GridCell::new(&slot.from),
            GridCell::new(fixed(slot.requests_per_s, 0)),
        ];
        let units = slot.units.iter();
        cells.extend(units.map(|n| GridCell::new(count(u64::from(*n)))));
        cells.push(GridCell::new(count(u64::from(slot.gpus))));
        cells.push(GridCell::new(count(u64::from(slot.nodes))));
        cells.push(GridCell::bar(Tone::Plain, f64::from(slot.nodes) / most));
        grid.rows.push(cells);
    }
    let carries = timetable.pools.iter().zip(&timetable.carries);
    let carries: Vec<String> = carries
        .map(|(pool, part)| format!("{pool} {}", percent(*part)))
        .collect();
    let mut section = section("Units over the day, local time", Body::Grid(grid));
    section.notes.push(format!(
        "Of what steady-state arithmetic says a unit carries, it was seen to carry: {}.",
        carries.join(", ")
    ));
    section
}

fn promises(best: &Deployment) -> Section {
    let mut grid = Grid::new(vec![
        GridColumn::left("promise"),
        GridColumn::left("simulated: mean (least to greatest)"),
        GridColumn::left("95 % interval\nof the mean"),
        GridColumn::right("of the\nlimit"),
        GridColumn::bar(),
    ]);
    for row in &best.slos {
        grid.rows.push(vec![
            GridCell::new(&row.promise),
            GridCell::toned(Tone::Strong, &row.shown),
            GridCell::new(&row.sure),
            GridCell::new(percent(row.strain)),
            GridCell::bar(Tone::Plain, row.strain.min(1.0)),
        ]);
    }
    let mut section = section("Promises", Body::Grid(grid));
    for row in best.slos.iter().filter(|row| row.may_break) {
        section.notes.push(format!(
            "{}: chance alone may have kept it, the interval goes beyond the limit; ask for more --replications.",
            row.promise
        ));
    }
    section.notes.extend(best.limit.clone());
    section
        .notes
        .push("--out DIR writes the scenario of this answer, ready to run.".to_string());
    section
}

/// Requests per second within their targets, in words; `None`: no class has any.
fn goodput(deployment: &Deployment) -> Option<f64> {
    let good = deployment.goodput_per_s;
    (good > 0.0).then_some(good)
}

/// A number in text: whole numbers as such, others to a tenth.
fn figure(x: f64) -> String {
    fixed(x, if x.fract() == 0.0 { 0 } else { 1 })
}

fn section(title: &str, body: Body) -> Section {
    Section {
        title: title.to_string(),
        body,
        notes: Vec::new(),
    }
}
