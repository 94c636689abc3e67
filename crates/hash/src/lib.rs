//! SHA-1 and SHA-256 of many messages at once.
//!
//! One message is bound by the latency of the CPU's instructions: each round waits for the one
//! before. Messages do not wait for each other, so several side by side in one thread take far
//! less time than one after the other. A torrent's pieces are such messages.
//!
//! ```
//! use toubkal_hash::{Job, Sha1, Sha256};
//!
//! // Whole messages, of any lengths:
//! let messages: [&[u8]; 3] = [b"one", b"two", b"and a longer one"];
//! let mut digests = [[0; 20]; 3];
//! Sha1::digest_all(&messages, &mut digests);
//! assert_eq!(digests[1], Sha1::digest(b"two"));
//!
//! // Messages whose bytes come bit by bit, in slices that lie anywhere:
//! let (mut first, mut second) = (Sha256::new(), Sha256::new());
//! Sha256::update_all(&mut [
//!     Job { hasher: &mut first, parts: &[b"a piece ", b"in blocks"] },
//!     Job { hasher: &mut second, parts: &[b"another"] },
//! ]);
//! second.update(b" one");
//! assert_eq!(first.finalize(), Sha256::digest(b"a piece in blocks"));
//! assert_eq!(second.finalize(), Sha256::digest(b"another one"));
//! ```
//!
//! Give [`Hasher::lanes`] messages at once, or a multiple. They may differ in length: a lane whose
//! message is through takes the next, and when there are few left, a narrower kernel goes on.
//! Nothing is allocated.
//!
//! # Kernels
//!
//! GB/s of one core for sixteen messages of 16 KiB in the cache, and of 1 MiB out of it (medians;
//! Intel server with AMX, 2 cores, shared: `cargo bench -p toubkal-hash`):
//!
//! | kernel | needs | SHA-1 16 KiB | 1 MiB | SHA-256 16 KiB | 1 MiB |
//! | --- | --- | --- | --- | --- | --- |
//! | [`Lone`](Kernel::Lone) | nothing | 2.2 | 1.2 | 2.0 | 1.2 |
//! | [`Ni2`](Kernel::Ni2) | SHA-NI | 2.6 | 1.9 | 2.5 | 2.0 |
//! | [`Ni4`](Kernel::Ni4) | SHA-NI | 2.4 | 2.2 | 2.4 | 2.4 |
//! | [`Avx2`](Kernel::Avx2) | AVX2 | 3.9 | 3.4 | 1.7 | 1.5 |
//! | [`Avx512`](Kernel::Avx512) | AVX-512 F, BW | 8.2 | 7.5 | 4.4 | 4.2 |
//! | [`Arm2`](Kernel::Arm2), [`Arm4`](Kernel::Arm4) | ARMv8 SHA | - | - | - | - |
//!
//! 3, 6 and 8 streams of SHA-NI were tried too (SHA-1: 2.2, 2.1, 2.3): the port of these
//! instructions is full with two, and registers run out. On a Zen 4 the like of these kernels
//! reached 1.9 alone, 3.0 with two streams, 4.6 with four, and 5.7 in AVX-512; there four pay,
//! so four are taken where there is no AVX-512. On ARM the instructions have the same shape
//! (latency 4, one a cycle on Arm's own cores), which four streams fill; it is not measured yet.
//! What is chosen depends on the CPU's features alone, so that it is the same in every run.
//!
//! # `unsafe`
//!
//! This is the one crate of Toubkal with `unsafe` code: instructions that not each CPU has, and
//! loads of vectors. Kernels take slices, check their lengths, and are called once the CPU was
//! found to have what they need.
//!
//! # `no_std`
//!
//! Without features and without an allocator. Targets without an operating system do not look at
//! the CPU: build for one that has the features (`-C target-feature=+sha,+avx512bw`).
#![no_std]
#![allow(unsafe_code, reason = "vectors, and instructions that not each CPU has")]
#![deny(unsafe_op_in_unsafe_fn)]
#![deny(clippy::undocumented_unsafe_blocks)]

mod algorithm;
mod hasher;
mod kernel;
mod lanes;

pub use algorithm::{Algorithm, One, Two};
pub(crate) use hasher::BLOCK;
pub use hasher::{Hasher, Job};
pub use kernel::Kernel;

/// A SHA-1 on its way.
pub type Sha1 = Hasher<One>;
/// A SHA-256 on its way.
pub type Sha256 = Hasher<Two>;
