//! Histograms of durations with buckets of at most 0.8 %: 128 to an octave, exact below 128 ns.
//!
//! The mean, the count and the largest value are exact; a quantile is the middle of the bucket that
//! holds its nearest rank, at most 0.4 % off. Durations of one kind lie within a few octaves, so only those are held.

/// Buckets to an octave, as a power of two.
const SUB_BITS: u32 = 7;
const SUB: usize = 1 << SUB_BITS;
const OCTAVES: usize = 64 - SUB_BITS as usize + 1;
const BUCKETS: usize = OCTAVES * SUB;
/// The page of an octave that has none: beyond the end of all counts.
const NO_PAGE: u8 = u8::MAX;

/// Counts of durations in nanoseconds. An octave has a page of buckets from its first duration on.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Page of `counts` of each octave; `NO_PAGE` where nothing was counted.
    pages: [u8; OCTAVES],
    counts: Vec<u64>,
    total: u64,
    sum_ns: u128,
    max_ns: u64,
}

/// A duration and its bucket, to be counted in several histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucketed {
    ns: u64,
    bucket: u16,
}

impl Bucketed {
    /// The bucket of a duration in nanoseconds.
    #[inline]
    pub fn of(ns: u64) -> Self {
        let bucket = bucket_of(ns) as u16;
        Self { ns, bucket }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            pages: [NO_PAGE; OCTAVES],
            counts: Vec::new(),
            total: 0,
            sum_ns: 0,
            max_ns: 0,
        }
    }
}

/// A histogram in compact form: only the buckets that hold something, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SparseHistogram {
    buckets: Vec<(u16, u64)>,
    total: u64,
    sum_ns: u128,
    max_ns: u64,
}

fn bucket_of(ns: u64) -> usize {
    if ns < SUB as u64 {
        return ns as usize;
    }
    let octave = 63 - ns.leading_zeros();
    let shift = octave - SUB_BITS;
    ((shift as usize + 1) << SUB_BITS) + ((ns >> shift) as usize & (SUB - 1))
}

/// The shortest duration of a bucket.
fn lower_end(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let shift = (bucket >> SUB_BITS) - 1;
    (((SUB + (bucket & (SUB - 1))) as u128) << shift).min(u128::from(u64::MAX)) as u64
}

/// The bucket that begins at this duration; one beyond the last for a duration that is longer than any.
fn end_of(ns: u64) -> usize {
    match ns {
        u64::MAX => BUCKETS,
        ns => bucket_of(ns),
    }
}

fn middle_of(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let shift = (bucket >> SUB_BITS) - 1;
    lower_end(bucket) + ((1_u64 << shift) >> 1)
}

impl Histogram {
    /// Counts one duration.
    #[inline]
    pub fn add(&mut self, ns: u64) {
        self.add_many(Bucketed::of(ns), 1);
    }

    /// Counts the same duration several times, at least once.
    #[inline]
    pub fn add_many(&mut self, Bucketed { ns, bucket }: Bucketed, times: u64) {
        debug_assert!(times > 0, "nothing to count");
        self.add_to_bucket(usize::from(bucket), times);
        self.total += times;
        self.sum_ns += u128::from(ns) * u128::from(times);
        if ns > self.max_ns {
            self.max_ns = ns;
        }
    }

    /// Counts each of these durations so many times, at least once.
    #[inline]
    pub fn add_each(&mut self, durations: &[Bucketed], times: u64) {
        debug_assert!(times > 0, "nothing to count");
        let (mut sum_ns, mut max_ns) = (0, self.max_ns);
        for duration in durations {
            self.add_to_bucket(usize::from(duration.bucket), times);
            sum_ns += u128::from(duration.ns);
            max_ns = max_ns.max(duration.ns);
        }
        self.total += times * durations.len() as u64;
        self.sum_ns += sum_ns * u128::from(times);
        self.max_ns = max_ns;
    }

    #[inline]
    fn add_to_bucket(&mut self, bucket: usize, times: u64) {
        let page = usize::from(self.pages[bucket >> SUB_BITS]);
        match self.counts.get_mut(page << SUB_BITS | (bucket & (SUB - 1))) {
            Some(count) => *count += times,
            None => self.begin_page(bucket, times),
        }
    }

    /// Makes the page of a bucket, and counts in it.
    #[cold]
    fn begin_page(&mut self, bucket: usize, times: u64) {
        let from = self.counts.len();
        self.counts.resize(from + SUB, 0);
        self.counts[from + (bucket & (SUB - 1))] = times;
        self.pages[bucket >> SUB_BITS] = (from >> SUB_BITS) as u8;
    }

    /// Empties the histogram and returns what it held, in compact form.
    pub fn take(&mut self) -> SparseHistogram {
        let mut buckets = Vec::new();
        if self.total > 0 {
            for (octave, page) in self.pages.iter().enumerate() {
                let from = usize::from(*page) << SUB_BITS;
                let Some(counts) = self.counts.get_mut(from..from + SUB) else {
                    continue;
                };
                for (bucket, count) in counts.iter_mut().enumerate() {
                    if *count > 0 {
                        buckets.push(((octave * SUB + bucket) as u16, *count));
                        *count = 0;
                    }
                }
            }
        }
        let taken = SparseHistogram {
            buckets,
            total: self.total,
            sum_ns: self.sum_ns,
            max_ns: self.max_ns,
        };
        (self.total, self.sum_ns, self.max_ns) = (0, 0, 0);
        taken
    }
}

impl SparseHistogram {
    /// Adds another distribution to this one.
    pub fn merge(&mut self, other: &Self) {
        if other.total == 0 {
            return;
        }
        if self.total == 0 {
            self.clone_from(other);
            return;
        }
        let mut merged = Vec::with_capacity(self.buckets.len().max(other.buckets.len()));
        let (mut a, mut b) = (
            self.buckets.iter().peekable(),
            other.buckets.iter().peekable(),
        );
        loop {
            match (a.peek(), b.peek()) {
                (Some(&&(i, n)), Some(&&(j, m))) if i == j => {
                    merged.push((i, n + m));
                    a.next();
                    b.next();
                }
                (Some(&&(i, n)), Some(&&(j, _))) if i < j => {
                    merged.push((i, n));
                    a.next();
                }
                (_, Some(&&(j, m))) => {
                    merged.push((j, m));
                    b.next();
                }
                (Some(&&(i, n)), None) => {
                    merged.push((i, n));
                    a.next();
                }
                (None, None) => break,
            }
        }
        self.buckets = merged;
        self.total += other.total;
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.total
    }
    /// The longest duration, in nanoseconds; `None`: there is none.
    pub fn max_ns(&self) -> Option<u64> {
        (self.total > 0).then_some(self.max_ns)
    }

    /// The mean duration, in nanoseconds; `None`: there is none.
    pub fn mean_ns(&self) -> Option<f64> {
        (self.total > 0).then(|| self.sum_ns as f64 / self.total as f64)
    }

    /// The quantile `per_mille`
    /// 1000 over those whose duration is decided, in nanoseconds: the least x so that of the
    /// durations here, and those of `running` that are longer than x already, at least that part is no longer than x.
    /// `running` are durations so far, which have not ended. Without them it is the nearest rank; `None`: no durations.
    pub fn decided_quantile_ns(&self, running: &Self, per_mille: u64) -> Option<u64> {
        let (mut ended, mut beyond) = (0, running.total);
        let (mut a, mut b) = (
            self.buckets.iter().peekable(),
            running.buckets.iter().peekable(),
        );
        let end = |of: &Self| of.buckets.last().map(|(bucket, _)| *bucket);
        loop {
            let next = [a.peek(), b.peek()].into_iter().flatten();
            let bucket = next.map(|(bucket, _)| *bucket).min()?;
            if let Some((_, n)) = a.next_if(|(i, _)| *i == bucket) {
                ended += n;
            }
            if let Some((_, n)) = b.next_if(|(i, _)| *i == bucket) {
                beyond -= n;
            }
            let decided = u128::from(self.total + beyond);
            if 1000 * u128::from(ended) >= u128::from(per_mille) * decided {
                let most = match end(self) {
                    Some(last) if bucket <= last => self.max_ns,
                    _ => running.max_ns,
                };
                return Some(middle_of(usize::from(bucket)).min(most));
            }
        }
    }

    /// The nearest-rank quantile `per_mille`
    /// 1000, in nanoseconds; `None`: there are no durations.
    pub fn quantile_ns(&self, per_mille: u64) -> Option<u64> {
        let rank = self.rank_of(per_mille);
        let mut seen = 0;
        for &(bucket, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return Some(middle_of(usize::from(bucket)).min(self.max_ns));
            }
        }
        None
    }

    /// The nearest rank of a quantile `per_mille` / 1000, from 1.
    pub fn rank_of(&self, per_mille: u64) -> u64 {
        let rank = (u128::from(self.total) * u128::from(per_mille)).div_ceil(1000);
        rank.max(1) as u64
    }

    /// The buckets that hold something, in nanoseconds, ascending: durations are not below the first number, and
    /// below the second.
    pub fn bucket_ends_ns(&self) -> Vec<(u64, u64)> {
        let ends = |(bucket, _): &(u16, u64)| {
            let bucket = usize::from(*bucket);
            (lower_end(bucket), lower_end(bucket + 1))
        };
        self.buckets.iter().map(ends).collect()
    }

    /// Number of durations below the end of a bucket, in nanoseconds.
    pub fn below(&self, end_ns: u64) -> u64 {
        let end = end_of(end_ns);
        let within = self
            .buckets
            .iter()
            .take_while(|(b, _)| usize::from(*b) < end);
        within.map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_within_four_permille_of_its_bucket() {
        let mut ns = 1_u64;
        while ns < 1 << 62 {
            for value in [ns, ns + ns / 3, ns + ns / 2 + 1] {
                let middle = middle_of(bucket_of(value));
                assert!(
                    middle.abs_diff(value) as f64 <= 0.004 * value as f64,
                    "{value} -> {middle}"
                );
            }
            ns *= 2;
        }
        assert!(bucket_of(u64::MAX) < BUCKETS);
    }

    #[test]
    fn quantiles_are_nearest_rank() {
        let mut histogram = Histogram::default();
        for ns in 1..=100 {
            histogram.add(ns);
        }
        let d = histogram.take();
        assert_eq!(d.quantile_ns(500), Some(50));
        assert_eq!(d.quantile_ns(990), Some(99));
        assert_eq!(d.mean_ns(), Some(50.5));
        assert_eq!(histogram.take().quantile_ns(500), None);
    }

    #[test]
    fn who_waits_for_longer_already_counts_in_a_decided_quantile() {
        let of = |ns: &[u64]| {
            let mut histogram = Histogram::default();
            ns.iter().for_each(|ns| histogram.add(*ns));
            histogram.take()
        };
        let served: Vec<u64> = (1..=100).collect();
        let served = of(&served);
        let p = |running: &[u64], per_mille| served.decided_quantile_ns(&of(running), per_mille);
        for per_mille in [1, 500, 950, 990, 1000] {
            assert_eq!(p(&[], per_mille), served.quantile_ns(per_mille));
        }
        // Of 100 and 10 that wait for 120 already, 55 are no longer than 55; 99 % of them are no figure of the served.
        assert_eq!(p(&[120; 10], 500), Some(55));
        assert_eq!(p(&[120; 10], 900), Some(99));
        assert_eq!(p(&[120; 10], 990), Some(120));
        // Who waits for 3 so far may still be quicker than the median, and says nothing of it.
        assert_eq!(p(&[3; 50], 500), Some(50));
        assert_eq!(p(&[3; 50], 10), Some(2));
        // Nobody was served: as long as the longest has waited.
        let nobody = of(&[]);
        assert_eq!(nobody.decided_quantile_ns(&of(&[7, 9]), 500), Some(9));
        assert_eq!(nobody.decided_quantile_ns(&nobody, 500), None);
    }

    #[test]
    fn merging_is_the_same_as_counting_together() {
        let (mut a, mut b, mut all) = (
            Histogram::default(),
            Histogram::default(),
            Histogram::default(),
        );
        for i in 0..1000_u64 {
            let ns = i * i * 37 % 100_003;
            if i % 3 == 0 { &mut a } else { &mut b }.add(ns);
            all.add(ns);
        }
        let mut merged = a.take();
        merged.merge(&b.take());
        assert_eq!(merged, all.take());
    }
}
