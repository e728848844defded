//! Balances: the same thing counted in two ways that must agree to the last unit.

/// One balance of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditBalance {
    /// What is balanced.
    pub name: &'static str,
    /// One count.
    pub left: u128,
    /// The other.
    pub right: u128,
}

impl AuditBalance {
    /// Names two counts.
    pub fn new(name: &'static str, left: u128, right: u128) -> Self {
        Self { name, left, right }
    }

    /// Whether they agree.
    pub fn holds(&self) -> bool {
        self.left == self.right
    }
}
