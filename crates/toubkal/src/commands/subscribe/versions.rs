//! Versions of what is followed, in the download folder: the one that is there, and the next,
//! which lies in a folder of ours until it is whole.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toubkal_session::Metainfo;
use toubkal_wire::bencode::{self, Encoder, Mode};

use crate::exit::{Exit, Failure};
use crate::record::Place;
use crate::text;

/// Where we keep what is ours.
const OURS: &str = ".toubkal";

/// One version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) seq: i64,
    /// What its file or folder is called.
    name: String,
    /// The torrent file.
    torrent: Vec<u8>,
}

/// The download folder.
#[derive(Debug)]
pub(super) struct Shelf {
    dir: PathBuf,
    /// Where it is noted which version is there.
    note: PathBuf,
    here: Option<Version>,
}

impl Version {
    pub(super) fn new(seq: i64, metainfo: &Metainfo, torrent: &[u8]) -> Self {
        Self { seq, name: metainfo.name.clone(), torrent: torrent.to_vec() }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let tape = bencode::decode(bytes, Mode::Strict).ok()?;
        let root = tape.root();
        let torrent = root.get(b"torrent")?.as_bytes()?.to_vec();
        let name = Metainfo::parse(&torrent).ok()?.name;
        Some(Self { seq: root.get(b"seq")?.as_int()?, name, torrent })
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut dict = Encoder::new(&mut out);
        dict.dict().key("seq").int(self.seq).key("torrent").bytes(&self.torrent).end();
        out
    }
}

impl Shelf {
    /// Looks what is there. A note that is broken counts for none: then nothing is removed.
    ///
    /// # Errors
    /// When the note cannot be read.
    pub(super) fn open(dir: &Path, place: &Place) -> Result<Self, Failure> {
        let salt = if place.salt.is_empty() { String::new() } else { "-".to_owned() };
        let name = format!("{}{salt}{}", text::hex(&place.key), text::hex(&place.salt));
        let note = dir.join(OURS).join(format!("{name}.version"));
        let here = match fs::read(&note) {
            Ok(bytes) => Version::read(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::io("read", &note, &error)),
        };
        // What somebody has removed is fetched again.
        let here = here.filter(|here| fs::symlink_metadata(dir.join(&here.name)).is_ok());
        Ok(Self { dir: dir.to_path_buf(), note, here })
    }

    /// The version that is there.
    pub(super) fn version(&self) -> Option<&Version> {
        self.here.as_ref()
    }

    /// Its torrent, and the file of that.
    pub(super) fn torrent(&self) -> Option<(Metainfo, Arc<[u8]>)> {
        let torrent = self.here.as_ref()?.torrent.as_slice();
        Some((Metainfo::parse(torrent).ok()?, torrent.into()))
    }

    /// The database of this folder.
    pub(super) fn state(&self) -> PathBuf {
        self.dir.join(OURS).join("state.db")
    }

    /// Whether a version can have its place: before it is fetched.
    ///
    /// # Errors
    /// When something else is there.
    pub(super) fn check(&self, next: &Version) -> Result<(), Failure> {
        let ours = self.here.as_ref().is_some_and(|here| here.name == next.name);
        let place = self.dir.join(&next.name);
        if ours || fs::symlink_metadata(&place).is_err() {
            return Ok(());
        }
        Err(Failure::new(Exit::NotWritable, format!("{} is in the way", place.display()))
            .cause("it is there already, and did not come from this publisher")
            .tip("move it away, or choose another folder with -o"))
    }

    /// A folder for a version that is not whole yet.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn stage(&self, next: &Version) -> Result<PathBuf, Failure> {
        let stage = self.note.with_extension(format!("{}.stage", next.seq));
        fs::create_dir_all(&stage).map_err(|error| Failure::io("make", &stage, &error))?;
        Ok(stage)
    }

    /// Copies what has not changed, as far as names and lengths tell: it is checked afterwards.
    /// The old version itself is not touched, nor linked to.
    ///
    /// # Errors
    /// When there is no room.
    pub(super) fn reuse(
        &self,
        next: &Version,
        metainfo: &Metainfo,
        stage: &Path,
    ) -> Result<u64, Failure> {
        let (Some(here), Some((old, _))) = (&self.here, self.torrent()) else { return Ok(0) };
        let lengths: BTreeSet<(Vec<&str>, u64)> =
            old.files().map(|file| (inner(file.path, &here.name), file.length)).collect();
        let mut reused = 0;
        for file in metainfo.files().filter(|file| !file.pad) {
            let inner = inner(file.path, &next.name);
            let to = join(&stage.join(&next.name), &inner);
            let from = join(&self.dir.join(&here.name), &inner);
            let known = lengths.contains(&(inner, file.length)) && file.length > 0;
            if !known || fs::symlink_metadata(&to).is_ok() {
                continue;
            }
            if fs::symlink_metadata(&from).is_ok_and(|meta| is_plain(&meta, file.length)) {
                copy(&from, &to).map_err(|error| Failure::io("copy", &from, &error))?;
                reused += 1;
            }
        }
        Ok(reused)
    }

    /// Puts a version that is whole in its place, and the old one aside or away.
    ///
    /// # Errors
    /// When the system does not let us; what was there then still is.
    pub(super) fn put(
        &mut self,
        next: Version,
        stage: &Path,
        keep_old: bool,
    ) -> Result<PathBuf, Failure> {
        self.check(&next)?;
        let place = self.dir.join(&next.name);
        let old = self.here.take().map(|here| {
            let aside = self.dir.join(format!("{}.version-{}", here.name, here.seq));
            (self.dir.join(&here.name), aside, here)
        });
        let rename = |from: &Path, to: &Path| {
            fs::rename(from, to).map_err(|error| Failure::io("rename", from, &error))
        };
        if let Some((from, aside, _)) = &old {
            rename(from, aside)?;
        }
        rename(&stage.join(&next.name), &place).inspect_err(|_| {
            if let Some((from, aside, _)) = &old {
                // Back to where it was.
                let _ = fs::rename(aside, from);
            }
        })?;
        self.note(&next)?;
        if let Some((_, aside, here)) = old.filter(|_| !keep_old) {
            remove(&aside, &here);
        }
        // What is left there is ours, and empty.
        let _ = fs::remove_dir_all(stage);
        self.here = Some(next);
        Ok(place)
    }

    /// Notes which version is there, whole or not at all.
    fn note(&self, version: &Version) -> Result<(), Failure> {
        let new = self.note.with_extension("new");
        fs::write(&new, version.write())
            .and_then(|()| fs::rename(&new, &self.note))
            .map_err(|error| Failure::io("write", &self.note, &error))
    }
}

/// Removes the files of a version, and the folders that are empty then. What others have put
/// there stays.
fn remove(at: &Path, version: &Version) {
    let Ok(metainfo) = Metainfo::parse(&version.torrent) else { return };
    let mut folders = BTreeSet::new();
    for file in metainfo.files() {
        let path = join(at, &inner(file.path, &version.name));
        // What cannot be removed stays, and does no harm.
        let _ = fs::remove_file(&path);
        let above = path.ancestors().skip(1).take_while(|folder| folder.starts_with(at));
        folders.extend(above.map(Path::to_path_buf));
    }
    // The inner ones come last in order.
    for folder in folders.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
}

/// The parts of a path below the torrent's own folder; none for a single file.
fn inner<'p>(path: &'p str, name: &str) -> Vec<&'p str> {
    let below = path.strip_prefix(name).unwrap_or(path);
    below.split('/').filter(|part| !part.is_empty()).collect()
}

fn join(at: &Path, parts: &[&str]) -> PathBuf {
    parts.iter().fold(at.to_path_buf(), |path, part| path.join(part))
}

/// A file of this length, and no link to anywhere.
fn is_plain(meta: &fs::Metadata, length: u64) -> bool {
    meta.is_file() && meta.len() == length
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).map(drop).inspect_err(|_| _ = fs::remove_file(to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use toubkal_session::hashing::{CreateOptions, create};

    fn place() -> Place {
        Place { key: [1; 32], salt: Vec::new() }
    }

    /// A version that was made of files, and the folder in which they lie.
    fn version(dir: &Path, seq: i64, files: &[(&str, &str)]) -> (Version, Metainfo) {
        let at = dir.join(format!("made-{seq}")).join("goods");
        for (path, content) in files {
            let path = at.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let created = create(&at, &CreateOptions::default(), 1, &|_, _| ()).unwrap();
        let metainfo = Metainfo::parse(&created.torrent).unwrap();
        (Version::new(seq, &metainfo, &created.torrent), metainfo)
    }

    fn fill(stage: &Path, dir: &Path, seq: i64) {
        let from = dir.join(format!("made-{seq}")).join("goods");
        let _ = fs::remove_dir_all(stage.join("goods"));
        fs::rename(from, stage.join("goods")).unwrap();
    }

    #[test]
    fn a_new_version_takes_what_has_not_changed_and_then_the_place() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let mut shelf = Shelf::open(&out, &place()).unwrap();
        let (first, metainfo) = version(dir.path(), 1, &[("a", "same"), ("sub/b", "old")]);
        let stage = shelf.stage(&first).unwrap();
        assert_eq!(shelf.reuse(&first, &metainfo, &stage).unwrap(), 0);
        fill(&stage, dir.path(), 1);
        shelf.put(first, &stage, false).unwrap();
        fs::write(out.join("goods/mine"), "mine").unwrap();
        // In the next run.
        let mut shelf = Shelf::open(&out, &place()).unwrap();
        assert_eq!(shelf.version().unwrap().seq, 1);
        let (second, metainfo) = version(dir.path(), 2, &[("a", "same"), ("sub/c", "newer")]);
        let stage = shelf.stage(&second).unwrap();
        assert_eq!(shelf.reuse(&second, &metainfo, &stage).unwrap(), 1);
        assert_eq!(fs::read_to_string(stage.join("goods/a")).unwrap(), "same");
        assert_eq!(fs::read_to_string(out.join("goods/sub/b")).unwrap(), "old", "untouched");
        fill(&stage, dir.path(), 2);
        shelf.put(second, &stage, false).unwrap();
        assert_eq!(fs::read_to_string(out.join("goods/sub/c")).unwrap(), "newer");
        let aside = out.join("goods.version-1");
        assert!(!aside.join("sub").exists() && !aside.join("a").exists());
        assert_eq!(fs::read_to_string(aside.join("mine")).unwrap(), "mine", "it is not ours");
        assert!(!stage.exists());
    }

    #[test]
    fn what_is_not_of_the_publisher_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        fs::create_dir_all(out.join("goods")).unwrap();
        let shelf = Shelf::open(&out, &place()).unwrap();
        let (first, _) = version(dir.path(), 1, &[("a", "x")]);
        let failure = shelf.check(&first).unwrap_err();
        assert_eq!(failure.exit, Exit::NotWritable);
    }

    #[test]
    fn a_version_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let (first, _) = version(dir.path(), -3, &[("a", "x")]);
        assert_eq!(Version::read(&first.write()), Some(first));
        assert_eq!(Version::read(b"d3:seqi1ee"), None);
    }
}
