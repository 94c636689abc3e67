//! The rows: what is written into them, and what is read out of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, Row as Columns, params};
use toubkal_core::base::Bitset;
use toubkal_core::engine::{Priority, Rates, Record, Totals};
use toubkal_wire::layout::PIECES_MAX;
use toubkal_wire::metainfo::Metainfo;

use super::record::{self, Broken, Pieces};
use super::{Key, trust};
use crate::store::{Left, Marks};

/// How a torrent is to be worked on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// The torrent file, when the program gave it.
    pub(crate) metainfo: Option<Arc<[u8]>>,
    pub(crate) priorities: Option<Vec<Priority>>,
    pub(crate) trackers: Option<Vec<Vec<String>>>,
    pub(crate) sequential: bool,
    pub(crate) adopt: bool,
    pub(crate) rates: Rates,
    pub(crate) paused: bool,
    /// When it was added first, in seconds since 1970.
    pub(crate) added: u64,
    /// What the program keeps of it, when that is to be written.
    pub(crate) note: Option<Arc<[u8]>>,
}

/// What else has to be known of a torrent that may come to rest.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    /// Its bytes, padding left out.
    pub(crate) bytes: u64,
    /// Those that are used, in tiers.
    pub(crate) trackers: Vec<Vec<String>>,
}

impl Row {
    /// How many files the torrent has.
    pub(crate) fn files(&self) -> Option<usize> {
        let metainfo = Metainfo::parse(self.metainfo.as_ref()?).ok()?;
        Some(metainfo.file_count())
    }

    /// Whether a start may take it for dormant once it is whole and at rest: it runs, all of it is
    /// wanted, and what belongs to it can be had again.
    pub(crate) fn may_rest(&self) -> bool {
        let all = |priorities: &Vec<Priority>| !priorities.contains(&Priority::Skip);
        !self.paused && self.metainfo.is_some() && self.priorities.as_ref().is_none_or(all)
    }
}

/// What is known of a torrent from an earlier life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Past {
    pub(crate) record: Record,
    pub(crate) same_boot: bool,
    pub(crate) left: Left,
}

/// The row of a torrent, when there is one.
pub(super) fn find(db: &Connection, key: &Key) -> Result<Option<i64>> {
    let mut find = db.prepare_cached("SELECT id FROM torrents WHERE hash = ?1 AND folder = ?2")?;
    find.query_row(params![key.hash, &*key.folder], |row| row.get(0)).optional()
}

/// Writes how a torrent is to be worked on; when it was added first, and its file, stay.
pub(super) fn put(db: &Connection, key: &Key, row: &Row) -> Result<i64> {
    let sql = "
        INSERT INTO torrents (hash, folder, metainfo, priorities, trackers, sequential, adopt,
            down, up, paused, added)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT (hash, folder) DO UPDATE SET
            metainfo = coalesce(excluded.metainfo, metainfo), priorities = excluded.priorities,
            trackers = excluded.trackers, sequential = excluded.sequential,
            adopt = excluded.adopt, down = excluded.down, up = excluded.up,
            paused = excluded.paused
        RETURNING id";
    let rate = |rate: Option<u64>| rate.map(record::number);
    let values = params![
        key.hash,
        &*key.folder,
        row.metainfo.as_deref(),
        row.priorities.as_deref().map(record::priorities_of),
        row.trackers.as_deref().map(record::trackers_of),
        row.sequential,
        row.adopt,
        rate(row.rates.down),
        rate(row.rates.up),
        row.paused,
        record::number(row.added),
    ];
    let id = db.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
    if let Some(note) = &row.note {
        put_note(db, id, note)?;
    }
    // Whether it may still be taken for dormant is for the next record to say.
    put_rest(db, id, key, None)?;
    Ok(id)
}

/// Writes a record, and how files are.
pub(super) fn put_record(db: &Connection, id: i64, it: &Record, marks: &Marks) -> Result<()> {
    if !marks.all && rests(db, id)? {
        db.execute("DELETE FROM files WHERE torrent = ?1 AND whole = 0", [id])?;
    }
    let row = Pieces::of(it, trust::boot());
    put_pieces(db, id, &row)?;
    put_marks(db, id, marks)
}

fn rests(db: &Connection, id: i64) -> Result<bool> {
    let mut ask = db.prepare_cached("SELECT rest FROM pieces WHERE torrent = ?1")?;
    Ok(ask.query_row([id], |row| row.get::<_, i64>(0)).optional()?.is_some_and(|rest| rest != 0))
}

fn put_pieces(db: &Connection, id: i64, row: &Pieces) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO pieces VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let Pieces { count, verified, synced, boot, rest, doubt, sum } = row;
    let values = params![id, count, verified, synced, boot, rest, doubt, sum];
    db.prepare_cached(sql)?.execute(values).map(drop)
}

/// Writes how files are.
pub(super) fn put_marks(db: &Connection, id: i64, marks: &Marks) -> Result<()> {
    if marks.all {
        db.execute("DELETE FROM files WHERE torrent = ?1", [id])?;
    }
    let mut put = db.prepare_cached("INSERT OR REPLACE INTO files VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let mut drop = db.prepare_cached("DELETE FROM files WHERE torrent = ?1 AND file = ?2")?;
    for (file, mark) in &marks.changes {
        match mark {
            Some(mark) => {
                let (whole, length, modified) = record::mark_of(mark);
                put.execute(params![id, file, whole, length, modified])?;
            }
            None => _ = drop.execute(params![id, file])?,
        }
    }
    Ok(())
}

/// Adds what was transferred since the last time to the torrent's counts, and to the session's.
pub(super) fn add_totals(db: &Connection, id: i64, before: Totals, now: Totals) -> Result<()> {
    let sql = "
        INSERT INTO statistics VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (torrent) DO UPDATE SET downloaded = downloaded + excluded.downloaded,
            uploaded = uploaded + excluded.uploaded, wasted = wasted + excluded.wasted";
    let since = |before: u64, now: u64| record::number(now.saturating_sub(before));
    let mut add = db.prepare_cached(sql)?;
    for torrent in [id, 0] {
        add.execute(params![
            torrent,
            since(before.downloaded, now.downloaded),
            since(before.uploaded, now.uploaded),
            since(before.wasted, now.wasted),
        ])?;
    }
    Ok(())
}

/// What was transferred; of torrent 0, by all.
pub(super) fn get_totals(db: &Connection, id: i64) -> Result<Totals> {
    let sql = "SELECT downloaded, uploaded, wasted FROM statistics WHERE torrent = ?1";
    let columns = |row: &Columns<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?]);
    let values = db.prepare_cached(sql)?.query_row([id], columns).optional()?;
    // Counts that make no sense are no reason to check anything.
    Ok(values.and_then(|values| record::totals(values).ok()).unwrap_or_default())
}

/// Of what is recorded, these pieces count no more, and no part as it was left.
pub(super) fn stir(db: &Connection, id: i64, suspect: Option<&Bitset>) -> Result<()> {
    let Some(row) = get_pieces(db, id)? else { return Ok(()) };
    let pieces = u32::try_from(row.count).unwrap_or(0);
    let cut = |set: &Bitset| match suspect {
        Some(suspect) if suspect.len() == set.len() => {
            let mut left = Bitset::new(set.len());
            set.minus(suspect).for_each(|piece| _ = left.set(piece));
            left
        }
        Some(_) => Bitset::new(set.len()),
        None => set.clone(),
    };
    let Ok(old) = row.record(pieces, Totals::default()) else {
        db.execute("DELETE FROM pieces WHERE torrent = ?1", [id])?;
        return Ok(());
    };
    let (verified, synced) = (cut(&old.verified), cut(&old.synced));
    // Recorded in this run of the system or at rest: then it is as good as made now.
    let boot = if old.rest { trust::boot() } else { row.boot.as_deref() };
    let new = Pieces::of(&Record { verified, synced, rest: false, ..old }, boot);
    if new != row {
        put_pieces(db, id, &new)?;
        db.execute("DELETE FROM files WHERE torrent = ?1 AND whole = 0", [id])?;
    }
    Ok(())
}

/// Forgets a torrent; what it transferred stays in the session's counts.
pub(super) fn forget(db: &Connection, key: &Key) -> Result<()> {
    let Some(id) = find(db, key)? else { return Ok(()) };
    for table in ["pieces", "files", "statistics", "resting", "notes"] {
        db.execute(&format!("DELETE FROM {table} WHERE torrent = ?1"), [id])?;
    }
    db.execute("DELETE FROM torrents WHERE id = ?1", [id]).map(drop)
}

/// What is known of a torrent with so many pieces and files.
pub(super) fn past(db: &Connection, key: &Key, pieces: u32, files: u32) -> Result<Option<Past>> {
    let Some(id) = find(db, key)? else { return Ok(None) };
    let totals = get_totals(db, id)?;
    let Some(row) = get_pieces(db, id)? else {
        return Ok(Some(nothing(pieces, totals)));
    };
    let Ok(record) = row.record(pieces, totals) else {
        return Ok(Some(nothing(pieces, totals)));
    };
    let marks = get_marks(db, id, files)?;
    let same_boot = trust::same_boot(row.boot.as_deref());
    let left = Left { rest: record.rest, marks };
    Ok(Some(Past { record, same_boot, left }))
}

/// Of a torrent that is known by its counts alone.
fn nothing(pieces: u32, totals: Totals) -> Past {
    let none = Bitset::new(pieces.min(PIECES_MAX));
    let (verified, synced) = (none.clone(), none);
    let record = Record { verified, synced, rest: true, doubt: false, totals };
    Past { record, same_boot: false, left: Left { rest: true, ..Left::default() } }
}

fn get_pieces(db: &Connection, id: i64) -> Result<Option<Pieces>> {
    let sql = "SELECT count, verified, synced, boot, rest, doubt, sum FROM pieces
        WHERE torrent = ?1";
    let columns = |row: &Columns<'_>| {
        Ok(Pieces {
            count: row.get(0)?,
            verified: row.get(1)?,
            synced: row.get(2)?,
            boot: row.get(3)?,
            rest: row.get(4)?,
            doubt: row.get(5)?,
            sum: row.get(6)?,
        })
    };
    db.prepare_cached(sql)?.query_row([id], columns).optional()
}

/// A mark that makes no sense is none: then the file counts as changed.
fn get_marks(db: &Connection, id: i64, files: u32) -> Result<BTreeMap<u32, crate::store::Mark>> {
    let sql = "SELECT file, whole, length, modified FROM files WHERE torrent = ?1";
    let mut ask = db.prepare_cached(sql)?;
    let mut rows = ask.query([id])?;
    let mut marks = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let file: i64 = row.get(0)?;
        let mark = record::mark(row.get(1)?, row.get(2)?, row.get(3)?);
        let known = |file: &u32| *file < files || *file == u32::MAX;
        if let (Some(file), Ok(mark)) = (u32::try_from(file).ok().filter(known), mark) {
            marks.insert(file, mark);
        }
    }
    Ok(marks)
}

/// The keys of all torrents that are not at rest, with the numbers of their rows.
pub(super) fn all(db: &Connection) -> Result<Vec<(i64, Key)>> {
    // An index holds all that is asked for: rows are long, the torrent file is in them.
    let mut ask = db.prepare_cached(
        "SELECT id, hash, folder FROM torrents INDEXED BY sqlite_autoindex_torrents_1
        WHERE NOT EXISTS (SELECT 1 FROM resting WHERE torrent = id)",
    )?;
    let key = |row: &Columns<'_>| {
        let (hash, folder): (_, Vec<u8>) = (row.get(1)?, row.get(2)?);
        Ok((row.get(0)?, Key { hash, folder: folder.into() }))
    };
    let mut keys: Vec<(i64, Key)> = ask.query_map([], key)?.collect::<Result<_>>()?;
    keys.sort_unstable_by_key(|(id, _)| *id);
    Ok(keys)
}

/// A torrent at rest, from its row.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    /// The number of its row: in this order torrents were added.
    pub(crate) number: i64,
    pub(crate) key: Arc<Key>,
    pub(crate) pieces: u32,
    pub(crate) bytes: u64,
    pub(crate) totals: Totals,
    /// It has trackers.
    pub(crate) tracked: bool,
}

/// All torrents at rest. A row that makes no sense is passed over: its torrent is then brought
/// back as one that is not at rest.
pub(super) fn resting(db: &Connection) -> Result<Vec<Rest>> {
    let mut ask = db.prepare_cached(
        "SELECT torrent, hash, folder, pieces, bytes, downloaded, uploaded, wasted,
        trackers IS NOT NULL FROM resting ORDER BY torrent",
    )?;
    let mut rows = ask.query([])?;
    let mut all: Vec<Rest> = Vec::new();
    while let Some(row) = rows.next()? {
        let hash: Option<[u8; 20]> =
            row.get_ref(1)?.as_blob().ok().and_then(|it| it.try_into().ok());
        let folder = row.get_ref(2)?.as_blob().unwrap_or_default();
        let pieces = u32::try_from(row.get::<_, i64>(3)?).ok();
        let pieces = pieces.filter(|pieces| (1..=PIECES_MAX).contains(pieces));
        let totals = record::totals([row.get(5)?, row.get(6)?, row.get(7)?]);
        let bytes = record::count(row.get(4)?);
        let (Some(hash), Some(pieces), Ok(bytes), Ok(totals)) = (hash, pieces, bytes, totals)
        else {
            continue;
        };
        // Many are in the same folder.
        let last = all.last().map(|last| &last.key.folder);
        let folder = last.filter(|last| ***last == *folder).cloned();
        let folder = folder.unwrap_or_else(|| {
            row.get_ref(2).map_or(&[][..], |it| it.as_blob().unwrap_or_default()).into()
        });
        let key = Arc::new(Key { hash, folder });
        let (number, tracked) = (row.get(0)?, row.get(8)?);
        all.push(Rest { number, key, pieces, bytes, totals, tracked });
    }
    Ok(all)
}

/// Writes that a torrent is at rest, or is not any more.
pub(super) fn put_rest(
    db: &Connection,
    id: i64,
    key: &Key,
    rest: Option<(&Whole, &Record)>,
) -> Result<()> {
    let Some((whole, record)) = rest else {
        let mut drop = db.prepare_cached("DELETE FROM resting WHERE torrent = ?1")?;
        return drop.execute([id]).map(std::mem::drop);
    };
    let sql = "INSERT OR REPLACE INTO resting VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let tracked = whole.trackers.iter().any(|tier| !tier.is_empty());
    let Totals { downloaded, uploaded, wasted } = record.totals;
    let values = params![
        id,
        key.hash,
        &*key.folder,
        record.verified.len(),
        record::number(whole.bytes),
        record::number(downloaded),
        record::number(uploaded),
        record::number(wasted),
        tracked.then(|| record::trackers_of(&whole.trackers)),
    ];
    db.prepare_cached(sql)?.execute(values).map(std::mem::drop)
}

/// The trackers of a torrent at rest.
pub(super) fn rest_trackers(db: &Connection, key: &Key) -> Result<Vec<Vec<String>>> {
    let Some(id) = find(db, key)? else { return Ok(Vec::new()) };
    let mut ask = db.prepare_cached("SELECT trackers FROM resting WHERE torrent = ?1")?;
    let bytes: Option<Option<Vec<u8>>> = ask.query_row([id], |row| row.get(0)).optional()?;
    if let Some(bytes) = bytes {
        return Ok(bytes.and_then(|bytes| record::trackers(&bytes).ok()).unwrap_or_default());
    }
    // It was changed since it came to rest: then what is wanted of it says which they are.
    let row = get(db, key)?;
    let own = |row: Row| Some(Metainfo::parse(&row.metainfo?).ok()?.trackers);
    Ok(row.and_then(|row| row.trackers.clone().or_else(|| own(row))).unwrap_or_default())
}

/// How a torrent is to be worked on.
pub(super) fn get(db: &Connection, key: &Key) -> Result<Option<Row>> {
    let sql = "SELECT metainfo, priorities, trackers, sequential, adopt, down, up, paused, added
        FROM torrents WHERE hash = ?1 AND folder = ?2";
    let read = |row: &Columns<'_>| {
        let bytes = |column| row.get::<_, Option<Vec<u8>>>(column);
        let flag = |column| record::flag(row.get(column)?).map_err(|it| wrong(column, it));
        let rates = record::rates([row.get(5)?, row.get(6)?]).map_err(|it| wrong(5, it))?;
        let priorities = bytes(1)?.map(|bytes| record::priorities(&bytes)).transpose();
        let trackers = bytes(2)?.map(|bytes| record::trackers(&bytes)).transpose();
        Ok(Row {
            metainfo: bytes(0)?.map(Into::into),
            priorities: priorities.map_err(|it| wrong(1, it))?,
            trackers: trackers.map_err(|it| wrong(2, it))?,
            sequential: flag(3)?,
            adopt: flag(4)?,
            rates,
            paused: flag(7)?,
            added: record::count(row.get(8)?).map_err(|it| wrong(8, it))?,
            note: None,
        })
    };
    db.prepare_cached(sql)?.query_row(params![key.hash, &*key.folder], read).optional()
}

fn wrong(column: usize, broken: Broken) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, broken.0.into())
}

/// What programs keep of torrents.
pub(super) fn notes(db: &Connection) -> Result<Vec<(Key, Arc<[u8]>)>> {
    let mut ask = db.prepare_cached(
        "SELECT hash, folder, note FROM notes JOIN torrents ON id = torrent ORDER BY torrent",
    )?;
    let note = |row: &Columns<'_>| {
        let (hash, folder, note): (_, Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((Key { hash, folder: folder.into() }, note.into()))
    };
    ask.query_map([], note)?.collect()
}

/// Writes what a program keeps of a torrent.
pub(super) fn put_note(db: &Connection, id: i64, note: &[u8]) -> Result<()> {
    let mut put = db.prepare_cached("INSERT OR REPLACE INTO notes VALUES (?1, ?2)")?;
    put.execute(params![id, note]).map(drop)
}

/// A setting.
pub(super) fn setting(db: &Connection, key: &str) -> Result<Option<String>> {
    let mut ask = db.prepare_cached("SELECT value FROM settings WHERE key = ?1")?;
    ask.query_row([key], |row| row.get(0)).optional()
}

/// Writes a setting, or removes it.
pub(super) fn put_setting(db: &Connection, key: &str, value: Option<&str>) -> Result<()> {
    match value {
        Some(value) => {
            db.execute("INSERT OR REPLACE INTO settings VALUES (?1, ?2)", [key, value]).map(drop)
        }
        None => db.execute("DELETE FROM settings WHERE key = ?1", [key]).map(drop),
    }
}
