//! What a generated scenario is built from: how long, how many requests, how many units, and on which
//! grid of time. From it the rest is chosen so that pools are neither idle nor hopeless: queues form and
//! clear, memory gets tight, links are slow.

use crate::dice::{Dice, round_125};
use crate::pools::GPUS;

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// The beginnings of a scenario.
pub struct Plan {
    pub dice: Dice,
    pub grid: Grid,
    /// Hours with slow steps, instead of seconds with quick ones.
    pub has_hours: bool,
    /// Simulated before `start`.
    pub warm_up_ns: u64,
    /// Counted.
    pub duration_ns: u64,
    /// Local time of day when counting starts, and what it is past a whole second.
    pub start_s: i64,
    pub start_fraction_ns: u64,
    /// Local time minus UTC.
    pub offset_minutes: i64,
    /// Mean time between arrivals.
    pub gap_s: f64,
    /// Mean lengths.
    pub input: f64,
    pub output: f64,
    /// Where step times come from.
    pub times: Times,
    /// What is known of the model's layers.
    pub layers: Layers,
    /// Whether interfaces are those of the accelerators, so that they are as fast as ranks are large.
    pub has_own_links: bool,
    /// Whether hits follow from what prompts have in common.
    pub has_prefixes: bool,
    /// Whether some classes are users who wait for their answers.
    pub has_users: bool,
    /// Of the pool that takes arrivals.
    pub intake: Size,
    /// Whether its units also generate tokens.
    pub is_mixed: bool,
    /// Without it, and where the other one is not mixed, every request emits one token.
    pub decode: Option<Size>,
}

/// Models of step times.
#[derive(Clone, Copy, PartialEq)]
pub enum Times {
    Linear,
    Roofline,
    Table,
}

/// What is known of a model's layers: it says which ranks exchange anything.
#[derive(Clone, Copy, PartialEq)]
pub enum Layers {
    /// Nothing: ranks step together.
    Unknown,
    /// No experts: every rank is a copy.
    Dense,
    /// Experts, over so many accelerators.
    Experts(u64),
}

/// Which lengths of time there are.
#[derive(Clone, Copy, PartialEq)]
pub enum Grid {
    /// All.
    None,
    /// 1, 2 or 5 times a power of ten.
    Decimal,
    /// Multiples of so many nanoseconds, so that everything happens at the same instants.
    Tick(u64),
}

/// How large a pool is: its most units, and the ranks of each.
#[derive(Clone, Copy)]
pub struct Size {
    pub units: u64,
    pub ranks: u64,
}

impl Size {
    fn draw(dice: &mut Dice, layers: Layers) -> Self {
        let ranks: &[u64] = match layers {
            Layers::Dense | Layers::Experts(_) => &[1, 2, 2, 4],
            Layers::Unknown => &[1, 1, 1, 2, 3, 4, GPUS],
        };
        Self {
            units: dice.among(&[1, 1, 2, 2, 3, 4, 7]),
            ranks: dice.among(ranks),
        }
    }

    /// Ranks of all units.
    pub fn all_ranks(&self) -> f64 {
        (self.units * self.ranks) as f64
    }
}

impl Grid {
    fn draw(dice: &mut Dice, has_hours: bool) -> Self {
        let tenths = if has_hours {
            600
        } else {
            dice.among(&[1, 5, 10])
        };
        dice.among(&[
            Self::None,
            Self::Decimal,
            Self::Tick(tenths * SECOND_NS / 10),
        ])
    }

    fn is_tick(self) -> bool {
        matches!(self, Self::Tick(_))
    }
}

impl Plan {
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let has_hours = dice.chance(0.3);
        let grid = Grid::draw(&mut dice, has_hours);
        let (shortest, longest) = if has_hours {
            (3600.0, 200_000.0)
        } else {
            (3.0, 40.0)
        };
        let simulated_s = dice.log(shortest, longest) as u64;
        let warm_up_s = if dice.chance(0.5) {
            0
        } else {
            dice.whole(0, simulated_s / 2)
        };
        let start_s = match (has_hours, grid) {
            (true, Grid::None) => dice.signed(0, 86_399),
            (true, _) => dice.signed(0, 1439) * 60,
            // Around midnight or noon.
            _ => dice.among(&[0, 43_200]) + dice.signed(-20, 20),
        };
        // On no grid, nothing begins or ends at a whole second.
        let mut fraction = || {
            if grid == Grid::None {
                dice.whole(0, SECOND_NS - 1)
            } else {
                0
            }
        };
        let fractions = [fraction(), fraction(), fraction()];

        let times = match dice.whole(0, 24) {
            0..=2 if !has_hours => Times::Roofline,
            3..=5 if !grid.is_tick() => Times::Table,
            _ => Times::Linear,
        };
        let layers = match (times, dice.whole(0, 3)) {
            (Times::Roofline, 0) => Layers::Dense,
            (Times::Roofline, _) => Layers::Experts(dice.among(&[1, 2, 4, 8])),
            (_, 0) => Layers::Dense,
            (_, 1) => Layers::Experts(dice.among(&[1, 2, 4])),
            _ => Layers::Unknown,
        };
        let is_mixed = dice.chance(0.4);
        let has_decode = !is_mixed && dice.chance(0.9);
        let has_answers = is_mixed || has_decode;
        // Few requests with long answers, or many with short ones.
        let has_long = has_answers && !grid.is_tick() && dice.chance(0.1);
        let requests = dice.log(5.0, if has_long { 30.0 } else { 300.0 });
        let output = match (has_answers, has_long) {
            (false, _) => 1.0,
            (true, true) => dice.log(200.0, 2000.0),
            (true, false) => dice.log(1.0, if grid.is_tick() { 12.0 } else { 40.0 }),
        };
        let mut plan = Self {
            grid,
            has_hours,
            warm_up_ns: warm_up_s * SECOND_NS + fractions[0],
            duration_ns: (simulated_s - warm_up_s).max(1) * SECOND_NS + fractions[1],
            start_s,
            start_fraction_ns: fractions[2],
            offset_minutes: dice.among(&[0, 480, -210]),
            gap_s: 0.0,
            input: dice.log(1.0, if grid.is_tick() { 20.0 } else { 3000.0 }),
            output,
            times,
            layers,
            has_own_links: grid == Grid::None && dice.chance(0.4),
            has_prefixes: dice.chance(0.3),
            has_users: dice.chance(0.3),
            intake: Size::draw(&mut dice, layers),
            is_mixed,
            decode: has_decode.then(|| Size::draw(&mut dice, layers)),
            dice,
        };
        plan.gap_s = plan.about_ns(simulated_s as f64 / requests) as f64 / 1e9;
        plan
    }

    /// Whether requests get more than one token.
    pub fn has_answers(&self) -> bool {
        self.is_mixed || self.decode.is_some()
    }

    /// How long everything lasts.
    pub fn simulated_s(&self) -> f64 {
        (self.warm_up_ns + self.duration_ns) as f64 / 1e9
    }

    /// About this long, in nanoseconds; never zero.
    pub fn about_ns(&self, seconds: f64) -> u64 {
        let ns = (seconds * 1e9).max(1.0);
        match self.grid {
            Grid::None => ns as u64,
            Grid::Decimal => round_125(ns) as u64,
            Grid::Tick(tick) => (libm::round(ns / tick as f64) as u64).max(1) * tick,
        }
    }

    /// Different times of day within the simulation or a little outside, in the order of the day.
    pub fn times_of_day(&mut self, count: u64) -> Vec<i64> {
        let whole = self.simulated_s() as i64;
        let begins = self.start_s - (self.warm_up_ns / SECOND_NS) as i64;
        let mut times = Vec::new();
        for _ in 0..count {
            let mut moment = self.dice.signed(-whole / 5, whole + whole / 5);
            if self.has_hours && self.grid != Grid::None {
                moment -= moment.rem_euclid(900);
            }
            times.push((begins + moment).rem_euclid(86_400));
        }
        times.sort_unstable();
        times.dedup();
        times
    }
}
