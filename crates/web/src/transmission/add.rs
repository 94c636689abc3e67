//! `torrent_add`.

use std::path::{Path, PathBuf};

use base64::Engine;
use serde_json::{Map, json};
use toubkal_daemon::{AddError, FileView, How, Id, What, Wish};
use toubkal_session::Metainfo;

use super::Rpc;
use super::args::Args;
use super::edit;
use super::fault::Fault;
use super::methods::{Reply, absolute};

pub(super) fn add(rpc: &Rpc, args: &Args) -> Reply {
    // What is said beside it is looked at first: nobody is asked for a torrent in vain.
    let dir = match args.text("download_dir") {
        None | Some("") => None,
        Some(dir) => Some(folder(absolute(dir, "download directory path is not absolute")?)),
    };
    let wish = |paused| if paused { Wish::Paused } else { Wish::Queued };
    let mut how = How {
        dir,
        tags: edit::labels(args)?,
        wish: args.flag("paused").map(wish),
        sequential: args.flag("sequential_download") == Some(true),
        ..How::default()
    };
    let what = what(rpc, args)?;
    if let What::File(bytes) = &what
        && edit::has_files(args)
    {
        how.files = priorities(args, bytes)?;
    }
    match rpc.client.add(what, &how) {
        Ok(id) => Ok(told(rpc, "torrent_added", id)),
        Err(AddError::Duplicate(id)) => Ok(told(rpc, "torrent_duplicate", id)),
        Err(error) => Err(error.into()),
    }
}

fn told(rpc: &Rpc, name: &str, id: Id) -> Map<String, serde_json::Value> {
    let view = rpc.client.view(id);
    let (name_of, hash) = view.map(|view| (view.name, view.hash)).unwrap_or_default();
    let torrent = json!({"id": id, "name": name_of, "hash_string": hash});
    Map::from_iter([(name.to_owned(), torrent)])
}

/// Without a slash at its end.
fn folder(path: &Path) -> PathBuf {
    path.components().collect()
}

/// A file in base64, a link, an address, or a path on this machine.
fn what(rpc: &Rpc, args: &Args) -> Result<What, Fault> {
    let given = |name| args.text(name).map(str::trim).filter(|text| !text.is_empty());
    let Some(name) = given("filename") else {
        let text =
            given("metainfo").ok_or_else(|| Fault::params("no filename or metainfo specified"))?;
        return decode(text).map(|bytes| What::File(bytes.into()));
    };
    let lower = name.get(..8).unwrap_or(name).to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        let bytes = rpc.client.fetch(name);
        let bytes = bytes
            .map_err(|error| Fault::new(Fault::HTTP, format!("Couldn't fetch torrent: {error}")))?;
        return Ok(What::File(bytes.into()));
    }
    if Path::new(name).is_absolute() {
        let bytes = rpc.client.read_torrent(Path::new(name));
        let bytes = bytes.map_err(|error| Fault::new(Fault::UNRECOGNIZED, error))?;
        return Ok(What::File(bytes.into()));
    }
    let is_hash = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !lower.starts_with("magnet:") && !is_hash {
        return Err(Fault::bare(Fault::UNRECOGNIZED));
    }
    Ok(What::Link(name.to_owned()))
}

/// Base64, which some break into lines.
fn decode(text: &str) -> Result<Vec<u8>, Fault> {
    let clean: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(clean);
    bytes.map_err(|_| Fault::bare(Fault::UNRECOGNIZED))
}

/// One priority a file, padding counted, when files are chosen.
fn priorities(args: &Args, bytes: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let metainfo = Metainfo::parse(bytes).map_err(|error| {
        Fault::new(Fault::CORRUPT, format!("invalid or corrupt torrent file: {error}"))
    })?;
    let real = metainfo.files().zip(0..).filter(|(file, _)| !file.pad);
    let views: Vec<FileView> = real
        .map(|(file, index)| FileView {
            index,
            path: String::new(),
            size: file.length,
            have: 0,
            priority: 2,
        })
        .collect();
    let changed = edit::files(args, &views)?;
    let mut all = vec![2; metainfo.file_count()];
    for (index, priority) in changed {
        all[index as usize] = priority;
    }
    Ok(Some(all))
}
