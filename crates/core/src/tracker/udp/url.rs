//! The URL of a UDP tracker: `udp://HOST:PORT/PATH?QUERY`.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Where a tracker is, as its URL says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'u> {
    /// A host name, or an address without brackets.
    pub host: &'u str,
    /// Not 0.
    pub port: u16,
    /// Path and query, which an announce takes along (BEP 41); may be empty.
    pub path: &'u str,
}

/// What is wrong with a URL. No text holds any part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// It does not begin with `udp://`.
    Scheme,
    /// There is no host.
    Host,
    /// There is no port, or none from 1 to 65535.
    Port,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "it is not an address that starts with udp://",
            Self::Host => "its address has no host",
            Self::Port => "its address has no port from 1 to 65535",
        })
    }
}

impl core::error::Error for UrlError {}

impl<'u> Place<'u> {
    /// Reads the URL of a UDP tracker.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(url: &'u str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("udp") {
            return Err(UrlError::Scheme);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = authority.rsplit_once(':').ok_or(UrlError::Port)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(ip) if ip.parse::<Ipv6Addr>().is_ok() => ip,
            None if !host.is_empty() && !host.contains([':', '[', ']']) => host,
            _ => return Err(UrlError::Host),
        };
        let port = port.parse().ok().filter(|&port| port > 0).ok_or(UrlError::Port)?;
        Ok(Self { host, port, path })
    }

    /// The address, where the host is one.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.parse::<IpAddr>().ok()?, self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (url, host, port, path) in [
            ("udp://t.example:80", "t.example", 80, ""),
            ("UDP://t.example:80/", "t.example", 80, "/"),
            ("udp://192.0.2.1:6969/announce?key=1#top", "192.0.2.1", 6969, "/announce?key=1"),
            ("udp://[2001:db8::1]:1?a", "2001:db8::1", 1, "?a"),
            ("udp://me:word@t.example:9/x:y@z", "t.example", 9, "/x:y@z"),
        ] {
            assert_eq!(Place::parse(url), Ok(Place { host, port, path }), "{url}");
        }
        for (url, error) in [
            ("http://t.example:80", UrlError::Scheme),
            ("t.example:80", UrlError::Scheme),
            ("udp://t.example", UrlError::Port),
            ("udp://t.example/:80", UrlError::Port),
            ("udp://t.example:0", UrlError::Port),
            ("udp://t.example:65536", UrlError::Port),
            ("udp://:80", UrlError::Host),
            ("udp://2001:db8::1:80", UrlError::Host),
            ("udp://[x]:80", UrlError::Host),
        ] {
            assert_eq!(Place::parse(url), Err(error), "{url}");
        }
    }
}
