//! The cells of files: what a reader sees, and what the disk holds.

use std::collections::BTreeMap;
use std::ops::Range;

use super::choose::Choose;

/// What lies in a cell. 0 is right; any other number but those below is a lie of its own.
pub(crate) type Value = u32;

/// Nothing was ever written: the file system knows of no data.
pub(crate) const HOLE: Value = Value::MAX;
/// Zeros that are data to the file system.
pub(crate) const ZEROS: Value = Value::MAX - 1;

/// What is on the disk, and what was written since: each version may reach the disk at any time,
/// or not, until a sync is through.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    durable: Vec<Value>,
    now: Vec<Value>,
    /// By cell and the number of the write.
    dirty: BTreeMap<(u32, u64), Value>,
}

impl Pages {
    pub(crate) fn new(cells: u32, value: Value) -> Self {
        let all = vec![value; cells as usize];
        Self { durable: all.clone(), now: all, dirty: BTreeMap::new() }
    }

    /// What a reader sees.
    pub(crate) fn read(&self, cell: u32) -> Value {
        self.now[cell as usize]
    }

    pub(crate) fn write(&mut self, cell: u32, number: u64, value: Value) {
        self.now[cell as usize] = value;
        self.dirty.insert((cell, number), value);
    }

    /// Whether it is right whatever a power cut leaves of it.
    pub(crate) fn is_safe(&self, cell: u32) -> bool {
        let mut versions = self.dirty.range((cell, 0)..(cell + 1, 0));
        self.durable[cell as usize] == 0 && versions.all(|(_, &value)| value == 0)
    }

    /// Cells that were written and are not on the disk for sure.
    pub(crate) fn dirty_in(&self, cells: Range<u32>) -> usize {
        self.dirty.range((cells.start, 0)..(cells.end, 0)).count()
    }

    /// Everything up to the `mark`-th write is on the disk.
    pub(crate) fn sync(&mut self, cells: Range<u32>, mark: u64) {
        for (cell, value) in self.take(cells, mark) {
            self.durable[cell as usize] = value;
        }
    }

    /// A sync of everything up to the `mark`-th write failed: some of it is on the disk; the rest
    /// is dropped, and readers see again what was there before.
    pub(crate) fn drop_some(&mut self, cells: Range<u32>, mark: u64, choose: &mut dyn Choose) {
        for (cell, value) in self.take(cells, mark) {
            if choose.choose(2) == 0 {
                self.durable[cell as usize] = value;
            }
            let newer = self.dirty.range((cell, 0)..(cell + 1, 0)).next_back();
            self.now[cell as usize] =
                newer.map_or(self.durable[cell as usize], |(_, &value)| value);
        }
    }

    /// The power is gone. Of each cell the disk has what it had, any version that came after, or
    /// a mixture of these two, which `mix` makes.
    pub(crate) fn crash(
        &mut self,
        choose: &mut dyn Choose,
        mut mix: impl FnMut(&mut dyn Choose, u32, Value, Value) -> Value,
    ) {
        let mut cells: BTreeMap<u32, Vec<Value>> = BTreeMap::new();
        for (&(cell, _), &value) in &self.dirty {
            cells.entry(cell).or_default().push(value);
        }
        self.dirty.clear();
        for (cell, versions) in cells {
            let old = self.durable[cell as usize];
            let count = versions.len() as u64;
            // Of what was never written the file system may have noted that it is there now.
            let kinds = 2 + count + u64::from(old == HOLE);
            let left = match choose.choose(kinds) {
                0 => old,
                kept if kept <= count => versions[kept as usize - 1],
                torn if torn == count + 1 => {
                    let new = versions[choose.choose(count) as usize];
                    mix(choose, cell, old, new)
                }
                _ => ZEROS,
            };
            self.durable[cell as usize] = left;
            self.now[cell as usize] = left;
        }
    }

    /// Something that no program did: what is on the disk is another thing now.
    pub(crate) fn set(&mut self, cells: Range<u32>, value: Value) {
        self.dirty.retain(|&(cell, _), _| !cells.contains(&cell));
        for cell in cells {
            self.durable[cell as usize] = value;
            self.now[cell as usize] = value;
        }
    }

    /// Takes the versions up to a mark out; the last of each cell.
    fn take(&mut self, cells: Range<u32>, mark: u64) -> BTreeMap<u32, Value> {
        let all = self.dirty.range((cells.start, 0)..(cells.end, 0));
        let old: Vec<_> = all.map(|(&key, _)| key).filter(|&(_, number)| number <= mark).collect();
        let mut last = BTreeMap::new();
        for key in old {
            last.extend(self.dirty.remove(&key).map(|value| (key.0, value)));
        }
        last
    }
}
