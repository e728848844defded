//! The latest tables of this process: the runs of a sweep, a plan or a comparison mostly ask for the same ones,
//! and to make one takes longer than many a short run. A table is a function of its question alone, so whether
//! it was remembered never shows.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{ImbalanceTable, Setup};

/// Tables of imbalance that are kept: those of the designs that a plan goes back and forth between.
const KEPT: usize = 64;

static LATEST: Mutex<VecDeque<(ImbalanceKey, ImbalanceTable)>> = Mutex::new(VecDeque::new());

/// What a table of imbalance depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct ImbalanceKey {
    pub setup: Setup,
    pub hierarchical: bool,
    pub prompt_tokens: f64,
    pub most: f64,
}

/// The kept table of this key, or a new one by `make`. Two threads that ask at once may both make it.
pub fn or_made(
    question: ImbalanceKey,
    make: impl FnOnce(&ImbalanceKey) -> ImbalanceTable,
) -> ImbalanceTable {
    let latest = || -> MutexGuard<'_, _> { LATEST.lock().unwrap_or_else(PoisonError::into_inner) };
    let known = |(asked, _): &&(ImbalanceKey, ImbalanceTable)| *asked == question;
    let found = latest().iter().find(known).map(|(_, table)| table.clone());
    found.unwrap_or_else(|| {
        let table = make(&question);
        let mut latest = latest();
        if latest.len() == KEPT {
            latest.pop_front();
        }
        latest.push_back((question, table.clone()));
        table
    })
}
