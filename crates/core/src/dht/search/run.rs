//! The part of an order that belongs to one of our addresses: first it looks, then it stores.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::Lookup;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Looking,
    /// Waits for the other family before anything is stored.
    Looked,
    Storing,
    Over,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Look(SocketAddr),
    Store(SocketAddr, Vec<u8>),
    Wait,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) home: usize,
    pub(super) lookup: Lookup,
    pub(super) phase: Phase,
    /// Who is to store, with their tokens; the nearest is the last.
    stores: Vec<(SocketAddr, Vec<u8>)>,
    /// Who was told to.
    told: BTreeSet<SocketAddr>,
    /// How many have not said whether they did.
    open: u32,
    /// How many did.
    pub(super) stored: u32,
    /// Why the last that did not, did not.
    pub(super) refused: Option<i64>,
}

impl Run {
    pub(super) fn new(home: usize, lookup: Lookup) -> Self {
        Self {
            home,
            lookup,
            phase: Phase::Looking,
            stores: Vec::new(),
            told: BTreeSet::new(),
            open: 0,
            stored: 0,
            refused: None,
        }
    }

    pub(super) fn step(&mut self, put: bool, announce: bool) -> Step {
        if self.phase == Phase::Looking {
            if let Some(to) = self.lookup.next() {
                return Step::Look(to);
            }
            if self.lookup.asked > 0 && self.lookup.is_done() {
                self.phase = if put { Phase::Looked } else { Phase::Over };
                if announce {
                    self.begin_to_store();
                }
            }
        }
        if self.phase == Phase::Storing {
            if let Some((to, token)) = self.stores.pop() {
                self.open += 1;
                return Step::Store(to, token);
            }
            if self.open == 0 {
                self.phase = Phase::Over;
            }
        }
        Step::Wait
    }

    /// Nobody is known who could be asked.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Looking && self.lookup.asked == 0
    }

    /// More nodes have come to be known.
    pub(super) fn reopen(&mut self) {
        if self.phase == Phase::Over && !self.lookup.is_done() {
            self.phase = Phase::Looking;
        }
    }

    pub(super) fn begin_to_store(&mut self) {
        self.phase = Phase::Storing;
        let token = |(node, token): (toubkal_wire::krpc::Node, Option<&[u8]>)| {
            Some((node.address, token?.to_vec()))
        };
        let near = self.lookup.nearest().filter_map(token);
        self.stores = near.filter(|(address, _)| !self.told.contains(address)).collect();
        self.told.extend(self.stores.iter().map(|(address, _)| *address));
        self.stores.reverse();
    }

    pub(super) fn stored(&mut self, result: Result<(), Option<i64>>) {
        self.open = self.open.saturating_sub(1);
        match result {
            Ok(()) => self.stored += 1,
            Err(code) => self.refused = code.or(self.refused),
        }
    }

    /// The round is over: what it knew is not needed any more.
    pub(super) fn rest(&mut self) {
        let lookup = Lookup::new(self.lookup.target(), false);
        *self = Self { phase: Phase::Over, ..Self::new(self.home, lookup) };
    }
}
