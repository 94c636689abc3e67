//! What stands between an engine and its world: the queues, and the hands that do what it wants.

use std::time::Duration;

use toubkal_core::base::{Machine as _, Outbox};
use toubkal_core::engine::{
    Action, Command, Done, Event, JobId, LinkEvent, LinkId, Notice, Served,
};
use toubkal_wire::layout::Block;

use crate::disk::Op;
use crate::host::SimLink;
use crate::queue::Delivery;
use crate::store::Whose;
use crate::world::World;

impl World {
    pub(crate) fn wake(&mut self, host: usize) {
        let machine = &mut self.hosts[host];
        if machine.wake_at != Some(self.now) || machine.gone || machine.down {
            return;
        }
        machine.wake_at = None;
        let mut out = std::mem::take(&mut self.out);
        let now = machine.clock.read(self.now);
        machine.advance(now, &mut out);
        self.carry_out(host, out);
    }

    /// The engine is to look again when it is due: its clock has leapt.
    pub(crate) fn rouse(&mut self, host: usize) {
        self.hosts[host].wake_at = Some(self.now);
        self.at(self.now, Delivery::Wake { host });
    }

    /// Tells an engine a fact, at once or by the queue, and does what it wants done.
    pub(crate) fn tell(&mut self, host: usize, event: Event) {
        let machine = &self.hosts[host];
        let paused = machine.paused_until > self.now;
        if paused || !self.faults.fact_delay.is_zero() || !machine.facts.is_empty() {
            return self.tell_later(host, event);
        }
        self.tell_now(host, event);
    }

    /// Tells it by the queue: for what follows from an action while its batch is still being
    /// carried out.
    pub(crate) fn tell_later(&mut self, host: usize, event: Event) {
        let wait = self.wait(self.faults.fact_delay);
        let at = self.hosts[host].facts.push(self.now.after(wait), event);
        self.at(at, Delivery::Fact { host });
    }

    /// The store answers.
    pub(crate) fn answer(&mut self, host: usize, event: Event) {
        if self.faults.job_delay.is_zero() {
            return self.tell_now(host, event);
        }
        let wait = self.wait(self.faults.job_delay);
        let at = self.hosts[host].answers.push(self.now.after(wait), event);
        self.at(at, Delivery::Fact { host });
    }

    pub(crate) fn hear_facts(&mut self, host: usize) {
        while let Some(event) = self.hosts[host].facts.pop(self.now) {
            self.tell_now(host, event);
        }
        while let Some(event) = self.hosts[host].answers.pop(self.now) {
            self.tell_now(host, event);
        }
    }

    fn tell_now(&mut self, host: usize, event: Event) {
        let machine = &mut self.hosts[host];
        if machine.gone || machine.down {
            return;
        }
        let now = machine.clock.read(self.now);
        self.watch.hears(host, now, &event);
        let opened = matches!(event, Event::Job(_, Ok(Done::Opened(_))));
        let mut out = std::mem::take(&mut self.out);
        self.hosts[host].handle(now, event, &mut out);
        if opened {
            self.check_belief(host);
        }
        self.carry_out(host, out);
    }

    fn carry_out(&mut self, host: usize, mut out: Outbox<Action>) {
        let later = !self.faults.wish_delay.is_zero();
        for action in out.drain() {
            self.watch_action(host, &action);
            match action {
                Action::Notify(notice) => self.note(host, notice),
                action if later => self.wish(host, action),
                action => self.act(host, action),
            }
        }
        self.out = out;
        let machine = &mut self.hosts[host];
        if let Some((at, _)) = machine.engine.deadline() {
            let at = machine.clock.when(self.now, at);
            if machine.wake_at.is_none_or(|set| at < set || set < self.now) {
                machine.wake_at = Some(at);
                self.at(at, Delivery::Wake { host });
            }
        }
    }

    /// An action goes to the hands, or to the store, by its queue.
    fn wish(&mut self, host: usize, action: Action) {
        let job = matches!(
            action,
            Action::Open { .. }
                | Action::Store { .. }
                | Action::Verify { .. }
                | Action::Digest { .. }
                | Action::Reclaim { .. }
                | Action::Finish { .. }
                | Action::Sync { .. }
                | Action::Record { .. }
                | Action::Release { .. }
        );
        let most = if job { self.faults.job_delay } else { self.faults.wish_delay };
        let at = self.now.after(self.wait(most));
        let machine = &mut self.hosts[host];
        let lane = if job { &mut machine.orders } else { &mut machine.wishes };
        let at = lane.push(at, action);
        self.at(at, Delivery::Wish { host });
    }

    pub(crate) fn fulfil(&mut self, host: usize) {
        while let Some(action) = self.hosts[host].wishes.pop(self.now) {
            self.act(host, action);
        }
        while let Some(action) = self.hosts[host].orders.pop(self.now) {
            self.act(host, action);
        }
    }

    fn act(&mut self, host: usize, action: Action) {
        match action {
            Action::Admit { torrent, terms } => self.hosts[host].terms = Some((torrent, terms)),
            Action::Retire { .. } => self.hosts[host].terms = None,
            Action::Dial { dial, remote, .. } => {
                let machine = &self.hosts[host];
                let (life, latency) = (machine.life, machine.setup.latency);
                let wait = 2 * (latency + Duration::from_millis(1));
                self.after(wait, Delivery::Connect { from: host, life, dial, to: remote });
            }
            Action::Send { link, message } => self.send(host, link, &message),
            Action::Serve { link, block, .. } => self.fetch(host, link, block),
            Action::GiveMetadata { link, number, block, .. } => {
                self.give_metadata(host, link, number, block);
            }
            Action::Unserve { link, block } => {
                let machine = &mut self.hosts[host];
                let reading = machine.lanes.forget(link, Some(block)).len() == 1;
                let waits = |sim: &mut SimLink| sim.outgoing.withdraw(block);
                if reading || machine.links.get_mut(link).is_some_and(waits) {
                    self.served_later(host, link, block, Served::Withdrawn);
                }
            }
            Action::Close { link, reason } => self.close(host, link, reason),
            Action::Discard { payload } => _ = self.hosts[host].payloads.release(&payload),
            Action::Open { job, wanted, .. } => self.job(host, job, Op::Open { wanted }),
            Action::Store { job, block, payload, digest, .. } => {
                let body = self.hosts[host].payloads.release(&payload);
                self.job(host, job, Op::Write { block, body, digest });
            }
            Action::Verify { job, piece, hashed, .. } => {
                self.job(host, job, Op::Verify { piece, hashed });
            }
            Action::Digest { job, piece, .. } => self.job(host, job, Op::Digest { piece }),
            Action::Reclaim { job, file, .. } => self.job(host, job, Op::Reclaim { file }),
            Action::Finish { job, file, .. } => self.job(host, job, Op::Finish { file }),
            Action::Sync { job, .. } => self.job(host, job, Op::Sync),
            Action::Record { job, record, .. } => self.job(host, job, Op::Record(record)),
            Action::Release { .. } => self.submit(host, Whose::Nobody, Op::Release),
            Action::Load { torrent } => {
                let add = self.torrent(host);
                self.tell_later(host, Event::Loaded(torrent, Ok(add.into())));
            }
            Action::Notify(notice) => self.note(host, notice),
        }
    }

    /// Keeps what an engine has to say.
    fn note(&mut self, host: usize, notice: Notice) {
        let machine = &mut self.hosts[host];
        match &notice {
            Notice::Added { torrent, .. } => {
                machine.torrent = Some(*torrent);
                if machine.setup.magnet {
                    self.start_announcing(host);
                }
            }
            Notice::Metadata { torrent, bytes } => {
                assert!(*bytes == self.metadata, "host {host} believes false metadata");
                self.log(host, "metadata", String::new);
                let resolve = Command::Resolve(*torrent, self.torrent(host));
                self.tell_later(host, resolve.into());
            }
            Notice::Completed { .. } => {
                machine.completed.get_or_insert(self.now);
                self.recount();
                self.log(host, "completed", String::new);
            }
            Notice::Checked { .. } => {
                self.log(host, "checked", String::new);
                self.start_announcing(host);
            }
            Notice::PieceDone { piece, .. } => self.log(host, "piece", || piece.to_string()),
            Notice::PieceBad { piece, .. } => self.log(host, "bad piece", || piece.to_string()),
            Notice::FileDone { file, .. } => self.log(host, "file", || file.to_string()),
            Notice::Failed { error, .. } => self.log(host, "failed", || format!("{error:?}")),
            Notice::Unrecorded { error, .. } => {
                self.log(host, "unrecorded", || format!("{error:?}"));
            }
            Notice::Banned { remote, .. } => self.log(host, "banned", || remote.to_string()),
            Notice::FileLost { file, .. } => {
                machine.lost = true;
                self.log(host, "lost", || file.to_string());
            }
            Notice::Dormant { .. } => self.log(host, "dormant", String::new),
            Notice::Readable { reader, from, to, .. } => {
                return self.may_read(host, *reader, *from..*to);
            }
            Notice::Verified { .. } | Notice::Ended => {}
        }
        self.hosts[host].notices.push((self.now, notice));
    }

    fn job(&mut self, host: usize, job: JobId, op: Op) {
        self.submit(host, Whose::Job(job), op);
    }

    pub(crate) fn served_later(&mut self, host: usize, link: LinkId, block: Block, how: Served) {
        let event = LinkEvent::Served { block, outcome: how };
        self.tell_later(host, Event::Link(link, event));
    }
}
