//! Ctrl-C and its like: the first asks for an orderly end, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::exit::Exit;

/// Whether the user wants an end.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to listen for signals. Where that is not possible, they end the program as usual.
    pub(crate) fn new() -> Self {
        let flag = Arc::new(AtomicBool::new(false));
        let code = i32::from(Exit::Interrupted.code());
        for signal in signals() {
            // The order counts: the first signal finds the flag down, and raises it.
            let _ = signal_hook::flag::register_conditional_shutdown(signal, code, flag.clone());
            let _ = signal_hook::flag::register(signal, flag.clone());
        }
        Self(flag)
    }

    /// Wants an end without a signal.
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Goes on after an end that the program itself wanted.
    pub(crate) fn lower(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether a signal has come.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn signals() -> impl Iterator<Item = i32> {
    [SIGINT, SIGTERM].into_iter().chain(hang_up())
}

/// The terminal is gone.
#[cfg(unix)]
fn hang_up() -> Option<i32> {
    Some(signal_hook::consts::SIGHUP)
}

/// There is no such signal here.
#[cfg(not(unix))]
fn hang_up() -> Option<i32> {
    None
}
