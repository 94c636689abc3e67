//! Hashes by a kernel that is named, as the best one differs from CPU to CPU. Valgrind knows
//! neither SHA-NI nor AVX-512: kernels made of these are measured (`cargo bench -p toubkal-hash`),
//! and not counted.

use std::hint::black_box;

use toubkal_hash::{Algorithm, Hasher, Kernel, One, Two};

use crate::{Run, Workload, run};

const MESSAGES: usize = 16;
const BYTES: usize = 16 * 1024;
const UNITS: u32 = (MESSAGES * BYTES / 1024) as u32;

pub(crate) const SHA1_LONE: Workload = Workload {
    name: "sha1-lone",
    per: "a KiB, one message, no instructions for SHA",
    units: UNITS,
    prepare: || prepare::<One>(Kernel::Lone),
};
pub(crate) const SHA1_AVX2: Workload = Workload {
    name: "sha1-avx2",
    per: "a KiB, eight lanes",
    prepare: || prepare::<One>(Kernel::Avx2),
    ..SHA1_LONE
};
pub(crate) const SHA256_AVX2: Workload = Workload {
    name: "sha256-avx2",
    per: "a KiB, eight lanes",
    prepare: || prepare::<Two>(Kernel::Avx2),
    ..SHA1_LONE
};

fn prepare<A: Algorithm + 'static>(kernel: Kernel) -> Option<Run> {
    if !kernel.is_available() {
        return None;
    }
    let memory: Vec<u8> = (0..MESSAGES * BYTES).map(|at| (at * 31 + at / 255) as u8).collect();
    let mut out = vec![A::Digest::default(); MESSAGES];
    run(move || {
        let mut messages: [&[u8]; MESSAGES] = [&[]; MESSAGES];
        for (message, bytes) in messages.iter_mut().zip(memory.chunks(BYTES)) {
            *message = bytes;
        }
        Hasher::<A>::digest_all_by(kernel, &messages, &mut out);
        black_box(&out);
    })
}
