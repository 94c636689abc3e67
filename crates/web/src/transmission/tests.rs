//! The RPC as clients meet it: over HTTP, and call by call.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use base64::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;
use toubkal_daemon::Options;

use super::*;
use crate::{Credentials, Web};

/// A client with nothing but itself, and its RPC.
struct Stage {
    rpc: Rpc,
    folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = client(folder.path());
        Self { rpc: Rpc::new(client, "session".to_owned()), folder }
    }

    fn downloads(&self) -> String {
        self.folder.path().join("downloads").to_str().unwrap().to_owned()
    }

    fn say(&self, body: &str) -> Value {
        envelope::answer(&self.rpc, body.as_bytes()).unwrap_or(Value::Null)
    }

    /// A call in the older dialect.
    fn old(&self, method: &str, arguments: impl Into<Value>) -> Result<Value, String> {
        let arguments = arguments.into();
        let call = json!({"method": method, "arguments": arguments, "tag": 7});
        let answer = self.say(&call.to_string());
        assert_eq!(answer["tag"], 7);
        match answer["result"].as_str().unwrap() {
            "success" => Ok(answer["arguments"].clone()),
            error => Err(error.to_owned()),
        }
    }

    /// A call in the newer one.
    fn new_call(&self, method: &str, params: impl Into<Value>) -> Result<Value, i64> {
        let params = params.into();
        let call = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": "x"});
        let answer = self.say(&call.to_string());
        assert_eq!((&answer["id"], &answer["jsonrpc"]), (&json!("x"), &json!("2.0")));
        answer["error"]["code"].as_i64().map_or_else(|| Ok(answer["result"].clone()), Err)
    }

    /// Adds a torrent of three files, paused.
    fn add(&self) -> u64 {
        let args = json!({"metainfo": metainfo("tree", 3), "paused": true});
        self.old("torrent-add", args).unwrap()["torrent-added"]["id"].as_u64().unwrap()
    }

    fn field(&self, id: u64, name: &str) -> Value {
        let args = json!({"ids": [id], "fields": [name]});
        self.old("torrent-get", args).unwrap()["torrents"][0][name].clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.rpc.client.clone().shutdown(Duration::ZERO);
    }
}

fn client(folder: &Path) -> Client {
    let downloads = folder.join("downloads");
    fs::create_dir_all(&downloads).unwrap();
    let mut options = Options::at(folder.join("state.db"), downloads);
    (options.session.lan, options.session.dht) = (false, false);
    Client::start(options).unwrap()
}

/// A torrent in base64: so many files of 20,000 bytes in a folder, or one without.
fn metainfo(name: &str, files: usize) -> String {
    let mut info = String::from("d");
    let size = 20_000 * files;
    if files == 1 {
        info += "6:lengthi20000e";
    } else {
        info += "5:filesl";
        (0..files).for_each(|file| info += &format!("d6:lengthi20000e4:pathl3:sub1:{file}ee"));
        info += "e";
    }
    let pieces = size.div_ceil(16_384);
    info += &format!("4:name{}:{name}12:piece lengthi16384e6:pieces{}:", name.len(), pieces * 20);
    info += &"x".repeat(pieces * 20);
    let comment = "7:comment5:hello10:created by4:test13:creation datei1000000000e";
    let torrent = format!("d8:announce20:http://127.0.0.1:9/a{comment}4:info{info}ee");
    base64::engine::general_purpose::STANDARD.encode(torrent)
}

/// A server with a password, and what is said on a connection to it.
struct Server {
    client: Client,
    web: Web,
    _folder: TempDir,
}

impl Server {
    fn new(user: Option<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = client(folder.path());
        let options = crate::Options {
            http: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            credentials: Credentials { user, tokens: vec![] },
            ..crate::Options::default()
        };
        let web = Web::start(client.clone(), &options).unwrap();
        Self { client, web, _folder: folder }
    }

    /// Sends a request as it is, but for its end, and gives status and whole answer.
    fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.web.address().unwrap()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    /// Sends a call with these headers.
    fn post(&self, headers: &str, body: &str) -> (u16, String) {
        self.ask(&format!(
            "POST /transmission/rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        ))
    }

    /// The header with the session id, out of a refusal.
    fn session(&self, headers: &str) -> String {
        let (status, answer) = self.post(headers, "{}");
        assert_eq!(status, 409, "{answer}");
        let line = answer.lines().find(|line| line.starts_with("x-transmission-session-id"));
        format!("{headers}{}\r\n", line.unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.client.clone().shutdown(Duration::ZERO);
    }
}

const GET: &str = r#"{"method": "session-get", "tag": 5}"#;

#[test]
fn refusals_come_in_order_and_a_session_id_works_at_once_and_stays() {
    let server = Server::new(Some(("me".to_owned(), "secret".to_owned())));
    let foreign = "POST /transmission/rpc HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\
        Connection: close\r\n\r\n";
    assert_eq!(server.ask(foreign).0, 421);
    let (status, answer) = server.post("X-Transmission-Session-Id: x\r\n", GET);
    assert_eq!(status, 401);
    assert!(answer.contains("www-authenticate: Basic realm=\"Toubkal\""), "{answer}");
    assert!(!answer.contains("session-id"), "a stranger is not told: {answer}");
    let basic = |pair| base64::engine::general_purpose::STANDARD.encode(pair);
    assert_eq!(server.post(&format!("Authorization: Basic {}\r\n", basic("me:x")), GET).0, 401);
    let me = format!("Authorization: Basic {}\r\n", basic("me:secret"));
    let both = server.session(&me);
    assert_eq!(server.session(&me), both);
    let other = format!("{me}X-Transmission-Session-Id: {}\r\n", "x".repeat(43));
    assert_eq!(server.post(&other, GET).0, 409, "one that was guessed");
    for _ in 0..2 {
        let (status, answer) = server.post(&both, GET);
        assert_eq!(status, 200);
        assert!(answer.contains("\"result\":\"success\"") && answer.contains("\"tag\":5"));
    }
    assert_eq!(server.post(both.strip_prefix(&*me).unwrap(), GET).0, 401);
}

#[test]
fn reading_is_refused_like_writing_and_changes_nothing() {
    let server = Server::new(None);
    let get = |headers: &str| {
        server.ask(&format!(
            "GET /transmission/rpc/?method=session-close HTTP/1.1\r\nHost: localhost\r\n\
             Connection: close\r\n{headers}\r\n"
        ))
    };
    let (status, answer) = get("");
    assert_eq!(status, 409, "an open server asks for no password");
    assert!(answer.contains("x-transmission-rpc-version: 6.0.0"), "{answer}");
    assert_eq!(get(&server.session("")).0, 405);
    assert!(!server.client.is_asked_to_end());
}

#[test]
fn a_body_may_come_in_any_way_and_of_any_kind() {
    let server = Server::new(None);
    let session = server.session("");
    for kind in ["", "application/x-www-form-urlencoded", "text/plain", "application/json"] {
        let headers = format!("{session}Content-Type: {kind}\r\n");
        assert_eq!(server.post(&headers, GET).0, 200, "{kind}");
    }
    let head = format!(
        "POST /transmission/rpc/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{session}"
    );
    let (begin, end) = GET.split_at(10);
    let chunked = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{begin}\r\n{:x}\r\n{end}\r\n0\r\n\r\n",
        begin.len(),
        end.len()
    );
    assert_eq!(server.ask(&chunked).0, 200);
    let mut stream = TcpStream::connect(server.web.address().unwrap()).unwrap();
    let expects = format!("{head}Content-Length: {}\r\nExpect: 100-continue\r\n\r\n", GET.len());
    stream.write_all(expects.as_bytes()).unwrap();
    let mut go = [0; 25];
    stream.read_exact(&mut go).unwrap();
    assert_eq!(go, *b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(GET.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let endless = format!("{head}Content-Length: {}\r\n\r\n", BODY_BYTES_MAX + 1);
    assert_eq!(server.ask(&endless).0, 413, "before it is read");
}

#[test]
fn nonsense_is_answered_in_the_dialect_it_was_said_in() {
    let stage = Stage::new();
    for body in ["", "{", "nonsense", "{\"method\":\"session-get\"", "\u{fffd}"] {
        let answer = stage.say(body);
        assert!(answer["result"].as_str().unwrap().starts_with("parse error"), "{answer}");
    }
    assert_eq!(stage.say("{}")["result"], "no method name");
    let unknown = stage.old("torrent-dance", json!({})).unwrap_err();
    assert_eq!(unknown, "method name not recognized");
    for (body, code) in [
        ("{\"jsonrpc\":", -32700),
        ("7", -32600),
        ("[]", -32600),
        (r#"{"jsonrpc": "1.0", "method": "session_get", "id": 1}"#, -32600),
        (r#"{"jsonrpc": "2.0", "method": "session_get", "id": []}"#, -32600),
        (r#"{"jsonrpc": "2.0", "method": "session-get", "id": 1}"#, -32601),
        (r#"{"jsonrpc": "2.0", "method": "torrent_get", "id": 1}"#, -32602),
    ] {
        assert_eq!(stage.say(body)["error"]["code"], code, "{body}");
    }
}

#[test]
fn a_tag_comes_back_as_it_was_and_none_where_there_was_none() {
    let stage = Stage::new();
    for tag in [json!(912_313), json!(u64::MAX), json!(0), json!("text")] {
        let call = json!({"method": "session-stats", "tag": tag});
        assert_eq!(stage.say(&call.to_string())["tag"], tag);
    }
    let answer = stage.say(r#"{"method": "session-stats"}"#);
    assert!(answer.get("tag").is_none() && answer.get("jsonrpc").is_none());
}

#[test]
fn a_batch_is_answered_call_by_call_and_notifications_are_not() {
    let stage = Stage::new();
    let batch = r#"[{"jsonrpc": "2.0", "method": "session_stats", "id": 1},
        {"jsonrpc": "2.0", "method": "session_set", "params": {"speed_limit_up": 9}},
        7, {"method": "session_get"},
        {"jsonrpc": "2.0", "method": "session_get", "params": {"fields": ["speed_limit_up"]},
         "id": 2}]"#;
    let answers = stage.say(batch);
    let codes: Vec<_> = answers.as_array().unwrap().iter().map(|it| &it["error"]["code"]).collect();
    assert_eq!(codes, [&Value::Null, &json!(-32600), &json!(-32600), &Value::Null]);
    assert_eq!(answers[3]["result"]["speed_limit_up"], 9);
    let notification = r#"{"jsonrpc": "2.0", "method": "session_stats"}"#;
    assert_eq!(stage.say(notification), Value::Null);
}

#[test]
fn every_method_is_known_in_both_dialects() {
    let stage = Stage::new();
    let id = stage.add();
    for method in [
        "torrent_start",
        "torrent_start_now",
        "torrent_stop",
        "torrent_verify",
        "torrent_reannounce",
        "torrent_set",
        "torrent_get",
        "queue_move_top",
        "queue_move_up",
        "queue_move_down",
        "queue_move_bottom",
        "session_get",
        "session_set",
        "session_stats",
        "port_test",
        "free_space",
        "group_get",
    ] {
        let args = json!({"ids": [id], "fields": ["id"], "path": stage.downloads()});
        assert!(stage.old(&method.replace('_', "-"), args.clone()).is_ok(), "{method}");
        assert!(stage.new_call(method, args).is_ok(), "{method}");
    }
    for (method, words) in [
        ("torrent-set-location", "move"),
        ("torrent-rename-path", "rename"),
        ("blocklist-update", "no blocklist"),
        ("group-set", "no groups"),
    ] {
        let args = json!({"ids": id, "location": "/x", "path": "tree", "name": "g"});
        let error = stage.old(method, args).unwrap_err();
        assert!(error.contains(words), "{method}: {error}");
    }
    assert_eq!(stage.new_call("torrent_remove", json!({"ids": [id]})), Ok(json!({})));
    assert_eq!(stage.new_call("session_close", json!({})), Ok(json!({})));
    assert!(stage.rpc.client.is_asked_to_end());
}

#[test]
fn torrents_are_named_by_number_hash_or_both_and_what_is_unknown_is_left_out() {
    let stage = Stage::new();
    let id = stage.add();
    let other = json!({"metainfo": metainfo("other", 1), "paused": true});
    let other = stage.old("torrent-add", other).unwrap()["torrent-added"].clone();
    let upper = other["hashString"].as_str().unwrap().to_uppercase();
    let found = |ids: Value| {
        let found = stage.old("torrent-get", json!({"ids": ids, "fields": ["id"]})).unwrap();
        let ids = found["torrents"].as_array().unwrap().clone();
        ids.iter().map(|it| it["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let second = other["id"].as_u64().unwrap();
    assert_eq!(found(json!(id)), [id]);
    assert_eq!(found(json!(upper)), [second], "a bare hash, upper case");
    assert_eq!(found(json!([upper, id, 99, "nonsense", null, id])), [second, id]);
    assert_eq!(found(json!([])), [0; 0]);
    assert_eq!(found(Value::Null), [0; 0]);
    let all = stage.old("torrent-get", json!({"fields": ["id"]})).unwrap();
    assert_eq!(all["torrents"].as_array().unwrap().len(), 2);
    stage.old("torrent-set", json!({"downloadLimit": 5, "downloadLimited": true})).unwrap();
    for id in [id, second] {
        assert_eq!(stage.field(id, "downloadLimit"), 5, "without ids all are meant");
    }
}

#[test]
fn a_fresh_paused_torrent_has_the_values_of_the_real_server() {
    let stage = Stage::new();
    let id = stage.add();
    for (name, value) in [
        ("status", json!(0)),
        ("eta", json!(-1)),
        ("etaIdle", json!(-1)),
        ("uploadRatio", json!(-1.0)),
        ("doneDate", json!(0)),
        ("activityDate", json!(0)),
        ("isFinished", json!(false)),
        ("isStalled", json!(false)),
        ("error", json!(0)),
        ("errorString", json!("")),
        ("metadataPercentComplete", json!(1.0)),
        ("percentDone", json!(0.0)),
        ("recheckProgress", json!(0.0)),
        ("totalSize", json!(60_000)),
        ("sizeWhenDone", json!(60_000)),
        ("leftUntilDone", json!(60_000)),
        ("haveValid", json!(0)),
        ("seedRatioMode", json!(0)),
        ("seedRatioLimit", json!(2.0)),
        ("seedIdleLimit", json!(30)),
        ("downloadLimited", json!(false)),
        ("downloadLimit", json!(100)),
        ("bandwidthPriority", json!(0)),
        ("comment", json!("hello")),
        ("creator", json!("test")),
        ("dateCreated", json!(1_000_000_000)),
        ("labels", json!([])),
        ("pieceCount", json!(4)),
        ("pieces", json!("AA==")),
        ("startDate", json!(0)),
        ("downloadDir", json!(stage.downloads())),
        ("webseeds", json!([])),
        ("group", json!("")),
    ] {
        assert_eq!(stage.field(id, name), value, "{name}");
    }
}

#[test]
fn fields_come_under_the_names_they_were_asked_by_and_others_are_left_out() {
    let stage = Stage::new();
    let id = stage.add();
    let fields = json!(["fileCount", "file-count", "nonsense", "peer-limit", 7, "id"]);
    let answer = stage.old("torrent-get", json!({"fields": fields})).unwrap();
    let limit = stage.rpc.client.facts().links_max;
    let one = json!({"fileCount": 3, "file-count": 3, "peer-limit": limit, "id": id});
    assert_eq!(answer["torrents"], json!([one]));
    let none = stage.old("torrent-get", json!({"fields": ["nonsense"]}));
    assert_eq!(none.unwrap_err(), "no fields specified");
    let new = stage.new_call("torrent_get", json!({"fields": ["file-count", "file_count"]}));
    assert_eq!(new.unwrap()["torrents"], json!([{"file_count": 3}]));
}

#[test]
fn a_table_has_its_names_first_also_when_it_is_empty() {
    let stage = Stage::new();
    let ask = json!({"fields": ["id", "hashString", "nonsense", "name"], "format": "table"});
    let names = json!(["id", "hashString", "name"]);
    let answer = stage.old("torrent-get", ask.clone()).unwrap();
    assert_eq!(answer["torrents"], json!([names]));
    let id = stage.add();
    let answer = stage.old("torrent-get", ask).unwrap();
    let hash = stage.field(id, "hashString");
    assert_eq!(answer["torrents"], json!([names, [id, hash, "tree"]]));
}

#[test]
fn names_of_files_begin_with_the_folder_and_wanted_is_told_in_two_ways() {
    let stage = Stage::new();
    let id = stage.add();
    // Some clients name a file in both lists at once.
    let set = json!({"ids": id, "files-unwanted": [1], "priority-normal": [1],
        "priority-high": [0]});
    stage.old("torrent-set", set).unwrap();
    let file = &stage.field(id, "files")[1];
    assert_eq!(file["name"], "tree/sub/1");
    assert_eq!((&file["beginPiece"], &file["endPiece"]), (&json!(1), &json!(3)));
    assert_eq!((&file["length"], &file["bytesCompleted"]), (&json!(20_000), &json!(0)));
    assert_eq!(stage.field(id, "wanted"), json!([1, 0, 1]));
    assert_eq!(stage.field(id, "priorities"), json!([1, 0, 0]));
    let stat = json!({"bytesCompleted": 0, "priority": 0, "wanted": false});
    assert_eq!(stage.field(id, "fileStats")[1], stat);
    let fields = json!({"fields": ["wanted", "file_stats"], "ids": [id]});
    let new = stage.new_call("torrent_get", fields).unwrap()["torrents"][0].clone();
    assert_eq!(new["wanted"], json!([true, false, true]));
    assert_eq!(new["file_stats"][0], json!({"bytes_completed": 0, "priority": 1, "wanted": true}));
    stage.old("torrent-set", json!({"ids": id, "files-wanted": []})).unwrap();
    assert_eq!(stage.field(id, "wanted"), json!([1, 1, 1]), "an empty list means all");
    let beyond = stage.old("torrent-set", json!({"ids": id, "files-wanted": [3]}));
    assert_eq!(beyond.unwrap_err(), "file index out of range");
    let single = json!({"metainfo": metainfo("alone", 1), "paused": true});
    let single = stage.old("torrent-add", single).unwrap()["torrent-added"]["id"].clone();
    assert_eq!(stage.field(single.as_u64().unwrap(), "files")[0]["name"], "alone");
}

#[test]
fn a_torrent_that_is_there_is_told_as_a_duplicate_and_that_is_no_failure() {
    let stage = Stage::new();
    let id = stage.add();
    let again = stage.old("torrent-add", json!({"metainfo": metainfo("tree", 3)})).unwrap();
    assert_eq!(again["torrent-duplicate"]["id"], id);
    assert_eq!(again["torrent-duplicate"]["name"], "tree");
    let new = stage.new_call("torrent_add", json!({"metainfo": metainfo("tree", 3)})).unwrap();
    assert_eq!(new["torrent_duplicate"]["hash_string"], stage.field(id, "hashString"));
}

#[test]
fn a_torrent_is_added_with_everything_that_is_said_beside_it() {
    let stage = Stage::new();
    let dir = format!("{}/films/", stage.downloads());
    let args = json!({"metainfo": metainfo("tree", 3), "download-dir": dir, "paused": 1,
        "labels": ["b", " a "], "files-unwanted": [0, 2], "priority-high": [1],
        "bandwidthPriority": 1, "peer-limit": 3, "cookies": "a=b"});
    let id = stage.old("torrent-add", args).unwrap()["torrent-added"]["id"].as_u64().unwrap();
    assert_eq!(stage.field(id, "labels"), json!(["b", "a"]));
    assert_eq!(stage.field(id, "downloadDir"), dir.trim_end_matches('/'));
    assert_eq!(stage.field(id, "wanted"), json!([0, 1, 0]));
    assert_eq!(stage.field(id, "priorities"), json!([0, 1, 0]));
    assert_eq!(stage.field(id, "sizeWhenDone").as_u64(), Some(32_768), "whole pieces");
}

#[test]
fn a_magnet_link_has_a_name_and_no_files() {
    let stage = Stage::new();
    let link = format!("magnet:?xt=urn:btih:{}&dn=A+name", "ab".repeat(20));
    let added = stage.old("torrent-add", json!({"filename": link, "paused": false})).unwrap();
    let id = added["torrent-added"]["id"].as_u64().unwrap();
    assert_eq!(added["torrent-added"]["name"], "A name");
    assert_eq!(stage.field(id, "files"), json!([]));
    assert_eq!(stage.field(id, "metadataPercentComplete"), 0.0);
    assert_eq!(stage.field(id, "status"), 4);
    assert_eq!(stage.field(id, "totalSize"), 0);
    let link = stage.field(id, "magnetLink");
    assert!(link.as_str().unwrap().contains(&"ab".repeat(20)), "{link}");
}

#[test]
fn what_is_no_torrent_or_leads_elsewhere_is_refused_in_words() {
    let stage = Stage::new();
    let outside = stage.folder.path().join("a.torrent");
    fs::write(&outside, "x").unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode("nonsense");
    for (args, words) in [
        (json!({}), "no filename or metainfo"),
        (json!({"metainfo": "%%%"}), "unrecognized info"),
        (json!({"metainfo": text}), "invalid or corrupt torrent"),
        (json!({"filename": "nonsense"}), "unrecognized info"),
        (json!({"filename": "magnet:?xt=nonsense"}), "invalid or corrupt torrent"),
        (json!({"filename": outside}), "none of the folders"),
        (json!({"filename": "http://127.0.0.1:1/a.torrent"}), "this computer or network"),
        (json!({"metainfo": metainfo("x", 1), "download-dir": "films"}), "not absolute"),
        (json!({"metainfo": metainfo("x", 1), "download-dir": "/etc"}), "none of the folders"),
        (json!({"metainfo": metainfo("x", 1), "labels": ["a,b"]}), "comma"),
        (json!({"metainfo": metainfo("x", 1), "labels": [""]}), "empty"),
    ] {
        let error = stage.old("torrent-add", args.clone()).unwrap_err();
        assert!(error.contains(words), "{args}: {error}");
    }
    let inside = stage.folder.path().join("downloads/a.torrent");
    let torrent = base64::engine::general_purpose::STANDARD.decode(metainfo("tree", 3)).unwrap();
    fs::write(&inside, torrent).unwrap();
    let added = stage.old("torrent-add", json!({"filename": inside, "paused": true})).unwrap();
    assert_eq!(added["torrent-added"]["name"], "tree");
}

#[test]
fn numbers_and_switches_of_limits_are_set_together_or_one_by_one() {
    let stage = Stage::new();
    let id = stage.add();
    let set = |args: Value| {
        let mut args = args;
        args["ids"] = json!(id);
        stage.old("torrent-set", args).unwrap();
        stage.rpc.client.view(id).unwrap()
    };
    assert_eq!(set(json!({"downloadLimit": 50})).down, None);
    assert_eq!(set(json!({"downloadLimited": true})).down, Some(50_000), "kB/s");
    assert_eq!(set(json!({"uploadLimited": true, "uploadLimit": 7})).up, Some(7000));
    assert_eq!(set(json!({"uploadLimited": false})).up, None);
    assert_eq!(stage.field(id, "uploadLimit"), 7);
    use toubkal_daemon::Goal;
    let goals = set(json!({"seedRatioLimit": 1.5, "seedRatioMode": 1, "seedIdleMode": 2})).goals;
    assert_eq!((goals.ratio, goals.idle), (Goal::Own(1500), Goal::None));
    assert_eq!(stage.field(id, "seedRatioLimit"), 1.5);
    let goals = set(json!({"seedIdleLimit": 10, "seedIdleMode": 1, "seedRatioMode": 0})).goals;
    assert_eq!((goals.ratio, goals.idle), (Goal::Global, Goal::Own(600)));
    assert_eq!(stage.field(id, "seedIdleLimit"), 10);
}

#[test]
fn settings_are_told_and_set_in_the_units_of_the_real_server() {
    let stage = Stage::new();
    let all = stage.old("session-get", json!({})).unwrap();
    for (name, value) in [
        ("rpc-version", json!(18)),
        ("rpc-version-minimum", json!(14)),
        ("rpc-version-semver", json!("6.0.0")),
        ("session-id", json!("session")),
        ("download-dir", json!(stage.downloads())),
        ("seedRatioLimit", json!(2.0)),
        ("seedRatioLimited", json!(false)),
        ("idle-seeding-limit-enabled", json!(false)),
        ("speed-limit-down", json!(100)),
        ("alt-speed-enabled", json!(false)),
        ("start-added-torrents", json!(true)),
        ("dht-enabled", json!(false)),
    ] {
        assert_eq!(all[name], value, "{name}");
    }
    assert!(all["version"].as_str().unwrap().starts_with("4.1.0 ("), "labels need a 4");
    assert_eq!(all["units"]["speed-bytes"], 1000);
    let new = stage.new_call("session_get", json!({"fields": ["units", "nonsense"]})).unwrap();
    assert_eq!(new["units"]["speed_bytes"], 1000);
    assert_eq!(new.as_object().unwrap().len(), 1);
    let set = json!({"speed-limit-down": 5, "speed-limit-down-enabled": true,
        "seedRatioLimit": "1.25", "seedRatioLimited": true, "idle-seeding-limit": 2,
        "idle-seeding-limit-enabled": true, "download-queue-size": 3,
        "download-queue-enabled": true, "alt-speed-enabled": true, "alt-speed-down": 9,
        "start-added-torrents": false, "peer-port": 1, "nonsense": [], "dht-enabled": true});
    stage.old("session-set", set).unwrap();
    let settings = stage.rpc.client.settings();
    assert_eq!((settings.down, settings.ratio, settings.idle), (Some(5000), Some(1250), Some(120)));
    assert_eq!((settings.queue.downloads, settings.add_paused), (Some(3), true));
    let alternative = settings.alternative;
    let rates = (alternative.on, alternative.down, alternative.up);
    assert_eq!(rates, (true, Some(9000), Some(50_000)), "what was shown holds");
    let dir = stage.old("session-set", json!({"download-dir": "films"})).unwrap_err();
    assert!(dir.contains("not absolute"), "{dir}");
}

#[test]
fn figures_have_the_names_of_their_dialect() {
    let stage = Stage::new();
    stage.add();
    let old = stage.old("session-stats", json!({})).unwrap();
    assert_eq!((&old["torrentCount"], &old["pausedTorrentCount"]), (&json!(1), &json!(1)));
    assert_eq!(old["cumulative-stats"]["sessionCount"], 1);
    assert_eq!(old["current-stats"]["downloadedBytes"], 0);
    let new = stage.new_call("session_stats", json!({})).unwrap();
    assert_eq!(new["current_stats"]["uploaded_bytes"], 0);
}

#[test]
fn who_asks_what_changed_lately_is_told_what_is_gone_too() {
    let stage = Stage::new();
    let id = stage.add();
    let recent = || {
        let ask = json!({"fields": ["id"], "ids": "recently-active"});
        stage.old("torrent-get", ask).unwrap()
    };
    assert_eq!(recent(), json!({"torrents": [{"id": id}], "removed": []}));
    stage.old("torrent-remove", json!({"ids": [id]})).unwrap();
    for _ in 0..2 {
        assert_eq!(recent(), json!({"torrents": [], "removed": [id]}));
    }
    let again = stage.add();
    assert!(again > id, "a number is never used again");
}

#[test]
fn trackers_have_numbers_and_are_changed_by_them() {
    let stage = Stage::new();
    let id = stage.add();
    assert_eq!(stage.field(id, "trackers")[0]["announce"], "http://127.0.0.1:9/a");
    let add = json!({"ids": id, "trackerAdd": ["udp://tracker.example.org:80"]});
    stage.old("torrent-set", add.clone()).unwrap();
    let list = "http://127.0.0.1:9/a\n\nudp://tracker.example.org:80\n";
    assert_eq!(stage.field(id, "trackerList"), list);
    assert_eq!(stage.old("torrent-set", add).unwrap_err(), "error setting announce list");
    stage.old("torrent-set", json!({"ids": id, "trackerRemove": [0]})).unwrap();
    let stats = stage.field(id, "trackerStats");
    assert_eq!(stats.as_array().unwrap().len(), 1);
    for (name, value) in [
        ("sitename", json!("example")),
        ("host", json!("tracker.example.org:80")),
        ("tier", json!(0)),
        ("seederCount", json!(-1)),
        ("leecherCount", json!(-1)),
        ("lastAnnounceSucceeded", json!(false)),
        ("hasAnnounced", json!(false)),
        ("announceState", json!(0)),
    ] {
        assert_eq!(stats[0][name], value, "{name}");
    }
}

#[test]
fn free_space_of_what_is_no_folder_of_ours_is_minus_one() {
    let stage = Stage::new();
    let space = |path: &str| stage.old("free-space", json!({"path": path}));
    let own = space(&stage.downloads()).unwrap();
    assert_eq!((&own["path"], &own["total_size"]), (&json!(stage.downloads()), &json!(-1)));
    assert!(own["size-bytes"].as_i64().unwrap() >= 0, "{own}");
    assert_eq!(space("/usr/share").unwrap()["size-bytes"], -1);
    assert!(space("films").unwrap_err().contains("not absolute"));
}

#[test]
fn files_are_not_kept_without_a_word_when_they_were_to_be_deleted() {
    let stage = Stage::new();
    let id = stage.add();
    let args = json!({"ids": [id], "delete-local-data": true});
    assert!(stage.old("torrent-remove", args).unwrap_err().contains("cannot delete files"));
    assert_eq!(stage.field(id, "id"), id, "it is still there");
}

#[test]
fn torrents_start_stop_and_move_in_the_queue() {
    use toubkal_daemon::Wish;
    let stage = Stage::new();
    let id = stage.add();
    let wish = |method: &str| {
        stage.old(method, json!({"ids": [id]})).unwrap();
        stage.rpc.client.view(id).unwrap().wish
    };
    assert_eq!(wish("torrent-start"), Wish::Queued);
    assert_eq!(wish("torrent-start-now"), Wish::Forced);
    assert_eq!(wish("torrent-start"), Wish::Forced, "it runs already");
    assert_eq!(wish("torrent-stop"), Wish::Paused);
    let other = json!({"metainfo": metainfo("other", 1), "paused": true});
    stage.old("torrent-add", other).unwrap();
    let place = |method: &str| {
        stage.old(method, json!({"ids": id})).unwrap();
        stage.field(id, "queuePosition").as_u64().unwrap()
    };
    assert_eq!(place("queue-move-bottom"), 1);
    assert_eq!(place("queue-move-up"), 0);
    assert_eq!(place("queue-move-down"), 1);
    assert_eq!(place("queue-move-top"), 0);
}
