//! Being interrupted: Ctrl-C, or a request to terminate, from the program's first moment on.
//!
//! Who plays events asks [`Interrupt::has_come`] and ends where nothing is half done. All else (reading, building
//! tables, compiling step times) does not ask: a thread of its own waits for the signal and ends the program,
//! at once where nobody asks, else when those who do have had the time to. It waits a little for files that are
//! being put in place. A second signal ends the program where it stands; even then every file that is there is
//! whole. Elsewhere than on Unix the system ends the program at the first.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// Whether a signal to end has come.
static HEARD: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// Whether some part of the program asks for interruptions and ends by itself.
static IS_ASKED: AtomicBool = AtomicBool::new(false);
/// Lock that is held while files are put in place.
static WRITING: Mutex<()> = Mutex::new(());
/// The file to remove when a signal ends the program; `None`: there is none.
static LEFT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Asks whether the user has interrupted the program.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// An asker. From now on a signal does not end the program at once.
    pub fn listen() -> Self {
        IS_ASKED.store(true, Ordering::SeqCst);
        Self(Arc::clone(&HEARD))
    }

    /// Whether a signal has come.
    pub fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A guard: while it is held, a signal ends the program half a second later at the earliest.
pub fn not_now() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Names the file that is removed when a signal ends the program; `None`: there is none any more.
pub fn remove_at_end(file: Option<PathBuf>) {
    *LEFT.lock().unwrap_or_else(PoisonError::into_inner) = file;
}

/// Begins to wait for signals. Where a handler cannot be set, the system's own stays.
#[cfg(unix)]
pub fn begin() {
    use std::os::unix::net::UnixStream;

    let Ok((bell, rope)) = UnixStream::pair() else {
        return;
    };
    let watch = std::thread::Builder::new().name("interrupt".to_owned());
    if watch.spawn(move || watch_for(bell)).is_err() {
        return;
    }
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let Ok(rope) = rope.try_clone() else {
            return;
        };
        let flag = || Arc::clone(&HEARD);
        let at_once = i32::from(super::exit::INTERRUPTED);
        let _ = signal_hook::flag::register_conditional_shutdown(signal, at_once, flag());
        let _ = signal_hook::flag::register(signal, flag());
        let _ = signal_hook::low_level::pipe::register(signal, rope);
    }
}

/// Does nothing: only Unix has such signals.
#[cfg(not(unix))]
pub fn begin() {}

/// Waits for the first signal and ends the program.
#[cfg(unix)]
fn watch_for(mut bell: std::os::unix::net::UnixStream) {
    use std::io::Read;
    use std::sync::mpsc::channel;
    use std::thread::{sleep, spawn};
    use std::time::Duration;

    /// Time for those who ask to end by themselves.
    const PATIENCE: Duration = Duration::from_millis(500);
    /// Number of looks in which files must be put in place.
    const LOOKS: u32 = 25;
    const PAUSE: Duration = Duration::from_millis(10);

    if bell.read_exact(&mut [0]).is_err() {
        return;
    }
    if IS_ASKED.load(Ordering::SeqCst) {
        sleep(PATIENCE);
    }
    let mut looks = (0..LOOKS).map(|_| WRITING.try_lock().ok());
    let _none_writes = looks.find_map(|free| {
        if free.is_none() {
            sleep(PAUSE);
        }
        free
    });
    // Whoever reads what the program says may be stuck: it is said by a thread of its own.
    let (said, is_said) = channel();
    spawn(move || {
        super::tell("interrupted");
        let _ = said.send(());
    });
    let _ = is_said.recv_timeout(PAUSE * 10);
    if let Ok(mut left) = LEFT.try_lock()
        && let Some(file) = left.take()
    {
        let _ = std::fs::remove_file(file);
    }
    std::process::exit(i32::from(super::exit::INTERRUPTED));
}
