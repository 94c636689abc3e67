//! Block buffers, used again and again: the bytes of a block between socket and disk.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use toubkal_wire::layout::BLOCK_BYTES;

/// The longest buffer: the longest block that a peer may ask for (128 KiB).
pub(super) const BUFFER_BYTES_MAX: usize = 128 * 1024;

/// Two sizes are kept: blocks as we ask for them, and the longest that peers may ask for.
const SIZES: [usize; 2] = [BLOCK_BYTES as usize, BUFFER_BYTES_MAX];

/// Buffers with a bound on the bytes that are out at one time. Cloning shares it.
///
/// The buffer that came back last is given out first, because it is still in the cache.
#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    /// Bytes that may be out at once.
    limit: usize,
    /// Bytes that are out.
    out: AtomicUsize,
    /// What came back, one stack a size.
    spare: [Mutex<Vec<Box<[u8]>>>; 2],
}

impl Pool {
    /// A pool that gives out at most `limit` bytes at once and keeps no more than that.
    pub(crate) fn new(limit: usize) -> Self {
        let spare = [Mutex::default(), Mutex::default()];
        Self { shared: Arc::new(Shared { limit, out: AtomicUsize::new(0), spare }) }
    }

    /// A buffer of `length` bytes whose content is anything. `None` when too much is out.
    ///
    /// # Panics
    /// When `length` is above [`BUFFER_BYTES_MAX`].
    pub(crate) fn take(&self, length: usize) -> Option<Buffer> {
        let size = SIZES[class(length)];
        let fits = |out: usize| (out + size <= self.shared.limit).then_some(out + size);
        self.shared.out.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(self.make(length))
    }

    /// As [`Pool::take`], but never refused: for callers whose number is bounded elsewhere.
    pub(crate) fn lend(&self, length: usize) -> Buffer {
        self.shared.out.fetch_add(SIZES[class(length)], Ordering::Relaxed);
        self.make(length)
    }

    /// Bytes that are out.
    pub(crate) fn out(&self) -> usize {
        self.shared.out.load(Ordering::Relaxed)
    }

    /// Bytes that may be taken.
    pub(crate) fn free(&self) -> usize {
        self.shared.limit.saturating_sub(self.out())
    }

    fn make(&self, length: usize) -> Buffer {
        let class = class(length);
        let mut spare = self.shared.spare[class].lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = spare.pop();
        drop(spare);
        let bytes = bytes.unwrap_or_else(|| vec![0; SIZES[class]].into());
        Buffer { bytes, length, home: Arc::clone(&self.shared) }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} of {} bytes out)", self.out(), self.shared.limit)
    }
}

/// The bytes of a block. Goes back to its pool when dropped.
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    length: usize,
    home: Arc<Shared>,
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let size = bytes.len();
        let out = self.home.out.fetch_sub(size, Ordering::Relaxed);
        // What was lent above the limit is not kept.
        if out <= self.home.limit {
            let spare = &self.home.spare[class(size)];
            spare.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.length)
    }
}

fn class(length: usize) -> usize {
    assert!(length <= BUFFER_BYTES_MAX, "no block is {length} bytes long");
    usize::from(length > SIZES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_is_out() {
        let pool = Pool::new(3 * SIZES[0]);
        let held: Vec<_> = (0..3).map(|_| pool.take(100).unwrap()).collect();
        assert!(pool.take(1).is_none());
        assert_eq!(pool.lend(1).len(), 1);
        drop(held);
        assert_eq!(pool.out(), 0);
        assert!(pool.take(SIZES[0] + 1).is_none(), "a long one does not fit");
        assert!(pool.take(SIZES[0]).is_some());
    }

    #[test]
    fn the_last_one_back_is_the_first_one_out() {
        let pool = Pool::new(1 << 20);
        let (mut a, mut b) = (pool.take(4).unwrap(), pool.take(4).unwrap());
        a.copy_from_slice(b"aaaa");
        b.copy_from_slice(b"bbbb");
        drop(a);
        drop(b);
        assert_eq!(*pool.take(4).unwrap(), *b"bbbb");
    }
}
