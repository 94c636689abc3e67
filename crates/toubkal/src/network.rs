//! From flags to a session: where to listen, which peers, how fast.

use std::net::{SocketAddr, ToSocketAddrs};

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
    let open = |listen| open(rates, listen, !peers.no_lan, keep);
    if peers.no_listen {
        return open(Vec::new());
    }
    if let Some(Listen(addresses)) = &peers.listen {
        return open(addresses.clone());
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
    choices.into_iter().map(open).find(Result::is_ok).unwrap_or_else(|| open(Vec::new()))
}

fn open(
    rates: &RateArgs,
    listen: Vec<SocketAddr>,
    lan: bool,
    keep: &Keep,
) -> Result<Session, Failure> {
    let rates = Rates { down: rates.down_limit, up: rates.up_limit };
    let Keep { state, record } = keep.clone();
    let options = Options { listen, rates, lan, state, record, ..Options::default() };
    Session::start(options).map_err(|error| refusal(&error))
}

fn refusal(error: &StartError) -> Failure {
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
