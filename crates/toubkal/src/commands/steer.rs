//! `toubkal pause`, `resume`, `remove`, `set`: what torrents of the daemon are to do.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::control::{Control, ControlArgs};
use crate::exit::{Exit, Failure};
use crate::units;

/// Which torrents.
#[derive(Args, Clone, Debug)]
struct Which {
    /// Numbers in the list, or info-hashes; or `all`
    #[arg(value_name = "TORRENT", required = true)]
    torrents: Vec<String>,
    #[command(flatten)]
    control: ControlArgs,
}

/// Stop torrents, and keep them
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        toubkal pause 7\n  \
        toubkal pause 7 12 15\n  \
        toubkal pause all")]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    which: Which,
}

/// Go on with torrents
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        toubkal resume 7\n  \
        toubkal resume --force 7\n  \
        toubkal resume all")]
pub(crate) struct ResumeArgs {
    /// Whatever the queue says
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    which: Which,
}

/// Take torrents out of the list; their files stay
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        toubkal remove 7\n  \
        toubkal remove 7 12\n  \
        toubkal list --phase done --json | jq .id | xargs toubkal remove")]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    which: Which,
}

/// Change torrents: limits, category, tags, goals, place in the queue
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        toubkal set 7 --down-limit 2M --tag holidays\n  \
        toubkal set all --ratio 2\n  \
        toubkal set 7 --queue top --up-limit none")]
pub(crate) struct SetArgs {
    #[command(flatten)]
    which: Which,
    /// What it is called in the list
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Its category; empty for none
    #[arg(long, value_name = "NAME")]
    category: Option<String>,
    /// A tag more; may be repeated
    #[arg(long, value_name = "NAME")]
    tag: Vec<String>,
    /// A tag less; may be repeated
    #[arg(long, value_name = "NAME")]
    untag: Vec<String>,
    /// Download at most this fast, or `none`
    #[arg(long, value_name = "RATE", value_parser = rate)]
    down_limit: Option<Value>,
    /// Upload at most this fast, or `none`
    #[arg(long, value_name = "RATE", value_parser = rate)]
    up_limit: Option<Value>,
    /// Stop after so much was uploaded: a ratio, `none`, or `global`
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    ratio: Option<Value>,
    /// Stop after so long: 36h, 14d, `none`, or `global`
    #[arg(long, value_name = "TIME", value_parser = time)]
    seeding_time: Option<Value>,
    /// Stop when nobody wanted anything for so long
    #[arg(long, value_name = "TIME", value_parser = time)]
    idle_time: Option<Value>,
    /// Its place in the queue
    #[arg(long, value_name = "WHERE", value_parser = ["top", "up", "down", "bottom"])]
    queue: Option<String>,
    /// Pieces in order, or not
    #[arg(long, value_name = "YES|NO", value_parser = yes)]
    sequential: Option<bool>,
    /// Check everything that lies in its folder
    #[arg(long)]
    check: bool,
    /// Ask its trackers for peers now
    #[arg(long)]
    announce: bool,
}

/// A rate, or none.
pub(super) fn rate(text: &str) -> Result<Value, String> {
    if text == "none" { Ok(Value::Null) } else { units::parse_rate(text).map(Value::from) }
}

fn ratio(text: &str) -> Result<Value, String> {
    goal(text, |text| match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1e6).contains(&ratio) => Ok((ratio * 1000.0).round() as u64),
        _ => Err("a ratio is written like 2 or 1.5, or is `none` or `global`".to_owned()),
    })
}

fn time(text: &str) -> Result<Value, String> {
    goal(text, units::parse_time)
}

fn goal(text: &str, own: fn(&str) -> Result<u64, String>) -> Result<Value, String> {
    match text {
        "none" | "global" => Ok(text.into()),
        _ => Ok(json!({"own": own(text)?})),
    }
}

fn yes(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("say yes or no".to_owned()),
    }
}

pub(crate) fn pause(args: &PauseArgs) -> Result<Exit, Failure> {
    tell(&args.which, &json!({"edit": {"wish": "paused"}}))
}

pub(crate) fn resume(args: &ResumeArgs) -> Result<Exit, Failure> {
    let wish = if args.force { "forced" } else { "queued" };
    tell(&args.which, &json!({"edit": {"wish": wish}}))
}

pub(crate) fn remove(args: &RemoveArgs) -> Result<Exit, Failure> {
    tell(&args.which, &json!({"remove": true}))
}

pub(crate) fn set(args: &SetArgs) -> Result<Exit, Failure> {
    let mut edit = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            edit.insert(key.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let words = |words: &Vec<String>| (!words.is_empty()).then(|| json!(words));
    put("name", text(&args.name));
    put("category", text(&args.category));
    put("add_tags", words(&args.tag));
    put("remove_tags", words(&args.untag));
    put("down", args.down_limit.clone());
    put("up", args.up_limit.clone());
    put("ratio", args.ratio.clone());
    put("seeding", args.seeding_time.clone());
    put("idle", args.idle_time.clone());
    put("queue", text(&args.queue));
    put("sequential", args.sequential.map(Value::from));
    if edit.is_empty() && !args.check && !args.announce {
        let failure = Failure::new(Exit::Usage, "nothing is to be changed");
        return Err(failure.tip("`toubkal set --help` says what can be"));
    }
    let body = json!({"edit": edit, "check": args.check, "announce": args.announce});
    tell(&args.which, &body)
}

fn tell(which: &Which, body: &Value) -> Result<Exit, Failure> {
    let control = Control::open(&which.control)?;
    let mut body = body.clone();
    if which.torrents != ["all"] {
        body["ids"] = ids(&control, &which.torrents)?.into();
    }
    control.tell(Method::POST, "/api/v1/bulk", Some(&body))?;
    Ok(Exit::Done)
}

/// The numbers of torrents.
fn ids(control: &Control, torrents: &[String]) -> Result<Vec<u64>, Failure> {
    let number = |torrent: &String| {
        if let Ok(number) = torrent.parse() {
            return Ok(number);
        }
        let path = format!("/api/v1/torrents/{}", super::list::encoded(torrent));
        let view: Value = control.get(&path)?;
        Ok(view["id"].as_u64().unwrap_or_default())
    };
    torrents.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_a_value_or_one_of_two_words() {
        assert_eq!(ratio("1.5"), Ok(json!({"own": 1500})));
        assert_eq!(time("2h"), Ok(json!({"own": 7200})));
        assert_eq!(ratio("none"), Ok(json!("none")));
        assert_eq!(time("global"), Ok(json!("global")));
        assert!(ratio("-1").is_err() && ratio("NaN").is_err() && time("soon").is_err());
        assert_eq!(rate("none"), Ok(Value::Null));
    }
}
