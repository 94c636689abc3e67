//! From values to bytes, in the one canonical form.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Error, ErrorKind, Kind, Value};

/// A value that owns its content, to build or to keep.
///
/// One that comes from a [`Value`] is at most [`DEPTH_MAX`](super::DEPTH_MAX) deep.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// An integer.
    Int(i64),
    /// A string, which need not be UTF-8.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Node>),
    /// A dictionary, sorted by its keys.
    Dict(BTreeMap<Vec<u8>, Node>),
}

impl From<i64> for Node {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&[u8]> for Node {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<&str> for Node {
    fn from(value: &str) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Node {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl From<Vec<Node>> for Node {
    fn from(value: Vec<Node>) -> Self {
        Self::List(value)
    }
}

impl<const N: usize> From<[(&str, Node); N]> for Node {
    fn from(entries: [(&str, Node); N]) -> Self {
        Self::Dict(entries.map(|(key, value)| (key.as_bytes().to_vec(), value)).into())
    }
}

/// The canonical form of a value.
#[must_use]
pub fn encode(node: &Node) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new(&mut out).node(node);
    out
}

/// Appends canonical bencode to a buffer.
///
/// ```
/// use toubkal_wire::bencode::Encoder;
///
/// let mut out = Vec::new();
/// Encoder::new(&mut out).dict().key("interval").int(1800).key("peers").bytes(b"").end();
/// assert_eq!(out, b"d8:intervali1800e5:peers0:e");
/// ```
///
/// # Panics
/// The keys of a dictionary have to come in order, each once: anything else is the caller's bug.
#[derive(Debug)]
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    /// For each open container where its latest key lies in `out`.
    keys: Vec<Range<usize>>,
}

impl<'o> Encoder<'o> {
    /// An encoder that appends to `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, keys: Vec::new() }
    }

    /// An integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        self.out.push(b'i');
        if value < 0 {
            self.out.push(b'-');
        }
        self.digits(value.unsigned_abs());
        self.out.push(b'e');
        self
    }

    /// A string.
    pub fn bytes(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        let value = value.as_ref();
        self.digits(value.len() as u64);
        self.out.push(b':');
        self.out.extend_from_slice(value);
        self
    }

    /// Starts a list, which [`end`](Self::end) closes.
    pub fn list(&mut self) -> &mut Self {
        self.out.push(b'l');
        self.keys.push(0..0);
        self
    }

    /// Starts a dictionary, which [`end`](Self::end) closes.
    pub fn dict(&mut self) -> &mut Self {
        self.out.push(b'd');
        self.keys.push(0..0);
        self
    }

    /// A key of the open dictionary; its value has to follow.
    ///
    /// # Panics
    /// If it is not greater than the key before it, or nothing is open.
    pub fn key(&mut self, key: impl AsRef<[u8]>) -> &mut Self {
        let key = key.as_ref();
        self.bytes(key);
        let place = self.out.len() - key.len()..self.out.len();
        let last = self.keys.last_mut().expect("a key stands in a dictionary");
        // No content starts at 0, as its length stands before it.
        assert!(last.start == 0 || self.out[last.clone()] < *key, "keys are sorted and unique");
        *last = place;
        self
    }

    /// Closes the innermost open list or dictionary.
    pub fn end(&mut self) -> &mut Self {
        self.keys.pop().expect("something is open");
        self.out.push(b'e');
        self
    }

    /// A value that is canonical bencode already.
    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.out.extend_from_slice(value);
        self
    }

    /// A whole [`Node`], without recursion.
    pub fn node(&mut self, node: &Node) -> &mut Self {
        let mut open = Vec::new();
        self.start(node, &mut open);
        while let Some(children) = open.last_mut() {
            let child = match children {
                Rest::Items(items) => items.next(),
                Rest::Entries(entries) => entries.next().map(|(key, value)| {
                    self.key(key);
                    value
                }),
            };
            match child {
                Some(child) => self.start(child, &mut open),
                None => {
                    open.pop();
                    self.end();
                }
            }
        }
        self
    }

    fn start<'n>(&mut self, node: &'n Node, open: &mut Vec<Rest<'n>>) {
        match node {
            Node::Int(value) => {
                self.int(*value);
            }
            Node::Bytes(value) => {
                self.bytes(value);
            }
            Node::List(items) => {
                self.list();
                open.push(Rest::Items(items.iter()));
            }
            Node::Dict(entries) => {
                self.dict();
                open.push(Rest::Entries(entries.iter()));
            }
        }
    }

    fn digits(&mut self, mut value: u64) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[first..]);
    }
}

/// What is left to encode of an open container.
enum Rest<'n> {
    Items(core::slice::Iter<'n, Node>),
    Entries(btree_map::Iter<'n, Vec<u8>, Node>),
}

impl Value<'_, '_> {
    /// Copies the value out of the input, without recursion.
    ///
    /// # Errors
    /// [`ErrorKind::Range`] for an integer that does not fit into 64 bits.
    pub fn to_node(self) -> Result<Node, Error> {
        // From the last value to the first: at a container, its children lie on top of the stack,
        // the first one uppermost, each with its place in the input.
        let mut done: Vec<(usize, Node)> = Vec::new();
        for value in self.subtree().rev() {
            let Range { start, end } = value.span();
            let mut child = || done.pop_if(|(start, _)| *start < end).map(|(_, node)| node);
            let node = match value.kind() {
                Kind::Int => Node::Int(
                    value.as_int().ok_or(Error { offset: start, kind: ErrorKind::Range })?,
                ),
                Kind::Bytes => Node::Bytes(value.as_bytes().unwrap_or_default().to_vec()),
                Kind::List => Node::List(core::iter::from_fn(child).collect()),
                Kind::Dict => {
                    let mut entries = BTreeMap::new();
                    while let (Some(Node::Bytes(key)), Some(value)) = (child(), child()) {
                        entries.entry(key).or_insert(value);
                    }
                    Node::Dict(entries)
                }
            };
            done.push((start, node));
        }
        Ok(done.pop().expect("a value is its own first").1)
    }
}
