//! The file of the database: made, opened, looked over, put aside when it is broken, copied.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use toubkal_core::engine::StoreErrorKind;

use super::schema;
use crate::paths::kind_of;

/// How long another process may hold the database.
const BUSY: Duration = Duration::from_secs(5);
/// Databases up to this are looked over page by page when they are opened, and copied.
const LOOK_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Between two copies.
const COPY_AGE: Duration = Duration::from_secs(24 * 3600);
/// Nothing takes so long to make.
const NEW_AGE: Duration = Duration::from_secs(3600);
/// Broken databases that are kept.
const BROKEN_MAX: u32 = 100;

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
    path: PathBuf,
    /// Which file it is: another may get its name.
    identity: Option<Identity>,
    pub(super) writable: bool,
}

/// Why there is no database.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no file.
    Absent,
    /// A newer program made it.
    Newer(i64),
    /// It is no database, or a broken one.
    Broken,
    /// The system does not let us.
    System(StoreErrorKind),
}

impl Database {
    /// Opens a database that is there, and looks it over.
    pub(super) fn open(path: &Path) -> Result<Self, Trouble> {
        if !path.exists() {
            return Err(Trouble::Absent);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match Self::open_as(path, flags, path.as_os_str()) {
            // On a read-only file system nothing can be put beside it; and nobody writes there.
            Err(Trouble::System(kind)) if kind != StoreErrorKind::Busy => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
                    | OpenFlags::SQLITE_OPEN_NO_MUTEX
                    | OpenFlags::SQLITE_OPEN_URI;
                let quiet = fs::metadata(beside(path, "-wal")).map_or(0, |it| it.len()) == 0;
                let uri = format!("file:{}?immutable=1", escape(path));
                match quiet.then(|| Self::open_as(path, flags, uri.as_ref())) {
                    Some(Ok(database)) => Ok(database),
                    _ => Err(Trouble::System(kind)),
                }
            }
            opened => opened,
        }
    }

    fn open_as(path: &Path, flags: OpenFlags, name: &std::ffi::OsStr) -> Result<Self, Trouble> {
        let quiet = ["-wal", "-journal"].iter().all(|end| !beside(path, end).exists());
        let identity = identity(path);
        let connection = Connection::open_with_flags(Path::new(name), flags).map_err(trouble)?;
        let version = tune(&connection).and_then(|()| schema::version(&connection));
        let version = version.map_err(trouble)?.ok_or(Trouble::Broken)?;
        if version > schema::VERSION {
            return Err(Trouble::Newer(version));
        }
        if !schema::is_whole(&connection, version).map_err(trouble)? {
            return Err(Trouble::Broken);
        }
        let writable = !connection.is_readonly("main").map_err(trouble)?;
        let database = Self { connection, path: path.to_path_buf(), identity, writable };
        if writable {
            database.set_mode().map_err(trouble)?;
        }
        database.look_over(quiet)?;
        if version < schema::VERSION {
            schema::migrate(&database.connection, writable).map_err(trouble)?;
        }
        Ok(database)
    }

    /// Makes a database, unless somebody was faster, and opens it. It gets its name when it is
    /// whole, so that nobody ever finds half of one. Its folder is made if need be, but no other.
    pub(super) fn create(path: &Path) -> Result<Self, Trouble> {
        let system = |error: io::Error| Trouble::System(kind_of(&error));
        let folder = folder_of(path);
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !folder.is_dir() => {
                return Err(system(error));
            }
            _ => {}
        }
        let new = beside(path, &format!(".new-{}-{:x}", std::process::id(), token()));
        let made = make(&new).and_then(|()| {
            // Whatever lies beside it belonged to another database.
            for end in ["-wal", "-shm", "-journal"] {
                if !path.exists() {
                    remove(&beside(path, end)).map_err(system)?;
                }
            }
            rename_new(&new, path).map_err(system)
        });
        let tidied = remove(&new).map_err(system);
        made?;
        tidied?;
        sync_folder(folder);
        Self::open(path)
    }

    fn set_mode(&self) -> rusqlite::Result<()> {
        let wal: String =
            self.connection
                .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        // With a log, a commit survives the end of the program without a sync; where there can
        // be none (some network file systems), only with one.
        let level = if wal.eq_ignore_ascii_case("wal") { "normal" } else { "full" };
        self.connection.pragma_update(None, "synchronous", level)
    }

    /// Finds what was cut or overwritten.
    fn look_over(&self, quiet: bool) -> Result<(), Trouble> {
        let number = |name| {
            let ask = self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            ask.map(i64::unsigned_abs).map_err(trouble)
        };
        let bytes = number("page_count")?.saturating_mul(number("page_size")?);
        let length = fs::metadata(&self.path).map(|it| it.len()).unwrap_or_default();
        // What is in a log beside it is not in the file yet.
        let logged = fs::metadata(beside(&self.path, "-wal")).map_or(0, |it| it.len());
        if quiet && length != bytes && logged == 0 {
            return Err(Trouble::Broken);
        }
        if bytes <= LOOK_BYTES_MAX {
            let look = self
                .connection
                .pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0));
            if look.map_err(trouble)? != "ok" {
                return Err(Trouble::Broken);
            }
        }
        Ok(())
    }

    /// Whether the file still has its name.
    pub(super) fn is_there(&self) -> bool {
        self.path.exists() && identity(&self.path) == self.identity
    }

    /// Makes a copy, when the last one is a day old. Nothing is lost when that fails.
    pub(super) fn copy(&self) {
        tidy(&self.path);
        let copy = copy_of(&self.path);
        let fresh = fs::metadata(&copy)
            .and_then(|it| it.modified())
            .is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age < COPY_AGE));
        let length = fs::metadata(&self.path).map_or(u64::MAX, |it| it.len());
        if fresh || !self.writable || length > LOOK_BYTES_MAX || !self.is_there() {
            return;
        }
        let new = beside(&copy, &format!(".new-{:x}", token()));
        let name = new.to_string_lossy();
        let copied = self.connection.execute("VACUUM INTO ?1", [&*name]).is_ok();
        if copied && File::open(&new).and_then(|file| file.sync_all()).is_ok() {
            // There is no better place to say that this failed than the missing copy.
            let _ = fs::rename(&new, &copy);
            sync_folder(folder_of(&copy));
        }
        let _ = remove(&new);
    }
}

/// Removes what a program that was killed was just making, an hour ago or more.
fn tidy(path: &Path) {
    let Some(name) = path.file_name().map(std::ffi::OsStr::to_string_lossy) else { return };
    for entry in fs::read_dir(folder_of(path)).into_iter().flatten().flatten() {
        let made = entry.file_name();
        let made = made.to_string_lossy();
        let rest = made.strip_prefix(&*name).unwrap_or_default();
        let is_new = rest.starts_with(".new-") || rest.starts_with(".copy.new-");
        let age = entry.metadata().and_then(|it| it.modified()).ok();
        let age = age.and_then(|at| SystemTime::now().duration_since(at).ok());
        if is_new && age.is_some_and(|age| age > NEW_AGE) {
            let _ = remove(&entry.path());
        }
    }
}

/// Puts a broken database aside; says where it is now. `None` when it has gone meanwhile.
pub(super) fn put_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    let place = |number| beside(path, &format!(".broken-{number}"));
    let free = (1..BROKEN_MAX).map(place).find(|place| !place.exists());
    let place = free.unwrap_or_else(|| place(BROKEN_MAX));
    // The log first: it must never be taken for that of the next database.
    for end in ["-wal", "-journal"] {
        let (from, mut to) = (beside(path, end), place.clone().into_os_string());
        to.push(end);
        if from.exists() {
            fs::rename(from, to)?;
        }
    }
    remove(&beside(path, "-shm"))?;
    match fs::rename(path, &place) {
        Ok(()) => Ok(Some(place)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Brings back the last copy, if there is a good one. What was held when the copy was made is
/// believed only where the torrent rested, and then only for files that are as they were.
pub(super) fn bring_back(path: &Path) -> Option<Database> {
    let copy = copy_of(path);
    let new = beside(path, &format!(".new-{:x}", token()));
    let brought = || -> Result<(), Trouble> {
        let system = |error: io::Error| Trouble::System(kind_of(&error));
        fs::copy(&copy, &new).map_err(system)?;
        let database = Database::open(&new)?;
        database.connection.execute("DELETE FROM pieces WHERE rest = 0", []).map_err(trouble)?;
        database.connection.execute("UPDATE pieces SET boot = NULL", []).map_err(trouble)?;
        drop(database);
        File::open(&new).and_then(|file| file.sync_all()).map_err(system)?;
        rename_new(&new, path).map_err(system)
    };
    let brought = copy.exists() && brought().is_ok();
    for end in ["", "-wal", "-shm"] {
        let _ = remove(&beside(&new, end));
    }
    if brought { Database::open(path).ok() } else { None }
}

/// Why something with the database failed, in the engine's words.
pub(super) fn kind(error: &rusqlite::Error) -> StoreErrorKind {
    let rusqlite::Error::SqliteFailure(failure, _) = error else { return StoreErrorKind::Changed };
    match failure.code {
        ErrorCode::DiskFull => StoreErrorKind::Full,
        ErrorCode::PermissionDenied | ErrorCode::ReadOnly => StoreErrorKind::Denied,
        ErrorCode::CannotOpen => StoreErrorKind::Denied,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreErrorKind::Busy,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreErrorKind::Changed,
        _ => StoreErrorKind::Other(failure.extended_code),
    }
}

/// Whether an error says that the database is broken.
pub(super) fn is_broken(error: &rusqlite::Error) -> bool {
    kind(error) == StoreErrorKind::Changed && !matches!(error, rusqlite::Error::QueryReturnedNoRows)
}

#[expect(clippy::needless_pass_by_value, reason = "so that it fits map_err")]
fn trouble(error: rusqlite::Error) -> Trouble {
    match is_broken(&error) {
        true => Trouble::Broken,
        false => Trouble::System(kind(&error)),
    }
}

fn tune(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    // It may lie in a folder where strangers' files are.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

fn make(new: &Path) -> Result<(), Trouble> {
    let connection = Connection::open(new).map_err(trouble)?;
    connection.pragma_update(None, "synchronous", "full").map_err(trouble)?;
    schema::make(&connection).map_err(trouble)
}

/// Gives a database its name, unless there is one.
fn rename_new(new: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(new, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Ok(()) => Ok(()),
        // A file system without hard links.
        Err(_) if !path.exists() => fs::rename(new, path),
        Err(_) => Ok(()),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The folder of the database.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `NAME` with an end.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_os_string();
    name.push(end);
    name.into()
}

fn copy_of(path: &Path) -> PathBuf {
    beside(path, ".copy")
}

/// A path in an address.
fn escape(path: &Path) -> String {
    let text = path.to_string_lossy();
    #[cfg(windows)]
    let text = format!("/{}", text.replace('\\', "/"));
    text.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// A name that no other thread takes.
fn token() -> u64 {
    let mut bytes = [0; 8];
    // Without chance, the process number beside it must do.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(unix)]
type Identity = (u64, u64);
#[cfg(not(unix))]
type Identity = ();

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|it| (it.dev(), it.ino()))
}

/// A file that is open cannot lose its name there.
#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    path.exists().then_some(())
}

/// Brings the names in a folder to the disk, where that can be done.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    {
        // What is not there after a power cut is made again.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    #[cfg(not(unix))]
    let _ = folder;
}
