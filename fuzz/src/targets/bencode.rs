//! Bencode, strict and tolerant, against itself and two other decoders.

use librqbit_bencode::{BencodeValue, ByteBuf};
use toubkal_wire::bencode::{
    DEPTH_MAX, ErrorKind, Mode, Node, Value, decode, decode_prefix, encode,
};

use crate::memory;

pub(crate) fn bencode(input: &[u8]) {
    let (tolerant, bytes) = memory::peak(|| decode(input, Mode::Tolerant));
    // A tape of eight bytes a value, which doubles as it grows, and the oddities.
    assert!(bytes <= 16 * input.len() + 4096, "{bytes} bytes for {}", input.len());
    let strict = decode(input, Mode::Strict);
    let canonical = tolerant.as_ref().is_ok_and(|tape| tape.oddities().is_empty());
    assert_eq!(strict.is_ok(), canonical, "{strict:?}");
    for result in [&tolerant, &strict] {
        if let Err(error) = result {
            assert!(error.offset <= input.len(), "{error:?}");
            assert!(!error.to_string().is_empty());
        }
    }
    if let Ok(tape) = &strict {
        let node = tape.root().to_node().expect("strict numbers fit");
        assert_eq!(encode(&node), input, "there is one canonical form");
    }
    if let Ok(tape) = &tolerant {
        visit(tape.root());
        if let Ok(node) = tape.root().to_node() {
            comes_back(&node);
        }
    }
    if let Ok((tape, end)) = decode_prefix(input, Mode::Tolerant) {
        assert_eq!(tape.root().raw(), &input[..end]);
    }
    agrees_with_bendy(input);
    agrees_with_librqbit(input);
}

/// What is encoded decodes to the same, without an oddity.
fn comes_back(node: &Node) {
    let bytes = encode(node);
    let tape = decode(&bytes, Mode::Strict).expect("what is encoded is canonical");
    assert_eq!(&tape.root().to_node().expect("it came from a node"), node);
}

/// Asks every value all questions.
fn visit(value: Value<'_, '_>) {
    assert!(!value.raw().is_empty());
    let kinds = u8::from(value.as_bytes().is_some()) + u8::from(value.as_int().is_some());
    assert!(kinds <= 1, "{value:?}");
    let strings = value.strings().map(Iterator::count);
    let items = value.items().inspect(|&item| visit(item)).count();
    assert!(strings.is_none_or(|count| count == items));
    for (key, child) in value.entries() {
        visit(child);
        let first = value.get(key).expect("the key was just listed");
        assert!(first.span().start <= child.span().start, "of equal keys the first counts");
    }
}

/// Strict decoding takes what bendy takes, for the same value.
fn agrees_with_bendy(input: &[u8]) {
    let ours = decode_prefix(input, Mode::Strict);
    let ours = ours.map(|(tape, _)| tape.root().to_node().expect("strict numbers fit"));
    let mut decoder = bendy::decoding::Decoder::new(input).with_max_depth(DEPTH_MAX);
    let theirs = match decoder.next_object() {
        Ok(Some(object)) => {
            bendy::decoding::FromBencode::decode_bencode_object(object).map_err(drop)
        }
        _ => Err(()),
    };
    match (ours, theirs.map(from_bendy)) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs),
        (Err(_), Err(())) => {}
        (ours, theirs) => panic!("{}: {ours:?}, bendy {theirs:?}", input.escape_ascii()),
    }
}

/// Tolerant decoding and librqbit-bencode see the same value where both see one.
fn agrees_with_librqbit(input: &[u8]) {
    let Ok(tape) = decode(input, Mode::Tolerant) else { return };
    // Of equal keys librqbit keeps the last, and long integers overflow in it.
    let differs = [ErrorKind::Duplicate, ErrorKind::Range];
    if tape.oddities().iter().any(|oddity| differs.contains(&oddity.kind)) {
        return;
    }
    if let Ok(theirs) = librqbit_bencode::dyn_from_bytes::<ByteBuf<'_>>(input) {
        let ours = tape.root().to_node().expect("numbers fit");
        assert_eq!(ours, from_librqbit(theirs));
    }
}

fn from_bendy(value: bendy::value::Value<'_>) -> Node {
    use bendy::value::Value::{Bytes, Dict, Integer, List};
    match value {
        Integer(value) => Node::Int(value),
        Bytes(value) => Node::Bytes(value.into_owned()),
        List(items) => Node::List(items.into_iter().map(from_bendy).collect()),
        Dict(entries) => {
            let entries = entries.into_iter();
            Node::Dict(entries.map(|(key, value)| (key.into_owned(), from_bendy(value))).collect())
        }
    }
}

fn from_librqbit(value: BencodeValue<ByteBuf<'_>>) -> Node {
    match value {
        BencodeValue::Integer(value) => Node::Int(value),
        BencodeValue::Bytes(value) => Node::Bytes(value.as_ref().to_vec()),
        BencodeValue::List(items) => Node::List(items.into_iter().map(from_librqbit).collect()),
        BencodeValue::Dict(entries) => {
            let entries = entries.into_iter();
            Node::Dict(entries.map(|(k, v)| (k.as_ref().to_vec(), from_librqbit(v))).collect())
        }
    }
}
