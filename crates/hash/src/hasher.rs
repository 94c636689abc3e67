//! A message that is hashed as its bytes come, and many of them together.

use core::fmt;

use crate::algorithm::{Algorithm, plan};
use crate::kernel::{Kernel, Plan};
use crate::lanes::{self, Message, Work};

/// Bytes that both functions take at once.
pub(crate) const BLOCK: usize = 64;

/// A message on its way: [`Sha1`](crate::Sha1) or [`Sha256`](crate::Sha256).
///
/// It takes about 120 bytes, and may be cloned at any point.
#[derive(Clone)]
pub struct Hasher<A: Algorithm> {
    pub(crate) state: A::State,
    /// Bytes so far.
    pub(crate) length: u64,
    /// Bytes at the beginning of `buffer` that are no whole block yet.
    pub(crate) held: usize,
    pub(crate) buffer: [u8; BLOCK],
}

/// More bytes for a message, given in parts: they are one behind the other.
#[derive(Debug)]
pub struct Job<'a, A: Algorithm> {
    /// The message that goes on.
    pub hasher: &'a mut Hasher<A>,
    /// Its next bytes.
    pub parts: &'a [&'a [u8]],
}

impl<A: Algorithm> Hasher<A> {
    /// A message of no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self { state: A::START, length: 0, held: 0, buffer: [0; BLOCK] }
    }

    /// The next bytes of the message.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.held > 0 {
            bytes = self.hold(bytes);
            if self.held < BLOCK {
                return;
            }
            A::compress(&mut self.state, &[self.buffer]);
            self.held = 0;
        }
        let (blocks, rest) = bytes.as_chunks();
        if !blocks.is_empty() {
            A::compress(&mut self.state, blocks);
        }
        self.hold(rest);
    }

    /// The hash of all bytes.
    #[must_use]
    pub fn finalize(mut self) -> A::Digest {
        let mut tail = [[0; BLOCK]; 2];
        let count = self.pad(&mut tail);
        A::compress(&mut self.state, &tail[..count]);
        A::digest(&self.state)
    }

    /// The hash of one message.
    #[must_use]
    pub fn digest(message: &[u8]) -> A::Digest {
        let mut hasher = Self::new();
        hasher.update(message);
        hasher.finalize()
    }

    /// Goes on with many messages at once. Jobs with about as many bytes keep the lanes full;
    /// others are no mistake.
    pub fn update_all(jobs: &mut [Job<'_, A>]) {
        lanes::run(&plan::<A>(), &mut Jobs(jobs));
    }

    /// Hashes many messages at once. Other lengths are no mistake, as with
    /// [`update_all`](Self::update_all).
    ///
    /// # Panics
    /// Unless there is one place in `out` for each message.
    pub fn digest_all(messages: &[&[u8]], out: &mut [A::Digest]) {
        assert_eq!(messages.len(), out.len(), "a place for each message");
        lanes::run(&plan::<A>(), &mut Messages::<A> { messages, out });
    }

    /// As [`update_all`](Self::update_all), with one kernel: for tests and benchmarks.
    ///
    /// # Panics
    /// If the CPU does not have it.
    pub fn update_all_by(kernel: Kernel, jobs: &mut [Job<'_, A>]) {
        lanes::run(&forced::<A>(kernel), &mut Jobs(jobs));
    }

    /// As [`digest_all`](Self::digest_all), with one kernel: for tests and benchmarks.
    ///
    /// # Panics
    /// If the CPU does not have it, or unless there is one place in `out` for each message.
    pub fn digest_all_by(kernel: Kernel, messages: &[&[u8]], out: &mut [A::Digest]) {
        assert_eq!(messages.len(), out.len(), "a place for each message");
        lanes::run(&forced::<A>(kernel), &mut Messages::<A> { messages, out });
    }

    /// How many messages should be given at once, or a multiple of it: from 1 to 16.
    #[must_use]
    pub fn lanes() -> usize {
        plan::<A>().widest().kernel.lanes()
    }

    /// The kernel that does most of the work when there are so many messages.
    #[must_use]
    pub fn kernel() -> Kernel {
        plan::<A>().widest().kernel
    }

    /// Takes as many bytes into the buffer as there is room for, and gives the rest back.
    pub(crate) fn hold<'m>(&mut self, bytes: &'m [u8]) -> &'m [u8] {
        let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - self.held));
        self.buffer[self.held..self.held + now.len()].copy_from_slice(now);
        self.held += now.len();
        rest
    }

    /// The last blocks (FIPS 180-4, 5.1.1): a bit, zeros, and the length in bits.
    pub(crate) fn pad(&self, tail: &mut [[u8; BLOCK]; 2]) -> usize {
        *tail = [[0; BLOCK]; 2];
        tail[0][..self.held].copy_from_slice(&self.buffer[..self.held]);
        tail[0][self.held] = 0x80;
        let count = if self.held + 9 <= BLOCK { 1 } else { 2 };
        let bits = self.length.wrapping_mul(8).to_be_bytes();
        tail[count - 1][BLOCK - 8..].copy_from_slice(&bits);
        count
    }
}

impl<A: Algorithm> Default for Hasher<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Algorithm> fmt::Debug for Hasher<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("length", &self.length).finish_non_exhaustive()
    }
}

fn forced<A: Algorithm>(kernel: Kernel) -> Plan<A::State> {
    assert!(kernel.is_available(), "this CPU cannot run {}", kernel.name());
    Plan::new(&[(kernel, 1)], A::kernel)
}

struct Jobs<'j, 'a, A: Algorithm>(&'j mut [Job<'a, A>]);

impl<'a, A: Algorithm> Work<'a, A> for Jobs<'_, 'a, A> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn begin(&mut self, index: usize) -> Message<'a, A> {
        let job = &self.0[index];
        Message::new(job.hasher.clone(), job.parts, false)
    }

    fn end(&mut self, index: usize, hasher: Hasher<A>) {
        *self.0[index].hasher = hasher;
    }
}

struct Messages<'m, 'o, A: Algorithm> {
    messages: &'m [&'m [u8]],
    out: &'o mut [A::Digest],
}

impl<'m, A: Algorithm> Work<'m, A> for Messages<'m, '_, A> {
    fn count(&self) -> usize {
        self.messages.len()
    }

    fn begin(&mut self, index: usize) -> Message<'m, A> {
        Message::new(Hasher::new(), &self.messages[index..=index], true)
    }

    fn end(&mut self, index: usize, hasher: Hasher<A>) {
        self.out[index] = A::digest(&hasher.state);
    }
}
