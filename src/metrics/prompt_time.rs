//! The time that a pool's units spend in steps that compute prompts, cell by cell.

use crate::units::SimTime;

/// The time of steps that compute prompts, told as they begin: what lies in the running cell, and when those end
/// that reach beyond it.
#[derive(Clone, Debug, Default)]
pub struct PromptTime {
    unit_ns: u128,
    beyond: Vec<SimTime>,
}

impl PromptTime {
    /// Counts a step, in a cell that ends at `edge`.
    #[inline]
    pub fn add(&mut self, from: SimTime, to: SimTime, edge: SimTime) {
        self.unit_ns += u128::from(to.min(edge).since(from).0);
        if to > edge {
            self.beyond.push(to);
        }
    }

    /// A step that would end at `to` is cut short now, in a cell that ends at `edge`.
    pub fn cut(&mut self, now: SimTime, to: SimTime, edge: SimTime) {
        self.unit_ns -= u128::from(to.min(edge).since(now).0);
        if let Some(place) = self.beyond.iter().position(|other| *other == to) {
            self.beyond.swap_remove(place);
        }
    }

    /// Ends the cell at `edge`, begins the one that ends at `next`, and returns the unit-nanoseconds of the former.
    pub fn take(&mut self, edge: SimTime, next: SimTime) -> u128 {
        let unit_ns = std::mem::take(&mut self.unit_ns);
        for to in std::mem::take(&mut self.beyond) {
            self.add(edge, to, next);
        }
        unit_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_crosses_edges_counts_in_every_cell() {
        let mut time = PromptTime::default();
        let [a, b, c, d] = [10, 100, 130, 200].map(SimTime);
        time.add(a, SimTime(40), b);
        time.add(SimTime(90), SimTime(150), b);
        time.add(SimTime(95), b, b);
        assert_eq!(time.take(b, c), 30 + 10 + 5);
        assert_eq!(time.take(c, d), 30);
        assert_eq!(time.take(d, SimTime::NEVER), 20);
        assert_eq!(time.take(SimTime::NEVER, SimTime::NEVER), 0);
    }

    #[test]
    fn a_lost_step_counts_until_it_is_lost() {
        let mut time = PromptTime::default();
        let [a, b, c] = [10, 100, 200].map(SimTime);
        time.add(a, SimTime(90), b);
        time.add(a, SimTime(150), b);
        time.cut(SimTime(40), SimTime(90), b);
        time.cut(SimTime(60), SimTime(150), b);
        assert_eq!(time.take(b, c), 30 + 50);
        time.add(b, SimTime(180), c);
        time.cut(SimTime(110), SimTime(180), c);
        assert_eq!(time.take(c, SimTime::NEVER), 10);
    }
}
