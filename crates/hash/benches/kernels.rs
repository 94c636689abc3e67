//! Bytes a second of each kernel: whole pieces and leaves, in the cache and out of it.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use toubkal_hash::{Algorithm, Hasher, Kernel, One, Two};

/// Bytes that no cache holds: each run takes the next part of them.
const COLD: usize = 1 << 30;
const HOT: usize = 512 * 1024;

fn all<A: Algorithm>(c: &mut Criterion, name: &str, memory: &[u8]) {
    for (what, length) in [("1 MiB", 1 << 20), ("16 KiB", 1 << 14)] {
        measure::<A>(c, &format!("{name} {what} cold"), memory, length, 16 * length);
    }
    measure::<A>(c, &format!("{name} 16 KiB hot"), &memory[..HOT], 1 << 14, 16 << 14);
}

/// Sixteen messages at a time, by each kernel that this CPU has, and by all together.
fn measure<A: Algorithm>(c: &mut Criterion, name: &str, memory: &[u8], length: usize, run: usize) {
    let mut group = c.benchmark_group(name);
    group.sample_size(15);
    // A shared machine is quiet for a moment at best; the median is what counts.
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Bytes(run as u64));
    let mut out = vec![A::Digest::default(); run / length];
    let mut next = 0;
    let kernels = Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()).map(Some);
    for kernel in kernels.chain([None]) {
        let label = kernel.map_or("chosen", Kernel::name);
        group.bench_function(BenchmarkId::from_parameter(label), |b| {
            b.iter(|| {
                let part = &memory[next..next + run];
                next = (next + run) % memory.len();
                let messages: Vec<&[u8]> = part.chunks(length).collect();
                match kernel {
                    Some(kernel) => Hasher::<A>::digest_all_by(kernel, &messages, &mut out),
                    None => Hasher::<A>::digest_all(&messages, &mut out),
                }
                black_box(&out);
            });
        });
    }
    group.finish();
}

fn kernels(c: &mut Criterion) {
    let memory: Vec<u8> = (0..COLD).map(|at| (at * 31 + at / 255) as u8).collect();
    all::<One>(c, "SHA-1", &memory);
    all::<Two>(c, "SHA-256", &memory);
}

criterion_group!(benches, kernels);
criterion_main!(benches);
