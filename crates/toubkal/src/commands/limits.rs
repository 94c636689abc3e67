//! `toubkal limits`, `stats`, `watch`: the daemon as a whole.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::steer::rate;
use crate::control::{Control, ControlArgs};
use crate::exit::{Exit, Failure};
use crate::{json as lines, progress, text, units};

/// Show, or change, the limits of all torrents together
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        toubkal limits\n  \
        toubkal limits --down 10M --up none\n  \
        toubkal limits --alternative on")]
pub(crate) struct LimitsArgs {
    /// Download at most this fast, or `none`
    #[arg(long, value_name = "RATE", value_parser = rate)]
    down: Option<Value>,
    /// Upload at most this fast, or `none`
    #[arg(long, value_name = "RATE", value_parser = rate)]
    up: Option<Value>,
    /// Whether the alternative limits hold
    #[arg(long, value_name = "ON|OFF", value_parser = ["on", "off"])]
    alternative: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    control: ControlArgs,
}

/// Show all torrents of the daemon together
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        toubkal stats\n  \
        toubkal stats --json | jq .down_rate\n  \
        toubkal stats --host http://192.0.2.7:4167")]
pub(crate) struct StatsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    control: ControlArgs,
}

/// Print what changes, as JSON, one object a line, until Ctrl-C
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        toubkal watch\n  \
        toubkal watch | jq -c .removed\n  \
        toubkal watch --host http://192.0.2.7:4167")]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    control: ControlArgs,
}

pub(crate) fn run(args: &LimitsArgs) -> Result<Exit, Failure> {
    let control = Control::open(&args.control)?;
    let mut settings: Value = control.get("/api/v1/settings")?;
    let mut edit = Map::new();
    for (key, value) in [("down", &args.down), ("up", &args.up)] {
        if let Some(value) = value {
            edit.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(alternative) = &args.alternative {
        settings["alternative"]["on"] = (alternative == "on").into();
        edit.insert("alternative".to_owned(), settings["alternative"].clone());
    }
    if !edit.is_empty() {
        control.tell(Method::PATCH, "/api/v1/settings", Some(&edit))?;
        settings = control.get("/api/v1/settings")?;
    }
    let limits = json!({
        "down": settings["down"], "up": settings["up"], "alternative": settings["alternative"],
    });
    if args.json {
        lines::print(&limits)?;
        return Ok(Exit::Done);
    }
    let rate = |value: &Value| value.as_u64().map_or("no limit".to_owned(), units::rate);
    let line = |name: &str, of: &Value, holds: bool| {
        let holds = if holds { ", which hold now" } else { "" };
        format!(
            "{}  {} down, {} up{holds}\n",
            text::pad(name, 11),
            rate(&of["down"]),
            rate(&of["up"])
        )
    };
    let on = limits["alternative"]["on"] == true;
    let text = line("usual", &limits, !on) + &line("alternative", &limits["alternative"], on);
    progress::print(&text)?;
    Ok(Exit::Done)
}

pub(crate) fn stats(args: &StatsArgs) -> Result<Exit, Failure> {
    let control = Control::open(&args.control)?;
    let stats: Value = control.get("/api/v1/stats")?;
    if args.json {
        lines::print(&stats)?;
        return Ok(Exit::Done);
    }
    let number = |key: &str| stats[key].as_u64().unwrap_or_default();
    let torrents = text::count(number("torrents"), "torrent", "torrents");
    let free = stats["free"]
        .as_u64()
        .map_or(String::new(), |free| format!("disk      {} free\n", units::size(free)));
    let text = format!(
        "torrents  {torrents}, {} of them moving, {} stopped\n\
         rate      {} down, {} up\n\
         in all    {} down, {} up\n\
         peers     {}, and {} nodes of the DHT\n{free}",
        number("moving"),
        number("paused"),
        units::rate(number("down_rate")),
        units::rate(number("up_rate")),
        units::size(number("downloaded_ever")),
        units::size(number("uploaded_ever")),
        number("peers"),
        number("dht_nodes"),
    );
    progress::print(&text)?;
    Ok(Exit::Done)
}

pub(crate) fn watch(args: &WatchArgs) -> Result<Exit, Failure> {
    let control = Control::open(&args.control)?;
    control.follow(|data| {
        let changes: Value = serde_json::from_str(data).unwrap_or_default();
        lines::print(&changes).map(|()| true)
    })?;
    Ok(Exit::Done)
}
