//! Paths from strangers: safe on every system, distinct, and stable.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use toubkal_wire::path::{
    COMPONENT_BYTES_MAX, PATH_BYTES_MAX, PATH_DEPTH_MAX, Paths, PathsBuilder, clean,
};
use unicode_normalization::UnicodeNormalization as _;

/// A line is a path, `/` stands between its parts, and a byte 1 at its head marks padding.
pub(crate) fn path(input: &[u8]) {
    let lines: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    for line in &lines {
        let name = clean(line);
        assert_component(&name);
        assert_eq!(clean(name.as_bytes()), name, "cleaning twice changes nothing");
    }
    let Some(paths) = settle(&lines) else { return };
    let pads: Vec<bool> = lines.iter().map(|line| is_pad(line)).collect();
    assert_places(&paths, &pads);
    for (file, line) in lines.iter().enumerate().filter(|(file, _)| !pads[*file]) {
        assert_eq!(paths.original(file), *line, "what it was called is remembered");
    }
    // What was made safe is left as it is.
    let safe = (0..paths.len()).map(|file| {
        let mark = if pads[file] { "\u{1}" } else { "" };
        [mark, paths.get(file)].concat().into_bytes()
    });
    let safe: Vec<Vec<u8>> = safe.collect();
    let again: Vec<&[u8]> = safe.iter().map(Vec::as_slice).collect();
    let again = settle(&again).expect("no path grew deeper");
    for file in 0..paths.len() {
        assert_eq!(paths.get(file), again.get(file), "settling twice changes nothing");
    }
}

fn is_pad(line: &[u8]) -> bool {
    line.first() == Some(&1)
}

/// `None`: a path is too deep.
fn settle(lines: &[&[u8]]) -> Option<Paths> {
    let mut builder = PathsBuilder::default();
    for line in lines {
        let pad = is_pad(line);
        let parts = line[usize::from(pad)..].split(|&byte| byte == b'/');
        let depth = parts.clone().filter(|part| !matches!(*part, b"" | b".")).count();
        let taken = builder.push(parts, pad);
        assert_eq!(taken.is_ok(), depth <= PATH_DEPTH_MAX, "{}", line.escape_ascii());
        taken.ok()?;
    }
    Some(builder.finish())
}

/// No file is where another is, where another is until it is complete, or where a folder is.
fn assert_places(paths: &Paths, pads: &[bool]) {
    let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::new());
    for (file, pad) in pads.iter().enumerate() {
        assert_path(paths.get(file));
        if *pad {
            continue;
        }
        let key = same(paths.get(file));
        folders.extend(key.match_indices('/').map(|(at, _)| key[..at].to_owned()));
        assert!(files.insert(key), "two files at {:?}", paths.get(file));
    }
    for file in &files {
        let part = format!("{file}.part");
        assert!(!folders.contains(file) && !folders.contains(&part), "a folder at {file:?}");
        assert!(!files.contains(&part), "a file at {part:?}");
    }
}

/// Panics unless a path inside the torrent's folder is safe on every system.
pub(super) fn assert_path(path: &str) {
    assert!(!path.is_empty() && path.len() <= PATH_BYTES_MAX, "{path:?}");
    assert!(path.split('/').count() <= PATH_DEPTH_MAX);
    path.split('/').for_each(assert_component);
    let inside = |component| matches!(component, Component::Normal(_));
    assert!(Path::new(path).components().all(inside), "{path:?}");
}

/// Panics unless a name is safe as a part of a path: on Linux, on macOS, and by the rules that
/// Microsoft gives for Windows ("Naming Files, Paths, and Namespaces").
pub(super) fn assert_component(name: &str) {
    assert!(!matches!(name, "" | "." | ".."), "{name:?}");
    assert!(name.len() <= COMPONENT_BYTES_MAX, "{name:?}");
    assert!(!name.contains(['/', '\\', '<', '>', ':', '"', '|', '?', '*']), "{name:?}");
    assert!(!name.chars().any(char::is_control), "{name:?}");
    assert!(!name.ends_with(['.', ' ']), "{name:?}");
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let device = match stem.strip_prefix("COM").or(stem.strip_prefix("LPT")) {
        Some(number) => number.chars().count() == 1 && number.contains(is_port),
        None => ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&&*stem),
    };
    assert!(!device, "{name:?} is a device");
}

fn is_port(c: char) -> bool {
    matches!(c, '0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}')
}

/// The same for paths that some system takes for the same.
fn same(path: &str) -> String {
    path.to_uppercase().to_lowercase().nfd().collect()
}
