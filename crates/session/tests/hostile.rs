//! Peers that break every rule, met by a whole session: it stays alive, and honest peers get
//! what they came for.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use common::{assert_same, content, seed, session, torrent, until, until_completed, write_files};
use toubkal_session::{Add, Metainfo, Notice, Session};
use toubkal_wire::handshake::{Greeting, Reserved};
use toubkal_wire::layout::Block;
use toubkal_wire::message::{self, Message};

const LENGTHS: [usize; 3] = [2_000_000, 5, 500_000];
const PIECE: usize = 32_768;

/// A peer that has sent its handshake.
fn peer(addr: SocketAddr, metainfo: &Metainfo, number: u8) -> TcpStream {
    let mut peer = TcpStream::connect(addr).unwrap();
    let info_hash = metainfo.info_hash_v1.unwrap();
    let mut peer_id = *b"-XX0000-bbbbbbbbbbb?";
    peer_id[19] = number;
    let greeting = Greeting { reserved: Reserved::OURS, info_hash };
    peer.write_all(&greeting.encode(&peer_id)).unwrap();
    peer
}

fn encoded(messages: &[Message]) -> Vec<u8> {
    let mut bytes = Vec::new();
    messages.iter().for_each(|message| message::encode(message, &mut bytes));
    bytes
}

fn block(piece: u32, begin: u32, length: u32) -> Block {
    Block { piece, begin, length }
}

/// What a peer may say that it must not.
fn offences() -> Vec<Vec<u8>> {
    let mut unasked = Vec::new();
    for piece in 0..60 {
        unasked.extend(message::piece_head(block(piece, 0, 16_384)));
        unasked.extend([0; 16_384]);
    }
    vec![
        // Lengths that cannot be.
        vec![255; 100],
        vec![0, 0, 0, 2, 0, 0],
        vec![0x7f, 0xff, 0xff, 0xff, 20, 0],
        message::piece_head(block(0, 0, 131_072)).to_vec(),
        // Bitfields: too long, too short, with a spare bit, twice, late.
        encoded(&[Message::Bitfield(vec![0; 400_000].into())]),
        encoded(&[Message::Bitfield(vec![0].into())]),
        encoded(&[Message::Bitfield(vec![255; 10].into())]),
        encoded(&[Message::HaveNone, Message::HaveAll]),
        encoded(&[Message::HaveNone, Message::Bitfield(vec![0; 10].into())]),
        // Pieces and blocks that are not there.
        encoded(&[Message::HaveNone, Message::Have(u32::MAX)]),
        encoded(&vec![Message::Have(1_000_000); 500]),
        encoded(&[Message::Interested, Message::Request(block(u32::MAX, 0, 16_384))]),
        encoded(&[Message::Interested, Message::Request(block(0, u32::MAX, u32::MAX))]),
        encoded(&[Message::Interested, Message::Request(block(0, 0, 0))]),
        encoded(&[Message::Cancel(block(9, 9, 9)), Message::Reject(block(9, 9, 9))]),
        // Floods.
        encoded(&vec![Message::Request(block(0, 0, 16_384)); 20_000]),
        encoded(&[Message::Interested, Message::NotInterested]).repeat(5_000),
        encoded(&vec![Message::KeepAlive; 10_000]),
        unasked,
        // Extensions.
        encoded(&[Message::Extended(0, vec![b'd'; 10_000].into())]),
        encoded(&[Message::Extended(99, vec![0; 10_000].into())]),
        [0, 0, 0, 5, 77, 1, 2, 3, 4].repeat(100),
        // Half a message, and an end.
        vec![0, 0, 0, 13, 6, 0, 0],
        message::piece_head(block(0, 0, 16_384)).to_vec(),
    ]
}

/// Before that, peers find nobody at home.
fn until_checked(session: &Session) {
    until(session, "a look at the folder", |notice| matches!(notice, Notice::Checked { .. }));
}

/// Every offence, against a session at `addr`, while its program looks away.
fn offend(addr: SocketAddr, metainfo: &Metainfo) -> Vec<TcpStream> {
    let mut peers = Vec::new();
    for (number, offence) in offences().iter().enumerate() {
        let mut peer = peer(addr, metainfo, number as u8);
        // It may be closed before it is through.
        let _ = peer.write_all(offence);
        match number % 3 {
            0 => peers.push(peer),
            1 => drop(peer.shutdown(Shutdown::Write)),
            _ => drop(peer),
        }
    }
    peers
}

#[test]
fn a_seed_that_is_offended_serves_the_others() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_files(from.path(), "proud", &LENGTHS);
    let metainfo = Arc::new(torrent("proud", &LENGTHS, PIECE, None));
    let (seeding, seeded) = seed(&metainfo, from.path());
    let addr = seeding.listening_on()[0];
    let _offenders = offend(addr, &metainfo);
    // An offender's address may be banned: the honest peer is called by the seed.
    let leeching = session();
    let add = Add { peers: vec![addr], ..Add::to(to.path()) };
    leeching.add(Arc::clone(&metainfo), add).unwrap();
    seeded.add_peers(leeching.listening_on().to_vec());
    until_completed(&leeching);
    assert_same(to.path(), "proud", &LENGTHS);
}

#[test]
fn a_download_that_is_offended_goes_on() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_files(from.path(), "calm", &LENGTHS);
    let metainfo = Arc::new(torrent("calm", &LENGTHS, PIECE, None));
    let (seeding, _torrent) = seed(&metainfo, from.path());
    let leeching = session();
    let got = leeching.add(Arc::clone(&metainfo), Add::to(to.path())).unwrap();
    until_checked(&leeching);
    let _offenders = offend(leeching.listening_on()[0], &metainfo);
    got.add_peers(seeding.listening_on().to_vec());
    until_completed(&leeching);
    assert_same(to.path(), "calm", &LENGTHS);
}

/// Sends each block as asked, but with wrong bytes.
#[test]
fn a_liar_does_not_spoil_a_download() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_files(from.path(), "true", &LENGTHS);
    let metainfo = Arc::new(torrent("true", &LENGTHS, PIECE, None));
    let (seeding, _torrent) = seed(&metainfo, from.path());
    let leeching = session();
    let got = leeching.add(Arc::clone(&metainfo), Add::to(to.path())).unwrap();
    until_checked(&leeching);
    let addr = leeching.listening_on()[0];
    // The lie is told first, then the truth arrives. A hand may hear of the torrent a moment after
    // the program does: whoever comes before is refused, and comes again.
    let lied = (0..1_000).any(|_| lie(peer(addr, &metainfo, 0)) > 0);
    assert!(lied, "nobody asked");
    got.add_peers(seeding.listening_on().to_vec());
    until_completed(&leeching);
    assert_same(to.path(), "true", &LENGTHS);
}

/// Lies until the link is closed; says how often.
fn lie(mut peer: TcpStream) -> u32 {
    let mut lies = 0;
    let mut answer = || -> std::io::Result<()> {
        peer.write_all(&encoded(&[Message::HaveAll, Message::Unchoke]))?;
        peer.read_exact(&mut [0; 68])?;
        loop {
            let mut head = [0; 4];
            peer.read_exact(&mut head)?;
            let mut body = vec![0; u32::from_be_bytes(head) as usize];
            peer.read_exact(&mut body)?;
            let whole = [&head[..], &body].concat();
            if let Ok(Message::Request(block)) = message::decode(&whole) {
                peer.write_all(&message::piece_head(block))?;
                peer.write_all(&vec![0xbb; block.length as usize])?;
                lies += 1;
            }
        }
    };
    answer().unwrap_err();
    lies
}

/// Of several givers of a piece only the one that lied is left out.
#[test]
fn among_honest_peers_only_the_liar_is_banned() {
    let piece = 8 * 16_384;
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let metainfo = Arc::new(torrent("mixed", &LENGTHS, piece, None));
    let seeds = folders[1..].iter().map(|folder| {
        write_files(folder.path(), "mixed", &LENGTHS);
        seed(&metainfo, folder.path())
    });
    let seeds: Vec<_> = seeds.collect();
    let leeching = session();
    let got = leeching.add(Arc::clone(&metainfo), Add::to(folders[0].path())).unwrap();
    until_checked(&leeching);
    // A hand may hear of the torrent a moment after the program does.
    let welcome = |peer: &TcpStream| peer.peek(&mut [0]).is_ok_and(|read| read > 0);
    let come = |_| peer(leeching.listening_on()[0], &metainfo, 0);
    let liar = (0..1_000).map(come).find(welcome).expect("somebody is let in");
    let guilty = liar.local_addr().unwrap();
    let (tell, lied) = std::sync::mpsc::channel();
    let lying = std::thread::spawn(move || lie_at_times(liar, piece, &tell));
    lied.recv().expect("it is asked for something");
    for (honest, _) in &seeds {
        got.add_peers(honest.listening_on().to_vec());
    }
    let mut banned = Vec::new();
    until(&leeching, "completion", |notice| {
        if let Notice::Banned { remote, .. } = notice {
            banned.push(*remote);
        }
        matches!(notice, Notice::Completed { .. })
    });
    // It may be convicted of several pieces.
    banned.dedup();
    assert_eq!(banned, [guilty]);
    lying.join().unwrap();
    assert_same(folders[0].path(), "mixed", &LENGTHS);
}

/// Sends the right bytes, but for the second block of each piece; leaves the last for others.
fn lie_at_times(mut peer: TcpStream, piece: usize, tell: &std::sync::mpsc::Sender<()>) {
    let numbered = LENGTHS.iter().enumerate();
    let all: Vec<u8> = numbered.flat_map(|(number, &length)| content(number, length)).collect();
    let mut answer = || -> std::io::Result<()> {
        peer.write_all(&encoded(&[Message::HaveAll, Message::Unchoke]))?;
        peer.read_exact(&mut [0; 68])?;
        loop {
            let mut head = [0; 4];
            peer.read_exact(&mut head)?;
            let mut body = vec![0; u32::from_be_bytes(head) as usize];
            peer.read_exact(&mut body)?;
            let Ok(Message::Request(block)) = message::decode(&[&head[..], &body].concat()) else {
                continue;
            };
            let from = block.piece as usize * piece + block.begin as usize;
            let mut bytes = all[from..from + block.length as usize].to_vec();
            match block.begin / 16_384 {
                1 => bytes[7] ^= 1,
                7 => continue,
                _ => {}
            }
            peer.write_all(&message::piece_head(block))?;
            peer.write_all(&bytes)?;
            // Nobody may listen any more.
            let _ = tell.send(());
        }
    };
    // It ends when the link is closed.
    answer().unwrap_err();
}
