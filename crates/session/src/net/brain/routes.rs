//! Who carries out what the engine wants.

use toubkal_core::base::{Outbox, Time};
use toubkal_core::engine::{Action, Notice};
use toubkal_core::tracker;

use super::magnets::Give;
use super::{Brain, Ending};
use crate::net::hand::Read;
use crate::session::SessionEvent;
use crate::store::Task;

impl Brain {
    /// Carries out everything that waits in the outbox.
    pub(super) fn carry_out(&mut self, now: Time) {
        let spare = std::mem::replace(&mut self.spare.0, Outbox::new());
        let mut outbox = std::mem::replace(&mut self.outbox, spare);
        while !outbox.is_empty() {
            for action in outbox.drain() {
                self.act(now, action);
            }
            // Answers to commands may have been asked for meanwhile.
            std::mem::swap(&mut outbox, &mut self.outbox);
        }
        self.spare.0 = outbox;
    }

    /// Hands the store what is to be read for peers.
    pub(super) fn submit_reads(&mut self) {
        for read in self.hands.reads() {
            let Read { link, torrent, block } = read;
            self.store.submit(Task::Read { link, torrent, block });
        }
    }

    fn act(&mut self, now: Time, action: Action) {
        let hands = &mut self.hands;
        match action {
            Action::Admit { torrent, terms } => {
                let terms = self.greet(torrent, terms);
                self.hands.admit(torrent, terms);
                self.admitted(now, torrent);
            }
            Action::Retire { torrent } => {
                hands.retire(torrent);
                self.leave_lan(now, torrent);
                self.leave_dht(now, torrent);
                self.tell_announcer(now, torrent, tracker::Event::Stop);
            }
            Action::Dial { dial, torrent, remote } => hands.dial(now, dial, torrent, remote),
            Action::Send { link, message } => hands.send(link, message),
            Action::Serve { link, torrent, block } => hands.serve(link, torrent, block),
            Action::GiveMetadata { link, torrent, number, block } => {
                self.give_metadata(Give { link, torrent, number, block });
            }
            Action::Unserve { link, block } => hands.unserve(link, block),
            Action::Close { link, reason } => hands.close(link, reason),
            Action::Store { job, torrent, block, payload, digest } => {
                let buffer = hands.redeem(payload);
                self.store.submit(Task::Write { job, torrent, block, buffer, digest });
            }
            Action::Discard { payload } => drop(hands.redeem(payload)),
            Action::Open { job, torrent, wanted } => {
                self.store.submit(Task::Open { job, torrent, wanted });
            }
            Action::Verify { job, torrent, piece, hashed } => {
                self.store.submit(Task::Verify { job, torrent, piece, hashed });
            }
            Action::Digest { job, torrent, piece } => {
                self.store.submit(Task::Digest { job, torrent, piece });
            }
            Action::Reclaim { job, torrent, file } => {
                self.store.submit(Task::Reclaim { job, torrent, file });
            }
            Action::Finish { job, torrent, file } => {
                self.store.submit(Task::Finish { job, torrent, file });
            }
            Action::Sync { job, torrent } => self.store.submit(Task::Sync { job, torrent }),
            Action::Record { job, torrent, record } => {
                self.store.submit(Task::Record { job, torrent, record });
            }
            Action::Release { torrent } => {
                self.store.submit(Task::Release { torrent });
                self.forget_if_gone(torrent);
            }
            Action::Load { torrent } => self.wake(now, torrent),
            // Its bytes are many, and what they say is told when it is known.
            Action::Notify(Notice::Metadata { torrent, bytes }) => {
                self.metadata_found(now, torrent, bytes);
            }
            Action::Notify(notice) => self.notify(now, notice),
        }
    }

    fn notify(&mut self, now: Time, notice: Notice) {
        if self.readers.hear(&notice) {
            return;
        }
        match &notice {
            Notice::Added { ticket, torrent } => self.added(now, *ticket, *torrent),
            Notice::Checked { torrent } => {
                self.start_announcing(now, *torrent);
                self.join_lan(now, *torrent);
                self.join_dht(now, *torrent);
            }
            Notice::Completed { torrent, at_once: false } => {
                self.tell_announcer(now, *torrent, tracker::Event::Completed);
                self.join_dht(now, *torrent);
            }
            Notice::Dormant { torrent } => self.rested(now, *torrent),
            Notice::Ended => {
                if let Ending::Closing { until } = self.ending {
                    self.ending = Ending::Telling { until };
                }
            }
            _ => {}
        }
        // Of those that were brought back at rest the caller knows.
        if self.torrents.rested.is_none() {
            self.news.push(SessionEvent::Notice(notice));
        }
    }
}
