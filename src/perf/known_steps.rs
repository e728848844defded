//! Step times that whoever plays many scenarios keeps between them: the runs of a sweep, the candidates of a plan and
//! the sides of a comparison mostly ask for the same ones, and to make them takes longer than many a short run.
//!
//! A table is a function of its question alone, and the question holds all that it is made from
//! ([`RooflineQuestion`]), so whether it was known never shows. What is kept belongs to the value, and goes with it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::roofline::experts::{ImbalanceKey, ImbalanceTable};
use super::roofline::{Compiled, RooflineQuestion};

/// Tables of expert imbalance that are kept: those of the designs that a plan goes back and forth between.
const IMBALANCES: usize = 64;
/// Compiled models that are kept; each takes up to some megabytes.
const MODELS: usize = 16;

/// Step times that are known. Threads may share it: two who ask for the same at once may both make it.
#[derive(Debug)]
pub struct KnownSteps {
    imbalance: Latest<ImbalanceKey, ImbalanceTable>,
    compiled: Latest<RooflineQuestion, Arc<Compiled>>,
}

impl Default for KnownSteps {
    /// No step times are known.
    fn default() -> Self {
        Self {
            imbalance: Latest::of(IMBALANCES),
            compiled: Latest::of(MODELS),
        }
    }
}

impl KnownSteps {
    /// The table of how unevenly tokens fall on experts.
    pub fn imbalance(&self, question: &ImbalanceKey) -> ImbalanceTable {
        let found = self.imbalance.find(question);
        found.unwrap_or_else(|| {
            let table = ImbalanceTable::make(question);
            self.imbalance.keep(question.clone(), table.clone());
            table
        })
    }

    /// The compiled tables of a model from first principles.
    ///
    /// # Errors
    /// As for `Compiled::new`, each time anew.
    pub fn compiled(&self, question: RooflineQuestion) -> Result<Arc<Compiled>, String> {
        if let Some(found) = self.compiled.find(&question) {
            return Ok(found);
        }
        let made = Arc::new(Compiled::new(&question, self)?);
        self.compiled.keep(question, Arc::clone(&made));
        Ok(made)
    }
}

/// The latest answers to questions.
#[derive(Debug)]
struct Latest<Q, A> {
    most: usize,
    all: Mutex<VecDeque<(Q, A)>>,
}

impl<Q: PartialEq, A: Clone> Latest<Q, A> {
    fn of(most: usize) -> Self {
        Self {
            most,
            all: Mutex::default(),
        }
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<(Q, A)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, question: &Q) -> Option<A> {
        let all = self.all();
        let found = all.iter().find(|(asked, _)| asked == question);
        found.map(|(_, answer)| answer.clone())
    }

    fn keep(&self, question: Q, answer: A) {
        let mut all = self.all();
        if all.len() == self.most {
            all.pop_front();
        }
        all.push_back((question, answer));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::perf::{StepTimes, with_capacities};
    use crate::scenario::load;

    /// Settings over all parts of a scenario, those that step times hang on and others.
    const SETTINGS: [&str; 16] = [
        "seed=7",
        "duration=1h",
        "warm_up=1min",
        "pools.decode.units=3",
        "pools.decode.router=\"round-robin\"",
        "pools.prefill.max_batch_tokens=8192",
        "pools.prefill.max_batch_pairs=1_000_000",
        "pools.decode.max_batch_requests=64",
        "pools.decode.nodes_per_unit=9",
        "pools.decode.kv_capacity_tokens=300_000",
        "class.0.arrivals.requests_per_day=1e6",
        "kv_cache.hit_rate=0.3",
        "performance.step_time_factor=1.2",
        "mtp.drafts=0",
        "node.gpu.base=\"h200\"",
        "performance.precision.kv=\"fp8\"",
    ];

    #[test]
    fn what_is_known_is_what_would_be_made() {
        let known = KnownSteps::default();
        let mut shown = Vec::new();
        for settings in SETTINGS.iter().map(|one| vec![(*one).to_string()]) {
            let Ok(scenario) = load("deepseek-day", &settings) else {
                continue;
            };
            let scenario = with_capacities(&scenario).unwrap();
            let made = format!("{:?}", StepTimes::compile(&scenario).unwrap());
            for _ in 0..2 {
                let found = StepTimes::compile_knowing(&scenario, &known).unwrap();
                assert!(format!("{found:?}") == made, "{settings:?}");
            }
            shown.push(made);
        }
        assert!(shown.len() > 10, "{} settings are ones", shown.len());
        // What step times do not hang on is compiled once; the rest is not taken for the same.
        shown.dedup();
        let compiled = known.compiled.all().len();
        assert!(
            shown.len() > 5 && compiled < 14,
            "{} {compiled}",
            shown.len()
        );
    }

    #[test]
    fn the_latest_answers_are_kept() {
        let latest: Latest<u8, u8> = Latest::of(2);
        for n in 0..3 {
            latest.keep(n, 10 * n);
        }
        let found: Vec<Option<u8>> = (0..3).map(|n| latest.find(&n)).collect();
        assert_eq!(found, [None, Some(10), Some(20)]);
    }
}
