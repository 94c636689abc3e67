//! The way to a running daemon: its local socket, or its address with a token.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::places;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Which daemon.
#[derive(Args, Clone, Debug)]
pub(crate) struct ControlArgs {
    /// A daemon elsewhere, as http(s)://HOST:PORT [default: the one on this machine]
    ///
    /// Its token comes from the variable TOUBKAL_TOKEN, or name and password from TOUBKAL_USER and
    /// TOUBKAL_PASSWORD.
    #[arg(long, value_name = "URL", env = "TOUBKAL_HOST")]
    pub(crate) host: Option<String>,
    /// The folder of a daemon on this machine [default: as `toubkal paths` says]
    #[arg(long, value_name = "DIR", env = "TOUBKAL_STATE_DIR", conflicts_with = "host")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// A way to a daemon.
pub(crate) struct Control {
    client: Client,
    base: String,
    shown: String,
    runtime: tokio::runtime::Runtime,
}

impl Control {
    /// Finds the daemon; nothing is asked yet.
    ///
    /// # Errors
    /// When the address makes no sense.
    pub(crate) fn open(args: &ControlArgs) -> Result<Self, Failure> {
        let broken = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::Failed, "cannot ask the daemon").cause(error.to_string())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| broken(&error))?;
        // A second time changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder().timeout(PATIENCE).no_proxy();
        let (builder, base, shown) = match &args.host {
            Some(host) => {
                let host = host.trim_end_matches('/');
                if !host.starts_with("http://") && !host.starts_with("https://") {
                    let what = format!("cannot ask {host}");
                    let failure = Failure::new(Exit::Usage, what);
                    return Err(failure.cause("an address is written like http://192.0.2.7:4167"));
                }
                (builder, host.to_owned(), host.to_owned())
            }
            None => {
                let socket = places::socket(&places::state_dir(args.state_dir.as_deref())?);
                let shown = socket.display().to_string();
                (over_socket(builder, socket), "http://localhost".to_owned(), shown)
            }
        };
        let client = builder.build().map_err(|error| broken(&error))?;
        Ok(Self { client, base, shown, runtime })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// When there is no daemon, or it says no.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(&self.send(Method::GET, path, None::<&()>)?)
    }

    /// Tells something.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn tell(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<(), Failure> {
        self.send(method, path, body).map(drop)
    }

    /// Tells something, and reads the answer.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.read(&self.send(Method::POST, path, Some(body))?)
    }

    /// Follows the changes; `each` is given the data of every event until it says no.
    ///
    /// # Errors
    /// When there is no daemon, or it is gone.
    pub(crate) fn follow(
        &self,
        mut each: impl FnMut(&str) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let request = self.request(Method::GET, "/api/v1/events");
            let request = request.timeout(Duration::from_secs(10 * 365 * 86_400));
            let mut response = self.answer(request.send().await).await?;
            let mut waiting = Vec::new();
            while let Some(part) = response.chunk().await.map_err(|error| self.gone(&error))? {
                waiting.extend_from_slice(&part);
                while let Some(end) = waiting.iter().position(|&byte| byte == b'\n') {
                    let line: Vec<u8> = waiting.drain(..=end).collect();
                    let line = String::from_utf8_lossy(&line);
                    if let Some(data) = line.strip_prefix("data:")
                        && !each(data.trim())?
                    {
                        return Ok(());
                    }
                }
                if waiting.len() > ANSWER_BYTES_MAX {
                    return Err(self.strange());
                }
            }
            Ok(())
        })
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        match (variable("TOUBKAL_TOKEN"), variable("TOUBKAL_USER")) {
            (Some(token), _) => request.bearer_auth(token),
            (None, Some(user)) => request.basic_auth(user, variable("TOUBKAL_PASSWORD")),
            (None, None) => request,
        }
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Vec<u8>, Failure> {
        self.runtime.block_on(async {
            let mut request = self.request(method, path);
            if let Some(body) = body {
                request = request.json(body);
            }
            let mut response = self.answer(request.send().await).await?;
            let mut bytes = Vec::new();
            while let Some(part) = response.chunk().await.map_err(|error| self.gone(&error))? {
                bytes.extend_from_slice(&part);
                if bytes.len() > ANSWER_BYTES_MAX {
                    return Err(self.strange());
                }
            }
            Ok(bytes)
        })
    }

    /// The answer, unless it is a refusal.
    async fn answer(&self, sent: Result<Response, reqwest::Error>) -> Result<Response, Failure> {
        let response = sent.map_err(|error| self.absent(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let said = serde_json::from_str::<Value>(&text).ok();
        let detail = said.as_ref().and_then(|said| said["detail"].as_str());
        let cause = detail.map_or_else(|| format!("it answered {status}"), str::to_owned);
        let failure = |exit, what: &str| Failure::new(exit, what).cause(cause.clone());
        Err(match status {
            StatusCode::UNAUTHORIZED => {
                let tip = "set TOUBKAL_TOKEN, or TOUBKAL_USER and TOUBKAL_PASSWORD";
                failure(Exit::Usage, "the daemon lets in only whom it knows").tip(tip)
            }
            StatusCode::NOT_FOUND => failure(Exit::Usage, "the daemon does not know it"),
            StatusCode::INSUFFICIENT_STORAGE => {
                failure(Exit::DiskFull, "the daemon cannot write that down")
            }
            StatusCode::UNPROCESSABLE_ENTITY if said.is_some_and(|it| it["type"] == "torrent") => {
                failure(Exit::BadTorrent, "the daemon does not take it")
            }
            _ => failure(Exit::Failed, "the daemon does not do it"),
        })
    }

    fn read<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Failure> {
        serde_json::from_slice(bytes).map_err(|_| self.strange())
    }

    fn absent(&self, error: &reqwest::Error) -> Failure {
        if !error.is_connect() {
            return self.gone(error);
        }
        Failure::new(Exit::Failed, "there is no daemon")
            .cause(format!("nothing answers at {}", self.shown))
            .tip("start it with `toubkal daemon`, or name another with --host")
    }

    fn gone(&self, error: &reqwest::Error) -> Failure {
        let cause = if error.is_timeout() { "it takes too long" } else { "the connection broke" };
        Failure::new(Exit::Failed, format!("the daemon at {} did not answer", self.shown))
            .cause(cause)
    }

    fn strange(&self) -> Failure {
        let what = format!("what answers at {} is no daemon of toubkal", self.shown);
        Failure::new(Exit::Failed, what).tip("check the address, and the version of both")
    }
}

#[cfg(unix)]
fn over_socket(builder: reqwest::ClientBuilder, socket: PathBuf) -> reqwest::ClientBuilder {
    builder.unix_socket(socket)
}

/// Without such sockets, --host is the only way.
#[cfg(not(unix))]
fn over_socket(builder: reqwest::ClientBuilder, _: PathBuf) -> reqwest::ClientBuilder {
    builder
}
