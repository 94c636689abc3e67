//! `toubkal dht`: look into the DHT, and change what is stored there.

mod answer;
mod key;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use toubkal_session::dht::{Answers, Dht, Id, NewItem, Report, Wanted, Wish};
use toubkal_session::{Options, Session};
use toubkal_wire::magnet::Magnet;

use crate::cli::{self, DhtArgs, Listen};
use crate::exit::{Exit, Failure};
use crate::signals::Interrupt;
use crate::{network, progress, text};

pub(crate) use answer::refused;
pub(crate) use key::Secret;

/// Look into the DHT, by which peers are found without a tracker
#[derive(Args, Debug)]
#[command(
    long_about = "Look into the DHT, by which peers are found without a tracker (docs/dht.md).\n\n\
        Ends with exit code 1 when what was asked for is not found in time.",
    after_help = "Examples:\n  \
        toubkal dht ping router.bittorrent.com:6881\n  \
        toubkal dht find-peers 'magnet:?xt=urn:btih:...'\n  \
        toubkal dht put 'hello' && toubkal dht get TARGET"
)]
pub(crate) struct DhtCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Ask a node whether it is there
    Ping {
        /// The node
        #[arg(value_name = "HOST:PORT", value_parser = cli::parse_peer)]
        node: String,
        #[command(flatten)]
        common: Common,
    },
    /// Find the peers of a torrent
    FindPeers {
        /// Its info-hash, in 40 hexadecimal digits, or a magnet link
        #[arg(value_name = "HASH|MAGNET", value_parser = parse_hash)]
        torrent: Id,
        #[command(flatten)]
        common: Common,
    },
    /// Fetch an item
    Get {
        /// Its target in 40 hexadecimal digits; or, with 64, the public key of one that changes
        #[arg(value_name = "TARGET|KEY", value_parser = parse_target)]
        target: Target,
        /// Which of the key's items
        #[arg(long, value_name = "TEXT", default_value = "")]
        salt: String,
        #[command(flatten)]
        common: Common,
    },
    /// Store a text for two hours, and print where
    Put {
        /// The text, of at most 995 bytes
        text: String,
        /// Sign it with the key in this file, so that it can be changed; made if it is not there
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Which of the key's items
        #[arg(long, value_name = "TEXT", default_value = "", requires = "key")]
        salt: String,
        #[command(flatten)]
        common: Common,
    },
    /// Look around for a while, and tell what there is
    Stats {
        #[command(flatten)]
        common: Common,
    },
    /// Run a node for others to begin with, until Ctrl-C
    Node {
        /// Where to listen
        #[arg(
            long, value_name = "ADDR:PORT", default_value = "6881", value_parser = cli::parse_listen
        )]
        listen: Listen,
        #[command(flatten)]
        dht: DhtArgs,
        /// Print what happens as JSON, one object a line
        #[arg(long)]
        json: bool,
    },
}

/// What all of them take.
#[derive(Args, Debug)]
struct Common {
    #[command(flatten)]
    dht: DhtArgs,
    /// Give up after so many seconds, with exit code 1
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = cli::parse_seconds)]
    timeout: Duration,
    /// Print the result as JSON, one object a line (docs/json.md)
    #[arg(long)]
    json: bool,
}

/// Which item.
#[derive(Clone, Debug)]
enum Target {
    Fixed(Id),
    Key([u8; 32]),
}

/// How often it is seen whether the user wants an end.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(command: &DhtCommand) -> Result<Exit, Failure> {
    match &command.what {
        What::Ping { node, common } => {
            let to = address(node)?;
            // Nobody else is needed.
            let asking = Asking::start(common, Vec::new())?;
            asking.follow(Wish::Ping(to), answer::ping)
        }
        What::FindPeers { torrent, common } => {
            let mut found = answer::Peers::default();
            let wish = Wish::Peers { info_hash: *torrent, announce: None };
            let asking = Asking::start(common, common.dht.nodes()?)?;
            asking.follow(wish, |report, json| found.hear(report, json))
        }
        What::Get { target, salt, common } => {
            let wanted = match target {
                Target::Fixed(id) => Wanted::Immutable(*id),
                Target::Key(key) => Wanted::Mutable { key: *key, salt: salt.clone().into() },
            };
            let mut found = answer::Newest::default();
            let asking = Asking::start(common, common.dht.nodes()?)?;
            asking.follow(Wish::Get(wanted), |report, json| found.hear(report, json))
        }
        What::Put { text, key, salt, common } => {
            let value = [text.len().to_string().as_bytes(), b":", text.as_bytes()].concat();
            let item = match key {
                None => NewItem::Immutable(value),
                Some(file) => {
                    let secret = Secret::open(file)?;
                    NewItem::Mutable {
                        secret: secret.seed(),
                        salt: salt.clone().into(),
                        seq: None,
                        value,
                        cas: None,
                    }
                }
            };
            let asking = Asking::start(common, common.dht.nodes()?)?;
            asking.follow(Wish::Put(item), answer::stored)
        }
        What::Stats { common } => stats(common),
        What::Node { listen, dht, json } => node(listen, dht, *json),
    }
}

/// A session that asks, and its limits.
struct Asking {
    session: Session,
    dht: Dht,
    interrupt: Interrupt,
    until: Instant,
    json: bool,
}

impl Asking {
    fn start(common: &Common, bootstrap: Vec<String>) -> Result<Self, Failure> {
        let interrupt = Interrupt::new();
        // It listens nowhere: a node that is soon gone is of no use to others (BEP 43).
        let dht = !common.dht.no_dht;
        let options = Options { bootstrap, dht, lan: false, ..Options::default() };
        let session = network::open(Vec::new(), &options)?;
        let dht = network::dht(&session)?;
        let until = Instant::now() + common.timeout;
        Ok(Self { session, dht, interrupt, until, json: common.json })
    }

    /// Asks, and gives each report to `hear` until it says how it ends.
    fn follow(
        self,
        wish: Wish,
        mut hear: impl FnMut(&Report, bool) -> Result<Option<Exit>, Failure>,
    ) -> Result<Exit, Failure> {
        let answers: Answers = self.dht.ask(wish);
        let mut left = Duration::ZERO;
        let ended = loop {
            let report = answers.next(LOOK.min(left.max(Duration::from_millis(1))));
            if let Some(report) = report
                && let Some(exit) = hear(&report, self.json)?
            {
                break Ok(exit);
            }
            if self.interrupt.is_raised() {
                break Ok(Exit::Interrupted);
            }
            left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Err(self.nobody());
            }
        };
        drop(answers);
        self.session.shutdown(Duration::ZERO);
        ended
    }

    fn nobody(&self) -> Failure {
        let homes = self.dht.status().map(|status| status.homes).unwrap_or_default();
        let failure = Failure::new(Exit::Failed, "nothing was found in time");
        if homes.iter().all(|home| home.nodes == 0) {
            return failure
                .cause("no node of the DHT has answered")
                .tip("check the network, or name a node that is there with --bootstrap");
        }
        failure.cause("the DHT does not have it, or is slow").tip("try a longer --timeout")
    }
}

/// Looks around until the neighbours are known.
fn stats(common: &Common) -> Result<Exit, Failure> {
    let asking = Asking::start(common, common.dht.nodes()?)?;
    let dht = asking.dht.clone();
    dht.start();
    // Its own neighbourhood is where it knows most.
    let homes = dht.status().unwrap_or_default().homes;
    let target = homes.first().map_or(Id([0; 20]), |home| home.id);
    asking.follow(Wish::Nodes(target), move |report, json| {
        let Report::Done { summary, .. } = report else { return Ok(None) };
        if summary.answered == 0 {
            return Ok(None);
        }
        let status = dht.status().unwrap_or_default();
        answer::stats(&status, (summary, &target), json).map(Some)
    })
}

/// Runs a node that others can begin with.
fn node(listen: &Listen, args: &DhtArgs, json: bool) -> Result<Exit, Failure> {
    let interrupt = Interrupt::new();
    let options = Options { bootstrap: args.nodes()?, lan: false, ..Options::default() };
    let session = network::open(listen.0.clone(), &options)?;
    let Some(dht) = session.dht() else { return Ok(Exit::Done) };
    dht.start();
    answer::listening(session.listening_on(), json)?;
    while !interrupt.is_raised() {
        std::thread::sleep(LOOK);
    }
    let status = dht.status().unwrap_or_default();
    answer::farewell(&status, json)?;
    session.shutdown(Duration::ZERO);
    Ok(Exit::Done)
}

fn address(node: &str) -> Result<SocketAddr, Failure> {
    let found = node.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("cannot find the node {node}"))
            .cause("its name has no address")
            .tip("check the name, or give an address such as 192.0.2.7:6881")
    })
}

/// Reads an info-hash, or the one of a link.
fn parse_hash(text: &str) -> Result<Id, String> {
    if let Some(bytes) = text::unhex(text).and_then(|bytes| bytes.try_into().ok()) {
        return Ok(Id(bytes));
    }
    let link = Magnet::parse(text).ok().and_then(|link| link.v1);
    link.map(Id).ok_or_else(|| "an info-hash has 40 hexadecimal digits".into())
}

/// Reads where an item is.
fn parse_target(text: &str) -> Result<Target, String> {
    let bytes = text::unhex(text).unwrap_or_default();
    if let Ok(id) = bytes.as_slice().try_into() {
        return Ok(Target::Fixed(Id(id)));
    }
    let key = bytes.as_slice().try_into().map(Target::Key);
    key.map_err(|_| "a target has 40 hexadecimal digits, a key 64".into())
}

/// Prints what a person wanted to know.
fn say(line: &str) -> Result<(), Failure> {
    progress::print(&format!("{line}\n"))
}
