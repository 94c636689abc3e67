//! The configuration of the daemon: one TOML file, with variables and flags above it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toubkal_daemon::{Alternative, Queue, Settings};
use toubkal_session::dht::ROUTERS;

use crate::cli::{self, Listen};
use crate::exit::{Exit, Failure};
use crate::units;

/// The file with everything that can be set, explained.
pub(crate) const EXAMPLE: &str = include_str!("config.example.toml");
/// Where page and APIs are: Toubkal is 4,167 m high.
const HTTP: &str = "127.0.0.1:4167";

/// What the file says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    downloads: Option<PathBuf>,
    folders: Vec<PathBuf>,
    add_paused: bool,
    /// Torrents may be fetched from addresses of this computer and network.
    pub(crate) fetch_local: bool,
    pub(crate) http: Http,
    pub(crate) peers: Peers,
    limits: Limits,
    queue: Queue,
    goals: Goals,
}

/// Page and APIs.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    listen: Option<String>,
    pub(crate) names: Vec<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) tokens: Vec<String>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// How peers are reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Peers {
    listen: Option<Text>,
    pub(crate) dht: bool,
    pub(crate) lan: bool,
    bootstrap: Option<Vec<String>>,
    pub(crate) connections: u32,
    pub(crate) uploads: u32,
}

impl Default for Peers {
    fn default() -> Self {
        Self { listen: None, dht: true, lan: true, bootstrap: None, connections: 500, uploads: 8 }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    down: Option<Text>,
    up: Option<Text>,
    alternative: Rates,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rates {
    down: Option<Text>,
    up: Option<Text>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Goals {
    ratio: Option<f64>,
    seeding: Option<String>,
    idle: Option<String>,
}

/// A number, with or without a unit.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    Number(u64),
    Words(String),
}

impl Text {
    fn words(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Words(words) => words.clone(),
        }
    }
}

impl Config {
    /// Reads a file; without one everything is as usual.
    ///
    /// # Errors
    /// When it cannot be read, or says what makes no sense; with the line.
    pub(crate) fn read(path: &Path, must_be: bool) -> Result<Self, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_be => {
                return Ok(Self::default());
            }
            Err(error) => return Err(Failure::io("read", path, &error)),
        };
        Self::parse(&text).map_err(|cause| {
            let what = format!("cannot understand {}", path.display());
            let tip = "`toubkal config --example` shows everything that can be set";
            Failure::new(Exit::Usage, what).cause(cause).tip(tip)
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let line = |span: std::ops::Range<usize>| {
                text[..span.start.min(text.len())].matches('\n').count() + 1
            };
            let at = error.span().map(|span| format!("line {}: ", line(span))).unwrap_or_default();
            format!("{at}{}", error.message())
        })?;
        config.settings(Path::new("/"))?;
        config.http_listen()?;
        config.peer_listen()?;
        config.bootstrap()?;
        Ok(config)
    }

    /// What holds for all torrents; `home` is for paths that begin with `~`.
    ///
    /// # Errors
    /// When a value makes no sense.
    pub(crate) fn settings(&self, home: &Path) -> Result<Settings, String> {
        let rate = |name: &str, rate: &Option<Text>| {
            let parsed = rate.as_ref().map(|rate| units::parse_rate(&rate.words())).transpose();
            parsed.map_err(|error| format!("{name}: {error}"))
        };
        let time = |name: &str, time: &Option<String>| {
            let parsed = time.as_ref().map(|time| units::parse_time(time)).transpose();
            parsed.map_err(|error| format!("{name}: {error}"))
        };
        let ratio = match self.goals.ratio {
            Some(ratio) if !ratio.is_finite() || !(0.0..=1e6).contains(&ratio) => {
                return Err("goals.ratio: a ratio is written like 2.0".to_owned());
            }
            ratio => ratio.map(|ratio| (ratio * 1000.0).round() as u64),
        };
        Ok(Settings {
            downloads: match &self.downloads {
                Some(downloads) => from_home(downloads, home),
                None => home.join("Downloads"),
            },
            down: rate("limits.down", &self.limits.down)?,
            up: rate("limits.up", &self.limits.up)?,
            alternative: Alternative {
                on: false,
                down: rate("limits.alternative.down", &self.limits.alternative.down)?,
                up: rate("limits.alternative.up", &self.limits.alternative.up)?,
            },
            queue: self.queue.clone(),
            ratio,
            seeding: time("goals.seeding", &self.goals.seeding)?,
            idle: time("goals.idle", &self.goals.idle)?,
            add_paused: self.add_paused,
            ..Settings::default()
        })
    }

    /// Other folders in which torrents may lie.
    pub(crate) fn folders(&self, home: &Path) -> Vec<PathBuf> {
        self.folders.iter().map(|folder| from_home(folder, home)).collect()
    }

    /// Where page and APIs are.
    ///
    /// # Errors
    /// When that is no address.
    pub(crate) fn http_listen(&self) -> Result<std::net::SocketAddr, String> {
        let text = self.http.listen.as_deref().unwrap_or(HTTP);
        cli::parse_address(text).map_err(|error| format!("http.listen: {error}"))
    }

    /// Where peers reach us; `None`: as usual.
    ///
    /// # Errors
    /// When that is no address.
    pub(crate) fn peer_listen(&self) -> Result<Option<Listen>, String> {
        let listen = self.peers.listen.as_ref().map(|text| cli::parse_listen(&text.words()));
        listen.transpose().map_err(|error| format!("peers.listen: {error}"))
    }

    /// Nodes that the DHT begins with.
    ///
    /// # Errors
    /// When one is none.
    pub(crate) fn bootstrap(&self) -> Result<Vec<String>, String> {
        let usual = || ROUTERS.map(str::to_owned).into();
        let nodes: Vec<String> = self.peers.bootstrap.clone().unwrap_or_else(usual);
        let checked = nodes.iter().map(|node| cli::parse_peer(node));
        checked.collect::<Result<_, _>>().map_err(|error| format!("peers.bootstrap: {error}"))
    }
}

/// A path whose `~` is the home of the user, from the root.
fn from_home(path: &Path, home: &Path) -> PathBuf {
    match path.strip_prefix("~") {
        Ok(rest) => home.join(rest),
        Err(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(with: &str) -> Config {
        let text: String = EXAMPLE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                // Prose has a space behind its mark, values have none.
                Some(value) if !value.starts_with(' ') && !value.is_empty() => format!("{value}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        Config::parse(&format!("{text}{with}")).unwrap()
    }

    #[test]
    fn the_example_is_what_holds_without_a_file_and_all_of_it_is_understood() {
        let home = Path::new("/home/me");
        let empty = Config::parse("").unwrap();
        assert_eq!(Config::parse(EXAMPLE).unwrap().settings(home), empty.settings(home));
        let all = example("");
        let settings = all.settings(home).unwrap();
        assert_eq!(settings.downloads, Path::new("/home/me/Downloads"));
        assert_eq!((settings.down, settings.up), (Some(10_000_000), Some(2_000_000)));
        assert_eq!(settings.alternative.up, Some(200_000));
        assert_eq!(settings.queue.downloads, Some(5));
        assert_eq!((settings.ratio, settings.idle), (Some(2000), Some(3 * 86_400)));
        assert_eq!(all.http_listen().unwrap().port(), 4167);
        assert_eq!(all.peers.connections, empty.peers.connections);
        assert_eq!(all.peers.uploads, empty.peers.uploads);
        assert_eq!((all.peers.dht, all.peers.lan), (empty.peers.dht, empty.peers.lan));
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_line() {
        let table = [
            ("downloads = 5", "line 1: "),
            ("\n[http]\nport = 5", "line 3: "),
            ("[limits]\ndown = \"fast\"", "limits.down: "),
            ("[limits.alternative]\nup = 0", "limits.alternative.up: "),
            ("[goals]\nratio = -1.0", "goals.ratio: "),
            ("[goals]\nidle = \"soon\"", "goals.idle: "),
            ("[http]\nlisten = \"here\"", "http.listen: "),
            ("[peers]\nlisten = 70000", "peers.listen: "),
            ("[peers]\nbootstrap = [\"x\"]", "peers.bootstrap: "),
        ];
        for (text, start) in table {
            let error = Config::parse(text).unwrap_err();
            assert!(error.starts_with(start), "{text}: {error}");
        }
    }

    #[test]
    fn secrets_are_not_shown_by_accident() {
        let config = Config::parse("[http]\nuser = \"me\"\npassword = \"s3cret\"").unwrap();
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
