//! Who carries out what the engine wants.

use toubkal_core::base::{Outbox, Time};
use toubkal_core::engine::{Action, Notice};
use toubkal_core::tracker;

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
        for read in self.hand.reads() {
            let Read { link, torrent, block } = read;
            self.store.submit(Task::Read { link, torrent, block });
        }
    }

    fn act(&mut self, now: Time, action: Action) {
        let hand = &mut self.hand;
        match action {
            Action::Admit { torrent, terms } => hand.admit(torrent, terms),
            Action::Retire { torrent } => {
                hand.retire(torrent);
                self.leave_lan(now, torrent);
                self.tell_announcer(now, torrent, tracker::Event::Stop);
            }
            Action::Dial { dial, torrent, remote } => hand.dial(now, dial, torrent, remote),
            Action::Send { link, message } => hand.send(link, &message),
            Action::Serve { link, torrent, block } => hand.serve(link, torrent, block),
            // No torrent says how long its metadata is.
            Action::GiveMetadata { .. } => {}
            Action::Unserve { link, block } => hand.unserve(link, block),
            Action::Close { link, reason } => hand.close(link, reason),
            Action::Store { job, torrent, block, payload, digest } => {
                let buffer = hand.redeem(payload);
                self.store.submit(Task::Write { job, torrent, block, buffer, digest });
            }
            Action::Discard { payload } => drop(hand.redeem(payload)),
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
            Action::Load { torrent } => self.load(now, torrent),
            Action::Notify(notice) => self.notify(now, notice),
        }
    }

    fn notify(&mut self, now: Time, notice: Notice) {
        match &notice {
            Notice::Added { ticket, torrent } => self.added(now, *ticket, *torrent),
            Notice::Checked { torrent } => {
                self.start_announcing(now, *torrent);
                self.join_lan(now, *torrent);
            }
            Notice::Completed { torrent, at_once: false } => {
                self.tell_announcer(now, *torrent, tracker::Event::Completed);
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
