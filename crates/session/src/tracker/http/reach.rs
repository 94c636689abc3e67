//! Which addresses a URL may lead to.
//!
//! A tracker's URL comes from a torrent file, so anyone can have a client get any URL. Two rules
//! keep that from being of use against the person: what lies on the loopback interface is asked
//! only where a tracker is, and nobody on the internet sends us on to an address of this
//! computer or network. Both look at addresses, after the look-up, at the moment of connecting.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::{HttpError, World};

/// Addresses of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tracker) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// Both.
    Any,
}

impl Family {
    pub(super) const COUNT: usize = 3;

    fn fits(self, ip: IpAddr) -> bool {
        match self {
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
            Self::Any => true,
        }
    }
}

/// Where a hop may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Anywhere.
    Anywhere,
    /// Not to the loopback interface.
    NotLoopback,
    /// To public addresses only.
    Public,
}

impl Scope {
    pub(super) const COUNT: usize = 3;

    /// Of the first hop, or of one from an address that is not public.
    pub(super) fn of_path(url: &Url) -> Self {
        let last = url.path().rsplit('/').next();
        if matches!(last, Some("announce" | "scrape")) { Self::Anywhere } else { Self::NotLoopback }
    }

    fn check(self, ip: IpAddr, world: World) -> Result<(), HttpError> {
        match self {
            Self::NotLoopback if is_loopback(ip) => Err(HttpError::Loopback),
            Self::Public if (world.is_local)(ip) => Err(HttpError::RedirectToLocal),
            _ => Ok(()),
        }
    }
}

/// The rule of one HTTP client: what is not allowed, it cannot connect to.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    pub(super) family: Family,
    pub(super) scope: Scope,
    pub(super) world: World,
}

impl Reach {
    /// Judges a URL that names an address; the library does not look those up.
    pub(super) fn check_literal(&self, url: &Url) -> Result<(), HttpError> {
        let ip: IpAddr = match url.host() {
            Some(Host::Ipv4(ip)) => ip.into(),
            Some(Host::Ipv6(ip)) => ip.to_canonical(),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(HttpError::Url),
        };
        self.filter(vec![ip]).map(drop)
    }

    /// The addresses that are allowed; one that is not spoils all, as nobody honest has both.
    fn filter(&self, ips: Vec<IpAddr>) -> Result<Vec<IpAddr>, HttpError> {
        if ips.is_empty() {
            return Err(HttpError::Name);
        }
        for &ip in &ips {
            self.scope.check(ip.to_canonical(), self.world)?;
        }
        let fitting: Vec<IpAddr> = ips.into_iter().filter(|ip| self.family.fits(*ip)).collect();
        if fitting.is_empty() { Err(HttpError::Family) } else { Ok(fitting) }
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = *self;
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let look_up = tokio::task::spawn_blocking(move || (reach.world.look_up)(&name));
            let ips = look_up.await.ok().and_then(Result::ok).ok_or(HttpError::Name)?;
            let ips = reach.filter(ips)?;
            let addresses = ips.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Asks the system, which knows of VPNs, hosts files and local names.
pub(super) fn look_up(name: &str) -> std::io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

fn is_loopback(ip: IpAddr) -> bool {
    // The unspecified address leads to this computer as well.
    ip.is_loopback() || ip.is_unspecified()
}

/// Whether an address means this computer, or one of its network, rather than the internet.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_local_v4(ip),
        IpAddr::V6(ip) => is_local_v6(ip),
    }
}

fn is_local_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    // RFC 6598: 100.64.0.0/10 is behind the provider's translation.
    a == 0
        || ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || (a == 100 && b & 0xc0 == 64)
}

fn is_local_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, .., y, z] = ip.segments();
    let v4 =
        |high: u16, low: u16| is_local_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match (a, b) {
        // IPv4 in the clothes of IPv6: mapped, RFC 6052 (NAT64), RFC 3056 (6to4).
        _ if ip.to_ipv4_mapped().is_some() => v4(y, z),
        (0x64, 0xff9b) => v4(y, z),
        (0x2002, _) => v4(b, c),
        _ => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
    }
}
