//! What a session records can be played again, and says the same.

mod common;

use std::fs;

use common::{Content, Running, run};

/// Downloads with a record, and says where that is.
fn recorded(content: &Content) -> String {
    let (_seed, peer) = Running::seed(content);
    let (out, record) = (content.path("out"), content.path("record"));
    let words = ["-o", &out, "--no-listen", "--peer", &peer, "--record", &record];
    let ran = run(["get", &content.torrent].into_iter().chain(words));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    content.is_same("out");
    record
}

#[test]
fn a_recorded_download_is_played_again_and_ends_in_the_same_way() {
    let content = Content::new(None);
    let record = recorded(&content);
    let ran = run(["replay", &record]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    assert!(ran.stdout.contains("Handshaken"), "{ran:#?}");
    assert!(ran.stdout.ends_with("the engine did as it did then\n"), "{ran:#?}");
    let quiet = run(["replay", &record, "--quiet"]);
    assert!(quiet.stdout.lines().count() <= 4, "{quiet:#?}");
    let last = run(["replay", &record, "--last", "3"]);
    assert_eq!(last.stdout.lines().count(), quiet.stdout.lines().count() + 3, "{last:#?}");
    let json = run(["replay", &record, "--json"]);
    let end: serde_json::Value = serde_json::from_str(json.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&end["cut"], &end["differs"]), (&false.into(), &serde_json::Value::Null));
    assert_eq!(end["torrents"][0]["left"], 0);
    let documented =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/json.md")).unwrap();
    for line in json.stdout.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        for field in object.as_object().unwrap().keys() {
            assert!(documented.contains(&format!("`{field}`")), "{field} is not documented");
        }
    }
}

#[test]
fn no_name_and_no_byte_of_a_file_is_in_a_record() {
    let content = Content::new(None);
    let bytes = fs::read(recorded(&content)).unwrap();
    let whole = bytes.len();
    // BEP 9 has this word in its handshakes.
    let text = String::from_utf8_lossy(&bytes).replace("metadata", "");
    for name in ["things", "file", "data", "out"] {
        assert!(!text.contains(name), "{name}");
    }
    assert!(whole < 60_000, "{whole} bytes for 1 MB");
}

#[test]
fn a_record_that_is_cut_off_is_played_as_far_as_it_goes() {
    let content = Content::new(None);
    let record = recorded(&content);
    let bytes = fs::read(&record).unwrap();
    fs::write(&record, &bytes[..bytes.len() - 3]).unwrap();
    let ran = run(["replay", &record, "--quiet"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stdout.contains("cut off there"), "{ran:#?}");
}

#[test]
fn what_is_no_record_is_said_to_be_none() {
    let content = Content::new(None);
    run(["replay", &content.torrent]).fails_well(1, "a torrent");
    run(["replay", &content.path("nothing")]).fails_well(1, "a missing file");
    let nowhere = content.path("no/folder/record");
    let words = ["-o", &content.path("out"), "--no-listen", "--record", &nowhere];
    run(["get", &content.torrent].into_iter().chain(words)).fails_well(1, "no folder");
    assert!(!std::path::Path::new(&content.path("out")).exists());
}
