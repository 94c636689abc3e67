//! Every number that bounds memory or work in the engine. `docs/limits.md` lists them.

use core::time::Duration;

/// Requests that we keep of one peer, told to it as `reqq` (BEP 10).
pub const REQUESTS_KEPT: usize = 500;
/// Requests beyond [`REQUESTS_KEPT`] that a peer without the Fast extension may waste before the
/// link is closed.
pub const REQUESTS_WASTED: u32 = 1000;
/// Of these, so many a second are forgiven: requests that cross our choke are nobody's fault.
pub const WASTE_FORGIVEN: u32 = 10;
/// Requests that a peer is thought to keep when it does not say (BEP 10).
pub const REQQ_UNTOLD: u32 = 250;
/// The most requests of ours that wait at one peer, whatever it says.
pub const REQQ_MAX: u32 = 1000;
/// Blocks on their way from the disk to one peer: at the least,
pub const SERVES_MIN: u32 = 2;
/// and at the most. One more each time a block is through faster than [`SERVE_FAST`], one less
/// each time it takes longer than [`SERVE_SLOW`].
pub const SERVES_MAX: u32 = 32;
/// Bytes of blocks received and not written yet, of all torrents: above, no request is sent.
pub const STORING_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Pieces that are checked at once.
pub const CHECKS_MAX: u32 = 64;
/// Bytes of pieces that are checked at once, above one piece.
pub const CHECK_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Files that are given their names at once.
pub const FINISHES_MAX: u32 = 64;
/// Connections above the most that may be, from peers that have not yet said which torrent they
/// want: one of them may be worth more than one that is there (BEP 40).
pub const PLACES_SPARE: u32 = 4;
/// Addresses that are known of one torrent.
pub const KNOWN_MAX: usize = 2000;
/// Of these, the ones that peers told of and nobody has reached.
pub const STRANGERS_MAX: usize = 200;
/// Addresses that are banned at once, of all torrents.
pub const BANNED_MAX: usize = 4000;
/// How long a ban lasts.
pub const BAN: Duration = Duration::from_secs(3600);
/// Bytes of blocks that nobody asked for, above which a link is closed.
pub const UNASKED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Haves past the end of the torrent, above which a link is closed.
pub const BAD_HAVES_MAX: u32 = 8;
/// Chokes, interests and the like that a peer may turn round in a second.
pub const FLAPS_MAX: u32 = 40;
/// What saying anew what it has counts for, in the same sum.
pub const RETOLD_FLAPS: u32 = 4;
/// Pieces that a peer may name as allowed while choked, or suggest (BEP 6), that we remember.
pub const HINTS_MAX: usize = 32;
/// Pieces that we allow a choked peer that has few (BEP 6 names 10).
pub const ALLOWED_FAST: u32 = 10;
/// Pieces that a seed suggests to a peer beyond those that it is fetching.
pub const SUGGESTED: usize = 3;
/// Pieces that a seed suggested in vain and remembers, to suggest them first.
pub const RETURNED_MAX: usize = 256;
/// Peers that are unchoked at once, for each slot: while some ask for nothing, others may.
pub const UNCHOKED_A_SLOT: usize = 4;
/// To a downloader's peer a slot is lent while it got no more than this, above twice what it gave.
pub const CREDIT_BYTES: u64 = 256 * 1024;
/// Blocks of the piece that is being given which a peer still gets after a choke.
pub const CHOKED_BLOCKS_MAX: usize = 64;
/// Requests of ours that went to others and may still be answered, a link.
pub const LAPSED_MAX: usize = 1024;
/// Peers that may be asked for the same block at the end.
pub const ASKERS_MAX: u8 = 3;
/// Requests that a peer gets at the end for blocks that others were asked for.
pub const ENDGAME_REQUESTS: u32 = 16;
/// Connections that are tried at once, of all torrents, for one whose metadata is unknown.
pub const SEEK_DIALS: usize = 256;
/// Bytes of metadata that are held of a torrent while it is fetched, of all versions together.
pub const METADATA_HELD_MAX: usize = 64 * 1024 * 1024;
/// Lengths of metadata that peers may say and that are fetched at once.
pub const METADATA_SIZES_MAX: usize = 16;
/// Blocks of metadata that one peer is asked for at once; some clients reject above 64.
pub const METADATA_REQUESTS: u32 = 32;
/// Messages of one peer that are kept until it is known what they mean: what it has, above all.
pub const EARLY_MAX: usize = 1024;
/// Bytes of bitfields that are kept so, of all peers of a torrent.
pub const EARLY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Pieces that a peer is told of one by one when the metadata was found and they lay there.
pub const LATE_HAVES: u32 = 2048;

/// Readers of one torrent; more are not heard.
pub const READERS_MAX: usize = 16;
/// Bytes ahead of a reader of which the pieces come before all others: at the least,
pub const WINDOW_MIN: u64 = 2 * 1024 * 1024;
/// and at the most. In between, what it reads in [`WINDOW_TIME`], or what comes in a quarter of it.
pub const WINDOW_MAX: u64 = 64 * 1024 * 1024;
/// Pieces in this window.
pub const WINDOW_PIECES_MAX: u32 = 512;
/// Pieces, of those that are to be read next, of which blocks may be asked for again,
pub const HURRIED_PIECES: usize = 4;
/// and blocks of each that are looked at in one round.
pub const HURRIED_BLOCKS: usize = 16;

/// See [`SERVES_MAX`].
pub const SERVE_FAST: Duration = Duration::from_millis(100);
/// See [`SERVES_MAX`].
pub const SERVE_SLOW: Duration = Duration::from_millis(500);
/// A link without a handshake is closed after this.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Links that wait for a torrent that is not ready, of all torrents together; each no longer than
/// [`HANDSHAKE_TIME`],
pub const LOBBY_LINKS_MAX: usize = 64;
/// messages that are kept of each,
pub const LOBBY_MESSAGES_MAX: usize = 64;
/// and bytes in those of all together.
pub const LOBBY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Lists of addresses that wait so.
pub const LOBBY_LISTS_MAX: usize = 256;
/// A whole torrent of which nobody wants anything is dormant after this, when it can be loaded
/// again.
pub const DORMANT_TIME: Duration = Duration::from_secs(300);
/// A link without a sign of life is closed after this; peers send keep-alives every two minutes.
pub const IDLE_TIME: Duration = Duration::from_secs(180);
/// We say something at least this often (BEP 3: keep-alives "once every two minutes").
pub const KEEPALIVE_TIME: Duration = Duration::from_secs(100);
/// Neither side has had a use for the other for so long: the place goes to somebody else.
pub const REDUNDANT_TIME: Duration = Duration::from_secs(120);
/// A request is given to others after two delays, but not before this,
pub const REQUEST_TIME_MIN: Duration = Duration::from_secs(2);
/// and at the latest after this.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(8);
/// After a request was rejected the peer is left in peace this long.
pub const REJECT_REST: Duration = Duration::from_secs(1);
/// A peer is told of others at most this often (BEP 11).
pub const EXCHANGE_TIME: Duration = Duration::from_secs(60);
/// Between two looks at whom to upload to.
pub const CHOKE_TIME: Duration = Duration::from_secs(10);
/// A peer that has a slot is given this long to ask for something; then its slot is lent.
pub const SLOT_GRACE: Duration = Duration::from_millis(500);
/// First pieces are given to one peer at a time; while others wait, no longer than this.
pub const TURN_TIME: Duration = Duration::from_secs(2);
/// How long the optimistic slot stays with a peer.
pub const OPTIMISTIC_TIME: Duration = Duration::from_secs(30);
/// Back-off of an address after its first failure; doubled each time,
pub const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// up to this.
pub const BACKOFF_MAX: Duration = Duration::from_secs(600);
/// Failed attempts at one address in an hour, those that the user named apart.
pub const TRIES_AN_HOUR: u32 = 3;
/// Those that say nothing of the peer, because nobody at all was heard meanwhile: after so many
/// in an hour the address rests for [`BACKOFF_MAX`] each time.
pub const DARK_TRIES: u32 = 12;
/// Until then it rests no longer than this.
pub const DARK_REST: Duration = Duration::from_secs(60);
/// Without a way to anybody, a way is looked for this often.
pub const PROBE_TIME: Duration = Duration::from_secs(4);
/// A disk that was full is looked at again after this.
pub const FULL_REST: Duration = Duration::from_secs(30);
/// Between the first piece that is verified and the sync that brings it, and all others, to the
/// disk; a record follows. What a power cut costs is a check of so much.
pub const SYNC_TIME: Duration = Duration::from_secs(5);
/// Totals are recorded at least so often while they change.
pub const TOTALS_TIME: Duration = Duration::from_secs(60);
/// Pieces of those that are remembered that are checked at the start after the power was lost.
pub const SAMPLE: usize = 16;
/// See [`WINDOW_MAX`].
pub const WINDOW_TIME: Duration = Duration::from_secs(8);
/// A reader that has less than this before it is watched more often than with each heartbeat:
pub const HURRY_TIME: Duration = Duration::from_secs(3);
/// each half of the shortest delay of a peer, but not more often than this,
pub const HURRY_MIN: Duration = Duration::from_millis(20);
/// nor less often.
pub const HURRY_MAX: Duration = Duration::from_millis(250);
/// When a rate limit holds somebody up, nothing is let through before; then everybody has the
/// same chance.
pub const TURN: Duration = Duration::from_millis(10);
/// The engine's heartbeat, while there is a link or an address.
pub const TICK: Duration = Duration::from_secs(1);
