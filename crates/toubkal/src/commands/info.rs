//! `toubkal info`: what is in a torrent.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use toubkal_wire::magnet::Magnet;
use toubkal_wire::metainfo::Metainfo;

use super::create;
use crate::cli::PeerArgs;
use crate::exit::{Exit, Failure};
use crate::metadata::{self, End, Search};
use crate::source::Source;
use crate::{json, progress, source, text, units};

/// Show what is in a torrent
#[derive(Args, Debug)]
#[command(
    long_about = "Show what is in a torrent: names, info-hashes, sizes, files, trackers, and what \
        is odd about it. Of a magnet link the file list is fetched from peers; nothing is \
        downloaded.\n\nEnds with exit code 1 when it is no torrent, or was not found.",
    after_help = "Examples:\n  \
        toubkal info debian.torrent\n  \
        toubkal info https://example.org/debian.torrent\n  \
        toubkal info 'magnet:?xt=urn:btih:...' --save debian.torrent\n  \
        toubkal info --offline 'magnet:?xt=urn:btih:...'\n  \
        toubkal info --json debian.torrent | jq -r '.files[].path'"
)]
pub(crate) struct InfoArgs {
    /// A path, an http(s) address, a magnet link, or `-` for standard input
    #[arg(value_name = "SOURCE")]
    source: Source,
    /// Read a magnet link, and look for nothing that is not in it
    #[arg(long)]
    offline: bool,
    /// Write the torrent file here, too
    #[arg(long, value_name = "FILE", conflicts_with = "offline")]
    save: Option<PathBuf>,
    /// Replace the file that is there
    #[arg(long, requires = "save")]
    force: bool,
    /// Give up a magnet link that was not found after so long
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    #[command(flatten)]
    peers: PeerArgs,
    /// Say also where the peers of a magnet link come from, and who answers
    #[arg(short, long)]
    verbose: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &InfoArgs) -> Result<Exit, Failure> {
    if let (Source::Magnet(link), true) = (&args.source, args.offline) {
        return magnet(link, args.json);
    }
    if let Some(path) = &args.save {
        create::is_free(path, args.force)?;
    }
    let (metainfo, bytes) = match &args.source {
        Source::Magnet(link) => {
            let timeout = args.timeout.map(Duration::from_secs);
            let (quiet, verbose) = (args.json, args.verbose);
            let search = Search { peers: &args.peers, timeout, quiet, verbose };
            match metadata::fetch(link, &search) {
                Ok(found) => found,
                Err(End::Said(exit)) => return Ok(exit),
                Err(End::Failed(failure)) => return Err(plain_no(failure)),
            }
        }
        source => {
            let (metainfo, bytes) = source::torrent(source).map_err(plain_no)?;
            (Arc::new(metainfo), bytes.into())
        }
    };
    if let Some(path) = &args.save {
        create::write(path, &bytes)?;
    }
    match args.json {
        true => json::print(&Info::new(&metainfo))?,
        false => progress::print(&text_of(&metainfo))?,
    }
    Ok(Exit::Done)
}

/// One line, and a plain no: this command is also a question.
fn plain_no(failure: Failure) -> Failure {
    match failure.exit {
        Exit::BadTorrent => {
            let cause = failure.cause.unwrap_or_default();
            Failure::new(Exit::Failed, format!("{}: {cause}", failure.what))
        }
        _ => failure,
    }
}

fn magnet(link: &str, json: bool) -> Result<Exit, Failure> {
    let magnet = source::link(link).map_err(plain_no)?;
    match json {
        true => json::print(&Link::new(&magnet))?,
        false => progress::print(&text_of_link(&magnet))?,
    }
    Ok(Exit::Done)
}

/// What `--json` prints of a magnet link; its shape is fixed, see `docs/json.md`.
#[derive(Serialize)]
struct Link<'m> {
    v1: Option<String>,
    v2: Option<String>,
    name: Option<&'m str>,
    trackers: &'m [String],
    web_seeds: &'m [String],
    peers: Vec<String>,
    select_only: Option<Vec<u32>>,
    public_key: Option<String>,
    salt: Option<String>,
    others: Vec<String>,
    oddities: Vec<String>,
}

impl<'m> Link<'m> {
    fn new(magnet: &'m Magnet) -> Self {
        let publisher = magnet.publisher.as_ref();
        Self {
            v1: magnet.v1.map(|hash| text::hex(&hash)),
            v2: magnet.v2.map(|hash| text::hex(&hash)),
            name: magnet.name.as_deref(),
            trackers: &magnet.trackers,
            web_seeds: &magnet.web_seeds,
            peers: magnet.peers.iter().map(ToString::to_string).collect(),
            select_only: magnet.select_only.as_ref().map(|files| files.files().collect()),
            public_key: publisher.map(|publisher| text::hex(&publisher.key)),
            salt: publisher.map(|publisher| text::hex(&publisher.salt)),
            others: magnet.others.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            oddities: magnet.oddities.iter().map(ToString::to_string).collect(),
        }
    }
}

fn text_of_link(magnet: &Magnet) -> String {
    let name = magnet.name.as_deref().unwrap_or("a torrent without a name");
    let mut sheet = Sheet(format!("{}\n\n", text::escape(name)));
    sheet.row_if("info-hash", magnet.v1.map(|hash| text::hex(&hash)).as_deref());
    sheet.row_if("info-hash v2", magnet.v2.map(|hash| text::hex(&hash)).as_deref());
    if let Some(publisher) = &magnet.publisher {
        sheet.row("public key", &text::hex(&publisher.key));
        if !publisher.salt.is_empty() {
            sheet.row("salt", &text::hex(&publisher.salt));
        }
    }
    magnet.trackers.iter().for_each(|url| sheet.row("tracker", url));
    magnet.web_seeds.iter().for_each(|url| sheet.row("web seed", url));
    magnet.peers.iter().for_each(|peer| sheet.row("peer", &peer.to_string()));
    sheet.row_if("files", magnet.select_only.as_ref().map(ToString::to_string).as_deref());
    magnet
        .others
        .iter()
        .for_each(|(name, value)| sheet.row("not known", &format!("{name}={value}")));
    magnet.oddities.iter().for_each(|oddity| sheet.row("odd", &oddity.to_string()));
    sheet.0
}

/// The object that `--json` prints of a torrent; its shape is fixed, see `docs/json.md`.
#[derive(Serialize)]
struct Info<'m> {
    name: &'m str,
    v1: Option<String>,
    v2: Option<String>,
    piece_length: u32,
    num_pieces: u32,
    total_size: u64,
    private: bool,
    files: Vec<FileInfo<'m>>,
    trackers: Vec<&'m str>,
    web_seeds: &'m [String],
    comment: Option<&'m str>,
    created_by: Option<&'m str>,
    created: Option<i64>,
    oddities: Vec<String>,
}

#[derive(Serialize)]
struct FileInfo<'m> {
    path: &'m str,
    length: u64,
    pad: bool,
}

impl<'m> Info<'m> {
    fn new(metainfo: &'m Metainfo) -> Self {
        let files = metainfo.files();
        Self {
            name: &metainfo.name,
            v1: metainfo.info_hash_v1.map(|hash| text::hex(&hash)),
            v2: metainfo.info_hash_v2.map(|hash| text::hex(&hash)),
            piece_length: metainfo.piece_length,
            num_pieces: metainfo.pieces(),
            total_size: metainfo.total(),
            private: metainfo.private,
            files: files
                .map(|file| FileInfo { path: file.path, length: file.length, pad: file.pad })
                .collect(),
            trackers: metainfo.trackers.iter().flatten().map(String::as_str).collect(),
            web_seeds: &metainfo.web_seeds,
            comment: metainfo.comment.as_deref(),
            created_by: metainfo.created_by.as_deref(),
            created: metainfo.created,
            oddities: metainfo.oddities.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Facts below each other, then the files.
fn text_of(metainfo: &Metainfo) -> String {
    let mut sheet = Sheet(format!("{}\n\n", text::escape(&metainfo.name)));
    let count = metainfo.files().filter(|file| !file.pad).count();
    let files = text::count(count as u64, "file", "files");
    sheet.row("size", &format!("{} in {files}", units::exact_size(metainfo.total())));
    let pieces = text::grouped(u64::from(metainfo.pieces()));
    let length = units::binary_size(u64::from(metainfo.piece_length));
    sheet.row("pieces", &format!("{pieces} of {length}"));
    if let Some(hash) = metainfo.info_hash_v1 {
        sheet.row("info-hash", &text::hex(&hash));
    }
    if let Some(hash) = metainfo.info_hash_v2 {
        sheet.row("info-hash v2", &text::hex(&hash));
    }
    if metainfo.private {
        sheet.row("private", "yes: peers come from the trackers alone");
    }
    let (date, by) = (metainfo.created.map(units::date), metainfo.created_by.as_deref());
    match (date, by) {
        (Some(date), Some(by)) => sheet.row("created", &format!("{date} by {by}")),
        (Some(date), None) => sheet.row("created", &date),
        (None, Some(by)) => sheet.row("created", &format!("by {by}")),
        (None, None) => {}
    }
    sheet.row_if("comment", metainfo.comment.as_deref());
    sheet.row_if("source", metainfo.source.as_deref());
    for (tier, url) in tiers(metainfo) {
        let label = match (metainfo.trackers.len(), tier) {
            (_, 0) | (1, _) => "tracker".to_owned(),
            (_, tier) => format!("tracker, {}.", tier + 1),
        };
        sheet.row(&label, url);
    }
    for url in &metainfo.web_seeds {
        sheet.row("web seed", url);
    }
    for (host, port) in &metainfo.nodes {
        sheet.row("DHT node", &format!("{host}:{port}"));
    }
    for oddity in &metainfo.oddities {
        sheet.row("odd", &oddity.to_string());
    }
    sheet.0.push('\n');
    for file in metainfo.files().filter(|file| !file.pad) {
        let size = text::pad_left(&units::steady_size(file.length), 8);
        let link = match file.symlink {
            true => format!(" -> {}", file.target.unwrap_or("outside, not made")),
            false => String::new(),
        };
        let line = format!("{size}  {}{link}", file.path);
        sheet.0.push_str(&format!("{}\n", text::escape(&line)));
    }
    sheet.0
}

/// Every tracker with the number of its tier.
fn tiers(metainfo: &Metainfo) -> impl Iterator<Item = (usize, &str)> {
    let tiers = metainfo.trackers.iter().enumerate();
    tiers.flat_map(|(tier, urls)| urls.iter().map(move |url| (tier, url.as_str())))
}

/// Labels and values in two columns.
struct Sheet(String);

impl Sheet {
    fn row(&mut self, label: &str, value: &str) {
        self.0.push_str(&format!("{label:<14}{}\n", text::escape(value)));
    }

    fn row_if(&mut self, label: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.row(label, value);
        }
    }
}
