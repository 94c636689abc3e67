use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn hex(hash: &Hash) -> std::string::String {
    hash.iter().map(|byte| std::format!("{byte:02x}")).collect()
}

/// The root as BEP 52 words it: all leaves, filled up with zeros, folded in pairs.
fn plain_root(data: &[u8], leaves: usize) -> Hash {
    let mut level: Vec<Hash> = data.chunks(LEAF_BYTES as usize).map(leaf).collect();
    level.resize(leaves, [0; 32]);
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| node(&pair[0], &pair[1])).collect();
    }
    level[0]
}

fn hash_file(data: &[u8], piece_length: u32) -> FileHashes {
    let mut hasher = FileHasher::new(piece_length);
    hasher.update(data);
    hasher.finish()
}

#[test]
fn known_hashes_come_out() {
    // SHA-256 of 64 zero bytes, and of two of those.
    assert_eq!(
        hex(&padding(1)),
        "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"
    );
    assert_eq!(
        hex(&padding(2)),
        "db56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71"
    );
    // SHA-256("abc"), the leaf and root of a file of three bytes.
    let file = hash_file(b"abc", LEAF_BYTES);
    assert_eq!(
        hex(&file.root.unwrap()),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert!(file.layer.is_empty());
}

#[test]
fn an_empty_file_has_no_root() {
    assert_eq!(hash_file(b"", LEAF_BYTES), FileHashes { root: None, layer: vec![] });
}

#[test]
fn a_file_of_one_piece_has_no_layer_and_is_filled_to_its_own_size() {
    let data = vec![7; 3 * LEAF_BYTES as usize];
    let file = hash_file(&data, 8 * LEAF_BYTES);
    assert_eq!(file, FileHashes { root: Some(plain_root(&data, 4)), layer: vec![] });
    let whole = vec![7; 8 * LEAF_BYTES as usize];
    let file = hash_file(&whole, 8 * LEAF_BYTES);
    assert_eq!(file, FileHashes { root: Some(plain_root(&whole, 8)), layer: vec![] });
}

#[test]
fn a_longer_file_has_a_hash_for_every_piece() {
    let data: Vec<u8> = (0..9 * LEAF_BYTES + 5).map(|i| (i / 1000) as u8).collect();
    let piece = 2 * LEAF_BYTES;
    let file = hash_file(&data, piece);
    let layer: Vec<_> = data.chunks(piece as usize).map(|piece| plain_root(piece, 2)).collect();
    assert_eq!(file.layer, layer);
    assert_eq!(file.root, Some(plain_root(&data, 16)));
    assert_eq!(file.root, Some(root_of_layer(&layer, 1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_root_is_the_same_in_parts_of_any_size(
        length in 0usize..400_000, part in 1usize..50_000, height in 0u32..4
    ) {
        let data: Vec<u8> = (0..length).map(|i| (i * 31 / 7) as u8).collect();
        let piece_length = LEAF_BYTES << height;
        let mut hasher = FileHasher::new(piece_length);
        data.chunks(part).for_each(|part| hasher.update(part));
        let file = hasher.finish();
        prop_assert_eq!(&file, &hash_file(&data, piece_length));
        if length > 0 {
            let leaves = length.div_ceil(LEAF_BYTES as usize).next_power_of_two();
            prop_assert_eq!(file.root, Some(plain_root(&data, leaves)));
        }
        let pieces = length.div_ceil(piece_length as usize);
        prop_assert_eq!(file.layer.len(), if pieces > 1 { pieces } else { 0 });
    }
}
