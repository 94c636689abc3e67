//! Torrent files: whatever is in them, what is taken of it is whole, safe and bounded.

use std::collections::BTreeSet;

use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use toubkal_wire::metainfo::{
    FILES_MAX, Metainfo, NODES_MAX, TEXT_BYTES_MAX, TRACKERS_MAX, URL_BYTES_MAX, WEB_SEEDS_MAX,
};

use super::path::{assert_component, assert_path};
use crate::memory;

/// Memory that parsing may take beside a multiple of the input.
const SLACK: usize = 64 * 1024;

pub(crate) fn metainfo(input: &[u8]) {
    let (parsed, bytes) = memory::peak(|| Metainfo::parse(input));
    // Small inputs take more in proportion than the four times that large ones may take.
    assert!(bytes <= 64 * input.len() + SLACK, "{bytes} bytes for {}", input.len());
    match parsed {
        Err(error) => assert_line(&error.to_string()),
        Ok(metainfo) => assert_whole(&metainfo, input),
    }
}

fn assert_whole(metainfo: &Metainfo, input: &[u8]) {
    assert_component(&metainfo.name);
    metainfo.oddities.iter().for_each(|oddity| assert_line(&oddity.to_string()));
    assert!(metainfo.info_hash_v1.is_some() || metainfo.info_hash_v2.is_some());
    let info = &input[metainfo.info_span.clone()];
    if let Some(hash) = metainfo.info_hash_v1 {
        assert_eq!(<[u8; 20]>::from(Sha1::digest(info)), hash);
    }
    if let Some(hash) = metainfo.info_hash_v2 {
        assert_eq!(<[u8; 32]>::from(Sha256::digest(info)), hash);
    }
    assert_files(metainfo);
    assert_layout(metainfo);
    assert_lists(metainfo);
}

fn assert_files(metainfo: &Metainfo) {
    assert!((1..=FILES_MAX).contains(&metainfo.file_count()));
    let (mut seen, mut total, mut pieces) = (BTreeSet::new(), 0u64, 0u64);
    for (index, file) in metainfo.files().enumerate() {
        let count = file.length.div_ceil(metainfo.piece_length.into());
        pieces += count;
        let layer = metainfo.layer(index).map_or(0, <[_]>::len) as u64;
        let many = metainfo.info_hash_v2.is_some() && count > 1 && !file.pad;
        assert_eq!(layer, if many { count } else { 0 }, "{file:?}");
        assert!(file.root.is_none() || metainfo.info_hash_v2.is_some());
        if file.pad {
            continue;
        }
        total += file.length;
        assert_path(file.path);
        assert!(seen.insert(file.path.to_lowercase()), "{} twice", file.path);
        file.target.into_iter().for_each(assert_path);
        assert!(file.target.is_none() || file.symlink);
        assert!(!file.symlink || file.length == 0);
    }
    assert_eq!(metainfo.total(), total);
    if metainfo.info_hash_v1.is_none() {
        assert_eq!(u64::from(metainfo.pieces()), pieces);
    }
}

fn assert_layout(metainfo: &Metainfo) {
    let layout = metainfo.layout();
    assert_eq!(layout.is_some(), metainfo.info_hash_v1.is_some());
    let Some(layout) = layout else { return };
    assert_eq!(layout.pieces() as usize, metainfo.piece_hashes.len());
    assert_eq!(layout.files().len(), metainfo.file_count());
    // A few pieces are enough; of a large one the last block as well.
    let last = layout.pieces().saturating_sub(1);
    for piece in (0..layout.pieces().min(8)).chain((layout.pieces() > 0).then_some(last)) {
        let blocks = layout.blocks(piece);
        for index in [0, blocks / 2, blocks - 1] {
            let block = layout.block(piece, index);
            assert!(layout.contains(block));
            let sum: u32 = layout.spans(block).map(|span| span.length).sum();
            assert_eq!(sum, block.length, "{block:?}");
            let files = layout.files_of(piece);
            assert!(layout.spans(block).all(|span| files.contains(&span.file)));
        }
    }
}

fn assert_lists(metainfo: &Metainfo) {
    let trackers: Vec<&String> = metainfo.trackers.iter().flatten().collect();
    assert!(metainfo.trackers.iter().all(|tier| !tier.is_empty()));
    assert!(trackers.len() <= TRACKERS_MAX && metainfo.web_seeds.len() <= WEB_SEEDS_MAX);
    assert!(trackers.into_iter().chain(&metainfo.web_seeds).all(|url| url.len() <= URL_BYTES_MAX));
    assert!(metainfo.nodes.len() <= NODES_MAX);
    let texts = [&metainfo.comment, &metainfo.created_by, &metainfo.encoding, &metainfo.source];
    assert!(texts.into_iter().flatten().all(|text| text.len() <= TEXT_BYTES_MAX));
}

/// What is told to a person is one line, and moves no cursor.
fn assert_line(text: &str) {
    assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
}
