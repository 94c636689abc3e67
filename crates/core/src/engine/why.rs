//! Why a torrent is no faster than it is: the reason that binds, and the figures that show it.
//!
//! It is found when somebody asks ([`super::Engine::why`]), from what the engine knows anyhow;
//! all that is written down on the way is `held.rs`. Which reason goes before which is in
//! `reason.rs`. `docs/explain.md` says what each means to a person.

use alloc::vec::Vec;
use core::time::Duration;

use super::action::StoreError;

/// Pieces that a reason names one by one.
pub const NAMED_MAX: usize = 3;

/// The reason that binds: of all that could be better, what would have to be first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// It was stopped.
    Stopped,
    /// The disk made it impossible to go on.
    Failed {
        /// What is wrong, and with which file.
        error: StoreError,
        /// It starts again by itself after this.
        retry: Option<Duration>,
    },
    /// Its folder is being looked at.
    Opening,
    /// What lies in its folder is being checked.
    Checking {
        /// Pieces checked.
        done: u32,
        /// Pieces to check in all.
        of: u32,
    },
    /// Peers are connected, and its metadata is looked for among them.
    Metadata {
        /// Connected peers.
        peers: u32,
        /// Those of them that say they have it.
        asked: u32,
        /// Its blocks, of 16 KiB, that are there.
        blocks: u32,
        /// Its blocks in all; 0 while nobody has said.
        of: u32,
        /// Peers that sent false ones.
        liars: u32,
    },
    /// Not one address of a peer is known.
    NoPeers,
    /// Nobody is connected, and addresses are just being tried, or those who answered have not
    /// said yet what they have.
    Connecting {
        /// Connections that are being tried.
        dialing: u32,
        /// Addresses that are known.
        known: u32,
    },
    /// Other torrents have all connections.
    Crowded {
        /// How many there may be.
        links: u32,
    },
    /// Addresses are known, and none of them can be reached.
    Unreachable {
        /// Those that failed since they answered last, if ever.
        failed: u32,
        /// Those that are not to be tried again yet.
        waiting: u32,
        /// When the first of these may be.
        next: Option<Duration>,
    },
    /// No connected peer has any of what is missing.
    Absent {
        /// Wanted pieces that are missing.
        pieces: u32,
        /// The first of them, at most as many as `pieces`.
        first: [u32; NAMED_MAX],
        /// Connected peers.
        peers: u32,
    },
    /// Nobody who has what is missing lets us download.
    Choked {
        /// How many have some of it.
        by: u32,
        /// Connected peers.
        peers: u32,
    },
    /// Who lets us download sends nothing.
    Silent {
        /// Peers that have what is missing, and let us.
        unchoked: u32,
        /// Peers that have some of what is missing.
        of: u32,
    },
    /// Peers give all they give, and it is little: because they are few, or slow.
    Peers {
        /// Peers that have what is missing, and let us download.
        unchoked: u32,
        /// Peers that have some of what is missing.
        of: u32,
        /// Bytes a second.
        rate: u64,
    },
    /// A limit on downloads holds it up.
    DownLimit {
        /// Whose.
        scope: Scope,
        /// Bytes a second that it lets through.
        rate: u64,
    },
    /// The disk takes less than peers give.
    Disk {
        /// Bytes that wait to be written, of all torrents.
        waiting: u64,
    },
    /// There is no memory for what peers send. The engine never says so; its driver may.
    Memory {
        /// Bytes of blocks that are held.
        bytes: u64,
    },
    /// Nothing: as much comes as has come at the best of times.
    FullSpeed {
        /// Bytes a second.
        rate: u64,
        /// Peers that let us download.
        peers: u32,
    },
    /// Everything is there, and files get their names.
    Finishing,
    /// A seed gives to whoever wants something.
    Seeding {
        /// Peers that are given something.
        to: u32,
        /// Bytes a second.
        rate: u64,
    },
    /// A seed of which nobody wants anything.
    Unwanted {
        /// Connected peers.
        peers: u32,
    },
    /// A seed that a limit on uploads holds up.
    UpLimit {
        /// Whose.
        scope: Scope,
        /// Bytes a second that it lets through.
        rate: u64,
    },
    /// A seed that gives to as many at once as it may, while others wait.
    Slots {
        /// How many it may.
        slots: u32,
        /// Peers that wait for their turn.
        waiting: u32,
    },
    /// A seed at rest, of which nobody has wanted anything for a while.
    Dormant,
}

impl Why {
    /// Its name for programs: these do not change.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Failed { .. } => "failed",
            Self::Opening => "opening",
            Self::Checking { .. } => "checking",
            Self::Metadata { .. } => "metadata",
            Self::NoPeers => "no_peers",
            Self::Connecting { .. } => "connecting",
            Self::Crowded { .. } => "crowded",
            Self::Unreachable { .. } => "unreachable",
            Self::Absent { .. } => "absent",
            Self::Choked { .. } => "choked",
            Self::Silent { .. } => "silent",
            Self::Peers { .. } => "peers",
            Self::DownLimit { .. } => "down_limit",
            Self::Disk { .. } => "disk",
            Self::Memory { .. } => "memory",
            Self::FullSpeed { .. } => "full_speed",
            Self::Finishing => "finishing",
            Self::Seeding { .. } => "seeding",
            Self::Unwanted { .. } => "unwanted",
            Self::UpLimit { .. } => "up_limit",
            Self::Slots { .. } => "slots",
            Self::Dormant => "dormant",
        }
    }

    /// Whether a torrent that is to be complete stands still, or is slow, because of it.
    #[must_use]
    pub fn hinders(&self) -> bool {
        match self {
            Self::Failed { .. }
            | Self::Metadata { .. }
            | Self::NoPeers
            | Self::Connecting { .. }
            | Self::Crowded { .. }
            | Self::Unreachable { .. }
            | Self::Absent { .. }
            | Self::Choked { .. }
            | Self::Silent { .. }
            | Self::Peers { .. }
            | Self::DownLimit { .. }
            | Self::Disk { .. }
            | Self::Memory { .. } => true,
            Self::Stopped
            | Self::Opening
            | Self::Checking { .. }
            | Self::FullSpeed { .. }
            | Self::Finishing
            | Self::Seeding { .. }
            | Self::Unwanted { .. }
            | Self::UpLimit { .. }
            | Self::Slots { .. }
            | Self::Dormant => false,
        }
    }

    /// Whether it is that nobody to exchange anything with was found.
    #[must_use]
    pub fn lacks_peers(&self) -> bool {
        matches!(
            self,
            Self::Metadata { asked: 0, .. }
                | Self::NoPeers
                | Self::Connecting { .. }
                | Self::Unreachable { .. }
                | Self::Absent { .. }
        )
    }
}

/// What a rate limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One torrent.
    Torrent,
    /// All torrents together.
    Session,
}

/// A figure that shows a reason, or that it is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// Who is connected.
    Peers {
        /// How many.
        connected: u32,
        /// Those of them that have everything.
        seeds: u32,
        /// Those of them that have some of what is missing.
        useful: u32,
    },
    /// Who lets us download.
    Unchoked {
        /// Peers that have some of what is missing.
        by: u32,
        /// Those of them that owe us blocks and send none.
        silent: u32,
    },
    /// How much comes.
    Down {
        /// Bytes a second of this torrent,
        rate: u64,
        /// of all torrents now,
        session: u64,
        /// and of all at the best of times.
        best: u64,
    },
    /// What is missing.
    Missing {
        /// Wanted pieces.
        pieces: u32,
        /// Their bytes.
        bytes: u64,
        /// Those of them that no connected peer has.
        absent: u32,
    },
    /// A limit on what comes.
    DownLimit(Limit),
    /// A limit on what is given.
    UpLimit(Limit),
    /// How much the disk has to do.
    Disk {
        /// Bytes that wait to be written, of all torrents.
        waiting: u64,
        /// Above so many nothing is asked of peers.
        most: u64,
        /// Of the last ten seconds, those in which nothing was asked because of it.
        seconds: u32,
    },
    /// Which addresses are known.
    Addresses {
        /// How many.
        known: u32,
        /// Those that are being tried.
        dialing: u32,
        /// Those that failed since they answered last, if ever.
        failed: u32,
        /// Those that are not to be tried again yet.
        waiting: u32,
    },
    /// Who wants something of us.
    Wanting {
        /// Peers that say so.
        peers: u32,
        /// Those of them that we let download.
        unchoked: u32,
        /// How many that may be.
        slots: u32,
    },
    /// How much is given.
    Up {
        /// Bytes a second.
        rate: u64,
    },
}

/// A rate limit, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Whose it is.
    pub scope: Scope,
    /// Bytes a second that it lets through.
    pub rate: u64,
    /// Of the last ten seconds, those in which it held something up.
    pub seconds: u32,
}

/// A reason with its figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What binds.
    pub why: Why,
    /// What shows it, the most telling first; at most five. None when there is nothing to show.
    pub evidence: Vec<Evidence>,
}

impl From<Why> for Reason {
    /// A reason that speaks for itself.
    fn from(why: Why) -> Self {
        Self { why, evidence: Vec::new() }
    }
}
