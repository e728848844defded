//! Cost: paid node-time times the hourly price of the node's GPUs.

use crate::scenario::Node;
use crate::units::{NS_PER_HOUR, PicoUsd};

/// The cost of `node_ns` node-nanoseconds, rounded half up to the picodollar once.
pub fn cost_of(node_ns: u128, node: &Node) -> PicoUsd {
    let per_node_hour = u128::from(node.gpus) * node.price_per_gpu_hour.0;
    let hour = u128::from(NS_PER_HOUR);
    // Whole hours and the rest apart, so that no product can wrap.
    let (hours, rest) = (node_ns / hour, node_ns % hour);
    PicoUsd(hours * per_node_hour + (rest * per_node_hour + hour / 2) / hour)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Gpu;
    use crate::units::BytesPerSecond;

    #[test]
    fn the_published_node_hours_cost_what_was_published() {
        let gpu = Gpu {
            name: "h800".into(),
            base: None,
            memory_bytes: 80_000_000_000,
            usable_bytes: 80_000_000_000,
            nic: BytesPerSecond(50_000_000_000),
            host: BytesPerSecond(63_000_000_000),
            power: None,
            lender: None,
            overhead_w: None,
            compute: None,
        };
        let node = Node {
            gpu,
            gpus: 8,
            price_per_gpu_hour: PicoUsd(2_000_000_000_000),
            price_stated_for: None,
            shared: false,
            fleet: None,
        };
        let node_ns = 5_442 * u128::from(NS_PER_HOUR);
        assert_eq!(cost_of(node_ns, &node).as_usd(), 87_072.0);
    }
}
