//! The API under `/api/v1`: one table of routes, from which both the server and the description of
//! the API are made.

mod events;
mod fields;
mod system;
mod table;
mod torrents;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use tokio::sync::watch;
use toubkal_daemon::Client;

use crate::guard::{self, Guard};
use crate::problem::Problem;
use table::Route;

/// Bytes of the body of a request: a torrent file of the largest kind, in base64.
const BODY_BYTES_MAX: usize = 90 << 20;
/// Where it is.
const PREFIX: &str = "/api/v1";

/// What every route has.
#[derive(Clone, Debug)]
pub(crate) struct Face {
    pub(crate) client: Client,
    pub(crate) guard: Arc<Guard>,
    /// True when the server ends.
    pub(crate) ended: watch::Receiver<bool>,
}

/// All routes.
fn table() -> Vec<Route> {
    [torrents::table(), events::table(), system::table()].concat()
}

/// The routes, with the guard of each.
pub(crate) fn routes(client: Client, guard: &Arc<Guard>, ended: watch::Receiver<bool>) -> Router {
    let face = Face { client, guard: Arc::clone(guard), ended };
    let (mut inner, mut outer) = (Router::new(), Router::new());
    for route in table() {
        let path = format!("{PREFIX}{}", route.path);
        match route.open {
            true => outer = outer.route(&path, route.methods()),
            false => inner = inner.route(&path, route.methods()),
        }
    }
    inner
        .route("/metrics", axum::routing::get(crate::metrics::metrics))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .route_layer(middleware::from_fn(guard::user_only))
        .merge(outer)
        .fallback(crate::page::serve)
        .method_not_allowed_fallback(|| async {
            Problem::new(
                axum::http::StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "this cannot be done here",
            )
        })
        .with_state(face)
}

/// The description of the API.
pub(crate) fn openapi() -> serde_json::Value {
    table::describe(&table())
}
