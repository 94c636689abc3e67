use std::format;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::*;
use crate::bencode::{Encoder, ErrorKind};
use crate::testing::{Version, bad_torrents, good_torrents, torrent};

fn parse(bytes: &[u8]) -> Metainfo {
    Metainfo::parse(bytes).unwrap()
}

fn good(name: &str) -> Metainfo {
    let all = good_torrents();
    let good = all.iter().find(|good| good.name == name).expect("there is such a torrent");
    parse(&good.bytes)
}

/// What must hold of every torrent that loads.
fn check(metainfo: &Metainfo) {
    let clean = |part: &str| crate::path::clean(part.as_bytes()) == part;
    assert!(clean(&metainfo.name));
    assert!(metainfo.info_hash_v1.is_some() || metainfo.info_hash_v2.is_some());
    assert!(metainfo.file_count() > 0 && metainfo.file_count() <= FILES_MAX);
    assert!(metainfo.files().all(|file| file.components().all(clean)));
    assert!(metainfo.files().all(|file| file.target.is_none_or(|to| to.split('/').all(clean))));
    let mut places: Vec<_> =
        metainfo.files().filter(|file| !file.pad).map(|file| file.path.to_lowercase()).collect();
    let count = places.len();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), count, "two files share a place");
    let sizes = metainfo.files().filter(|file| !file.pad).map(|file| file.length);
    assert_eq!(sizes.sum::<u64>(), metainfo.total());
    if let Some(layout) = metainfo.layout() {
        assert_eq!(layout.pieces(), metainfo.pieces());
        assert_eq!(layout.pieces() as usize, metainfo.piece_hashes.len());
        assert_eq!(layout.files().len(), metainfo.file_count());
    }
    for index in (0..metainfo.file_count()).filter(|_| metainfo.info_hash_v2.is_some()) {
        let file = metainfo.file(index);
        let pieces = file.length.div_ceil(metainfo.piece_length.into());
        let layer = metainfo.layer(index).map_or(0, <[_]>::len) as u64;
        assert_eq!(layer, if pieces > 1 && !file.pad { pieces } else { 0 });
    }
    for oddity in &metainfo.oddities {
        check_sentence(&oddity.to_string());
    }
}

/// A sentence for people: one line, nothing that moves the cursor, not endless.
fn check_sentence(sentence: &str) {
    assert!(!sentence.is_empty() && sentence.len() < 3_000, "{sentence}");
    assert!(!sentence.contains(crate::path::is_invisible), "{sentence:?}");
}

#[test]
fn good_torrents_load() {
    for good in good_torrents() {
        let metainfo = Metainfo::parse(&good.bytes);
        check(&metainfo.unwrap_or_else(|error| panic!("{}: {error}", good.name)));
    }
}

#[test]
fn bad_torrents_end_in_the_right_sentence() {
    let bad = bad_torrents();
    assert!(bad.len() >= 60);
    for bad in bad {
        let error = Metainfo::parse(&bad.bytes).expect_err(bad.name);
        assert_eq!(error, bad.error, "{}", bad.name);
        check_sentence(&error.to_string());
    }
}

#[test]
fn every_bad_torrent_has_a_name_of_its_own() {
    let mut names: Vec<_> = bad_torrents().iter().map(|bad| bad.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn one_file_has_no_folder() {
    let metainfo = good("one file");
    assert_eq!(metainfo.folder(), None);
    assert_eq!((metainfo.file(0).path, metainfo.total()), ("Atlas", 100_000));
    assert_eq!((metainfo.pieces(), metainfo.piece_length), (7, 16384));
    assert_eq!(metainfo.trackers, [["http://tracker.example/announce"]]);
    assert_eq!(metainfo.oddities, []);
}

#[test]
fn several_files_lie_in_a_folder_in_their_order() {
    let metainfo = good("several files");
    assert_eq!(metainfo.folder(), Some("Atlas"));
    let files: Vec<_> = metainfo.files().map(|file| (file.path, file.length)).collect();
    assert_eq!(files, [("a/b.txt", 20_000), ("a/c", 0), ("d", 3)]);
    assert_eq!(metainfo.file(0).components().collect::<Vec<_>>(), ["a", "b.txt"]);
    assert_eq!(metainfo.info_hash_v2, None);
    assert_eq!(metainfo.layer(0), None);
}

#[test]
fn the_info_hash_is_taken_over_the_bytes_as_they_came() {
    let bytes = b"d4:infod12:piece lengthi016384e6:pieces0:4:name1:x6:lengthi-0e1:zlee3:abc1:xe";
    let metainfo = parse(bytes);
    let info = &bytes[7..bytes.len() - 9];
    assert_eq!(&bytes[metainfo.info_span.clone()], info);
    assert_eq!(metainfo.info_hash_v1, Some(Sha1::digest(info).into()));
}

#[test]
fn known_info_hashes_come_out() {
    // Computed with another program over the same bytes.
    let bytes = b"d4:infod6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:\
        aaaaaaaaaaaaaaaaaaaaee";
    let hash = parse(bytes).info_hash_v1.unwrap();
    let hex: std::string::String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "4de9b0e9855b349178fb7a42f37dc0f2fac3018d");
}

#[test]
fn versions_are_told_apart() {
    let files = [("a", 70_000), ("b", 5)];
    for version in [Version::One, Version::Two, Version::Both] {
        let bytes = torrent(&files, version);
        let metainfo = parse(&bytes);
        let info = &bytes[metainfo.info_span.clone()];
        let v1 = (version != Version::Two).then(|| Sha1::digest(info).into());
        let v2 = (version != Version::One).then(|| Sha256::digest(info).into());
        assert_eq!((metainfo.info_hash_v1, metainfo.info_hash_v2), (v1, v2));
        assert_eq!(metainfo.layout().is_some(), v1.is_some());
        assert_eq!(metainfo.file(0).root.is_some(), v2.is_some());
        assert_eq!(metainfo.total(), 70_005);
        assert_eq!(metainfo.pieces(), if version == Version::One { 5 } else { 6 });
        assert_eq!(metainfo.oddities, []);
    }
}

#[test]
fn an_unknown_version_is_read_as_the_first_if_that_is_there() {
    let bytes = b"d4:infod6:lengthi0e12:meta versioni9e4:name1:a12:piece lengthi1e6:pieces0:ee";
    assert!(parse(bytes).oddities.contains(&Oddity::Version(9)));
}

#[test]
fn nothing_but_empty_files_is_a_torrent_without_pieces() {
    let metainfo = good("nothing but empty files");
    assert_eq!((metainfo.pieces(), metainfo.total(), metainfo.file_count()), (0, 0, 2));
    assert_eq!(metainfo.layout().unwrap().pieces(), 0);
    assert_eq!(metainfo.oddities, [Oddity::Empty]);
    let both = parse(&torrent(&[("a", 0)], Version::Both));
    assert_eq!((both.pieces(), both.file(0).root), (0, None));
}

#[test]
fn what_is_not_canonical_loads_and_is_told() {
    let metainfo = good("unsorted keys");
    assert_eq!((metainfo.name.as_str(), metainfo.total()), ("Atlas", 3));
    let kinds = metainfo.oddities.iter().map(|oddity| match oddity {
        Oddity::Bencode(error) => error.kind,
        other => panic!("{other}"),
    });
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [ErrorKind::Unsorted, ErrorKind::LeadingZero, ErrorKind::Duplicate,]
    );
    let trailing = good("trailing bytes");
    assert!(matches!(&trailing.oddities[..], [Oddity::Bencode(error)]
        if error.kind == ErrorKind::Trailing));
}

#[test]
fn utf8_variants_win_and_other_bytes_are_not_lost() {
    let metainfo = good("names in another encoding");
    assert_eq!(metainfo.name, "山");
    assert_eq!((metainfo.file(0).path, metainfo.file(1).path), ("中.txt", "café"));
    assert_eq!(metainfo.file(1).original, b"caf\xe9");
    assert_eq!(metainfo.encoding.as_deref(), Some("GBK"));
    assert!(metainfo.oddities.contains(&Oddity::Encoding));
}

#[test]
fn a_utf8_variant_that_is_none_is_passed_over() {
    let bytes = b"d4:infod6:lengthi0e4:name1:a10:name.utf-81:\xff12:piece lengthi1e6:pieces0:ee";
    assert_eq!(parse(bytes).name, "a");
}

#[test]
fn links_may_only_lead_inside() {
    let metainfo = good("links and attributes");
    let file = |path: &str| metainfo.files().find(|file| file.path == path).unwrap();
    assert!(file("run.sh").executable && !file("run.sh").hidden);
    assert!(file(".run").executable && file(".run").hidden);
    assert_eq!(metainfo.files().filter(|file| file.pad).count(), 2);
    assert_eq!(file("inside").target, Some("content"));
    for path in ["outside", "absolute", "nowhere"] {
        assert!(file(path).symlink);
        assert_eq!((file(path).target, file(path).length), (None, 0), "{path}");
    }
    let links = Oddity::Links { count: 3, first: "outside".into() };
    assert!(metainfo.oddities.contains(&links));
}

#[test]
fn nasty_names_stay_inside_and_are_told() {
    let metainfo = good("names from hell");
    assert_eq!(metainfo.name, "..__");
    assert_eq!(&*metainfo.original_name, "../\u{202e}..".as_bytes());
    assert_eq!(metainfo.file(0).path, "_/_/etc/passwd");
    assert_eq!(metainfo.file(0).original, b"../../etc/passwd");
    let told: Vec<_> = metainfo.oddities.iter().map(ToString::to_string).collect();
    assert_eq!(told[0], r"The name `../\u{202e}..` becomes `..__`.");
    assert!(told[1].contains("`../../etc/passwd`, becomes `_/_/etc/passwd`"), "{}", told[1]);
}

#[test]
fn trackers_web_seeds_and_nodes_are_kept_each_once() {
    let metainfo = good("trackers, web seeds and nodes");
    assert_eq!(
        metainfo.trackers,
        [
            vec!["http://a.example/announce", "udp://b.example:80", "ftp://c"],
            vec!["http://d.example/announce"],
        ]
    );
    assert_eq!(metainfo.web_seeds, ["http://w.example/", "http://x/"]);
    assert_eq!(metainfo.nodes, [("router.example".to_string(), 6881)]);
    assert!(metainfo.private);
    assert_eq!(metainfo.comment.as_deref(), Some("two\nlines"));
    assert_eq!((metainfo.created_by, metainfo.created), (None, Some(-1)));
    assert_eq!(metainfo.source.as_deref(), Some("here"));
    let ignored = ["announce-list", "nodes", "created by"].map(Oddity::Ignored);
    assert_eq!(metainfo.oddities, ignored);
}

#[test]
fn without_a_tracker_it_says_so() {
    let bytes = b"d4:infod6:lengthi0e4:name1:a12:piece lengthi1e6:pieces0:ee";
    assert_eq!(parse(bytes).oddities, [Oddity::Empty, Oddity::NoTracker]);
}

/// A torrent of one empty file with some raw bencode before `info`.
fn with_outer(before: &[u8]) -> Vec<u8> {
    let rest = b"4:infod6:lengthi0e4:name1:a12:piece lengthi1e6:pieces0:ee";
    [b"d", before, rest].concat()
}

#[test]
fn lists_of_strangers_are_cut() {
    let mut outer = b"13:announce-listl".to_vec();
    let mut out = Encoder::new(&mut outer);
    out.bytes("x".repeat(URL_BYTES_MAX + 1));
    for tracker in 0..TRACKERS_MAX + 10 {
        out.list().bytes(format!("http://{tracker}/")).end();
    }
    outer.push(b'e');
    let metainfo = parse(&with_outer(&outer));
    assert_eq!(metainfo.trackers.len(), TRACKERS_MAX);
    assert!(metainfo.oddities.contains(&Oddity::Cut("announce-list")));

    let seeds: std::string::String =
        (0..WEB_SEEDS_MAX + 10).map(|seed| format!("{}:{seed}", seed.to_string().len())).collect();
    let metainfo = parse(&with_outer(format!("8:url-listl{seeds}e").as_bytes()));
    assert_eq!(metainfo.web_seeds.len(), WEB_SEEDS_MAX);
    assert!(metainfo.oddities.contains(&Oddity::Cut("url-list")));

    let nodes = "l1:ai1ee".repeat(NODES_MAX + 1);
    let metainfo = parse(&with_outer(format!("5:nodesl{nodes}e").as_bytes()));
    assert_eq!(metainfo.nodes.len(), NODES_MAX);

    let comment = "é".repeat(TEXT_BYTES_MAX);
    let comment = format!("7:comment{}:{comment}", comment.len());
    let metainfo = parse(&with_outer(comment.as_bytes()));
    assert_eq!(metainfo.comment.unwrap().len(), TEXT_BYTES_MAX);
    assert!(metainfo.oddities.contains(&Oddity::Cut("comment")));
}

#[test]
fn sizes_are_limited() {
    let too_large = vec![b'0'; METAINFO_BYTES_MAX + 1];
    assert_eq!(Metainfo::parse(&too_large).unwrap_err(), Error::TooLarge);
    let files = |count: usize| {
        let files = "d6:lengthi0e4:pathl1:aee".repeat(count);
        format!("d4:infod5:filesl{files}e4:name1:a12:piece lengthi1e6:pieces0:ee").into_bytes()
    };
    // A file takes six values, so the limit of the tape is met first.
    let error = Metainfo::parse(&files(FILES_MAX + 1)).unwrap_err();
    assert!(matches!(error, Error::Bencode(error) if error.kind == ErrorKind::Tokens));
}

#[test]
fn a_tree_of_a_million_empty_folders_is_refused() {
    let mut bytes = b"d4:infod9:file treed".to_vec();
    for folder in 0..FILES_MAX + 1 {
        bytes.extend_from_slice(format!("7:{folder:07}de").as_bytes());
    }
    bytes.extend_from_slice(b"e12:meta versioni2e4:name1:a12:piece lengthi16384eee");
    assert_eq!(Metainfo::parse(&bytes).unwrap_err(), Error::TooManyFiles);
}

#[test]
fn files_of_the_same_root_share_one_layer() {
    let one = torrent(&[("a", 70_000)], Version::Two);
    let tape = crate::bencode::decode(&one, crate::bencode::Mode::Strict).unwrap();
    let tree = tape.root().get(b"info").unwrap().get(b"file tree").unwrap();
    let file = tree.get(b"a").unwrap().raw();
    let layers = tape.root().get(b"piece layers").unwrap().raw();
    let mut bytes = b"d4:infod9:file treed".to_vec();
    for index in 0..1_000 {
        bytes.extend_from_slice(format!("4:{index:04}").as_bytes());
        bytes.extend_from_slice(file);
    }
    bytes.extend_from_slice(b"e12:meta versioni2e4:name1:a12:piece lengthi16384ee");
    bytes.extend_from_slice(b"12:piece layers");
    bytes.extend_from_slice(layers);
    bytes.push(b'e');
    let metainfo = parse(&bytes);
    check(&metainfo);
    let tree = metainfo.tree.as_ref().unwrap();
    assert_eq!((tree.layers.len(), tree.hashes.len()), (1, 5));
    assert_eq!(metainfo.layer(999), metainfo.layer(0));
}

/// A small generator for reproducible changes (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Changes a torrent in one of the ways in which bytes go wrong, or are made to.
fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    const WORDS: [&[u8]; 14] = [
        b"i-1e",
        b"i0e",
        b"i9223372036854775807e",
        b"i18446744073709551616e",
        b"le",
        b"de",
        b"0:",
        b"2:..",
        b"1:/",
        b"4:path",
        b"6:length",
        b"d0:de",
        b"9999999999:",
        b"4:attr1:l",
    ];
    let at = dice.roll(bytes.len());
    match dice.roll(6) {
        0 => bytes[at] = dice.roll(256) as u8,
        1 => bytes[at] ^= 1 << dice.roll(8),
        2 => drop(bytes.splice(at..at, WORDS[dice.roll(WORDS.len())].iter().copied())),
        3 => bytes.truncate(at.max(1)),
        4 => {
            let end = bytes.len().min(at + dice.roll(40));
            bytes.drain(at..end);
        }
        _ => {
            let end = bytes.len().min(at + dice.roll(60));
            let part = bytes[at..end].to_vec();
            let to = dice.roll(bytes.len());
            bytes.splice(to..to, part);
        }
    }
    if bytes.is_empty() {
        bytes.push(b'd');
    }
}

#[test]
fn no_change_to_a_torrent_makes_it_panic_or_break_a_promise() {
    let mut dice = Dice(0x70b4_a112);
    let mut loaded = 0;
    for good in good_torrents() {
        for _ in 0..1_500 {
            let mut bytes = good.bytes.clone();
            for _ in 0..=dice.roll(3) {
                mutate(&mut bytes, &mut dice);
            }
            match Metainfo::parse(&bytes) {
                Ok(metainfo) => {
                    loaded += 1;
                    check(&metainfo);
                }
                Err(error) => check_sentence(&error.to_string()),
            }
        }
    }
    assert!(loaded > 1_000, "only {loaded} still load: the changes test too little");
}

#[test]
fn every_prefix_of_a_torrent_is_refused() {
    for good in good_torrents() {
        let tape = crate::bencode::decode(&good.bytes, crate::bencode::Mode::Tolerant).unwrap();
        for end in 0..tape.root().raw().len() {
            assert!(Metainfo::parse(&good.bytes[..end]).is_err());
        }
    }
}
