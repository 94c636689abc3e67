//! A study: a world is filled and warmed up, then peers are announced here and looked for there.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use toubkal_core::base::Time;
use toubkal_core::dht::{Announce, Command, QueryId, Report};
use toubkal_wire::krpc::Id;

use super::world::{Net, World};

/// What is studied.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Honest nodes.
    pub nodes: usize,
    /// Nodes that lie.
    pub liars: usize,
    /// What the lines are like, and who leaves.
    pub net: Net,
    /// How long the nodes come in, one after the other, each knowing one that is there.
    pub filling: Duration,
    /// How long nothing but upkeep and churn happens then.
    pub warming: Duration,
    /// How many peers are announced and looked for.
    pub trials: usize,
    /// During which time.
    pub time: Duration,
    /// The longest time between an announce and its look-up.
    pub gap: Duration,
    /// Where all chance comes from.
    pub seed: u64,
}

/// One peer that was announced and looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// Nodes on the way to the first that told of the peer; `None`: it was not found.
    pub hops: Option<u8>,
    /// From the order to the peer.
    pub time: Duration,
    /// From the order to the end of the look-up.
    pub whole: Duration,
    /// Questions of the whole look-up.
    pub asked: u32,
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Honest nodes.
    pub nodes: usize,
    /// In the order in which they were planned; those whose searcher left are missing.
    pub trials: Vec<Trial>,
    /// Packets of all nodes during the trials, a node and minute.
    pub packets: f64,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Announce,
    Search,
    End,
}

#[derive(Debug, Default)]
struct State {
    peer: Option<SocketAddr>,
    searcher: Option<usize>,
    started: Time,
    trial: Trial,
    done: bool,
}

impl Plan {
    /// Plays it.
    #[must_use]
    pub fn run(&self) -> Outcome {
        let mut world = World::new(self.net, self.seed);
        self.fill(&mut world);
        world.start_churn();
        world.run(self.warming);
        world.reports();
        let (start, packets) = (world.now(), world.packets);
        let trials = self.play(&mut world);
        let minutes = world.now().since(start).as_secs_f64() / 60.0;
        let packets = (world.packets - packets) as f64 / minutes / self.nodes as f64;
        Outcome { nodes: self.nodes, trials, packets }
    }

    fn fill(&self, world: &mut World) {
        let all = self.nodes + self.liars;
        // Liars are there from the beginning, between the others.
        let every = all.checked_div(self.liars).unwrap_or(usize::MAX);
        let first = world.add();
        for number in 1..all {
            if self.liars > 0 && number % every == 0 {
                world.add_liar();
            } else {
                let known = if number == 1 { first } else { world.draw_host() };
                let contact = world.address(known);
                let new = world.add();
                world.order(new, Command::Bootstrap(vec![contact]));
            }
            world.run(self.filling / all as u32);
        }
    }

    fn play(&self, world: &mut World) -> Vec<Trial> {
        let mut states: Vec<State> = (0..self.trials).map(|_| State::default()).collect();
        let mut steps: BTreeMap<(Time, usize), Step> = BTreeMap::new();
        let pause = self.time / self.trials.max(1) as u32;
        for index in 0..self.trials {
            steps.insert((world.now().after(pause * index as u32), index), Step::Announce);
        }
        while let Some(((at, index), step)) = steps.pop_first() {
            world.run_until(at);
            hear(world, &mut states);
            match step {
                Step::Announce => {
                    announce(world, index, &mut states[index]);
                    let gap = Duration::from_secs(20) + world.chance().wait(self.gap);
                    steps.insert((at.after(gap), index), Step::Search);
                }
                Step::Search => {
                    search(world, index, &mut states[index]);
                    steps.insert((at.after(Duration::from_secs(60)), index), Step::End);
                }
                Step::End => {
                    let searcher = states[index].searcher.expect("it was drawn before");
                    world.order(searcher, Command::Stop(QueryId(index as u64)));
                    let state = &mut states[index];
                    if world.node(searcher).is_none() && !state.done {
                        state.searcher = None;
                    }
                }
            }
        }
        let heard = states.into_iter().filter(|state| state.searcher.is_some());
        heard.map(|state| state.trial).collect()
    }
}

fn hash(index: usize) -> Id {
    // Spread over the space as hashes are.
    let mut hash = [0; 20];
    let mut word = index as u64 + 1;
    for byte in &mut hash {
        word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        *byte = (word >> 56) as u8;
    }
    Id(hash)
}

fn announce(world: &mut World, index: usize, state: &mut State) {
    let host = world.draw_host();
    let announce = Some(Announce { port: None, seed: false });
    let query = QueryId(u64::MAX - index as u64);
    state.peer = Some(world.address(host));
    world.order(host, Command::Find { query, info_hash: hash(index), announce });
}

fn search(world: &mut World, index: usize, state: &mut State) {
    let host = loop {
        let host = world.draw_host();
        if Some(world.address(host)) != state.peer {
            break host;
        }
    };
    state.searcher = Some(host);
    state.started = world.now();
    let query = QueryId(index as u64);
    world.order(host, Command::Find { query, info_hash: hash(index), announce: None });
}

fn hear(world: &mut World, states: &mut [State]) {
    for (at, host, report) in world.reports() {
        match report {
            Report::Peers { query, peers, hops, .. } => {
                let Some(state) = states.get_mut(query.0 as usize) else { continue };
                let found = state.peer.is_some_and(|peer| peers.contains(&peer));
                if found && state.searcher == Some(host) && state.trial.hops.is_none() {
                    state.trial.hops = Some(hops);
                    state.trial.time = at.since(state.started);
                }
            }
            Report::Done { query, summary } => {
                if let Some(state) = states.get_mut(query.0 as usize)
                    && !state.done
                {
                    state.trial.asked = summary.asked;
                    state.trial.whole = at.since(state.started);
                    state.done = true;
                }
            }
            _ => {}
        }
    }
}

impl Outcome {
    /// How many of a thousand found their peer.
    #[must_use]
    pub fn found(&self) -> usize {
        let found = self.trials.iter().filter(|trial| trial.hops.is_some()).count();
        found * 1000 / self.trials.len().max(1)
    }

    /// The middle of something, of the trials that found their peer.
    #[must_use]
    pub fn median<T: Ord + Copy + Default>(&self, of: impl Fn(&Trial) -> T) -> T {
        let found = self.trials.iter().filter(|trial| trial.hops.is_some());
        let mut all: Vec<T> = found.map(of).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or_default()
    }

    /// As many questions as a look-up takes that comes one bit nearer with each hop, and asks the
    /// eight nearest at each: k * log2(n) / b, b = 1.
    #[must_use]
    pub fn expected(&self) -> f64 {
        8.0 * (self.nodes as f64).log2()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, trials) = (self.found(), self.trials.len());
        writeln!(f, "{} nodes, {trials} look-ups", self.nodes)?;
        writeln!(f, "found             {}.{} %", found / 10, found % 10)?;
        writeln!(f, "hops, median      {}", self.median(|trial| trial.hops.unwrap_or(0)))?;
        let most = self.trials.iter().filter_map(|trial| trial.hops).max().unwrap_or(0);
        writeln!(f, "hops, most        {most}")?;
        writeln!(f, "to the peer       {:?} (median)", self.median(|trial| trial.time))?;
        writeln!(f, "whole look-up     {:?} (median)", self.median(|trial| trial.whole))?;
        let (asked, expected) = (self.median(|trial| trial.asked), self.expected());
        writeln!(f, "questions, median {asked}; k log2(n) / b = {expected:.0}")?;
        write!(f, "packets           {:.1} a node and minute, all together", self.packets)
    }
}
