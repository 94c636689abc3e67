//! What is asked about one torrent: its files, pieces, peers, trackers.

use std::sync::Arc;

use toubkal_session::{
    Metainfo, PeerSource, PeerStatus, Priority, TrackerState, TrackerStatus, words,
};

use crate::client::Client;
use crate::view::{FileView, Id, PeerView, Phase, Stats, TrackerView, WhyView};

impl Client {
    /// What a torrent holds; `None` while only a link is known.
    #[must_use]
    pub fn metainfo(&self, id: Id) -> Option<Arc<Metainfo>> {
        self.torrent(id)?.metainfo()
    }

    /// The files of a torrent, padding left out; none while only a link is known. `None`: there is
    /// no such torrent.
    #[must_use]
    pub fn files(&self, id: Id) -> Option<Vec<FileView>> {
        if !self.has(id) {
            return None;
        }
        let known = || {
            let torrent = self.torrent(id)?;
            let metainfo = torrent.metainfo()?;
            Some((torrent.have(), torrent.priorities(), metainfo))
        };
        let Some((have, priorities, metainfo)) = known() else { return Some(Vec::new()) };
        let layout = metainfo.layout()?;
        let priority = |file: usize| {
            let known = priorities.as_ref().and_then(|all| all.get(file)).copied();
            number(known.unwrap_or_default())
        };
        let bytes = |file: u32, length: u64| {
            let pieces = layout.pieces_of(file);
            let pieces = pieces.filter(|&piece| piece < have.len() && have.has(piece));
            let begin = layout.files()[file as usize].offset;
            let size = u64::from(layout.piece_length());
            let common = |piece: u32| {
                let at = u64::from(piece) * size;
                (at + size).min(begin + length).saturating_sub(at.max(begin))
            };
            pieces.map(common).sum()
        };
        let views = metainfo.files().enumerate().filter(|(_, file)| !file.pad);
        let views = views.map(|(index, file)| FileView {
            index: index as u32,
            path: file.path.to_owned(),
            size: file.length,
            have: bytes(index as u32, file.length),
            priority: priority(index),
        });
        Some(views.collect())
    }

    pub(crate) fn priorities(&self, id: Id) -> Option<Vec<Priority>> {
        let torrent = self.torrent(id)?;
        let count = torrent.metainfo()?.file_count();
        Some(torrent.priorities().unwrap_or_else(|| vec![Priority::Normal; count]))
    }

    /// A bit a piece, the first piece in the highest bit of the first byte: those that are there.
    #[must_use]
    pub fn pieces(&self, id: Id) -> Option<Vec<u8>> {
        Some(self.torrent(id)?.have().to_wire().to_vec())
    }

    /// The connected peers of a torrent. `None`: there is no such torrent.
    #[must_use]
    pub fn peers(&self, id: Id) -> Option<Vec<PeerView>> {
        let torrent = self.torrent(id)?;
        let pieces = torrent.status().pieces;
        Some(torrent.peers().iter().map(|peer| peer_view(peer, pieces)).collect())
    }

    /// The trackers of a torrent. `None`: there is no such torrent.
    #[must_use]
    pub fn trackers(&self, id: Id) -> Option<Vec<TrackerView>> {
        let torrent = self.torrent(id)?;
        let trackers = torrent.trackers();
        if trackers.is_empty() {
            // It is at rest: nobody is asking for it now.
            let tiers = torrent.tiers();
            let tiers = tiers.into_iter().enumerate();
            return Some(tiers.flat_map(|(tier, urls)| unused(tier as u32, urls)).collect());
        }
        Some(trackers.into_iter().map(tracker_view).collect())
    }

    /// Why a torrent is no faster, with what shows it. `None`: there is no such torrent.
    #[must_use]
    pub fn explain(&self, id: Id) -> Option<WhyView> {
        let view = self.view(id)?;
        let held = matches!(view.phase, Phase::Queued | Phase::Done | Phase::Paused);
        let Some(torrent) = self.torrent(id).filter(|_| !held) else {
            let sentence = view.error.unwrap_or(view.why);
            return Some(WhyView { sentence, details: Vec::new(), remedy: None, action: None });
        };
        let explanation = torrent.why();
        let remedy = explanation.remedy();
        Some(WhyView {
            sentence: words::sentence(&explanation),
            details: words::details(&explanation),
            remedy: remedy.map(|remedy| remedy.sentence().to_owned()),
            action: remedy.map(|remedy| remedy.name().to_owned()),
        })
    }

    /// All torrents together.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let session = &self.0.session;
        let ever = session.totals();
        let dht = session.dht().and_then(|dht| dht.status());
        let library = self.0.library();
        let mut stats = Stats {
            downloaded_ever: ever.downloaded,
            uploaded_ever: ever.uploaded,
            torrents: library.len() as u32,
            dht_nodes: dht.map_or(0, |dht| dht.homes.iter().map(|home| home.nodes as u32).sum()),
            uptime: library.clock.life(),
            uptime_ever: library.clock.now(),
            lives: self.0.lives,
            ..Stats::default()
        };
        for (_, entry) in library.iter() {
            let status = &entry.status;
            stats.down_rate += status.down_rate;
            stats.up_rate += status.up_rate;
            stats.downloaded += status.downloaded;
            stats.uploaded += status.uploaded;
            stats.peers += status.peers;
            stats.active += u32::from(entry.runs);
            stats.moving += u32::from(status.down_rate + status.up_rate > 0);
            stats.paused += u32::from(!entry.runs);
        }
        let downloads = library.settings.downloads.clone();
        drop(library);
        stats.free = toubkal_session::free_space(&downloads);
        stats
    }
}

fn unused(tier: u32, urls: Vec<String>) -> impl Iterator<Item = TrackerView> {
    urls.into_iter().map(move |url| TrackerView {
        url,
        tier,
        state: "unused".to_owned(),
        message: String::new(),
        peers: 0,
        seeds: None,
        leeches: None,
        next: None,
    })
}

fn tracker_view(it: TrackerStatus) -> TrackerView {
    let (state, peers, reason) = match it.state {
        TrackerState::Unused => ("unused", 0, None),
        TrackerState::Asking => ("asking", 0, None),
        TrackerState::Working { peers } => ("working", peers, None),
        TrackerState::Failed { reason } => ("failed", 0, Some(reason)),
    };
    TrackerView {
        url: it.announce.0,
        tier: it.tier as u32,
        state: state.to_owned(),
        message: reason.or(it.warning).unwrap_or_default(),
        peers,
        seeds: it.seeds,
        leeches: it.leeches,
        next: it.next.map(|next| next.as_secs()),
    }
}

fn peer_view(peer: &PeerStatus, pieces: u32) -> PeerView {
    let source = match peer.source {
        PeerSource::User => "user",
        PeerSource::Tracker => "tracker",
        PeerSource::Incoming => "incoming",
        PeerSource::Lan => "lan",
        PeerSource::Dht => "dht",
        PeerSource::Exchange => "exchange",
    };
    PeerView {
        address: peer.remote.to_string(),
        client: client_name(&peer.peer_id),
        source: source.to_owned(),
        progress: if pieces == 0 { 0.0 } else { f64::from(peer.have) / f64::from(pieces) },
        down_rate: peer.down_rate,
        up_rate: peer.up_rate,
        downloaded: peer.downloaded,
        uploaded: peer.uploaded,
        choking_us: peer.choking_us,
        choked: peer.choked,
        interested: peer.interested,
    }
}

fn number(priority: Priority) -> u8 {
    match priority {
        Priority::Skip => 0,
        Priority::Low => 1,
        Priority::Normal => 2,
        Priority::High => 3,
    }
}

/// What a peer id says of the program (BEP 20): two letters, four digits of a version.
fn client_name(id: &[u8; 20]) -> String {
    const NAMES: [(&[u8; 2], &str); 18] = [
        (b"7T", "aTorrent"),
        (b"A2", "aria2"),
        (b"AZ", "Vuze"),
        (b"BC", "BitComet"),
        (b"BI", "BiglyBT"),
        (b"BT", "BitTorrent"),
        (b"DE", "Deluge"),
        (b"FD", "Free Download Manager"),
        (b"KT", "KTorrent"),
        (b"LT", "libtorrent"),
        (b"TK", "Toubkal"),
        (b"TR", "Transmission"),
        (b"UT", "µTorrent"),
        (b"WW", "WebTorrent"),
        (b"lt", "rTorrent"),
        (b"qB", "qBittorrent"),
        (b"rQ", "rqbit"),
        (b"XL", "Xunlei"),
    ];
    let [b'-', a, b, version @ .., _, _, _, _, _, _, _, _, _, _, _, _] = id else {
        return "unknown".to_owned();
    };
    let [digits @ .., b'-'] = version else { return "unknown".to_owned() };
    let name = NAMES.iter().find(|(code, _)| *code == &[*a, *b]).map(|(_, name)| *name);
    let letters = [*a, *b];
    let code = std::str::from_utf8(&letters).ok();
    let code = code.filter(|code| code.chars().all(|c| c.is_ascii_alphanumeric()));
    let Some(name) = name.or(code) else { return "unknown".to_owned() };
    let digit = |digit: &u8| char::from(*digit).to_digit(36).map(|digit| digit.to_string());
    let digits: Option<Vec<String>> = digits.iter().map(digit).collect();
    let Some(mut digits) = digits else { return name.to_owned() };
    while digits.len() > 2 && digits.last().is_some_and(|digit| digit == "0") {
        digits.pop();
    }
    format!("{name} {}", digits.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_id_names_the_program_and_its_version() {
        let named = |text: &[u8; 20]| client_name(text);
        assert_eq!(named(b"-qB5140-abcdefghijkl"), "qBittorrent 5.1.4");
        assert_eq!(named(b"-TR3000-abcdefghijkl"), "Transmission 3.0");
        assert_eq!(named(b"-XY12A0-abcdefghijkl"), "XY 1.2.10");
        assert_eq!(named(b"A2-1-36-0-abcdefghij"), "unknown");
        assert_eq!(named(&[0xff; 20]), "unknown");
        assert_eq!(named(b"-<>1234-abcdefghijkl"), "unknown");
    }
}
