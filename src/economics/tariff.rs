//! The prices in force: each class's price list with its discount windows laid over the simulation.

use crate::catalog::{Price, TokenPrices};
use crate::scenario::Scenario;
use crate::units::{NS_PER_DAY, NS_PER_S, PicoUsd, SimTime};

/// Every class's prices over the simulated time.
#[derive(Clone, Debug)]
pub struct Tariff {
    /// UTC time of day of the first simulated instant, in ns.
    origin_utc_ns: u64,
    /// Price list of each class, and whether its discounts apply; `None`: the class is free.
    classes: Vec<Option<(Price, bool)>>,
}

impl Tariff {
    /// Lays out the scenario's prices.
    pub fn new(scenario: &Scenario) -> Self {
        let day = i128::from(NS_PER_DAY);
        let offset = i128::from(scenario.start.utc_offset_minutes) * 60 * i128::from(NS_PER_S);
        let origin =
            i128::from(scenario.start.time_of_day.0) - offset - i128::from(scenario.warm_up.0);
        Self {
            origin_utc_ns: origin.rem_euclid(day) as u64,
            classes: scenario
                .classes
                .iter()
                .map(|c| c.price.clone().map(|p| (p, c.discounts)))
                .collect(),
        }
    }

    /// Instants at which some price may change, ascending, within `(from, to)`.
    pub fn changes(&self, from: SimTime, to: SimTime) -> Vec<SimTime> {
        let mut edges: Vec<SimTime> = Vec::new();
        for (price, _) in self
            .classes
            .iter()
            .flatten()
            .filter(|(_, discounts)| *discounts)
        {
            for window in &price.discounts {
                for edge in [window.from_utc.0, window.to_utc.0] {
                    let mut at = (edge + NS_PER_DAY - self.origin_utc_ns) % NS_PER_DAY;
                    while at < to.0 {
                        if at > from.0 {
                            edges.push(SimTime(at));
                        }
                        at += NS_PER_DAY;
                    }
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        edges
    }

    /// Whether requests of the class pay at all.
    pub fn is_billed(&self, class: usize) -> bool {
        self.classes[class].is_some()
    }

    /// The prices of a class at an instant; all zero for a free class.
    pub fn at(&self, class: usize, now: SimTime) -> TokenPrices {
        let Some((price, discounts)) = &self.classes[class] else {
            return TokenPrices::default();
        };
        let time_of_day = (self.origin_utc_ns + now.0 % NS_PER_DAY) % NS_PER_DAY;
        if *discounts {
            for window in &price.discounts {
                let (from, to) = (window.from_utc.0, window.to_utc.0);
                let inside = if from <= to {
                    (from..to).contains(&time_of_day)
                } else {
                    time_of_day >= from || time_of_day < to
                };
                if inside {
                    return window.prices;
                }
            }
        }
        price.full
    }
}

/// What a request pays, by its cached, computed and output tokens.
pub fn bill(prices: &TokenPrices, cached: u32, computed: u32, output: u32) -> PicoUsd {
    PicoUsd(
        u128::from(cached) * prices.hit.0
            + u128::from(computed) * prices.miss.0
            + u128::from(output) * prices.output.0,
    )
}
