//! What the DHT answers, in words for people and as objects for programs.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};
use toubkal_session::dht::{Family, Id, Item, Report, Status, Summary, code};

use super::say;
use crate::exit::{Exit, Failure};
use crate::progress::Screen;
use crate::{json, text};

/// What is done after a report: `None` when more is to come.
type Next = Result<Option<Exit>, Failure>;

/// Whether a node is there.
pub(super) fn ping(report: &Report, json: bool) -> Next {
    match report {
        Report::Pong { id, round_trip, .. } => {
            let milliseconds = round_trip.as_secs_f64() * 1000.0;
            let id = text::hex(&id.0);
            match json {
                true => json::print(&json!({"event": "pong", "id": id, "ms": milliseconds}))?,
                false => say(&format!("it is there: node {id}, {milliseconds:.1} ms"))?,
            }
            Ok(Some(Exit::Done))
        }
        Report::Failed { code, .. } => {
            let failure = Failure::new(Exit::Failed, "the node does not answer");
            Err(match code {
                Some(code) => failure.cause(format!("it refuses, with error {code}")),
                None => failure
                    .cause("nothing came back")
                    .tip("check the address, and that UDP gets through"),
            })
        }
        _ => Ok(None),
    }
}

/// Peers of a torrent, each once.
#[derive(Default)]
pub(super) struct Peers {
    seen: BTreeSet<SocketAddr>,
}

impl Peers {
    pub(super) fn hear(&mut self, report: &Report, json: bool) -> Next {
        match report {
            Report::Peers { peers, from, hops, .. } => {
                for peer in peers.iter().filter(|peer| self.seen.insert(**peer)) {
                    match json {
                        true => json::print(&json!({
                            "event": "peer",
                            "address": peer.to_string(),
                            "from": from.to_string(),
                            "hops": hops,
                        }))?,
                        false => say(&peer.to_string())?,
                    }
                }
                Ok(None)
            }
            // Nobody has answered yet: a later round may do better.
            Report::Done { summary, .. } if summary.answered == 0 => Ok(None),
            Report::Done { summary, .. } => {
                if json {
                    json::print(&done(summary))?;
                }
                match self.seen.is_empty() {
                    false => Ok(Some(Exit::Done)),
                    true => Err(Failure::new(Exit::Failed, "the DHT knows no peer of it").cause(
                        format!(
                            "{} answered",
                            text::count(summary.answered.into(), "node", "nodes")
                        ),
                    )),
                }
            }
            _ => Ok(None),
        }
    }
}

/// The newest version of an item.
#[derive(Default)]
pub(super) struct Newest {
    item: Option<Item>,
}

impl Newest {
    pub(super) fn hear(&mut self, report: &Report, json: bool) -> Next {
        match report {
            Report::Got { item, .. } => {
                self.item = Some(item.clone());
                Ok(None)
            }
            Report::Done { summary, .. } if summary.answered == 0 => Ok(None),
            Report::Done { summary, .. } => {
                let Some(item) = &self.item else {
                    let nodes = text::count(summary.answered.into(), "node", "nodes");
                    return Err(Failure::new(Exit::Failed, "the DHT does not have it")
                        .cause(format!("{nodes} answered, and none had an item that is right")));
                };
                match json {
                    true => json::print(&object("item", item))?,
                    false => say(&shown(&item.value))?,
                }
                Ok(Some(Exit::Done))
            }
            _ => Ok(None),
        }
    }
}

/// What was stored.
pub(super) fn stored(report: &Report, json: bool) -> Next {
    match report {
        Report::Failed { code, .. } => Err(refused(*code)),
        Report::Stored { nodes: 0, refused: code, .. } => Err(refused(*code)),
        Report::Stored { nodes, item, .. } => {
            let mut object = object("stored", item);
            object["nodes"] = (*nodes).into();
            let nodes = text::count((*nodes).into(), "node", "nodes");
            match (json, &item.signed) {
                (true, _) => json::print(&object)?,
                (false, None) => say(&text::hex(&item.target().0))?,
                (false, Some(signed)) => {
                    say(&format!("{} version {}", text::hex(&signed.key), signed.seq))?;
                }
            }
            if !json {
                Screen::new(false).say(&format!("kept for two hours by {nodes}"));
            }
            Ok(Some(Exit::Done))
        }
        _ => Ok(None),
    }
}

/// Why nothing was stored.
pub(crate) fn refused(refusal: Option<i64>) -> Failure {
    let failure = Failure::new(Exit::Failed, "no node has stored it");
    match refusal {
        None => failure
            .cause("none has answered")
            .tip("check the network, or name a node that is there with --bootstrap"),
        Some(code::VALUE) => failure.cause("it is too long").tip("at most 1,000 bytes fit"),
        Some(code::SALT) => failure.cause("the salt is too long").tip("at most 64 bytes fit"),
        Some(code::CAS | code::SEQUENCE) => failure
            .cause("somebody has stored a newer version with the same key meanwhile")
            .tip("look which one is right, and run the command again"),
        Some(code) => failure.cause(format!("they refuse, with error {code}")),
    }
}

/// How the node stands after a look around.
pub(super) fn stats(
    status: &Status,
    (summary, target): (&Summary, &Id),
    json: bool,
) -> Result<Exit, Failure> {
    let network = summary.network(target);
    if json {
        let mut object = done(summary);
        object["network"] = network.into();
        object["event"] = "stats".into();
        object["addresses"] = homes(status);
        json::print(&object)?;
        return Ok(Exit::Done);
    }
    for home in &status.homes {
        let seen = home.external.map_or("not known".into(), |ip| ip.to_string());
        say(&format!(
            "{}: node {}, seen as {seen}, knows {}, round trip {:.0} ms",
            family(home.family),
            text::hex(&home.id.0),
            text::count(home.nodes as u64, "node", "nodes"),
            home.round_trip.as_secs_f64() * 1000.0,
        ))?;
    }
    say(&format!(
        "looked around: {} asked, {} answered, {} on the longest way; about {} in the network",
        text::count(summary.asked.into(), "node", "nodes"),
        text::grouped(summary.answered.into()),
        text::count(summary.hops.into(), "hop", "hops"),
        text::count(network, "node", "nodes"),
    ))?;
    Ok(Exit::Done)
}

/// Where a node listens.
pub(super) fn listening(addresses: &[SocketAddr], json: bool) -> Result<(), Failure> {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    if json {
        return json::print(&json!({"event": "listen", "addresses": addresses}));
    }
    addresses.iter().try_for_each(|address| say(address))
}

/// What a node has done.
pub(super) fn farewell(status: &Status, json: bool) -> Result<(), Failure> {
    let Status { torrents, peers, items, answers, dropped, .. } = status;
    if json {
        return json::print(&json!({
            "event": "stats",
            "addresses": homes(status),
            "torrents": torrents,
            "peers": peers,
            "items": items,
            "answers": answers,
            "dropped": dropped,
        }));
    }
    say(&format!(
        "{} answered, {} of {} stored, {} stored",
        text::count(*answers, "question", "questions"),
        text::count(*peers as u64, "peer", "peers"),
        text::count(*torrents as u64, "torrent", "torrents"),
        text::count(*items as u64, "item", "items"),
    ))
}

fn homes(status: &Status) -> Value {
    let home = |home: &toubkal_session::dht::HomeStatus| {
        json!({
            "family": family(home.family),
            "id": text::hex(&home.id.0),
            "external": home.external.map(|ip| ip.to_string()),
            "nodes": home.nodes,
            "spare": home.spare,
            "round_trip_ms": home.round_trip.as_secs_f64() * 1000.0,
        })
    };
    status.homes.iter().map(home).collect()
}

fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

fn done(summary: &Summary) -> Value {
    json!({
        "event": "done",
        "asked": summary.asked,
        "answered": summary.answered,
        "hops": summary.hops,
        "peers": summary.peers,
    })
}

fn object(event: &str, item: &Item) -> Value {
    json!({
        "event": event,
        "target": text::hex(&item.target().0),
        "value": text::hex(&item.value),
        "text": plain(&item.value),
        "key": item.signed.as_ref().map(|signed| text::hex(&signed.key)),
        "salt": item.signed.as_ref().map(|signed| text::hex(&signed.salt)),
        "seq": item.signed.as_ref().map(|signed| signed.seq),
    })
}

/// A value that is a text.
fn plain(value: &[u8]) -> Option<String> {
    let at = value.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&value[..at]).ok()?.parse().ok()?;
    let text = value[at + 1..].get(..length).filter(|text| at + 1 + text.len() == value.len())?;
    String::from_utf8(text.to_vec()).ok()
}

fn shown(value: &[u8]) -> String {
    plain(value).map_or_else(|| text::hex(value), |text| text::escape(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_as_one_and_all_else_in_digits() {
        assert_eq!(shown(b"5:hello"), "hello");
        assert_eq!(shown(b"2:\x1b["), "\\u{1b}[");
        assert_eq!(shown(b"i1e"), "693165");
        assert_eq!(shown(b"9:hello"), text::hex(b"9:hello"));
    }
}
