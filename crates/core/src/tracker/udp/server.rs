//! A tracker's side of BEP 15, before a [`Registry`].

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use alloc::string::ToString;
use alloc::vec::Vec;

use toubkal_wire::announce::{self, ScrapeReply};
use toubkal_wire::udp_tracker::{Question, Reply, Request, Response};

use crate::base::{Rng, Time};
use crate::tracker::Registry;

/// How long the secret behind connection ids is the same.
const PERIOD: Duration = Duration::from_secs(60);
/// BEP 15: a tracker takes a connection id "until two minutes after it has been sent".
const PERIODS: u64 = 2;

/// Answers packets, and remembers nothing of who sends them: a connection id follows from the
/// address, the time and a secret, so it proves that its bearer receives at that address.
///
/// To an address that is not proved, no more bytes go than came from it.
#[derive(Debug)]
pub struct Server {
    secret: Rng,
}

impl Server {
    /// A server with a secret of its own.
    #[must_use]
    pub fn new(secret: Rng) -> Self {
        Self { secret }
    }

    /// The answer to a packet; `None` when it is to be ignored.
    pub fn answer(
        &self,
        now: Time,
        from: SocketAddr,
        packet: &[u8],
        registry: &mut Registry,
    ) -> Option<Vec<u8>> {
        let Request { transaction, question } = Request::decode(packet).ok()?;
        let ip = from.ip().to_canonical();
        let reply = match question {
            Question::Connect => Reply::Connected(self.connection(ip, period(now))),
            Question::Announce { connection, .. } | Question::Scrape { connection, .. }
                if !self.knows(now, ip, connection) =>
            {
                // Shorter than the shortest scrape.
                Reply::Refused("connection id is not valid".into())
            }
            Question::Announce { query, .. } => match registry.announce(now, ip, &query) {
                announce::Reply::Answer(answer) => Reply::Announced(answer),
                announce::Reply::Failure(failure) => Reply::Refused(failure.reason),
            },
            Question::Scrape { hashes, .. } => match registry.scrape(now, &hashes) {
                ScrapeReply::Counts(counts) => {
                    let known = |hash| counts.get(hash).copied().unwrap_or_default();
                    Reply::Scraped(hashes.iter().map(known).collect())
                }
                ScrapeReply::Failure(failure) => Reply::Refused(failure.reason.to_string()),
            },
        };
        Some(Response { transaction, reply }.encode(ip.is_ipv6()))
    }

    fn knows(&self, now: Time, ip: IpAddr, connection: u64) -> bool {
        let period = period(now);
        let periods = period.saturating_sub(PERIODS)..=period;
        periods.into_iter().any(|period| self.connection(ip, period) == connection)
    }

    fn connection(&self, ip: IpAddr, period: u64) -> u64 {
        let mut seed = self.secret.fork_indexed("connection id", period).seed();
        let bytes = match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        seed.iter_mut().zip(bytes).for_each(|(secret, byte)| *secret ^= byte);
        Rng::new(seed).bits()
    }
}

fn period(now: Time) -> u64 {
    now.since(Time::START).as_secs() / PERIOD.as_secs()
}
