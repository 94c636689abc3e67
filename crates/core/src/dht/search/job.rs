//! What an order asks on its way, what it makes of the answers, and what it reports.

use core::net::SocketAddr;

use toubkal_wire::bencode::{self, Mode};
use toubkal_wire::krpc::{
    Ask, Id, Node, Response, SALT_BYTES_MAX, Scrape, Signed, VALUE_BYTES_MAX, code, mutable_target,
};

use super::super::items::{self, sign, verify};
use super::super::values::{Announce, Item, NewItem, Report, Signature, Wanted};
use super::{Action, SEEN_MAX, Search};
use crate::base::Outbox;

#[derive(Debug)]
pub(super) enum Job {
    /// Our own neighbours; how often nobody answered.
    Join { fails: u32 },
    /// Peers.
    Find { announce: Option<Announce> },
    /// How many peers there are.
    Scrape { filters: Scrape },
    /// Nodes.
    Nodes,
    /// An item, and the newest version so far.
    Get { wanted: Wanted, best: Option<Item> },
    /// An item to store, the number of the newest version that is stored, and what is put.
    Put { item: NewItem, best: Option<i64>, made: Option<Item> },
}

impl Job {
    pub(super) fn scrape() -> Self {
        Self::Scrape { filters: Scrape { seeds: <_>::default(), peers: <_>::default() } }
    }

    /// An item to store, and where; why not.
    pub(super) fn put(item: NewItem) -> Result<(Self, Id), i64> {
        let (value, salt) = match &item {
            NewItem::Immutable(value) => (value, &[][..]),
            NewItem::Mutable { value, salt, .. } => (value, &salt[..]),
            NewItem::Signed(item) => {
                (&item.value, item.signed.as_ref().map_or(&[][..], |signed| &signed.salt))
            }
        };
        if value.len() > VALUE_BYTES_MAX {
            return Err(code::VALUE);
        }
        if bencode::decode(value, Mode::Strict).is_err() {
            return Err(code::PROTOCOL);
        }
        if salt.len() > SALT_BYTES_MAX {
            return Err(code::SALT);
        }
        let target = match &item {
            NewItem::Immutable(value) => toubkal_wire::krpc::immutable_target(value),
            NewItem::Mutable { secret, salt, .. } => {
                mutable_target(&items::public_key(secret), salt)
            }
            NewItem::Signed(item) => {
                let right = item.signed.as_ref().is_none_or(|s| verify(&s.borrow(), &item.value));
                if !right {
                    return Err(code::SIGNATURE);
                }
                item.target()
            }
        };
        Ok((Self::Put { item, best: None, made: None }, target))
    }

    /// Where the item that is wanted is stored.
    pub(super) fn target(&self) -> Option<Id> {
        match self {
            Self::Get { wanted: Wanted::Immutable(target), .. } => Some(*target),
            Self::Get { wanted: Wanted::Mutable { key, salt }, .. } => {
                Some(mutable_target(key, salt))
            }
            _ => None,
        }
    }

    /// What each node on the way is asked.
    pub(super) fn question(&self, target: Id) -> Ask<'static> {
        match self {
            Self::Join { .. } | Self::Nodes => Ask::FindNode { target },
            Self::Find { announce } => {
                // Two seeds have nothing to say to each other.
                let no_seed = announce.is_some_and(|announce| announce.seed);
                Ask::GetPeers { info_hash: target, no_seed, scrape: false }
            }
            Self::Scrape { .. } => {
                Ask::GetPeers { info_hash: target, no_seed: false, scrape: true }
            }
            Self::Get { .. } | Self::Put { .. } => Ask::Get { target, seq: None },
        }
    }

    /// What is put.
    pub(super) fn made(&self) -> Option<&Item> {
        match self {
            Self::Put { made, .. } => made.as_ref(),
            _ => None,
        }
    }

    /// Makes what is put, now that the newest version is known; false when another is stored than
    /// was expected.
    pub(super) fn make(&mut self) -> bool {
        let Self::Put { item, best, made } = self else { return true };
        if made.is_some() {
            return true;
        }
        let item = match item {
            NewItem::Immutable(value) => Item { value: value.clone(), signed: None },
            NewItem::Signed(item) => item.clone(),
            NewItem::Mutable { secret, salt, seq, value, cas } => {
                if let (Some(cas), Some(best)) = (&cas, &best)
                    && cas != best
                {
                    return false;
                }
                let seq = seq.unwrap_or_else(|| best.map_or(1, |best| best.saturating_add(1)));
                sign(secret, salt.clone(), seq, value.clone())
            }
        };
        *made = Some(item);
        true
    }

    /// The question by which a node is told to store.
    pub(super) fn put_question<'a>(&self, item: &'a Item, token: &'a [u8]) -> Ask<'a> {
        let cas = match self {
            Self::Put { item: NewItem::Mutable { cas, .. }, .. } => *cas,
            _ => None,
        };
        let signed = item.signed.as_ref().map(Signature::borrow);
        Ask::Put { token, value: &item.value, signed, cas }
    }
}

impl Signature {
    /// As a packet has it.
    pub(in crate::dht) fn borrow(&self) -> Signed<'_> {
        Signed { key: &self.key, signature: &self.signature, seq: self.seq, salt: &self.salt }
    }
}

impl Search {
    /// Takes what an answer has for this order.
    pub(super) fn hear(
        &mut self,
        node: Node,
        response: &Response<'_>,
        hops: u8,
        out: &mut Outbox<Action>,
    ) {
        let Some(query) = self.query else { return };
        let target = self.target;
        match &mut self.job {
            Job::Find { .. } => self.hear_peers(node.address, response, hops, out),
            Job::Scrape { filters } => {
                if let Some(scrape) = &response.scrape {
                    filters.seeds.unite(&scrape.seeds);
                    filters.peers.unite(&scrape.peers);
                }
                self.hear_peers(node.address, response, hops, out);
            }
            Job::Get { wanted, best } => {
                let salt = match wanted {
                    Wanted::Immutable(_) => None,
                    Wanted::Mutable { key, salt } => Some((&*key, &salt[..])),
                };
                let Some(item) = item(response, &target, salt) else { return };
                if best.as_ref().is_none_or(|best| item.seq() > best.seq()) {
                    *best = Some(item.clone());
                    out.push(Action::Report(Report::Got { query, item }));
                }
            }
            Job::Put { item: new, best, .. } => {
                let own;
                let (key, salt) = match new {
                    NewItem::Mutable { secret, salt, .. } => {
                        own = items::public_key(secret);
                        (&own, &salt[..])
                    }
                    _ => return,
                };
                if let Some(item) = item(response, &target, Some((key, salt))) {
                    *best = (*best).max(Some(item.seq()));
                }
            }
            Job::Join { .. } | Job::Nodes => {}
        }
    }

    fn hear_peers(
        &mut self,
        from: SocketAddr,
        response: &Response<'_>,
        hops: u8,
        out: &mut Outbox<Action>,
    ) {
        let Some(query) = self.query else { return };
        let seen = &mut self.seen;
        let new = |peer: &&SocketAddr| seen.len() < SEEN_MAX && seen.insert(**peer);
        let peers: alloc::vec::Vec<SocketAddr> =
            response.values.iter().filter(new).copied().collect();
        if !peers.is_empty() && matches!(self.job, Job::Find { .. }) {
            out.push(Action::Report(Report::Peers { query, peers, from, hops }));
        }
    }

    /// There is nothing more to find out: an item that never changes is here.
    pub(super) fn is_satisfied(&self) -> bool {
        matches!(self.job, Job::Get { wanted: Wanted::Immutable(_), best: Some(_) })
    }

    /// Says how the round went.
    pub(super) fn report(&self, out: &mut Outbox<Action>) {
        let Some(query) = self.query else { return };
        let nodes = self.runs.iter().map(|run| run.stored).sum();
        let mut say = |report| out.push(Action::Report(report));
        match &self.job {
            Job::Find { announce: Some(_) } => say(Report::Announced { query, nodes }),
            Job::Scrape { filters } => {
                let (seeds, peers) = (filters.seeds.estimate(), filters.peers.estimate());
                say(Report::Scraped { query, seeds, peers });
            }
            Job::Put { made: Some(item), .. } => {
                let refused = self.runs.iter().find_map(|run| run.refused);
                say(Report::Stored { query, nodes, item: item.clone(), refused });
            }
            _ => {}
        }
        say(Report::Done { query, summary: self.summary() });
    }
}

/// The item of an answer, if it is the one that belongs there.
fn item(response: &Response<'_>, target: &Id, of: Option<(&[u8; 32], &[u8])>) -> Option<Item> {
    let value = response.value?;
    let item = match of {
        None => Item { value: value.to_vec(), signed: None },
        Some((key, salt)) => {
            let (signature, seq) = (response.signature?, response.seq?);
            if !verify(&Signed { key, signature, seq, salt }, value) {
                return None;
            }
            let signed = Signature { key: *key, signature: *signature, seq, salt: salt.to_vec() };
            Item { value: value.to_vec(), signed: Some(signed) }
        }
    };
    (item.target() == *target).then_some(item)
}
