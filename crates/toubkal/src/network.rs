//! From flags to a session: where to listen, which peers, how fast.

use std::net::{SocketAddr, ToSocketAddrs};

use toubkal_session::dht::Dht;
use toubkal_session::{Options, Rates, Session, StartError};

use crate::cli::{Listen, PeerArgs, RateArgs};
use crate::exit::{Exit, Failure, io_cause};
use crate::state::Keep;

/// The port that is tried when none was asked for.
const PEER_PORT: u16 = 6881;

/// Starts a session that listens where the flags say.
///
/// # Errors
/// When the port that was asked for is taken. Of those that nobody asked for, any will do.
pub(crate) fn start(peers: &PeerArgs, rates: &RateArgs, keep: &Keep) -> Result<Session, Failure> {
    let options = Options {
        rates: Rates { down: rates.down_limit, up: rates.up_limit },
        lan: !peers.no_lan,
        dht: !peers.dht.no_dht,
        bootstrap: peers.dht.nodes()?,
        state: keep.state.clone(),
        record: keep.record.clone(),
        ..Options::default()
    };
    if peers.no_listen {
        return open(Vec::new(), &options);
    }
    let wanted = peers.listen.clone().map(|Listen(addresses)| addresses);
    free(wanted, |listen| open(listen, &options))
}

/// Opens where it is wanted; when nobody cares, on the usual port, any other, or nowhere.
///
/// # Errors
/// When what is wanted is not to be had.
pub(crate) fn free<T, E>(
    wanted: Option<Vec<SocketAddr>>,
    open: impl Fn(Vec<SocketAddr>) -> Result<T, E>,
) -> Result<T, E> {
    if let Some(addresses) = wanted {
        return open(addresses);
    }
    let Listen(both) = Listen::everywhere(PEER_PORT);
    let any = |address: &SocketAddr| SocketAddr::new(address.ip(), 0);
    // Nobody asked for this port, and not every machine has IPv6.
    let choices = [
        both.clone(),
        both.iter().map(any).collect(),
        vec![both[0]],
        vec![any(&both[0])],
        vec![any(&both[1])],
    ];
    choices.into_iter().map(&open).find(Result::is_ok).unwrap_or_else(|| open(Vec::new()))
}

/// Starts a session that listens here.
///
/// # Errors
/// When an address is not to be had.
pub(crate) fn open(listen: Vec<SocketAddr>, options: &Options) -> Result<Session, Failure> {
    Session::start(Options { listen, ..options.clone() }).map_err(|error| refusal(&error))
}

/// Why a session does not start.
pub(crate) fn refusal(error: &StartError) -> Failure {
    match error {
        StartError::PortInUse { addr } => {
            Failure::new(Exit::PortInUse, format!("cannot listen on {addr}"))
                .cause("another program is listening there")
                .tip("choose another port with --listen, or leave the flag out")
        }
        StartError::Listen { addr, error } => {
            let exit = Exit::of_io(error);
            let what = format!("cannot listen on {addr}");
            Failure::new(exit, what).cause(io_cause(error)).tip("choose another with --listen")
        }
        StartError::NewerState { path } => {
            Failure::new(Exit::Failed, format!("cannot use {}", path.display()))
                .cause("a newer version of toubkal has made it")
                .tip("update toubkal, or leave it as it is with --no-state")
        }
        StartError::Record { path, error } => {
            let what = format!("cannot record into {}", path.display());
            Failure::new(Exit::of_io(error), what).cause(io_cause(error)).tip("check --record")
        }
        StartError::System { what, error } => {
            Failure::new(Exit::Failed, format!("cannot start: no {what}")).cause(io_cause(error))
        }
    }
}

/// The DHT of a session that needs it.
///
/// # Errors
/// When it is off.
pub(crate) fn dht(session: &Session) -> Result<Dht, Failure> {
    session.dht().ok_or_else(|| {
        Failure::new(Exit::Usage, "this needs the DHT")
            .cause("--no-dht turns it off")
            .tip("leave the flag out")
    })
}

/// The addresses of the peers that were named.
///
/// # Errors
/// When a name has no address.
pub(crate) fn peers(named: &[String]) -> Result<Vec<SocketAddr>, Failure> {
    let mut all = Vec::new();
    for peer in named {
        let found = peer.to_socket_addrs().map_err(|_| {
            Failure::new(Exit::Usage, format!("cannot find the peer {peer}"))
                .cause("its name has no address")
                .tip("check the name, or give an address such as 192.0.2.7:6881")
        })?;
        all.extend(found);
    }
    Ok(all)
}
