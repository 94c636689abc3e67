//! SHA-NI: the CPU's own rounds. One stream waits for the latency of each instruction, several
//! streams side by side fill the gaps.

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_extract_epi32, _mm_loadu_si128,
    _mm_set_epi32, _mm_set_epi64x, _mm_setzero_si128, _mm_sha1msg1_epu32, _mm_sha1msg2_epu32,
    _mm_sha1nexte_epu32, _mm_sha1rnds4_epu32, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32,
    _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_storeu_si128, _mm_xor_si128,
};

use super::{Blocks, LANES_MAX, check};
use crate::algorithm::K2;

/// SHA-1 of the first `N` lanes.
///
/// # Safety
/// The CPU has SSE4.1 and SHA-NI.
#[target_feature(enable = "sse4.1,ssse3,sha")]
pub(super) unsafe fn sha1<const N: usize>(
    states: &mut [[u32; 5]; LANES_MAX],
    blocks: &Blocks<'_>,
    count: usize,
) {
    check(blocks, N, count);
    // Bytes of a word in the other order, and the first word at the top.
    let order = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    let (mut abcd, mut e) = ([_mm_setzero_si128(); N], [_mm_setzero_si128(); N]);
    for lane in 0..N {
        // SAFETY: four words are 16 bytes; the load needs no alignment.
        let words = unsafe { _mm_loadu_si128(states[lane].as_ptr().cast()) };
        abcd[lane] = _mm_shuffle_epi32(words, 0x1b);
        e[lane] = _mm_set_epi32(states[lane][4].cast_signed(), 0, 0, 0);
    }
    for index in 0..count {
        let (abcd_before, e_before) = (abcd, e);
        let mut w = [[_mm_setzero_si128(); 4]; N];
        let mut last = abcd;
        macro_rules! rounds {
            ($f:literal: $($g:literal)*) => {$(
                for lane in 0..N {
                    let w = &mut w[lane];
                    if $g < 4 {
                        let block: *const u8 = blocks[lane].as_ptr().cast();
                        // SAFETY: `check` has seen `count` blocks of 64 bytes; $g < 4.
                        let words = unsafe {
                            _mm_loadu_si128(block.add(64 * index + 16 * $g).cast())
                        };
                        w[$g % 4] = _mm_shuffle_epi8(words, order);
                    } else {
                        let old = _mm_sha1msg1_epu32(w[$g % 4], w[($g + 1) % 4]);
                        let old = _mm_xor_si128(old, w[($g + 2) % 4]);
                        w[$g % 4] = _mm_sha1msg2_epu32(old, w[($g + 3) % 4]);
                    }
                    let sum = if $g == 0 {
                        _mm_add_epi32(e[lane], w[0])
                    } else {
                        _mm_sha1nexte_epu32(last[lane], w[$g % 4])
                    };
                    last[lane] = abcd[lane];
                    abcd[lane] = _mm_sha1rnds4_epu32(abcd[lane], sum, $f);
                }
            )*};
        }
        rounds!(0: 0 1 2 3 4);
        rounds!(1: 5 6 7 8 9);
        rounds!(2: 10 11 12 13 14);
        rounds!(3: 15 16 17 18 19);
        for lane in 0..N {
            e[lane] = _mm_sha1nexte_epu32(last[lane], e_before[lane]);
            abcd[lane] = _mm_add_epi32(abcd[lane], abcd_before[lane]);
        }
    }
    for lane in 0..N {
        let words = _mm_shuffle_epi32(abcd[lane], 0x1b);
        // SAFETY: four words are 16 bytes; the store needs no alignment.
        unsafe { _mm_storeu_si128(states[lane].as_mut_ptr().cast(), words) };
        states[lane][4] = _mm_extract_epi32(e[lane], 3).cast_unsigned();
    }
}

/// SHA-256 of the first `N` lanes.
///
/// # Safety
/// The CPU has SSE4.1 and SHA-NI.
#[target_feature(enable = "sse4.1,ssse3,sha")]
pub(super) unsafe fn sha256<const N: usize>(
    states: &mut [[u32; 8]; LANES_MAX],
    blocks: &Blocks<'_>,
    count: usize,
) {
    check(blocks, N, count);
    let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let (mut abef, mut cdgh) = ([_mm_setzero_si128(); N], [_mm_setzero_si128(); N]);
    for lane in 0..N {
        (abef[lane], cdgh[lane]) = enter(&states[lane]);
    }
    for index in 0..count {
        let (abef_before, cdgh_before) = (abef, cdgh);
        let mut w = [[_mm_setzero_si128(); 4]; N];
        macro_rules! rounds {
            ($($g:literal)*) => {$(
                // SAFETY: four of the 64 constants.
                let k = unsafe { _mm_loadu_si128(K2.as_ptr().add(4 * $g).cast()) };
                for lane in 0..N {
                    let w = &mut w[lane];
                    if $g < 4 {
                        let block: *const u8 = blocks[lane].as_ptr().cast();
                        // SAFETY: `check` has seen `count` blocks of 64 bytes; $g < 4.
                        let words = unsafe {
                            _mm_loadu_si128(block.add(64 * index + 16 * $g).cast())
                        };
                        w[$g % 4] = _mm_shuffle_epi8(words, order);
                    } else {
                        let (next, last) = (w[($g + 2) % 4], w[($g + 3) % 4]);
                        let old = _mm_sha256msg1_epu32(w[$g % 4], w[($g + 1) % 4]);
                        let old = _mm_add_epi32(old, _mm_alignr_epi8(last, next, 4));
                        w[$g % 4] = _mm_sha256msg2_epu32(old, last);
                    }
                    let sum = _mm_add_epi32(w[$g % 4], k);
                    cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], sum);
                    let sum = _mm_shuffle_epi32(sum, 0x0e);
                    abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], sum);
                }
            )*};
        }
        rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for lane in 0..N {
            abef[lane] = _mm_add_epi32(abef[lane], abef_before[lane]);
            cdgh[lane] = _mm_add_epi32(cdgh[lane], cdgh_before[lane]);
        }
    }
    for lane in 0..N {
        leave(abef[lane], cdgh[lane], &mut states[lane]);
    }
}

/// The order of words that the instructions want.
#[inline]
#[target_feature(enable = "sse4.1,ssse3")]
fn enter(state: &[u32; 8]) -> (__m128i, __m128i) {
    // SAFETY: eight words are 32 bytes; the loads need no alignment.
    let (dcba, hgfe) = unsafe {
        let words = state.as_ptr();
        (_mm_loadu_si128(words.cast()), _mm_loadu_si128(words.add(4).cast()))
    };
    let (cdab, efgh) = (_mm_shuffle_epi32(dcba, 0xb1), _mm_shuffle_epi32(hgfe, 0x1b));
    (_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0))
}

/// The order of words that everybody else wants.
#[inline]
#[target_feature(enable = "sse4.1,ssse3")]
fn leave(abef: __m128i, cdgh: __m128i, state: &mut [u32; 8]) {
    let (feba, dchg) = (_mm_shuffle_epi32(abef, 0x1b), _mm_shuffle_epi32(cdgh, 0xb1));
    // SAFETY: eight words are 32 bytes; the stores need no alignment.
    unsafe {
        let words = state.as_mut_ptr();
        _mm_storeu_si128(words.cast(), _mm_blend_epi16(feba, dchg, 0xf0));
        _mm_storeu_si128(words.add(4).cast(), _mm_alignr_epi8(dchg, feba, 8));
    }
}
