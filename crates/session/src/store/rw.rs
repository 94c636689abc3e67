//! Whole reads and writes at an offset, and what a file system tells of holes.

use std::fs::File;
use std::io;
use std::ops::Range;

/// Slices in one write: 4 MiB of blocks. Lists of them are on the stack.
pub(super) const SLICES_MAX: usize = 256;
/// Slices in one read.
#[cfg(unix)]
const READ_SLICES_MAX: usize = 32;

/// Reads until `buffer` is full or the file ends; how many bytes it were.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match read_once(file, &mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Reads into buffers one behind the other until they are full or the file ends; how many bytes
/// it were.
pub(super) fn read_all_at(
    file: &File,
    buffers: &mut [impl AsMut<[u8]>],
    offset: u64,
) -> io::Result<usize> {
    let wanted: usize = buffers.iter_mut().map(|buffer| buffer.as_mut().len()).sum();
    if buffers.len() > 1 && read_vectored(file, buffers, offset).is_ok_and(|got| got == wanted) {
        return Ok(wanted);
    }
    // The end of the file, a signal, or an error: one by one it is told apart.
    let mut done = 0;
    for buffer in buffers {
        let buffer = buffer.as_mut();
        let count = read_at(file, buffer, offset + done as u64)?;
        done += count;
        if count < buffer.len() {
            break;
        }
    }
    Ok(done)
}

/// Writes slices one behind the other, all of them.
pub(super) fn write_at(file: &File, slices: &[&[u8]], mut offset: u64) -> io::Result<()> {
    // How much of the first of `rest` is written already.
    let (mut rest, mut head) = (slices, 0);
    while let Some(first) = rest.first() {
        if head == first.len() {
            (rest, head) = (&rest[1..], 0);
            continue;
        }
        let mut count = match write_once(file, rest, head, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        offset += count as u64;
        while count > 0 {
            let step = count.min(rest[0].len() - head);
            (count, head) = (count - step, head + step);
            if head == rest[0].len() {
                (rest, head) = (&rest[1..], 0);
            }
        }
    }
    Ok(())
}

#[cfg(unix)]
fn read_once(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(not(unix))]
fn read_once(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(unix)]
fn read_vectored(file: &File, buffers: &mut [impl AsMut<[u8]>], offset: u64) -> io::Result<usize> {
    let mut list: [_; READ_SLICES_MAX] = std::array::from_fn(|_| io::IoSliceMut::new(&mut []));
    let count = buffers.len().min(READ_SLICES_MAX);
    for (slice, buffer) in list.iter_mut().zip(buffers) {
        *slice = io::IoSliceMut::new(buffer.as_mut());
    }
    Ok(rustix::io::preadv(file, &mut list[..count], offset)?)
}

#[cfg(not(unix))]
fn read_vectored(_: &File, _: &mut [impl AsMut<[u8]>], _: u64) -> io::Result<usize> {
    Ok(0)
}

#[cfg(unix)]
fn write_once(file: &File, slices: &[&[u8]], head: usize, offset: u64) -> io::Result<usize> {
    use std::io::IoSlice;
    let slices = &slices[..slices.len().min(SLICES_MAX)];
    if let [only] = slices {
        return std::os::unix::fs::FileExt::write_at(file, &only[head..], offset);
    }
    let mut list = [IoSlice::new(&[]); SLICES_MAX];
    for (place, slice) in list.iter_mut().zip(slices) {
        *place = IoSlice::new(slice);
    }
    list[0].advance(head);
    Ok(rustix::io::pwritev(file, &list[..slices.len()], offset)?)
}

#[cfg(not(unix))]
fn write_once(file: &File, slices: &[&[u8]], head: usize, offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, &slices[0][head..], offset)
}

/// The ranges before `end` that are no holes, as far as the file system tells; page for page.
///
/// Space that was set aside and never written counts as a hole on ext4, XFS, btrfs and tmpfs.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple"
))]
pub(super) fn data(file: &File, range: Range<u64>) -> Vec<Range<u64>> {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;

    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let end = range.end.min(length);
    let mut found = Vec::new();
    let mut at = range.start;
    while at < end {
        let from = match seek(file, SeekFrom::Data(at)) {
            Ok(from) => from.min(end),
            // No data behind this.
            Err(Errno::NXIO) => end,
            // A file system that does not know: all of it may be data.
            Err(_) => at,
        };
        if from < end {
            let to = seek(file, SeekFrom::Hole(from)).unwrap_or(end).clamp(from + 1, end);
            found.push(from..to);
            at = to;
        } else {
            at = end;
        }
    }
    found
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple"
)))]
pub(super) fn data(file: &File, range: Range<u64>) -> Vec<Range<u64>> {
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let end = range.end.min(length);
    if range.start < end { vec![range.start..end] } else { Vec::new() }
}

/// Whether no byte of the range is in a hole or behind the end.
pub(super) fn is_data(file: &File, range: Range<u64>) -> bool {
    data(file, range.clone()).first() == Some(&range)
}

/// Sets space aside without changing what is read; whether the file system can do that.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn allocate(file: &File, range: Range<u64>) -> bool {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    let length = range.end - range.start;
    !matches!(
        fallocate(file, FallocateFlags::KEEP_SIZE, range.start, length),
        Err(Errno::OPNOTSUPP | Errno::NOSYS)
    )
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn allocate(_: &File, _: Range<u64>) -> bool {
    false
}

/// Whether the file system is one whose files end at 4 GiB and have no holes (FAT).
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn is_fat(file: &File) -> bool {
    const MSDOS_SUPER_MAGIC: u64 = 0x4d44;
    rustix::fs::fstatfs(file).is_ok_and(|stat| stat.f_type as u64 == MSDOS_SUPER_MAGIC)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn is_fat(_: &File) -> bool {
    false
}

/// Tells the system of bytes that are about to be read, unless the first of them is in memory.
///
/// Pieces that are read side by side would send the head of a disk from one to the other: so
/// each is fetched whole, in the order in which they lie.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn ahead(file: &File, range: Range<u64>) {
    use rustix::fs::{Advice, fadvise};
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    use std::io::IoSliceMut;
    /// Linux fetches no more for one word of advice than a device takes at once.
    const STEP: u64 = 256 * 1024;
    let (mut byte, nowait) = ([0], ReadWriteFlags::NOWAIT);
    // A file system that does not know this says so: then there is nothing to know.
    if preadv2(file, &mut [IoSliceMut::new(&mut byte)], range.start, nowait) != Err(Errno::AGAIN) {
        return;
    }
    for at in range.clone().step_by(STEP as usize) {
        let length = std::num::NonZeroU64::new(STEP.min(range.end - at));
        // Advice: where it is not taken the reads do it.
        _ = fadvise(file, at, length, Advice::WillNeed);
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn ahead(_: &File, _: Range<u64>) {}

/// Drops what the page cache holds of a file, so that the next read comes from the disk.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn forget(file: &File) {
    // Advice: where it is not taken there is nothing else to do.
    _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn forget(_: &File) {}
