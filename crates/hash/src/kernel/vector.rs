//! One message in each lane of a vector: the same rounds for 8 lanes of AVX2 and 16 of AVX-512.

use super::{Blocks, LANES_MAX, check};
use crate::algorithm::{K1, K2};

/// A vector of words, a lane each. Every function needs the CPU to have what the vector is of.
pub(super) trait Vector: Copy {
    const LANES: usize;
    /// The same word in every lane.
    unsafe fn splat(word: u32) -> Self;
    /// A word of each of the first lanes.
    unsafe fn gather(word: impl Fn(usize) -> u32) -> Self;
    /// The lanes' words; those behind the last lane are anything.
    unsafe fn words(self) -> [u32; LANES_MAX];
    /// The sixteen words of each lane's `index`-th block: the first of all lanes, the second...
    ///
    /// # Safety
    /// The first `LANES` lanes have such a block.
    unsafe fn block(blocks: &Blocks<'_>, index: usize) -> [Self; 16];
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn xor(self, other: Self) -> Self;
    unsafe fn xor3(self, b: Self, c: Self) -> Self;
    /// Bits of `b` where there are ones, of `c` where there are zeros.
    unsafe fn choose(self, b: Self, c: Self) -> Self;
    /// Bits that two of the three have.
    unsafe fn majority(self, b: Self, c: Self) -> Self;
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self;
    unsafe fn shift<const RIGHT: i32>(self) -> Self;
}

/// SHA-1 of all lanes.
///
/// # Safety
/// The CPU has what `V` is of.
#[inline(always)]
pub(super) unsafe fn sha1<V: Vector>(
    states: &mut [[u32; 5]; LANES_MAX],
    blocks: &Blocks<'_>,
    count: usize,
) {
    check(blocks, V::LANES, count);
    // SAFETY: what the caller promised; `check` has seen `count` blocks in every lane.
    unsafe {
        let word = |at: usize| V::gather(|lane| states[lane][at]);
        let mut state = [word(0), word(1), word(2), word(3), word(4)];
        for index in 0..count {
            let mut w = V::block(blocks, index);
            let [mut a, mut b, mut c, mut d, mut e] = state;
            macro_rules! rounds {
                ($k:literal, $f:expr, $($g:literal)*) => {
                    let k = V::splat(K1[$k]);
                    $(
                        if $g >= 16 {
                            let far = w[($g + 13) % 16].xor3(w[($g + 8) % 16], w[($g + 2) % 16]);
                            w[$g % 16] = w[$g % 16].xor(far).rotate::<1, 31>();
                        }
                        let sum = e.add(k.add(w[$g % 16]));
                        let next = sum.add($f(b, c, d)).add(a.rotate::<5, 27>());
                        (e, d, c, b, a) = (d, c, b.rotate::<30, 2>(), a, next);
                    )*
                };
            }
            let choose = |b: V, c, d| b.choose(c, d);
            let parity = |b: V, c, d| b.xor3(c, d);
            let majority = |b: V, c, d| b.majority(c, d);
            rounds!(0, choose, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
            rounds!(1, parity, 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39);
            rounds!(2, majority, 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59);
            rounds!(3, parity, 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79);
            for (old, new) in state.iter_mut().zip([a, b, c, d, e]) {
                *old = old.add(new);
            }
        }
        for (at, words) in state.into_iter().enumerate() {
            let words = words.words();
            for lane in 0..V::LANES {
                states[lane][at] = words[lane];
            }
        }
    }
}

/// SHA-256 of all lanes.
///
/// # Safety
/// The CPU has what `V` is of.
#[inline(always)]
pub(super) unsafe fn sha256<V: Vector>(
    states: &mut [[u32; 8]; LANES_MAX],
    blocks: &Blocks<'_>,
    count: usize,
) {
    check(blocks, V::LANES, count);
    // SAFETY: what the caller promised; `check` has seen `count` blocks in every lane.
    unsafe {
        let word = |at: usize| V::gather(|lane| states[lane][at]);
        let mut state = [word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7)];
        for index in 0..count {
            let mut w = V::block(blocks, index);
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
            // Sixteen rounds in one go, so that the words stay in registers.
            for sixteen in 0..4 {
                macro_rules! rounds {
                    ($($g:literal)*) => {$(
                        if sixteen > 0 {
                            let (near, far) = (w[($g + 14) % 16], w[($g + 1) % 16]);
                            let near = near.rotate::<15, 17>()
                                .xor3(near.rotate::<13, 19>(), near.shift::<10>());
                            let far = far.rotate::<25, 7>()
                                .xor3(far.rotate::<14, 18>(), far.shift::<3>());
                            w[$g] = w[$g].add(near).add(w[($g + 9) % 16].add(far));
                        }
                        let k = V::splat(K2[16 * sixteen + $g]);
                        let sum = h.add(k.add(w[$g])).add(e.choose(f, g));
                        let high = e.rotate::<26, 6>()
                            .xor3(e.rotate::<21, 11>(), e.rotate::<7, 25>());
                        let sum = sum.add(high);
                        let low = a.rotate::<30, 2>()
                            .xor3(a.rotate::<19, 13>(), a.rotate::<10, 22>());
                        let next = sum.add(low.add(a.majority(b, c)));
                        (h, g, f, e) = (g, f, e, d.add(sum));
                        (d, c, b, a) = (c, b, a, next);
                    )*};
                }
                rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            }
            for (old, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
                *old = old.add(new);
            }
        }
        for (at, words) in state.into_iter().enumerate() {
            let words = words.words();
            for lane in 0..V::LANES {
                states[lane][at] = words[lane];
            }
        }
    }
}
