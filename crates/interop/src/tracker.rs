//! Trackers: opentracker, and Toubkal's own.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use crate::{Content, Host, Network, Process, toubkal};

/// A running tracker. It ends with its handle.
pub struct Tracker {
    process: Process,
    address: SocketAddr,
    /// How a request names the content: its info-hash, percent-encoded.
    query: String,
    host: Host,
    _folder: TempDir,
}

impl Tracker {
    /// Starts opentracker on a new host, for one content only.
    pub(crate) fn opentracker(net: &Network, content: &Content) -> Tracker {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        // Debian's is built to serve only torrents that it is told of.
        let list = folder.path().join("torrents");
        fs::write(&list, content.info_hash() + "\n").expect("a new folder is writable");
        // It refuses to be root, and can only become another user where there are others.
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-user=1000", "--map-group=1000", "--", "opentracker"]);
        command.arg("-d").arg(folder.path()).arg("-w").arg(&list);
        Tracker::start(net, content, folder, false, |address| {
            let (ip, port) = (address.ip().to_string(), address.port().to_string());
            command.args(["-i", &ip, "-p", &port, "-P", &port]);
            command
        })
    }

    /// Starts Toubkal as a tracker on a new host.
    ///
    /// # Panics
    ///
    /// When it does not listen.
    #[must_use]
    pub fn toubkal(net: &Network, content: &Content) -> Tracker {
        Tracker::own(net, content, false)
    }

    /// The same on the IPv6 address of its host: Debian's opentracker has none.
    ///
    /// # Panics
    ///
    /// When it does not listen.
    #[must_use]
    pub fn toubkal_v6(net: &Network, content: &Content) -> Tracker {
        Tracker::own(net, content, true)
    }

    fn own(net: &Network, content: &Content, v6: bool) -> Tracker {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        Tracker::start(net, content, folder, v6, |address| {
            let mut command = toubkal();
            command.arg("tracker").arg("--listen").arg(address.to_string());
            command
        })
    }

    fn start(
        net: &Network,
        content: &Content,
        folder: TempDir,
        v6: bool,
        command: impl FnOnce(SocketAddr) -> Command,
    ) -> Tracker {
        let host = net.host();
        let address = SocketAddr::new(if v6 { host.v6() } else { host.v4() }, 6969);
        let mut process = Process::start(&host, command(address), &folder.path().join("log"));
        process.until("it listens", || net.connects(address));
        let hash = content.info_hash();
        let digits = hash.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair));
        let query = digits.map(|pair| format!("%{pair}")).collect();
        Tracker { process, address, query, host, _folder: folder }
    }

    /// The address to announce to.
    #[must_use]
    pub fn announce(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// The same over UDP.
    #[must_use]
    pub fn udp_announce(&self) -> String {
        format!("udp://{}/announce", self.address)
    }

    /// Whether it is reached over IPv6, and over nothing else.
    #[must_use]
    pub fn is_v6(&self) -> bool {
        self.address.is_ipv6()
    }

    /// Waits until so many seeds have announced themselves.
    ///
    /// # Panics
    ///
    /// When they do not.
    pub fn until_seeds(&mut self, count: usize) {
        let (host, address, query) = (&self.host, self.address, &self.query);
        let wanted = format!("8:completei{count}e");
        self.process.until("seeds have announced themselves", || {
            // BEP 48: the number of complete peers.
            let request = format!("GET /scrape?info_hash={query} HTTP/1.0\r\n\r\n");
            let answer = host.run(move || ask(address, &request));
            answer.is_ok_and(|text| text.contains(&wanted))
        });
    }
}

/// One HTTP request.
fn ask(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
