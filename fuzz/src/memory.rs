//! How much memory a call takes: every thread counts what it allocates.
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Runs `call`, and says how many bytes more than before were allocated at its peak.
pub fn peak<T>(call: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = call();
    (result, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

thread_local! {
    // Memory may be freed on another thread than it was allocated on: below 0 is no fault.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

fn count(bytes: isize) {
    // A thread that ends has nothing to count with any more.
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
    let _ = PEAK.try_with(|peak| peak.set(peak.get().max(LIVE.get())));
}

// SAFETY: everything is done by the system's allocator, with what the caller promised for it;
// counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as promised to this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as promised to this function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as promised to this function.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as promised to this function.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_peak_is_seen_though_it_is_past() {
        let (length, bytes) = super::peak(|| {
            drop(vec![1u8; 100_000]);
            vec![1u8; 1000].len()
        });
        assert_eq!((length, bytes), (1000, 100_000));
    }
}
