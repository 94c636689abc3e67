//! The files of the demonstration: the same on every machine, of every shape that matters.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Paths, and their shares of the whole in thousandths. Small ones share pieces with neighbours.
const FILES: [(&str, u64); 9] = [
    ("film/the climb.mkv", 620),
    ("film/subtitles/ar.srt", 0),
    ("film/subtitles/fr.srt", 0),
    ("maps/north face.img", 180),
    ("maps/toubkal 4167 m.img", 120),
    ("photos/day 1/0001.jpg", 25),
    ("photos/day 1/0002.jpg", 25),
    ("photos/day 2/sunrise.jpg", 30),
    ("empty", 0),
];

/// Bytes of those that have no share, `empty` apart.
const SMALL: u64 = 4321;

/// Writes files of `size` bytes together into `dir`.
pub(super) fn write(dir: &Path, size: u64) -> io::Result<()> {
    let mut left = size;
    for (index, (path, share)) in FILES.iter().enumerate().rev() {
        let length = match (*path, *share) {
            ("empty", _) => 0,
            (_, 0) => SMALL.min(left),
            // The first takes what is left.
            _ if index == 0 => left,
            // Odd lengths, so that files end inside pieces.
            (_, share) => ((size / 1000 * share) | 1).min(left),
        };
        left -= length;
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        fill(File::create(&path)?, length, index as u64)?;
    }
    Ok(())
}

/// Writes bytes that look random: SplitMix64, whose first value is the file's number.
fn fill(file: File, mut left: u64, seed: u64) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut state = seed << 32;
    let mut block = [0; 4096];
    while left > 0 {
        for bytes in block.chunks_exact_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
        }
        let count = left.min(block.len() as u64);
        out.write_all(&block[..count as usize])?;
        left -= count;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_always_the_same_and_of_the_size_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        for (name, size) in [("a", 1 << 20), ("b", 1 << 20), ("c", 3_000_001)] {
            write(&dir.path().join(name), size).unwrap();
            let lengths = FILES
                .map(|(path, _)| fs::metadata(dir.path().join(name).join(path)).unwrap().len());
            assert_eq!(lengths.iter().sum::<u64>(), size);
            assert_eq!(lengths[8], 0);
        }
        for (path, _) in FILES {
            let [a, b] = ["a", "b"].map(|name| fs::read(dir.path().join(name).join(path)).unwrap());
            assert!(a == b, "{path}");
        }
    }
}
