//! The session: what holds for all torrents, and figures of all.

use serde_json::{Value, json};
use toubkal_daemon::{Alternative, Facts, Queue, Settings, SettingsEdit, Stats};

use super::args::Args;
use super::methods::{Reply, absolute, members, nothing};
use super::names::{Dialect, Style};
use super::{Rpc, SEMVER};

/// Bytes a second in a unit of rates.
pub(super) const KILO: u64 = 1000;
/// What limits are when they are switched on and nobody has said: thousands of bytes a second,
/// minutes, thousandths of a ratio.
pub(super) const RATE: u64 = 100;
pub(super) const IDLE: u64 = 30;
pub(super) const RATIO: u64 = 2000;
const ALTERNATIVE: u64 = 50;
const DOWNLOADS: u64 = 5;
const SEEDS: u64 = 10;

/// The version that clients look at before they use what came with it: labels, say.
const VERSION: &str = concat!("4.1.0 (Toubkal ", env!("CARGO_PKG_VERSION"), ")");

/// What is told of.
struct Now {
    settings: Settings,
    facts: Facts,
    port: u16,
    session: String,
    free: Option<u64>,
    /// Limits as they are shown, in the order of [`LIMITS`].
    numbers: Vec<u64>,
}

/// A number and a switch: the names of both, the number when nobody has said, how many of the
/// client's units are in one, and where it stands.
struct Limit {
    name: &'static str,
    switch: &'static str,
    usual: u64,
    unit: u64,
    of: fn(&Settings) -> Option<u64>,
    put: fn(&mut SettingsEdit, &mut Queue, Option<u64>),
}

const LIMITS: [Limit; 6] = [
    Limit {
        name: "speed_limit_down",
        switch: "speed_limit_down_enabled",
        usual: RATE,
        unit: KILO,
        of: |it| it.down,
        put: |edit, _, limit| edit.down = Some(limit),
    },
    Limit {
        name: "speed_limit_up",
        switch: "speed_limit_up_enabled",
        usual: RATE,
        unit: KILO,
        of: |it| it.up,
        put: |edit, _, limit| edit.up = Some(limit),
    },
    Limit {
        name: "seed_ratio_limit",
        switch: "seed_ratio_limited",
        usual: RATIO,
        unit: 1,
        of: |it| it.ratio,
        put: |edit, _, limit| edit.ratio = Some(limit),
    },
    Limit {
        name: "idle_seeding_limit",
        switch: "idle_seeding_limit_enabled",
        usual: IDLE,
        unit: 60,
        of: |it| it.idle,
        put: |edit, _, limit| edit.idle = Some(limit),
    },
    Limit {
        name: "download_queue_size",
        switch: "download_queue_enabled",
        usual: DOWNLOADS,
        unit: 1,
        of: |it| it.queue.downloads.map(u64::from),
        put: |_, queue, limit| queue.downloads = limit.map(small),
    },
    Limit {
        name: "seed_queue_size",
        switch: "seed_queue_enabled",
        usual: SEEDS,
        unit: 1,
        of: |it| it.queue.seeds.map(u64::from),
        put: |_, queue, limit| queue.seeds = limit.map(small),
    },
];

/// A name, and what is told under it.
type Field = (&'static str, fn(&Now) -> Value);

/// What is told, beside [`LIMITS`].
const FIELDS: [Field; 51] = [
    ("alt_speed_down", |it| alternative(it.settings.alternative.down).into()),
    ("alt_speed_enabled", |it| it.settings.alternative.on.into()),
    ("alt_speed_time_begin", |_| 540.into()),
    ("alt_speed_time_day", |_| 127.into()),
    ("alt_speed_time_enabled", |_| false.into()),
    ("alt_speed_time_end", |_| 1020.into()),
    ("alt_speed_up", |it| alternative(it.settings.alternative.up).into()),
    ("anti_brute_force_enabled", |_| true.into()),
    ("anti_brute_force_threshold", |_| 5.into()),
    ("blocklist_enabled", |_| false.into()),
    ("blocklist_size", |_| 0.into()),
    ("blocklist_url", |_| "".into()),
    ("cache_size_mb", |_| 0.into()),
    ("cache_size_mib", |_| 0.into()),
    ("config_dir", |it| it.facts.state.to_string_lossy().into()),
    ("default_trackers", |_| "".into()),
    ("dht_enabled", |it| it.facts.dht.into()),
    ("download_dir", |it| it.settings.downloads.to_string_lossy().into()),
    ("download_dir_free_space", |it| it.free.map_or((-1).into(), Value::from)),
    ("encryption", |_| "tolerated".into()),
    ("incomplete_dir", |it| it.settings.downloads.to_string_lossy().into()),
    ("incomplete_dir_enabled", |_| false.into()),
    ("lpd_enabled", |it| it.facts.lan.into()),
    ("peer_limit_global", |it| it.facts.links_max.into()),
    ("peer_limit_per_torrent", |it| it.facts.links_max.into()),
    ("peer_port", |it| it.port.into()),
    ("peer_port_random_on_start", |_| false.into()),
    ("pex_enabled", |_| true.into()),
    ("port_forwarding_enabled", |_| false.into()),
    ("preferred_transports", |_| json!(["tcp"])),
    ("queue_stalled_enabled", |_| false.into()),
    ("queue_stalled_minutes", |_| (super::fields::STALLED / 60).into()),
    ("rename_partial_files", |_| true.into()),
    ("reqq", |_| 500.into()),
    ("rpc_version", |_| 18.into()),
    ("rpc_version_minimum", |_| 14.into()),
    ("rpc_version_semver", |_| SEMVER.into()),
    ("script_torrent_added_enabled", |_| false.into()),
    ("script_torrent_added_filename", |_| "".into()),
    ("script_torrent_done_enabled", |_| false.into()),
    ("script_torrent_done_filename", |_| "".into()),
    ("script_torrent_done_seeding_enabled", |_| false.into()),
    ("script_torrent_done_seeding_filename", |_| "".into()),
    ("session_id", |it| it.session.clone().into()),
    ("sequential_download", |_| false.into()),
    ("start_added_torrents", |it| (!it.settings.add_paused).into()),
    ("tcp_enabled", |_| true.into()),
    ("trash_original_torrent_files", |_| false.into()),
    ("units", |_| units()),
    ("utp_enabled", |_| false.into()),
    ("version", |_| VERSION.into()),
];

pub(super) fn get(rpc: &Rpc, args: &Args) -> Reply {
    let now = now(rpc);
    let dialect = args.dialect;
    let dress = |value| dialect.dress(value, Style::Kebab);
    let asked = args.texts("fields").filter(|fields| !fields.is_empty());
    if let Some(asked) = asked {
        let one = |name: &str| Some((name.to_owned(), dress(value(&now, &dialect.read(name))?)));
        return Ok(asked.into_iter().filter_map(one).collect());
    }
    // Each dialect has one name for the cache alone.
    let other = if dialect == Dialect::Old { "cache_size_mib" } else { "cache_size_mb" };
    let names = FIELDS.iter().map(|(name, _)| *name).filter(|name| *name != other);
    let names = names.chain(LIMITS.iter().flat_map(|limit| [limit.name, limit.switch]));
    let one = |name: &str| Some((dialect.write(name, Style::Kebab), dress(value(&now, name)?)));
    Ok(names.filter_map(one).collect())
}

pub(super) fn set(rpc: &Rpc, args: &Args) -> Reply {
    let settings = rpc.client.settings();
    let mut edit = SettingsEdit::default();
    if let Some(dir) = args.text("download_dir").filter(|dir| !dir.is_empty()) {
        let dir = absolute(dir, "download directory path is not absolute")?;
        edit.downloads = Some(dir.components().collect());
    }
    edit.add_paused = args.flag("start_added_torrents").map(|start| !start);
    edit.alternative = set_alternative(args, &settings.alternative);
    let mut queue = settings.queue.clone();
    for limit in &LIMITS {
        if !args.has(limit.name) && !args.has(limit.switch) {
            continue;
        }
        let number = match limit.name {
            "seed_ratio_limit" => args.real(limit.name).map(thousandths),
            name => args.count(name),
        };
        let before = (limit.of)(&settings).map(|value| value.div_ceil(limit.unit));
        let given = (number, args.flag(limit.switch));
        let after = rpc.shelf().set((0, limit.name), before, limit.usual, given);
        let after = after.map(|number| number.saturating_mul(limit.unit));
        (limit.put)(&mut edit, &mut queue, after);
    }
    edit.queue = (queue != settings.queue).then_some(queue);
    rpc.client.set_settings(edit)?;
    nothing()
}

/// What is shown of the other limits holds when they are switched on.
fn set_alternative(args: &Args, before: &Alternative) -> Option<Alternative> {
    let mut after = before.clone();
    for (name, place) in [("alt_speed_down", &mut after.down), ("alt_speed_up", &mut after.up)] {
        if let Some(number) = args.count(name) {
            *place = Some(number.saturating_mul(KILO));
        }
    }
    if let Some(on) = args.flag("alt_speed_enabled") {
        after.on = on;
        if on {
            after.down.get_or_insert(ALTERNATIVE * KILO);
            after.up.get_or_insert(ALTERNATIVE * KILO);
        }
    }
    (after != *before).then_some(after)
}

pub(super) fn stats(rpc: &Rpc, _: &Args) -> Reply {
    let stats = rpc.client.stats();
    let Stats { downloaded, uploaded, downloaded_ever, uploaded_ever, uptime, .. } = stats;
    let figures = |down: u64, up: u64, seconds: u64, lives: u64| {
        json!({
            "downloaded_bytes": down,
            "files_added": stats.torrents,
            "seconds_active": seconds,
            "session_count": lives,
            "uploaded_bytes": up,
        })
    };
    Ok(members(json!({
        "active_torrent_count": stats.active,
        "cumulative_stats": figures(downloaded_ever, uploaded_ever, stats.uptime_ever, stats.lives),
        "current_stats": figures(downloaded, uploaded, uptime, 1),
        "download_speed": stats.down_rate,
        "paused_torrent_count": stats.paused,
        "torrent_count": stats.torrents,
        "upload_speed": stats.up_rate,
    })))
}

/// A ratio in thousandths.
pub(super) fn thousandths(ratio: f64) -> u64 {
    // What is below zero is nothing, and what is beyond all measure is the most.
    (ratio * 1000.0).round() as u64
}

fn now(rpc: &Rpc) -> Now {
    let settings = rpc.client.settings();
    let shelf = rpc.shelf();
    let number = |limit: &Limit| {
        let holds = (limit.of)(&settings).map(|value| value.div_ceil(limit.unit));
        shelf.shown(0, limit.name, holds, limit.usual)
    };
    let numbers = LIMITS.iter().map(number).collect();
    let port = rpc.client.listening_on().first().map_or(0, std::net::SocketAddr::port);
    let free = rpc.client.space(&settings.downloads);
    let (facts, session) = (rpc.client.facts().clone(), rpc.session.clone());
    Now { settings, facts, port, session, free, numbers }
}

fn value(now: &Now, name: &str) -> Option<Value> {
    if let Some((_, of)) = FIELDS.iter().find(|(known, _)| *known == name) {
        return Some(of(now));
    }
    LIMITS.iter().zip(&now.numbers).find_map(|(limit, number)| match name {
        "seed_ratio_limit" if limit.name == name => Some((*number as f64 / 1000.0).into()),
        name if name == limit.name => Some((*number).into()),
        name if name == limit.switch => Some((limit.of)(&now.settings).is_some().into()),
        _ => None,
    })
}

fn alternative(rate: Option<u64>) -> u64 {
    rate.map_or(ALTERNATIVE, |bytes| bytes.div_ceil(KILO))
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn units() -> Value {
    json!({
        "memory_bytes": 1024,
        "memory_units": ["B", "KiB", "MiB", "GiB", "TiB"],
        "size_bytes": 1000,
        "size_units": ["B", "kB", "MB", "GB", "TB"],
        "speed_bytes": KILO,
        "speed_units": ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"],
    })
}
