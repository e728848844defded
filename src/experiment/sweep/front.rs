//! Pareto fronts: the points that no other point beats in every aim at once. A point is the mean of its
//! replications; one of which some run gave no figures, or whose queues still grew at the end of a run, is
//! on no front, since its latencies depend on how long it was watched.

use std::collections::BTreeMap;

use super::entry::{OVERLOADED, Status};
use super::outcome::RunOutcome;
use crate::metrics::interval::{Interval, mean, of_mean};

/// An aim of a front: a figure that should be small or large.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrontObjective {
    /// Head of the figure in a table.
    pub head: &'static str,
    /// Path of the figure in the summary.
    pub path: &'static str,
    /// Whether more is better; false: less is.
    pub most: bool,
}

/// A kind of Pareto front.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrontKind {
    /// Name of the kind in files.
    pub name: &'static str,
    /// Title of the front.
    pub title: &'static str,
    /// Aims of the front; the first two are drawn.
    pub aims: &'static [FrontObjective],
}

const COST: FrontObjective = FrontObjective {
    head: "cost",
    path: "economics.cost_usd",
    most: false,
};
const TTFT: FrontObjective = FrontObjective {
    head: "TTFT p99",
    path: "latency.ttft_s.p99",
    most: false,
};
const TPOT: FrontObjective = FrontObjective {
    head: "TPOT p99",
    path: "latency.tpot_s.p99",
    most: false,
};
const PER_USER: FrontObjective = FrontObjective {
    head: "tokens/s\nper user",
    path: "decode.output_speed_tokens_per_s",
    most: true,
};
const PER_GPU: FrontObjective = FrontObjective {
    head: "tokens/s\nper GPU",
    path: "output_tokens_per_s_per_gpu",
    most: true,
};

/// The fronts that are shown.
pub const FRONTS: [FrontKind; 2] = [
    FrontKind {
        name: "cost-latency",
        title: "Pareto front: cost, TTFT p99, TPOT p99",
        aims: &[COST, TTFT, TPOT],
    },
    FrontKind {
        name: "throughput-speed",
        title: "Pareto front: tokens/s per GPU against tokens/s per user",
        aims: &[PER_USER, PER_GPU],
    },
];

/// A point with its figures.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontPoint {
    /// Number of the point.
    pub number: u64,
    /// Values of the manifest's keys.
    pub values: Vec<String>,
    /// Means over the replications, by path; absent where a replication has none.
    pub figures: BTreeMap<&'static str, f64>,
    /// 95 % intervals of these means, by path; with two replications or more.
    pub intervals: BTreeMap<&'static str, Interval>,
    /// How the point's runs ended or were served, each word once.
    pub served: String,
    /// Whether the point may be on a front.
    pub counts: bool,
}

impl FrontPoint {
    /// A figure by its path; `None`: some replication has none.
    pub fn figure(&self, path: &str) -> Option<f64> {
        self.figures.get(path).copied()
    }

    fn aims(&self, kind: &FrontKind) -> Option<Vec<f64>> {
        let figures = kind.aims.iter().map(|aim| {
            let figure = self.figure(aim.path)?;
            Some(if aim.most { -figure } else { figure })
        });
        figures
            .collect::<Option<Vec<f64>>>()
            .filter(|_| self.counts)
    }
}

/// A Pareto front: points that no other beats in every aim.
#[derive(Clone, Debug, PartialEq)]
pub struct Front {
    /// Kind of the front.
    pub kind: FrontKind,
    /// Indices of the front's points, by the first aim, the better first.
    pub points: Vec<usize>,
    /// Indices of all points that were compared.
    pub compared: Vec<usize>,
}

/// The points of a sweep.
pub fn points(outcomes: &[RunOutcome<'_>]) -> Vec<FrontPoint> {
    let parts = outcomes.chunk_by(|a, b| a.run.point == b.run.point);
    parts
        .map(|runs| {
            let (mut figures, mut intervals) = (BTreeMap::new(), BTreeMap::new());
            for aim in FRONTS.iter().flat_map(|front| front.aims) {
                let all = runs.iter().map(|run| run.figure(aim.path));
                let Some(all) = all.collect::<Option<Vec<f64>>>() else {
                    continue;
                };
                figures.extend(mean(&all).map(|mean| (aim.path, mean)));
                intervals.extend(of_mean(&all).map(|interval| (aim.path, interval)));
            }
            FrontPoint {
                number: runs[0].run.point,
                values: runs[0].run.values.clone(),
                figures,
                intervals,
                served: served(runs),
                counts: runs.iter().all(|run| run.verdict() != OVERLOADED),
            }
        })
        .collect()
}

fn served(runs: &[RunOutcome<'_>]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for run in runs {
        let word = match run.status {
            Status::Done => run.verdict(),
            other => other.word(),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", ")
}

/// The front of a kind.
pub fn front(kind: FrontKind, points: &[FrontPoint]) -> Front {
    let all = points.iter().enumerate();
    let mut all: Vec<(usize, Vec<f64>)> = all
        .filter_map(|(i, point)| Some((i, point.aims(&kind)?)))
        .collect();
    let compared = all.iter().map(|(i, _)| *i).collect();
    // In this order a point can only be beaten by an earlier one.
    all.sort_by(|(i, a), (j, b)| {
        let pairs = a.iter().zip(b).map(|(x, y)| x.total_cmp(y));
        pairs
            .fold(std::cmp::Ordering::Equal, |order, next| order.then(next))
            .then(i.cmp(j))
    });
    let mut kept: Vec<&(usize, Vec<f64>)> = Vec::new();
    for one in &all {
        if !kept.iter().any(|other| beats(&other.1, &one.1)) {
            kept.push(one);
        }
    }
    Front {
        kind,
        points: kept.into_iter().map(|(i, _)| *i).collect(),
        compared,
    }
}

/// Whether figures `a` beat `b`: nowhere worse, somewhere better; less is better.
fn beats(a: &[f64], b: &[f64]) -> bool {
    let pairs = || a.iter().zip(b);
    pairs().all(|(x, y)| x <= y) && pairs().any(|(x, y)| x < y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::random::Stream;

    fn point(number: u64, figures: &[(&'static str, f64)]) -> FrontPoint {
        FrontPoint {
            number,
            values: Vec::new(),
            figures: figures.iter().copied().collect(),
            intervals: BTreeMap::new(),
            served: String::new(),
            counts: true,
        }
    }

    #[test]
    fn nobody_on_the_front_is_beaten_and_everybody_else_is() {
        let mut stream = Stream::new(1, "front", "");
        let mut draw = || (stream.draw() % 8) as f64;
        let all: Vec<FrontPoint> = (0..300)
            .map(|i| {
                point(
                    i,
                    &[
                        (COST.path, draw()),
                        (TTFT.path, draw()),
                        (TPOT.path, draw()),
                    ],
                )
            })
            .collect();
        let front = front(FRONTS[0], &all);
        let beaten = |i: usize| {
            let own = all[i].aims(&FRONTS[0]).unwrap_or_default();
            all.iter()
                .any(|p| beats(&p.aims(&FRONTS[0]).unwrap_or_default(), &own))
        };
        assert!(!front.points.is_empty());
        for (i, point) in all.iter().enumerate() {
            assert_eq!(front.points.contains(&i), !beaten(i), "{point:?}");
        }
    }

    #[test]
    fn more_is_better_where_the_aim_says_so_and_the_overloaded_do_not_count() {
        let of = |user, gpu| [(PER_USER.path, user), (PER_GPU.path, gpu)];
        let mut all = vec![
            point(1, &of(50.0, 100.0)),
            point(2, &of(20.0, 400.0)),
            point(3, &of(20.0, 300.0)),
            point(4, &of(60.0, 500.0)),
            point(5, &[(PER_USER.path, 90.0)]),
        ];
        all[3].counts = false;
        let front = front(FRONTS[1], &all);
        assert_eq!(front.points, [0, 1]);
        assert_eq!(front.compared, [0, 1, 2]);
    }
}
