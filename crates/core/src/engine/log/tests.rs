use super::super::*;
use super::*;
use crate::base::Bitset;
use alloc::sync::Arc;
use core::fmt::Debug;
use core::net::SocketAddr;
use std::string::ToString;
use std::{format, vec};
use toubkal_wire::layout::{Block, Layout};
use toubkal_wire::message::{Message, MessageError};

fn remotes() -> [SocketAddr; 3] {
    let texts = ["10.0.0.1:6881", "[2001:db8::1]:80", "[fe80::1%3]:0"];
    texts.map(|text| text.parse().expect("an address"))
}

fn bits(length: u32) -> Bitset {
    let mut set = Bitset::new(length);
    (0..length).step_by(3).for_each(|bit| _ = set.set(bit));
    set
}

fn layout() -> Arc<Layout> {
    let files = [(0, false), (u64::from(u32::MAX), false), (7, true)];
    Arc::new(Layout::new(1 << 20, files).expect("a torrent"))
}

fn add(memory: Option<Memory>) -> Command {
    Command::Add(AddTorrent {
        ticket: u64::MAX,
        info_hash: [200; 20],
        layout: layout(),
        private: true,
        metadata_size: Some(u32::MAX),
        priorities: vec![Priority::Skip, Priority::Low, Priority::Normal, Priority::High],
        policy: Policy::default(),
        paused: true,
        rests: true,
        adopt: true,
        rates: Rates { down: None, up: Some(0) },
        memory,
    })
}

fn resolve() -> Command {
    match add(None) {
        Command::Add(add) => Command::Resolve(TorrentId::new(1, 2), add),
        other => other,
    }
}

fn commands() -> Vec<Command> {
    let torrent = TorrentId::new(3, 7);
    let totals = Totals { downloaded: 1, uploaded: u64::MAX, wasted: 0 };
    let memory = Memory { have: bits(70), synced: bits(0), doubt: true, totals };
    vec![
        add(None),
        add(Some(memory)),
        Command::Remove(torrent),
        Command::Start(torrent),
        Command::Stop(torrent),
        Command::Check(torrent),
        Command::Limit { torrent: None, rates: Rates::default() },
        Command::Limit { torrent: Some(torrent), rates: Rates { down: Some(1), up: None } },
        Command::Prioritise(torrent, vec![Priority::High]),
        Command::Sequential(torrent, true),
        Command::Rest(Resting {
            ticket: 1,
            info_hash: [3; 20],
            pieces: 9,
            bytes: u64::MAX,
            totals,
        }),
        Command::Read(torrent, Read { reader: ReaderId(1), file: 2, from: 3, to: u64::MAX }),
        Command::Unread(torrent, ReaderId(u64::MAX)),
        Command::Shutdown,
        Command::Seek(Seek { ticket: 1, info_hash: [3; 20], paused: true }),
        resolve(),
    ]
}

fn messages() -> Vec<Message> {
    let block = Block { piece: u32::MAX, begin: 0, length: 16_384 };
    vec![
        Message::KeepAlive,
        Message::Choke,
        Message::Unchoke,
        Message::Interested,
        Message::NotInterested,
        Message::Have(300),
        Message::Bitfield(vec![1, 2, 3].into()),
        Message::Request(block),
        Message::Cancel(block),
        Message::Port(u16::MAX),
        Message::Suggest(1),
        Message::HaveAll,
        Message::HaveNone,
        Message::Reject(block),
        Message::AllowedFast(0),
        Message::Extended(255, vec![].into()),
        Message::Unknown(99),
    ]
}

fn reasons() -> Vec<CloseReason> {
    let faults = [
        Misbehaved::Malformed(MessageError::TooLong { id: 5, length: u32::MAX }),
        Misbehaved::Malformed(MessageError::BadLength { id: 0, length: 2 }),
        Misbehaved::Bitfield,
        Misbehaved::PieceOutOfRange,
        Misbehaved::BadRequest,
        Misbehaved::RequestFlood,
        Misbehaved::Unrequested,
        Misbehaved::NotAgreed,
        Misbehaved::BadExtension,
        Misbehaved::BadBlock,
        Misbehaved::Flapping,
        Misbehaved::BadMetadata,
    ];
    let mut reasons = vec![
        CloseReason::ByPeer,
        CloseReason::Lost,
        CloseReason::Handshake,
        CloseReason::TimedOut,
        CloseReason::Ourselves,
        CloseReason::Duplicate,
        CloseReason::Redundant,
        CloseReason::Evicted,
        CloseReason::Full,
        CloseReason::Banned,
        CloseReason::Stopped,
    ];
    reasons.extend(faults.map(CloseReason::Misbehaved));
    reasons
}

fn errors() -> Vec<StoreError> {
    use StoreErrorKind::*;
    let kinds = [Full, Denied, Missing, Exists, Unsafe, Changed, TooLarge, Busy, Other(-5)];
    let error = |kind| StoreError { kind, file: Some(9) };
    kinds.map(error).into_iter().chain([StoreError { kind: Full, file: None }]).collect()
}

fn link_events() -> Vec<LinkEvent> {
    let block = Block { piece: 1, begin: 2, length: 3 };
    let torrent = TorrentId::new(0, u32::MAX);
    let reserved = toubkal_wire::handshake::Reserved::OURS;
    let mut events = vec![LinkEvent::Handshaken { torrent, peer_id: [9; 20], reserved }];
    events.extend(remotes().map(|remote| LinkEvent::Opened { dial: None, remote }));
    events.push(LinkEvent::Opened { dial: Some(DialId(5)), remote: remotes()[0] });
    events.extend(messages().into_iter().map(LinkEvent::Message));
    events.push(LinkEvent::Received { block, payload: Payload(u32::MAX) });
    let outcomes = errors().into_iter().map(Served::Failed);
    let outcomes = outcomes.chain([Served::Sent, Served::Withdrawn]);
    events.extend(outcomes.map(|outcome| LinkEvent::Served { block, outcome }));
    events.extend(reasons().into_iter().map(LinkEvent::Closed));
    events
}

fn results() -> Vec<Result<Done, StoreError>> {
    let files = vec![Found::Absent, Found::Part, Found::Whole, Found::Other, Found::Virtual];
    let opened = Opened { files, worth: bits(64), changed: Bitset::full(65) };
    let done = [
        Done::Opened(opened.into()),
        Done::Stored,
        Done::Good,
        Done::Bad(vec![[1; 20], [2; 20]]),
        Done::Digests(vec![]),
        Done::Ready,
    ];
    done.into_iter().map(Ok).chain(errors().into_iter().map(Err)).collect()
}

/// At least one of each variant of everything that goes into an engine.
fn events() -> Vec<Event> {
    let mut events: Vec<Event> = commands().into_iter().map(Event::from).collect();
    events.extend(link_events().into_iter().map(|event| Event::Link(LinkId::new(9, 1), event)));
    events.extend(results().into_iter().map(|result| Event::Job(JobId(1 << 40), result)));
    let Command::Add(it) = add(None) else { unreachable!("it adds") };
    events.push(Event::Loaded(TorrentId::new(1, 2), Ok(it.into())));
    events.push(Event::Loaded(TorrentId::new(1, 2), Err(errors()[0])));
    let errors =
        [DialError::Refused, DialError::Unreachable, DialError::TimedOut, DialError::Local];
    events.extend(errors.map(|error| Event::DialFailed(DialId(0), error)));
    let sources = [PeerSource::User, PeerSource::Tracker, PeerSource::Incoming];
    events.extend(
        sources.map(|source| Event::Peers(TorrentId::new(1, 1), source, remotes().to_vec())),
    );
    events
}

/// Reads what was written of a value.
fn again<T: Code + Debug>(value: &T) -> T {
    let mut bytes = Vec::new();
    value.put(&mut bytes);
    let mut input = Input::new(&bytes, 0);
    let read = T::take(&mut input).unwrap_or_else(|| panic!("{value:?} does not read back"));
    assert!(input.is_empty(), "{value:?} leaves something");
    let mut second = Vec::new();
    read.put(&mut second);
    assert_eq!(bytes, second, "{value:?}");
    read
}

#[test]
fn every_event_reads_back() {
    for event in events() {
        assert_eq!(format!("{event:?}"), format!("{:?}", again(&event)));
    }
}

#[test]
fn a_log_gives_back_config_seed_and_every_step_with_its_time() {
    let config = Config {
        peer_id: [1; 20],
        client: "Tübkal 9".into(),
        port: 6881,
        rates: Rates { down: Some(u64::MAX), up: None },
        links_max: 1,
        dials_max: 2,
        slots: u32::MAX,
    };
    let mut writer = Writer::new(&config, &Rng::new([77; 32]));
    let all = events();
    for (nanos, event) in (0..).zip(&all) {
        writer.event(Time::from_nanos(nanos * 1_000_000_007), event);
    }
    writer.end();
    let bytes = writer.take();
    let mut log = Log::open(&bytes).unwrap();
    assert_eq!(log.seed, [77; 32]);
    assert_eq!(format!("{:?}", log.config), format!("{config:?}"));
    for (nanos, event) in (0..).zip(&all) {
        let step = log.next().unwrap().unwrap();
        assert_eq!(step.at, Time::from_nanos(nanos * 1_000_000_007));
        let Fact::Event(read) = step.fact else { panic!("an event was written") };
        assert_eq!(format!("{read:?}"), format!("{event:?}"));
    }
    assert!(matches!(log.next(), Some(Ok(Step { fact: Fact::End, .. }))));
    assert!(log.next().is_none() && !log.is_cut());
}

fn small_log() -> Vec<u8> {
    let (config, rng) = (Config::default(), Rng::from_number(1));
    let mut writer = Writer::new(&config, &rng);
    let (mut engine, mut out) = (Engine::new(config, &rng), Outbox::new());
    let second = |number: u64| Time::from_nanos(number * 1_000_000_000);
    writer.handle(&mut engine, second(1), add(None).into(), &mut out);
    writer.advance(&mut engine, second(2), &mut out);
    writer.handle(&mut engine, second(3), Command::Shutdown.into(), &mut out);
    writer.end();
    writer.take()
}

#[test]
fn a_log_that_is_cut_gives_the_steps_that_are_whole() {
    let bytes = small_log();
    let whole = Log::open(&bytes).unwrap().count();
    assert_eq!(whole, 4);
    let mut steps = None;
    for end in 0..bytes.len() {
        let Ok(mut log) = Log::open(&bytes[..end]) else {
            assert_eq!(steps, None, "the head is there");
            continue;
        };
        let read = log.by_ref().inspect(|step| assert!(step.is_ok())).count();
        assert!(Some(read) >= steps && read < whole);
        // It is whole exactly where the head, or one more frame, ends.
        assert_eq!(log.is_cut(), steps == Some(read), "at byte {end}");
        steps = Some(read);
    }
    assert_eq!(steps, Some(whole - 1));
}

#[test]
fn a_damaged_log_is_an_error_or_another_log_and_never_a_panic() {
    let bytes = small_log();
    let mut damaged = 0;
    for at in 0..bytes.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 4] {
            let mut other = bytes.clone();
            other[at] = byte;
            damaged += match Log::open(&other) {
                Err(_) => 1,
                Ok(log) => usize::from(log.into_iter().any(|step| step.is_err())),
            };
        }
    }
    assert!(damaged > bytes.len(), "most of it is noticed: {damaged}");
    assert_eq!(Log::open(b"").unwrap_err(), LogError::NotLog);
    assert_eq!(Log::open(b"TKEVENTS").unwrap_err(), LogError::Head);
    assert_eq!(Log::open(b"TKEVENTS\x09").unwrap_err(), LogError::Version(9));
    assert_eq!(Log::open(b"TKEVENTS\x03").unwrap_err().to_string(), LogError::Head.to_string());
    assert_eq!(Log::open(b"TKEVENTS\x02").unwrap_err(), LogError::Head, "the one before");
    assert_eq!(Log::open(b"TKEVENTS\x01").unwrap_err(), LogError::Version(1));
}

#[test]
fn a_frame_that_is_absurdly_long_is_an_error() {
    let mut bytes = small_log();
    (FRAME_BYTES_MAX + 1).put(&mut bytes);
    let last = Log::open(&bytes).unwrap().last();
    assert!(matches!(last, Some(Err(LogError::Frame(at))) if at == bytes.len() - 4));
}

#[test]
fn a_block_takes_few_bytes() {
    let (config, rng) = (Config::default(), Rng::from_number(1));
    let mut writer = Writer::new(&config, &rng);
    writer.take();
    let block = Block { piece: 4000, begin: 128 * 1024, length: 16_384 };
    let received = LinkEvent::Received { block, payload: Payload(100_000) };
    let now = Time::from_nanos(20_000);
    writer.event(now, &Event::Link(LinkId::new(100, 10), received));
    writer.event(now, &Event::Job(JobId(1 << 33), Ok(Done::Stored)));
    assert!(writer.len() <= 40, "{} bytes", writer.len());
}

#[test]
fn numbers_read_back_and_have_an_end() {
    for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        assert_eq!(again(&number), number);
    }
    let mut endless = Input::new(&[0xff; 20], 0);
    assert_eq!(u64::take(&mut endless), None);
    let mut above = Input::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], 0);
    assert_eq!(u64::take(&mut above), None);
    let mut large = Input::new(&[0xff, 0xff, 0xff, 0xff, 0x7f], 0);
    assert_eq!(u32::take(&mut large), None, "it does not fit");
}
