//! Parsing a torrent takes at most four times its size and 16 MB of memory, however it is made.
//!
//! Measured as the peak of the resident memory, which Linux lets a process read and reset.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test that looks at its own process, not part of the library"
)]

use std::fmt::Write as _;
use std::process::Command;
use std::{env, fs};

use toubkal_wire::metainfo::Metainfo;

/// What may be used beside four times the input. The inputs here are small, for speed, so this is
/// a quarter of what large ones may use.
const SLACK: usize = 4_000_000;

/// Tells a process that it is to measure the input of this number.
const CASE: &str = "TOUBKAL_MEMORY_CASE";

#[test]
fn parsing_takes_at_most_four_times_the_input_and_a_bit() {
    if let Ok(case) = env::var(CASE) {
        return measure(case.parse().expect("a number"));
    }
    let program = env::current_exe().expect("a test knows its own file");
    for case in 0..hostile().len() {
        // A process each, that gives freed memory back at once, or the peak would show nothing.
        let output = Command::new(&program)
            .args(["--nocapture", "--test-threads=1"])
            .env(CASE, case.to_string())
            .env("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=65536")
            .output()
            .expect("a test can start itself");
        println!("{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn measure(case: usize) {
    let (name, bytes) = hostile().swap_remove(case);
    let before = resident("VmRSS");
    fs::write("/proc/self/clear_refs", "5").expect("the peak can be reset");
    let parsed = Metainfo::parse(&bytes);
    let used = resident("VmHWM").saturating_sub(before);
    println!("{name}: {:.2} times the input", used as f64 / bytes.len() as f64);
    assert!(used <= 4 * bytes.len() + SLACK, "{name}: {used} bytes for {}", bytes.len());
    drop(parsed);
}

/// A figure of this process in bytes.
fn resident(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the field is there");
    line.split_whitespace().nth(1).expect("a number").parse::<usize>().expect("in kB") * 1024
}

fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let v1 = |files: String| {
        format!("d4:infod5:filesl{files}e4:name1:a12:piece lengthi16384e6:pieces0:ee").into_bytes()
    };
    let file = |path: &str| format!("d6:lengthi0e4:pathl{path}ee");
    let many = |count: usize, path: &dyn Fn(usize) -> String| {
        v1((0..count).map(|index| file(&path(index))).collect())
    };
    let numbered = |index: usize| format!("6:{index:06}");
    let deep = |index: usize| format!("6:{index:06}{}", "1:d".repeat(63));
    let folders = (0..250_000).fold(String::new(), |mut folders, index| {
        write!(folders, "7:{index:07}de").expect("a string takes it");
        folders
    });
    let tree = |tree: &str| {
        format!("d4:infod9:file treed{tree}e12:meta versioni2e4:name1:a12:piece lengthi16384eee")
    };
    let root = "x".repeat(32);
    let leaves = (0..80_000).fold(String::new(), |mut files, index| {
        let fields = format!("d6:lengthi1e11:pieces root32:{root}e");
        write!(files, "6:{index:06}d0:{fields}e").expect("a string takes it");
        files
    });
    vec![
        ("empty strings", [b"l".to_vec(), b"0:".repeat(5_000_000), b"e".to_vec()].concat()),
        ("empty lists", [b"l".to_vec(), b"le".repeat(5_000_000), b"e".to_vec()].concat()),
        ("one long string", [b"d4:info15000000:".to_vec(), vec![b'x'; 15_000_001]].concat()),
        ("many files", many(120_000, &numbered)),
        ("many files of one name", many(120_000, &|_| "1:a".into())),
        ("many files whose names change", many(120_000, &|_| "1:?".into())),
        ("many folders", many(10_000, &deep)),
        ("many long names of junk", many(15_000, &|_| format!("690:{}", "\u{1}".repeat(690)))),
        ("a tree of empty folders", tree(&folders).into_bytes()),
        ("a tree of many files", tree(&leaves).into_bytes()),
        ("unsorted keys", {
            let keys = (0..350_000).rev().fold(String::new(), |mut keys, index| {
                write!(keys, "7:{index:07}0:").expect("a string takes it");
                keys
            });
            format!("d{keys}e").into_bytes()
        }),
    ]
}
