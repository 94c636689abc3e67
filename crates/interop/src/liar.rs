//! A peer that gives false metadata (BEP 9). No program does, and the worst of them do.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::peer::PORT;
use crate::{Content, Host, Network};

/// How we call messages with metadata.
const OURS: u8 = 3;
/// Bytes of a block of metadata.
const BLOCK: usize = 16 * 1024;

/// A liar on a host of its own. It stays until the process ends.
pub struct Liar {
    address: SocketAddr,
    _host: Host,
}

impl Liar {
    /// Starts one that gives as many bytes as the metadata of this content has, all of them wrong.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    #[must_use]
    pub fn start(net: &Network, content: &Content) -> Liar {
        let host = net.host();
        let address = SocketAddr::new(host.v4(), PORT);
        let listener = host.run(move || TcpListener::bind(address)).expect("a new host is free");
        let size = content.info().len();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who has seen enough of it goes away.
                thread::spawn(move || _ = lie(stream, size));
            }
        });
        Liar { address, _host: host }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn lie(mut stream: TcpStream, size: usize) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    // BEP 3: 20 bytes of name, 8 flags, the info-hash, then who it is.
    let mut greeting = [0; 68];
    stream.read_exact(&mut greeting)?;
    greeting[20..28].copy_from_slice(&[0, 0, 0, 0, 0, 0x10, 0, 0]);
    let port = stream.peer_addr()?.port();
    greeting[48..].copy_from_slice(format!("-XX0000-{port:012}").as_bytes());
    stream.write_all(&greeting)?;
    let told = format!("d1:md11:ut_metadatai{OURS}ee13:metadata_sizei{size}ee");
    send(&mut stream, 0, told.as_bytes())?;
    let mut theirs = 0;
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut message = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut message)?;
        match message[..] {
            [20, 0, ref payload @ ..] => theirs = after(payload, "ut_metadatai").unwrap_or(0),
            [20, OURS, ref payload @ ..] if theirs > 0 => {
                let block = after(payload, "piecei").unwrap_or(0);
                let length = size.saturating_sub(block * BLOCK).min(BLOCK);
                let head = format!("d8:msg_typei1e5:piecei{block}e10:total_sizei{size}ee");
                let data = [head.as_bytes(), &vec![b'x'; length]].concat();
                send(&mut stream, theirs as u8, &data)?;
            }
            _ => {}
        }
    }
}

/// An extension message (BEP 10).
fn send(stream: &mut TcpStream, number: u8, payload: &[u8]) -> Result<()> {
    let length = u32::try_from(payload.len() + 2).expect("a block is short");
    let head = [&length.to_be_bytes()[..], &[20, number]].concat();
    stream.write_all(&[&head, payload].concat())
}

/// The number that stands behind a word.
fn after(payload: &[u8], word: &str) -> Option<usize> {
    let text = String::from_utf8_lossy(payload);
    text.split_once(word)?.1.split('e').next()?.parse().ok()
}
