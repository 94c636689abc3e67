use std::format;
use std::string::ToString;
use std::vec;

use alloc::vec::Vec;

use bendy::decoding::FromBencode;
use librqbit_bencode::{BencodeValue, ByteBuf};
use proptest::prelude::*;

use super::Mode::{Strict, Tolerant};
use super::*;

fn fault(input: &[u8], mode: Mode) -> (usize, ErrorKind) {
    let error = decode(input, mode).expect_err("the input is broken");
    (error.offset, error.kind)
}

/// The kinds of oddity that the tolerant mode notes, with their offsets.
fn oddities(input: &[u8]) -> Vec<(usize, ErrorKind)> {
    let tape = decode(input, Tolerant).expect("the tolerant mode takes it");
    tape.oddities().iter().map(|oddity| (oddity.offset, oddity.kind)).collect()
}

#[test]
fn the_four_kinds_are_read() {
    let tape = decode(b"d1:ai-7e1:bl3:xyz0:e1:cdee", Strict).unwrap();
    let root = tape.root();
    assert_eq!(root.kind(), Kind::Dict);
    assert_eq!(root.get(b"a").unwrap().as_int(), Some(-7));
    let items: Vec<_> = root.get(b"b").unwrap().items().map(super::Value::as_bytes).collect();
    assert_eq!(items, [Some(&b"xyz"[..]), Some(b"")]);
    assert_eq!(root.get(b"c").unwrap().kind(), Kind::Dict);
    assert_eq!(root.get(b"c").unwrap().entries().count(), 0);
    assert!(root.get(b"d").is_none());
    assert_eq!(root.entries().map(|(key, _)| key).collect::<Vec<_>>(), [b"a", b"b", b"c"]);
}

#[test]
fn questions_of_the_wrong_kind_have_no_answer() {
    let tape = decode(b"l2:hii5ed1:k1:vee", Strict).unwrap();
    let [text, int, dict] = tape.root().items().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((text.as_int(), int.as_int(), dict.as_int()), (None, Some(5), None));
    assert_eq!((text.as_str(), int.as_str(), dict.as_str()), (Some("hi"), None, None));
    assert_eq!(text.items().count() + int.items().count() + dict.items().count(), 0);
    assert_eq!(tape.root().entries().count() + int.entries().count(), 0);
    assert!(tape.root().get(b"k").is_none());
}

#[test]
fn every_value_knows_its_exact_bytes() {
    let input = b"d4:infod4:name1:x5:filesldeleee4:zzzzi0ee";
    let tape = decode(input, Tolerant).unwrap();
    let info = tape.root().get(b"info").unwrap();
    assert_eq!(info.raw(), b"d4:name1:x5:filesldeleee");
    assert_eq!(info.span(), 7..7 + info.raw().len());
    assert_eq!(info.get(b"name").unwrap().raw(), b"1:x");
    assert_eq!(tape.root().get(b"zzzz").unwrap().raw(), b"i0e");
    assert_eq!(tape.root().raw(), input);
}

#[test]
fn a_fault_is_named_with_its_offset() {
    let table: &[(&[u8], usize, ErrorKind)] = &[
        (b"", 0, ErrorKind::End),
        (b"x", 0, ErrorKind::Unexpected),
        (b"e", 0, ErrorKind::Unexpected),
        (b"-", 0, ErrorKind::Unexpected),
        (b"l", 1, ErrorKind::End),
        (b"li1e", 4, ErrorKind::End),
        (b"lx", 1, ErrorKind::Unexpected),
        (b"i", 1, ErrorKind::End),
        (b"i12", 3, ErrorKind::End),
        (b"ie", 1, ErrorKind::Integer),
        (b"i-e", 2, ErrorKind::Integer),
        (b"i--1e", 2, ErrorKind::Integer),
        (b"i+1e", 1, ErrorKind::Integer),
        (b"i1.5e", 2, ErrorKind::Integer),
        (b"i 1e", 1, ErrorKind::Integer),
        (b"3", 1, ErrorKind::End),
        (b"3x", 1, ErrorKind::Length),
        (b"3:ab", 0, ErrorKind::TooLong),
        (b"9000000000000:ab", 0, ErrorKind::TooLong),
        (b"999999999999999999:ab", 0, ErrorKind::TooLong),
        (b"1000000000000000000:ab", 0, ErrorKind::Length),
        (b"18446744073709551617:ab", 0, ErrorKind::Length),
        (b"di1ei2ee", 1, ErrorKind::Key),
        (b"dlei2ee", 1, ErrorKind::Key),
        (b"d1:ae", 4, ErrorKind::MissingValue),
        (b"d1:a", 4, ErrorKind::End),
    ];
    for &(input, offset, kind) in table {
        let name = input.escape_ascii().to_string();
        assert_eq!(fault(input, Strict), (offset, kind), "{name}");
        assert_eq!(fault(input, Tolerant), (offset, kind), "{name}");
    }
}

#[test]
fn what_is_not_canonical_is_an_error_or_an_oddity() {
    let table: &[(&[u8], usize, ErrorKind)] = &[
        (b"d1:bi1e1:ai2ee", 7, ErrorKind::Unsorted),
        (b"d1:ai1e1:ai2ee", 7, ErrorKind::Duplicate),
        (b"i03e", 0, ErrorKind::LeadingZero),
        (b"i00e", 0, ErrorKind::LeadingZero),
        (b"i-03e", 0, ErrorKind::LeadingZero),
        (b"i-0e", 0, ErrorKind::MinusZero),
        (b"l03:abce", 1, ErrorKind::LeadingZero),
        (b"00:", 0, ErrorKind::LeadingZero),
        (b"i9223372036854775808e", 0, ErrorKind::Range),
        (b"i-9223372036854775809e", 0, ErrorKind::Range),
        (b"i100000000000000000000e", 0, ErrorKind::Range),
        (b"i1ei2e", 3, ErrorKind::Trailing),
        (b"i1e\n", 3, ErrorKind::Trailing),
    ];
    for &(input, offset, kind) in table {
        let name = input.escape_ascii().to_string();
        assert_eq!(fault(input, Strict), (offset, kind), "{name}");
        assert_eq!(oddities(input), [(offset, kind)], "{name}");
    }
}

#[test]
fn integers_reach_to_both_ends_of_64_bits() {
    for value in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX] {
        let input = format!("i{value}e");
        assert_eq!(decode(input.as_bytes(), Strict).unwrap().root().as_int(), Some(value));
    }
    let tape = decode(b"i9223372036854775808e", Tolerant).unwrap();
    assert_eq!(tape.root().kind(), Kind::Int);
    assert_eq!(tape.root().as_int(), None);
    assert_eq!(tape.root().to_node().unwrap_err().kind, ErrorKind::Range);
    assert_eq!(decode(b"i-000e", Tolerant).unwrap().root().as_int(), Some(0));
    let zeros = format!("i{}9223372036854775807e", "0".repeat(50));
    let tape = decode(zeros.as_bytes(), Tolerant).unwrap();
    assert_eq!(tape.root().as_int(), Some(i64::MAX));
    assert_eq!(tape.oddities()[0].kind, ErrorKind::LeadingZero);
    assert_eq!(tape.oddities().len(), 1);
}

#[test]
fn of_equal_keys_the_first_counts_wherever_the_second_stands() {
    let input = b"d1:bi1e1:ai2e1:bi3ee";
    let tape = decode(input, Tolerant).unwrap();
    assert_eq!(tape.root().get(b"b").unwrap().as_int(), Some(1));
    let Node::Dict(entries) = tape.root().to_node().unwrap() else { panic!() };
    assert_eq!(entries[&b"b"[..]], Node::Int(1));
    assert_eq!(oddities(input), [(7, ErrorKind::Unsorted), (13, ErrorKind::Duplicate)]);
    // Equal keys in different dictionaries are none.
    assert_eq!(oddities(b"d1:bd1:ai1ee1:ad1:ai1eee"), [(12, ErrorKind::Unsorted)]);
}

#[test]
fn a_prefix_says_how_far_it_reaches() {
    let (tape, end) = decode_prefix(b"d1:ai1eePAYLOAD", Strict).unwrap();
    assert_eq!((tape.root().raw(), end), (&b"d1:ai1ee"[..], 8));
    assert!(tape.oddities().is_empty());
}

/// Runs a test on a thread whose stack is as small as the smallest that the system may give.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(test).unwrap();
    thread.join().unwrap();
}

#[test]
fn deep_nesting_is_an_error_and_needs_no_stack() {
    on_a_small_stack(|| {
        for mode in [Strict, Tolerant] {
            let deep = b"l".repeat(200_000);
            assert_eq!(fault(&deep, mode), (DEPTH_MAX, ErrorKind::Depth));
            let deep = b"d1:a".repeat(200_000);
            assert_eq!(fault(&deep, mode), (4 * DEPTH_MAX, ErrorKind::Depth));
        }
        let deepest = [b"l".repeat(DEPTH_MAX), b"e".repeat(DEPTH_MAX)].concat();
        let tape = decode(&deepest, Strict).unwrap();
        assert_eq!(encode(&tape.root().to_node().unwrap().clone()), deepest);
    });
}

#[test]
fn the_number_of_values_is_limited() {
    let mut many = b"0:".repeat(TOKENS_MAX - 1);
    many.insert(0, b'l');
    many.push(b'e');
    assert_eq!(decode(&many, Strict).unwrap().root().items().count(), TOKENS_MAX - 1);
    many.insert(1, b'd');
    many.insert(2, b'e');
    assert_eq!(fault(&many, Strict), (many.len() - 3, ErrorKind::Tokens));
}

#[test]
fn many_unsorted_keys_take_no_square_time() {
    let mut input = b"d".to_vec();
    for key in (0..300_000).rev() {
        input.extend_from_slice(format!("6:{key:06}le").as_bytes());
    }
    input.push(b'e');
    assert_eq!(oddities(&input), [(11, ErrorKind::Unsorted)]);
}

#[test]
fn the_encoder_writes_nested_containers() {
    let mut out = b"before".to_vec();
    let mut encoder = Encoder::new(&mut out);
    encoder.dict().key("a").list().int(0).int(-12).bytes("").end();
    encoder.key("b").dict().key("").raw(b"le").end().end();
    assert_eq!(out.escape_ascii().to_string(), "befored1:ali0ei-12e0:e1:bd0:leee");
}

#[test]
#[should_panic(expected = "sorted and unique")]
fn the_encoder_refuses_unsorted_keys() {
    Encoder::new(&mut Vec::new()).dict().key("b").int(1).key("a").int(1);
}

#[test]
fn a_tree_is_built_from_plain_values() {
    let node = Node::from([
        ("peers", Node::from(vec![Node::from("p"), Node::from(&b"\xff"[..])])),
        ("interval", Node::from(60)),
    ]);
    assert_eq!(encode(&node), b"d8:intervali60e5:peersl1:p1:\xffee");
}

fn any_node() -> impl Strategy<Value = Node> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..12);
    let leaf = prop_oneof![any::<i64>().prop_map(Node::Int), bytes().prop_map(Node::Bytes)];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Node::List),
            prop::collection::btree_map(bytes(), inner, 0..8).prop_map(Node::Dict),
        ]
    })
}

/// Text that is almost bencode: pieces of it in any order.
fn almost() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: &[&str] =
        &["d", "l", "e", "i", "1:a", "1:b", "0:", "2:aa", "i0e", "i-1e", "i1e", "i-0e", "i01e"];
    prop::collection::vec(prop::sample::select(PARTS), 0..12)
        .prop_map(|parts| parts.concat().into_bytes())
}

/// Something valid with one byte changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    (any_node(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(node, at, byte)| {
        let mut bytes = encode(&node);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    })
}

fn from_bendy(value: bendy::value::Value<'_>) -> Node {
    use bendy::value::Value::{Bytes, Dict, Integer, List};
    match value {
        Integer(value) => Node::Int(value),
        Bytes(value) => Node::Bytes(value.into_owned()),
        List(items) => Node::List(items.into_iter().map(from_bendy).collect()),
        Dict(entries) => Node::Dict(
            entries.into_iter().map(|(key, value)| (key.into_owned(), from_bendy(value))).collect(),
        ),
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

/// Whether the strict mode and bendy take the same inputs, for the same value.
fn agrees_with_bendy(input: &[u8]) -> Result<(), TestCaseError> {
    let ours = decode_prefix(input, Strict).map(|(tape, _)| tape.root().to_node().unwrap());
    let mut decoder = bendy::decoding::Decoder::new(input).with_max_depth(DEPTH_MAX);
    let theirs = match decoder.next_object() {
        Ok(Some(object)) => bendy::value::Value::decode_bencode_object(object).map_err(drop),
        _ => Err(()),
    };
    match (ours, theirs.map(from_bendy)) {
        (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
        (Err(_), Err(_)) => {}
        (ours, theirs) => {
            prop_assert!(false, "{}: {ours:?}, bendy {theirs:?}", input.escape_ascii());
        }
    }
    Ok(())
}

/// Whether the tolerant mode and librqbit-bencode see the same value where both see one.
fn agrees_with_librqbit(input: &[u8]) -> Result<(), TestCaseError> {
    let Ok(tape) = decode(input, Tolerant) else { return Ok(()) };
    // Of equal keys librqbit keeps the last, and long integers overflow in it.
    let differs = [ErrorKind::Duplicate, ErrorKind::Range];
    if tape.oddities().iter().any(|oddity| differs.contains(&oddity.kind)) {
        return Ok(());
    }
    if let Ok(theirs) = librqbit_bencode::dyn_from_bytes::<ByteBuf<'_>>(input) {
        prop_assert_eq!(tape.root().to_node().unwrap(), from_librqbit(theirs));
    }
    Ok(())
}

/// Looks at everything a tape offers.
fn visit(value: Value<'_, '_>) -> usize {
    let own = value.raw().len() + value.as_int().is_some() as usize;
    let items: usize = value.items().map(visit).sum();
    own + items + value.entries().map(|(key, value)| key.len() + visit(value)).sum::<usize>()
}

proptest! {
    #[test]
    fn decoding_what_was_encoded_gives_it_back(node in any_node()) {
        let bytes = encode(&node);
        for mode in [Strict, Tolerant] {
            let tape = decode(&bytes, mode).unwrap();
            prop_assert!(tape.oddities().is_empty());
            prop_assert_eq!(tape.root().to_node().unwrap(), node.clone());
        }
        agrees_with_bendy(&bytes)?;
        agrees_with_librqbit(&bytes)?;
    }

    #[test]
    fn encoding_what_was_strictly_decoded_gives_it_back(bytes in prop_oneof![almost(), mutated()]) {
        if let Ok(tape) = decode(&bytes, Strict) {
            prop_assert_eq!(encode(&tape.root().to_node().unwrap()), bytes);
        }
    }

    #[test]
    fn both_modes_agree_with_other_decoders(bytes in prop_oneof![almost(), mutated()]) {
        agrees_with_bendy(&bytes)?;
        agrees_with_librqbit(&bytes)?;
    }

    #[test]
    fn what_is_strict_is_tolerated_and_without_oddity(bytes in prop_oneof![almost(), mutated()]) {
        let canonical = decode(&bytes, Tolerant).is_ok_and(|tape| tape.oddities().is_empty());
        prop_assert_eq!(decode(&bytes, Strict).is_ok(), canonical);
    }

    #[test]
    fn no_input_panics(bytes in prop_oneof![
        almost(), mutated(), prop::collection::vec(any::<u8>(), 0..64)
    ]) {
        if let Ok((tape, end)) = decode_prefix(&bytes, Tolerant) {
            prop_assert!(end <= bytes.len());
            visit(tape.root());
        }
    }

    #[test]
    fn every_prefix_of_a_value_is_cut_short(node in any_node()) {
        let bytes = encode(&node);
        for end in 0..bytes.len() {
            prop_assert!(decode(&bytes[..end], Tolerant).is_err());
        }
    }

    #[test]
    fn the_tape_and_the_tree_list_the_same_entries(
        map in prop::collection::btree_map("[a-z]{0,3}", any::<i64>(), 0..40)
    ) {
        let entries = map.iter().map(|(key, value)| (key.clone().into_bytes(), Node::Int(*value)));
        let node = Node::Dict(entries.collect());
        let bytes = encode(&node);
        let tape = decode(&bytes, Strict).unwrap();
        prop_assert_eq!(tape.len(), 1 + 2 * map.len());
        for (key, value) in &map {
            prop_assert_eq!(tape.root().get(key.as_bytes()).unwrap().as_int(), Some(*value));
        }
    }
}
