//! The SHA instructions of ARMv8, several streams side by side.

use core::arch::aarch64::{
    uint32x4_t, vaddq_u32, vdupq_n_u32, vgetq_lane_u32, vld1q_u8, vld1q_u32, vreinterpretq_u32_u8,
    vrev32q_u8, vsha1cq_u32, vsha1h_u32, vsha1mq_u32, vsha1pq_u32, vsha1su0q_u32, vsha1su1q_u32,
    vsha256h2q_u32, vsha256hq_u32, vsha256su0q_u32, vsha256su1q_u32, vst1q_u32,
};

use super::{Blocks, LANES_MAX, check};
use crate::algorithm::{K1, K2};

/// SHA-1 of the first `N` lanes.
///
/// # Safety
/// The CPU has the SHA instructions.
#[target_feature(enable = "neon,sha2")]
pub(super) unsafe fn sha1<const N: usize>(
    states: &mut [[u32; 5]; LANES_MAX],
    blocks: &Blocks<'_>,
    count: usize,
) {
    check(blocks, N, count);
    let (mut abcd, mut e) = ([vdupq_n_u32(0); N], [0; N]);
    for lane in 0..N {
        // SAFETY: the first four of five words.
        abcd[lane] = unsafe { vld1q_u32(states[lane].as_ptr()) };
        e[lane] = states[lane][4];
    }
    for index in 0..count {
        let (abcd_before, e_before) = (abcd, e);
        let mut w = [[vdupq_n_u32(0); 4]; N];
        macro_rules! rounds {
            ($k:literal, $f:ident, $($g:literal)*) => {
                let k = vdupq_n_u32(K1[$k]);
                $(for lane in 0..N {
                    let w = &mut w[lane];
                    if $g < 4 {
                        // SAFETY: `check` has seen `count` blocks of 64 bytes; $g < 4.
                        w[$g % 4] = unsafe { words(blocks[lane].as_ptr().add(index), $g) };
                    } else {
                        let old = vsha1su0q_u32(w[$g % 4], w[($g + 1) % 4], w[($g + 2) % 4]);
                        w[$g % 4] = vsha1su1q_u32(old, w[($g + 3) % 4]);
                    }
                    let next = vsha1h_u32(vgetq_lane_u32(abcd[lane], 0));
                    abcd[lane] = $f(abcd[lane], e[lane], vaddq_u32(w[$g % 4], k));
                    e[lane] = next;
                })*
            };
        }
        rounds!(0, vsha1cq_u32, 0 1 2 3 4);
        rounds!(1, vsha1pq_u32, 5 6 7 8 9);
        rounds!(2, vsha1mq_u32, 10 11 12 13 14);
        rounds!(3, vsha1pq_u32, 15 16 17 18 19);
        for lane in 0..N {
            abcd[lane] = vaddq_u32(abcd[lane], abcd_before[lane]);
            e[lane] = e[lane].wrapping_add(e_before[lane]);
        }
    }
    for lane in 0..N {
        // SAFETY: the first four of five words.
        unsafe { vst1q_u32(states[lane].as_mut_ptr(), abcd[lane]) };
        states[lane][4] = e[lane];
    }
}

/// SHA-256 of the first `N` lanes.
///
/// # Safety
/// The CPU has the SHA instructions.
#[target_feature(enable = "neon,sha2")]
pub(super) unsafe fn sha256<const N: usize>(
    states: &mut [[u32; 8]; LANES_MAX],
    blocks: &Blocks<'_>,
    count: usize,
) {
    check(blocks, N, count);
    let (mut abcd, mut efgh) = ([vdupq_n_u32(0); N], [vdupq_n_u32(0); N]);
    for lane in 0..N {
        let state = states[lane].as_ptr();
        // SAFETY: four and four of eight words.
        (abcd[lane], efgh[lane]) = unsafe { (vld1q_u32(state), vld1q_u32(state.add(4))) };
    }
    for index in 0..count {
        let (abcd_before, efgh_before) = (abcd, efgh);
        let mut w = [[vdupq_n_u32(0); 4]; N];
        macro_rules! rounds {
            ($($g:literal)*) => {$(
                // SAFETY: four of the 64 constants.
                let k = unsafe { vld1q_u32(K2.as_ptr().add(4 * $g)) };
                for lane in 0..N {
                    let w = &mut w[lane];
                    if $g < 4 {
                        // SAFETY: `check` has seen `count` blocks of 64 bytes; $g < 4.
                        w[$g % 4] = unsafe { words(blocks[lane].as_ptr().add(index), $g) };
                    } else {
                        let old = vsha256su0q_u32(w[$g % 4], w[($g + 1) % 4]);
                        w[$g % 4] = vsha256su1q_u32(old, w[($g + 2) % 4], w[($g + 3) % 4]);
                    }
                    let (sum, before) = (vaddq_u32(w[$g % 4], k), abcd[lane]);
                    abcd[lane] = vsha256hq_u32(before, efgh[lane], sum);
                    efgh[lane] = vsha256h2q_u32(efgh[lane], before, sum);
                }
            )*};
        }
        rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for lane in 0..N {
            abcd[lane] = vaddq_u32(abcd[lane], abcd_before[lane]);
            efgh[lane] = vaddq_u32(efgh[lane], efgh_before[lane]);
        }
    }
    for lane in 0..N {
        let state = states[lane].as_mut_ptr();
        // SAFETY: four and four of eight words.
        unsafe {
            vst1q_u32(state, abcd[lane]);
            vst1q_u32(state.add(4), efgh[lane]);
        }
    }
}

/// Four words of a block, from the `quarter`-th quarter.
///
/// # Safety
/// `block` points to one, and `quarter` is below 4.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn words(block: *const [u8; 64], quarter: usize) -> uint32x4_t {
    // SAFETY: what the caller promised.
    let bytes = unsafe { vld1q_u8(block.cast::<u8>().add(16 * quarter)) };
    vreinterpretq_u32_u8(vrev32q_u8(bytes))
}
