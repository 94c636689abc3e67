//! The server: listens, keeps connections within bounds, and hands requests to the routes.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::{Router, middleware};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use toubkal_daemon::Client;
use tower::Service;

use crate::access::{Access, Credentials};
use crate::api;
use crate::guard::{self, Guard, Via};
use crate::transmission;

/// Connections at once; others wait to be accepted.
const CONNECTIONS_MAX: usize = 512;
/// Bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// For the head of a request, also of the next one on the same connection.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// What open connections get when the server ends.
const LAST_TIME: Duration = Duration::from_secs(1);

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where it listens; port 0 lets the system choose. `None`: nowhere on TCP.
    pub http: Option<SocketAddr>,
    /// The local socket, made with rights for its owner alone; one that nobody listens on any
    /// more is replaced. Only on Unix.
    pub socket: Option<PathBuf>,
    /// What has to be shown on TCP. Without any, only loopback is listened on.
    pub credentials: Credentials,
    /// Names under which it is reached, beside addresses and `localhost`.
    pub names: Vec<String>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It would be open to everybody.
    #[error("{0} can be reached by others, and there is no password and no token")]
    Open(SocketAddr),
    /// A password or a token makes no sense.
    #[error("{0}")]
    Credentials(String),
    /// It cannot listen there.
    #[error("cannot listen on {at}: {error}")]
    Listen {
        /// Where.
        at: String,
        /// What the system says.
        error: io::Error,
    },
    /// There is no thread for it.
    #[error("no thread: {0}")]
    System(io::Error),
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Web {
    address: Option<SocketAddr>,
    socket: Option<PathBuf>,
    end: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    /// Listens, and serves a client.
    ///
    /// # Errors
    /// When it cannot listen, or would be open to everybody.
    pub fn start(client: Client, options: &Options) -> Result<Self, StartError> {
        let access = Access::new(&options.credentials).map_err(StartError::Credentials)?;
        if let Some(address) = options.http
            && access.is_open()
            && !address.ip().is_loopback()
        {
            return Err(StartError::Open(address));
        }
        let at = |at: String| move |error| StartError::Listen { at, error };
        let listener = options.http.map(listen).transpose();
        let http = options.http.map(|http| http.to_string()).unwrap_or_default();
        let listener = listener.map_err(at(http))?;
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let local = options.socket.as_deref().map(local::listen).transpose();
        let path = options.socket.clone().unwrap_or_default();
        let local = local.map_err(at(path.display().to_string()))?;
        let guard = Arc::new(Guard::new(access, &options.names));
        let (end, ended) = watch::channel(false);
        let rpc = transmission::routes(client.clone()).map_err(StartError::Credentials)?;
        let routes = api::routes(client, &guard, ended.clone()).merge(rpc);
        let routes = routes.layer(middleware::from_fn_with_state(Arc::clone(&guard), guard::stand));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::System)?;
        let run = move || runtime.block_on(serve(listener, local, routes, ended));
        let thread = thread::Builder::new().name("toubkal-web".into()).spawn(run);
        let thread = Some(thread.map_err(StartError::System)?);
        Ok(Self { address, socket: options.socket.clone(), end, thread })
    }

    /// Where it listens on TCP, with the real port.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.end.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic there was told of there.
            let _ = thread.join();
        }
        if let Some(socket) = &self.socket {
            // It is replaced at the next start.
            let _ = std::fs::remove_file(socket);
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve(
    listener: Option<TcpListener>,
    local: Option<local::Listener>,
    routes: Router,
    ended: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let door = Door { routes, places: Arc::clone(&places), ended };
    tokio::join!(accept_tcp(listener, door.clone()), local::accept(local, door));
    // Those that are open end their answers; who reads slowly is not waited for.
    let all = places.acquire_many(CONNECTIONS_MAX as u32);
    let _ = tokio::time::timeout(LAST_TIME, all).await;
}

async fn accept_tcp(listener: Option<TcpListener>, door: Door) {
    let listener = listener.and_then(|listener| tokio::net::TcpListener::from_std(listener).ok());
    let Some(listener) = listener else { return };
    let next = async || {
        let (stream, from) = listener.accept().await?;
        // Answers are small and wanted at once.
        let _ = stream.set_nodelay(true);
        Ok((stream, Via::Tcp(from.ip().to_canonical())))
    };
    door.open(next).await;
}

/// Where connections come in, whatever they come over.
#[derive(Clone)]
struct Door {
    routes: Router,
    places: Arc<Semaphore>,
    ended: watch::Receiver<bool>,
}

impl Door {
    /// Serves all that come, until the server ends.
    async fn open<S>(mut self, next: impl AsyncFn() -> io::Result<(S, Via)>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = next() => accepted,
                _ = self.ended.wait_for(|ended| *ended) => return,
            };
            match accepted {
                Ok((stream, via)) => {
                    let work = one(stream, via, self.routes.clone(), self.ended.clone());
                    tokio::spawn(async move {
                        work.await;
                        drop(place);
                    });
                }
                // Too many open files, or the connection is gone again: the next may do better.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

/// Serves one connection.
async fn one(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    via: Via,
    routes: Router,
    mut ended: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(via);
        let mut routes = routes.clone();
        async move { routes.call(request.map(Body::new)).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // A connection that breaks off is no news for anybody.
        _ = connection.as_mut() => return,
        _ = ended.wait_for(|ended| *ended) => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(LAST_TIME, connection).await;
}

#[cfg(unix)]
mod local {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    pub(super) type Listener = UnixListener;

    /// Listens on a local socket that only its owner can open.
    pub(super) fn listen(path: &Path) -> io::Result<Listener> {
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon listens there"));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    pub(super) async fn accept(listener: Option<Listener>, door: Door) {
        let listener = listener.and_then(|it| tokio::net::UnixListener::from_std(it).ok());
        let Some(listener) = listener else { return };
        door.open(async || Ok((listener.accept().await?.0, Via::Local))).await;
    }
}

/// Without such sockets there is TCP alone.
#[cfg(not(unix))]
mod local {
    use super::*;

    pub(super) type Listener = std::convert::Infallible;

    pub(super) fn listen(_: &Path) -> io::Result<Listener> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "there are no local sockets here"))
    }

    pub(super) async fn accept(_: Option<Listener>, _: Door) {}
}
