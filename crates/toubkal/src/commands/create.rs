//! `toubkal create`: make a torrent of a file or folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;
use toubkal_session::hashing::{self, CreateError, CreateOptions, Created, Skipped};
use toubkal_wire::metainfo::{Metainfo, Oddity};

use crate::exit::{Exit, Failure};
use crate::progress::Screen;
use crate::signals::Interrupt;
use crate::{json, text, units, work};

/// Make a torrent of a file or folder
#[derive(Args, Debug)]
#[command(
    long_about = "Make a torrent of a file or folder, and print its info-hash.",
    after_help = "Examples:\n  \
        toubkal create photos -o photos.torrent --announce https://tracker.example.org/announce\n  \
        toubkal create film.mkv -o film.torrent --private --piece-length 4MiB\n  \
        toubkal create data -o data.torrent --web-seed https://example.org/data/"
)]
pub(crate) struct CreateArgs {
    /// The file or folder
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// The torrent to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// A tracker; each further one is asked when those before it do not answer
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    announce: Vec<String>,
    /// Bytes in a piece, a power of two: 256KiB, 4MiB [default: by size]
    #[arg(long, value_name = "N", value_parser = parse_piece_length)]
    piece_length: Option<u32>,
    /// Peers may come from the trackers alone
    #[arg(long)]
    private: bool,
    /// A comment for people
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// A server that holds the content; may be repeated
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    web_seed: Vec<String>,
    /// Replace the torrent if it is there already
    #[arg(long)]
    force: bool,
    /// Say only results and errors
    #[arg(short, long)]
    quiet: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// Reads a length of pieces. Only powers of two make sense, so `32k` is read as 32 KiB.
pub(super) fn parse_piece_length(text: &str) -> Result<u32, String> {
    let good = |bytes: u64| {
        let length = u32::try_from(bytes).ok()?;
        let fits = length.is_power_of_two() && (16 << 10..=256 << 20).contains(&length);
        fits.then_some(length)
    };
    let binary = || units::parse_size(&format!("{text}iB")).ok();
    let length = good(units::parse_size(text)?).or_else(|| binary().and_then(good));
    length.ok_or_else(|| "a piece length is a power of two from 16KiB to 256MiB".into())
}

/// Checks what is plain to see of an address.
fn parse_url(text: &str) -> Result<String, String> {
    let good = text.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty() && !rest.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    match good && !text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        true => Ok(text.to_owned()),
        false => Err("an address is written like https://tracker.example.org/announce".into()),
    }
}

pub(crate) fn run(args: &CreateArgs) -> Result<Exit, Failure> {
    let interrupt = Interrupt::new();
    check(args)?;
    let mut screen = Screen::new(args.quiet || args.json);
    let (path, options) = (args.path.clone(), options(args));
    let name = name_of(&args.path);
    let created = work::with_progress(&name, &mut screen, &interrupt, move |progress| {
        hashing::create(&path, &options, work::threads(), progress)
    });
    let Some(created) = created else {
        screen.say("stopped; nothing was written");
        return Ok(Exit::Interrupted);
    };
    let created = created.map_err(|error| failure(&error, &args.path))?;
    for skipped in &created.skipped {
        let kind = match skipped {
            Skipped::Link(_) => "a symbolic link",
            Skipped::Special(_) => "no file or folder",
        };
        screen.say(&format!("left out: {} is {kind}", skipped.path().display()));
    }
    write(&args.output, &created.torrent)?;
    tell(args, &created, &mut screen)
}

/// What can be seen to go wrong, before hours of hashing.
fn check(args: &CreateArgs) -> Result<(), Failure> {
    if let Err(error) = fs::symlink_metadata(&args.path) {
        let failure = Failure::io("read", &args.path, &error);
        let exit = if error.kind() == io::ErrorKind::NotFound { Exit::Usage } else { failure.exit };
        return Err(Failure { exit, ..failure });
    }
    is_free(&args.output, args.force)
}

/// Whether a torrent can be written here; what is there is replaced by `force` alone.
pub(super) fn is_free(output: &Path, force: bool) -> Result<(), Failure> {
    if !force && fs::symlink_metadata(output).is_ok() {
        let what = format!("cannot write {}", output.display());
        let tip = "choose another name, or take --force to replace it";
        return Err(Failure::new(Exit::NotWritable, what).cause("it exists already").tip(tip));
    }
    // Nothing is left of this trial.
    let part = part_of(output);
    let trial = File::create_new(&part).map(drop).and_then(|()| fs::remove_file(&part));
    trial.map_err(|error| unwritable(output, &error))
}

fn options(args: &CreateArgs) -> CreateOptions {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok();
    CreateOptions {
        piece_length: args.piece_length,
        trackers: args.announce.iter().map(|url| vec![url.clone()]).collect(),
        web_seeds: args.web_seed.clone(),
        private: args.private,
        comment: args.comment.clone(),
        created_by: Some(concat!("Toubkal/", env!("CARGO_PKG_VERSION")).into()),
        created: now.and_then(|now| i64::try_from(now.as_secs()).ok()),
        source: None,
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// The name under which the torrent is written until it is whole.
fn part_of(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Writes the torrent whole or not at all.
pub(super) fn write(output: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let part = part_of(output);
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, output));
    written.map_err(|error| {
        // What is left of it is of no use.
        let _ = fs::remove_file(&part);
        unwritable(output, &error)
    })
}

fn unwritable(output: &Path, error: &io::Error) -> Failure {
    let failure = Failure::io("write", output, error);
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            let cause = "the folder is not there";
            Failure { exit: Exit::Usage, ..failure }.cause(cause).tip("make it, or choose another")
        }
        _ => failure,
    }
}

fn failure(error: &CreateError, path: &Path) -> Failure {
    match error {
        CreateError::Read { path, error } => Failure::io("read", path, error),
        error => Failure::new(Exit::Failed, format!("cannot make a torrent of {}", path.display()))
            .cause(error.to_string()),
    }
}

/// The info-hash is the result; the rest is told beside it.
fn tell(args: &CreateArgs, created: &Created, screen: &mut Screen) -> Result<Exit, Failure> {
    let metainfo = Metainfo::parse(&created.torrent).map_err(|error| {
        Failure::new(Exit::Failed, "the new torrent cannot be read").cause(error.to_string())
    })?;
    let hash = metainfo.info_hash_v1.map(|hash| text::hex(&hash)).unwrap_or_default();
    // Whoever downloads it gets these names, and whoever seeds it must have them.
    let renamed = |oddity: &&Oddity| matches!(oddity, Oddity::Name { .. } | Oddity::Paths { .. });
    for renamed in metainfo.oddities.iter().filter(renamed) {
        screen.say(&format!("not every system can hold these names: {renamed}"));
    }
    if args.json {
        json::print(&serde_json::json!({
            "torrent": hash,
            "name": metainfo.name,
            "file": args.output.display().to_string(),
            "total_size": created.total,
            "files": created.files,
            "pieces": metainfo.pieces(),
            "piece_length": created.piece_length,
        }))?;
        return Ok(Exit::Done);
    }
    let files = text::count(created.files as u64, "file", "files");
    let pieces = text::count(u64::from(metainfo.pieces()), "piece", "pieces");
    let length = units::binary_size(u64::from(created.piece_length));
    let (output, size) = (args.output.display(), units::size(created.total));
    screen.say(&format!("{output}: {size} in {files}, {pieces} of {length}"));
    screen.print(&format!("{hash}\n"))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piece_lengths_are_powers_of_two_however_they_are_written() {
        for (text, length) in
            [("16384", 16_384), ("32k", 32_768), ("4M", 4 << 20), ("1MiB", 1 << 20)]
        {
            assert_eq!(parse_piece_length(text), Ok(length), "{text}");
        }
        for text in ["0", "1000", "33k", "8k", "512M", "k", "", "-1", "1e9"] {
            assert!(parse_piece_length(text).is_err(), "{text}");
        }
    }
}
