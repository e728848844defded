//! The workload: all requests of a scenario, in order of arrival, made as the simulation needs them.
//!
//! Each class makes its requests in blocks of a few hundred, one step at a time over the whole block
//! (raw draws, arrival times, lengths, hits), so that the processor overlaps the work of neighbouring
//! requests. A call of [`Workload::fill`] takes what each class has up to a time and merges it by
//! (time, order of the class, number in the class) (S2).

use super::Request;
use super::class_source::{ClassSource, SharedTables};
use super::error::WorkloadError;
use super::rate_profile::DayProfile;
use crate::scenario::Scenario;
use crate::units::{NS_PER_DAY, NS_PER_S, SimDuration, SimTime};

/// The requests of a scenario that are still to come.
#[derive(Clone, Debug)]
pub struct Workload {
    sources: Vec<ClassSource>,
    next_id: u64,
    /// The end of the simulation: nothing arrives from here on.
    end: SimTime,
}

impl Workload {
    /// Builds the tables of every class.
    ///
    /// # Errors
    ///
    /// If a hit rate is out of reach of a class's input lengths, or there are too many requests.
    pub fn new(scenario: &Scenario) -> Result<Self, WorkloadError> {
        let classes = (0..).zip(&scenario.classes);
        let mut tables = SharedTables::default();
        let sources: Result<_, _> = classes
            .map(|(index, class)| ClassSource::new(scenario, index, class, &mut tables))
            .collect();
        let end = SimTime::ZERO + scenario.warm_up + scenario.duration;
        Ok(Self {
            sources: sources?,
            next_id: 0,
            end,
        })
    }

    /// Appends all requests that arrive before `until` and were not taken before, in order of their
    /// ids. Nothing arrives at the end of the simulation or later.
    pub fn fill(&mut self, until: SimTime, requests: &mut Vec<Request>) {
        let until = until.min(self.end);
        let first = requests.len();
        for source in &mut self.sources {
            source.take(until, self.end, requests);
        }
        let new = &mut requests[first..];
        if self.sources.len() > 1 {
            // Stable: equal times stay in the order of classes and numbers.
            new.sort_by_key(|request| request.at);
        }
        for request in new {
            request.id = self.next_id;
            self.next_id += 1;
        }
    }

    /// A request of a class, issued now by a user of a closed loop. Its id is the caller's to give.
    pub(super) fn issue(&mut self, class: u16, now: SimTime) -> Request {
        self.sources[usize::from(class)].issue(now)
    }

    /// The sources of requests of the classes, in order.
    pub(super) fn sources(&self) -> &[ClassSource] {
        &self.sources
    }
}

/// Requests per second of all classes, averaged over the day.
pub fn mean_requests_per_s(scenario: &Scenario) -> f64 {
    let seconds = (NS_PER_DAY / NS_PER_S) as f64;
    let profiles = scenario
        .classes
        .iter()
        .map(|c| DayProfile::new(&c.arrivals, SimDuration::ZERO));
    // Not `sum`: of nothing that is -0.0, whose inverse is below everything.
    profiles.fold(0.0, |sum, profile| sum + profile.requests_per_day()) / seconds
}

/// No more requests per second than this arrive on average at any time: the sum over the classes of
/// the largest rate of each (which may come at different times).
pub fn peak_requests_per_s(scenario: &Scenario) -> f64 {
    let profiles = scenario
        .classes
        .iter()
        .map(|c| DayProfile::new(&c.arrivals, SimDuration::ZERO));
    profiles.fold(0.0, |sum, profile| sum + profile.peak_per_s())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::fixture::{HalfDay, PLAIN, class, class_of, lognormal, scenario};
    use super::*;
    use crate::scenario::KeyChange;
    use crate::units::NS_PER_HOUR;

    const HOUR: SimDuration = SimDuration(NS_PER_HOUR);

    fn all(scenario: &Scenario, step: u64) -> Vec<Request> {
        let mut workload = Workload::new(scenario).unwrap();
        let end = scenario.warm_up.0 + scenario.duration.0;
        let mut requests = Vec::new();
        let mut until = 0;
        while until <= end {
            until += step;
            workload.fill(SimTime(until), &mut requests);
            assert!(
                requests
                    .last()
                    .is_none_or(|last| last.at.0 < until.min(end))
            );
        }
        requests
    }

    #[test]
    fn classes_merge_by_time_then_order_then_number() {
        let class = |name, rate| class(name, "deterministic", rate, [PLAIN; 2]);
        let hour = scenario(&[class("a", 1.0), class("b", 2.0), class("c", 1.0)]);
        let three = KeyChange::set("duration", SimDuration(3 * NS_PER_S));
        let short = hour.with(&[three]).unwrap();
        let order: Vec<_> = all(&short, NS_PER_S)
            .iter()
            .map(|r| (r.id, r.at.0, r.class))
            .collect();
        let ms = 1_000_000;
        let expected = [
            (0, 500 * ms, 1),
            (1, 1000 * ms, 0),
            (2, 1000 * ms, 1),
            (3, 1000 * ms, 2),
            (4, 1500 * ms, 1),
            (5, 2000 * ms, 0),
            (6, 2000 * ms, 1),
            (7, 2000 * ms, 2),
            (8, 2500 * ms, 1),
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn steps_of_any_size_give_the_same_requests() {
        let poisson = |name, rate| class(name, "poisson", rate, [PLAIN; 2]);
        let scenario = scenario(&[poisson("a", 1.5), poisson("b", 0.2)]);
        let whole = all(&scenario, NS_PER_DAY);
        assert_eq!(whole, all(&scenario, 7 * NS_PER_S + 1));
        assert!((0..).zip(&whole).all(|(id, request)| request.id == id));
        assert!(whole.iter().all(|r| r.cached < r.input && r.output > 0));
        // 1.7 a second for an hour: 6,120, four standard errors of 78.
        assert!(
            (whole.len() as f64 - 6120.0).abs() < 313.0,
            "{}",
            whole.len()
        );
    }

    #[test]
    fn golden_requests() {
        let poisson = class("r1", "poisson", 1.5, [PLAIN; 2]);
        let requests = all(&scenario(&[poisson]), NS_PER_DAY);
        let first: Vec<_> = requests[..3]
            .iter()
            .map(|r| (r.at.0, r.input, r.output, r.cached))
            .collect();
        let expected = [
            (570_987_797, 4833, 348, 2432),
            (1_848_185_388, 2665, 346, 1344),
            (2_178_022_038, 1049, 335, 512),
        ];
        assert_eq!(first, expected);
    }

    #[test]
    fn the_other_classes_and_laws_change_nothing_of_a_class() {
        let poisson = |name, rate| class(name, "poisson", rate, [PLAIN; 2]);
        let alone = all(&scenario(&[poisson("a", 1.0)]), NS_PER_DAY);
        let laws = [&lognormal(3000.0), "{ kind = 'constant', value = 9 }"];
        let changed = class_of("a", "poisson", 1.0, [PLAIN; 2], laws);
        let both = all(&scenario(&[poisson("b", 3.0), changed]), NS_PER_DAY);
        let same = both.iter().filter(|request| request.class == 1);
        let facts = |r: &Request| (r.at, r.input, r.cached);
        assert!(same.map(facts).eq(alone.iter().map(facts)));
    }

    #[test]
    fn periods_scale_lengths_and_hits() {
        let evening = HalfDay {
            input_mean: 6000.0,
            output_mean: 250.0,
            hit_rate: 0.0,
        };
        let hour = scenario(&[class("a", "poisson", 2.0, [PLAIN, evening])]);
        // From 11:00 to 13:00, with the day's change at noon.
        let scenario = hour.with(&[KeyChange::set("warm_up", HOUR)]).unwrap();
        let requests = all(&scenario, NS_PER_DAY);
        let sum = |of: &dyn Fn(&Request) -> u32, late: bool| {
            let here = requests.iter().filter(|r| (r.at.0 >= NS_PER_HOUR) == late);
            let (count, sum) =
                here.fold((0.0, 0.0), |(n, sum), r| (n + 1.0, sum + f64::from(of(r))));
            sum / count
        };
        // 7,200 lengths with cv 1: a standard error of 1.2 %.
        let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 0.05, "{a}, not {b}");
        near(sum(&|r| r.input, false), 3000.0);
        near(sum(&|r| r.input, true), 6000.0);
        near(sum(&|r| r.output, false), 500.0);
        near(sum(&|r| r.output, true), 250.0);
        near(sum(&|r| r.cached, false), 1500.0);
        assert_eq!(sum(&|r| r.cached, true), 0.0);
    }

    #[test]
    fn the_rate_of_all_classes() {
        let poisson = |name, rate| class(name, "poisson", rate, [PLAIN; 2]);
        let nothing = scenario(&[poisson("a", 0.0)]);
        assert!(mean_requests_per_s(&nothing).is_sign_positive());
        let scenario = scenario(&[poisson("a", 1.0), poisson("b", 0.5)]);
        assert_eq!(mean_requests_per_s(&scenario), 1.5);
        assert_eq!(peak_requests_per_s(&scenario), 1.5);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let greedy = HalfDay {
            hit_rate: 0.9,
            input_mean: 30.0,
            ..PLAIN
        };
        let hungry = scenario(&[class("a", "poisson", 1.0, [PLAIN, greedy])]);
        let error = Workload::new(&hungry).unwrap_err();
        // Lengths with mean 30: the sum of 64 floor((n - 1) / 64) over their exact probabilities,
        // over their mean.
        let WorkloadError::UnreachableHitRate {
            period, largest, ..
        } = error;
        assert_eq!(period, 1);
        assert!((largest - 0.240_161).abs() < 1e-5, "{largest}");
    }

    #[test]
    fn a_class_without_requests_is_no_trouble() {
        let scenario = scenario(&[class("a", "poisson", 0.0, [PLAIN; 2])]);
        assert_eq!(all(&scenario, NS_PER_HOUR), []);
    }
}
