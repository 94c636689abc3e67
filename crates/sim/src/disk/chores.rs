//! What is slow and of no piece: syncing, and giving files their names.

use std::collections::BTreeSet;

use toubkal_core::engine::{StoreError, StoreErrorKind};

use super::names::Name;
use super::open::Place;
use super::pages::HOLE;
use super::{Disk, Halt, Step, fault};

impl Disk {
    pub(super) fn reclaim(&mut self, file: u32) -> Step<()> {
        match self.session.places[file as usize] {
            Place::Part => Ok(()),
            Place::Whole => {
                self.rename(file, Name::Part)?;
                self.session.places[file as usize] = Place::Part;
                Ok(())
            }
            Place::Other => Err(fault(file, StoreErrorKind::Exists)),
            _ => Err(fault(file, StoreErrorKind::Missing)),
        }
    }

    /// Notes what a sync has to bring to the disk: what was written before it. Says whether that
    /// is anything.
    pub(super) fn begin_sync(&mut self, wanted: impl Fn(u32) -> bool) -> Step<bool> {
        self.session.mark = self.number;
        // Taken out now: what is written from here on makes a file dirty again.
        self.session.syncing = self.session.dirty.extract_if(.., |key| wanted(*key)).collect();
        if self.session.syncing.is_empty() {
            return Ok(false);
        }
        self.step()?;
        Ok(true)
    }

    /// A file, and those that have bytes in its pieces. What pieces hold of other files must not
    /// be lost when power is: a piece would be wrong then, and a complete file would have to be
    /// reclaimed for it.
    pub(super) fn neighbours(&self, file: u32) -> BTreeSet<u32> {
        let layout = &self.content.layout;
        let pieces = layout.pieces_of(file);
        let ends = [pieces.start, pieces.end.saturating_sub(1)].into_iter();
        let near = ends.filter(|piece| pieces.contains(piece));
        let near = near.flat_map(|piece| layout.files_of(piece));
        near.chain([file, self.edges_key()]).collect()
    }

    /// Bytes that wait for a sync, for what it takes.
    pub(super) fn unsynced(&self) -> u64 {
        let all = 0..self.content.count();
        (self.main.dirty_in(all.clone()) + self.edges.dirty_in(all)) as u64 * super::SECTOR_BYTES
    }

    pub(super) fn sync(&mut self) -> Step<()> {
        // Those of which a sync failed before fail it again.
        let mut first = self.session.lost.iter().next().map(|(&key, &kind)| (key, kind));
        for key in std::mem::take(&mut self.session.syncing) {
            if let Some(kind) = self.sync_file(key)? {
                first = first.or(Some((key, kind)));
            }
        }
        self.sync_folders()?;
        first.map_or(Ok(()), |(key, kind)| Err(self.name_error(key, kind)))
    }

    pub(super) fn finish(&mut self, file: u32) -> Step<()> {
        for key in std::mem::take(&mut self.session.syncing) {
            if let Some(kind) = self.sync_file(key)? {
                return Err(self.name_error(key, kind));
            }
        }
        if let Some(&kind) = self.session.lost.get(&file) {
            return Err(fault(file, kind));
        }
        let extent = self.content.layout.files()[file as usize];
        match self.session.places[file as usize] {
            Place::Virtual | Place::Whole => return Ok(()),
            Place::Part if self.entries[file as usize].size.now() == extent.length => {}
            Place::Part => return Err(fault(file, StoreErrorKind::Changed)),
            Place::Absent if extent.length == 0 => {}
            Place::Other => return Err(fault(file, StoreErrorKind::Exists)),
            _ => return Err(fault(file, StoreErrorKind::Missing)),
        }
        self.rename(file, Name::Whole)?;
        self.session.places[file as usize] = Place::Whole;
        self.sync_folders()?;
        if self.unfinished() == 0
            && !self.needs_edges()
            && self.entries[self.edges_key() as usize].name.now() != Name::None
        {
            self.remove_edges()?;
        }
        Ok(())
    }

    /// Makes a file under its temporary name, as long as it will be, all holes.
    pub(super) fn make_part(&mut self, file: u32) -> Step<()> {
        if self.session.places[file as usize] != Place::Absent {
            return Ok(());
        }
        self.rename(file, Name::Part)?;
        self.session.places[file as usize] = Place::Part;
        self.session.dirty.insert(file);
        let length = self.content.layout.files()[file as usize].length;
        self.entries[file as usize].size.set(self.number, length);
        Ok(())
    }

    pub(super) fn remove_edges(&mut self) -> Step<()> {
        let key = self.edges_key();
        self.rename(key, Name::None)?;
        self.edges.set(0..self.content.count(), HOLE);
        self.session.dirty.remove(&key);
        Ok(())
    }

    /// Creates, renames or removes a file.
    pub(super) fn rename(&mut self, key: u32, name: Name) -> Step<()> {
        self.step()?;
        self.number += 1;
        self.entries[key as usize].name.set(self.number, name);
        self.session.renamed = true;
        Ok(())
    }

    /// Brings a file to the disk; why that failed, if it did.
    fn sync_file(&mut self, key: u32) -> Step<Option<StoreErrorKind>> {
        self.step()?;
        let (mark, edges) = (self.session.mark, self.edges_key());
        let (pages, cells) = match key == edges {
            true => (&mut self.edges, 0..self.content.count()),
            false => (&mut self.main, self.content.of_file(key)),
        };
        if self.weather.hits(self.weather.faults.lies) {
            self.lied = true;
            self.entries[key as usize].size.sync(mark);
            return Ok(None);
        }
        if let Some(kind) = self.weather.error(self.weather.faults.sync_errors) {
            pages.drop_some(cells, mark, &mut self.weather.rng);
            self.session.lost.insert(key, kind);
            return Ok(Some(kind));
        }
        pages.sync(cells, mark);
        self.entries[key as usize].size.sync(mark);
        Ok(None)
    }

    /// Brings all names to the disk.
    fn sync_folders(&mut self) -> Step<()> {
        if !std::mem::take(&mut self.session.renamed) {
            return Ok(());
        }
        self.step()?;
        if let Some(kind) = self.weather.error(self.weather.faults.folder_errors) {
            self.session.renamed = true;
            return Err(Halt::Error(StoreError { kind, file: None }));
        }
        let number = self.number;
        self.entries.iter_mut().for_each(|entry| entry.name.sync(number));
        Ok(())
    }

    /// Names the file with an error; the file of edges is none of the torrent's.
    fn name_error(&self, key: u32, kind: StoreErrorKind) -> Halt {
        Halt::Error(StoreError { kind, file: (key != self.edges_key()).then_some(key) })
    }
}
