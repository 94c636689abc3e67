//! Progress for people: one line a torrent on a terminal, a plain line now and then elsewhere.

mod line;
mod screen;

pub(crate) use line::{Activity, Bar, percent};
pub(crate) use screen::{Screen, print, wants_colour};
