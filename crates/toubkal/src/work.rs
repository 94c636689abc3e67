//! Long work on threads of its own, with a line of progress.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use toubkal_session::hashing::Progress;

use crate::progress::{Activity, Bar, Screen};
use crate::signals::Interrupt;
use crate::units;

/// Between two looks at how far the work is.
const LOOK: Duration = Duration::from_millis(50);

/// Does the work while its progress is shown. `None` when the user wanted an end; the work is
/// then left to itself until the program ends.
pub(crate) fn with_progress<T: Send + 'static>(
    name: &str,
    screen: &mut Screen,
    interrupt: &Interrupt,
    work: impl FnOnce(Progress<'_>) -> T + Send + 'static,
) -> Option<T> {
    let counters = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let (tell, told) = mpsc::channel();
    let shared = Arc::clone(&counters);
    thread::spawn(move || {
        let progress = |done: u64, of: u64| {
            // Threads do not tell in order: the most that was done counts.
            shared[0].fetch_max(done, Ordering::Relaxed);
            shared[1].store(of, Ordering::Relaxed);
        };
        // Nobody waits any more when this fails.
        let _ = tell.send(work(&progress));
    });
    let began = Instant::now();
    loop {
        match told.recv_timeout(LOOK) {
            Ok(result) => {
                screen.clear();
                return Some(result);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            // The work panicked, and the message of that stands already.
            Err(mpsc::RecvTimeoutError::Disconnected) => return None,
        }
        if interrupt.is_raised() {
            screen.clear();
            return None;
        }
        let [done, of] = [&counters[0], &counters[1]].map(|count| count.load(Ordering::Relaxed));
        let rate = units::mean_rate(done, began.elapsed());
        if of > 0 {
            let activity = Activity::Working { rate };
            screen.draw(&[Bar { name: name.to_owned(), done, of, activity }]);
        }
    }
}

/// As many threads as there are cores.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}
