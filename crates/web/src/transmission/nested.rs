//! Fields that are lists: files, peers, trackers.

use std::net::SocketAddr;

use serde_json::{Value, json};
use toubkal_daemon::{FileView, PeerView, TrackerView};

use super::fields::{Look, now};

/// Names begin with that of the torrent's folder; a single file has none.
pub(super) fn files(it: &Look<'_>) -> Value {
    let files = it.files();
    let Some(metainfo) = it.metainfo() else { return json!([]) };
    let layout = metainfo.layout();
    let one = |file: &FileView| {
        let pieces = layout.as_ref().map(|layout| layout.pieces_of(file.index)).unwrap_or_default();
        let name = match metainfo.folder() {
            Some(folder) => format!("{folder}/{}", file.path),
            None => file.path.clone(),
        };
        json!({
            "begin_piece": pieces.start,
            "bytes_completed": file.have,
            "end_piece": pieces.end,
            "length": file.size,
            "name": name,
        })
    };
    files.iter().map(one).collect()
}

pub(super) fn file_stats(it: &Look<'_>) -> Value {
    let one = |file: &FileView| {
        json!({
            "bytes_completed": file.have,
            "priority": priority(file),
            "wanted": file.priority > 0,
        })
    };
    it.files().iter().map(one).collect()
}

/// -1 low, 0 usual, 1 high; one that is not wanted has the usual.
pub(super) fn priority(file: &FileView) -> i8 {
    match file.priority {
        1 => -1,
        3 => 1,
        _ => 0,
    }
}

/// How many connected peers have each piece, as far as is known: those that have everything do.
/// -1: we have it.
pub(super) fn availability(it: &Look<'_>) -> Value {
    let have = it.client.pieces(it.view.id).unwrap_or_default();
    let has = |piece: u32| {
        let byte = have.get((piece / 8) as usize).copied().unwrap_or(0);
        byte & (0x80 >> (piece % 8)) != 0
    };
    let of = |piece| if has(piece) { -1 } else { i64::from(it.view.seeds) };
    (0..it.view.pieces).map(of).collect()
}

pub(super) fn peers(it: &Look<'_>) -> Value {
    let complete = it.is_complete();
    let one = |peer: &PeerView| {
        let address = peer.address.parse::<SocketAddr>().ok();
        let wants = !complete && peer.progress > 0.0;
        let (sends, takes) = (peer.down_rate > 0, peer.up_rate > 0);
        json!({
            "address": address.map_or_else(|| peer.address.clone(), |it| it.ip().to_string()),
            "bytes_to_client": peer.downloaded,
            "bytes_to_peer": peer.uploaded,
            "client_is_choked": peer.choking_us,
            "client_is_interested": wants,
            "client_name": peer.client,
            "flag_str": flags(peer, wants),
            "is_downloading_from": sends,
            "is_encrypted": false,
            "is_incoming": peer.source == "incoming",
            "is_uploading_to": takes,
            "is_utp": false,
            "peer_is_choked": peer.choked,
            "peer_is_interested": peer.interested,
            "port": address.map_or(0, |it| it.port()),
            "progress": peer.progress,
            "rate_to_client": peer.down_rate,
            "rate_to_peer": peer.up_rate,
        })
    };
    it.client.peers(it.view.id).unwrap_or_default().iter().map(one).collect()
}

/// What goes on with a peer, a letter each.
fn flags(peer: &PeerView, wants: bool) -> String {
    let mut flags = String::new();
    match (peer.down_rate > 0, wants, peer.choking_us) {
        (true, ..) => flags.push('D'),
        (_, true, true) => flags.push('d'),
        (_, false, false) => flags.push('K'),
        _ => {}
    }
    match (peer.up_rate > 0, peer.interested, peer.choked) {
        (true, ..) => flags.push('U'),
        (_, true, true) => flags.push('u'),
        (_, false, false) => flags.push('?'),
        _ => {}
    }
    match peer.source.as_str() {
        "dht" => flags.push('H'),
        "exchange" => flags.push('X'),
        "incoming" => flags.push('I'),
        _ => {}
    }
    flags
}

pub(super) fn peers_from(it: &Look<'_>) -> Value {
    let peers = it.client.peers(it.view.id).unwrap_or_default();
    let from = |source: &str| peers.iter().filter(|peer| peer.source == source).count();
    json!({
        "from_cache": from("user"),
        "from_dht": from("dht"),
        "from_incoming": from("incoming"),
        "from_lpd": from("lan"),
        "from_ltep": 0,
        "from_pex": from("exchange"),
        "from_tracker": from("tracker"),
    })
}

pub(super) fn trackers(it: &Look<'_>) -> Value {
    let one = |(id, tracker): (usize, &TrackerView)| {
        json!({
            "announce": tracker.url,
            "id": id,
            "scrape": scrape(&tracker.url),
            "sitename": site(host(&tracker.url)),
            "tier": tracker.tier,
        })
    };
    it.trackers().iter().enumerate().map(one).collect()
}

pub(super) fn tracker_stats(it: &Look<'_>) -> Value {
    let now = now();
    let all = it.trackers().iter().enumerate();
    all.map(|(id, tracker)| one_tracker(id, tracker, now)).collect()
}

fn one_tracker(id: usize, tracker: &TrackerView, now: u64) -> Value {
    let count = |count: Option<u32>| count.map_or(-1, i64::from);
    let works = tracker.state == "working";
    let asked = works || tracker.state == "failed";
    // What the real server calls them: 0 inactive, 1 waiting, 2 queued, 3 active.
    let state = match (tracker.state.as_str(), tracker.next) {
        ("asking", _) => 3,
        (_, Some(0)) => 2,
        (_, Some(_)) => 1,
        _ => 0,
    };
    let result = match works {
        true if tracker.message.is_empty() => "Success",
        _ => &tracker.message,
    };
    json!({
        "announce": tracker.url,
        "announce_state": state,
        "download_count": -1,
        "downloader_count": -1,
        "has_announced": asked,
        "has_scraped": false,
        "host": host(&tracker.url),
        "id": id,
        "is_backup": false,
        "last_announce_peer_count": tracker.peers,
        "last_announce_result": result,
        "last_announce_start_time": 0,
        "last_announce_succeeded": works,
        "last_announce_time": 0,
        "last_announce_timed_out": false,
        "last_scrape_result": "",
        "last_scrape_start_time": 0,
        "last_scrape_succeeded": false,
        "last_scrape_time": 0,
        "last_scrape_timed_out": false,
        "leecher_count": count(tracker.leeches),
        "next_announce_time": tracker.next.map_or(0, |next| now.saturating_add(next)),
        "next_scrape_time": 0,
        "scrape": scrape(&tracker.url),
        "scrape_state": 0,
        "seeder_count": count(tracker.seeds),
        "sitename": site(host(&tracker.url)),
        "tier": tracker.tier,
    })
}

/// One a line, with an empty line between tiers.
pub(super) fn tracker_list(trackers: &[TrackerView]) -> String {
    let mut text = String::new();
    for (index, tracker) in trackers.iter().enumerate() {
        if index > 0 && trackers[index - 1].tier != tracker.tier {
            text.push('\n');
        }
        text += &tracker.url;
        text.push('\n');
    }
    text
}

/// Where a tracker that can be scraped is (BEP 48); empty when it cannot.
fn scrape(announce: &str) -> String {
    if announce.starts_with("udp:") {
        return announce.to_owned();
    }
    match announce.rsplit_once("/announce") {
        Some((before, after)) if !after.contains('/') => format!("{before}/scrape{after}"),
        _ => String::new(),
    }
}

/// Host and port of a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

/// What people call a site: the name before the last point, or the whole address.
fn site(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() {
        return name;
    }
    name.rsplit('.').nth(1).unwrap_or(name)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn tracker(url: &str, tier: u32) -> TrackerView {
        TrackerView {
            url: url.to_owned(),
            tier,
            state: String::new(),
            message: String::new(),
            peers: 0,
            seeds: None,
            leeches: None,
            next: None,
        }
    }

    #[test]
    fn a_tracker_is_named_by_its_site() {
        for (url, at, name, asked) in [
            (
                "http://tracker.example.org:80/announce?k=1",
                "tracker.example.org:80",
                "example",
                "http://tracker.example.org:80/scrape?k=1",
            ),
            ("udp://10.0.0.1:6969", "10.0.0.1:6969", "10.0.0.1", "udp://10.0.0.1:6969"),
            ("https://[::1]:1/x/a", "[::1]:1", "[::1]", ""),
            ("http://local/announce/secret", "local", "local", ""),
        ] {
            assert_eq!((host(url), site(host(url)), &*scrape(url)), (at, name, asked));
        }
    }

    #[test]
    fn tiers_are_told_apart_by_an_empty_line() {
        let trackers = [tracker("a", 0), tracker("b", 0), tracker("c", 1)];
        assert_eq!(tracker_list(&trackers), "a\nb\n\nc\n");
    }
}
