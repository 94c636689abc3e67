//! A private torrent behind a link, with real programs: nobody but its peers hears of it once its
//! metadata is known.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use toubkal_interop::{Client, Content, Host, Network, Nodes};

const PORT: u16 = 6881;
/// Where torrents are spoken of on the local network (BEP 14).
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 192, 152, 143);
const GROUP_PORT: u16 = 6771;
/// A torrent of nobody, which is asked for to mark a moment.
const MARK: &str = "4444444444444444444444444444444444444444";

/// Beside it the same program has a public torrent: what is said of that, and who is called for it,
/// shows that there would be time for the other.
#[test]
fn a_private_torrent_behind_a_link_is_hidden_once_it_is_known() {
    let net = Network::new();
    let nodes = Nodes::start(&net, 0, 4);
    let ear = Ear::on(net.host());
    let private = Content::tree("private").private();
    let public = Content::single("public.bin", 100_000);
    // Without a tracker rTorrent gives nothing of it; the link names none.
    let mut tracker = net.tracker(&private);
    let seed = net.start(Client::Rtorrent, &private).tracker(&tracker).up_limit(800_000).seed();
    tracker.until_seeds(1);
    let get = net.start(Client::Toubkal, &private).magnet().peer(&seed).dht(nodes.router()).lan();
    let mut get = get.option(&public.magnet(&[], &[])).keep_seeding().get_listening();
    let log = get.log();
    let says = |words: &str| fs::read_to_string(&log).unwrap().matches(words).count();
    get.until("the metadata is known", || says("\"private\":true") == 1);
    nodes.until_asked(MARK);
    ear.forget();

    // Somebody on the local network says that he has both.
    ear.say(&[&private.info_hash(), &public.info_hash()]);
    assert_eq!(ear.called_for(), public.info_hash());
    let _other = net.start(Client::Toubkal, &public).peer(&get).seed();
    get.until("both are there", || says("\"event\":\"done\"") == 2);
    let told = format!("told {}", public.info_hash());
    get.until("the public one is announced", || nodes.heard().contains(&told));

    let heard = nodes.heard();
    let (before, after) = heard.split_once(MARK).unwrap();
    assert!(before.contains(&format!("asked {}", private.info_hash())), "it was looked for");
    assert!(!heard.contains(&format!("told {}", private.info_hash())), "{heard}");
    assert!(!after.contains(&private.info_hash()), "{after}");
    assert!(!ear.heard(get.address().ip()).contains(&private.info_hash()));
}

/// Somebody on the local network who listens, and can be called.
struct Ear {
    host: Host,
    group: UdpSocket,
    calls: TcpListener,
}

impl Ear {
    fn on(host: Host) -> Ear {
        let IpAddr::V4(here) = host.v4() else { panic!("it is an IPv4 address") };
        let group = host.run(move || {
            let socket = UdpSocket::bind((GROUP, GROUP_PORT)).unwrap();
            socket.join_multicast_v4(&GROUP, &here).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        });
        let calls = host.run(move || TcpListener::bind((here, PORT)).unwrap());
        Ear { host, group, calls }
    }

    /// Says that these torrents are here.
    fn say(&self, torrents: &[&str]) {
        let head =
            format!("BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: {PORT}\r\n");
        let torrents = torrents.iter().map(|hash| format!("Infohash: {hash}\r\n"));
        let packet = head + &torrents.collect::<String>() + "\r\n\r\n";
        let from = SocketAddr::new(self.host.v4(), 0);
        let socket = self.host.run(move || UdpSocket::bind(from).unwrap());
        socket.send_to(packet.as_bytes(), (GROUP, GROUP_PORT)).unwrap();
    }

    /// The info-hash in the first handshake that comes.
    fn called_for(&self) -> String {
        let (mut call, _) = self.calls.accept().unwrap();
        call.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // BEP 3: 20 bytes of name, 8 flags, the info-hash.
        let mut greeting = [0; 48];
        call.read_exact(&mut greeting).unwrap();
        greeting[28..].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Forgets what was said until now.
    fn forget(&self) {
        while self.group.recv(&mut [0; 2000]).is_ok() {}
    }

    /// What one address has said since.
    fn heard(&self, by: IpAddr) -> String {
        let mut said = String::new();
        let mut packet = [0; 2000];
        while let Ok((length, from)) = self.group.recv_from(&mut packet) {
            if from.ip() == by {
                said.push_str(&String::from_utf8_lossy(&packet[..length]).to_lowercase());
            }
        }
        said
    }
}
