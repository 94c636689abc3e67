//! `toubkal sim`: what it prints, draws and refuses.

mod common;

use std::fs;

use common::run;
use serde_json::Value;

const SMALL: [&str; 5] = ["sim", "--peers", "5", "--size", "2M"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.iter().chain(more).copied().collect()
}

fn object(args: &[&str]) -> Value {
    let ran = run(with(args));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    serde_json::from_str(&ran.stdout).expect("one object")
}

#[test]
fn people_get_a_table_whose_values_stand_below_each_other() {
    let ran = run(with(&["--seeds", "2", "--quiet"]));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    for name in ["fluid bound", "median", "95 %", "last", "wasted", "fairness"] {
        assert!(ran.stdout.lines().any(|line| line.trim_start().starts_with(name)), "{name}");
    }
    assert_eq!(ran.stdout.matches("a seed gave").count(), 2, "{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.len() <= 79), "{}", ran.stdout);
}

#[test]
fn programs_get_one_object_whose_numbers_fit_together() {
    let swarm = object(&["--json"]);
    let number = |name: &str| swarm[name].as_f64().unwrap_or_else(|| panic!("{name}: {swarm}"));
    assert_eq!((swarm["peers"].as_u64(), swarm["complete"].as_u64()), (Some(5), Some(5)));
    // The seed of 1 MB/s gives 2 MB once.
    assert_eq!(number("bound"), 2.0);
    assert!(number("bound") <= number("median") && number("median") <= number("p95"));
    assert!(number("p95") <= number("last"));
    assert!((number("last_ratio") - number("last") / 2.0).abs() < 1e-5);
    assert!((0.2..=1.0).contains(&number("fairness")));
    assert_eq!(swarm["took"].as_array().map(Vec::len), Some(5));
    let gave = swarm["seeds_gave"][0].as_u64().expect("bytes");
    assert!(gave >= 2_000_000, "what is everywhere came from the seed: {gave}");
}

#[test]
fn the_same_chance_gives_the_same_run_and_another_another() {
    let first = object(&["--json", "--seed", "7"]);
    assert_eq!(first, object(&["--json", "--seed", "7"]));
    assert_ne!(first["took"], object(&["--json", "--seed", "8"])["took"]);
}

#[test]
fn every_policy_can_be_played() {
    for policy in ["rarest", "sequential", "random"] {
        let swarm = object(&["--json", "--policy", policy, "--seeds-leave"]);
        assert_eq!((swarm["policy"].as_str(), swarm["complete"].as_u64()), (Some(policy), Some(5)));
    }
}

#[test]
fn a_drawing_is_whole_and_holds_no_script() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("swarm.svg");
    let ran = run(with(&["--quiet", "--svg", path.to_str().unwrap()]));
    assert_eq!(ran.code, 0, "{ran:#?}");
    let drawing = fs::read_to_string(path).unwrap();
    assert!(drawing.starts_with("<svg") && drawing.ends_with("</svg>\n"));
    for part in ["1 seed, 5 peers, 2 MB", "fluid bound 2.0 s", "virtual time in seconds", "100 %"] {
        assert!(drawing.contains(part), "{part}");
    }
    assert!(!drawing.contains("<script") && !drawing.contains("href"));
}

#[test]
fn what_cannot_be_played_is_refused_at_once() {
    let table: &[(&[&str], i32, &str)] = &[
        (&["--peers", "0"], 2, "at least one peer"),
        (&["--size", "0"], 2, "at least one byte"),
        (&["--seeds", "0"], 2, "without a seed"),
        (&["--peers", "5000"], 2, "1,000 can be simulated"),
        (&["--peers", "4294967295", "--seeds", "4294967295"], 2, "too many"),
        (&["--size", "1T"], 2, "too much to simulate"),
        (&["--size", "16777215T"], 2, "too much to simulate"),
        (&["--up", "0"], 2, "from 1 kB/s"),
        (&["--policy", "best"], 2, "rarest"),
        (&["--latency", "99999"], 2, "--latency"),
        (&["--piece-length", "3k"], 2, "power of two"),
        (&["--svg", "/no/such/folder/swarm.svg"], 6, "no such file or folder"),
    ];
    for (args, code, words) in table {
        let about = args.join(" ");
        let ran = run(["sim"].iter().chain(*args));
        ran.fails_well(*code, &about);
        assert!(ran.stderr.contains(words), "{about}: {ran:#?}");
    }
}
