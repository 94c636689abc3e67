//! The methods, and those that are done in a line or two.

use std::path::Path;

use serde_json::{Map, Value, json};
use toubkal_daemon::{Edit, Id, Move, Refusal, Wish};

use super::args::Args;
use super::fault::Fault;
use super::names::Style;
use super::{Rpc, add, edit, get, session};

/// What a method gives: names as tables have them.
pub(super) type Reply = Result<Map<String, Value>, Fault>;

/// A method: its name, what it does, how the older dialect writes its answer.
type Method = (&'static str, fn(&Rpc, &Args) -> Reply, Style);

const METHODS: [Method; 24] = [
    ("blocklist_update", blocklist_update, Style::Kebab),
    ("free_space", free_space, Style::Kebab),
    ("group_get", group_get, Style::Kebab),
    ("group_set", group_set, Style::Kebab),
    ("port_test", port_test, Style::Kebab),
    ("queue_move_bottom", |rpc, args| step(rpc, args, Move::Bottom), Style::Kebab),
    ("queue_move_down", |rpc, args| step(rpc, args, Move::Down), Style::Kebab),
    ("queue_move_top", |rpc, args| step(rpc, args, Move::Top), Style::Kebab),
    ("queue_move_up", |rpc, args| step(rpc, args, Move::Up), Style::Kebab),
    ("session_close", session_close, Style::Kebab),
    ("session_get", session::get, Style::Asked),
    ("session_set", session::set, Style::Kebab),
    ("session_stats", session::stats, Style::Camel),
    ("torrent_add", add::add, Style::Kebab),
    ("torrent_get", get::get, Style::Asked),
    ("torrent_reannounce", reannounce, Style::Kebab),
    ("torrent_remove", remove, Style::Kebab),
    ("torrent_rename_path", rename_path, Style::Kebab),
    ("torrent_set", edit::set, Style::Kebab),
    ("torrent_set_location", set_location, Style::Kebab),
    ("torrent_start", start, Style::Kebab),
    ("torrent_start_now", |rpc, args| wish(rpc, args, Wish::Forced), Style::Kebab),
    ("torrent_stop", |rpc, args| wish(rpc, args, Wish::Paused), Style::Kebab),
    ("torrent_verify", verify, Style::Kebab),
];

/// Does what a method says.
pub(super) fn run(rpc: &Rpc, method: &str, args: &Args) -> Reply {
    let known = METHODS.iter().find(|(name, ..)| *name == method);
    let (_, run, style) =
        known.ok_or_else(|| Fault::new(Fault::METHOD, "method name not recognized"))?;
    run(rpc, args).map(|reply| args.dialect.dress_map(reply, *style))
}

/// The members of an object that was just made.
pub(super) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

pub(super) fn nothing() -> Reply {
    Ok(Map::new())
}

/// Does something with torrents; one that goes away meanwhile is left out.
pub(super) fn with(
    rpc: &Rpc,
    mut ids: Vec<Id>,
    act: impl Fn(&[Id]) -> Result<(), Refusal>,
) -> Result<(), Fault> {
    loop {
        match act(&ids) {
            Err(Refusal::Unknown(gone)) if ids.contains(&gone) => ids.retain(|id| *id != gone),
            done => return Ok(done?),
        }
        ids.retain(|id| rpc.client.has(*id));
    }
}

fn change(rpc: &Rpc, ids: Vec<Id>, edit: &Edit) -> Reply {
    with(rpc, ids, |ids| rpc.client.edit(ids, edit))?;
    nothing()
}

fn step(rpc: &Rpc, args: &Args, step: Move) -> Reply {
    change(rpc, args.ids(&rpc.client), &Edit { queue: Some(step), ..Edit::default() })
}

fn wish(rpc: &Rpc, args: &Args, wish: Wish) -> Reply {
    change(rpc, args.ids(&rpc.client), &Edit { wish: Some(wish), ..Edit::default() })
}

/// Those that run whatever the queue says go on to.
fn start(rpc: &Rpc, args: &Args) -> Reply {
    let mut ids = args.ids(&rpc.client);
    let runs = |id: &Id| {
        let view = rpc.client.view(*id);
        view.is_some_and(|it| it.wish == Wish::Forced && !it.reached && it.error.is_none())
    };
    ids.retain(|id| !runs(id));
    change(rpc, ids, &Edit { wish: Some(Wish::Queued), ..Edit::default() })
}

fn verify(rpc: &Rpc, args: &Args) -> Reply {
    with(rpc, args.ids(&rpc.client), |ids| rpc.client.check(ids))?;
    nothing()
}

fn reannounce(rpc: &Rpc, args: &Args) -> Reply {
    with(rpc, args.ids(&rpc.client), |ids| rpc.client.announce(ids))?;
    nothing()
}

fn remove(rpc: &Rpc, args: &Args) -> Reply {
    if args.flag("delete_local_data") == Some(true) {
        // Taking them out of the list alone would leave files that somebody wanted gone.
        let text = "Toubkal cannot delete files yet: remove it without its files";
        return Err(Fault::new(Fault::SYSTEM, text));
    }
    with(rpc, args.ids(&rpc.client), |ids| rpc.client.remove(ids))?;
    nothing()
}

fn set_location(_: &Rpc, args: &Args) -> Reply {
    let location = args.text("location").filter(|location| !location.is_empty());
    let location = location.ok_or_else(|| Fault::params("no location"))?;
    absolute(location, "new location path is not absolute")?;
    Err(Fault::new(Fault::SYSTEM, "Toubkal cannot move torrents yet"))
}

fn rename_path(rpc: &Rpc, args: &Args) -> Reply {
    let [_] = args.ids(&rpc.client)[..] else {
        return Err(Fault::params("torrent-rename-path requires 1 torrent"));
    };
    Err(Fault::new(Fault::SYSTEM, "Toubkal cannot rename files yet"))
}

/// A path from the root.
pub(super) fn absolute<'a>(path: &'a str, otherwise: &str) -> Result<&'a Path, Fault> {
    let path = Path::new(path);
    let fault = || Fault::new(Fault::RELATIVE, otherwise);
    path.is_absolute().then_some(path).ok_or_else(fault)
}

fn free_space(rpc: &Rpc, args: &Args) -> Reply {
    let path =
        args.text("path").ok_or_else(|| Fault::params("directory path argument is missing"))?;
    let free = rpc.client.space(absolute(path, "directory path is not absolute")?);
    let free = free.map_or(json!(-1), Value::from);
    Ok(members(json!({"path": path, "size_bytes": free, "total_size": -1})))
}

/// No service outside is asked: whether somebody has connected to us is what we know.
fn port_test(rpc: &Rpc, args: &Args) -> Reply {
    let mut reply = members(json!({"port_is_open": rpc.client.was_reached()}));
    if let Some(protocol) = args.text("ip_protocol") {
        if !matches!(protocol, "ipv4" | "ipv6") {
            return Err(Fault::params("invalid ip protocol string"));
        }
        reply.insert("ip_protocol".to_owned(), protocol.into());
    }
    Ok(reply)
}

fn blocklist_update(_: &Rpc, _: &Args) -> Reply {
    Err(Fault::new(Fault::SYSTEM, "Toubkal has no blocklist"))
}

fn group_get(_: &Rpc, _: &Args) -> Reply {
    Ok(members(json!({"group": []})))
}

fn group_set(_: &Rpc, args: &Args) -> Reply {
    if args.text("name").is_none_or(|name| name.trim().is_empty()) {
        return Err(Fault::params("No group name given"));
    }
    Err(Fault::new(Fault::SYSTEM, "Toubkal has no groups yet: limit torrents one by one"))
}

fn session_close(rpc: &Rpc, _: &Args) -> Reply {
    rpc.client.ask_to_end();
    nothing()
}
