//! What the user, or the program, wants: given to the torrent that it is about.

use super::action::{Action, Notice};
use super::event::{CloseReason, Command, TorrentId};
use super::limits::Limits;
use super::torrent::Torrent;
use super::{Engine, Turn};
use crate::base::{Rng, Time};

impl Engine {
    pub(super) fn command(&mut self, cx: &mut Turn<'_>, command: Command) {
        if let Command::Add(add) = command {
            let (ticket, paused) = (add.ticket, add.paused);
            return self.insert(cx, ticket, paused, |id, now, rng| Torrent::new(id, add, now, rng));
        }
        if let Command::Seek(it) = command {
            let make = |id, now, rng: &Rng| Torrent::seek(id, it, now, rng);
            return self.insert(cx, it.ticket, it.paused, make);
        }
        if let Command::Rest(resting) = command {
            return self.rest(cx, &resting);
        }
        if let Command::Limit { torrent: None, rates } = command {
            self.shared.limits = Limits::new(rates, cx.now);
            self.shared.ready_at = Some(cx.now);
            return;
        }
        if let Command::Shutdown = command {
            self.ending = true;
            for id in self.torrents.ids() {
                if let Some(torrent) = self.torrents.get_mut(id) {
                    torrent.stop(&mut cx.with(&mut self.shared));
                }
            }
            return self.close_waiting(|_| Some(CloseReason::Stopped));
        }
        let Some(id) = whose(&command) else { return };
        let Some(command) = self.postpone(cx, id, command) else { return };
        let Some(torrent) = self.torrents.get_mut(id) else { return };
        torrent.stay_awake();
        if let Command::Remove(_) = command {
            self.removing.push(id);
        }
        let cx = &mut cx.with(&mut self.shared);
        match command {
            Command::Start(_) | Command::Check(_) | Command::Resolve(..) | Command::Read(..)
                if self.ending => {}
            Command::Remove(_) => torrent.remove(cx),
            Command::Start(_) => torrent.start(cx),
            Command::Stop(_) => torrent.stop(cx),
            Command::Check(_) => torrent.check_anew(cx),
            Command::Prioritise(_, priorities) => torrent.prioritise(cx, priorities),
            Command::Sequential(_, sequential) => torrent.sequential(sequential),
            Command::Limit { rates, .. } => torrent.limit(cx, rates),
            Command::Resolve(_, add) => torrent.resolve(cx, add),
            Command::Read(_, read) => torrent.read(cx, read),
            Command::Unread(_, reader) => torrent.unread(cx, reader),
            Command::Add(_) | Command::Rest(_) | Command::Seek(_) | Command::Shutdown => {}
        }
        torrent.catch_up(cx);
    }

    fn insert(
        &mut self,
        cx: &mut Turn<'_>,
        ticket: u64,
        paused: bool,
        make: impl FnOnce(TorrentId, Time, &Rng) -> Torrent,
    ) {
        if self.ending {
            return;
        }
        let (now, rng) = (cx.now, self.shared.rng.clone());
        let id = self.torrents.insert_with(|id| make(id, now, &rng));
        cx.out.push(Action::Notify(Notice::Added { ticket, torrent: id }));
        let Some(torrent) = self.torrents.get_mut(id) else { return };
        match paused {
            true => torrent.recollect(),
            false => torrent.start(&mut cx.with(&mut self.shared)),
        }
    }
}

/// The torrent that a command is about, if it is about one that is there.
fn whose(command: &Command) -> Option<TorrentId> {
    match command {
        Command::Remove(id)
        | Command::Start(id)
        | Command::Stop(id)
        | Command::Check(id)
        | Command::Prioritise(id, _)
        | Command::Sequential(id, _)
        | Command::Resolve(id, _)
        | Command::Read(id, _)
        | Command::Unread(id, _) => Some(*id),
        Command::Limit { torrent, .. } => *torrent,
        Command::Add(_) | Command::Rest(_) | Command::Seek(_) | Command::Shutdown => None,
    }
}
