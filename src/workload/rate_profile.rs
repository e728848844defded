//! Arrival times: inversion of the cumulative rate (S5).
//!
//! The rate runs in straight lines over a cycle (a day of local time, a week, a recorded stretch) and repeats. Arrivals
//! come where the cumulative rate reaches given amounts: sums of unit exponentials make a Poisson
//! process, whole numbers make even arrivals.
//!
//! Within a segment with rate r + s t, the amount E since its beginning is reached after
//! t = 2 E / (r + sqrt(r^2 + 2 s E)), which needs no case for s = 0 or r = 0 and loses no digits.
//! Nothing accumulates: amounts are whole billionths of a request, added up exactly, since the
//! segment began; its beginning is a whole nanosecond; and what a segment holds is carried into the
//! next one with an error below 10^-16 of a request where the rate is constant (the product of rate
//! and length is exact, in two parts), of 10^-16 of the segment's requests where it slopes. Times are
//! rounded half up to the nanosecond, the last to the end of a segment at most, and never decrease.
//!
//! In these units a rate in requests per second is also one in billionths per nanosecond.

use crate::scenario::{ArrivalProcess, RateSegment};
use crate::units::{NS_PER_DAY, SimDuration};

/// The rates of one class over a cycle, from the place in it at which the simulation begins.
#[derive(Clone, Debug)]
pub struct DayProfile {
    /// Segments in order, one cycle in all; none is empty.
    segments: Vec<Segment>,
    /// Days in the cycle.
    days: f64,
}

/// Billionths in a request: the unit of amounts.
pub const PER_REQUEST: u64 = 1_000_000_000;

/// A segment of the day over which the rate runs in a straight line.
#[derive(Clone, Copy, Debug)]
struct Segment {
    length_ns: u64,
    /// Rate at the segment's beginning, in requests per second.
    rate: f64,
    /// Change of the rate, in requests per second for each nanosecond.
    slope: f64,
    /// Amount of requests in the segment, in billionths: the whole ones of these.
    whole: i64,
    /// Amount in the segment beyond `whole`, in billionths, smaller than 1.
    rest: f64,
    /// Requests in the segment.
    requests: f64,
    period: u32,
}

/// How far the arrivals of a class have been placed.
#[derive(Clone, Debug)]
pub struct Position {
    /// Index of the current segment and its beginning.
    segment: usize,
    starts_ns: u64,
    /// The amount of the last arrival since the segment's beginning: `amount + fraction`. Negative
    /// until the first arrival of the segment.
    amount: i64,
    fraction: f64,
    /// Time of the last arrival, in ns.
    last_ns: u64,
}

/// A time up to which amounts have been added up, in the segments of a profile.
#[derive(Clone, Copy, Debug, Default)]
pub struct AmountPlace {
    segment: usize,
    /// Time at which that segment begins, in ns.
    starts_ns: u64,
    /// The time itself, in ns.
    at_ns: u64,
}

/// Consecutive arrivals of one period: those up to `end` (not included) of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodRun {
    /// Index of the first arrival after the run.
    pub end: usize,
    /// Index of the run's period in `ArrivalProcess::periods`.
    pub period: u32,
}

impl DayProfile {
    /// The profile of `arrivals` for a simulation that begins at this place in their cycle.
    pub fn new(arrivals: &ArrivalProcess, begins: SimDuration) -> Self {
        let cycle = arrivals.cycle.0;
        let cut = begins.0 % cycle;
        let parts = |from: u64, to: u64| {
            let clip = move |s: &RateSegment| Segment::new(s, from.max(s.from.0), to.min(s.to.0));
            arrivals.rate.iter().filter_map(clip)
        };
        Self {
            segments: parts(cut, cycle).chain(parts(0, cut)).collect(),
            days: cycle as f64 / NS_PER_DAY as f64,
        }
    }

    /// The position before the first arrival: the simulation's first instant.
    pub fn begin(&self) -> Position {
        Position {
            segment: 0,
            starts_ns: 0,
            amount: 0,
            fraction: 0.0,
            last_ns: 0,
        }
    }

    /// Requests in a day, on average.
    pub fn requests_per_day(&self) -> f64 {
        let cycle = self.segments.iter().fold(0.0, |sum, s| sum + s.requests);
        cycle / self.days
    }

    /// Requests of a cycle by period, of which there are `periods`.
    pub fn requests_by_period(&self, periods: usize) -> Vec<f64> {
        let mut requests = vec![0.0; periods];
        for segment in &self.segments {
            if let Some(sum) = requests.get_mut(segment.period as usize) {
                *sum += segment.requests;
            }
        }
        requests
    }

    /// The largest rate of the cycle, in requests per second.
    pub fn peak_per_s(&self) -> f64 {
        let end = |s: &Segment| s.rate + s.slope * s.length_ns as f64;
        self.segments
            .iter()
            .fold(0.0, |peak, s| peak.max(s.rate).max(end(s)))
    }

    /// Amount of requests from `place` to a later time, in billionths of one; the place moves there.
    pub fn amount_until(&self, place: &mut AmountPlace, until_ns: u64) -> f64 {
        let mut amount = 0.0;
        while place.at_ns < until_ns {
            let segment = &self.segments[place.segment];
            let ends_ns = place.starts_ns + segment.length_ns;
            let to_ns = ends_ns.min(until_ns);
            let (from, to) = (place.at_ns - place.starts_ns, to_ns - place.starts_ns);
            let mean = segment.rate + segment.slope * (0.5 * (from + to) as f64);
            amount += mean.max(0.0) * (to - from) as f64;
            place.at_ns = to_ns;
            if to_ns == ends_ns {
                place.starts_ns = ends_ns;
                place.segment = (place.segment + 1) % self.segments.len();
            }
        }
        amount
    }

    /// Places as many arrivals as there are `gaps`: amounts between arrivals, in billionths of a
    /// request. Writes their times in ns to `at` (as long as `gaps`) and where periods change to
    /// `runs`. Returns how many were placed: fewer than asked for when the segment of the next one
    /// begins at `end_ns` or later, which ends the arrivals for good.
    pub fn place(
        &self,
        position: &mut Position,
        gaps: &[u64],
        at: &mut [u64],
        runs: &mut Vec<PeriodRun>,
        end_ns: u64,
    ) -> usize {
        runs.clear();
        let mut sum = position.amount;
        for (amount, gap) in at.iter_mut().zip(gaps) {
            sum += *gap as i64;
            *amount = sum as u64;
        }
        let (mut placed, mut base) = (0, 0);
        loop {
            let segment = &self.segments[position.segment];
            let fits = base + segment.whole + (segment.rest - position.fraction).floor() as i64;
            // Usually a whole batch fits into a segment.
            let count = if sum <= fits {
                at.len() - placed
            } else {
                at[placed..].partition_point(|amount| *amount as i64 <= fits)
            };
            if count > 0 {
                let here = &mut at[placed..placed + count];
                segment.invert(here, base, position);
                placed += count;
                runs.push(PeriodRun {
                    end: placed,
                    period: segment.period,
                });
            }
            if placed == at.len() {
                position.amount = sum - base;
                return placed;
            }
            base += segment.whole;
            position.fraction -= segment.rest;
            let carry = position.fraction.floor();
            position.fraction -= carry;
            base -= carry as i64;
            position.starts_ns += segment.length_ns;
            position.segment = (position.segment + 1) % self.segments.len();
            if position.starts_ns >= end_ns {
                return placed;
            }
        }
    }
}

impl Segment {
    /// The part of segment `whole` between two times of day; `None`: there is none.
    fn new(whole: &RateSegment, from_ns: u64, to_ns: u64) -> Option<Self> {
        if from_ns >= to_ns {
            return None;
        }
        let (first, last) = (whole.rate_from_per_s, whole.rate_to_per_s);
        let rate_at = |ns: u64| {
            let part = (ns - whole.from.0) as f64 / (whole.to.0 - whole.from.0) as f64;
            if ns == whole.to.0 {
                last
            } else {
                (first + (last - first) * part).max(0.0)
            }
        };
        let (rate, end) = (rate_at(from_ns), rate_at(to_ns));
        let length_ns = to_ns - from_ns;
        let mean = if rate == end {
            rate
        } else {
            (rate + end) / 2.0
        };
        let (high, low) = exact_product(mean, length_ns as f64);
        let whole_part = high.floor();
        let rest = (high - whole_part) + low;
        Some(Self {
            length_ns,
            rate,
            slope: (end - rate) / length_ns as f64,
            whole: whole_part as i64,
            rest,
            requests: high / PER_REQUEST as f64,
            period: whole.period,
        })
    }

    /// Turns amounts since `base` into times of arrival.
    #[inline]
    fn invert(&self, at: &mut [u64], base: i64, position: &mut Position) {
        let starts = position.starts_ns;
        let amount = |at: u64| (at as i64 - base) as f64 + position.fraction;
        let mut last = position.last_ns;
        let mut settle = |at: &mut u64, t: f64| {
            last = last.max(starts + ((t + 0.5) as i64 as u64).min(self.length_ns));
            *at = last;
        };
        if self.slope == 0.0 {
            at.iter_mut()
                .for_each(|at| settle(at, amount(*at) / self.rate));
        } else {
            let (square, twice) = (self.rate * self.rate, 2.0 * self.slope);
            for at in at {
                let e = amount(*at);
                let root = (square + twice * e).max(0.0).sqrt();
                settle(at, 2.0 * e / (self.rate + root));
            }
        }
        position.last_ns = last;
    }
}

/// The product a b as an unevaluated sum (high, low) without error (Dekker, "A Floating-Point Technique for
/// Extending the Available Precision", 1971; the splitting is Veltkamp's).
fn exact_product(a: f64, b: f64) -> (f64, f64) {
    let split = |x: f64| {
        let shifted = 134_217_729.0 * x; // 2^27 + 1
        let high = shifted - (shifted - x);
        (high, x - high)
    };
    let high = a * b;
    let ((a1, a2), (b1, b2)) = (split(a), split(b));
    (high, ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2)
}

#[cfg(test)]
mod tests {
    use super::super::random::Stream;
    use super::*;
    use crate::scenario::ArrivalKind;
    use crate::units::{NS_PER_HOUR, NS_PER_S};

    /// A profile of segments (from hour, rate there, to hour, rate there), seen from an hour of the day.
    fn profile(segments: &[(u64, f64, u64, f64)], begins_at_hour: u64) -> DayProfile {
        let hour = |h: u64| SimDuration(h * NS_PER_HOUR);
        let rate = (0..).zip(segments).map(|(period, s)| RateSegment {
            from: hour(s.0),
            to: hour(s.2),
            rate_from_per_s: s.1,
            rate_to_per_s: s.3,
            period,
        });
        let arrivals = ArrivalProcess {
            kind: ArrivalKind::Poisson,
            rate: rate.collect(),
            cycle: SimDuration(NS_PER_DAY),
            phase: SimDuration::ZERO,
            periods: Vec::new(),
            remarks: Vec::new(),
            cautions: Vec::new(),
        };
        DayProfile::new(&arrivals, hour(begins_at_hour))
    }

    /// The times of even arrivals over `days`.
    fn even(profile: &DayProfile, days: u64) -> Vec<u64> {
        place_all(profile, days * NS_PER_DAY, &mut || PER_REQUEST)
    }

    fn place_all(profile: &DayProfile, end_ns: u64, gap: &mut dyn FnMut() -> u64) -> Vec<u64> {
        let (mut position, mut runs) = (profile.begin(), Vec::new());
        let mut times = Vec::new();
        loop {
            let gaps: Vec<u64> = (0..100).map(|_| gap()).collect();
            let mut at = [0; 100];
            let placed = profile.place(&mut position, &gaps, &mut at, &mut runs, end_ns);
            times.extend(&at[..placed]);
            if placed < 100 || at[99] >= end_ns {
                times.retain(|at| *at < end_ns);
                assert!(times.is_sorted());
                return times;
            }
        }
    }

    #[test]
    fn even_arrivals_at_a_constant_rate_never_drift() {
        for (rate, skip) in [
            (1800.0_f64, 10_000_000_u64),
            (0.3, 10_000_000),
            (7.1, 3_000_000),
        ] {
            let profile = profile(&[(0, rate, 24, rate)], 5);
            let (mut position, mut runs) = (profile.begin(), Vec::new());
            let gaps = [PER_REQUEST; 1000];
            let mut at = [0; 1000];
            for block in 0..skip / 1000 {
                profile.place(&mut position, &gaps, &mut at, &mut runs, u64::MAX);
                if block % 97 != 0 && block + 1 != skip / 1000 {
                    continue;
                }
                for (k, at) in (1_u64..)
                    .zip(at)
                    .map(|(i, at)| (block * 1000 + i, at))
                    .step_by(333)
                {
                    // The rate is mantissa / 2^shift exactly: k / rate in 128-bit integers.
                    let shift = 1075 - (rate.to_bits() >> 52) as u32;
                    let mantissa = u128::from(rate.to_bits() << 12 >> 12 | 1 << 52);
                    let seconds = (u128::from(k) << shift) / mantissa;
                    let left = (u128::from(k) << shift) % mantissa;
                    let ns = left * u128::from(NS_PER_S) / mantissa;
                    let exact = seconds * u128::from(NS_PER_S) + ns;
                    let error = i128::from(at) - exact as i128;
                    assert!(
                        (0..=1).contains(&error),
                        "{rate}/s: {k} at {at}, not {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn even_arrivals_follow_a_ramp() {
        // From 0 to 2 requests per second over 24 hours: k at 86400 sqrt(k / 86400) s.
        let times = even(&profile(&[(0, 0.0, 24, 2.0)], 0), 1);
        for (k, at) in (1..).zip(&times) {
            let exact = 86_400e9 * (f64::from(k) / 86_400.0).sqrt();
            assert!((*at as f64 - exact).abs() <= 1.0, "{k}: {at}, not {exact}");
        }
        assert!(times.len() >= 86_399);
    }

    #[test]
    fn the_day_begins_anywhere_and_repeats() {
        // 1/s at midnight, falling to 0.2/s at noon and rising again.
        let shape = [(0, 1.0, 12, 0.2), (12, 0.2, 24, 1.0)];
        let whole = even(&profile(&shape, 0), 2);
        let shifted = even(&profile(&shape, 18), 2);
        // Up to 18:00 come 0.6 x 43,200 + 0.4 x 21,600 requests: whole ones, so both go on alike.
        let before = 34_560;
        for (a, b) in whole[before..].iter().zip(&shifted) {
            assert!((a - 18 * NS_PER_HOUR).abs_diff(*b) <= 1, "{a} and {b}");
        }
        assert!(shifted.len() > 100_000);
    }

    #[test]
    fn nothing_arrives_where_the_rate_is_zero() {
        let quiet = profile(&[(0, 0.0, 24, 0.0)], 0);
        assert!(even(&quiet, 400).is_empty());
        // One each second from 06:00 to 07:00 only.
        let times = even(
            &profile(&[(0, 0.0, 6, 0.0), (6, 1.0, 7, 1.0), (7, 0.0, 24, 0.0)], 0),
            2,
        );
        assert_eq!(times.len(), 7200);
        let six = 6 * NS_PER_HOUR;
        assert_eq!([times[0], times[3599]], [six + NS_PER_S, six + NS_PER_HOUR]);
        assert_eq!(times[3600], NS_PER_DAY + six + NS_PER_S);
    }

    #[test]
    fn rounding_is_half_up() {
        // Every 7,812.5 ns, for an hour.
        let busy = profile(&[(0, 128e3, 1, 128e3), (1, 0.0, 24, 0.0)], 0);
        let times = place_all(&busy, 40_000, &mut || PER_REQUEST);
        assert_eq!(times, [7_813, 15_625, 23_438, 31_250, 39_063]);
    }

    #[test]
    fn periods_come_with_their_arrivals() {
        let profile = profile(&[(0, 1.0, 12, 1.0), (12, 3.0, 24, 1.0)], 23);
        let (mut position, mut runs, mut at) = (profile.begin(), Vec::new(), [0; 5000]);
        profile.place(
            &mut position,
            &[PER_REQUEST; 5000],
            &mut at,
            &mut runs,
            u64::MAX,
        );
        // The last hour's rate falls from 7/6 to 1: 3,900 requests, then the next day's.
        assert_eq!(
            runs,
            [
                PeriodRun {
                    end: 3900,
                    period: 1
                },
                PeriodRun {
                    end: 5000,
                    period: 0
                }
            ]
        );
        assert_eq!(profile.requests_by_period(2), [43_200.0, 86_400.0]);
        assert_eq!(
            (profile.requests_per_day(), profile.peak_per_s()),
            (129_600.0, 3.0)
        );
    }

    #[test]
    fn poisson_counts_have_the_mean_and_variance_of_the_rate() {
        // Unit exponentials by inversion with libm; counts in 2,000 minutes of 50 expected each.
        let mut stream = Stream::new(5, "arrivals", "test");
        let mut gap = || {
            let u = (stream.draw() >> 11) as f64 / (1_u64 << 53) as f64;
            (-libm::log1p(-u) * PER_REQUEST as f64) as u64
        };
        let minutes = 2000;
        let end = minutes * 60 * NS_PER_S;
        let times = place_all(
            &profile(&[(0, 50.0 / 60.0, 24, 50.0 / 60.0)], 0),
            end,
            &mut gap,
        );
        let mut counts = vec![0.0; minutes as usize];
        times
            .iter()
            .for_each(|at| counts[(at / (60 * NS_PER_S)) as usize] += 1.0);
        let mean = counts.iter().sum::<f64>() / minutes as f64;
        let variance = counts.iter().map(|c| (c - mean) * (c - mean)).sum::<f64>() / 1999.0;
        // Four standard errors: sqrt(50 / 2000) and 50 sqrt(2 / 2000).
        assert!((mean - 50.0).abs() < 0.64, "{mean}");
        assert!((variance - 50.0).abs() < 6.4, "{variance}");
    }
}
