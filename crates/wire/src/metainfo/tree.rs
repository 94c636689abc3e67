//! Version 2 (BEP 52): the file tree and the piece layers, checked against the roots.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::info::{ListedFile, Listing, length, total_length};
use super::{Entry, Error, FILES_MAX, Flags, Tree};
use crate::bencode::{Entries, Items, Kind, Value};
use crate::layout::{LayoutError, PIECES_MAX};
use crate::merkle::{self, Hash};
use crate::path::{self, PATH_DEPTH_MAX, PathError};

/// Parses the tree. Without version 1 (`v1_single` is `None`) it fills `files`; otherwise it
/// checks that both versions list the same files. Also says whether the content is one file
/// without a folder.
pub(super) fn parse(
    info: Value<'_, '_>,
    layers: Option<Value<'_, '_>>,
    piece_length: u32,
    name: &[u8],
    v1_single: Option<bool>,
    files: &mut Listing,
) -> Result<(Tree, bool), Error> {
    let root = info.get(b"file tree").ok_or(Error::Missing("file tree"))?;
    if root.kind() != Kind::Dict {
        return Err(Error::Wrong("file tree"));
    }
    let mut tree = Tree::default();
    let single = match v1_single {
        None => {
            let mut named_so = false;
            walk(root, |path, file| {
                named_so = path == [name];
                tree.roots.push(file.root);
                files.push(path.iter().copied(), file.entry, file.target)
            })?;
            files.entries.len() == 1 && named_so
        }
        Some(single) => {
            let mut twin = Twin::new(info, piece_length, name, single, files, &mut tree.roots);
            walk(root, |path, file| twin.check(path, &file))?;
            twin.finish()?;
            single
        }
    };
    tree.take_layers(layers, piece_length, files)?;
    Ok((tree, single))
}

/// A file of the tree.
struct TreeFile<'t, 'i> {
    entry: Entry,
    root: Hash,
    target: Option<Value<'t, 'i>>,
}

impl<'t, 'i> TreeFile<'t, 'i> {
    fn parse(fields: Value<'t, 'i>) -> Result<Self, Error> {
        if fields.kind() != Kind::Dict {
            return Err(Error::Wrong("file tree"));
        }
        let flags = Flags::of(fields.get(b"attr"));
        let length = if flags.symlink { 0 } else { length(fields.get(b"length"))? };
        // BEP 52: "pieces root" is there for all files that are not empty.
        let root = match fields.get(b"pieces root") {
            _ if length == 0 => [0; 32],
            None => return Err(Error::Missing("pieces root")),
            Some(root) => root
                .as_bytes()
                .and_then(|root| Hash::try_from(root).ok())
                .filter(|root| *root != [0; 32])
                .ok_or(Error::Wrong("pieces root"))?,
        };
        let target = fields.get(b"symlink path");
        Ok(Self { entry: Entry { length, flags }, root, target })
    }
}

/// Visits the files of a tree in its order, which is the order of the torrent, without recursion.
fn walk<'t, 'i>(
    root: Value<'t, 'i>,
    mut visit: impl FnMut(&[&'i [u8]], TreeFile<'t, 'i>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut open: Vec<Entries<'t, 'i>> = vec![root.entries()];
    let mut path: Vec<&[u8]> = Vec::new();
    let mut count = 0;
    while let Some(folder) = open.last_mut() {
        let Some((name, value)) = folder.next() else {
            open.pop();
            path.pop();
            continue;
        };
        if name.is_empty() || value.kind() != Kind::Dict {
            return Err(Error::Wrong("file tree"));
        }
        count += 1;
        if count > FILES_MAX {
            return Err(Error::TooManyFiles);
        }
        if path.len() == PATH_DEPTH_MAX {
            return Err(Error::Path(PathError::Depth));
        }
        path.push(name);
        // BEP 52: a file is a folder with one entry, of an empty name.
        let Some(fields) = value.get(b"") else {
            open.push(value.entries());
            continue;
        };
        if value.entries().nth(1).is_some() {
            return Err(Error::FileAndFolder(joined(&path)));
        }
        visit(&path, TreeFile::parse(fields)?)?;
        path.pop();
    }
    Ok(())
}

fn joined(path: &[&[u8]]) -> String {
    path::decode_text(&path.join(&b'/')).into_owned()
}

/// Compares the tree of a hybrid torrent with its files of version 1.
struct Twin<'t, 'i, 'f> {
    name: &'i [u8],
    /// The files of version 1 as the torrent lists them; `None` if it is one file.
    list: Option<Items<'t, 'i>>,
    files: &'f Listing,
    piece_length: u32,
    /// The next file of version 1, and the bytes before it.
    next: usize,
    offset: u64,
    roots: &'f mut Vec<Hash>,
}

impl<'t, 'i, 'f> Twin<'t, 'i, 'f> {
    fn new(
        info: Value<'t, 'i>,
        piece_length: u32,
        name: &'i [u8],
        single: bool,
        files: &'f Listing,
        roots: &'f mut Vec<Hash>,
    ) -> Self {
        let list = info.get(b"files").filter(|_| !single).map(Value::items);
        Self { name, list, files, piece_length, next: 0, offset: 0, roots }
    }

    /// BEP 52: the files of both versions are the same in number, order, name and length, but for
    /// padding, and in version 1 each starts with a piece.
    fn check(&mut self, path: &[&[u8]], file: &TreeFile<'_, '_>) -> Result<(), Error> {
        let differ = || Error::Hybrid(joined(path));
        self.skip_padding();
        let entry = self.files.entries.get(self.next).ok_or_else(differ)?;
        let same_path = match &mut self.list {
            None => path == [self.name],
            Some(list) => {
                let listed = ListedFile::next(list)?.ok_or_else(differ)?;
                listed.path.eq(path.iter().copied())
            }
        };
        let aligned = entry.length == 0 || self.offset.is_multiple_of(self.piece_length.into());
        if !same_path || !aligned || entry.length != file.entry.length {
            return Err(differ());
        }
        self.roots.push(file.root);
        self.offset = self.offset.saturating_add(entry.length);
        self.next += 1;
        Ok(())
    }

    /// The end of the tree: nothing but padding may be left.
    fn finish(&mut self) -> Result<(), Error> {
        self.skip_padding();
        if self.next < self.files.entries.len() {
            return Err(Error::Hybrid(self.files.paths.get(self.next).to_string()));
        }
        Ok(())
    }

    fn skip_padding(&mut self) {
        while let Some(entry) = self.files.entries.get(self.next).filter(|entry| entry.flags.pad) {
            self.roots.push([0; 32]);
            self.offset = self.offset.saturating_add(entry.length);
            self.next += 1;
            self.list.as_mut().map(Iterator::next);
        }
    }
}

impl Tree {
    /// Takes the layer of every file of more than a piece, once for each root, and checks it.
    fn take_layers(
        &mut self,
        layers: Option<Value<'_, '_>>,
        piece_length: u32,
        files: &Listing,
    ) -> Result<(), Error> {
        let name = |file: usize| files.paths.get(file).to_string();
        total_length(files.entries.iter().map(|entry| entry.length))?;
        let pieces = |file: usize| files.entries[file].length.div_ceil(piece_length.into());
        if (0..files.entries.len()).map(pieces).sum::<u64>() > u64::from(PIECES_MAX) {
            return Err(Error::Sizes(LayoutError::TooManyPieces));
        }
        // Root, layer, and the number of hashes once it was taken.
        let layers = layers.into_iter().flat_map(Value::entries);
        let mut found: Vec<_> = layers.map(|(root, layer)| (root, layer, 0)).collect();
        found.sort_by_key(|(root, ..)| *root);
        let height = merkle::piece_height(piece_length);
        for (file, root) in self.roots.iter().enumerate() {
            let needed = pieces(file);
            if files.entries[file].flags.pad || needed <= 1 {
                continue;
            }
            let at = found.binary_search_by_key(&&root[..], |(root, ..)| *root);
            let (_, layer, taken) = &mut found[at.map_err(|_| Error::NoLayer(name(file)))?];
            if *taken == needed {
                continue;
            }
            let (hashes, rest) = layer.as_bytes().unwrap_or_default().as_chunks::<32>();
            let fits = rest.is_empty() && hashes.len() as u64 == needed;
            if !fits || merkle::root_of_layer(hashes, height) != *root {
                return Err(Error::BadLayer(name(file)));
            }
            *taken = needed;
            let start = self.hashes.len() as u32;
            self.hashes.extend_from_slice(hashes);
            self.layers.push((*root, start..self.hashes.len() as u32));
        }
        self.layers.sort_unstable_by_key(|(root, _)| *root);
        Ok(())
    }
}
