//! The answer of a plan for people.

use super::answer::{Answer, Deployment};
use crate::report::format::{count, fixed, length, maybe, percent, plain, usd};
use crate::report::grid::{Cell, Column, Grid};
use crate::report::page::{Body, Page, Section};
use crate::report::style::Tone;

impl Answer {
    /// For people.
    pub fn page(&self) -> Page {
        let tone = if self.best.is_some() {
            Tone::Good
        } else {
            Tone::Bad
        };
        let sections = [
            self.best.as_ref().map(promises),
            Some(self.ranked()),
            (!self.options.is_empty()).then(|| self.by_option()),
            (!self.step_times.is_empty()).then(|| self.if_wrong()),
            self.best.as_ref().map(|best| self.settings(best)),
        ];
        Page {
            title: format!("Plan: {}", plain(&self.scenario)),
            subtitle: format!(
                "{} over {}, at most {} nodes; {} simulations; scenario {}",
                match self.goal {
                    "cost" => "least cost",
                    "profit" => "most profit",
                    _ => "most goodput",
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
        let mut said = vec![format!(
            "{}: {} node-hours, {}.",
            plain(&best.words()),
            fixed(best.node_hours, 1),
            usd(best.cost_usd)
        )];
        said.push(format!(
            "Every promise was kept in {} of {} runs; {} binds.",
            best.kept, best.replications, best.binding
        ));
        if let Some(miss) = &self.nearest_miss {
            let which = if self.goal == "cost" {
                "Of what is cheaper, the nearest"
            } else {
                "Of what fails, the nearest"
            };
            said.push(format!(
                "{which}: {}, {}: {}.",
                plain(&miss.words()),
                usd(miss.cost_usd),
                plain(miss.broken.as_deref().unwrap_or("it fails"))
            ));
        } else if self.goal == "cost" {
            said.push("All that is cheaper is ruled out by arithmetic.".to_string());
        }
        if let Some(next) = self.runners_up.first() {
            said.push(format!(
                "Runner-up: {}, {}; {} binds.",
                plain(&next.words()),
                usd(next.cost_usd),
                next.binding
            ));
        }
        said
    }

    fn ranked(&self) -> Section {
        let mut grid = Grid::new(vec![
            Column::left("deployment"),
            Column::right("node-\nhours"),
            Column::right("cost"),
            Column::right("goodput\nreq/s"),
            Column::right("kept"),
            Column::left("binds, or breaks"),
        ]);
        let rows = [
            self.best.iter().collect::<Vec<_>>(),
            self.runners_up.iter().collect(),
            self.nearest_miss.iter().collect(),
        ];
        for deployment in rows.into_iter().flatten() {
            let fails = deployment.broken.is_some();
            let tone = if fails { Tone::Bad } else { Tone::Plain };
            let why = deployment.broken.as_ref().unwrap_or(&deployment.binding);
            grid.rows.push(vec![
                Cell::toned(tone, deployment.words()),
                Cell::new(fixed(deployment.node_hours, 1)),
                Cell::new(usd(deployment.cost_usd)),
                Cell::new(fixed(deployment.goodput_per_s, 2)),
                Cell::new(format!(
                    "{} of {}",
                    deployment.kept, deployment.replications
                )),
                Cell::toned(tone, why),
            ]);
        }
        section(
            "The answer, its runners-up, and the nearest that fails",
            Body::Grid(grid),
        )
    }

    fn by_option(&self) -> Section {
        let mut grid = Grid::new(vec![
            Column::left("option"),
            Column::left("best"),
            Column::right("nodes"),
            Column::right("cost"),
            Column::right("candi-\ndates"),
            Column::right("ruled\nout"),
            Column::right("simu-\nlated"),
            Column::left("why not cheaper"),
        ]);
        for row in &self.options {
            grid.rows.push(vec![
                Cell::new(&row.option),
                Cell::new(row.best.as_deref().unwrap_or("none")),
                Cell::new(maybe(row.nodes, |n| fixed(n, 1))),
                Cell::new(maybe(row.cost_usd, usd)),
                Cell::new(count(row.candidates as u64)),
                Cell::new(count(row.ruled_out as u64)),
                Cell::new(count(row.simulated as u64)),
                Cell::new(&row.reason),
            ]);
        }
        let mut section = section("Option by option", Body::Grid(grid));
        section.notes = self.notes.clone();
        section
    }

    fn if_wrong(&self) -> Section {
        let mut grid = Grid::new(vec![
            Column::left("steps take"),
            Column::left("answer"),
            Column::right("node-\nhours"),
            Column::left("found by"),
        ]);
        for row in &self.step_times {
            let change = percent((row.factor - 1.0).abs());
            let more = if row.factor > 1.0 { "longer" } else { "less" };
            grid.rows.push(vec![
                Cell::new(format!("{change} {more}")),
                Cell::new(row.answer.as_deref().unwrap_or("nothing within the bounds")),
                Cell::new(maybe(row.node_hours, |n| fixed(n, 1))),
                Cell::toned(Tone::Quiet, row.by),
            ]);
        }
        section("If the step times are wrong", Body::Grid(grid))
    }

    fn settings(&self, best: &Deployment) -> Section {
        let line = |text: &String| (Tone::Plain, format!("--set '{}'", plain(text)));
        section(
            "To run it: the same scenario with",
            Body::Lines(best.settings.iter().map(line).collect()),
        )
    }
}

fn promises(best: &Deployment) -> Section {
    let mut grid = Grid::new(vec![
        Column::left("promise"),
        Column::left("simulated: mean (least to greatest)"),
        Column::right("of the\nlimit"),
        Column::bar(),
    ]);
    for row in &best.slos {
        grid.rows.push(vec![
            Cell::new(&row.promise),
            Cell::toned(Tone::Strong, &row.shown),
            Cell::new(percent(row.strain)),
            Cell::bar(Tone::Plain, row.strain.min(1.0)),
        ]);
    }
    let mut section = section("Promises", Body::Grid(grid));
    section.notes.extend(best.limit.clone());
    section
}

fn section(title: &str, body: Body) -> Section {
    Section {
        title: title.to_string(),
        body,
        notes: Vec::new(),
    }
}
