//! The kernels: which there are, which this CPU can run, and which are worth it.

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod ni;
#[cfg(target_arch = "x86_64")]
mod vector;

use crate::BLOCK;
use crate::algorithm::private::Sealed;
use crate::algorithm::{One, Two};

/// Lanes of the widest kernel.
pub(crate) const LANES_MAX: usize = 16;

/// The blocks of each lane.
pub(crate) type Blocks<'m> = [&'m [[u8; BLOCK]]; LANES_MAX];

/// Advances the states of a kernel's first lanes by so many blocks each.
///
/// It is unsafe because the CPU must have what the kernel is made of; it panics if a lane has
/// fewer blocks.
pub(crate) type Compress<S> = unsafe fn(&mut [S; LANES_MAX], &Blocks<'_>, usize);

/// A way to hash several messages at once.
///
/// Nobody has to choose one: it is for tests, for benchmarks and for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// One message: RustCrypto, which knows the CPU's own instructions too.
    Lone,
    /// SHA-NI (x86-64), two streams interleaved.
    Ni2,
    /// SHA-NI (x86-64), four streams interleaved.
    Ni4,
    /// AVX2 (x86-64), eight lanes.
    Avx2,
    /// AVX-512 F and BW (x86-64), sixteen lanes.
    Avx512,
    /// SHA instructions of ARMv8, two streams interleaved.
    Arm2,
    /// SHA instructions of ARMv8, four streams interleaved.
    Arm4,
}

impl Kernel {
    /// All of them, of all targets.
    pub const ALL: [Self; 7] =
        [Self::Lone, Self::Ni2, Self::Ni4, Self::Avx2, Self::Avx512, Self::Arm2, Self::Arm4];

    /// A short name for logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lone => "lone",
            Self::Ni2 => "sha-ni x2",
            Self::Ni4 => "sha-ni x4",
            Self::Avx2 => "avx2 x8",
            Self::Avx512 => "avx512 x16",
            Self::Arm2 => "arm x2",
            Self::Arm4 => "arm x4",
        }
    }

    /// Messages that it hashes at once.
    #[must_use]
    pub fn lanes(self) -> usize {
        match self {
            Self::Lone => 1,
            Self::Ni2 | Self::Arm2 => 2,
            Self::Ni4 | Self::Arm4 => 4,
            Self::Avx2 => 8,
            Self::Avx512 => 16,
        }
    }

    /// Whether this CPU can run it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Lone => true,
            #[cfg(target_arch = "x86_64")]
            Self::Ni2 | Self::Ni4 => has_ni::get(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => has_avx2::get(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => has_avx512::get(),
            #[cfg(target_arch = "aarch64")]
            Self::Arm2 | Self::Arm4 => has_arm::get(),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }

    pub(crate) fn sha1(self) -> Option<Compress<<One as Sealed>::State>> {
        Some(match self {
            Self::Lone => lone::<One>,
            #[cfg(target_arch = "x86_64")]
            Self::Ni2 => ni::sha1::<2>,
            #[cfg(target_arch = "x86_64")]
            Self::Ni4 => ni::sha1::<4>,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::sha1,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::sha1,
            #[cfg(target_arch = "aarch64")]
            Self::Arm2 => arm::sha1::<2>,
            #[cfg(target_arch = "aarch64")]
            Self::Arm4 => arm::sha1::<4>,
            #[allow(unreachable_patterns)]
            _ => return None,
        })
    }

    pub(crate) fn sha256(self) -> Option<Compress<<Two as Sealed>::State>> {
        Some(match self {
            Self::Lone => lone::<Two>,
            #[cfg(target_arch = "x86_64")]
            Self::Ni2 => ni::sha256::<2>,
            #[cfg(target_arch = "x86_64")]
            Self::Ni4 => ni::sha256::<4>,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::sha256,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::sha256,
            #[cfg(target_arch = "aarch64")]
            Self::Arm2 => arm::sha256::<2>,
            #[cfg(target_arch = "aarch64")]
            Self::Arm4 => arm::sha256::<4>,
            #[allow(unreachable_patterns)]
            _ => return None,
        })
    }
}

#[cfg(target_arch = "x86_64")]
cpufeatures::new!(has_ni, "sha", "ssse3", "sse4.1");
#[cfg(target_arch = "x86_64")]
cpufeatures::new!(has_avx2, "avx2");
#[cfg(target_arch = "x86_64")]
cpufeatures::new!(has_avx512, "avx512f", "avx512bw");
#[cfg(target_arch = "aarch64")]
cpufeatures::new!(has_arm, "sha2");

/// A kernel, and how many messages make it worth it.
#[derive(Debug)]
pub(crate) struct Step<S> {
    pub(crate) kernel: Kernel,
    /// With fewer messages a narrower one is faster.
    pub(crate) from: usize,
    pub(crate) compress: Compress<S>,
}

/// What is done with how many messages: the widest first, the last with a single one.
#[derive(Debug)]
pub(crate) struct Plan<S>(pub(crate) [Option<Step<S>>; 5]);

impl<S> Plan<S> {
    /// Those of the kernels that the CPU has; `find` gives their functions.
    pub(crate) fn new(
        steps: &[(Kernel, usize)],
        find: impl Fn(Kernel) -> Option<Compress<S>>,
    ) -> Self {
        let mut plan = [const { None }; 5];
        let found = steps.iter().filter_map(|&(kernel, from)| {
            find(kernel).map(|compress| Step { kernel, from, compress })
        });
        for (place, step) in plan.iter_mut().zip(found) {
            *place = Some(step);
        }
        Self(plan)
    }

    /// The widest: what is run while there is enough to do.
    pub(crate) fn widest(&self) -> &Step<S> {
        self.0[0].as_ref().expect("a plan has a step")
    }

    /// The one for so many messages.
    pub(crate) fn step(&self, active: usize) -> &Step<S> {
        let step = self.0.iter().flatten().find(|step| step.from <= active);
        step.expect("the last step is for a single message")
    }
}

/// Panics unless the first lanes have so many blocks: what the kernels read through pointers.
fn check(blocks: &Blocks<'_>, lanes: usize, count: usize) {
    assert!(blocks[..lanes].iter().all(|lane| lane.len() >= count), "each lane has its blocks");
}

/// One message, by RustCrypto.
///
/// # Safety
/// There is nothing to promise; the others need a CPU.
unsafe fn lone<A: Sealed>(states: &mut [A::State; LANES_MAX], blocks: &Blocks<'_>, count: usize) {
    A::compress(&mut states[0], &blocks[0][..count]);
}
