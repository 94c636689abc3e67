//! Nodes that lie together. Each has an address of its own, so an id that follows from it; among
//! the eight it may choose it takes the one nearest to what it is asked for. It tells of its
//! friends only, under the ids that suit them best, right and wrong ones, and of peers that are
//! none; it takes every announce and gives it to nobody.

use std::net::SocketAddr;

use toubkal_wire::krpc::{Ask, Id, Kind, Message, Node, Query, Response};

/// All of them know each other.
#[derive(Debug, Default)]
pub(super) struct Liars {
    /// Each with the eight ids that its address may have, of which only the first bits are fixed.
    all: Vec<(SocketAddr, [Id; 8])>,
    /// The same, as single ids in their order.
    ids: Vec<(Id, SocketAddr)>,
}

/// Peers that are none.
const FALSE_PEERS: [([u8; 4], u16); 2] = [([203, 0, 113, 1], 1), ([203, 0, 113, 2], 2)];

impl Liars {
    pub(super) fn add(&mut self, address: SocketAddr) {
        let ids = core::array::from_fn(|choice| {
            let mut drawn = [0; 20];
            drawn[19] = choice as u8;
            Id::for_address(address.ip(), &drawn)
        });
        self.ids.extend(ids.iter().map(|id| (*id, address)));
        self.ids.sort_unstable();
        self.all.push((address, ids));
    }

    /// A question by which one makes itself known.
    pub(super) fn greet(&self, from: SocketAddr) -> Option<Vec<u8>> {
        let (_, ids) = self.all.iter().find(|(address, _)| *address == from)?;
        let kind = Kind::Query(Query { id: ids[0], want: None, ask: Ask::Ping });
        Some(message(b"hi", kind))
    }

    /// What one of them answers.
    pub(super) fn answer(&self, me: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
        let Ok(Message { transaction, kind: Kind::Query(query), .. }) = Message::decode(bytes)
        else {
            return None;
        };
        let (_, ids) = self.all.iter().find(|(address, _)| *address == me)?;
        let mut response = Response::new(ids[0]);
        match query.ask {
            Ask::FindNode { target } => response.nodes = Some(self.friends(&target)),
            Ask::GetPeers { info_hash: target, .. } => {
                let near = ids.iter().min_by_key(|id| id.distance(&target))?;
                response.id = towards(near, &target);
                response.nodes = Some(self.friends(&target));
                response.values = FALSE_PEERS.map(SocketAddr::from).into();
                response.token = Some(b"lie");
            }
            _ => {}
        }
        Some(message(transaction, Kind::Response(response)))
    }

    /// Those nearest to a target, half of them under ids that their addresses may have, half as if
    /// they were the target itself.
    fn friends(&self, target: &Id) -> Vec<Node> {
        let at = self.ids.partition_point(|(id, _)| id < target);
        let (low, high) = (at.saturating_sub(16), (at + 16).min(self.ids.len()));
        let mut near = self.ids[low..high].to_vec();
        near.sort_by_key(|(id, _)| id.distance(target));
        let told = near.iter().take(8).enumerate().map(|(index, (id, address))| {
            let id = if index % 2 == 0 { towards(id, target) } else { almost(target, index) };
            Node { id, address: *address }
        });
        told.collect()
    }
}

/// The id nearest to a target of those that share what the address fixes: 21 bits and the last
/// three.
fn towards(id: &Id, target: &Id) -> Id {
    let mut near = *target;
    near.0[..2].copy_from_slice(&id.0[..2]);
    near.0[2] = id.0[2] & 0xf8 | target.0[2] & 7;
    near.0[19] = target.0[19] & 0xf8 | id.0[19] & 7;
    near
}

fn almost(target: &Id, index: usize) -> Id {
    let mut id = *target;
    id.0[19] ^= index as u8;
    id
}

fn message(transaction: &[u8], kind: Kind<'_>) -> Vec<u8> {
    Message { transaction, kind, read_only: false, ip: None, version: None }.to_bytes()
}
