//! A small tracker, over HTTP and UDP on the same port, for a local network, for tests and for
//! the demonstration.
//!
//! It keeps its swarms in memory and has no way to tell members from strangers: it is not made
//! for the internet. Whoever connects can use up no more than [`Options`] allows.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};
use toubkal_core::base::{Rng, Time};
use toubkal_core::tracker::{Limits, Registry, udp};
use toubkal_wire::announce::{Query, scrape_hashes};

/// Ports that are tried where any will do: another program may have one over UDP alone.
const PORTS_TRIED: u32 = 16;
/// Bytes of a packet that are read.
const PACKET_BYTES_MAX: usize = 2 * 1024;

/// What the tracker takes in.
#[derive(Clone, Debug)]
pub struct Options {
    /// Of swarms and answers.
    pub limits: Limits,
    /// Connections at once; the others wait to be accepted.
    pub connections_max: usize,
    /// Bytes of the head of a request; at least 8192.
    pub head_bytes_max: usize,
    /// For the head of a request, also of the next one on the same connection.
    pub head_time: Duration,
    /// For a connection in all.
    pub connection_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            connections_max: 500,
            head_bytes_max: 16 << 10,
            head_time: Duration::from_secs(10),
            connection_time: Duration::from_secs(60),
        }
    }
}

/// A running tracker; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    registry: Arc<Mutex<Registry>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens, and answers from now on. Port 0 takes a free one: see [`Server::address`].
    ///
    /// # Errors
    /// When the address cannot be listened on, or the system has no thread or entropy left.
    pub fn start(listen: SocketAddr, options: Options) -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let (listener, datagrams, address) = bind(listen)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let rng = Rng::new(seed);
        let udp = Arc::new(udp::Server::new(rng.fork("connection ids")));
        let registry = Registry::new(options.limits.clone(), rng);
        let registry = Arc::new(Mutex::new(registry));
        let desk = Desk { registry: registry.clone(), udp, epoch: Instant::now() };
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("tracker server".into()).spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                tokio::task::spawn_local(receive(datagrams, desk.clone()));
                tokio::task::spawn_local(accept(listener, options, desk));
                let _ = ended.await;
            });
        })?;
        Ok(Self { address, registry, end: Some(end), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The announce URL, as far as the address to listen on says it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// The same over UDP (BEP 15).
    #[must_use]
    pub fn udp_url(&self) -> String {
        format!("udp://{}/announce", self.address)
    }

    /// Swarms and peers that it remembers.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).size()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic over there has been shown already.
            let _ = thread.join();
        }
    }
}

/// Takes an address over TCP and UDP. Where any port will do, it is one that both have free.
fn bind(listen: SocketAddr) -> io::Result<(TcpListener, UdpSocket, SocketAddr)> {
    let mut tries = if listen.port() == 0 { PORTS_TRIED } else { 1 };
    loop {
        tries -= 1;
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        match UdpSocket::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            datagrams => {
                let datagrams = datagrams?;
                listener.set_nonblocking(true)?;
                datagrams.set_nonblocking(true)?;
                return Ok((listener, datagrams, address));
            }
        }
    }
}

async fn receive(socket: UdpSocket, desk: Desk) {
    let Ok(socket) = tokio::net::UdpSocket::from_std(socket) else { return };
    // What is longer is cut: no question is.
    let mut packet = [0; PACKET_BYTES_MAX];
    loop {
        // An error speaks of a packet that was sent before.
        let Ok((length, from)) = socket.recv_from(&mut packet).await else { continue };
        if let Some(answer) = desk.answer_packet(from, &packet[..length]) {
            // One that the system has no room for is lost, as others are on their way.
            let _ = socket.try_send_to(&answer, from);
        }
    }
}

async fn accept(listener: TcpListener, options: Options, desk: Desk) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let places = Arc::new(Semaphore::new(options.connections_max));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok((stream, remote)) = listener.accept().await else {
            // Out of descriptors, most likely: others will be closed.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (desk, options) = (desk.clone(), options.clone());
        tokio::task::spawn_local(async move {
            let serving = serve(stream, remote.ip(), &options, desk);
            let _ = timeout(options.connection_time, serving).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, from: IpAddr, options: &Options, desk: Desk) {
    let service = service_fn(move |request| {
        let response = desk.answer(from, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_time)
        .max_buf_size(options.head_bytes_max.max(8192))
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), service);
    // What goes wrong here is the client's loss alone.
    let _ = connection.await;
}

/// What all connections share.
#[derive(Clone, Debug)]
struct Desk {
    registry: Arc<Mutex<Registry>>,
    udp: Arc<udp::Server>,
    epoch: Instant,
}

impl Desk {
    fn now(&self) -> Time {
        Time::from_nanos(u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn answer_packet(&self, from: SocketAddr, packet: &[u8]) -> Option<Vec<u8>> {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.udp.answer(self.now(), from, packet, &mut registry)
    }

    fn answer(&self, from: IpAddr, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return page(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n");
        }
        let query = request.uri().query().unwrap_or_default();
        let now = self.now();
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        match request.uri().path() {
            "/announce" => match Query::parse(query) {
                Ok(query) => {
                    let reply = registry.announce(now, from, &query);
                    page(StatusCode::OK, reply.encode(query.compact))
                }
                Err(error) => page(StatusCode::OK, Registry::refuse(&error).encode(true)),
            },
            "/scrape" => {
                let reply = registry.scrape(now, &scrape_hashes(query));
                page(StatusCode::OK, reply.encode())
            }
            "/" => page(StatusCode::OK, "A BitTorrent tracker: announce to /announce.\n"),
            _ => page(StatusCode::NOT_FOUND, "there is nothing here but /announce and /scrape\n"),
        }
    }
}

fn page(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().expect("it is ASCII"));
    response
}
