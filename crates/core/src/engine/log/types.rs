//! Every type that goes into an engine or comes out of it, as bytes.
//!
//! A variant's number is never given to another. A field or variant that is new, or gone, is a new
//! [`VERSION`](super::VERSION).

use alloc::vec::Vec;

use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::{Block, Layout};
use toubkal_wire::message::{Message, MessageError};

use super::super::{
    Action, AddTorrent, CloseReason, Command, Config, DialError, DialId, Done, Event, Found, JobId,
    LinkEvent, Memory, Misbehaved, Notice, Opened, Payload, PeerSource, Policy, Priority, Rates,
    Read, ReaderId, Record, Resting, Seek, Served, StoreError, StoreErrorKind, Terms, Totals,
};
use super::code::{Code, Input};

/// A struct is its fields in order, those that came with a later version last, as what they were
/// before. A field that is forgotten here does not compile.
macro_rules! fields {
    ($type:ident { $($field:ident),* $(,)? $(; $since:literal $late:ident)? }) => {
        impl Code for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field,)* $($late)? } = self;
                $($field.put(out);)*
                $($late.put(out);)?
            }
            fn take(input: &mut Input<'_>) -> Option<Self> {
                $(let $field = Code::take(input)?;)*
                $(let $late = match input.version() >= $since {
                    true => Code::take(input)?,
                    false => Default::default(),
                };)?
                Some(Self { $($field,)* $($late)? })
            }
        }
    };
    ($type:ident(1)) => {
        impl Code for $type {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }
            fn take(input: &mut Input<'_>) -> Option<Self> {
                Code::take(input).map(Self)
            }
        }
    };
}

/// An enum is the number of its variant, then its fields. A variant that is forgotten here does not
/// compile.
macro_rules! variants {
    ($type:ident {
        $($number:literal $variant:ident $({ $($field:ident),* })? $(( $($item:ident),* ))?,)*
    }) => {
        impl Code for $type {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $({ $($field),* })? $(( $($item),* ))? => {
                        out.push($number);
                        $($($field.put(out);)*)?
                        $($($item.put(out);)*)?
                    })*
                }
            }
            fn take(input: &mut Input<'_>) -> Option<Self> {
                Some(match input.byte()? {
                    $($number => {
                        $($(let $field = Code::take(input)?;)*)?
                        $($(let $item = Code::take(input)?;)*)?
                        Self::$variant $({ $($field),* })? $(( $($item),* ))?
                    })*
                    _ => return None,
                })
            }
        }
    };
}

fields!(Config { peer_id, client, port, rates, links_max, dials_max, slots });
fields!(Rates { down, up });

// What goes in.

variants!(Event {
    0 Link(link, event),
    1 DialFailed(dial, error),
    2 Job(job, result),
    3 Peers(torrent, source, peers),
    4 Command(command),
    5 Loaded(torrent, result),
});
variants!(LinkEvent {
    0 Opened { dial, remote },
    1 Handshaken { torrent, peer_id, reserved },
    2 Message(message),
    3 Received { block, payload },
    4 Served { block, outcome },
    5 Closed(reason),
});
variants!(Served { 0 Sent, 1 Withdrawn, 2 Failed(error), });
variants!(Done {
    0 Opened(opened),
    1 Stored,
    2 Good,
    3 Bad(digests),
    4 Digests(digests),
    5 Ready,
});
fields!(Opened { files, worth, changed });
variants!(Found { 0 Absent, 1 Part, 2 Whole, 3 Other, 4 Virtual, });
variants!(DialError { 0 Refused, 1 Unreachable, 2 TimedOut, 3 Local, });
variants!(PeerSource { 0 User, 1 Tracker, 2 Incoming, 3 Lan, 4 Dht, 5 Exchange, });
variants!(CloseReason {
    0 ByPeer,
    1 Lost,
    2 Handshake,
    3 TimedOut,
    4 Ourselves,
    5 Duplicate,
    6 Redundant,
    7 Evicted,
    8 Full,
    9 Banned,
    10 Stopped,
    11 Misbehaved(fault),
});
variants!(Misbehaved {
    0 Malformed(error),
    1 Bitfield,
    2 PieceOutOfRange,
    3 BadRequest,
    4 RequestFlood,
    5 Unrequested,
    6 NotAgreed,
    7 BadExtension,
    8 BadBlock,
    9 Flapping,
    10 BadMetadata,
});
variants!(Command {
    0 Add(add),
    1 Remove(torrent),
    2 Start(torrent),
    3 Stop(torrent),
    4 Check(torrent),
    5 Limit { torrent, rates },
    6 Prioritise(torrent, priorities),
    7 Sequential(torrent, sequential),
    8 Shutdown,
    9 Seek(seek),
    10 Resolve(torrent, add),
    11 Rest(resting),
    12 Read(torrent, read),
    13 Unread(torrent, reader),
});
fields!(Read { reader, file, from, to });
fields!(Seek { ticket, info_hash, paused });
fields!(AddTorrent {
    ticket,
    info_hash,
    layout,
    private,
    metadata_size,
    priorities,
    policy,
    adopt,
    rates,
    paused,
    memory;
    3 rests
});
fields!(Resting { ticket, info_hash, pieces, bytes, totals });
variants!(Policy { 0 RarestFirst, 1 Sequential, 2 Random, });
variants!(Priority { 0 Skip, 1 Low, 2 Normal, 3 High, });
fields!(Memory { have, synced, doubt, totals });
fields!(Totals { downloaded, uploaded, wasted });

// What comes out; only its sum is kept.

variants!(Action {
    0 Admit { torrent, terms },
    1 Retire { torrent },
    2 Dial { dial, torrent, remote },
    3 Send { link, message },
    4 Serve { link, torrent, block },
    5 Unserve { link, block },
    6 Close { link, reason },
    7 Open { job, torrent, wanted },
    8 Store { job, torrent, block, payload, digest },
    9 Discard { payload },
    10 Verify { job, torrent, piece, hashed },
    11 Digest { job, torrent, piece },
    12 Reclaim { job, torrent, file },
    13 Finish { job, torrent, file },
    14 Sync { job, torrent },
    15 Record { job, torrent, record },
    16 Release { torrent },
    17 Notify(notice),
    18 GiveMetadata { link, torrent, number, block },
    19 Load { torrent },
});
fields!(Terms { info_hash, peer_id, reserved });
fields!(Record { verified, synced, rest, doubt, totals });
variants!(Notice {
    0 Added { ticket, torrent },
    1 Checked { torrent },
    2 PieceDone { torrent, piece },
    3 PieceBad { torrent, piece },
    4 FileDone { torrent, file },
    5 Verified { torrent },
    6 Completed { torrent, at_once },
    7 Failed { torrent, error },
    8 Unrecorded { torrent, error },
    9 Banned { torrent, remote },
    10 Ended,
    11 FileLost { torrent, file, error },
    12 Metadata { torrent, bytes },
    13 Dormant { torrent },
    14 Readable { torrent, reader, from, to },
});

// Of both.

fields!(DialId(1));
fields!(JobId(1));
fields!(ReaderId(1));
fields!(Payload(1));
fields!(Reserved(1));
fields!(Block { piece, begin, length });
fields!(StoreError { kind, file });
variants!(StoreErrorKind {
    0 Full,
    1 Denied,
    2 Missing,
    3 Exists,
    4 Unsafe,
    5 Changed,
    6 TooLarge,
    7 Busy,
    8 Other(number),
    9 Crowded,
});
variants!(Message {
    0 KeepAlive,
    1 Choke,
    2 Unchoke,
    3 Interested,
    4 NotInterested,
    5 Have(piece),
    6 Bitfield(bits),
    7 Request(block),
    8 Cancel(block),
    9 Port(port),
    10 Suggest(piece),
    11 HaveAll,
    12 HaveNone,
    13 Reject(block),
    14 AllowedFast(piece),
    15 Extended(number, payload),
    16 Unknown(id),
});
variants!(MessageError { 0 TooLong { id, length }, 1 BadLength { id, length }, });

impl Code for Layout {
    fn put(&self, out: &mut Vec<u8>) {
        self.piece_length().put(out);
        self.files().len().put(out);
        for file in self.files() {
            (file.length, file.pad).put(out);
        }
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let piece_length = u32::take(input)?;
        Self::new(piece_length, Vec::<(u64, bool)>::take(input)?).ok()
    }
}
