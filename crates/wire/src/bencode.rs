//! Bencode (BEP 3): decoding without copies, and canonical encoding.
//!
//! Decoding yields a [`Tape`]: the spans of all values in the order of the input, eight bytes
//! each. Nothing is copied and nothing recurses; a [`Value`] is a place on the tape and reads its
//! number, string or children when asked. As every value knows its exact bytes ([`Value::raw`]),
//! the info-hash is taken over what was received, never over a re-encoding.
//!
//! ```
//! use toubkal_wire::bencode::{decode, Mode};
//!
//! let tape = decode(b"d4:name5:Atlas4:sizei42ee", Mode::Strict)?;
//! let root = tape.root();
//! assert_eq!(root.get(b"name").and_then(|name| name.as_str()), Some("Atlas"));
//! assert_eq!(root.get(b"size").and_then(|size| size.as_int()), Some(42));
//! # Ok::<(), toubkal_wire::bencode::Error>(())
//! ```

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::fmt;
use core::iter::FusedIterator;
use core::ops::Range;

pub use decode::{decode, decode_prefix};
pub use encode::{Encoder, Node, encode};

/// How deep lists and dictionaries may nest; one more is [`ErrorKind::Depth`].
pub const DEPTH_MAX: usize = 100;

/// How many values (keys count as well) one input may hold: a tape of at most 24 MB.
pub const TOKENS_MAX: usize = 3_000_000;

/// The longest input in bytes: positions on the tape have 32 bits.
pub const INPUT_BYTES_MAX: usize = u32::MAX as usize;

/// The most digits (leading zeros included) before the `:` of a string: no such number overflows.
pub const LENGTH_DIGITS_MAX: usize = 18;

/// How strict the decoder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only the canonical form, of which every value has exactly one: keys sorted and unique,
    /// no leading zeros, no `-0`, integers within 64 bits, nothing after the value.
    Strict,
    /// Whatever is unambiguous. Each kind of deviation is kept once in [`Tape::oddities`]; of
    /// equal keys the first counts.
    Tolerant,
}

/// Where the input is not bencode, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// The offset in bytes of the fault in the input.
    pub offset: usize,
    /// What is wrong there.
    pub kind: ErrorKind,
}

/// What can be wrong with an input.
///
/// The variants from [`Unsorted`](Self::Unsorted) on are deviations from the canonical form:
/// errors in [`Mode::Strict`], oddities in [`Mode::Tolerant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The input ends inside a value.
    End,
    /// A byte that can neither start a value nor end a container.
    Unexpected,
    /// An integer without digits, or with something else than digits.
    Integer,
    /// The length of a string is not a number, or has more than [`LENGTH_DIGITS_MAX`] digits.
    Length,
    /// A string that is longer than the rest of the input.
    TooLong,
    /// A dictionary key that is not a string.
    Key,
    /// A dictionary that ends after a key.
    MissingValue,
    /// More than [`DEPTH_MAX`] levels of nesting.
    Depth,
    /// More than [`TOKENS_MAX`] values.
    Tokens,
    /// An input of more than [`INPUT_BYTES_MAX`] bytes.
    Size,
    /// Keys that are not in the order of their bytes.
    Unsorted,
    /// The same key twice in a dictionary.
    Duplicate,
    /// An integer or a length with leading zeros.
    LeadingZero,
    /// The integer `-0`.
    MinusZero,
    /// An integer that does not fit into 64 bits.
    Range,
    /// Bytes after the value.
    Trailing,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::End => "the data ends inside a value",
            Self::Unexpected => "no value can start with this byte",
            Self::Integer => "not a whole number",
            Self::Length => "the length of a string is not a number",
            Self::TooLong => "a string is longer than the data",
            Self::Key => "a dictionary key is not a string",
            Self::MissingValue => "a dictionary key has no value",
            Self::Depth => "lists and dictionaries are nested more than 100 deep",
            Self::Tokens => "more than 3,000,000 values",
            Self::Size => "more than 4 GiB of data",
            Self::Unsorted => "dictionary keys are not sorted",
            Self::Duplicate => "a dictionary key appears twice",
            Self::LeadingZero => "a number has leading zeros",
            Self::MinusZero => "a number is minus zero",
            Self::Range => "a number does not fit into 64 bits",
            Self::Trailing => "there are bytes after the end of the value",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.kind, self.offset)
    }
}

impl core::error::Error for Error {}

/// The bytes of one value, from its first to the one behind its last.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A decoded input: the span of every value, in the order of the input.
///
/// A container stands before its children. The values inside it are those that start before it
/// ends, so the next sibling is found by a search that doubles its step.
#[derive(Clone, Debug)]
pub struct Tape<'i> {
    input: &'i [u8],
    spans: Vec<Span>,
    oddities: Vec<Error>,
}

impl<'i> Tape<'i> {
    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Value<'_, 'i> {
        Value { tape: self, index: 0 }
    }

    /// The first deviation of each kind that [`Mode::Tolerant`] let pass; empty if the input is
    /// canonical.
    #[must_use]
    pub fn oddities(&self) -> &[Error] {
        &self.oddities
    }

    /// The number of values, keys included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a tape is never empty")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The index of the first value behind the one at `index` and all its children.
    #[inline]
    fn after(&self, index: usize) -> usize {
        let end = self.spans[index].end;
        match self.spans.get(index + 1) {
            Some(next) if next.start < end => self.after_container(index, end),
            _ => index + 1,
        }
    }

    /// As `after`, for a container that is not empty and ends at `end`.
    fn after_container(&self, index: usize, end: u32) -> usize {
        /// As many values are looked at one by one: most containers are small.
        const NEAR: usize = 8;
        let rest = &self.spans[index + 1..];
        if let Some(inside) = rest.iter().take(NEAR).position(|span| span.start >= end) {
            return index + 1 + inside;
        }
        let mut step = NEAR;
        while step <= rest.len() && rest[step - 1].start < end {
            step *= 2;
        }
        // Those before step / 2 start inside; the one at step - 1, if there is one, does not.
        let low = (step / 2).min(rest.len());
        let high = rest.len().min(step - 1).max(low);
        index + 1 + low + rest[low..high].partition_point(|span| span.start < end)
    }
}

/// The four kinds of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `i42e`
    Int,
    /// `5:Atlas`
    Bytes,
    /// `l...e`
    List,
    /// `d...e`
    Dict,
}

/// One value on a [`Tape`]. Copying it is free.
#[derive(Clone, Copy)]
pub struct Value<'t, 'i> {
    tape: &'t Tape<'i>,
    index: usize,
}

impl<'t, 'i> Value<'t, 'i> {
    /// Which of the four kinds it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.tape.input[self.span().start] {
            b'i' => Kind::Int,
            b'l' => Kind::List,
            b'd' => Kind::Dict,
            _ => Kind::Bytes,
        }
    }

    /// Its place in the input.
    #[must_use]
    pub fn span(self) -> Range<usize> {
        self.tape.spans[self.index].range()
    }

    /// Its exact bytes in the input, `d` to `e` for a dictionary.
    #[must_use]
    pub fn raw(self) -> &'i [u8] {
        &self.tape.input[self.span()]
    }

    /// The integer; `None` if it is none or does not fit into 64 bits.
    #[must_use]
    #[inline]
    pub fn as_int(self) -> Option<i64> {
        let [b'i', digits @ .., b'e'] = self.raw() else { return None };
        let (negative, digits) = match digits {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        if digits.len() <= 18 {
            // No such number overflows.
            let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
            return Some(if negative { -value } else { value });
        }
        // Gathered as a negative number, of which there is one more.
        let value = digits.iter().try_fold(0i64, |value, digit| {
            value.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))
        })?;
        if negative { Some(value) } else { value.checked_neg() }
    }

    /// The content of a string.
    #[must_use]
    #[inline]
    pub fn as_bytes(self) -> Option<&'i [u8]> {
        content(self.tape.input, self.tape.spans[self.index])
    }

    /// The content of a string that is UTF-8.
    #[must_use]
    pub fn as_str(self) -> Option<&'i str> {
        core::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The value of a key; `None` if it is no dictionary or has no such key. Of equal keys the
    /// first counts. Takes time in proportion to the number of keys.
    #[must_use]
    pub fn get(self, key: &[u8]) -> Option<Self> {
        self.entries().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The items of a list; none if it is no list.
    #[must_use]
    pub fn items(self) -> Items<'t, 'i> {
        Items(self.children(Kind::List))
    }

    /// The strings of a list; `None` if it is no list, or holds anything else.
    #[must_use]
    #[inline]
    pub fn strings(self) -> Option<Strings<'t, 'i>> {
        let Tape { input, spans, .. } = self.tape;
        let list = spans[self.index];
        let rest = &spans[self.index + 1..];
        let count = rest.iter().take_while(|span| span.start < list.end).count();
        let items = &rest[..count];
        let flat = items.iter().all(|span| input[span.start as usize].is_ascii_digit());
        let is_list = input[list.start as usize] == b'l';
        (is_list && flat).then(|| Strings { input, items: items.iter() })
    }

    /// The keys and values of a dictionary, in the order of the input; none if it is no
    /// dictionary.
    #[must_use]
    pub fn entries(self) -> Entries<'t, 'i> {
        Entries(self.children(Kind::Dict))
    }

    /// How many values it is: one, and those inside it.
    pub(crate) fn size(self) -> usize {
        self.tape.after(self.index) - self.index
    }

    /// The value itself and everything inside it, in the order of the input.
    fn subtree(self) -> impl DoubleEndedIterator<Item = Self> {
        (self.index..self.tape.after(self.index)).map(move |index| Self { index, ..self })
    }

    fn children(self, kind: Kind) -> Children<'t, 'i> {
        let end = if self.kind() == kind { self.tape.spans[self.index].end } else { 0 };
        Children { tape: self.tape, next: self.index + 1, end }
    }
}

impl fmt::Debug for Value<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.kind(), self.span())
    }
}

/// Walks the direct children of a container.
#[derive(Clone, Debug)]
struct Children<'t, 'i> {
    tape: &'t Tape<'i>,
    next: usize,
    /// Where the container ends in the input.
    end: u32,
}

impl<'t, 'i> Children<'t, 'i> {
    #[inline]
    fn next(&mut self) -> Option<Value<'t, 'i>> {
        let index = self.next;
        if self.tape.spans.get(index)?.start >= self.end {
            return None;
        }
        self.next = self.tape.after(index);
        Some(Value { tape: self.tape, index })
    }
}

/// The items of a list: see [`Value::items`].
#[derive(Clone, Debug)]
pub struct Items<'t, 'i>(Children<'t, 'i>);

impl<'t, 'i> Iterator for Items<'t, 'i> {
    type Item = Value<'t, 'i>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl FusedIterator for Items<'_, '_> {}

impl<'t, 'i> Items<'t, 'i> {
    /// As `next`, for an item of which `read` goes through all entries: this spares the search
    /// for its end. `None` also if the item is no dictionary.
    pub(crate) fn next_dict<T>(
        &mut self,
        read: impl FnOnce(&mut Entries<'t, 'i>) -> T,
    ) -> Option<T> {
        let Children { tape, next: index, end } = self.0;
        let item = Value { tape, index };
        if tape.spans.get(index)?.start >= end || item.kind() != Kind::Dict {
            return None;
        }
        let mut entries = item.entries();
        let out = read(&mut entries);
        self.0.next = entries.0.next;
        Some(out)
    }
}

/// The content of a string.
#[inline]
fn content(input: &[u8], span: Span) -> Option<&[u8]> {
    let raw = &input[span.range()];
    if !raw[0].is_ascii_digit() {
        return None;
    }
    let colon = raw.iter().position(|&byte| byte == b':')?;
    Some(&raw[colon + 1..])
}

/// The strings of a list: see [`Value::strings`].
#[derive(Clone, Debug)]
pub struct Strings<'t, 'i> {
    input: &'i [u8],
    items: core::slice::Iter<'t, Span>,
}

impl<'i> Iterator for Strings<'_, 'i> {
    type Item = &'i [u8];

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        content(self.input, *self.items.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl ExactSizeIterator for Strings<'_, '_> {}
impl FusedIterator for Strings<'_, '_> {}

/// The keys and values of a dictionary: see [`Value::entries`].
#[derive(Clone, Debug)]
pub struct Entries<'t, 'i>(Children<'t, 'i>);

impl<'t, 'i> Iterator for Entries<'t, 'i> {
    type Item = (&'i [u8], Value<'t, 'i>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Children { tape, next, end } = &mut self.0;
        let index = *next;
        if tape.spans.get(index)?.start >= *end {
            return None;
        }
        // A key is a string, so its value is what comes next on the tape.
        let value = Value { tape, index: index + 1 };
        *next = tape.after(index + 1);
        Some((Value { tape, index }.as_bytes()?, value))
    }
}

impl FusedIterator for Entries<'_, '_> {}
