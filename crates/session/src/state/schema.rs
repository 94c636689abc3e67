//! The tables, and their version.

use rusqlite::{Connection, OptionalExtension, Result, Transaction, TransactionBehavior};

/// The version of the tables below. A program that finds a higher one leaves the database alone.
pub(super) const VERSION: i64 = 3;

/// "Tbkl": says whose database it is.
pub(super) const APPLICATION: i64 = 0x5462_6b6c;

/// `meta` must stay as it is in every version: it is read before the version is known.
const TABLES: &str = "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;
-- What was added, and how it is to be worked on.
CREATE TABLE torrents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL,        -- SHA-1 of the info dictionary
    folder BLOB NOT NULL,      -- the download folder, seen from that of the database if it can be
    metainfo BLOB,             -- the torrent file, when the program gave it
    priorities BLOB,           -- a byte a file; NULL: everything, as usual
    trackers BLOB,             -- instead of those of the torrent: a bencoded list of lists
    sequential INTEGER NOT NULL,
    adopt INTEGER NOT NULL,
    down INTEGER,              -- bytes a second
    up INTEGER,
    paused INTEGER NOT NULL,
    added INTEGER NOT NULL,    -- seconds since 1970
    UNIQUE (hash, folder)
);
-- What is held: the last record of the engine.
CREATE TABLE pieces (
    torrent INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    verified BLOB NOT NULL,    -- a bit a piece
    synced BLOB NOT NULL,
    boot BLOB,                 -- the run of the system
    rest INTEGER NOT NULL,
    doubt INTEGER NOT NULL,
    sum BLOB NOT NULL          -- over the columns above
);
-- How files were when that was so.
CREATE TABLE files (
    torrent INTEGER NOT NULL,
    file INTEGER NOT NULL,     -- index; 4294967295: the hidden file of edges
    whole INTEGER NOT NULL,    -- under its final name, or its temporary one
    length INTEGER NOT NULL,
    modified INTEGER,          -- nanoseconds since 1970
    PRIMARY KEY (torrent, file)
) WITHOUT ROWID;
-- Bytes of payload; torrent 0 is the session with all torrents that it ever had.
CREATE TABLE statistics (
    torrent INTEGER PRIMARY KEY,
    downloaded INTEGER NOT NULL,
    uploaded INTEGER NOT NULL,
    wasted INTEGER NOT NULL
);
CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
";

/// What came with version 2: torrents that are whole and at rest, as much of each as has to be
/// known until somebody asks for it. A start reads this table alone.
const RESTING: &str = "
CREATE TABLE resting (
    torrent INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    folder BLOB NOT NULL,
    pieces INTEGER NOT NULL,
    bytes INTEGER NOT NULL,    -- padding left out
    downloaded INTEGER NOT NULL,
    uploaded INTEGER NOT NULL,
    wasted INTEGER NOT NULL,
    trackers BLOB              -- those that are used, as in torrents; NULL: none
);
";

/// What came with version 3: what programs keep of torrents beside all that.
const NOTES: &str = "
CREATE TABLE notes (
    torrent INTEGER PRIMARY KEY,
    note BLOB NOT NULL
);
";

/// What came when: whoever has an earlier version lacks these tables.
const ADDED: [(i64, &str); 2] = [(2, RESTING), (3, NOTES)];

/// Brings a database of an earlier version to ours. One that cannot be written is left as it is,
/// with tables for this connection alone.
pub(super) fn migrate(connection: &Connection, writable: bool) -> Result<()> {
    if !writable {
        let tables = since(version(connection)?.unwrap_or(VERSION));
        return connection.execute_batch(&tables.replace("CREATE TABLE", "CREATE TEMP TABLE"));
    }
    let behavior = TransactionBehavior::Immediate;
    let change = Transaction::new_unchecked(connection, behavior)?;
    // Another session may have been faster: then nothing is missing.
    if let Some(before) = version(&change)?
        && before < VERSION
    {
        change.execute_batch(&since(before))?;
        change.execute("UPDATE meta SET value = ?1 WHERE key = 'version'", [VERSION])?;
    }
    change.commit()
}

/// The tables that came after a version.
fn since(version: i64) -> String {
    ADDED.iter().filter(|(from, _)| *from > version).map(|(_, tables)| *tables).collect()
}

/// Makes the tables of an empty database.
pub(super) fn make(connection: &Connection) -> Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.execute_batch(&format!("BEGIN; {TABLES} {} COMMIT;", since(1)))?;
    connection.execute("INSERT INTO meta VALUES ('version', ?1)", [VERSION])?;
    Ok(())
}

/// Whether the tables are those of a version, and no others.
pub(super) fn is_whole(connection: &Connection, version: i64) -> Result<bool> {
    let tables = |connection: &Connection| -> Result<Vec<(String, Option<String>)>> {
        let mut ask = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?;
        ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let ours = Connection::open_in_memory()?;
    make(&ours)?;
    for (table, from) in [("resting", 2), ("notes", 3)] {
        if version < from {
            ours.execute_batch(&format!("DROP TABLE {table}"))?;
        }
    }
    Ok(tables(connection)? == tables(&ours)?)
}

/// The version of the tables that are there; `None` when it is no database of ours.
pub(super) fn version(connection: &Connection) -> Result<Option<i64>> {
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION {
        return Ok(None);
    }
    let mut ask = connection.prepare("SELECT value FROM meta WHERE key = 'version'")?;
    Ok(ask.query_row([], |row| row.get(0)).optional()?.filter(|version| *version > 0))
}
