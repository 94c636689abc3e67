//! A road between a host and the switch: packets take their time on it, and some are lost.
//!
//! Not every kernel has netem. So a far host has a device whose frames a thread of ours carries to
//! another at the switch, and back.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::ioctl::{Setter, ioctl, opcode};

use crate::content::xorshift;

/// A frame with all its headers.
const FRAME_MAX: usize = 2048;
/// Packets that are on their way in one direction; what comes when there are so many is lost.
const PACKETS_MAX: usize = 10_000;
/// How often it is seen whether the road has been closed.
const LOOK: Duration = Duration::from_millis(20);

/// What lies between a host and the switch. It holds for IPv4; ARP passes as if there were no
/// road, and nothing else passes.
#[derive(Clone, Copy, Debug)]
pub struct Road {
    /// How long a packet takes from one end to the other.
    pub delay: Duration,
    /// How many of a thousand packets are lost, in each direction: 0 to 1000.
    pub loss: u64,
    /// Decides which ones: those of the same numbers with every road of this seed.
    pub seed: u64,
}

/// What became of the packets of a road, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that came to the other end.
    pub carried: u64,
    /// Those that did not.
    pub lost: u64,
}

/// A road that is open. It is closed with its handle.
pub(crate) struct Link {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    closed: AtomicBool,
    carried: AtomicU64,
    lost: AtomicU64,
}

impl Link {
    /// Opens a road between two devices.
    pub(crate) fn open(ends: [File; 2], road: Road) -> Link {
        let shared = Arc::<Shared>::default();
        let ours = Arc::clone(&shared);
        thread::spawn(move || carry(&ends, road, &ours));
        Link { shared }
    }

    pub(crate) fn tally(&self) -> Tally {
        self.shared.tally()
    }
}

impl Shared {
    fn tally(&self) -> Tally {
        let [carried, lost] = [&self.carried, &self.lost].map(|count| count.load(Ordering::SeqCst));
        Tally { carried, lost }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
    }
}

/// A network device of this thread's host, whose frames are read and written as a file.
#[expect(unsafe_code, reason = "no safe call makes such a device")]
pub(crate) fn device(name: &str) -> io::Result<File> {
    let nonblocking = OFlags::NONBLOCK.bits() as c_int;
    let file =
        OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open("/dev/net/tun")?;
    // linux/if.h: struct ifreq is 16 bytes of name, and 24 of which the first two are flags.
    let mut request = [0_u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    // linux/if_tun.h: IFF_TAP, frames of Ethernet; IFF_NO_PI, and nothing before them.
    request[16..18].copy_from_slice(&0x1002_u16.to_ne_bytes());
    // SAFETY: TUNSETIFF reads and writes one struct ifreq, which is 40 bytes long at most.
    unsafe { ioctl(&file, Setter::<{ opcode::write::<c_int>(b'T', 202) }, _>::new(request))? };
    Ok(file)
}

/// Carries frames until the road is closed.
fn carry(ends: &[File; 2], road: Road, shared: &Shared) {
    let mut lanes = [0, 1].map(|way| Lane::new(road, way, shared));
    let mut frame = [0; FRAME_MAX];
    while !shared.closed.load(Ordering::Relaxed) {
        let due = lanes.iter().filter_map(Lane::due).min();
        let left = due.map_or(LOOK, |due| due.saturating_duration_since(Instant::now()));
        wait(ends, left.min(LOOK));
        for (way, lane) in lanes.iter_mut().enumerate() {
            let [mut from, mut to] = [&ends[way], &ends[1 - way]];
            while let Ok(length @ 1..) = from.read(&mut frame) {
                lane.enter(Instant::now(), &frame[..length]);
            }
            while let Some(frame) = lane.leave(Instant::now()) {
                // A device that is down takes nothing.
                let _ = to.write(&frame);
            }
        }
    }
}

/// Waits until one of them has a frame, but no longer than so.
fn wait(ends: &[File; 2], time: Duration) {
    let mut ends = ends.each_ref().map(|end| PollFd::new(end, PollFlags::IN));
    let time = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
    // An interrupted wait is a short one.
    let _ = poll(&mut ends, Some(&time));
}

/// One direction of a road, and what is on it.
struct Lane<'s> {
    road: Road,
    chance: u64,
    /// The first comes to the end first.
    frames: VecDeque<(Instant, Vec<u8>)>,
    shared: &'s Shared,
}

impl Lane<'_> {
    fn new(road: Road, way: u64, shared: &Shared) -> Lane<'_> {
        // Neighbouring seeds are to have nothing in common, and zero leads nowhere.
        let mut chance = (road.seed * 2 + way + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..8).for_each(|_| chance = xorshift(chance));
        Lane { road, chance, frames: VecDeque::new(), shared }
    }

    fn enter(&mut self, now: Instant, frame: &[u8]) {
        match frame.get(12..14) {
            Some([0x08, 0x06]) => self.frames.push_front((now, frame.to_vec())),
            Some([0x08, 0x00]) => {
                self.chance = xorshift(self.chance);
                let lost = (self.chance >> 32) % 1000 < self.road.loss;
                if lost || self.frames.len() == PACKETS_MAX {
                    self.shared.lost.fetch_add(1, Ordering::SeqCst);
                } else {
                    self.frames.push_back((now + self.road.delay, frame.to_vec()));
                }
            }
            _ => {}
        }
    }

    /// When the next comes to the end.
    fn due(&self) -> Option<Instant> {
        self.frames.front().map(|(at, _)| *at)
    }

    /// What has come to the end. It is counted before anybody has it.
    fn leave(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.due().filter(|at| *at <= now)?;
        let (_, frame) = self.frames.pop_front()?;
        self.shared.carried.fetch_add(u64::from(frame[13] == 0), Ordering::SeqCst);
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn road(loss: u64, seed: u64) -> Road {
        Road { delay: 50 * MILLISECOND, loss, seed }
    }

    /// A frame of one kind, with a number in it.
    fn frame(kind: u8, number: u16) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([0x08, kind]);
        frame.extend(number.to_be_bytes());
        frame
    }

    #[test]
    fn a_packet_takes_its_time_and_none_overtakes_another() {
        let start = Instant::now();
        let shared = Shared::default();
        let mut lane = Lane::new(road(0, 1), 0, &shared);
        for number in 0..10 {
            lane.enter(start + u32::from(number) * MILLISECOND, &frame(0, number));
        }
        assert_eq!(lane.due(), Some(start + 50 * MILLISECOND));
        assert_eq!(lane.leave(start + 49 * MILLISECOND), None);
        for number in 0..10 {
            let at = start + (50 + u32::from(number)) * MILLISECOND;
            assert_eq!(lane.leave(at), Some(frame(0, number)));
            assert_eq!(lane.leave(at), None);
        }
        assert_eq!(shared.tally(), Tally { carried: 10, lost: 0 });
    }

    #[test]
    fn addresses_are_asked_for_as_if_there_were_no_road_and_nothing_else_passes() {
        let start = Instant::now();
        let shared = Shared::default();
        let mut lane = Lane::new(road(1000, 1), 0, &shared);
        for frame in [frame(0, 1), frame(6, 2), frame(0xdd, 3), vec![0; 3]] {
            lane.enter(start, &frame);
        }
        assert_eq!(lane.leave(start), Some(frame(6, 2)));
        assert_eq!(lane.due(), None);
        assert_eq!(shared.tally(), Tally { carried: 0, lost: 1 });
    }

    #[test]
    fn as_many_are_lost_as_it_says_and_the_same_ones_with_the_same_seed() {
        let start = Instant::now();
        let left = |seed, way| {
            let shared = Shared::default();
            let mut lane = Lane::new(road(20, seed), way, &shared);
            (0..10_000).for_each(|number| lane.enter(start, &frame(0, number)));
            let lost = shared.tally().lost;
            assert!((150..=250).contains(&lost), "{lost} are lost");
            lane.frames.clone()
        };
        assert_eq!(left(1, 0), left(1, 0));
        assert_ne!(left(1, 0), left(1, 1));
        assert_ne!(left(1, 0), left(2, 0));
    }

    #[test]
    fn what_is_one_too_many_is_lost() {
        let shared = Shared::default();
        let mut lane = Lane::new(road(0, 1), 0, &shared);
        (0..=PACKETS_MAX).for_each(|_| lane.enter(Instant::now(), &frame(0, 0)));
        assert_eq!((lane.frames.len(), shared.tally().lost), (PACKETS_MAX, 1));
    }
}
