//! The requests of one class, made a block at a time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Request;
use super::bursts::Bursts;
use super::client_source::ClientSource;
use super::contents::ContentNumbers;
use super::copula::LengthPairs;
use super::distribution::LengthDistribution;
use super::error::WorkloadError;
use super::hits::HitFactor;
use super::length::{LengthScale, Lengths};
use super::quantile::QuantileTable;
use super::random::Stream;
use super::rate_profile::{DayProfile, PER_REQUEST, PeriodRun, Position};
use super::renewal;
use super::side::Tail;
use crate::scenario::{
    ArrivalKind, ArrivalProcess, Class, LengthLaw, Scenario, TraceCursor, TraceRow,
};
use crate::units::{SimDuration, SimTime};

/// Makes the requests of one class, in blocks.
#[derive(Clone, Debug)]
pub(super) struct ClassSource {
    pub(super) name: String,
    class: u16,
    pub(super) profile: DayProfile,
    pub(super) input: Lengths,
    pub(super) output: Lengths,
    pub(super) periods: Vec<PeriodDraw>,
    position: Position,
    gaps: Gaps,
    streams: [Stream; 3],
    /// The block of requests; those from `taken` on are made but not yet taken.
    block: Vec<Request>,
    taken: usize,
    finished: bool,
    work: Box<BlockBuffers>,
    trace: Option<Trace>,
    /// Numbers of contents, where a prefix cache finds what requests share; `None`: hits are drawn.
    contents: Option<ContentNumbers>,
    clients: Option<Box<ClientSource>>,
    /// Joined draws of inputs and outputs; `None`: they do not depend on one another.
    pairs: Option<Box<LengthPairs>>,
}

/// A recording that is played.
#[derive(Clone, Debug)]
struct Trace {
    rows: TraceCursor,
    /// The first row that has not been taken.
    next: Option<TraceRow>,
}

/// Buffers from which a block's requests are made; kept between blocks, not cleared.
#[derive(Clone, Debug)]
struct BlockBuffers {
    /// Random numbers of the arrivals, then the amounts between arrivals, in billionths of a request.
    gaps: [u64; BLOCK],
    /// Random numbers of inputs, outputs and hits, in this order.
    randoms: [[u64; BLOCK]; 3],
    at: [u64; BLOCK],
    runs: Vec<PeriodRun>,
    inputs: [u32; BLOCK],
    outputs: [u32; BLOCK],
}

/// What the draws of a class's requests take from the period of their arrival.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeriodDraw {
    pub(super) input_scale: LengthScale,
    pub(super) output_scale: LengthScale,
    pub(super) hits: HitFactor,
}

/// Where the amounts between arrivals come from.
#[derive(Clone, Debug)]
enum Gaps {
    /// Amounts that are drawn from one law with mean 1 (Poisson and renewal arrivals).
    Random(Box<RandomGaps>),
    /// An amount of always 1 (even arrivals).
    Even,
}

/// Amounts from one law, and what bends them.
#[derive(Clone, Debug)]
struct RandomGaps {
    stream: Stream,
    table: QuantileTable,
    /// Amount before the first arrival, which is not as long as others; `None`: it is, or is over.
    first: Option<u64>,
    /// Bursts in which amounts pass more quickly; `None`: there are none.
    bursts: Option<Bursts>,
}

/// Requests that a class makes at once: enough to overlap their work, few enough to stay in the
/// processor's first cache.
const BLOCK: usize = 256;

impl ClassSource {
    /// Builds the tables of `class`, which has this index in the scenario, and shares those of laws that classes before
    /// it have, too.
    pub(super) fn new(
        scenario: &Scenario,
        index: u16,
        class: &Class,
        tables: &mut SharedTables,
    ) -> Result<Self, WorkloadError> {
        let stream = |purpose| Stream::new(scenario.seed, purpose, &class.name);
        let profile = DayProfile::new(
            &class.arrivals,
            begins_at(&class.arrivals, scenario.warm_up),
        );
        let requests_per_day = profile.requests_per_day();
        let random = |table, first, bursts| {
            Gaps::Random(Box::new(RandomGaps {
                stream: stream("arrivals"),
                table,
                first,
                bursts,
            }))
        };
        let gaps = match &class.arrivals.kind {
            ArrivalKind::Poisson | ArrivalKind::Sessions(_) => {
                random(tables.unit_exponential(), None, None)
            }
            ArrivalKind::Renewal(law) => {
                let first = renewal::first(*law, &mut stream("first arrival"));
                random(renewal::table(*law), Some(first), None)
            }
            ArrivalKind::Bursts(law) => {
                let bursts = Bursts::new(*law, &profile, stream("bursts"));
                random(tables.unit_exponential(), None, Some(bursts))
            }
            ArrivalKind::Deterministic
            | ArrivalKind::Clients(_)
            | ArrivalKind::ClosedLoop(_)
            | ArrivalKind::Trace(_) => Gaps::Even,
        };
        let trace = match &class.arrivals.kind {
            ArrivalKind::Trace(play) => Some(Trace {
                rows: play.rows(),
                next: None,
            }),
            ArrivalKind::Poisson
            | ArrivalKind::Deterministic
            | ArrivalKind::Renewal(_)
            | ArrivalKind::Bursts(_)
            | ArrivalKind::Clients(_)
            | ArrivalKind::ClosedLoop(_)
            | ArrivalKind::Sessions(_) => None,
        };
        let input = tables.lengths(&class.input);
        let output = tables.lengths(&class.output);
        let periods = draws(class, &input)?;
        let clients = match &class.arrivals.kind {
            ArrivalKind::Clients(play) => {
                let begins = begins_at(&class.arrivals, scenario.warm_up);
                let hits = periods[0].hits;
                let source = ClientSource::new(play, index, class, scenario.seed, begins, hits);
                Some(Box::new(source))
            }
            _ => None,
        };
        let joined = class.length_correlation.filter(|_| clients.is_none());
        let pairs = joined.map(|r| Box::new(LengthPairs::new(&input, &output, r)));
        Ok(Self {
            name: class.name.clone(),
            class: index,
            position: profile.begin(),
            finished: requests_per_day == 0.0,
            profile,
            periods,
            input,
            output,
            gaps,
            streams: [stream("input"), stream("output"), stream("hits")],
            block: Vec::new(),
            taken: 0,
            work: Box::new(BlockBuffers {
                gaps: [PER_REQUEST; BLOCK],
                randoms: [[0; BLOCK]; 3],
                at: [0; BLOCK],
                runs: Vec::new(),
                inputs: [0; BLOCK],
                outputs: [0; BLOCK],
            }),
            trace,
            contents: ContentNumbers::new(scenario, class),
            clients,
            pairs,
        })
    }

    /// Appends the requests before `until`, making more as needed.
    pub(super) fn take(&mut self, until: SimTime, end: SimTime, requests: &mut Vec<Request>) {
        if let Some(clients) = &mut self.clients {
            clients.take((until, end), self.contents.as_mut(), requests);
            return;
        }
        if self.trace.is_some() {
            self.replay(until, requests);
            return;
        }
        loop {
            let rest = &self.block[self.taken..];
            let ready = rest.partition_point(|request| request.at < until);
            requests.extend_from_slice(&rest[..ready]);
            self.taken += ready;
            if self.taken < self.block.len() || self.finished {
                return;
            }
            self.make_block(end);
        }
    }

    /// Appends recorded requests before `until`.
    fn replay(&mut self, until: SimTime, requests: &mut Vec<Request>) {
        let Some(trace) = &mut self.trace else {
            return;
        };
        while let Some(row) = trace.next.or_else(|| trace.rows.next()) {
            if row.at.0 >= until.0 {
                trace.next = Some(row);
                break;
            }
            trace.next = None;
            let hits = self.periods[0].hits;
            let random = self.streams[2].draw();
            let drawn = match &mut self.contents {
                Some(contents) => contents.of_row(row.place, random),
                None => row.cached.unwrap_or(hits.cached(row.input, random)),
            };
            requests.push(Request {
                id: 0,
                at: SimTime(row.at.0),
                input: row.input,
                output: row.output,
                cached: drawn,
                class: self.class,
            });
        }
    }

    /// A request of this class, issued now by a user of a closed loop.
    pub(super) fn issue(&mut self, now: SimTime) -> Request {
        let draw = self.periods[0];
        let [of_input, of_output, of_hits] = &mut self.streams;
        let randoms = [of_input.draw(), of_output.draw()];
        let scales = [draw.input_scale, draw.output_scale];
        let (input, output) = match &self.pairs {
            Some(pairs) => pairs.at([&self.input, &self.output], randoms, scales),
            None => (
                self.input.at(randoms[0], scales[0]),
                self.output.at(randoms[1], scales[1]),
            ),
        };
        let random = of_hits.draw();
        Request {
            id: 0,
            at: now,
            input,
            output,
            cached: match &mut self.contents {
                Some(contents) => contents.next(random),
                None => draw.hits.cached(input, random),
            },
            class: self.class,
        }
    }

    /// Replaces the block by the next one, of requests before `end`.
    fn make_block(&mut self, end: SimTime) {
        let BlockBuffers {
            gaps,
            randoms,
            at,
            runs,
            inputs,
            outputs,
        } = self.work.as_mut();
        let [of_input, of_output, of_hits] = &mut self.streams;
        let [input_randoms, output_randoms, hit_randoms] = randoms;
        let each = input_randoms
            .iter_mut()
            .zip(output_randoms.iter_mut())
            .zip(hit_randoms.iter_mut());
        match &mut self.gaps {
            Gaps::Even => each.for_each(|((input, output), hits)| {
                (*input, *output, *hits) = (of_input.draw(), of_output.draw(), of_hits.draw());
            }),
            Gaps::Random(random) => {
                let RandomGaps {
                    stream,
                    table,
                    first,
                    bursts,
                } = random.as_mut();
                each.zip(gaps.iter_mut())
                    .for_each(|(((input, output), hits), gap)| {
                        (*input, *output, *hits) =
                            (of_input.draw(), of_output.draw(), of_hits.draw());
                        *gap = stream.draw();
                    });
                gaps.iter_mut().for_each(|gap| *gap = table.at(*gap));
                if let Some(first) = first.take() {
                    gaps[0] = first;
                }
                if let Some(bursts) = bursts {
                    bursts.bend(&self.profile, gaps, end.0);
                }
            }
        }

        let placed = self
            .profile
            .place(&mut self.position, gaps, at, runs, end.0);
        self.finished = placed < BLOCK || at[BLOCK - 1] >= end.0;

        self.block.clear();
        self.taken = 0;
        let mut first = 0;
        for run in runs {
            let here = first..run.end;
            first = run.end;
            let draw = self.periods[run.period as usize];
            let (input, output) = (&mut inputs[here.clone()], &mut outputs[here.clone()]);
            let randoms = [&input_randoms[here.clone()], &output_randoms[here.clone()]];
            let scales = [draw.input_scale, draw.output_scale];
            match &self.pairs {
                Some(pairs) => {
                    let laws = [&self.input, &self.output];
                    let each = randoms[0].iter().zip(randoms[1]);
                    for ((input, output), (a, b)) in input.iter_mut().zip(&mut *output).zip(each) {
                        (*input, *output) = pairs.at(laws, [*a, *b], scales);
                    }
                }
                None => {
                    self.input.fill(randoms[0], scales[0], input);
                    self.output.fill(randoms[1], scales[1], output);
                }
            }
            let lengths = input.iter().zip(output.iter());
            let rest = at[here.clone()].iter().zip(&hit_randoms[here]);
            self.block.extend(
                lengths
                    .zip(rest)
                    .map(|((input, output), (at, random))| Request {
                        id: 0,
                        at: SimTime(*at),
                        input: *input,
                        output: *output,
                        cached: draw.hits.cached(*input, *random),
                        class: self.class,
                    }),
            );
        }
        if let Some(contents) = &mut self.contents {
            for (request, random) in self.block.iter_mut().zip(hit_randoms.iter()) {
                request.cached = contents.next(*random);
            }
        }
        let kept = self.block.partition_point(|request| request.at < end);
        self.block.truncate(kept);
    }
}

/// What the draws take from each period of a class; work is shared between equal periods.
fn draws(class: &Class, input: &Lengths) -> Result<Vec<PeriodDraw>, WorkloadError> {
    // Of the latest scale only: a day of seconds has 86,400, and each would take 68 KB.
    let mut latest: Option<(u64, LengthDistribution, f64)> = None;
    let mut factors = BTreeMap::new();
    let mut draws = Vec::with_capacity(class.arrivals.periods.len());
    for (index, period) in class.arrivals.periods.iter().enumerate() {
        let input_scale = LengthScale::new(period.input_scale);
        let key = (period.input_scale.to_bits(), period.hit_rate.to_bits());
        let hits = match factors.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) if period.hit_rate <= 0.0 => HitFactor::ZERO,
            Entry::Vacant(slot) => {
                if latest.as_ref().is_none_or(|(scale, ..)| *scale != key.0) {
                    let distribution = input.distribution(input_scale);
                    let mean = distribution.mean();
                    latest = Some((key.0, distribution, mean));
                }
                let Some((_, distribution, mean)) = &latest else {
                    continue;
                };
                let unreachable = |largest| WorkloadError::UnreachableHitRate {
                    class: class.name.clone(),
                    period: index,
                    asked: period.hit_rate,
                    largest,
                };
                let solved = HitFactor::solve(distribution, *mean, period.hit_rate);
                *slot.insert(solved.map_err(unreachable)?)
            }
        };
        let output_scale = LengthScale::new(period.output_scale);
        draws.push(PeriodDraw {
            input_scale,
            output_scale,
            hits,
        });
    }
    Ok(draws)
}

/// Tables of the laws of several classes, each built once.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedTables {
    unit_exponential: Option<QuantileTable>,
    lengths: Vec<(LengthLaw, Lengths)>,
}

impl SharedTables {
    /// The exponential law with mean 1, in billionths.
    pub(super) fn unit_exponential(&mut self) -> QuantileTable {
        let table = self.unit_exponential.get_or_insert_with(unit_exponential);
        table.clone()
    }

    fn lengths(&mut self, law: &LengthLaw) -> Lengths {
        let known = self.lengths.iter().rfind(|(known, _)| known == law);
        if let Some((_, lengths)) = known {
            return lengths.clone();
        }
        let lengths = Lengths::new(law);
        self.lengths.push((law.clone(), lengths.clone()));
        lengths
    }
}

/// The exponential law with mean 1, in billionths.
fn unit_exponential() -> QuantileTable {
    QuantileTable::new(PER_REQUEST as f64, |side, p| match side {
        Tail::Lower => -libm::log1p(-p),
        Tail::Upper => -libm::log(p),
    })
}

/// The place in a cycle at which a simulation begins: its warm-up before `start`.
fn begins_at(arrivals: &ArrivalProcess, warm_up: SimDuration) -> SimDuration {
    let (cycle, phase) = (arrivals.cycle.0, arrivals.phase.0);
    SimDuration((phase + cycle - warm_up.0 % cycle) % cycle)
}

#[cfg(test)]
mod tests {
    use super::super::quantile::integrate;
    use super::*;

    #[test]
    fn gaps_are_exponential_without_bias() {
        let (mean, cv) = integrate(unit_exponential().pieces());
        assert!((mean - 1.0).abs() < 1e-8, "{mean}");
        assert!((cv - 1.0).abs() < 1e-8, "{cv}");
    }
}
