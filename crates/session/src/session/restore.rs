//! What a session takes out of its database: what is known of a torrent that is added, and all
//! torrents of an earlier life.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    Add, AddError, Kept, Magnet, Metainfo, RESTED_AT_ONCE, RestoreError, Session, SessionEvent,
    Torrent, magnet,
};
use toubkal_core::engine::Totals;

use crate::net::{Control, Known, Order, bytes};
use crate::state::{Key, Row, State, Whole};

/// Torrents that are brought back at once. Each waits for the database and for the network thread;
/// so these have something to do meanwhile.
const AT_ONCE: usize = 8;

/// What the database knows of a torrent that is to be added, and is to know from then on.
pub(crate) fn know(state: Option<&Arc<State>>, metainfo: &Metainfo, add: &Add) -> Option<Known> {
    let state = state?;
    let key = state.key(metainfo.info_hash_v1?, &add.dir);
    let row = row(add, add.torrent.clone());
    let files = metainfo.file_count() as u32;
    let past = state.past(&key, metainfo.pieces(), files);
    let counted = past.as_ref().map(|past| past.record.totals).unwrap_or_default();
    let (memory, left) = match past {
        Some(past) => {
            let mut memory = past.record.recall(past.same_boot);
            if add.check {
                // What was transferred is no matter of belief.
                memory.have = toubkal_core::base::Bitset::new(memory.have.len());
                memory.synced = memory.have.clone();
                memory.doubt = false;
            }
            (Some(memory), (!add.check).then_some(past.left))
        }
        None => (None, None),
    };
    let trackers = add.trackers.clone().unwrap_or_else(|| metainfo.trackers.clone());
    let bytes = metainfo.layout().map_or(0, |layout| bytes(&layout));
    let whole = Whole { bytes, trackers };
    Some(Known { key, row, memory, left, counted, whole, stored: false })
}

/// What the database is to know of a torrent of which only a link is known.
pub(super) fn know_link(
    state: Option<&Arc<State>>,
    hash: [u8; 20],
    magnet: &Magnet,
    add: &Add,
) -> Option<Known> {
    let key = state?.key(hash, &add.dir);
    let row = row(add, Some(magnet::kept(magnet)));
    let counted = Totals::default();
    // Of a link nothing is known that could come to rest.
    let whole = Whole { bytes: 0, trackers: Vec::new() };
    Some(Known { key, row, memory: None, left: None, counted, whole, stored: false })
}

/// What a link means, when the database knows that, and how it is to be worked on.
///
/// # Errors
/// When it is not wanted.
pub(super) fn found(
    state: Option<&Arc<State>>,
    hash: [u8; 20],
    magnet: &Magnet,
    add: &Add,
) -> Result<Option<(Arc<Metainfo>, Add)>, AddError> {
    let row = state.and_then(|state| state.row(&state.key(hash, &add.dir)).ok().flatten());
    let Some(file) = row.and_then(|row| row.metainfo) else { return Ok(None) };
    let parsed = Metainfo::parse(&file).ok();
    let same = |it: &Metainfo| {
        it.info_hash_v1 == Some(hash) && (magnet.v2.is_none() || magnet.v2 == it.info_hash_v2)
    };
    let Some(metainfo) = parsed.filter(same) else { return Ok(None) };
    let mut add = add.clone();
    add.priorities = magnet::priorities(magnet, &metainfo, &add).map_err(AddError::Refused)?;
    // Trackers of both: what was kept may come from a torrent file.
    let both = metainfo.trackers.iter().cloned().chain(magnet::tiers(magnet));
    add.trackers = add.trackers.or_else(|| Some(both.collect()));
    add.peers.extend(magnet::peers(magnet).0);
    add.torrent = Some(file);
    Ok(Some((Arc::new(metainfo), add)))
}

/// How a torrent is to be worked on.
fn row(add: &Add, metainfo: Option<Arc<[u8]>>) -> Row {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Row {
        metainfo,
        priorities: add.priorities.clone(),
        trackers: add.trackers.clone(),
        sequential: add.sequential,
        adopt: add.adopt,
        rates: add.rates,
        paused: add.paused,
        added: now.as_secs(),
        note: add.note.clone(),
    }
}

/// Brings back all torrents.
pub(super) fn all(session: &Session, control: &Control) -> Result<Vec<Torrent>, RestoreError> {
    let state = control.state().ok_or(RestoreError::NoState)?;
    let mut torrents = at_rest(session, control, state)?;
    let others = state.all().map_err(RestoreError::State)?;
    let some = |first: usize| -> Vec<(i64, Torrent)> {
        let mine = others.iter().skip(first).step_by(AT_ONCE);
        mine.filter_map(|(number, key)| Some((*number, of(session, control, state, key)?)))
            .collect()
    };
    std::thread::scope(|scope| {
        let some = &some;
        let shares = std::array::from_fn::<_, AT_ONCE, _>(|first| scope.spawn(move || some(first)));
        for share in shares {
            torrents.extend(share.join().expect("what comes out of a database panics nobody"));
        }
    });
    torrents.sort_by_key(|(number, _)| *number);
    Ok(torrents.into_iter().map(|(_, torrent)| torrent).collect())
}

/// Brings back one; says why when it cannot.
fn of(session: &Session, control: &Control, state: &Arc<State>, key: &Arc<Key>) -> Option<Torrent> {
    let why = match one(session, state, key) {
        Ok(torrent) => return Some(torrent),
        Err(why) => why?,
    };
    let hash: String = key.hash().iter().map(|byte| format!("{byte:02x}")).collect();
    let dir = state.dir(key);
    let message = format!("the torrent {hash} in {} is not restored: {why}", dir.display());
    control.news().push(SessionEvent::State { message });
    None
}

/// Takes in those that are at rest: nothing of them is looked at.
fn at_rest(
    session: &Session,
    control: &Control,
    state: &Arc<State>,
) -> Result<Vec<(i64, Torrent)>, RestoreError> {
    let resting = state.resting().map_err(RestoreError::State)?;
    let mut torrents = Vec::with_capacity(resting.len());
    for some in resting.chunks(RESTED_AT_ONCE) {
        let (reply, answer) = crossbeam_channel::bounded(1);
        control.order(Order::Rest(some.to_vec(), reply));
        let ids = answer.recv().unwrap_or_default();
        for (rest, id) in some.iter().zip(ids) {
            let kept = Kept::There(Arc::clone(state), Arc::clone(&rest.key));
            torrents.extend(id.map(|id| (rest.number, session.handle(id, kept))));
        }
    }
    Ok(torrents)
}

/// Brings back one; `Err(None)` when it is there, or is gone.
fn one(session: &Session, state: &Arc<State>, key: &Arc<Key>) -> Result<Torrent, Option<String>> {
    let row = state.row(key).map_err(|kind| Some(kind.to_string()))?.ok_or(None)?;
    let bytes = row.metainfo.ok_or_else(|| Some("its torrent file was not kept".to_owned()))?;
    let add = Add {
        priorities: row.priorities,
        trackers: row.trackers,
        sequential: row.sequential,
        adopt: row.adopt,
        rates: row.rates,
        paused: row.paused,
        torrent: Some(Arc::clone(&bytes)),
        ..Add::to(state.dir(key))
    };
    let again = |error| match error {
        AddError::Duplicate => None,
        error => Some(error.to_string()),
    };
    let another = || Some("what was kept is another torrent".to_owned());
    if let Some(link) = magnet::link(&bytes) {
        let hash = link.v1.filter(|&hash| hash == key.hash()).ok_or_else(another)?;
        let add = Add { torrent: None, ..add };
        let known = know_link(Some(state), hash, &link, &add);
        let known = known.map(|known| Known { stored: true, ..known });
        return session.seek(hash, &link, Some(add), known).map_err(again);
    }
    let metainfo = Metainfo::parse(&bytes).map_err(|error| Some(error.to_string()))?;
    if metainfo.info_hash_v1 != Some(key.hash()) {
        return Err(another());
    }
    let known = know(Some(state), &metainfo, &add).map(|known| Known { stored: true, ..known });
    session.add_known(Arc::new(metainfo), add, known, false).map_err(again)
}
