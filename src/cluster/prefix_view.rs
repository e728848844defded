//! Routers that ask what requests have in common (S6): what caches have of a prompt, and whose turn it is.
//!
//! A router sees the caches of units as old as their loads: as they are, or as they were at the last report.

use super::intake::IntakeWaiting;
use super::pool_base::{PoolBase, PoolUnit, figures};
use super::prefix::{PrefixRules, UnitCache};
use crate::metrics::Observer;
use crate::scenario::{ArrivalKind, Class, Pool, Role, Router, Scenario};
use crate::workload::random::hash;

/// Requests by which the fullest unit may exceed the emptiest one, where prompts are followed (SGLang's model gateway:
/// `balance-abs-threshold`).
const BALANCED_BY: u64 = 64;

/// A serving unit, as a router sees it.
#[derive(Clone, Copy, Debug)]
pub struct UnitSight {
    /// Index of the unit.
    pub unit: usize,
    /// The load that the router compares.
    pub load: u64,
    /// Requests that wait on the unit.
    pub waiting: u64,
    /// Requests on the unit's ranks.
    pub on_ranks: u64,
    /// Tokens of the request's prompt that one of the unit's ranks has.
    pub found: u32,
    /// Blocks that the unit's ranks keep.
    pub kept: u64,
}

impl UnitSight {
    fn requests(&self) -> u64 {
        self.waiting + self.on_ranks
    }
}

impl<U: PoolUnit, O: Observer> PoolBase<U, O> {
    /// The serving units as the router sees them, in order of index; `look` says what a unit has of a request's prompt, and
    /// how many blocks it keeps.
    pub fn sights(
        &mut self,
        mut look: impl FnMut(usize, &mut U, &U::Rules) -> (u32, u64),
    ) -> Vec<UnitSight> {
        let Self {
            view,
            units,
            rules,
            reports,
            ..
        } = self;
        let see = |(unit, load): (usize, u64)| {
            let (found, kept) = look(unit, &mut units[unit], rules);
            let reported = reports.as_ref().map(|reports| reports[unit]);
            let (waiting, on_ranks) = reported.unwrap_or_else(|| figures(&units[unit]));
            UnitSight {
                unit,
                load,
                waiting,
                on_ranks,
                found,
                kept,
            }
        };
        view.serving_loads().map(see).collect()
    }
}

/// A router that asks for contents, and the caches as it sees them.
#[derive(Clone, Debug)]
pub struct PrefixView {
    policy: Router,
    /// KV that a unit holds, in 1/1024 token; `None`: it is not counted.
    capacity_1024: Option<u64>,
    /// By class: whether its requests are turns of sessions.
    has_sessions: Vec<bool>,
    /// Caches as units reported them; `None`: as they are.
    reported: Option<Vec<UnitCache>>,
}

impl PrefixView {
    /// The view of a pool's router; `None`: it does not ask for contents.
    pub fn new(scenario: &Scenario, pool: &Pool) -> Option<Box<Self>> {
        let of_unit = |tokens: u64| tokens.saturating_mul(1024 * u64::from(pool.ranks));
        let capacity = pool.kv_capacity_tokens.map(of_unit);
        let is_session = |c: &Class| matches!(c.arrivals.kind, ArrivalKind::Sessions(_));
        pool.router.asks_contents().then(|| {
            Box::new(Self {
                policy: pool.router,
                capacity_1024: capacity.filter(|_| pool.role == Role::Mixed),
                has_sessions: scenario.classes.iter().map(is_session).collect(),
                reported: (pool.report_interval.0 > 0).then(Vec::new),
            })
        })
    }

    /// Takes reports of the units' caches.
    pub fn report<'a>(&mut self, caches: impl Iterator<Item = &'a UnitCache>) {
        if let Some(reported) = &mut self.reported {
            reported.clear();
            reported.extend(caches.cloned());
        }
    }

    /// Tells that a unit has lost what it had.
    pub fn emptied(&mut self, unit: usize) {
        if let Some(cache) = self.reported.as_mut().and_then(|r| r.get_mut(unit)) {
            cache.clear();
        }
    }

    /// Tokens that a rank of a unit has of a request's prompt, and the blocks that its ranks keep, as the router sees
    /// them.
    pub fn look(
        &mut self,
        unit: usize,
        cache: &mut UnitCache,
        waiting: &IntakeWaiting,
        rules: &PrefixRules,
    ) -> (u32, u64) {
        let of = |cache: &mut UnitCache| {
            let found = cache.most(&waiting.request, &waiting.past, rules);
            (found, cache.blocks())
        };
        match &mut self.reported {
            _ if self.policy == Router::SessionSticky => (0, 0),
            None => of(cache),
            Some(reported) => reported.get_mut(unit).map_or((0, 0), of),
        }
    }

    /// The unit for a request, of those that serve, in order of index; `None`: there are none.
    pub fn choose(&self, waiting: &IntakeWaiting, serving: &[UnitSight]) -> Option<usize> {
        let prompt = waiting.past.prompt(&waiting.request);
        let chosen = match self.policy {
            Router::SessionSticky => {
                let class = usize::from(waiting.request.class);
                let is_session = self.has_sessions.get(class).copied().unwrap_or(false);
                let number = match is_session {
                    true => u64::from(waiting.past.content),
                    false => waiting.request.id,
                };
                let own = hash(number.wrapping_add((class as u64) << 32));
                let least = |s: &&UnitSight| !hash(own.wrapping_add(s.unit as u64));
                serving.iter().min_by_key(least)
            }
            Router::PrefixScore => self.best(prompt, serving),
            Router::PrefixBalance => balanced(prompt, serving),
            Router::PrefixCost
            | Router::RoundRobin
            | Router::LeastLoaded
            | Router::LeastKv
            | Router::LeastTime
            | Router::PowerOfTwo => serving
                .iter()
                .min_by_key(|s| s.load + 1024 * u64::from(prompt - s.found)),
        };
        chosen.map(|sight| sight.unit)
    }

    /// The unit of the best score.
    fn best<'a>(&self, prompt: u32, serving: &'a [UnitSight]) -> Option<&'a UnitSight> {
        let longest = serving.iter().map(|s| s.waiting).max()?;
        let shortest = serving.iter().map(|s| s.waiting).min()?;
        let score = |s: &UnitSight| {
            let found = f64::from(s.found) / f64::from(prompt);
            let queue = match longest - shortest {
                0 => 1.0,
                spread => (longest - s.waiting) as f64 / spread as f64,
            };
            let room = self
                .capacity_1024
                .map_or(0.0, |all| (1.0 - s.load as f64 / all as f64).max(0.0));
            3.0 * found + 2.0 * queue + 2.0 * room
        };
        let mut best = serving.first()?;
        for sight in serving {
            if score(sight) > score(best) {
                best = sight;
            }
        }
        Some(best)
    }
}

/// The unit that has most of the prompt, if that is more than three tenths, or else keeps least; the one with the fewest
/// requests where loads are far apart.
fn balanced(prompt: u32, serving: &[UnitSight]) -> Option<&UnitSight> {
    let most = serving.iter().map(UnitSight::requests).max()?;
    let least = serving.iter().map(UnitSight::requests).min()?;
    if most - least > BALANCED_BY && 2 * most > 3 * least {
        return serving.iter().min_by_key(|s| s.requests());
    }
    let longest = serving.iter().min_by_key(|s| !s.found)?;
    match 10 * u64::from(longest.found) > 3 * u64::from(prompt) {
        true => Some(longest),
        false => serving.iter().min_by_key(|s| s.kept),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::past::Past;
    use crate::units::SimTime;
    use crate::workload::Request;

    fn view(policy: Router) -> PrefixView {
        PrefixView {
            policy,
            capacity_1024: Some(1024 * 1_000),
            has_sessions: vec![true, false],
            reported: None,
        }
    }

    fn sight(unit: usize, load: u64, waiting: u64, found: u32, kept: u64) -> UnitSight {
        UnitSight {
            unit,
            load,
            waiting,
            on_ranks: 0,
            found,
            kept,
        }
    }

    fn request(id: u64, class: u16, content: u32) -> IntakeWaiting {
        let request = Request {
            id,
            input: 100,
            output: 1,
            class,
            ..Request::default()
        };
        let past = Past {
            content,
            ..Past::NONE
        };
        IntakeWaiting::new(request, past, SimTime::ZERO)
    }

    #[test]
    fn what_is_found_is_weighed_against_what_is_assigned() {
        let (cost, asked) = (view(Router::PrefixCost), request(1, 1, 0));
        let of = |busy: u64| {
            cost.choose(
                &asked,
                &[sight(3, 1024 * busy, 0, 80, 0), sight(5, 0, 0, 0, 0)],
            )
        };
        // 79 and 20 to compute against 100; equal at 80, which the lower index takes
        assert_eq!([of(79), of(80), of(81)], [Some(3), Some(3), Some(5)]);
        assert_eq!(cost.choose(&asked, &[]), None);
    }

    #[test]
    fn scores_weigh_prompt_queue_and_room() {
        let score = view(Router::PrefixScore);
        let asked = request(1, 1, 0);
        // 3 x .5 + 0 + 2 x .5 = 2.5 against 0 + 2 + 2 x .2 = 2.4, and 2.6 with a little more room
        let of = |load: u64| {
            let other = sight(1, 1024 * load, 0, 0, 0);
            score.choose(&asked, &[sight(0, 1024 * 500, 4, 50, 0), other])
        };
        assert_eq!([of(800), of(700)], [Some(0), Some(1)]);
    }

    #[test]
    fn prompts_are_followed_while_loads_are_balanced() {
        let (rule, asked) = (view(Router::PrefixBalance), request(1, 1, 0));
        let of = |waiting, found| {
            let full = sight(0, 0, waiting, found, 9);
            rule.choose(&asked, &[full, sight(1, 0, 0, 0, 5), sight(2, 0, 0, 0, 4)])
        };
        assert_eq!(
            [of(64, 31), of(65, 31), of(64, 30)],
            [Some(0), Some(1), Some(2)]
        );
    }

    #[test]
    fn a_session_stays_where_it_was() {
        let rule = view(Router::SessionSticky);
        let units = |n: usize| -> Vec<UnitSight> { (0..n).map(|u| sight(u, 0, 0, 0, 0)).collect() };
        let of = |id, content, n| rule.choose(&request(id, 0, content), &units(n));
        let mut taken = [0_u32; 4];
        for session in 0..4_000 {
            let unit = of(1, session, 4);
            assert_eq!(of(99, session, 4), unit);
            // with a unit more, sessions stay or go there
            let with_one_more = of(1, session, 5);
            assert!(with_one_more == unit || with_one_more == Some(4));
            taken[unit.unwrap_or(0)] += 1;
        }
        // a thousand each, with a deviation of 27
        assert!(taken.iter().all(|n| n.abs_diff(1_000) < 140), "{taken:?}");
        let single = |id| rule.choose(&request(id, 1, 0), &units(4));
        assert!((0..20).any(|id| single(id) != single(0)));
    }
}
