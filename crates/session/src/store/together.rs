//! Pieces that are read and hashed side by side: a part of each is read, then all parts are
//! hashed at once, while they are in the cache.

use toubkal_wire::layout::{Block, Layout, Span};

use super::verifier::Sum;

/// Bytes of all parts that are read before they are hashed. A core's own cache holds them, and
/// a part is long enough that a read costs little more than its copy: 64 KiB in sixteen lanes.
const ROUND_BYTES: u32 = 1024 * 1024;

/// How many pieces should be given at once, or a multiple of it.
pub(crate) fn lanes() -> u32 {
    Sum::lanes() as u32
}

/// Hashes whole pieces, starting each with `start`; `buffer` is kept for the next time.
///
/// `read` brings a part of a piece, and whether all of it is there; of a piece of which
/// something is missing or cannot be read, no more is read. `count` is told of bytes that are
/// done, about once a MiB. `end` gets each piece: `Some` if it was there.
pub(crate) fn hash<E>(
    layout: &Layout,
    start: &Sum,
    pieces: &[u32],
    buffer: &mut Vec<u8>,
    mut read: impl FnMut(Block, &mut [u8]) -> Result<bool, E>,
    mut count: impl FnMut(u64),
    mut end: impl FnMut(u32, Result<Option<Sum>, E>),
) {
    let lanes = Sum::lanes();
    let step = (ROUND_BYTES / lanes as u32).min(layout.piece_length());
    let needed = step as usize * lanes;
    if buffer.len() < needed {
        buffer.resize(needed, 0);
    }
    for group in pieces.chunks(lanes) {
        let mut sums = vec![start.clone(); group.len()];
        // How each stands: whether all was there so far.
        let mut fates: Vec<Result<bool, E>> = group.iter().map(|_| Ok(true)).collect();
        let longest = group.iter().map(|&piece| layout.piece_size(piece)).max().unwrap_or(0);
        for begin in (0..longest).step_by(step as usize) {
            let mut parts: Vec<&[u8]> = Vec::with_capacity(lanes);
            let mut bytes = 0;
            for (index, buffer) in buffer.chunks_exact_mut(step as usize).enumerate() {
                let (Some(&piece), Some(fate)) = (group.get(index), fates.get_mut(index)) else {
                    break;
                };
                let left = layout.piece_size(piece).saturating_sub(begin);
                let length = step.min(left);
                if length == 0 || !matches!(fate, Ok(true)) {
                    parts.push(&[]);
                    continue;
                }
                let part = &mut buffer[..length as usize];
                *fate = read(Block { piece, begin, length }, part);
                let whole = matches!(fate, Ok(true));
                parts.push(if whole { part } else { &[] });
                // What is not read any more is done, too.
                bytes += u64::from(if whole { length } else { left });
            }
            Sum::update_all(&mut sums, &parts);
            if bytes > 0 {
                count(bytes);
            }
        }
        for ((&piece, sum), fate) in group.iter().zip(sums).zip(fates) {
            end(piece, fate.map(|whole| whole.then_some(sum)));
        }
    }
}

/// How many bytes of the piece follow in a file, from the span that is about to be read on; 0
/// if it is not the first of the piece in that file, or all that there is.
pub(crate) fn rest(layout: &Layout, part: Block, span: Span) -> u64 {
    if part.begin > 0 && span.offset > 0 {
        return 0;
    }
    let (piece, file) = (part.piece, layout.files()[span.file as usize]);
    let start = u64::from(piece) * u64::from(layout.piece_length());
    let end = start + u64::from(layout.piece_size(piece));
    let rest = end.min(file.offset + file.length) - (file.offset + span.offset);
    if rest > u64::from(span.length) { rest } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Verifier;

    const PIECE: u32 = 200_000;

    fn byte(at: u64) -> u8 {
        (at * 31 + at / 255) as u8
    }

    fn bytes(layout: &Layout, block: Block) -> Vec<u8> {
        let start = u64::from(block.piece) * u64::from(layout.piece_length());
        (0..block.length).map(|at| byte(start + u64::from(block.begin + at))).collect()
    }

    #[test]
    fn each_piece_has_its_own_end() {
        // More than the lanes; the last is shorter, one is missing, one fails in the middle.
        let layout = Layout::new(PIECE, [(40 * u64::from(PIECE) - 90_001, false)]).unwrap();
        let pieces: Vec<u32> = (1..40).collect();
        let (mut done, mut ends) = (0, Vec::new());
        let (mut buffer, mut after) = (Vec::new(), 0);
        let read = |block: Block, buffer: &mut [u8]| {
            if block.piece == 7 || block.piece == 8 && block.begin > 0 {
                after += 1;
                return if block.piece == 7 { Ok(false) } else { Err("broken") };
            }
            buffer.copy_from_slice(&bytes(&layout, block));
            Ok(true)
        };
        let start = Verifier::Sha1([].into()).start();
        hash(
            &layout,
            &start,
            &pieces,
            &mut buffer,
            read,
            |bytes| done += bytes,
            |piece, end| {
                ends.push((piece, end));
            },
        );
        assert_eq!(after, 2, "nothing more is read of what is not good");
        assert_eq!(done, 39 * u64::from(PIECE) - 90_001);
        assert_eq!(ends.iter().map(|end| end.0).collect::<Vec<_>>(), pieces);
        for (piece, end) in ends {
            match (piece, end) {
                (7, Ok(None)) | (8, Err("broken")) => {}
                (piece, Ok(Some(sum))) => {
                    let length = layout.piece_size(piece);
                    let right = sha1::Sha1::default();
                    let all = bytes(&layout, Block { piece, begin: 0, length });
                    let right = sha1::Digest::chain_update(right, all);
                    assert_eq!(sum.finalize(), *sha1::Digest::finalize(right), "{piece}");
                }
                (piece, end) => panic!("{piece}: {end:?}"),
            }
        }
        assert!(buffer.len() <= ROUND_BYTES as usize);
    }
}
