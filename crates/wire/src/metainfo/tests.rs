use std::vec::Vec;

use super::*;
use crate::bencode::{Node, encode};
use std::string::ToString;
use std::vec;

pub(super) fn info_v1_multi() -> Node {
    let file = |length: i64, path: &[&str]| {
        let path: Vec<Node> = path.iter().map(|&part| Node::from(part)).collect();
        Node::from([("length", Node::from(length)), ("path", Node::from(path))])
    };
    Node::from([
        ("name", Node::from("Atlas")),
        ("piece length", Node::from(16384)),
        ("pieces", Node::from(vec![1; 40])),
        ("files", Node::from(vec![file(20000, &["a", "b.txt"]), file(0, &["c"]), file(3, &["d"])])),
    ])
}

#[test]
fn a_torrent_of_several_files_is_read() {
    let bytes = encode(&Node::from([
        ("announce", Node::from("http://tracker.example/announce")),
        ("info", info_v1_multi()),
    ]));
    let metainfo = Metainfo::parse(&bytes).unwrap();
    assert_eq!(metainfo.name, "Atlas");
    assert_eq!(metainfo.folder(), Some("Atlas"));
    assert_eq!(metainfo.pieces(), 2);
    assert_eq!(metainfo.total(), 20003);
    assert_eq!(metainfo.layout().unwrap().pieces(), 2);
    let files: Vec<_> = metainfo.files().map(|file| (file.path.to_string(), file.length)).collect();
    assert_eq!(files, [("a/b.txt".into(), 20000), ("c".into(), 0), ("d".into(), 3)]);
    assert_eq!(metainfo.oddities, []);
    let info = encode(&info_v1_multi());
    assert_eq!(bytes[metainfo.info_span.clone()], info);
    assert!(metainfo.info_hash_v2.is_none());
}
