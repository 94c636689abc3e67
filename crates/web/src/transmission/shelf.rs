//! Limits that are off. Transmission has a number and a switch for each; the client has a limit or
//! none. What the number is while the switch is off is remembered here, for the life of the server.

use std::collections::HashMap;

use toubkal_daemon::Id;

/// Numbers that are remembered; then it begins anew.
const NUMBERS_MAX: usize = 40_000;

/// The numbers, by torrent (0: of all) and name.
#[derive(Debug, Default)]
pub(super) struct Shelf(HashMap<(Id, &'static str), u64>);

impl Shelf {
    /// The number that is shown: the limit, or what it was or would be.
    pub(super) fn shown(&self, id: Id, name: &'static str, limit: Option<u64>, usual: u64) -> u64 {
        limit.or_else(|| self.0.get(&(id, name)).copied()).unwrap_or(usual)
    }

    pub(super) fn put(&mut self, id: Id, name: &'static str, number: u64) {
        if self.0.len() >= NUMBERS_MAX {
            self.0.clear();
        }
        self.0.insert((id, name), number);
    }

    /// The limit after its number, its switch or both are set.
    pub(super) fn set(
        &mut self,
        (id, name): (Id, &'static str),
        limit: Option<u64>,
        usual: u64,
        (number, on): (Option<u64>, Option<bool>),
    ) -> Option<u64> {
        let number = number.unwrap_or_else(|| self.shown(id, name, limit, usual));
        self.put(id, name, number);
        on.unwrap_or(limit.is_some()).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_set_while_it_is_off_holds_when_it_is_switched_on() {
        let mut shelf = Shelf::default();
        let key = (7, "download_limit");
        assert_eq!(shelf.set(key, None, 100, (Some(5), None)), None);
        assert_eq!(shelf.shown(7, "download_limit", None, 100), 5);
        assert_eq!(shelf.set(key, None, 100, (None, Some(true))), Some(5));
        assert_eq!(shelf.set(key, Some(5), 100, (None, Some(false))), None);
        assert_eq!(shelf.set(key, Some(5), 100, (Some(6), None)), Some(6));
        assert_eq!(shelf.set((8, "download_limit"), None, 100, (None, Some(true))), Some(100));
    }
}
