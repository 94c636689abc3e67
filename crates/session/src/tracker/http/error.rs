//! Why a document did not come, in words for people and without the URL.

use std::io;
use std::time::Duration;

use toubkal_core::tracker::Problem;
use toubkal_wire::announce::{ReplyError, Retry};

/// Why a document did not come. No text here holds any part of the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Not an http or https URL with a host.
    #[error("it is not an address that starts with http:// or https:// and has a host")]
    Url,
    /// The name has no address.
    #[error("its name cannot be found; check the name, and the connection to the internet")]
    Name,
    /// The name has no address of the family (IPv4 or IPv6) that was asked for.
    #[error("its name has no address of this kind")]
    Family,
    /// Nobody listens there.
    #[error("it refused the connection")]
    Refused,
    /// There is no way there.
    #[error("it cannot be reached from this network")]
    Unreachable,
    /// The connection broke.
    #[error("the connection broke")]
    Broken,
    /// It took too long.
    #[error("it did not answer in time")]
    TimedOut,
    /// The connection cannot be trusted.
    #[error("the connection is not safe: {0}")]
    Tls(String),
    /// This system has no certificates to check others against.
    #[error("https cannot be used: this system has no root certificates (install ca-certificates)")]
    NoRoots,
    /// A loopback address under a path that is no tracker's.
    #[error("it is on this computer, and only /announce and /scrape are asked there")]
    Loopback,
    /// An address of this computer or network, where only the internet is asked.
    #[error("it is an address of this computer or network, which is not allowed here")]
    LocalAddress,
    /// A public address sent us to one of this computer or network.
    #[error("it sent us from the internet to an address of this computer or network")]
    RedirectToLocal,
    /// A redirect to something that is not http, or from https to http.
    #[error("it sent us to an address that is not safe to follow")]
    Redirect,
    /// Too many redirects.
    #[error("it sent us from one address to the next without end")]
    Redirects,
    /// More than [`super::HttpOptions::body_max`] bytes.
    #[error("its answer is too long")]
    TooLong,
    /// Not HTTP, or broken HTTP.
    #[error("its answer is broken, or not HTTP")]
    Protocol,
    /// A status other than 200.
    #[error("it answered {status}")]
    Status {
        /// The number and its usual name.
        status: String,
        /// `Retry-After`, if there was one.
        retry: Option<Duration>,
    },
    /// A document, but not a tracker's.
    #[error("its answer is {0}")]
    NotTracker(ReplyError),
    /// Too many requests wait already.
    #[error("too many trackers are being asked at once")]
    Busy,
    /// This machine has no socket or thread left for it.
    #[error("this computer cannot do it: {0}")]
    Local(io::ErrorKind),
}

impl HttpError {
    /// The same for the announcer.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let retry = match self {
            Self::Status { retry, .. } => retry.map(Retry::After),
            _ => None,
        };
        Problem { text: self.to_string(), retry }
    }

    /// How much this says; of two families' errors the one that says more is shown.
    pub(in crate::tracker) fn weight(&self) -> u8 {
        match self {
            Self::Family => 0,
            Self::Name | Self::Unreachable => 1,
            Self::Refused | Self::Broken | Self::TimedOut => 2,
            Self::Status { .. } | Self::NotTracker(_) => 4,
            _ => 3,
        }
    }

    /// What lies at the bottom of an error of the HTTP library.
    pub(super) fn from_reqwest(error: &reqwest::Error) -> Self {
        let mut found = None;
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = source {
            found = Self::from_cause(error).or(found);
            source = error.source();
        }
        match found {
            Some(found) => found,
            None if error.is_builder() => Self::Url,
            None if error.is_timeout() => Self::TimedOut,
            None if error.is_connect() => Self::Unreachable,
            None => Self::Protocol,
        }
    }

    fn from_cause(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        if let Some(known) = error.downcast_ref::<Self>() {
            return Some(known.clone());
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(Self::Tls(tls_text(error)));
        }
        let error = error.downcast_ref::<io::Error>()?;
        if let Some(inner) = error.get_ref()
            && let Some(known) = Self::from_cause(inner)
        {
            return Some(known);
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Self::Refused),
            io::ErrorKind::TimedOut => Some(Self::TimedOut),
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => Some(Self::Unreachable),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Some(Self::Broken),
            _ => None,
        }
    }
}

fn tls_text(error: &rustls::Error) -> String {
    use rustls::CertificateError as C;
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return "encryption could not be agreed on".into();
    };
    match certificate {
        C::Expired | C::ExpiredContext { .. } => "its certificate has expired",
        C::NotValidYet | C::NotValidYetContext { .. } => {
            "its certificate is not valid yet; check the clock of this computer"
        }
        C::NotValidForName | C::NotValidForNameContext { .. } => {
            "its certificate is for another name"
        }
        C::UnknownIssuer | C::BadSignature => {
            "its certificate is signed by nobody this computer trusts"
        }
        C::Revoked => "its certificate was revoked",
        _ => "its certificate is not valid",
    }
    .into()
}
