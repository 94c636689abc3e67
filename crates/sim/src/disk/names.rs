//! Names and sizes of files: as they are seen, and as a power cut may leave them.

use super::choose::Choose;

/// Under which name a file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// It does not.
    None,
    /// Its temporary name.
    Part,
    /// Its final name.
    Whole,
}

/// Something that changes at once and reaches the disk later.
#[derive(Clone, Debug)]
pub(crate) struct Versions<T> {
    durable: T,
    /// With the number of the change.
    dirty: Vec<(u64, T)>,
}

/// A file, its bytes apart.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Versions<Name>,
    pub(crate) size: Versions<u64>,
}

impl<T: Copy> Versions<T> {
    pub(crate) fn new(durable: T) -> Self {
        Self { durable, dirty: Vec::new() }
    }

    pub(crate) fn now(&self) -> T {
        self.dirty.last().map_or(self.durable, |&(_, value)| value)
    }

    pub(crate) fn set(&mut self, number: u64, value: T) {
        self.dirty.push((number, value));
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Whether something holds whatever a power cut leaves.
    pub(crate) fn always(&self, test: impl Fn(T) -> bool) -> bool {
        test(self.durable) && self.dirty.iter().all(|&(_, value)| test(value))
    }

    /// Every change up to the `mark`-th is on the disk.
    pub(crate) fn sync(&mut self, mark: u64) {
        while let Some(&(number, value)) = self.dirty.first()
            && number <= mark
        {
            self.durable = value;
            self.dirty.remove(0);
        }
    }

    /// The power is gone: it is as it was, or as it became at any time since.
    pub(crate) fn crash(&mut self, choose: &mut dyn Choose) {
        if self.is_dirty() {
            let kept = choose.choose(1 + self.dirty.len() as u64) as usize;
            if kept > 0 {
                self.durable = self.dirty[kept - 1].1;
            }
            self.dirty.clear();
        }
    }
}

impl Entry {
    pub(crate) fn new(name: Name, size: u64) -> Self {
        Self { name: Versions::new(name), size: Versions::new(size) }
    }
}
