//! Probabilities are told by the tail that they lie in, so that far ones keep their precision.

/// The tail that a probability is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The tail below the quantile.
    Lower,
    /// The tail above the quantile.
    Upper,
}
