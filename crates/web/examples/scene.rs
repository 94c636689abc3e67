//! A client with its HTTP face for the tests of the page: with as many paused torrents as are
//! wanted, and a seed at a limited rate beside it. It ends when its standard input does.
//!
//! ```text
//! scene FOLDER [--http PORT] [--paused COUNT] [--seed BYTES] [--rate BYTES] [--password WORD]
//! ```
//!
//! What it is reached under it prints as one line of JSON.

use std::error::Error;
use std::fmt::Write;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, io};

use toubkal_daemon::{AddError, Client, How, Options, What, Wish};
use toubkal_session::hashing::{self, CreateOptions};
use toubkal_session::{Metainfo, Rates};
use toubkal_web::{Credentials, Options as WebOptions, Web};

/// How long the clients get at the end.
const PATIENCE: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    let asked = Asked::read()?;
    fs::create_dir_all(&asked.folder)?;
    let folder = asked.folder.canonicalize()?;
    let client = client(&folder)?;
    (0..asked.paused).try_for_each(|number| paused(&client, number))?;
    let seed = asked.seed.map(|bytes| seed(&folder, bytes, asked.rate)).transpose()?;
    let user = asked.password.map(|password| ("me".to_owned(), password));
    let credentials = Credentials { user, tokens: Vec::new() };
    let http = Some(([127, 0, 0, 1], asked.http).into());
    let options = WebOptions { http, credentials, ..WebOptions::default() };
    let web = Web::start(client.clone(), &options)?;
    let told = serde_json::json!({
        "address": web.address().map(|it| format!("http://{it}")),
        "downloads": folder.join("downloads"),
        "magnet": seed.as_ref().map(|(_, magnet)| magnet),
        "torrent": folder.join("seed.torrent"),
        "page": toubkal_web::HAS_PAGE,
    });
    println!("{told}");
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(web);
    if let Some((seed, _)) = seed {
        seed.shutdown(PATIENCE);
    }
    client.shutdown(PATIENCE);
    Ok(())
}

/// The command line.
#[derive(Default)]
struct Asked {
    folder: PathBuf,
    http: u16,
    paused: u64,
    seed: Option<u64>,
    rate: Option<u64>,
    password: Option<String>,
}

impl Asked {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut asked = Self::default();
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value"));
            match word.as_str() {
                "--http" => asked.http = value()?.parse()?,
                "--paused" => asked.paused = value()?.parse()?,
                "--seed" => asked.seed = Some(value()?.parse()?),
                "--rate" => asked.rate = Some(value()?.parse()?),
                "--password" => asked.password = Some(value()?),
                _ => asked.folder = word.into(),
            }
        }
        if asked.folder.as_os_str().is_empty() {
            return Err("which folder?".into());
        }
        Ok(asked)
    }
}

/// The client that the page shows.
fn client(folder: &Path) -> Result<Client, Box<dyn Error>> {
    let downloads = folder.join("downloads");
    fs::create_dir_all(&downloads)?;
    let mut options = Options::at(folder.join("state.db"), downloads);
    alone(&mut options);
    Ok(Client::start(options)?)
}

/// Peers come from links alone.
fn alone(options: &mut Options) {
    options.session.listen = vec![([127, 0, 0, 1], 0).into()];
    (options.session.lan, options.session.dht) = (false, false);
}

/// Adds a torrent of one small file, paused.
fn paused(client: &Client, number: u64) -> Result<(), Box<dyn Error>> {
    const KINDS: [&str; 6] = ["lecture", "field recording", "map", "survey", "archive", "atlas"];
    let kind = KINDS[number as usize % KINDS.len()];
    let name = format!("{kind} {number:05} of the high valleys, second series.tar");
    let length = 16_384 * (1 + number % 4);
    let digits = format!("{number:020}").repeat(1 + (number % 4) as usize);
    let mut info = String::new();
    write!(info, "d6:lengthi{length}e4:name{}:{name}", name.len())?;
    write!(info, "12:piece lengthi16384e6:pieces{}:{digits}e", digits.len())?;
    let torrent = format!("d4:info{info}e").into_bytes();
    let how = How { wish: Some(Wish::Paused), ..How::default() };
    match client.add(What::File(torrent.into()), &how) {
        Ok(_) | Err(AddError::Duplicate(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Another client, which has everything and gives it at a rate; and the link that leads to it.
fn seed(folder: &Path, bytes: u64, rate: Option<u64>) -> Result<(Client, String), Box<dyn Error>> {
    let (top, torrent) = (folder.join("seed"), folder.join("seed.torrent"));
    let content = top.join("The climb");
    for (path, share) in
        [("film/the climb.mkv", 70), ("maps/north face.img", 20), ("notes.txt", 10)]
    {
        let path = content.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&content))?;
        let bytes = (0..bytes / 100 * share).map(|at| ((at % 251) ^ (at >> 9)) as u8);
        fs::write(path, bytes.collect::<Vec<u8>>())?;
    }
    let how = CreateOptions { piece_length: Some(65_536), ..CreateOptions::default() };
    let created = hashing::create(&content, &how, 1, &|_, _| {})?;
    fs::write(&torrent, &created.torrent)?;
    let mut options = Options::at(folder.join("seed.db"), top);
    alone(&mut options);
    options.settings.up = rate;
    options.session.rates = Rates { down: None, up: rate };
    let client = Client::start(options)?;
    let known = Metainfo::parse(&created.torrent)?.info_hash_v1.unwrap_or_default();
    if client.find(&known).is_none() {
        client.add(What::File(created.torrent.into()), &How::default())?;
    }
    let hash = known.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let at = client.listening_on();
    let at = at.first().ok_or("the seed listens nowhere")?;
    Ok((client, format!("magnet:?xt=urn:btih:{hash}&dn=The%20climb&x.pe={at}")))
}
