//! What fuzzing has kept is played again, without a fuzzer.

use std::fs;
use std::path::Path;

use toubkal_fuzz::TARGETS;

/// Inputs of a target that are in the repository, with their names.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut inputs: Vec<_> = files
        .map(|file| {
            let path = file.expect("a folder can be listed").path();
            (path.display().to_string(), fs::read(&path).expect("it can be read"))
        })
        .collect();
    inputs.sort();
    inputs
}

#[test]
fn no_input_of_the_corpus_breaks_a_promise() {
    for target in TARGETS {
        for (path, input) in inputs(target.name) {
            let played = std::panic::catch_unwind(|| (target.play)(&input));
            assert!(played.is_ok(), "again: cargo run -p toubkal-fuzz {} {path}", target.name);
        }
    }
}

#[test]
fn every_target_has_a_corpus_and_takes_what_is_in_no_corpus() {
    for target in TARGETS {
        assert!(!inputs(target.name).is_empty(), "{} has no corpus", target.name);
        for input in [&b""[..], b"\0", b"d", &[0xff; 300], &[b'1'; 300]] {
            (target.play)(input);
        }
    }
}

#[test]
fn the_corpus_is_small() {
    let all = TARGETS.iter().flat_map(|target| inputs(target.name));
    let bytes: usize = all.map(|(_, input)| input.len()).sum();
    assert!(bytes <= 500_000, "{bytes} bytes: cargo xtask fuzz --merge");
}
