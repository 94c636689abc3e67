//! Reading a magnet link.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::{
    Error, Fault, LINK_BYTES_MAX, Magnet, NAME_BYTES_MAX, Oddity, PEERS_MAX, Peer, Publisher,
    RANGES_MAX, SALT_BYTES_MAX, Selection, TRACKERS_MAX, WEB_SEEDS_MAX,
};
use crate::metainfo::{FILES_MAX, URL_BYTES_MAX};
use crate::percent;

/// Oddities that are kept.
const ODDITIES_MAX: usize = 20;
/// Bytes of a text that an oddity shows.
const SHOWN_BYTES_MAX: usize = 60;

const BTIH: &str = "urn:btih:";
const BTMH: &str = "urn:btmh:";
const BTPK: &str = "urn:btpk:";

pub(super) fn parse(link: &str) -> Result<Magnet, Error> {
    if link.len() > LINK_BYTES_MAX {
        return Err(Error { fault: Fault::TooLong, at: LINK_BYTES_MAX });
    }
    let link = link.trim_end();
    let start = link.len() - link.trim_start().len();
    let query = after(&link[start..], "magnet:?");
    let query = query.ok_or(Error { fault: Fault::NotMagnet, at: start })?;
    let mut reader = Reader { link, magnet: Magnet::default(), salt: None };
    for mut part in query.split('&') {
        // Copied out of the source of a web page, perhaps more than once.
        while let Some(rest) = after(part, "amp;") {
            part = rest;
        }
        if !part.is_empty() {
            let (name, value) = part.split_once('=').unwrap_or(part.split_at(part.len()));
            reader.parameter(name, value)?;
        }
    }
    reader.end()
}

struct Reader<'l> {
    link: &'l str,
    magnet: Magnet,
    /// `s` as it stood, and where it belongs among the others if it means nothing.
    salt: Option<(usize, &'l str, &'l str)>,
}

impl<'l> Reader<'l> {
    fn parameter(&mut self, name: &'l str, value: &'l str) -> Result<(), Error> {
        let lower = name.to_ascii_lowercase();
        // BEP 9 knows `tr.1` and the like, which some write.
        let plain = match lower.split_once('.') {
            Some((plain, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => plain,
            _ => &lower,
        };
        let decoded = String::from_utf8_lossy(&percent::decode(value)).into_owned();
        match plain {
            "xt" if after(&decoded, BTIH).is_some() => self.v1(value, &decoded)?,
            "xt" if after(&decoded, BTMH).is_some() => self.v2(value, &decoded)?,
            "xs" if after(&decoded, BTPK).is_some() => self.key(value, &decoded)?,
            // An empty salt is none (BEP 44).
            "s" if value.is_empty() => {}
            "s" if self.salt.is_none() => {
                self.salt = Some((self.magnet.others.len(), name, value));
            }
            "dn" => self.name(value),
            "tr" => keep(&mut self.magnet, "tr", &decoded),
            "ws" => keep(&mut self.magnet, "ws", &decoded),
            "x.pe" => self.peer(&decoded),
            "so" => self.select(&decoded),
            _ => self.other(name, value),
        }
        Ok(())
    }

    fn v1(&mut self, value: &str, decoded: &str) -> Result<(), Error> {
        let text = &decoded[BTIH.len()..];
        let hash = match text.chars().count() {
            40 => unhex(text.as_bytes()),
            32 => base32(text.as_bytes()),
            count => return Err(self.fault(value, Fault::Length(count))),
        };
        let hash = hash.and_then(|hash| hash.try_into().ok());
        let hash = hash.ok_or_else(|| self.fault(value, Fault::Character))?;
        if self.magnet.v1.replace(hash).is_some_and(|other| other != hash) {
            return Err(self.fault(value, Fault::Second(BTIH)));
        }
        Ok(())
    }

    fn v2(&mut self, value: &str, decoded: &str) -> Result<(), Error> {
        let hash = after(decoded, "urn:btmh:1220").and_then(|text| unhex(text.as_bytes()));
        let hash = hash.and_then(|hash| hash.try_into().ok());
        let hash = hash.ok_or_else(|| self.fault(value, Fault::Multihash))?;
        if self.magnet.v2.replace(hash).is_some_and(|other| other != hash) {
            return Err(self.fault(value, Fault::Second(BTMH)));
        }
        Ok(())
    }

    fn key(&mut self, value: &str, decoded: &str) -> Result<(), Error> {
        let key = unhex(&decoded.as_bytes()[BTPK.len()..]).and_then(|key| key.try_into().ok());
        let key = key.ok_or_else(|| self.fault(value, Fault::Key))?;
        let publisher = Publisher { key, salt: Vec::new() };
        if self.magnet.publisher.replace(publisher).is_some_and(|other| other.key != key) {
            return Err(self.fault(value, Fault::Second(BTPK)));
        }
        Ok(())
    }

    fn name(&mut self, value: &str) {
        let bytes = percent::decode_form(value);
        let mut name = String::from_utf8_lossy(&bytes).into_owned();
        if name.len() > NAME_BYTES_MAX {
            name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
            self.note(Oddity::Cut("dn"));
        }
        if self.magnet.name.is_none() && !name.is_empty() {
            self.magnet.name = Some(name);
        }
    }

    fn peer(&mut self, text: &str) {
        let Some(peer) = Peer::parse(text) else { return self.note(Oddity::Peer(cut(text))) };
        if self.magnet.peers.contains(&peer) {
            return;
        }
        match self.magnet.peers.len() < PEERS_MAX {
            true => self.magnet.peers.push(peer),
            false => self.note(Oddity::Cut("x.pe")),
        }
    }

    /// BEP 53: `so=0,2,4,6-8`.
    fn select(&mut self, text: &str) {
        let before = self.magnet.select_only.take().unwrap_or_default();
        let mut ranges = before.ranges;
        for part in text.split(',') {
            match range(part) {
                Some(range) if ranges.len() < RANGES_MAX => ranges.push(range),
                Some(_) => self.note(Oddity::Cut("so")),
                None => self.note(Oddity::Selection(cut(part))),
            }
        }
        let selection = Selection::new(ranges);
        self.magnet.select_only = (!selection.ranges.is_empty()).then_some(selection);
    }

    fn other(&mut self, name: &str, value: &str) {
        self.magnet.others.push((plain(name), plain(value)));
    }

    fn note(&mut self, oddity: Oddity) {
        note(&mut self.magnet, oddity);
    }

    fn fault(&self, value: &str, fault: Fault) -> Error {
        // The value is a part of the link.
        Error { fault, at: value.as_ptr().addr() - self.link.as_ptr().addr() }
    }

    fn end(mut self) -> Result<Magnet, Error> {
        match (&mut self.magnet.publisher, self.salt) {
            (Some(publisher), Some((_, _, value))) => {
                let salt = unhex(value.as_bytes()).filter(|salt| salt.len() <= SALT_BYTES_MAX);
                match salt {
                    Some(salt) => publisher.salt = salt,
                    None => return Err(self.fault(value, Fault::Salt)),
                }
            }
            // It means nothing without a publisher.
            (None, Some((place, name, value))) => {
                self.magnet.others.insert(place, (plain(name), plain(value)));
            }
            (_, None) => {}
        }
        let Magnet { v1, v2, publisher, .. } = &self.magnet;
        if v1.is_none() && v2.is_none() && publisher.is_none() {
            return Err(Error { fault: Fault::NoHash, at: 0 });
        }
        Ok(self.magnet)
    }
}

/// Keeps a URL, once.
fn keep(magnet: &mut Magnet, name: &'static str, url: &str) {
    let (urls, max) = match name {
        "tr" => (&mut magnet.trackers, TRACKERS_MAX),
        _ => (&mut magnet.web_seeds, WEB_SEEDS_MAX),
    };
    let url = url.trim();
    if url.is_empty() || urls.iter().any(|other| other == url) {
        return;
    }
    if urls.len() < max && url.len() <= URL_BYTES_MAX {
        urls.push(url.to_owned());
    } else {
        note(magnet, Oddity::Cut(name));
    }
}

fn note(magnet: &mut Magnet, oddity: Oddity) {
    if magnet.oddities.len() < ODDITIES_MAX && !magnet.oddities.contains(&oddity) {
        magnet.oddities.push(oddity);
    }
}

/// What follows a beginning that is written in any case.
fn after<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    let found = text.get(..start.len())?;
    found.eq_ignore_ascii_case(start).then(|| &text[start.len()..])
}

fn range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse().ok().filter(|&file| file < FILES_MAX as u32);
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let byte =
        |&[high, low]: &[u8; 2]| Some(percent::hex_digit(high)? << 4 | percent::hex_digit(low)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

/// RFC 4648, section 6, in any case; whole groups of 8 digits only.
fn base32(digits: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len() * 5 / 8);
    for group in digits.chunks(8) {
        let mut bits = 0u64;
        for digit in group {
            let value = match digit.to_ascii_uppercase() {
                letter @ b'A'..=b'Z' => letter - b'A',
                number @ b'2'..=b'7' => number - b'2' + 26,
                _ => return None,
            };
            bits = bits << 5 | u64::from(value);
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(bytes)
}

/// A part of a link as it stood; what may not stand in one is encoded.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '!'..='~' => out.push(character),
            _ => percent::encode(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut out),
        }
    }
    out
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(SHOWN_BYTES_MAX)].to_owned()
}
