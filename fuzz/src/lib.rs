//! Fuzz targets: functions that take any bytes, and panic when a promise is broken.
//!
//! `cargo xtask fuzz` drives them by coverage; the tests of this crate play what it has kept in
//! `fuzz/corpus` again, without it. A target is a file in `targets` and a line in [`TARGETS`].
//! Those that are not about bytes read them as choices: `Rng::from_bytes`.

pub mod memory;
mod targets;

/// A function to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Also of its file, its folder in `fuzz/corpus`, and its dictionary.
    pub name: &'static str,
    /// Panics on an input that shows a bug.
    pub play: fn(&[u8]),
}

/// All of them: first formats, then machines.
pub const TARGETS: &[Target] = &[
    Target { name: "bencode", play: targets::bencode },
    Target { name: "metainfo", play: targets::metainfo },
    Target { name: "build", play: targets::build },
    Target { name: "magnet", play: targets::magnet },
    Target { name: "path", play: targets::path },
    Target { name: "reply", play: targets::reply },
    Target { name: "query", play: targets::query },
    Target { name: "message", play: targets::message },
    Target { name: "extension", play: targets::extension },
    Target { name: "krpc", play: targets::krpc },
    Target { name: "exchange", play: targets::exchange },
    Target { name: "metadata", play: targets::metadata },
    Target { name: "link", play: targets::link },
    Target { name: "log", play: targets::log },
    Target { name: "announcer", play: targets::announcer },
    Target { name: "registry", play: targets::registry },
    Target { name: "dht", play: targets::dht },
    Target { name: "lan", play: targets::lan },
    Target { name: "udp_tracker", play: targets::udp_tracker },
    Target { name: "engine", play: targets::engine },
    Target { name: "recovery", play: targets::recovery },
    Target { name: "swarm", play: targets::swarm },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|target| target.name == name).copied()
}
