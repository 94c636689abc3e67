//! The files of a content: one, or many of one size in a folder.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{FallocateFlags, fallocate};

use super::Task;

/// One file is open at a time, since all work goes from the start to the end.
pub(super) struct Files {
    path: PathBuf,
    count: u64,
    /// Bytes of each.
    each: u64,
    write: bool,
    open: Option<(u64, File)>,
}

impl Files {
    pub(super) fn to_read(task: &Task) -> Files {
        let (path, count) = (task.path.clone(), task.files);
        Files { path, count, each: task.bytes / count, write: false, open: None }
    }

    pub(super) fn to_write(task: &Task) -> Files {
        Files { write: true, ..Files::to_read(task) }
    }

    /// Reads from an offset of the whole.
    pub(super) fn read(&mut self, at: u64, mut bytes: &mut [u8]) -> io::Result<()> {
        let mut at = at;
        while !bytes.is_empty() {
            let length = self.in_one(at, bytes.len());
            let (now, rest) = bytes.split_at_mut(length);
            let inside = at % self.each;
            self.file(at)?.read_exact_at(now, inside)?;
            (bytes, at) = (rest, at + length as u64);
        }
        Ok(())
    }

    /// Writes at an offset of the whole, by one call for each file.
    pub(super) fn write(&mut self, at: u64, mut bytes: &[u8]) -> io::Result<()> {
        let mut at = at;
        while !bytes.is_empty() {
            let length = self.in_one(at, bytes.len());
            let (now, rest) = bytes.split_at(length);
            let inside = at % self.each;
            self.file(at)?.write_all_at(now, inside)?;
            (bytes, at) = (rest, at + length as u64);
        }
        Ok(())
    }

    /// How many of so many bytes lie in the file that holds the first.
    fn in_one(&self, at: u64, bytes: usize) -> usize {
        let left = self.each - at % self.each;
        usize::try_from(left).map_or(bytes, |left| left.min(bytes))
    }

    fn file(&mut self, at: u64) -> io::Result<&File> {
        let number = at / self.each;
        if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
            self.open = Some((number, self.begin(number)?));
        }
        Ok(&self.open.as_ref().expect("it was opened above").1)
    }

    fn begin(&self, number: u64) -> io::Result<File> {
        let path = match self.count {
            1 => self.path.clone(),
            _ => self.path.join(format!("{number:04}.bin")),
        };
        if !self.write {
            return File::open(path);
        }
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        // What cannot be reserved is written all the same.
        let _ = fallocate(&file, FallocateFlags::empty(), 0, self.each);
        Ok(file)
    }
}
