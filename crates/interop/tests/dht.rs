//! The DHT with real programs: who is found by whom, and what is published and followed.
#![cfg(target_os = "linux")]
#![expect(deprecated, reason = "what mainline offers in place of this needs an executor")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use mainline::{Dht, Id, MutableItem, SigningKey};
use toubkal_interop::{
    Client, Content, Host, Network, Nodes, Process, libtorrent_dht, node, toubkal,
};

const PORT: u16 = 6881;
/// A torrent that each kind of node announces.
const HASHES: [&str; 3] = [
    "1111111111111111111111111111111111111111",
    "5555555555555555555555555555555555555555",
    "9999999999999999999999999999999999999999",
];
/// The seeds of the keys under which each kind stores a text.
const SEEDS: [[u8; 32]; 3] = [[1; 32], [2; 32], [3; 32]];
const TEXTS: [&str; 3] = ["of Toubkal", "of libtorrent", "of mainline"];

/// 12 nodes of Toubkal, 12 of libtorrent, 10 of mainline: what one kind announces or stores, the
/// others find.
#[test]
fn every_kind_of_node_finds_what_the_others_tell() {
    let net = Network::loopback();
    let folder = tempfile::tempdir().unwrap();
    let log = |name: &str| folder.path().join(name);
    let hosts: Vec<Host> = (0..12).map(|_| net.host()).collect();
    let router = at(&hosts[0]);
    let _nodes: Vec<Process> = hosts.iter().map(|host| node(host, router, &log("node"))).collect();
    let crowd: Vec<String> = (0..12).map(|_| at(&net.host()).to_string()).collect();
    let quiet: Vec<Host> = (0..10).map(|_| net.host()).collect();
    let announcer = net.host();
    let keys = SEEDS.map(|seed| SigningKey::from_bytes(&seed).verifying_key().to_bytes());
    let peers = [at(&announcer).to_string(), crowd[0].clone(), at(&quiet[0]).to_string()];

    let _get = toubkal_tells(&announcer, router, folder.path());
    let mut others = libtorrent_dht();
    others.arg(router.to_string()).arg(crowd.join(","));
    others.arg(format!("announce:{}", HASHES[1]));
    others.arg(format!("put:{}:{}:{}", hex(&SEEDS[1]), hex(&keys[1]), TEXTS[1]));
    let wishes = [0, 2].map(|kind| {
        let find = format!("find:{}:{}", HASHES[kind], peers[kind]);
        [find, format!("get:{}:{}", hex(&keys[kind]), TEXTS[kind])]
    });
    others.args(wishes.as_flattened());
    let mut others = Process::start(&hosts[0], others, &log("libtorrent"));

    let quiet: Vec<Dht> = quiet.iter().map(|host| mainline(host, router)).collect();
    let id = |kind: usize| Id::from_bytes(unhex(HASHES[kind])).unwrap();
    assert!(quiet[0].bootstrapped());
    let key = SigningKey::from_bytes(&SEEDS[2]);
    others.until("mainline announces", || quiet[0].announce_peer(id(2), Some(PORT)).is_ok());
    let item = MutableItem::new(key, TEXTS[2].as_bytes(), 1, None);
    others.until("mainline stores", || quiet[1].put_mutable(item.clone(), None).is_ok());

    for kind in [0, 1] {
        let peer: std::net::SocketAddrV4 = peers[kind].parse().unwrap();
        let finds = || quiet[5].get_peers(id(kind)).any(|found| found.contains(&peer));
        others.until(&format!("mainline finds {}", HASHES[kind]), finds);
        let reads = || {
            let found = quiet[6].get_mutable_most_recent(&keys[kind], None);
            found.is_some_and(|item| item.value() == TEXTS[kind].as_bytes())
        };
        others.until(&format!("mainline reads what is {}", TEXTS[kind]), reads);
    }
    for kind in [1, 2] {
        let (find, read) = (log(&format!("find{kind}")), log(&format!("read{kind}")));
        let says = |what: &[&str], log: &Path, answer: &str| {
            let mut ask = toubkal();
            ask.arg("dht").args(what).bootstrap(router);
            let mut asked = Process::start(&announcer, ask, log);
            asked.wait();
            asked.output().lines().any(|line| line == answer)
        };
        let finds = || says(&["find-peers", HASHES[kind]], &find, &peers[kind]);
        others.until(&format!("Toubkal finds {}", HASHES[kind]), finds);
        let reads = || says(&["get", &hex(&keys[kind])], &read, TEXTS[kind]);
        others.until(&format!("Toubkal reads what is {}", TEXTS[kind]), reads);
    }
    let output = log("libtorrent");
    for wish in wishes.as_flattened() {
        let line = format!("granted {wish}");
        let granted = || fs::read_to_string(&output).unwrap().lines().any(|said| said == line);
        others.until(&line, granted);
    }
}

/// Toubkal announces what it looks for, as long as it does, and stores a text.
fn toubkal_tells(host: &Host, router: SocketAddr, folder: &Path) -> Process {
    let (link, listen) = (format!("magnet:?xt=urn:btih:{}", HASHES[0]), at(host).to_string());
    let mut get = toubkal();
    get.current_dir(folder).args(["get", &link, "-o", "out", "--no-lan", "--listen", &listen]);
    get.bootstrap(router);
    let get = Process::start(host, get, &folder.join("get"));
    fs::write(folder.join("key"), hex(&SEEDS[0])).unwrap();
    let ours = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(folder.join("key"), ours).unwrap();
    let mut put = toubkal();
    put.current_dir(folder).args(["dht", "put", TEXTS[0], "--key", "key"]);
    put.bootstrap(router);
    assert!(Process::start(host, put, &folder.join("put")).wait().success());
    get
}

#[test]
fn a_link_with_nothing_but_an_info_hash_is_enough() {
    let net = Network::new();
    let content = Content::tree("tree");
    let nodes = Nodes::start(&net, 3, 0);
    let with = |client| net.start(client, &content).dht(nodes.router());
    let _seed = with(Client::Toubkal).seed();
    let mut get = with(Client::Toubkal).magnet().get();
    get.complete();
    content.assert_same(get);
}

/// Two machines, and a DHT on others: a second version comes, and what has not changed is taken
/// from the first.
#[test]
fn what_is_published_is_followed_from_version_to_version() {
    let net = Network::new();
    let folder = tempfile::tempdir().unwrap();
    let at_folder = |name: &str| folder.path().join(name);
    let nodes = Nodes::start(&net, 4, 4);
    let router = nodes.router();
    let (here, there) = (net.host(), net.host());
    let goods = at_folder("news");
    fs::create_dir(&goods).unwrap();
    let same = vec![7; 300_000];
    fs::write(goods.join("same"), &same).unwrap();
    fs::write(goods.join("old"), "the first").unwrap();
    let publish = |log: &str| {
        let mut publish = toubkal();
        publish.current_dir(&folder).args(["publish", "news", "--key", "my.key", "--no-lan"]);
        publish.arg("--listen").arg(at(&here).to_string()).bootstrap(router);
        Process::start(&here, publish, &at_folder(log))
    };
    let link_in = |log: &str| {
        let said = fs::read_to_string(at_folder(log)).unwrap_or_default();
        let mut lines = said.lines();
        lines.find(|line| line.starts_with("magnet:?xs=urn:btpk:")).map(str::to_owned)
    };
    let mut first = publish("first");
    first.until("it is published", || link_in("first").is_some());
    let link = link_in("first").unwrap();
    assert!(
        !fs::read_to_string(at_folder("first"))
            .unwrap()
            .contains(fs::read_to_string(at_folder("my.key")).unwrap().trim())
    );

    let mut subscribe = toubkal();
    subscribe.current_dir(&folder).args([
        "subscribe",
        &link,
        "-o",
        "out",
        "--no-lan",
        "--keep-old",
    ]);
    subscribe.args(["--every", "1", "--listen"]).arg(at(&there).to_string()).bootstrap(router);
    let mut subscribe = Process::start(&there, subscribe, &at_folder("subscribe"));
    let read = |path: &str| fs::read(at_folder("out/news").join(path)).unwrap_or_default();
    subscribe.until("the first version is there", || read("old") == b"the first");

    first.stop();
    fs::remove_file(goods.join("old")).unwrap();
    fs::write(goods.join("new"), "the second").unwrap();
    let mut second = publish("second");
    second.until("it is published", || link_in("second").is_some());
    assert_eq!(link_in("second"), Some(link), "the link stays the same");
    subscribe.until("the second version is there", || read("new") == b"the second");
    assert_eq!(read("same"), same);
    assert_eq!(read("old"), b"");
    let said = || fs::read_to_string(at_folder("subscribe")).unwrap();
    subscribe.until("it is said what was re-used", || said().contains("1 file as they were"));
    let kept = fs::read_dir(at_folder("out")).unwrap().flatten();
    let mut kept =
        kept.filter(|entry| entry.file_name().to_string_lossy().starts_with("news.version-"));
    let kept = kept.next().expect("the old version is kept").path();
    assert_eq!(fs::read(kept.join("old")).unwrap(), b"the first");
}

/// Nodes that a command begins with.
trait Bootstrap {
    fn bootstrap(&mut self, node: SocketAddr) -> &mut Self;
}

impl Bootstrap for Command {
    fn bootstrap(&mut self, node: SocketAddr) -> &mut Self {
        self.arg("--bootstrap").arg(node.to_string())
    }
}

fn at(host: &Host) -> SocketAddr {
    SocketAddr::new(host.v4(), PORT)
}

fn v4(host: &Host) -> Ipv4Addr {
    match host.v4() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => panic!("it is an IPv4 address"),
    }
}

/// A node of mainline.
fn mainline(host: &Host, router: SocketAddr) -> Dht {
    let ip = v4(host);
    host.run(move || {
        let mut builder = Dht::builder();
        builder.bootstrap(&[router]).bind_address(ip).port(PORT).server_mode();
        builder.build().expect("it has an address of its own")
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
