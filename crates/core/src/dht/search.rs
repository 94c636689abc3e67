//! Orders that take a look-up: one for each of our families, side by side, and what follows.

mod job;
mod run;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use toubkal_wire::krpc::{Ask, Id, Node, Response, code};

use super::asked::Why;
use super::home::Home;
use super::lookup::Lookup;
use super::values::{Family, QueryId, Report, SearchStatus, Summary};
use super::{Action, Command, Dht, Way};
use crate::base::{Bucket, Key, Outbox, Slab, Time};

use self::job::Job;
use self::run::{Phase, Run, Step};

/// Orders whose first round may be under way at once; the others wait for their turn.
pub(super) const ACTIVE_MAX: usize = 32;
/// Peers of one order that are told apart in one round.
const SEEN_MAX: usize = 2000;
/// Questions a minute of one order once its first round is over.
const PACE: u64 = 9;
/// The same for all orders together.
const PACE_ALL: u64 = 300;
/// Pauses between the rounds of an order that finds nobody, then the last again and again.
const PAUSES: [u64; 5] = [60, 120, 240, 480, 900];
/// The pause after a round that found peers: others forget us after half an hour.
const PAUSE: u64 = 900;
/// Before we look for the network again when few answer: doubled each time, up to the last.
const JOIN_PAUSES: (u64, u64) = (2, 300);
/// Rounds with the least pause while somebody answers.
const JOIN_AGAIN: u32 = 3;
/// No round follows another sooner: one may end at once, when nobody may be asked.
const PAUSE_LEAST: Duration = Duration::from_millis(50);
/// A bucket counts whole things: a question is a thousand of them.
const QUESTION: u64 = 1000;

#[derive(Debug)]
pub(super) struct Search {
    /// `None` when we ourselves look for our neighbours.
    query: Option<QueryId>,
    job: Job,
    target: Id,
    runs: Vec<Run>,
    round: u32,
    /// Bounds what is sent after the first round.
    pace: Option<Bucket>,
    /// When the next round starts; `None` in a round.
    next: Option<Time>,
    /// When the pace lets the next question through.
    wake: Option<Time>,
    /// What stands in [`Searches::due`].
    planned: Option<Time>,
    seen: BTreeSet<SocketAddr>,
    /// Whether the end of this round was reported.
    told: bool,
}

/// All orders.
#[derive(Debug, Default)]
pub(super) struct Searches {
    all: Slab<Search, Search>,
    /// In a round, or done with too few nodes, so that others may still come.
    live: BTreeSet<Key<Search>>,
    /// Wait for their first round.
    waiting: VecDeque<Key<Search>>,
    due: BTreeSet<(Time, Key<Search>)>,
    pace: Option<Bucket>,
}

impl Searches {
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key<Search>, &Search)> {
        self.all.iter()
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Gives something to every look-up of this address that knows too few nodes.
    pub(super) fn each_poor(&mut self, home: usize, mut give: impl FnMut(&mut Lookup)) -> bool {
        let mut any = false;
        for key in &self.live {
            let Some(search) = self.all.get_mut(*key) else { continue };
            for run in search.runs.iter_mut().filter(|run| run.home == home) {
                if run.lookup.is_poor() {
                    give(&mut run.lookup);
                    run.reopen();
                    any = true;
                }
            }
        }
        any
    }

    pub(super) fn late(&mut self, key: Key<Search>, run: usize, address: SocketAddr) {
        self.lookup(key, run).into_iter().for_each(|lookup| lookup.late(address));
    }

    pub(super) fn refused(&mut self, key: Key<Search>, run: usize, address: SocketAddr) {
        self.lookup(key, run).into_iter().for_each(|lookup| lookup.refused(address));
    }

    fn lookup(&mut self, key: Key<Search>, run: usize) -> Option<&mut Lookup> {
        Some(&mut self.all.get_mut(key)?.runs.get_mut(run)?.lookup)
    }

    fn named(&self, query: QueryId) -> Option<Key<Search>> {
        self.all.iter().find(|(_, search)| search.query == Some(query)).map(|(key, _)| key)
    }

    fn remove(&mut self, key: Key<Search>) {
        if let Some(search) = self.all.remove(key) {
            search.planned.into_iter().for_each(|at| _ = self.due.remove(&(at, key)));
            self.live.remove(&key);
            self.waiting.retain(|waiting| *waiting != key);
        }
    }

    /// Brings the order of times up to date.
    fn plan(&mut self, key: Key<Search>) {
        let Some(search) = self.all.get_mut(key) else { return };
        let at = search.next.into_iter().chain(search.wake).min();
        if at != search.planned {
            search.planned.into_iter().for_each(|old| _ = self.due.remove(&(old, key)));
            at.into_iter().for_each(|at| _ = self.due.insert((at, key)));
            search.planned = at;
        }
    }

    fn count_active(&self) -> usize {
        let first = |key: &&Key<Search>| {
            self.all.get(**key).is_some_and(|search| search.round == 1 && !search.told)
        };
        self.live.iter().filter(first).count()
    }

    /// Whether a question may be sent now; when not, when.
    fn may_ask(&mut self, now: Time, key: Key<Search>) -> Result<(), Time> {
        let Some(search) = self.all.get_mut(key) else { return Ok(()) };
        let Some(own) = &mut search.pace else { return Ok(()) };
        let full = || Bucket::new(now, PACE_ALL * QUESTION / 60, 10 * QUESTION);
        let all = self.pace.get_or_insert_with(full);
        if !own.take(now, QUESTION) {
            return Err(own.ready_at(QUESTION));
        }
        if !all.take(now, QUESTION) {
            own.give_back(QUESTION);
            return Err(all.ready_at(QUESTION));
        }
        Ok(())
    }

    fn not_asked(&mut self, key: Key<Search>) {
        if let Some(own) = self.all.get_mut(key).and_then(|search| search.pace.as_mut()) {
            own.give_back(QUESTION);
            self.pace.iter_mut().for_each(|all| all.give_back(QUESTION));
        }
    }
}

impl Search {
    fn new(query: Option<QueryId>, job: Job, target: Id, homes: Vec<usize>, lenient: bool) -> Self {
        let run = |home| Run::new(home, Lookup::new(target, lenient));
        Self {
            query,
            job,
            target,
            runs: homes.into_iter().map(run).collect(),
            round: 0,
            pace: None,
            next: None,
            wake: None,
            planned: None,
            seen: BTreeSet::new(),
            told: false,
        }
    }

    /// How it stands; `None` for one of our own.
    pub(super) fn status(&self) -> Option<SearchStatus> {
        let sum = |count: fn(&Lookup) -> u32| self.runs.iter().map(|run| count(&run.lookup)).sum();
        Some(SearchStatus {
            query: self.query?,
            rounds: self.round.saturating_sub(u32::from(!self.told)),
            asked: sum(|lookup| lookup.asked),
            answered: sum(Lookup::count_answered),
            silent: sum(Lookup::count_silent),
            hops: self.hops(),
            peers: self.seen.len() as u32,
            next: self.next,
        })
    }

    fn hops(&self) -> u8 {
        self.runs.iter().map(|run| run.lookup.hops()).max().unwrap_or(0)
    }

    fn start(&mut self, now: Time, homes: &[Home], lenient: bool, drawn: Id) {
        self.round += 1;
        (self.next, self.wake, self.told) = (None, None, false);
        self.seen.clear();
        // Looking for the network when it is lost is paced by its pauses.
        if self.round > 1 && self.query.is_some() {
            self.pace.get_or_insert_with(|| Bucket::new(now, PACE * QUESTION / 60, QUESTION));
        }
        for run in &mut self.runs {
            let home = &homes[run.home];
            if let Job::Join { fails } = self.job {
                // Those who know us know the same nodes near us; if these are gone, others may not.
                self.target = if fails > 0 { drawn } else { home.id };
            }
            *run = Run::new(run.home, Lookup::new(self.target, lenient));
            home.begin(&mut run.lookup);
        }
    }

    fn step(&mut self, at: usize) -> Step {
        let put = matches!(self.job, Job::Put { .. });
        let announce = matches!(self.job, Job::Find { announce: Some(_) });
        self.runs[at].step(put, announce)
    }

    /// Every run is done, but for those that know nobody to ask.
    fn is_over(&self) -> bool {
        let over = |run: &Run| run.phase == Phase::Over;
        self.runs.iter().all(|run| over(run) || run.is_idle()) && self.runs.iter().any(over)
    }

    /// Whether nodes that come to be known should still be asked in this round.
    fn is_hungry(&self) -> bool {
        let poor = |run: &Run| run.lookup.is_poor();
        self.runs.iter().all(poor) || self.round == 1 && self.runs.iter().any(poor)
    }

    fn summary(&self) -> Summary {
        let lookups = || self.runs.iter().map(|run| &run.lookup);
        let mut nodes: Vec<Node> =
            lookups().flat_map(|lookup| lookup.nearest().map(|(node, _)| node)).collect();
        nodes.sort_by_key(|node| self.target.distance(&node.id));
        Summary {
            round: self.round,
            asked: lookups().map(|lookup| lookup.asked).sum(),
            answered: lookups().map(Lookup::count_answered).sum(),
            hops: self.hops(),
            peers: self.seen.len() as u32,
            nodes,
        }
    }
}

impl Dht {
    /// An order of somebody else.
    pub(super) fn order(&mut self, now: Time, command: Command, out: &mut Outbox<Action>) {
        let (query, job, target) = match command {
            Command::Find { query, info_hash, announce } => {
                (query, Job::Find { announce }, info_hash)
            }
            Command::Scrape { query, info_hash } => (query, Job::scrape(), info_hash),
            Command::FindNodes { query, target } => (query, Job::Nodes, target),
            Command::Get { query, wanted } => {
                let job = Job::Get { wanted, best: None };
                let target = job.target().unwrap_or_default();
                (query, job, target)
            }
            Command::Put { query, item } => match Job::put(item) {
                Ok((job, target)) => (query, job, target),
                Err(code) => {
                    let failed = Report::Failed { query, code: Some(code) };
                    return out.push(Action::Report(failed));
                }
            },
            Command::Stop(query) => {
                let key = self.searches.named(query);
                return key.into_iter().for_each(|key| self.searches.remove(key));
            }
            _ => return,
        };
        if let Some(old) = self.searches.named(query) {
            self.searches.remove(old);
        }
        let families = [Family::V4, Family::V6];
        let homes = families.into_iter().filter_map(|family| self.home_of(family)).collect();
        let search = Search::new(Some(query), job, target, homes, !self.config.enforce_ids);
        let key = self.searches.all.insert(search);
        self.searches.waiting.push_back(key);
        self.start_waiting(now, out);
    }

    /// Looks for our neighbours from one of our addresses, if we are not at it.
    pub(super) fn join(&mut self, now: Time, home: usize, out: &mut Outbox<Action>) {
        let at = self.join_of(home);
        match at {
            Some(key) if self.searches.live.contains(&key) => {}
            Some(key) => self.start(now, key, out),
            None => {
                let (id, lenient) = (self.homes[home].id, !self.config.enforce_ids);
                let job = Job::Join { fails: 0 };
                let key =
                    self.searches.all.insert(Search::new(None, job, id, [home].into(), lenient));
                self.start(now, key, out);
            }
        }
    }

    /// The same, under a new id.
    pub(super) fn rejoin(&mut self, now: Time, home: usize, out: &mut Outbox<Action>) {
        if let Some(key) = self.join_of(home) {
            self.start(now, key, out);
        } else {
            self.join(now, home, out);
        }
    }

    /// Whether we look for our neighbours, or will after a pause.
    pub(super) fn is_joining(&self, home: usize) -> bool {
        let planned = |key| self.searches.all.get(key).is_some_and(|join| join.next.is_some());
        self.join_of(home).is_some_and(|key| self.searches.live.contains(&key) || planned(key))
    }

    fn join_of(&self, home: usize) -> Option<Key<Search>> {
        let joins = |search: &Search| search.query.is_none() && search.runs[0].home == home;
        self.searches.all.iter().find(|(_, search)| joins(search)).map(|(key, _)| key)
    }

    /// Starts what waits, as far as there is room, and rounds whose time has come.
    pub(super) fn drive_due(&mut self, now: Time, out: &mut Outbox<Action>) {
        let mut due: Vec<Key<Search>> = Vec::new();
        while let Some((at, key)) = self.searches.due.first().copied().filter(|due| due.0 <= now) {
            self.searches.due.remove(&(at, key));
            if let Some(search) = self.searches.all.get_mut(key) {
                search.planned = None;
                due.push(key);
            }
        }
        for key in due {
            let next = self.searches.all.get(key).and_then(|search| search.next);
            if next.is_some_and(|next| next <= now) {
                self.start(now, key, out);
            } else {
                self.drive(now, key, out);
            }
        }
        self.start_waiting(now, out);
    }

    pub(super) fn start_waiting(&mut self, now: Time, out: &mut Outbox<Action>) {
        while !self.searches.waiting.is_empty() && self.searches.count_active() < ACTIVE_MAX {
            let key = self.searches.waiting.pop_front();
            key.into_iter().for_each(|key| self.start(now, key, out));
        }
    }

    fn start(&mut self, now: Time, key: Key<Search>, out: &mut Outbox<Action>) {
        let mut drawn = Id::default();
        self.rng.fill(&mut drawn.0);
        if let Some(search) = self.searches.all.get_mut(key) {
            search.start(now, &self.homes, !self.config.enforce_ids, drawn);
            self.searches.live.insert(key);
            self.drive(now, key, out);
        }
    }

    /// Goes on with every look-up that may.
    pub(super) fn drive_all(&mut self, now: Time, out: &mut Outbox<Action>) {
        let live: Vec<Key<Search>> = self.searches.live.iter().copied().collect();
        live.into_iter().for_each(|key| self.drive(now, key, out));
    }

    /// Goes on with one order as far as it can for now.
    pub(super) fn drive(&mut self, now: Time, key: Key<Search>, out: &mut Outbox<Action>) {
        let runs = self.searches.all.get(key).map_or(0, |search| search.runs.len());
        self.searches.all.get_mut(key).into_iter().for_each(|search| search.wake = None);
        for run in 0..runs {
            self.drive_run(now, (key, run), out);
        }
        self.settle(now, key, out);
        for run in 0..runs {
            self.drive_run(now, (key, run), out);
        }
        self.finish(now, key, out);
        self.searches.plan(key);
    }

    fn drive_run(&mut self, now: Time, at: (Key<Search>, usize), out: &mut Outbox<Action>) {
        let (key, run) = at;
        loop {
            if let Err(wake) = self.searches.may_ask(now, key) {
                let search = self.searches.all.get_mut(key);
                search.into_iter().for_each(|search| search.wake = Some(wake));
                return;
            }
            let Some(search) = self.searches.all.get_mut(key) else { return };
            match search.step(run) {
                Step::Look(to) => {
                    let way = Way { home: search.runs[run].home, from: to };
                    let question = search.job.question(search.target);
                    if !self.ask(now, way, (question, Why::Look(key, run)), out) {
                        self.searches.late(key, run, to);
                    }
                }
                Step::Store(to, token) => self.store(now, at, to, &token, out),
                Step::Wait => return self.searches.not_asked(key),
            }
        }
    }

    /// Sends what is to be stored to one of the nodes.
    fn store(
        &mut self,
        now: Time,
        (key, run): (Key<Search>, usize),
        to: SocketAddr,
        token: &[u8],
        out: &mut Outbox<Action>,
    ) {
        let Some(search) = self.searches.all.get(key) else { return };
        let way = Way { home: search.runs[run].home, from: to };
        let item = search.job.made().cloned();
        let ask = match (&search.job, &item) {
            (Job::Find { announce: Some(announce) }, _) => Ask::AnnouncePeer {
                info_hash: search.target,
                // Who does not know the implied port takes this one.
                port: announce.port.unwrap_or(1),
                implied_port: announce.port.is_none(),
                seed: announce.seed,
                token,
            },
            (job, Some(item)) => job.put_question(item, token),
            _ => return,
        };
        if !self.ask(now, way, (ask, Why::Store(key, run)), out) {
            self.stored(now, (key, run), Err(None), out);
        }
    }

    /// A node answered for a look-up.
    pub(super) fn looked(
        &mut self,
        now: Time,
        (key, at): (Key<Search>, usize),
        node: Node,
        response: &Response<'_>,
        out: &mut Outbox<Action>,
    ) {
        let Some(search) = self.searches.all.get_mut(key) else { return };
        let Some(run) = search.runs.get_mut(at) else { return };
        let home = &self.homes[run.home];
        let nodes = match home.family {
            Family::V4 => &response.nodes,
            Family::V6 => &response.nodes6,
        };
        let nodes = nodes.iter().flatten().filter(|node| node.id != home.id);
        let told: Vec<Node> = nodes.copied().collect();
        if let Some(hops) = run.lookup.answered(node, response.token, &told) {
            search.hear(node, response, hops, out);
        }
        if search.is_satisfied() {
            return self.end(now, key, out);
        }
        self.drive(now, key, out);
    }

    /// A node took what was to be stored, or did not.
    pub(super) fn stored(
        &mut self,
        now: Time,
        (key, run): (Key<Search>, usize),
        result: Result<(), Option<i64>>,
        out: &mut Outbox<Action>,
    ) {
        if let Some(search) = self.searches.all.get_mut(key)
            && let Some(run) = search.runs.get_mut(run)
        {
            run.stored(result);
            self.drive(now, key, out);
        }
    }

    /// What is put is made when every family has said what it has.
    fn settle(&mut self, now: Time, key: Key<Search>, out: &mut Outbox<Action>) {
        let Some(search) = self.searches.all.get_mut(key) else { return };
        let looked = |run: &Run| run.phase == Phase::Looked;
        let all = search.runs.iter().all(|run| looked(run) || run.is_idle());
        if !all || !search.runs.iter().any(looked) {
            return;
        }
        if search.job.make() {
            search.runs.iter_mut().filter(|run| looked(run)).for_each(Run::begin_to_store);
        } else {
            // Another version is stored than was expected.
            let query = search.query;
            let failed = |query| Action::Report(Report::Failed { query, code: Some(code::CAS) });
            query.into_iter().for_each(|query| out.push(failed(query)));
            self.searches.remove(key);
            self.start_waiting(now, out);
        }
    }

    fn finish(&mut self, now: Time, key: Key<Search>, out: &mut Outbox<Action>) {
        let over = |search: &Search| search.is_over() && !search.told;
        if self.searches.all.get(key).is_some_and(over) {
            self.end(now, key, out);
        } else if let Some(search) = self.searches.all.get(key)
            && search.told
            && !search.is_hungry()
            && search.is_over()
        {
            self.searches.live.remove(&key);
        }
    }

    /// A round is over: it is reported, and the next one planned.
    fn end(&mut self, now: Time, key: Key<Search>, out: &mut Outbox<Action>) {
        let Some(search) = self.searches.all.get_mut(key) else { return };
        search.told = true;
        search.report(out);
        let found = !search.seen.is_empty();
        let round = search.round as usize;
        let pause = match &mut search.job {
            Job::Find { .. } if found => Some(PAUSE),
            Job::Find { .. } => Some(PAUSES[(round - 1).min(PAUSES.len() - 1)]),
            Job::Join { fails } => {
                let home = &self.homes[search.runs[0].home];
                let poor = home.is_poor();
                *fails = if poor { *fails + 1 } else { 0 };
                let (first, most) = JOIN_PAUSES;
                let late = if home.table.len() > 0 { JOIN_AGAIN } else { 1 };
                let pause = |late: u32| (first << (*fails - late).min(16)).min(most);
                poor.then(|| if *fails < late { 0 } else { pause(late) })
            }
            _ => {
                self.searches.remove(key);
                return;
            }
        };
        // Not all at the same moment.
        let jitter = Duration::from_millis(self.rng.below(pause.unwrap_or(0) * 125 + 1));
        search.next =
            pause.map(|pause| now.after((Duration::from_secs(pause) + jitter).max(PAUSE_LEAST)));
        if !search.is_hungry() {
            self.searches.live.remove(&key);
            search.runs.iter_mut().for_each(Run::rest);
        }
        self.searches.plan(key);
    }
}
