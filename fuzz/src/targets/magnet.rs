//! Magnet links: bounded, and the same when they are printed and read again.

use toubkal_wire::magnet::{LINK_BYTES_MAX, Magnet, PEERS_MAX, TRACKERS_MAX};

pub(crate) fn magnet(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    // Half of the inputs would fall at the first hurdle.
    let complete = format!("magnet:?xt=urn:btih:{}&{text}", "a".repeat(40));
    for link in [&*text, &complete] {
        let mut magnet = match Magnet::parse(link) {
            Ok(magnet) => magnet,
            Err(error) => {
                assert!(error.at <= link.len() && !error.to_string().is_empty());
                continue;
            }
        };
        assert!(magnet.v1.is_some() || magnet.v2.is_some() || magnet.publisher.is_some());
        assert!(magnet.trackers.len() <= TRACKERS_MAX && magnet.peers.len() <= PEERS_MAX);
        let printed = magnet.to_string();
        assert!(printed.bytes().all(|byte| byte.is_ascii_graphic()), "{printed}");
        // Encoding makes it longer; what is too long then is another matter.
        if printed.len() <= LINK_BYTES_MAX {
            magnet.oddities.clear();
            assert_eq!(Magnet::parse(&printed).as_ref(), Ok(&magnet), "{printed}");
        }
    }
}
