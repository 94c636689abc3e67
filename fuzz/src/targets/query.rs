//! What clients ask of `toubkal tracker`, and the URLs that trackers are asked by.

use toubkal_core::tracker::{redact, said};
use toubkal_wire::announce::{Query, SCRAPE_MAX, scrape_hashes, scrape_url};

pub(crate) fn query(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match Query::parse(&text) {
        Ok(query) => assert_comes_back(&query),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let hashes = scrape_hashes(&text);
    assert!(hashes.len() <= SCRAPE_MAX);
    if let Some(url) = scrape_url(&text, &hashes) {
        let (_, query) = url.split_once('?').expect("a scrape has a query");
        let asked = scrape_hashes(query);
        assert!(asked.len() == SCRAPE_MAX || asked.ends_with(&hashes), "{query}");
    }
    // The text as an announce URL: what is shown of it is one harmless line.
    for shown in [redact(&text), said(&text, &text, 100)] {
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
}

/// A query that was read is read again from what it writes, behind any URL.
fn assert_comes_back(query: &Query) {
    for announce in ["http://a.example/announce", "http://a.example/announce?passkey=1#top"] {
        let url = query.url(announce);
        assert!(url.is_ascii() && !url.contains(['#', ' ']), "{url}");
        let (_, text) = url.split_once('?').expect("an announce has a query");
        assert_eq!(Query::parse(text).as_ref(), Ok(query));
    }
}
