//! The outer dictionary of a torrent file: trackers, web seeds, comments; `info` is in `info.rs`.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{
    Error, METAINFO_BYTES_MAX, Metainfo, NODES_MAX, Oddity, TEXT_BYTES_MAX, TRACKERS_MAX,
    URL_BYTES_MAX, WEB_SEEDS_MAX, info,
};
use crate::bencode::{self, Kind, Mode, Value};
use crate::path::decode_text;

pub(super) fn parse(bytes: &[u8]) -> Result<Metainfo, Error> {
    if bytes.len() > METAINFO_BYTES_MAX {
        return Err(Error::TooLarge);
    }
    let tape = bencode::decode(bytes, Mode::Tolerant)?;
    let root = tape.root();
    if root.kind() != Kind::Dict {
        return Err(Error::NotDictionary);
    }
    let mut infos = root.entries().filter(|(key, _)| *key == b"info").map(|(_, value)| value);
    let info = infos.next().ok_or(Error::Missing("info"))?;
    if infos.next().is_some() {
        return Err(Error::Twice("info"));
    }
    let mut odd = Oddities::default();
    tape.oddities().iter().for_each(|&error| odd.note(Oddity::Bencode(error)));
    let mut metainfo = info::parse(info, root.get(b"piece layers"), &mut odd)?;
    metainfo.trackers = trackers(root, &mut odd);
    metainfo.web_seeds = web_seeds(root, &mut odd);
    metainfo.nodes = nodes(root, &mut odd);
    metainfo.comment = text(root, "comment", b"comment.utf-8", &mut odd);
    metainfo.created_by = text(root, "created by", b"created by.utf-8", &mut odd);
    metainfo.encoding = text(root, "encoding", b"", &mut odd);
    metainfo.created = number(root, "creation date", &mut odd);
    if metainfo.trackers.is_empty() {
        odd.note(Oddity::NoTracker);
    }
    metainfo.oddities = odd.0;
    Ok(metainfo)
}

/// Oddities, each once.
#[derive(Default)]
pub(super) struct Oddities(Vec<Oddity>);

impl Oddities {
    pub(super) fn note(&mut self, oddity: Oddity) {
        if !self.0.contains(&oddity) {
            self.0.push(oddity);
        }
    }
}

/// A text for people. Its variant that is surely UTF-8 is preferred.
pub(super) fn text(
    dict: Value<'_, '_>,
    field: &'static str,
    utf8: &[u8],
    odd: &mut Oddities,
) -> Option<String> {
    let sure = dict.get(utf8).filter(|value| value.as_str().is_some());
    let value = sure.or_else(|| dict.get(field.as_bytes()))?;
    let Some(bytes) = value.as_bytes() else {
        odd.note(Oddity::Ignored(field));
        return None;
    };
    let text = decode_text(&bytes[..bytes.len().min(TEXT_BYTES_MAX)]);
    if bytes.len() > TEXT_BYTES_MAX {
        odd.note(Oddity::Cut(field));
    }
    Some(text.into_owned())
}

fn number(dict: Value<'_, '_>, field: &'static str, odd: &mut Oddities) -> Option<i64> {
    let number = dict.get(field.as_bytes())?.as_int();
    if number.is_none() {
        odd.note(Oddity::Ignored(field));
    }
    number
}

/// BEP 12: if there is an `announce-list`, `announce` is ignored.
fn trackers(root: Value<'_, '_>, odd: &mut Oddities) -> Vec<Vec<String>> {
    let mut urls = Urls::new("announce-list", TRACKERS_MAX, odd);
    let mut tiers = Vec::new();
    for tier in root.get(b"announce-list").into_iter().flat_map(Value::items) {
        // Some list URLs without tiers: each is one.
        let tier = if tier.kind() == Kind::List {
            tier.items().filter_map(|url| urls.take(url)).collect()
        } else {
            urls.take(tier).into_iter().collect::<Vec<_>>()
        };
        if !tier.is_empty() {
            tiers.push(tier);
        }
    }
    if tiers.is_empty() {
        urls.field = "announce";
        tiers.extend(root.get(b"announce").and_then(|url| urls.take(url)).map(|url| [url].into()));
    }
    tiers
}

/// BEP 19: `url-list` is one URL or a list of them.
fn web_seeds(root: Value<'_, '_>, odd: &mut Oddities) -> Vec<String> {
    let mut urls = Urls::new("url-list", WEB_SEEDS_MAX, odd);
    match root.get(b"url-list") {
        Some(list) if list.kind() == Kind::List => {
            list.items().filter_map(|url| urls.take(url)).collect()
        }
        Some(url) => urls.take(url).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Takes URLs from a field, each once, within limits.
struct Urls<'i, 'o> {
    field: &'static str,
    limit: usize,
    seen: BTreeSet<&'i str>,
    odd: &'o mut Oddities,
}

impl<'i, 'o> Urls<'i, 'o> {
    fn new(field: &'static str, limit: usize, odd: &'o mut Oddities) -> Self {
        Self { field, limit, seen: BTreeSet::new(), odd }
    }

    fn take(&mut self, value: Value<'_, 'i>) -> Option<String> {
        let Some(url) = value.as_str().map(str::trim) else {
            self.odd.note(Oddity::Ignored(self.field));
            return None;
        };
        if url.is_empty() || self.seen.contains(url) {
            return None;
        }
        if url.len() > URL_BYTES_MAX || self.seen.len() == self.limit {
            self.odd.note(Oddity::Cut(self.field));
            return None;
        }
        self.seen.insert(url);
        Some(url.to_string())
    }
}

/// BEP 5: a list of hosts and ports.
fn nodes(root: Value<'_, '_>, odd: &mut Oddities) -> Vec<(String, u16)> {
    let Some(list) = root.get(b"nodes") else { return Vec::new() };
    let mut nodes = Vec::new();
    for node in list.items() {
        let mut parts = node.items();
        let host = parts.next().and_then(Value::as_str).filter(|host| host.len() <= 255);
        let port = parts.next().and_then(Value::as_int).and_then(|port| u16::try_from(port).ok());
        let (Some(host), Some(port)) = (host, port.filter(|&port| port > 0)) else {
            odd.note(Oddity::Ignored("nodes"));
            continue;
        };
        if nodes.len() == NODES_MAX {
            odd.note(Oddity::Cut("nodes"));
            break;
        }
        nodes.push((host.to_string(), port));
    }
    if list.kind() != Kind::List {
        odd.note(Oddity::Ignored("nodes"));
    }
    nodes
}
