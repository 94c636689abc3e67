//! Time of each workload that the guard counts, one unit after the other.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use toubkal_guard::{WORKLOADS, counted};

fn workloads(c: &mut Criterion) {
    let mut group = c.benchmark_group("guard");
    // Preparing takes far longer than the run.
    group.sample_size(15).warm_up_time(Duration::from_millis(30));
    group.measurement_time(Duration::from_millis(300));
    for workload in WORKLOADS {
        if (workload.prepare)().is_none() {
            continue;
        }
        // What is shown is the time of a unit.
        group.throughput(Throughput::Elements(1));
        group.bench_function(workload.name, |b| {
            b.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                let runs = times.div_ceil(u64::from(workload.units));
                for _ in 0..runs {
                    let mut run = (workload.prepare)().expect("it could be prepared before");
                    let start = Instant::now();
                    counted(&mut *run);
                    spent += start.elapsed();
                }
                let units = runs as f64 * f64::from(workload.units);
                spent.mul_f64(times as f64 / units)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, workloads);
criterion_main!(benches);
