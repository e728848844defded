//! KV on its way to decode units: by its sender's interface, then by those of the unit that takes it (S8, S10).

use tokentide::internals::metrics::Place;
use tokentide::internals::units::BytesPerSecond;

use super::Decode;
use crate::kv::{self, WHOLE};
use crate::prefill::Handover;
use crate::world::{Sending, TOKEN, World};

/// KV on its way to a unit, or to none as long as none serves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coming {
    pub(super) id: usize,
    /// The prefill unit that sends it, and which of its lives this is; none where a unit of this pool does.
    pub(super) from: Option<(usize, usize)>,
    sender: Sending,
    /// How long the receiving unit's interfaces take for it.
    takes: u64,
    /// When it is here, once its sender is done.
    arrives: Option<u64>,
    pub(super) unit: Option<usize>,
}

impl Coming {
    /// Whether its sender is done.
    pub(super) fn is_sent(&self) -> bool {
        self.arrives.is_some()
    }

    /// The next instant at which something happens to it.
    pub(super) fn next(&self) -> u64 {
        self.arrives.unwrap_or(self.sender.to)
    }
}

impl Decode {
    /// A prompt is computed: a unit is chosen, to which its KV goes.
    pub fn hand_over(&mut self, world: &mut World, handover: Handover) {
        let Handover { id, from, sender } = handover;
        let visible = WHOLE - world.scenario.transfer.overlap_65536;
        let prompt = (u64::from(world.requests[id].input) + world.states[id].dropped) * TOKEN;
        self.coming.push(Coming {
            id,
            from: Some(from),
            sender,
            takes: kv::link_time(&world.scenario.kv, prompt, visible, self.received_at()),
            arrives: None,
            unit: None,
        });
        self.route(world, id);
    }

    /// A resident's KV leaves its rank, for a unit that is not known yet.
    pub(super) fn send(&mut self, world: &mut World, id: usize, unit: usize, rank: usize) {
        let takes = |speed| kv::link_time(&world.scenario.kv, world.kv_1024(id), WHOLE, speed);
        let there = takes(self.received_at());
        let sender = self
            .links
            .send(world.now, unit, rank, takes(self.pool.interface));
        world.put(id, Place::Transfer);
        self.coming.push(Coming {
            id,
            from: None,
            sender,
            takes: there,
            arrives: None,
            unit: None,
        });
    }

    /// The interfaces of all of a unit's ranks together.
    fn received_at(&self) -> BytesPerSecond {
        BytesPerSecond(self.pool.interface.0 * u64::from(self.pool.ranks))
    }

    /// Senders that are done now, in the order of ids; then what arrives now, in the order of ids.
    pub fn arrive(&mut self, world: &mut World) {
        self.coming.sort_unstable_by_key(|coming| coming.id);
        let mut sent = 0;
        for coming in &mut self.coming {
            if coming.arrives.is_none() && coming.sender.to == world.now {
                let received = received(world, coming, &mut self.received);
                coming.arrives = Some(received + world.scenario.transfer.latency.0);
                sent += 1;
            }
        }
        if sent > 1 {
            world.saw("several senders are done at one instant");
        }
        let is_here = |coming: &Coming| coming.arrives == Some(world.now);
        let here: Vec<Coming> = self.coming.iter().copied().filter(is_here).collect();
        self.coming.retain(|coming| !is_here(coming));
        for coming in here {
            world.saw("KV arrival");
            world.note(coming.id, |life| &mut life.kv_arrived);
            world.put(coming.id, Place::DecodeQueue);
            // Where no unit serves, it goes on waiting in the pool's queue.
            if let Some(unit) = coming.unit {
                self.units[unit].queue.push_back(coming.id);
            }
        }
    }
}

/// When the unit that KV goes to has taken it, its sender being done; at once where there is no unit.
fn received(world: &mut World, coming: &Coming, free: &mut [u64]) -> u64 {
    let Some(unit) = coming.unit else {
        world.saw("KV comes to a pool of which no unit serves");
        return coming.sender.to;
    };
    let begins = free[unit].max(coming.sender.from);
    let done = coming.sender.to.max(begins + coming.takes);
    if begins > coming.sender.from {
        world.saw("a sender finds its receiver busy");
    }
    if done > coming.sender.to {
        world.saw("a receiver is done after the sender");
    }
    free[unit] = done;
    done
}
