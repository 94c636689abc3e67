//! Between what is remembered and the values in the database's rows. Everything here is a pure
//! function; what comes out of a row is checked as if a stranger had written it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha1::{Digest, Sha1};
use toubkal_core::base::Bitset;
use toubkal_core::engine::{Priority, Rates, Record, Totals};
use toubkal_wire::bencode::{Kind, Mode, Node, Value, decode, encode};
use toubkal_wire::layout::PIECES_MAX;
use toubkal_wire::metainfo::{TRACKERS_MAX, URL_BYTES_MAX};

use crate::paths::Stamp;
use crate::store::Mark;

/// Bytes of the longest name of a run of the system.
const BOOT_BYTES_MAX: usize = 64;

/// A row of `pieces`, as it lies in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pieces {
    /// Pieces of the torrent.
    pub(super) count: i64,
    /// A bit a piece, as in a bitfield message (BEP 3).
    pub(super) verified: Vec<u8>,
    pub(super) synced: Vec<u8>,
    /// The run of the system.
    pub(super) boot: Option<Vec<u8>>,
    pub(super) rest: i64,
    pub(super) doubt: i64,
    /// Over all the others: a page of the database may have been cut or overwritten.
    pub(super) sum: Vec<u8>,
}

/// A value that nobody has written so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str);

impl Pieces {
    /// The row of a record that is made now.
    pub(super) fn of(record: &Record, boot: Option<&[u8]>) -> Self {
        let mut row = Self {
            count: record.verified.len().into(),
            verified: record.verified.to_wire().to_vec(),
            synced: record.synced.to_wire().to_vec(),
            boot: boot.map(<[u8]>::to_vec),
            rest: record.rest.into(),
            doubt: record.doubt.into(),
            sum: Vec::new(),
        };
        row.sum = row.summed();
        row
    }

    /// The record of a torrent with so many pieces.
    ///
    /// # Errors
    /// When the row is of another torrent, or nobody has written it so.
    pub(super) fn record(&self, pieces: u32, totals: Totals) -> Result<Record, Broken> {
        if self.count != i64::from(pieces) || pieces > PIECES_MAX {
            return Err(Broken("another number of pieces"));
        }
        if self.boot.as_ref().is_some_and(|boot| boot.len() > BOOT_BYTES_MAX) {
            return Err(Broken("a run of the system that has no such name"));
        }
        let set = |bytes| Bitset::from_wire(bytes, pieces).ok_or(Broken("a set of another length"));
        let (verified, synced) = (set(&self.verified)?, set(&self.synced)?);
        if synced.exceeds(&verified) {
            return Err(Broken("a piece that is synced and not verified"));
        }
        let (rest, doubt) = (flag(self.rest)?, flag(self.doubt)?);
        if self.sum != self.summed() {
            return Err(Broken("a wrong sum"));
        }
        Ok(Record { verified, synced, rest, doubt, totals })
    }

    fn summed(&self) -> Vec<u8> {
        let mut sum = Sha1::new();
        for number in [self.count, self.rest, self.doubt] {
            sum.update(number.to_le_bytes());
        }
        let boot = self.boot.as_deref().unwrap_or_default();
        for bytes in [&self.verified, &self.synced, boot] {
            sum.update((bytes.len() as u64).to_le_bytes());
            sum.update(bytes);
        }
        sum.finalize()[..8].to_vec()
    }
}

/// A flag.
pub(super) fn flag(value: i64) -> Result<bool, Broken> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Broken("a flag that is neither up nor down")),
    }
}

/// A number that is never below zero.
pub(super) fn count(value: i64) -> Result<u64, Broken> {
    u64::try_from(value).map_err(|_| Broken("a number below zero"))
}

/// A number for a row; what is beyond the end of its numbers stays there.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Three counts.
pub(super) fn totals(values: [i64; 3]) -> Result<Totals, Broken> {
    let [downloaded, uploaded, wasted] = values;
    let (downloaded, uploaded) = (count(downloaded)?, count(uploaded)?);
    Ok(Totals { downloaded, uploaded, wasted: count(wasted)? })
}

/// Two rates.
pub(super) fn rates(values: [Option<i64>; 2]) -> Result<Rates, Broken> {
    let [down, up] = values;
    Ok(Rates { down: down.map(count).transpose()?, up: up.map(count).transpose()? })
}

/// A byte a file.
pub(super) fn priorities_of(priorities: &[Priority]) -> Vec<u8> {
    let byte = |priority: &Priority| match priority {
        Priority::Skip => 0,
        Priority::Low => 1,
        Priority::Normal => 2,
        Priority::High => 3,
    };
    priorities.iter().map(byte).collect()
}

/// See [`priorities_of`].
pub(super) fn priorities(bytes: &[u8]) -> Result<Vec<Priority>, Broken> {
    let priority = |byte: &u8| match byte {
        0 => Ok(Priority::Skip),
        1 => Ok(Priority::Low),
        2 => Ok(Priority::Normal),
        3 => Ok(Priority::High),
        _ => Err(Broken("a priority that there is not")),
    };
    bytes.iter().map(priority).collect()
}

/// The tiers of trackers, as a bencoded list of lists (as in BEP 12).
pub(super) fn trackers_of(tiers: &[Vec<String>]) -> Vec<u8> {
    let tier =
        |tier: &Vec<String>| Node::List(tier.iter().map(|url| Node::from(url.as_str())).collect());
    encode(&Node::List(tiers.iter().map(tier).collect()))
}

/// See [`trackers_of`].
pub(super) fn trackers(bytes: &[u8]) -> Result<Vec<Vec<String>>, Broken> {
    let broken = Broken("trackers that are none");
    let tape = decode(bytes, Mode::Strict).map_err(|_| broken)?;
    let list = |value: Value<'_, '_>| match value.kind() {
        Kind::List => Ok(()),
        _ => Err(broken),
    };
    list(tape.root())?;
    let mut left = TRACKERS_MAX;
    let mut tiers = Vec::new();
    for tier in tape.root().items() {
        list(tier)?;
        let mut urls = Vec::new();
        for url in tier.items() {
            left = left.checked_sub(1).ok_or(broken)?;
            let url = url.as_str().filter(|url| url.len() <= URL_BYTES_MAX).ok_or(broken)?;
            urls.push(url.to_owned());
        }
        tiers.push(urls);
    }
    Ok(tiers)
}

/// The columns of a file's mark: whole, length, nanoseconds since 1970.
pub(super) fn mark_of(mark: &Mark) -> (i64, i64, Option<i64>) {
    let nanos = |time: SystemTime| match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos()).ok().map(|nanos| -nanos),
    };
    (mark.whole.into(), number(mark.stamp.length), mark.stamp.modified.and_then(nanos))
}

/// See [`mark_of`].
pub(super) fn mark(whole: i64, length: i64, modified: Option<i64>) -> Result<Mark, Broken> {
    let time = |nanos: i64| {
        let distance = Duration::from_nanos(nanos.unsigned_abs());
        match nanos < 0 {
            true => UNIX_EPOCH.checked_sub(distance),
            false => UNIX_EPOCH.checked_add(distance),
        }
    };
    let stamp = Stamp { length: count(length)?, modified: modified.and_then(time) };
    Ok(Mark { whole: flag(whole)?, stamp })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> Record {
        let mut verified = Bitset::new(21);
        [0, 7, 8, 20].into_iter().for_each(|piece| _ = verified.set(piece));
        let mut synced = verified.clone();
        synced.clear(20);
        let totals = Totals { downloaded: 1, uploaded: 2, wasted: 3 };
        Record { verified, synced, rest: false, doubt: true, totals }
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let row = Pieces::of(&record(), Some(b"a run of the system"));
        assert_eq!(row.record(21, record().totals), Ok(record()));
        let tiers = vec![vec!["http://a/".to_owned(), "http://b/".to_owned()], vec![]];
        assert_eq!(trackers(&trackers_of(&tiers)), Ok(tiers));
        let all = [Priority::Skip, Priority::Low, Priority::Normal, Priority::High];
        assert_eq!(priorities(&priorities_of(&all)), Ok(all.to_vec()));
        for modified in [None, Some(UNIX_EPOCH), Some(UNIX_EPOCH - Duration::new(7, 9))] {
            let it = Mark { whole: true, stamp: Stamp { length: 1 << 40, modified } };
            let (whole, length, time) = mark_of(&it);
            assert_eq!(mark(whole, length, time), Ok(it));
        }
    }

    #[test]
    fn a_row_that_differs_in_one_place_is_not_believed() {
        let good = Pieces::of(&record(), Some(b"a run of the system"));
        let broken = |change: &dyn Fn(&mut Pieces)| {
            let mut row = good.clone();
            change(&mut row);
            row.record(21, Totals::default()).is_err()
        };
        assert!(broken(&|row| row.count = 22));
        assert!(broken(&|row| row.verified[0] ^= 0x40));
        assert!(broken(&|row| row.verified[2] |= 1), "a spare bit");
        assert!(broken(&|row| row.synced[1] ^= 0x10), "synced and not verified");
        assert!(broken(&|row| row.synced.truncate(2)));
        assert!(broken(&|row| row.rest = 1));
        assert!(broken(&|row| row.doubt = 2));
        assert!(broken(&|row| row.boot = None));
        assert!(broken(&|row| row.sum[7] ^= 1));
        assert!(broken(&|row| row.sum.clear()));
        assert_eq!(good.record(20, Totals::default()), Err(Broken("another number of pieces")));
    }

    proptest! {
        #[test]
        fn no_row_is_a_panic(
            numbers in any::<[i64; 5]>(),
            verified in prop::collection::vec(any::<u8>(), 0..6),
            synced in prop::collection::vec(any::<u8>(), 0..6),
            text in prop::collection::vec(any::<u8>(), 0..40),
            pieces in 0u32..50,
        ) {
            let [count, rest, doubt, length, modified] = numbers;
            let boot = Some(text.clone());
            let row = Pieces { count, verified, synced, boot, rest, doubt, sum: text.clone() };
            let _ = row.record(pieces, Totals::default());
            let _ = (mark(rest & 1, length, Some(modified)), trackers(&text), priorities(&text));
            let _ = (totals([count, rest, doubt]), rates([Some(length), None]));
        }
    }
}
