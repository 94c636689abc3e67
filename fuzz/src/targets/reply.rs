//! Answers of trackers: announce, scrape, compact lists.

use toubkal_wire::announce::{
    Answer, Failure, NAMES_MAX, PEERS_MAX, Peer, Reply, SCRAPE_MAX, ScrapeReply, TEXT_BYTES_MAX,
};
use toubkal_wire::compact;

use crate::memory;

/// Bytes that U+FFFD takes more than the byte in whose place it stands.
const LOSS: usize = 3;

pub(crate) fn reply(input: &[u8]) {
    let (announced, bytes) = memory::peak(|| Reply::decode(input));
    assert!(bytes <= 64 * input.len() + 64 * 1024, "{bytes} bytes for {}", input.len());
    match announced {
        Ok(Reply::Answer(answer)) => assert_answer(&answer),
        Ok(Reply::Failure(failure)) => assert_failure(&failure),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match ScrapeReply::decode(input) {
        Ok(ScrapeReply::Counts(counts)) => {
            assert!(counts.len() <= SCRAPE_MAX);
            let reply = ScrapeReply::Counts(counts);
            assert_eq!(ScrapeReply::decode(&reply.encode()), Ok(reply));
        }
        Ok(ScrapeReply::Failure(failure)) => assert_failure(&failure),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    for list in [compact::decode_v4(input, 50), compact::decode_v6(input, 50)] {
        assert!(list.peers.len() <= 50);
        assert!(list.peers.iter().all(|&peer| compact::usable(peer)));
    }
}

fn assert_answer(answer: &Answer) {
    assert!(answer.peers.len() <= PEERS_MAX && answer.names.len() <= NAMES_MAX);
    assert!(answer.peers.iter().all(|peer| compact::usable(peer.address)));
    assert!(answer.warning.as_ref().is_none_or(|text| text.len() <= LOSS * TEXT_BYTES_MAX));
    // With dictionaries everything comes back, save what was left out.
    let same = Answer { skipped: 0, warning: None, ..answer.clone() };
    let again = Reply::Answer(same.clone());
    assert_eq!(Reply::decode(&again.encode(false)), Ok(again.clone()));
    // As bytes there are neither ids nor names, and IPv4 comes first.
    let Ok(Reply::Answer(compact)) = Reply::decode(&again.encode(true)) else {
        panic!("what is encoded can be read");
    };
    let mut peers: Vec<Peer> = same.peers.iter().map(|peer| Peer { id: None, ..*peer }).collect();
    peers.sort_by_key(|peer| peer.address.is_ipv6());
    let same = Answer { peers, names: Vec::new(), ..same };
    assert_eq!(compact, same);
}

fn assert_failure(failure: &Failure) {
    assert!(failure.reason.len() <= LOSS * TEXT_BYTES_MAX);
    let reply = Reply::Failure(Failure { reason: String::from("no"), ..failure.clone() });
    assert_eq!(Reply::decode(&reply.encode(true)), Ok(reply));
}
