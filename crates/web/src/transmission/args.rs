//! The arguments of a call, read as leniently as the real server does, and no more.

use serde_json::{Map, Value};
use toubkal_daemon::{Client, Id};

use super::names::Dialect;

/// What is asked of torrents that changed lately.
pub(super) const RECENTLY: &str = "recently_active";

/// The arguments; names as tables have them.
#[derive(Clone, Debug)]
pub(super) struct Args {
    pub(super) dialect: Dialect,
    map: Map<String, Value>,
}

impl Args {
    pub(super) fn new(dialect: Dialect, given: Option<Value>) -> Self {
        let Some(Value::Object(given)) = given else { return Self { dialect, map: Map::new() } };
        let map = given.into_iter().map(|(name, value)| (dialect.read(&name).into_owned(), value));
        Self { dialect, map: map.collect() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.map.get(name)?.as_str()
    }

    /// A truth value; 0 and 1 are as good.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.map.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::Number(number) => match number.as_i64()? {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            },
            _ => None,
        }
    }

    /// A whole number; some clients write one with a point.
    pub(super) fn whole(&self, name: &str) -> Option<i64> {
        whole(self.map.get(name)?)
    }

    /// A number that is not below zero.
    pub(super) fn count(&self, name: &str) -> Option<u64> {
        self.whole(name).map(|number| number.max(0).unsigned_abs())
    }

    /// A number with a fraction; 3.00 takes one in quotes, too.
    pub(super) fn real(&self, name: &str) -> Option<f64> {
        let number = match self.map.get(name)? {
            Value::String(text) => text.parse().ok(),
            value => value.as_f64(),
        };
        number.filter(|number: &f64| number.is_finite())
    }

    pub(super) fn list(&self, name: &str) -> Option<&[Value]> {
        self.map.get(name)?.as_array().map(Vec::as_slice)
    }

    /// Texts of a list, what is none left out.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<&str>> {
        Some(self.list(name)?.iter().filter_map(Value::as_str).collect())
    }

    pub(super) fn is_recent(&self) -> bool {
        self.text("ids").is_some_and(|ids| self.dialect.read(ids) == RECENTLY)
    }

    /// The torrents that are meant: by number, by info-hash in digits of any case, or a list of
    /// both; all when nothing is said. What is not known is left out.
    pub(super) fn ids(&self, client: &Client) -> Vec<Id> {
        let one = |value: &Value| match value {
            Value::String(hash) => client.find_text(hash),
            value => {
                whole(value).and_then(|id| u64::try_from(id).ok()).filter(|&id| client.has(id))
            }
        };
        let mut ids = match self.map.get("ids") {
            None => return client.ids(),
            Some(_) if self.is_recent() => {
                return client.ids();
            }
            Some(Value::Array(all)) => all.iter().filter_map(one).collect(),
            Some(value) => Vec::from_iter(one(value)),
        };
        let mut seen = std::collections::BTreeSet::new();
        ids.retain(|id| seen.insert(*id));
        ids
    }
}

pub(super) fn whole(value: &Value) -> Option<i64> {
    let float = || value.as_f64().filter(|it| it.is_finite()).map(|it| it as i64);
    value.as_i64().or_else(float)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(value: Value) -> Args {
        Args::new(Dialect::Old, Some(value))
    }

    #[test]
    fn values_are_taken_in_the_ways_that_clients_write_them() {
        let args = args(json!({"a": 1, "b": true, "c": 2.0, "d": "1.5", "e": "x", "f": -3}));
        assert_eq!(
            (args.flag("a"), args.flag("b"), args.flag("c")),
            (Some(true), Some(true), None)
        );
        assert_eq!((args.whole("c"), args.whole("e"), args.count("f")), (Some(2), None, Some(0)));
        assert_eq!((args.real("d"), args.real("a"), args.real("e")), (Some(1.5), Some(1.0), None));
        assert!(Args::new(Dialect::Old, Some(json!([1]))).map.is_empty());
    }

    #[test]
    fn recently_active_is_known_in_both_dialects() {
        assert!(args(json!({"ids": "recently-active"})).is_recent());
        let new = |ids| Args::new(Dialect::New, Some(json!({"ids": ids}))).is_recent();
        assert!(new("recently_active") && !new("recently-active"));
    }
}
