//! A tracker that answers at once, with the peers it was told of: what is measured is not how long
//! a tracker thinks.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::Host;

/// A running tracker.
pub(super) struct Announce {
    address: SocketAddr,
    peers: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Announce {
    /// Starts on a host. The thread ends with the process.
    pub(super) fn start(host: &Host) -> Result<Announce, String> {
        let address = SocketAddr::new(host.v4(), 6969);
        let listener = host.run(move || TcpListener::bind(address));
        let listener = listener.map_err(|error| format!("no tracker on {address}: {error}"))?;
        let peers = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&peers);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let peers = told.lock().expect("no thread panics with it").clone();
                // A client that goes away needs no answer.
                let _ = answer(stream, &peers);
            }
        });
        Ok(Announce { address, peers })
    }

    /// The address to announce to.
    pub(super) fn url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// The peers that everybody is told of from now on.
    pub(super) fn tell(&self, peers: Vec<SocketAddr>) {
        *self.peers.lock().expect("no thread panics with it") = peers;
    }
}

fn answer(mut stream: TcpStream, peers: &[SocketAddr]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 4096];
        match stream.read(&mut part)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&part[..read]),
        }
    }
    let body = body(peers);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(&body)
}

/// BEP 23: a compact answer.
fn body(peers: &[SocketAddr]) -> Vec<u8> {
    let mut list = Vec::new();
    for peer in peers {
        if let IpAddr::V4(ip) = peer.ip() {
            list.extend(ip.octets());
            list.extend(peer.port().to_be_bytes());
        }
    }
    let counts = "8:completei1e10:incompletei0e8:intervali1800e";
    let mut body = format!("d{counts}5:peers{}:", list.len()).into_bytes();
    body.extend(list);
    body.push(b'e');
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_told_in_six_bytes_each() {
        let peer = SocketAddr::from(([10, 77, 0, 1], 0x1ae1));
        let told = b"5:peers6:\x0a\x4d\x00\x01\x1a\xe1e";
        assert!(body(&[peer]).ends_with(told));
    }
}
