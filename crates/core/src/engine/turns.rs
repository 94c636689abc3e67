//! Whose turn it is to get its first piece: who has nothing can give nothing, so first pieces go
//! out one after the other, each with all of the line. Given at the same time they would all
//! take as long as the last.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::bounds::TURN_TIME;
use super::event::LinkId;
use crate::base::Time;

/// The peers without a piece that are given one, and those that wait for it.
#[derive(Debug, Default)]
pub(super) struct Turns {
    holders: Vec<Turn>,
    line: VecDeque<LinkId>,
}

#[derive(Debug)]
struct Turn {
    link: LinkId,
    since: Time,
    /// Its piece was begun.
    used: bool,
}

impl Turns {
    /// Whether the peer may be given its next block; `fresh`: the first of a piece. Who may not
    /// waits in line. One may at a time, and beside it all that do not `hold` the line: who wants
    /// nothing just now, or is slow, leaves it to others. Nobody else waits longer than
    /// [`TURN_TIME`] for one.
    pub(super) fn may(
        &mut self,
        link: LinkId,
        fresh: bool,
        now: Time,
        hold: impl Fn(LinkId) -> bool,
    ) -> bool {
        if let Some(at) = self.holders.iter().position(|turn| turn.link == link) {
            let turn = &mut self.holders[at];
            let over = (fresh && turn.used) || now.since(turn.since) > TURN_TIME;
            if !over || self.line.is_empty() {
                turn.used = true;
                return true;
            }
            self.holders.swap_remove(at);
        } else if self.line.contains(&link) {
            return false;
        } else if self.line.is_empty() && !self.is_held(hold) {
            self.holders.push(Turn { link, since: now, used: true });
            return true;
        }
        self.line.push_back(link);
        false
    }

    /// Who waits longest, if nobody holds the line: it has the turn now.
    pub(super) fn next(&mut self, now: Time, hold: impl Fn(LinkId) -> bool) -> Option<LinkId> {
        if self.line.is_empty() || self.is_held(hold) {
            return None;
        }
        let link = self.line.pop_front()?;
        self.holders.push(Turn { link, since: now, used: false });
        Some(link)
    }

    /// The peer wants nothing more, or has a piece.
    pub(super) fn leave(&mut self, link: LinkId) {
        self.holders.retain(|turn| turn.link != link);
        self.line.retain(|&waiting| waiting != link);
    }

    fn is_held(&self, hold: impl Fn(LinkId) -> bool) -> bool {
        self.holders.iter().any(|turn| hold(turn.link))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn link(number: u32) -> LinkId {
        LinkId::new(number, 0)
    }

    fn all(_: LinkId) -> bool {
        true
    }

    fn at(millis: u64) -> Time {
        Time::START.after(Duration::from_millis(millis))
    }

    #[test]
    fn first_pieces_go_out_one_after_the_other_in_the_order_of_asking() {
        let mut turns = Turns::default();
        assert!(turns.may(link(1), true, at(0), all));
        assert!(!turns.may(link(2), true, at(1), all) && !turns.may(link(3), true, at(2), all));
        assert!(turns.may(link(1), false, at(3), all), "the rest of its piece");
        assert_eq!(turns.next(at(4), all), None);
        assert!(!turns.may(link(1), true, at(5), all), "another piece, while others have none");
        assert_eq!(turns.next(at(6), all), Some(link(2)));
        assert!(turns.may(link(2), true, at(7), all));
        turns.leave(link(2));
        assert_eq!(turns.next(at(8), all), Some(link(3)));
        turns.leave(link(3));
        assert_eq!(turns.next(at(9), all), Some(link(1)));
    }

    #[test]
    fn who_is_slow_or_takes_too_long_keeps_nobody_waiting() {
        let mut turns = Turns::default();
        assert!(turns.may(link(1), true, at(0), all));
        assert!(turns.may(link(2), true, at(0), |_| false), "the first is slow");
        assert!(!turns.may(link(3), true, at(0), all));
        let late = at(0).after(TURN_TIME + Duration::from_millis(1));
        assert!(!turns.may(link(1), false, late, all) && !turns.may(link(2), false, late, all));
        assert_eq!(turns.next(late, all), Some(link(3)));
        turns.leave(link(3));
        turns.leave(link(2));
        assert_eq!(turns.next(late, all), Some(link(1)));
        assert!(turns.may(link(1), false, late.after(TURN_TIME * 9), all), "nobody waits");
    }
}
