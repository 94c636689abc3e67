//! The sentences: what a torrent is doing, how it ended, what to do about it.

use std::fs::Metadata;
use std::path::Path;
use std::time::Duration;

use toubkal_session::{Metainfo, State, StoreError, StoreErrorKind};
use toubkal_wire::metainfo::Oddity;

use super::{Job, percent_kept, seeking};
use crate::exit::{Exit, Failure};
use crate::progress::{Activity, Bar};
use crate::{text, units};

/// Columns of a name in a sentence.
const NAME: usize = 60;

/// `debian.iso, 400 MB in 12 s (33 MB/s), verified`
pub(crate) fn finished(name: &str, size: u64, fetched: u64, took: Duration) -> String {
    let name = text::cut(name, NAME);
    let rate = units::rate(units::mean_rate(fetched, took));
    let (size_words, took) = (units::size(size), units::took(took));
    // What was there before did not come over the network.
    if u128::from(fetched) * 100 < u128::from(size) * 99 {
        let fetched = units::size(fetched);
        return format!("{name}, {size_words}, {fetched} of it in {took} ({rate}), verified");
    }
    format!("{name}, {size_words} in {took} ({rate}), verified")
}

/// `debian.iso, 400 MB, was complete already, verified`
pub(crate) fn already(name: &str, size: u64) -> String {
    format!("{}, {}, was complete already, verified", text::cut(name, NAME), units::size(size))
}

/// Where a download goes on, when something of it was there.
pub(super) fn goes_on(job: &Job) -> Option<String> {
    let status = &job.status;
    if job.sharing || status.have == 0 || status.left == 0 {
        return None;
    }
    let name = job.called(NAME);
    let there = format!("{name}: going on at {} %", percent_kept(job));
    match (status.remembered, status.checked) {
        (_, 0) => Some(there),
        (0, _) => Some(format!("{there}, what was there is checked")),
        (_, checked) => {
            let pieces = text::count(u64::from(checked), "piece", "pieces");
            Some(format!("{there}, {pieces} of it checked anew"))
        }
    }
}

/// What is held cannot be remembered.
pub(super) fn unrecorded(job: &Job, kind: StoreErrorKind) -> String {
    let name = job.called(NAME);
    format!("{name}: what is verified cannot be remembered ({kind}); it goes on all the same")
}

/// What an interrupted download leaves.
pub(super) fn kept(job: &Job, alone: bool) -> String {
    let kept = match job.status.state {
        State::Seeking(_) => "stopped while looking for the file list".to_owned(),
        State::Opening | State::Checking { .. } => "stopped while checking".to_owned(),
        _ => format!("{} % kept", percent_kept(job)),
    };
    match alone {
        true => format!("{kept}; run the same command to go on"),
        false => {
            let name = job.called(NAME);
            format!("{name}: {kept}; run the same command to go on")
        }
    }
}

/// What `seed` says when everything is there.
pub(super) fn sharing_begins(job: &Job) -> String {
    let name = job.called(NAME);
    format!("{name}, {}, verified; sharing until Ctrl-C", units::size(job.selected))
}

/// What `seed` says when something is missing.
pub(super) fn not_complete(job: &Job) -> Failure {
    let name = job.called(NAME);
    let have = text::grouped(u64::from(job.status.have));
    let pieces = text::count(u64::from(job.status.pieces), "piece", "pieces");
    let dir = job.dir.display();
    let mut cause = format!("{have} of {pieces} good");
    // Files that lie there under the names that the torrent gives them are not found.
    let renamed = |oddity: &&Oddity| matches!(oddity, Oddity::Name { .. } | Oddity::Paths { .. });
    let oddities = job.metainfo.iter().flat_map(|metainfo| &metainfo.oddities);
    if let Some(renamed) = oddities.into_iter().find(renamed) {
        cause = format!("{cause}. {}", renamed.to_string().trim_end_matches('.'));
    }
    let tip = match job.status.have {
        0 => format!("--data is the folder that holds {name}; `toubkal get` downloads it"),
        _ => "`toubkal verify` lists what is wrong, `toubkal get` fetches what is missing".into(),
    };
    Failure::new(Exit::Failed, format!("{name} is not complete in {dir}")).cause(cause).tip(tip)
}

/// What was given to others.
pub(super) fn shared(job: &Job) -> String {
    let uploaded = job.status.uploaded;
    let ratio = uploaded as f64 / job.selected.max(1) as f64;
    let name = job.called(NAME);
    format!("{name}: {} uploaded, ratio {ratio:.2}", units::size(uploaded))
}

/// The line of progress.
pub(super) fn bar(job: &Job) -> Bar {
    let status = &job.status;
    let name = job.name.clone();
    let done = status.wanted.saturating_sub(status.left);
    let saying = |words: &str| Activity::Saying(words.to_owned());
    let (done, of, activity) = match status.state {
        State::Checking { done, of } => {
            (u64::from(done), u64::from(of), saying("checking what is there"))
        }
        State::Seeking(seeking) => {
            let words = seeking::words(job, &seeking);
            (u64::from(seeking.blocks), u64::from(seeking.of.max(1)), Activity::Saying(words))
        }
        State::Opening => (0, 1, saying("looking at what is there")),
        State::Downloading => (done, status.wanted, downloading(job)),
        State::Finishing => (done, status.wanted, saying("finishing files")),
        State::Seeding => (done, status.wanted, Activity::Saying(sharing(job))),
        State::Stopped(_) => (done, status.wanted, saying("stopped")),
    };
    Bar { name, done, of, activity }
}

fn downloading(job: &Job) -> Activity {
    let status = &job.status;
    let peers = || text::count(u64::from(status.peers), "peer", "peers");
    match (status.down_rate, status.peers) {
        (0, 0) if status.dialing > 0 => Activity::Saying("connecting to peers".into()),
        (0, 0) => Activity::Saying("looking for peers".into()),
        (0, _) if status.rarest == 0 => Activity::Saying(format!("{}, none has the rest", peers())),
        (0, _) if status.unchoked_by == 0 => {
            Activity::Saying(format!("{}, waiting for a turn", peers()))
        }
        (rate, peers) => Activity::Moving { rate, peers, have: status.have, pieces: status.pieces },
    }
}

fn sharing(job: &Job) -> String {
    let status = &job.status;
    let peers = text::count(u64::from(status.peers), "peer", "peers");
    match status.up_rate {
        0 => format!("sharing, {peers}"),
        rate => format!("sharing, {peers}, {}", units::rate(rate)),
    }
}

/// The first letter large, and a full stop.
pub(super) fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let stop = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

/// Nobody to download from.
pub(super) fn no_peers(job: &Job, tried: &str) -> Failure {
    let name = job.called(NAME);
    Failure::new(Exit::NoPeers, format!("{name}: no peers"))
        .cause(tried)
        .tip("try again later, name a peer with --peer, or wait longer with --patience")
}

/// The disk does not take part.
pub(super) fn store_failure(job: &Job, error: &StoreError) -> Failure {
    let metainfo = job.metainfo.as_deref();
    let file = metainfo.zip(error.file).map(|(metainfo, file)| metainfo.file(file as usize));
    let place = match file {
        Some(file) => {
            let folder = metainfo.and_then(Metainfo::folder);
            let folder = folder.map_or(job.dir.clone(), |name| job.dir.join(name));
            folder.join(file.path)
        }
        None => job.dir.clone(),
    };
    let exit = match error.kind {
        StoreErrorKind::Full => Exit::DiskFull,
        StoreErrorKind::Denied
        | StoreErrorKind::Exists
        | StoreErrorKind::Unsafe
        | StoreErrorKind::TooLarge => Exit::NotWritable,
        _ => Exit::Failed,
    };
    let doing = match error.kind {
        _ if job.sharing => "share",
        StoreErrorKind::Changed | StoreErrorKind::Missing => "go on with",
        _ => "write",
    };
    let failure = Failure::new(exit, format!("cannot {doing} {}", place.display()));
    if error.kind == StoreErrorKind::Exists {
        return in_the_way(failure, &place, file.map(|file| file.length));
    }
    let tip = match error.kind {
        StoreErrorKind::Crowded => {
            return failure.cause(error.kind.to_string()).tip(
                "raise the limit, as with `ulimit -n 1024`, and run the same command to go on",
            );
        }
        StoreErrorKind::Full => "make room, then run the same command to go on",
        StoreErrorKind::Denied | StoreErrorKind::Unsafe | StoreErrorKind::TooLarge => {
            "choose another folder with -o"
        }
        StoreErrorKind::Busy => "wait for the other process, or choose another folder with -o",
        _ if job.sharing => "`toubkal verify` lists what is wrong, `toubkal get` mends it",
        _ => "look at the folder, then run the same command to go on",
    };
    failure.cause(error.kind.to_string()).tip(tip)
}

/// Names what lies where a file of this length should come, or where one of its folders should.
fn in_the_way(failure: Failure, place: &Path, length: Option<u64>) -> Failure {
    let found = |path: &&Path| path.symlink_metadata().is_ok_and(|meta| !meta.is_dir());
    let Some(path) = place.ancestors().find(found) else {
        // A folder, or it has just gone.
        let failure = failure.cause(StoreErrorKind::Exists.to_string());
        return failure.tip("move it away, or choose another folder with -o");
    };
    let meta = path.symlink_metadata();
    let is_file = meta.as_ref().is_ok_and(Metadata::is_file);
    if path != place {
        let kind = if is_file { "a file" } else { "a link that leads to no folder" };
        let failure = failure.cause(format!("{} is {kind}", path.display()));
        return failure.tip("move it away, or choose another folder with -o");
    }
    // Only a file of the right length can be taken over.
    match meta.map(|meta| meta.len()) {
        Ok(len) if is_file && Some(len) == length => failure
            .cause("a file of this name and length holds something else")
            .tip("move it away, choose another folder with -o, or overwrite it with --adopt"),
        Ok(len) if is_file => failure
            .cause(format!("a file of another length has this name, {}", units::exact_size(len)))
            .tip("move it away, or choose another folder with -o"),
        _ => failure
            .cause(StoreErrorKind::Exists.to_string())
            .tip("move it away, or choose another folder with -o"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_a_sentence() {
        let took = Duration::from_secs(12);
        assert_eq!(
            finished("debian.iso", 400_000_000, 400_000_000, took),
            "debian.iso, 400 MB in 12 s (33.3 MB/s), verified"
        );
        assert_eq!(
            finished("debian.iso", 400_000_000, 120_000_000, took),
            "debian.iso, 400 MB, 120 MB of it in 12 s (10 MB/s), verified"
        );
        assert_eq!(already("a\x1b", 0), "a\\u{1b}, 0 B, was complete already, verified");
    }

    #[test]
    fn no_time_at_all_is_no_nonsense() {
        let text = finished("x", 1 << 40, 1 << 40, Duration::ZERO);
        assert!(!text.contains("inf") && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn a_sentence_begins_and_ends_as_one() {
        assert_eq!(sentence("tracker x: gone"), "Tracker x: gone.");
        assert_eq!(sentence("quota."), "Quota.");
        assert_eq!(sentence(""), ".");
    }
}
