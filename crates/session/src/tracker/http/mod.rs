//! Getting one document over HTTP from someone who is not to be trusted.
//!
//! Everything has a limit ([`HttpOptions`]). Redirects are followed by hand, so that each hop is
//! judged by the address it really leads to (see [`reach`]). Certificates are checked against
//! the roots of the system, always. There are no cookies and no referrers, and proxies of the
//! environment are not used: peers could not be reached through them, and whoever relies on one
//! must not be shown to a tracker beside it by an accident of configuration.

mod error;
mod exchange;
mod reach;
#[cfg(test)]
mod tests;
mod tls;

use std::net::IpAddr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

pub use error::HttpError;
pub(super) use exchange::Http;
pub(super) use reach::Family;
pub(crate) use reach::is_local;

/// Limits and manners of HTTP requests.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Who we say we are.
    pub user_agent: String,
    /// From the look-up of the name to the head of the answer, for each hop.
    pub first_byte: Duration,
    /// For the whole document, with all redirects.
    pub total: Duration,
    /// Bytes of a document, after decompression.
    pub body_max: usize,
    /// Redirects that are followed.
    pub redirects_max: usize,
    /// Whether what [`fetch`] is told to get may lie on this computer or its network. If not, only
    /// addresses of the internet are asked.
    pub local: bool,
    /// Certificates (DER) that are trusted beside those of the system.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            user_agent: concat!("Toubkal/", env!("CARGO_PKG_VERSION")).into(),
            first_byte: Duration::from_secs(10),
            total: Duration::from_secs(30),
            body_max: 1 << 20,
            redirects_max: 10,
            local: true,
            extra_roots: Vec::new(),
        }
    }
}

impl HttpOptions {
    fn roots(&self) -> impl Iterator<Item = CertificateDer<'static>> + '_ {
        self.extra_roots.iter().map(|root| CertificateDer::from(root.clone()))
    }
}

/// How names become addresses, and which of those are ours alone. Tests have their own world.
#[derive(Clone, Copy)]
pub(super) struct World {
    pub(super) look_up: fn(&str) -> std::io::Result<Vec<IpAddr>>,
    pub(super) is_local: fn(IpAddr) -> bool,
}

impl World {
    pub(super) const REAL: Self = Self { look_up: reach::look_up, is_local: reach::is_local };
}

/// Gets one document that the user named, such as a torrent; blocks until it is there.
///
/// # Errors
/// What went wrong, as a sentence without the URL. Any status but 200 is an error.
pub fn fetch(url: &str, options: &HttpOptions) -> Result<Vec<u8>, HttpError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| HttpError::Local(error.kind()))?;
    let http = Http::new(options.clone(), World::REAL);
    let page = runtime.block_on(http.get(url, Family::Any, false));
    // A look-up that hangs must not keep the caller.
    runtime.shutdown_background();
    let page = page?;
    if page.status == 200 { Ok(page.body) } else { Err(page.as_error()) }
}
