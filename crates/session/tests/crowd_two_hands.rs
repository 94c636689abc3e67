//! A crowd that two hands share: alone in its process, as its memory is measured.

#[path = "crowd.rs"]
mod crowd;
