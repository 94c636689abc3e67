//! `torrent_set`.

use std::collections::BTreeMap;

use serde_json::Value;
use toubkal_daemon::{Edit, FileView, Goal, TrackerView, View};

use super::Rpc;
use super::args::{Args, whole};
use super::fault::Fault;
use super::methods::{Reply, nothing, with};
use super::session::{self, KILO, thousandths};

/// Lists of files, in the order in which they are obeyed, with what becomes of a file.
const FILE_LISTS: [(&str, Turn); 5] = [
    ("files_unwanted", Turn::Wanted(false)),
    ("files_wanted", Turn::Wanted(true)),
    ("priority_high", Turn::Priority(3)),
    ("priority_low", Turn::Priority(1)),
    ("priority_normal", Turn::Priority(2)),
];
const TRACKER_LISTS: [&str; 4] =
    ["tracker_add", "tracker_list", "tracker_remove", "tracker_replace"];

#[derive(Clone, Copy, Debug)]
enum Turn {
    Wanted(bool),
    Priority(u8),
}

pub(super) fn set(rpc: &Rpc, args: &Args) -> Reply {
    if args.has("location") {
        return Err(Fault::new(Fault::SYSTEM, "Toubkal cannot move torrents yet"));
    }
    let tags = args.list("labels").map(|_| labels(args)).transpose()?;
    for id in args.ids(&rpc.client) {
        // It may have gone meanwhile.
        let Some(view) = rpc.client.view(id) else { continue };
        let mut edit = Edit { tags: tags.clone(), ..Edit::default() };
        edit.sequential = args.flag("sequential_download");
        limits(rpc, args, &view, &mut edit);
        if has_files(args) {
            edit.files = files(args, &rpc.client.files(id).unwrap_or_default())?;
        }
        if TRACKER_LISTS.iter().any(|name| args.has(name)) {
            let trackers = rpc.client.trackers(id).unwrap_or_default();
            edit.trackers = Some(trackers_of(args, &trackers)?);
        }
        with(rpc, vec![id], |ids| rpc.client.edit(ids, &edit))?;
    }
    nothing()
}

/// Tags. What a client calls labels has no commas: some write a list with them.
pub(super) fn labels(args: &Args) -> Result<Vec<String>, Fault> {
    let labels = args.texts("labels").unwrap_or_default();
    let one = |label: &str| match label.trim() {
        "" => Err(Fault::params("labels cannot be empty")),
        label if label.contains(',') => {
            Err(Fault::params("labels cannot contain comma (,) character"))
        }
        label => Ok(label.to_owned()),
    };
    labels.into_iter().map(one).collect()
}

fn limits(rpc: &Rpc, args: &Args, view: &View, edit: &mut Edit) {
    let mut shelf = rpc.shelf();
    let mut rate = |name, switch, limit: Option<u64>| {
        (args.has(name) || args.has(switch)).then(|| {
            let limit = limit.map(|bytes| bytes.div_ceil(KILO));
            let given = (args.count(name), args.flag(switch));
            let limit = shelf.set((view.id, name), limit, session::RATE, given);
            limit.map(|kilo| kilo.saturating_mul(KILO))
        })
    };
    edit.down = rate("download_limit", "download_limited", view.down);
    edit.up = rate("upload_limit", "upload_limited", view.up);
    let mut goal = |name, mode, old: Goal, number: Option<u64>, usual| {
        let mode = args.whole(mode);
        let before = super::fields::own(old);
        if number.is_none() && mode.is_none() {
            return None;
        }
        let number = number.unwrap_or_else(|| shelf.shown(view.id, name, before, usual));
        shelf.put(view.id, name, number);
        match (mode, old) {
            (Some(0), _) | (None, Goal::Global) => Some(Goal::Global),
            (Some(1), _) | (None, Goal::Own(_)) => Some(Goal::Own(number)),
            (Some(2), _) | (None, Goal::None) => Some(Goal::None),
            _ => None,
        }
    };
    let ratio = args.real("seed_ratio_limit").map(thousandths);
    edit.ratio =
        goal("seed_ratio_limit", "seed_ratio_mode", view.goals.ratio, ratio, session::RATIO);
    let idle = args.count("seed_idle_limit");
    let minutes = match view.goals.idle {
        Goal::Own(seconds) => Goal::Own(seconds.div_ceil(60)),
        other => other,
    };
    let idle = goal("seed_idle_limit", "seed_idle_mode", minutes, idle, session::IDLE);
    edit.idle = idle.map(|goal| match goal {
        Goal::Own(minutes) => Goal::Own(minutes.saturating_mul(60)),
        other => other,
    });
}

/// Whether files are chosen or given priorities.
pub(super) fn has_files(args: &Args) -> bool {
    FILE_LISTS.iter().any(|(name, _)| args.list(name).is_some())
}

/// Priorities of files by their index. What is not wanted stays so, whatever priority is named
/// beside it: some clients name both in one call.
pub(super) fn files(args: &Args, files: &[FileView]) -> Result<BTreeMap<u32, u8>, Fault> {
    // Which priority one had that is not wanted is not known any more.
    let now = |file: &FileView| match file.priority {
        0 => (false, 2),
        priority => (true, priority),
    };
    let mut all: Vec<(bool, u8)> = files.iter().map(now).collect();
    for (name, turn) in FILE_LISTS {
        let Some(list) = args.list(name) else { continue };
        let chosen: Vec<usize> = match list {
            // An empty list means all.
            [] => (0..files.len()).collect(),
            list => list.iter().filter_map(whole).map(|index| index as usize).collect(),
        };
        for index in chosen {
            let file = all.get_mut(index).ok_or_else(|| Fault::bare(Fault::FILE))?;
            match turn {
                Turn::Wanted(wanted) => file.0 = wanted,
                Turn::Priority(priority) => file.1 = priority,
            }
        }
    }
    let values = all.into_iter().map(|(wanted, priority)| if wanted { priority } else { 0 });
    let changed = files.iter().zip(values).filter(|(file, value)| file.priority != *value);
    Ok(changed.map(|(file, value)| (file.index, value)).collect())
}

/// The trackers in tiers, after what is to be done with them.
fn trackers_of(args: &Args, trackers: &[TrackerView]) -> Result<Vec<Vec<String>>, Fault> {
    let unchanged = || Fault::bare(Fault::ANNOUNCE);
    // Each with its number, which stays as long as this call takes.
    let mut all: Vec<(i64, u32, String)> = trackers
        .iter()
        .zip(0..)
        .map(|(tracker, id)| (id, tracker.tier, tracker.url.clone()))
        .collect();
    if let Some(urls) = args.texts("tracker_add") {
        let before = all.len();
        for url in urls.into_iter().map(str::trim).filter(|url| is_tracker(url)) {
            if all.iter().all(|(_, _, known)| known != url) {
                let tier = all.iter().map(|(_, tier, _)| tier + 1).max().unwrap_or(0);
                all.push((-1, tier, url.to_owned()));
            }
        }
        (all.len() > before).then_some(()).ok_or_else(unchanged)?;
    }
    if let Some(ids) = args.list("tracker_remove") {
        let ids: Vec<i64> = ids.iter().filter_map(whole).filter(|id| *id >= 0).collect();
        let before = all.len();
        all.retain(|(id, ..)| !ids.contains(id));
        (all.len() < before).then_some(()).ok_or_else(unchanged)?;
    }
    if let Some(pairs) = args.list("tracker_replace") {
        replace(&mut all, pairs).then_some(()).ok_or_else(unchanged)?;
    }
    match args.text("tracker_list") {
        Some(text) => tiers_of(text),
        None => Ok(tiers(all)),
    }
}

/// A number and a URL after the other, or in lists of two.
fn replace(all: &mut [(i64, u32, String)], pairs: &[Value]) -> bool {
    let flat: Vec<&Value> = pairs
        .iter()
        .flat_map(|one| one.as_array().map_or(std::slice::from_ref(one), Vec::as_slice))
        .collect();
    let mut done = false;
    for pair in flat.chunks_exact(2) {
        let (Some(id), Some(url)) = (whole(pair[0]), pair[1].as_str()) else { continue };
        let place = all.iter_mut().find(|(known, ..)| *known == id && id >= 0);
        if let Some((_, _, place)) = place.filter(|(.., known)| known != url && is_tracker(url)) {
            url.clone_into(place);
            done = true;
        }
    }
    done
}

fn tiers(all: Vec<(i64, u32, String)>) -> Vec<Vec<String>> {
    let mut tiers = BTreeMap::<u32, Vec<String>>::new();
    for (_, tier, url) in all {
        tiers.entry(tier).or_default().push(url);
    }
    tiers.into_values().collect()
}

/// Tiers of a text: one a line, with an empty line between tiers.
fn tiers_of(text: &str) -> Result<Vec<Vec<String>>, Fault> {
    let mut tiers = vec![Vec::new()];
    for line in text.lines().map(str::trim) {
        match line {
            "" => tiers.push(Vec::new()),
            url if is_tracker(url) => {
                if let Some(tier) = tiers.last_mut() {
                    tier.push(url.to_owned());
                }
            }
            _ => return Err(Fault::bare(Fault::TRACKERS)),
        }
    }
    tiers.retain(|tier| !tier.is_empty());
    Ok(tiers)
}

fn is_tracker(url: &str) -> bool {
    let known = |scheme: &str| matches!(scheme, "http" | "https" | "udp");
    let parts = url.split_once("://").filter(|(scheme, _)| known(&scheme.to_ascii_lowercase()));
    parts.is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with('/'))
        && !url.chars().any(|letter| letter.is_whitespace() || letter.is_control())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::names::Dialect;
    use super::super::nested::tests::tracker;
    use super::*;

    fn args(value: Value) -> Args {
        Args::new(Dialect::Old, Some(value))
    }

    fn file(index: u32, priority: u8) -> FileView {
        FileView { index, path: String::new(), size: 1, have: 0, priority }
    }

    #[test]
    fn a_file_that_is_not_wanted_stays_so_whatever_its_priority() {
        // The second file is padding, which nobody counts.
        let all = [file(0, 2), file(2, 2), file(3, 0)];
        let both = args(json!({"files-unwanted": [1], "priority-normal": [1]}));
        assert_eq!(files(&both, &all).unwrap(), BTreeMap::from([(2, 0)]));
        let none = args(json!({"files-unwanted": [], "files-wanted": [2], "priority-high": [2]}));
        assert_eq!(files(&none, &all).unwrap(), BTreeMap::from([(0, 0), (2, 0), (3, 3)]));
        let low = args(json!({"priority-low": []}));
        assert_eq!(files(&low, &all).unwrap(), BTreeMap::from([(0, 1), (2, 1)]));
        let beyond = args(json!({"files-wanted": [3]}));
        assert_eq!(files(&beyond, &all), Err(Fault::bare(Fault::FILE)));
    }

    fn trackers(value: Value) -> Result<Vec<Vec<String>>, Fault> {
        let before = [tracker("http://a/x", 0), tracker("http://b/x", 0), tracker("udp://c:1", 1)];
        trackers_of(&args(value), &before)
    }

    #[test]
    fn trackers_are_added_removed_and_replaced_by_their_number() {
        let added = trackers(json!({"trackerAdd": ["http://d/x", "http://a/x"]})).unwrap();
        assert_eq!(added.len(), 3);
        assert_eq!(added[2], ["http://d/x"]);
        let removed = trackers(json!({"trackerRemove": [0, 2]})).unwrap();
        assert_eq!(removed, [["http://b/x"]]);
        for pairs in [json!([1, "http://e/x"]), json!([[1, "http://e/x"]])] {
            let replaced = trackers(json!({"trackerReplace": pairs})).unwrap();
            assert_eq!(replaced, [vec!["http://a/x", "http://e/x"], vec!["udp://c:1"]]);
        }
        let list = trackers(json!({"trackerList": "http://x/1\nhttp://y/1\n\n\nudp://z:1\n"}));
        assert_eq!(list.unwrap(), [vec!["http://x/1", "http://y/1"], vec!["udp://z:1"]]);
        let nothing = Fault::bare(Fault::ANNOUNCE);
        assert_eq!(trackers(json!({"trackerRemove": [7]})), Err(nothing.clone()));
        assert_eq!(trackers(json!({"trackerAdd": ["nonsense"]})), Err(nothing));
        assert_eq!(trackers(json!({"trackerList": "ftp://x"})), Err(Fault::bare(Fault::TRACKERS)));
    }
}
