//! Torrents of which only a link is known: how the link is kept, and what becomes of it when the
//! metadata is there.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use toubkal_core::engine::Priority;
use toubkal_wire::bencode::Encoder;
use toubkal_wire::magnet::{Magnet, Selection};

use super::{Add, AddError, Here, Kept, Metainfo, RESERVED, Session, Torrent, restore};
use crate::net::{Known, Link, Order};

/// How a link begins, and no torrent file does.
const SCHEME: &[u8] = b"magnet:";

/// What a torrent holds, once it is known.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) metainfo: Arc<Metainfo>,
    /// The torrent file, of a torrent that was found by a link.
    pub(crate) file: Option<Arc<[u8]>>,
}

/// Where a handle finds it, and the network thread puts it.
pub(crate) type Place = Arc<OnceLock<Content>>;

/// What is wanted of a torrent whose files are not known when it is added. Asked once, on a thread
/// of the session, when they are: one priority a file, or `None` for what is usual.
#[derive(Clone)]
pub struct Choose(Arc<Answer>);

type Answer = dyn Fn(&Metainfo) -> Result<Option<Vec<Priority>>, String> + Send + Sync;

impl Choose {
    /// An error, in words for a person, is a refusal: the torrent is not taken, and that is said
    /// by [`super::SessionEvent::Refused`].
    pub fn new(
        answer: impl Fn(&Metainfo) -> Result<Option<Vec<Priority>>, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(answer))
    }
}

impl fmt::Debug for Choose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Choose(..)")
    }
}

impl Session {
    /// Takes in a torrent of which only a link is known, and returns at once: its metadata is
    /// fetched from peers (BEP 9), then it is as if it had been added with its torrent file. When
    /// the database knows it in this folder, nothing needs to be fetched.
    ///
    /// The link's trackers are asked unless [`Add::trackers`] says otherwise, its peers (`x.pe`)
    /// are called, and of its files only those that it selects (`so`, BEP 53) are wanted unless
    /// [`Add::choose`] or [`Add::priorities`] says otherwise.
    ///
    /// # Errors
    /// When there is no info-hash of version 1 in the link, or the session has it already.
    pub fn add_magnet(&self, magnet: &Magnet, add: Add) -> Result<Torrent, AddError> {
        let hash = hash(magnet)?;
        if let Some((metainfo, add)) = restore::found(self.control.state(), hash, magnet, &add)? {
            let known = restore::know(self.control.state(), &metainfo, &add);
            return self.add_known(metainfo, add, known, true);
        }
        let known = restore::know_link(self.control.state(), hash, magnet, &add);
        self.seek(hash, magnet, Some(add), known)
    }

    /// Fetches the metadata of a link from its peers, its trackers' and these, and nothing more:
    /// the torrent ends when it has it, with [`Resolved`](crate::SessionEvent::Resolved). Nothing
    /// is written.
    ///
    /// # Errors
    /// As [`Session::add_magnet`].
    pub fn fetch(&self, magnet: &Magnet, peers: Vec<SocketAddr>) -> Result<Torrent, AddError> {
        let torrent = self.seek(hash(magnet)?, magnet, None, None)?;
        torrent.add_peers(peers);
        Ok(torrent)
    }

    pub(super) fn seek(
        &self,
        info_hash: [u8; 20],
        magnet: &Magnet,
        mut add: Option<Add>,
        known: Option<Known>,
    ) -> Result<Torrent, AddError> {
        let place = Place::default();
        let (reply, answer) = crossbeam_channel::bounded(1);
        let dir = add.as_ref().map_or(Path::new(""), |add| &add.dir);
        let here = Here::of(info_hash, dir);
        let trackers = add.as_ref().and_then(|add| add.trackers.clone());
        let (mut addresses, names) = peers(magnet);
        addresses.extend(add.iter_mut().flat_map(|add| add.peers.drain(..)));
        let link = Link {
            info_hash,
            magnet: Box::new(magnet.clone()),
            trackers: trackers.unwrap_or_else(|| tiers(magnet)),
            addresses,
            names,
            // The database has it by then, or a newer one.
            add: add.map(|add| Box::new(Add { note: None, ..add })),
            place: Arc::clone(&place),
        };
        let known = known.map(Box::new);
        self.control.order(Order::Seek { link: Box::new(link), known, reply });
        let id = answer.recv().unwrap_or(Err(AddError::Ended))?;
        Ok(self.handle(id, Kept::Here(place, here)))
    }
}

/// The info-hash that peers of version 1 know.
pub(super) fn hash(magnet: &Magnet) -> Result<[u8; 20], AddError> {
    match (magnet.v1, magnet.v2) {
        (Some(hash), _) => Ok(hash),
        (None, Some(_)) => Err(AddError::V2Only),
        (None, None) => Err(AddError::Publisher),
    }
}

/// The trackers of a link, each a tier of its own: nobody has said which comes first.
pub(super) fn tiers(magnet: &Magnet) -> Vec<Vec<String>> {
    magnet.trackers.iter().map(|url| vec![url.clone()]).collect()
}

/// The peers of a link, by address and by name.
pub(super) fn peers(magnet: &Magnet) -> (Vec<SocketAddr>, Vec<(String, u16)>) {
    let (mut addresses, mut names) = (Vec::new(), Vec::new());
    for peer in &magnet.peers {
        match peer.host.parse::<IpAddr>() {
            Ok(ip) => addresses.push(SocketAddr::new(ip, peer.port)),
            Err(_) => names.push((peer.host.clone(), peer.port)),
        }
    }
    (addresses, names)
}

/// A link as it is kept in the place of the torrent file.
pub(super) fn kept(magnet: &Magnet) -> Arc<[u8]> {
    magnet.to_string().into_bytes().into()
}

/// The link that was kept in the place of the torrent file.
pub(super) fn link(bytes: &[u8]) -> Option<Magnet> {
    let text = bytes.starts_with(SCHEME).then(|| std::str::from_utf8(bytes))?;
    Magnet::parse(text.ok()?).ok()
}

/// The torrent file that metadata makes, with the trackers and web seeds of the link.
pub(super) fn file(magnet: &Magnet, metadata: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(metadata.len() + 1024);
    let mut dict = Encoder::new(&mut bytes);
    dict.dict();
    if let Some(first) = magnet.trackers.first() {
        dict.key("announce").bytes(first);
        dict.key("announce-list").list();
        magnet.trackers.iter().for_each(|url| _ = dict.list().bytes(url).end());
        dict.end();
    }
    dict.key("info").raw(metadata);
    if !magnet.web_seeds.is_empty() {
        dict.key("url-list").list();
        magnet.web_seeds.iter().for_each(|url| _ = dict.bytes(url));
        dict.end();
    }
    dict.end();
    bytes
}

/// What the metadata holds, and how the torrent is to be worked on: with its file, and with one
/// priority a file when not everything is wanted.
///
/// # Errors
/// Why it cannot be taken, in words.
pub(crate) fn read(
    magnet: &Magnet,
    metadata: &[u8],
    mut add: Option<&mut Add>,
) -> Result<Content, String> {
    let file: Arc<[u8]> = self::file(magnet, metadata).into();
    let metainfo = Metainfo::parse(&file).map_err(|error| error.to_string())?;
    match metainfo.info_hash_v1 {
        hash if hash == magnet.v1 => {}
        None => return Err("it is a torrent of version 2 alone".into()),
        Some(_) => return Err("what has its info-hash is no info dictionary".into()),
    }
    if magnet.v2.is_some() && metainfo.info_hash_v2 != magnet.v2 {
        return Err("the two info-hashes of the link are of different torrents".into());
    }
    if let Some(add) = &mut add {
        if metainfo.name.eq_ignore_ascii_case(RESERVED) {
            return Err(AddError::Reserved.to_string());
        }
        add.priorities = priorities(magnet, &metainfo, add)?;
        add.torrent = Some(Arc::clone(&file));
    }
    Ok(Content { metainfo: Arc::new(metainfo), file: Some(file) })
}

/// What is wanted: what the program says, or else what the link does (BEP 53).
pub(super) fn priorities(
    magnet: &Magnet,
    metainfo: &Metainfo,
    add: &Add,
) -> Result<Option<Vec<Priority>>, String> {
    let files = metainfo.file_count();
    let chosen = match &add.choose {
        Some(Choose(answer)) => answer(metainfo)?,
        None => None,
    };
    let given = chosen.or_else(|| add.priorities.clone());
    if let Some(given) = &given
        && given.len() != files
    {
        return Err(AddError::Priorities { given: given.len(), files }.to_string());
    }
    Ok(given.or_else(|| selected(magnet.select_only.as_ref()?, files)))
}

/// One priority a file; `None` when the link selects no file that there is.
fn selected(selection: &Selection, files: usize) -> Option<Vec<Priority>> {
    let mut priorities = vec![Priority::Skip; files];
    for file in selection.files().take_while(|&file| (file as usize) < files) {
        priorities[file as usize] = Priority::Normal;
    }
    priorities.contains(&Priority::Normal).then_some(priorities)
}
