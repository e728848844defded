//! The day in slots: in each of them the number of units stays as it is.

use super::average_load::{Loads, OfferedLoad};
use crate::report::format::length;
use crate::scenario::{KeyChange, KeyValue, Pool, Scenario, show_time_of_day};
use crate::units::{NS_PER_DAY, NS_PER_HOUR, NS_PER_S, SimDuration};

/// A slot: a part of the local day in which units do not change.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Local time of day at which the slot begins; it ends where the next begins.
    pub from: SimDuration,
    /// Whether the simulation, its warm-up included, ever is in the slot.
    pub is_simulated: bool,
    /// Hours of the slot in the counted time: what a unit is paid for.
    pub paid_h: f64,
    /// Load of the slot; none where the simulation never is.
    pub load: OfferedLoad,
}

/// The day of a scenario in slots of a length.
pub fn slots(scenario: &Scenario, loads: &Loads<'_>, every: SimDuration) -> Vec<Slot> {
    let begin = |n: u64| SimDuration((n * every.0).min(NS_PER_DAY));
    (0..NS_PER_DAY.div_ceil(every.0))
        .map(|n| {
            let (from, to) = (begin(n), begin(n + 1));
            let counted = overlap(scenario, from, to, SimDuration::ZERO);
            let simulated = overlap(scenario, from, to, scenario.warm_up);
            Slot {
                from,
                is_simulated: simulated > 0,
                paid_h: counted as f64 / NS_PER_HOUR as f64,
                load: if simulated > 0 {
                    loads.between(from, to)
                } else {
                    OfferedLoad::default()
                },
            }
        })
        .collect()
}

/// How long the simulation, with `before` ahead of its start, is in a part of the day, in ns.
fn overlap(scenario: &Scenario, from: SimDuration, to: SimDuration, before: SimDuration) -> u64 {
    let length = scenario.duration.0 + before.0;
    let start = scenario.start.time_of_day.0 + NS_PER_DAY - before.0 % NS_PER_DAY;
    let first = start % NS_PER_DAY;
    let days = (first + length).div_ceil(NS_PER_DAY);
    (0..days)
        .map(|day| {
            let (a, b) = (from.0 + day * NS_PER_DAY, to.0 + day * NS_PER_DAY);
            b.min(first + length).saturating_sub(a.max(first))
        })
        .sum()
}

/// Time from being paid to serving of units whose scenario does not say. Reports of restarts of expert-parallel units
/// give two to three minutes, of single models without local weights about two; the longer of them is taken.
pub const START_UP: SimDuration = SimDuration(180 * NS_PER_S);

/// Time from being paid to serving of a pool's units in a plan: what the scenario says, [`START_UP`] where it does not.
pub fn start_up(pool: &Pool) -> SimDuration {
    pool.schedule.start_up.unwrap_or(START_UP)
}

/// A note that a pool's start-up is assumed, and how to state it; `None`: the scenario states it.
pub fn assumed(pool: &Pool) -> Option<String> {
    let name = &pool.name;
    let after = length(START_UP.as_secs_f64());
    pool.schedule.start_up.is_none().then(|| {
        format!(
            "units of pool {name} are taken to serve {after} after they are paid, since the scenario gives no start_up; \
             state yours: pools.{name}.units = {{ schedule = [[\"00:00\", N]], start_up = \"...\" }}",
        )
    })
}

/// The setting of a pool's units, slot by slot. More units are paid `start_up` before their slot, in whole
/// minutes, so that they serve from its beginning; fewer from its beginning. Where the simulation never is nothing
/// changes: units that leave at its end would drain before.
pub fn setting(pool: &Pool, slots: &[Slot], units: &[u32]) -> KeyChange {
    let mut units = units.to_vec();
    // Twice around: the first slots may be among those where the simulation is not.
    for index in (0..2 * slots.len()).map(|index| index % slots.len()) {
        if !slots[index].is_simulated {
            units[index] = units[(index + units.len() - 1) % units.len()];
        }
    }
    let minute = 60 * NS_PER_S;
    let early = start_up(pool).0.div_ceil(minute) * minute;
    let mut steps: Vec<(u64, u32)> = Vec::new();
    for (index, slot) in slots.iter().enumerate() {
        let before = units[(index + units.len() - 1) % units.len()];
        let now = units[index];
        if now > before {
            steps.push(((slot.from.0 + NS_PER_DAY - early) % NS_PER_DAY, now));
        } else if now < before {
            steps.push((slot.from.0, now));
        }
    }
    if steps.is_empty() {
        steps.push((0, units.first().copied().unwrap_or(0)));
    }
    steps.sort_unstable();
    let step = |(at, units): &(u64, u32)| {
        let at = show_time_of_day(SimDuration(*at));
        KeyValue::list([at.as_str().into(), (*units).into()])
    };
    let schedule = KeyValue::table([
        ("schedule", KeyValue::list(steps.iter().map(step))),
        ("start_up", start_up(pool).into()),
        ("drain", pool.schedule.drain.into()),
    ]);
    KeyChange::set(format!("pools.{}.units", pool.name), schedule)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_published_day_is_covered_once_and_its_units_start_early() {
        let scenario = crate::scenario::load("deepseek-day", &[]).unwrap();
        let loads = Loads::of(&scenario).unwrap();
        let hour = SimDuration(NS_PER_HOUR);
        let slots = slots(&scenario, &loads, hour);
        assert_eq!(slots.len(), 24);
        assert!(slots.iter().all(|slot| slot.paid_h == 1.0));
        let requests: f64 = slots.iter().map(|s| s.load.per_s * 3_600.0).sum();
        assert!((requests / 155_542_193.0 - 1.0).abs() < 1e-9);
        // the warm-up lies in the hour before noon, which is counted anyway
        assert_eq!(
            overlap(
                &scenario,
                SimDuration(11 * hour.0),
                SimDuration(12 * hour.0),
                scenario.warm_up
            ),
            hour.0 + hour.0 / 2
        );
        let mut units = [2; 24];
        units[9..18].fill(4);
        let change = setting(&scenario.pools[1], &slots, &units);
        let setting = change.text();
        assert!(
            setting.starts_with("pools.decode.units={ schedule = [[\"08:58\", 4], [\"18:00\", 2]]"),
            "{setting}"
        );
        let read = crate::scenario::load("deepseek-day", &[setting]).unwrap();
        assert_eq!(read.hash(), scenario.with(&[change]).unwrap().hash());
    }

    #[test]
    fn nothing_changes_where_the_simulation_is_not() {
        let set = ["duration=6h".to_string(), "warm_up=0s".to_string()];
        let scenario = crate::scenario::load("deepseek-day", &set).unwrap();
        let loads = Loads::of(&scenario).unwrap();
        // From noon to six.
        let slots = slots(&scenario, &loads, SimDuration(2 * NS_PER_HOUR));
        let mut units = [1; 12];
        units[6..9].copy_from_slice(&[4, 3, 5]);
        let setting = setting(&scenario.pools[1], &slots, &units).text();
        let steps = "[[\"12:00\", 4], [\"14:00\", 3], [\"15:58\", 5]]";
        assert!(setting.contains(steps), "{setting}");
    }

    #[test]
    fn a_start_up_that_nobody_stated_is_told() {
        let told = |units: &str| {
            // A table changes the table of the day, a number takes its place.
            let set = ["1", units].map(|units| format!("pools.decode.units={units}"));
            let scenario = crate::scenario::load("deepseek-day", &set).unwrap();
            (assumed(&scenario.pools[1]), start_up(&scenario.pools[1]))
        };
        let seconds = |n: u64| SimDuration(n * NS_PER_S);
        let (stated, of_stated) = told("{ schedule = [[\"00:00\", 9]], start_up = \"2min\" }");
        assert_eq!((stated, of_stated), (None, seconds(120)));
        let (number, of_number) = told("9");
        assert!(number.unwrap().contains("serve 3 min after"));
        assert_eq!(of_number, seconds(180));
        let (silent, of_silent) = told("{ schedule = [[\"00:00\", 9], [\"08:00\", 5]] }");
        assert!(silent.unwrap().contains("gives no start_up"));
        assert_eq!(of_silent, seconds(180));
        let none = told("{ schedule = [[\"00:00\", 9], [\"08:00\", 5]], start_up = \"0s\" }");
        assert_eq!(none, (None, SimDuration::ZERO));
    }
}
