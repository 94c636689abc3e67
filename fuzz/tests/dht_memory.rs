//! What a node of the DHT takes in memory when others use it. Here because here is the allocator
//! that counts.

use std::net::{Ipv4Addr, SocketAddr};

use toubkal_core::base::{Machine as _, Outbox, Rng, Time};
use toubkal_core::dht::{Action, Config, Dht, Event};
use toubkal_fuzz::memory;
use toubkal_wire::krpc::{Ask, Id, Kind, Message, Query};

const PEERS: u32 = 10_000;
const TORRENTS: u32 = 1000;

#[test]
fn a_node_that_stores_ten_thousand_peers_takes_less_than_four_mebibytes() {
    let (node, bytes) = memory::peak(|| {
        let mut node = Dht::new(Config::default(), &[], Rng::from_number(1));
        let mut out = Outbox::new();
        for number in 0..PEERS {
            announce(&mut node, &mut out, number);
        }
        node
    });
    let status = node.status();
    assert_eq!((status.peers, status.torrents), (PEERS as usize, TORRENTS as usize));
    println!("{bytes} bytes at most");
    assert!(bytes < 4 * 1024 * 1024, "{bytes} bytes");
}

/// Asks for a token, and announces with it.
fn announce(node: &mut Dht, out: &mut Outbox<Action>, number: u32) {
    let from = SocketAddr::new(Ipv4Addr::from(0x0b00_0000 + number * 7).into(), 6881);
    // Ten a second.
    let now = Time::START.after(std::time::Duration::from_millis(u64::from(number) * 100));
    let mut hash = [0; 20];
    hash[..4].copy_from_slice(&(number % TORRENTS).to_be_bytes());
    let info_hash = Id(hash);
    let ask = Ask::GetPeers { info_hash, no_seed: false, scrape: false };
    let token = tell(node, out, now, from, ask).expect("a token comes with get_peers");
    let token = &token[..];
    let ask = Ask::AnnouncePeer { info_hash, port: 6881, implied_port: false, seed: false, token };
    tell(node, out, now, from, ask);
}

/// The token of the answer, if it has one.
fn tell(
    node: &mut Dht,
    out: &mut Outbox<Action>,
    now: Time,
    from: SocketAddr,
    ask: Ask<'_>,
) -> Option<Vec<u8>> {
    let id = Id::for_address(from.ip(), &[7; 20]);
    let kind = Kind::Query(Query { id, want: None, ask });
    let message = Message { transaction: b"q", kind, read_only: false, ip: None, version: None };
    if node.deadline().is_some_and(|(at, _)| at <= now) {
        node.advance(now, out);
    }
    node.handle(now, Event::Packet { from, bytes: message.to_bytes() }, out);
    let mut token = None;
    for action in out.drain() {
        if let Action::Send { packet, .. } = action
            && let Ok(Message { kind: Kind::Response(response), .. }) = Message::decode(&packet)
        {
            token = response.token.map(<[u8]>::to_vec).or(token);
        }
    }
    token
}
