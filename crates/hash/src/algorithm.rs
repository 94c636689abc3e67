//! What SHA-1 and SHA-256 differ in: the state, its beginning, and who compresses blocks.

use core::fmt::Debug;

use crate::BLOCK;
use crate::kernel::{Compress, Kernel, Plan};

/// One of the two hash functions; nobody else can be one.
pub trait Algorithm: private::Sealed {
    /// What a hash is given out as: an array of bytes.
    type Digest: Copy + Default + Debug + PartialEq + Eq + AsRef<[u8]>;
}

pub(crate) mod private {
    use super::*;

    /// What the machinery needs to know.
    pub trait Sealed: Copy + Debug + Sized + 'static {
        /// Words of the state.
        type State: Copy + Debug + PartialEq;
        /// The state before the first block.
        const START: Self::State;
        /// One message, block after block.
        fn compress(state: &mut Self::State, blocks: &[[u8; BLOCK]]);
        /// The words of a state as bytes.
        fn digest(state: &Self::State) -> <Self as Algorithm>::Digest
        where
            Self: Algorithm;
        /// The kernel's function; `None` if the CPU or the target does not have what it needs.
        fn kernel(kernel: Kernel) -> Option<Compress<Self::State>>;
        /// From how many messages the sixteen lanes of AVX-512 are the fastest.
        const SIXTEEN: usize;
    }
}

/// SHA-1 (FIPS 180-4): pieces of version 1.
#[derive(Clone, Copy, Debug)]
pub enum One {}

/// SHA-256 (FIPS 180-4): blocks of version 2.
#[derive(Clone, Copy, Debug)]
pub enum Two {}

impl Algorithm for One {
    type Digest = [u8; 20];
}

impl Algorithm for Two {
    type Digest = [u8; 32];
}

impl private::Sealed for One {
    type State = [u32; 5];
    const START: Self::State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    const SIXTEEN: usize = 8;

    fn compress(state: &mut Self::State, blocks: &[[u8; BLOCK]]) {
        sha1::block_api::compress(state, blocks);
    }

    fn digest(state: &Self::State) -> [u8; 20] {
        let mut digest = [0; 20];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }

    fn kernel(kernel: Kernel) -> Option<Compress<Self::State>> {
        kernel.is_available().then(|| kernel.sha1()).flatten()
    }
}

impl private::Sealed for Two {
    type State = [u32; 8];
    const START: Self::State = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    const SIXTEEN: usize = 9;

    fn compress(state: &mut Self::State, blocks: &[[u8; BLOCK]]) {
        sha2::block_api::compress256(state, blocks);
    }

    fn digest(state: &Self::State) -> [u8; 32] {
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }

    fn kernel(kernel: Kernel) -> Option<Compress<Self::State>> {
        kernel.is_available().then(|| kernel.sha256()).flatten()
    }
}

/// What is best on this CPU: kernels, and from how many messages each is worth it. What the CPU
/// lacks is passed over. It follows from the speeds in the crate's documentation.
///
/// AVX-512 pays as soon as its share of lanes beats SHA-NI: from 6 messages of SHA-1 on an Intel
/// server, from 13 on a Zen 4, whose SHA-NI is faster, and its vectors are half as wide inside.
pub(crate) fn plan<A: Algorithm>() -> Plan<A::State> {
    let steps = [
        (Kernel::Avx512, A::SIXTEEN),
        (Kernel::Ni4, 4),
        (Kernel::Arm4, 3),
        (Kernel::Ni2, 2),
        (Kernel::Arm2, 2),
        // With SHA-NI nobody comes here.
        (Kernel::Avx2, 3),
        (Kernel::Lone, 1),
    ];
    Plan::new(&steps, A::kernel)
}

/// The round constants of SHA-1, one for twenty rounds.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) const K1: [u32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

/// The round constants of SHA-256.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[rustfmt::skip]
pub(crate) const K2: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4,
    0xab1c_5ed5, 0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe,
    0x9bdc_06a7, 0xc19b_f174, 0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f,
    0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da, 0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7,
    0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967, 0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc,
    0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85, 0xa2bf_e8a1, 0xa81a_664b,
    0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070, 0x19a4_c116,
    0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7,
    0xc671_78f2,
];
