//! Probabilities are told by the tail that they lie in, so that far ones keep their precision.

/// Which tail a probability is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Below the quantile.
    Lower,
    /// Above the quantile.
    Upper,
}
