use super::reach::{Family, is_local};
use super::*;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// Short enough for tests, long enough for a machine under load.
fn options() -> HttpOptions {
    HttpOptions {
        first_byte: Duration::from_millis(300),
        total: Duration::from_secs(1),
        ..HttpOptions::default()
    }
}

/// A patient one, for servers that are expected to answer.
fn patient() -> HttpOptions {
    HttpOptions { first_byte: Duration::from_secs(20), ..HttpOptions::default() }
}

/// 127.0.0.1 stands for this computer, 127.0.0.2 for the internet, and names end in both.
const WORLD: World = World {
    look_up: |name| match name {
        "public.example" => Ok(vec![IpAddr::from([127, 0, 0, 2])]),
        "local.example" => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
        "both.example" => Ok(vec![IpAddr::from([192, 0, 2, 1]), IpAddr::from([127, 0, 0, 1])]),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    },
    is_local: |ip| ip != IpAddr::from([127, 0, 0, 2]) && is_local(ip),
};

fn get_with(options: HttpOptions, url: &str, tracker: bool) -> Result<exchange::Page, HttpError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Http::new(options, WORLD).get(url, Family::Any, tracker))
}

fn get(url: &str) -> Result<Vec<u8>, HttpError> {
    get_with(patient(), url, true).map(|page| page.body)
}

/// A server that reads a head and lets `serve` do what it wants. Gives its address, and the
/// heads that it was sent.
fn raw(
    ip: [u8; 4],
    serve: impl Fn(TcpStream, u32) + Send + Sync + 'static,
) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::from(ip), 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (heads, seen) = channel();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for (count, stream) in (0..).zip(listener.incoming()) {
            let (Ok(stream), heads, serve) = (stream, heads.clone(), serve.clone()) else { break };
            thread::spawn(move || {
                let head = read_head(&stream);
                let _ = heads.send(head);
                serve(stream, count);
            });
        }
    });
    (address, seen)
}

fn read_head(mut stream: &TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn says(answer: impl Into<Vec<u8>>) -> impl Fn(TcpStream, u32) + Send + Sync + 'static {
    let answer = answer.into();
    move |mut stream, _| {
        let _ = stream.write_all(&answer);
    }
}

fn page(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn to(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

const HERE: [u8; 4] = [127, 0, 0, 1];

#[test]
fn the_request_is_what_was_asked_for_byte_for_byte() {
    let (address, heads) = raw(HERE, says(page("de")));
    let path = "/p%61ss/announce?x=%7e&info_hash=%00%FF~%2B'%20&left=0";
    assert_eq!(get(&format!("http://{address}{path}")), Ok(b"de".to_vec()));
    let head = heads.recv().unwrap();
    let expected = format!("GET {path} HTTP/1.1\r\n").replace('\'', "%27");
    assert!(head.starts_with(&expected), "{head}");
    let lower = head.to_lowercase();
    assert!(lower.contains("\r\nuser-agent: toubkal/"), "{head}");
    assert!(lower.contains("\r\naccept-encoding: gzip\r\n"), "{head}");
    assert!(!lower.contains("cookie") && !lower.contains("referer"), "{head}");
}

#[test]
fn a_slow_server_is_given_up() {
    let silence = |stream: TcpStream, _: u32| {
        thread::sleep(Duration::from_secs(20));
        drop(stream);
    };
    let (silent, _) = raw(HERE, silence);
    let url = format!("http://{silent}/announce");
    assert_eq!(get_with(options(), &url, true).unwrap_err(), HttpError::TimedOut);
    // One byte now and then keeps nobody here for ever.
    let (dripping, _) = raw(HERE, |mut stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let url = format!("http://{dripping}/announce");
    assert_eq!(get_with(options(), &url, true).unwrap_err(), HttpError::TimedOut);
}

#[test]
fn an_endless_body_is_cut_off() {
    let stopped = Arc::new(AtomicBool::new(false));
    let told = stopped.clone();
    let (address, _) = raw(HERE, move |mut stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
        told.store(true, Ordering::SeqCst);
    });
    let url = format!("http://{address}/announce");
    assert_eq!(get(&url), Err(HttpError::TooLong));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !stopped.load(Ordering::SeqCst) {
        assert!(Instant::now() < deadline, "the connection stays open");
        thread::yield_now();
    }
}

#[test]
fn a_body_of_just_the_limit_is_taken() {
    for (extra, expected) in [(0, Ok(1 << 20)), (1, Err(HttpError::TooLong))] {
        let (address, _) = raw(HERE, says(page(&"x".repeat((1 << 20) + extra))));
        let body = get(&format!("http://{address}/announce"));
        assert_eq!(body.map(|body| body.len()), expected);
    }
}

/// `size` bytes of zeros, compressed: a bomb of stored and repeated blocks made by hand.
fn gzip_zeros(megabytes: usize) -> Vec<u8> {
    // A deflate stream of fixed codes: one literal 0, then matches of 258 bytes at distance 1.
    let mut bits = Bits::default();
    bits.push(0b011, 3);
    bits.push(reverse(0x30, 8), 8);
    let matches = (megabytes << 20) / 258;
    for _ in 0..matches {
        bits.push(reverse(0b1100_0101, 8), 8);
        bits.push(0, 5);
    }
    bits.push(0, 7);
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    out.extend(bits.bytes);
    // The sum is wrong on purpose: nobody gets this far.
    out.extend([0; 8]);
    out
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.last_mut().unwrap();
            *last |= ((value >> bit & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }
}

fn reverse(value: u32, count: u32) -> u32 {
    value.reverse_bits() >> (32 - count)
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n";
    let mut answer = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend(body);
    answer
}

#[test]
fn a_gzip_bomb_is_noticed_while_it_goes_off() {
    let bomb = gzip_zeros(1000);
    assert!(bomb.len() < 8 << 20);
    let (address, _) = raw(HERE, says(gzipped(&bomb)));
    assert_eq!(get(&format!("http://{address}/announce")), Err(HttpError::TooLong));
}

#[test]
fn a_compressed_body_is_read() {
    // `gzip` of "d8:intervali60ee".
    let stored = [
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1, 16, 0, 0xef, 0xff][..],
        b"d8:intervali60ee",
        &crc32(b"d8:intervali60ee").to_le_bytes(),
        &[16, 0, 0, 0],
    ]
    .concat();
    let (address, _) = raw(HERE, says(gzipped(&stored)));
    assert_eq!(get(&format!("http://{address}/announce")), Ok(b"d8:intervali60ee".to_vec()));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 }
        })
    })
}

#[test]
fn broken_http_is_an_error_and_nothing_worse() {
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(4 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for answer in [
        String::new(),
        "garbage\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nde".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nde".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nde".into(),
        format!("{chunk}ffffffffffffffffff\r\nde"),
        format!("{chunk}-1\r\nde\r\n0\r\n\r\n"),
        format!("{chunk}zz\r\nde\r\n0\r\n\r\n"),
        format!("{chunk}ffffffff\r\nde"),
        format!("{chunk}2\r\nde"),
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd".into(),
        huge,
        many,
    ] {
        let start = answer[..answer.len().min(60)].to_owned();
        let (address, _) = raw(HERE, says(answer));
        let error = get(&format!("http://{address}/announce")).unwrap_err();
        let known = [HttpError::Protocol, HttpError::Broken];
        assert!(known.contains(&error), "{start}: {error:?}");
    }
}

#[test]
fn headers_of_old_trackers_are_tolerated() {
    let (address, _) = raw(HERE, says("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nde"));
    assert_eq!(get(&format!("http://{address}/announce")), Ok(b"de".to_vec()));
}

#[test]
fn redirects_are_followed_ten_times_and_no_more() {
    for (count, expected) in [(10, Ok(b"de".to_vec())), (11, Err(HttpError::Redirects))] {
        let asked = Arc::new(AtomicU32::new(0));
        let seen = asked.clone();
        let (address, _) = raw(HERE, move |mut stream, _| {
            let hop = seen.fetch_add(1, Ordering::SeqCst);
            let answer = if hop < count { to("/x/announce") } else { page("de") };
            let answer = answer.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            let _ = stream.write_all(answer.as_bytes());
        });
        assert_eq!(get(&format!("http://{address}/announce")), expected);
        assert_eq!(asked.load(Ordering::SeqCst), 11);
    }
}

#[test]
fn redirects_lead_to_http_only() {
    for target in ["ftp://x/announce", "file:///etc/passwd", "udp://t:1", "http://", "data:,x"] {
        let (address, _) = raw(HERE, says(to(target)));
        let error = get(&format!("http://{address}/announce")).unwrap_err();
        assert_eq!(error, HttpError::Redirect, "{target}");
    }
    for url in ["ftp://x/announce", "file:///etc/passwd", "nonsense", "http://", ""] {
        assert_eq!(get(url), Err(HttpError::Url), "{url}");
    }
}

#[test]
fn on_this_computer_only_a_tracker_is_asked() {
    let (address, heads) = raw(HERE, says(page("de")));
    let port = address.port();
    for (host, path, expected) in [
        ("127.0.0.1", "/announce", true),
        ("127.0.0.1", "/scrape?x=/y", true),
        ("127.0.0.1", "/passkey/announce", true),
        ("127.0.0.1", "/admin", false),
        ("127.0.0.1", "/admin?x=/announce", false),
        ("127.0.0.1", "/announce/", false),
        ("2130706433", "/admin", false),
        ("0x7f.1", "/admin", false),
        ("[::ffff:127.0.0.1]", "/admin", false),
        ("0.0.0.0", "/admin", false),
        ("local.example", "/announce", true),
        ("local.example", "/admin", false),
        ("both.example", "/admin", false),
    ] {
        let got = get(&format!("http://{host}:{port}{path}"));
        if expected {
            assert_eq!(got, Ok(b"de".to_vec()), "{host}{path}");
            heads.recv().unwrap();
        } else {
            assert_eq!(got, Err(HttpError::Loopback), "{host}{path}");
            assert!(heads.try_recv().is_err(), "{host}{path} was asked");
        }
    }
}

// Elsewhere 127.0.0.2 is no address of the loopback interface.
#[cfg(not(target_os = "macos"))]
#[test]
fn nobody_on_the_internet_sends_us_to_this_computer() {
    let (inside, heads) = raw(HERE, says(page("de")));
    let port = inside.port();
    for target in [
        format!("http://{inside}/announce"),
        format!("http://local.example:{port}/announce"),
        format!("http://10.0.0.1:{port}/announce"),
        format!("http://[::1]:{port}/announce"),
        format!("http://[fd00::1]:{port}/announce"),
        format!("http://[::ffff:127.0.0.1]:{port}/announce"),
        format!("//local.example:{port}/announce"),
    ] {
        let (outside, _) = raw([127, 0, 0, 2], says(to(&target)));
        for host in ["public.example", "127.0.0.2"] {
            let url = format!("http://{host}:{}/announce", outside.port());
            assert_eq!(get(&url), Err(HttpError::RedirectToLocal), "{target}");
        }
    }
    // Not over a detour either, and within the internet all is well.
    let (second, _) = raw([127, 0, 0, 2], says(to(&format!("http://{inside}/announce"))));
    let (first, _) = raw([127, 0, 0, 2], says(to(&format!("http://{second}/announce"))));
    let url = format!("http://{first}/announce");
    assert_eq!(get(&url), Err(HttpError::RedirectToLocal));
    assert!(heads.try_recv().is_err());
    let (second, _) = raw([127, 0, 0, 2], says(page("de")));
    let (first, _) = raw([127, 0, 0, 2], says(to(&format!("http://{second}/announce"))));
    assert_eq!(get(&format!("http://{first}/announce")), Ok(b"de".to_vec()));
}

#[test]
fn addresses_are_told_apart() {
    for local in [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd12::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ] {
        assert!(is_local(local.parse().unwrap()), "{local}");
    }
    for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2001:db8::1", "64:ff9b::101:101"] {
        assert!(!is_local(public.parse().unwrap()), "{public}");
    }
}

#[test]
fn errors_say_what_happened_and_never_the_passkey() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (busy, _) =
        raw(HERE, says("HTTP/1.1 503 x\r\nRetry-After: 90\r\nContent-Length: 0\r\n\r\n"));
    let (garbage, _) = raw(HERE, says("garbage\r\n\r\n"));
    let secret = "s3cret/announce?k=s3cret";
    for (url, text) in [
        (format!("http://{closed}/{secret}"), "refused the connection"),
        (format!("http://no.example/{secret}"), "name cannot be found"),
        (format!("http://{garbage}/{secret}"), "broken, or not HTTP"),
        (format!("http://s3cret@:0/{secret}"), "not an address"),
    ] {
        let error = get(&url).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    let page = get_with(patient(), &format!("http://{busy}/{secret}"), true).unwrap();
    let error = page.as_error();
    assert_eq!(error.to_string(), "it answered 503 (Service Unavailable)");
    let wait = toubkal_wire::announce::Retry::After(Duration::from_secs(90));
    assert_eq!(error.problem().retry, Some(wait));
}

#[test]
fn a_document_that_the_user_named_is_fetched_from_anywhere() {
    let (address, _) = raw(HERE, |mut stream, count| {
        let answer = if count == 0 { to("/b.torrent") } else { page("de") };
        let answer = answer.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        let _ = stream.write_all(answer.as_bytes());
    });
    let got = fetch(&format!("http://{address}/a.torrent"), &patient());
    assert_eq!(got, Ok(b"de".to_vec()));
    let (missing, _) = raw(HERE, says("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"));
    let error = fetch(&format!("http://{missing}/a.torrent"), &patient()).unwrap_err();
    assert_eq!(error.to_string(), "it answered 404 (Not Found)");
}

/// Certificates of one authority that these tests trust, and one that nobody does.
mod safe {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd,
    };
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn serve(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> u16 {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(config.clone()).unwrap();
                let mut stream = StreamOwned::new(connection, stream);
                let mut head = [0; 1024];
                if stream.read(&mut head).is_ok() {
                    let _ = stream.write_all(page("de").as_bytes());
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            }
        });
        port
    }

    fn ask(authority: &CertifiedIssuer<'_, KeyPair>, port: u16) -> Result<Vec<u8>, HttpError> {
        let options = HttpOptions { extra_roots: vec![authority.der().to_vec()], ..patient() };
        let url = format!("https://local.example:{port}/announce");
        get_with(options, &url, true).map(|page| page.body)
    }

    fn signed(
        authority: &CertifiedIssuer<'_, KeyPair>,
        name: &str,
        years: (i32, i32),
    ) -> (Vec<CertificateDer<'static>>, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, authority).unwrap();
        (vec![certificate.der().clone()], key)
    }

    #[test]
    fn a_good_certificate_is_accepted() {
        let authority = authority();
        let (chain, key) = signed(&authority, "local.example", (2020, 2090));
        assert_eq!(ask(&authority, serve(chain, &key)), Ok(b"de".to_vec()));
    }

    #[test]
    fn an_expired_one_one_for_another_host_and_a_self_signed_one_are_refused() {
        let good = authority();
        let (chain, key) = signed(&good, "local.example", (2010, 2020));
        let expired = serve(chain, &key);
        let (chain, key) = signed(&good, "local.example", (2080, 2090));
        let early = serve(chain, &key);
        let (chain, key) = signed(&good, "other.example", (2020, 2090));
        let other = serve(chain, &key);
        let (chain, key) = signed(&authority(), "local.example", (2020, 2090));
        let stranger = serve(chain, &key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["local.example".to_owned()]).unwrap();
        let chain = vec![params.self_signed(&key).unwrap().der().clone()];
        let itself = serve(chain, &key);
        for (port, text) in [
            (expired, "has expired"),
            (early, "not valid yet"),
            (other, "for another name"),
            (stranger, "nobody this computer trusts"),
            (itself, "nobody this computer trusts"),
        ] {
            let error = ask(&good, port).unwrap_err();
            assert!(matches!(error, HttpError::Tls(_)), "{error:?}");
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn a_step_down_from_https_is_refused() {
        let authority = authority();
        let (chain, key) = signed(&authority, "local.example", (2020, 2090));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let config = Mutex::new(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let connection = ServerConnection::new(config.lock().unwrap().clone()).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(to("http://local.example:1/announce").as_bytes());
            let _ = stream.flush();
        });
        assert_eq!(ask(&authority, port), Err(HttpError::Redirect));
    }

    #[test]
    fn http_behind_an_https_address_is_not_accepted() {
        let (address, _) = raw(HERE, says(page("de")));
        let url = format!("https://local.example:{}/announce", address.port());
        let error = get_with(options(), &url, true).unwrap_err();
        assert!(!matches!(error, HttpError::Protocol), "{error:?}");
    }
}
