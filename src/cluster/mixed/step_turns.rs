//! Turns among a mixed unit's steps (S17): when it looks for newcomers, and how long prompts have waited for a fuller
//! batch.

use crate::units::SimTime;

/// What a unit remembers of the steps before.
#[derive(Clone, Copy, Debug)]
pub struct StepTurns {
    /// Latest arrival of a request that the unit has taken in: what it saw when it last looked.
    pub looked: SimTime,
    /// Steps in a row in which prompts have waited for a fuller batch.
    pub put_off: u32,
    /// Steps that began since the unit last looked for newcomers.
    unlooked: u32,
    /// Whether the last step computed prompts.
    computed_prompts: bool,
}

impl StepTurns {
    /// A unit that has not worked yet.
    pub const NEW: Self = Self {
        looked: SimTime::NEVER,
        put_off: 0,
        unlooked: 0,
        computed_prompts: false,
    };

    /// Looks for those who came until `seen`, if it is time to: every so many steps, after prompts, and on an empty
    /// unit.
    pub fn look(&mut self, seen: SimTime, every: u32, is_empty: bool) {
        if is_empty || self.computed_prompts || self.unlooked >= every {
            self.looked = seen;
            self.unlooked = 0;
        }
    }

    /// A step begins, with prompts or without.
    pub fn begin_step(&mut self, prompts: bool) {
        self.computed_prompts = prompts;
        self.unlooked = self.unlooked.saturating_add(1);
        if prompts {
            self.put_off = 0;
        }
    }
}
