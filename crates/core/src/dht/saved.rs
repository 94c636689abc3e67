//! What a node remembers from one life to the next: its ids, and whom it knew.
//!
//! A bencoded dictionary of two lists, both in the order of the addresses: `ids`, and `nodes` in
//! the compact form of BEP 5 and BEP 32.

use alloc::vec::Vec;

use toubkal_wire::bencode::{self, Encoder, Mode, Value};
use toubkal_wire::compact;
use toubkal_wire::krpc::{Id, compact_nodes, read_nodes};

use super::home::REMEMBERED_MAX;
use super::{Dht, Family};

/// The longest that is read.
const SAVED_BYTES_MAX: usize = 64 * 1024;

impl Dht {
    /// What [`Dht::new`] takes in the next life: a few kilobytes.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut dict = Encoder::new(&mut out);
        dict.dict().key("ids").list();
        self.homes.iter().for_each(|home| _ = dict.bytes(home.id.0));
        dict.end().key("nodes").list();
        for home in &self.homes {
            let known = home.table.nodes().chain(home.remembered.iter().rev().copied());
            let nodes: Vec<_> = known.take(REMEMBERED_MAX).collect();
            dict.bytes(compact_nodes(&nodes));
        }
        dict.end().end();
        out
    }

    /// Takes up what was saved; what is not right is left out.
    pub(super) fn load(&mut self, saved: &[u8]) {
        if saved.len() > SAVED_BYTES_MAX {
            return;
        }
        let Ok(tape) = bencode::decode(saved, Mode::Tolerant) else { return };
        let root = tape.root();
        let list = |key: &[u8]| {
            let items = root.get(key).into_iter().flat_map(Value::items);
            items.map(|item| item.as_bytes().unwrap_or_default())
        };
        for ((home, id), nodes) in self.homes.iter_mut().zip(list(b"ids")).zip(list(b"nodes")) {
            if let Some(id) = Id::from_slice(id) {
                home.id = id;
                home.table = super::table::Table::new(id);
            }
            let bytes = match home.family {
                Family::V4 => compact::V4_BYTES,
                Family::V6 => compact::V6_BYTES,
            };
            // The best come first; the last are the first to be forgotten.
            let mut nodes = read_nodes(nodes, bytes, REMEMBERED_MAX);
            nodes.reverse();
            nodes.into_iter().for_each(|node| home.remember(node));
        }
        if self.homes.iter().any(|home| !home.remembered.is_empty()) {
            self.wake();
        }
    }
}
