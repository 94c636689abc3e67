use std::format;
use std::string::ToString;
use std::vec::Vec;

use sha1::{Digest, Sha1};

use super::*;
use crate::bencode::{Mode, decode};
use crate::merkle::FileHasher;
use crate::metainfo::Metainfo;

fn file(path: &str, length: u64) -> NewFile {
    let path = path.split('/').filter(|part| !part.is_empty()).map(str::to_string).collect();
    NewFile { path, length, ..NewFile::default() }
}

/// A torrent over files of zeros, hashed for version 1.
fn v1(files: Vec<NewFile>) -> NewTorrent {
    let piece_length = 16 * 1024;
    let total: u64 = files.iter().map(|file| file.length).sum();
    let hash = |start: u64| {
        let length = u64::from(piece_length).min(total - start);
        Sha1::digest(vec![0; length as usize]).into()
    };
    let pieces = (0..total).step_by(piece_length as usize).map(hash).collect();
    let name = "Atlas".to_string();
    NewTorrent { name, files, piece_length, piece_hashes: Some(pieces), ..NewTorrent::default() }
}

/// The same with hash trees, and padding where a hybrid needs it.
fn hybrid(files: Vec<NewFile>) -> NewTorrent {
    let piece_length = 16 * 1024;
    let mut padded = Vec::new();
    for mut file in files {
        let over = file.length % u64::from(piece_length);
        let mut hasher = FileHasher::new(piece_length);
        hasher.update(&vec![0; file.length as usize]);
        file.hashes = Some(hasher.finish());
        padded.push(file);
        if over > 0 {
            padded.push(NewFile::padding(u64::from(piece_length) - over));
        }
    }
    padded.pop_if(|last| last.pad);
    v1(padded)
}

fn parse(torrent: &NewTorrent) -> Metainfo {
    let bytes = torrent.build().unwrap();
    decode(&bytes, Mode::Strict).expect("what is built is canonical");
    Metainfo::parse(&bytes).unwrap()
}

#[test]
fn what_is_built_is_parsed_back() {
    let torrent = NewTorrent {
        trackers: vec![vec!["http://a/".into(), "http://b/".into()], vec!["udp://c:1".into()]],
        web_seeds: vec!["http://w/1".into(), "http://w/2".into()],
        private: true,
        comment: Some("a comment".into()),
        created_by: Some("Toubkal".into()),
        created: Some(1_700_000_000),
        source: Some("here".into()),
        ..v1(vec![file("a/b", 40_000), NewFile { executable: true, ..file("c", 0) }])
    };
    let metainfo = parse(&torrent);
    assert_eq!(metainfo.folder(), Some("Atlas"));
    assert_eq!(metainfo.trackers, torrent.trackers);
    assert_eq!(metainfo.web_seeds, torrent.web_seeds);
    assert!(metainfo.private);
    assert_eq!(metainfo.comment, torrent.comment);
    assert_eq!(metainfo.created_by, torrent.created_by);
    assert_eq!(metainfo.created, torrent.created);
    assert_eq!(metainfo.source, torrent.source);
    assert_eq!(metainfo.piece_hashes[..], torrent.piece_hashes.unwrap()[..]);
    let files: Vec<_> = metainfo.files().map(|f| (f.path, f.length, f.executable)).collect();
    assert_eq!(files, [("a/b", 40_000, false), ("c", 0, true)]);
    assert_eq!(metainfo.oddities, []);
}

#[test]
fn a_file_without_a_path_is_a_torrent_without_a_folder() {
    let metainfo = parse(&v1(vec![file("", 100)]));
    assert_eq!(metainfo.folder(), None);
    assert_eq!((metainfo.file(0).path, metainfo.file(0).length), ("Atlas", 100));
}

#[test]
fn one_tracker_and_one_web_seed_are_no_lists() {
    let url = "http://a/".to_string();
    let torrent = NewTorrent {
        trackers: vec![vec![url.clone()]],
        web_seeds: vec![url],
        ..v1(vec![file("", 1)])
    };
    let bytes = torrent.build().unwrap();
    let text = bytes.escape_ascii().to_string();
    assert!(text.starts_with("d8:announce9:http://a/4:info"), "{text}");
    assert!(text.ends_with("8:url-list9:http://a/e"), "{text}");
    let metainfo = parse(&torrent);
    assert_eq!((metainfo.trackers.len(), metainfo.web_seeds.len()), (1, 1));
}

#[test]
fn a_hybrid_has_both_halves_and_they_agree() {
    let files = vec![file("a/b", 40_000), file("a/c", 0), file("b", 16_384), file("c/d/e", 5)];
    let torrent = hybrid(files);
    let metainfo = parse(&torrent);
    assert!(metainfo.info_hash_v1.is_some() && metainfo.info_hash_v2.is_some());
    for (file, new) in metainfo.files().zip(&torrent.files) {
        let root = new.hashes.as_ref().and_then(|hashes| hashes.root);
        assert_eq!((file.root.copied(), file.pad), (root, new.pad));
    }
    assert_eq!(metainfo.layer(0), torrent.files[0].hashes.as_ref().map(|h| &h.layer[..]));
    assert_eq!(metainfo.layer(0).map(<[_]>::len), Some(3));
    assert_eq!(metainfo.layout().unwrap().pieces(), metainfo.pieces());
    let single = parse(&hybrid(vec![file("", 50_000)]));
    assert_eq!(single.folder(), None);
    assert!(single.file(0).root.is_some());
}

#[test]
fn version_2_alone_has_no_padding_and_no_piece_hashes() {
    let mut torrent = hybrid(vec![file("a", 40_000), file("b", 7), file("c", 0)]);
    torrent.piece_hashes = None;
    torrent.files.retain(|file| !file.pad);
    let metainfo = parse(&torrent);
    assert_eq!(metainfo.info_hash_v1, None);
    assert!(metainfo.layout().is_none());
    assert_eq!(metainfo.pieces(), 4);
    assert_eq!(metainfo.folder(), Some("Atlas"));
    let mut single = hybrid(vec![file("", 40_000)]);
    single.piece_hashes = None;
    assert_eq!(parse(&single).folder(), None);
    assert_eq!(parse(&single).file(0).path, "Atlas");
}

#[test]
fn a_torrent_that_nobody_could_use_is_not_built() {
    let wrong = |torrent: NewTorrent| torrent.build().unwrap_err();
    assert_eq!(wrong(v1(vec![])), BuildError::NoFiles);
    for name in ["..", ".", "a\0b"] {
        assert_eq!(wrong(v1(vec![file(name, 1)])), BuildError::Name(name.into()));
    }
    assert_eq!(wrong(v1(vec![file("", 1), file("a", 1)])), BuildError::Name(String::new()));
    let unnamed = NewTorrent { name: String::new(), ..v1(vec![file("a", 1)]) };
    assert_eq!(wrong(unnamed), BuildError::Name(String::new()));
    let short = NewTorrent { piece_hashes: Some(vec![]), ..v1(vec![file("a", 1)]) };
    assert_eq!(wrong(short), BuildError::PieceCount { needed: 1, found: 0 });
    let none = NewTorrent { piece_hashes: None, ..v1(vec![file("a", 1)]) };
    assert_eq!(wrong(none), BuildError::Hashes);
    let zero = NewTorrent { piece_length: 0, ..v1(vec![file("a", 1)]) };
    assert_eq!(wrong(zero), BuildError::Sizes(LayoutError::PieceLength));
    let order = |a, b| wrong(hybrid(vec![file(a, 16_384), file(b, 16_384)]));
    assert_eq!(order("b", "a"), BuildError::Order("a".into()));
    assert_eq!(order("a", "a"), BuildError::Order("a".into()));
    assert_eq!(order("a", "a/b"), BuildError::Order("a/b".into()));
    let mut unaligned = hybrid(vec![file("a", 1), file("b", 16_383)]);
    unaligned.files.remove(1);
    unaligned.piece_hashes.as_mut().unwrap().pop();
    assert_eq!(wrong(unaligned), BuildError::Unaligned("b".into()));
    let mut half = hybrid(vec![file("a", 16_384), file("b", 1)]);
    half.files[1].hashes = None;
    assert_eq!(wrong(half), BuildError::Hashes);
}

#[test]
fn the_piece_length_aims_at_a_thousand_to_two_thousand_pieces() {
    const MIB: u64 = 1 << 20;
    let table = [
        (0, 16 << 10),
        (1, 16 << 10),
        (31 * MIB, 16 << 10),
        (32 * MIB, 32 << 10),
        (700 * MIB, 512 << 10),
        (4096 * MIB, 4 << 20),
        (1 << 40, 16 << 20),
        (u64::MAX, 16 << 20),
    ];
    for (total, length) in table {
        assert_eq!(piece_length_for(total), length, "{total}");
    }
    for total in (33 * MIB..32_000 * MIB).step_by(777 << 20) {
        let pieces = total.div_ceil(piece_length_for(total).into());
        assert!((1_000..=2_000).contains(&pieces), "{}", format!("{total}: {pieces}"));
    }
}
