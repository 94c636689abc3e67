//! Why a torrent is no faster: each reason, in a world in which it is the one.

use std::net::SocketAddr;
use std::time::Duration;

use toubkal_core::engine::{
    Command, Evidence, Limit, PeerSource, Priority, Rates, Scope, StoreErrorKind, Why,
};
use toubkal_sim::{DiskFaults, Manners, Setup, World};
use toubkal_wire::layout::Layout;

const BLOCK: u64 = 16 * 1024;
/// So long a host is there before it is asked.
const SETTLED: Duration = Duration::from_secs(20);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A torrent of one file, in pieces of 8 blocks.
fn layout(blocks: u64) -> Layout {
    Layout::new(8 * BLOCK as u32, [(blocks * BLOCK, false)]).unwrap()
}

fn seed() -> Setup {
    Setup { seed: true, ..Setup::default() }
}

fn giving(up: u64) -> Setup {
    Setup { up, ..seed() }
}

fn with(manners: Manners) -> Setup {
    Setup { manners, ..seed() }
}

/// A world of these hosts, and at the end one that lacks everything.
fn world(blocks: u64, hosts: impl IntoIterator<Item = Setup>) -> (World, usize) {
    world_of(blocks, hosts, Setup::default())
}

fn world_of(blocks: u64, hosts: impl IntoIterator<Item = Setup>, leecher: Setup) -> (World, usize) {
    let mut world = World::new(7, layout(blocks));
    hosts.into_iter().for_each(|host| _ = world.host(host));
    let leecher = world.host(Setup { joins: secs(1), ..leecher });
    (world, leecher)
}

fn why(world: &World, host: usize) -> Why {
    world.why(host).unwrap().why
}

fn evidence(world: &World, host: usize) -> Vec<Evidence> {
    let all = world.why(host).unwrap().evidence;
    assert!(all.len() <= 5, "{all:?}");
    all
}

#[track_caller]
fn has(world: &World, host: usize, wanted: Evidence) {
    let all = evidence(world, host);
    assert!(all.contains(&wanted), "{wanted:?} is not in {all:?}");
}

#[test]
fn twelve_peers_that_let_nobody_download_choke_us() {
    let (mut world, host) = world(100, vec![with(Manners::Takes); 12]);
    world.run_until(SETTLED);
    assert_eq!(why(&world, host), Why::Choked { by: 12, peers: 12 });
    has(&world, host, Evidence::Peers { connected: 12, seeds: 12, useful: 12 });
    has(&world, host, Evidence::Unchoked { by: 0, silent: 0 });
}

#[test]
fn a_choke_by_the_one_peer_that_has_something_does_not_count_the_others() {
    let others = vec![Setup::default(); 3];
    let (mut world, host) = world(100, others.into_iter().chain([with(Manners::Takes)]));
    world.run_until(SETTLED);
    assert_eq!(why(&world, host), Why::Choked { by: 1, peers: 4 });
}

#[test]
fn pieces_that_no_peer_has_are_counted_and_named() {
    // Eight pieces in the first file, three in the second.
    let files = [(64 * BLOCK, false), (24 * BLOCK, false)];
    let mut world = World::new(7, Layout::new(8 * BLOCK as u32, files).unwrap());
    let whole = world.host(seed());
    let half = vec![Priority::Normal, Priority::Skip];
    world.host(Setup { priorities: half, ..Setup::default() });
    let late = world.host(Setup { joins: secs(100), ..Setup::default() });
    world.leaves(whole, secs(60));
    world.run_until(secs(200));
    assert_eq!(why(&world, late), Why::Absent { pieces: 3, first: [8, 9, 10], peers: 1 });
    has(&world, late, Evidence::Missing { pieces: 3, bytes: 24 * BLOCK, absent: 3 });
    has(&world, late, Evidence::Peers { connected: 1, seeds: 0, useful: 0 });
}

#[test]
fn while_a_peer_gives_something_absent_pieces_are_told_beside_the_reason() {
    let files = [(640 * BLOCK, false), (24 * BLOCK, false)];
    let mut world = World::new(7, Layout::new(8 * BLOCK as u32, files).unwrap());
    let whole = world.host(giving(5_000_000));
    let half = vec![Priority::Normal, Priority::Skip];
    world.host(Setup { priorities: half, up: 100_000, ..Setup::default() });
    let late = world.host(Setup { joins: secs(100), ..Setup::default() });
    world.leaves(whole, secs(60));
    world.run_until(secs(120));
    assert!(matches!(why(&world, late), Why::Peers { unchoked: 1, of: 1, .. }));
    let missing = evidence(&world, late).into_iter().find_map(|it| match it {
        Evidence::Missing { absent, .. } => Some(absent),
        _ => None,
    });
    assert_eq!(missing, Some(3));
}

#[test]
fn a_limit_of_all_torrents_binds_until_it_is_lifted() {
    let rates = Rates { down: Some(200_000), up: None };
    let limited = Setup { rates, ..Setup::default() };
    let (mut world, host) = world_of(2000, [seed(), seed()], limited);
    world.run_until(SETTLED);
    let (scope, rate) = (Scope::Session, 200_000);
    assert_eq!(why(&world, host), Why::DownLimit { scope, rate });
    has(&world, host, Evidence::DownLimit(Limit { scope, rate, seconds: 10 }));
    world.command(host, |_| Command::Limit { torrent: None, rates: Rates::default() });
    assert!(!matches!(why(&world, host), Why::DownLimit { .. }), "there is none any more");
    world.run_until(SETTLED + secs(5));
    assert!(matches!(why(&world, host), Why::FullSpeed { peers: 2, .. }), "{:?}", world.why(host));
}

#[test]
fn of_two_limits_the_one_that_binds_is_named() {
    let rates = |down| Rates { down: Some(down), up: None };
    let limited = Setup { rates: rates(300_000), ..Setup::default() };
    let (mut world, host) = world_of(2000, [seed()], limited);
    world.run_until(secs(3));
    world.command(host, |id| Command::Limit { torrent: Some(id), rates: rates(50_000) });
    world.run_until(SETTLED);
    assert_eq!(why(&world, host), Why::DownLimit { scope: Scope::Torrent, rate: 50_000 });
    let unused = Limit { scope: Scope::Session, rate: 300_000, seconds: 0 };
    has(&world, host, Evidence::DownLimit(unused));
    // One above what the peer gives binds nothing.
    world.command(host, |id| Command::Limit { torrent: Some(id), rates: rates(20_000_000) });
    world.command(host, |_| Command::Limit { torrent: None, rates: rates(20_000_000) });
    world.run_until(SETTLED + secs(12));
    assert!(!matches!(why(&world, host), Why::DownLimit { .. }), "{:?}", world.why(host));
}

#[test]
fn a_disk_that_is_slower_than_the_peers_binds() {
    let disk = DiskFaults { rate: 300_000, ..DiskFaults::default() };
    let fast = Setup { down: 50_000_000, disk, ..Setup::default() };
    let (mut world, host) = world_of(4000, vec![giving(5_000_000); 3], fast);
    world.run_until(SETTLED);
    let Why::Disk { waiting } = why(&world, host) else { panic!("{:?}", world.why(host)) };
    // What was asked for before comes all the same.
    assert!((16 << 20..=32 << 20).contains(&waiting), "{waiting}");
    let disk = |it: &Evidence| match *it {
        Evidence::Disk { waiting: now, most, seconds } => {
            now == waiting && most == 16 << 20 && seconds >= 5
        }
        _ => false,
    };
    assert!(evidence(&world, host).iter().any(disk), "{:?}", world.why(host));
}

#[test]
fn addresses_where_nobody_answers_are_unreachable() {
    let (mut world, host) = world(100, []);
    let nobody: Vec<SocketAddr> = (1..=3).map(|last| ([10, 9, 9, last], 6881).into()).collect();
    world.hears(host, PeerSource::Tracker, &nobody, secs(2));
    world.run_until(secs(300));
    let Why::Unreachable { failed: 3, waiting, next } = why(&world, host) else {
        panic!("{:?}", world.why(host))
    };
    assert_eq!((waiting, next.is_some()), (3, true), "{:?}", world.why(host));
    has(&world, host, Evidence::Addresses { known: 3, dialing: 0, failed: 3, waiting: 3 });
}

#[test]
fn a_host_that_knows_nobody_but_itself_knows_no_peer() {
    let (mut world, host) = world(100, []);
    let own = world.address(host);
    world.hears(host, PeerSource::Tracker, &[own], secs(2));
    world.run_until(SETTLED);
    assert_eq!(why(&world, host), Why::NoPeers);
}

#[test]
fn an_address_that_is_tried_for_the_first_time_is_not_out_of_reach() {
    let (mut world, host) = world(100, [Setup { hidden: true, ..seed() }]);
    world.run_until(secs(2));
    assert_eq!(why(&world, host), Why::Connecting { dialing: 1, known: 1 });
    world.run_until(SETTLED);
    assert!(matches!(why(&world, host), Why::Unreachable { .. }), "{:?}", world.why(host));
}

#[test]
fn a_line_that_is_full_is_not_called_slow() {
    let (mut world, host) = world(8000, vec![giving(3_000_000); 4]);
    world.run_until(SETTLED - secs(10));
    let Why::FullSpeed { rate, peers } = why(&world, host) else { panic!("{:?}", world.why(host)) };
    assert_eq!(peers, 4);
    assert!((9_000_000..=10_500_000).contains(&rate), "{rate}");
}

#[test]
fn two_of_fourteen_peers_that_give_little_are_what_makes_it_slow() {
    let chokers = vec![with(Manners::Takes); 12];
    let (mut world, host) = world(2000, chokers.into_iter().chain(vec![giving(20_000); 2]));
    world.run_until(SETTLED * 2);
    let Why::Peers { unchoked: 2, of: 14, rate } = why(&world, host) else {
        panic!("{:?}", world.why(host))
    };
    assert!((30_000..=45_000).contains(&rate), "{rate}");
}

#[test]
fn less_than_half_of_what_came_before_is_slow_however_much_it_is() {
    let (mut world, host) = world(8000, [giving(9_000_000), giving(1_200_000)]);
    world.run_until(secs(8));
    assert!(matches!(why(&world, host), Why::FullSpeed { peers: 2, .. }), "{:?}", world.why(host));
    world.leaves(0, secs(8));
    world.run_until(secs(18));
    let Why::Peers { unchoked: 1, of: 1, rate } = why(&world, host) else {
        panic!("{:?}", world.why(host))
    };
    assert!(rate > 1_000_000, "{rate}");
}

#[test]
fn peers_that_take_requests_and_send_nothing_are_silent() {
    let (mut world, host) = world(100, vec![with(Manners::Silent); 3]);
    world.run_until(SETTLED);
    assert_eq!(why(&world, host), Why::Silent { unchoked: 3, of: 3 });
}

#[test]
fn metadata_that_peers_keep_to_themselves_is_looked_for() {
    let magnet = Setup { magnet: true, ..Setup::default() };
    let (mut world, host) = world_of(100, vec![with(Manners::Withholds); 2], magnet);
    world.run_until(SETTLED);
    let why = why(&world, host);
    assert_eq!(why, Why::Metadata { peers: 2, asked: 2, blocks: 0, of: 3, liars: 0 });
}

#[test]
fn a_torrent_that_is_stopped_or_checked_says_so() {
    let disk = DiskFaults { rate: 100_000, ..DiskFaults::default() };
    let (mut world, host) = world_of(100, [], Setup { seed: true, disk, ..Setup::default() });
    world.run_until(secs(5));
    let Why::Checking { done: 1..=11, of: 13 } = why(&world, host) else {
        panic!("{:?}", world.why(host))
    };
    world.command(host, Command::Stop);
    world.run_until(secs(10));
    assert_eq!(world.why(host), Some(Why::Stopped.into()));
}

#[test]
fn a_disk_that_is_full_is_named_with_the_time_of_the_next_try() {
    let full = DiskFaults { full: 1, full_time: secs(1000), ..DiskFaults::default() };
    let (mut world, host) = world_of(100, [seed()], Setup { disk: full, ..Setup::default() });
    world.run_until(secs(10));
    let Why::Failed { error, retry: Some(retry) } = why(&world, host) else {
        panic!("{:?}", world.why(host))
    };
    assert_eq!((error.kind, error.file), (StoreErrorKind::Full, Some(0)));
    assert!(retry <= secs(30), "{retry:?}");
}

#[test]
fn a_seed_tells_who_wants_something_of_it() {
    let (mut world, leecher) = world(4000, [seed()]);
    world.run_until(Duration::from_millis(900));
    assert_eq!(world.why(0), Some(Why::Unwanted { peers: 0 }.into()));
    world.run_until(SETTLED);
    let Why::Seeding { to: 1, rate } = why(&world, 0) else { panic!("{:?}", world.why(0)) };
    assert!((900_000..=1_000_000).contains(&rate), "{rate}");
    has(&world, 0, Evidence::Wanting { peers: 1, unchoked: 1, slots: 4 });
    world.command(leecher, Command::Stop);
    world.run_until(SETTLED + secs(5));
    assert_eq!(why(&world, 0), Why::Unwanted { peers: 0 });
}

#[test]
fn a_seed_whose_limit_binds_says_so() {
    let rates = Rates { down: None, up: Some(100_000) };
    let (mut world, _) = world(4000, [Setup { rates, ..seed() }]);
    world.run_until(SETTLED);
    let (scope, rate) = (Scope::Session, 100_000);
    assert_eq!(why(&world, 0), Why::UpLimit { scope, rate });
    has(&world, 0, Evidence::UpLimit(Limit { scope, rate, seconds: 10 }));
}

#[test]
fn a_seed_without_a_free_slot_says_how_many_wait() {
    let one = Setup { slots: 1, ..giving(100_000) };
    let (mut world, _) = world(4000, [one, Setup::default(), Setup::default()]);
    world.run_until(SETTLED);
    assert_eq!(why(&world, 0), Why::Slots { slots: 1, waiting: 2 });
}

#[test]
fn a_seed_that_nobody_has_wanted_for_long_is_dormant() {
    let (mut world, host) = world_of(100, [], Setup { rests: true, ..seed() });
    world.run_until(secs(60));
    assert_eq!(why(&world, host), Why::Unwanted { peers: 0 });
    world.run_until(secs(400));
    assert_eq!(world.why(host), Some(Why::Dormant.into()));
}

#[test]
fn a_host_that_may_have_no_connection_is_crowded_out() {
    let none = Setup { links: 0, ..Setup::default() };
    let (mut world, host) = world_of(100, [Setup { hidden: true, ..seed() }], none);
    world.run_until(Duration::from_millis(1100));
    assert_eq!(why(&world, host), Why::Crowded { links: 0 });
}

#[test]
fn asking_why_changes_nothing() {
    let run = |asks: bool| {
        let (mut world, host) = world(400, [seed(), with(Manners::Takes)]);
        for second in 1..40 {
            world.run_until(secs(second));
            if asks {
                let _ = (world.why(host), world.why(0));
            }
        }
        (world.trace_hash(), world.events())
    };
    assert_eq!(run(true), run(false));
}
