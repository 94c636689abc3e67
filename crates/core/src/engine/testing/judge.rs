//! The judge: what each action of the engine must be.

use core::ops::Range;
use std::vec::Vec;

use super::super::*;
use super::world::{Known, Open, Work, World};
use toubkal_wire::layout::{BLOCK_BYTES, Block};
use toubkal_wire::message::Message;

impl World {
    /// Takes what the engine wants done, and looks into the engine.
    pub(super) fn judge_all(&mut self) {
        let actions: Vec<Action> = self.out.drain().collect();
        for action in actions {
            self.judge(action);
        }
        self.engine.check();
        assert_eq!(self.engine.shared.storing > 0, self.jobs.values().any(is_store));
        self.judge_windows();
    }

    /// At a peer wait no more requests than it said it keeps.
    fn judge_windows(&mut self) {
        for (&id, link) in &mut self.links {
            let Some(torrent) = link.torrent.filter(|_| core::mem::take(&mut link.asked_now))
            else {
                continue;
            };
            let statuses = self.engine.peers(torrent);
            let waiting = statuses.iter().filter(|peer| peer.remote == link.remote);
            for peer in waiting {
                assert!(i64::from(peer.requests) <= link.reqq, "too many requests at {id:?}");
            }
        }
    }

    fn judge(&mut self, action: Action) {
        match action {
            Action::Admit { torrent, .. } => self.judge_welcome(torrent, true),
            Action::Retire { torrent } => self.judge_welcome(torrent, false),
            Action::Dial { dial, torrent, remote } => {
                assert!(self.torrent(torrent).admitted, "a dial for a torrent that rests");
                assert!(self.dials.insert(dial, (torrent, remote)).is_none(), "{dial:?} again");
            }
            Action::Send { link, message } => self.judge_message(link, &message),
            Action::Serve { link, torrent, block } => self.judge_serve(link, torrent, block),
            Action::Unserve { link, block } => {
                let open = self.open_link(link);
                assert!(open.serving.contains(&block), "{block:?} is not on its way");
            }
            Action::GiveMetadata { link, torrent, block, .. } => {
                let _ = self.open_link(link);
                self.given += 1;
                self.judge_given(link, torrent, block);
            }
            Action::Close { link, .. } => self.open_link(link).closing = true,
            Action::Open { job, torrent, .. } => {
                self.hashed.retain(|&(other, _), _| other != torrent);
                self.judge_job(job, torrent, Work::Open(torrent));
            }
            Action::Store { job, torrent, block, payload, digest } => {
                assert!(self.payloads.remove(&payload.0), "{payload:?} was given back before");
                let index = self.torrent(torrent).layout.block_index(block).expect("a whole block");
                let hashed = self.hashed.entry((torrent, block.piece)).or_default();
                assert_eq!(digest, index == *hashed, "{block:?}: a hash goes on in order");
                *hashed += u32::from(digest);
                self.judge_job(job, torrent, Work::Store);
            }
            Action::Discard { payload } => {
                assert!(self.payloads.remove(&payload.0), "{payload:?} was given back before");
            }
            Action::Verify { job, torrent, piece, hashed } => {
                let blocks = self.hashed.remove(&(torrent, piece)).unwrap_or(0);
                let size = self.torrent(torrent).layout.piece_size(piece);
                assert_eq!(hashed, size.min(blocks * BLOCK_BYTES));
                self.judge_job(job, torrent, Work::Verify(torrent, piece));
            }
            Action::Digest { job, torrent, piece } => {
                self.judge_job(job, torrent, Work::Digest(torrent, piece));
            }
            Action::Reclaim { job, torrent, .. } | Action::Finish { job, torrent, .. } => {
                self.judge_job(job, torrent, Work::Other);
            }
            Action::Sync { job, torrent } => {
                let known = self.torrent(torrent);
                let covered = known.verified.union(&known.doubted).copied().collect();
                self.judge_job(job, torrent, Work::Sync(torrent, covered));
            }
            Action::Record { job, torrent, record } => {
                self.judge_record(torrent, &record);
                self.records.push(Record::clone(&record));
                self.judge_job(job, torrent, Work::Other);
            }
            Action::Release { torrent } => _ = self.torrent(torrent),
            Action::Load { torrent } => {
                assert!(self.torrent(torrent).dormant, "all of it is there");
                assert!(self.loads.insert(torrent), "it is being loaded");
            }
            Action::Notify(notice) => self.judge_notice(&notice),
        }
    }

    /// Handshakes are welcome from now on, or no longer, and were not so before.
    fn judge_welcome(&mut self, torrent: TorrentId, welcome: bool) {
        let before = core::mem::replace(&mut self.torrent(torrent).admitted, welcome);
        assert_ne!(before, welcome, "{torrent:?}: no change");
    }

    fn judge_notice(&mut self, notice: &Notice) {
        match *notice {
            Notice::Metadata { torrent, ref bytes } => self.judge_found(torrent, bytes),
            Notice::Added { ticket, torrent } => {
                let (layout, priorities) = self.layouts.remove(&ticket).expect("a ticket of ours");
                let verified = Default::default();
                let memory = self.memories.remove(&ticket);
                let (doubted, synced) = Default::default();
                let (admitted, removed, dormant) = (false, false, false);
                let shown = self.shown.remove(&ticket).unwrap_or_default();
                if let Some(secret) = self.secrets.remove(&ticket) {
                    self.sought.insert(torrent, secret);
                }
                let known = Known {
                    layout,
                    verified,
                    doubted,
                    synced,
                    memory,
                    admitted,
                    removed,
                    dormant,
                    priorities,
                    shown,
                };
                assert!(self.torrents.insert(torrent, known).is_none(), "{torrent:?} again");
            }
            Notice::PieceDone { torrent, piece } => {
                let known = self.torrent(torrent);
                assert!(known.verified.contains(&piece), "piece {piece} is not verified");
            }
            Notice::Readable { torrent, reader, from, to } => {
                let file = self.reads.get(&(torrent, reader)).copied();
                self.judge_readable(torrent, file, from..to);
            }
            Notice::Completed { torrent, .. } => {
                let status = self.engine.status(torrent).expect("it is there");
                assert_eq!(status.left, 0);
            }
            Notice::Dormant { torrent } => {
                let here = |link: &&Open| link.torrent == Some(torrent) && !link.closing;
                let waits = |link: &Open| link.dialed.is_some();
                assert!(!self.links.values().filter(here).any(waits), "it has a peer");
                let known = self.torrent(torrent);
                let memory = known.memory.as_ref().expect("it was recorded at rest");
                assert!(memory.have.is_full() && !memory.doubt, "it is not whole");
                assert!(known.admitted && !known.removed);
                known.dormant = true;
            }
            Notice::Ended => {
                assert!(self.shut && !self.ended, "ended once, after it was told to");
                assert!(self.links.is_empty() && self.jobs.is_empty() && self.payloads.is_empty());
                self.ended = true;
            }
            _ => {}
        }
    }

    /// Nothing may be read that is not verified.
    fn judge_readable(&mut self, torrent: TorrentId, file: Option<u32>, bytes: Range<u64>) {
        let known = self.torrent(torrent);
        if bytes.is_empty() {
            return;
        }
        let file = file.expect("somebody reads");
        let (file, length) = (known.layout.files()[file as usize], known.layout.piece_length());
        assert!(bytes.end <= file.length, "behind the end");
        let piece = |byte: u64| ((file.offset + byte) / u64::from(length)) as u32;
        for piece in piece(bytes.start)..=piece(bytes.end - 1) {
            assert!(known.verified.contains(&piece), "piece {piece} may not be read");
        }
    }

    fn judge_job(&mut self, job: JobId, torrent: TorrentId, work: Work) {
        let _ = self.torrent(torrent);
        assert!(self.jobs_ever.insert(job), "{job:?} was given before");
        self.jobs.insert(job, work);
    }

    /// A record says nothing that is not so, and nothing of the disk that a sync has not said.
    fn judge_record(&mut self, torrent: TorrentId, record: &Record) {
        let known = self.torrent(torrent);
        for piece in record.verified.iter() {
            assert!(known.may_claim(piece), "piece {piece} is recorded and not verified");
        }
        for piece in record.synced.iter() {
            assert!(record.verified.has(piece), "piece {piece} is synced and not verified");
            assert!(known.synced.contains(&piece), "piece {piece} is recorded before its sync");
        }
        let doubtful = known
            .doubted
            .iter()
            .any(|&piece| record.verified.has(piece) && !known.verified.contains(&piece));
        assert!(record.doubt || !doubtful, "what is doubted is recorded as certain");
        if record.rest {
            assert_eq!(record.verified, record.synced, "what is not on the disk may be lost");
            known.memory = Some(record.clone().recall(true));
        }
    }

    fn judge_serve(&mut self, id: LinkId, torrent: TorrentId, block: Block) {
        let known = self.torrent(torrent);
        assert!(known.layout.contains(block) && known.verified.contains(&block.piece), "{block:?}");
        let link = self.open_link(id);
        assert_eq!(link.torrent, Some(torrent));
        if !link.unchoked && !link.granted.contains(&block.piece) {
            // BEP 6: what was asked for before the choke may still come. Of that, only the rest
            // of the piece that was on its way then, and not without end.
            assert!(link.reserved.fast() && link.served == Some(block.piece), "it is choked");
            assert!(link.after_choke > 0, "too much after a choke");
            link.after_choke -= 1;
        } else if link.unchoked {
            link.served = Some(block.piece);
        }
        link.serving.push(block);
        assert!(link.serving.len() <= 32, "blocks on their way to one peer are bounded");
    }

    fn judge_message(&mut self, id: LinkId, message: &Message) {
        let torrent = self.open_link(id).torrent.expect("messages go after handshakes");
        let known = self.torrents.get(&torrent).expect("a torrent of ours");
        let link = self.links.get_mut(&id).expect("looked up just now");
        let fast = link.reserved.fast();
        match *message {
            Message::Choke => {
                link.unchoked = false;
                link.after_choke = bounds::CHOKED_BLOCKS_MAX;
            }
            Message::Unchoke => link.unchoked = true,
            Message::Have(piece) => assert!(known.verified.contains(&piece), "piece {piece}"),
            Message::HaveAll => {
                assert!(fast && (0..known.layout.pieces()).all(|piece| known.may_claim(piece)));
            }
            Message::Request(block) => {
                let read = self.read.iter().filter(|(of, _)| *of == torrent);
                let read: Vec<u32> = read.map(|(_, file)| *file).collect();
                judge_request(known, link, block, &read);
            }
            Message::Cancel(block) => {
                assert!(link.asked_ever.contains(&block), "{block:?} was not asked for");
                link.cancelled.push(block);
            }
            Message::AllowedFast(piece) => {
                assert!(fast);
                link.granted.insert(piece);
            }
            Message::HaveNone | Message::Reject(_) | Message::Suggest(_) => assert!(fast),
            Message::Extended(number, ref payload) => {
                assert!(link.reserved.extended());
                self.judge_extended(id, number, payload);
            }
            _ => {}
        }
    }

    fn torrent(&mut self, torrent: TorrentId) -> &mut Known {
        self.torrents.get_mut(&torrent).expect("a torrent that was added")
    }

    /// A link to which the engine may say something.
    fn open_link(&mut self, link: LinkId) -> &mut Open {
        let open = self.links.get_mut(&link).unwrap_or_else(|| panic!("{link:?} is not open"));
        assert!(!open.closing, "{link:?} was closed");
        open
    }
}

fn judge_request(known: &Known, link: &mut Open, block: Block, read: &[u32]) {
    assert!(known.layout.block_index(block).is_some(), "{block:?} is no block of the layout");
    assert!(link.lets || link.allows.contains(&block.piece), "it chokes us");
    assert!(link.has.contains(&block.piece), "it does not have {block:?}");
    assert!(!known.verified.contains(&block.piece), "{block:?} is there");
    assert!(!known.layout.spans(block).all(|span| span.pad), "{block:?} is padding");
    let files = known.layout.files_of(block.piece);
    let wanted =
        |file: u32| known.priorities[file as usize] != Priority::Skip || read.contains(&file);
    assert!(files.into_iter().any(wanted), "{block:?} is not wanted");
    link.asked_now = true;
    link.asked.push(block);
    link.asked_ever.push(block);
}

fn is_store(work: &Work) -> bool {
    matches!(work, Work::Store)
}
