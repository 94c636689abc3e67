//! Connecting, and what it means when that fails.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use mio::net::TcpStream;
use toubkal_core::engine::DialError;

/// Begins to connect.
pub(crate) fn dial(remote: SocketAddr) -> Result<TcpStream, DialError> {
    // A port of 0 or an address of nobody would end in surprising places on some systems.
    if remote.port() == 0 || remote.ip().is_unspecified() || remote.ip().is_multicast() {
        return Err(DialError::Unreachable);
    }
    TcpStream::connect(remote).map_err(|error| explain(&error))
}

/// Whether a connection stands: `None` while it is still being tried.
pub(crate) fn outcome(stream: &TcpStream) -> Option<Result<(), DialError>> {
    match stream.take_error() {
        Ok(None) => {}
        Ok(Some(error)) | Err(error) => return Some(Err(explain(&error))),
    }
    match stream.peer_addr() {
        Ok(_) => Some(Ok(())),
        Err(error) if error.kind() == ErrorKind::NotConnected => None,
        Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => None,
        Err(error) => Some(Err(explain(&error))),
    }
}

/// Some systems say so instead of "not connected".
#[cfg(unix)]
const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();
#[cfg(not(unix))]
const IN_PROGRESS: i32 = 10_036;

/// Whose fault it is.
fn explain(error: &io::Error) -> DialError {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => DialError::Refused,
        ErrorKind::TimedOut => DialError::TimedOut,
        // No port left, no memory left.
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse | ErrorKind::OutOfMemory => {
            DialError::Local
        }
        _ if is_exhausted(error) => DialError::Local,
        _ => DialError::Unreachable,
    }
}

/// Whether this process, or this machine, has no socket left.
#[cfg(unix)]
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| {
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].contains(&errno)
    })
}

/// Whether this process, or this machine, has no socket left: `WSAEMFILE`, `WSAENOBUFS`.
#[cfg(not(unix))]
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(10_024 | 10_055))
}
