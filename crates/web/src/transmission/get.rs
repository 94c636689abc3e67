//! `torrent_get`: the fields that were asked for, of the torrents that are meant, as objects or as
//! a table.

use serde_json::{Map, Value};
use toubkal_daemon::View;

use super::Rpc;
use super::args::Args;
use super::fault::Fault;
use super::fields::{FIELDS, Field, Look};
use super::methods::Reply;
use super::names::Style;

/// Fields of one call; others are left out.
const ASKED_MAX: usize = 500;

pub(super) fn get(rpc: &Rpc, args: &Args) -> Reply {
    let asked = asked(args);
    if asked.is_empty() {
        return Err(Fault::params("no fields specified"));
    }
    let mut reply = Map::new();
    let settings = rpc.client.settings();
    let row = |view: &View| {
        let look = Look::new(rpc, view, &settings, args.dialect);
        let value = |field: &Field| {
            let value = (field.of)(&look);
            if field.deep { args.dialect.dress(value, Style::Camel) } else { value }
        };
        asked.iter().map(|(name, field)| (*name, value(field))).collect::<Vec<_>>()
    };
    let views = views(rpc, args, &mut reply);
    let torrents = if args.text("format") == Some("table") {
        // The names come first, also when there is no torrent.
        let names: Value = asked.iter().map(|(name, _)| *name).collect();
        let cells = |view| row(view).into_iter().map(|(_, value)| value).collect::<Value>();
        std::iter::once(names).chain(views.iter().map(cells)).collect()
    } else {
        let object = |view| {
            let pairs = row(view).into_iter().map(|(name, value)| (name.to_owned(), value));
            Value::Object(pairs.collect())
        };
        views.iter().map(object).collect::<Value>()
    };
    reply.insert("torrents".to_owned(), torrents);
    Ok(reply)
}

/// Fields by the name under which they were asked for: some clients ask for one under two. What
/// is not known is left out.
fn asked(args: &Args) -> Vec<(&str, &'static Field)> {
    let names = args.texts("fields").unwrap_or_default();
    let field = |name| {
        let known = args.dialect.read(name);
        FIELDS.iter().find(|field| field.name == known).map(|field| (name, field))
    };
    names.into_iter().filter_map(field).take(ASKED_MAX).collect()
}

/// The torrents that are meant; of those that changed lately, those that are gone are told, too.
fn views(rpc: &Rpc, args: &Args, reply: &mut Map<String, Value>) -> Vec<View> {
    if args.is_recent() {
        let recent = &mut *rpc.recent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changes = recent.changes(&rpc.client);
        reply.insert("removed".to_owned(), changes.removed.into());
        return changes.torrents;
    }
    if args.has("ids") {
        return args.ids(&rpc.client).into_iter().filter_map(|id| rpc.client.view(id)).collect();
    }
    rpc.client.views()
}
