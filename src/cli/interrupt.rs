//! Being interrupted: Ctrl-C, or a request to terminate.
//!
//! The first one is heard where nothing is half done: the run ends before it writes. The second one ends
//! the program at once; even then every file that is there is whole, since files are renamed into place.
//! Elsewhere than on Unix the system ends the program at the first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the user has had enough.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on interruptions are heard here.
    pub fn listen() -> Self {
        let heard = Self::default();
        #[cfg(unix)]
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // Where a handler cannot be set, the system's own stays.
            let flag = || Arc::clone(&heard.0);
            let at_once = i32::from(super::exit::INTERRUPTED);
            let _ = signal_hook::flag::register_conditional_shutdown(signal, at_once, flag());
            let _ = signal_hook::flag::register(signal, flag());
        }
        heard
    }

    /// Whether one has come.
    pub fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
