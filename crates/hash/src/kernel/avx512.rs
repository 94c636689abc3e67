//! Sixteen lanes of AVX-512: rotations and functions of three values are one instruction each.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_rol_epi32, _mm512_set1_epi32,
    _mm512_set4_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i32x4,
    _mm512_srli_epi32, _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _mm512_xor_si512,
};

use super::vector::{self, Vector};
use super::{Blocks, LANES_MAX};

/// SHA-1 of sixteen lanes.
///
/// # Safety
/// The CPU has AVX-512 F and BW.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn sha1(states: &mut [[u32; 5]; LANES_MAX], blocks: &Blocks<'_>, count: usize) {
    // SAFETY: the features are those of the vector.
    unsafe { vector::sha1::<Sixteen>(states, blocks, count) }
}

/// SHA-256 of sixteen lanes.
///
/// # Safety
/// The CPU has AVX-512 F and BW.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn sha256(states: &mut [[u32; 8]; LANES_MAX], blocks: &Blocks<'_>, count: usize) {
    // SAFETY: the features are those of the vector.
    unsafe { vector::sha256::<Sixteen>(states, blocks, count) }
}

#[derive(Clone, Copy)]
struct Sixteen(__m512i);

// SAFETY (of all blocks here): the functions are called where the features are, as the trait
// asks; what is beyond that stands at its block.
impl Vector for Sixteen {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm512_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    unsafe fn gather(word: impl Fn(usize) -> u32) -> Self {
        let words: [u32; 16] = core::array::from_fn(word);
        // SAFETY: see the impl; sixteen words are 64 bytes.
        Self(unsafe { _mm512_loadu_si512(words.as_ptr().cast()) })
    }

    #[inline(always)]
    unsafe fn words(self) -> [u32; LANES_MAX] {
        let mut words = [0; LANES_MAX];
        // SAFETY: see the impl; sixteen words are 64 bytes.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), self.0) };
        words
    }

    #[inline(always)]
    unsafe fn block(blocks: &Blocks<'_>, index: usize) -> [Self; 16] {
        // SAFETY: see the impl; the caller knows of a block in each lane.
        unsafe {
            let swap = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
            let mut rows = [_mm512_setzero_si512(); 16];
            // No closures: they are not compiled for the CPU that this function is for.
            for (lane, row) in rows.iter_mut().enumerate() {
                let block = blocks[lane].as_ptr().add(index);
                *row = _mm512_shuffle_epi8(_mm512_loadu_si512(block.cast()), swap);
            }
            let columns = turn(rows);
            let mut words = [Self(swap); 16];
            for (word, column) in words.iter_mut().zip(columns) {
                *word = Self(column);
            }
            words
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm512_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn xor3(self, b: Self, c: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm512_ternarylogic_epi32(self.0, b.0, c.0, 0x96) })
    }

    #[inline(always)]
    unsafe fn choose(self, b: Self, c: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm512_ternarylogic_epi32(self.0, b.0, c.0, 0xca) })
    }

    #[inline(always)]
    unsafe fn majority(self, b: Self, c: Self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm512_ternarylogic_epi32(self.0, b.0, c.0, 0xe8) })
    }

    #[inline(always)]
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: see the impl.
        Self(unsafe { _mm512_rol_epi32(self.0, LEFT) })
    }

    #[inline(always)]
    unsafe fn shift<const RIGHT: i32>(self) -> Self {
        // The intrinsic takes its count as u32.
        const {
            assert!(RIGHT == 3 || RIGHT == 10);
        }
        // SAFETY: see the impl.
        Self(unsafe {
            if RIGHT == 3 { _mm512_srli_epi32(self.0, 3) } else { _mm512_srli_epi32(self.0, 10) }
        })
    }
}

/// Rows become columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn turn(r: [__m512i; 16]) -> [__m512i; 16] {
    // In each quarter of 128 bits: columns of pairs of rows, then of four rows.
    let mut pairs = r;
    for i in (0..16).step_by(2) {
        pairs[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    let mut fours = pairs;
    for i in (0..16).step_by(4) {
        fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    // `fours[4 * q + c]` has, in quarter p, column 4 * p + c of rows 4 * q to 4 * q + 3.
    let mut columns = fours;
    for c in 0..4 {
        let (f0, f1, f2, f3) = (fours[c], fours[4 + c], fours[8 + c], fours[12 + c]);
        let even = _mm512_shuffle_i32x4(f0, f1, 0x88);
        let odd = _mm512_shuffle_i32x4(f0, f1, 0xdd);
        let even_high = _mm512_shuffle_i32x4(f2, f3, 0x88);
        let odd_high = _mm512_shuffle_i32x4(f2, f3, 0xdd);
        columns[c] = _mm512_shuffle_i32x4(even, even_high, 0x88);
        columns[8 + c] = _mm512_shuffle_i32x4(even, even_high, 0xdd);
        columns[4 + c] = _mm512_shuffle_i32x4(odd, odd_high, 0x88);
        columns[12 + c] = _mm512_shuffle_i32x4(odd, odd_high, 0xdd);
    }
    columns
}
