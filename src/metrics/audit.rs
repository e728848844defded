//! Balances: the same thing counted in two ways that must agree to the last unit.

/// One balance of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditBalance {
    /// What the balance counts in two ways.
    pub name: &'static str,
    /// The quantity, counted one way.
    pub left: u128,
    /// The quantity, counted the other way.
    pub right: u128,
}

impl AuditBalance {
    /// A balance of two counts under a name.
    pub fn new(name: &'static str, left: u128, right: u128) -> Self {
        Self { name, left, right }
    }

    /// Whether both counts agree.
    pub fn holds(&self) -> bool {
        self.left == self.right
    }
}
