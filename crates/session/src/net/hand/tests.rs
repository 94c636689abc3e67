use super::*;
use crate::net::clock::Clock;
use crate::store::{Buffer, Pool};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Instant;
use toubkal_core::base::Key;
use toubkal_core::engine::{
    CloseReason, DialError, DialId, LinkEvent, Misbehaved, Served, StoreError, StoreErrorKind,
};
use toubkal_wire::handshake::{GREETING_BYTES, Greeting, HANDSHAKE_BYTES, Reserved};
use toubkal_wire::message::{self, Message};

const HASH: [u8; 20] = [7; 20];
const OUR_ID: [u8; 20] = *b"-TK0100-aaaaaaaaaaaa";
const PEER_ID: [u8; 20] = *b"-XX0000-bbbbbbbbbbbb";

fn torrent() -> TorrentId {
    Key::new(0, 0)
}

/// A hand without an engine, that knows one torrent and listens on loopback.
struct Rig {
    hand: Hand,
    addr: SocketAddr,
    now: Time,
    seen: Vec<Event>,
}

impl Rig {
    fn new() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = listen(loopback).unwrap();
        let addr = listener.local_addr().unwrap();
        let pool = Pool::new(POOL_BYTES);
        let mut hand =
            Hand::new(Poll::new().unwrap(), vec![listener], pool, Load::alone()).unwrap();
        hand.admit(torrent(), Arc::new(Terms { info_hash: HASH, peer_id: OUR_ID }));
        Self { hand, addr, now: Clock::start().now(), seen: Vec::new() }
    }

    /// Works until what was seen is enough.
    fn until(&mut self, what: &str, mut enough: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !enough(self) {
            assert!(Instant::now() < end, "waited in vain for: {what}; seen {:?}", self.seen);
            let timeout = if self.hand.is_busy() { 0 } else { 5 };
            self.hand.wait(Some(Duration::from_millis(timeout))).unwrap();
            self.hand.work(self.now);
            self.hand.flush();
            self.seen.append(self.hand.facts());
        }
    }

    fn until_link(&mut self, what: &str, is_it: impl Fn(&LinkEvent) -> bool) -> LinkId {
        let mut found = None;
        self.until(what, |rig| {
            found = rig.seen.iter().find_map(|event| match event {
                Event::Link(link, event) if is_it(event) => Some(*link),
                _ => None,
            });
            found.is_some()
        });
        found.unwrap()
    }

    fn closed(&mut self) -> CloseReason {
        self.until_link("close", |event| matches!(event, LinkEvent::Closed(_)));
        let closes = self.seen.iter().filter_map(|event| match event {
            Event::Link(_, LinkEvent::Closed(reason)) => Some(*reason),
            _ => None,
        });
        let closes: Vec<_> = closes.collect();
        assert_eq!(closes.len(), 1, "closed once");
        closes[0]
    }

    fn outcomes(&self) -> Vec<(u32, Served)> {
        let served = self.seen.iter().filter_map(|event| match event {
            Event::Link(_, LinkEvent::Served { block, outcome }) => Some((block.piece, *outcome)),
            _ => None,
        });
        served.collect()
    }

    fn opened(&self) -> usize {
        let opened = |event: &&Event| matches!(event, Event::Link(_, LinkEvent::Opened { .. }));
        self.seen.iter().filter(opened).count()
    }

    fn messages(&self) -> Vec<Message> {
        let messages = self.seen.iter().filter_map(|event| match event {
            Event::Link(_, LinkEvent::Message(message)) => Some(message.clone()),
            _ => None,
        });
        messages.collect()
    }

    /// A peer that has shaken hands.
    fn met(&mut self) -> (TcpStream, LinkId) {
        let mut peer = TcpStream::connect(self.addr).unwrap();
        peer.write_all(&handshake(HASH)).unwrap();
        let link =
            self.until_link("handshake", |event| matches!(event, LinkEvent::Handshaken { .. }));
        let mut answer = [0; HANDSHAKE_BYTES];
        peer.read_exact(&mut answer).unwrap();
        (peer, link)
    }

    /// What the store would answer.
    fn answer_reads(&mut self) -> usize {
        let reads: Vec<Read> = self.hand.reads().collect();
        for read in &reads {
            let mut buffer = Pool::new(1 << 20).lend(read.block.length as usize);
            buffer.fill(read.block.piece as u8);
            self.hand.was_read(read.link, read.block, Ok(buffer));
        }
        reads.len()
    }
}

fn handshake(info_hash: [u8; 20]) -> [u8; HANDSHAKE_BYTES] {
    Greeting { reserved: Reserved::OURS, info_hash }.encode(&PEER_ID)
}

fn block(piece: u32, length: u32) -> Block {
    Block { piece, begin: 0, length }
}

fn is_over(peer: &mut TcpStream) -> bool {
    // A reset is an end, too.
    matches!(peer.read(&mut [0; 1000]), Ok(0) | Err(_))
}

#[test]
fn who_is_called_answers_before_the_peer_id() {
    let mut rig = Rig::new();
    let mut peer = TcpStream::connect(rig.addr).unwrap();
    peer.write_all(&handshake(HASH)[..GREETING_BYTES]).unwrap();
    rig.until_link("open", |event| matches!(event, LinkEvent::Opened { dial: None, .. }));
    peer.set_nonblocking(true).unwrap();
    let mut answer = Vec::new();
    rig.until("our handshake", |_| {
        let mut some = [0; 100];
        if let Ok(count) = peer.read(&mut some) {
            answer.extend_from_slice(&some[..count]);
        }
        answer.len() >= HANDSHAKE_BYTES
    });
    assert_eq!(answer[28..48], HASH);
    assert_eq!(answer[48..], OUR_ID);
    peer.write_all(&PEER_ID).unwrap();
    rig.until_link("handshake", |event| {
        matches!(event, LinkEvent::Handshaken { peer_id: PEER_ID, reserved, .. } if reserved.fast())
    });
}

#[test]
fn strangers_with_nothing_to_say_to_us_are_closed() {
    for bytes in [&handshake([8; 20])[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 68]] {
        let mut rig = Rig::new();
        let mut peer = TcpStream::connect(rig.addr).unwrap();
        peer.write_all(bytes).unwrap();
        assert_eq!(rig.closed(), CloseReason::Handshake);
        assert!(is_over(&mut peer));
    }
}

#[test]
fn a_handshake_that_trickles_in_is_a_handshake() {
    let mut rig = Rig::new();
    let mut peer = TcpStream::connect(rig.addr).unwrap();
    peer.set_nodelay(true).unwrap();
    for byte in handshake(HASH) {
        peer.write_all(&[byte]).unwrap();
        rig.until("a round", |rig| !rig.seen.is_empty());
    }
    rig.until_link("handshake", |event| matches!(event, LinkEvent::Handshaken { .. }));
}

#[test]
fn a_crowd_that_comes_at_once_is_let_in_as_it_speaks() {
    let mut rig = Rig::new();
    let connect = |_| TcpStream::connect(rig.addr).unwrap();
    let mut crowd: Vec<_> = (0..STRANGERS_MAX + 10).map(connect).collect();
    rig.until("as many as there is room for", |rig| rig.opened() == STRANGERS_MAX);
    for _ in 0..10 {
        rig.hand.work(rig.now);
    }
    assert!(!rig.hand.is_busy(), "it waits");
    assert_eq!(rig.hand.deadline(), Some(rig.now.after(STRANGER_TIME)));
    // The last to be accepted speak first.
    for peer in crowd.iter_mut().rev() {
        peer.write_all(&handshake(HASH)).unwrap();
    }
    rig.until("all handshakes", |rig| {
        let met = |event: &&Event| matches!(event, Event::Link(_, LinkEvent::Handshaken { .. }));
        rig.seen.iter().filter(met).count() == crowd.len()
    });
}

#[test]
fn a_crowd_of_silent_strangers_loses_its_oldest() {
    let mut rig = Rig::new();
    let mut crowd = Vec::new();
    for count in 1..=STRANGERS_MAX + 10 {
        crowd.push(TcpStream::connect(rig.addr).unwrap());
        // Each has had its moment.
        rig.now = rig.now.after(STRANGER_TIME);
        rig.until("open", |rig| rig.opened() == count);
    }
    assert!(rig.hand.links.len() <= STRANGERS_MAX);
    assert!(is_over(&mut crowd[0]));
    // Who speaks gets in all the same.
    rig.met();
}

#[test]
fn messages_and_blocks_come_through_in_order() {
    let mut rig = Rig::new();
    let (mut peer, _) = rig.met();
    let mut stream = Vec::new();
    message::encode(&Message::Unchoke, &mut stream);
    stream.extend(message::piece_head(block(3, 16_384)));
    stream.extend([3; 16_384]);
    message::encode(&Message::Have(5), &mut stream);
    peer.write_all(&stream).unwrap();
    rig.until("messages", |rig| rig.messages().len() == 2);
    assert_eq!(rig.messages(), [Message::Unchoke, Message::Have(5)]);
    let payload = rig.seen.drain(..).find_map(|event| match event {
        Event::Link(_, LinkEvent::Received { block, payload }) => Some((block, payload)),
        _ => None,
    });
    let (got, payload) = payload.unwrap();
    assert_eq!(got, block(3, 16_384));
    let buffer: Buffer = rig.hand.redeem(payload);
    assert!(*buffer == [3; 16_384]);
    drop(buffer);
    assert_eq!(rig.hand.means.pool.out(), 0);
}

#[test]
fn a_peer_that_pushes_waits_when_the_pool_is_empty() {
    let mut rig = Rig::new();
    rig.hand.means = Means::new(SCRATCH_BYTES, Pool::new(2 * 16_384));
    let (mut peer, _) = rig.met();
    let pushing = std::thread::spawn(move || {
        for piece in 0..40 {
            peer.write_all(&message::piece_head(block(piece, 16_384))).unwrap();
            peer.write_all(&[piece as u8; 16_384]).unwrap();
        }
        peer
    });
    let mut next = 0;
    rig.until("all blocks", |rig| {
        for event in std::mem::take(&mut rig.seen) {
            if let Event::Link(_, LinkEvent::Received { block, payload }) = event {
                assert_eq!(block.piece, next);
                next += 1;
                assert!(rig.hand.means.pool.out() <= 2 * 16_384);
                assert!(*rig.hand.redeem(payload) == [block.piece as u8; 16_384]);
            }
        }
        next == 40
    });
    pushing.join().unwrap();
}

#[test]
fn floods_of_small_messages_do_not_pile_up() {
    let mut rig = Rig::new();
    let mut peers = Vec::new();
    for _ in 0..8 {
        peers.push(rig.met().0);
        rig.seen.clear();
    }
    // Keep-alives: 10,000 of each, before the hand looks again.
    for peer in &mut peers {
        peer.write_all(&[0; 40_000]).unwrap();
    }
    let (mut rounds, mut messages) = (0, 0);
    rig.until("all messages", |rig| {
        let come = rig.messages().len();
        assert!(come <= FACTS_MAX + 10_000, "{come} at once");
        rig.seen.clear();
        messages += come;
        rounds += 1;
        messages == 80_000
    });
    assert!(rounds >= 8);
}

#[test]
fn offences_close_the_link() {
    let too_long = message::piece_head(block(0, 100_000));
    for bytes in [&too_long[..], &[255, 255, 255, 255, 7], &[0, 0, 0, 2, 0]] {
        let mut rig = Rig::new();
        let (mut peer, _) = rig.met();
        peer.write_all(bytes).unwrap();
        assert!(matches!(rig.closed(), CloseReason::Misbehaved(_)));
    }
    let mut rig = Rig::new();
    let (mut peer, _) = rig.met();
    peer.write_all(&too_long).unwrap();
    assert_eq!(rig.closed(), CloseReason::Misbehaved(Misbehaved::Unrequested));
}

#[test]
fn a_peer_that_leaves_has_closed_and_one_that_is_cut_off_is_lost() {
    let mut rig = Rig::new();
    let (peer, _) = rig.met();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rig.closed(), CloseReason::ByPeer);

    let mut rig = Rig::new();
    let (peer, _) = rig.met();
    // Closed with bytes unread or with no linger time: the system sends a reset.
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    assert_eq!(rig.closed(), CloseReason::Lost);
}

#[test]
fn an_end_that_comes_with_the_last_bytes_is_seen() {
    // On a link that is known.
    let mut rig = Rig::new();
    let (mut peer, _) = rig.met();
    peer.write_all(&[0; 4]).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rig.closed(), CloseReason::ByPeer);
    assert_eq!(rig.messages(), [Message::KeepAlive]);
    // On one that is not even accepted.
    let mut rig = Rig::new();
    let mut peer = TcpStream::connect(rig.addr).unwrap();
    peer.write_all(&handshake(HASH)).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rig.closed(), CloseReason::ByPeer);
}

#[test]
fn blocks_are_read_and_sent_with_messages_between() {
    let mut rig = Rig::new();
    let (mut peer, link) = rig.met();
    for piece in 0..100 {
        rig.hand.serve(link, torrent(), block(piece, 16_384));
    }
    rig.hand.send(link, &Message::Have(1));
    let reading = std::thread::spawn(move || {
        let (mut blocks, mut haves) = (0, 0);
        while blocks < 100 {
            let mut head = [0; 4];
            peer.read_exact(&mut head).unwrap();
            let mut rest = vec![0; u32::from_be_bytes(head) as usize];
            peer.read_exact(&mut rest).unwrap();
            if rest[0] == 7 {
                assert!(rest[9..].iter().all(|byte| *byte == rest[4]), "a block was cut");
                blocks += 1;
            } else {
                haves += 1;
            }
        }
        haves
    });
    let mut reads = 0;
    rig.until("all blocks sent", |rig| {
        let more = rig.answer_reads();
        reads += more;
        rig.outcomes().len() == 100
    });
    assert_eq!(reads, 100);
    assert!(rig.outcomes().iter().all(|(_, outcome)| *outcome == Served::Sent));
    assert_eq!(rig.hand.ahead, 0);
    assert_eq!(reading.join().unwrap(), 1);
}

#[test]
fn a_peer_that_takes_nothing_bounds_what_is_read_for_it() {
    let mut rig = Rig::new();
    let (peer, link) = rig.met();
    for piece in 0..2000 {
        rig.hand.serve(link, torrent(), block(piece, 16_384));
    }
    let mut quiet = 0;
    rig.until("the socket to be full", |rig| {
        assert!(rig.hand.ahead <= 512 * 1024);
        quiet = if rig.answer_reads() == 0 { quiet + 1 } else { 0 };
        quiet > 20
    });
    let sent = rig.outcomes().len();
    assert!(sent < 2000, "the system took everything");
    // Each is answered once, and before the close.
    drop(peer);
    rig.closed();
    assert_eq!(rig.outcomes().len(), 2000);
    assert!(matches!(rig.seen.last(), Some(Event::Link(_, LinkEvent::Closed(_)))));
    rig.answer_reads();
    assert_eq!(rig.hand.ahead, 0);
}

#[test]
fn who_waits_to_be_read_for_comes_before_those_that_had_their_turn() {
    let mut rig = Rig::new();
    let peers: Vec<_> = (0..AHEAD_BYTES / (512 * 1024) + 1)
        .map(|_| {
            rig.seen.clear();
            rig.met()
        })
        .collect();
    for (_, link) in &peers {
        for piece in 0..64 {
            rig.hand.serve(*link, torrent(), block(piece, 16_384));
        }
    }
    assert_eq!(rig.hand.ahead, AHEAD_BYTES);
    let reads: Vec<Read> = rig.hand.reads().collect();
    let (first, last) = (peers[0].1, peers[peers.len() - 1].1);
    assert!(reads.iter().all(|read| read.link != last), "there was no room");
    for read in reads.iter().filter(|read| read.link == first) {
        let buffer = Pool::new(1 << 20).lend(16_384);
        rig.hand.was_read(read.link, read.block, Ok(buffer));
    }
    rig.until("something to be sent", |rig| !rig.outcomes().is_empty());
    assert!(rig.hand.reads().all(|read| read.link == last));
}

#[test]
fn reads_that_come_after_the_close_are_dropped() {
    let mut rig = Rig::new();
    let (_peer, link) = rig.met();
    rig.hand.serve(link, torrent(), block(0, 16_384));
    rig.hand.serve(link, torrent(), block(1, 16_384));
    rig.hand.close(link, CloseReason::Evicted);
    assert_eq!(rig.closed(), CloseReason::Evicted);
    assert_eq!(rig.outcomes(), [(0, Served::Withdrawn), (1, Served::Withdrawn)]);
    assert_eq!(rig.answer_reads(), 2);
    assert_eq!(rig.hand.ahead, 0);
    assert!(rig.hand.facts().is_empty());
}

#[test]
fn a_block_that_cannot_be_read_is_told_and_others_go_on() {
    let mut rig = Rig::new();
    let (_peer, link) = rig.met();
    rig.hand.serve(link, torrent(), block(0, 16_384));
    rig.hand.serve(link, torrent(), block(1, 16_384));
    let error = StoreError { kind: StoreErrorKind::Missing, file: None };
    rig.hand.was_read(link, block(0, 16_384), Err(error));
    let buffer = Pool::new(1 << 20).lend(16_384);
    rig.hand.was_read(link, block(1, 16_384), Ok(buffer));
    rig.until("both", |rig| rig.outcomes().len() == 2);
    assert_eq!(rig.outcomes(), [(0, Served::Failed(error)), (1, Served::Sent)]);
}

#[test]
fn a_peer_that_never_reads_our_messages_is_given_up() {
    let mut rig = Rig::new();
    let (_peer, link) = rig.met();
    let long = Message::Bitfield(vec![0; 512 * 1024].into());
    rig.until("close", |rig| {
        rig.hand.send(link, &long);
        rig.hand.links.get(link).is_none()
    });
    assert_eq!(rig.closed(), CloseReason::TimedOut);
}

#[test]
fn who_calls_sends_the_handshake_and_wants_the_same_torrent_back() {
    for (answer, closed) in [(HASH, None), ([8; 20], Some(CloseReason::Handshake))] {
        let mut rig = Rig::new();
        // Of two torrents that we have, the peer answers for the wrong one.
        let other = Terms { info_hash: [8; 20], peer_id: OUR_ID };
        rig.hand.admit(Key::new(1, 0), Arc::new(other));
        let peer = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        rig.hand.dial(rig.now, DialId(5), torrent(), peer.local_addr().unwrap());
        let (mut peer, _) = peer.accept().unwrap();
        let opened =
            |event: &LinkEvent| matches!(event, LinkEvent::Opened { dial: Some(DialId(5)), .. });
        rig.until_link("open", opened);
        let mut bytes = [0; HANDSHAKE_BYTES];
        peer.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes[28..48], HASH);
        peer.write_all(&handshake(answer)).unwrap();
        match closed {
            Some(reason) => assert_eq!(rig.closed(), reason),
            None => {
                rig.until_link("met", |event| matches!(event, LinkEvent::Handshaken { .. }));
            }
        }
    }
}

#[test]
fn failed_dials_say_why() {
    let mut rig = Rig::new();
    let nobody = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = nobody.local_addr().unwrap();
    drop(nobody);
    rig.hand.dial(rig.now, DialId(1), torrent(), addr);
    rig.hand.dial(rig.now, DialId(2), torrent(), "0.0.0.0:5".parse().unwrap());
    rig.hand.dial(rig.now, DialId(3), torrent(), "127.0.0.1:0".parse().unwrap());
    rig.until("three failures", |rig| rig.seen.len() == 3);
    for event in &rig.seen {
        match event {
            Event::DialFailed(DialId(1), error) => assert_eq!(*error, DialError::Refused),
            Event::DialFailed(_, error) => assert_eq!(*error, DialError::Unreachable),
            other => panic!("{other:?}"),
        }
    }
    assert!(rig.hand.links.is_empty());
}

/// Linux drops what does not fit in the backlog, as a firewall would.
#[cfg(target_os = "linux")]
#[test]
fn a_dial_that_nobody_answers_is_given_up_in_time() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let _fills_the_backlog = TcpStream::connect(addr).unwrap();

    let mut rig = Rig::new();
    rig.hand.dial(rig.now, DialId(1), torrent(), addr);
    rig.hand.wait(Some(Duration::ZERO)).unwrap();
    let due = rig.hand.deadline().unwrap();
    assert_eq!(due, rig.now.after(DIAL_TIME));
    rig.hand.work(Time::from_nanos(due.as_nanos() - 1));
    assert!(rig.hand.facts().is_empty());
    rig.hand.work(due);
    let failed = Event::DialFailed(DialId(1), DialError::TimedOut);
    assert_eq!(format!("{:?}", rig.hand.facts()), format!("[{failed:?}]"));
    assert!(rig.hand.links.is_empty());
    assert_eq!(rig.hand.deadline(), None);
}

#[test]
fn a_retired_torrent_welcomes_nobody() {
    let mut rig = Rig::new();
    rig.hand.retire(torrent());
    let mut peer = TcpStream::connect(rig.addr).unwrap();
    peer.write_all(&handshake(HASH)).unwrap();
    assert_eq!(rig.closed(), CloseReason::Handshake);
}

#[test]
fn a_taken_port_is_told_from_other_faults() {
    let rig = Rig::new();
    let again = listen(rig.addr).unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    let foreign = listen("192.0.2.1:1".parse().unwrap()).unwrap_err();
    assert!(matches!(foreign, crate::StartError::Listen { .. }));
}
