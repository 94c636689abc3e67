use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// The safe paths of files that a torrent calls so, parts divided by `/`.
fn settle(paths: &[&str]) -> Vec<String> {
    let paths = build(paths);
    (0..paths.len()).map(|file| paths.get(file).to_string()).collect()
}

fn build(paths: &[&str]) -> Paths {
    let mut builder = PathsBuilder::default();
    for path in paths {
        builder.push(path.split('/').map(str::as_bytes), false).unwrap();
    }
    builder.finish()
}

#[test]
fn unsafe_names_are_mapped_and_others_stay() {
    let table: &[(&[u8], &str)] = &[
        // Nothing to do.
        (b"readme.txt", "readme.txt"),
        (b".hidden", ".hidden"),
        (b"a b (1) [x] {y} & co's #1!", "a b (1) [x] {y} & co's #1!"),
        (b" leading blank", " leading blank"),
        ("Été à Čakovec.mkv".as_bytes(), "Été à Čakovec.mkv"),
        ("東京 🗼👨\u{200d}👩".as_bytes(), "東京 🗼👨\u{200d}👩"),
        // Up, here, nothing, absolute.
        (b"..", "_"),
        (b"", "_"),
        (b"...", "_"),
        (b"/etc/passwd", "_etc_passwd"),
        (b"../x", ".._x"),
        (b"..\\..\\x", ".._.._x"),
        (b"\\\\host\\share", "__host_share"),
        (b"C:", "C_"),
        (b"C:\\Windows", "C__Windows"),
        (b"file.txt:stream", "file.txt_stream"),
        (b"file::$DATA", "file__$DATA"),
        // Characters that a system or a terminal takes for orders.
        (b"a\0b", "a_b"),
        (b"a\x1b[2Jb", "a_[2Jb"),
        (b"a\nb\tc\x7fd", "a_b_c_d"),
        ("a\u{85}b\u{9b}c".as_bytes(), "a_b_c"),
        (b"<>\"|?*", "______"),
        ("exe.\u{202e}gpj".as_bytes(), "exe._gpj"),
        ("a\u{200f}b\u{2066}c\u{61c}d\u{feff}e\u{2028}f".as_bytes(), "a_b_c_d_e_f"),
        // Ends that Windows cuts.
        (b"name.", "name"),
        (b"name. . .", "name"),
        (b"name ", "name"),
        ("name\u{3000}\u{a0}".as_bytes(), "name"),
        (b" . ", "_"),
        (b"\t", "_"),
        // Devices.
        (b"CON", "_CON"),
        (b"con", "_con"),
        (b"nul.txt", "_nul.txt"),
        (b"NUL .txt", "_NUL .txt"),
        (b"Aux.tar.gz", "_Aux.tar.gz"),
        (b"prn.", "_prn"),
        (b"COM1", "_COM1"),
        (b"lpt9.log", "_lpt9.log"),
        ("COM¹".as_bytes(), "_COM¹"),
        ("lpt³.x".as_bytes(), "_lpt³.x"),
        (b"CONIN$", "_CONIN$"),
        (b"conout$.a", "_conout$.a"),
        (b"CLOCK$", "_CLOCK$"),
        (b"com", "com"),
        (b"com10", "com10"),
        (b"console", "console"),
        (b"null", "null"),
        (b"context.con", "context.con"),
        // Not UTF-8.
        (b"caf\xe9.txt", "café.txt"),
        (b"\x80uro \x93x\x94", "€uro “x”"),
        ("é".as_bytes(), "é"),
        (b"\xc3\xa9 \xe9", "é é"),
        (b"\x81\x8d", "__"),
        (b"\xff\xfe", "ÿþ"),
        (b"\xed\xa0\x80", "í\u{a0}€"),
        (b"\xc0\xae\xc0\xae", "À®À®"),
    ];
    for (raw, safe) in table {
        assert_eq!(clean(raw), *safe, "{}", raw.escape_ascii());
        assert_eq!(clean(safe.as_bytes()), *safe, "cleaning twice");
    }
}

#[test]
fn long_names_are_cut_between_characters_and_keep_their_extension() {
    let long = format!("{}.mkv", "a".repeat(300));
    let cut = clean(long.as_bytes());
    assert!(cut.len() <= COMPONENT_BYTES_MAX && cut.len() > COMPONENT_BYTES_MAX - 5);
    assert!(cut.ends_with("aaa.mkv"));
    let wide = format!("{}.mkv", "東".repeat(100));
    let cut = clean(wide.as_bytes());
    assert!(cut.len() <= COMPONENT_BYTES_MAX && cut.len() > COMPONENT_BYTES_MAX - 5);
    assert!(cut.ends_with("東東.mkv"));
    // An ending that long is no extension.
    let dots = format!("a.{}", "b".repeat(300));
    assert_eq!(clean(dots.as_bytes()).len(), COMPONENT_BYTES_MAX - 1);
    // What is left must not be a device, nor end in blanks.
    let device = format!("con{}.{}", " ".repeat(260), "x".repeat(40));
    let blank = format!("{}{}z", "a".repeat(200), " ".repeat(100));
    for name in [device, blank] {
        let cut = clean(name.as_bytes());
        assert_eq!(clean(cut.as_bytes()), cut);
    }
}

#[test]
fn a_name_as_long_as_allowed_stays_as_it_is() {
    let name = format!("{}.txt", "a".repeat(COMPONENT_BYTES_MAX - 4));
    assert_eq!(clean(name.as_bytes()), name);
}

#[test]
fn parts_that_mean_nothing_are_left_out_of_a_path() {
    let table: &[(&str, &str)] = &[
        ("a/./b", "a/b"),
        ("/a//b/", "a/b"),
        ("../../etc/passwd", "_/_/etc/passwd"),
        ("a/../../b", "a/_/_/b"),
        (".", "_"),
        ("", "_"),
        ("C:/Windows/nul", "C_/Windows/_nul"),
    ];
    for (raw, safe) in table {
        assert_eq!(settle(&[raw]), [*safe], "{raw}");
        assert_eq!(build(&[raw]).original(0), raw.as_bytes());
    }
}

#[test]
fn files_that_clash_get_a_number_and_the_first_keeps_its_name() {
    let table: &[(&[&str], &[&str])] = &[
        // The same path, and by case alone.
        (&["a", "a", "a"], &["a", "a (2)", "a (3)"]),
        (&["d/Read.me", "d/READ.ME"], &["d/Read.me", "d/READ (2).ME"]),
        (&["D/x", "d/X"], &["D/x", "d/X (2)"]),
        (&["ΣΑΣ", "σας"], &["ΣΑΣ", "σας (2)"]),
        (&["straße", "STRASSE"], &["straße", "STRASSE (2)"]),
        (&["\u{212a}elvin", "kelvin"], &["\u{212a}elvin", "kelvin (2)"]),
        // By Unicode form, and by joiners that HFS+ passes over.
        (&["é", "e\u{301}"], &["é", "e\u{301} (2)"]),
        (&["É/x", "e\u{301}/x"], &["É/x", "e\u{301}/x (2)"]),
        (&["가", "\u{1100}\u{1161}"], &["가", "\u{1100}\u{1161} (2)"]),
        (&["ab", "a\u{200d}b"], &["ab", "a\u{200d}b (2)"]),
        // By cleaning.
        (&["a?", "a*", "a_"], &["a_", "a_ (2)", "a_ (3)"]),
        (&["a", "a."], &["a", "a (2)"]),
        (&["x/../y", "x/_/y"], &["x/_/y", "x/_/y (2)"]),
        // A number that is taken already.
        (&["a", "a (2)", "a"], &["a", "a (2)", "a (3)"]),
        (&["a", "a", "a (2)"], &["a", "a (3)", "a (2)"]),
        // A file where a folder is: before it, behind it, by case.
        (&["a", "a/b"], &["a (2)", "a/b"]),
        (&["a/b", "a"], &["a/b", "a (2)"]),
        (&["A/b/c", "a/B"], &["A/b/c", "a/B (2)"]),
        (&["a.x/b", "a.x", "a (2).x"], &["a.x/b", "a (3).x", "a (2).x"]),
        // Another file's temporary name.
        (&["x", "x.part"], &["x", "x (2).part"]),
        (&["x.PART", "X"], &["x (2).PART", "X"]),
        (&["x", "x.part/y"], &["x (2)", "x.part/y"]),
        (&["x.part", "y"], &["x.part", "y"]),
        (&["x.part/y", "x.part/y.part"], &["x.part/y", "x.part/y (2).part"]),
        (&["a", "A", "a (2).part"], &["a", "A (3)", "a (2).part"]),
        // No clash at all.
        (&["a/b", "a/c", "b", "c/b"], &["a/b", "a/c", "b", "c/b"]),
        (&["a/b/c", "a/c", "a/b/d"], &["a/b/c", "a/c", "a/b/d"]),
    ];
    for (raw, safe) in table {
        assert_eq!(settle(raw), *safe);
    }
}

#[test]
fn a_changed_path_remembers_what_it_was() {
    let paths = build(&["ok", "no?", "OK", "fine", "no*"]);
    let changed: Vec<_> = paths.changed().map(|(file, raw)| (file, raw.to_vec())).collect();
    let want: [(usize, &[u8]); 3] = [(1, b"no?"), (2, b"OK"), (4, b"no*")];
    assert_eq!(changed, want.map(|(file, raw)| (file, raw.to_vec())));
    assert_eq!(paths.get(4), "no_ (2)");
    for (file, raw) in ["ok", "no?", "OK", "fine", "no*"].iter().enumerate() {
        assert_eq!(paths.original(file), raw.as_bytes());
    }
}

#[test]
fn padding_files_take_no_place() {
    let mut builder = PathsBuilder::default();
    for pad in [true, false, true, false] {
        builder.push([&b".pad"[..], b"7"].into_iter(), pad).unwrap();
    }
    let paths = builder.finish();
    assert_eq!((paths.get(1), paths.get(3)), (".pad/7", ".pad/7 (2)"));
}

#[test]
fn paths_are_limited_in_depth_and_length() {
    let deep = |depth| std::iter::repeat_n(&b"d"[..], depth);
    let mut builder = PathsBuilder::default();
    assert_eq!(builder.push(deep(PATH_DEPTH_MAX), false), Ok(()));
    assert_eq!(builder.push(deep(PATH_DEPTH_MAX + 1), false), Err(PathError::Depth));
    for depth in [1, 2, 3, 10, PATH_DEPTH_MAX] {
        let component = "東京.txt".repeat(40);
        builder.push(std::iter::repeat_n(component.as_bytes(), depth), false).unwrap();
    }
    let paths = builder.finish();
    assert_eq!(paths.len(), 6);
    for file in 0..paths.len() {
        assert!(paths.get(file).len() <= PATH_BYTES_MAX);
        assert!(paths.get(file).split('/').all(|part| clean(part.as_bytes()) == part));
    }
    assert_eq!(paths.get(5).split('/').count(), PATH_DEPTH_MAX);
}

#[test]
fn a_hundred_thousand_clashes_are_settled_at_once() {
    let mut builder = PathsBuilder::default();
    let mut push = |name: &str| builder.push([name.as_bytes()].into_iter(), false).unwrap();
    (0..100_000).for_each(|_| push("same"));
    // Numbers that are taken, and names that are equal only once they are cut for a number.
    for index in 0..20_000 {
        push(&format!("same ({index})"));
        let long = format!("{}{index:06}{}", "x".repeat(240), "x".repeat(160));
        push(&long);
        push(&long);
    }
    let paths = builder.finish();
    let mut all: Vec<_> = (0..paths.len()).map(|file| paths.get(file)).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 160_000);
}

/// Names that clash easily.
fn names() -> impl Strategy<Value = Vec<Vec<String>>> {
    let part = prop::sample::select(
        &[
            "a",
            "A",
            "a.part",
            "a (2)",
            "a (2).part",
            "b",
            "a.",
            "..",
            "é",
            "e\u{301}",
            "ß",
            "SS",
            "?",
        ][..],
    );
    let path = prop::collection::vec(part.prop_map(str::to_string), 1..4);
    prop::collection::vec(path, 0..24)
}

fn lower(path: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    path.to_uppercase().to_lowercase().nfd().collect()
}

proptest! {
    #[test]
    fn any_bytes_become_a_name_that_is_clean(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let name = clean(&bytes);
        prop_assert!(is_safe(&name, COMPONENT_BYTES_MAX), "{}", name);
        prop_assert_eq!(clean(name.as_bytes()), name.clone());
    }

    #[test]
    fn any_text_becomes_a_name_that_is_clean_within_any_limit(
        text in "\\PC{0,80}", limit in 8usize..250
    ) {
        let name = clean_to(text.as_bytes(), limit);
        prop_assert!(is_safe(&name, limit), "{}", name);
    }

    #[test]
    fn no_two_files_share_a_place(files in names()) {
        let mut builder = PathsBuilder::default();
        for file in &files {
            builder.push(file.iter().map(String::as_bytes), false).unwrap();
        }
        let paths = builder.finish();
        let keys: Vec<_> = (0..paths.len()).map(|file| lower(paths.get(file))).collect();
        for (a, key) in keys.iter().enumerate() {
            let part = format!("{key}.part");
            for other in keys.iter().enumerate().filter(|(b, _)| *b != a).map(|(_, key)| key) {
                for place in [key, &part] {
                    let rest = other.strip_prefix(place.as_str());
                    prop_assert!(rest.is_none_or(|r| !r.is_empty() && !r.starts_with('/')),
                        "{place} is in the way of {other}");
                }
            }
            let raw = files[a].join("/");
            prop_assert_eq!(paths.original(a), raw.as_bytes());
        }
    }
}
