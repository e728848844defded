//! Latencies while they are being counted.

use super::cells::Latencies;
use super::histogram::Histogram;
use super::left::tpot_ns;
use super::observer::Place;
use crate::units::{SimDuration, SimTime};
use crate::workload::Request;

/// Latency histograms of some requests while they are being counted, in ns.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// TTFT: arrival to first token.
    pub ttft: Histogram,
    /// TPOT: time per output token after the first.
    pub tpot: Histogram,
    /// ITL: gaps between tokens.
    pub itl: Histogram,
    /// E2E: arrival to last token.
    pub e2e: Histogram,
    /// Prefill queue: arrival to first prefill step.
    pub queue: Histogram,
    /// Decode queue: arrival of the KV to joining a rank.
    pub decode_queue: Histogram,
}

impl Live {
    /// Empties the histograms and returns what they held, in compact form.
    pub fn take(&mut self) -> Latencies {
        Latencies {
            ttft: self.ttft.take(),
            tpot: self.tpot.take(),
            itl: self.itl.take(),
            e2e: self.e2e.take(),
            queue: self.queue.take(),
            decode_queue: self.decode_queue.take(),
        }
    }

    /// Counts the latencies so far of a request that is inside when the window ends, in `place` since `since`: they
    /// will be no less. `first_token` is `NEVER` where it has none. Gaps between tokens are left out: the one that
    /// runs is one of very many.
    pub fn add_so_far(
        &mut self,
        request: &Request,
        (place, since): (Place, SimTime),
        first_token: SimTime,
        end: SimTime,
        front_end: SimDuration,
    ) {
        let waited = end.since(request.at).0;
        let as_sent = waited + front_end.0;
        self.e2e.add(as_sent);
        if first_token == SimTime::NEVER {
            self.ttft.add(as_sent);
        } else if request.output >= 2 {
            self.tpot
                .add(tpot_ns(end.since(first_token).0, request.output));
        }
        match place {
            // Whose prompt begins anew waits since then, and its first wait is known.
            Place::PrefillQueue if since == request.at => self.queue.add(waited),
            Place::DecodeQueue => self.decode_queue.add(end.since(since).0),
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request that came at 1,000 ns and wants 5 tokens, at 2,000 ns.
    fn so_far(place: Place, since: u64, first_token: SimTime) -> Latencies {
        let request = Request {
            at: SimTime(1_000),
            input: 10,
            output: 5,
            ..Request::default()
        };
        let mut live = Live::default();
        let since = (place, SimTime(since));
        live.add_so_far(
            &request,
            since,
            first_token,
            SimTime(2_000),
            SimDuration(70),
        );
        live.take()
    }

    #[test]
    fn a_request_counts_for_the_latencies_that_it_does_not_have_yet() {
        let waits = so_far(Place::PrefillQueue, 1_000, SimTime::NEVER);
        let counts = |l: &Latencies| {
            [&l.ttft, &l.tpot, &l.itl, &l.e2e, &l.queue, &l.decode_queue].map(|d| d.count())
        };
        assert_eq!(counts(&waits), [1, 0, 0, 1, 1, 0]);
        assert_eq!(waits.ttft.max_ns(), Some(1_070));
        assert_eq!(waits.queue.max_ns(), Some(1_000));
        let again = so_far(Place::PrefillQueue, 1_500, SimTime::NEVER);
        assert_eq!(counts(&again), [1, 0, 0, 1, 0, 0]);
        let handed_on = so_far(Place::DecodeQueue, 1_500, SimTime(1_400));
        assert_eq!(counts(&handed_on), [0, 1, 0, 1, 0, 1]);
        assert_eq!(handed_on.decode_queue.max_ns(), Some(500));
        assert_eq!(handed_on.tpot.max_ns(), Some(150));
    }
}
