//! From bytes to a [`Tape`]: one pass, one loop, a stack of fixed size.

use alloc::vec::Vec;

use super::{
    DEPTH_MAX, Error, ErrorKind, INPUT_BYTES_MAX, LENGTH_DIGITS_MAX, Mode, Span, TOKENS_MAX, Tape,
};

/// Decodes an input that holds one value.
///
/// # Errors
/// The first fault, with its offset. Bytes after the value are an error in [`Mode::Strict`] and
/// an oddity in [`Mode::Tolerant`].
pub fn decode(input: &[u8], mode: Mode) -> Result<Tape<'_>, Error> {
    let mut decoder = Decoder::new(input, mode)?;
    let end = decoder.run()?;
    if end < input.len() {
        decoder.deviation(end, ErrorKind::Trailing)?;
    }
    Ok(decoder.tape)
}

/// Decodes the value at the start of an input, and says how many bytes it takes.
///
/// # Errors
/// The first fault, with its offset.
pub fn decode_prefix(input: &[u8], mode: Mode) -> Result<(Tape<'_>, usize), Error> {
    let mut decoder = Decoder::new(input, mode)?;
    let end = decoder.run()?;
    Ok((decoder.tape, end))
}

/// A container that is not closed yet.
#[derive(Clone, Copy)]
struct Open {
    /// Its place on the tape.
    index: u32,
    /// What may come next.
    wants: Wants,
    /// The content of the latest key, if there was one; no content ends at 0.
    key: Span,
    /// Whether a key was smaller than the one before it.
    unsorted: bool,
}

/// Around the outermost value.
const OUTSIDE: Open = Open { index: 0, wants: Wants::Item, key: NO_KEY, unsorted: false };

/// Before the first key of a dictionary.
const NO_KEY: Span = Span { start: 0, end: 0 };

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// In a list: any value.
    Item,
    /// In a dictionary: a key.
    Key,
    /// In a dictionary, after a key: any value.
    Value,
}

struct Decoder<'i> {
    tape: Tape<'i>,
    strict: bool,
    at: usize,
    /// The innermost open container; around everything there is one that takes any value.
    top: Open,
    /// The containers around it, outermost first.
    around: [Open; DEPTH_MAX],
    depth: usize,
}

impl<'i> Decoder<'i> {
    fn new(input: &'i [u8], mode: Mode) -> Result<Self, Error> {
        if input.len() > INPUT_BYTES_MAX {
            return Err(Error { offset: INPUT_BYTES_MAX, kind: ErrorKind::Size });
        }
        // Real torrents take six to eight bytes a value; the tape grows if it must.
        let spans = Vec::with_capacity((input.len() / 6 + 4).min(TOKENS_MAX));
        Ok(Self {
            tape: Tape { input, spans, oddities: Vec::new() },
            strict: mode == Mode::Strict,
            at: 0,
            top: OUTSIDE,
            around: [OUTSIDE; DEPTH_MAX],
            depth: 0,
        })
    }

    /// Decodes one value, and returns where it ends.
    fn run(&mut self) -> Result<usize, Error> {
        loop {
            self.step()?;
            if self.depth == 0 {
                return Ok(self.at);
            }
        }
    }

    /// Decodes a scalar, or the start or the end of a container.
    #[inline]
    fn step(&mut self) -> Result<(), Error> {
        let start = self.at;
        let Some(&byte) = self.tape.input.get(start) else {
            return self.fault(start, ErrorKind::End);
        };
        match byte {
            b'0'..=b'9' => self.bytes(start),
            b'e' if self.depth > 0 => self.close(),
            b'i' | b'l' | b'd' if self.top.wants == Wants::Key => self.fault(start, ErrorKind::Key),
            b'i' => self.int(start),
            b'l' => self.begin(start, Wants::Item),
            b'd' => self.begin(start, Wants::Key),
            _ => self.fault(start, ErrorKind::Unexpected),
        }
    }

    #[inline]
    fn bytes(&mut self, start: usize) -> Result<(), Error> {
        let input = self.tape.input;
        let mut at = start;
        let mut length = 0u64;
        loop {
            let Some(&byte) = input.get(at) else { return self.fault(at, ErrorKind::End) };
            at += 1;
            match byte {
                b'0'..=b'9' if at - start <= LENGTH_DIGITS_MAX => {
                    length = length * 10 + u64::from(byte - b'0');
                }
                b':' => break,
                b'0'..=b'9' => return self.fault(start, ErrorKind::Length),
                _ => return self.fault(at - 1, ErrorKind::Length),
            }
        }
        if input[start] == b'0' && at - start > 2 {
            self.deviation(start, ErrorKind::LeadingZero)?;
        }
        if length > (input.len() - at) as u64 {
            return self.fault(start, ErrorKind::TooLong);
        }
        self.at = at + length as usize;
        self.push(start, self.at)?;
        if self.top.wants == Wants::Key {
            return self.key(Span { start: at as u32, end: self.at as u32 });
        }
        self.child();
        Ok(())
    }

    fn int(&mut self, start: usize) -> Result<(), Error> {
        let input = self.tape.input;
        let negative = input.get(start + 1) == Some(&b'-');
        let first = start + 1 + usize::from(negative);
        let count = input[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let end = first + count;
        match input.get(end) {
            Some(b'e') if count > 0 => self.at = end + 1,
            Some(_) => return self.fault(end, ErrorKind::Integer),
            None => return self.fault(end, ErrorKind::End),
        }
        let digits = &input[first..end];
        if digits[0] == b'0' && count > 1 {
            self.deviation(start, ErrorKind::LeadingZero)?;
        }
        if negative && digits.iter().all(|&digit| digit == b'0') {
            self.deviation(start, ErrorKind::MinusZero)?;
        }
        if count > 18 && !fits(digits, negative) {
            self.deviation(start, ErrorKind::Range)?;
        }
        self.push(start, self.at)?;
        self.child();
        Ok(())
    }

    fn begin(&mut self, start: usize, wants: Wants) -> Result<(), Error> {
        if self.depth == DEPTH_MAX {
            return self.fault(start, ErrorKind::Depth);
        }
        let index = self.tape.spans.len() as u32;
        self.push(start, start + 1)?;
        let inside = Open { index, wants, ..OUTSIDE };
        self.around[self.depth] = core::mem::replace(&mut self.top, inside);
        self.depth += 1;
        self.at = start + 1;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let open = self.top;
        if open.wants == Wants::Value {
            return self.fault(self.at, ErrorKind::MissingValue);
        }
        self.at += 1;
        self.depth -= 1;
        self.top = self.around[self.depth];
        self.tape.spans[open.index as usize].end = self.at as u32;
        if open.unsorted {
            self.find_duplicate(open.index as usize)?;
        }
        self.child();
        Ok(())
    }

    /// Notes that a value is complete: in a dictionary a key comes next.
    fn child(&mut self) {
        if self.top.wants == Wants::Value {
            self.top.wants = Wants::Key;
        }
    }

    /// Checks a key, the latest value, against the key before it.
    #[inline]
    fn key(&mut self, content: Span) -> Result<(), Error> {
        self.top.wants = Wants::Value;
        let last = core::mem::replace(&mut self.top.key, content);
        if last.end == NO_KEY.end {
            return Ok(());
        }
        let (key, last) = (&self.tape.input[content.range()], &self.tape.input[last.range()]);
        // BEP 3: "Keys must be strings and appear in sorted order (sorted as raw strings)".
        // Most differ in the first byte.
        if key.first() > last.first() || key > last { Ok(()) } else { self.bad_key(key == last) }
    }

    #[cold]
    fn bad_key(&mut self, same: bool) -> Result<(), Error> {
        let offset = self.tape.spans[self.tape.spans.len() - 1].start as usize;
        if same {
            return self.deviation(offset, ErrorKind::Duplicate);
        }
        self.top.unsorted = true;
        self.deviation(offset, ErrorKind::Unsorted)
    }

    /// Looks for equal keys in a dictionary whose keys are not sorted.
    fn find_duplicate(&mut self, dict: usize) -> Result<(), Error> {
        if self.tape.oddities.iter().any(|oddity| oddity.kind == ErrorKind::Duplicate) {
            return Ok(());
        }
        let mut keys = Vec::new();
        let mut at = dict + 1;
        while at < self.tape.spans.len() {
            keys.push(at as u32);
            at = self.tape.after(at + 1);
        }
        keys.sort_by(|&a, &b| self.key_bytes(a as usize).cmp(self.key_bytes(b as usize)));
        let twice = keys
            .windows(2)
            .filter(|pair| self.key_bytes(pair[0] as usize) == self.key_bytes(pair[1] as usize))
            .map(|pair| self.tape.spans[pair[1] as usize].start as usize)
            .min();
        twice.map_or(Ok(()), |offset| self.deviation(offset, ErrorKind::Duplicate))
    }

    fn key_bytes(&self, index: usize) -> &'i [u8] {
        let raw = &self.tape.input[self.tape.spans[index].range()];
        let colon = raw.iter().position(|&byte| byte == b':').expect("keys are strings");
        &raw[colon + 1..]
    }

    fn push(&mut self, start: usize, end: usize) -> Result<(), Error> {
        if self.tape.spans.len() == TOKENS_MAX {
            return self.fault(start, ErrorKind::Tokens);
        }
        self.tape.spans.push(Span { start: start as u32, end: end as u32 });
        Ok(())
    }

    /// What is not canonical: an error, or an oddity of which the first of its kind is kept.
    #[cold]
    fn deviation(&mut self, offset: usize, kind: ErrorKind) -> Result<(), Error> {
        if self.strict {
            return Err(Error { offset, kind });
        }
        if self.tape.oddities.iter().all(|oddity| oddity.kind != kind) {
            self.tape.oddities.push(Error { offset, kind });
        }
        Ok(())
    }

    #[cold]
    fn fault(&self, offset: usize, kind: ErrorKind) -> Result<(), Error> {
        Err(Error { offset, kind })
    }
}

/// Whether these digits are a number of 64 bits with a sign.
fn fits(digits: &[u8], negative: bool) -> bool {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    let digits = &digits[zeros..];
    let largest: &[u8] = if negative { b"9223372036854775808" } else { b"9223372036854775807" };
    digits.len() < largest.len() || (digits.len() == largest.len() && digits <= largest)
}
