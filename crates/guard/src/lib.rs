//! Workloads that are the same in every run: what Toubkal does by the million, in small.
//!
//! `cargo xtask guard` counts the instructions of each under valgrind and compares them with
//! `record.txt`; `cargo bench -p toubkal-guard` takes their times. Chance comes from fixed seeds,
//! there is no thread, and time is an argument. What is prepared is neither counted nor timed.

mod block;
mod codec;
mod give;
mod hash;
mod picker;
mod swarm;
mod tick;

/// A piece of work to be counted.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Without spaces; by it the record finds its line.
    pub name: &'static str,
    /// What one unit is.
    pub per: &'static str,
    /// Units of a run.
    pub units: u32,
    /// Prepares one run. `None`: this machine cannot do it.
    pub prepare: fn() -> Option<Run>,
}

/// The work itself, to be called once.
pub type Run = Box<dyn FnMut()>;

/// Prepares the run of a closure.
fn run(work: impl FnMut() + 'static) -> Option<Run> {
    Some(Box::new(work))
}

/// All workloads.
pub const WORKLOADS: &[Workload] = &[
    block::SEED_1000,
    block::SEED_100000,
    block::SWARM_1000,
    block::SWARM_100000,
    give::GIVE,
    picker::HAVES,
    picker::PICKS,
    tick::IDLE,
    codec::LINK_DECODE,
    codec::LINK_ENCODE,
    codec::BENCODE_DECODE,
    codec::BENCODE_ENCODE,
    hash::SHA1_LONE,
    hash::SHA1_AVX2,
    hash::SHA256_AVX2,
];

/// Does the work. This is the function inside of which valgrind counts, so it has to stay one, and
/// nothing else may have its name.
#[inline(never)]
pub fn counted(work: &mut dyn FnMut()) {
    work();
    // Not to leave by a jump, whose end valgrind would not see.
    std::hint::black_box(());
}
