//! Some fields of each torrent instead of all: a page that shows ten thousand asks for no more
//! than it shows.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};
use toubkal_daemon::{Changes, Id, View};

use crate::problem::Problem;

/// What the parameter is.
pub(super) const FIELDS: &str =
    "names of fields, joined by commas: only these of each torrent, numbers with five decimals";

/// Fields of a torrent that somebody asked for, its number always among them.
#[derive(Clone, Debug)]
pub(super) struct Fields(Vec<String>);

/// What changed, in as few words as possible.
#[derive(Debug, Serialize)]
pub(super) struct Brief<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    full: bool,
    torrents: Vec<Map<String, Value>>,
    #[serde(skip_serializing_if = "<[Id]>::is_empty")]
    removed: &'a [Id],
}

impl Fields {
    /// # Errors
    /// When a torrent has no such field.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let schema = schemars::schema_for!(View);
        let known = schema.get("properties").and_then(Value::as_object);
        let mut names = vec!["id".to_owned()];
        for name in text.split(',').map(str::trim) {
            if !known.is_some_and(|known| known.contains_key(name)) {
                return Err(Problem::request(format!("a torrent has no field {name:?}")));
            }
            if !names.iter().any(|it| it == name) {
                names.push(name.to_owned());
            }
        }
        Ok(Self(names))
    }

    pub(super) fn pick<'a>(&self, changes: &'a Changes) -> Brief<'a> {
        Brief {
            cursor: Some(&changes.cursor),
            full: changes.full,
            torrents: changes.torrents.iter().map(|view| self.of(view)).collect(),
            removed: &changes.removed,
        }
    }

    fn of(&self, view: &View) -> Map<String, Value> {
        let Ok(Value::Object(mut all)) = serde_json::to_value(view) else { return Map::new() };
        let fields = self.0.iter().filter_map(|name| all.remove_entry(name));
        fields.map(|(name, value)| (name, rounded(value))).collect()
    }
}

fn rounded(value: Value) -> Value {
    match value.as_f64().filter(|_| value.is_f64()) {
        Some(number) => ((number * 1e5).round() / 1e5).into(),
        None => value,
    }
}

/// What a listener was told before: it is not told twice.
#[derive(Debug)]
pub(super) struct Told {
    fields: Fields,
    /// Torrents as they were told last. Those of a full list are not kept: few of them change.
    last: HashMap<Id, Map<String, Value>>,
}

impl Told {
    pub(super) fn new(fields: Fields) -> Self {
        Self { fields, last: HashMap::new() }
    }

    /// What of that is news; `None`: nothing, unless it is the first.
    pub(super) fn news<'a>(&mut self, changes: &'a Changes, first: bool) -> Option<Brief<'a>> {
        let Changes { full, torrents, removed, .. } = changes;
        if *full {
            self.last.clear();
            return Some(Brief { cursor: None, ..self.fields.pick(changes) });
        }
        removed.iter().for_each(|id| drop(self.last.remove(id)));
        let torrents: Vec<_> = torrents.iter().filter_map(|view| self.one(view)).collect();
        let news = first || !torrents.is_empty() || !removed.is_empty();
        news.then_some(Brief { cursor: None, full: false, torrents, removed })
    }

    fn one(&mut self, view: &View) -> Option<Map<String, Value>> {
        let now = self.fields.of(view);
        let last = self.last.insert(view.id, now.clone());
        let Some(last) = last else { return Some(now) };
        let changed = |(name, value): &(String, Value)| {
            name == "id" || last.get(name).is_none_or(|before| before != value)
        };
        let news: Map<_, _> = now.into_iter().filter(changed).collect();
        (news.len() > 1).then_some(news)
    }
}
