//! Eight lanes of AVX2, for CPUs that have neither SHA-NI nor AVX-512.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_loadu_si256, _mm256_or_si256,
    _mm256_permute2x128_si256, _mm256_set_epi64x, _mm256_set1_epi32, _mm256_shuffle_epi8,
    _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256, _mm256_unpackhi_epi32,
    _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use super::vector::{self, Vector};
use super::{Blocks, LANES_MAX};

/// SHA-1 of eight lanes.
///
/// # Safety
/// The CPU has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn sha1(states: &mut [[u32; 5]; LANES_MAX], blocks: &Blocks<'_>, count: usize) {
    // SAFETY: the feature is that of the vector.
    unsafe { vector::sha1::<Eight>(states, blocks, count) }
}

/// SHA-256 of eight lanes.
///
/// # Safety
/// The CPU has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn sha256(states: &mut [[u32; 8]; LANES_MAX], blocks: &Blocks<'_>, count: usize) {
    // SAFETY: the feature is that of the vector.
    unsafe { vector::sha256::<Eight>(states, blocks, count) }
}

#[derive(Clone, Copy)]
struct Eight(__m256i);

// SAFETY (of all blocks here): the functions are called where the feature is, as the trait
// asks; what is beyond that stands at its block.
impl Vector for Eight {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm256_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    unsafe fn gather(word: impl Fn(usize) -> u32) -> Self {
        let words: [u32; 8] = core::array::from_fn(word);
        // SAFETY: see the impl; eight words are 32 bytes.
        Self(unsafe { _mm256_loadu_si256(words.as_ptr().cast()) })
    }

    #[inline(always)]
    unsafe fn words(self) -> [u32; LANES_MAX] {
        let mut words = [0; LANES_MAX];
        // SAFETY: see the impl; eight words are 32 bytes, and there is room for sixteen.
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), self.0) };
        words
    }

    #[inline(always)]
    unsafe fn block(blocks: &Blocks<'_>, index: usize) -> [Self; 16] {
        // SAFETY: see the impl; the caller knows of a block in each lane, whose halves are
        // 32 bytes.
        unsafe {
            let (high, low) = (0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
            let swap = _mm256_set_epi64x(high, low, high, low);
            let mut words = [Self(swap); 16];
            // No closures: they are not compiled for the CPU that this function is for.
            for half in 0..2 {
                let mut rows = [swap; 8];
                for (lane, row) in rows.iter_mut().enumerate() {
                    let block: *const __m256i = blocks[lane].as_ptr().add(index).cast();
                    *row = _mm256_shuffle_epi8(_mm256_loadu_si256(block.add(half)), swap);
                }
                let columns = turn(rows);
                for (word, column) in words[8 * half..].iter_mut().zip(columns) {
                    *word = Self(column);
                }
            }
            words
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm256_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn xor3(self, b: Self, c: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm256_xor_si256(self.0, _mm256_xor_si256(b.0, c.0)) })
    }

    #[inline(always)]
    unsafe fn choose(self, b: Self, c: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm256_xor_si256(c.0, _mm256_and_si256(self.0, _mm256_xor_si256(b.0, c.0))) })
    }

    #[inline(always)]
    unsafe fn majority(self, b: Self, c: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe {
            let both = _mm256_and_si256(self.0, b.0);
            _mm256_or_si256(both, _mm256_and_si256(c.0, _mm256_or_si256(self.0, b.0)))
        })
    }

    #[inline(always)]
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe {
            let left = _mm256_slli_epi32(self.0, LEFT);
            _mm256_or_si256(left, _mm256_srli_epi32(self.0, RIGHT))
        })
    }

    #[inline(always)]
    unsafe fn shift<const RIGHT: i32>(self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm256_srli_epi32(self.0, RIGHT) })
    }
}

/// Rows become columns.
#[inline]
#[target_feature(enable = "avx2")]
fn turn(r: [__m256i; 8]) -> [__m256i; 8] {
    // In each half of 128 bits: columns of pairs of rows, then of four rows.
    let mut pairs = r;
    for i in (0..8).step_by(2) {
        pairs[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    let mut fours = pairs;
    for i in (0..8).step_by(4) {
        fours[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    let mut columns = fours;
    for c in 0..4 {
        columns[c] = _mm256_permute2x128_si256(fours[c], fours[4 + c], 0x20);
        columns[4 + c] = _mm256_permute2x128_si256(fours[c], fours[4 + c], 0x31);
    }
    columns
}
