//! What a run's summary must say, from the reference's history: counts and means of the counted window
//! (S11, S12) and money (S13), with discount windows and everything else worked out anew.

use std::collections::BTreeMap;

use tokentide::internals::metrics::Place;
use tokentide::internals::report::summary::{
    ClassSummary, DistributionSummary, RequestCounts, RunSummary, SpanSummary, TokenCounts,
};
use tokentide::internals::scenario::{Role, Scenario};
use tokentide::internals::workload::Request;

use crate::decided;
use crate::history::{End, Life};
use crate::simulation::{Outcome, slot};
use crate::world::{TOKEN, half_up};

const HOUR: u64 = 3_600_000_000_000;
const DAY: i128 = 24 * HOUR as i128;
/// Sums of integers are exact; the last division is not always the same one.
const ROUNDING: f64 = 1e-12;
/// How wide the buckets are that quantiles are read from (S12).
const BUCKET: f64 = 0.01;

/// Everything that the figures are made of.
struct Books<'a> {
    scenario: &'a Scenario,
    requests: &'a [Request],
    outcome: &'a Outcome,
    /// The counted window.
    start: u64,
    end: u64,
    /// Name of a figure, ours, theirs.
    rows: Vec<(String, f64, f64)>,
}

/// Which figures of a summary are not what the reference says; `None`: all are.
pub fn difference(scenario: &Scenario, outcome: &Outcome, summary: &RunSummary) -> Option<String> {
    let start = scenario.warm_up.0;
    let end = start + scenario.duration.0;
    let mut books = Books {
        scenario,
        requests: &outcome.requests,
        outcome,
        start,
        end,
        rows: Vec::new(),
    };
    books.counts("all", None, &summary.requests, &summary.tokens);
    for (index, class) in scenario.classes.iter().enumerate() {
        let theirs = &summary.classes[&class.name];
        books.counts(&class.name, Some(index), &theirs.requests, &theirs.tokens);
        let revenue = books.revenue(Some(index), (start, end));
        books.row(
            &format!("revenue of {}", class.name),
            revenue,
            theirs.revenue_usd,
        );
        let goodput = books.goodput(index);
        let shown = theirs.slo.map_or(-1.0, |slo| slo.goodput_per_s);
        books.row(&format!("goodput of {}", class.name), goodput, shown);
        books.promises(index, &class.name, theirs);
    }
    books.money(summary);
    books.spans("hour", HOUR, &summary.hours);
    if let Some(every) = scenario.report_every {
        books.spans("interval", every.0, &summary.intervals);
    }
    books.latencies(summary);
    books.pools(summary);
    books.differing()
}

impl Books<'_> {
    fn row(&mut self, name: &str, ours: f64, theirs: f64) {
        self.rows.push((name.to_owned(), ours, theirs));
    }

    fn differing(&self) -> Option<String> {
        let differs =
            |(_, a, b): &&(String, f64, f64)| (a - b).abs() > ROUNDING * a.abs().max(b.abs());
        let differing = self.rows.iter().filter(differs);
        let lines = differing.map(|(name, a, b)| format!("{name}: reference {a}, engine {b}\n"));
        let text: String = lines.collect();
        (!text.is_empty()).then_some(text)
    }

    fn is_counted(&self, at: u64) -> bool {
        (self.start..self.end).contains(&at)
    }

    fn lives(&self) -> impl Iterator<Item = (&Request, &Life)> {
        self.requests.iter().zip(&self.outcome.history.lives)
    }

    /// Requests by fate and tokens by kind, of one class or of all.
    fn counts(
        &mut self,
        of: &str,
        class: Option<usize>,
        shown: &RequestCounts,
        tokens: &TokenCounts,
    ) {
        let is_of =
            |request: &Request| class.is_none_or(|class| usize::from(request.class) == class);
        let mut counts = RequestCounts::default();
        let (mut input, mut cached) = (0, 0);
        for (request, life) in self.lives().filter(|(request, _)| is_of(request)) {
            let (fate, ended) = match life.end {
                End::Completed(at) => (Some(&mut counts.completed), at),
                End::Rejected(at) => (Some(&mut counts.rejected), at),
                End::Failed(at) => (Some(&mut counts.failed), at),
                End::Inside(..) | End::Unborn => (None, u64::MAX),
            };
            let at = request.at.0;
            if let Some(fate) = fate {
                *fate += u64::from(self.is_counted(ended));
            }
            counts.arrived += u64::from(self.is_counted(at));
            counts.in_flight_at_start += u64::from(at < self.start && ended >= self.start);
            counts.in_flight += u64::from(at < self.end && ended >= self.end);
            if life.first_token.is_some_and(|at| self.is_counted(at)) {
                input += u64::from(request.input);
                cached += u64::from(request.cached);
            }
        }
        let emissions = self.outcome.emissions.iter();
        let of_class = emissions.filter(|e| self.is_counted(e.at) && is_of(&self.requests[e.id]));
        let output: u64 = of_class.map(|e| e.tokens_1024).sum();
        let mut rows = vec![
            ("arrived", counts.arrived, shown.arrived),
            ("completed", counts.completed, shown.completed),
            ("rejected", counts.rejected, shown.rejected),
            ("failed", counts.failed, shown.failed),
            ("input", input, tokens.input),
            ("cached input", cached, tokens.cached_input),
            ("computed input", input - cached, tokens.computed_input),
        ];
        rows.push((
            "in flight at start",
            counts.in_flight_at_start,
            shown.in_flight_at_start,
        ));
        rows.push(("in flight", counts.in_flight, shown.in_flight));
        for (what, ours, theirs) in rows {
            self.row(&format!("{what} of {of}"), ours as f64, theirs as f64);
        }
        self.row(
            &format!("output of {of}"),
            output as f64 / TOKEN as f64,
            tokens.output,
        );
    }

    /// What a request pays that completes at this instant, in picodollars.
    fn bill(&self, request: &Request, at: u64) -> u128 {
        let class = &self.scenario.classes[usize::from(request.class)];
        let Some(price) = &class.price else {
            return 0;
        };
        let begins = i128::from(self.scenario.start.time_of_day.0);
        let local = begins - i128::from(self.scenario.warm_up.0) + i128::from(at);
        let offset = i128::from(self.scenario.start.utc_offset_minutes) * 60_000_000_000;
        let utc = (local - offset).rem_euclid(DAY);
        // From `from` on, counted round the clock, the window is this long.
        let is_in = |from: u64, to: u64| {
            let length = (i128::from(to) - i128::from(from)).rem_euclid(DAY);
            (utc - i128::from(from)).rem_euclid(DAY) < length
        };
        let windows = price.discounts.iter().filter(|_| class.discounts);
        let mut in_force = windows.filter(|window| is_in(window.from_utc.0, window.to_utc.0));
        let prices = in_force.next().map_or(&price.full, |window| &window.prices);
        u128::from(request.cached) * prices.hit.0
            + u128::from(request.input - request.cached) * prices.miss.0
            + u128::from(request.output) * prices.output.0
    }

    /// Revenue in dollars from what completes in `[from, to)`.
    fn revenue(&self, class: Option<usize>, (from, to): (u64, u64)) -> f64 {
        let pico: u128 = self
            .lives()
            .filter(|(request, _)| class.is_none_or(|class| usize::from(request.class) == class))
            .map(|(request, life)| match life.end {
                End::Completed(at) if (from..to).contains(&at) => self.bill(request, at),
                _ => 0,
            })
            .sum();
        pico as f64 / 1e12
    }

    /// The same counts and the revenue of stretches of this length.
    fn spans(&mut self, what: &str, length: u64, spans: &[SpanSummary]) {
        let whole = self.end - self.start;
        let count = whole.div_ceil(length) as f64;
        self.row(&format!("{what}s"), count, spans.len() as f64);
        for (index, span) in (0..).zip(spans) {
            let start = self.start + index * length;
            let mut books = Books {
                start,
                end: (start + length).min(self.end),
                rows: Vec::new(),
                ..*self
            };
            let of = format!("{what} {index}");
            books.counts(&of, None, &span.requests, &span.tokens);
            let revenue = books.revenue(None, (books.start, books.end));
            books.row(&format!("revenue of {of}"), revenue, span.revenue_usd);
            self.rows.extend(books.rows);
        }
    }

    fn money(&mut self, summary: &RunSummary) {
        let all = self.revenue(None, (self.start, self.end));
        self.row("revenue", all, summary.economics.revenue_usd);
        let has_price = |request: &Request| {
            self.scenario.classes[usize::from(request.class)]
                .price
                .is_some()
        };
        let lost = self.lives().filter(|(request, life)| match life.end {
            End::Rejected(at) | End::Failed(at) => has_price(request) && self.is_counted(at),
            _ => false,
        });
        let unbilled = lost.count() as f64;
        self.row(
            "unbilled",
            unbilled,
            summary.economics.unbilled_requests as f64,
        );

        let node_ns = self.outcome.node_ns;
        let gpus = u128::from(self.scenario.node.gpus);
        let pico = half_up(
            node_ns * gpus * self.scenario.node.price_per_gpu_hour.0,
            u128::from(HOUR),
        );
        self.row("cost", pico as f64 / 1e12, summary.economics.cost_usd);
        self.row(
            "node-hours",
            node_ns as f64 / HOUR as f64,
            summary.nodes.node_hours,
        );
        let window = self.scenario.duration.0 as f64;
        self.row("nodes", node_ns as f64 / window, summary.nodes.mean);
        self.row(
            "peak",
            self.outcome.peak_nodes as f64,
            f64::from(summary.nodes.peak),
        );
    }

    /// What the client sees of a time since a request reached its queue (S12).
    fn as_sent(&self, since_arrival: u64) -> u64 {
        since_arrival + self.scenario.front_end.0
    }

    /// (E2E - TTFT) / (O - 1), half up.
    fn tpot(request: &Request, life: &Life, completed: u64) -> Option<u64> {
        let after_first = completed - life.first_token?;
        let tokens = u128::from(request.output.checked_sub(1).filter(|n| *n > 0)?);
        Some(half_up(u128::from(after_first), tokens) as u64)
    }

    /// Requests per second that met every target of their class; -1 where it has none.
    fn goodput(&self, class: usize) -> f64 {
        let Some(slo) = self.scenario.classes[class].slo else {
            return -1.0;
        };
        let met = self.lives().filter(|(request, life)| {
            let (End::Completed(at), Some(first)) = (life.end, life.first_token) else {
                return false;
            };
            let ttft = self.as_sent(first - request.at.0);
            let within = |limit: Option<tokentide::internals::units::SimDuration>,
                          ns: Option<u64>| {
                limit.is_none_or(|limit| ns.is_none_or(|ns| ns <= limit.0))
            };
            usize::from(request.class) == class
                && self.is_counted(at)
                && within(slo.ttft, Some(ttft))
                && within(slo.tpot, Self::tpot(request, life, at))
        });
        met.count() as f64 / (self.scenario.duration.0 as f64 / 1e9)
    }

    /// Who of a class is judged, who has met its SLO, and who has no first token when the window ends (S12).
    fn promises(&mut self, class: usize, name: &str, shown: &ClassSummary) {
        let (mut came, mut judged, mut met) = (0_u64, 0_u64, 0_u64);
        let (mut without, mut longest) = (0_u64, None);
        let slo = self.scenario.classes[class].slo;
        let most = |limit: Option<tokentide::internals::units::SimDuration>| {
            limit.map_or(u128::from(u64::MAX), |limit| u128::from(limit.0))
        };
        let ttft_most = slo.map_or(u128::from(u64::MAX), |slo| most(slo.ttft));
        let tpot_most = slo.map_or(u128::from(u64::MAX), |slo| most(slo.tpot));
        for (request, life) in self.lives().filter(|(r, _)| usize::from(r.class) == class) {
            let (ended, is_whole) = match life.end {
                End::Completed(at) => (at, true),
                End::Rejected(at) | End::Failed(at) => (at, false),
                End::Inside(..) | End::Unborn => (self.end, true),
            };
            if request.at.0 >= self.end || ended < self.start {
                continue;
            }
            came += 1;
            let is_inside = ended >= self.end;
            let ended = ended.min(self.end);
            let first = life.first_token.unwrap_or(u64::MAX).min(ended);
            let (ttft, after) = (self.as_sent(first - request.at.0), ended - first);
            let tokens = u128::from(request.output).saturating_sub(1);
            let tpot = match tokens {
                0 => 0,
                tokens => half_up(u128::from(after), tokens),
            };
            let is_kept = is_whole && u128::from(ttft) <= ttft_most && tpot <= tpot_most;
            // Who is inside is judged when the targets have passed already.
            judged += u64::from(!is_inside || !is_kept);
            met += u64::from(!is_inside && is_kept);
            if is_inside && life.first_token.is_none() {
                without += 1;
                longest = longest.max(Some(ttft));
            }
        }
        let attainment = match (slo, came, judged) {
            (None, ..) | (_, 0, _) => -1.0,
            (_, _, 0) => 0.0,
            _ => met as f64 / judged as f64,
        };
        let theirs = shown.slo.and_then(|slo| slo.attainment).unwrap_or(-1.0);
        self.row(&format!("attainment of {name}"), attainment, theirs);
        if let Some(theirs) = shown.slo {
            self.row(
                &format!("judged of {name}"),
                judged as f64,
                theirs.judged as f64,
            );
        }
        let theirs = shown.without_first_token as f64;
        self.row(
            &format!("without a first token of {name}"),
            without as f64,
            theirs,
        );
        let longest = longest.map_or(-1.0, |ns: u64| ns as f64 / 1e9);
        let theirs = shown.longest_wait_s.unwrap_or(-1.0);
        self.row(&format!("longest wait of {name}"), longest, theirs);
    }

    fn latencies(&mut self, summary: &RunSummary) {
        let mut samples: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        let mut add = |what: &'static str, at: u64, ns: u64| {
            let list = samples.entry(what).or_default();
            if self.is_counted(at) {
                list.push(ns);
            }
        };
        for (request, life) in self.requests.iter().zip(&self.outcome.history.lives) {
            if let Some(at) = life.started {
                add("queue", at, at - request.at.0);
            }
            if let Some(at) = life.first_token {
                add("ttft", at, self.as_sent(at - request.at.0));
            }
            for join in &life.joined {
                add("decode queue", join.at, join.at - join.since);
            }
            if let End::Completed(at) = life.end {
                add("e2e", at, self.as_sent(at - request.at.0));
                if let Some(tpot) = Self::tpot(request, life, at) {
                    add("tpot", at, tpot);
                }
            }
        }
        for emission in &self.outcome.emissions {
            if let Some(gap) = emission.gap {
                add("itl", emission.at, gap);
            }
        }
        let shown = &summary.latency;
        let shown: [(&str, &DistributionSummary); 6] = [
            ("queue", &shown.queue_s),
            ("ttft", &shown.ttft_s),
            ("decode queue", &shown.decode_queue_s),
            ("e2e", &shown.e2e_s),
            ("tpot", &shown.tpot_s),
            ("itl", &shown.itl_s),
        ];
        for (what, theirs) in shown {
            let ours = samples.remove(what).unwrap_or_default();
            let sum: u128 = ours.iter().map(|ns| u128::from(*ns)).sum();
            let mean = sum as f64 / ours.len().max(1) as f64 / 1e9;
            let longest = ours.iter().max().map_or(0.0, |ns| *ns as f64 / 1e9);
            self.row(
                &format!("{what}, samples"),
                ours.len() as f64,
                theirs.count as f64,
            );
            self.row(
                &format!("{what}, mean"),
                mean,
                theirs.mean.unwrap_or_default(),
            );
            self.row(
                &format!("{what}, longest"),
                longest,
                theirs.max.unwrap_or_default(),
            );
            let theirs = [theirs.p50, theirs.p90, theirs.p95, theirs.p99, theirs.p999];
            self.quantiles(what, &ours, &[], theirs);
            samples.insert(what, ours);
        }
        let mut so_far = decided::so_far(self.lives(), self.end, self.scenario.front_end.0);
        for (what, theirs) in decided::shown(&summary.latency_decided) {
            let [ended, waits] = [&mut samples, &mut so_far].map(|of| of.remove(what));
            let theirs = [theirs.p50, theirs.p90, theirs.p95, theirs.p99, theirs.p999];
            let what = format!("{what}, decided");
            let [ended, waits] = [ended, waits].map(Option::unwrap_or_default);
            self.quantiles(&what, &ended, &waits, theirs);
        }
    }

    /// The nearest rank, to what a bucket's width allows.
    fn quantiles(&mut self, what: &str, ended: &[u64], so_far: &[u64], theirs: [Option<f64>; 5]) {
        for (per_mille, theirs) in [500, 900, 950, 990, 999].into_iter().zip(theirs) {
            let exact = decided::quantile(ended, so_far, per_mille);
            let theirs = theirs.unwrap_or_default();
            if (theirs - exact).abs() > BUCKET * exact {
                self.row(&format!("{what}, {per_mille} of 1000 below"), exact, theirs);
            }
        }
    }

    fn pools(&mut self, summary: &RunSummary) {
        let window = self.scenario.duration.0 as f64;
        let history = &self.outcome.history;
        for pool in &self.scenario.pools {
            let theirs = &summary.pools[&pool.name];
            let (waits, works) = match pool.role {
                Role::Prefill => (Place::PrefillQueue, Place::Prefill),
                Role::Decode => (Place::DecodeQueue, Place::Decode),
                Role::Mixed => (Place::PrefillQueue, Place::Decode),
            };
            let [waiting, serving] =
                [waits, works].map(|place| self.outcome.sojourns[place as usize] as f64);
            let time = history.unit_time[slot(pool.role)];
            let part = |a: f64, b: f64| if b == 0.0 { 0.0 } else { a / b };
            let working = time.working as f64;
            let rows = [
                ("queue length", waiting / window, theirs.queue_length_mean),
                (
                    "batch",
                    part(serving, working * f64::from(pool.ranks)),
                    theirs.batch_per_rank.unwrap_or_default(),
                ),
                ("units", time.paid as f64 / window, theirs.units_mean),
                (
                    "utilization",
                    part(time.busy as f64, time.paid as f64),
                    theirs.utilization.unwrap_or_default(),
                ),
                (
                    "blocked by KV",
                    part(time.blocked_by_kv as f64, working),
                    theirs.blocked_by_kv.unwrap_or_default(),
                ),
            ];
            for (what, ours, theirs) in rows {
                self.row(&format!("{what} of {}", pool.name), ours, theirs);
            }
        }
        let counted = |list: fn(&Life) -> &Vec<u64>| {
            let times = history.lives.iter().flat_map(list);
            times.filter(|at| self.is_counted(**at)).count() as f64
        };
        let [preempted, migrated] = [
            counted(|life| &life.preempted),
            counted(|life| &life.migrated),
        ];
        let steps: Vec<_> = history
            .decode_steps
            .iter()
            .filter(|step| self.is_counted(step.to))
            .collect();
        let (kv, tokens) = steps.iter().fold((0, 0), |(kv, n), step| {
            (kv + step.kv_1024, n + step.requests)
        });
        let steps = steps.len() as f64;
        let theirs = &summary.decode;
        self.row("preemptions", preempted, theirs.preemptions as f64);
        self.row("migrations", migrated, theirs.migrations as f64);
        self.row("decode steps", steps, theirs.steps as f64);
        let kv_length = kv as f64 / TOKEN as f64 / tokens.max(1) as f64;
        self.row(
            "KV length",
            kv_length,
            theirs.kv_length_tokens.unwrap_or_default(),
        );
    }
}
