//! The numbers of evidence, each under a name for programs. Names do not change.

use toubkal_core::engine::{Evidence, Limit, Scope};

/// The numbers of a piece of evidence: counts, bytes, bytes a second, or seconds of the last ten.
#[must_use]
pub fn figures(evidence: &Evidence) -> Vec<(&'static str, u64)> {
    let count = u64::from;
    match *evidence {
        Evidence::Peers { connected, seeds, useful } => {
            [("peers", count(connected)), ("seeds", count(seeds)), ("useful", count(useful))].into()
        }
        Evidence::Unchoked { by, silent } => {
            [("unchoked_by", count(by)), ("silent", count(silent))].into()
        }
        Evidence::Down { rate, session, best } => {
            [("down_rate", rate), ("session_rate", session), ("best_rate", best)].into()
        }
        Evidence::Missing { pieces, bytes, absent } => {
            [("missing", count(pieces)), ("left", bytes), ("absent", count(absent))].into()
        }
        Evidence::DownLimit(Limit { scope, rate, seconds }) => match scope {
            Scope::Torrent => [("down_limit", rate), ("down_limit_seconds", count(seconds))].into(),
            Scope::Session => {
                [("session_limit", rate), ("session_limit_seconds", count(seconds))].into()
            }
        },
        Evidence::UpLimit(Limit { scope, rate, seconds }) => match scope {
            Scope::Torrent => [("up_limit", rate), ("up_limit_seconds", count(seconds))].into(),
            Scope::Session => {
                [("session_up_limit", rate), ("session_up_limit_seconds", count(seconds))].into()
            }
        },
        Evidence::Disk { waiting, most, seconds } => {
            let seconds = count(seconds);
            [("disk_waiting", waiting), ("disk_most", most), ("disk_seconds", seconds)].into()
        }
        Evidence::Addresses { known, dialing, failed, waiting } => {
            let (known, dialing) = (("known", count(known)), ("dialing", count(dialing)));
            [known, dialing, ("failed", count(failed)), ("waiting", count(waiting))].into()
        }
        Evidence::Wanting { peers, unchoked, slots } => {
            let (peers, unchoked) = (("interested", count(peers)), ("unchoked", count(unchoked)));
            [peers, unchoked, ("slots", count(slots))].into()
        }
        Evidence::Up { rate } => [("up_rate", rate)].into(),
        _ => Vec::new(),
    }
}
