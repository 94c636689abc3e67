//! Keeps the lanes full: a message that is through makes room for the next.

use core::slice;

use crate::kernel::{Blocks, LANES_MAX, Plan};
use crate::{Algorithm, BLOCK, Hasher};

/// The messages, by number.
pub(crate) trait Work<'m, A: Algorithm> {
    /// How many there are.
    fn count(&self) -> usize;
    /// Starts one.
    fn begin(&mut self, index: usize) -> Message<'m, A>;
    /// One is through.
    fn end(&mut self, index: usize, hasher: Hasher<A>);
}

/// A message in a lane. What of it is hashed next is a run of whole blocks: in its bytes as
/// they lie, or in a buffer of its own where a block is cut, or filled up at the end.
#[derive(Debug)]
pub(crate) struct Message<'m, A: Algorithm> {
    hasher: Hasher<A>,
    /// What lies here comes first, then the parts.
    rest: &'m [u8],
    parts: slice::Iter<'m, &'m [u8]>,
    /// It ends with the last part: it is filled up as the standard says.
    ends: bool,
    /// A block that was cut, or what ends the message.
    tail: [[u8; BLOCK]; 2],
    run: Run,
    /// Its number in the work.
    index: usize,
}

/// Where the next blocks are.
#[derive(Clone, Copy, Debug)]
enum Run {
    /// So many in `rest`.
    Rest(usize),
    /// From one of `tail` to another.
    Tail(usize, usize),
}

impl<'m, A: Algorithm> Message<'m, A> {
    pub(crate) fn new(hasher: Hasher<A>, parts: &'m [&'m [u8]], ends: bool) -> Self {
        let tail = [[0; BLOCK]; 2];
        let (rest, parts, run) = (&[][..], parts.iter(), Run::Rest(0));
        Self { hasher, rest, parts, ends, tail, run, index: 0 }
    }

    /// Blocks that are there now.
    fn len(&self) -> usize {
        match self.run {
            Run::Rest(count) => count,
            Run::Tail(from, to) => to - from,
        }
    }

    fn blocks(&self) -> &[[u8; BLOCK]] {
        match self.run {
            Run::Rest(count) => &self.rest.as_chunks().0[..count],
            Run::Tail(from, to) => &self.tail[from..to],
        }
    }

    /// So many blocks were hashed.
    fn advance(&mut self, count: usize) {
        match &mut self.run {
            Run::Rest(left) => {
                *left -= count;
                self.rest = &self.rest[count * BLOCK..];
            }
            Run::Tail(from, _) => *from += count,
        }
    }

    /// Finds blocks; whether there are some, or the message is through.
    fn prepare(&mut self) -> bool {
        while self.len() == 0 {
            let held = self.hasher.held;
            if self.rest.is_empty() {
                match self.parts.next() {
                    Some(part) => {
                        self.hasher.length += part.len() as u64;
                        self.rest = part;
                    }
                    None if self.ends => {
                        self.ends = false;
                        let count = self.hasher.pad(&mut self.tail);
                        self.run = Run::Tail(0, count);
                    }
                    None => return false,
                }
            } else if held == 0 && self.rest.len() >= BLOCK {
                self.run = Run::Rest(self.rest.len() / BLOCK);
            } else {
                self.rest = self.hasher.hold(self.rest);
                if self.hasher.held == BLOCK {
                    self.hasher.held = 0;
                    self.tail[0] = self.hasher.buffer;
                    self.run = Run::Tail(0, 1);
                }
            }
        }
        true
    }
}

/// Hashes all messages.
pub(crate) fn run<'m, A: Algorithm>(plan: &Plan<A::State>, work: &mut impl Work<'m, A>) {
    let count = work.count();
    let width = plan.widest().kernel.lanes();
    let mut next = 0;
    let mut lanes: [Option<Message<'m, A>>; LANES_MAX] = [const { None }; LANES_MAX];
    let mut active = 0;
    loop {
        // Those that are through leave; the last lane takes the place.
        let mut lane = 0;
        while lane < active {
            let message = lanes[lane].as_mut().expect("a message in each lane");
            if message.prepare() {
                lane += 1;
                continue;
            }
            active -= 1;
            lanes.swap(lane, active);
            let message = lanes[active].take().expect("a message in each lane");
            work.end(message.index, message.hasher);
        }
        while active < width && next < count {
            let mut message = work.begin(next);
            message.index = next;
            next += 1;
            if message.prepare() {
                lanes[active] = Some(message);
                active += 1;
            } else {
                work.end(message.index, message.hasher);
            }
        }
        if active == 0 {
            return;
        }
        let step = plan.step(active);
        let lanes = &mut lanes[..active.min(step.kernel.lanes())];
        advance(step.compress, lanes);
    }
}

/// Advances these messages by as many blocks as each of them has.
fn advance<A: Algorithm>(
    compress: crate::kernel::Compress<A::State>,
    lanes: &mut [Option<Message<'_, A>>],
) {
    let mut states = [A::START; LANES_MAX];
    let mut blocks: Blocks<'_> = [&[]; LANES_MAX];
    let mut count = usize::MAX;
    for (lane, message) in lanes.iter().flatten().enumerate() {
        states[lane] = message.hasher.state;
        blocks[lane] = message.blocks();
        count = count.min(blocks[lane].len());
    }
    // Lanes that are left over do what the first does; nobody looks.
    let first = blocks[0];
    blocks[lanes.len()..].fill(first);
    // SAFETY: plans have only what the CPU can run.
    unsafe { compress(&mut states, &blocks, count) };
    for (message, state) in lanes.iter_mut().flatten().zip(states) {
        message.hasher.state = state;
        message.advance(count);
    }
}
