//! How values become bytes and back: numbers, lists, and whatever is made of them.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::VERSION;
use crate::base::{Bitset, Key};

/// A value in a log. `take` reads what `put` wrote; any other bytes are `None`, and never more
/// memory than a small multiple of their length.
pub(super) trait Code: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(input: &mut Input<'_>) -> Option<Self>;
}

/// Bytes that are read from their head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'b> {
    bytes: &'b [u8],
    /// Where in the log they are.
    offset: usize,
    /// Of the log.
    version: u8,
}

impl<'b> Input<'b> {
    pub(super) fn new(bytes: &'b [u8], offset: usize) -> Self {
        Self { bytes, offset, version: VERSION }
    }

    /// Of a log of this version.
    pub(super) fn of(self, version: u8) -> Self {
        Self { version, ..self }
    }

    pub(super) fn version(&self) -> u8 {
        self.version
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        self.offset += count;
        Some(head)
    }

    /// The next so many bytes, to be read on their own.
    pub(super) fn split(&mut self, count: usize) -> Option<Self> {
        let offset = self.offset;
        Some(Self { bytes: self.bytes(count)?, offset, version: self.version })
    }
}

impl Code for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = input.byte()?;
            let bits = u64::from(byte & 0x7f);
            value |= bits << shift;
            if byte & 0x80 == 0 {
                // What was shifted out is not lost in silence.
                return (value >> shift == bits).then_some(value);
            }
        }
        None
    }
}

/// Numbers that are written as a [`u64`].
macro_rules! numbers {
    ($($number:ty),*) => { $(
        impl Code for $number {
            fn put(&self, out: &mut Vec<u8>) {
                (*self as u64).put(out);
            }
            fn take(input: &mut Input<'_>) -> Option<Self> {
                u64::take(input)?.try_into().ok()
            }
        }
    )* };
}
numbers!(u16, u32, usize);

impl Code for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        input.byte()
    }
}

impl Code for i32 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        Code::take(input).map(i32::from_le_bytes)
    }
}

impl Code for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        match input.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<const N: usize> Code for [u8; N] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        input.bytes(N)?.try_into().ok()
    }
}

impl<T: Code> Code for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        if bool::take(input)? { T::take(input).map(Some) } else { Some(None) }
    }
}

impl<T: Code, E: Code> Code for Result<T, E> {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_err()));
        match self {
            Ok(value) => value.put(out),
            Err(error) => error.put(out),
        }
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        if bool::take(input)? { E::take(input).map(Err) } else { T::take(input).map(Ok) }
    }
}

fn put_list<T: Code>(items: &[T], out: &mut Vec<u8>) {
    items.len().put(out);
    items.iter().for_each(|item| item.put(out));
}

impl<T: Code> Code for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_list(self, out);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let count = usize::take(input)?;
        // It grows as items are read: a count alone takes no memory.
        let mut items = Self::new();
        for _ in 0..count {
            items.push(T::take(input)?);
        }
        Some(items)
    }
}

impl<T: Code> Code for Arc<[T]> {
    fn put(&self, out: &mut Vec<u8>) {
        put_list(self, out);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        Vec::take(input).map(Arc::from)
    }
}

/// Values behind a pointer.
macro_rules! pointers {
    ($($pointer:ident),*) => { $(
        impl<T: Code> Code for $pointer<T> {
            fn put(&self, out: &mut Vec<u8>) {
                T::put(self, out);
            }
            fn take(input: &mut Input<'_>) -> Option<Self> {
                T::take(input).map($pointer::new)
            }
        }
    )* };
}
pointers!(Arc, Box);

impl Code for Cow<'static, str> {
    fn put(&self, out: &mut Vec<u8>) {
        put_list(self.as_bytes(), out);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let length = usize::take(input)?;
        let text = core::str::from_utf8(input.bytes(length)?).ok()?;
        Some(Cow::Owned(String::from(text)))
    }
}

impl Code for IpAddr {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::V4(ip) => (4u8, ip.octets()).put(out),
            Self::V6(ip) => (6u8, ip.octets()).put(out),
        }
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        match input.byte()? {
            4 => <[u8; 4]>::take(input).map(Self::from),
            6 => <[u8; 16]>::take(input).map(Self::from),
            _ => None,
        }
    }
}

impl<A: Code, B: Code> Code for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        Some((A::take(input)?, B::take(input)?))
    }
}

/// The scope of an IPv6 address is written as well: the engine may tell two apart by it.
impl Code for SocketAddr {
    fn put(&self, out: &mut Vec<u8>) {
        (self.ip(), self.port()).put(out);
        if let Self::V6(address) = self {
            (address.flowinfo(), address.scope_id()).put(out);
        }
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let (ip, port) = Code::take(input)?;
        let mut address = Self::new(ip, port);
        if let Self::V6(address) = &mut address {
            let (flow, scope) = Code::take(input)?;
            address.set_flowinfo(flow);
            address.set_scope_id(scope);
        }
        Some(address)
    }
}

impl<T> Code for Key<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.index(), self.generation()).put(out);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let (index, generation) = Code::take(input)?;
        Some(Self::new(index, generation))
    }
}

impl Code for Bitset {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        out.extend_from_slice(&self.to_wire());
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let length = u32::take(input)?;
        Self::from_wire(input.bytes(length.div_ceil(8) as usize)?, length)
    }
}
