//! One document: hops, limits, body.

use std::cell::OnceCell;
use std::time::Duration;

use reqwest::header::{LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use rustls::ClientConfig;
use tokio::time::timeout;
use url::Url;

use super::reach::{Family, Reach, Scope};
use super::{HttpError, HttpOptions, World, tls};

/// How long a connection is kept that nobody uses. Announces are minutes apart: this is for
/// `completed` with `stopped` behind it, and for many torrents of one tracker.
const IDLE: Duration = Duration::from_secs(15);

/// A document that came, whatever its status.
#[derive(Debug)]
pub(in crate::tracker) struct Page {
    pub(in crate::tracker) status: u16,
    pub(in crate::tracker) body: Vec<u8>,
    retry: Option<Duration>,
}

impl Page {
    /// The status as an error.
    pub(in crate::tracker) fn as_error(&self) -> HttpError {
        let name = StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason());
        let status = match name {
            Some(name) => format!("{} ({name})", self.status),
            None => self.status.to_string(),
        };
        HttpError::Status { status, retry: self.retry }
    }
}

/// Gets documents, on the runtime of one thread.
///
/// A connection that was made under one rule is never used under another: each rule has an HTTP
/// client of its own.
pub(in crate::tracker) struct Http {
    options: HttpOptions,
    world: World,
    tls: OnceCell<(ClientConfig, bool)>,
    clients: [[OnceCell<Client>; Scope::COUNT]; Family::COUNT],
}

impl Http {
    pub(in crate::tracker) fn new(options: HttpOptions, world: World) -> Self {
        Self { options, world, tls: OnceCell::new(), clients: Default::default() }
    }

    /// Gets a document over this family of addresses; `tracker` brings the rule that only a
    /// tracker is asked on the loopback interface.
    pub(in crate::tracker) async fn get(
        &self,
        url: &str,
        family: Family,
        tracker: bool,
    ) -> Result<Page, HttpError> {
        let url = Url::parse(url).map_err(|_| HttpError::Url)?;
        if !is_http(&url) {
            return Err(HttpError::Url);
        }
        let hops = self.hops(url, family, tracker);
        timeout(self.options.total, hops).await.map_err(|_| HttpError::TimedOut)?
    }

    async fn hops(&self, mut url: Url, family: Family, tracker: bool) -> Result<Page, HttpError> {
        let free = |url: &Url| match (tracker, self.options.local) {
            (true, _) => Scope::of_path(url),
            (false, true) => Scope::Anywhere,
            (false, false) => Scope::Public,
        };
        let mut scope = free(&url);
        for hop in 0..=self.options.redirects_max {
            let response = self.ask(&url, Reach { family, scope, world: self.world }).await;
            let response = response.map_err(|error| match error {
                // Nobody has sent us there.
                HttpError::RedirectToLocal if hop == 0 => HttpError::LocalAddress,
                other => other,
            })?;
            let Some(next) = redirect_of(&response, &url)? else {
                return self.page(response).await;
            };
            let from = response.remote_addr().map(|address| address.ip().to_canonical());
            scope = match from {
                Some(ip) if (self.world.is_local)(ip) => free(&next),
                // Also when it is not known from where.
                _ => Scope::Public,
            };
            url = next;
        }
        Err(HttpError::Redirects)
    }

    async fn ask(&self, url: &Url, reach: Reach) -> Result<Response, HttpError> {
        reach.check_literal(url)?;
        let (_, roots) = self.tls();
        if url.scheme() == "https" && !roots {
            return Err(HttpError::NoRoots);
        }
        let request = self.client(reach)?.get(url.clone()).send();
        let response = timeout(self.options.first_byte, request).await;
        response.map_err(|_| HttpError::TimedOut)?.map_err(|e| HttpError::from_reqwest(&e))
    }

    async fn page(&self, mut response: Response) -> Result<Page, HttpError> {
        let max = self.options.body_max;
        let mut body = Vec::new();
        loop {
            let chunk = timeout(self.options.first_byte, response.chunk()).await;
            let chunk = chunk.map_err(|_| HttpError::TimedOut)?;
            // Decompressed already: a bomb is noticed after its first bytes too many.
            let Some(chunk) = chunk.map_err(|e| HttpError::from_reqwest(&e))? else { break };
            if body.len() + chunk.len() > max {
                return Err(HttpError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let retry = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry = retry.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        Ok(Page { status: response.status().as_u16(), body, retry })
    }

    fn tls(&self) -> &(ClientConfig, bool) {
        self.tls.get_or_init(|| tls::config(&self.options))
    }

    fn client(&self, reach: Reach) -> Result<&Client, HttpError> {
        let place = &self.clients[reach.family as usize][reach.scope as usize];
        if let Some(client) = place.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .user_agent(&self.options.user_agent)
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .http1_only()
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .connect_timeout(self.options.first_byte)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(IDLE)
            .tls_backend_preconfigured(self.tls().0.clone())
            .dns_resolver(reach)
            .build();
        let client = client.map_err(|_| HttpError::Local(std::io::ErrorKind::Other))?;
        Ok(place.get_or_init(|| client))
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// Where an answer sends us, if it does.
fn redirect_of(response: &Response, from: &Url) -> Result<Option<Url>, HttpError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(target) = response.headers().get(LOCATION) else { return Ok(None) };
    let target = std::str::from_utf8(target.as_bytes()).map_err(|_| HttpError::Redirect)?;
    let next = from.join(target).map_err(|_| HttpError::Redirect)?;
    // A step down to http would show to everyone what https was to keep.
    let down = from.scheme() == "https" && next.scheme() == "http";
    if !is_http(&next) || down { Err(HttpError::Redirect) } else { Ok(Some(next)) }
}
