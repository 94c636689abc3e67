//! Once the faults stop and the network heals: all get what there is, and then it is quiet.

use std::time::Duration;

use toubkal_core::base::Bitset;
use toubkal_core::engine::{LinkId, Priority};

use crate::world::World;

impl World {
    /// Honest hosts that lack a piece which they want and which some honest host there has.
    #[must_use]
    pub fn lacking(&self) -> Vec<usize> {
        let pieces = self.layout.pieces();
        let mut there = Bitset::new(pieces);
        for host in self.fair() {
            let host = &self.hosts[host];
            let have = host.have();
            have.iter().flat_map(|have| have.iter()).for_each(|piece| _ = there.set(piece));
        }
        let lacks = |&host: &usize| {
            let host = &self.hosts[host];
            match host.have() {
                // It is not there yet, or opens its files.
                None => true,
                // Nor does it know what there is.
                Some(have) if have.len() != pieces => true,
                Some(have) => {
                    there.minus(&have).any(|piece| self.wants(&host.setup.priorities, piece))
                }
            }
        };
        self.fair().filter(lacks).collect()
    }

    /// Honest hosts that are there, or will be.
    fn fair(&self) -> impl Iterator<Item = usize> + '_ {
        let fair = |&host: &usize| {
            let host = &self.hosts[host];
            !host.gone && host.setup.manners.is_fair()
        };
        (0..self.hosts.len()).filter(fair)
    }

    fn wants(&self, priorities: &[Priority], piece: u32) -> bool {
        let mut files = self.layout.files_of(piece);
        files.any(|file| {
            let wanted = priorities.get(file as usize) != Some(&Priority::Skip);
            let of_it = self.layout.pieces_of(file).contains(&piece);
            wanted && of_it && !self.layout.files()[file as usize].pad
        })
    }

    /// After everybody has everything: nothing is under way, and hosts hardly do anything.
    ///
    /// # Panics
    /// When a request has no answer, a job or a payload is left, or more than `most` events happen
    /// a second and host.
    pub fn expect_quiet(&mut self, over: Duration, most: f64) {
        let (events, until) = (self.events(), self.now() + over);
        self.run_until(until);
        let hosts = self.hosts.iter().filter(|host| !host.gone).count().max(1);
        let rate = (self.events() - events) as f64 / over.as_secs_f64() / hosts as f64;
        assert!(rate <= most, "{rate:.1} events a second and host, though nothing is to be done");
        for (number, watch) in self.watch.hosts.iter().enumerate() {
            let host = &self.hosts[number];
            // Hands that do not do what the engine wants are no witnesses.
            if host.gone || host.down || !host.setup.manners.is_fair() {
                continue;
            }
            let to_fair = |link: LinkId| {
                let peer = host.links.get(link).map(|sim| sim.peer.host);
                peer.is_some_and(|peer| self.hosts[peer].setup.manners.is_fair())
            };
            let monitors = watch.links.iter().flatten().map(|(_, monitor)| monitor);
            let mut owed = monitors.filter(|monitor| to_fair(monitor.link()));
            let owes = owed.find(|monitor| monitor.unanswered() > 0);
            assert!(owes.is_none(), "host {number} owes answers to requests: {owes:#?}");
            assert!(watch.safety.under_way() <= 1, "host {number} has jobs without an answer");
            let free = host.payloads.is_empty();
            assert!(free || watch.safety.under_way() > 0, "host {number} keeps a payload");
        }
    }
}
