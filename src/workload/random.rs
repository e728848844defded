//! Named random streams: one for each purpose of each entity.
//!
//! Every stream has a generator of its own, seeded by a hash of (seed, purpose, entity). A class draws
//! its arrivals, input lengths, output lengths and hits from four streams, one draw a request from
//! each, so its k-th request keeps its draws whatever else in the scenario changes: another class,
//! another router, another law. That is what makes comparisons with common random numbers work.
//!
//! The generator is PCG XSL-RR 128/64 (MCG) of O'Neill, "PCG: A Family of Simple Fast
//! Space-Efficient Statistically Good Algorithms for Random Number Generation" (2014). It is named
//! here, not a library's default, and golden draws are pinned below: the same scenario means the same
//! requests on every platform and in every version.

use rand::Rng;
use rand_distr::Distribution;
use rand_pcg::Pcg64Mcg;

/// A stream of 64-bit random numbers.
#[derive(Clone, Debug)]
pub struct Stream(Pcg64Mcg);

impl Stream {
    /// The stream of `purpose` (such as `arrivals`) of `entity` (such as a class's name).
    ///
    /// The state is two outputs of SplitMix64 whose own state is the mixed seed, exclusive-or the
    /// FNV-1a hash of `purpose`, a zero byte and `entity`.
    pub fn new(seed: u64, purpose: &str, entity: &str) -> Self {
        let name = purpose.bytes().chain([0]).chain(entity.bytes());
        let state = mix(seed.wrapping_add(GOLDEN_GAMMA)) ^ fnv_1a(name);
        let high = mix(state.wrapping_add(GOLDEN_GAMMA));
        let low = mix(state.wrapping_add(GOLDEN_GAMMA.wrapping_mul(2)));
        Self(Pcg64Mcg::new(u128::from(high) << 64 | u128::from(low)))
    }

    /// The stream of `purpose` of number `number` of its kind, such as a session of a class.
    pub fn numbered(seed: u64, purpose: &str, entity: &str, number: u64) -> Self {
        Self::new(seed ^ hash(number), purpose, entity)
    }

    /// The next draw, uniform over all 64-bit numbers.
    #[inline]
    pub fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A draw from a law, by as many draws of 64 bits as it takes.
    pub fn sample<T>(&mut self, law: &impl Distribution<T>) -> T {
        law.sample(&mut self.0)
    }
}

/// Increment of SplitMix64: the odd number nearest to 2^64 over the golden ratio (Steele, Lea and
/// Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of a number, whose neighbours it scatters: the output of SplitMix64 in that state.
pub fn hash(number: u64) -> u64 {
    mix(number.wrapping_add(GOLDEN_GAMMA))
}

/// Finalizer of SplitMix64 (Stafford's variant 13 of the MurmurHash3 finalizer).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Hash FNV-1a, 64 bits (Fowler, Noll and Vo; offset basis and prime of RFC 9923).
fn fnv_1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_match_their_published_vectors() {
        // FNV-1a of "" and "foobar", from its reference test suite.
        assert_eq!(fnv_1a("".bytes()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a("foobar".bytes()), 0x8594_4171_f739_67e8);
        // First output of SplitMix64 from state 0, as in Vigna's splitmix64.c.
        assert_eq!(mix(GOLDEN_GAMMA), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn golden_draws() {
        let mut stream = Stream::new(1, "arrivals", "r1");
        let draws: Vec<u64> = (0..4).map(|_| stream.draw()).collect();
        assert_eq!(
            draws,
            [
                17_056_929_965_686_115_967,
                11_939_230_293_496_852_463,
                7_199_504_074_741_569_273,
                11_308_901_684_367_173_696,
            ]
        );
    }

    #[test]
    fn seed_purpose_and_entity_each_give_another_stream() {
        let first = |seed, purpose, entity| Stream::new(seed, purpose, entity).draw();
        let all = [
            first(1, "input", "r1"),
            first(2, "input", "r1"),
            first(1, "output", "r1"),
            first(1, "input", "r2"),
            first(1, "inputr", "1"),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "{all:x?}");
        }
    }
}
