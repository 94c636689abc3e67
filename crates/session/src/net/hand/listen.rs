//! Sockets on which peers reach us.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

use crate::session::StartError;

/// Connections that the system keeps for us until we accept them, as far as it allows. Who comes
/// beyond tries again after a second, then three, then seven.
const BACKLOG: i32 = 1024;

/// Listens on `addr`.
pub(crate) fn listen(addr: SocketAddr) -> Result<TcpListener, StartError> {
    open(addr).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { addr },
        _ => StartError::Listen { addr, error },
    })
}

fn open(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        // The IPv4 listener has its own socket, on the same port.
        socket.set_only_v6(true)?;
    }
    // On Unix it lets us come back while old connections linger; on Windows it would let two
    // programs have one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}
