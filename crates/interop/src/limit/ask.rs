//! A leecher that throws everything away: what a seed can give is not bound by who takes it.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::{BLOCK, Outcome, Task};

/// Requests under way at once. More than some clients remember is lost.
const UNDER_WAY: usize = 250;
/// Requests that are sent by one call, unless fewer are left.
const TOGETHER: usize = 50;

const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;

/// What has come, and what is under way.
struct Asked {
    bytes: u64,
    piece: u64,
    came: Vec<bool>,
    left: usize,
    /// The first block that may never have been asked for since the last unchoke.
    next: usize,
    under_way: usize,
    unchoked: bool,
}

pub(super) fn ask(task: &Task, mut stream: TcpStream, info_hash: &str) -> Outcome {
    // BEP 3: the handshake.
    let mut hello = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".to_vec();
    for digits in info_hash.as_bytes().chunks(2) {
        hello.push(u8::from_str_radix(std::str::from_utf8(digits)?, 16)?);
    }
    hello.extend(b"-LI0001-throws away.");
    stream.write_all(&hello)?;
    let mut reader =
        Reader { stream: stream.try_clone()?, buffer: vec![0; 1 << 20], from: 0, to: 0 };
    reader.skip(68)?;
    // aria2 takes nothing together with the handshake.
    stream.write_all(&[0, 0, 0, 1, INTERESTED])?;
    let blocks = task.bytes.div_ceil(BLOCK as u64) as usize;
    let mut asked = Asked {
        bytes: task.bytes,
        piece: task.piece as u64,
        came: vec![false; blocks],
        left: blocks,
        next: 0,
        under_way: 0,
        unchoked: false,
    };
    while asked.left > 0 {
        let length = reader.number()? as usize;
        if length == 0 {
            continue;
        }
        let [kind] = reader.take::<1>()?;
        let mut rest = length - 1;
        match kind {
            CHOKE => asked.unchoked = false,
            // What was asked for and has not come is forgotten.
            UNCHOKE => (asked.unchoked, asked.next, asked.under_way) = (true, 0, 0),
            PIECE if rest > 8 => {
                let (index, begin) = (reader.number()?, reader.number()?);
                asked.came(u64::from(index), u64::from(begin))?;
                rest -= 8;
            }
            _ => {}
        }
        reader.skip(rest)?;
        stream.write_all(&asked.more())?;
    }
    Ok(())
}

impl Asked {
    fn came(&mut self, index: u64, begin: u64) -> io::Result<()> {
        let block = (index * self.piece + begin) / BLOCK as u64;
        let place = usize::try_from(block).ok().and_then(|block| self.came.get_mut(block));
        let place = place.ok_or_else(|| io::Error::other("a block came that there is not"))?;
        if !std::mem::replace(place, true) {
            self.left -= 1;
        }
        self.under_way = self.under_way.saturating_sub(1);
        Ok(())
    }

    /// The next requests, as they go over the wire.
    fn more(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.unchoked || self.under_way + TOGETHER > UNDER_WAY {
            return out;
        }
        while self.under_way < UNDER_WAY && self.next < self.came.len() {
            let block = self.next;
            self.next += 1;
            if self.came[block] {
                continue;
            }
            let at = block as u64 * BLOCK as u64;
            let length = (self.bytes - at).min(BLOCK as u64) as u32;
            out.extend([0, 0, 0, 13, REQUEST]);
            out.extend(((at / self.piece) as u32).to_be_bytes());
            out.extend(((at % self.piece) as u32).to_be_bytes());
            out.extend(length.to_be_bytes());
            self.under_way += 1;
        }
        out
    }
}

/// Reads much at once, and hands it out in small parts.
struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl Reader {
    /// Sees to it that there is at least a byte.
    fn fill(&mut self) -> io::Result<()> {
        if self.from == self.to {
            (self.from, self.to) = (0, self.stream.read(&mut self.buffer)?);
            if self.to == 0 {
                return Err(io::Error::other("the seed has gone"));
            }
        }
        Ok(())
    }

    fn skip(&mut self, mut bytes: usize) -> io::Result<()> {
        while bytes > 0 {
            self.fill()?;
            let here = bytes.min(self.to - self.from);
            self.from += here;
            bytes -= here;
        }
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut taken = [0; N];
        for byte in &mut taken {
            self.fill()?;
            *byte = self.buffer[self.from];
            self.from += 1;
        }
        Ok(taken)
    }

    fn number(&mut self) -> io::Result<u32> {
        self.take().map(u32::from_be_bytes)
    }
}
