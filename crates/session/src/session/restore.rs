//! What a session takes out of its database: what is known of a torrent that is added, and all
//! torrents of an earlier life.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Add, AddError, Metainfo, RestoreError, Session, SessionEvent, Torrent};
use crate::net::{Control, Known};
use crate::state::{Key, Row, State};

/// What the database knows of a torrent that is to be added, and is to know from then on.
pub(super) fn know(state: Option<&Arc<State>>, metainfo: &Metainfo, add: &Add) -> Option<Known> {
    let state = state?;
    let key = state.key(metainfo.info_hash_v1?, &add.dir);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let row = Row {
        metainfo: add.torrent.clone(),
        priorities: add.priorities.clone(),
        trackers: add.trackers.clone(),
        sequential: add.sequential,
        adopt: add.adopt,
        rates: add.rates,
        paused: add.paused,
        added: now.as_secs(),
    };
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
    Some(Known { key, row, memory, left, counted, stored: false })
}

/// Brings back all torrents.
pub(super) fn all(session: &Session, control: &Control) -> Result<Vec<Torrent>, RestoreError> {
    let state = control.state().ok_or(RestoreError::NoState)?;
    let mut torrents = Vec::new();
    for key in state.all().map_err(RestoreError::State)? {
        match one(session, state, &key) {
            Ok(torrent) => torrents.push(torrent),
            Err(None) => {}
            Err(Some(why)) => {
                let hash: String = key.hash().iter().map(|byte| format!("{byte:02x}")).collect();
                let dir = state.dir(&key);
                let message =
                    format!("the torrent {hash} in {} is not restored: {why}", dir.display());
                control.news().push(SessionEvent::State { message });
            }
        }
    }
    Ok(torrents)
}

/// Brings back one; `Err(None)` when it is there, or is gone.
fn one(session: &Session, state: &Arc<State>, key: &Arc<Key>) -> Result<Torrent, Option<String>> {
    let row = state.row(key).map_err(|kind| Some(kind.to_string()))?.ok_or(None)?;
    let bytes = row.metainfo.ok_or_else(|| Some("its torrent file was not kept".to_owned()))?;
    let metainfo = Metainfo::parse(&bytes).map_err(|error| Some(error.to_string()))?;
    if metainfo.info_hash_v1 != Some(key.hash()) {
        return Err(Some("what was kept is another torrent".to_owned()));
    }
    let add = Add {
        priorities: row.priorities,
        trackers: row.trackers,
        sequential: row.sequential,
        adopt: row.adopt,
        rates: row.rates,
        paused: row.paused,
        torrent: Some(bytes),
        ..Add::to(state.dir(key))
    };
    let known = know(Some(state), &metainfo, &add).map(|known| Known { stored: true, ..known });
    session.add_known(Arc::new(metainfo), add, known).map_err(|error| match error {
        AddError::Duplicate => None,
        error => Some(error.to_string()),
    })
}
