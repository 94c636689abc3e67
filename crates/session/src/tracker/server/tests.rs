use super::*;
use std::io::{Read, Write};
use std::net::TcpStream;
use toubkal_wire::announce::Reply;
use toubkal_wire::udp_tracker::{self, Question, Request, Response};

fn server(options: Options) -> Server {
    Server::start("127.0.0.1:0".parse().unwrap(), options).unwrap()
}

fn open(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Sends bytes, and reads until the server closes.
fn exchange(server: &Server, request: &[u8]) -> String {
    let mut stream = open(server);
    // It may be refused half-way.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(server: &Server, target: &str) -> String {
    exchange(
        server,
        format!("GET {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").as_bytes(),
    )
}

fn announce(server: &Server, peer: char, port: u16, rest: &str) -> Vec<u8> {
    let (hash, id) = ("a".repeat(20), peer.to_string().repeat(20));
    let target = format!("/announce?info_hash={hash}&peer_id={id}&port={port}&left=1{rest}");
    let answer = get(server, &target);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.as_bytes().to_vec()
}

#[test]
fn peers_come_as_bytes_or_as_dictionaries_as_asked() {
    let server = server(Options::default());
    announce(&server, 'b', 258, "&compact=1");
    let compact = announce(&server, 'c', 2, "&compact=1");
    let text = String::from_utf8_lossy(&compact);
    assert!(text.contains("5:peers6:\x7f\0\0\x01\x01\x02"), "{text}");
    let list = announce(&server, 'd', 3, "&numwant=1");
    let Ok(Reply::Answer(answer)) = Reply::decode(&list) else { panic!("{list:?}") };
    assert_eq!(answer.peers.len(), 1);
    assert!(answer.peers[0].id.is_some());
    let list = announce(&server, 'd', 3, "&compact=0&no_peer_id=1");
    let Ok(Reply::Answer(answer)) = Reply::decode(&list) else { panic!("{list:?}") };
    assert!(answer.peers.len() == 2 && answer.peers.iter().all(|peer| peer.id.is_none()));
    let scrape = get(&server, &format!("/scrape?info_hash={}", "a".repeat(20)));
    assert!(scrape.contains("8:completei0e10:downloadedi0e10:incompletei3e"), "{scrape}");
}

#[test]
fn nonsense_gets_an_answer_and_does_no_harm() {
    let server = server(Options::default());
    for (target, expected) in [
        ("/announce", "info_hash has to be 20 bytes"),
        ("/announce?info_hash=%zz%", "info_hash has to be 20 bytes"),
        ("/scrape", "d5:filesdee"),
        ("/", "A BitTorrent tracker"),
        ("/../../etc/passwd", "404"),
        ("/admin", "404"),
    ] {
        let answer = get(&server, target);
        assert!(answer.contains(expected), "{target}: {answer}");
    }
    assert!(
        exchange(&server, b"POST /announce HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            .contains("405")
    );
    exchange(&server, b"garbage\r\n\r\n");
    exchange(&server, &[0; 100]);
    assert_eq!(server.size(), (0, 0));
    announce(&server, 'b', 1, "");
    assert_eq!(server.size(), (1, 1));
}

#[test]
fn a_head_that_is_too_long_or_too_slow_is_cut_off() {
    let options = Options { head_time: Duration::from_millis(100), ..Options::default() };
    let server = server(options);
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    let answer = exchange(&server, long.as_bytes());
    assert!(!answer.contains("200 OK"), "{answer}");
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(1000));
    assert!(!exchange(&server, many.as_bytes()).contains("200 OK"));
    // Half a head, then silence: the server hangs up. So it does where nothing comes at all.
    for start in [&b"GET /announce HTTP/1.1\r\nHost"[..], b""] {
        assert!(!exchange(&server, start).contains("200 OK"));
    }
}

#[test]
fn a_connection_has_its_time_and_there_are_only_so_many() {
    let options = Options {
        connections_max: 2,
        head_time: Duration::from_secs(3600),
        connection_time: Duration::from_millis(200),
        ..Options::default()
    };
    let server = server(options);
    // Two hold all places with half a request each; the third is served when their time is over.
    let _holding: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = open(&server);
            stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
            stream
        })
        .collect();
    assert!(get(&server, "/").contains("200 OK"));
}

#[test]
fn a_connection_can_be_used_again() {
    let server = server(Options::default());
    let mut stream = open(&server);
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"/announce.\n") {
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    }
}

#[test]
fn udp_and_http_tell_of_the_same_peers() {
    let server = server(Options::default());
    announce(&server, 'b', 258, "&compact=1");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let ask = |question| {
        // What is no question is not answered, and does no harm.
        socket.send_to(b"garbage", server.address()).unwrap();
        let packet = Request { transaction: 7, question }.encode();
        socket.send_to(&packet, server.address()).unwrap();
        let mut answer = [0; 200];
        let length = socket.recv(&mut answer).unwrap();
        Response::decode(&answer[..length], false).unwrap().reply
    };
    let udp_tracker::Reply::Connected(connection) = ask(Question::Connect) else {
        panic!("no connection id")
    };
    let query = Query { left: 1, ..Query::new([b'a'; 20], [b'c'; 20], 3) };
    let path = String::new();
    let reply = ask(Question::Announce { connection, query, path });
    let udp_tracker::Reply::Announced(answer) = reply else { panic!("{reply:?}") };
    assert_eq!(answer.peers[0].address, "127.0.0.1:258".parse().unwrap());
    assert_eq!(server.size(), (1, 2));
}

#[test]
fn it_ends_and_gives_its_port_back() {
    let first = server(Options::default());
    let address = first.address();
    let taken = Server::start(address, Options::default()).unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    drop(first);
    Server::start(address, Options::default()).unwrap();
}
