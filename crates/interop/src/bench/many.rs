//! Many torrents in one client: how long it takes until all are seeding, at first and in the next
//! life, and what they cost while nothing happens.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sha1::{Digest, Sha1};
use tempfile::TempDir;

use super::child::Child;
use super::clients::Rival;
use super::figures::{Figure, Sample};
use super::stage::{Stage, rest};
use crate::{Host, libtorrent};

/// Each torrent is one file of holes, in so many pieces of so many bytes.
const PIECES: u64 = 4;
const PIECE: u64 = 16 << 10;
/// How long all may take to be there.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long is looked at a client that does nothing.
const IDLE: Duration = Duration::from_secs(10);

/// The folders of one client.
struct Place {
    _folder: TempDir,
    torrents: PathBuf,
    data: PathBuf,
    /// What the client remembers.
    home: PathBuf,
    listen: SocketAddr,
    /// Where its API is.
    api: SocketAddr,
}

/// Both lives of a client.
pub(super) fn run(stage: &Stage, rival: Rival, count: u32) -> Result<Sample, String> {
    let place = Place::new(stage, count)?;
    let host = stage.host(1);
    let (mut first, added) = live(host, &place, rival, count, true)?;
    rest(&mut first, 2, Duration::from_secs(10));
    first.stop_within(PATIENCE);
    let _ = fs::remove_file(place.complete());
    let (mut second, back) = live(host, &place, rival, count, false)?;
    rest(&mut second, 2, Duration::from_secs(10));
    let before = second.cpu();
    thread::sleep(IDLE);
    let idle = (second.cpu() - before) / IDLE.as_secs_f64();
    second.look();
    let memory = second.memory();
    second.stop_within(PATIENCE);
    Ok(Sample::from([
        (Figure::Added, added),
        (Figure::Back, back),
        (Figure::Peak, memory.peak),
        (Figure::Anonymous, memory.anonymous),
        (Figure::Idle, idle * 100.0),
    ]))
}

/// Starts a client, and tells the seconds until all its torrents are seeding.
fn live(
    host: &Host,
    place: &Place,
    rival: Rival,
    count: u32,
    new: bool,
) -> Result<(Child, f64), String> {
    let start = Instant::now();
    let mut command = command(place, rival, new)?;
    command.current_dir(&place.home).env("HOME", &place.home).env("LC_ALL", "C.UTF-8");
    let mut child = Child::start(host, command, &place.home.join("log"))?;
    if new && rival == Rival::Transmission {
        // Its watch folder takes a few torrents a second.
        add_by_api(host, place, count)?;
    }
    loop {
        if child.ended().is_some() {
            return Err(format!("it ended: {}", child.last_words()));
        }
        let seeding = seeding(host, place, rival);
        if seeding >= count {
            return Ok((child, start.elapsed().as_secs_f64()));
        }
        if start.elapsed() > PATIENCE {
            let seconds = PATIENCE.as_secs();
            return Err(format!("{seeding} of {count} were seeding after {seconds} s"));
        }
        child.look();
        let pause = if asks_api(rival) { 250 } else { 5 };
        thread::sleep(Duration::from_millis(pause));
    }
}

fn asks_api(rival: Rival) -> bool {
    matches!(rival, Rival::Rqbit | Rival::Transmission)
}

fn command(place: &Place, rival: Rival, new: bool) -> Result<Command, String> {
    let listen = place.listen.to_string();
    Ok(match rival {
        Rival::Toubkal => {
            let mut command = Command::new(super::clients::beside("examples/seed_many"));
            command.arg(&place.torrents).arg(&place.data).arg(place.home.join("state.db"));
            command.arg(listen).arg(place.complete());
            command
        }
        Rival::Libtorrent => {
            let mut command = libtorrent();
            command.arg("many").arg(&place.torrents).arg(&place.data).arg(&place.home);
            command.arg(listen).arg(place.complete());
            command
        }
        Rival::Rqbit => {
            let mut command = super::clients::rqbit_at(place.listen);
            command.arg("--http-api-listen-addr").arg(place.api.to_string());
            command.args(["server", "start", "--fastresume", "--persistence-location"]);
            command.arg(place.home.join("session"));
            if new {
                command.arg("--watch-folder").arg(&place.torrents);
            }
            command.arg(&place.data);
            command
        }
        Rival::Transmission => {
            let settings = super::clients::transmission_settings(place.listen);
            if new {
                fs::write(place.home.join("settings.json"), settings)
                    .map_err(|error| error.to_string())?;
            }
            let mut command = Command::new("transmission-daemon");
            command.args(["--foreground", "--no-auth", "--rpc-bind-address"]);
            command.arg(place.api.ip().to_string()).arg("--port");
            command.arg(place.api.port().to_string()).arg("--config-dir").arg(&place.home);
            command.arg("--peerport").arg(place.listen.port().to_string());
            command.arg("--download-dir").arg(&place.data);
            command.arg("--no-watch-dir");
            command
        }
        _ => return Err("not measured".to_owned()),
    })
}

/// How many torrents are seeding, as the client tells.
fn seeding(host: &Host, place: &Place, rival: Rival) -> u32 {
    let count = |text: String, words: &str| text.matches(words).count() as u32;
    let api = place.api;
    match rival {
        Rival::Rqbit => {
            let request = "GET /torrents?with_stats=true HTTP/1.0\r\n\r\n";
            // What is live and finished is seeding.
            let answer = host.run(move || ask(api, request)).unwrap_or_default();
            count(answer.replace(' ', ""), "\"finished\":true")
        }
        Rival::Transmission => {
            let answer = host.run(move || ask_transmission(api)).unwrap_or_default();
            count(answer.replace(' ', ""), "\"status\":6")
        }
        _ => fs::read_to_string(place.complete())
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0),
    }
}

/// Adds all torrents to Transmission, one request each, as soon as it answers.
fn add_by_api(host: &Host, place: &Place, count: u32) -> Result<(), String> {
    let start = Instant::now();
    let (api, torrents) = (place.api, place.torrents.clone());
    while host.run(move || TcpStream::connect(api)).is_err() {
        if start.elapsed() > PATIENCE {
            return Err("its API does not answer".to_owned());
        }
        thread::sleep(Duration::from_millis(10));
    }
    let added = host.run(move || {
        let session = session_of(api)?;
        (0..count).try_for_each(|number| {
            let path = torrents.join(format!("t{number:06}.torrent"));
            let arguments = format!(r#"{{"filename":"{}"}}"#, path.display());
            call(api, &session, "torrent-add", &arguments).map(|_| ())
        })
    });
    added.map_err(|error| format!("its API failed: {error}"))
}

fn ask_transmission(api: SocketAddr) -> std::io::Result<String> {
    call(api, &session_of(api)?, "torrent-get", r#"{"fields":["status"]}"#)
}

/// Transmission answers once it is told the word that it has given.
fn session_of(api: SocketAddr) -> std::io::Result<String> {
    let refused = call(api, "none", "session-get", "{}")?;
    let session = refused.lines().find_map(|line| line.strip_prefix("X-Transmission-Session-Id: "));
    Ok(session.unwrap_or_default().trim().to_owned())
}

fn call(api: SocketAddr, session: &str, method: &str, arguments: &str) -> std::io::Result<String> {
    let body = format!(r#"{{"method":"{method}","arguments":{arguments}}}"#);
    let head = format!(
        "Connection: close\r\nX-Transmission-Session-Id: {session}\r\nContent-Length: {}",
        body.len()
    );
    ask(api, &format!("POST /transmission/rpc HTTP/1.0\r\nHost: {api}\r\n{head}\r\n\r\n{body}"))
}

/// One HTTP request.
fn ask(api: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(api)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

impl Place {
    fn new(stage: &Stage, count: u32) -> Result<Place, String> {
        let folder = stage.folder_in_memory()?;
        let [torrents, data, home] =
            ["torrents", "data", "home"].map(|name| folder.path().join(name));
        for path in [&torrents, &data, &home] {
            fs::create_dir(path).map_err(|error| error.to_string())?;
        }
        let hash = Sha1::digest(vec![0; PIECE as usize]);
        for number in 0..count {
            let name = format!("t{number:06}");
            let file = File::create(data.join(&name)).map_err(|error| error.to_string())?;
            file.set_len(PIECES * PIECE).map_err(|error| error.to_string())?;
            fs::write(torrents.join(format!("{name}.torrent")), torrent(&name, &hash))
                .map_err(|error| error.to_string())?;
        }
        let (listen, mut api) = (stage.address(1), stage.address(1));
        api.set_ip([127, 0, 0, 1].into());
        Ok(Place { _folder: folder, torrents, data, home, listen, api })
    }

    fn complete(&self) -> PathBuf {
        self.home.join("complete")
    }
}

/// BEP 3: a torrent of one file, every piece of which is the same.
fn torrent(name: &str, hash: &[u8]) -> Vec<u8> {
    let (length, pieces) = (PIECES * PIECE, hash.repeat(PIECES as usize));
    let head = format!("d4:infod6:lengthi{length}e4:name{}:{name}", name.len());
    let head = format!("{head}12:piece lengthi{PIECE}e6:pieces{}:", pieces.len());
    [head.as_bytes(), &pieces, b"ee"].concat()
}
