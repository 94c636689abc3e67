//! `--select`: which files of a torrent are wanted.

use globset::{Glob, GlobMatcher};
use toubkal_session::Priority;
use toubkal_wire::metainfo::Metainfo;

use crate::exit::{Exit, Failure};
use crate::text;

/// Names that are listed when nothing matches.
const LISTED: usize = 5;

/// A pattern for paths inside a torrent.
#[derive(Clone, Debug)]
pub(crate) struct Select {
    matcher: GlobMatcher,
    /// It names a path, not just a name anywhere.
    has_folder: bool,
}

/// Reads a pattern from the command line.
///
/// # Errors
/// A sentence for the person who typed it.
pub(crate) fn parse(pattern: &str) -> Result<Select, String> {
    let pattern = pattern.trim_end_matches('/');
    let glob = Glob::new(pattern).map_err(|error| error.kind().to_string())?;
    Ok(Select { matcher: glob.compile_matcher(), has_folder: pattern.contains('/') })
}

impl Select {
    /// Whether it means this path: by the path, by the name alone, or by a folder above.
    fn matches(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        let name = path.rsplit('/').next().unwrap_or(path);
        self.matcher.is_match(path)
            || (!self.has_folder && self.matcher.is_match(name))
            || folders.into_iter().any(|folder| self.matcher.is_match(folder))
    }
}

/// One flag a file, whether it is wanted; `None` when there is nothing to choose by.
///
/// # Errors
/// When a pattern means no file at all: that is a slip.
pub(crate) fn wanted(
    metainfo: &Metainfo,
    selects: &[Select],
) -> Result<Option<Vec<bool>>, Failure> {
    if selects.is_empty() {
        return Ok(None);
    }
    let mut wanted = vec![false; metainfo.file_count()];
    for select in selects {
        let mut any = false;
        for (file, wanted) in metainfo.files().zip(&mut wanted) {
            if !file.pad && select.matches(file.path) {
                *wanted = true;
                any = true;
            }
        }
        if !any {
            return Err(no_match(metainfo, select));
        }
    }
    Ok(Some(wanted))
}

/// Priorities of files that are wanted, or not.
pub(crate) fn priorities(wanted: &[bool]) -> Vec<Priority> {
    let priority = |&wanted: &bool| if wanted { Priority::Normal } else { Priority::Skip };
    wanted.iter().map(priority).collect()
}

/// Bytes of the files that are wanted; `None`: all.
pub(crate) fn size(metainfo: &Metainfo, wanted: Option<&[bool]>) -> u64 {
    let Some(wanted) = wanted else { return metainfo.total() };
    let files = metainfo.files().zip(wanted);
    files.filter(|(_, wanted)| **wanted).map(|(file, _)| file.length).sum()
}

fn no_match(metainfo: &Metainfo, select: &Select) -> Failure {
    let files = || metainfo.files().filter(|file| !file.pad);
    let mut names: Vec<_> = files().take(LISTED).map(|file| text::cut(file.path, 40)).collect();
    let rest = files().count() - names.len();
    if rest > 0 {
        names.push(format!("and {} more", text::grouped(rest as u64)));
    }
    Failure::new(Exit::Usage, format!("no file matches --select {}", select.matcher.glob()))
        .cause(format!("in {} there are: {}", text::cut(&metainfo.name, 40), names.join(", ")))
        .tip("`toubkal info` lists all files; put the pattern in quotes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_paths_names_and_folders() {
        let table = [
            ("*.mkv", "a/b/c.mkv", true),
            ("c.mkv", "a/b/c.mkv", true),
            ("a/b", "a/b/c.mkv", true),
            ("a/", "a/b/c.mkv", true),
            ("b/c.mkv", "a/b/c.mkv", false),
            ("**/c.*", "a/b/c.mkv", true),
            ("*.MKV", "a/b/c.mkv", false),
            ("{x,c}.mkv", "a/b/c.mkv", true),
            ("[0-9].txt", "d/7.txt", true),
            ("d", "dd/x", false),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(parse(pattern).unwrap().matches(path), expected, "{pattern} {path}");
        }
        assert!(parse("[").is_err());
        assert!(parse("{a").is_err());
    }
}
