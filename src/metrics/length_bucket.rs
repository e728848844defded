//! Buckets of input lengths: requests whose latencies are told apart.

/// Lower edges of the input-length buckets after the first, in tokens.
pub const BUCKET_EDGES: [u32; 4] = [1_024, 4_096, 16_384, 65_536];
/// Number of input-length buckets.
pub const BUCKETS: usize = BUCKET_EDGES.len() + 1;

/// The input-length bucket of a prompt: the edges are 2^10, 2^12, 2^14 and 2^16.
#[inline]
pub fn bucket_of(input: u32) -> usize {
    let octave = 31 - input.max(1).leading_zeros();
    (octave.saturating_sub(8) / 2).min(BUCKETS as u32 - 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_their_edges() {
        for (i, edge) in BUCKET_EDGES.into_iter().enumerate() {
            assert_eq!(bucket_of(edge - 1), i);
            assert_eq!(bucket_of(edge), i + 1);
        }
        assert_eq!(bucket_of(1), 0);
        assert_eq!(bucket_of(u32::MAX), BUCKETS - 1);
    }
}
