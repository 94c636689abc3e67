//! What is about all torrents: settings, figures, categories, tags, log-in, health.

use std::collections::BTreeMap;
use std::path::PathBuf;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, routing};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toubkal_daemon::{Settings, SettingsEdit, Stats};

use super::Face;
use super::table::{Act, Route};
use super::torrents::read;
use crate::guard::{COOKIE, Via, Who, cookie};
use crate::problem::Problem;

pub(super) fn table() -> Vec<Route> {
    let settings = [
        Act::new("get", "What holds for all torrents", || routing::get(settings))
            .gives::<Settings>(200),
        Act::new("patch", "Changes that", || routing::patch(set_settings)).body::<SettingsEdit>(),
    ];
    let stats =
        Act::new("get", "All torrents together", || routing::get(stats)).gives::<Stats>(200);
    let categories = [
        Act::new("get", "Categories, with their folders", || routing::get(categories))
            .gives::<BTreeMap<String, Option<PathBuf>>>(200),
        Act::new("post", "Makes a category, or gives one another folder", || {
            routing::post(set_category)
        })
        .body::<Category>(),
    ];
    let category = Act::new("delete", "Forgets a category", || routing::delete(remove_category));
    let tags = Act::new("get", "All tags", || routing::get(tags)).gives::<Vec<String>>(200);
    let tag = Act::new("delete", "Forgets a tag", || routing::delete(remove_tag));
    let session = [
        Act::new("get", "Whether one is logged in", || routing::get(session))
            .gives::<SessionView>(200),
        Act::new("post", "Logs in: the answer brings a cookie", || routing::post(log_in))
            .body::<Login>()
            .gives::<SessionView>(200)
            .faults(&[401, 429]),
        Act::new("delete", "Logs out", || routing::delete(log_out)),
    ];
    let health = Act::new("get", "Whether it is up", || routing::get(health)).gives::<Health>(200);
    let openapi = Act::new("get", "This description", || routing::get(openapi))
        .gives::<serde_json::Value>(200);
    vec![
        Route::new("/settings", settings),
        Route::new("/stats", [stats]),
        Route::new("/categories", categories),
        Route::new("/categories/{name}", [category]),
        Route::new("/tags", [tags]),
        Route::new("/tags/{name}", [tag]),
        Route::new("/session", session).open(),
        Route::new("/health", [health]).open(),
        Route::new("/openapi.json", [openapi]).open(),
    ]
}

/// A category.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Category {
    /// Its name.
    name: String,
    /// Where its torrents go: a path from the root; nothing: where all go.
    dir: Option<PathBuf>,
}

/// Who wants to log in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    /// The name.
    user: String,
    /// The password.
    password: String,
}

/// How one stands with the server.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct SessionView {
    /// Everything may be done.
    open: bool,
    /// There is a password to log in with.
    password: bool,
}

/// That it is up.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct Health {
    /// It answers.
    up: bool,
    /// Its version.
    version: &'static str,
}

async fn settings(State(face): State<Face>) -> Response {
    axum::Json(face.client.settings()).into_response()
}

async fn set_settings(State(face): State<Face>, body: Bytes) -> Result<StatusCode, Problem> {
    let edit: SettingsEdit = read(&body)?;
    face.client.set_settings(edit)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn stats(State(face): State<Face>) -> Response {
    axum::Json(face.client.stats()).into_response()
}

async fn categories(State(face): State<Face>) -> Response {
    axum::Json(face.client.settings().categories).into_response()
}

async fn set_category(State(face): State<Face>, body: Bytes) -> Result<StatusCode, Problem> {
    let Category { name, dir } = read(&body)?;
    face.client.set_category(&name, dir)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_category(
    State(face): State<Face>,
    name: Path<String>,
) -> Result<StatusCode, Problem> {
    if !face.client.settings().categories.contains_key(&name.0) {
        return Err(Problem::missing(format!("there is no category {:?}", name.0)));
    }
    face.client.remove_categories(&[name.0])?;
    Ok(StatusCode::NO_CONTENT)
}

async fn tags(State(face): State<Face>) -> Response {
    axum::Json(face.client.settings().tags).into_response()
}

async fn remove_tag(State(face): State<Face>, name: Path<String>) -> Result<StatusCode, Problem> {
    if !face.client.settings().tags.contains(&name.0) {
        return Err(Problem::missing(format!("there is no tag {:?}", name.0)));
    }
    face.client.remove_tags(&[name.0])?;
    Ok(StatusCode::NO_CONTENT)
}

fn standing(face: &Face, who: Who) -> SessionView {
    SessionView { open: who == Who::User, password: face.guard.access.has_password() }
}

async fn session(State(face): State<Face>, who: Extension<Who>) -> Response {
    axum::Json(standing(&face, who.0)).into_response()
}

async fn log_in(
    State(face): State<Face>,
    via: Extension<Via>,
    body: Bytes,
) -> Result<Response, Problem> {
    let Login { user, password } = read(&body)?;
    if !face.guard.check(via.0, &user, &password).await? {
        let detail = "name or password is wrong";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "login", detail));
    }
    let secret = face
        .guard
        .access
        .open_session()
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "system", error))?;
    let cookie = format!("{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age=1209600");
    let mut response = axum::Json(standing(&face, Who::User)).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn log_out(State(face): State<Face>, headers: HeaderMap) -> Response {
    if let Some(secret) = cookie(&headers) {
        face.guard.access.close_session(secret);
    }
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response()
}

async fn health() -> Response {
    axum::Json(Health { up: true, version: env!("CARGO_PKG_VERSION") }).into_response()
}

async fn openapi() -> Response {
    axum::Json(super::openapi()).into_response()
}
