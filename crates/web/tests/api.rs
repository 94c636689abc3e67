//! The API over real sockets: what a program or a page can do, and what nobody can.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use toubkal_daemon::Client;
use toubkal_web::{Credentials, Options, StartError, Web};

const LINK: &str = "magnet:?xt=urn:btih:1111111111111111111111111111111111111111&dn=one";
const TOKEN: &str = "a-token-that-is-long";
const JSON: &str = "Content-Type: application/json";

struct Bench {
    address: SocketAddr,
    client: Client,
    _web: Web,
    dir: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

fn start_client(dir: &std::path::Path) -> Client {
    let mut options = toubkal_daemon::Options::at(dir.join("state.db"), dir.join("downloads"));
    (options.session.dht, options.session.lan) = (false, false);
    Client::start(options).unwrap()
}

fn bench(credentials: Credentials) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let client = start_client(dir.path());
    let http = Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
    let socket = Some(dir.path().join("socket"));
    let names = vec!["box.example".to_owned()];
    let options = Options { http, socket, credentials, names };
    let web = Web::start(client.clone(), &options).unwrap();
    Bench { address: web.address().unwrap(), client, _web: web, dir }
}

fn open() -> Bench {
    bench(Credentials::default())
}

fn closed() -> Bench {
    let user = Some(("me".to_owned(), "secret".to_owned()));
    bench(Credentials { user, tokens: vec![TOKEN.to_owned()] })
}

impl Bench {
    /// Sends a request as it is, and reads until the server closes.
    fn raw(&self, request: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // Who is cut off while speaking hears no answer.
        let _ = stream.write_all(request.as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        parse(&bytes)
    }

    fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
        let host = format!("Host: {}", self.address);
        let named = headers.iter().any(|header| header.starts_with("Host:"));
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for header in headers.iter().copied().chain((!named).then_some(&*host)) {
            request += &format!("{header}\r\n");
        }
        self.raw(&format!("{request}Content-Length: {}\r\n\r\n{body}", body.len()))
    }

    fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "")
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.ask(method, path, &[JSON], &body.to_string())
    }

    fn add(&self) -> u64 {
        let added = self.send("POST", "/api/v1/torrents", &json!({"link": LINK, "wish": "paused"}));
        assert!(matches!(added.status, 200 | 201), "{added:?}");
        added.json()["id"].as_u64().unwrap()
    }
}

fn parse(bytes: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

#[test]
fn a_torrent_is_added_changed_and_removed() {
    let bench = open();
    let body = json!({"link": LINK, "wish": "paused", "category": "films", "tags": ["a"]});
    let added = bench.send("POST", "/api/v1/torrents", &body);
    assert_eq!(added.status, 201, "{added:?}");
    let id = added.json()["id"].clone();
    assert_eq!(added.json()["torrent"]["phase"], "paused");
    let again = bench.send("POST", "/api/v1/torrents", &body);
    assert_eq!((again.status, &again.json()["id"]), (200, &id));
    assert_eq!(again.json()["known"], true);
    let path = format!("/api/v1/torrents/{id}");
    let edit = json!({"ratio": {"own": 2000}, "down": 500, "add_tags": ["b"]});
    assert_eq!(bench.send("PATCH", &path, &edit).status, 204);
    let shown = bench.get(&path).json();
    assert_eq!(shown["tags"], json!(["a", "b"]));
    assert_eq!((&shown["down"], &shown["goals"]["ratio"]["own"]), (&json!(500), &json!(2000)));
    let by_hash = bench.get(&format!("/api/v1/torrents/{}", shown["hash"].as_str().unwrap()));
    assert_eq!(by_hash.json()["id"], id);
    for part in ["files", "peers", "trackers"] {
        assert_eq!(bench.get(&format!("{path}/{part}")).json(), json!([]), "{part}");
    }
    let bulk = json!({"edit": {"category": ""}});
    assert_eq!(bench.send("POST", "/api/v1/bulk", &bulk).status, 204);
    assert_eq!(bench.get(&path).json()["category"], "");
    assert_eq!(bench.ask("DELETE", &path, &[], "").status, 204);
    assert_eq!(bench.get(&path).status, 404);
    assert_eq!(bench.get("/api/v1/torrents").json()["torrents"], json!([]));
}

#[test]
fn what_makes_no_sense_is_a_problem_in_words() {
    let bench = open();
    let id = bench.add();
    let path = format!("/api/v1/torrents/{id}");
    let post = |body: &Value| bench.send("POST", "/api/v1/torrents", body);
    let bulk = json!({"ids": [id, 99], "check": true});
    let table = [
        (bench.get("/api/v1/nothing"), 404, "missing"),
        (bench.get("/api/v1/torrents/99"), 404, "missing"),
        (bench.get("/api/v1/torrents?since=x"), 400, "request"),
        (bench.ask("PUT", "/api/v1/torrents", &[JSON], ""), 405, "method"),
        (post(&json!({})), 422, "value"),
        (post(&json!({"link": "x"})), 422, "torrent"),
        (post(&json!({"torrent": "!"})), 422, "value"),
        (post(&json!({"link": LINK, "x": 1})), 422, "value"),
        (bench.send("PATCH", &path, &json!({"down": "fast"})), 422, "value"),
        (bench.send("PATCH", &path, &json!({"files": {"0": 1}})), 422, "value"),
        (bench.send("POST", "/api/v1/bulk", &bulk), 404, "missing"),
        (bench.ask("PATCH", &path, &[JSON], "{"), 400, "request"),
        (bench.send("PATCH", "/api/v1/settings", &json!({"downloads": "/etc"})), 422, "value"),
    ];
    for (reply, status, kind) in table {
        assert_eq!((reply.status, &reply.json()["type"]), (status, &json!(kind)), "{reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert!(!reply.json()["detail"].as_str().unwrap().is_empty());
    }
}

#[test]
fn only_who_shows_something_comes_in() {
    let bench = closed();
    assert_eq!(bench.get("/api/v1/torrents").status, 401);
    assert_eq!(bench.get("/metrics").status, 401);
    for open in ["/api/v1/health", "/api/v1/session", "/api/v1/openapi.json"] {
        assert_eq!(bench.get(open).status, 200, "{open}");
    }
    let with = |header: &str| bench.ask("GET", "/api/v1/torrents", &[header], "").status;
    assert_eq!(with(&format!("Authorization: Bearer {TOKEN}")), 200);
    assert_eq!(with("Authorization: Bearer another-token-as-long"), 401);
    assert_eq!(with("Authorization: Basic bWU6c2VjcmV0"), 200, "me:secret");
    assert_eq!(with("Authorization: Basic bWU6b29wcw=="), 401, "me:oops");
    assert_eq!(with("Authorization: Basic !"), 401);
    let wrong = bench.send("POST", "/api/v1/session", &json!({"user": "me", "password": "x"}));
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    let right = json!({"user": "me", "password": "secret"});
    let login = bench.send("POST", "/api/v1/session", &right);
    let cookie = login.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(with(&cookie), 200);
    assert_eq!(bench.ask("DELETE", "/api/v1/session", &[&cookie], "").status, 204);
    assert_eq!(with(&cookie), 401);
}

#[test]
fn who_guesses_has_to_wait() {
    let bench = closed();
    let wrong = "Authorization: Basic bWU6b29wcw==";
    let statuses: Vec<u16> =
        (0..7).map(|_| bench.ask("GET", "/api/v1/stats", &[wrong], "").status).collect();
    assert_eq!(statuses[..5], [401; 5]);
    assert_eq!(statuses[6], 429);
    let right = "Authorization: Basic bWU6c2VjcmV0";
    assert_eq!(bench.ask("GET", "/api/v1/stats", &[right], "").status, 429, "the right one too");
    let token = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(bench.ask("GET", "/api/v1/stats", &[&token], "").status, 200, "who needs no guess");
}

#[test]
fn another_page_cannot_ask_on_the_users_behalf() {
    let bench = open();
    let id = bench.add();
    let body = r#"{"remove": true}"#;
    let probes: [&[&str]; 8] = [
        &[JSON, "Origin: http://evil.example"],
        &[JSON, "Origin: null"],
        &[JSON, "Sec-Fetch-Site: cross-site"],
        &[JSON, "Host: evil.example"],
        &[JSON, "Host: evil.example:4167", "Origin: http://evil.example:4167"],
        &["Content-Type: text/plain"],
        &["Content-Type: application/x-www-form-urlencoded"],
        &[],
    ];
    for headers in probes {
        let reply = bench.ask("POST", "/api/v1/bulk", headers, body);
        assert!(matches!(reply.status, 403 | 415 | 421), "{headers:?}: {reply:?}");
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    assert!(bench.client.has(id), "nothing was removed");
    let named = ["Host: box.example", "Origin: https://box.example"];
    assert_eq!(bench.ask("GET", "/api/v1/stats", &named, "").status, 200, "behind a proxy");
    let ours = format!("Origin: http://{}", bench.address);
    assert_eq!(bench.ask("POST", "/api/v1/bulk", &[JSON, &ours], body).status, 204);
    assert!(!bench.client.has(id), "our own page may");
}

#[test]
fn browsers_are_told_to_be_careful() {
    let bench = open();
    for path in ["/api/v1/stats", "/api/v1/nothing", "/"] {
        let reply = bench.get(path);
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self'"), "{policy}");
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    }
}

#[test]
fn it_is_open_to_nobody_but_this_machine_without_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let client = start_client(dir.path());
    let http = Some("0.0.0.0:0".parse().unwrap());
    let refused = Web::start(client, &Options { http, ..Options::default() });
    assert!(matches!(refused, Err(StartError::Open(_))), "{refused:?}");
}

#[test]
fn changes_come_as_they_happen_and_go_on_where_they_were_lost() {
    let bench = open();
    let cursor = bench.get("/api/v1/torrents").json()["cursor"].as_str().unwrap().to_owned();
    let follow = |last: &str| {
        let mut stream = TcpStream::connect(bench.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let request = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nLast-Event-ID: {last}\r\n\r\n",
            bench.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let read = |stream: &mut TcpStream, until: &str| {
        let (mut text, start) = (String::new(), Instant::now());
        while !text.contains(until) {
            assert!(start.elapsed() < Duration::from_secs(30), "{until} is not in {text}");
            let mut part = [0; 4096];
            if let Ok(read) = stream.read(&mut part) {
                text += &String::from_utf8_lossy(&part[..read]);
            }
        }
        text
    };
    let mut stream = follow(&cursor);
    let first = read(&mut stream, "\n\n");
    assert!(first.contains("text/event-stream"), "{first}");
    let id = bench.add();
    let news = read(&mut stream, &format!("\"id\":{id}"));
    assert!(news.contains("\"full\":false"), "{news}");
    drop(stream);
    bench.client.remove(&[id]).unwrap();
    let mut stream = follow(&cursor);
    read(&mut stream, &format!("\"removed\":[{id}]"));
}

#[test]
fn a_head_without_an_end_is_cut() {
    let bench = open();
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let reply = bench.raw(&long);
    assert!(matches!(reply.status, 431 | 400 | 0), "{}", reply.status);
    assert_eq!(bench.get("/api/v1/health").status, 200);
}

#[cfg(unix)]
#[test]
fn the_local_socket_is_its_owners_alone_and_needs_no_password() {
    use std::os::unix::fs::PermissionsExt;
    let bench = closed();
    let socket = bench.dir.path().join("socket");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    stream
        .write_all(b"GET /api/v1/stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    assert_eq!(parse(&bytes).status, 200);
}

#[test]
fn the_description_names_every_path_and_its_forms() {
    let description = toubkal_web::openapi();
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.contains_key("/api/v1/torrents/{torrent}"));
    let text = description.to_string();
    let refs = text.match_indices("\"#/components/schemas/").map(|(at, found)| {
        let rest = &text[at + found.len()..];
        &rest[..rest.find('"').unwrap()]
    });
    for name in refs {
        assert!(description["components"]["schemas"].get(name).is_some(), "{name}");
    }
    for (path, acts) in paths {
        for (method, act) in acts.as_object().unwrap() {
            assert!(method == "parameters" || act["summary"].is_string(), "{method} {path}");
        }
    }
}
