//! Torrent files from elsewhere: from an address, or from a path on this machine. Whoever may speak
//! to the client names them, so neither may lead where that person could not look.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use toubkal_session::tracker::{HttpOptions, fetch};
use toubkal_wire::metainfo::METAINFO_BYTES_MAX;

use crate::client::Client;

/// For a whole torrent file over a slow line.
const TOTAL: Duration = Duration::from_secs(60);

impl Client {
    /// Fetches a torrent file from an http(s) address; blocks until it is there. An address of this
    /// computer or network is asked only when [`crate::Options::fetch_local`] says so.
    ///
    /// # Errors
    /// When it does not come, in words, without the address.
    pub fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let options = HttpOptions {
            total: TOTAL,
            body_max: METAINFO_BYTES_MAX,
            local: self.0.fetch_local,
            ..HttpOptions::default()
        };
        fetch(url, &options).map_err(|error| error.to_string())
    }

    /// Reads a torrent file that lies in a folder where torrents may lie.
    ///
    /// # Errors
    /// When it lies anywhere else, also by a link, is too long, or cannot be read; in words.
    pub fn read_torrent(&self, path: &Path) -> Result<Vec<u8>, String> {
        // What is elsewhere is not even told to be there or not.
        self.check_dir(path)?;
        let cannot = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
        let real = path.canonicalize().map_err(cannot)?;
        let downloads = self.settings().downloads;
        let mut folders = self.0.folders.iter().chain([&downloads]);
        let inside = |folder: &std::path::PathBuf| {
            folder.canonicalize().is_ok_and(|folder| real.starts_with(folder))
        };
        if !folders.any(inside) {
            return Err(format!("{} leads out of the folders that are allowed", path.display()));
        }
        if !real.metadata().map_err(cannot)?.is_file() {
            return Err(format!("{} is no file", path.display()));
        }
        let mut bytes = Vec::new();
        let limit = METAINFO_BYTES_MAX as u64 + 1;
        File::open(&real).map_err(cannot)?.take(limit).read_to_end(&mut bytes).map_err(cannot)?;
        match bytes.len() > METAINFO_BYTES_MAX {
            true => Err(format!("{} is too long for a torrent file", path.display())),
            false => Ok(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;
    use crate::Options;

    fn client(folder: &Path, fetch_local: bool) -> Client {
        let downloads = folder.join("downloads");
        fs::create_dir_all(&downloads).unwrap();
        let mut options = Options { fetch_local, ..Options::at(folder.join("db"), downloads) };
        (options.session.lan, options.session.dht) = (false, false);
        Client::start(options).unwrap()
    }

    #[test]
    fn an_address_of_this_computer_is_asked_only_when_that_is_allowed() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/a.torrent", server.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let strict = client(folder.path(), false);
        for url in [&*url, "http://localhost:1/", "http://10.0.0.1/", "http://[::1]/"] {
            let error = strict.fetch(url).unwrap_err();
            assert!(error.contains("this computer or network"), "{url}: {error}");
        }
        assert!(strict.fetch("ftp://example.org/a").is_err());
        strict.shutdown(Duration::ZERO);
        let answers = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").unwrap();
        });
        let free = client(folder.path(), true);
        assert_eq!(free.fetch(&url).unwrap(), b"abc");
        answers.join().unwrap();
        free.shutdown(Duration::ZERO);
    }

    #[cfg(unix)]
    #[test]
    fn a_torrent_file_is_read_from_the_allowed_folders_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = &folder.path().canonicalize().unwrap();
        let client = client(folder, false);
        let (inside, outside) = (folder.join("downloads/a.torrent"), folder.join("b.torrent"));
        fs::write(&inside, "inside").unwrap();
        fs::write(&outside, "outside").unwrap();
        let link = folder.join("downloads/link.torrent");
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        assert_eq!(client.read_torrent(&inside).unwrap(), b"inside");
        let around = folder.join("downloads/../b.torrent");
        for path in [&outside, &link, &around, &folder.join("downloads"), Path::new("a.torrent")] {
            assert!(client.read_torrent(path).is_err(), "{}", path.display());
        }
        client.shutdown(Duration::ZERO);
    }

    #[test]
    fn space_is_told_of_allowed_folders_and_of_those_above_them() {
        let folder = tempfile::tempdir().unwrap();
        let folder = &folder.path().canonicalize().unwrap();
        let client = client(folder, false);
        for path in ["downloads", "downloads/films/new", "", "/"] {
            assert!(client.space(&folder.join(path)).is_some(), "{path}");
        }
        for path in [&folder.join("other"), Path::new("/usr"), Path::new("downloads")] {
            assert_eq!(client.space(path), None, "{}", path.display());
        }
        client.shutdown(Duration::ZERO);
    }
}
