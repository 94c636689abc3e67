//! `toubkal get MAGNET` and `toubkal info MAGNET`, with a seed on loopback.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Child;

use common::{run, toubkal};

const NOBODY: &str = "magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&dn=nobody";

/// A seed of two files, its link with one peer, and the child that is the seed.
struct Seed {
    link: String,
    hash: String,
    child: Child,
    folder: tempfile::TempDir,
}

impl Seed {
    fn new(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("data/some files");
        fs::create_dir_all(&top).unwrap();
        fs::write(top.join("one.txt"), vec![1; 300_000]).unwrap();
        fs::write(top.join("two.bin"), vec![2; 100_001]).unwrap();
        let (data, torrent) = (folder.path().join("data"), folder.path().join("a.torrent"));
        let [data, torrent, top] = [&data, &torrent, &top].map(|path| path.to_str().unwrap());
        let made = run(["create", top, "-o", torrent, "--json"].iter().chain(flags));
        assert_eq!(made.code, 0, "{made:#?}");
        let args = ["seed", torrent, "--data", data, "--listen", "127.0.0.1:0", "--json"];
        let mut child = toubkal(args).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: serde_json::Value =
            serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let address = first["addresses"][0].as_str().unwrap().to_owned();
        // It goes on printing; somebody has to read.
        std::thread::spawn(move || lines.for_each(drop));
        let link = run(["magnet", torrent, "--peer", &address]).stdout.trim().to_owned();
        let hash = link.split(['=', '&', ':']).find(|part| part.len() == 40).unwrap().to_owned();
        Self { link, hash, child, folder }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The events of a run with `--json`.
fn events(stdout: &str) -> Vec<serde_json::Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_link_is_all_that_get_needs_and_what_it_means_is_remembered() {
    let seed = Seed::new(&[]);
    let out = seed.folder().join("out");
    let args = ["get", &seed.link, "--no-listen", "--no-lan", "--json", "-o"];
    let ran = run(args.iter().copied().chain([out.to_str().unwrap()]));
    assert_eq!(ran.code, 0, "{ran:#?}");
    let events = events(&ran.stdout);
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let at =
        |name: &str| names.iter().position(|it| *it == name).unwrap_or_else(|| panic!("{name}"));
    let order = ["listen", "magnet", "metadata", "start", "checked", "done", "end"].map(at);
    assert!(order.is_sorted(), "{names:?}");
    assert_eq!(events[at("magnet")]["peers"], 1);
    assert_eq!(events[at("start")]["selected_size"], 400_001);
    assert_eq!(events[at("done")]["torrent"], *seed.hash);
    assert_eq!(fs::read(out.join("some files/two.bin")).unwrap(), vec![2; 100_001]);

    // Nobody is needed any more: the link alone is enough.
    let bare = format!("magnet:?xt=urn:btih:{}", seed.hash);
    let again = run(["get", &bare, "--no-lan", "--no-listen", "-o", out.to_str().unwrap()]);
    assert_eq!(again.code, 0, "{again:#?}");
    assert!(again.stdout.contains("some files, 400 kB, was complete already"), "{again:#?}");
}

#[test]
fn of_a_link_only_what_is_selected_is_fetched() {
    let seed = Seed::new(&[]);
    let one = seed.folder().join("one");
    let by_link = format!("{}&so=1", seed.link);
    let flags = ["--no-listen", "--no-lan", "-o"];
    let ran = run(["get", &by_link].into_iter().chain(flags).chain([one.to_str().unwrap()]));
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stdout.contains("100 kB"), "{ran:#?}");
    assert!(!one.join("some files/one.txt").exists());
    let two = seed.folder().join("two");
    let select = ["get", &by_link, "--select", "*.txt"];
    let ran = run(select.into_iter().chain(flags).chain([two.to_str().unwrap()]));
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(two.join("some files/one.txt").exists() && !two.join("some files/two.bin").exists());
    // A slip is told when the names are known, as it is told of a torrent file.
    let three = seed.folder().join("three");
    let slip = ["get", &seed.link, "--select", "*.mkv"];
    let ran = run(slip.into_iter().chain(flags).chain([three.to_str().unwrap()]));
    ran.fails_well(2, "nothing is selected");
    assert!(ran.stderr.contains("one.txt") && !three.exists(), "{ran:#?}");
}

#[test]
fn a_link_that_nobody_knows_ends_with_its_time() {
    let out = tempfile::tempdir().unwrap();
    let quiet = ["--no-listen", "--no-lan", "--timeout", "1"];
    let get = ["get", NOBODY, "-o", out.path().to_str().unwrap()];
    let ran = run(get.into_iter().chain(quiet));
    ran.fails_well(1, "nobody has it");
    assert!(ran.stderr.contains("nobody gave its file list after 1 second"), "{ran:#?}");
    let ran = run(["info", NOBODY].into_iter().chain(quiet));
    ran.fails_well(1, "nobody has it");
    let ran = run(get.into_iter().chain(quiet).chain(["--json"]));
    assert_eq!(events(&ran.stdout).last().unwrap()["code"], 1, "{ran:#?}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "nothing is made for it");
    // Who has patience for peers, and no more, is told so.
    let patient = ["--no-listen", "--no-lan", "--patience", "1"];
    run(get.into_iter().chain(patient)).fails_well(4, "nobody is there");
}

#[test]
fn info_fetches_what_a_link_means_and_saves_it() {
    let seed = Seed::new(&["--announce", "http://127.0.0.1:1/announce"]);
    let saved = seed.folder().join("saved.torrent");
    let saved = saved.to_str().unwrap();
    let flags = ["--no-listen", "--no-lan"];
    let text = run(["info", &seed.link, "--save", saved].into_iter().chain(flags));
    assert_eq!(text.code, 0, "{text:#?}");
    assert!(text.stdout.contains("two.bin") && text.stdout.contains(&seed.hash), "{text:#?}");
    let json = |source: &str| {
        let ran = run(["info", source, "--json"].into_iter().chain(flags));
        assert_eq!(ran.code, 0, "{ran:#?}");
        serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()
    };
    let (by_link, by_file) = (json(&seed.link), json(saved));
    assert_eq!(by_link, by_file);
    assert_eq!(by_link["trackers"][0], "http://127.0.0.1:1/announce");
    let again = run(["info", &seed.link, "--save", saved].into_iter().chain(flags));
    again.fails_well(6, "the file is there");
}

#[test]
fn a_private_torrent_is_given_to_nobody_who_has_only_its_link() {
    let seed = Seed::new(&["--private"]);
    let flags = ["--no-listen", "--no-lan", "--timeout", "2"];
    let ran = run(["info", &seed.link].into_iter().chain(flags));
    ran.fails_well(1, "it is private");
}
