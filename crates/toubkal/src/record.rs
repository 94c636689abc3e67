//! Records of publishers in the DHT: which torrent a key names now (BEP 46).

use std::time::{Duration, Instant, SystemTime};

use toubkal_session::dht::{Dht, Item, NewItem, Report, Wanted, Wish};
use toubkal_wire::bencode::{self, Encoder, Mode};

use crate::commands::dht::{Secret, refused};
use crate::exit::{Exit, Failure};
use crate::signals::Interrupt;

/// How often a record is stored anew, by whoever publishes or follows it, so that nodes do not
/// forget it (BEP 44, BEP 46).
pub(crate) const REPEAT: Duration = Duration::from_secs(3600);
/// How often it is seen whether the user wants an end.
const LOOK: Duration = Duration::from_millis(50);
/// Before a record is stored or fetched again when nobody has answered.
const AGAIN: Duration = Duration::from_secs(2);

/// When to give up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<'l> {
    /// The user wants an end.
    pub(crate) interrupt: &'l Interrupt,
    /// It has taken too long.
    pub(crate) until: Instant,
}

impl Limits<'_> {
    fn are_reached(&self) -> bool {
        self.interrupt.is_raised() || Instant::now() >= self.until
    }
}

/// What a key says, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) key: [u8; 32],
    pub(crate) salt: Vec<u8>,
}

/// The value of a record: a dictionary with the info-hash.
pub(crate) fn write(info_hash: &[u8; 20]) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new(&mut out).dict().key("ih").bytes(info_hash).end();
    out
}

/// The info-hash in a record. `None`: it is about something else.
pub(crate) fn read(value: &[u8]) -> Option<[u8; 20]> {
    let tape = bencode::decode(value, Mode::Tolerant).ok()?;
    tape.root().get(b"ih")?.as_bytes()?.try_into().ok()
}

/// Fetches the newest record. `Ok(None)`: nodes have answered, and none has a record that is right.
///
/// # Errors
/// When nobody has answered in time, or the user wants an end.
pub(crate) fn fetch(dht: &Dht, at: &Place, limits: Limits<'_>) -> Result<Option<Item>, Failure> {
    loop {
        let wanted = Wanted::Mutable { key: at.key, salt: at.salt.clone() };
        let answers = dht.ask(Wish::Get(wanted));
        let mut newest = None;
        let answered = loop {
            match answers.next(LOOK) {
                Some(Report::Got { item, .. }) => newest = Some(item),
                Some(Report::Done { summary, .. }) => break summary.answered > 0,
                _ if limits.are_reached() => break newest.is_some(),
                _ => {}
            }
        };
        if answered {
            return Ok(newest);
        }
        pause(AGAIN, limits)?;
    }
}

/// Stores which torrent a key names from now on: the same record again if it says so already.
///
/// # Errors
/// When no node takes it, or somebody else is at work with the same key.
pub(crate) fn publish(
    dht: &Dht,
    secret: &Secret,
    salt: &[u8],
    info_hash: &[u8; 20],
    limits: Limits<'_>,
) -> Result<Item, Failure> {
    let place = Place { key: secret.public(), salt: salt.to_vec() };
    let value = write(info_hash);
    let known = fetch(dht, &place, limits)?;
    let item = match known {
        Some(item) if item.value == value => NewItem::Signed(item),
        known => {
            let cas = known.map(|item| item.seq());
            // When all nodes have forgotten it, those who follow it have not.
            let seq = cas.map_or(1, |seq| seq.saturating_add(1)).max(seconds());
            let (secret, salt) = (secret.seed(), salt.to_vec());
            NewItem::Mutable { secret, salt, seq: Some(seq), value, cas }
        }
    };
    store(dht, &item, limits)
}

/// Stores a record.
///
/// # Errors
/// When no node takes it.
pub(crate) fn store(dht: &Dht, item: &NewItem, limits: Limits<'_>) -> Result<Item, Failure> {
    loop {
        let answers = dht.ask(Wish::Put(item.clone()));
        let refusal = loop {
            match answers.next(LOOK) {
                Some(Report::Stored { nodes, item, .. }) if nodes > 0 => return Ok(item),
                Some(Report::Stored { refused, .. }) => break refused,
                Some(Report::Failed { code, .. }) => break code,
                Some(Report::Done { .. }) => break None,
                _ if limits.are_reached() => break None,
                _ => {}
            }
        };
        if refusal.is_some() || limits.are_reached() {
            return Err(refused(refusal));
        }
        pause(AGAIN, limits)?;
    }
}

/// Waits, unless it is time to give up.
fn pause(time: Duration, limits: Limits<'_>) -> Result<(), Failure> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if limits.interrupt.is_raised() {
            return Err(Failure::quiet(Exit::Interrupted));
        }
        if limits.are_reached() {
            return Err(Failure::new(Exit::Failed, "no node of the DHT has answered")
                .cause("nothing came back in time")
                .tip("check the network, or name a node that is there with --bootstrap"));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Seconds since 1970.
fn seconds() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.ok().and_then(|now| i64::try_from(now.as_secs()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_one_torrent() {
        assert_eq!(write(&[b'x'; 20]), b"d2:ih20:xxxxxxxxxxxxxxxxxxxxe");
        assert_eq!(read(&write(&[7; 20])), Some([7; 20]));
        for other in [&b"5:hello"[..], b"de", b"d2:ih3:abce", b"d2:ihi1ee", b"", b"d2:ih"] {
            assert_eq!(read(other), None);
        }
    }
}
