//! The one place where the system's clock becomes the engine's time.

use std::time::{Duration, Instant};

use toubkal_core::base::Time;

/// A monotonic clock that began at [`Time::START`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    pub(crate) fn now(&self) -> Time {
        Time::START.after(self.epoch.elapsed())
    }

    /// How long it is until `deadline`; zero when it is past.
    pub(crate) fn until(&self, deadline: Time) -> Duration {
        deadline.since(self.now())
    }
}
