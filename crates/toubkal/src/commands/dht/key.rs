//! The file that holds the key of a publisher.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use toubkal_session::dht::public_key;

use crate::exit::{Exit, Failure};
use crate::text;

/// More than any key has.
const FILE_BYTES_MAX: u64 = 4096;

/// The seed of an Ed25519 key, which is never shown.
pub(crate) struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// Reads the key in a file, or makes one that only its owner may read.
    ///
    /// # Errors
    /// When the file holds something else, may be read by others, or cannot be made.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        match File::open(path) {
            Ok(file) => Self::read(path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(path),
            Err(error) => Err(Failure::io("read", path, &error)),
        }
    }

    /// For whoever signs.
    pub(crate) fn seed(&self) -> [u8; 32] {
        self.0
    }

    /// What others know it by.
    pub(crate) fn public(&self) -> [u8; 32] {
        public_key(&self.0)
    }

    fn read(path: &Path, file: File) -> Result<Self, Failure> {
        let mut content = String::new();
        let meta = file.metadata().map_err(|error| Failure::io("read", path, &error))?;
        is_ours_alone(path, &meta)?;
        let read = file.take(FILE_BYTES_MAX).read_to_string(&mut content);
        let seed = text::unhex(content.trim()).and_then(|bytes| bytes.try_into().ok());
        read.ok().and(seed).map(Self).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("{} is no key", path.display()))
                .cause("a key is a line of 64 hexadecimal digits")
                .tip("name a file that is not there, and a key is made")
        })
    }

    fn make(path: &Path) -> Result<Self, Failure> {
        let mut seed = [0; 32];
        let chance = toubkal_session::dht::random(&mut seed);
        chance.map_err(|error| Failure::io("make", path, &error))?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let written = options.open(path).and_then(|mut file| {
            let write = writeln!(file, "{}", text::hex(&seed)).and_then(|()| file.sync_all());
            write.inspect_err(|_| _ = fs::remove_file(path))
        });
        written.map_err(|error| Failure::io("write", path, &error))?;
        Ok(Self(seed))
    }
}

/// A key that others can read is not one person's any more.
#[cfg(unix)]
fn is_ours_alone(path: &Path, meta: &fs::Metadata) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    if meta.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(Failure::new(Exit::NotWritable, format!("the key {} is not used", path.display()))
        .cause("others on this machine may read it")
        .tip(format!("chmod 600 {}", path.display())))
}

/// The folder of a person is their own here.
#[cfg(not(unix))]
fn is_ours_alone(_: &Path, _: &fs::Metadata) -> Result<(), Failure> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let made = Secret::open(&path).unwrap();
        assert_eq!(Secret::open(&path).unwrap().public(), made.public());
        assert!(!format!("{made:?}").contains(&text::hex(&made.seed())));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(Secret::open(&path).unwrap_err().tip.unwrap().starts_with("chmod 600"));
        }
    }

    #[test]
    fn a_file_that_is_no_key_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "my diary").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        assert!(Secret::open(&path).unwrap_err().what.contains("is no key"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "my diary");
    }
}
