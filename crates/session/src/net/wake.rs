//! Waking the network thread, only when it sleeps: a system call for each value would cost more
//! than the value.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use crossbeam_channel::Sender;

/// Wakes one poller. Whoever queues something for its thread calls [`Wake::up`] afterwards.
#[derive(Debug)]
pub(crate) struct Wake {
    waker: mio::Waker,
    asleep: AtomicBool,
}

impl Wake {
    pub(crate) fn new(waker: mio::Waker) -> Self {
        Self { waker, asleep: AtomicBool::new(false) }
    }

    /// To be called after something was queued.
    pub(crate) fn up(&self) {
        // Orders the queueing before the look at the flag: either this sees the flag up, or the
        // thread, which looks at its queues after it raised the flag, sees what was queued.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            // There is nobody to tell when the poller is gone.
            let _ = self.waker.wake();
        }
    }

    /// The thread is about to sleep, and looks at its queues once more after this.
    pub(crate) fn falling_asleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The thread is awake.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}

/// A channel to the network thread.
#[derive(Debug)]
pub(crate) struct Inlet<T> {
    sender: Sender<T>,
    wake: Arc<Wake>,
}

impl<T> Inlet<T> {
    pub(crate) fn new(sender: Sender<T>, wake: Arc<Wake>) -> Self {
        Self { sender, wake }
    }

    /// Queues a value and wakes the thread. When the thread is gone, the value is dropped.
    /// Waits while a bounded channel is full.
    pub(crate) fn send(&self, value: T) {
        if self.sender.send(value).is_ok() {
            self.wake.up();
        }
    }
}

impl<T> Clone for Inlet<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), wake: Arc::clone(&self.wake) }
    }
}
