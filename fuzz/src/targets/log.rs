//! Event logs: damaged ones are errors, and what is read of one reads back.

use toubkal_core::base::Rng;
use toubkal_core::engine::log::{Fact, Log, Step, Writer};

use crate::memory;

pub(crate) fn log(input: &[u8]) {
    let (bytes, peak) = memory::peak(|| rewrite(input));
    // Small values take a word or two in memory, and a list doubles as it grows.
    assert!(peak <= 128 * input.len() + 4096, "{peak} bytes for {}", input.len());
    if let Some(bytes) = bytes {
        assert!(rewrite(&bytes).is_some_and(|again| again == bytes), "it reads back");
    }
}

/// The same steps as a writer puts them; the sums are those of a life in which nothing was done.
fn rewrite(input: &[u8]) -> Option<Vec<u8>> {
    let mut log = match Log::open(input) {
        Ok(log) => log,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let mut writer = Writer::new(&log.config, &Rng::new(log.seed));
    let mut last = None;
    for step in log.by_ref() {
        let Ok(Step { at, fact, .. }) = step else { break };
        assert!(last <= Some(at), "time does not go back");
        last = Some(at);
        if let Fact::Event(event) = fact {
            writer.event(at, &event);
        }
    }
    assert!(log.next().is_none(), "after an error nothing more comes");
    Some(writer.take())
}
