//! The table of routes, and the description that is made of it (OpenAPI 3.1).

use axum::routing::MethodRouter;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{Face, PREFIX};
use crate::problem::Problem;

/// A schema, made when the description is.
type Describe = fn(&mut SchemaGenerator) -> Schema;

/// One path of the API, with what can be done there.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) path: &'static str,
    /// Whether strangers may ask.
    pub(crate) open: bool,
    acts: Vec<Act>,
}

/// One thing that can be done.
#[derive(Clone)]
pub(crate) struct Act {
    method: &'static str,
    router: fn() -> MethodRouter<Face>,
    summary: &'static str,
    query: Vec<(&'static str, &'static str, Describe)>,
    body: Option<(&'static str, Describe)>,
    /// Status, kind and form of what comes back.
    reply: (u16, &'static str, Option<Describe>),
    /// Statuses of what can go wrong, beside those of every act.
    faults: &'static [u16],
}

impl Route {
    pub(crate) fn new(path: &'static str, acts: impl Into<Vec<Act>>) -> Self {
        Self { path, open: false, acts: acts.into() }
    }

    /// Strangers may ask.
    pub(crate) fn open(mut self) -> Self {
        self.open = true;
        self
    }

    pub(crate) fn methods(&self) -> MethodRouter<Face> {
        self.acts.iter().fold(MethodRouter::new(), |all, act| all.merge((act.router)()))
    }
}

impl Act {
    pub(crate) fn new(
        method: &'static str,
        summary: &'static str,
        router: fn() -> MethodRouter<Face>,
    ) -> Self {
        let reply = (204, "", None);
        Self { method, router, summary, query: Vec::new(), body: None, reply, faults: &[] }
    }

    /// A parameter behind the `?`.
    pub(crate) fn query<T: JsonSchema>(mut self, name: &'static str, what: &'static str) -> Self {
        self.query.push((name, what, SchemaGenerator::subschema_for::<T>));
        self
    }

    /// What is sent, as JSON.
    pub(crate) fn body<T: JsonSchema>(self) -> Self {
        self.body_as::<T>("application/json")
    }

    pub(crate) fn body_as<T: JsonSchema>(mut self, kind: &'static str) -> Self {
        self.body = Some((kind, SchemaGenerator::subschema_for::<T>));
        self
    }

    /// What comes back, as JSON.
    pub(crate) fn gives<T: JsonSchema>(self, status: u16) -> Self {
        self.gives_as::<T>(status, "application/json")
    }

    pub(crate) fn gives_as<T: JsonSchema>(mut self, status: u16, kind: &'static str) -> Self {
        self.reply = (status, kind, Some(SchemaGenerator::subschema_for::<T>));
        self
    }

    /// What else can go wrong.
    pub(crate) fn faults(mut self, faults: &'static [u16]) -> Self {
        self.faults = faults;
        self
    }
}

/// The description of these routes.
pub(crate) fn describe(table: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = SchemaGenerator::new(settings);
    let mut paths = Map::new();
    for route in table {
        let acts =
            route.acts.iter().map(|act| (act.method.to_owned(), one(route, act, &mut schemas)));
        let mut acts: Map<String, Value> = acts.collect();
        let parameters: Vec<Value> = route
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| {
                let what = "the number of a torrent, or its info-hash";
                let schema = json!({"type": "string", "minLength": 1});
                json!({"name": name, "in": "path", "required": true, "description": what,
                    "schema": schema})
            })
            .collect();
        if !parameters.is_empty() {
            acts.insert("parameters".to_owned(), Value::Array(parameters));
        }
        paths.insert(format!("{PREFIX}{}", route.path), Value::Object(acts));
    }
    let components = schemas.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Toubkal",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The API of a Toubkal client. Sizes are in bytes, rates in bytes a \
                second, times in seconds, points in time in seconds since 1970.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"password": []}, {"session": []}, {}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
                "session": {"type": "apiKey", "in": "cookie", "name": crate::guard::COOKIE},
            },
        },
    })
}

fn one(route: &Route, act: &Act, schemas: &mut SchemaGenerator) -> Value {
    let mut about = json!({"summary": act.summary, "operationId": name(route, act)});
    let parameters: Vec<Value> = act
        .query
        .iter()
        .map(|(name, what, schema)| {
            json!({"name": name, "in": "query", "description": what, "schema": schema(schemas)})
        })
        .collect();
    if !parameters.is_empty() {
        about["parameters"] = Value::Array(parameters);
    }
    let mut faults: Vec<u16> = vec![400];
    if let Some((kind, schema)) = &act.body {
        let content = json!({*kind: {"schema": schema(schemas)}});
        about["requestBody"] = json!({"required": true, "content": content});
        faults.extend([413, 415, 422]);
    }
    if !route.open {
        faults.push(401);
    }
    if route.path.contains('{') {
        faults.push(404);
    }
    faults.extend(act.faults);
    let (status, kind, schema) = &act.reply;
    let mut good = json!({"description": "Done."});
    if let Some(schema) = schema {
        good["content"] = json!({*kind: {"schema": schema(schemas)}});
    }
    let mut replies = Map::from_iter([(status.to_string(), good)]);
    for fault in faults {
        let schema = schemas.subschema_for::<Problem>();
        let content = json!({"application/problem+json": {"schema": schema}});
        let fault_name = axum::http::StatusCode::from_u16(fault).ok();
        let text = fault_name.and_then(|it| it.canonical_reason()).unwrap_or_default();
        replies.insert(fault.to_string(), json!({"description": text, "content": content}));
    }
    about["responses"] = Value::Object(replies);
    if route.open {
        about["security"] = json!([{}]);
    }
    about
}

/// A name for programs that are made of the description.
fn name(route: &Route, act: &Act) -> String {
    let parts = route.path.split('/').filter(|part| !part.is_empty());
    let parts = parts.map(|part| part.trim_matches(['{', '}']).replace('.', "_"));
    std::iter::once(act.method.to_owned()).chain(parts).collect::<Vec<_>>().join("_")
}
